"""The SQL statement that prices a whole shipments table by a rate card.

It has every rule of :mod:`shipkit.carriers.ratecard.one`, as columns; a property test holds the two
together to the cent, problems included.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING

from shipkit.carriers.ratecard import PARTS, ppm
from shipkit.carriers.ratecard.card import UP_SINCE
from shipkit.carriers.ratecard.one import REFUSALS
from shipkit.carriers.ratecard.parcel_sql import Parcels
from shipkit.carriers.ratecard.surcharge_sql import (
    any_of,
    areas_used,
    condition,
    meets,
    named_columns,
    quoted_text,
    share_of,
    surcharge_steps,
)

if TYPE_CHECKING:
    from shipkit.carriers.ratecard import RateCard

__all__ = ["statement"]


def statement(
    card: RateCard, *, itemised: bool = False, split: bool = False, alone: bool = False
) -> str:
    """Return the SQL that prices the view ``shipments`` by `card`.

    It reads the tables ``zones``, ``rates``, ``transit`` and ``areas``, too. It is written in many
    small steps: an expression that the same step uses twice is computed twice, a column of an
    earlier step only once.

    Parameters
    ----------
    split
        Whether parcels that are priced one by one are rows of their own. Only the one where
        ``lead`` is true has the charges of its shipment, and ``rank`` tells which of the problems
        of several parcels is the shipment's.
    alone
        Whether no row has more than one parcel.
    """
    parcels = Parcels(alone=alone)
    rules, rule_names = surcharge_steps(card, parcels, split=split)
    outputs = {
        "cost_cents": "base_c + fuel_c + residential_c + delivery_area_c + other_c",
        "transit_days": "days",
        "delivery_date": _delivery(),
        **{f"{part}_cents": f"{part}_c" for part in PARTS},
    }
    if itemised:
        outputs |= {_name(name): column for name, column in rule_names}
    shown = ",\n    ".join(
        f"CASE WHEN problem IS NULL THEN {value} END AS {name}" for name, value in outputs.items()
    )
    return f"""
WITH homed AS (
    SELECT
        *,
        {any_of("origin_country", card.zip_countries)} AS from_home,
        {any_of("coalesce(country, 'US')", card.zip_countries)} AS to_home
    FROM shipments
),
keyed AS (
    SELECT
        *,
        CASE
            WHEN from_home AND to_home THEN left(origin_zip, 3)
            WHEN from_home THEN 'US'
            ELSE origin_country
        END AS origin_key,
        CASE
            WHEN from_home AND to_home THEN left(postal_code, 3)
            WHEN to_home THEN 'US'
            ELSE country
        END AS prefix,
        CASE WHEN from_home AND to_home THEN left(postal_code, 5) ELSE '' END AS exact,
        CASE WHEN to_home THEN left(postal_code, 5) END AS area_zip
    FROM homed
),
whole AS (
    SELECT
        *,
        {named_columns(_whole(card, "first_"))}
        {parcels.others(_whole(card, "p."), "rest", "rest_whole")}
    FROM keyed
),
measured AS (
    SELECT
        *,
        {named_columns(_measures(card, ""))}
        {parcels.others(_measures(card, "p."), "rest_whole", "others")}
    FROM whole
),
weighed AS (
    SELECT
        *,
        pieces = 0 OR {parcels.any_of(lambda p: f"NOT {p}good")} AS no_weight,
        {parcels.largest("lb")} AS heaviest,
        {_foreign_value(card, parcels)} AS foreign_value,
        {parcels.largest("longest")} AS longest_in,
        {parcels.largest("girth")} AS girth_in
    FROM measured
),
chart AS (
    SELECT origin, destination, z.service AS service, z.zone AS zone, days
    FROM zones z
    LEFT JOIN transit t ON t.service = z.service AND t.zone = z.zone
),
placed AS (
    SELECT
        w.*,
        coalesce(near.zone, far.zone) AS zone,
        coalesce(near.days, far.days) AS days{_area_flags(card)}
    FROM weighed w
    LEFT JOIN chart near
        ON near.origin = w.origin_key
        AND near.destination = w.exact
        AND near.service = w.service
        AND length(near.destination) = 5
    LEFT JOIN chart far
        ON far.origin = w.origin_key
        AND far.destination = w.prefix
        AND far.service = w.service
        AND length(far.destination) < 5
{_area_joins(card)}
),
billed AS (
    SELECT *, {_billable(card, parcels)} AS billable
    FROM placed
),
listed AS (
    SELECT p.*, {_list_cents(card)} AS list_cents
    FROM billed p
    LEFT JOIN rates r
        ON r.service = p.service
        AND r.zone = p.zone
        AND r.lb = least(p.billable, {card.last_lb + 1}){_ounce_join(card)}
),
based AS (
    SELECT
        *,
        {_base(card)} AS base_c,
        {_problem(card)} AS problem
    FROM listed
),
{rules}
SELECT
    i,
    zone,
    CASE WHEN NOT no_weight THEN billable::DOUBLE END AS billable_weight_lb,
    {shown},
    problem,
    CASE WHEN problem IS NOT NULL THEN {_fix(card)} END AS fix{_rank(card) if split else ""}
