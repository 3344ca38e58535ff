"""What orders would cost: priced by a rate card from little more than ZIP, weight and service. Nothing here can be bought.

History has no streets, so none is asked for: :func:`rate` reads what a price depends on and leaves
the rest of validation out.
"""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.ratecard import RateCard, TableZones
from shipkit.common.places import zip3_states
from shipkit.errors import InputError
from shipkit.models import Address, ServiceLevel
from shipkit.plan.preview import to_frame
from shipkit.plan.resolve import best_offers, is_rule
from shipkit.rates.reading import SANDBOX_ZIP, Orders, Unread, orders_in_parts, read_orders
from shipkit.schema import PARCEL, QUOTES, SHIPMENTS, major
from shipkit.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RATED_COLUMNS", "Orders", "place_of", "rate", "rated", "read_orders"]

RATED_COLUMNS = (
    "row_number",
    "order_id",
    "state",
    "postal_code",
    "country",
    "service",
    "parcels",
    "billable_weight_lb",
    "zone",
    "cost_cents",
    "cost",
    "currency",
    "transit_days",
    "delivery_date",
    "base_cents",
    "fuel_cents",
    "residential_cents",
    "delivery_area_cents",
    "other_cents",
    "problem",
    "fix",
)
"""Columns that every rated frame has, in order. With several origins ``origin`` and ``cost_cents_<origin>`` follow, then a column for each surcharge."""


Place = str | Address | Mapping[str, Any]
Origins = Sequence[Place] | Mapping[str, Place]
Boxes = (
    Sequence[tuple[float, float, float]]
    | Mapping[tuple[float, float, float], tuple[float, float, float]]
)


def rate(
    orders: Any,
    card: RateCard,
    as_of: dt.date | str | None = None,
    *,
    origin: Place | None = None,
    origins: Origins | None = None,
    boxes: Boxes | None = None,
    service: str | None = None,
    columns: Mapping[str, str] | None = None,
    services: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
    to: str | Path | None = None,
) -> pd.DataFrame:
    """Return what `orders` would cost by `card`: a line an order, in order, see :data:`RATED_COLUMNS`.

    Parameters
    ----------
    orders
        A path, DataFrame, Arrow table, list of dicts or DuckDB relation with ZIP or country,
        weight and service, and where there are such: dimensions, residential flag, declared value,
        ship date. A shipments table (with a column ``parcels``) is taken as it is.
    as_of
        Price by the rules of this day, whatever the ship dates.
    origin
        Where orders start: a ZIP, an Address or its fields. Default: the only place that the card
        has zones for, then the only shipper of the config file.
    origins
        Several warehouses (ZIPs, or name -> ZIP): every order starts at the cheapest, named in
        ``origin``.
    boxes
        Other box sizes in inches: a list (each parcel goes into the smallest box that holds its
        own), or old size -> new size.
    service
        One service for all, or a rule: ``"cheapest"``, ``"fastest"``, ``"cheapest within 3 days"``.
    columns, services, defaults
        As in :meth:`shipkit.BatchSession.map`.
    to
        A parquet file to write the lines to. The orders then stream past in parts, whatever their
        number: what the database cannot hold lies on disk, and memory stays flat.

    Returns
    -------
    DataFrame
        ``cost_cents`` is exact and null where the card has no price; ``problem`` says why. With
        `to`, a line for each service instead: ``service``, ``currency``, ``orders``, ``unrated``,
        ``cost_cents``.

    Examples
    --------
    >>> import shipkit as sk
    >>> frame = sk.rate([{"zip": "10001", "weight_lb": 3, "service": "Ground"}], sk.RateCard.synthetic(), origin="78205")
    >>> frame[["zone", "billable_weight_lb", "currency"]].to_dict("records")
    [{'zone': '7', 'billable_weight_lb': 3.0, 'currency': 'USD'}]
    """

    def priced(read: Orders) -> pa.Table:
        return rated(
            read, card, _day(as_of), origin=origin, origins=origins, boxes=boxes, service=service
        )

    said: dict[str, Any] = {"columns": columns, "services": services, "defaults": defaults}
    return to_frame(
        priced(read_orders(orders, **said))
        if to is None
        else _written(map(priced, orders_in_parts(orders, **said)), Path(to))
    )


def rated(
    orders: Orders,
    card: RateCard,
    as_of: dt.date | None,
    *,
    origin: Place | None = None,
    origins: Origins | None = None,
    boxes: Boxes | None = None,
    service: str | None = None,
) -> pa.Table:
    """Return the table that :func:`rate` shows."""
    table = orders.table if boxes is None else _repacked(orders.table, boxes)
    if origins is None:
        quotes, extra = (
            _priced(table, card, place_of(card, origin), as_of, service),
            dict[str, Any](),
        )
    else:
        if not origins or origin is not None:
            raise InputError(
                "origins is empty, or given beside origin.",
                fix='Give one of the two: origin="78205", or origins=["78205", "08901"].',
            )
        starts = (
            origins if isinstance(origins, Mapping) else {_label(place): place for place in origins}
        )
        quotes, extra = _cheapest_start(
            {
                name: _priced(table, card, place_of(card, place), as_of, service)
                for name, place in starts.items()
            }
        )
    unread = {
        i: why for i, why in orders.unread.items() if service is None or why.field != "service"
    }
    return _shown(table, _refused(quotes, unread), extra)


