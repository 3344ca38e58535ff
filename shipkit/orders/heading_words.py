"""The words that headings of orders are made of: spellings, parties, and phrases for each role.

Phrases are in lower case, as :func:`shipkit.orders.fields.phrase` writes a heading. Where a role
has several groups of phrases, a column from an earlier group goes before one from a later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shipkit.orders.units import LENGTHS, WEIGHTS
from shipkit.schema import FLAT

__all__ = [
    "ALONE_IS_A_NAME",
    "BUYER",
    "BY_ADDRESS_PHRASE",
    "BY_PHRASE",
    "DROPPED",
    "OTHERS",
    "RECIPIENT",
    "SPELLINGS",
    "TEXT_ENDINGS",
    "UNITS",
    "WEIGHT_UNITS",
]

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
SPELLINGS: Final = {word: whole.split() for word, whole in _GLUED.items()}
"""Word -> the words that it stands for."""
DROPPED: Final = frozenset({"required", "req", "optional"})
"""Words that say nothing about the meaning of a column."""

UNITS: Final = {**WEIGHTS.words, **LENGTHS.words}
"""Word at the end of a heading -> unit."""

WEIGHT_UNITS: Final = frozenset(WEIGHTS.to_base)

RECIPIENT: Final = (
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
BUYER: Final = ("buyer", "customer", "client", "cust")
"""A buyer may send the goods to someone else, so these go last."""
OTHERS: Final = frozenset(
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
"""A heading with one of these words is about another party or thing, never the recipient."""

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
ALONE_IS_A_NAME: Final = frozenset({"recipient", "consignee", "receiver", "ship to", "deliver to"})
"""Headings that name a party and nothing else: the name of the recipient."""

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


BY_PHRASE: Final = _index(_PHRASES)
BY_ADDRESS_PHRASE: Final = _index(_ADDRESS_PHRASES)
"""Phrase -> role, and the place of its group. Addresses belong to a party, the others do not."""

TEXT_ENDINGS: Final = frozenset(
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
"""Last words of headings whose columns are text, whatever digits they hold."""
