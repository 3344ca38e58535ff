"""The template producer for straight templates: each leaf becomes an expression over whole columns, and no row is rendered.

A template is straight when it writes one JSON object whose leaves are constants, or cells with
filters, ``~``, ``or`` and ``if ... else`` that have an exact twin in SQL
(:mod:`shipkit.orders.mapping.compiler.filter_sql`). Rows with cells of which only Python can tell
what they become, such as a very long text or one that makes the template fail, are rendered one by
one beside the others; any other template is rendered as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence

from shipkit.common.relation import Relation, StageSchema
from shipkit.models import Address
from shipkit.orders.fields import Column
from shipkit.orders.mapping.compiler.shipment_sql import compile_template as compile_to_sql
from shipkit.orders.mapping.mapped import Mapped, MappingSpec
from shipkit.orders.mapping.rendering import fed_fields, filled_by_defaults, mapped_sql, render_rows
from shipkit.orders.mapping.templates import compile_template
from shipkit.schema import PROBLEMS

__all__ = ["map_template"]


def map_template(
    schema: StageSchema,
    columns: Sequence[Column],
    spec: MappingSpec,
    shipper: Address,
    selection: Relation,
    lines: Relation,
) -> Mapped:
    """Return the mapped relation that the template of `spec` makes of the selected orders: by whole columns where that says the same, else row by row.

    Raises
    ------
    TemplateError
        As :func:`shipkit.orders.mapping.rendering.render_rows`.
    """
    compiled = compile_template(
        spec.template or "",
        tuple((column.name, column.key) for column in columns),
        spec.offered,
    )
    made = (
        None
        if compiled.lines or compiled.whole_row
        else compile_to_sql(
            spec.template or "", columns, shipper, spec.offered, as_text=spec.defaults
        )
    )
    if made is None:
        return render_rows(schema, columns, spec, shipper, selection, lines)
    con = schema.con
    count, odd = con.execute(
        f"SELECT count(*), count(*) FILTER ({made.rendered_where}) FROM {selection.sql}"
    ).fetchall()[0]
    if odd == count:
        return render_rows(schema, columns, spec, shipper, selection, lines)
    rest: Mapped | None = None
    written, others = f"({made.select(selection.sql)})", ""
    if odd:
        odd_orders = schema.view(
            "odd_orders", f"SELECT * FROM {selection.sql} WHERE {made.rendered_where}"
        )
        rest = render_rows(schema, columns, spec, shipper, odd_orders, lines, others=count - odd)
        written, others = (
            f"({made.select(selection.sql)} WHERE NOT {made.rendered_where})",
            f" UNION ALL SELECT * FROM {rest.relation.sql}",
        )
    relation = schema.view("mapped", f"{mapped_sql(spec, written)}{others}")
    defaulted = filled_by_defaults(con, spec, written)
    return Mapped(
        relation=relation,
        template=spec.template or "",
        offered=spec.offered,
        problems=rest.problems if rest else PROBLEMS.empty_table(),
        nested=made.nested or (rest is not None and rest.nested),
        fields=fed_fields(compiled, columns),
        defaulted={
            name: number + (rest.defaulted[name] if rest else 0)
            for name, number in defaulted.items()
        },
        filled=made.filled
        | {
            *spec.defaults,
            *(("service",) if spec.service is not None else ()),
            *(("ship_date",) if spec.ship_date is not None else ()),
        },
    )