def place_of(card: RateCard, place: Place | None) -> Address:
    """Return where shipments start. Raises InputError when nobody said and it cannot be known."""
    if isinstance(place, Address):
        return place
    if isinstance(place, Mapping):
        return Address(**place)
    if place is not None:
        return (
            Address(postal_code=place)
            if any(map(str.isdigit, place))
            else Settings.read().shipper(place)
        )
    charted = _only_origin(card)
    if charted is not None:
        return Address(postal_code=charted)
    settings = Settings.read()
    known = list(settings.file.get("shippers", {}))
    if len(known) == 1:
        return settings.shipper(known[0])
    if card.is_synthetic:
        return Address(postal_code=SANDBOX_ZIP)
    raise InputError(
        "Where do these orders start? Nobody said.",
        fix='Pass origin="78205" (a ZIP or an Address), or origins=[...] for several warehouses.',
    )


# -- where and when --------------------------------------------------------------------------------


def _only_origin(card: RateCard) -> str | None:
    """Return the ZIP3 that a chart is for, where all of its origins have the same zones."""
    if not isinstance(card.zones, TableZones):
        return None
    origins = [
        name for name in pc.unique(card.zones.table.column("origin")).to_pylist() if name.isdigit()
    ]
    charts = [
        {(r["destination"], r["service"], r["zone"]) for r in card.zones.rows([name]).to_pylist()}
        for name in origins[:20]
    ]
    return (
        origins[0]
        if origins and len(origins) <= len(charts) and all(chart == charts[0] for chart in charts)
        else None
    )


def _day(day: dt.date | str | None) -> dt.date | None:
    return dt.date.fromisoformat(day) if isinstance(day, str) else day


def _label(place: Place) -> str:
    if isinstance(place, str):
        return place
    fields = place.model_dump() if isinstance(place, Address) else place
    return str(fields.get("company") or fields.get("name") or fields.get("postal_code"))


# -- to a file -------------------------------------------------------------------------------------


_SUMMED = ["service", "currency", "orders", "unrated", "cost_cents"]


def _written(parts: Iterator[pa.Table], to: Path) -> pa.Table:
    """Write `parts` to one parquet file, which appears when it is whole, and return the totals."""
    import pyarrow.parquet as pq

    handle, name = tempfile.mkstemp(dir=to.parent, prefix=".new-")
    os.close(handle)
    sums, writer = [], None
    try:
        for part in parts:
            writer = writer or pq.ParquetWriter(name, part.schema, compression="zstd")
            writer.write_table(part)
            flat = part.select(["service", "currency", "cost_cents"]).append_column(
                "orders", pa.repeat(pa.scalar(1), part.num_rows)
            )
            sums.append(
                flat.append_column(
                    "unrated", pc.is_null(flat.column("cost_cents")).cast(pa.int64())
                ).select(_SUMMED)
            )
            sums = [_summed(pa.concat_tables(sums))]
        if writer is not None:
            writer.close()
        Path(name).replace(to)
    finally:
        Path(name).unlink(missing_ok=True)
    return sums[0].sort_by("service")


def _summed(table: pa.Table) -> pa.Table:
    grouped = table.group_by(_SUMMED[:2]).aggregate([(name, "sum") for name in _SUMMED[2:]])
    return grouped.select([*_SUMMED[:2], *(f"{name}_sum" for name in _SUMMED[2:])]).rename_columns(
        _SUMMED
    )


# -- pricing ---------------------------------------------------------------------------------------


def _priced(
    table: pa.Table, card: RateCard, start: Address, as_of: dt.date | None, service: str | None
) -> pa.Table:
    if service is None:
        return card.itemise(table, start, as_of)
    at = table.schema.get_field_index("service")
    if is_rule(service):
        words = service.split()
        best = best_offers(
            card.shop_table(table, start, as_of),
            words[0],
            int(words[2]) if len(words) > 1 else None,
        )
        chosen = np.full(table.num_rows, None, dtype=object)
        chosen[np.asarray(best.column("row"))] = best.column("service").to_numpy(
            zero_copy_only=False
        )
        return card.itemise(
            table.set_column(at, "service", pa.array(chosen, pa.string())), start, as_of
        )
    return card.itemise(
        table.set_column(at, "service", pa.repeat(pa.scalar(_service(service)), table.num_rows)),
        start,
        as_of,
    )


def _service(text: str) -> str:
    found = ServiceLevel.parse(text)
    if found is None:
        raise InputError(
            f"{text!r} is not a known service.",
            fix=f"Known: {', '.join(s.value for s in ServiceLevel)}; or a rule: cheapest, "
            "fastest, cheapest within 3 days.",
        )
    return found.value


