"""What a template may use for one row, and for a whole run.

Limits count steps and characters and not time, so that the same template has the same result on
every machine. Whatever can grow is checked before it is made.
"""

from __future__ import annotations

import datetime as dt
import re
import threading
import time
from typing import Any, Final

__all__ = [
    "MAX_IN_LIST",
    "MAX_ITEMS",
    "MAX_MADE",
    "MAX_OUTPUT",
    "MAX_STEPS",
    "MAX_TEXT",
    "RENDERING",
    "Budget",
    "OverBudget",
    "charge",
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
MAX_IN_LIST: Final = 1024 * 1024
"""Characters of all texts in one list."""
MAX_ITEMS: Final = 10_000
"""Elements of one list made in a template, nested ones counted."""
MAX_STEPS: Final = 20_000
"""Loop iterations and calls for one row."""


MAX_MADE: Final = 8 * 1024 * 1024
"""Characters of all texts that a template makes for one row, whether it writes them or not."""
SMALL: Final = 1_024
"""Texts up to this length are not counted outside of loops.

The source is bounded to 256 K characters, so at most some 40,000 of them can be made there.
"""
_RUN_S: Final = 60.0
_RUN_S_PER_ROW: Final = 0.005
"""CPU time for all rows. A thorough template takes some 0.05 ms for a row."""


class OverBudget(Exception):
    """A template exceeds one of its limits."""


class _Rendering(threading.local):
    """The budget of the row that this thread renders."""

    budget: Budget | None = None


RENDERING: Final = _Rendering()


def charge(made: Any) -> Any:
    """Count a text or list that a template made, and return it. Raises OverBudget."""
    kind = type(made)
    if (kind is str or kind is list or kind is tuple or isinstance(made, str)) and len(
        made
    ) > SMALL:
        budget = RENDERING.budget
        if budget is not None:
            budget.make(len(made))
    return made


class Budget:
    """What a template may still use: steps and characters of this row, steps of the whole run.

    Parameters
    ----------
    rows
        How many rows the template is rendered for.
    """

    __slots__ = ("_until", "characters", "left", "made", "steps")

    def __init__(self, rows: int) -> None:
        # A thorough template takes a few dozen steps per row. The constant lets a small file have
        # heavy rows; the rest keeps a large one from taking MAX_STEPS in each of a million rows.
        self.left = 2_000_000 + 300 * rows
        self.steps = self.characters = self.made = 0
        self._until = time.thread_time() + _RUN_S + _RUN_S_PER_ROW * rows

    def next_row(self) -> None:
        """Start counting for a new row. Raises OverBudget when the run has taken too long."""
        self.steps = self.characters = self.made = 0
        if time.thread_time() > self._until:
            raise OverBudget("it takes too long for so many rows")

    def make(self, characters: int) -> None:
        """Count a text that was made. Raises OverBudget when the limit is exceeded."""
        self.made += characters
        if self.made > MAX_MADE:
            raise OverBudget(f"it makes texts of more than {MAX_MADE:,} characters for one row")

    def write(self, characters: int) -> None:
        """Count what is written. Raises OverBudget when the limit is exceeded."""
        self.characters += characters
        if self.characters > MAX_OUTPUT:
            raise OverBudget(f"it writes more than {MAX_OUTPUT:,} characters for one row")

    def spend(self, steps: int, characters: int = 0) -> None:
        """Use steps and characters. Raises OverBudget when a limit is exceeded."""
        self.steps += steps
        self.left -= steps
        if self.steps > MAX_STEPS:
            raise OverBudget(f"it needs more than {MAX_STEPS:,} steps for one row")
        if self.left < 0:
            raise OverBudget("it needs too many steps for so many rows")
        self.write(characters)


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
        check_format(left, right)


def check_size(value: Any, size: int) -> None:
    """Raise OverBudget when a text or list like `value` may not have `size` elements."""
    limit = MAX_TEXT if isinstance(value, str) else MAX_ITEMS
    if size > limit:
        raise OverBudget(
            f"a {'text' if isinstance(value, str) else 'list'} of {size:,} "
            f"{'characters' if isinstance(value, str) else 'elements'} exceeds {limit:,}"
        )


def check_format(text: str, values: Any) -> None:
    """Raise OverBudget when ``text % values`` would be too long, TypeError for nested values.

    Every placeholder may write the longest value, padded to its width.
    """
    widths = [int(width) for width in re.findall(r"[0-9]{1,9}", text)]
    if any(width > 1000 for width in widths) or re.search(r"[0-9]{10}|\*", text):
        raise OverBudget("a format is wider than 1,000 characters")
    parts = list(values.values()) if isinstance(values, dict) else values
    parts = list(parts) if isinstance(parts, list | tuple) else [parts]
    if not all(isinstance(part, _SCALARS) or part is None for part in parts):
        raise TypeError("only texts and numbers can be formatted")
    longest = max((len(str(part)) for part in parts), default=0)
    check_size(text, len(text) + sum(widths) + text.count("%") * max(longest, 20))


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
        There are too many, or their texts are too long; raised as soon as that is known.
    """
    count = characters = 0
    stack = [value]
    while stack:
        item = stack.pop()
        count += 1
        if count > MAX_ITEMS:
            raise OverBudget(f"a value has more than {MAX_ITEMS:,} elements")
        if isinstance(item, str):
            characters += len(item)
            if characters > MAX_IN_LIST:
                raise OverBudget(f"the texts of a value exceed {MAX_IN_LIST:,} characters")
        elif isinstance(item, list | tuple):
            check_size(item, len(item))
            stack.extend(item)
        elif isinstance(item, dict):
            stack.extend(item)
            stack.extend(item.values())
    return count
