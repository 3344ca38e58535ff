"""What carriers do after labels are bought: put them on a manifest, and pick parcels up.

These abilities are declared in :class:`~shipkit.carriers.protocol.Capabilities`, as the others are.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Protocol, cast

from shipkit.carriers.protocol import Carrier
from shipkit.models import Address, Money, Shipment

__all__ = [
    "PLACES",
    "BookedPickup",
    "BooksPickups",
    "BoughtLabels",
    "MadeManifest",
    "MakesManifests",
    "PickupOffer",
    "PickupRequest",
    "manifest_maker",
    "pickup_booker",
]

PLACES: Final = (
    "front_door",
    "back_door",
    "side_door",
    "mail_room",
    "office",
    "reception",
    "porch",
    "other",
)
"""Where the driver finds the parcels."""


@dataclass(frozen=True)
class BoughtLabels:
    """The labels of one shipment that are handed to the driver."""

    shipment_id: str
    tracking_numbers: tuple[str, ...]


@dataclass(frozen=True)
class MadeManifest:
    """A manifest as the carrier answered it."""

    number: str
    """What the carrier calls it."""
    tracking_numbers: tuple[str, ...]
    """The labels on it; empty where the carrier does not list them: then those that were asked."""
    form: bytes | None = field(default=None, repr=False)
    """The paper to print, None where the carrier does not show it."""
    warnings: tuple[str, ...] = ()


class MakesManifests(Protocol):
    """Declared by ``Capabilities(manifest=True)``."""

    async def manifest(
        self,
        shipments: Sequence[BoughtLabels],
        origin: Address,
        day: dt.date,
        *,
        asked_before: bool,
    ) -> MadeManifest:
        """Put labels on one form. A label is never on two forms, however often this is called.

        Parameters
        ----------
        origin, day
            Where and when the parcels are handed over: the same for all of them.
        asked_before
            Whether the same form was asked for and no usable answer came: it may exist, and is
            returned then.

        Raises
        ------
        LabelsRefused
            Some labels cannot be on a form; nothing was made.
        CarrierRejected
            No form can be made of these labels, and none was.
        AnswerLost
            A form may exist.
        """


def manifest_maker(carrier: Carrier) -> MakesManifests | None:
    """Return `carrier` as one that makes manifests, None when it does not declare it."""
    return cast("MakesManifests", carrier) if carrier.capabilities.manifest else None


@dataclass(frozen=True)
class PickupRequest:
    """Parcels to be picked up at one address, on one day."""

    reference: str
    """New for each pickup, and used once: 20 letters and digits."""
    address: Address = field(repr=False)
    own_address: bool
    """Whether the address is the shipper's, and not one of a row."""
    day: dt.date
    ready: dt.time
    close: dt.time
    """From when and until when the driver may come, by the clock of the place."""
    shipments: tuple[tuple[Shipment, BoughtLabels], ...] = field(repr=False)
    place: str = "front_door"
    """One of :data:`PLACES`."""
    instructions: str = ""

    @property
    def parcels(self) -> int:
        """How many parcels there are."""
        return sum(len(labels.tracking_numbers) for _, labels in self.shipments)

    @property
    def weight_lb(self) -> Decimal:
        """What they weigh together."""
        parcels = [parcel for shipment, _ in self.shipments for parcel in shipment.parcels]
        return sum((Decimal(str(parcel.weight_lb)) for parcel in parcels), Decimal(0))


@dataclass(frozen=True)
class PickupOffer:
    """What a pickup would cost. Nothing is booked."""

    price: Money
    number: str = ""
    """What it is booked under, where the carrier gave an id."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class BookedPickup:
    """A pickup that is booked."""

    number: str
    """The carrier's confirmation number. Empty where it exists and the carrier does not say it."""
    charged: Money | None = None
    """What it costs, None where the answer does not say."""
    warnings: tuple[str, ...] = ()
    offer: str = ""
    """The number of the :class:`PickupOffer` that was booked."""


class BooksPickups(Protocol):
    """Declared by ``Capabilities(pickup=True)``."""

    async def pickup(self, request: PickupRequest) -> PickupOffer:
        """Return what a pickup would cost. Free to repeat; nothing is booked.

        Raises CarrierRejected where the carrier does not come.
        """

    async def book_pickup(
        self, request: PickupRequest, offer: PickupOffer, *, asked_before: bool
    ) -> BookedPickup:
        """Book. It may cost money.

        Parameters
        ----------
        asked_before
            Whether it was asked for and no usable answer came. Then it is looked up, and booked
            only where that cannot make a second one; AnswerLost where the carrier does not tell.
        """

    async def pickup_status(self, request: PickupRequest, booked: BookedPickup) -> str:
        """Return what the carrier says about a pickup, in its words."""

    async def cancel_pickup(
        self, request: PickupRequest, booked: BookedPickup, *, asked_before: bool
    ) -> None:
        """Cancel a pickup. CarrierRejected where the carrier does not.

        Parameters
        ----------
        asked_before
            Whether it was asked for and no usable answer came. A pickup that the carrier no longer
            has was canceled by that, and succeeds.
        """


def pickup_booker(carrier: Carrier) -> BooksPickups | None:
    """Return `carrier` as one that books pickups, None when it does not declare it."""
    return cast("BooksPickups", carrier) if carrier.capabilities.pickup else None
