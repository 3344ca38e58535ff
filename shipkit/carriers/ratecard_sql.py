"""A rate card as one SQL statement over a whole shipments table.

Every rule of :mod:`shipkit.carriers.ratecard` a second time, as columns; a property test holds the two
together to the cent, problems included. Lookup tables are small and hashed, the shipments stream past.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.ratecard import REFUSALS, ppm
from shipkit.models import Address
from shipkit.table import PARCEL, QUOTES, SHIPMENTS

if TYPE_CHECKING:
    from shipkit.carriers.ratecard import RateCard, Surcharge

__all__ = ["PRICED", "quote_table", "statement"]

_CHUNK = 1_000_000
"""Shipments priced at a time: memory stays flat past this, speed does not change."""

PRICED = ("service", "postal_code", "country", "residential", "signature", "saturday_delivery", "ship_date", "ship_from", "parcels")
"""The columns of a shipments table that decide a price."""

_MEASURES = ("weight_lb", "length_in", "width_in", "height_in", "declared_value_cents")


def quote_table(card: RateCard, table: pa.Table, shipper: Address, as_of: dt.date | None, *, basis: str = "rate_card", itemised: bool = False) -> pa.Table:
    """Return the quote table of `table` by `card`, with a column for each surcharge where `itemised`.

    The database is private to the call: opening one costs some milliseconds, and nothing is left open or shared.
    """
    sql = statement(card, basis=basis, itemised=itemised)
    with duckdb.connect(":memory:") as con:
        for name, lookup in (("rates", card.rates), ("transit", card.transit), ("areas", _areas(card))):
            con.register(f"given_{name}", lookup)
            con.execute(f"CREATE TABLE {name} AS FROM given_{name}")
        whole = pa.concat_tables([_in_order(_priced(con, card, sql, chunk)) for chunk in _chunks(questions(table, shipper, as_of))])
    return whole.cast(pa.schema([*QUOTES, *[pa.field(name, pa.int64()) for name in whole.column_names[len(QUOTES):]]]))


def _priced(con: duckdb.DuckDBPyConnection, card: RateCard, sql: str, chunk: pa.Table) -> pa.Table:
    origins = pc.unique(pc.utf8_slice_codeunits(chunk.column("origin_zip"), 0, 3)).to_pylist() + pc.unique(chunk.column("origin_country")).to_pylist()
    con.register("zones", card.zones.rows(sorted({o for o in origins if o} | {"US"})))
    con.register("shipments", chunk)
    try:
        return con.sql(sql).to_arrow_table()
    finally:
        con.unregister("zones")
        con.unregister("shipments")


def _chunks(table: pa.Table) -> Iterator[pa.Table]:
    yield table.slice(0, _CHUNK)
    for start in range(_CHUNK, table.num_rows, _CHUNK):
        yield table.slice(start, _CHUNK)


def _in_order(priced: pa.Table) -> pa.Table:
    """Return `priced` by position. The joins keep the order as they run now; nothing promises that they always will."""
    position = priced.column("i").combine_chunks()
    if len(position) > 1 and not pc.all(pc.less(position[:-1], position[1:])).as_py():
        priced = priced.take(pc.sort_indices(position))
    return priced.drop_columns("i")


def questions(table: pa.Table, shipper: Address, as_of: dt.date | None) -> pa.Table:
    """Return the columns of a shipments table that decide a price, with a position; missing ones are null."""
    n = table.num_rows

    def column(name: str) -> pa.ChunkedArray:
        kind = SHIPMENTS.field(name).type
        return table.column(name).cast(kind) if name in table.column_names else pa.chunked_array([pa.nulls(n, kind)])

    origin = table.column("ship_from") if "ship_from" in table.column_names else None
    own = None if origin is None or origin.null_count == n else pc.is_valid(origin)

    def origin_of(name: str, default: str | None) -> pa.Array | pa.ChunkedArray:
        constant = pa.scalar(default, pa.string())
        return pa.repeat(constant, n) if own is None else pc.if_else(own, pc.struct_field(origin, name), constant)

    return pa.table({
        "i": pa.array(range(n), pa.int64()) if n < 1 else pa.chunked_array([pc.cast(pc.indices_nonzero(pa.repeat(pa.scalar(value=True), n)), pa.int64())]),
        "service": column("service"),
        "postal_code": column("postal_code"),
        "country": column("country"),
        "residential": column("residential"),
        "signature": column("signature"),
        "saturday_delivery": column("saturday_delivery"),
        "day": column("ship_date") if as_of is None else pa.repeat(pa.scalar(as_of, pa.date32()), n),
        "ship_date": column("ship_date"),
        "origin_zip": origin_of("postal_code", shipper.postal_code),
        "origin_country": pc.fill_null(origin_of("country", shipper.country), "US"),
        "parcels": pa.chunked_array([_slim(chunk) for chunk in column("parcels").chunks], pa.list_(_SLIM)),
    })


_SLIM = pa.struct([PARCEL.field(name) for name in _MEASURES])


def _slim(parcels: pa.ListArray) -> pa.ListArray:
    """Return the parcels without the texts that price does not depend on (no copy)."""
    values = parcels.values
    slim = pa.StructArray.from_arrays([values.field(name) for name in _MEASURES], fields=list(_SLIM))
    if parcels.null_count:
        return pa.ListArray.from_arrays(pc.if_else(pa.concat_arrays([parcels.is_valid(), pa.array([True])]), parcels.offsets, None), slim)
    return pa.ListArray.from_arrays(parcels.offsets, slim)


def _areas(card: RateCard) -> pa.Table:
    rows = [(name, code) for name, zips in sorted(card.areas.items()) for code in sorted(zips)]
    return pa.table({"area": pa.array([r[0] for r in rows], pa.string()), "postal_code": pa.array([r[1] for r in rows], pa.string())})


# --- the statement ---------------------------------------------------------------------------------------


def statement(card: RateCard, *, basis: str = "rate_card", itemised: bool = False) -> str:
    """Return the SQL that prices the view ``shipments`` by `card`, from the tables ``zones``, ``rates``, ``transit``, ``areas``."""
    homes = _list(card.zip_countries)
    extra = "".join(f', CASE WHEN problem IS NULL THEN {_rule_column(k)} END AS "{rule.name}"' for k, rule in enumerate(card.surcharges)) if itemised else ""
    amounts = ", ".join(f"CASE WHEN problem IS NULL THEN {part} END AS {part}_cents" for part in ("base_c", "fuel_c", "residential_c", "delivery_area_c", "other_c")).replace("_c_cents", "_cents")
    return f"""
