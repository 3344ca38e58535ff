"""The shape of a shipment is declared once; everything else is derived from it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from shipkit.fingerprints import address_json, digest
from shipkit.models import Address, Shipment
from shipkit.orders.heading_words import headings_of
from shipkit.schema import (
    EDITABLE,
    FLAT,
    OPTIONS,
    OWN,
    RETURN_OF,
    SHIPMENTS,
    complete,
    shipment_from_row,
)

FIRST_RELEASE = [
    "row_number",
    "row_numbers",
    "source_file",
    "order_id",
    "name",
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
    "ship_from",
    "service",
    "parcels",
    "ship_date",
    "references",
    "description",
    "signature",
    "saturday_delivery",
    "is_return",
    "currency",
    "customs",
]
ROW = {
    "row_number": 1,
    "row_numbers": [1],
    "name": "Ada Lee",
    "address_line1": "1 Main St",
    "city": "Austin",
    "state": "TX",
    "postal_code": "78701",
    "country": "US",
    "service": "ground",
    "parcels": [{"weight_lb": 2.0, "packaging": "package"}],
    "references": [{"key": "po", "value": "7"}],
    "signature": "none",
    "saturday_delivery": False,
    "is_return": False,
    "currency": "USD",
}


def of_the_first_release(row: dict) -> pa.Table:
    return pa.Table.from_pylist(
        [row], schema=pa.schema([SHIPMENTS.field(n) for n in FIRST_RELEASE])
    )


def test_the_columns_of_the_first_release_stand_first_and_later_ones_follow():
    later = [leaf.column for leaf in OWN if leaf.spec.since > 1]
    assert SHIPMENTS.names == [*FIRST_RELEASE, *later, RETURN_OF]


def test_a_plan_without_later_fields_keeps_the_digest_that_the_first_release_gave_it():
    """The job id is made from it: another digest would buy the orders of an old job again."""
    old = of_the_first_release(ROW)
    made_by_the_first_release = "ace3882486e2937a03cd9046202136bb9b468ed4eadf3386c686274e0b46229c"
    assert digest(old) == made_by_the_first_release
    assert digest(complete(old)) == made_by_the_first_release
    unset = pa.Table.from_pylist([ROW | {"direct_delivery_only": False}], schema=SHIPMENTS)
    assert digest(unset) == made_by_the_first_release


def test_a_later_field_that_a_row_fills_is_part_of_the_digest():
    filled = pa.Table.from_pylist([ROW | {"direct_delivery_only": True}], schema=SHIPMENTS)
    assert digest(filled) != digest(of_the_first_release(ROW))


def test_a_plan_of_the_first_release_is_completed_with_nulls():
    whole = complete(of_the_first_release(ROW))
    assert whole.schema == SHIPMENTS
    assert whole.column("direct_delivery_only").null_count == 1
    assert whole.select(FIRST_RELEASE).equals(of_the_first_release(ROW))


def test_structs_grow_with_nulls_too():
    short = pa.struct(list(SHIPMENTS.field("parcels").type.value_type)[:2])
    column = pa.array([[{"weight_lb": 2.0, "length_in": 4.0}], None, []], pa.list_(short))
    old = pa.table({"parcels": column})
    parcels = complete(old).column("parcels").to_pylist()
    assert parcels[0][0]["weight_lb"] == 2.0
    assert parcels[0][0]["packaging"] is None
    assert parcels[1:] == [None, []]


def test_a_row_of_the_first_release_is_a_shipment_with_the_defaults_of_later_fields():
    row = of_the_first_release(ROW).to_pylist()[0]
    assert shipment_from_row(row).direct_delivery_only is False


def test_every_value_of_a_shipment_has_a_spec():
    """Only what has parts of its own has none."""
    nested = {"ship_to", "ship_from", "parcels", "references", "customs"}
    named = {leaf.name for leaf in FLAT} | nested
    assert set(Shipment.model_fields) <= named


def test_the_json_of_an_address_is_what_fingerprints_of_the_first_release_contain():
    address = Address(name="Dana", city="San Antonio", postal_code="78205")
    assert address_json(address) == (
        '{"name":"Dana","company":null,"phone":null,"email":null,"address_line1":null,'
        '"address_line2":null,"address_line3":null,"city":"San Antonio","state":null,'
        '"postal_code":"78205","country":"US","residential":null}'
    )


@pytest.mark.parametrize("leaf", OPTIONS, ids=lambda leaf: leaf.name)
def test_an_option_can_be_edited_and_has_headings(leaf):
    assert leaf in EDITABLE
    assert headings_of(leaf), f"add [{leaf.flat}] to shipkit/orders/data/words/options.toml"


def test_the_docs_of_templates_list_every_field_of_a_shipment():
    page = Path(__file__).parents[2] / "docs" / "reference" / "mapping.md"
    text = page.read_text(encoding="utf-8").split("\n## Templates\n")[1].split("```")[0]
    missing = [name for name in Shipment.model_fields if f"`{name}`" not in text]
    assert not missing, f"add to the first paragraph of Templates in {page.name}: {missing}"
