"""One value that a person passes, as plain Python."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["plain_value"]


def plain_value(value: Any) -> Any:
    """Return one value as plain Python: a whole number has no ".0", as in a spreadsheet's cell.

    None where it is missing (``pd.NA``, ``NaT``).

    Raises
    ------
    TypeError, ValueError
        It is more than one value, or not a number (NaN).
    """
    if type(value).__name__ in {"NAType", "NaTType"}:
        return None
    value = value.item() if hasattr(value, "item") and not hasattr(value, "__len__") else value
    if isinstance(value, bytes) or (hasattr(value, "__len__") and not isinstance(value, str)):
        raise TypeError(f"it is a {type(value).__name__}")
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("it is not a number")
        return int(value) if value.is_integer() else value
    return value
