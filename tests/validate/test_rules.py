"""Every rule catches what it names, says it with a fix, and lets good shipments through."""

from __future__ import annotations

import collections
import datetime as dt
import itertools
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from shipkit.carriers.ups.service_level import SERVICES
from shipkit.common.kept_plans import SMALL
from shipkit.common.relation import Relation
from shipkit.models import Address
from shipkit.orders import mapping
from shipkit.orders.columns import Column, keys
from shipkit.orders.mapping import map_rows
from shipkit.orders.normalize import normalize
from shipkit.orders.validate import RULES, check, sentence
from shipkit.schema import SHIPMENTS, problems_table

MappingSpec = partial(mapping.MappingSpec, offered=SERVICES)

PARCEL = {
    "weight_lb": 2.0,
    "length_in": None,
    "width_in": None,
    "height_in": None,
    "packaging": "package",
    "declared_value_cents": None,
    "description": None,
}
GOOD = {
    "row_number": 1,
    "row_numbers": [1],
    "source_file": "f.csv",
    "order_id": "A",
    "name": "Ada",
    "phone": "2125550142",
    "address_line1": "12 Main St",
    "city": "Boston",
    "state": "MA",
    "postal_code": "02134",
    "country": "US",
    "service": "ground",
    "parcels": [PARCEL],
    "references": [],
    "signature": "none",
    "saturday_delivery": False,
    "is_return": False,
    "currency": "USD",
}
ITEM = {
    "description": "Doll",
    "quantity": 1,
    "unit_value_cents": 410,
    "weight_lb": None,
    "sku": None,
    "hs_code": None,
    "origin_country": "CN",
}
CUSTOMS = {
    "reason": "sale",
    "duties_payer": "receiver",
    "invoice_number": None,
    "terms": None,
    "items": [ITEM],
}
ABROAD = {
    "country": "GB",
    "state": None,
    "postal_code": "N1 9GU",
    "city": "London",
    "customs": CUSTOMS,
    "service": "worldwide_saver",
}


def table(*changes):
    return pa.Table.from_pylist(
        [
            {**GOOD, "row_number": n, "row_numbers": [n], **change}
            for n, change in enumerate(changes, start=1)
        ],
        schema=SHIPMENTS,
    )


def found(shop, *changes, **options):
    return check(duckdb.connect(), table(*changes), shop, SERVICES, **options).to_pylist()


def parcel(**change):
    return {"parcels": [{**PARCEL, **change}]}


