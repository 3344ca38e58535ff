"""Values bound to a filter, and the types of the columns that they are compared with."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, KeysView, ValuesView
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from shipkit.orders.columns import Column

__all__ = ["bindable", "cast_type", "in_words", "is_nan_text", "is_text"]

_MAX_TEXT: Final = 10_000
_MAX_LIST: Final = 200_000
_MAX_LIST_TEXT: Final = 20_000_000
_MAX_DIGITS: Final = 38
"""Digits of the largest decimal number of a database."""
_LISTS: Final = list | tuple | set | frozenset | range | KeysView | ValuesView


def bindable(value: Any) -> Any:
    """Return a bound value as plain Python; numpy, pandas and any list or set are accepted.

    Raises
    ------
    TypeError, ValueError
        It cannot be bound; the message says why.
    """
    value = _plain(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        if not -(2**127) < value < 2**127:
            raise ValueError("the number is too large")
        return int(value)
    if isinstance(value, float | Decimal):
        return _number(value)
    if isinstance(value, dt.datetime | dt.time) and value.tzinfo is not None:
        raise ValueError("it has a time zone, and the dates of orders have none")
    if isinstance(value, dt.date | dt.time | dt.timedelta):
        return value
    if isinstance(value, _LISTS):
        return _list(value)
    raise TypeError(f"it is a {type(value).__name__}")


def is_nan_text(text: object) -> bool:
    """Whether a text is one that a database reads as the number NaN.

    NaN is greater than every number there, so ``weight < 'nan'`` would keep every order.
    """
    return isinstance(text, str) and text.strip().lstrip("+-").casefold() == "nan"


def _plain(value: Any) -> Any:
    """Return a value of numpy, pandas, Arrow or an enumeration as plain Python."""
    if isinstance(value, Enum):
        return _plain(value.value)
    if type(value).__name__ in {"NAType", "NaTType"}:
        return None
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if kind in {"M", "m"} and hasattr(value, "astype") and not hasattr(value, "isna"):
        # In nanoseconds, numpy's own tolist() returns integers.
        value = value.astype("datetime64[us]" if kind == "M" else "timedelta64[us]")
    for to_list in ("tolist", "to_pylist", "to_list"):
        if hasattr(value, to_list) and not isinstance(value, str | bytes):
            return _plain_scalar(getattr(value, to_list)())
    return _plain_scalar(value)


def _plain_scalar(value: Any) -> Any:
    for to_python in ("to_pydatetime", "to_pytimedelta"):
        if hasattr(value, to_python) and type(value).__name__ != "NaTType":
            return getattr(value, to_python)()
    return value


def _text(value: str) -> str:
    text = "".join(value)  # a subclass may print as something else
    if len(text) > _MAX_TEXT or "\0" in text:
        raise ValueError(f"it has {len(text):,} characters (at most {_MAX_TEXT:,}, no NUL)")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it contains half a character (a lone surrogate)") from None
    return text


def _number(value: float | Decimal) -> float | Decimal:
    """Return a number. NaN is refused: in a database it is greater than every number."""
    if value.is_nan() if isinstance(value, Decimal) else math.isnan(value):
        raise ValueError(
            "it is not a number (NaN), and a comparison with it would keep every order"
        )
    if isinstance(value, float):
        return float(value)
    if value.is_infinite():
        return float(value)
    if abs(value.adjusted()) > _MAX_DIGITS or len(value.as_tuple().digits) > _MAX_DIGITS:
        raise ValueError(f"the number has more than {_MAX_DIGITS} digits")
    return value


def _list(values: Iterable[Any]) -> list[Any]:
    given = list(values)
    if len(given) > _MAX_LIST:
        raise ValueError(f"it has {len(given):,} values (at most {_MAX_LIST:,})")
    made = [bindable(item) for item in given]
    if any(isinstance(item, list) for item in made):
        raise TypeError("it is a list of lists")
    length = sum(len(item) for item in made if isinstance(item, str))
    if length > _MAX_LIST_TEXT:
        raise ValueError(f"its texts have {length:,} characters (at most {_MAX_LIST_TEXT:,})")
    return made


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
