"""Values bound to a filter, and the types of the columns that they are compared with."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Final

from shipkit.orders.fields import Column

__all__ = ["bindable", "cast_type", "in_words", "is_text"]

_MAX_TEXT: Final = 10_000
_MAX_LIST: Final = 200_000
_SIMPLE: Final = bool | int | float | Decimal | dt.date | dt.time | dt.timedelta


def bindable(value: Any) -> Any:
    """Return a bound value as plain Python; numpy, pandas and any sequence are accepted.

    Raises
    ------
    TypeError, ValueError
        It cannot be bound; the message says why.
    """
    if hasattr(value, "tolist") and not isinstance(value, str | bytes):
        value = value.tolist()  # numpy scalars and arrays, pandas Series
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime()
    if isinstance(value, str):
        if len(value) > _MAX_TEXT or "\0" in value:
            raise ValueError(f"it has {len(value):,} characters (at most {_MAX_TEXT:,}, no NUL)")
        return str(value)
    if value is None or isinstance(value, _SIMPLE):
        if isinstance(value, int) and not -(2**127) < value < 2**127:
            raise ValueError("the number is too large")
        return value
    if isinstance(value, list | tuple | set | frozenset):
        if len(value) > _MAX_LIST:
            raise ValueError(f"it has {len(value):,} values (at most {_MAX_LIST:,})")
        made = [bindable(item) for item in value]
        if any(isinstance(item, list) for item in made):
            raise TypeError("it is a list of lists")
        return made
    raise TypeError(f"it is a {type(value).__name__}")


def is_text(column: Column) -> bool:
    """Return whether a column is text."""
    return column.type.upper().startswith("VARCHAR")


def cast_type(kind: str) -> str:
    """Return the type to which a value is cast that is compared with a column of type `kind`."""
    upper = kind.upper()
    if upper.startswith("VARCHAR"):
        return "VARCHAR"
    if upper.startswith(("DECIMAL", "FLOAT")):
        return "DOUBLE"
    return "TIMESTAMP" if upper.startswith("TIMESTAMP") else upper


def in_words(kind: str) -> str:
    """Return what a type is called in messages."""
    upper = kind.upper()
    if upper.startswith(("DATE", "TIMESTAMP")):
        return "a date"
    return "true or false" if upper.startswith("BOOL") else "a number"
