"""Checks that what a mapping is given has the kinds that it is declared with.

Python does not check them, and a number where a heading is meant would fail much later, in the
preview, without the name of the setting.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from shipkit.errors import InputError, MappingError

__all__ = ["check_kinds", "day_of"]

_OF_TEXTS: Final = {"columns": "headings", "services": "services", "references": "headings"}
"""Settings of texts, and what the texts are."""
_EXAMPLES: Final = {
    "columns": 'columns={"weight_lb": "Weight"}',
    "services": 'services={"Standard": "ground"}',
    "defaults": 'defaults={"weight_lb": 2}',
    "references": 'references={"po": "PO Number"}',
    "warehouses": 'warehouses={"Austin": sk.Address(...)}',
    "ignore": 'ignore=["Net weight"]',
    "service": 'service="ground"',
    "parcels": 'parcels="each"',
    "weights": 'weights="unit"',
    "template": "template=text or template=Path(...)",
}


def check_kinds(**given: Any) -> None:
    """Raise MappingError for a setting of another kind than it is declared with; None is none."""
    for name, value in given.items():
        if value is None:
            continue
        if name in {"columns", "services", "defaults", "references", "warehouses"}:
            _check_names(name, value)
        elif name == "ignore":
            if not isinstance(value, str):
                _check_texts(name, value)
        elif not isinstance(value, (str, Path) if name == "template" else str):
            raise _wrong(name, f"{name}={value!r} is not a text")


def _check_names(name: str, value: Any) -> None:
    if not isinstance(value, Mapping):
        raise _wrong(name, f"{name}={value!r} is not a dict")
    for key, item in value.items():
        if not isinstance(key, str):
            raise _wrong(name, f"{name}: the name {key!r} is not a text")
        if name in _OF_TEXTS and not isinstance(item, str):
            raise _wrong(name, f"{name}: {key!r} is given {item!r}, and {_OF_TEXTS[name]} are text")


def _check_texts(name: str, value: Any) -> None:
    if not isinstance(value, Iterable) or isinstance(value, bytes):
        raise _wrong(name, f"{name}={value!r} is not a list of headings")
    if odd := [item for item in value if not isinstance(item, str)]:
        raise _wrong(name, f"{name}: {odd[0]!r} is not a heading")


def _wrong(name: str, problem: str) -> MappingError:
    return MappingError(f"{problem}.", fix=f"Write it like {_EXAMPLES[name]}.")


def day_of(value: Any) -> dt.date | None:
    """Return the ship date that was given: a date, a moment (its day), or ISO text.

    Raises
    ------
    InputError
        It is none of these.
    """
    if value is None:
        return None
    try:
        if isinstance(value, str):
            return dt.date.fromisoformat(value.strip())
        if isinstance(value, np.datetime64):
            value = value.astype("datetime64[us]").item()
        if isinstance(value, dt.datetime) and value == value:  # noqa: PLR0124 - NaT is a datetime
            return value.date()
        if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
            return value
    except ValueError:
        pass
    raise InputError(f"ship_date={value!r} is not a date.", fix='Write it like "2026-11-23".')