POINT = {
    "access_point_id": "U12345678",
    "access_point_name": "Corner Shop",
    "access_point_street": "5 Bay St",
    "access_point_city": "Austin",
}
CASES = [
    *(
        ("text_damaged", f"ship_to.{field}", {field: "Mu\ufffdoz"})
        for field in (
            "name",
            "company",
            "address_line1",
            "address_line2",
            "address_line3",
            "city",
        )
    ),
    ("text_damaged", "ship_to.state", {**ABROAD, "state": "K\ufffdnt"}),
    ("excel_date", "ship_to.address_line1", {"address_line1": "12-Nov"}),
    ("excel_date", "ship_to.address_line2", {"address_line2": "2-Jan"}),
    ("amount_negative", "parcels[0].declared_value", parcel(declared_value_cents=-100)),
    ("amount_negative", "cod_amount", {"cod_amount_cents": -4500}),
    ("currency_unknown", "currency", {"currency": "EUROZ"}),
    ("order_key_damaged", "order_id", {"order_id": "5.76461E+17"}),
    ("order_key_damaged", "order_id", {"order_id": "Okt-12"}),
    ("order_key_damaged", "order_id", {"order_id": "1234567890123450000"}),
    ("order_key_damaged", "order_id", {"order_id": "#N/A"}),
    ("order_key_damaged", "order_id", {"order_id": '"'}),
    ("order_key_damaged", "order_id", {"order_id": "see above"}),
    ("order_key_damaged", "order_id", {"order_id": "=A2"}),
    ("name_not_a_person", "ship_to.name", {"name": "#1001"}),
    ("name_not_a_person", "ship_to.name", {"name": "$5.00"}),
    ("street_is_number", "ship_to.address_line1", {"address_line1": "#1001"}),
    ("placeholder", "ship_to.state", {**ABROAD, "state": "see notes"}),
    ("placeholder", "ship_to.state", {**ABROAD, "state": "=A1"}),
    ("street_is_city", "ship_to.address_line1", {"address_line1": "Boston, MA 02134"}),
    ("city_is_street", "ship_to.city", {"city": "1 Main St"}),
    ("company_not_a_name", "ship_to.company", {"company": "ada@example.com"}),
    ("company_not_a_name", "ship_to.company", {"company": "212-555-0142"}),
    ("company_not_a_name", "ship_to.company", {"company": "$12.99"}),
    *(
        ("reference_damaged", f"reference_{n}", {f"reference_{n}": text})
        for n, text in enumerate(("#REF!", "#N/A", "1.2E+15", "1E+15", "#NV"), start=1)
    ),
    *(
        (
            "reference_damaged",
            "references",
            {"references": [{"key": "po", "value": "4500012345"}, {"key": "so", "value": text}]},
        )
        for text in ("#REF!", "4.11E+15", "1.5E3", "-1.2E+5")
    ),
    ("city_is_state", "ship_to.city", {"city": "MA"}),
    ("city_state_conflict", "ship_to.city", {"city": "Boston, NY"}),
    ("line_not_address", "ship_to.address_line2", {"address_line2": "2 lb"}),
    ("example_row", "ship_to.name", {"name": "Jane Sample", "address_line1": "123 Any Street"}),
    ("example_row", "ship_to.name", {"name": "Jane Doe", "city": "Anytown"}),
    ("missing", "ship_to.name", {"name": None}),
    ("missing", "ship_to.address_line1", {"address_line1": None}),
    ("missing", "ship_to.city", {"city": None}),
    ("missing", "ship_to.state", {"state": None}),
    ("missing", "ship_to.postal_code", {"postal_code": None}),
    ("missing", "service", {"service": None}),
    ("missing", "parcels[0].weight_lb", parcel(weight_lb=None)),
    ("parcel_missing", "parcels", {"parcels": []}),
    ("parcel_missing", "parcels", {"parcels": None}),
    ("country_unknown", "ship_to.country", {"country": "Atlantis"}),
    ("country_unknown", "ship_to.country", {"country": None}),
    ("state_unknown", "ship_to.state", {"state": "ZZ"}),
    (
        "state_unknown",
        "ship_to.state",
        {**ABROAD, "country": "CA", "state": "ZZ", "postal_code": "K1A 0B1"},
    ),
    (
        "state_unknown",
        "ship_to.state",
        {**ABROAD, "country": "AU", "state": "ZZ", "postal_code": "2000"},
    ),
    ("country_unknown", "ship_to.country", {"country": "Congo"}),
    ("name_is_email", "ship_to.name", {"name": "ada@example.org"}),
    ("zip_format", "ship_to.postal_code", {"postal_code": "9021"}),
    ("zip_format", "ship_to.postal_code", {"postal_code": "K1A 0B1"}),
    ("zip_unknown", "ship_to.postal_code", {"postal_code": "00001"}),
    ("zip_state_mismatch", "ship_to.postal_code", {"postal_code": "90210"}),
    (
        "zip_state_mismatch",
        "ship_to.postal_code",
        {"country": "PR", "state": None, "postal_code": "90210"},
    ),
    (
        "postal_code_format",
        "ship_to.postal_code",
        {**ABROAD, "country": "CA", "state": "ON", "postal_code": "02134"},
    ),
    ("missing", "ship_to.postal_code", {**ABROAD, "postal_code": None}),
    (
        "state_postal_mismatch",
        "ship_to.postal_code",
        {**ABROAD, "country": "CA", "state": "ON", "postal_code": "V5K 0A1"},
    ),
    (
        "country_mismatch",
        "ship_to.country",
        {**ABROAD, "country": "DE", "state": "TX", "city": "Austin", "postal_code": "78701"},
    ),
    (
        "postal_code_conflict",
        "ship_to.city",
        {**ABROAD, "country": "DE", "city": "10115 Berlin", "postal_code": "10117"},
    ),
    ("phone_format", "ship_to.phone", {"phone": "555"}),
    (
        "customs_item",
        "customs.items",
        {**ABROAD, "customs": {**CUSTOMS, "items": [{**ITEM, "quantity": None}]}},
    ),
    ("name_too_long", "ship_to.name", {"name": "x" * 36}),
    ("company_too_long", "ship_to.company", {"company": "x" * 36}),
    ("address_line1_too_long", "ship_to.address_line1", {"address_line1": "x" * 36}),
    ("address_line2_too_long", "ship_to.address_line2", {"address_line2": "x" * 36}),
    ("address_line3_too_long", "ship_to.address_line3", {"address_line3": "x" * 36}),
    ("city_too_long", "ship_to.city", {"city": "x" * 31}),
    ("service_unknown", "service", {"service": "teleport"}),
    ("weight_not_positive", "parcels[0].weight_lb", parcel(weight_lb=0.0)),
    ("weight_not_positive", "parcels[0].weight_lb", parcel(weight_lb=-1.0)),
    ("weight_over_limit", "parcels[0].weight_lb", parcel(weight_lb=150.01)),
    (
        "weight_over_limit",
        "parcels[1].weight_lb",
        {"parcels": [PARCEL, {**PARCEL, "weight_lb": 151.0}]},
    ),
    (
        "missing",
        "parcels[2].weight_lb",
        {"parcels": [PARCEL, PARCEL, {**PARCEL, "weight_lb": None}]},
    ),
    (
        "dimension_not_positive",
        "parcels[0].width_in",
        parcel(length_in=4.0, width_in=0.0, height_in=4.0),
    ),
    (
        "length_over_limit",
        "parcels[0].length_in",
        parcel(length_in=4.0, width_in=109.0, height_in=4.0),
    ),
    (
        "girth_over_limit",
        "parcels[0].length_in",
        parcel(length_in=20.0, width_in=100.0, height_in=13.0),
    ),
    ("reference_too_long", "references", {"references": [{"key": "po", "value": "x" * 36}]}),
    ("missing", "bill_account", {"bill_to": "third_party"}),
    ("missing", "bill_to", {"bill_account": "B2C3D4"}),
    ("missing", "duties_account", {"duties_bill_to": "third_party"}),
    ("missing", "duties_bill_to", {"duties_account": "B2C3D4"}),
    ("payer_place_alone", "bill_account", {"bill_postal_code": "30301"}),
    ("payer_place_alone", "duties_account", {"duties_country": "DE"}),
    ("access_point_place_alone", "access_point_name", {"access_point_country": "US"}),
    ("access_point_place_alone", "access_point_name", {"access_point_city": "Towson"}),
    *(
        ("missing", part, {**POINT, part: None})
        for part in ("access_point_name", "access_point_street", "access_point_city")
    ),
    ("dimensions_incomplete", "parcels[0].length_in", parcel(length_in=4.0)),
    *(
        ("dimensions_incomplete", "parcels[0].length_in", parcel(**{one: 4.0, other: 4.0}))
        for one, other in itertools.combinations(("length_in", "width_in", "height_in"), 2)
    ),
    ("ship_from_incomplete", "ship_from", {"ship_from": {"name": "Depot", "city": "Newark"}}),
]


