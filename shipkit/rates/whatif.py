"""Price orders by a rate card from little more than ZIP, weight and service; nothing is bought.

Past orders often have no street, so none is required: :func:`rate` reads only what a price depends
on and leaves out the rest of validation.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.ratecard import CARD_SERVICES, RateCard
from shipkit.common.places import zip3_states
from shipkit.errors import InputError
from shipkit.models import Address
from shipkit.plan.offers import best_offers
from shipkit.plan.preview import to_frame
from shipkit.rates.reading import Orders, Unread, read_orders
from shipkit.rates.scenario import (
    Boxes,
    Origins,
    Place,
    Scenario,
    day_of,
    mapping_of,
    named_origins,
    place_of,
)
from shipkit.schema import PARCEL, QUOTES, SHIPMENTS, major
from shipkit.services import UnknownService

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RATED_COLUMNS", "Orders", "Scenario", "place_of", "rate", "rated", "read_orders"]

RATED_COLUMNS = (
    "row_number",
    "source_file",
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
    "warnings",
)
"""Columns of every rated frame, in order.

``warnings`` has what a shipment asks for and the card has no price for, and is empty elsewhere.

With several origins, ``origin`` and one ``cost_cents_<origin>`` per origin follow; then one column
per surcharge of the card.
"""


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
    ignore: Sequence[str] | str | None = None,
    warehouses: Mapping[str, Place] | None = None,
    to: str | Path | None = None,
    executor: Any = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Return what `orders` would cost by `card`: one row per order, in order.

    Parameters
    ----------
    orders
        A path, folder, glob, URL, or a list of them; a DataFrame, Arrow table, list of dicts or
        DuckDB relation with ZIP or country, weight and service; dimensions, residential flag,
        declared value and ship date are used if they are there. Shipments (with a column
        ``parcels``, one list per row) are taken as they are.
    card
        The rate card.
    as_of
        Price by the rules of this day, whatever the ship dates.
    origin
        Where the orders are shipped from: a ZIP, an Address or its fields. Default: the only place
        that the card has zones for, then the only shipper of the config file. An order that gives
        the ZIP that it leaves from (a column ``Ship From ZIP``) is priced from there; one that
        names a warehouse without its ZIP has no price, unless `warehouses` has it.
    origins
        Several warehouses (ZIPs, or name -> ZIP). Each order is shipped from the one where it
        costs least, which the column ``origin`` names, whatever it says itself.
    boxes
        Other box sizes in inches: a list (each parcel goes into the smallest box in which its own
        fits), or a mapping of old size to new size.
    service
        One service for all orders, or a rule: ``"cheapest"``, ``"fastest"``, ``"cheapest within 3
        days"``.
    columns, services, defaults, ignore
        As in :meth:`shipkit.BatchSession.map`.
    warehouses
        What a column ``Warehouse`` says -> a ZIP, an Address or its fields: that order is
        priced from there.
    to
        A Parquet file to write the rows to, or a folder (a name without an ending, or with ``/``
        at its end) for one file per file of shipments; a path or a URL. The orders are then
        processed in parts, so that memory does not grow with their number. A file appears when it
        is complete, and ``_totals.json`` when the folder is; a second run skips what is done.
    executor
        Who prices the files: ``"processes"`` (one for each core), a
        :class:`concurrent.futures.ProcessPoolExecutor`, or the executor of a cluster, such as
        ``client.get_executor(retries=3)`` of dask.distributed. Default: this process.
    progress
        Show a progress bar of the parts.

    Returns
    -------
    DataFrame
        :data:`RATED_COLUMNS`. ``cost_cents`` is exact, and null where the card has no price:
        ``problem`` then says why. With `to`, one row per service instead: ``service``,
        ``currency``, ``orders``, ``unrated``, ``cost_cents``.

    Raises
    ------
    InputError
        The origin is unknown, the service does not exist, or options contradict each other.

    Examples
    --------
    >>> import shipkit as sk
    >>> orders = [{"zip": "10001", "weight_lb": 3, "service": "Ground"}]
    >>> frame = sk.rate(orders, sk.RateCard.synthetic(), origin="78205")
    >>> frame[["zone", "billable_weight_lb", "currency"]].to_dict("records")
    [{'zone': '7', 'billable_weight_lb': 3.0, 'currency': 'USD'}]
    """
    from shipkit.rates.to_parts import rate_files, rate_to_file, wants_parts

    scenario = Scenario(day_of(as_of), origin, origins, boxes, service)
    mapping = mapping_of(
        columns=columns,
        services=services,
        defaults=defaults,
        ignore=ignore,
        warehouses=warehouses,
    )
    if wants_parts(to, executor):
        return to_frame(rate_files(orders, card, scenario, mapping, to, executor, progress))
    if to is not None:
        return to_frame(rate_to_file(orders, card, scenario, mapping, to))
    return to_frame(rated(read_orders(orders, **mapping), card, scenario))


