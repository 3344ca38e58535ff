"""What follows a purchase: bought parcels are handed to the driver.

A carrier's answer can be lost here too, so what is asked for is in the job's ledger before it is
asked, and an open question is settled before a new one is put.
"""

from __future__ import annotations

from shipkit.purchasing.handover.driver_manifests import DriverManifest, DriverManifests
from shipkit.purchasing.handover.members import HandoverMembers
from shipkit.purchasing.handover.pickups import Pickup

__all__ = ["DriverManifest", "DriverManifests", "HandoverMembers", "Pickup"]
