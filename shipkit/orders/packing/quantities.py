"""How many units of a line are in the parcel: what was ordered, less what is not shipped."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from shipkit.common.sql import quoted
from shipkit.orders import expressions as sql
from shipkit.orders.columns import Column
from shipkit.orders.grouping import OrderSet
from shipkit.orders.heading_meaning import names_money
from shipkit.orders.heading_text import phrase
from shipkit.orders.layouts import meanings
from shipkit.orders.mapping.mapped import MappingSpec
from shipkit.orders.quantity_headings import (
    QUANTITIES,
    may_count,
    quantity_role,
)

__all__ = ["UNCLEAR", "Counts", "number_of"]

_GONE: Final = ("quantity_refunded", "quantity_cancelled")
"""Roles of units that are never shipped."""
_NUMBERS: Final = ("BIGINT", "INTEGER", "SMALLINT", "DOUBLE")
UNCLEAR: Final = ("quantity_shipped", "quantity_backordered")
"""Roles of units that may be in this parcel, in an earlier one, or in a later one."""


@dataclass(frozen=True)
class Counts:
    """The columns that count the units of a line.

    Parameters
    ----------
    ordered
        The column of what was ordered; None without one.
    others
        Role -> column of what is left, shipped, refunded, cancelled or backordered.
    named
        The roles of `others` that a person named, and so are certain.
    rivals
        Columns that may all be `ordered`.
    ignored
        Headings and keys that a person set aside.
    unsure
        Columns that may count the units of a line, and of which: ``left``, ``shipped`` and so on.
    """

    ordered: Column | None
    others: Mapping[str, Column]
    named: frozenset[str] = frozenset()
    rivals: tuple[Column, ...] = ()
    ignored: frozenset[str] = frozenset()
    unsure: tuple[tuple[Column, str], ...] = ()

    @classmethod
    def of(cls, orders: OrderSet, spec: MappingSpec, ordered: Column | None) -> Counts:
        """Return the columns that the settings name, else those of the headings.

        A quantity that a person or a layout names may be what is left already ("quantity-to-ship").
        """
        named = {
            role: orders.loaded.column(spec.columns[role])
            for role in QUANTITIES.values()
            if role in spec.columns and role != "quantity"
        }
        rivals = () if ordered is not None else _rivals(orders, spec)
        ordered = ordered or (rivals[0] if rivals else None)
        final = "quantity" in spec.columns or (
            ordered is not None and _role_of(ordered) not in (None, "quantity")
        )
        ignored = frozenset(spec.ignore)
        found: dict[str, Column] = {}
        if not final:
            found = {
                str(column.role): column
                for column in orders.columns
                if column.role in {*QUANTITIES.values()} - {"quantity"}
                and not {column.name, column.key} & ignored
            }
        others = {**found, **named}
        known = {*ignored, *(column.key for column in rivals)}
        unsure = () if final or "quantity_left" in others else tuple(_unsure(orders, known, spec))
        return cls(ordered, others, frozenset(named), rivals, ignored, unsure)

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns that count units."""
        ordered = () if self.ordered is None else (self.ordered,)
        return (*ordered, *self.rivals[1:], *self.others.values())

    @property
    def sql(self) -> str:
        """SQL of the units that are in the parcel, never below zero."""
        if "quantity_left" in self.others:
            left = number_of(self.others["quantity_left"])
            if self.ordered is not None:
                left = f"coalesce({left}, {number_of(self.ordered)})"
            return _at_least_zero(left)
        ordered = "1.0" if self.ordered is None else number_of(self.ordered)
        gone = [f"coalesce(abs({number_of(column)}), 0)" for column in self.gone]
        return _at_least_zero(" - ".join([ordered, *gone])) if self.ordered or gone else ordered

    @property
    def gone(self) -> list[Column]:
        """The columns of units that are not in the parcel for certain."""
        roles = (*_GONE, *(role for role in UNCLEAR if role in self.named))
        return [self.others[role] for role in roles if role in self.others]


def _role_of(column: Column) -> str | None:
    found = quantity_role(phrase(column.name).split())
    return found[0] if found else None


def _unsure(
    orders: OrderSet, others: Collection[str], spec: MappingSpec
) -> Iterator[tuple[Column, str]]:
    """Yield columns of numbers that no field reads and that may count units, and of which state."""
    known = {*spec.columns.values(), *spec.references.values(), *others}
    carried = {phrase(heading) for heading in (spec.layout.layout.carried if spec.layout else ())}
    priced = names_money([column.name for column in orders.columns])
    for column in orders.columns:
        if column.role is None and column.type in _NUMBERS:
            if priced and column.type == "DOUBLE" and phrase(column.name) == "balance":
                continue  # "Balance: 0.00" next to prices is money
            state = may_count(phrase(column.name).split())
            if phrase(column.name) in carried:
                continue
            if state is not None and not {column.name, column.key} & known:
                yield column, state


def _rivals(orders: OrderSet, spec: MappingSpec) -> tuple[Column, ...]:
    """Return the columns that name the quantity equally well."""
    names = meanings(orders.loaded.names, spec.layout).ambiguous.get("quantity", ())
    return tuple(
        column
        for column in orders.columns
        if column.name in names and not {column.name, column.key} & {*spec.ignore}
    )


def _at_least_zero(x: str) -> str:
    """Return SQL of a number that is not negative; null stays null: it is not known."""
    return f"CASE WHEN ({x}) > 0 THEN ({x}) WHEN ({x}) IS NOT NULL THEN 0.0 END"


def number_of(column: Column) -> str:
    """Return SQL of a cell as a number, null when it is not one."""
    if column.type == "VARCHAR":
        return f"TRY_CAST({sql.number(quoted(column.key))} AS DOUBLE)"
    return f"CAST({quoted(column.key)} AS DOUBLE)"
