"""Records (JSON, lists of dicts) to rows: objects become columns, items become lines.

APIs of shops answer with the items of an order in a list:
``{"name": "#1001", "line_items": [{"sku": "MUG", "quantity": 2}, {"sku": "TEA"}]}`` becomes two
lines with the columns ``line_item.sku`` and ``line_item.quantity``. The second has the cells of its
item only: by that, grouping knows it for a line of the same order, whatever the order's number is
called.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from shipkit.common.cell_text import text_of
from shipkit.common.words import counted
from shipkit.orders.cells import Note
from shipkit.orders.fields import phrase
from shipkit.orders.heading_words import word_file

__all__ = ["flattened", "holds_items", "names_items", "with_item_lines"]

_NESTING = 4
"""How deep objects inside a record become columns ("ship_to.city"); deeper ones stay JSON text."""


def with_item_lines(
    records: Sequence[Mapping[str, Any]],
) -> tuple[list[dict[str, Any]], frozenset[str], tuple[Note, ...]]:
    """Return the records with a line for each item, the headings of items, and notes.

    A record with two such lists is left as it is: its lists stay text.
    """
    records = _with_single_objects(records)
    lines: list[dict[str, Any]] = []
    headings: set[str] = set()
    opened = added = 0
    for record in records:
        lists = [(name, found) for name, value in record.items() if (found := _items(name, value))]
        if len(lists) != 1:
            lines.append(dict(record))
            continue
        [(name, items)] = lists
        cells = [_cells(name, item) for item in items]
        first: dict[str, Any] = {}
        for field, value in record.items():
            first |= cells[0] if field == name else {field: value}
        parts = [first, *cells[1:]]
        lines += parts
        headings |= {heading for item in cells for heading in item}
        opened, added = opened + 1, added + len(parts) - 1
    if not opened:
        return lines, frozenset(), ()
    text = (
        f"The items of {counted(opened, 'record')} are lines of their own: "
        f"{counted(added, 'line')} more."
    )
    return lines, frozenset(headings), (Note("read", text),)


def _with_single_objects(records: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return the records with an object in place of a list of one, where no record has more.

    ``"shipping_lines": [{"method_id": "local_pickup"}]`` is how the one parcel of an order goes.
    """
    fields = dict.fromkeys(str(name) for record in records for name in record)
    single = {
        name: new
        for name in fields
        if (new := word_file("records")["of_one"].get(phrase(name)))
        and (new == name or new not in fields)
        and all(_is_single(record.get(name)) for record in records)
    }
    if not single:
        return records
    return [
        {
            single.get(name, name): _only(value) if name in single else value
            for name, value in record.items()
        }
        for record in records
    ]


def _is_single(value: Any) -> bool:
    listed = _listed(value)
    return len(listed) == 1 or (not listed and not isinstance(value, Mapping) and not value)


def _only(value: Any) -> Mapping[str, Any] | None:
    return next(iter(_listed(value)), None)


def names_items(name: str) -> bool:
    """Return whether a field of a record is called as a list of items is."""
    return phrase(str(name)) in word_file("records")["item_lists"]


def holds_items(value: Any) -> bool:
    """Return whether a cell is a list of objects, as it is or as GraphQL writes one."""
    return bool(_listed(value))


def _items(name: str, value: Any) -> list[Mapping[str, Any]]:
    """Return the items in the field `name` of a record; nothing if it holds something else."""
    return _listed(value) if names_items(name) else []


def _listed(value: Any) -> list[Mapping[str, Any]]:
    if isinstance(value, Mapping):  # GraphQL: {"edges": [{"node": {...}}]} or {"nodes": [{...}]}
        value = value.get("nodes") or [edge.get("node") for edge in value.get("edges") or ()]
    if type(value).__name__ == "ndarray":  # pandas reads lists of Parquet so
        value = value.tolist()
    listed = isinstance(value, list | tuple) and all(isinstance(item, Mapping) for item in value)
    return list(value) if listed else []


def _cells(name: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cells of an item, all with the name of the list, objects inside it as well."""
    one = name.removesuffix("s")
    return {f"{one}.{heading}": value for heading, value in _pairs(item)}


def flattened(records: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, ...], list[list[Any]]]:
    """Return headings in order of appearance and one row per record.

    An object inside a record becomes columns such as "ship_to.city".
    """
    flat = [dict(_pairs(record)) for record in records]
    headings = tuple(dict.fromkeys(name for record in flat for name in record))
    return headings, [[record.get(name) for name in headings] for record in flat]


def _pairs(
    record: Mapping[str, Any], prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, Any]]:
    for key, value in record.items():
        name = str(key)
        if isinstance(value, Mapping) and value and depth < _NESTING:
            yield from _pairs(value, f"{prefix}{name}.", depth + 1)
        else:
            yield (
                f"{prefix}{name}",
                text_of(value)
                if isinstance(value, Mapping | list | tuple)
                else None
                if isinstance(value, str) and not value
                else value,
            )
