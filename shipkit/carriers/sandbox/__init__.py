"""The sandbox: a carrier with invented prices and real label files, for trying and testing.

Embedded (the default) it needs no network and no account. ``python -m shipkit.carriers.sandbox
--serve`` runs the same books behind HTTP on this machine, and ``SandboxCarrier(url=...)`` talks to
it: a carrier that dies with its client proves nothing about crashes.
"""

from __future__ import annotations

from shipkit.carriers.plugin import CarrierPlugin
from shipkit.carriers.sandbox.backend import SERVICES
from shipkit.carriers.sandbox.carrier import CAPABILITIES, SandboxCarrier
from shipkit.carriers.sandbox.faults import Faults
from shipkit.settings import CarrierSettings

__all__ = ["PLUGIN", "Faults", "SandboxCarrier"]

PLUGIN = CarrierPlugin(
    name="sandbox",
    description="embedded, synthetic prices, no network, no money: the default",
    services=SERVICES,
    settings=CarrierSettings,
    capabilities=CAPABILITIES,
    create=lambda _, shared: SandboxCarrier(home=shared.local_home),
    environment="sandbox",
    guide="docs/how-to/sandbox.md",
)