FROM summed"""


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _whole(card: RateCard, parcel: str) -> dict[str, str]:
    """Return a parcel in whole pounds and inches.

    The arithmetic is that of ``one.measure``, one floating-point operation after the other.
    """
    nearest, up = "floor({0} + 0.5)", "ceil({0})"
    both = f"CASE WHEN day < DATE '{UP_SINCE}' THEN {nearest} ELSE {up} END"
    now = card.rounds_up(None)
    inches = nearest if not now else up if card.rounds_up(dt.date.min) else both
    size = f"greatest(1, {inches})"
    sides = [f"{parcel}{name}" for name in ("length_in", "width_in", "height_in")]
    boxed = " AND ".join(f"{side} > 0 AND {side} < 1e5" for side in sides)
    good = f"coalesce({parcel}weight_lb > 0 AND {parcel}weight_lb < 1e9, false)"
    return {
        "good": good,
        "lb": (
            f"CASE WHEN {good} THEN greatest(1, ceil({parcel}weight_lb - 1e-6))::BIGINT ELSE 0 END"
        ),
        **{
            name: f"CASE WHEN {boxed} THEN {size.format(side)}::BIGINT ELSE 0 END"
            for name, side in zip("abc", sides, strict=True)
        },
        "declared": f"coalesce({parcel}declared_value_cents, 0)",
    }


def _measures(card: RateCard, parcel: str) -> dict[str, str]:
    """Return what is billed and what surcharges look at, from :func:`_whole`."""
    a, b, c = (f"{parcel}{side}" for side in "abc")
    longest = f"greatest({a}, {b}, {c})"
    volume = f"{a} * {b} * {c}"
    handed_on = {name: f"{parcel}{name}" for name in ("good", "lb", "declared")} if parcel else {}
    return {
        "billable_lb": (
            f"CASE WHEN {parcel}good THEN greatest({parcel}lb, {_dim_lb(card, volume)}) ELSE 0 END"
        ),
        "longest": longest,
        "second": f"{a} + {b} + {c} - {longest} - least({a}, {b}, {c})",
        "girth": f"{longest} + 2 * ({a} + {b} + {c} - {longest})",
        "volume": volume,
        **handed_on,
    }


def _list_cents(card: RateCard) -> str:
    pounds = "r.cents + r.cents_per_lb * p.billable"
    return f"coalesce(l.cents, {pounds})" if card.ounces.num_rows else pounds


def _ounce_join(card: RateCard) -> str:
    """Return the join with the prices of single parcels under a pound."""
    if not card.ounces.num_rows:
        return ""
    light = "p.pieces = 1 AND p.billable = 1 AND p.first_weight_lb < 1 - 1e-6"
    ounces = "greatest(1, ceil((p.first_weight_lb - 1e-6) * 16))::BIGINT"
    return (
        "\n    LEFT JOIN ounces l ON l.service = p.service AND l.zone = p.zone "
        f"AND l.oz = CASE WHEN {light} THEN {ounces} END"
    )


def _dim_lb(card: RateCard, volume: str) -> str:
    """Return the pounds that a volume is billed as."""

    def pounds(divisor: int) -> str:
        return f"({volume} + {divisor - 1}) // {divisor}" if divisor else "0"

    cases = ""
    for each in card.dim_divisors:
        tests = [
            any_of("service", each.services) if each.services else "",
            "" if each.up_to_cubic_in is None else f"{volume} <= {each.up_to_cubic_in}",
        ]
        when = " AND ".join(test for test in tests if test) or "true"
        cases += f" WHEN {when} THEN {pounds(each.divisor)}"
    default = pounds(card.dim_divisor)
    return f"CASE{cases} ELSE {default} END" if cases else default


def _billable(card: RateCard, parcels: Parcels) -> str:
    """Return the billed pounds of all parcels, with the least weights of rules that they meet."""
    rules = [rule for rule in card.surcharges if rule.minimum_billable_lb]
    if not rules:
        return parcels.total(lambda p: f"{p}billable_lb")

    def of_parcel(p: str) -> str:
        least = "".join(
            f", CASE WHEN {condition(card, rule)} AND {meets(p, rule)} "
            f"THEN {rule.minimum_billable_lb} ELSE 0 END"
            for rule in rules
        )
        return f"greatest({p}billable_lb{least})"

    return parcels.total(of_parcel)


def _area_flags(card: RateCard) -> str:
    return "".join(
        f", area_{k}.postal_code IS NOT NULL AS in_area_{k}" for k in range(len(areas_used(card)))
    )


def _area_joins(card: RateCard) -> str:
    return "\n".join(
        (
            f"  LEFT JOIN areas area_{k} ON area_{k}.area = {quoted_text(name)} AND "
            f"area_{k}.postal_code = w.area_zip"
        )
        for k, name in enumerate(areas_used(card))
    )


def _base(card: RateCard) -> str:
    cases = []
    for discount in card.discounts:
        tests = [
            any_of("service", discount.services) if discount.services else "",
            any_of("zone", discount.zones) if discount.zones else "",
            "" if discount.over_lb is None else f"billable > {discount.over_lb}",
            "" if discount.up_to_lb is None else f"billable <= {discount.up_to_lb}",
        ]
        on = " AND ".join(test for test in tests if test) or "true"
        off = share_of("list_cents", ppm(discount.percent))
        left = f"greatest(list_cents - {off}, {discount.minimum_cents})"
        cases.append(f"WHEN {on} THEN least(list_cents, {left})")
    return f"CASE {' '.join(cases)} ELSE list_cents END" if cases else "list_cents"


def _foreign_value(card: RateCard, parcels: Parcels) -> str:
    """Return SQL of whether a declared value is priced that is not in the card's currency."""
    if not card.pricing_values:
        return "false"
    return (
        f"coalesce({any_of('service', card.pricing_values)}, false) AND "
        f"declared_in <> {quoted_text(card.currency)} AND {parcels.largest('declared')} > 0"
    )


