"""A service whose carrier is in a column of its own: "UPS" and "Ground" are ``ups:Ground``.

The names of carriers are in ``data/words/carriers.toml``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from shipkit.orders.expressions import case, choose, quote, trimmed
from shipkit.orders.filters.column_values import (
    ColumnValue,
    ConstantValue,
    Kind,
    NotCompilable,
    Value,
    as_column,
    str_of,
)
from shipkit.orders.filters.declaration import LONGEST_CELL, Filter, FilterCall
from shipkit.orders.filters.text_filters import case_may_differ
from shipkit.orders.heading_text import word_file
from shipkit.orders.units import BLANKS

__all__ = [
    "BETWEEN_CELLS",
    "CARRIER_FILTERS",
    "carrier_words",
    "carriers_named_sql",
    "names_only_a_carrier_sql",
    "of_carrier",
    "of_carrier_sql",
]

_RULE: Final = r"(?i)^(cheapest|fastest)\b"
_CHOICE: Final = r"(?i) of "
_MARKS: Final = (r"^[\W_]+", r"^[^\p{L}\p{N}]+")
"""What is between a carrier and its service, "UPS® Ground", in Python and in SQL."""
_GAP: Final = (r"[\W_]+", r"[^\p{L}\p{N}]+")
"""What is between words."""
BETWEEN_CELLS: Final = " / "
"""What is between the cells of several columns, which are read one by one."""


@cache
def carrier_words() -> Mapping[str, str]:
    """Return what a cell may say, as it is read -> the carrier's word before a service."""
    names = word_file("carriers")["names"]
    return {_spaced(text): name for name, texts in names.items() for text in texts}


@cache
def _no_carriers() -> frozenset[str]:
    """Return the cells that name no carrier, as they are read."""
    given = (*word_file("carriers")["none"], *word_file("instructions")["neutral"], "", "0")
    return frozenset(_padded(text) for text in given)


@cache
def _names() -> str:
    """Return the pattern of the carriers' names; the longest at a place is the one."""
    return _any_of(carrier_words())


@cache
def _known() -> str:
    """Return the pattern of carriers' names, and of words next to them that ask for nothing."""
    return _any_of({*carrier_words(), *map(_spaced, word_file("carriers")["fillers"])})


def _any_of(texts: Collection[str]) -> str:
    return f" ({'|'.join(sorted(texts, key=lambda text: (-len(text), text)))}) "


def _spaced(text: str) -> str:
    """Return the words of a text in lower case, with two blanks between them.

    So each word has a blank of its own on both sides, and names next to each other are found.
    """
    return re.sub(_GAP[0], "  ", text.lower()).strip(" ")


def _padded(text: str) -> str:
    return f" {_spaced(text)} "


class _Cell(NamedTuple):
    """What a cell, or several of them, says of the carrier."""

    words: frozenset[str]
    """The carriers that it names first and last."""
    name: str
    """The first name of one, as it is written there."""
    rest: str
    """What it says besides: "home delivery"."""


def _read(text: str) -> _Cell:
    parts = map(_padded, text.split(BETWEEN_CELLS))
    whole = "".join(part for part in parts if part not in _no_carriers())
    ends = [found[1] for form in _ENDS if (found := re.search(form + _names(), whole))]
    return _Cell(
        frozenset(carrier_words()[name] for name in ends),
        ends[0].replace("  ", " ") if ends else "",
        re.sub(_known(), "", whole).strip(" ").replace("  ", " "),
    )


_ENDS: Final = ("", "^.*")
"""What is before the first name of a carrier in a text, and before the last one."""


def of_carrier(value: Any, carrier: Any = None, table: Mapping[str, str] | None = None) -> Any:
    """Return a service with the carrier that another cell names, or what `table` has for it.

    A service that names its carrier by a colon stays, and so does one next to a carrier that is
    not known, or next to two. What the cell says besides the carrier is of the service. A rule
    chooses among the services of the carrier.

    Examples
    --------
    >>> of_carrier("Ground", "FedEx"), of_carrier("UPS Ground", "UPS"), of_carrier("Ground", "Bob")
    ('fedex:Ground', 'ups:Ground', 'Ground')
    >>> of_carrier("Ground", "FEDEX_GROUND"), of_carrier("Ground", "FedEx SmartPost")
    ('fedex:Ground', 'fedex:smartpost Ground')
    >>> of_carrier("Ground", "FedEx", {"fedex:ground": "2nd_day_air"})
    '2nd_day_air'
    >>> of_carrier("cheapest within 3 days", "USPS")
    'cheapest of usps within 3 days'
    >>> of_carrier("Home", "FedEx", {"Home": "ground"})
    'ground'
    """
    if value is None:
        return None
    text = str(value).strip(BLANKS)
    meanings = _meanings(table)
    if text.lower() in meanings:
        return meanings[text.lower()]
    named = _named(text, "" if carrier is None else str(carrier).strip(BLANKS).lower())
    return meanings.get(named.lower(), named)


