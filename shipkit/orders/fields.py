"""What a column heading means: careful recognition by whole words, never by a piece of one.

A heading is cut into words ("ShipToZip", "ship-to zip" and "Ship To Zip" are the same three), the
party ("ship to", "billing") and the unit ("oz") are taken off, and what is left must be a known
phrase as a whole. So ``statement`` is not a state and ``order_total`` is not an order number. Two
headings that fit one role equally well are ambiguous: a question for a person, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from shipkit.schema import FLAT

__all__ = [
    "ADDRESS_ROLES",
    "KIND",
    "SYSTEM_COLUMNS",
    "Column",
    "Match",
    "Recognition",
    "column_kinds",
    "keys",
    "phrase",
    "recognise",
]

SYSTEM_COLUMNS = ("row_number", "row_numbers", "source_file")
"""Columns that every relation has; a heading with such a name gets a number behind its key."""

_VALUES = {"date": "date", "flag": "flag", "amount": "amount", "count": "number"}
"""Kind of a field -> the kind of its column's values, where that is not text."""

KIND: Mapping[str, str] = {
    **{
        leaf.name: _VALUES.get(leaf.spec.kind, "text")
        for leaf in FLAT
        if leaf.spec.kind not in ("weight", "length") and leaf.flat == leaf.name
    },
    **dict.fromkeys(
        (
            "first_name",
            "last_name",
            "weight_unit",
            "dimension_unit",
            "sku",
            "item_name",
            "hs_code",
            "origin_country",
        ),
        "text",
    ),
    **dict.fromkeys(("weight", "item_weight", "length", "width", "height", "quantity"), "number"),
    "order_date": "date",
    **dict.fromkeys(("order_total", "shipping_amount", "tax_amount", "item_price"), "amount"),
    "requires_shipping": "flag",
}
"""Role -> the kind of its values. Text is never read as a number; other kinds always get a type."""

ADDRESS_ROLES = (
    "name",
    "first_name",
    "last_name",
    "company",
    "phone",
    "email",
    "address_line1",
    "address_line2",
    "address_line3",
    "city",
    "state",
    "postal_code",
    "country",
    "residential",
)
"""Roles that belong to a party, so that "Billing Zip" is not the recipient's."""

_PLACE_ROLES = (
    "address_line1",
    "address_line2",
    "address_line3",
    "city",
    "state",
    "postal_code",
    "country",
)


@dataclass(frozen=True)
class Column:
    """A column of the loaded orders: its heading, its key in SQL and templates, its DuckDB type, and what it means."""

    name: str
    key: str
    type: str
    role: str | None = None
    unit: str | None = None


@dataclass(frozen=True)
class Match:
    """One heading that was recognised. `index` is its place among the headings."""

    role: str
    name: str
    key: str
    unit: str | None = None
    index: int = 0
    party: int = 1
    """0: the heading names the recipient; 1: nobody; 2: the buyer."""


