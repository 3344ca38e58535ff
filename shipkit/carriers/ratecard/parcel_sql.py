"""The parcels of a shipment in SQL: the first one as columns, the others as a list of structs.

Where no row of a table has a second parcel, the lists are left out of the statement: to go through
empty ones takes a quarter of the time of the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Parcels"]


@dataclass(frozen=True)
class Parcels:
    """What a statement asks of all parcels of a shipment.

    An expression of a parcel is a function of a prefix: empty for the first one, whose measures are
    columns, and ``p.`` for each of the others.
    """

    alone: bool = False
    """Whether no row has a second parcel."""

    def others(self, named: Mapping[str, str], given: str, name: str) -> str:
        """Return the column `name`: a struct of named expressions for each parcel of `given`."""
        struct = ", ".join(f"'{key}': {expression}" for key, expression in named.items())
        return "" if self.alone else f", {_each(given, f'{{{struct}}}')} AS {name}"

    def total(self, of_parcel: Callable[[str], str], given: str = "others") -> str:
        """Return the sum of an expression over all parcels."""
        first = of_parcel("")
        return f"({first})" if self.alone else f"({first} + {_all(given, 'sum', of_parcel('p.'))})"

    def largest(self, name: str) -> str:
        """Return a measure at its largest over all parcels."""
        return name if self.alone else f"greatest({name}, {_all('others', 'max', f'p.{name}')})"

    def any_of(self, of_parcel: Callable[[str], str]) -> str:
        """Return whether a condition holds for a parcel."""
        first = of_parcel("")
        if self.alone:
            return first
        others = f"list_bool_or({_each('others', of_parcel('p.'))})"
        return f"({first} OR coalesce({others}, false))"


def _each(given: str, expression: str) -> str:
    return f"list_transform({given}, lambda p: {expression})"


def _all(given: str, how: str, expression: str) -> str:
    return f"coalesce(list_{how}({_each(given, expression)}), 0)::BIGINT"
