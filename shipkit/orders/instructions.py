"""What a heading may ask for: a part of an address, an option of the carrier, a day, a payer.

The words are in ``data/words/instructions.toml``, one concern after the other.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any, Final

from shipkit.orders.heading_text import heading_words, phrase, without_note, word_file
from shipkit.orders.heading_words import headings_of, option_words, vocabulary
from shipkit.orders.units import WEIGHTS
from shipkit.schema import FLAT, Leaf

__all__ = [
    "Instruction",
    "another_address",
    "instruction_of",
    "part_of_address",
    "payer_by_terms",
]


@dataclass(frozen=True)
class Instruction:
    """Something that a column may ask for.

    Parameters
    ----------
    what
        What it asks for, in words.
    whole, part
        Headings that ask for it, and words that do so anywhere in a heading.
    both
        Groups of words; a heading with one of each group asks for it.
    unless
        Words that make a heading with one of `part` or `both` another thing.
    neutral
        Cells that ask for nothing, in lower case.
    field
        The field of a shipment that a person may name for it, or ``references``.
    fix
        What to do where no field can take it; ``{name}`` is the heading. None: name its field.
    severity
        ``error``: its row waits; ``warning``: a person should know.
    place
        Whether it is a part of an address, and so belongs to a party.
    of_recipient
        Whether the recipient may be named in its heading.
    street_without_number
        Whether it only counts in rows whose street has no digit.
    in_street
        Whether it only counts in rows whose street does not have it, as that of a district may.
    unlike_street
        Whether it only counts in rows whose street does not say the same.
    unlike_code
        Whether a cell that may be the code of a region ("TX-01", "DFW", "48113") asks for nothing.
    future
        Whether a date counts only when it is still to come.
    unless_service
        Whether it is settled by one service for all rows.
    unless_role
        Roles of columns; where one of them is read, it asks for nothing.
    names_carrier
        Whether its cells name carriers, which are read with the services next to them.
    no_amounts
        Whether a cell that is an amount of money, or a percentage, asks for nothing.
    abroad
        Whether it only counts in rows that cross a customs border.
    or_money
        Whether it may be an amount of money, so that next to prices it is a warning.
    """

    what: str
    whole: frozenset[str]
    part: tuple[str, ...]
    both: tuple[tuple[tuple[str, ...], ...], ...]
    unless: tuple[str, ...]
    neutral: tuple[str, ...]
    field: str | None
    fix: str | None
    severity: str
    place: bool
    of_recipient: bool
    street_without_number: bool
    future: bool
    unless_service: bool
    unless_role: frozenset[str]
    or_money: bool = False
    in_street: bool = False
    unlike_street: bool = False
    unlike_code: bool = False
    names_carrier: bool = False
    no_amounts: bool = False
    abroad: bool = False


@lru_cache(maxsize=20_000)
def instruction_of(heading: str) -> Instruction | None:
    """Return what a heading asks for, None if it does not look like an instruction.

    Examples
    --------
    >>> [found and found.what for found in map(instruction_of, ["Apt #", "Hazmat?", "Price"])]
    ['a part of the address', 'dangerous goods, or goods with rules of their own', None]
    """
    words = heading_words(without_note(heading))
    if not words:
        return None
    alone = _of_the_recipient(words)
    others = vocabulary().others.intersection(heading_words(heading))  # "Floor (billing)"
    for each in _instructions():
        if each.place and others:
            continue
        if each.field == "weight_lb" and _ends_in_a_unit(heading):
            return each  # a weight in a language that is not known
        known = alone if each.of_recipient else {" ".join(words)}
        if known & each.whole or (_within(words, each) and not _any(words, each.unless)):
            return each
    return _option(words)


@cache
def part_of_address(*, near_street: bool = True) -> Instruction:
    """Return what a column asks for that is among the columns of the address.

    Away from the street, between city and country, are codes of regions, which are not printed.
    """
    known = next(each for each in _instructions() if each.place)
    values = word_file("values")
    yes = [*values["yes"], *values["settled"]]  # "Address valid": "yes"
    return replace(
        known,
        what="a part of the address, because it is among its columns",
        neutral=(*known.neutral, *(text.lower() for text in yes)),
        unlike_street=True,
        unlike_code=not near_street,
    )


@cache
def another_address() -> Instruction:
    """Return what the street of a second address asks for: which of them the parcel goes to."""
    known = part_of_address()
    return replace(known, what="another address, which may be the recipient's", field=None)


@cache
def payer_by_terms() -> Instruction:
    """Return what terms of sale ask for that are used for customs: who pays for the transport.

    By EXW, FCA, FAS and FOB it is the buyer; by the others the seller pays.
    """
    known = instruction_of("incoterms")
    assert known is not None  # noqa: S101 - the heading is in instructions.toml
    terms = word_file("customs_cells")["terms"]
    paid = ("dat", "dpu", "cpt", "cip", "cfr", "cif", "deq", "des", "daf")
    return replace(
        known,
        neutral=(*known.neutral, *paid, *(word for words in terms.values() for word in words)),
        fix="Give who pays for the transport (bill_to, bill_account), or pay for it yourself: "
        'map(ignore=[{name}], defaults={"customs_terms": "DAP"}).',
        unless_role=frozenset({*known.unless_role, "bill_to"}),
    )


def _ends_in_a_unit(heading: str) -> bool:
    """Return whether a heading ends in a unit of weight in brackets: "Súly (kg)"."""
    found = _UNIT_IN_BRACKETS.search(heading)
    return found is not None and WEIGHTS.unit(found[1]) is not None


_UNIT_IN_BRACKETS: Final = re.compile(r"\w.*[(\[]\s*([A-Za-z]{1,9})\.?\s*[)\]]\s*$")


def _option(words: Sequence[str]) -> Instruction | None:
    """Return what a heading of an option asks for, where its column is not used as such."""
    leaf = _option_phrases().get(" ".join(words))
    if leaf is None:
        return None
    neutral = (*word_file("instructions")["neutral"], *option_words(leaf).get("no", ()))
    return Instruction(
        what=leaf.name.replace("_", " "),
        whole=frozenset(),
        part=(),
        both=(),
        unless=(),
        neutral=neutral,
        field=leaf.flat,
        fix=None,
        severity="error",
        place=False,
        of_recipient=False,
        street_without_number=False,
        future=False,
        unless_service=False,
        unless_role=frozenset(),
    )


@cache
def _option_phrases() -> Mapping[str, Leaf]:
    return {
        phrase(heading): leaf for leaf in FLAT if leaf.spec.option for heading in headings_of(leaf)
    }


def _within(words: Sequence[str], each: Instruction) -> bool:
    return _any(words, each.part) or any(
        all(_any(words, group) for group in groups) for groups in each.both
    )


def _any(words: Sequence[str], phrases: Collection[str]) -> bool:
    """Return whether one of the phrases is among the words."""
    padded = f" {' '.join(words)} "
    return any(f" {each} " in padded for each in phrases)


def _of_the_recipient(words: Sequence[str]) -> set[str]:
    """Return the phrases that remain of a heading without the recipient and "address"."""
    found = {" ".join(words)}
    for party in vocabulary().recipient:
        size = len(party.split())
        if " ".join(words[:size]) == party:
            found.add(" ".join(words[size:]))
        if " ".join(words[-size:]) == party:
            found.add(" ".join(words[:-size]))
    return found | {left.removeprefix("address ") for left in found}


@cache
def _instructions() -> tuple[Instruction, ...]:
    given = word_file("instructions")
    groups = {name: _phrases(words) for name, words in given["groups"].items()}
    return tuple(
        Instruction(
            what=each["what"],
            whole=frozenset(_phrases(each.get("whole", ()))),
            part=_phrases(each.get("part", ())),
            both=tuple(_both(each.get("both", ()), groups)),
            unless=_phrases(each.get("unless", ())),
            neutral=(*given["neutral"], *each.get("neutral", ())),
            field=each.get("field"),
            fix=each.get("fix"),
            severity=each.get("severity", "error"),
            place=each.get("place", False),
            of_recipient=each.get("of_recipient", each.get("place", False)),
            street_without_number=each.get("street_without_number", False),
            future=each.get("future", False),
            unless_service=each.get("unless_service", False),
            unless_role=frozenset(each.get("unless_role", ())),
            names_carrier=each.get("names_carrier", False),
            or_money=each.get("or_money", False),
            in_street=each.get("in_street", False),
            no_amounts=each.get("no_amounts", False),
            abroad=each.get("abroad", False),
        )
        for each in given["concern"]
    )


def _both(
    given: Sequence[Sequence[Any]], groups: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[tuple[str, ...], ...]]:
    for combination in given:
        yield tuple(
            groups[group.removeprefix("@")] if isinstance(group, str) else _phrases(group)
            for group in combination
        )


def _phrases(given: Sequence[str]) -> tuple[str, ...]:
    """Return phrases as headings are read, and as they are written.

    "ADR" is an agreement on dangerous goods; as a heading is read, it is short for an address.
    """
    read = {text: phrase(text) for text in given}
    made = (
        each
        for text in given
        for each in (read[text], text)
        if each and (each != "address" or text == "address")
    )
    return tuple(dict.fromkeys(made))
