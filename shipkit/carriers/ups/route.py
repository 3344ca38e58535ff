"""Sender, recipient, and what the route between them means at UPS.

A route is domestic or not, crosses customs or not, and has services that run on it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from shipkit.carriers.row_refusal import refuse
from shipkit.carriers.ups.measures import Measures, measures_of
from shipkit.carriers.ups.service_level import SERVICES, ServiceLevel
from shipkit.carriers.ups.text import clean, cut, phone, postal_code, street
from shipkit.common.customs_borders import EU, is_customs_border
from shipkit.common.us_areas import AREAS
from shipkit.models import Address, Shipment

__all__ = [
    "EU",
    "Party",
    "Route",
    "demand_a_service_that_runs",
    "demand_contacts",
    "demand_description",
    "demand_own_country",
    "latin",
    "place",
    "route_of",
]

_LIMITS: Final = SERVICES.limits
_NAME: Final = _LIMITS.name or 35
_CITY: Final = _LIMITS.city or 30
_US_PR = frozenset({"US", "PR"})
_TERRITORIES = frozenset({"PR", *AREAS})
"""States in US mail, countries at UPS: territories, and the freely associated states."""
_STATE = re.compile("[A-Z0-9]{1,5}")
"""StateProvinceCode of Shipping.yaml. A name that is longer is left out: no country but the US and
Canada is sorted by it."""
_STATE_WANTED = frozenset({"US", "CA", "PR"})
_ZIP_WANTED = frozenset({"US", "CA", "PR"})
_NO_ZIP_LENGTH = frozenset({5, 9})

_US_ONLY = frozenset(each.code for each in SERVICES if each.reach == "domestic")
_NOT_FROM_CANADA = frozenset(
    each.code for each in SERVICES if not each.facts.get("from_canada", True)
)
_ABROAD_ONLY = frozenset(each.code for each in SERVICES if each.reach == "abroad")
_WITHIN_CANADA: Final = "standard, expedited, express_saver, express or express_early"
_NOT_WITHIN_CANADA = frozenset(
    each.code for each in SERVICES if not each.facts.get("within_canada", True)
)


def latin(text: str, field: str) -> str:
    """Return cleaned `text`, which UPS must be able to print; raises CarrierRejected otherwise."""
    if not text.isascii() and any(char > "\xff" for char in text):
        raise refuse(field, "UPS only prints Latin letters.", "Write it in Latin letters.")
    return text


@dataclass(frozen=True, repr=False)
class Party:
    """One end of a route, in the form and lengths of UPS."""

    field: str
    name: str
    contact: str
    number: tuple[str, str] | None
    lines: tuple[str, ...]
    city: str
    state: str
    postal_code: str
    country: str
    residential: bool

    @classmethod
    def of(cls, address: Address, field: str) -> Party:
        """Return `address` as UPS prints it.

        Raises
        ------
        CarrierRejected
            A part is missing or cannot be printed.
        """
        country, state = place(address)
        lines = street(address.lines, american=country in _US_PR)
        if lines is None:
            raise refuse(
                f"{field}.address_line1",
                f"the street does not fit three lines of {_LIMITS.address_line} characters. UPS "
                "prints the last line first, so a street is not cut between two words.",
                "Shorten it, or write what is not the street (a suite, a building) in a line of "
                "its own: session.edit(clause, address_line1=..., address_line2=...). Or cut it in "
                "a template: {{ row.address | truncate_address }}.",
            )
        company, person = clean(address.company), clean(address.name)
        party = cls(
            field=field,
            name=cut(company or person, _NAME),
            contact=cut(person or company, _NAME),
            number=phone(address.phone, country),
            lines=tuple(lines),
            city=clean(address.city),
            state=state,
            postal_code=postal_code(address.postal_code),
            country=country,
            residential=bool(address.residential),
        )
        party._check_printed()
        return party

    def _check_printed(self) -> None:
        for name, value in (
            ("name", self.name),
            ("address_line1", "".join(self.lines)),
            ("city", self.city),
        ):
            if not value:
                raise refuse(
                    f"{self.field}.{name}", "UPS requires it, and it is empty.", f"Fill in {name}."
                )
        for name, value in (
            ("name", self.name),
            ("name", self.contact),
            ("address", " ".join(self.lines)),
            ("city", self.city),
        ):
            latin(value, f"{self.field}.{name}")
        if len(self.city) > _CITY:
            raise refuse(
                f"{self.field}.city",
                f"UPS accepts at most {_CITY} characters of a city.",
                "Shorten it.",
            )
        if self.country in _STATE_WANTED and not (
            len(self.state) == 2 and self.state.isascii() and self.state.isalpha()
        ):
            raise refuse(
                f"{self.field}.state",
                f"{self.state or 'nothing'!r} is not a two-letter state or province.",
                "Give the two-letter code.",
            )
        self._check_postal_code()

    def _check_postal_code(self) -> None:
        code, country = self.postal_code, self.country
        if country in _US_PR and not (code.isdigit() and len(code) in _NO_ZIP_LENGTH):
            raise refuse(
                f"{self.field}.postal_code",
                f"{code!r} is not a ZIP code of 5 or 9 digits.",
                "Correct it; leading zeros matter.",
            )
        if country == "CA" and not (
            len(code) == 6 and code[::2].isalpha() and code[1::2].isdigit()
        ):
            raise refuse(
                f"{self.field}.postal_code",
                f"{code!r} is not a Canadian postal code.",
                "Write it as A1A 1A1.",
            )
        if len(code) > 9:
            raise refuse(
                f"{self.field}.postal_code",
                f"{code!r} has more than nine characters.",
                "Correct it.",
            )

    def address(self, *, residential: bool = False) -> dict[str, Any]:
        """Return the address as Ship expects it."""
        found: dict[str, Any] = {
            "AddressLine": list(self.lines),
            "City": self.city,
            "CountryCode": self.country,
        }
        if _STATE.fullmatch(self.state):
            found["StateProvinceCode"] = self.state
        if self.postal_code:
            found["PostalCode"] = self.postal_code
        if residential and self.residential:
            found["ResidentialAddressIndicator"] = ""
        return found

    def shown(self, *, residential: bool = False) -> dict[str, Any]:
        """Return name, contact, phone and address as Ship expects them."""
        found: dict[str, Any] = {
            "Name": self.name,
            "AttentionName": self.contact,
            "Address": self.address(residential=residential),
        }
        if self.number:
            found["Phone"] = self.phone_number()
        return found

    def phone_number(self) -> dict[str, str]:
        """Return the phone as UPS expects it."""
        number, extension = self.number or ("", "")
        return {"Number": number, "Extension": extension} if extension else {"Number": number}

    def rated(self, *, residential: bool = False) -> dict[str, Any]:
        """Return the address as Rate expects it: no name, and a state of two characters or none."""
        address = self.address(residential=residential)
        if len(self.state) != 2:
            address.pop("StateProvinceCode", None)
        return {"Address": address}

    def timed(self, side: str) -> dict[str, str]:
        """Return the place as TimeInTransit expects it; `side` is ``origin`` or ``destination``."""
        found = {
            f"{side}CountryCode": self.country,
            f"{side}StateProvince": cut(self.state, 50),
            f"{side}CityName": self.city,
            f"{side}PostalCode": self.postal_code,
        }
        return {key: value for key, value in found.items() if value}


@dataclass(frozen=True, repr=False)
class Route:
    """The route of one shipment.

    `shipper` pays. `origin` is the same object unless the parcels leave from another place.
    """

    account: str
    shipper: Party
    origin: Party
    destination: Party

    @property
    def pair(self) -> tuple[str, str]:
        """Countries of origin and destination as UPS counts them: PR is one."""
        return self.origin.country, self.destination.country

    @property
    def measures(self) -> Measures:
        """The units of weight and length, which are those of the shipper's country."""
        return measures_of(self.shipper.country)

    @property
    def taxed(self) -> bool:
        """Whether the shipper's country may put a tax (GST, HST, VAT) on what UPS charges."""
        return self.shipper.country not in _US_PR

    @property
    def domestic(self) -> bool:
        """Within the US or within Puerto Rico: where references belong on packages."""
        return self.pair in {("US", "US"), ("PR", "PR")}

    @property
    def signature_on_package(self) -> bool:
        """Whether a signature is asked for on each package: within the US, PR and Canada."""
        return set(self.pair) <= _US_PR or self.pair == ("CA", "CA")

    @property
    def crosses_customs(self) -> bool:
        """Whether an invoice is needed: not within a country, between US and PR, or in the EU."""
        return is_customs_border(
            (self.origin.country, self.origin.postal_code),
            (self.destination.country, self.destination.postal_code),
        )

    def description(self, shipment: Shipment) -> str:
        """Return the description of goods: the shipment's, its customs items' or its parcels'."""
        items = shipment.customs.items if shipment.customs else ()
        for texts in (
            [shipment.description],
            [i.description for i in items],
            [p.description for p in shipment.parcels],
        ):
            known = dict.fromkeys(clean(text) for text in texts if text)
            found = cut(", ".join(filter(None, known)), 50)
            if found:
                return latin(found, "description")
        return ""


