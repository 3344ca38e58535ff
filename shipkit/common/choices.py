"""An option that takes one of a few words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shipkit.errors import InputError

__all__ = ["one_of"]


def one_of(name: str, value: Any, allowed: Sequence[str]) -> Any:
    """Return `value` if it is one of `allowed`; raise InputError naming the option otherwise.

    Examples
    --------
    >>> one_of("on_error", "halt", ("continue", "halt"))
    'halt'
    """
    if value not in allowed:
        raise InputError(
            f"{name}={value!r} is not known.", fix=f"Use one of: {', '.join(allowed)}."
        )
    return value