WITH measured AS (
  SELECT i, service, postal_code, residential, signature, saturday_delivery, day, ship_date, parcels, origin_zip,
    origin_country IN {homes} AS from_home, coalesce(country, 'US') IN {homes} AS to_home,
    CASE WHEN from_home AND to_home THEN left(origin_zip, 3) WHEN from_home THEN 'US' ELSE origin_country END AS origin_key,
    CASE WHEN from_home AND to_home THEN left(postal_code, 3) WHEN to_home THEN 'US' ELSE country END AS prefix,
    CASE WHEN from_home AND to_home THEN left(postal_code, 5) ELSE '' END AS exact,
    CASE WHEN to_home THEN left(postal_code, 5) END AS area_zip,
    list_transform(parcels, lambda p: {_parcel(card)}) AS m
  FROM shipments
), weighed AS (
  SELECT *, coalesce(len(m), 0) AS pieces, list_sum(list_transform(m, lambda p: p.billable))::BIGINT AS billable,
    coalesce(list_bool_or(list_transform(m, lambda p: p.no_weight)), true) AS no_weight,
    list_max(list_transform(m, lambda p: p.lb)) AS heaviest, list_max(list_transform(m, lambda p: p.longest)) AS longest, list_max(list_transform(m, lambda p: p.girth)) AS girth
  FROM measured
), chart AS (
  SELECT origin, destination, z.service AS service, z.zone AS zone, days FROM zones z LEFT JOIN transit t ON t.service = z.service AND t.zone = z.zone
), placed AS (
  SELECT w.*, coalesce(near.zone, far.zone) AS zone, coalesce(near.days, far.days) AS days{_area_flags(card)}
  FROM weighed w
  LEFT JOIN chart near ON near.origin = w.origin_key AND near.destination = w.exact AND near.service = w.service AND length(near.destination) = 5
  LEFT JOIN chart far ON far.origin = w.origin_key AND far.destination = w.prefix AND far.service = w.service AND length(far.destination) < 5
{_area_joins(card)}
), based AS (
  SELECT p.*, r.cents + r.cents_per_lb * p.billable AS list_cents
  FROM placed p LEFT JOIN rates r ON r.service = p.service AND r.zone = p.zone AND r.lb = least(p.billable, {card.last_lb + 1})
), itemised AS (
  SELECT *, {_base(card)} AS base_c{_rules(card)}, {_problem(card)} AS problem, {_fix(card)} AS fix
  FROM based
)
SELECT i, service, CASE WHEN problem IS NULL THEN base_c + fuel_c + residential_c + delivery_area_c + other_c END AS cost_cents,
  {_text(card.currency)} AS currency, {_text(basis)} AS cost_basis, zone, CASE WHEN NOT no_weight THEN billable::DOUBLE END AS billable_weight_lb,
  CASE WHEN problem IS NULL THEN days END AS transit_days, CASE WHEN problem IS NULL THEN {_delivery()} END AS delivery_date,
  {amounts}, '' AS warnings, problem, fix{extra}
