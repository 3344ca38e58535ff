"""The registry: every carrier that can be chosen by name.

A carrier is a folder. The package's own come first, then entry points of the group
``shipkit.carriers`` from installed packages. Finding names imports no carrier; a carrier is
imported when it is chosen, so that one that is broken never disturbs another.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from shipkit.carriers.plugin import CarrierPlugin
from shipkit.carriers.protocol import (
    OPTIONAL,
    PREPARED,
    REQUIRED,
    SETTLED,
    Capabilities,
    Carrier,
    CarrierIdentity,
    Pace,
)
from shipkit.errors import InputError, SettingsError, ShipkitError
from shipkit.models import LabelSpec
from shipkit.schema import FURTHER_OPTIONS, OPTIONS
from shipkit.services import ServiceList
from shipkit.settings import Settings

__all__ = [
    "GROUP",
    "BrokenCarrier",
    "able",
    "check",
    "create",
    "demand_label_format",
    "names",
    "plugin",
    "plugins",
    "resolve",
    "service_title",
    "services_of",
]

GROUP: Final = "shipkit.carriers"
"""The entry-point group that packages with carriers of their own declare."""

_OWN: Final = {
    "sandbox": "shipkit.carriers.sandbox",
    "ups": "shipkit.carriers.ups",
    "easypost": "shipkit.carriers.easypost",
    "usps": "shipkit.carriers.usps",
    "sandbox_economy": "shipkit.carriers.sandbox:ECONOMY",
    "sandbox_express": "shipkit.carriers.sandbox:EXPRESS",
}
"""The package's own carriers: name -> the module that holds its ``PLUGIN``, or another name."""


@dataclass(frozen=True)
class BrokenCarrier:
    """An entry point that cannot be used: listed by ``shipkit carriers``, never in the way."""

    name: str
    problem: str


def names() -> list[str]:
    """Return the names of all carriers, the package's own first. Imports none of them."""
    return [*_OWN, *(name for name in _installed() if name not in _OWN)]


def plugin(name: str) -> CarrierPlugin:
    """Return the carrier called `name`, not set up yet.

    Raises
    ------
    SettingsError
        There is no such carrier, or its package is broken: the message names the package.
    """
    key = name.strip().lower()
    if key in _OWN:
        module, _, name = _OWN[key].partition(":")
        found: CarrierPlugin = getattr(import_module(module), name or "PLUGIN")
        return found
    points = _installed().get(key)
    if points is None:
        raise SettingsError(
            f"There is no carrier {name!r}.",
            fix=f"Known: {', '.join(names())}. Or pass an object with the Carrier protocol.",
        )
    return _loaded(key, points)


def plugins() -> list[CarrierPlugin | BrokenCarrier]:
    """Return every carrier; one whose package cannot be used comes as a :class:`BrokenCarrier`."""
    found: list[CarrierPlugin | BrokenCarrier] = []
    for name in names():
        try:
            found.append(plugin(name))
        except SettingsError as error:
            found.append(BrokenCarrier(name, error.message))
    for name, points in _installed().items():
        if name in _OWN:
            problem = f"{_package(points[0])} declares it, and the name is shipkit's own."
            found.append(BrokenCarrier(name, problem))
    return found


def create(
    name: str, settings: Settings | None = None, environ: Mapping[str, str] | None = None
) -> Carrier:
    """Return the carrier called `name`, set up from the environment and the shared `settings`.

    Raises
    ------
    SettingsError
        There is no such carrier, its package is broken, or its settings are missing or unusable.
    """
    found = plugin(name)
    shared = Settings.read(environ) if settings is None else settings
    own = found.settings.read(found.name, environ, guide=found.guide)
    try:
        carrier = found.create(own, shared)
    except ShipkitError:
        raise
    except Exception as error:
        raise SettingsError(
            f"The carrier {found.name} cannot be set up: {type(error).__name__}: {error}.",
            fix="Report this to the maintainers of the carrier's package.",
        ) from error
    _demand_carrier(carrier, f"The carrier {found.name}", SettingsError)
    if carrier.identity.name != found.name:
        # A job is opened again by the name in its carrier's identity.
        raise SettingsError(
            f"The carrier {found.name} names itself {carrier.identity.name!r} in its identity.",
            fix="Report this to the maintainer of the carrier's package.",
        )
    return carrier


def check(carrier: object) -> None:
    """Refuse what can be no carrier: a name that is not known, or an object without the protocol.

    Imports no carrier and needs no credentials, so that a session can do it when it is made.

    Raises
    ------
    SettingsError
        There is no carrier of this name.
    InputError
        The object is not a carrier; the message lists what is missing.
    """
    if carrier is None:
        return
    if isinstance(carrier, str):
        name = carrier.strip().lower()
        # The package's own first: to read what is installed takes a sixth of a second.
        if name not in _OWN and name not in _installed():
            plugin(carrier)  # says what is known
        return
    _demand_carrier(carrier, f"carrier={_shown(carrier)}", InputError)


def resolve(carrier: str | Carrier | None, settings: Settings) -> Carrier:
    """Return the carrier that was given: an object as it is, a name set up, None by `settings`.

    Raises
    ------
    SettingsError
        The name is not known, or that carrier cannot be set up.
    InputError
        The object is not a carrier; the message lists what is missing.
    """
    if isinstance(carrier, str) or carrier is None:
        return create(carrier or settings.carrier, settings)
    check(carrier)
    return carrier


def services_of(carrier: str | Carrier | None, settings: Settings) -> ServiceList:
    """Return the services of the carrier that was given, without setting it up."""
    if isinstance(carrier, str) or carrier is None:
        return plugin(carrier or settings.carrier).services
    return carrier.services


