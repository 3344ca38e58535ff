"""Options that take one of a few words, and those that are true or false."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from shipkit.errors import InputError

__all__ = ["flag", "one_of"]


def one_of(name: str, value: Any, allowed: Sequence[Any]) -> Any:
    """Return `value` if it is one of `allowed`; raise InputError naming the option otherwise.

    Examples
    --------
    >>> one_of("on_error", "halt", ("continue", "halt"))
    'halt'
    """
    if value not in allowed:
        raise InputError(
            f"{name}={value!r} is not known.", fix=f"Use one of: {', '.join(map(str, allowed))}."
        )
    return value


def flag(name: str, value: Any) -> bool:
    """Return `value` if it is true or false; raise InputError naming the option otherwise.

    Python takes any text for true, ``"no"`` and ``"false"``, too.

    Examples
    --------
    >>> flag("all", True)
    True
    """
    if not isinstance(value, bool | np.bool_):
        raise InputError(
            f"{name}={value!r} is not True or False.", fix=f"Give {name}=True or False."
        )
    return bool(value)
