"""What a template may write: the shape of its JSON, and what is wrong with another shape."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import Any, Final

import duckdb
import orjson

from shipkit.common.relation import Relation
from shipkit.errors import TemplateError
from shipkit.orders.expressions import quote
from shipkit.orders.mapping.mapped import (
    ADDRESS_LEAVES,
    ITEM_LEAVES,
    LEAVES,
    PARCEL_LEAVES,
    field_path,
)
from shipkit.orders.mapping.written_values import AMOUNTS
from shipkit.schema import OWN, PAPERS, ROW_LEAVES

__all__ = ["check_shape", "json_fault", "written_select"]

_SHAPE: Final[Mapping[str, Any]] = {
    **{leaf.name: "" for leaf in (*OWN, *ROW_LEAVES)},
    "ship_to": dict.fromkeys(ADDRESS_LEAVES, ""),
    "ship_from": dict.fromkeys(ADDRESS_LEAVES, ""),
    "parcels": [dict.fromkeys(PARCEL_LEAVES, "")],
    "references": {"*": ""},
    "customs": {
        **{leaf.name: "" for leaf in PAPERS},
        "items": [dict.fromkeys(ITEM_LEAVES, "")],
    },
}
"""The fields of a shipment. Each leaf is a text, a number or a flag; ``*`` is any name."""


# -- reading the JSON ------------------------------------------------------------------------------


def written_select(rows: str) -> str:
    """Return the statement that reads the leaves out of the column ``json`` of the relation `rows`.

    A row without a text has one parcel, so that it is not also reported to have none.
    """
    leaves = ",\n            ".join(f"{_path(name)} AS {name}" for name in LEAVES)
    structure = quote(json.dumps(_structure(_SHAPE)))
    return f"""
        WITH parsed AS (
            SELECT *, from_json(json, {structure}) AS j FROM {rows}
        )
        SELECT
            row_number,
            row_numbers,
            source_file,
            {leaves},
            map_entries(j."references") AS "references",
            j.ship_from AS ship_from,
            j.parcels[2:] AS more,
            CASE WHEN json IS NULL THEN 1 ELSE coalesce(len(j.parcels), 0) END AS parcel_count,
            j.customs AS customs
        FROM parsed
    """


def _structure(shape: Any) -> Any:
    """Return the structure for ``from_json``: every leaf is text."""
    if isinstance(shape, list):
        return [_structure(shape[0])]
    if not isinstance(shape, dict):
        return "VARCHAR"
    if "*" in shape:
        return "MAP(VARCHAR, VARCHAR)"
    return {name: _structure(value) for name, value in shape.items()}


def _path(leaf: str) -> str:
    return f"j.{field_path(leaf).replace('parcels[0]', 'parcels[1]')}"  # SQL lists begin with 1


# -- judging it ------------------------------------------------------------------------------------


def json_fault(text: str) -> str:
    """Return what is wrong with a text that is not one JSON object."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        lines = text.split("\n")
        line = lines[error.lineno - 1].strip() if error.lineno <= len(lines) else ""
        return (
            f"the template does not write JSON: {error.msg} in line {error.lineno}, "
            f"column {error.colno} of its output (near {line[:60]!r})"
        )
    what = "a list" if isinstance(value, list) else repr(value)[:40]
    return f"the template writes {what}, not one JSON object"


def check_shape(
    con: duckdb.DuckDBPyConnection, rows: str, mapped: Relation, *, same_fields: bool
) -> None:
    """Raise TemplateError when a row writes a field that a shipment does not have.

    An object or a list where a value belongs is an error too. Looking at the structure of every row
    takes a quarter of the time of rendering, so it is looked at once if all rows write the same
    fields, otherwise once for each set of keys, and for texts that begin like an object or a list.
    """
    keys = """GROUP BY
            json_keys(json, ['$', '$.ship_to', '$.ship_from', '$.customs']),
            json_keys(json, '$.parcels[*]'),
            json_keys(json, '$.customs.items[*]'),
            json_type(json, [
                '$.ship_to', '$.ship_from', '$.parcels', '$.references', '$.customs',
                '$.customs.items'
            ])"""
    nested = " OR ".join(
        f"starts_with({name}, '{{') OR starts_with({name}, '[')"
        for name in LEAVES
        if name not in (*AMOUNTS, "currency")
    )
    shapes = con.execute(
        f"""
        WITH chosen AS (
            SELECT min(row_number) AS row_number
            FROM {rows}
            WHERE json IS NOT NULL
            {"" if same_fields else keys}
            UNION
            SELECT row_number FROM {mapped.sql} WHERE {nested}
        )
        SELECT json_structure(json), row_number
        FROM {rows}
        SEMI JOIN chosen USING (row_number)
        ORDER BY row_number
        """
    ).fetchall()
    for shape, number in shapes:
        fault = _shape_fault(json.loads(shape), _SHAPE, "")
        if fault:
            raise TemplateError(
                f"Row {number}: {fault}{'' if fault.endswith('?') else '.'}",
                fix="See the fields of Shipment; session.template shows a template that works.",
                row=number,
            )


def _shape_fault(found: Any, allowed: Any, path: str) -> str | None:
    """Return what is wrong with the structure of a JSON value, None when nothing is."""
    where = path or "the output of the template"
    if found in ("NULL", "JSON"):  # null, and an empty object
        return None
    if isinstance(allowed, dict):
        if not isinstance(found, dict):
            return f"{where} must be an object"
        return _first_fault(found, allowed, path)
    if isinstance(allowed, list):
        if not isinstance(found, list):
            return f"{where} must be a list"
        faults = (_shape_fault(item, allowed[0], f"{path}[]") for item in found)
        return next((fault for fault in faults if fault), None)
    if isinstance(found, dict) and path.rsplit(".", 1)[-1] in AMOUNTS:
        return _shape_fault(found, {"amount": "", "currency": ""}, path)
    if isinstance(found, list | dict):
        return f"{where} must be one value, not a {'list' if isinstance(found, list) else 'object'}"
    return None


def _first_fault(found: dict[str, Any], allowed: dict[str, Any], path: str) -> str | None:
    for name, value in found.items():
        if name not in allowed and "*" not in allowed:
            close = difflib.get_close_matches(name, list(allowed), 1, 0.5)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            return f"{path or 'a shipment'} has no field {name!r}{hint}"
        inner = f"{path}.{name}" if path else name
        fault = _shape_fault(value, allowed.get(name, allowed.get("*")), inner)
        if fault:
            return fault
    return None