@cache
def service_title(service: str, carrier: str = "") -> str:
    """Return the name for people of a service in a plan or a job.

    Parameters
    ----------
    carrier
        The name of the carrier that it was planned with, where it is known. Otherwise the
        package's own carriers are asked. A code that no list has is its own title.
    """
    for name in (carrier, *_OWN) if carrier else _OWN:
        try:
            services = plugin(name).services
        except SettingsError:  # a job of a carrier that is no longer installed is still shown
            continue
        if service in services:
            return services.title_of(service)
    return service


def able(capability: str) -> list[str]:
    """Return the names of the carriers that declare a capability."""
    return [
        each.name
        for each in plugins()
        if isinstance(each, CarrierPlugin) and each.capabilities.__dict__[capability]
    ]


def demand_label_format(carrier: Carrier, label: LabelSpec) -> None:
    """Raise InputError when `carrier` does not deliver labels in the format of `label`."""
    formats = carrier.capabilities.label_formats
    if label.format not in formats:
        raise InputError(
            f"{carrier.services.title} does not deliver {label.format.value.upper()} labels.",
            fix=f"Use label_format={' or '.join(sorted(repr(f.value) for f in formats))}.",
        )


# -- entry points ----------------------------------------------------------------------------------


@cache
def _installed() -> dict[str, list[EntryPoint]]:
    """Return the entry points of installed packages by carrier name. Reads their metadata once."""
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name.strip().lower(), []).append(point)
    return found


def _loaded(name: str, points: list[EntryPoint]) -> CarrierPlugin:
    if len(points) > 1:
        raise SettingsError(
            f"The carrier {name!r} is declared by {' and by '.join(map(_package, points))}.",
            fix="Uninstall one of the two packages.",
        )
    [point] = points
    try:
        found = point.load()
    except Exception as error:
        raise SettingsError(
            f"The carrier {name!r} of {_package(point)} cannot be imported ({point.value}): "
            f"{type(error).__name__}: {error}.",
            fix="Install a version of that package that fits this shipkit, or uninstall it.",
        ) from error
    problem = _problem(name, found)
    if problem is not None:
        raise SettingsError(
            f"The carrier {name!r} of {_package(point)} cannot be used: {problem}.",
            fix="Its entry point must name a shipkit.carriers.plugin.CarrierPlugin.",
        )
    plugin: CarrierPlugin = found
    return plugin


def _problem(name: str, found: object) -> str | None:
    """Return why an object is not the plug-in that its entry point promises, None when it is."""
    if not isinstance(found, CarrierPlugin):
        return f"the entry point names {_shown(found)}, not a CarrierPlugin"
    if found.name != name:
        return f"the plug-in calls itself {found.name!r}"
    if found.services.carrier != name:
        return f"its services are those of {found.services.carrier!r}"
    return None


def _package(point: EntryPoint) -> str:
    return f"the package {point.dist.name!r}" if point.dist else "an unknown package"


# -- objects ---------------------------------------------------------------------------------------


def _demand_carrier(carrier: object, what: str, error: type[InputError]) -> None:
    fix = (
        f"Pass a name ({', '.join(names())}) or an object with every member of "
        "shipkit.carriers.protocol.Carrier; docs/how-to/write-a-carrier.md shows one."
    )
    if inspect.isclass(carrier):
        raise error(f"{what} is a class, not a carrier: it has to be called first.", fix=fix)
    members = set(dir(carrier))
    missing = [name for name in REQUIRED if name not in members]
    if missing:
        raise error(f"{what} is not a carrier: it has no {', '.join(missing)}.", fix=fix)
    values: Any = carrier
    wrong = [
        f"{name} is not a {kind.__name__}"
        for name, value, kind in (
            ("identity", values.identity, CarrierIdentity),
            ("services", values.services, ServiceList),
            ("capabilities", values.capabilities, Capabilities),
            ("pace", values.pace, Pace),
        )
        if not isinstance(value, kind)
    ]
    if wrong:
        raise error(f"{what} is not a carrier: {'; '.join(wrong)}.", fix=fix)
    _demand_capabilities(values, members, what, error)


def _demand_capabilities(
    carrier: Carrier, members: set[str], what: str, error: type[InputError]
) -> None:
    """Refuse a carrier that declares what it does not have, or what shipkit cannot run."""
    declared = carrier.capabilities
    known = {leaf.name for leaf in OPTIONS}.union(FURTHER_OPTIONS)
    if unknown := sorted(declared.options - known):
        close = get_close_matches(unknown[0], known, n=1)
        raise error(
            f"{what} declares the option {unknown[0]!r}, which no shipment has.",
            fix=f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(sorted(known))}.",
        )
    promised = [name for name in OPTIONAL if declared.__dict__[name] and name not in members]
    if declared.recovery in PREPARED and "prepare" not in members:
        promised.append("prepare")
    if promised:
        raise error(
            f"{what} declares {', '.join(promised)} and has no method of that name.",
            fix="Write the method, or leave the capability out.",
        )
    if declared.recovery not in SETTLED:
        # A lost answer would be settled in a way that this carrier does not promise: it could pay
        # twice.
        raise error(
            f"{what} settles lost answers by {declared.recovery!r}; this version of shipkit only "
            f"runs {' and '.join(map(repr, sorted(SETTLED)))}.",
            fix="Use a carrier that finds a shipment by our reference or by an id of its own.",
        )


def _shown(value: object) -> str:
    return f"{value.__name__}" if inspect.isclass(value) else f"<{type(value).__name__} object>"