FROM itemised"""


def _parcel(card: RateCard) -> str:
    """Return one parcel in billed units. The arithmetic is ``ratecard.measure``, float operation by float operation."""
    size = "greatest(1, floor({} + 0.5))" if card.dim_rounding == "nearest" else "greatest(1, ceil({}))"
    whole = [f"CASE WHEN boxed THEN {size.format('p.' + name)}::BIGINT ELSE 0 END" for name in ("length_in", "width_in", "height_in")]
    a, b, c = (w.replace("boxed", _BOXED) for w in whole)
    lb = "greatest(1, ceil(p.weight_lb - 1e-6))::BIGINT"
    good = "coalesce(p.weight_lb > 0 AND p.weight_lb < 1e9, false)"
    longest, girth = f"greatest({a}, {b}, {c})", f"greatest({a}, {b}, {c}) + 2 * ({a} + {b} + {c} - greatest({a}, {b}, {c}))"
    second = f"({a} + {b} + {c} - greatest({a}, {b}, {c}) - least({a}, {b}, {c}))"
    return (
        f"{{'no_weight': NOT {good}, 'lb': CASE WHEN {good} THEN {lb} ELSE 0 END, "
        f"'billable': CASE WHEN {good} THEN greatest({lb}, ({a} * {b} * {c} + {card.dim_divisor - 1}) // {card.dim_divisor}) ELSE 0 END, "
        f"'longest': {longest}, 'second': {second}, 'girth': {girth}, 'declared': coalesce(p.declared_value_cents, 0)}}"
    )


_BOXED = "(p.length_in > 0 AND p.width_in > 0 AND p.height_in > 0 AND p.length_in < 1e5 AND p.width_in < 1e5 AND p.height_in < 1e5)"


def _areas_used(card: RateCard) -> list[str]:
    return sorted({rule.area for rule in card.surcharges if rule.area is not None})


def _area_flags(card: RateCard) -> str:
    return "".join(f", area_{k}.postal_code IS NOT NULL AS in_area_{k}" for k in range(len(_areas_used(card))))


def _area_joins(card: RateCard) -> str:
    return "\n".join(f"  LEFT JOIN areas area_{k} ON area_{k}.area = {_text(name)} AND area_{k}.postal_code = w.area_zip" for k, name in enumerate(_areas_used(card)))


def _base(card: RateCard) -> str:
    cases = []
    for discount in card.discounts:
        on = f"service IN {_list(discount.services)}" if discount.services else "true"
        cases.append(f"WHEN {on} THEN greatest(list_cents - {_share('list_cents', ppm(discount.percent))}, {discount.minimum_cents})")
    return f"CASE {' '.join(cases)} ELSE list_cents END" if cases else "list_cents"


def _rules(card: RateCard) -> str:
    """Return a column for each surcharge, then one for each part."""
    columns: dict[str, list[str]] = {"base": ["base_c"], "fuel": [], "residential": [], "delivery_area": [], "other": []}
    sql = ""
    for k, rule in enumerate(card.surcharges):
        sql += f", {_rule(card, rule, columns)} AS {_rule_column(k)}"
        columns[rule.part].append(_rule_column(k))
        columns.setdefault(rule.name, [_rule_column(k)])  # a part wins over a rule of its name
    return sql + "".join(f", {_sum(columns[part])} AS {part}_c" for part in ("fuel", "residential", "delivery_area", "other"))


def _rule_column(k: int) -> str:
    return f"rule_{k}"


def _rule(card: RateCard, rule: Surcharge, columns: dict[str, list[str]]) -> str:
    if rule.percent is not None:
        amount = _share(_sum([c for name in rule.of for c in columns[name]]), ppm(rule.percent))
    elif rule.declared_value:
        above = f"(p.declared - {rule.free_cents})"
        amount = f"list_sum(list_transform(m, lambda p: CASE WHEN {above} > 0 THEN {rule.cents} * (({above} + 9999) // 10000) ELSE 0 END))::BIGINT"
    elif rule.sized:
        limits = (("lb", rule.over_lb), ("longest", rule.over_longest_in), ("second", rule.over_second_in), ("girth", rule.over_girth_in))
        passes = " OR ".join(f"p.{name} > {limit}" for name, limit in limits if limit is not None)
        amount = f"{rule.cents} * list_sum(list_transform(m, lambda p: ({passes})::BIGINT))::BIGINT"
    else:
        amount = f"{rule.cents} * pieces" if rule.per_parcel else str(rule.cents)
    least = f"CASE WHEN ({amount}) = 0 THEN 0 ELSE greatest(({amount}), {rule.minimum_cents}) END" if rule.minimum_cents else amount
    return f"CASE WHEN {_condition(card, rule)} THEN {least} ELSE 0 END::BIGINT"


def _condition(card: RateCard, rule: Surcharge) -> str:
    tests = [
        f"service IN {_list(rule.services)}" if rule.services else "",
        "" if rule.residential is None else f"coalesce(residential, false) = {str(rule.residential).lower()}",
        "" if rule.area is None else f"in_area_{_areas_used(card).index(rule.area)}",
        f"coalesce(signature, 'none') IN {_list(rule.signature)}" if rule.signature else "",
        "coalesce(saturday_delivery, false)" if rule.saturday else "",
        f"coalesce(day >= DATE '{rule.since}', true)" if rule.since else "",
        f"coalesce(day < DATE '{rule.until}', false)" if rule.until else "",
    ]
    return " AND ".join(t for t in tests if t) or "true"


def _problem(card: RateCard) -> str:
    known = _list(card.services)
    text = {name: words for name, (words, _) in REFUSALS.items()}
    return f"""CASE
    WHEN service IS NULL THEN {_text(text['no_service'])}
    WHEN service NOT IN {known} THEN {_filled(text['service'], service='service')}
    WHEN no_weight THEN {_text(text['no_weight'])}
    WHEN heaviest > {card.max_parcel_lb} THEN {_text(text['weight'].format(limit=card.max_parcel_lb))}
    WHEN longest > {card.max_longest_in} OR girth > {card.max_girth_in} THEN {_text(text['size'].format(longest=card.max_longest_in, girth=card.max_girth_in))}
    WHEN from_home AND to_home AND coalesce(origin_zip, '') = '' THEN {_text(text['origin'])}
    WHEN from_home AND to_home AND coalesce(postal_code, '') = '' THEN {_text(text['destination'])}
    WHEN zone IS NULL THEN {_filled(text['zone'], service='service', origin='origin_key', to="CASE WHEN exact <> '' THEN exact ELSE prefix END")}
    WHEN list_cents IS NULL THEN {_filled(text['price'], service='service', zone='zone', lb='billable')}
  END"""


def _fix(card: RateCard) -> str:
    fix = {name: words for name, (_, words) in REFUSALS.items()}
    return f"""CASE
    WHEN service IS NULL THEN {_text(fix['no_service'])}
    WHEN service NOT IN {_list(card.services)} THEN {_text(fix['service'].format(known=', '.join(card.services)))}
    WHEN no_weight THEN {_text(fix['no_weight'])}
    WHEN heaviest > {card.max_parcel_lb} THEN {_text(fix['weight'])}
    WHEN longest > {card.max_longest_in} OR girth > {card.max_girth_in} THEN {_text(fix['size'])}
    WHEN from_home AND to_home AND coalesce(origin_zip, '') = '' THEN {_text(fix['origin'])}
    WHEN from_home AND to_home AND coalesce(postal_code, '') = '' THEN {_text(fix['destination'])}
    WHEN zone IS NULL THEN {_text(fix['zone'])}
    WHEN list_cents IS NULL THEN {_text(fix['price'])}
  END"""


def _filled(template: str, **columns: str) -> str:
    """Return the SQL that fills the braces of `template` with columns."""
    sql = _text(template)
    for name, column in columns.items():
        sql = sql.replace(f"{{{name}}}", f"' || {column} || '")
    return sql


def _delivery() -> str:
    """Return the day `days` business days after ship_date (``ratecard.add_business_days``)."""
    weekday = "isodow(ship_date)"
    return f"""(ship_date + (least({weekday}, 5) - {weekday} + days // 5 * 7 + days % 5 + CASE WHEN least({weekday}, 5) + days % 5 > 5 THEN 2 ELSE 0 END)::INTEGER)"""


def _share(amount: str, millionths: int) -> str:
    return f"((({amount}) * {millionths} + 500000) // 1000000)"


def _sum(columns: list[str]) -> str:
    return " + ".join(columns) if columns else "0::BIGINT"


def _list(values: tuple[str, ...]) -> str:
    return f"({', '.join(_text(v) for v in values)})" if values else "(NULL)"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