@dataclass(frozen=True)
class Recognition:
    """What the headings mean: one column for each role, and the roles that need a person's word."""

    roles: Mapping[str, Match] = field(default_factory=dict)
    ambiguous: Mapping[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Candidate:
    match: Match
    party: int  # 0 the recipient by name, 1 nobody named, 2 the buyer
    tier: int  # place of the phrase in the role's list


def keys(headings: Sequence[str]) -> list[str]:
    """Return a unique snake_case key for each heading.

    Examples
    --------
    >>> keys(["Ship City", "ShipCity", "Order #", ""])
    ['ship_city', 'ship_city_2', 'order', 'column_4']
    """
    taken: set[str] = set(SYSTEM_COLUMNS)
    made = []
    for place, heading in enumerate(headings, start=1):
        base = _snake(heading) or f"column_{place}"
        key, count = base, 1
        while key in taken:
            count += 1
            key = f"{base}_{count}"
        taken.add(key)
        made.append(key)
    return made


def recognise(headings: Sequence[str]) -> Recognition:
    """Return what the headings mean: a match for each role found, and the roles that two headings fit equally.

    Examples
    --------
    >>> found = recognise(["Order ID", "Ship Zip", "Billing Zip", "Weight (oz)", "statement"])
    >>> {role: (match.name, match.unit) for role, match in found.roles.items()}
    {'order_id': ('Order ID', None), 'postal_code': ('Ship Zip', None), 'weight': ('Weight (oz)',
    'oz')}
    >>> dict(recognise(["Zip", "Postal Code"]).ambiguous)
    {'postal_code': ['Zip', 'Postal Code']}
    """
    candidates: dict[str, list[_Candidate]] = {}
    for index, (heading, key) in enumerate(zip(headings, keys(headings), strict=True)):
        found = _read(heading, key, index)
        if found is not None:
            candidates.setdefault(found.match.role, []).append(found)
    _one_address(candidates)
    roles: dict[str, Match] = {}
    ambiguous: dict[str, list[str]] = {}
    for role, group in candidates.items():
        best = min((c.party, c.tier) for c in group)
        first = [c.match for c in group if (c.party, c.tier) == best]
        if len(first) == 1:
            roles[role] = first[0]
        else:
            ambiguous[role] = [match.name for match in first]
    return Recognition(roles, ambiguous)


def column_kinds(headings: Sequence[str]) -> list[str | None]:
    """Return the kind of each column by its heading alone ("text", "number", "date", "amount", "flag"), or None for no opinion.

    Also knows columns that play no part in a shipment: "Billing Zip", "SKU" and "Transaction ID"
    are text whatever they hold.

    Examples
    --------
    >>> column_kinds(["Billing Zip", "Weight", "Transaction ID", "Number of Items", "statement"])
    ['text', 'number', 'text', None, None]
    """
    return [_kind(heading) for heading in headings]


def phrase(heading: str) -> str:
    """Return a heading as lower-case words with one space between: what two spellings have in common."""
    return " ".join(_words(heading))


_GLUED = {
    "shipto": "ship to",
    "billto": "bill to",
    "shipfrom": "ship from",
    "soldto": "sold to",
    "zipcode": "zip code",
    "postcode": "post code",
    "postalcode": "postal code",
    "pincode": "pin code",
    "addr": "address",
    "addressline": "address line",
    "streetaddress": "street address",
    "firstname": "first name",
    "lastname": "last name",
    "fullname": "full name",
    "companyname": "company name",
    "phonenumber": "phone number",
    "orderid": "order id",
    "ordernumber": "order number",
    "orderno": "order no",
    "orderdate": "order date",
    "countrycode": "country code",
    "statecode": "state code",
    "shipdate": "ship date",
    "shipmethod": "ship method",
    "shipvia": "ship via",
    "servicelevel": "service level",
    "servicetype": "service type",
    "servicecode": "service code",
    "weightlb": "weight lb",
    "weightlbs": "weight lb",
    "weightoz": "weight oz",
    "weightkg": "weight kg",
    "num": "number",
    "nr": "number",
}
_SPELLINGS = {word: whole.split() for word, whole in _GLUED.items()}
_DROPPED = frozenset({"required", "req", "optional"})

_UNITS = {
    "lb": "lb",
    "lbs": "lb",
    "pound": "lb",
    "pounds": "lb",
    "oz": "oz",
    "ounce": "oz",
    "ounces": "oz",
    "kg": "kg",
    "kgs": "kg",
    "kilo": "kg",
    "kilos": "kg",
    "kilogram": "kg",
    "kilograms": "kg",
    "g": "g",
    "gr": "g",
    "gram": "g",
    "grams": "g",
    "in": "in",
    "inch": "in",
    "inches": "in",
    "cm": "cm",
    "cms": "cm",
    "centimeter": "cm",
    "centimeters": "cm",
    "centimetres": "cm",
    "mm": "mm",
    "millimeters": "mm",
    "ft": "ft",
    "feet": "ft",
    "m": "m",
    "meters": "m",
    "metres": "m",
}
_WEIGHT_UNITS = frozenset({"lb", "oz", "kg", "g"})

_RECIPIENT = (
    "ship to",
    "deliver to",
    "send to",
    "post to",
    "shipping",
    "delivery",
    "recipient",
    "consignee",
    "receiver",
    "destination",
    "dest",
    "ship",
    "to",
)
_BUYER = ("buyer", "customer", "client", "cust")
_OTHERS = frozenset(
    {
        "billing",
        "bill",
        "sender",
        "from",
        "shipper",
        "origin",
        "return",
        "seller",
        "merchant",
        "store",
        "warehouse",
        "payer",
        "payment",
        "card",
        "invoice",
        "vendor",
        "supplier",
        "sold",
        "item",
        "lineitem",
        "product",
        "lot",
        "tax",
        "pickup",
        "alternate",
        "paypal",
        "bank",
        "user",
    }
)
"""A heading with one of these words is about somebody or something else: never the recipient."""

_ADDRESS_PHRASES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "name": (
        ("name", "full name", "contact name", "person name"),
        ("attention", "attn", "attention name", "contact", "contact person"),
    ),
    "first_name": (("first name", "given name", "forename"),),
    "last_name": (("last name", "surname", "family name"),),
    "company": (
        (
            "company",
            "company name",
            "organization",
            "organisation",
            "business name",
            "company org name",
        ),
    ),
    "phone": (
        (
            "phone",
            "phone number",
            "telephone",
            "telephone number",
            "tel",
            "phone no",
            "contact phone",
            "contact number",
        ),
        ("mobile", "cell", "cell phone", "mobile phone", "mobile number"),
    ),
    "email": (("email", "e mail", "email address", "contact email"),),
    "address_line1": (
        (
            "address 1",
            "address line 1",
            "street 1",
            "street address 1",
            "street line 1",
            "line 1",
            "street address line 1",
        ),
        (
            "street",
            "street address",
            "address",
            "address line",
            "address 1 2",
            "street name and number",
        ),
    ),
    "address_line2": (
        (
            "address 2",
            "address line 2",
            "street 2",
            "street address 2",
            "street line 2",
            "line 2",
            "street address line 2",
        ),
        ("apartment", "apt", "suite", "unit"),
    ),
    "address_line3": (
        (
            "address 3",
            "address line 3",
            "street 3",
            "street address 3",
            "street line 3",
            "line 3",
            "street address line 3",
        ),
    ),
    "city": (("city", "town", "city town", "town city", "locality", "city name"),),
    "state": (
        (
            "state",
            "province",
            "state province",
            "state or province",
            "province state",
            "state prov",
        ),
        ("state code", "province code", "state province code", "state abbreviation"),
        ("state name", "province name"),
        ("region", "region code"),
    ),
    "postal_code": (
        (
            "zip",
            "zip code",
            "post code",
            "postal code",
            "postal",
            "zip postal code",
            "postal zip code",
            "zip postal",
            "zip or postal code",
            "postal code zip",
            "pin code",
        ),
    ),
    "country": (
        ("country", "country territory", "country region"),
        ("country code", "country iso", "country iso 2"),
        ("country name",),
    ),
    "residential": (
        (
            "residential",
            "is residential",
            "residential flag",
            "residential indicator",
            "residential address",
            "residence",
        ),
        ("address type",),
    ),
}
_ALONE_IS_A_NAME = frozenset({"recipient", "consignee", "receiver", "ship to", "deliver to"})

