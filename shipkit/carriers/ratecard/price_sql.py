"""The SQL statement that prices a whole shipments table by a rate card.

It has every rule of :mod:`shipkit.carriers.ratecard.one`, as columns; a property test holds the two
together to the cent, problems included.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from shipkit.carriers.ratecard import PARTS, ppm
from shipkit.carriers.ratecard.card import UP_SINCE
from shipkit.carriers.ratecard.one import REFUSALS

if TYPE_CHECKING:
    from shipkit.carriers.ratecard import RateCard, Surcharge

__all__ = ["statement"]


def statement(card: RateCard, *, itemised: bool = False, split: bool = False) -> str:
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
    """
    rules, rule_names = _rules(card, split=split)
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
        {_any_of("origin_country", card.zip_countries)} AS from_home,
        {_any_of("coalesce(country, 'US')", card.zip_countries)} AS to_home
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
        {_columns(_whole(card, "first_"))},
        list_transform(rest, lambda p: {_struct(_whole(card, "p."))}) AS rest_whole
    FROM keyed
),
measured AS (
    SELECT
        *,
        {_columns(_measures(card, ""))},
        list_transform(rest_whole, lambda p: {_struct(_measures(card, "p."))}) AS others
    FROM whole
),
weighed AS (
    SELECT
        *,
        pieces = 0
            OR NOT good
            OR coalesce(list_bool_or(list_transform(others, lambda p: NOT p.good)), false)
            AS no_weight,
        {_over("lb", "max")} AS heaviest,
        {_over("longest", "max")} AS longest_in,
        {_over("girth", "max")} AS girth_in
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
    SELECT *, {_billable(card)} AS billable
    FROM placed
),
listed AS (
    SELECT p.*, r.cents + r.cents_per_lb * p.billable AS list_cents
    FROM billed p
    LEFT JOIN rates r
        ON r.service = p.service
        AND r.zone = p.zone
        AND r.lb = least(p.billable, {card.last_lb + 1})
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


def _dim_lb(card: RateCard, volume: str) -> str:
    """Return the pounds that a volume is billed as."""

    def pounds(divisor: int) -> str:
        return f"({volume} + {divisor - 1}) // {divisor}" if divisor else "0"

    cases = ""
    for each in card.dim_divisors:
        tests = [
            _any_of("service", each.services) if each.services else "",
            "" if each.up_to_cubic_in is None else f"{volume} <= {each.up_to_cubic_in}",
        ]
        when = " AND ".join(test for test in tests if test) or "true"
        cases += f" WHEN {when} THEN {pounds(each.divisor)}"
    default = pounds(card.dim_divisor)
    return f"CASE{cases} ELSE {default} END" if cases else default


def _billable(card: RateCard) -> str:
    """Return the billed pounds of all parcels, with the least weights of rules that they meet."""
    rules = [rule for rule in card.surcharges if rule.minimum_billable_lb]
    if not rules:
        return _over("billable_lb", "sum")

    def of_parcel(p: str) -> str:
        least = "".join(
            f", CASE WHEN {_condition(card, rule)} AND {_meets(p, rule)} "
            f"THEN {rule.minimum_billable_lb} ELSE 0 END"
            for rule in rules
        )
        return f"greatest({p}billable_lb{least})"

    return _each(of_parcel)


def _columns(named: Mapping[str, str]) -> str:
    return ", ".join(f"{expression} AS {name}" for name, expression in named.items())


def _struct(named: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"'{name}': {expression}" for name, expression in named.items()) + "}"


def _over(name: str, how: str) -> str:
    """Return a measure summed up, or at its largest, over all parcels."""
    others = f"coalesce(list_{how}(list_transform(others, lambda p: p.{name})), 0)::BIGINT"
    return f"{name} + {others}" if how == "sum" else f"greatest({name}, {others})"


def _areas_used(card: RateCard) -> list[str]:
    return sorted({rule.area for rule in card.surcharges if rule.area is not None})


def _area_flags(card: RateCard) -> str:
    return "".join(
        f", area_{k}.postal_code IS NOT NULL AS in_area_{k}" for k in range(len(_areas_used(card)))
    )


def _area_joins(card: RateCard) -> str:
    return "\n".join(
        (
            f"  LEFT JOIN areas area_{k} ON area_{k}.area = {_text(name)} AND "
            f"area_{k}.postal_code = w.area_zip"
        )
        for k, name in enumerate(_areas_used(card))
    )


def _base(card: RateCard) -> str:
    cases = []
    for discount in card.discounts:
        tests = [
            _any_of("service", discount.services) if discount.services else "",
            _any_of("zone", discount.zones) if discount.zones else "",
            "" if discount.over_lb is None else f"billable > {discount.over_lb}",
            "" if discount.up_to_lb is None else f"billable <= {discount.up_to_lb}",
        ]
        on = " AND ".join(test for test in tests if test) or "true"
        cases.append(
            f"WHEN {on} THEN greatest(list_cents - {_share('list_cents', ppm(discount.percent))}, "
            f"{discount.minimum_cents})"
        )
    return f"CASE {' '.join(cases)} ELSE list_cents END" if cases else "list_cents"


def _rules(card: RateCard, *, split: bool) -> tuple[str, list[tuple[str, str]]]:
    """Return the steps that add the surcharges, and the column of each surcharge by name.

    The last step is ``summed``.
    """
    columns: dict[str, list[str]] = {
        "base": ["base_c"],
        "fuel": [],
        "residential": [],
        "delivery_area": [],
        "other": [],
    }
    steps, this_step, before = _grouped(card), dict[str, str](), "based"
    before = "grouped" if steps else before
    for k, rule in enumerate(card.surcharges):
        if this_step.keys() & {column for name in rule.of for column in columns[name]}:
            steps.append(f"step_{k} AS (SELECT *, {_columns(this_step)} FROM {before})")
            this_step, before = {}, f"step_{k}"
        this_step[f"rule_{k}"] = _rule(card, rule, columns, split=split)
        columns[rule.part].append(f"rule_{k}")
        columns.setdefault(rule.name, [f"rule_{k}"])  # a part wins over a rule of its name
    if this_step:
        steps.append(f"last_step AS (SELECT *, {_columns(this_step)} FROM {before})")
        before = "last_step"
    steps.append(
        "summed AS (SELECT *, "
        f"{_columns({f'{part}_c': _sum(columns[part]) for part in PARTS[1:]})} FROM {before})"
    )
    return ", ".join(steps), [(rule.name, f"rule_{k}") for k, rule in enumerate(card.surcharges)]


def _grouped(card: RateCard) -> list[str]:
    """Return the step that has, for each parcel, what the rules of groups come to by themselves."""
    rules = [(k, rule) for k, rule in enumerate(card.surcharges) if rule.group is not None]
    if not rules:
        return []

    def own(p: str) -> dict[str, str]:
        return {
            f"own_{k}": (
                f"CASE WHEN {_condition(card, rule)} AND {_meets(p, rule)} "
                f"THEN {_in_force(rule)} ELSE 0 END::BIGINT"
            )
            for k, rule in rules
        }

    others = f"list_transform(others, lambda p: {_struct(own('p.'))})"
    return [f"grouped AS (SELECT *, {_columns(own(''))}, {others} AS owns FROM based)"]


def _highest(card: RateCard, rule: Surcharge) -> str:
    """Return what parcels pay for a rule of a group: it is the highest, the first of equal ones."""
    place = card.surcharges.index(rule)
    rivals = [
        (k, "<" if k < place else "<=")
        for k, other in enumerate(card.surcharges)
        if other.group == rule.group and k != place
    ]

    def of_parcel(p: str) -> str:
        mine = f"{p}own_{place}"
        wins = " AND ".join(f"{p}own_{k} {less} {mine}" for k, less in rivals) or "true"
        return f"CASE WHEN {wins} THEN {mine} ELSE 0 END"

    return _each(of_parcel, "owns")


def _rule(card: RateCard, rule: Surcharge, columns: Mapping[str, list[str]], *, split: bool) -> str:
    each = _in_force(rule)
    if rule.percent is not None:
        amount = _share(_sum([c for name in rule.of for c in columns[name]]), each)
    elif rule.declared_value:
        amount = _each(
            lambda p: (
                f"CASE WHEN {p}declared > {rule.free_cents} THEN {each} * (({p}declared - "
                f"{rule.free_cents} + 9999) // 10000) ELSE 0 END"
            )
        )
    elif rule.group is not None:
        amount = _highest(card, rule)
    elif rule.sized:
        amount = f"{each} * {_each(lambda p: f'{_meets(p, rule)}::BIGINT')}"
    elif rule.per_parcel:
        amount = f"{each} * pieces"
    else:
        amount = f"CASE WHEN lead THEN {each} ELSE 0 END" if split else each
    least = (
        f"CASE WHEN ({amount}) = 0 THEN 0 ELSE greatest(({amount}), {rule.minimum_cents}) END"
        if rule.minimum_cents
        else amount
    )
    return f"CASE WHEN {_condition(card, rule)} THEN {least} ELSE 0 END::BIGINT"


def _meets(parcel: str, rule: Surcharge) -> str:
    """Return the test whether a parcel exceeds any limit of a rule; true where it has none."""
    limits = (
        ("lb", rule.over_lb),
        ("longest", rule.over_longest_in),
        ("second", rule.over_second_in),
        ("girth", rule.over_girth_in),
        ("volume", rule.over_cubic_in),
    )
    passed = [f"{parcel}{name} > {limit}" for name, limit in limits if limit is not None]
    return f"({' OR '.join(passed) or 'true'})"


def _in_force(rule: Surcharge) -> str:
    """Return the amount on the shipment's day, in cents or millionths."""
    (_, first), *later = rule.amounts
    cases = "".join(
        f" WHEN coalesce(day >= DATE '{day}', true) THEN {amount}"
        for day, amount in reversed(later)
    )
    return f"(CASE{cases} ELSE {first} END)" if cases else str(first)


def _each(of_parcel: Callable[[str], str], others: str = "others") -> str:
    """Return the sum of an expression over all parcels."""
    return (
        f"({of_parcel('')} + coalesce(list_sum(list_transform({others}, lambda p: "
        f"{of_parcel('p.')})), 0)::BIGINT)"
    )


def _condition(card: RateCard, rule: Surcharge) -> str:
    tests = [
        _any_of("service", rule.services) if rule.services else "",
        ""
        if rule.residential is None
        else f"coalesce(residential, false) = {str(rule.residential).lower()}",
        "" if rule.area is None else f"in_area_{_areas_used(card).index(rule.area)}",
        _any_of("coalesce(signature, 'none')", rule.signature) if rule.signature else "",
        _any_of("coalesce(zone, '')", rule.zones) if rule.zones else "",
        "coalesce(saturday_delivery, false)" if rule.saturday else "",
        f"coalesce(day >= DATE '{rule.since}', true)" if rule.since else "",
        f"coalesce(day < DATE '{rule.until}', false)" if rule.until else "",
    ]
    return " AND ".join(t for t in tests if t) or "true"


def _refused(card: RateCard) -> dict[str, str]:
    """Return reason -> SQL of when a row has no price for it; the first that holds counts."""
    domestic = "from_home AND to_home"
    return {
        "no_service": "service IS NULL",
        "service": f"NOT {_any_of('service', card.services)}",
        "no_weight": "no_weight",
        "weight": f"heaviest > {card.max_parcel_lb}",
        "size": f"longest_in > {card.max_longest_in} OR girth_in > {card.max_girth_in}",
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
    place = "CASE WHEN exact <> '' THEN exact ELSE prefix END"
    filled = {
        "service": _filled(words["service"], service="service"),
        "zone": _filled(words["zone"], service="service", origin="origin_key", to=place),
        "price": _filled(words["price"], service="service", zone="zone", lb="billable"),
    }
    return _cases(card, {name: _text(text) for name, text in words.items()} | filled)


def _rank(card: RateCard) -> str:
    """Return a column that orders problems: the first reason is the one that is shown."""
    return f", {_cases(card, {name: str(k) for k, name in enumerate(_refused(card))})} AS rank"


def _fix(card: RateCard) -> str:
    """Return SQL of how to fix a row without a price."""
    words = {name: fix for name, (_, fix) in REFUSALS.items()}
    words["service"] = words["service"].format(known=", ".join(card.services))
    return _cases(card, {name: _text(text) for name, text in words.items()})


def _filled(template: str, **columns: str) -> str:
    """Return the SQL that fills the braces of `template` with columns."""
    sql = _text(template)
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


def _share(amount: str, millionths: int | str) -> str:
    return f"((({amount}) * {millionths} + 500000) // 1000000)"


def _sum(columns: list[str]) -> str:
    return " + ".join(columns) if columns else "0::BIGINT"


def _any_of(expression: str, values: tuple[str, ...]) -> str:
    """Return the test for one of `values`.

    DuckDB makes a join of an IN with six values or more, which costs ten times as much as
    comparisons.
    """
    return (
        "(" + (" OR ".join(f"{expression} = {_text(value)}" for value in values) or "false") + ")"
    )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
