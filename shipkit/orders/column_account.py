"""The account of columns: what becomes of each column of a source.

A column is used, carried (it says nothing about the parcel), ignored by the user, or not
understood. One that is not used and looks like an instruction ("House Number", "Hazmat") holds its
rows where it is filled (:mod:`shipkit.orders.column_problems`). The words of columns that are
carried are in ``data/words/carried.toml``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from shipkit.orders.address_columns import by_place
from shipkit.orders.carrier_columns import names_a_carrier
from shipkit.orders.columns import WEIGHT_PARTS, Column
from shipkit.orders.fields import recognise
from shipkit.orders.heading_meaning import names_money
from shipkit.orders.heading_text import heading_words, phrase, word_file
from shipkit.orders.heading_words import vocabulary
from shipkit.orders.instructions import (
    Instruction,
    instruction_of,
    part_of_address,
    payer_by_terms,
)
from shipkit.orders.layouts import LayoutMatch
from shipkit.orders.option_cells import CellsThatAsk, cells_that_ask

__all__ = ["ColumnUse", "account"]


@dataclass(frozen=True)
class ColumnUse:
    """What becomes of a column.

    Parameters
    ----------
    name, key
        Its heading and its key.
    use
        ``used``, ``carried``, ``ignored`` or ``not understood``.
    asks
        What it asks for, where it looks like an instruction that is not followed.
    """

    name: str
    key: str
    use: str
    asks: Instruction | None = None
    cells: tuple[CellsThatAsk, ...] = ()
    """What its cells may ask for, whatever its heading says."""
    carriers: tuple[str, ...] = ()
    """Keys of columns whose cells name the carriers of the services, where it is the last one."""
    may_be_carrier: bool = False
    """Whether its heading may be that of a carrier or of another thing: "Ship By"."""


def account(
    columns: Sequence[Column],
    used: Collection[str],
    ignored: Collection[str],
    layout: LayoutMatch | None,
    *,
    roles: Collection[str] = (),
    address: Collection[str] = (),
    states: Collection[str] = (),
    one_service: bool = False,
    carriers: Sequence[str] = (),
    companies: Collection[str] = (),
) -> list[ColumnUse]:
    """Return the use of each column.

    Parameters
    ----------
    used
        Keys of columns that feed a field, or are asked about.
    ignored
        Headings or keys that the user set aside.
    roles
        Roles that a column fills, so that another column of one ("State Name" next to "State
        Code") adds nothing.
    address
        Keys of the columns that the recipient's address is made of.
    states
        Keys of the columns that say what became of an order; they are no part of an address,
        wherever they are.
    one_service
        Whether one service was set for all rows, so that no column is asked for it.
    carriers
        Keys of the columns whose cells name the carriers of the services.
    companies
        Keys of columns of a company, whose headings may mean the carrier: "Delivery Company".
    """
    mentioned = _mentioned(layout)
    known = {phrase(heading) for heading in (layout.layout.carried if layout else ())}
    priced = names_money([column.name for column in columns])
    made = []
    for column in columns:
        if column.name in ignored or column.key in ignored:
            made.append(ColumnUse(column.name, column.key, "ignored"))
        elif phrase(column.name) in known:
            made.append(ColumnUse(column.name, column.key, "carried"))
        elif column.key in used or phrase(column.name) in mentioned:
            made.append(ColumnUse(column.name, column.key, "used", _asks_too(column, roles)))
        else:
            made.append(_not_used(column, roles, one_service=one_service, priced=priced))
        if column.key in companies:
            made[-1] = replace(made[-1], may_be_carrier=True)
        if column.key in carriers:
            made[-1] = replace(
                made[-1],
                carriers=tuple(carriers[: carriers.index(column.key) + 1]),
                may_be_carrier=not names_a_carrier(column.name),
            )
    placed = _placed(columns, made, address, states)
    return [
        replace(
            use,
            cells=_cells(
                column,
                use,
                {*roles, *(_ALSO_STATES if use.key in states and not _is_note(column) else ())},
                one_service=one_service,
            ),
        )
        for column, use in zip(columns, placed, strict=True)
    ]


_ALSO_STATES: Final = ("access_point_id",)
"""Roles that settle what the states of orders say of a cell, too: one problem is enough."""


def _is_note(column: Column) -> bool:
    """Return whether people write what they like there; it has few words for states."""
    words = {word.removesuffix("s") for word in heading_words(column.name)}
    return not words.isdisjoint(("note", "comment", "remark", "memo", "tag", "message"))


def _cells(
    column: Column, use: ColumnUse, roles: Collection[str], *, one_service: bool
) -> tuple[CellsThatAsk, ...]:
    """Return what cells may ask for, of a column that is not used and holds no row by itself."""
    set_aside = column.role == "service" and one_service
    holds = use.asks is not None and use.asks.severity == "error"
    # What is sold is used for customs, and may name what carriers have rules for.
    asked = set_aside or column.role in ("item_name", "description", "parcel_description")
    if use.use == "ignored" or holds or (use.use == "used" and not asked):
        return ()
    found = cells_that_ask(column.name, roles, unread=use.use == "not understood")
    # A service that was set for all rows answers for what its cells ask of the delivery.
    of_service = {"saturday_delivery", "signature", "cod_amount"}
    return tuple(each for each in found if not set_aside or each.role not in of_service)


def _placed(
    columns: Sequence[Column],
    uses: Sequence[ColumnUse],
    address: Collection[str],
    states: Collection[str],
) -> list[ColumnUse]:
    """Return the uses, with what columns ask for that only their place tells."""
    unread = [
        column
        for column, use in zip(columns, uses, strict=True)
        if use.asks is None
        and use.key not in states
        and (use.use == "not understood" or _may_be_placed(column, use))
    ]
    found = by_place(columns, address, unread) if unread and address else {}
    return [
        replace(use, use="not understood", asks=found[use.key]) if use.key in found else use
        for use in uses
    ]


def _may_be_placed(column: Column, use: ColumnUse) -> bool:
    """Return whether a column that says nothing of the parcel may be a part of the address."""
    words = word_file("carried")["unless_next_to_a_street"]
    return use.use == "carried" and phrase(column.name) in words


def _not_used(
    column: Column, roles: Collection[str], *, one_service: bool, priced: bool
) -> ColumnUse:
    asks = instruction_of(column.name)
    if asks is not None and asks.or_money and priced:
        asks = replace(asks, severity="warning")
    settled = asks is not None and (
        (one_service and asks.unless_service) or asks.unless_role.intersection(roles)
    )
    if asks is not None and not settled:
        return ColumnUse(column.name, column.key, "not understood", asks)
    if column.role == "zip_plus_4":
        return ColumnUse(column.name, column.key, "carried")
    if column.role in ("house_number", "house_number_addition"):
        return ColumnUse(column.name, column.key, "not understood", part_of_address())
    carried = asks is not None or _is_carried(column, roles)
    return ColumnUse(column.name, column.key, "carried" if carried else "not understood")


def _asks_too(column: Column, roles: Collection[str]) -> Instruction | None:
    """Return what a column that is used asks for beyond its use."""
    if column.role != "customs_terms":
        return None
    asks = payer_by_terms()
    return None if asks.unless_role.intersection(roles) else asks


def _mentioned(layout: LayoutMatch | None) -> set[str]:
    """Return the phrases of headings that the layout reads, in fields, notices or rules."""
    if layout is None:
        return set()
    given = layout.layout
    return {
        phrase(heading)
        for heading in (
            *(option for options in given.fields.values() for option in options),
            *(notice.heading for notice in given.notices),
            *given.not_shipped,
            *given.required,
            *given.order_key,
        )
    }


def _is_carried(column: Column, roles: Collection[str]) -> bool:
    words = heading_words(column.name)
    return bool(
        column.role not in (None, "weight_part")
        or vocabulary().others.intersection(words)
        or _carried_words().intersection(words)
        or {*recognise([column.name]).roles}.intersection(roles).difference(_PARTS)
    )


_PARTS: Final = frozenset(
    {
        *("address_line1", "address_line2", "address_line3"),
        *("house_number", "house_number_addition"),
        *("weight", *WEIGHT_PARTS.values()),
    }
)
"""Roles whose second column may be another part of it, and no other spelling of the first."""


@cache
def _carried_words() -> frozenset[str]:
    return frozenset(word for text in word_file("carried")["words"] for word in heading_words(text))
