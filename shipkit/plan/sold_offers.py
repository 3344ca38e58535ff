"""What is sold to a row, of what carriers have a price for.

Carriers price services for addresses that they do not deliver to, and for parcels that they do not
take. The rules and rate shopping leave them out alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.accounts import Accounts
from shipkit.carriers.joint_services import JointServices
from shipkit.models import Address
from shipkit.plan.asks import unable_rows
from shipkit.plan.reach import within_reach
from shipkit.plan.too_large import too_large
from shipkit.services import PLACES, ServiceList

__all__ = ["PlacesOf", "SoldOffers", "sold_offers"]

PlacesOf = Callable[[pa.Table], Mapping[int, Sequence[str]]]
"""Returns row number -> the kinds of places of its address that not every service goes to."""


@dataclass(frozen=True)
class SoldOffers:
    """The offers that are sold, and why others are not.

    Attributes
    ----------
    offers
        Those that are sold; a row that no service is sold to keeps its own.
    closed
        Index of a row -> service -> why it is not sold to this address or for this parcel.
    """

    offers: pa.Table
    closed: Mapping[int, Mapping[str, str]]

    @cached_property
    def served(self) -> frozenset[int]:
        """Indexes of the rows that at least one of the offers is sold to."""
        return rows_served(self.offers, self.closed)


def rows_served(offers: pa.Table, closed: Mapping[int, Mapping[str, str]]) -> frozenset[int]:
    """Return the rows with an offer that is not closed to them."""
    pairs = zip(offers.column("row").to_pylist(), offers.column("service").to_pylist(), strict=True)
    return frozenset(row for row, service in pairs if service not in closed.get(row, ()))


def sold_offers(
    offers: pa.Table,
    asked: pa.Table,
    accounts: Accounts,
    shipper: Address,
    places_of: PlacesOf | None = None,
) -> SoldOffers:
    """Return the offers without those of services that are not sold to their row.

    Parameters
    ----------
    offers
        :data:`shipkit.carriers.quoting.SHOPPED`, by the rows of `asked`.
    """
    offered = accounts.services.of_shipper(shipper.country)
    closed: dict[int, dict[str, str]] = {}
    if places_of is not None and any(entry.not_to for entry in offered):
        closed = _closed(asked, offered, places_of(asked))
    for row, codes in too_large(asked, offered).items():
        own = closed.setdefault(row, {})
        for code in codes:
            own.setdefault(code, "does not take a parcel of this weight or size")
    offers = within_reach(offers, asked, offered, shipper)
    offers = _without_unable(offers, asked, accounts, shipper)
    return SoldOffers(_without_closed(offers, closed), closed)


def _without_unable(
    offers: pa.Table, asked: pa.Table, accounts: Accounts, shipper: Address
) -> pa.Table:
    """Return the offers without those of accounts that cannot do what their row asks for.

    With one account nothing is left out, and a row that no account can serve keeps its offers: the
    row waits, and says which option is not offered.
    """
    if accounts.alone:
        return offers
    unable = {account.name: unable_rows(asked, account, shipper) for account in accounts}
    if not any(unable.values()):
        return offers
    rows = offers.column("row").to_pylist()
    sellers = [JointServices.parted(code or "")[0] for code in offers.column("service").to_pylist()]
    able = [row not in unable.get(name, ()) for row, name in zip(rows, sellers, strict=True)]
    served = {row for row, yes in zip(rows, able, strict=True) if yes}
    keep = [yes or row not in served for row, yes in zip(rows, able, strict=True)]
    return offers.filter(pa.array(keep, pa.bool_()))


def _closed(
    asked: pa.Table, offered: ServiceList, kinds: Mapping[int, Sequence[str]]
) -> dict[int, dict[str, str]]:
    """Return index of a row -> the services that do not go to its address, and why."""
    if not kinds:
        return {}
    rows = {number: row for row, number in enumerate(asked.column("row_number").to_pylist())}
    return {
        rows[number]: {
            entry.code: f"does not deliver to {PLACES[kind]}"
            for entry in offered
            for kind in here
            if kind in entry.not_to
        }
        for number, here in kinds.items()
    }


def _without_closed(offers: pa.Table, closed: Mapping[int, Mapping[str, str]]) -> pa.Table:
    """Return the offers without those of services that do not go to the address of their row.

    A row that no service goes to keeps its offers: validation says why it waits.
    """
    if not closed:
        return offers
    special = pc.is_in(offers.column("row").cast(pa.int64()), pa.array(list(closed), pa.int64()))
    at = pc.indices_nonzero(special).to_pylist()
    some = offers.take(pa.array(at, pa.int64())).select(["row", "service"]).to_pylist()
    going = rows_served(offers.take(pa.array(at, pa.int64())), closed)
    keep = np.ones(offers.num_rows, dtype=bool)
    for place, offer in zip(at, some, strict=True):
        keep[place] = offer["row"] not in going or offer["service"] not in closed[offer["row"]]
    return offers.filter(pa.array(keep))
