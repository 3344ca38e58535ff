"""The surcharges of a rate card as SQL: conditions, amounts, and groups with one charge.

The rules are those of :mod:`shipkit.carriers.ratecard.one`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from shipkit.carriers.ratecard import PARTS
from shipkit.carriers.ratecard.parcel_sql import Parcels

if TYPE_CHECKING:
    from shipkit.carriers.ratecard import RateCard, Surcharge

__all__ = [
    "any_of",
    "areas_used",
    "condition",
    "meets",
    "named_columns",
    "quoted_text",
    "share_of",
    "surcharge_steps",
]


def named_columns(named: Mapping[str, str]) -> str:
    """Return named expressions as columns of a SELECT."""
    return ", ".join(f"{expression} AS {name}" for name, expression in named.items())


def areas_used(card: RateCard) -> list[str]:
    """Return the ZIP lists that surcharges look at."""
    return sorted({rule.area for rule in card.surcharges if rule.area is not None})


def surcharge_steps(
    card: RateCard, parcels: Parcels, *, split: bool
) -> tuple[str, list[tuple[str, str]]]:
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
    steps, this_step, before = _grouped(card, parcels), dict[str, str](), "based"
    before = "grouped" if steps else before
    for k, rule in enumerate(card.surcharges):
        if this_step.keys() & {column for name in rule.of for column in columns[name]}:
            steps.append(f"step_{k} AS (SELECT *, {named_columns(this_step)} FROM {before})")
            this_step, before = {}, f"step_{k}"
        this_step[f"rule_{k}"] = _rule(card, rule, columns, parcels, split=split)
        columns[rule.part].append(f"rule_{k}")
        columns.setdefault(rule.name, [f"rule_{k}"])  # a part wins over a rule of its name
    if this_step:
        steps.append(f"last_step AS (SELECT *, {named_columns(this_step)} FROM {before})")
        before = "last_step"
    steps.append(
        "summed AS (SELECT *, "
        f"{named_columns({f'{part}_c': _sum(columns[part]) for part in PARTS[1:]})} FROM {before})"
    )
    return ", ".join(steps), [(rule.name, f"rule_{k}") for k, rule in enumerate(card.surcharges)]


def _grouped(card: RateCard, parcels: Parcels) -> list[str]:
    """Return the step that has, for each parcel, what the rules of groups come to by themselves."""
    rules = [(k, rule) for k, rule in enumerate(card.surcharges) if rule.group is not None]
    if not rules:
        return []

    def own(p: str) -> dict[str, str]:
        return {
            f"own_{k}": (
                f"CASE WHEN {condition(card, rule)} AND {meets(p, rule)} "
                f"THEN {_in_force(rule)} ELSE 0 END::BIGINT"
            )
            for k, rule in rules
        }

    others = parcels.others(own("p."), "others", "owns")
    return [f"grouped AS (SELECT *, {named_columns(own(''))}{others} FROM based)"]


def _highest(card: RateCard, rule: Surcharge, parcels: Parcels) -> str:
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

    return parcels.total(of_parcel, "owns")


def _rule(
    card: RateCard,
    rule: Surcharge,
    columns: Mapping[str, list[str]],
    parcels: Parcels,
    *,
    split: bool,
) -> str:
    each = _in_force(rule)
    if rule.percent is not None:
        amount = share_of(_sum([c for name in rule.of for c in columns[name]]), each)
    elif rule.declared_value:
        off = 0 if rule.whole_value else rule.free_cents
        amount = parcels.total(
            lambda p: (
                f"CASE WHEN {p}declared > {rule.free_cents} THEN {each} * (({p}declared - "
                f"{off} + 9999) // 10000) ELSE 0 END"
            )
        )
    elif rule.group is not None:
        amount = _highest(card, rule, parcels)
    elif rule.sized:
        amount = f"{each} * {parcels.total(lambda p: f'{meets(p, rule)}::BIGINT')}"
    elif rule.per_parcel:
        amount = f"{each} * pieces"
    else:
        amount = f"CASE WHEN lead THEN {each} ELSE 0 END" if split else each
    least = (
        f"CASE WHEN ({amount}) = 0 THEN 0 ELSE greatest(({amount}), {rule.minimum_cents}) END"
        if rule.minimum_cents
        else amount
    )
    return f"CASE WHEN {condition(card, rule)} THEN {least} ELSE 0 END::BIGINT"


def meets(parcel: str, rule: Surcharge) -> str:
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


def condition(card: RateCard, rule: Surcharge) -> str:
    """Return the test whether a surcharge applies to a shipment."""
    tests = [
        any_of("service", rule.services) if rule.services else "",
        ""
        if rule.residential is None
        else f"coalesce(residential, false) = {str(rule.residential).lower()}",
        "" if rule.area is None else f"in_area_{areas_used(card).index(rule.area)}",
        any_of("coalesce(signature, 'none')", rule.signature) if rule.signature else "",
        any_of("coalesce(zone, '')", rule.zones) if rule.zones else "",
        "coalesce(saturday_delivery, false)" if rule.saturday else "",
        f"coalesce(day >= DATE '{rule.since}', true)" if rule.since else "",
        f"coalesce(day < DATE '{rule.until}', false)" if rule.until else "",
    ]
    return " AND ".join(t for t in tests if t) or "true"


def share_of(amount: str, millionths: int | str) -> str:
    """Return `millionths` of an amount, rounded half up."""
    return f"((({amount}) * {millionths} + 500000) // 1000000)"


def _sum(columns: list[str]) -> str:
    return " + ".join(columns) if columns else "0::BIGINT"


def any_of(expression: str, values: tuple[str, ...]) -> str:
    """Return the test for one of `values`.

    DuckDB makes a join of an IN with six values or more, which costs ten times as much as
    comparisons.
    """
    return (
        "("
        + (" OR ".join(f"{expression} = {quoted_text(value)}" for value in values) or "false")
        + ")"
    )


def quoted_text(value: str) -> str:
    """Return a text as SQL."""
    return "'" + value.replace("'", "''") + "'"