def _refused(card: RateCard) -> dict[str, str]:
    """Return reason -> SQL of when a row has no price for it; the first that holds counts."""
    domestic = "from_home AND to_home"
    return {
        "no_service": "service IS NULL",
        "service": f"NOT {any_of('service', card.services)}",
        "no_weight": "no_weight",
        "weight": f"heaviest > {card.max_parcel_lb}",
        "size": f"longest_in > {card.max_longest_in} OR girth_in > {card.max_girth_in}",
        "declared": "foreign_value",
        "origin": f"{domestic} AND coalesce(origin_zip, '') = ''",
        "destination": f"{domestic} AND coalesce(postal_code, '') = ''",
        "zone": "zone IS NULL",
        "price": "list_cents IS NULL",
    }


def _cases(card: RateCard, texts: Mapping[str, str]) -> str:
    whens = "\n        ".join(
        f"WHEN {condition} THEN {texts[name]}" for name, condition in _refused(card).items()
    )
    return f"CASE\n        {whens}\n    END"


def _problem(card: RateCard) -> str:
    """Return SQL of why a row has no price, null where it has one."""
    words = {name: problem for name, (problem, _) in REFUSALS.items()}
    words["weight"] = words["weight"].format(limit=card.max_parcel_lb)
    words["size"] = words["size"].format(longest=card.max_longest_in, girth=card.max_girth_in)
    words["declared"] = words["declared"].format(currency=card.currency)
    place = "CASE WHEN exact <> '' THEN exact ELSE prefix END"
    filled = {
        "service": _filled(words["service"], service="service"),
        "zone": _filled(words["zone"], service="service", origin="origin_key", to=place),
        "price": _filled(words["price"], service="service", zone="zone", lb="billable"),
    }
    return _cases(card, {name: quoted_text(text) for name, text in words.items()} | filled)


def _rank(card: RateCard) -> str:
    """Return a column that orders problems: the first reason is the one that is shown."""
    return f", {_cases(card, {name: str(k) for k, name in enumerate(_refused(card))})} AS rank"


def _fix(card: RateCard) -> str:
    """Return SQL of how to fix a row without a price."""
    words = {name: fix for name, (_, fix) in REFUSALS.items()}
    words["service"] = words["service"].format(known=", ".join(card.services))
    words["declared"] = words["declared"].format(currency=card.currency)
    return _cases(card, {name: quoted_text(text) for name, text in words.items()})


def _filled(template: str, **columns: str) -> str:
    """Return the SQL that fills the braces of `template` with columns."""
    sql = quoted_text(template)
    for name, column in columns.items():
        sql = sql.replace(f"{{{name}}}", f"' || {column} || '")
    return sql


def _delivery() -> str:
    """Return the day `days` business days after ship_date (``one.add_business_days``)."""
    weekday = "isodow(ship_date)"
    start = f"least({weekday}, 5)"  # a start at the weekend counts as its Friday
    weekend = f"CASE WHEN {start} + days % 5 > 5 THEN 2 ELSE 0 END"
    days = f"{start} - {weekday} + days // 5 * 7 + days % 5 + {weekend}"
    return f"(ship_date + ({days})::INTEGER)"
