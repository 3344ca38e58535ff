"""Ask many questions, a few at a time.

A carrier is asked hundreds of thousands of questions in one preview. One task for each would hold
as many coroutines in memory before the first answer came; here a fixed number of workers take the
items from one queue. The pace itself (requests per second, pauses after "too many requests") is
the pacer's business, inside `work`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

__all__ = ["each"]

Item = TypeVar("Item")
Answer = TypeVar("Answer")


async def each(
    work: Callable[[Item], Awaitable[Answer]], items: Sequence[Item], *, at_once: int
) -> list[Answer]:
    """Return ``await work(item)`` for every item, in the order of the items, a few at a time.

    The first exception ends it: the items in progress are cancelled and waited for, no other is
    started, and that exception itself is raised (never an ``ExceptionGroup``, which a caller
    would have to know about). A caller for which one bad item must not cost the others their
    answers catches the error inside `work` and returns it as an answer. Cancelling the call
    cancels all workers.

    Parameters
    ----------
    work
        Called once for each item.
    items
        What to ask. The same item may occur twice; it is then asked twice.
    at_once
        The most calls of `work` in progress at the same time, at least 1.

    Raises
    ------
    ValueError
        `at_once` is less than 1: nothing would ever be asked.
    """
    if at_once < 1:
        raise ValueError(f"at_once must be at least 1, not {at_once}")
    answers: dict[int, Answer] = {}
    # One iterator shared by all workers is the queue. There is no await between "next" and its
    # use, so that two workers never take the same item.
    queue = iter(enumerate(items))

    async def worker() -> None:
        for index, item in queue:
            answers[index] = await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(items))):
                group.create_task(worker())
    except BaseExceptionGroup as errors:
        # Tasks fail in time order: the first is the cause. What others raised while they were
        # being cancelled is a consequence.
        raise errors.exceptions[0] from None
    return [answers[index] for index in range(len(items))]
