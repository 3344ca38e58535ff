"""The template producer: one JSON object a shipment, rendered row by row, read back as columns by DuckDB."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import duckdb
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.relation import Relation, StageSchema
from shipkit.errors import TemplateError
from shipkit.models import Address
from shipkit.orders.expressions import choose, filled, quote, stripped
from shipkit.orders.fields import Column
from shipkit.orders.mapping.environment import RecordView
from shipkit.orders.mapping.mapped import (
    ADDRESS_LEAVES,
    ITEM_LEAVES,
    LEAVES,
    PARCEL_LEAVES,
    Mapped,
    MappingSpec,
    field_path,
    leaf_of_role,
)
from shipkit.orders.mapping.template_limits import Budget
from shipkit.orders.mapping.templates import Compiled, compile_template, plain_value
from shipkit.schema import CURRENCY, OWN, PAPERS, PROBLEMS

__all__ = ["render_rows"]

_CHUNK: Final = 20_000
_FREE: Final = ("declared_value", "unit_value")
"""Leaves that may be an amount or an object with ``amount`` and ``currency``."""

_SHAPE: Final[Mapping[str, Any]] = {
    **{leaf.name: "" for leaf in (*OWN, CURRENCY)},
    "ship_to": dict.fromkeys(ADDRESS_LEAVES, ""),
    "ship_from": dict.fromkeys(ADDRESS_LEAVES, ""),
    "parcels": [dict.fromkeys(PARCEL_LEAVES, "")],
    "references": {"*": ""},
    "customs": {
        **{leaf.name: "" for leaf in PAPERS},
        "items": [dict.fromkeys(ITEM_LEAVES, "")],
    },
}
"""What a template may write: the fields of ``models.Shipment``, each leaf a text, number or flag."""


def render_rows(
    schema: StageSchema,
    columns: Sequence[Column],
    spec: MappingSpec,
    shipper: Address,
    selection: Relation,
    all_lines: Relation,
    *,
    others: int = 0,
) -> Mapped:
    """Return the mapped relation that the template of `spec` makes of the selected orders.

    Parameters
    ----------
    others
        How many orders beside the selected ones the template is used for: they cannot fail.

    Raises
    ------
    TemplateError
        The template cannot be used, runs away, fails for every row, or writes what a shipment does
        not have.
    """
    con = schema.con
    text = spec.template or ""
    compiled = compile_template(
        text, tuple((column.name, column.key) for column in columns), spec.offered
    )
    orders = con.sql(
        f"SELECT row_number, row_numbers, source_file{_wanted(compiled, columns)} FROM "
        f"{selection.sql} ORDER BY row_number"
    ).to_arrow_table()
    texts, problems = _render(con, compiled, columns, orders, all_lines, shipper)
    con.register(
        "rendered_rows",
        orders.select(["row_number", "row_numbers", "source_file"]).append_column("json", texts),
    )
    try:
        problems += _unparsable(con, orders, texts)
        if orders.num_rows and len(problems) == orders.num_rows + others:
            first = problems[0]
            raise TemplateError(
                f"The template fails for every row. Row {first['row_number']}: {first['problem']}.",
                fix=first["fix"],
            )
        relation = schema.table("mapped_text", mapped_sql(spec, _READ))
        _check_shape(con, relation, compiled)
        defaulted = filled_by_defaults(con, spec, _READ)
    finally:
        con.unregister("rendered_rows")
    return Mapped(
        relation=relation,
        template=text,
        offered=spec.offered,
        problems=pa.Table.from_pylist(problems, schema=PROBLEMS),
        nested=_is_nested(con, relation),
        fields=fed_fields(compiled, columns),
        defaulted=defaulted,
    )


def fed_fields(compiled: Compiled, columns: Sequence[Column]) -> dict[str, str]:
    """Return key of each column that the template reads -> path of the field that its heading speaks of, or the key."""
    used = {*compiled.columns, *compiled.written}
    return {
        column.key: field_path(leaf_of_role(column.role))
        if leaf_of_role(column.role) in LEAVES
        else column.key
        for column in columns
        if column.key in used
    }


# -- rendering -------------------------------------------------------------------------------------


def _wanted(compiled: Compiled, columns: Sequence[Column]) -> str:
    """Return SQL for the columns that the template reads: as a type that templates see, or as JSON where it only writes them with ``tojson``."""
    by_key = {column.key: column for column in columns}
    plain = [_cell(by_key[key]) for key in compiled.columns]
    written = [
        f"coalesce(to_json({cell_value(by_key[key])})::VARCHAR, 'null') AS \"{key} as json\""
        for key in compiled.written
    ]
    return "".join(f", {text}" for text in (*plain, *written))


def _cell(column: Column) -> str:
    return f'{cell_value(column)} AS "{column.key}"'


def cell_value(column: Column) -> str:
    """Return SQL of a column as templates see it: text, a whole number, a DOUBLE, a flag or a date."""
    name = f'"{column.key}"'
    if column.type in ("VARCHAR", "DATE", "BOOLEAN", "BIGINT", "INTEGER", "SMALLINT", "TINYINT"):
        return name
    if column.type in ("DOUBLE", "FLOAT"):
        return f"CASE WHEN isfinite({name}) THEN {name}::DOUBLE END"
    return f"{name}::VARCHAR"


def _render(
    con: duckdb.DuckDBPyConnection,
    compiled: Compiled,
    columns: Sequence[Column],
    orders: pa.Table,
    all_lines: Relation,
    shipper: Address,
) -> tuple[pa.ChunkedArray, list[dict[str, Any]]]:
    """Return the JSON text of each order (null where rendering failed), and the problems of those that failed."""
    budget = Budget(orders.num_rows)
    scope = compiled.scope(
        {name: plain_value(value) for name, value in shipper.model_dump().items()}, budget
    )
    headings = {column.key: column.name for column in columns}
    lines = _lines(con, all_lines, columns) if compiled.lines else {}
    chunks, problems = [], []
    for chunk in _chunks(orders):
        numbers = chunk.column("row_number").to_pylist()
        cells = [
            chunk.column(key).to_pylist()
            for key in (*compiled.columns, *(f"{key} as json" for key in compiled.written))
        ]
        texts = []
        for number, values in zip(
            numbers, zip(*cells, strict=True) if cells else [()] * len(numbers), strict=True
        ):
            budget.next_row()
            row = (
                _record(compiled.columns, values[: len(compiled.columns)], headings)
                if compiled.whole_row
                else None
            )
            try:
                made = compiled.render(values, scope, row, lines.get(number, ()))
            except TemplateError as error:
                line = error.details.get("line")
                raise TemplateError(
                    f"Row {number}{f', template line {line}' if line else ''}: {error.message}.",
                    fix="Make the template simpler; it writes one JSON object.",
                    row=number,
                    line=line,
                ) from None
            texts.append(made.text)
            if made.text is None:
                problems.append(
                    _failed(number, f"template line {made.line}: {made.problem}", "template_failed")
                )
        chunks.append(pa.array(texts, pa.string()))
    return pa.chunked_array(chunks, pa.string()), problems


def _chunks(table: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, max(table.num_rows, 1), _CHUNK):
        yield table.slice(start, _CHUNK)


def _record(keys: Sequence[str], values: Sequence[Any], headings: Mapping[str, str]) -> RecordView:
    cells = {headings[key]: value for key, value in zip(keys, values, strict=True)}
    return RecordView({**cells, **dict(zip(keys, values, strict=True))})


def _lines(
    con: duckdb.DuckDBPyConnection, all_lines: Relation, columns: Sequence[Column]
) -> dict[int, list[RecordView]]:
    """Return the lines of every order, by the order's row number. What packing added belongs to the order, not to its lines."""
    columns = [column for column in columns if column.key in all_lines.columns]
    keys = [column.key for column in columns]
    found = con.sql(
        f"SELECT order_row, row_number, {', '.join(_cell(column) for column in columns)} FROM "
        f"{all_lines.sql} ORDER BY order_row, row_number"
    ).to_arrow_table()
    headings = {column.key: column.name for column in columns}
    lines: dict[int, list[RecordView]] = {}
    cells = [found.column(key).to_pylist() for key in keys]
    for order, values in zip(
        found.column("order_row").to_pylist(), zip(*cells, strict=True), strict=True
    ):
        lines.setdefault(order, []).append(_record(keys, values, headings))
    return lines


