"""Where a long street may be cut so that its two lines read right in either order.

UPS prints the lines of an address from the last to the first, so that a street that is cut between
two words reads "la Madeleine Sud / 4 Chemin de la Vieille Fontaine de" on its labels (issue 43 of
UPS-API/api-documentation, and a recorded label). A suite, a floor or a name after a comma may be
above its street; half of a name may not. The rule has a form for Python and one for SQL, which a
test compares.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["cut_apart", "cut_apart_sql", "shortened"]

_KINDS_OF_STREET: Final = {
    "Boulevard": "Blvd",
    "Avenue": "Ave",
    "Street": "St",
    "Drive": "Dr",
    "Road": "Rd",
    "Lane": "Ln",
    "Court": "Ct",
    "Place": "Pl",
    "Parkway": "Pkwy",
    "Highway": "Hwy",
    "Circle": "Cir",
    "Terrace": "Ter",
    "Trail": "Trl",
    "Square": "Sq",
    "Expressway": "Expy",
    "Freeway": "Fwy",
    "Turnpike": "Tpke",
}
_OTHER_WORDS: Final = {
    "Northwest": "NW",
    "Northeast": "NE",
    "Southwest": "SW",
    "Southeast": "SE",
    "North": "N",
    "South": "S",
    "East": "E",
    "West": "W",
    "Doctor": "Dr",
}
"""Abbreviations of USPS Publication 28, by which American addresses are written and looked up."""
_SHORT: Final = _KINDS_OF_STREET | _OTHER_WORDS

_PARTS: Final = (
    "apt|apartment|appt|suite|ste|unit|floor|fl|building|bldg|room|rm|department|dept|lot|trailer|"
    "trlr|space|spc|hangar|pier|slip|level|lvl|block|blk|tower|wing|attn|attention|care of|c/o|"
    "mail ?stop|wohnung|whg|etage|stiege|hinterhaus|batiment|bâtiment|bat|escalier|piso|planta|"
    "puerta|interno|scala|piano|palazzina|lokal|klatka|verdieping"
)


def shortened(line: str, most: int) -> str:
    """Return an American street with its usual abbreviations where it then fits, else as it is.

    Examples
    --------
    >>> shortened("840 South Martin Luther King Jr Boulevard", 35)
    '840 S Martin Luther King Jr Blvd'
    >>> shortened("12 South Street", 35)
    '12 South Street'
    """
    made = line
    for word, short in _SHORT.items():
        if len(made) <= most:
            return made
        made = re.sub(rf"(?i)\b{word}\b", short, made)
    return made if len(made) <= most else line


def _patterns(most: int) -> tuple[str, str]:
    """Return where a line of more than `most` characters may be cut, the best place first."""
    before_a_part = rf"(?i)^(.{{1,{most}}})\s+((?:(?:{_PARTS})\b|#).{{0,{most - 1}}})$"
    at_a_comma = rf"^(.{{1,{most - 1}}},)\s*([^,\s].{{0,{most - 1}}})$"
    return before_a_part, at_a_comma


def cut_apart(line: str, most: int) -> list[str] | None:
    """Return `line` as one or two lines of at most `most` characters, None where none reads right.

    What is before the cut must have a number, as a street has.

    Examples
    --------
    >>> cut_apart("1234 North Martin Luther King Blvd Suite 300", 35)
    ['1234 North Martin Luther King Blvd', 'Suite 300']
    >>> cut_apart("1600 Pennsylvania Avenue Northwest, West Wing", 35)
    ['1600 Pennsylvania Avenue Northwest,', 'West Wing']
    >>> cut_apart("4 Chemin de la Vieille Fontaine de la Madeleine Sud", 35)
    """
    if len(line) <= most:
        return [line]
    for pattern in _patterns(most):
        found = re.match(pattern, line)
        if found and len(found[2]) <= most and re.search("[0-9]", found[1]):
            return [found[1], found[2]]
    return None


def cut_apart_sql(x: str, most: int) -> str:
    """Return SQL of :func:`cut_apart`: a list of lines, or null."""
    cuts = []
    for pattern in _patterns(most):
        one, two = (f"regexp_extract({x}, '{pattern}', {group})" for group in (1, 2))
        cuts.append(
            f"WHEN regexp_matches({one}, '[0-9]') AND length({two}) <= {most} THEN [{one}, {two}]"
        )
    return (
        f"CASE WHEN {x} IS NULL THEN [] WHEN length({x}) <= {most} THEN [{x}] {' '.join(cuts)} END"
    )
