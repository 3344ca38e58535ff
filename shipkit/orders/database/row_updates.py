"""Update and read rows one by one, for databases that convert text to a type themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shipkit.orders.database.dialect import Change

__all__ = ["one_by_one", "read_one_by_one"]


def one_by_one(quote: Callable[[str], str], mark: str) -> Callable[..., dict[int, int]]:
    """Return the update of a dialect, with an UPDATE per row."""

    def update(
        cursor: Any,
        table: str,
        key: Sequence[str],
        columns: Sequence[str],
        changes: Sequence[Change],
        types: Mapping[str, str],  # noqa: ARG001 - these databases convert text themselves
    ) -> dict[int, int]:
        assigned = ", ".join(f"{quote(name)} = {mark}" for name in columns)
        same = " AND ".join(f"{quote(name)} = {mark}" for name in key)
        found = {}
        for change in changes:
            cursor.execute(
                f"UPDATE {table} SET {assigned} WHERE {same}", (*change.cells, *change.key)
            )
            found[change.number] = int(cursor.rowcount)
        return found

    return update


def read_one_by_one(
    quote: Callable[[str], str], mark: str
) -> Callable[..., dict[int, list[tuple[Any, ...]]]]:
    """Return the `rows` of a dialect, with a SELECT per row."""

    def rows(
        cursor: Any,
        table: str,
        key: Sequence[str],
        columns: Sequence[str],
        changes: Sequence[Change],
        types: Mapping[str, str],  # noqa: ARG001 - these databases convert text themselves
    ) -> dict[int, list[tuple[Any, ...]]]:
        wanted = ", ".join(map(quote, columns))
        same = " AND ".join(f"{quote(name)} = {mark}" for name in key)
        found = {}
        for change in changes:
            cursor.execute(f"SELECT {wanted} FROM {table} WHERE {same}", change.key)
            found[change.number] = list(cursor.fetchall())
        return found

    return rows