def _failed(number: int, problem: str, code: str) -> dict[str, Any]:
    return {
        "row_number": number,
        "field": None,
        "value": None,
        "problem": problem,
        "fix": "Correct the template or the cell.",
        "severity": "error",
        "code": code,
    }


# -- reading the JSON back -------------------------------------------------------------------------


def _unparsable(
    con: duckdb.DuckDBPyConnection, orders: pa.Table, texts: pa.ChunkedArray
) -> list[dict[str, Any]]:
    """Return a problem for each row whose text is not one JSON object, with the place of the fault, and take those texts out of ``rendered_rows``."""
    is_object = (
        "json_valid(json) AND json_type(CASE WHEN json_valid(json) THEN json END) = 'OBJECT'"
    )
    rows = con.execute(
        f"SELECT row_number, json FROM rendered_rows WHERE json IS NOT NULL AND NOT ({is_object})"
    ).fetchall()
    if rows:
        bad = pc.is_in(
            orders.column("row_number"),
            value_set=pa.array([number for number, _ in rows], pa.int64()),
        )
        kept = pc.if_else(bad, pa.scalar(None, pa.string()), texts)
        con.register(
            "rendered_rows",
            orders.select(["row_number", "row_numbers", "source_file"]).append_column("json", kept),
        )
    return [_failed(number, _json_fault(text), "template_json") for number, text in rows]


