"""Records (JSON, lists of dicts) to rows: objects become columns, items become lines.

APIs of shops answer with the items of an order in a list:
``{"name": "#1001", "line_items": [{"sku": "MUG", "quantity": 2}, {"sku": "TEA"}]}`` becomes two
lines with the columns ``line_item.sku`` and ``line_item.quantity``. The second has the cells of its
item only: by that, grouping knows it for a line of the same order, whatever the order's number is
called.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from shipkit.common.cell_text import text_of
from shipkit.common.words import counted
from shipkit.models import minor_units
from shipkit.orders.cells import Note
from shipkit.orders.fields import recognise
from shipkit.orders.heading_text import phrase, spelled
from shipkit.orders.heading_words import word_file

__all__ = [
    "flattened",
    "holds_items",
    "in_whole_units",
    "names_items",
    "orders_within",
    "with_item_lines",
]

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
        cells = [_cells(name, _with_single(item, 0)) for item in items]
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
    """Return the records with an object in place of a list of one.

    ``"shipping_lines": [{"method_id": "local_pickup"}]`` is how the one parcel of an order goes.
    A record with more keeps its list: its address is then missing, and the row waits.
    """
    return [_with_single(record, 0) for record in records]


def _with_single(record: Mapping[str, Any], depth: int) -> Mapping[str, Any]:
    made: dict[str, Any] = {}
    for field, value in record.items():
        if isinstance(value, Mapping) and depth < _NESTING:
            made[field] = _with_single(value, depth + 1)
            continue
        listed = _listed(value) if isinstance(value, list | tuple) else []
        if (named := _named_values(str(field), listed)) is not None:
            made[field] = named
            continue
        new = _name_of_one(str(field), listed[0]) if len(listed) == 1 else None
        if new is None or (new != field and new in record):
            made[field] = value
        else:
            made[new] = _with_single(listed[0], depth + 1)
    return made


def _named_values(field: str, listed: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return a list of names and values as an object, None where it is another list."""
    known = word_file("records")["names_and_values"].get(phrase(field)) if listed else None
    if known is None:
        return None
    names = [str(item.get(known["name"])) for item in listed]
    if len({*names}) < len(names):
        return None
    return {name: item.get(known["value"]) for name, item in zip(names, listed, strict=True)}


def _name_of_one(field: str, value: Mapping[str, Any]) -> str | None:
    """Return what a list of one is called as an object, None where it stays a list."""
    words = word_file("records")
    called = phrase(field)
    if called in words["of_one_with"]:
        known = words["of_one_with"][called]
        return str(known["name"]) if value.keys() >= {*known["fields"]} else None
    new: str | None = words["of_one"].get(called)
    return new


def orders_within(answer: Mapping[str, Any]) -> list[Any]:
    """Return the orders in an answer of an API: the list that it holds, or the answer itself.

    The list may be deep inside: ``{"payload": {"Orders": [...]}}`` of Amazon, ``{"data": {"orders":
    {"edges": [{"node": {...}}]}}}`` of GraphQL. An order with a list of its items is one order.
    """
    roles = recognise([name for name, _ in _pairs(answer)]).roles.keys()
    if "address_line1" in roles or roles >= {"city", "postal_code"}:
        return [answer]
    found = [value for value in answer.values() if _orders_in(value)]
    if len(found) != 1:
        wrapped = [
            value
            for name, value in answer.items()
            if isinstance(value, Mapping)
            and spelled(str(name)) in word_file("records")["order_lists"]
        ]
        return orders_within(wrapped[0]) if not found and len(wrapped) == 1 else [answer]
    return _orders_in(found[0])


def _orders_in(value: Any) -> list[Mapping[str, Any]]:
    wraps = isinstance(value, Mapping) and not {*value} <= {"nodes", "edges", "pageInfo"}
    return [] if wraps else _listed(value)


def names_items(name: str) -> bool:
    """Return whether a field of a record is called as a list of items is."""
    return phrase(str(name)) in word_file("records")["item_lists"]


def holds_items(value: Any) -> bool:
    """Return whether a cell is a list of objects, as it is or as GraphQL writes one."""
    return bool(_listed(value))


def _items(name: str, value: Any) -> list[Mapping[str, Any]]:
    """Return the items in the field `name` of a record; nothing if it holds something else."""
    if names_items(name):
        if isinstance(value, Mapping) and len(value) == 1:  # {"orderLines": {"orderLine": [...]}}
            [(inner, inside)] = value.items()
            value = inside if names_items(inner) else value
        return _listed(value)
    if phrase(str(name)) in word_file("records")["item_lists_of_quantities"]:
        listed = _listed(value)
        return listed if all("quantity" in item for item in listed) else []
    return []


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


_STREET_LINES: Final = 3
"""Lines of a street that a label has."""


def _is_street(name: str, value: Any) -> bool:
    """Return whether a field lists the lines of a street; more than a label has stay JSON text."""
    return (
        isinstance(value, list | tuple)
        and 0 < len(value) <= _STREET_LINES
        and all(isinstance(line, str) or line is None for line in value)
        and phrase(name) in word_file("records")["street_lists"]
    )


def in_whole_units(name: str, value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an amount of money in dollars that an API writes in cents.

    Etsy names the divisor; Square's fields of this shape end in "_money" and count the smallest
    unit of the currency.

    Examples
    --------
    >>> in_whole_units("price", {"amount": 1250, "divisor": 100, "currency_code": "USD"})
    {'amount': '12.50', 'currency_code': 'USD'}
    >>> in_whole_units("total_money", {"amount": 1250, "currency": "JPY"})
    {'amount': '1250', 'currency': 'JPY'}
    """
    amount = str(value.get("amount"))
    if not amount.removeprefix("-").isdecimal():
        return value
    if value.keys() == {"amount", "divisor", "currency_code"}:
        divisor = str(value["divisor"])
        places = len(divisor) - 1
        if divisor != "1" + "0" * places:
            return value
    elif value.keys() == {"amount", "currency"} and name.endswith("_money"):
        places = minor_units(str(value["currency"]))
    else:
        return value
    exact = f"{Decimal(amount).scaleb(-places):f}"
    return {**{key: each for key, each in value.items() if key != "divisor"}, "amount": exact}


def _pairs(
    record: Mapping[str, Any], prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, Any]]:
    for key, value in record.items():
        name = str(key)
        if isinstance(value, Mapping) and value and depth < _NESTING:
            yield from _pairs(in_whole_units(name, value), f"{prefix}{name}.", depth + 1)
        elif _is_street(name, value):
            one = name.removesuffix("s") if name.lower().endswith(("lines", "streets")) else name
            for place, line in enumerate(value, start=1):
                yield f"{prefix}{one} {place}", line or None
        elif isinstance(value, list | tuple) and not value:
            yield f"{prefix}{name}", None
        else:
            yield (
                f"{prefix}{name}",
                text_of(value)
                if isinstance(value, Mapping | list | tuple)
                else None
                if isinstance(value, str) and not value
                else value,
            )