def _meanings(table: Mapping[str, str] | None) -> dict[str, str]:
    """Return the table by its texts in lower case; the first of two equal ones counts."""
    found: dict[str, str] = {}
    for name, meaning in (table or {}).items():
        found.setdefault(name.strip(BLANKS).lower(), meaning)
    return found


def _named(text: str, carrier: str) -> str:
    cell = _read(carrier)
    if len(cell.words) != 1 or not text or ":" in text:
        return text
    (word,) = cell.words
    if re.search(_RULE, text):
        chosen = f"{word}:{cell.rest}" if cell.rest else word
        return text if re.search(_CHOICE, text) else re.sub(_RULE, rf"\1 of {chosen}", text)
    starts = (carrier, cell.name, word)
    said = next((each for each in starts if text.lower().startswith(each)), "")
    own = re.sub(_MARKS[0], "", text[len(said) :]) if said else text
    closed = re.sub(_GAP[0], "", own.lower())
    besides = [each for each in cell.rest.split(" ") if each not in closed]
    own = " ".join([*besides, own]).strip(" ")
    return f"{word}:{own}" if own else text


def of_carrier_sql(x: str, carrier: str, table: Mapping[str, str] | None = None) -> str:
    """Return SQL of what :func:`of_carrier` returns."""
    meanings = {text: quote(meaning) for text, meaning in _meanings(table).items()}
    meant = choose("lower(its_n.t)", meanings, choose("lower(its_n.n)", meanings, "its_n.n"))
    text, cell = trimmed(x), f"lower({trimmed(carrier)})"
    # Most cells are a name as it is listed; to read any other takes twenty times as long.
    plain = {name.replace("  ", " "): word for name, word in carrier_words().items()}
    word = choose(cell, {name: quote(each) for name, each in plain.items()}, "NULL::VARCHAR")
    quick = f"[{{t: {text}, c: {cell}, m: {cell}, w: {word}}}]"
    slow = f"[{{t: {text}, c: {cell}, k: {_some_sql(cell)}}}]"
    first, last = _ends_sql("its_k.k")
    rest = f"trim(regexp_replace(its_k.k, {quote(_known())}, '', 'g'))"
    words = f"w: {_word_sql('its_m.m')}, e: {_word_sql('its_m.e')}"
    for name, struct in (
        ("its_k", f"{{t: its_k.t, c: its_k.c, m: {first}, e: {last}, r: {_single(rest)}}}"),
        ("its_m", f"{{t: its_m.t, c: its_m.c, m: {_single('its_m.m')}, r: its_m.r, {words}}}"),
    ):
        slow = f"list_transform({slow}, lambda {name}: {struct})"
    quick, slow = (
        f"list_transform({made}, lambda its_s: {{t: its_s.t, n: {named}}})"
        for made, named in ((quick, _named_sql()), (slow, _named_sql(besides=True)))
    )
    quick, slow = (
        f"list_transform({made}, lambda its_n: {meant})[1]" if meanings else f"({made})[1].n"
        for made in (quick, slow)
    )
    is_plain = choose(cell, dict.fromkeys(plain, "true"), f"{cell} IS NULL OR {cell} = ''")
    return f"({case((is_plain, quick), otherwise=slow)})"


def _named_sql(*, besides: bool = False) -> str:
    """Return SQL of a service with its carrier, and with what the cell says besides."""
    chosen, own, one = "its_s.w", _own_sql(), "its_s.w IS NULL"
    if besides:
        chosen = "its_s.w || CASE its_s.r WHEN '' THEN '' ELSE ':' || its_s.r END"
        closed = f"regexp_replace(lower(its_o.o), {quote(_GAP[1])}, '', 'g')"
        more = (
            f"list_filter(string_split(its_s.r, ' '), lambda its_e: NOT contains({closed}, its_e))"
        )
        own = (
            f"list_transform([{{o: {own}}}], lambda its_o: "
            f"trim(array_to_string(list_append({more}, its_o.o), ' ')))[1]"
        )
        one = "its_s.w IS NULL OR its_s.w <> its_s.e"
    ruled = rf"regexp_replace(its_s.t, {quote(_RULE)}, '\1 of ' || {chosen})"
    return case(
        (f"{one} OR its_s.t = '' OR contains(its_s.t, ':')", "its_s.t"),
        (
            f"regexp_matches(its_s.t, {quote(_RULE)})",
            case((f"regexp_matches(its_s.t, {quote(_CHOICE)})", "its_s.t"), otherwise=ruled),
        ),
        otherwise=f"coalesce(its_s.w || ':' || nullif({own}, ''), its_s.t)",
    )


