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
from shipkit.carriers.sandbox.price_lists import name_of, services_of_list
from shipkit.settings import CarrierSettings

__all__ = ["ECONOMY", "EXPRESS", "PLUGIN", "Faults", "SandboxCarrier"]

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


def _price_list(name: str, description: str) -> CarrierPlugin:
    return CarrierPlugin(
        name=name_of(name),
        description=description,
        services=services_of_list(name),
        settings=CarrierSettings,
        capabilities=CAPABILITIES,
        create=lambda _, shared: SandboxCarrier(home=shared.home, price_list=name),
        environment="sandbox",
        guide="docs/how-to/sandbox.md",
    )


ECONOMY = _price_list("economy", "a second sandbox to compare: cheaper, slower, up to 20 lb")
EXPRESS = _price_list("express", "a third sandbox to compare: more expensive, a day faster")
