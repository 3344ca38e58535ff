"""Rules over the shipments table, written once: every problem of every row, in one SQL pass.

A rule says which rows it catches (SQL), what is wrong with them and what to do. :data:`RULES` hold
whatever the carrier; those of the carrier of a batch come from its limits
(:mod:`shipkit.orders.carrier_rules`). A carrier may refuse more; it never sees a row that fails
here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.places import US_DOMAIN, country_codes, state_codes, zip3_states
from shipkit.common.relation import Relation, StageSchema, scratch
from shipkit.common.sql import one
from shipkit.models import Address
from shipkit.orders.carrier_rules import carrier_rules
from shipkit.orders.expressions import quote
from shipkit.orders.rule import Rule
from shipkit.schema import PROBLEMS
from shipkit.services import ServiceList

__all__ = ["RULES", "Rule", "check", "sentence"]


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
        Problems met before: what already has an error about the same field of the same row is not
        reported again, and nothing is said about the fields of a row whose template failed as a
        whole.
    today
        Ship dates before this day are problems; None: not checked.
    """
    con.register("checked_rows", shipments)
    con.register(
        "met_before",
        (known if known is not None else PROBLEMS.empty_table()).select(
            ["row_number", "field", "severity"]
        ),
    )
    try:
        with scratch(con, "validation") as schema:
            rules = (*RULES, *carrier_rules(offered))
            suspects = _suspects(schema, shipments, shipper, rules, today)
            selects = [_select(rule, suspects.sql) for rule in rules]
            if one(con, f"SELECT count(*) FROM {suspects.sql} WHERE len(parcels) > 1")[0]:
                further = schema.table(
                    "further",
                    "SELECT row_number, service, unnest(parcels[2:]) AS p, "
                    "unnest(range(1, len(parcels))) AS place, 2 AS count "
                    f"FROM {suspects.sql} WHERE len(parcels) > 1",
                )
                selects += [
                    _select(rule, further.sql)
                    for rule in rules
                    if rule.field.startswith("parcels[].")
                ]
            found = con.sql(f"""
            WITH found AS ({" UNION ALL ".join(selects)}), errors AS (SELECT DISTINCT row_number, field FROM met_before WHERE severity = 'error')
            SELECT f.* FROM found f
            WHERE NOT EXISTS (SELECT 1 FROM errors e WHERE e.row_number = f.row_number AND (e.field IS NULL OR e.field = f.field))
            ORDER BY row_number
        """).to_arrow_table()
        return found.cast(PROBLEMS)
    finally:
        con.unregister("checked_rows")
        con.unregister("met_before")


def sentence(problem: Mapping[str, Any], order_id: str | None = None) -> str:
    """Return one problem as a sentence for people: where, what, what to do.

    Examples
    --------
    >>> sentence({"row_number": 17, "field": "ship_to.postal_code", "problem": 'a US ZIP has 5 or 9 digits, not "9021"', "fix": "Fix the cell."}, "4412")
    'Row 17 (order 4412), ship_to.postal_code: a US ZIP has 5 or 9 digits, not "9021". Fix the
    cell.'
    """
    order = f" (order {order_id})" if order_id else ""
    field = f", {problem['field']}" if problem.get("field") else ""
    fix = f" {problem['fix']}" if problem.get("fix") else ""
    return f"Row {problem['row_number']}{order}{field}: {problem['problem']}.{fix}"


def _suspects(
    schema: StageSchema,
    shipments: pa.Table,
    shipper: Address,
    rules: Sequence[Rule],
    today: dt.date | None,
) -> Relation:
    """Return the small table of rows that break at least one rule; first only their numbers, so that the other columns are never moved."""
    con = schema.con
    ranges = pa.table({"zip3": list(zip3_states()), "states": list(zip3_states().values())})
    broken = " OR ".join(["len(parcels) > 1", *(f"({rule.fails})" for rule in rules)])
    con.register("zip_ranges", ranges)
    try:
        found = con.sql(
            f"SELECT row_number FROM ({_judged('checked_rows', shipper, today)}) WHERE {broken}"
        ).to_arrow_table()
        con.register(
            "suspect_rows",
            shipments.filter(
                pc.is_in(
                    shipments.column("row_number"),
                    value_set=found.column("row_number").combine_chunks(),
                )
            ),
        )
        try:
            return schema.table("suspects", _judged("suspect_rows", shipper, today))
        finally:
            con.unregister("suspect_rows")
    finally:
        con.unregister("zip_ranges")