def _own_sql() -> str:
    """Return SQL of a service without the name of its carrier in front."""
    return case(
        *(
            (f"starts_with(lower(its_s.t), its_s.{each})", _after(f"its_s.{each}"))
            for each in ("c", "m", "w")
        ),
        otherwise="its_s.t",
    )


def carriers_named_sql(cell: str) -> str:
    """Return SQL of how many carriers a text names; NULL where it says nothing of a carrier."""
    first, last = _ends_sql("its_k.k")
    count = case(
        ("coalesce(its_m.k, '') = ''", "NULL"),
        ("its_m.w IS NULL", "0"),
        otherwise="CASE WHEN its_m.w = its_m.e THEN 1 ELSE 2 END",
    )
    made = f"[{{k: {_whole_sql(f'lower({trimmed(cell)})')}}}]"
    for name, struct in (
        ("its_k", f"{{k: its_k.k, w: {first}, e: {last}}}"),
        ("its_m", f"{{k: its_m.k, w: {_word_sql('its_m.w')}, e: {_word_sql('its_m.e')}}}"),
    ):
        made = f"list_transform({made}, lambda {name}: {struct})"
    return f"list_transform({made}, lambda its_m: {count})[1]"


def _ends_sql(whole: str) -> list[str]:
    """Return SQL of the first and the last name of a carrier in a text; empty without one."""
    return [f"regexp_extract({whole}, {quote(form + _names())}, 1)" for form in _ENDS]


@cache  # of hundreds of names
def _word_sql(name: str) -> str:
    """Return SQL of the word before a service that a carrier's name stands for, else NULL."""
    words = {text: quote(word) for text, word in carrier_words().items()}
    return choose(name, words, "NULL::VARCHAR")


def names_only_a_carrier_sql(cell: str) -> str:
    """Return SQL of whether a text is the name of a carrier, and says nothing besides."""
    whole = f"lower({trimmed(cell)})"
    rest = f"regexp_replace({_whole_sql(whole)}, {quote(_known())}, '', 'g')"
    return f"coalesce({carriers_named_sql(cell)} = 1 AND trim({rest}) = '', false)"


def _whole_sql(cell: str) -> str:
    """Return SQL of the words of a cell in lower case, without parts that name no carrier."""
    parts = (
        f"list_transform(string_split({cell}, {quote(BETWEEN_CELLS)}), "
        f"lambda its_p: {_padded_sql('its_p')})"
    )
    return f"array_to_string(list_filter({parts}, lambda its_p: {_may_name_one_sql()}), '')"


@cache
def _may_name_one_sql() -> str:
    return choose("its_p", dict.fromkeys(sorted(_no_carriers()), "false"), "true")


def _some_sql(cell: str) -> str:
    """Return SQL of the words of a cell; of several cells, without those that name no carrier."""
    several = f"contains({cell}, {quote(BETWEEN_CELLS)})"
    return case((several, _whole_sql(cell)), otherwise=_padded_sql(cell))


def _padded_sql(text: str) -> str:
    return f"' ' || trim(regexp_replace({text}, {quote(_GAP[1])}, '  ', 'g')) || ' '"


def _single(sql: str) -> str:
    return f"replace({sql}, '  ', ' ')"


def _after(start: str) -> str:
    return f"regexp_replace(substring(its_s.t, length({start}) + 1), {quote(_MARKS[1])}, '')"


def _of_carrier_sql(call: FilterCall) -> Value:
    table = call.constant("table")
    if table is not None and not (
        isinstance(table, dict)
        and all(isinstance(each, str) and "\x00" not in each for each in (*table, *table.values()))
    ):
        raise NotCompilable
    service = call.text()
    given = call.arguments.get("carrier", ConstantValue(None))
    carrier = ColumnValue("NULL::VARCHAR", Kind.TEXT, 0)
    if given != ConstantValue(None):
        carrier = str_of(as_column(given))
        call.render_where(f"length({carrier.sql}) > {LONGEST_CELL}")
    for text in (service, carrier):
        call.render_where(case_may_differ(text.sql))
    longest = max(map(len, carrier_words().values()))
    size = max(
        [
            service.size + carrier.size + longest + 6,
            *(4 * len(each) for each in (table or {}).values()),
        ]
    )
    return ColumnValue(f"({of_carrier_sql(service.sql, carrier.sql, table)})", Kind.TEXT, size)


CARRIER_FILTERS: Final = (
    Filter("of_carrier", of_carrier, _of_carrier_sql, reads_at_most=LONGEST_CELL),
)