def rated(orders: Orders, card: RateCard, scenario: Scenario) -> pa.Table:
    """Return the table that :func:`rate` shows."""
    table = orders.table if scenario.boxes is None else _repacked(orders.table, scenario.boxes)
    if scenario.origins is None:
        start = place_of(card, scenario.origin)
        quotes = _priced(table, card, start, scenario)
        extra: dict[str, Any] = {}
    else:
        table = _from_anywhere(table)
        by_start = {
            name: _priced(table, card, place_of(card, place), scenario)
            for name, place in named_origins(scenario).items()
        }
        quotes, extra = _cheapest_start(by_start)
    chosen = {"service": scenario.service, "warehouse": scenario.origins}
    given = [field for field, choice in chosen.items() if choice is not None]
    unread = {i: why for i, why in orders.unread.items() if why.field not in given}
    return _shown(table, _without_unread(quotes, unread), extra)


# -- pricing ---------------------------------------------------------------------------------------


def _priced(table: pa.Table, card: RateCard, start: Address, scenario: Scenario) -> pa.Table:
    """Return the quotes of all rows from one origin."""
    service, as_of = scenario.service, scenario.as_of
    if service is None:
        return card.itemise(table, start, as_of)
    at = table.schema.get_field_index("service")
    try:
        rule = CARD_SERVICES.rule(service)
        code = CARD_SERVICES.read(service)
    except UnknownService as no:
        raise InputError(f"{no.problem}.", fix=no.fix) from None
    chosen: Any = pa.repeat(pa.scalar(code), table.num_rows)
    if rule is not None:
        best = best_offers(card.shop_table(table, start, as_of), rule)
        found = np.full(table.num_rows, None, dtype=object)
        found[np.asarray(best.column("row"))] = best.column("service").to_numpy(
            zero_copy_only=False
        )
        chosen = pa.array(found, pa.string())
    return card.itemise(table.set_column(at, "service", chosen), start, as_of)


def _from_anywhere(table: pa.Table) -> pa.Table:
    """Return `table` without the places that rows leave from: the scenario's are compared."""
    at = table.schema.get_field_index("ship_from")
    field = SHIPMENTS.field("ship_from")
    return table.set_column(at, field, pa.nulls(table.num_rows, field.type))


def _cheapest_start(by_start: Mapping[str, pa.Table]) -> tuple[pa.Table, dict[str, Any]]:
    """Return each order's quote from the origin where it costs least, and the extra columns.

    Those are ``origin`` and the cost from each origin.
    """
    names = list(by_start)
    unpriced = np.iinfo(np.int64).max
    cents = np.stack(
        [
            np.asarray(pc.fill_null(quotes.column("cost_cents"), unpriced))
            for quotes in by_start.values()
        ]
    )
    best = cents.argmin(axis=0)
    n = cents.shape[1]
    # The tables of all origins, one below the other: origin k has the rows k * n to (k + 1) * n.
    cheapest = pa.concat_tables(by_start.values()).take(pa.array(best * n + np.arange(n)))
    nowhere = cents.min(axis=0) == unpriced
    extra = {
        "origin": pa.array(np.array(names, dtype=object)[best], pa.string(), mask=nowhere),
        **{f"cost_cents_{name}": quotes.column("cost_cents") for name, quotes in by_start.items()},
    }
    return cheapest, extra


def _without_unread(quotes: pa.Table, unread: Mapping[int, Unread]) -> pa.Table:
    """Return `quotes` with a problem instead of a price on rows that could not be read."""
    if not unread:
        return quotes
    flags = np.zeros(quotes.num_rows, dtype=bool)
    flags[list(unread)] = True
    mask, reasons = pa.array(flags), [unread[i] for i in sorted(unread)]
    texts = {
        "problem": pa.array([why.problem for why in reasons], pa.string()),
        "fix": pa.array([why.fix for why in reasons], pa.string()),
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
            for name in ("row_number", "source_file", "order_id", "postal_code", "country")
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
    """Return the state of each shipment, where none was given that of its ZIP.

    A ZIP prefix that two states share gives no state.
    """
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
    """Return `table` with its parcels in other boxes.

    A parcel without dimensions, or one that fits in none of the boxes, stays as it is.
    """
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
