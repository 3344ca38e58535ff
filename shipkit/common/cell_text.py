"""The text of a value from a spreadsheet, a database or JSON, as a person sees it there."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import Any

__all__ = ["text_of"]


def text_of(value: Any) -> str | None:
    """Return the text of a value; None for nothing.

    Whole numbers have no ".0", because a spreadsheet stores every number as a float; dates are in
    ISO format; lists and dicts are JSON.

    Examples
    --------
    >>> [text_of(value) for value in (2134.0, 0.5, True, None, float("nan"), "02134")]
    ['2134', '0.5', 'true', None, None, '02134']
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if math.isnan(value):
            return None
        # From 1e15 on, not every whole number is a float: its digits would be invented.
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, dt.datetime):
        # Excel has no dates without a time: midnight means that none was given.
        return (
            value.date().isoformat()
            if value.time() == dt.time() and value.tzinfo is None
            else value.isoformat(sep=" ")
        )
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)