def _json_fault(text: str) -> str:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        lines = text.split("\n")
        line = lines[error.lineno - 1].strip() if error.lineno <= len(lines) else ""
        return (
            f"the template does not write JSON, line {error.lineno}, column {error.colno} of its "
            f"output: {error.msg} (near {line[:60]!r})"
        )
    return (
        f"the template writes {'a list' if isinstance(value, list) else repr(value)[:40]}, not "
        "one JSON object"
    )


def _check_shape(con: duckdb.DuckDBPyConnection, mapped: Relation, compiled: Compiled) -> None:
    """Raise TemplateError when a row writes a field that a shipment does not have, or an object where a value belongs.

    The structure is looked at once where all rows write the same fields, else once for each set of
    keys, and for texts that begin like an object or list: looking at every row's costs a quarter
    of rendering.
    """
    objects = (
        "json_keys(json, ['$', '$.ship_to', '$.ship_from', '$.customs']), json_keys(json, "
        "'$.parcels[*]'), json_keys(json, '$.customs.items[*]')"
    )
    kinds = (
        "json_type(json, ['$.ship_to', '$.ship_from', '$.parcels', '$.references', '$.customs', "
        "'$.customs.items'])"
    )
    odd = " OR ".join(
        f"starts_with({name}, '{{') OR starts_with({name}, '[')"
        for name in LEAVES
        if name not in ("declared_value", "currency")
    )
    shapes = con.execute(f"""
        WITH chosen AS (
            SELECT min(row_number) AS row_number FROM rendered_rows WHERE json IS NOT NULL {"" if compiled.same_fields else f"GROUP BY {objects}, {kinds}"}
            UNION SELECT row_number FROM {mapped.sql} WHERE {odd}
        )
        SELECT json_structure(json), row_number FROM rendered_rows SEMI JOIN chosen USING (row_number) ORDER BY row_number
    """).fetchall()
    for shape, number in shapes:
        fault = _shape_fault(json.loads(shape), _SHAPE, "")
        if fault:
            raise TemplateError(
                f"Row {number}: {fault}{'' if fault.endswith('?') else '.'}",
                fix="See the fields of Shipment; session.template shows a template that works.",
                row=number,
            )


def _shape_fault(found: Any, allowed: Any, path: str) -> str | None:
    where = path or "the template"
    if found in (
        "NULL",
        "JSON",
    ):  # "JSON": an empty object, which lacks everything and says nothing wrong
        return None
    if isinstance(allowed, dict):
        if not isinstance(found, dict):
            return f"{where} must be an object"
        for name, value in found.items():
            if name not in allowed and "*" not in allowed:
                close = difflib.get_close_matches(name, list(allowed), 1, 0.5)
                inside = f"{path} has" if path else "a shipment has"
                return f"{inside} no field {name!r}" + (
                    f"; did you mean {close[0]!r}?" if close else ""
                )
            fault = _shape_fault(
                value, allowed.get(name, allowed.get("*")), f"{path}.{name}" if path else name
            )
            if fault:
                return fault
        return None
    if isinstance(allowed, list):
        if not isinstance(found, list):
            return f"{where} must be a list"
        return next(
            (fault for item in found if (fault := _shape_fault(item, allowed[0], f"{path}[]"))),
            None,
        )
    if isinstance(found, dict) and path.rsplit(".", 1)[-1] in _FREE:
        return _shape_fault(found, {"amount": "", "currency": ""}, path)
    return (
        f"{where} must be one value, not a {'list' if isinstance(found, list) else 'object'}"
        if isinstance(found, list | dict)
        else None
    )


def _structure(shape: Any) -> Any:
    """Return the structure that DuckDB reads the JSON into: every leaf text."""
    if isinstance(shape, dict):
        return (
            "MAP(VARCHAR, VARCHAR)"
            if "*" in shape
            else {name: _structure(value) for name, value in shape.items()}
        )
    return [_structure(shape[0])] if isinstance(shape, list) else "VARCHAR"


