"""Run the statement of :mod:`shipkit.carriers.ratecard.price_sql` over shipments tables.

The lookup tables are small and hashed; the shipments stream past them, a few hundred thousand at a
time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.quoting import best_of
from shipkit.carriers.ratecard.card_database import card_database, card_tables
from shipkit.carriers.ratecard.parcel_rows import parcels_apart, parcels_joined
from shipkit.carriers.ratecard.price_sql import statement
from shipkit.carriers.ratecard.unpriced import unpriced_in
from shipkit.common.kept_plans import SMALL, run_small
from shipkit.common.row_order import in_order
from shipkit.common.spill import bounded
from shipkit.models import Address
from shipkit.schema import PARCEL, QUOTES, SHIPMENTS

if TYPE_CHECKING:
    from shipkit.carriers.ratecard import RateCard

__all__ = ["quote_table", "shop_table"]

_CHUNK = 250_000
"""Shipments priced at a time: memory stays flat past this, speed does not change."""


_MEASURES = ("weight_lb", "length_in", "width_in", "height_in", "declared_value_cents")


def quote_table(
    card: RateCard,
    table: pa.Table,
    shipper: Address,
    as_of: dt.date | None,
    *,
    basis: str = "rate_card",
    itemised: bool = False,
) -> pa.Table:
    """Return the quote table of `table` by `card`.

    Where `itemised`, each surcharge is a column, too.

    Small tables are priced by a plan that is kept. For others, nothing else uses the database
    during the call.
    """
    if card.older:
        return _by_version(card, table, shipper, as_of, basis=basis, itemised=itemised)
    if table.num_rows <= SMALL:
        bounded()  # a setting that cannot be read is an error for small tables, too
        asked = questions(table, shipper, as_of)
        run = partial(_run_small, card, card_tables(card))
        whole = _priced(run, card, asked, itemised=itemised)
    else:
        with card_database(card) as con:
            run = partial(_run, con, card)
            whole = pa.concat_tables(
                [
                    _priced(run, card, questions(chunk, shipper, as_of), itemised=itemised)
                    for chunk in _chunks(table)
                ]
            )
    n = table.num_rows
    service = (
        table.column("service").cast(pa.string())
        if "service" in table.column_names
        else pa.nulls(n, pa.string())
    )
    known = {
        "service": service,
        **{
            name: pa.repeat(pa.scalar(text), n)
            for name, text in (("currency", card.currency), ("cost_basis", basis))
        },
        "warnings": unpriced_in(card, table),
        # A card says nothing of taxes, and of no other price than its own.
        **{name: pa.nulls(n, pa.int64()) for name in ("tax_cents", "list_cents")},
    }
    schema = pa.schema(
        [*QUOTES, *[pa.field(rule.name, pa.int64()) for rule in card.surcharges if itemised]]
    )
    return pa.table(
        [known[name] if name in known else whole.column(name) for name in schema.names],
        names=schema.names,
    ).cast(schema)


def shop_table(
    card: RateCard,
    table: pa.Table,
    shipper: Address,
    as_of: dt.date | None,
    *,
    basis: str = "rate_card",
) -> pa.Table:
    """Return :data:`SHOPPED`: `table` priced by every service of `card`, by row, then cost."""
    services = sorted({service for version in (*card.older, card) for service in version.services})
    rows = max(1, _CHUNK // max(1, len(services)))
    column = table.schema.get_field_index("service")
    bare = table.drop_columns("service") if column >= 0 else table
    parts = []
    for start in range(0, max(1, table.num_rows), rows):
        some = bare.slice(start, rows)
        copies = pa.concat_tables(
            [
                some.append_column(
                    "service", pa.repeat(pa.scalar(service, pa.string()), some.num_rows)
                )
                for service in services
            ]
        )
        quotes = quote_table(card, copies, shipper, as_of, basis=basis)
        parts.append(best_of(quotes, start + np.tile(np.arange(some.num_rows), len(services))))
    return pa.concat_tables(parts)


def _by_version(
    card: RateCard,
    table: pa.Table,
    shipper: Address,
    as_of: dt.date | None,
    *,
    basis: str,
    itemised: bool,
) -> pa.Table:
    """Return the quotes of `table` in order, each row by the version in force on its day."""
    n = table.num_rows
    starts = [card.on(version.effective).effective for version in (*card.older, card)][1:]
    given = (
        table.column("ship_date") if "ship_date" in table.column_names else pa.nulls(n, pa.date32())
    )
    day = pa.repeat(pa.scalar(as_of, pa.date32()), n) if as_of is not None else given
    place = np.zeros(n, np.int64)
    for start in starts:
        place += np.asarray(
            pc.fill_null(pc.greater_equal(day, pa.scalar(start, pa.date32())), True)  # noqa: FBT003 - a fill value
        )
    parts, rows = [], []
    for k in np.unique(place) if n else [len(starts)]:
        chosen = np.flatnonzero(place == k)
        rows.append(chosen)
        version = (*card.older, card.on(None))[k]
        parts.append(
            quote_table(
                version,
                table if len(chosen) == n else table.take(pa.array(chosen)),
                shipper,
                as_of,
                basis=basis,
                itemised=itemised,
            )
        )
    joined = pa.concat_tables(parts, promote_options="default")
    return (
        joined
        if len(parts) == 1
        else joined.take(pa.array(np.argsort(np.concatenate(rows), kind="stable")))
    )


def _priced(
    run: Callable[[str, pa.Table], pa.Table], card: RateCard, chunk: pa.Table, *, itemised: bool
) -> pa.Table:
    """Return the prices of shipments in order."""
    units, first = parcels_apart(chunk, card.priced_together)
    parts = [
        run(statement(card, itemised=itemised, split=first is not None, alone=alone), part)
        for part, alone in _by_count(units)
    ]
    priced = _in_order(pa.concat_tables(parts))
    return priced if first is None else parcels_joined(priced, first)


def _by_count(units: pa.Table) -> list[tuple[pa.Table, bool]]:
    """Return rows with one parcel apart from others, and which of the tables has only such rows.

    Of small tables, which are planned longer than they are priced, none is made two.
    """
    more = pc.greater(pc.fill_null(pc.list_value_length(units.column("rest")), 0), 0)
    some = pc.any(more).as_py() or False
    if not some or units.num_rows <= SMALL or pc.all(more).as_py():
        return [(units, not some)]
    return [(units.filter(pc.invert(more)), True), (units.filter(more), False)]


def _zones(card: RateCard, chunk: pa.Table) -> pa.Table:
    """Return the zones from the origins of some shipments."""
    origins = (
        pc.unique(pc.utf8_slice_codeunits(chunk.column("origin_zip"), 0, 3)).to_pylist()
        + pc.unique(chunk.column("origin_country")).to_pylist()
    )
    return card.zones.rows(sorted({o for o in origins if o} | {"US"}))


def _run_small(
    card: RateCard, lookups: Mapping[str, pa.Table], sql: str, chunk: pa.Table
) -> pa.Table:
    return run_small(sql, shipments=chunk, zones=_zones(card, chunk), **lookups)


def _run(con: duckdb.DuckDBPyConnection, card: RateCard, sql: str, chunk: pa.Table) -> pa.Table:
    con.register("zones", _zones(card, chunk))
    con.register("shipments", chunk)
    try:
        # To a table first: con.sql() plans a statement twice, which takes longer than to copy this.
        con.execute(f"CREATE OR REPLACE TABLE priced AS {sql}")
        return con.sql("FROM priced").to_arrow_table()
    finally:
        con.unregister("zones")
        con.unregister("shipments")


def _chunks(table: pa.Table) -> Iterator[pa.Table]:
    yield table.slice(0, _CHUNK)
    for start in range(_CHUNK, table.num_rows, _CHUNK):
        yield table.slice(start, _CHUNK)


def _in_order(priced: pa.Table) -> pa.Table:
    """Return `priced` by position: threads finish in any order."""
    return in_order(priced, priced.column("i").to_numpy()).drop_columns("i")


def questions(table: pa.Table, shipper: Address, as_of: dt.date | None) -> pa.Table:
    """Return the columns of a shipments table that decide a price, and a position.

    Columns that are missing are null.
    """
    n = table.num_rows

    def column(name: str) -> pa.ChunkedArray:
        kind = SHIPMENTS.field(name).type
        return (
            table.column(name).cast(kind)
            if name in table.column_names
            else pa.chunked_array([pa.nulls(n, kind)])
        )

    origin = table.column("ship_from") if "ship_from" in table.column_names else None
    own = None if origin is None or origin.null_count == n else pc.is_valid(origin)

    def origin_of(name: str, default: str | None) -> pa.Array | pa.ChunkedArray:
        constant = pa.scalar(default, pa.string())
        return (
            pa.repeat(constant, n)
            if own is None
            else pc.if_else(own, pc.struct_field(origin, name), constant)
        )

    return pa.table(
        {
            "i": pa.array(np.arange(n)),
            "service": column("service"),
            "postal_code": column("postal_code"),
            "country": column("country"),
            "residential": column("residential"),
            "signature": column("signature"),
            "saturday_delivery": column("saturday_delivery"),
            "day": column("ship_date")
            if as_of is None
            else pa.repeat(pa.scalar(as_of, pa.date32()), n),
            "ship_date": column("ship_date"),
            "declared_in": pc.fill_null(column("currency"), "USD"),  # as shipment_from_row has it
            "origin_zip": origin_of("postal_code", shipper.postal_code),
            "origin_country": pc.fill_null(origin_of("country", shipper.country), "US"),
            **_parcels(column("parcels")),
        }
    )


def _parcels(column: pa.ChunkedArray) -> dict[str, pa.Array]:
    """Return the first parcel of each shipment as columns, and the others as lists.

    Most shipments are one box, and columns are fast.
    """
    parcels = (
        column.chunk(0)
        if column.num_chunks == 1
        else pa.concat_arrays(column.chunks)
        if column.num_chunks
        else pa.array([], column.type)
    )
    values, starts = parcels.values, np.asarray(parcels.offsets)[:-1]
    pieces = np.asarray(pc.fill_null(pc.list_value_length(parcels), 0)).astype(np.int64)
    first = pa.array(starts, mask=pieces == 0)
    more = np.maximum(pieces - 1, 0)
    offsets = np.concatenate([[0], np.cumsum(more)]).astype(np.int32)
    others = pa.array(
        np.arange(offsets[-1]) - np.repeat(offsets[:-1], more) + np.repeat(starts + 1, more)
    )
    rest = pa.StructArray.from_arrays(
        [values.field(name).take(others) for name in _MEASURES],
        fields=[PARCEL.field(name) for name in _MEASURES],
    )
    return {
        "pieces": pa.array(pieces),
        **{f"first_{name}": values.field(name).take(first) for name in _MEASURES},
        "rest": pa.ListArray.from_arrays(pa.array(offsets), rest),
    }