def test_a_rule_catches_exactly_the_row_that_breaks_it(shop):
    """Good rows with a bad one after each."""
    problems = found(shop, *(row for _, _, change in CASES for row in ({}, change)), {})
    assert [(p["row_number"], p["code"], p["field"], p["severity"]) for p in problems] == [
        (2 * n, code, field, "error") for n, (code, field, _) in enumerate(CASES, start=1)
    ]
    for problem in problems:
        assert problem["problem"], problem
        assert problem["fix"].endswith("."), problem


def test_a_reference_by_key_is_named(shop):
    damaged = {"references": [{"key": "po", "value": "1E5"}, {"key": "so", "value": "4.11E+15"}]}
    (problem,) = found(shop, {"references": [{"key": "so", "value": "#12"}]}, damaged)
    assert problem["row_number"] == 2
    assert problem["value"] == "4.11E+15"
    assert problem["problem"] == '"4.11E+15" is what a spreadsheet made of the reference "so"'


WARNED = [
    (
        "country_of_territory",
        "ship_to.country",
        {**ABROAD, "country": "FR", "city": "Saint-Denis", "postal_code": "97400"},
    ),
    (
        "postal_code_not_used",
        "ship_to.postal_code",
        {**ABROAD, "country": "HK", "city": "Kowloon", "postal_code": "10001"},
    ),
    (
        "state_postal_mismatch",
        "ship_to.postal_code",
        {**ABROAD, "country": "MX", "state": "JAL", "postal_code": "06600"},
    ),
    ("po_box_kept", "ship_to.address_line1", {"address_line2": "PO Box 77"}),
    ("email_format", "ship_to.email", {"email": "ada@example,com"}),
    ("phone_missing", "ship_to.phone", {**ABROAD, "phone": None}),
    ("customs_missing", "customs", {**ABROAD, "customs": None}),
]


