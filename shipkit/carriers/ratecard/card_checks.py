"""What a rate card must keep to: names that exist, rules in order, one price for each weight."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from shipkit.carriers.ratecard.card_parts import CARD_SERVICES, PARTS, Discount, Surcharge
from shipkit.errors import RateCardError
from shipkit.models import Signature
from shipkit.schema import QUOTES

if TYPE_CHECKING:
    from shipkit.carriers.ratecard.card import RateCard

__all__ = ["check_card"]


def check_card(card: RateCard) -> None:
    """Refuse a card that contradicts itself, or has rules that can never apply.

    Raises
    ------
    RateCardError
        The message names the rule, and the fix what to change.
    """
    if card.dim_rounding not in {"by_day", "nearest", "up"}:
        raise RateCardError(
            f"dim_rounding={card.dim_rounding!r} is not known.",
            fix='Use "by_day", "nearest" or "up".',
        )
    used = [*(card.by_shipment or ()), *(s for rule in card.dim_divisors for s in rule.services)]
    if strange := [name for name in used if name not in CARD_SERVICES]:
        raise RateCardError(
            f"{strange[0]!r} is not a known service.",
            fix=f"Known: {', '.join(CARD_SERVICES.codes)}.",
        )
    _check_names(card)
    names = [s.name for s in card.surcharges]
    if len(set(names)) < len(names):
        raise RateCardError(
            f"Card {card.name!r} has two surcharges of one name.",
            fix="Give each a name of its own.",
        )
    if taken := set(names) & set(QUOTES.names):
        raise RateCardError(
            f"Surcharge {min(taken)!r} has the name of a column of every quote.",
            fix="Give it another name.",
        )
    known = set(PARTS)
    filled = {"base"}
    for rule in card.surcharges:
        if rule.area is not None and rule.area not in card.areas:
            raise RateCardError(
                f"Surcharge {rule.name!r} needs the ZIP list {rule.area!r}, and the card has none.",
                fix="Add it to areas.",
            )
        if unknown := set(rule.of) - known:
            raise RateCardError(
                f"Surcharge {rule.name!r} is percent of {', '.join(sorted(unknown))}, which is no "
                "part and no earlier surcharge.",
                fix="Put it after what it refers to.",
            )
        # Of another part, to which this card adds nothing, it may be as the contract has it.
        if set(rule.of) == {rule.part} and rule.part not in filled:
            raise RateCardError(
                f"Surcharge {rule.name!r} is percent of {rule.part}, its own part, to which "
                "nothing before it adds: it would always be 0.",
                fix='Write what it is a percentage of: of = ["base"].',
            )
        known.add(rule.name)
        filled.add(rule.part)
    for table, key, what in (
        (card.rates, ["service", "zone", "lb"], "prices for one service, zone and weight"),
        (card.ounces, ["service", "zone", "oz"], "prices for one service, zone and ounces"),
        (card.transit, ["service", "zone"], "transit times for one service and zone"),
    ):
        if table.group_by(key).aggregate([]).num_rows < table.num_rows:
            raise RateCardError(f"Card {card.name!r} has two {what}.", fix="Keep one.")


def _check_names(card: RateCard) -> None:
    """Refuse surcharges and discounts of a service or zone that does not exist: they never apply.

    A known service, or a zone that is written like the card's, without a price on this card is none
    of that: nothing is priced there, and a contract may list it.
    """
    services = sorted({*CARD_SERVICES.codes, *card.services})
    tables = (card.rates, card.ounces, card.transit)
    zones = sorted({zone for table in tables for zone in table.column("zone").to_pylist()})
    rules: list[tuple[str, Surcharge | Discount]] = [
        *((f"Surcharge {rule.name!r}", rule) for rule in card.surcharges),
        *((f"Discount {n} ({rule.percent} %)", rule) for n, rule in enumerate(card.discounts, 1)),
    ]
    written = {_form(zone) for zone in zones}
    signatures = [str(each) for each in Signature]
    for what, rule in rules:
        _demand_known(what, "service", rule.services, services)
        strange = [zone for zone in rule.zones if zones and _form(zone) not in written]
        _demand_known(what, "zone", strange, zones)
        if isinstance(rule, Surcharge):
            _demand_known(what, "signature", rule.signature, signatures)


def _form(zone: str) -> str:
    """Return how a zone is written: "5" and "44" alike, "05", "zone 5" and "A" otherwise."""
    digits = re.sub(r"[0-9]+", lambda run: "0" if run[0].startswith("0") else "9", zone)
    return re.sub(r"[A-Za-z]+", "a", digits)


def _demand_known(what: str, kind: str, given: Sequence[str], known: Sequence[str]) -> None:
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 3, 0.5) or list(known)
            shown = ", ".join(near[:12]) + (", ..." if len(near) > 12 else "")
            raise RateCardError(
                f"{what} is of the {kind} {name!r}, which is not one of the card's: it would never "
                "apply.",
                fix=f"Correct it: {shown}." if near else "Leave it out.",
            )