def _judged(rows: str, shipper: Address, today: dt.date | None) -> str:
    """Return SQL for `rows` with the columns that rules speak of beside those of the table."""
    home = US_DOMAIN if shipper.country in US_DOMAIN else (shipper.country,)
    return (
        "SELECT *, american AND zip_ok AS us_zip FROM (SELECT s.*, s.country IN "
        f"({_words(US_DOMAIN)}) AS american, s.country IN ({_words(_COUNTRIES)}) AND s.country "
        f"NOT IN ({_words(home)}) AS abroad, z.states AS zip_states, "
        "regexp_full_match(s.postal_code, '[0-9]{5}(?:-[0-9]{4})?') AS zip_ok, CASE WHEN "
        "s.country <> 'US' THEN s.country ELSE s.state END AS zip_home, "
        f"{'DATE ' + quote(today.isoformat()) if today else 'NULL::DATE'} AS today, s.parcels[1] "
        "AS p, 0 AS place, len(s.parcels) AS count "
        f"FROM {rows} s LEFT JOIN zip_ranges z ON z.zip3 = left(s.postal_code, 3))"
    )


def _select(rule: Rule, table: str) -> str:
    field = (
        "'parcels[' || place || ']." + rule.field.removeprefix("parcels[].") + "'"
        if rule.field.startswith("parcels[].")
        else quote(rule.field)
    )
    return (
        f"SELECT row_number, {field} AS field, ({rule.value})::VARCHAR AS value, {rule.problem} "
        f"AS problem, {quote(rule.fix)} AS fix, {quote(rule.severity)} AS severity, "
        f"{quote(rule.code)} AS code FROM {table} WHERE {rule.fails}"
    )


def _words(words: Sequence[str]) -> str:
    return ", ".join(quote(word) for word in words)


def _missing(
    field: str,
    column: str,
    what: str,
    *,
    when: str = "true",
    fix: str = "Fill the cell, or map the field.",
) -> Rule:
    return Rule("missing", field, f"({when}) AND {column} IS NULL", "NULL", quote(what), fix)


_US_STATES: Final = tuple(
    sorted({code for (country, _), code in state_codes().items() if country == "US"})
)
_PROVINCES: Final = tuple(
    sorted({code for (country, _), code in state_codes().items() if country == "CA"})
)
_COUNTRIES: Final = tuple(sorted(set(country_codes().values())))
_SIDES: Final = ("length_in", "width_in", "height_in")
_BAD_ITEM: Final = (
    "list_filter(customs.items, lambda i: i.description IS NULL OR i.unit_value_cents IS NULL OR "
    "coalesce(i.quantity, 0) <= 0)"
)