@pytest.mark.parametrize(("code", "field", "change"), WARNED)
def test_what_may_go_wrong_is_a_warning(shop, code, field, change):
    assert [
        (p["row_number"], p["code"], p["field"], p["severity"]) for p in found(shop, {}, change)
    ] == [(2, code, field, "warning")]


NO_EMAILS = [
    *("ada@", "ada", "@example.com", "ada@example", "ada@example,com", "ada@@example.com"),
    *("ada@example.com, bo@example.com", "ada@example.com;bo@example.com", "ada@.com"),
    *("ada @ example.com", "Ada <ada@example.com>", "mailto:ada@example.com", ".ada@example.com"),
    *(
        "ada@example..com",
        "ada@example.com.",
        "ada@-example.com",
        "ada@1.2.3.4",
        "[email protected]",
    ),
]


@pytest.mark.parametrize("email", NO_EMAILS)
def test_a_notice_needs_one_address_that_can_be_right(shop, email):
    problems = found(shop, {"email": email}, {"email": email, "notify": "all"})
    assert [(p["row_number"], p["code"], p["severity"]) for p in problems] == [
        (1, "email_format", "warning"),
        (2, "email_format", "error"),
    ]


@pytest.mark.parametrize(
    "email",
    [
        *("ada@example.com", "ADA@EXAMPLE.COM", "o'neil+shop@mail.example.co.uk", "1@2.example"),
        *(
            "ädä@bücher.example",
            "ada@xn--bcher-kva.example",
            "a/b=c@my_host.example",
            "a-b_c@e.museum",
        ),
    ],
)
def test_an_email_address_is_no_problem(shop, email):
    assert found(shop, {"email": email, "notify": "all"}) == []


def test_every_rule_has_a_case():
    tested = {
        (code, field.replace("[0]", "[]").replace("[1]", "[]").replace("[2]", "[]"))
        for code, field, _ in [*CASES, *WARNED]
    } | {("ship_date_past", "ship_date"), ("ship_date_closed", "ship_date")}
    fields = {
        (rule.code, rule.field) for rule in RULES if not rule.code.startswith("dimension_not")
    }
    assert fields - tested == set()


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"name": None, "company": "Harbor Goods"},
        ABROAD,
        {"postal_code": "02134-1234"},
        {"phone": None},
        {"phone": "2125550142x77"},
        {"country": "PR", "state": None, "postal_code": "00901"},
        {"state": "PR", "postal_code": "00901"},
        {"state": "AE", "postal_code": "09012", "service": "ground_saver"},
        {"state": "NY", "postal_code": "06390"},
        {"service": "cheapest within 3 days"},
        parcel(weight_lb=150.0),
        parcel(length_in=108.0, width_in=10.0, height_in=18.5),
        {**ABROAD, "country": "CA", "state": "ON", "postal_code": "k1a0b1"},
        {"name": "é" * 35},
        {"city": "東京", "name": "Testa", "address_line1": "1 Pickup Ln"},
        {"address_line1": "1234", "address_line2": "Main St"},
        {"city": "29 Palms"},
        {"references": [{"key": "po", "value": "x" * 35}]},
    ],
)
def test_a_good_shipment_has_no_problem(shop, change):
    assert found(shop, change) == []


