"""Cells that ask for something, under headings that say nothing of it or that nobody lists."""

from __future__ import annotations

import pytest

import shipkit as sk

ORDER = {
    "Order": "1",
    "Name": "Ada Lee",
    "Address": "1 Main St",
    "City": "Miami",
    "State": "FL",
    "Zip": "33101",
    "Weight (lb)": 2,
}


def asked(shop, heading, cell, **mapping):
    """Return the severity of what a cell asks for, None where it asks for nothing."""
    with sk.BatchSession([{**ORDER, heading: cell}], shipper=shop) as session:
        session.map(service="ground", **mapping)
        found = session.problems
    severities = {*found["severity"]}
    return "error" if "error" in severities else next(iter(severities), None)


@pytest.mark.parametrize(
    ("heading", "cell"),
    [
        ("Contains", "Wine"),
        ("Contents", "Beer; Snacks"),
        ("Inhalt", "Rotwein"),
        ("Contenido", "Vino tinto"),
        ("Restrictions", "Perishable"),
        ("Goods", "Live animals"),
        ("内容物", "ビール"),
        ("Commodity", "Ammunition"),
        ("Remark X", "CBD oil"),
    ],
)
def test_goods_with_rules_of_their_own_hold_where_the_cell_is_what_is_in_the_parcel(
    shop, heading, cell
):
    assert asked(shop, heading, cell) == "error"


@pytest.mark.parametrize(
    ("heading", "cell", "severity"),
    [
        ("Item Name", "Napa Red Wine 2019, 75 cl", "warning"),
        ("Item Name", "Red Wine Glass, set of 4", None),
        ("Item Name", "Wine rack", None),
        ("Category", "Tobacco", "warning"),
        ("Lineitem name", "Whisky stones", None),
        ("Contents", "Wine glasses", None),
        ("Contains", "Books", None),
    ],
)
def test_what_is_sold_may_be_for_such_goods(shop, heading, cell, severity):
    assert asked(shop, heading, cell) == severity


@pytest.mark.parametrize(
    ("heading", "cell"),
    [
        ("Franco", "No"),
        ("Prepaid", "N"),
        ("元払い", "着払い"),
        ("선불", "착불"),
        ("Ödeme Şekli", "Alıcı ödemeli"),
        ("Ödeme Şekli Kargo", "Alıcı"),
        ("Porto", "Empfänger"),
        ("Frachtzahler", "Empfänger"),
        ("Resa", "porto assegnato"),
        ("Trasporto a carico", "destinatario"),
        ("FOB", "Origin, Freight Collect"),
        ("Freight Charge Terms", "Collect"),
        ("付款方式", "到付"),
        ("Account Info", "Bill Third Party"),
        ("Tipo de Frete", "FOB destinatário"),
        ("Anything", "Port dû"),
    ],
)
def test_who_else_pays_the_freight_holds_whatever_the_heading(shop, heading, cell):
    assert asked(shop, heading, cell) == "error"


@pytest.mark.parametrize(
    ("heading", "cell"),
    [
        ("Franco", "Sì"),
        ("Prepaid", "Yes"),
        ("元払い", "○"),
        ("Ödeme Şekli", "Kredi kartı"),
        ("Payment Method", "Visa"),
        ("Prepaid Amount", "0"),
        ("Customer Type", "Return"),
    ],
)
def test_what_the_sender_pays_or_says_of_money_holds_nothing(shop, heading, cell):
    assert asked(shop, heading, cell) is None


@pytest.mark.parametrize(
    "heading",
    [
        "Non-standard",
        "Do Not Redirect",
        "UPS Premium Care",
        "Verbal Confirmation of Delivery",
        "Proactive Response",
        "UPS Premier",
        "Import Control",
        "Return of Document",
        "Deliver to Addressee Only",
        "Two person delivery",
        "Einschreiben",
        "Lettre recommandée",
        "Rückschein",
        "Delivery upstairs",
        "Driver helper",
    ],
)
def test_a_tick_for_a_service_of_the_carrier_holds(shop, heading):
    assert asked(shop, heading, "Y") == "error"
    assert asked(shop, heading, "N") is None


