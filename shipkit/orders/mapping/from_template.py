"""Shipments made by a template: compiled to SQL where that is exact, rendered elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from shipkit.common.kept_plans import SMALL
from shipkit.common.relation import Relation, StageSchema
from shipkit.common.sql import one
from shipkit.models import Address
from shipkit.orders.columns import Column
from shipkit.orders.mapping.compiler import TemplateSql, compile_template
from shipkit.orders.mapping.mapped import Mapped, MappingSpec
from shipkit.orders.mapping.rendering import fed_fields, render_rows
from shipkit.orders.mapping.templates import PreparedTemplate, prepare_template
from shipkit.orders.mapping.written_values import filled_by_defaults, mapped_select
from shipkit.schema import problems_table

__all__ = ["map_template"]


def map_template(
    schema: StageSchema,
    columns: Sequence[Column],
    spec: MappingSpec,
    shipper: Address,
    selection: Relation,
    lines: Relation,
) -> Mapped:
    """Return the mapped relation that the template of `spec` makes of the selected orders.

    Raises
    ------
    TemplateError
        As :func:`shipkit.orders.mapping.rendering.render_rows`.
    """
    text = spec.template or ""
    prepared = prepare_template(
        text, tuple((column.name, column.key) for column in columns), spec.offered
    )
    compiled: TemplateSql | None = None
    if not prepared.lines and not prepared.whole_row:
        compiled = compile_template(text, columns, shipper, spec.offered, as_text=spec.defaults)
    if compiled is None:
        return render_rows(schema, columns, spec, shipper, selection, lines)
    total, to_render = one(
        schema.con,
        f"SELECT count(*), count(*) FILTER ({compiled.rendered_where}) FROM {selection.sql}",
    )
    if to_render == total:  # also where there are no orders
        return render_rows(schema, columns, spec, shipper, selection, lines)
    if not to_render:
        return _computed(schema, columns, spec, selection, total, prepared, compiled)
    where = compiled.rendered_where
    rest = schema.view("orders_to_render", f"SELECT * FROM {selection.sql} WHERE {where}")
    others = schema.view("orders_to_compute", f"SELECT * FROM {selection.sql} WHERE NOT {where}")
    rows = total - to_render
    computed = _computed(schema, columns, spec, others, rows, prepared, compiled)
    rendered = render_rows(schema, columns, spec, shipper, rest, lines, others=rows)
    return _together(schema, computed, rendered)


def _computed(
    schema: StageSchema,
    columns: Sequence[Column],
    spec: MappingSpec,
    selection: Relation,
    rows: int,
    prepared: PreparedTemplate,
    compiled: TemplateSql,
) -> Mapped:
    """Return the mapped relation that a compiled template makes of the orders in `selection`.

    A few `rows` are stored: a view would be planned again by each statement that reads it.
    """
    written = f"({compiled.select(selection.sql)})"
    settings = {
        *spec.defaults,
        *(["service"] if spec.service is not None else []),
        *(["ship_date"] if spec.ship_date is not None else []),
    }
    query = mapped_select(spec, written, filled=compiled.filled, nested=compiled.nested)
    store = schema.table if rows <= SMALL else schema.view
    return Mapped(
        relation=store("computed", query),
        template=spec.template or "",
        offered=spec.offered,
        problems=problems_table(),
        nested=compiled.nested,
        fields=fed_fields(prepared, columns),
        defaulted=filled_by_defaults(schema.con, spec, written),
        filled=compiled.filled | settings,
    )


def _together(schema: StageSchema, computed: Mapped, rendered: Mapped) -> Mapped:
    """Return both parts of the orders as one relation."""
    query = f"SELECT * FROM {computed.relation.sql} UNION ALL SELECT * FROM {rendered.relation.sql}"
    return Mapped(
        relation=schema.view("mapped", query),
        template=computed.template,
        offered=computed.offered,
        problems=rendered.problems,
        nested=computed.nested or rendered.nested,
        fields=computed.fields,
        defaulted={
            name: count + rendered.defaulted[name] for name, count in computed.defaulted.items()
        },
        filled=(computed.filled or frozenset()) | (rendered.filled or frozenset()),
    )
