"""What carriers do after labels are bought: put them on a manifest for the driver.

These abilities are declared in :class:`~shipkit.carriers.protocol.Capabilities`, as the others are.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from shipkit.carriers.protocol import Carrier
from shipkit.models import Address

__all__ = ["BoughtLabels", "MadeManifest", "MakesManifests", "manifest_maker"]


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
    """The labels on it."""
    form: bytes | None = None
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
