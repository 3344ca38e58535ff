"""Checks shipments: every problem of every row, in one SQL pass over the rules.

:data:`~shipkit.orders.rules.RULES` apply whatever the carrier. Those of the batch's carrier come
from its limits (:mod:`shipkit.orders.carrier_rules`). A carrier may refuse more shipments; it never
sees a row that fails here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.places import US_DOMAIN, country_codes, state_codes, zip3_states
from shipkit.common.relation import Relation, StageSchema, scratch
from shipkit.common.sql import one
from shipkit.models import Address
from shipkit.orders.carrier_rules import PLACE_CONDITIONS, carrier_rules
from shipkit.orders.delivery_places import box_columns, place_columns
from shipkit.orders.expressions import choose, quote, quoted_list
from shipkit.orders.key_and_name_rules import odd_key
from shipkit.orders.postal_columns import postal_columns
from shipkit.orders.rule import Rule
from shipkit.orders.rules import RULES
from shipkit.schema import PROBLEMS
from shipkit.services import ServiceList

__all__ = ["RULES", "Rule", "check", "places_of", "sentence"]

Place = tuple[str, str | None]
"""Country and state."""

_OF_PARCELS: Final = "parcels[]."
"""How the field of a rule begins that applies to every parcel of a shipment."""

_STATES_CHECKED: Final = ("US", "CA", "AU")

_SMALL: Final = 10_000
"""Up to so many rows, one query is faster than two."""


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
    rules = (*RULES, *carrier_rules(offered))
    earlier = (known if known is not None else PROBLEMS.empty_table()).select(
        ["row_number", "field", "severity"]
    )
    with (
        _registered(con, checked_rows=shipments, earlier_problems=earlier),
        scratch(con, "validation") as schema,
    ):
        suspects = _suspects(schema, shipments, shipper, rules, today)
        queries = _queries_of_broken(con, rules, suspects)
        if one(con, f"SELECT count(*) FROM {suspects.sql} WHERE len(parcels) > 1")[0]:
            further = _further_parcels(schema, suspects)
            queries += [
                _query(rule, rule.fails, further.sql)
                for rule in rules
                if rule.field.startswith(_OF_PARCELS)
            ]
        if not queries:
            return PROBLEMS.empty_table()
        every = schema.table("found", " UNION ALL ".join(queries))  # planned once, unlike con.sql()
        found = con.sql(
            f"""
            WITH errors AS (
                SELECT DISTINCT row_number, field
                FROM earlier_problems
                WHERE severity = 'error'
            )
            SELECT f.*
            FROM {every.sql} f
            WHERE NOT EXISTS (
                SELECT 1
                FROM errors e
                WHERE e.row_number = f.row_number AND (e.field IS NULL OR e.field = f.field)
            )
            ORDER BY row_number
            """
        ).to_arrow_table()
    return found.cast(PROBLEMS)


def places_of(
    con: duckdb.DuckDBPyConnection, shipments: pa.Table, shipper: Address
) -> dict[int, list[str]]:
    """Return row number -> the kinds of places of its address that not every service goes to.

    Rows of other addresses are left out.
    """
    with _registered(con, checked_rows=shipments):
        places: list[Place] = con.sql(
            "SELECT DISTINCT country, state FROM checked_rows WHERE country IS NOT NULL"
        ).fetchall()
        zips = pa.table({"zip3": list(zip3_states()), "states": list(zip3_states().values())})
        with _registered(con, zip_ranges=zips):
            kinds = ", ".join(f"({condition})" for condition in PLACE_CONDITIONS.values())
            found = con.execute(f"""
                SELECT row_number, [{kinds}] AS kinds
                FROM ({_judged("checked_rows", shipper, None, places)})
                WHERE {" OR ".join(PLACE_CONDITIONS.values())}
            """).fetchall()
    return {
        row: [kind for kind, fits in zip(PLACE_CONDITIONS, kinds, strict=True) if fits]
        for row, kinds in found
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
    schema: StageSchema,
    shipments: pa.Table,
    shipper: Address,
    rules: Sequence[Rule],
    today: dt.date | None,
) -> Relation:
    """Return the rows that break at least one rule, and those with several parcels.

    The column ``fails`` says of each rule whether the row breaks it. Most rows of most files are
    fine: of a large table, a first query finds the row numbers of the others, so that the wide
    columns are only copied for these.
    """
    places: list[Place] = schema.con.sql(
        "SELECT DISTINCT country, state FROM checked_rows WHERE country IS NOT NULL ORDER BY ALL"
    ).fetchall()
    zips = pa.table({"zip3": list(zip3_states()), "states": list(zip3_states().values())})
    with _registered(schema.con, zip_ranges=zips):
        rows = shipments
        if rows.num_rows > _SMALL:
            broken = " OR ".join(["len(parcels) > 1", *(f"({rule.fails})" for rule in rules)])
            judged = _judged("checked_rows", shipper, today, places)
            found = schema.con.execute(f"SELECT row_number FROM ({judged}) WHERE {broken}")
            numbers = pa.array(found.fetchnumpy()["row_number"], pa.int64())
            rows = rows.filter(pc.is_in(rows.column("row_number"), value_set=numbers))
        fails = ", ".join(f"({rule.fails})" for rule in rules)
        judged = _judged("suspect_rows", shipper, today, places)
        with _registered(schema.con, suspect_rows=rows):
            return schema.table(
                "suspects",
                f"""
                WITH
                    judged AS MATERIALIZED ({judged}),
                    verdicts AS MATERIALIZED (SELECT row_number, [{fails}] AS fails FROM judged)
                SELECT judged.*, fails
                FROM judged
                JOIN verdicts USING (row_number)
                WHERE len(parcels) > 1 OR list_contains(fails, true)
                """,
            )


def _queries_of_broken(
    con: duckdb.DuckDBPyConnection, rules: Sequence[Rule], suspects: Relation
) -> list[str]:
    """Return the query of each rule that a row breaks: to plan those of all takes longer."""
    broken = {
        place
        for (place,) in con.execute(f"""
            SELECT DISTINCT unnest(list_filter(range(len(fails)), lambda i: fails[i + 1]))
            FROM {suspects.sql}
        """).fetchall()
    }
    return [
        _query(rule, f"fails[{place + 1}]", suspects.sql)
        for place, rule in enumerate(rules)
        if place in broken
    ]


def _judged(rows: str, shipper: Address, today: dt.date | None, places: Sequence[Place]) -> str:
    """Return the statement that adds the columns which rules read to the relation `rows`."""
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
                {_in("s.country", [c for c in known if c not in home])} AS abroad,
                regexp_full_match(s.postal_code, '[0-9]{{5}}(?:-[0-9]{{4}})?') AS zip_ok,
                CASE WHEN s.country <> 'US' THEN s.country ELSE s.state END AS zip_home,
                z.states AS zip_states,
                {f"DATE '{today.isoformat()}'" if today else "NULL::DATE"} AS today,
                s.parcels[1] AS p,
                0 AS place,
                len(s.parcels) AS count,
                {box_columns({country for country, _ in places})},
                {postal_columns(places)}
            FROM {rows} s
            LEFT JOIN zip_ranges z ON z.zip3 = left(s.postal_code, 3)
        )
        SELECT *, american AND zip_ok AS us_zip, {place_columns()}
        FROM located
    """


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


def _further_parcels(schema: StageSchema, suspects: Relation) -> Relation:
    """Return the parcels after the first, one per row, with the columns that their rules read."""
    return schema.table(
        "further",
        f"""
        SELECT
            row_number,
            service,
            unnest(parcels[2:]) AS p,
            unnest(range(1, len(parcels))) AS place,
            2 AS count
        FROM {suspects.sql}
        WHERE len(parcels) > 1
        """,
    )


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


@contextmanager
def _registered(con: duckdb.DuckDBPyConnection, **tables: pa.Table) -> Iterator[None]:
    """Let the database read Arrow tables by name inside the block."""
    for name, table in tables.items():
        con.register(name, table)
    try:
        yield
    finally:
        for name in tables:
            con.unregister(name)
