"""The parcels that a pickup is of, and what is asked of the carrier about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from shipkit.carriers.accounts import Account, Accounts
from shipkit.carriers.after_purchase import (
    BooksPickups,
    BoughtLabels,
    PickupRequest,
    pickup_booker,
)
from shipkit.common.words import counted
from shipkit.errors import InputError
from shipkit.models import Address, Shipment
from shipkit.purchasing.account import account_of
from shipkit.purchasing.pickup_book import PickupEntry
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import bought_in
from shipkit.purchasing.store.planrows import PlanRows
from shipkit.state import RowState

__all__ = ["PickedParcels"]


@dataclass(frozen=True)
class PickedParcels:
    """The parcels of some rows: of one account, at one address."""

    account: Account
    booker: BooksPickups
    carrier: str
    address: Address
    own_address: bool
    shipments: tuple[tuple[Shipment, BoughtLabels], ...]

    @classmethod
    def of(
        cls, store: JobStore, accounts: Accounts, rows: Sequence[int], *, anyhow: bool = False
    ) -> PickedParcels:
        """Return the parcels of rows.

        Parameters
        ----------
        anyhow
            Also those that are no longer bought: of a pickup that was asked for before.
        """
        if store.pruned:
            raise InputError(
                f"{store.job_id} was pruned: its addresses are gone.",
                fix="Book pickups before a job is pruned.",
            )
        table = store.results()
        states = table.column("state").to_pylist()
        if not rows:
            raise InputError(
                "No bought parcels were chosen.", fix="Book a pickup for labels that are bought."
            )
        gone = sum(states[row] != RowState.SHIPPED for row in rows)
        if gone and not anyhow:
            raise InputError(
                f"{gone:,} of the {counted(len(rows), 'shipment')} of this pickup "
                f"{'is' if gone == 1 else 'are'} no longer bought. Nothing was booked.",
                fix="Ask for a new one: job.pickup(...).",
            )
        plan, entries = PlanRows(store.path), store.last_entries_of(rows)
        found = [(row, plan.one(row)) for row in rows]
        movers = table.column("carrier").take(pa.array(rows)).to_pylist()
        own = {
            (account_of(store, accounts, row).name, mover, ship.ship_from)
            for (row, ship), mover in zip(found, movers, strict=True)
        }
        if len(own) > 1:
            names = ", ".join(sorted({f"{mover} of {name}" for name, mover, _ in own}))
            raise InputError(
                "A pickup is of one carrier, one account and one address, and these parcels are "
                f"of {len(own)} ({names}).",
                fix="Choose with where=, and ask for each.",
            )
        [(name, mover, origin)] = own
        booker = pickup_booker(accounts[name].carrier)
        if booker is None:
            raise InputError(
                f"{name} books no pickups here.", fix="Book it with the carrier, or drop off."
            )
        return cls(
            accounts[name],
            booker,
            mover,
            origin or store.manifest.shipper,
            origin is None,
            tuple(
                (
                    _handed_over(shipment, entries[row]),
                    BoughtLabels(
                        entries[row]["shipment_id"], tuple(entries[row]["tracking_numbers"])
                    ),
                )
                for row, shipment in found
            ),
        )

    @classmethod
    def known(cls, store: JobStore, accounts: Accounts, entry: PickupEntry) -> PickedParcels:
        """Return what a booked pickup is asked about by: the request that booked it.

        A pruned job has no addresses any more: then it is only its numbers.
        """
        if not store.pruned:
            return cls.of(store, accounts, entry.rows, anyhow=True)
        account = accounts[entry.account]
        booker = pickup_booker(account.carrier)
        if booker is None:
            raise InputError(
                f"{entry.account} books no pickups here.", fix="Ask the carrier about it."
            )
        return cls(
            account,
            booker,
            entry.carrier,
            store.manifest.shipper,
            own_address=True,
            shipments=(),
        )

    def request(self, entry: PickupEntry) -> PickupRequest:
        """Return what is asked of the carrier: the same for a repeat."""
        return PickupRequest(
            reference=entry.reference,
            address=self.address,
            own_address=self.own_address,
            day=entry.day,
            ready=entry.ready,
            close=entry.close,
            shipments=self.shipments,
            place=entry.place,
            instructions=entry.instructions,
        )


def _handed_over(shipment: Shipment, entry: Mapping[str, Any]) -> Shipment:
    """Return a shipment with the parcels whose labels are not voided.

    All of them where it is not known which label is of which parcel.
    """
    numbers, left = bought_in(entry), set(entry["tracking_numbers"])
    if len(numbers) != len(shipment.parcels) or left.issuperset(numbers):
        return shipment
    both = zip(shipment.parcels, numbers, strict=True)
    parcels = tuple(parcel for parcel, number in both if number in left)
    return shipment.model_copy(update={"parcels": parcels})
