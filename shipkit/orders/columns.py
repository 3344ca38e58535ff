"""The columns of orders: their keys, their roles, and the kind of values that a role has."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shipkit.orders.quantity_headings import QUANTITIES
from shipkit.schema import FLAT, NUMBER_OF_PARCELS

__all__ = [
    "ADDRESS_ROLES",
    "KIND",
    "PLACE_ROLES",
    "SYSTEM_COLUMNS",
    "WEIGHT_PARTS",
    "Column",
    "keys",
]

SYSTEM_COLUMNS = ("row_number", "row_numbers", "source_file", "order_row", "rowid")
"""Columns that every relation has. A heading with one of these names gets a key with a number."""


_VALUES = {"date": "date", "flag": "flag", "amount": "amount", "count": "number"}
"""Kind of a field -> the kind of its column's values, where that is not text."""


WEIGHT_PARTS: Mapping[str, str] = {"weight": "weight_part", "item_weight": "item_weight_part"}
"""Role of a weight -> the role of a second column that is added to it: ounces next to pounds."""


KIND: Mapping[str, str] = {
    **{
        leaf.name: _VALUES.get(leaf.spec.kind, "text")
        for leaf in FLAT
        if leaf.spec.kind not in ("weight", "length") and leaf.flat == leaf.name
    },
    **dict.fromkeys(
        (
            "first_name",
            "middle_name",
            "last_name",
            "other_phone",
            "house_number",
            "house_number_addition",
            "city_state_zip",
            "zip_plus_4",
            "weight_unit",
            "dimension_unit",
            "dimensions",
            "sku",
            "item_name",
            "hs_code",
            "origin_country",
            "customs_reason",
            "customs_terms",
            "customs_invoice_number",
        ),
        "text",
    ),
    NUMBER_OF_PARCELS.name: "text",  # "1 of 3" is no number, and not passed over
    **dict.fromkeys(("weight", "item_weight", "length", "width", "height"), "number"),
    **dict.fromkeys(WEIGHT_PARTS.values(), "number"),
    **dict.fromkeys(QUANTITIES.values(), "number"),
    "order_date": "date",
    **dict.fromkeys(("order_total", "shipping_amount", "tax_amount", "item_price"), "amount"),
    "requires_shipping": "flag",
}
"""Role -> the kind of its values. Text is never read as a number; other kinds always get a type."""


ADDRESS_ROLES = (
    "name",
    "first_name",
    "middle_name",
    "last_name",
    "company",
    "phone",
    "other_phone",
    "email",
    "address_line1",
    "address_line2",
    "address_line3",
    "house_number",
    "house_number_addition",
    "city",
    "state",
    "postal_code",
    "city_state_zip",
    "zip_plus_4",
    "country",
    "residential",
)
"""Roles that belong to a party, so that "Billing Zip" is not the recipient's."""


PLACE_ROLES = (
    "address_line1",
    "address_line2",
    "address_line3",
    "house_number",
    "house_number_addition",
    "city",
    "state",
    "postal_code",
    "city_state_zip",
    "country",
)
"""Roles of the place of an address, whose columns are next to each other in most files."""


@dataclass(frozen=True)
class Column:
    """A column of the loaded orders.

    Parameters
    ----------
    name
        Its heading.
    key
        Its name in SQL and in templates.
    type
        Its DuckDB type.
    role, unit
        What its heading means, when that was recognised, and the unit of its numbers.
    own_units
        Whether its cells name their units: its numbers are in `unit`, whatever a person says.
    names_units
        Whether cells name their units, also next to a column of units.
    explained
        What a line under the headings says about it: "Package weight."
    """

    name: str
    key: str
    type: str
    role: str | None = None
    unit: str | None = None
    own_units: bool = False
    names_units: bool = False
    explained: str = ""

    def unit_or(self, named: str | None) -> str | None:
        """Return the unit of its numbers, where a person or a layout named one, or None."""
        return self.unit if self.own_units else named or self.unit


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


def _snake(heading: str) -> str:
    # Python reads names in this form, and "½" is a letter of words but of no name.
    heading = unicodedata.normalize("NFKC", heading.strip())
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", heading)
    key = re.sub(r"[\W_]+", "_", spaced).strip("_").lower()
    if not key.isascii():
        key = "".join(sign for sign in key if f"_{sign}".isidentifier())
    return key if not key or key.isidentifier() else f"column_{key}"
