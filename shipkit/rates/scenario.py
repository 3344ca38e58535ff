"""Where orders are shipped from and how, beyond what they say themselves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from shipkit.carriers.ratecard import RateCard, TableZones
from shipkit.errors import InputError
from shipkit.models import Address
from shipkit.orders.mapping.setting_kinds import check_kinds
from shipkit.rates.reading import SANDBOX_ZIP
from shipkit.settings import Settings

__all__ = [
    "Boxes",
    "Origins",
    "Place",
    "Scenario",
    "day_of",
    "mapping_of",
    "named_origins",
    "place_of",
]

Place = str | Address | Mapping[str, Any]
Origins = Sequence[Place] | Mapping[str, Place]
Boxes = (
    Sequence[tuple[float, float, float]]
    | Mapping[tuple[float, float, float], tuple[float, float, float]]
)


@dataclass(frozen=True)
class Scenario:
    """How orders are shipped, beyond what they say themselves; see :func:`rate` for the fields."""

    as_of: dt.date | None = None
    origin: Place | None = None
    origins: Origins | None = None
    boxes: Boxes | None = None
    service: str | None = None


def place_of(card: RateCard, place: Place | None) -> Address:
    """Return the address that orders are shipped from. Raises InputError if it is unknown."""
    if place is not None:
        return _address_of(place)
    charted = _only_origin(card)
    if charted is not None:
        return Address(postal_code=charted)
    settings = Settings.read()
    known = list(settings.file.get("shippers", {}))
    if len(known) == 1:
        return settings.shipper(known[0])
    if card.is_synthetic:
        return Address(postal_code=SANDBOX_ZIP)
    raise InputError(
        "It is unknown where these orders are shipped from.",
        fix='Pass origin="78205" (a ZIP or an Address), or origins=[...] for several warehouses.',
    )


def _address_of(place: Place) -> Address:
    if isinstance(place, Address):
        return place
    if isinstance(place, Mapping):
        return Address(**place)
    if any(map(str.isdigit, place)):
        return Address(postal_code=place)
    return Settings.read().shipper(place)


def mapping_of(
    *,
    columns: Mapping[str, str] | None,
    services: Mapping[str, str] | None,
    defaults: Mapping[str, Any] | None,
    ignore: Sequence[str] | str | None,
    warehouses: Mapping[str, Place] | None,
) -> dict[str, Any]:
    """Return how columns are read, checked, and the same when it is given again."""
    given: dict[str, Any] = {
        "columns": columns,
        "services": services,
        "defaults": defaults,
        "ignore": ignore,
        "warehouses": warehouses,
    }
    check_kinds(**given)
    if ignore is not None:
        given["ignore"] = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    if warehouses is not None:
        given["warehouses"] = {name: _address_of(place) for name, place in warehouses.items()}
    return given


def named_origins(scenario: Scenario) -> Mapping[str, Place]:
    """Return the warehouses by name. Raises InputError if there are none, or also an origin."""
    origins = scenario.origins
    if not origins or scenario.origin is not None:
        raise InputError(
            "origins is empty, or combined with origin.",
            fix='Give one of the two: origin="78205", or origins=["78205", "08901"].',
        )
    if isinstance(origins, str | Address):  # a text is a sequence, too: of its letters
        raise InputError(
            f"origins={origins!r} is one place.", fix=f"Give a list: origins=[{origins!r}]."
        )
    return origins if isinstance(origins, Mapping) else {_label(place): place for place in origins}


def _only_origin(card: RateCard) -> str | None:
    """Return a ZIP3 of the chart's origins if all of them have the same zones, else None.

    UPS publishes one chart for several origin prefixes, which then share all zones. A card with
    more than 20 origins is for the whole country and has no single one.
    """
    if not isinstance(card.zones, TableZones):
        return None
    origins = [
        name for name in pc.unique(card.zones.table.column("origin")).to_pylist() if name.isdigit()
    ]
    charts = [
        {(r["destination"], r["service"], r["zone"]) for r in card.zones.rows([name]).to_pylist()}
        for name in origins[:20]
    ]
    return (
        origins[0]
        if origins and len(origins) <= len(charts) and all(chart == charts[0] for chart in charts)
        else None
    )


def day_of(day: dt.date | str | None) -> dt.date | None:
    """Return a day that may be text: 2026-11-29. Raises InputError for a text that is none."""
    if not isinstance(day, str):
        return day
    try:
        return dt.date.fromisoformat(day.strip())
    except ValueError:
        raise InputError(f"as_of={day!r} is not a date.", fix='Write it as "2026-12-28".') from None


def _label(place: Place) -> str:
    if isinstance(place, str):
        return place
    fields = place.model_dump() if isinstance(place, Address) else place
    return str(fields.get("company") or fields.get("name") or fields.get("postal_code"))