def test_every_problem_of_a_row_is_told_at_once(shop):
    problems = found(
        shop,
        {
            "name": None,
            "postal_code": "9",
            "parcels": [
                {
                    **PARCEL,
                    "weight_lb": 999.0,
                    "length_in": 999.0,
                    "width_in": 1.0,
                    "height_in": 1.0,
                }
            ],
        },
    )
    assert {p["code"] for p in problems} == {
        "missing",
        "zip_format",
        "weight_over_limit",
        "length_over_limit",
    }


def test_problems_come_sorted_by_row(shop):
    problems = found(shop, *({"city": None, "name": None} for _ in range(50)))
    assert [p["row_number"] for p in problems] == sorted(p["row_number"] for p in problems)
    assert len(problems) == 100


def test_a_problem_reads_as_a_sentence_with_place_and_fix(shop):
    (problem,) = found(shop, {"row_number": 17, "postal_code": "9021"})
    assert sentence(problem, "4412") == (
        'Row 17 (order 4412), ship_to.postal_code: a US ZIP has 5 or 9 digits, not "9021". '
        "Correct the cell, or map it with {{ row.<column> | format_us_zip }}."
    )


def test_a_cell_that_could_not_be_read_is_not_also_missing(shop):
    known = problems_table(
        [
            {
                "row_number": 1,
                "field": "parcels[0].weight_lb",
                "problem": "x",
                "severity": "error",
                "code": "weight_lb_unreadable",
            }
        ]
    )
    assert found(shop, parcel(weight_lb=None), parcel(weight_lb=None), known=known) == found(
        shop, {}, parcel(weight_lb=None)
    )


def test_a_warning_met_before_hides_nothing(shop):
    known = problems_table(
        [
            {
                "row_number": 1,
                "field": "ship_to.postal_code",
                "problem": "x",
                "severity": "warning",
                "code": "zip_padded",
            }
        ]
    )
    assert [p["code"] for p in found(shop, {"postal_code": "90210"}, known=known)] == [
        "zip_state_mismatch"
    ]


def test_a_ship_date_before_today_is_a_problem_only_when_today_is_told(shop):
    change = {"ship_date": dt.date(2026, 11, 20)}
    assert found(shop, change) == []
    assert [
        p["code"]
        for p in found(
            shop, change, {"ship_date": dt.date(2026, 11, 22)}, today=dt.date(2026, 11, 22)
        )
    ] == ["ship_date_past"]


@pytest.mark.parametrize(
    ("day", "codes"),
    [
        ("2026-11-22", []),  # today, a Sunday
        ("2026-11-26", ["ship_date_closed"]),
        ("2026-11-29", ["ship_date_closed"]),
        ("2026-12-25", ["ship_date_closed"]),
        ("2027-05-31", ["ship_date_closed"]),
        ("2027-07-04", ["ship_date_closed"]),
        ("2027-09-06", ["ship_date_closed"]),
        ("2026-11-27", []),
        ("2026-11-28", []),  # a Saturday
        ("2027-05-24", []),
        ("2027-09-13", []),
    ],
)
def test_a_ship_date_to_come_without_pickups_is_a_warning(shop, day, codes):
    change = {"ship_date": dt.date.fromisoformat(day)}
    problems = found(shop, change, today=dt.date(2026, 11, 22))
    assert [(p["code"], p["severity"]) for p in problems] == [(code, "warning") for code in codes]


def test_abroad_is_seen_from_the_shippers_country():
    london = Address(
        name="L",
        address_line1="1 High St",
        city="London",
        postal_code="N1 9GU",
        country="GB",
        phone="2079460958",
    )
    home = {**ABROAD, "customs": None, "phone": None}
    assert found(london, home) == []
    assert {p["code"] for p in found(london, {"phone": None})} == {
        "phone_missing",
        "customs_missing",
    }


