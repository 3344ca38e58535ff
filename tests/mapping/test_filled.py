"""What no row fills is neither planned nor read, and the shipments are the same."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest
from stagekit import relations

import shipkit as sk
from shipkit.carriers.ups.service_level import SERVICES
from shipkit.common import kept_plans
from shipkit.orders.mapping import MappingSpec, from_template, map_rows
from shipkit.orders.normalize import normalize

ROWS = [
    {"City": "Boston", "Note": None, "Weight": "2 lb", "Count": 2},
    {
        "City": "Erie",
        "Note": '{"amount": "4.10", "currency": "eur"}',
        "Weight": None,
        "Count": None,
    },
    {"City": None, "Note": "", "Weight": "10 oz", "Count": 1},
]
LINES = '"{% for line in lines %}{{ line.city }}{% endfor %}"'
"""A value that is rendered."""

FLAT = {
    "one leaf": '{"description": VALUE}',
    "nothing in a leaf": """{"description": VALUE,
        "ship_to": {"email": {{ row.nope | default(none) | tojson }}}}""",
    "leaves of every kind": """{"order_id": "A{{ row.count }}", "service": "ground",
        "ship_date": "2026-12-05", "saturday_delivery": {{ (row.count == 2) | tojson }},
        "signature": {{ ("adult" if row.count == 2 else none) | tojson }}, "description": VALUE,
        "ship_to": {"name": VALUE, "country": "England", "residential": "maybe"},
        "parcels": [{"weight_lb": {{ row.weight | tojson }}, "length_in": {{ row.count | tojson }},
            "declared_value": {{ row.note | tojson }}, "packaging": "tube?"}]}""",
    "an amount in a currency": '{"parcels": [{"declared_value": {{ row.note | tojson }}}]}',
    "only a currency": '{"currency": "eur", "description": VALUE}',
}
NESTED = {
    "no parcel": '{"description": VALUE, "parcels": []}',
    "a parcel without anything": '{"description": VALUE, "parcels": [{"weight_lb": 1}, {}]}',
    "one leaf of a second parcel": """{"description": VALUE,
        "parcels": [{"weight_lb": 1}, {"declared_value": {{ row.note | tojson }}}]}""",
    "several parcels": """{"description": VALUE, "parcels": [{"weight_lb": 1},
        {"weight_lb": {{ row.weight | tojson }}, "packaging": "tube", "simple_rate": "small"},
        {"length_in": "30 cm", "additional_handling": "yes", "description": " third "}]}""",
    "an origin": """{"description": VALUE, "ship_from": {"name": "Depot", "state": "New Jersey",
        "country": "usa", "address_line1": "1 Dock Rd", "postal_code": "07302"}}""",
    "customs without items": '{"description": VALUE, "customs": {"terms": "dap"}}',
    "items without values": """{"description": VALUE,
        "customs": {"items": [{"description": "Doll"}, {"sku": "x"}]}}""",
    "items": """{"description": VALUE, "customs": {"reason": "Sale", "invoice_number": "7",
        "items": [{"description": "Doll", "quantity": 3, "unit_value": {{ row.note | tojson }},
        "weight_lb": "3 oz", "hs_code": "9503.00", "origin_country": "China"},
        {"unit_value_exact": "0.125", "quantity": "two"}]}}""",
    "a fraction of a cent": """{"description": VALUE,
        "customs": {"items": [{"description": "Screw", "unit_value": "0.125"}]}}""",
    "all of them": """{"description": VALUE, "parcels": [{"weight_lb": 1}, {"weight_lb": 2}],
        "ship_from": {"name": "Depot", "country": "Canada"},
        "customs": {"items": [{"unit_value": 2}]}}""",
}
WAYS = {"compiled": "{{ row.city | tojson }}", "rendered": LINES}


@pytest.fixture
def mapped_of(orders, shop):
    def made(template, way, rows=ROWS):
        spec = MappingSpec(template=template.replace("VALUE", WAYS[way]), offered=SERVICES)
        lines = [
            {"order_row": n, "row_number": n, **{name.lower(): row[name] for name in row}}
            for n, row in enumerate(rows, 1)
        ]
        con, columns = orders(rows, lines)
        return con, map_rows(con, columns, spec, shop, *relations(con))

    return made


def as_lists(normal):
    return normal.table.to_pylist(), normal.problems.to_pylist(), normal.repairs


@pytest.mark.parametrize("template", (FLAT | NESTED).values(), ids=FLAT | NESTED)
def test_leaves_that_no_row_fills_are_not_missed(mapped_of, template):
    con, mapped = mapped_of(template, "rendered")
    every = normalize(con, replace(mapped, filled=None))
    assert as_lists(normalize(con, mapped)) == as_lists(every)


def test_a_rendered_template_fills_what_a_row_has_a_value_of(mapped_of):
    template = """{"description": VALUE,
        "ship_to": {"email": {{ row.note | tojson }}, "company": null}}"""
    _, mapped = mapped_of(template, "rendered")
    assert mapped.relation.name == "rendered"
    assert mapped.filled == {"description", "email"}


@pytest.mark.parametrize("template", NESTED.values(), ids=NESTED)
def test_few_rows_and_many_have_the_same_nested_parts(mapped_of, template, monkeypatch):
    con, mapped = mapped_of(template, "compiled")
    assert mapped.nested
    few = as_lists(normalize(con, mapped))
    monkeypatch.setattr(kept_plans, "SMALL", 0)
    assert as_lists(normalize(con, mapped)) == few
    monkeypatch.setattr(from_template, "SMALL", 0)
    con, of_many = mapped_of(template, "compiled")
    assert as_lists(normalize(con, of_many)) == few


@pytest.mark.parametrize("way", WAYS)
def test_an_amount_of_an_object_keeps_its_currency(mapped_of, way):
    con, mapped = mapped_of(
        FLAT["an amount in a currency"].replace("{", '{"description": VALUE, ', 1), way
    )
    table, _, _ = normalize(con, mapped)
    assert table.column("currency").to_pylist() == ["USD", "EUR", "USD"]
    values = [parcels[0]["declared_value_cents"] for parcels in table.column("parcels").to_pylist()]
    assert values == [None, 410, None]


def test_the_next_batch_may_fill_what_the_last_did_not(shop, tmp_path):
    template = """{"order_id": {{ row.order | tojson }}, "service": "ground",
        "ship_to": {"name": "{% if true %}Ada Lee{% endif %}", "address_line1": "1 Main St",
            "city": "Boston", "state": "MA", "postal_code": "02134",
            "phone": {{ row.phone | tojson }}},
        "parcels": [{"weight_lb": 2}, {"weight_lb": {{ row.weight | tojson }}}]}"""
    for phone, weight in ((None, "1"), ("2105550101", None), (None, "3 oz"), ("2105550102", "4")):
        rows = pa.table({"Order": ["1"], "Phone": [phone], "Weight": [weight]})
        with sk.BatchSession(rows, shipper=shop, home=tmp_path) as session:
            session.map(template)
            session.preview()
            [made] = session._planner.normalized().table.to_pylist()
        assert made["phone"] == phone
        read = {None: None, "1": 1.0, "3 oz": 3 / 16, "4": 4.0}
        assert made["parcels"][1]["weight_lb"] == read[weight]