def route_of(shipment: Shipment, shipper: Address, account: str) -> Route:
    """Return the route of `shipment`, checked.

    A return label goes in the other direction: from the recipient to the place that the parcels
    left from, the shipper's or a warehouse.
    """
    payer = _payer(shipper)
    there = Party.of(shipment.ship_to, "ship_to")
    here = payer if shipment.ship_from is None else Party.of(shipment.ship_from, "ship_from")
    if shipment.is_return:
        return Route(account, payer, there, replace(here, residential=False))
    return Route(account, payer, here, there)


def demand_own_country(shipment: Shipment, shipper: Address) -> None:
    """Refuse parcels that leave from another country than the account's (120317)."""
    if shipment.ship_from is None or shipment.is_return:
        return
    start, home = shipment.ship_from.country, shipper.country
    if start != home and not {start, home} <= _US_PR:
        raise refuse(
            "ship_from.country",
            f"The parcels leave from {start}, and the UPS account is of {home}.",
            f"Ship with an account of {start}, or leave from {home}.",
        )


@lru_cache(maxsize=16)
def _payer(shipper: Address) -> Party:
    """Return the party that pays: read once for all shipments of a batch."""
    return Party.of(shipper, "shipper")


def demand_a_service_that_runs(route: Route, service: str) -> None:
    """Refuse a service that does not run on this route.

    A service is never replaced by another one: that would buy what was not approved.
    """
    origin, destination = route.pair
    if (
        service in _US_ONLY
        and not set(route.pair) <= _US_PR
        and not (origin == "CA" and service not in _NOT_FROM_CANADA)
    ):
        wanted = (
            _WITHIN_CANADA
            if route.pair == ("CA", "CA")
            else "standard or worldwide_saver"
            if origin == destination
            else "standard or worldwide_expedited"
            if {origin, destination} <= {"US", "CA", "MX"} or set(route.pair) <= EU
            else "worldwide_saver or worldwide_expedited"
        )
        raise refuse(
            "service",
            f"UPS {SERVICES.title_of(service)} does not run from {origin} to {destination}.",
            f"Choose {wanted}, by a service column or map(service=...).",
        )
    _demand_its_places(route, service)
    if route.pair == ("CA", "CA") and service in _NOT_WITHIN_CANADA:
        raise refuse(
            "service",
            f"UPS {SERVICES.title_of(service)} does not run within Canada.",
            f"Choose {_WITHIN_CANADA}.",
        )
    if service in _ABROAD_ONLY and route.pair == ("US", "US"):
        raise refuse(
            "service",
            f"UPS {SERVICES.title_of(service)} does not run within the US.",
            "Choose ground, 2nd_day_air or another domestic service.",
        )