_WEIGHT_WORDS = (
    "weight",
    "wt",
    "package weight",
    "parcel weight",
    "box weight",
    "total weight",
    "gross weight",
    "shipping weight",
    "ship weight",
    "shipment weight",
    "order weight",
    "actual weight",
    "package wt",
    "carton weight",
)

_PHRASES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "order_id": (
        (
            "order id",
            "order number",
            "order no",
            "order reference",
            "order name",
            "sales order",
            "sales order number",
            "sales order id",
        ),
        ("order", "order ref", "orders"),
    ),
    "order_date": (
        ("order date", "order placed", "ordered at", "date ordered", "purchase date", "sale date"),
        ("created at", "date", "order created"),
        ("paid at", "date paid"),
    ),
    "ship_date": (
        (
            "ship date",
            "shipping date",
            "planned ship date",
            "date to ship",
            "shipment date",
            "requested ship date",
        ),
    ),
    "service": (
        (
            "service",
            "service level",
            "service type",
            "service code",
            "service name",
            "ship service",
            "ship service level",
            "shipping service",
            "shipping service level",
            "ship method",
            "shipping method",
            "ship mode",
            "shipping mode",
            "ship via",
            "delivery method",
            "delivery service",
            "carrier service",
            "ups service",
            "ups service type",
            "requested service",
            "shipment service",
            "shipping speed",
            "delivery speed",
            "ship speed",
            "shipping class",
            "ship class",
            "delivery mode",
            "mail class",
            "shipment service level",
        ),
    ),
    "weight": (_WEIGHT_WORDS,),
    "item_weight": (
        (
            "item weight",
            "unit weight",
            "item unit weight",
            "lineitem weight",
            "line item weight",
            "product weight",
            "variant weight",
            "weight each",
            "weight per unit",
        ),
    ),
    "weight_unit": (
        ("weight unit", "weight units", "weight uom", "unit of weight", "weight unit of measure"),
    ),
    "dimension_unit": (
        (
            "dimension unit",
            "dimensions unit",
            "dimension units",
            "dim unit",
            "dim units",
            "length unit",
            "dimension uom",
            "dim uom",
        ),
    ),
    "length": (("length", "package length", "parcel length", "box length", "pkg length"),),
    "width": (("width", "package width", "parcel width", "box width", "pkg width"),),
    "height": (("height", "package height", "parcel height", "box height", "pkg height"),),
    "description": (
        (
            "package contents",
            "contents description",
            "shipment description",
            "description of goods",
            "goods description",
        ),
        ("contents",),
    ),
    "quantity": (
        (
            "quantity",
            "qty",
            "lineitem quantity",
            "line item quantity",
            "item quantity",
            "quantity purchased",
            "item qty",
        ),
    ),
    "sku": (("sku", "lineitem sku", "line item sku", "item sku", "product sku"),),
    "item_name": (
        (
            "lineitem name",
            "line item name",
            "item name",
            "product name",
            "item title",
            "product title",
            "item description",
            "product description",
        ),
        ("item", "product"),
    ),
    "item_price": (
        (
            "lineitem price",
            "line item price",
            "item price",
            "unit price",
            "price",
            "item cost",
            "unit value",
            "unit cost",
            "price each",
            "value each",
        ),
    ),
    "hs_code": (
        (
            "hs code",
            "hs tariff",
            "hs tariff number",
            "hs number",
            "tariff code",
            "tariff number",
            "harmonized code",
            "harmonized system code",
            "commodity code",
            "customs tariff number",
            "hts code",
            "hts",
        ),
    ),
    "origin_country": (
        (
            "country of origin",
            "origin country",
            "country of manufacture",
            "customs country of origin",
            "made in",
        ),
    ),
    "requires_shipping": (("lineitem requires shipping", "requires shipping"),),
    "order_total": (
        (
            "order total",
            "total",
            "grand total",
            "total price",
            "order amount",
            "order total amount",
            "total amount",
        ),
        ("order value",),
    ),
    "shipping_amount": (
        (
            "shipping",
            "shipping price",
            "shipping amount",
            "shipping cost",
            "shipping and handling",
            "shipping paid",
            "order shipping amount",
            "delivery cost",
            "postage",
        ),
    ),
    "tax_amount": (("tax", "taxes", "sales tax", "tax amount", "order tax amount", "item tax"),),
    "currency": (("currency", "currency code"),),
    **{leaf.name: (leaf.spec.headings,) for leaf in FLAT if leaf.spec.headings},
}


