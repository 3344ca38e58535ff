"""Checks shipments: every problem of every row, in one SQL pass over the rules.

:data:`~shipkit.orders.rules.RULES` apply whatever the carrier. Those of the batch's carrier come
from its limits (:mod:`shipkit.orders.rules.carrier_rules`). A carrier may refuse more shipments; it
never sees a row that fails here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.customs_borders import UNITED, border_sql
from shipkit.common.kept_plans import SMALL, registered, run
from shipkit.common.places import US_DOMAIN, country_codes, state_codes, zip3_states
from shipkit.common.sql import duck_type, quoted
from shipkit.models import Address
from shipkit.orders.delivery_places import (
    NO_BOX,
    box_columns,
    may_name_a_box,
    place_columns,
)
from shipkit.orders.expressions import choose, goes_abroad, quote, quoted_list
from shipkit.orders.postal_columns import postal_columns
from shipkit.orders.rules import RULES
from shipkit.orders.rules.carrier_rules import PLACE_CONDITIONS, carrier_rules
from shipkit.orders.rules.city_states import city_elsewhere
from shipkit.orders.rules.contact_rules import bad_email
from shipkit.orders.rules.customs_rules import CUSTOMS_RULES
from shipkit.orders.rules.example_rules import example_columns
from shipkit.orders.rules.key_rules import odd_key
from shipkit.orders.rules.rule import Rule
from shipkit.schema import PROBLEMS
from shipkit.services import ServiceList

__all__ = ["CUSTOMS_RULES", "RULES", "Rule", "check", "places_of", "sentence"]

Place = tuple[str, str | None]
"""Country and state."""

_OF_PARCELS: Final = "parcels[]."
"""How the field of a rule begins that applies to every parcel of a shipment."""

_LINES: Final = ("address_line1", "address_line2", "address_line3")

_STATES_CHECKED: Final = ("US", "CA", "AU")


def check(
    con: duckdb.DuckDBPyConnection,
    shipments: pa.Table,
    shipper: Address,
    offered: ServiceList,
    *,
    known: pa.Table | None = None,
    today: dt.date | None = None,
) -> pa.Table:
    """Return every problem of every row (:data:`shipkit.schema.PROBLEMS`), sorted by row.

    Parameters
    ----------
    shipments
        :data:`shipkit.schema.SHIPMENTS`, edited or not.
    offered
        The services of the carrier that will be used, with its limits.
    known
        Problems found by earlier stages. A field that already has an error is not reported again,
        and neither are the fields of a row whose template failed as a whole.
    today
        Ship dates before this day are problems. None: they are not checked.
    """
    shipments = shipments.append_column("city_elsewhere", city_elsewhere(shipments))
    papers = shipments.column("customs").null_count < shipments.num_rows
    rules = (*RULES, *(CUSTOMS_RULES if papers else ()), *carrier_rules(offered))
    suspects = _suspects(con, shipments, shipper, rules, today)
    queries = _queries_of_broken(rules, suspects)
    if not queries:
        return PROBLEMS.empty_table()
    earlier = (known if known is not None else PROBLEMS.empty_table()).select(
        ["row_number", "field", "severity"]
    )
    found = run(
        con,
        f"""
        WITH
            further AS ({_FURTHER_PARCELS}),
            found AS ({" UNION ALL ".join(queries)}),
            errors AS (
                SELECT DISTINCT row_number, field
                FROM earlier_problems
                WHERE severity = 'error'
            )
        SELECT f.*
        FROM found f
        WHERE NOT EXISTS (
            SELECT 1
            FROM errors e
            WHERE e.row_number = f.row_number AND (e.field IS NULL OR e.field = f.field)
        )
        ORDER BY row_number
        """,
        suspects=suspects,
        earlier_problems=earlier,
    )
    return found.cast(PROBLEMS)


def places_of(
    con: duckdb.DuckDBPyConnection, shipments: pa.Table, shipper: Address
) -> dict[int, list[str]]:
    """Return row number -> the kinds of places of its address that not every service goes to.

    Rows of other addresses are left out.
    """
    kinds = ", ".join(f"({condition})" for condition in PLACE_CONDITIONS.values())
    found = run(
        con,
        f"""
        SELECT row_number, [{kinds}] AS kinds
        FROM ({_judged("checked_rows", shipments, shipper, None)})
        WHERE {" OR ".join(PLACE_CONDITIONS.values())}
        """,
        checked_rows=shipments,
        zip_ranges=_zip_ranges(),
    )
    rows = zip(*(found.column(name).to_pylist() for name in ("row_number", "kinds")), strict=True)
    return {
        row: [kind for kind, fits in zip(PLACE_CONDITIONS, kinds, strict=True) if fits]
        for row, kinds in rows
    }


def sentence(problem: Mapping[str, Any], order_id: str | None = None) -> str:
    """Return one problem as a sentence for people: where, what, what to do.

    Examples
    --------
    >>> bad = {"row_number": 17, "field": "ship_to.city", "problem": "city is missing"}
    >>> sentence({**bad, "fix": "Fill in the cell."}, "4412")
    'Row 17 (order 4412), ship_to.city: city is missing. Fill in the cell.'
    """
    order = f" (order {order_id})" if order_id else ""
    field = f", {problem['field']}" if problem.get("field") else ""
    fix = f" {problem['fix']}" if problem.get("fix") else ""
    return f"Row {problem['row_number']}{order}{field}: {problem['problem']}.{fix}"


# -- the rows to look at ---------------------------------------------------------------------------


def _suspects(
    con: duckdb.DuckDBPyConnection,
    shipments: pa.Table,
    shipper: Address,
    rules: Sequence[Rule],
    today: dt.date | None,
) -> pa.Table:
    """Return the rows that break at least one rule, and those with several parcels.

    The column ``fails`` says of each rule whether the row breaks it. Most rows of most files are
    fine: of a large table, a first query finds the row numbers of the others, so that the wide
    columns are only copied for these.
    """
    rows = shipments
    if rows.num_rows > SMALL:
        broken = " OR ".join(["len(parcels) > 1", *(f"({rule.fails})" for rule in rules)])
        judged = _judged(_settled("checked_rows", shipments), shipments, shipper, today)
        with registered(con, checked_rows=shipments, zip_ranges=_zip_ranges()):
            found = con.execute(f"SELECT row_number FROM ({judged}) WHERE {broken}")
            numbers = pa.array(found.fetchnumpy()["row_number"], pa.int64())
        rows = rows.filter(pc.is_in(rows.column("row_number"), value_set=numbers))
    fails = ", ".join(f"({rule.fails})" for rule in rules)
    return run(
        con,
        f"""
        WITH
            judged AS MATERIALIZED ({_judged("suspect_rows", rows, shipper, today)}),
            verdicts AS MATERIALIZED (SELECT row_number, [{fails}] AS fails FROM judged)
        SELECT judged.*, fails
        FROM judged
        JOIN verdicts USING (row_number)
        WHERE len(parcels) > 1 OR list_contains(fails, true)
        """,
        suspect_rows=rows,
        zip_ranges=_zip_ranges(),
    )


def _settled(name: str, rows: pa.Table) -> str:
    """Return `rows`, called `name`, with a constant for each column that has one value throughout.

    A file fills a few of the columns, and a third of the rules read the others: they are settled
    when the statement is planned, and not once for each of a million rows.
    """
    constants = [
        f"NULL::{duck_type(field.type)} AS {quoted(field.name)}"
        for field, column in zip(rows.schema, rows.columns, strict=True)
        if column.null_count == rows.num_rows
    ]
    countries = pc.unique(rows.column("country"))
    if len(countries) == 1 and countries[0].is_valid:
        constants.append(f"{quote(countries[0].as_py())} AS country")
    return f"(SELECT * REPLACE ({', '.join(constants)}) FROM {name})" if constants else name


def _places(shipments: pa.Table) -> list[Place]:
    """Return the different pairs of country and state, sorted."""
    pairs = shipments.select(["country", "state"]).group_by(["country", "state"]).aggregate([])
    places = zip(*(column.to_pylist() for column in pairs.columns), strict=True)
    return sorted(
        (place for place in places if place[0] is not None), key=lambda p: (p[0], p[1] or "")
    )


@cache
def _zip_ranges() -> pa.Table:
    """Return the states of the first three digits of US ZIPs."""
    return pa.table({"zip3": list(zip3_states()), "states": list(zip3_states().values())})


def _queries_of_broken(rules: Sequence[Rule], suspects: pa.Table) -> list[str]:
    """Return the query of each rule that a row breaks: to plan those of all takes longer."""
    fails = suspects.column("fails").combine_chunks().flatten().fill_null(fill_value=False)
    verdicts = np.asarray(fails).reshape(suspects.num_rows, len(rules))
    broken = set(np.flatnonzero(verdicts.any(axis=0)).tolist())
    queries = [
        _query(rule, f"fails[{place + 1}]", "suspects")
        for place, rule in enumerate(rules)
        if place in broken
    ]
    if pc.max(pc.list_value_length(suspects.column("parcels"))).as_py() in {None, 0, 1}:
        return queries
    return [
        *queries,
        *(
            _query(rule, rule.fails, "further")
            for rule in rules
            if rule.field.startswith(_OF_PARCELS)
        ),
    ]


def _judged(name: str, rows: pa.Table, shipper: Address, today: dt.date | None) -> str:
    """Return the statement that adds the columns which rules read to `rows`, called `name`.

    What no row of a small table needs is left out: the longest patterns take longer to compile than
    the table to check.
    """
    places = _places(rows)
    countries = {country for country, _ in places}
    boxes = rows.num_rows > SMALL or may_name_a_box(
        (text for line in _LINES for text in rows.column(line).to_pylist()), countries
    )
    emails = rows.column("email").null_count < rows.num_rows
    home = US_DOMAIN if shipper.country in US_DOMAIN else (shipper.country,)
    known = sorted({country for country, _ in places} & set(country_codes().values()))
    return f"""
        WITH located AS (
            SELECT
                s.*,
                s.country IN ({quoted_list(US_DOMAIN)}) AS american,
                {_in("s.country", known)} AS known_country,
                {_state_unknown(places)} AS state_unknown,
                {_us_state("s.state", places)} AS us_state,
                {odd_key("s.order_id")} AS odd_key,
                right(s.name, 1) AS name_end,
                {example_columns("s")},
                {bad_email("s.email") if emails else "false"} AS bad_email,
                CASE
                    WHEN s.ship_from.country IS NULL
                    THEN {_in("s.country", [c for c in known if c not in home])}
                    ELSE coalesce({goes_abroad("s.ship_from.country", "s.country")}, false)
                END AS abroad,
                regexp_full_match(s.postal_code, '[0-9]{{5}}(?:-[0-9]{{4}})?') AS zip_ok,
                CASE WHEN s.country <> 'US' THEN s.country ELSE s.state END AS zip_home,
                z.states AS zip_states,
                {f"DATE '{today.isoformat()}'" if today else "NULL::DATE"} AS today,
                s.parcels[1] AS p,
                0 AS place,
                len(s.parcels) AS count,
                {box_columns(countries) if boxes else NO_BOX},
                {postal_columns(places)}
            FROM {name} s
            LEFT JOIN zip_ranges z ON z.zip3 = left(s.postal_code, 3)
        )
        SELECT
            *,
            american AND zip_ok AS us_zip,
            abroad AND coalesce({_border(shipper, countries)}, true) AS crosses_customs,
            {place_columns(boxes=boxes)}
        FROM located
    """


def _border(shipper: Address, countries: Collection[str]) -> str:
    """Return SQL of whether there is a customs border on the way, true where all are alike."""
    if not UNITED.intersection(countries):
        return "true"
    home = (shipper.country, shipper.postal_code or "")
    origin = [
        f"CASE WHEN ship_from.country IS NULL THEN {quote(own)} ELSE ship_from.{name} END"
        for own, name in zip(home, ("country", "postal_code"), strict=True)
    ]
    return border_sql((origin[0], origin[1]), ("country", "postal_code"))


def _state_unknown(places: Sequence[Place]) -> str:
    """Return SQL of whether a country, of those whose states are checked, lacks the state."""
    known = {(country, code) for (country, _), code in state_codes().items()}
    unknown = [
        f"(s.country = {quote(country)} AND s.state = {quote(state)})"
        for country, state in places
        if state and country in _STATES_CHECKED and (country, state) not in known
    ]
    return f"coalesce({' OR '.join(unknown)}, false)" if unknown else "false"


def _us_state(x: str, places: Sequence[Place]) -> str:
    """Return SQL of the state of the US that the state of an address abroad would be."""
    abroad = {state.lower() for country, state in places if state and country not in US_DOMAIN}
    codes = {
        name: quote(code)
        for (country, name), code in state_codes().items()
        if country == "US" and name in abroad
    }
    return choose(f"lower({x})", codes, "NULL::VARCHAR")


def _in(x: str, texts: Sequence[str]) -> str:
    """Return SQL of whether `x` is one of some texts; a null is not."""
    return f"coalesce({x} IN ({quoted_list(texts)}), false)" if texts else "false"


_FURTHER_PARCELS: Final = """
    SELECT
        row_number,
        service,
        unnest(parcels[2:]) AS p,
        unnest(range(1, len(parcels))) AS place,
        2 AS count
    FROM suspects
    WHERE len(parcels) > 1
"""
"""The parcels after the first, one per row, with the columns that their rules read."""


def _query(rule: Rule, fails: str, table: str) -> str:
    """Return the query of the problems of the rows of `table` that fail `rule`."""
    field = quote(rule.field)
    if rule.field.startswith(_OF_PARCELS):
        field = f"'parcels[' || place || '].{rule.field.removeprefix(_OF_PARCELS)}'"
    return f"""
        SELECT
            row_number,
            {field} AS field,
            ({rule.value})::VARCHAR AS value,
            {rule.problem} AS problem,
            {quote(rule.fix)} AS fix,
            {quote(rule.severity)} AS severity,
            {quote(rule.code)} AS code
        FROM {table}
        WHERE {fails}
    """