def _demand_its_places(route: Route, service: str) -> None:
    """Refuse services of single countries elsewhere, and services for exports within a country."""
    facts, (origin, destination) = SERVICES.entry(service).facts, route.pair
    home = facts.get("only_within")
    runs = (
        origin == "CA" and (destination in {"CA", *facts.get("abroad_to", [destination])})
        if "abroad_wire" in facts
        else origin == destination and origin in home
        if home
        else origin != destination or not facts.get("export_only", False)
    )
    if not runs:
        raise refuse(
            "service",
            f"UPS {SERVICES.title_of(service)} does not run from {origin} to {destination}.",
            "session.shop() lists what UPS offers for this row.",
        )


def demand_description(route: Route, shipment: Shipment) -> None:
    """Refuse goods without a description, abroad where there is no customs: Standard needs none."""
    inside_eu = set(route.pair) <= EU and shipment.service == ServiceLevel.STANDARD
    wanted = (route.pair[0] != route.pair[1] and not inside_eu) or "AE" in route.pair
    if wanted and not route.crosses_customs and not route.description(shipment):
        raise refuse(
            "description",
            "UPS requires a description of the goods on this route.",
            'Give one: map(defaults={"description": "Books"}).',
        )


def demand_contacts(route: Route) -> None:
    """Refuse a route through customs without phones."""
    if not route.crosses_customs:
        return
    for party in (route.origin, route.destination, route.shipper):
        if not party.number:
            raise refuse(
                f"{party.field}.phone",
                "customs needs a phone number, and no usable one is given.",
                "Give it with its area code, digits only if in doubt.",
            )


def place(address: Address) -> tuple[str, str]:
    """Return country and state as UPS counts them: the state PR of US mail is a country there."""
    state = clean(address.state).upper().replace(".", "")
    country = state if address.country == "US" and state in _TERRITORIES else address.country
    return country, country if country == "PR" else state