def _cheapest_start(by_start: Mapping[str, pa.Table]) -> tuple[pa.Table, dict[str, Any]]:
    """Return the quotes of each order from where it costs least, and the columns that say where and what else."""
    names = list(by_start)
    cents = np.stack(
        [
            np.asarray(pc.fill_null(quotes.column("cost_cents"), np.iinfo(np.int64).max))
            for quotes in by_start.values()
        ]
    )
    best = cents.argmin(axis=0)
    n = cents.shape[1]
    whole = pa.concat_tables(by_start.values()).take(pa.array(best * n + np.arange(n)))
    nowhere = cents.min(axis=0) == np.iinfo(np.int64).max
    extra = {
        "origin": pa.array(np.array(names, dtype=object)[best], pa.string(), mask=nowhere),
        **{f"cost_cents_{name}": quotes.column("cost_cents") for name, quotes in by_start.items()},
    }
    return whole, extra


def _refused(quotes: pa.Table, unread: Mapping[int, Unread]) -> pa.Table:
    """Return `quotes` without prices on rows that could not be read, and with why."""
    if not unread:
        return quotes
    flags = np.zeros(quotes.num_rows, dtype=bool)
    flags[list(unread)] = True
    mask, said = pa.array(flags), [unread[i] for i in sorted(unread)]
    texts = {
        "problem": pa.array([why.problem for why in said], pa.string()),
        "fix": pa.array([why.fix for why in said], pa.string()),
    }
    kept = {"service", "currency", "cost_basis", "warnings", "zone", "billable_weight_lb"}
    columns = []
    for name in quotes.column_names:
        column = quotes.column(name)
        if name in texts:
            column = pc.replace_with_mask(column.combine_chunks(), mask, texts[name])
        elif name not in kept:
            column = pc.if_else(mask, pa.scalar(None, column.type), column)
        columns.append(column)
    return pa.table(columns, names=quotes.column_names)


def _shown(table: pa.Table, quotes: pa.Table, extra: Mapping[str, Any]) -> pa.Table:
    columns = {
        **{
            name: table.column(name)
            for name in ("row_number", "order_id", "postal_code", "country")
        },
        "state": _states(table),
        "parcels": pc.fill_null(pc.list_value_length(table.column("parcels")), 0).cast(pa.int64()),
        **{name: quotes.column(name) for name in quotes.column_names},
        "cost": major(quotes.column("cost_cents"), quotes.column("currency")),
    }
    surcharges = [name for name in quotes.column_names if name not in QUOTES.names]
    return pa.table(
        {
            **{name: columns[name] for name in RATED_COLUMNS},
            **extra,
            **{name: columns[name] for name in surcharges},
        }
    )


def _states(table: pa.Table) -> pa.ChunkedArray:
    """Return the state of each shipment, of its ZIP where none was given; ZIPs of two states have none."""
    column = table.column("state")
    if not column.null_count:
        return column
    prefix = pc.utf8_slice_codeunits(table.column("postal_code"), 0, 3)
    known = {code: states for code, states in zip3_states().items() if " " not in states}
    found = pc.take(
        pa.array(list(known.values()), pa.string()),
        pc.index_in(prefix, value_set=pa.array(list(known), pa.string())),
    )
    return pc.coalesce(
        column,
        pc.if_else(
            pc.equal(pc.fill_null(table.column("country"), "US"), "US"),
            found,
            pa.scalar(None, pa.string()),
        ),
    )


# -- packaging -------------------------------------------------------------------------------------


def _repacked(table: pa.Table, boxes: Boxes) -> pa.Table:
    """Return `table` with its parcels in other boxes. A parcel without dimensions, or one that fits no box, stays as it is."""
    parcels = table.column("parcels").combine_chunks()
    values = parcels.values  # noqa: PD011 - of Arrow
    names = ("length_in", "width_in", "height_in")
    sizes = np.stack(
        [np.asarray(pc.fill_null(values.field(name), np.nan)) for name in names], axis=1
    )
    own = -np.sort(-sizes, axis=1)
    if isinstance(boxes, Mapping):
        for old, new in boxes.items():
            sizes[(np.abs(own - sorted(old, reverse=True)) < 1e-6).all(axis=1)] = sorted(
                new, reverse=True
            )
    else:
        for box in sorted((sorted(box, reverse=True) for box in boxes), key=np.prod, reverse=True):
            sizes[(own <= box).all(axis=1)] = box
    columns = [
        pa.array(sizes[:, names.index(f.name)], pa.float64(), from_pandas=True)
        if f.name in names
        else values.field(f.name)
        for f in PARCEL
    ]
    packed = pa.ListArray.from_arrays(
        parcels.offsets,
        pa.StructArray.from_arrays(columns, fields=list(PARCEL)),
        mask=pc.is_null(parcels) if parcels.null_count else None,
    )
    return table.set_column(
        table.schema.get_field_index("parcels"), SHIPMENTS.field("parcels"), packed
    )
