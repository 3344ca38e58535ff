"""An option that a row asks for reaches the label, or the row waits with a reason."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import shipkit as sk
from shipkit.carriers.protocol import Capabilities
from shipkit.carriers.sandbox import SandboxCarrier
from shipkit.errors import InputError, MappingError
from shipkit.models import LabelFormat
from shipkit.orders.fields import recognise
from shipkit.orders.instructions import instruction_of
from shipkit.schema import FLAT

ORDER = {
    "name": "Ada Lee",
    "address1": "1 Main St",
    "city": "Austin",
    "state": "TX",
    "zip": "78701",
    "weight_lb": 2,
    "service": "ground",
}
NAMED = [{**ORDER, "order_id": "1", "Direct Delivery": "yes"}, {**ORDER, "order_id": "2"}]


def asked(session: sk.BatchSession) -> list[bool]:
    return session.preview()["direct_delivery_only"].tolist()


def test_a_column_asks_for_it_and_the_label_says_it(shop, home):
    with sk.BatchSession(NAMED, shipper=shop, label_format="zpl") as session:
        assert asked(session) == [True, False]
        session.approve()
        session.execute(progress=False)
        with_it, without = (label.data.decode() for label in session.labels)
    assert "DIRECT DELIVERY ONLY" in with_it
    assert "DIRECT DELIVERY ONLY" not in without


def test_a_named_column_a_default_a_template_and_an_edit_ask_for_it(shop, home):
    rows = [{**ORDER, "order_id": "1", "door": "Y"}]
    with sk.BatchSession(rows, shipper=shop) as session:
        assert asked(session) == [False]
        assert asked(session.map(columns={"direct_delivery_only": "door"})) == [True]
        assert asked(session.map(defaults={"direct_delivery_only": True})) == [True]
        text = session.template
        assert '"direct_delivery_only": true' in text
        assert asked(session.map(text)) == [True]
        session.edit("order_id = '1'", direct_delivery_only=False)
        assert asked(session) == [False]


def test_a_cell_that_is_neither_yes_nor_no_stops_its_row(shop, home):
    rows = [{**ORDER, "order_id": "1", "Direct Delivery": "perhaps"}]
    with sk.BatchSession(rows, shipper=shop) as session:
        problem = session.problems.iloc[0]
    assert problem["code"] == "direct_delivery_only_unreadable"
    assert problem["problem"] == '"perhaps" is neither yes nor no'


def test_a_carrier_without_it_refuses_the_rows_that_ask_and_ships_the_others(shop, home):
    carrier = SandboxCarrier(home=home)
    carrier.capabilities = Capabilities(label_formats=frozenset(LabelFormat))
    with sk.BatchSession(NAMED, shipper=shop, carrier=carrier) as session:
        frame = session.preview()
        problem = session.problems.iloc[0]
    assert frame["cost_cents"].isna().tolist() == [True, False]
    assert problem["code"] == "option_not_supported"
    assert problem["problem"] == "sandbox does not offer direct_delivery_only"


def test_a_carrier_of_single_parcels_refuses_rows_of_several_and_ships_the_others(shop, home):
    carrier = SandboxCarrier(home=home)
    carrier.capabilities = Capabilities(multi_parcel=False)
    rows = [{**ORDER, "order_id": "1", "weight_lb": 90}, {**ORDER, "order_id": "2"}]
    with sk.BatchSession(rows, shipper=shop, carrier=carrier) as session:
        frame = session.map(parcels="max 40 lb").preview()
        problem = session.problems.iloc[0]
    assert frame["cost_cents"].isna().tolist() == [True, False]
    assert (problem["field"], problem["value"]) == ("parcels", "3")
    assert problem["problem"] == "sandbox sells one parcel per shipment"


PAYERS = {
    "Third Party": "third_party",
    "tp": "third_party",
    "Dritter": "third_party",
    "Receiver": "receiver",
    "Freight-Collect": "receiver",
    "PREPAID": None,
    "": None,
    "-": None,
}


def test_columns_say_who_pays_in_many_words(shop, home):
    account = {"Third Party Account Number": "B2C3D4", "Third Party Country": "Deutschland"}
    rows = [
        {**ORDER, "order_id": str(n), "Bill Transportation To": text}
        | (account if PAYERS[text] else {})
        for n, text in enumerate(PAYERS)
    ]
    rows += [
        {**ORDER, "order_id": "FOB", "Bill Transportation To": "FOB Origin"},
        {**ORDER, "order_id": "nobody", "Bill Transportation To": "Collect"},
    ]
    with sk.BatchSession(rows, shipper=shop) as session:
        frame = session.preview().set_index("order_id")
        problems = session.problems.set_index("row_number")["problem"].to_dict()
    said = frame["bill_to"].astype(object).where(frame["bill_to"].notna(), None)
    assert said.tolist() == [*PAYERS.values(), None, "receiver"]
    assert frame["bill_account"].dropna().tolist() == ["B2C3D4"] * 5
    assert set(frame["bill_country"].dropna()) == {"DE"}
    assert problems == {
        9: '"FOB Origin" is not a bill to option',
        10: "the account that pays is missing",
    }


DUTIES = {
    "Shipper": "shipper",
    "DDP": "shipper",
    "Sender": "shipper",
    "Receiver": "receiver",
    "ddu": "receiver",
    "none": None,
    "n/a": None,
    "": None,
}


def test_the_shipper_pays_duties_where_a_column_a_default_an_edit_or_a_template_says_so(shop, home):
    rows = [{**ORDER, "order_id": str(n), "Duties Payer": text} for n, text in enumerate(DUTIES)]

    def payers(session: sk.BatchSession) -> list[str | None]:
        said = session.preview()["duties_bill_to"]
        return said.astype(object).where(said.notna(), None).tolist()

    with sk.BatchSession(rows, shipper=shop) as session:
        assert payers(session) == [*DUTIES.values()]
        assert session.problems.empty
        text = session.template
        assert payers(session.map(text)) == [*DUTIES.values()]
        session.edit("order_id = '3'", duties_bill_to="shipper")
        assert payers(session)[3] == "shipper"
    with sk.BatchSession([{**ORDER, "order_id": "1"}], shipper=shop) as session:
        assert payers(session.map(defaults={"duties_bill_to": "shipper"})) == ["shipper"]
        carrier = SandboxCarrier(home=home)
        carrier.capabilities = Capabilities()
    # Nobody pays duties within a country, and the receiver pays them where nothing is said.
    abroad = [
        {**row, "country": "DE", "zip": "10115", "state": "", "city": "Berlin"} for row in rows
    ]
    for given, held in ((rows, []), (abroad, [1, 2, 3])):
        with sk.BatchSession(given, shipper=shop, carrier=carrier) as session:
            found = session.problems
        asked = found[found["problem"] == "sandbox does not offer duties_bill_to"]
        assert asked["row_number"].tolist() == held


def test_every_choice_knows_which_of_its_values_asks_for_nothing():
    found = {leaf.name: leaf.spec.nothing for leaf in FLAT if leaf.spec.kind == "choice"}
    assert found == {
        "signature": "none",
        "simple_rate": "none",
        "bill_to": "shipper",
        "duties_bill_to": "",
        "notify": "none",
        "access_point": "none",
    }


def test_two_columns_of_one_option_hold_the_rows_that_fill_them(shop, home):
    rows = [
        {**ORDER, "order_id": "1", "Third Party Account": "B2C3D4", "Receiver Account": None},
        {**ORDER, "order_id": "2", "Third Party Account": None, "Receiver Account": None},
    ]
    with sk.BatchSession(rows, shipper=shop) as session:
        assert session.preview()["cost_cents"].isna().tolist() == [True, False]
        assert set(session.problems["code"]) == {"column_not_understood"}


def test_a_carrier_that_bills_nobody_else_names_the_payer_once(shop, home):
    carrier = SandboxCarrier(home=home)
    carrier.capabilities = Capabilities()
    rows = [{**ORDER, "order_id": "1", "Billing Option": "TP", "Third Party Account": "B2C3D4"}]
    with sk.BatchSession(rows, shipper=shop, carrier=carrier) as session:
        assert session.problems["problem"].tolist() == ["sandbox does not offer bill_to"]


COUNTED = ["3", "1", "", "1 of 1", "2.5", "3 boxes", "0", "500"]


def test_a_number_of_parcels_makes_them_or_asks(shop, home):
    rows = [
        {**ORDER, "order_id": str(n), "Number of Boxes": text, "declared value": "100.00"}
        for n, text in enumerate(COUNTED)
    ]
    with sk.BatchSession(rows, shipper=shop) as session:
        frame = session.preview()
        assert frame["cost_cents"].isna().tolist() == [
            *(True, False, False, False),
            *(True, True, True, True),
        ]
        assert session.problems["code"].tolist() == [
            "parcel_weights_unclear",
            "number_of_parcels_unreadable",
            "number_of_parcels_unreadable",
            "parcels_impossible",
            "parcels_impossible",
        ]
        for setting, weight in (("each", 2.0), ("shared", pytest.approx(2 / 3))):
            session.map(parcels=setting)
            three, one = (json.loads(text) for text in session.mapped()["parcels"][:2])
            assert [box["weight_lb"] for box in three] == [weight] * 3
            assert [box["declared_value_cents"] for box in three] == [3334, 3333, 3333]
            assert len(one) == 1
        assert session.preview()["parcels"].tolist()[0] == 3


def test_a_template_says_how_many_parcels_or_writes_them(shop, home):
    rows = [{**ORDER, "order_id": "1", "boxes": 2}]
    with sk.BatchSession(rows, shipper=shop) as session:
        text = session.template
        assert '"number_of_parcels"' in text
        session.map(text, parcels="each")
        assert session.preview()["parcels"].tolist() == [2]
        written = text.replace('"parcels": [', '"parcels": [{"weight_lb": 1}, {"weight_lb": 4},')
        session.map(written)
        assert session.preview()["parcels"].tolist() == [3]


ASKED = {
    "UPS Return Service": ("Print Return Label", "is_return", True),
    "Driver Release": ("Y", "shipper_release", True),
    "Nachnahmebetrag": ("35,10 $", "cod_amount_cents", 3510),
    "Additional Handling": ("x", "additional_handling", True),
}


AMBIGUOUS = {
    "Return": "a return",
    "Retoure": "a return",
    "Retour": "a return",
    "Reso": "a return",
    "Zwrot": "a return",
    "Return Type": "a return",
    "Return Service": "a return",
    "Return Flag": "a return",
    "RMA Label": "a return",
    "EIN": "a tax or customs number",
    "EIN Number": "a tax or customs number",
}
NO_OPTION = ("Email Recipient", "Numéro de colis", "N° colis", "Numer paczki")


def test_headings_that_may_mean_something_else_are_no_option():
    read = recognition([*AMBIGUOUS, *NO_OPTION])
    assert {role for role in read if role != "email"} == set()
    said = {heading: instruction_of(heading) for heading in AMBIGUOUS}
    assert {heading: found and found.what for heading, found in said.items()} == AMBIGUOUS
    counts = ["Nombre de colis", "# packages", "Numero colli", "Número de bultos", "Liczba paczek"]
    assert all(recognition([heading]) == {"number_of_parcels"} for heading in counts)


def recognition(headings: list[str]) -> set[str]:
    return {role for heading in headings for role in recognise([heading]).roles}


def test_the_place_of_an_account_without_the_account_holds_its_row(shop, home):
    places = ({"Payer Zip": "10001"}, {"Account Country": "US"}, {"Duties Country": "DE"})
    rows = [{**ORDER, "order_id": str(n), **place} for n, place in enumerate(places)]
    rows += [{**ORDER, "order_id": "9", "Billing Option": "Consignee", "Payer Zip": "10001"}]
    with sk.BatchSession(rows, shipper=shop) as session:
        problems = session.problems
    assert problems["code"].tolist() == ["payer_place_alone"] * 4
    assert problems["value"].tolist() == ["10001", "US", "DE", "10001"]


def test_headings_of_options_reach_the_label(shop, home):
    rows = [
        {**ORDER, "order_id": heading, heading: cell.replace(",", ".")}
        for heading, (cell, _, _) in ASKED.items()
    ]
    with sk.BatchSession(rows, shipper=shop, label_format="zpl") as session:
        frame = session.preview().set_index("order_id")
        assert session.problems.empty
        session.approve()
        session.execute(progress=False)
        labels = [label.data.decode() for label in session.labels]
    for heading, (_, column, value) in ASKED.items():
        asked = frame[column].dropna().to_dict()
        assert asked.pop(heading) == value
        assert not any(asked.values())
    for label, words in zip(
        labels, ("RETURN", "NO SIGNATURE NEEDED", "COD $35.10", "ADDITIONAL HANDLING"), strict=True
    ):
        assert words in label


def test_an_edit_of_an_option_of_parcels_is_of_all_of_them(shop, home):
    rows = [{**ORDER, "order_id": "1", "boxes": 2}]
    with sk.BatchSession(rows, shipper=shop) as session:
        session.map(parcels="each")
        session.edit("order_id = '1'", additional_handling=True, cod_amount="12.50")
        assert session.preview()["cod_amount_cents"].tolist() == [1250]
        boxes = json.loads(session.mapped()["parcels"][0])
    assert [box["additional_handling"] for box in boxes] == [True, True]


def test_lines_of_an_order_that_name_two_payers_hold_it(shop, home):
    rows = [
        {**ORDER, "order_id": "1", "Billing Option": payer, "sku": payer}
        for payer in ("Prepaid", "Third Party")
    ]
    with sk.BatchSession(rows, shipper=shop) as session:
        conflict = session.problems[session.problems["code"] == "order_conflict"]
    assert conflict["field"].tolist() == ["bill_to"]


def test_an_edit_that_the_field_cannot_hold_changes_nothing(shop, home):
    with sk.BatchSession(NAMED, shipper=shop) as session:
        with pytest.raises(InputError, match="direct_delivery_only='perhaps' cannot be used"):
            session.edit("order_id = '1'", direct_delivery_only="perhaps")
        for value in ("\x00", "a\x07b", b"x", ["a"]):
            with pytest.raises(InputError, match=r"name=.* cannot be used"):
                session.edit("order_id = '1'", name=value)
        assert session.edits.empty
        assert asked(session) == [True, False]


@pytest.mark.parametrize("blank", ["", "  ", "\u200b", "\u2060 \ufeff", None])
def test_an_edit_that_empties_a_name_or_a_street_holds_the_row(shop, home, blank):
    with sk.BatchSession(NAMED, shipper=shop) as session:
        session.edit("order_id = '1'", name=blank)
        session.edit("order_id = '2'", address_line1=blank)
        found = session.problems[session.problems["severity"] == "error"]
        assert found["row_number"].tolist() == [1, 2]


@pytest.mark.parametrize("missing", [None, pd.NA, pd.NaT, float("nan"), np.float64("nan")])
def test_a_default_that_is_missing_is_none_and_one_that_is_a_list_is_refused(shop, home, missing):
    rows = [{**ORDER, "name": None, "order_id": "1"}]
    with sk.BatchSession(rows, shipper=shop) as session:
        session.map(defaults={"name": missing})
        assert session.mapped()["name"].isna().all()
        for value in (["a"], b"x", {"a": 1}, np.array(["a"])):
            with pytest.raises(MappingError, match=r"defaults: name=.* cannot be used"):
                session.map(defaults={"name": value})


def test_numbered_references_come_from_columns_defaults_templates_and_edits(shop, home):
    rows = [{**ORDER, "order_id": "1", "Reference 1": "PO 77", "UPS Reference #2": "00123"}]
    with sk.BatchSession(rows, shipper=shop, label_format="zpl") as session:
        session.map(defaults={"reference_3": "Spring"}, references={"po": "order_id"})
        shown = session.preview()[["reference_1", "reference_2", "reference_3"]]
        assert shown.to_numpy().tolist() == [["PO 77", "00123", "Spring"]]
        session.map(session.template)
        session.preview()
        session.edit("reference_1 = 'PO 77'", reference_1="PO 78")
        session.preview()
        session.approve()
        session.execute(progress=False)
        [references] = session.results()["user_references"]
        [label] = (each.data.decode() for each in session.labels)
    assert references == (
        ("reference_1", "PO 78"),
        ("reference_2", "00123"),
        ("reference_3", "Spring"),
        ("po", "1"),
    )
    assert all(text in label for text in ("1: PO 78", "2: 00123", "3: Spring", "PO: 1"))


def test_a_reference_that_is_too_long_to_print_holds_its_row(shop, home):
    rows = [{**ORDER, "order_id": "1", "Reference 4": "x" * 36}]
    with sk.BatchSession(rows, shipper=shop) as session:
        [problem] = session.problems.to_dict("records")
    assert (problem["code"], problem["value"]) == ("reference_too_long", "x" * 36)


def test_rows_leave_from_the_warehouse_that_they_name(shop, home, tmp_path):
    (tmp_path / "config.toml").write_text(
        '[shippers.newark]\ncompany = "Shop East"\naddress_line1 = "9 Dock Rd"\n'
        'city = "Newark"\nstate = "NJ"\npostal_code = "07102"\nphone = "9735550100"\n'
    )
    names = ("Newark", None, "Mars", "Newark")
    rows = [
        {**ORDER, "order_id": f"{place}", "address1": f"{place} Main St", "Warehouse": name}
        for place, name in enumerate(names, start=1)
    ]
    with sk.BatchSession(rows, shipper=shop, label_format="zpl") as session:
        session.preview()
        session.edit("order_id = '4'", warehouse=None)
        before = session.preview().set_index("order_id")
        assert before["ship_from"].dropna().to_dict() == {"1": "Shop East, Newark, NJ 07102"}
        assert before["zone"]["1"] != before["zone"]["2"]
        assert "no warehouse" in before["problem"]["3"]
        with pytest.raises(InputError, match="No warehouse is called 'Venus'"):
            session.edit("order_id = '3'", warehouse="Venus")
        session.edit("order_id = '3'", warehouse="newark")
        assert session.preview()["problem"].isna().all()
        session.approve()
        session.execute(progress=False)
        shown = session.results().set_index("order_id")["ship_from"].dropna()
        labels = [label.data.decode() for label in session.labels]
    assert list(shown.index) == ["1", "3"]
    assert ["9 Dock Rd" in label for label in labels] == [True, False, True, False]


def test_a_pickup_point_is_read_and_printed_and_its_parts_belong_together(shop, home):
    point = {
        "Access Point ID": "U12345678",
        "Access Point Name": "Corner Shop",
        "Access Point Address": "5 Bay St",
        "Access Point City": "Austin",
    }
    with sk.BatchSession(
        [{**ORDER, "order_id": "1", **point}], shipper=shop, label_format="zpl"
    ) as session:
        [name] = session.preview()["access_point_name"]
        session.approve()
        session.execute(progress=False)
        [label] = (each.data.decode() for each in session.labels)
    assert name == "Corner Shop"
    assert "HOLD AT: Corner Shop, 5 Bay St, Austin" in label


def test_short_names_of_options_are_those_fields(shop: sk.Address) -> None:
    row = {
        "order_id": "1",
        "name": "Ada",
        "address": "1 Main St",
        "city": "Austin",
        "state": "TX",
        "zip": "78701",
        "weight_lb": 3,
        "w": "yes",
        "v": "120",
        "n": 1,
    }
    with sk.BatchSession([row], shipper=shop) as session:
        columns = {"saturday": "w", "insurance": "v", "parcels": "n"}
        session.map(service="next_day_air", columns=columns, defaults={"hold_at": "U12345678"})
        [line] = session.mapped().to_dict("records")
        assert line["saturday_delivery"]
        assert "12000" in line["parcels"]
        assert line["access_point_id"] == "U12345678"
        session.edit("order_id = '1'", saturday=False, insurance="80")
        [line] = session.mapped().to_dict("records")
        assert not line["saturday_delivery"]
        assert "8000" in line["parcels"]
        with pytest.raises(sk.ShipkitError, match="saturday_delivery is given twice"):
            session.map(defaults={"saturday": True, "saturday_delivery": False})
