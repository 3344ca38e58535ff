"""What a cell holds in place of a value: an error, a word for nothing, a formula, a template.

Names and addresses are judged in Python, each different text once; order numbers, states and goods
in SQL. Both are made of one list of kinds, so that a text is a placeholder in every field or in
none, but for the words that are right in some of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final

from shipkit.orders.damage_words import damage_words, plain_damage_words, plain_sql, plain_words
from shipkit.orders.expressions import case, quote, quoted_list

__all__ = [
    "FIELD_WORDS",
    "WRITTEN",
    "Placeholder",
    "is_nothing",
    "is_placeholder",
    "placeholder",
    "reason",
]

_FORMS: Final = ("name", "address_line1", "city", "order_id")
"""Fields whose own heading may be left in a cell."""

FIELD_WORDS: Final = {
    "name": "a name",
    "company": "a company",
    "address_line1": "a street",
    "address_line2": "a unit",
    "address_line3": "an address",
    "city": "a city",
    "state": "a state or province",
    "order_id": "an order number",
    "description": "a description of goods",
}
"""Field -> its value in words."""

_IN_ANY_CASE: Final = frozenset({"state", "order_id", "description"})
"""Fields without names such as Null and Nan: words for nothing count in any case of letters."""

_REASONS: Final = (
    ("not_shipped", "says that it is not shipped"),
    ("elsewhere", "refers to another cell"),
    ("form_of_{column}", "is the heading of a form"),
    ("unsaid", "is not {what}"),
    ("not_there", "is not {what}"),
)
"""Lists of ``damage.toml`` of what people write, and what is wrong with the cell."""

WRITTEN: Final = sorted({name.format(column=column) for name, _ in _REASONS for column in _FORMS})
"""The lists of what people write, those of every field."""

_FILLER: Final = (
    "x{2,12}|(?:(?:mr|mrs|ms|dr|herr|frau|mme) )?(?:tb[adc]|unknown)(?: tb[adc]| unknown)*"
)
"""Letters that fill a cell, and words for a name that is not known yet; of a plain text."""

_HEADING: Final = (
    "(?:(?:first|last|full|customer|recipient|company|street|shipping|ship to|order)[ _.]?)?"
    "(?:name|fname|lname|address|street|city|town|company|zip|state|line ?[0-9]|order|number)"
)
_FORMULA: Final = r"=(?:[^ =].*)?|[+-][A-Z]{1,3}[0-9]+[-+*/&].*|@[A-Z]+\(.*"
_UNFILLED: Final = (
    r".*(?:\{\{.*\}\}|\{%.*%\}|\$\{.*\}|<%.*%>|<<.*>>|«[A-Za-z0-9_]*_[A-Za-z0-9_]*»|\*\|[A-Z_0-9]+\|\*).*"
    r"|%[A-Z_]{3,}%|\{[A-Za-z_. ]+\}"
    rf"|(?:\[(?i:{_HEADING})\] *)+"
    r"""|[\[{]+ *['"].*[\]}]|[\[{](?:[0-9., ]*[., ][0-9., ]*)?[\]}]"""
)
"""Marks of a mail merge or template that were not filled; a list or an object written as text."""

_ONE_NUMBER: Final = r"[\[{][0-9]+[\]}]"
"""A list of one number, which an order number may look like: "[1001]"."""


@dataclass(frozen=True)
class Placeholder:
    """What a cell holds in place of a value.

    Parameters
    ----------
    reason
        What is wrong with the cell, as the rest of a sentence: "is not a street".
    code
        Of the problem, if the cell is part of an address.
    by_a_person
        Whether a person wrote it, who may have meant it.
    """

    reason: str
    code: str = "placeholder"
    by_a_person: bool = False


@dataclass(frozen=True)
class _Kind:
    """Cells that are one kind of placeholder.

    Parameters
    ----------
    exact, lower, plain
        The words: as they are written, in lower case, without marks.
    pattern, plain_pattern
        Of the whole cell, and of the cell without marks. Python and DuckDB read them alike.
    names
        Texts without marks that are initials or firms. Only names of people, which Python judges,
        have such exceptions.
    """

    found: Placeholder
    exact: frozenset[str] = frozenset()
    lower: frozenset[str] = frozenset()
    plain: frozenset[str] = frozenset()
    pattern: str = ""
    plain_pattern: str = ""
    names: frozenset[str] = frozenset()

    def has(self, text: str, plain: str) -> bool:
        return plain not in self.names and (
            text in self.exact
            or text.lower() in self.lower
            or plain in self.plain
            or bool(self.pattern and re.fullmatch(self.pattern, text))
            or bool(self.plain_pattern and re.fullmatch(self.plain_pattern, plain))
        )

    def sql(self, x: str, plain: str) -> str:
        words = ((x, self.exact), (f"lower({x})", self.lower), (plain, self.plain))
        patterns = ((x, self.pattern), (plain, self.plain_pattern))
        return " OR ".join(
            [
                *(f"{text} IN ({quoted_list(sorted(known))})" for text, known in words if known),
                *(f"regexp_full_match({text}, {quote(p)})" for text, p in patterns if p),
            ]
        )


@cache
def _kinds(column: str) -> tuple[_Kind, ...]:
    """Return the kinds of placeholders in a column, in the order in which they are looked for."""
    what = FIELD_WORDS[column]
    nothing = damage_words("nothing") | damage_words("booleans")
    names = plain_damage_words("also_names") if column == "name" else frozenset()
    any_case = column in _IN_ANY_CASE
    unfilled = _UNFILLED if column == "order_id" else f"{_UNFILLED}|{_ONE_NUMBER}"
    written = [
        _Kind(Placeholder(reason.format(what=what), by_a_person=True), plain=words, names=names)
        for name, reason in _REASONS
        if (words := _written(name, column))
    ]
    filler = _Kind(
        Placeholder(f"is not {what}", by_a_person=True), plain_pattern=_FILLER, names=names
    )
    return (
        _Kind(
            Placeholder("is what a spreadsheet shows for an error", "excel_error"),
            lower=damage_words("errors"),
            pattern="#{3,}",
        ),
        _Kind(
            Placeholder(f"is not {what}"),
            exact=frozenset() if any_case else nothing,
            lower=frozenset(map(str.lower, nothing)) if any_case else frozenset(),
        ),
        *written,
        # A firm may be called so; some countries' forms take XX for no state.
        *(() if column in ("company", "state") else (filler,)),
        _Kind(Placeholder(f"is a formula, and not {what}", "excel_error"), pattern=_FORMULA),
        _Kind(Placeholder(f"is a template or data, and not {what}"), pattern=unfilled),
    )


def _written(name: str, column: str) -> frozenset[str]:
    """Return a list of what people write, without the words that are right in the column."""
    if name.startswith("form_of") and column not in _FORMS:
        return frozenset()
    words = plain_damage_words(name.format(column=column))
    if column == "company":  # a firm may be called TBC
        return frozenset(word for word in words if " " in word)
    return words


def placeholder(text: str, column: str) -> Placeholder | None:
    """Return what a text holds in place of a value, if it does.

    Parameters
    ----------
    text
        With single blanks.
    column
        The field that it is for, such as ``address_line1``.

    Examples
    --------
    >>> placeholder("(TBD)", "city").reason, placeholder("Boston", "city")
    ('is not a city', None)
    """
    plain = plain_words(text)
    return next((kind.found for kind in _kinds(column) if kind.has(text, plain)), None)


def is_placeholder(x: str, column: str) -> str:
    """Return SQL of whether a text is a placeholder, as :func:`placeholder` finds it.

    Nearly every text is a word of letters and digits: it is looked up in one list.
    """
    assert column in _IN_ANY_CASE, "SQL compares small letters"  # noqa: S101 - a caller's slip
    kinds = _kinds(column)
    lower = {word for kind in kinds for word in kind.lower}
    plain = {word for kind in kinds for word in kind.plain}
    whole, filler = _joined(k.pattern for k in kinds), _joined(k.plain_pattern for k in kinds)
    in_marks = [
        f"{plain_sql(x)} IN ({quoted_list(sorted(plain))})",
        f"regexp_full_match({x}, {quote(whole)})",
        *([f"regexp_full_match({plain_sql(x)}, {quote(filler)})"] if filler else []),
    ]
    return case(
        (f"lower({x}) IN ({quoted_list(sorted(lower | plain))})", "true"),
        (rf"regexp_matches({x}, '[^\pL\pN ]')", " OR ".join(in_marks)),
        otherwise=f"regexp_full_match(lower({x}), {quote(filler)})" if filler else "false",
    )


def _joined(patterns: Iterable[str]) -> str:
    return "|".join(f"(?:{pattern})" for pattern in patterns if pattern)


def reason(x: str, column: str) -> str:
    """Return SQL of what is wrong with a text that is a placeholder, null of any other."""
    return case(*((kind.sql(x, plain_sql(x)), quote(kind.found.reason)) for kind in _kinds(column)))


def is_nothing(text: str) -> bool:
    """Return whether a text is a word for nothing, of a program or of a person."""
    return text.strip() in damage_words("nothing") or plain_words(text) in plain_damage_words(
        "not_there"
    )
