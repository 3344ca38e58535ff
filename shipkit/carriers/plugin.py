"""What an entry point of the group ``shipkit.carriers`` names: a carrier before it is set up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shipkit.carriers.protocol import Capabilities, Carrier
from shipkit.services import ServiceList
from shipkit.settings import CarrierSettings, Settings

__all__ = ["CarrierPlugin"]


@dataclass(frozen=True)
class CarrierPlugin:
    """A carrier that can be chosen by name. See the how-to page "Write a carrier".

    Examples
    --------
    In the carrier's package::

        PLUGIN = CarrierPlugin(
            name="acme",
            description="Acme Freight's JSON API",
            services=ServiceList.from_toml(Path(__file__).with_name("services.toml")),
            settings=AcmeSettings,
            capabilities=Acme.capabilities,
            create=lambda own, shared: Acme(own.api_key, timeout_s=shared.timeout_s),
        )

    and in its ``pyproject.toml``::

        [project.entry-points."shipkit.carriers"]
        acme = "acme_shipkit:PLUGIN"
    """

    name: str
    """The name in ``carrier=``, ``--carrier`` and ``SHIPKIT_CARRIER``; the entry point's name."""
    description: str
    """What it is, for ``shipkit carriers``: one line."""
    services: ServiceList
    settings: type[CarrierSettings]
    """Read from ``SHIPKIT_<NAME>_...`` when the carrier is first used."""
    capabilities: Capabilities
    """The same as the carrier's own: known without an account."""
    create: Callable[[Any, Settings], Carrier]
    """Called with the carrier's own settings and the shared ones. Opens no connection."""
    environment: str = ""
    """Where purchases go when the settings have no field `env`: ``sandbox``, ``test``, ``live``."""
    guide: str = ""
    """Where its documentation is."""