def _index(table: Mapping[str, tuple[tuple[str, ...], ...]]) -> dict[str, tuple[str, int]]:
    return {
        words: (role, tier)
        for role, tiers in table.items()
        for tier, group in enumerate(tiers)
        for words in group
    }


_BY_PHRASE = _index(_PHRASES)
_BY_ADDRESS_PHRASE = _index(_ADDRESS_PHRASES)
_TEXT_ENDINGS = frozenset(
    {
        "id",
        "number",
        "no",
        "code",
        "sku",
        "barcode",
        "upc",
        "ean",
        "asin",
        "zip",
        "phone",
        "tracking",
        "account",
        "serial",
        "reference",
        "ref",
        "imei",
    }
)


def _words(heading: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", heading.strip())
    spaced = spaced.replace("#", " number ")
    words = re.findall(r"[^\W\d_]+|\d+", spaced.lower())
    return [part for word in words for part in _SPELLINGS.get(word, [word]) if part not in _DROPPED]


def _snake(heading: str) -> str:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", heading.strip())
    key = re.sub(r"[\W_]+", "_", spaced).strip("_").lower()
    return f"column_{key}" if key[:1].isdigit() else key


def _read(heading: str, key: str, index: int) -> _Candidate | None:
    """Return what one heading may be, or None."""
    words = _words(heading)
    whole = " ".join(words)
    if whole in _BY_PHRASE:
        role, tier = _BY_PHRASE[whole]
        return _Candidate(Match(role, heading, key, None, index), 1, tier)
    measured = _measure(words)
    if measured is not None:
        role, tier, unit = measured
        return _Candidate(Match(role, heading, key, unit, index), 1, tier)
    addressed = _address(words)
    if addressed is not None:
        role, party, tier = addressed
        return _Candidate(Match(role, heading, key, None, index, party), party, tier)
    return None


def _measure(words: list[str]) -> tuple[str, int, str] | None:
    """Return role, tier and unit of a heading that ends in a unit: "Weight (oz)", "length in cm", "Grams"."""
    if not words or words[-1] not in _UNITS:
        return None
    unit = _UNITS[words[-1]]
    if len(words) == 1 and words[0] in {"lbs", "ounces", "grams", "kilograms"}:
        return "weight", 1, unit
    rest = words[:-1]
    if rest and rest[-1] == "in":  # "weight in oz"
        rest = rest[:-1]
    role, tier = _BY_PHRASE.get(" ".join(rest), ("", 0))
    fits = unit in _WEIGHT_UNITS if role in {"weight", "item_weight"} else unit not in _WEIGHT_UNITS
    return (
        (role, tier, unit)
        if role in {"weight", "item_weight", "length", "width", "height"} and fits
        else None
    )


def _address(words: list[str]) -> tuple[str, int, int] | None:
    """Return role, party and tier of a heading about a person or place."""
    if _OTHERS.intersection(words):
        return None
    if " ".join(words) in _ALONE_IS_A_NAME:
        return "name", 0, 1
    for party, names in ((0, _RECIPIENT), (2, _BUYER)):
        for name in names:
            rest = _without(words, name.split())
            if rest is not None:
                found = _place(rest)
                return (found[0], party, found[1]) if found else None
    found = _place(words)
    return (found[0], 1, found[1]) if found else None


def _without(words: list[str], party: list[str]) -> list[str] | None:
    """Return `words` without `party` at their beginning or end, or None when it stands at neither."""
    size = len(party)
    if words[:size] == party:
        return words[size:]
    if words[-size:] == party:
        return words[:-size]
    return None


def _place(words: list[str]) -> tuple[str, int] | None:
    found = _BY_ADDRESS_PHRASE.get(" ".join(words))
    if found is None and words[:1] == ["address"]:  # "Shipping Address City"
        found = _BY_ADDRESS_PHRASE.get(" ".join(words[1:]))
    return found


def _one_address(candidates: dict[str, list[_Candidate]]) -> None:
    """Keep the parts of an address together: line 2 of the buyer never joins line 1 of the recipient.

    Where two parties both name a street, city or postal code, the less preferred one is another
    address, and none of its parts is used.
    """
    parties = {
        role: {c.party for c in group} for role, group in candidates.items() if role in _PLACE_ROLES
    }
    others: set[int] = set()
    for found in parties.values():
        others |= {party for party in found if party > min(found)}
    if any(0 in found or 1 in found for found in parties.values()):
        others.add(2)
    for role in parties:
        kept = [c for c in candidates[role] if c.party not in others]
        if kept:
            candidates[role] = kept
        else:
            del candidates[role]


def _kind(heading: str) -> str | None:
    words = _words(heading)
    read = _read(heading, "", 0)
    if read is not None:
        return KIND[read.match.role]
    bare = _about_a_place(words)
    if bare is not None:
        return KIND[bare]
    if words and words[-1] in _TEXT_ENDINGS:
        return "text"
    return None


def _about_a_place(words: Iterable[str]) -> str | None:
    """Return the address role of a heading whoever it belongs to ("Billing Zip", "Sender Phone")."""
    left = [word for word in words if word not in _OTHERS]
    found = _address(left) if left else None
    return found[0] if found else None