RULES: Final[tuple[Rule, ...]] = (
    _missing("ship_to.name", "coalesce(name, company)", "there is no name and no company"),
    _missing("ship_to.address_line1", "address_line1", "there is no street"),
    _missing("ship_to.city", "city", "there is no city"),
    _missing("ship_to.state", "state", "there is no state", when="country IN ('US', 'CA')"),
    _missing(
        "ship_to.postal_code",
        "postal_code",
        "there is no postal code",
        when="american OR country = 'CA'",
    ),
    _missing(
        "service",
        "service",
        "there is no service",
        fix='Fill the cell, or set one for all: map(service="ground").',
    ),
    _missing(
        "parcels[].weight_lb",
        "p.weight_lb",
        "there is no weight",
        when="count > 0",
        fix='Fill the cell, or give a default: map(defaults={"weight_lb": 2}).',
    ),
    Rule(
        "parcel_missing",
        "parcels",
        "coalesce(len(parcels), 0) = 0",
        "NULL",
        "'there is no parcel'",
        "Give at least one parcel with its weight.",
    ),
    Rule(
        "country_unknown",
        "ship_to.country",
        f"country IS NULL OR country NOT IN ({_words(_COUNTRIES)})",
        "country",
        "'\"' || coalesce(country, '') || '\" is not a country'",
        "Write the name or the two-letter ISO code of the country.",
    ),
    Rule(
        "state_unknown",
        "ship_to.state",
        f"country = 'US' AND state NOT IN ({_words(_US_STATES)})",
        "state",
        "'\"' || state || '\" is not a US state'",
        "Write the state's name or its two letters.",
    ),
    Rule(
        "state_unknown",
        "ship_to.state",
        f"country = 'CA' AND state NOT IN ({_words(_PROVINCES)})",
        "state",
        "'\"' || state || '\" is not a Canadian province'",
        "Write the province's name or its two letters.",
    ),
    Rule(
        "zip_format",
        "ship_to.postal_code",
        "american AND NOT zip_ok",
        "postal_code",
        "'a US ZIP has 5 or 9 digits, not \"' || postal_code || '\"'",
        "Fix the cell, or map it with {{ row.<column> | format_us_zip }}.",
    ),
    Rule(
        "zip_unknown",
        "ship_to.postal_code",
        "us_zip AND zip_states IS NULL",
        "postal_code",
        "'no US ZIP begins with ' || left(postal_code, 3)",
        "Look the address up and fix the ZIP.",
    ),
    Rule(
        "zip_state_mismatch",
        "ship_to.postal_code",
        f"us_zip AND zip_states <> zip_home AND zip_home IN ({_words(_US_STATES)}) AND NOT "
        "list_contains(string_split(zip_states, ' '), zip_home)",
        "postal_code",
        "'ZIP ' || postal_code || ' is in ' || replace(zip_states, ' ', ' or ') || ', not in ' || "
        "zip_home",
        "Fix the ZIP or the state, whichever is wrong.",
    ),
    Rule(
        "postal_code_format",
        "ship_to.postal_code",
        "country = 'CA' AND NOT regexp_full_match(postal_code, '(?i)[a-z][0-9][a-z] "
        "?[0-9][a-z][0-9]')",
        "postal_code",
        "'a Canadian postal code looks like K1A 0B1, not \"' || postal_code || '\"'",
        "Fix the cell.",
    ),
    Rule(
        "phone_format",
        "ship_to.phone",
        "(american OR country = 'CA') AND NOT regexp_full_match(phone, "
        "'[0-9]{10}(?:x[0-9]{1,6})?')",
        "phone",
        "'a phone has ten digits here, not \"' || phone || '\"'",
        "Write ten digits, or leave it empty.",
    ),
    Rule(
        "phone_missing",
        "ship_to.phone",
        "abroad AND phone IS NULL",
        "NULL",
        "'carriers want a phone for a shipment abroad'",
        "Fill the cell, or map the phone.",
        "warning",
    ),
    Rule(
        "customs_missing",
        "customs",
        "abroad AND coalesce(len(customs.items), 0) = 0",
        "NULL",
        "'a shipment abroad needs customs items'",
        """Name the columns of what it is and what one costs, map(columns={"item_name": "<heading>", "unit_price": "<heading>"}), or give customs in a template.""",
        "warning",
    ),
    Rule(
        "customs_item",
        "customs.items",
        f"len(customs.items) > 0 AND len({_BAD_ITEM}) > 0",
        "NULL",
        "'a customs item lacks its description, quantity or value'",
        "Give all three for every item.",
    ),
    Rule(
        "weight_not_positive",
        "parcels[].weight_lb",
        "p.weight_lb <= 0",
        "p.weight_lb",
        "'a parcel weighs more than nothing, not ' || p.weight_lb || ' lb'",
        "Fix the weight.",
    ),
    *(
        Rule(
            "dimension_not_positive",
            f"parcels[].{side}",
            f"p.{side} <= 0",
            f"p.{side}",
            f"'a side is longer than nothing, not ' || p.{side} || ' in'",
            "Fix the dimension, or leave all three empty.",
        )
        for side in _SIDES
    ),
    Rule(
        "dimensions_incomplete",
        "parcels[].length_in",
        "(p.length_in IS NULL OR p.width_in IS NULL OR p.height_in IS NULL) AND "
        "coalesce(p.length_in, p.width_in, p.height_in) IS NOT NULL",
        "NULL",
        "'length, width and height go together; one or two are missing'",
        "Fill the missing ones, or leave all three empty.",
    ),
    Rule(
        "ship_date_past",
        "ship_date",
        "ship_date < today",
        "ship_date",
        "'the ship date ' || ship_date || ' is past'",
        "Give one for all: map(ship_date=...), or fix the cell.",
    ),
    Rule(
        "ship_from_incomplete",
        "ship_from",
        "ship_from IS NOT NULL AND (ship_from.address_line1 IS NULL OR ship_from.city IS NULL OR "
        "ship_from.postal_code IS NULL)",
        "NULL",
        "'ship_from lacks its street, city or postal code'",
        "Fill it in the template, or leave ship_from out: then it is the shipper.",
    ),
)
"""The rules that hold for every parcel, in the order in which problems of a row are listed."""
