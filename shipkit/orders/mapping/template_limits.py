"""What a template may use for one row, and for a whole run.

Limits count steps and characters and not time, so that the same template has the same result on
every machine. Whatever can grow is checked before it is made.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, Final

__all__ = [
    "MAX_ITEMS",
    "MAX_OUTPUT",
    "MAX_STEPS",
    "MAX_TEXT",
    "Budget",
    "OverBudget",
    "check_format",
    "check_join",
    "check_method",
    "check_operator",
    "check_replace",
    "check_size",
    "weigh",
]

MAX_OUTPUT: Final = 256 * 1024
"""Characters that a template may write for one row."""
MAX_TEXT: Final = 64 * 1024
"""Characters of one text made in a template."""
MAX_ITEMS: Final = 10_000
"""Elements of one list made in a template, nested ones counted."""
MAX_STEPS: Final = 20_000
"""Loop iterations and calls for one row."""


class OverBudget(Exception):
    """A template exceeds one of its limits."""


class Budget:
    """What a template may still use: steps and characters of this row, steps of the whole run.

    Parameters
    ----------
    rows
        How many rows the template is rendered for.
    """

    __slots__ = ("characters", "left", "steps")

    def __init__(self, rows: int) -> None:
        # A thorough template takes a few dozen steps per row. The constant lets a small file have
        # heavy rows; the rest keeps a large one from taking MAX_STEPS in each of a million rows.
        self.left = 2_000_000 + 300 * rows
        self.steps = self.characters = 0

    def next_row(self) -> None:
        """Start counting for a new row."""
        self.steps = self.characters = 0

    def spend(self, steps: int, characters: int = 0) -> None:
        """Use steps and characters. Raises OverBudget when a limit is exceeded."""
        self.steps += steps
        self.left -= steps
        self.characters += characters
        if self.steps > MAX_STEPS:
            raise OverBudget(f"it needs more than {MAX_STEPS:,} steps for one row")
        if self.left < 0:
            raise OverBudget("it needs too many steps for so many rows")
        if self.characters > MAX_OUTPUT:
            raise OverBudget(f"it writes more than {MAX_OUTPUT:,} characters for one row")


_SCALARS: Final = (str, int, float, dt.date)


def check_operator(operator: str, left: Any, right: Any) -> None:
    """Raise OverBudget when the result of an operator would be too large."""
    sized = (str, list, tuple)
    if operator == "+" and isinstance(left, sized) and isinstance(right, sized):
        check_size(left, len(left) + len(right))
        weigh([left, right])
    elif operator == "*" and (isinstance(left, sized) or isinstance(right, sized)):
        text, times = (left, right) if isinstance(left, sized) else (right, left)
        check_size(text, len(text) * max(0, times) if isinstance(times, int) else 0)
    elif (
        operator == "*"
        and isinstance(left, int)
        and isinstance(right, int)
        and left.bit_length() + right.bit_length() > 512
    ):
        raise OverBudget("a number would be too large")
    elif operator == "**" and not (
        isinstance(right, int | float)
        and isinstance(left, int | float)
        and abs(right) <= 64
        and abs(left) <= 1e9
    ):
        raise OverBudget("a power would be too large")
    elif operator == "%" and isinstance(left, str):
        check_format(left)


def check_size(value: Any, size: int) -> None:
    """Raise OverBudget when a text or list like `value` may not have `size` elements."""
    limit = MAX_TEXT if isinstance(value, str) else MAX_ITEMS
    if size > limit:
        raise OverBudget(
            f"a {'text' if isinstance(value, str) else 'list'} of {size:,} "
            f"{'characters' if isinstance(value, str) else 'elements'} exceeds {limit:,}"
        )


def check_format(text: str) -> None:
    """Raise OverBudget when a ``%`` format asks for more than 1,000 characters of a value."""
    if any(
        int(width) > 1000 for width in re.findall(r"[0-9]+", text) if len(width) < 10
    ) or re.search(r"[0-9]{10}|\*", text):
        raise OverBudget("a format is wider than 1,000 characters")


def check_method(text: str, name: str, args: tuple[Any, ...]) -> None:
    """Raise OverBudget when the result of a method of `text` would be too large."""
    if name in ("zfill", "ljust", "rjust", "center") and args and isinstance(args[0], int):
        check_size(text, args[0])
    elif name == "replace" and len(args) >= 2:
        check_replace(text, str(args[0]), str(args[1]))
    elif name == "join" and args:
        check_join(text, args[0])


def check_replace(text: str, old: str, new: str) -> None:
    """Raise OverBudget when a replacement would make too long a text."""
    check_size(
        text, len(text) + max(0, len(new) - len(old)) * (text.count(old) if old else len(text) + 1)
    )


def check_join(glue: str, parts: Any) -> None:
    """Raise OverBudget when joined texts would be too long, TypeError for what is not a text."""
    parts = list(parts)
    if not all(isinstance(part, _SCALARS) or part is None for part in parts):
        raise TypeError("only texts and numbers can be joined")
    check_size(glue, sum(len(str(part)) for part in parts) + len(glue) * len(parts))


def weigh(value: Any) -> int:
    """Return how many elements a value has, nested ones counted each time they appear.

    Raises
    ------
    OverBudget
        There are too many; raised as soon as that is known.
    """
    count, stack = 0, [value]
    while stack:
        item = stack.pop()
        count += 1
        if count > MAX_ITEMS:
            raise OverBudget(f"a value has more than {MAX_ITEMS:,} elements")
        if isinstance(item, list | tuple):
            check_size(item, len(item))
            stack.extend(item)
        elif isinstance(item, dict):
            stack.extend(item.values())
    return count
