"""Which headings count the units of a line: what was ordered, is left, was shipped, refunded.

The words are in ``data/words/quantities.toml``; a heading is made of them in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

from shipkit.orders.heading_text import spelled, word_file

__all__ = ["QUANTITIES", "counts_an_order", "may_count", "quantity_role"]

QUANTITIES: Final = {
    "ordered": "quantity",
    "left": "quantity_left",
    "shipped": "quantity_shipped",
    "refunded": "quantity_refunded",
    "cancelled": "quantity_cancelled",
    "backordered": "quantity_backordered",
}
"""State of units, as the list of its words is called -> role of a column that counts them."""

_LONGEST: Final = 4
"""Words of the longest phrase: "pendiente de envio" has three."""


@cache
def _words() -> dict[str, frozenset[str]]:
    found = {}
    for name, phrases in word_file("quantities").items():
        plain = {spelled(phrase) for phrase in phrases}
        found[name] = frozenset(
            plain | {phrase.replace(" ", "") for phrase in plain if not phrase.isascii()}
        )
    return found


def quantity_role(words: Sequence[str]) -> tuple[str, int] | None:
    """Return the role of a heading, given as words, that counts units, and its tier; else None.

    Examples
    --------
    >>> quantity_role(["qty", "to", "ship"]), quantity_role(["bestellte", "menge"])
    (('quantity_left', 1), ('quantity', 1))
    >>> quantity_role(["quantity", "discount"]), quantity_role(["refunded"])
    (None, None)
    """
    return _role(tuple(words))


def may_count(words: Sequence[str]) -> str | None:
    """Return the state of the units that a heading may count, where it is not certain.

    Words of a state alone ("Backordered") may also be a flag, and a noun with words that are not
    known ("Current Quantity") is `left`: what is in the parcel may be that many.

    Examples
    --------
    >>> may_count(["backordered"]), may_count(["current", "quantity"]), may_count(["stock", "qty"])
    ('backordered', 'left', None)
    """
    return _may_count(tuple(words))


def counts_an_order(words: Sequence[str]) -> bool:
    """Return whether a heading may give the number of the lines of an order.

    Examples
    --------
    >>> counts_an_order(["item", "count"]), counts_an_order(["allocated"])
    (True, False)
    """
    known = _words()
    return bool(known["of_an_order"].intersection(words)) and _state_within(tuple(words)) is None


def _state_within(words: tuple[str, ...]) -> str | None:
    """Return a state other than "ordered" that is named among the words."""
    known = _words()
    phrases = [" ".join(words[start:end]) for start, end in _spans(words)]
    return next(
        (
            state
            for state in QUANTITIES
            if state != "ordered" and known[state].intersection(phrases)
        ),
        None,
    )


@cache
def _may_count(words: tuple[str, ...]) -> str | None:
    known, role = _words(), _role(words)
    if role is not None and role[0] != "quantity":
        return role[0].removeprefix("quantity_")
    if not words or known["not_of_a_line"].intersection(words):
        return None
    for parts in _cut(words):
        if any(" ".join(parts[start:end]) in known["nouns"] for start, end in _spans(parts)):
            return "left"
    state = _state(words)
    return None if state == "ordered" else state


@cache
def _role(words: tuple[str, ...]) -> tuple[str, int] | None:
    known = _words()
    if " ".join(words) in known["alone"]:
        return "quantity_left", 2
    if words[-1:] == ("unit",):  # "Quantity unit" holds "pcs"
        return None
    for parts in _cut(words):
        for start, end in _spans(parts):
            if " ".join(parts[start:end]) in known["nouns"]:
                state = _state((*parts[:start], *parts[end:]))
                if state is not None:
                    return QUANTITIES[state], 1
    return None


def _cut(words: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the words, and the words with a glued noun taken apart ("Restmenge", "未发货数量")."""
    cuts = [words]
    for place, word in enumerate(words):
        for noun in _words()["nouns"]:
            # "Antal" ends no Latin word by chance, "db" and "qty" do.
            if word == noun or (noun.isascii() and len(noun) < 5):
                continue
            if word.endswith(noun):
                parts = word.removesuffix(noun), noun
            elif word.startswith(noun) and not noun.isascii():
                parts = noun, word.removeprefix(noun)
            else:
                continue
            cuts.append((*words[:place], *parts, *words[place + 1 :]))
    joined = "".join(words)
    return cuts if joined.isascii() or len(words) == 1 else [*cuts, *_cut((joined,))]


def _spans(parts: Sequence[str]) -> list[tuple[int, int]]:
    """Return the places of phrases among `parts`, longer ones first."""
    return [
        (start, start + size)
        for size in range(min(_LONGEST, len(parts)), 0, -1)
        for start in range(len(parts) - size + 1)
    ]


def _state(rest: tuple[str, ...]) -> str | None:
    """Return the state that words name with nothing but fillers around it, None for other words."""
    known = _words()
    fillers = known["fillers"] | known["nouns"]  # "Antal stk"
    if fillers.issuperset(rest) and not known["ordered"].intersection(rest):
        return "ordered"
    for start, end in _spans(rest):
        phrase = " ".join(rest[start:end])
        others = {*rest[:start], *rest[end:]} - fillers
        for state in QUANTITIES:
            # "Bestellte, noch offene Menge" is what is open.
            if phrase in known[state] and not others - (
                known["ordered"] if state != "ordered" else set()
            ):
                return state
    return None
