"""What the carrier of a batch accepts, as rules over the shipments table.

The rules in :mod:`shipkit.orders.validate` hold for every parcel. Limits of weight, size and text
belong to a carrier, and some to one of its services; they are data in its ``services.toml`` and
arrive here as a :class:`~shipkit.services.ServiceList`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from shipkit.common.words import counted
from shipkit.models import NUMBERED_REFERENCES
from shipkit.orders.expressions import case, choose, quote, quoted_list
from shipkit.orders.rules.rule import Rule
from shipkit.services import PLACES, Limits, ServiceList

__all__ = ["PLACE_CONDITIONS", "carrier_rules"]

_LONGEST: Final = "greatest(p.length_in, p.width_in, p.height_in)"
_GIRTH: Final = f"({_LONGEST} + 2 * (p.length_in + p.width_in + p.height_in - {_LONGEST}))"


@lru_cache(maxsize=16)
def carrier_rules(offered: ServiceList) -> tuple[Rule, ...]:
    """Return the rules of the carrier that offers these services, and of each of its services."""
    found = [_unknown_service(offered), *_of_places(offered)]
    for account, part in offered.by_account.items():
        codes = [f"{account}:{code}" if account else code for code in part.codes]
        own = f"service IN ({quoted_list(codes)})" if account else "true"
        found += _of_limits(part.limits, part.title, own)
        for code, entry in zip(codes, part, strict=True):
            found += _of_limits(entry.limits, f"{part.title} {entry.title}", _is(code))
    return tuple(found)


def _is(code: str) -> str:
    return f"service = {quote(code)}"


def _unknown_service(offered: ServiceList) -> Rule:
    codes = quoted_list(offered.codes) or "''"
    return Rule(
        "service_unknown",
        "service",
        f"service NOT IN ({codes}) AND NOT regexp_full_match(service, '(cheapest|fastest)( .*)?')",
        "service",
        "'\"' || service || '\" is not a known service'",
        offered.known,
    )


PLACE_CONDITIONS: Final = {
    "po_box": "(box IS NOT NULL AND NOT box_and_street AND NOT box_is_usual)",
    "military": "military",
    "outlying": "(outlying AND NOT military)",
}
"""Kind of place -> SQL of whether an address is one."""

_FIELDS: Final = {"po_box": "address_line1", "military": "city", "outlying": "state"}
"""Kind of place -> the field that shows it."""

_INSTEAD: Final = {
    "po_box": "Give a street address",
    "military": "Ship it with the post",
    "outlying": "Choose an international service",
}


def _of_places(offered: ServiceList) -> list[Rule]:
    """Return a rule for each kind of place that some of the services do not deliver to."""
    found = []
    for kind, is_there in PLACE_CONDITIONS.items():
        field = _FIELDS[kind]
        refusing = [entry for entry in offered if kind in entry.not_to]
        if not refusing:
            continue
        going = [entry.code for entry in offered if kind not in entry.not_to]
        titles = {entry.code: quote(f"{offered.title} {entry.title}".strip()) for entry in refusing}
        or_choose = f", or choose {', '.join(going)}" if going else ""
        found.append(
            Rule(
                f"{kind}_not_served",
                f"ship_to.{field}",
                f"{is_there} AND service IN ({', '.join(quote(each.code) for each in refusing)})",
                "coalesce(box, address_line1)" if kind == "po_box" else field,
                f"{choose('service', titles, quote(offered.title))}"
                f" || {quote(f' does not deliver to {PLACES[kind]}')}",
                f"{_INSTEAD[kind]}{or_choose}.",
            )
        )
    return found


def _of_limits(limits: Limits, who: str, when: str) -> list[Rule]:
    """Return a rule for each limit that is known.

    Parameters
    ----------
    who
        Whose limits they are, for messages: "UPS", "Acme Letter".
    when
        SQL: the shipments that they hold for.
    """
    found = _of_texts(limits, who, when)
    if limits.weight_lb is not None:
        found.append(
            Rule(
                "weight_over_limit",
                "parcels[].weight_lb",
                f"{when} AND p.weight_lb > {limits.weight_lb:g}",
                "p.weight_lb",
                quote(f"{who} accepts at most {limits.weight_lb:g} lb per parcel, not ")
                + " || round(p.weight_lb, 2) || ' lb'",
                "Split it into parcels, or check the unit of the column.",
            )
        )
    if limits.longest_side_in is not None:
        found.append(
            Rule(
                "length_over_limit",
                "parcels[].length_in",
                f"{when} AND {_LONGEST} > {limits.longest_side_in:g}",
                _LONGEST,
                quote(f"{who} accepts sides of at most {limits.longest_side_in:g} in, not ")
                + f" || round({_LONGEST}, 2)",
                "Ship it as freight, or check the unit of the column.",
            )
        )
    if limits.length_and_girth_in is not None:
        side = limits.longest_side_in
        short = f"{_LONGEST} <= {side:g}" if side is not None else "true"  # one problem is enough
        most = f"{limits.length_and_girth_in:g}"
        found.append(
            Rule(
                "girth_over_limit",
                "parcels[].length_in",
                f"{when} AND {short} AND {_GIRTH} > {most}",
                _GIRTH,
                quote(f"{who} accepts at most {most} in of length and girth together, not ")
                + f" || round({_GIRTH}, 2)",
                "Ship it as freight, or check the unit of the column.",
            )
        )
    if limits.parcels is not None:
        most_parcels = counted(limits.parcels, "parcel")
        found.append(
            Rule(
                "parcels_over_limit",
                "parcels",
                f"{when} AND len(parcels) > {limits.parcels}",
                "len(parcels)",
                quote(f"{who} accepts at most {most_parcels} per shipment, not ")
                + " || len(parcels)",
                "Split the order into several shipments.",
            )
        )
    return found


def _of_texts(limits: Limits, who: str, when: str) -> list[Rule]:
    columns = {
        "name": limits.name,
        "company": limits.name,
        "address_line1": limits.address_line,
        "address_line2": limits.address_line,
        "address_line3": limits.address_line,
        "city": limits.city,
    }
    found = [
        Rule(
            f"{column}_too_long",
            f"ship_to.{column}",
            f"{when} AND length({column}) > {limit}",
            column,
            quote(f"{who} prints at most {limit} characters, and ")
            + f" || '\"' || {column} || '\" has ' || length({column})",
            "Shorten the cell, or write what is not the street in a line of its own: "
            "session.edit(clause, address_line1=..., address_line2=...). In a template, "
            "{{ row.<column> | truncate_address }} cuts it."
            if column.startswith("address")
            else "Shorten the cell, or map it with {{ row.<column> | truncate_address }}.",
        )
        for column, limit in columns.items()
        if limit is not None
    ]
    if limits.reference is not None:
        numbered = ", ".join(NUMBERED_REFERENCES)
        texts = f'list_concat([{numbered}], list_transform("references", lambda r: r.value))'
        long = f"list_filter({texts}, lambda text: length(text) > {limits.reference})"
        # Lists are slow, and most rows have at most the numbered ones.
        may_be = " OR ".join(f"length({each}) > {limits.reference}" for each in NUMBERED_REFERENCES)
        found.append(
            Rule(
                "reference_too_long",
                "references",
                case(
                    (f'{may_be} OR len("references") > 0', f"{when} AND len({long}) > 0"),
                    otherwise="false",
                ),
                f"{long}[1]",
                quote(f"{who} prints at most {limits.reference} characters of a reference: ")
                + f" || '\"' || {long}[1] || '\"'",
                "Shorten it, or leave the reference out.",
            )
        )
    return found