def _written(leaf: str) -> str:
    """Return SQL of what was written for a leaf, in the structure ``j`` of the parsed JSON."""
    return f"j.{field_path(leaf).replace('parcels[0]', 'parcels[1]')}"  # SQL lists begin with 1


_READ: Final = f"""(
    SELECT row_number, row_numbers, source_file, {", ".join(f"{_written(name)} AS {name}" for name in LEAVES)}, map_entries(j."references") AS "references", j.ship_from AS ship_from,
    j.parcels[2:] AS more, CASE WHEN json IS NULL THEN 1 ELSE coalesce(len(j.parcels), 0) END AS parcel_count, j.customs AS customs
    FROM (SELECT *, from_json(json, {quote(json.dumps(_structure(_SHAPE)))}) AS j FROM rendered_rows)
)"""
"""What the rows wrote, leaf by leaf: the relation that :func:`mapped_sql` makes shipments of."""


def mapped_sql(spec: MappingSpec, written: str) -> str:
    """Return the statement that makes the mapped relation of what a template wrote (:data:`LEAVES` and the nested parts), with what else the person said on top."""
    said = {name: _overridden(name, _leaf(name), spec) for name in LEAVES}
    parcels = ", ".join(
        f"{name}: {_amount('p.declared_value') if name == 'declared_value' else f'p.{name}'}"
        for name in PARCEL_LEAVES
    )
    items = ", ".join(
        f"{name}: {_amount('i.unit_value') if name == 'unit_value' else f'i.{name}'}"
        for name in ITEM_LEAVES
    )
    return f"""
        SELECT row_number, row_numbers, source_file, {", ".join(f"{text} AS {name}" for name, text in said.items())},
        coalesce("references", []) AS "references", ship_from, list_transform(more, lambda p: {{{parcels}}}) AS more_parcels, parcel_count,
        CASE WHEN customs IS NOT NULL THEN {{reason: customs.reason, duties_payer: customs.duties_payer, invoice_number: customs.invoice_number, terms: customs.terms,
            items: list_transform(coalesce(customs.items, []), lambda i: {{{items}}})}} END AS customs
        FROM {written}
    """


def _leaf(name: str) -> str:
    """Return SQL of a leaf: what was written for it, an amount taken out of its object."""
    if name == "currency":
        first = "coalesce(declared_value, customs.items[1].unit_value)"
        return (
            f"coalesce(currency, CASE WHEN {_is_object(first)} THEN json_extract_string({first}, "
            "'$.currency') END)"
        )
    return _amount(name) if name == "declared_value" else name


def _amount(x: str) -> str:
    """Take the amount out of an object; a text that only begins like one stays, for the next stage to name."""
    return f"CASE WHEN {_is_object(x)} THEN json_extract_string({x}, '$.amount') ELSE {x} END"


def _is_object(x: str) -> str:
    return f"starts_with({x}, '{{') AND json_valid({x})"


def _overridden(name: str, text: str, spec: MappingSpec) -> str:
    """Return SQL of a leaf with the person's service, translations, ship date and defaults over what the template wrote."""
    if name == "service" and spec.service is not None:
        return quote(spec.offered.read(spec.service))
    if name == "ship_date" and spec.ship_date is not None:
        return quote(spec.ship_date.isoformat())
    if name == "service" and spec.services:
        text = choose(
            f"lower(trim({text}, ' \t\r\n\f'))",
            {
                key.strip().lower(): quote(spec.offered.read(value))
                for key, value in spec.services.items()
            },
            text,
        )
    if name in spec.defaults:
        default = spec.defaults[name]
        text = filled(
            text, quote(str(default).lower() if isinstance(default, bool) else str(default))
        )
    return text


def filled_by_defaults(
    con: duckdb.DuckDBPyConnection, spec: MappingSpec, written: str
) -> dict[str, int]:
    """Return how many rows each default filled."""
    if not spec.defaults:
        return {}
    counts = ", ".join(
        f"count(*) FILTER (coalesce({stripped(_leaf(name))}, '') = '')" for name in spec.defaults
    )
    return dict(
        zip(
            spec.defaults, con.execute(f"SELECT {counts} FROM {written}").fetchall()[0], strict=True
        )
    )


def _is_nested(con: duckdb.DuckDBPyConnection, mapped: Relation) -> bool:
    found = con.execute(
        "SELECT bool_or(len(more_parcels) > 0 OR parcel_count <> 1 OR ship_from IS NOT NULL OR "
        f"customs IS NOT NULL) FROM {mapped.sql}"
    ).fetchall()
    return bool(found[0][0])