def test_an_empty_table_has_no_problems(shop):
    assert check(duckdb.connect(), SHIPMENTS.empty_table(), shop, SERVICES).num_rows == 0


def superstore(shared: Path, shop, **spec):
    con = duckdb.connect()
    path = str(shared / "orders" / "superstore_shipments_5009.csv")
    con.execute(
        "CREATE TABLE raw AS SELECT row_number() OVER () AS row_number, * FROM "
        f"read_csv('{path}', all_varchar = true, header = true)"
    )
    names = [name for name, *_ in con.execute("DESCRIBE raw").fetchall()][1:]
    wanted = ", ".join(f'"{name}" AS "{key}"' for name, key in zip(names, keys(names), strict=True))
    con.execute(
        "CREATE TABLE selected AS SELECT row_number, [row_number] AS row_numbers, "
        f"'superstore.csv' AS source_file, {wanted} FROM raw"
    )
    columns = [Column(name, key, "VARCHAR") for name, key in zip(names, keys(names), strict=True)]
    selected = Relation("main", "selected")
    mapped = map_rows(con, columns, MappingSpec(**spec), shop, selected, selected)
    shipments, met, _ = normalize(con, mapped)
    return shipments, met, check(con, shipments, shop, SERVICES, known=met)


def test_superstore_orders_without_a_printable_street_cannot_ship(shared: Path, shop):
    shipments, met, problems = superstore(shared, shop, service="ground", defaults={"weight_lb": 2})
    assert shipments.num_rows == 5009
    assert collections.Counter(met.column("code").to_pylist()) == {
        "zip_padded": 219,
        "address_split": 20,
    }
    assert collections.Counter(
        zip(problems.column("code").to_pylist(), problems.column("field").to_pylist(), strict=True)
    ) == {
        ("missing", "ship_to.address_line1"): 270,
        # Two streets and a city in one cell, which UPS's labels would print in the wrong order.
        ("address_line1_too_long", "ship_to.address_line1"): 10,
    }
    assert all(len(zipcode) == 5 for zipcode in shipments.column("postal_code").to_pylist())


def test_without_a_service_or_weight_every_superstore_order_says_so_once(shared: Path, shop):
    _, met, problems = superstore(shared, shop)
    errors = [p for p in met.to_pylist() if p["severity"] == "error"]
    assert collections.Counter(p["code"] for p in errors) == {
        "service_unknown": 5009,
        "column_missing": 5009,
    }
    assert collections.Counter(problems.column("field").to_pylist()) == {
        "ship_to.address_line1": 280
    }


@pytest.mark.parametrize("countries", ["one country", "several"])
def test_a_row_has_the_same_problems_in_a_large_table(shop, countries):
    """Of a large table, columns that hold one value throughout are constants of the statement."""
    changes = [
        change for _, _, change in CASES if countries == "several" or "country" not in change
    ]
    assert len(changes) > 20
    alone = check(duckdb.connect(), table(*changes), shop, SERVICES)
    good = table(*[{}] * (SMALL + 1 - len(changes)))
    many = pa.concat_tables([table(*changes), good])
    many = many.set_column(0, "row_number", pa.array(range(1, len(many) + 1)))
    assert check(duckdb.connect(), many, shop, SERVICES).equals(alone)


def test_columns_that_no_row_fills_settle_their_rules(shop):
    """Rules of what is required must still be broken where a whole column is empty."""
    bare = {"name": None, "city": None, "postal_code": None, "phone": None, "country": None}
    few = check(duckdb.connect(), table(bare, bare), shop, SERVICES)
    many = check(duckdb.connect(), table(*[bare] * (SMALL + 1)), shop, SERVICES)
    fields = set(few.column("field").to_pylist())
    assert {"ship_to.name", "ship_to.city", "ship_to.country"} <= fields

    def by_row(problems):
        # Those of one row come in any order from a statement of many threads.
        lines = [problem for problem in problems.to_pylist() if problem["row_number"] <= 2]
        return sorted(lines, key=lambda problem: (problem["row_number"], problem["field"]))

    assert by_row(many) == by_row(few)
