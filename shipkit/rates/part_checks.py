"""What could be read otherwise in a part than in all orders together: it is refused.

Without a :class:`~shipkit.rates.read_once.Reading`, a table is priced alone only where each cell
says by itself what it means: numbers with a type, dates as 2026-11-29.
"""

from __future__ import annotations

from typing import Final

from shipkit._version import __version__
from shipkit.common.sql import one, quoted
from shipkit.errors import InputError
from shipkit.orders.columns import KIND, Column
from shipkit.orders.layouts import meanings
from shipkit.orders.quantity_headings import QUANTITIES
from shipkit.plan.planner import Planner

__all__ = ["check_alone", "demand_version"]

_PRICED: Final = frozenset(
    {
        *("weight", "item_weight", "length", "width", "height", "declared_value", "ship_date"),
        *QUANTITIES.values(),
    }
)
"""Roles of columns whose cells are numbers or dates that decide a price."""
_ISO: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?)?$"
_PLAIN: Final = r"^[+-]?([0-9]+|[0-9]+\.([0-9]{1,2}|[0-9]{4,}))$"
"""Numbers that mean the same whatever the decimal mark of other cells is."""
_GHOST: Final = r"^[0-9]+\.0$"
_FIX: Final = "Pass reading=sk.read_once(files), which decides it from all files."


def demand_version(what: str, version: str) -> None:
    """Raise InputError in a process that has another version than `what` was made by.

    Another version may price by other rules.
    """
    if version != __version__:
        raise InputError(
            f"This {what} was made by shipkit {version}, and this process has {__version__}.",
            fix="Install one version on all machines.",
        )


def check_alone(planner: Planner) -> None:
    """Raise InputError if the orders could be read otherwise together with others."""
    columns = planner.loaded.columns
    if not planner.orders.single:
        raise InputError(
            "Orders have several lines, and a part may end in the middle of one.",
            fix="Pass reading=sk.read_once(files) and price whole files.",
        )
    asked = meanings(planner.loaded.names, planner.loaded.layout).ambiguous.get("order_id")
    if asked:
        raise InputError(
            f"The columns {' and '.join(map(repr, asked))} may both name the order.", fix=_FIX
        )
    weights = [column.role for column in columns if column.role in {"weight", "item_weight"}]
    if len(set(weights)) > 1:
        raise InputError("Two columns of weights depend on which of them is filled.", fix=_FIX)
    for column, cell, kind in zip(
        columns, planner.loaded.cells.columns, planner.loaded.cells.columns.values(), strict=False
    ):
        pattern = _certain(column) if kind.upper() == "VARCHAR" else None
        if pattern is not None and _count(planner, cell, pattern):
            raise InputError(
                f"How the column {column.name!r} is read is decided by all orders together, not "
                "by a part: it has text, such as 03/04/2026, 1,250 or 8 oz.",
                fix=_FIX,
            )


def _certain(column: Column) -> str | None:
    """Return SQL of the cells of a text column that are certain; None if all are."""
    if column.role in {"postal_code", "order_id"}:
        return f"NOT regexp_matches({{}}, '{_GHOST}')"
    if column.role not in _PRICED:
        return None
    if KIND[column.role] == "date":
        return f"regexp_matches({{}}, '{_ISO}')"
    # In a column with units, a number without one is a question: "8 oz", "3".
    without_unit = column.role == "declared_value" or column.role in QUANTITIES.values()
    stated = without_unit or (column.unit is not None and not column.own_units)
    return f"regexp_matches({{}}, '{_PLAIN}')" if stated else "false AND {} IS NULL"


def _count(planner: Planner, cell: str, pattern: str) -> int:
    c = quoted(cell)
    (found,) = one(
        planner.con,
        f"SELECT count(*) FILTER ({c} IS NOT NULL AND trim({c}) <> '' "
        f"AND NOT ({pattern.replace('{}', c)})) FROM {planner.loaded.cells.sql}",
    )
    return int(found)
