"""The ledger's notes about pickups: what was asked for, booked, refused and canceled.

What a person or a carrier wrote in their own words is private, and prune removes it: it is stored
as labels are, next to the entry and not in it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from shipkit.carriers.after_purchase import BookedPickup, PickupOffer
from shipkit.models import Money
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import LabelBytes
from shipkit.purchasing.store.results import noted_files

__all__ = [
    "ASKED",
    "BOOKED",
    "CANCELED",
    "CANCEL_ASKED",
    "CANCEL_REFUSED",
    "REFUSED",
    "PickupEntry",
    "booking_json",
    "booking_texts",
    "pickup_book",
    "pickup_costs",
]

ASKED: Final = "pickup_asked"
BOOKED: Final = "pickup"
REFUSED: Final = "pickup_refused"
CANCEL_ASKED: Final = "pickup_cancel_asked"
CANCEL_REFUSED: Final = "pickup_cancel_refused"
CANCELED: Final = "pickup_canceled"

_STATES: Final = {
    ASKED: "in_doubt",
    BOOKED: "booked",
    REFUSED: "refused",
    CANCELED: "canceled",
}
_CANCELING: Final = {CANCEL_ASKED: "asked", CANCEL_REFUSED: "refused"}


@dataclass(frozen=True)
class PickupEntry:
    """One pickup, as far as it got."""

    reference: str
    account: str
    carrier: str
    day: dt.date
    ready: dt.time
    close: dt.time
    place: str
    instructions: str
    rows: tuple[int, ...]
    offer: PickupOffer
    state: str = "offered"
    """``offered``, ``in_doubt``, ``booked``, ``refused`` or ``canceled``."""
    booked: BookedPickup | None = None
    canceling: str = ""
    """Of a booked one: ``asked``, with no clear answer yet, or ``refused``; empty: not asked."""

    @property
    def price(self) -> Money:
        """What it costs: as it was booked, else as it was offered."""
        charged = self.booked.charged if self.booked else None
        return charged or self.offer.price

    def to_json(self) -> str:
        """Return everything that a booking is made of, for the ledger."""
        price = self.offer.price
        return json.dumps(
            {
                "reference": self.reference,
                "account": self.account,
                "carrier": self.carrier,
                "day": self.day.isoformat(),
                "ready": self.ready.isoformat(),
                "close": self.close.isoformat(),
                "place": self.place,
                "rows": list(self.rows),
                "offer": self.offer.number,
                "price": [price.cents, price.currency],
            }
        )

    def texts(self) -> LabelBytes | None:
        """Return what prune removes of it, for the ledger."""
        said = {"instructions": self.instructions, "warnings": list(self.offer.warnings)}
        return _private(self.reference, said)


def booking_texts(reference: str, booked: BookedPickup) -> LabelBytes | None:
    """Return what prune removes of a booking, for the ledger."""
    return _private(reference, {"warnings": list(booked.warnings)})


def booking_json(reference: str, booked: BookedPickup) -> str:
    """Return a booking for the ledger, without its texts."""
    charged = booked.charged
    return json.dumps(
        {
            "reference": reference,
            "number": booked.number,
            "charged": None if charged is None else [charged.cents, charged.currency],
        }
    )


def pickup_book(store: JobStore, *, texts: bool = True) -> dict[str, PickupEntry]:
    """Return the pickups of a job by their references, in the order they were asked for.

    Parameters
    ----------
    texts
        False leaves out instructions and warnings, each of which is a file to read.
    """
    found: dict[str, PickupEntry] = {}
    for note in store.notes().select(["event", "details", "label_sequence"]).to_pylist():
        state, canceling = _STATES.get(note["event"]), _CANCELING.get(note["event"])
        if state is None and canceling is None:
            continue
        facts = json.loads(note["details"])
        reference, sequence = facts["reference"], note["label_sequence"]
        if texts and sequence is not None:
            facts |= json.loads(noted_files(store, sequence).get(reference, b"{}"))
        if state is None:
            found[reference] = replace(found[reference], canceling=canceling or "")
        elif note["event"] == ASKED:
            found[reference] = replace(_entry(facts), state=state)
        elif note["event"] == BOOKED:
            entry = found[reference]
            found[reference] = replace(entry, state=state, booked=_booked(facts, entry))
        else:
            found[reference] = replace(found[reference], state=state)
    return found


def pickup_costs(store: JobStore) -> list[tuple[str, Money]]:
    """Return account and price of each pickup that is booked, or may be."""
    return [
        (entry.account, entry.price)
        for entry in pickup_book(store, texts=False).values()
        if entry.state in ("booked", "in_doubt")
    ]


def _private(reference: str, texts: Mapping[str, Any]) -> LabelBytes | None:
    said = {name: text for name, text in texts.items() if text}
    return LabelBytes(reference, "json", "texts", 0, json.dumps(said).encode()) if said else None


def _entry(facts: Mapping[str, Any]) -> PickupEntry:
    cents, currency = facts["price"]
    return PickupEntry(
        reference=facts["reference"],
        account=facts["account"],
        carrier=facts["carrier"],
        day=dt.date.fromisoformat(facts["day"]),
        ready=dt.time.fromisoformat(facts["ready"]),
        close=dt.time.fromisoformat(facts["close"]),
        place=facts["place"],
        instructions=facts.get("instructions", ""),
        rows=tuple(facts["rows"]),
        offer=PickupOffer(
            Money.from_cents(cents, currency), facts["offer"], tuple(facts.get("warnings", ()))
        ),
    )


def _booked(facts: Mapping[str, Any], entry: PickupEntry) -> BookedPickup:
    charged = facts["charged"]
    return BookedPickup(
        facts["number"],
        None if charged is None else Money.from_cents(*charged),
        tuple(facts.get("warnings", ())),
        offer=entry.offer.number,
    )
