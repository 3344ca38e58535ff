"""How the text of a cell becomes the value of a field, by the kind that the field declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shipkit.orders import expressions as sql
from shipkit.orders.expressions import quote, quoted_list
from shipkit.orders.heading_words import asks_for_nothing, option_words
from shipkit.orders.written_numbers import narrow_sql
from shipkit.schema import FLAT, Leaf

__all__ = ["UNREADABLE", "asking", "reading"]


def reading(leaf: Leaf, x: str, *, currency: str = "'USD'", cell_type: str = "VARCHAR") -> str:
    """Return SQL that reads the cell `x` as a value of `leaf`, null where it cannot be read.

    Parameters
    ----------
    currency
        SQL of the currency, whose decimal places an amount is counted in.
    cell_type
        DuckDB type of `x`. A source with types gives numbers, dates and flags as they are.
    """
    match leaf.spec.kind:
        case "weight" | "length":
            if cell_type != "VARCHAR":
                return sql.case((f"isfinite({x}::DOUBLE)", f"{x}::DOUBLE"))
            return sql.measure(x, weight=leaf.spec.kind == "weight")
        case "amount":
            nothing = dict.fromkeys(asks_for_nothing(leaf.flat), "0")
            amount = sql.money_cents(x, currency)
            if cell_type != "VARCHAR" or not nothing:
                return amount
            return sql.choose(f"lower(trim({x}))", nothing, amount)
        case "count":
            return _count(leaf, x)
        case "date":
            return x if cell_type == "DATE" else sql.date(f"trim({x})")
        case "flag":
            if cell_type == "BOOLEAN":
                return x
            if leaf.name == "residential":
                return sql.residential(x)
            yes = ("return", *option_words(leaf).get("yes", ()))
            return sql.flag(x, yes, ("", *asks_for_nothing(leaf.flat)))
        case "choice":
            return _choice(leaf, x)
        case "code":
            return sql.code(asking(leaf, x))
        case _:
            if leaf.name == "packaging":
                return sql.packaging(x)
            return sql.tidy(asking(leaf, x))


def asking(leaf: Leaf, x: str) -> str:
    """Return SQL of the text of a cell, null where it asks for nothing: "n/a", "-"."""
    nothing = asks_for_nothing(leaf.flat)
    if not nothing:
        return x
    return f"CASE WHEN lower(trim({x})) NOT IN ({quoted_list(nothing)}) THEN {x} END"


def _count(leaf: Leaf, x: str) -> str:
    """Return SQL that reads a whole number; 2.5 is none. Some fields have words for one."""
    number = f"({sql.number(narrow_sql(x))})"
    whole = f"CASE WHEN {number} = floor({number}) THEN TRY_CAST({number} AS BIGINT) END"
    one = dict.fromkeys(option_words(leaf).get("one", ()), "1")
    return sql.choose(f"lower(trim({x}))", one, whole) if one else whole


def _choice(leaf: Leaf, x: str) -> str:
    """Return SQL that reads one of the words of a choice.

    An empty cell asks for nothing: the choice that means it, or an empty text where none does.
    """
    further = option_words(leaf)
    nothing = quote(leaf.spec.nothing)
    words = dict.fromkeys(("", *asks_for_nothing(leaf.flat)), nothing)
    for group in (leaf.spec.words, further.get("words", {})):
        for value, names in group.items():
            words |= dict.fromkeys(names, quote(value))
    if not leaf.required:  # "THIRD-PARTY" and "third_party" are one word
        words = {word.translate(_JOINED).strip(): value for word, value in words.items()}
        x = f"translate({x}, '-_', '  ')"
    named = sql.choose(f"lower(trim({x}))", words, "NULL")
    return sql.case((f"{x} IS NULL", nothing), otherwise=named)


_JOINED: Final = str.maketrans("-_", "  ")

_LENGTH: Final = ("is not a length", "Give inches, or a number with its unit (30 cm).")
_BY_KIND: Final[Mapping[str, tuple[str, str]]] = {
    "weight": ("is not a weight", "Give pounds, or a number with its unit (12 oz)."),
    "length": _LENGTH,
    "amount": (
        "is not an amount of money in the currency of its row",
        "Write it as 1234.50 or $1,234.50, or give its currency in a column of its own.",
    ),
    "count": ("is not a whole number", "Write a whole number."),
    "date": ("is not a date", "Write it as 2026-11-02."),
    "flag": ("is neither yes nor no", "Write yes or no."),
    "country": ("is not a country", "Write its code, for example US."),
}


def _unreadable(leaf: Leaf) -> tuple[str, str, str]:
    if leaf.spec.kind == "choice":
        *others, last = leaf.spec.words
        option = f"is not a {leaf.name.replace('_', ' ')} option"
        return leaf.path, option, f"Use {', '.join(others)} or {last}."
    return (leaf.path, *_BY_KIND[leaf.spec.kind])


UNREADABLE: Final[Mapping[str, tuple[str, str, str]]] = {
    leaf.flat: _unreadable(leaf)
    for leaf in FLAT
    if leaf.spec.kind in {*_BY_KIND, "choice"} and leaf.name not in ("residential", "country")
}
"""Leaf -> path, what is wrong with its text, how to fix it. The row cannot ship.

An unreadable `residential` is only a warning: the carrier decides it then.
"""