@pytest.mark.parametrize(
    ("heading", "cell"),
    [("Deliver", "Y"), ("UPS", "Yes"), ("Courier Booked", "Yes"), ("Gift Package", "Yes")],
)
def test_a_tick_that_may_mean_no_more_than_that_it_ships_is_a_warning(shop, heading, cell):
    assert asked(shop, heading, cell) == "warning"


@pytest.mark.parametrize(
    ("heading", "cell"),
    [
        ("Registered", "2024-01-03"),
        ("Premier", "Yes"),
        ("Roll", "12"),
        ("Freight", "12.50"),
        ("Freight", "$8.00"),
        ("Frachtkosten", "12,50"),
        ("운임", "3000"),
        ("FOB", "Destination"),
        ("FOB Terms", "FOB Origin, Freight Prepaid"),
        ("Portes", "Pagados"),
        ("Inhalt", "Öl"),
    ],
)
def test_words_that_mean_something_else_in_shops(shop, heading, cell):
    assert asked(shop, heading, cell) is None


@pytest.mark.parametrize(("heading", "cell"), [("Freight", "A1B2C3"), ("Freight", "123456789")])
def test_an_account_is_no_amount(shop, heading, cell):
    assert asked(shop, heading, cell) == "error"


@pytest.mark.parametrize("heading", ["Parcel Packed", "Carrier Tracking Sent", "Free Delivery"])
def test_a_tick_for_what_was_done_holds_nothing(shop, heading):
    assert asked(shop, heading, "Y") is None


@pytest.mark.parametrize("cell", ["RMA", "Rücksendung", "返送", "Call Tag"])
def test_a_return_by_its_other_names(shop, cell):
    heading = "Shipment Type" if cell in ("RMA", "返送") else "Vorgang"
    assert asked(shop, heading, cell) == "error"


@pytest.mark.parametrize(
    "note",
    [
        "Hold until Dec 15",
        "please ship to my office instead",
        "New address: 9 Oak St",
        "my apt is 4C",
        "Bill my UPS account 1A2B3C",
        "combine with order 1002",
        "bitte nicht vor dem 15.12.",
    ],
)
def test_a_note_that_asks_for_something_is_a_warning(shop, note):
    assert asked(shop, "Customer Note", note) == "warning"
    assert asked(shop, "Product Note", note) is None


@pytest.mark.parametrize("heading", ["Comments", "Order Notes", "Tags", "Remarks"])
@pytest.mark.parametrize(
    "cell", ["Freight Collect", "Signature required", "Hold at Location", "RMA", "vip, COD"]
)
def test_a_note_that_is_no_more_than_an_option_holds(shop, heading, cell):
    assert asked(shop, heading, cell) == "error"


@pytest.mark.parametrize("note", ["Thank you!", "Great shop", "for my instrument", "Gift for Ann"])
def test_a_note_that_asks_for_nothing_is_none(shop, note):
    assert asked(shop, "Customer Note", note) is None


@pytest.mark.parametrize(
    ("heading", "cell", "severity"),
    [
        ("Already shipped", "Y", "warning"),
        ("Already shipped", "N", None),
        ("Selected", "N", "error"),
        ("Print Label", "Y", None),
        ("Alternate Ship To", "9 Elm St, Dallas TX", "error"),
        ("Combine With", "A1002", "error"),
        ("MSDS", "Y", "error"),
        ("Preorder Release", "2099-01-10", "error"),
        ("Temperature", "2-8C", "warning"),
        ("Undeliverable", "Abandon", "warning"),
    ],
)
def test_further_headings(shop, heading, cell, severity):
    assert asked(shop, heading, cell) == severity


@pytest.mark.parametrize(
    ("heading", "cell", "severity"),
    [
        ("Certificate of Origin", "Yes", "error"),
        ("Certificate of Origin", "no", None),
        ("USMCA Certificate", "attached", "error"),
        ("EUR.1", "x", "error"),
        ("Ursprungszeugnis", "ja", "error"),
        ("原産地証明書", "はい", "error"),
        ("Paperless Invoice", "Yes", "warning"),
        ("Paperless Billing", "Yes", None),
        ("Gift Certificate", "Yes", None),
    ],
)
def test_certificates_for_customs_are_not_made_in_silence(shop, heading, cell, severity):
    assert asked(shop, heading, cell) == severity
