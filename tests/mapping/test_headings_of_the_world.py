"""Headings in many languages and spellings mean what they mean in English; so do instructions."""

from __future__ import annotations

import pytest

import shipkit as sk
from shipkit.orders.fields import recognise
from shipkit.orders.heading_text import phrase
from shipkit.orders.instructions import instruction_of
from shipkit.orders.layouts import known_layouts

SHIPPER = {
    "name": "Dana Ortiz",
    "address_line1": "300 Alamo Plaza",
    "city": "San Antonio",
    "state": "TX",
    "postal_code": "78205",
    "phone": "2105550100",
}

ROLES = ["order_id", "name", "address_line1", "postal_code", "city", "country", "phone", "weight"]
"""The roles of the columns of `FILES`, in their order."""

FILES = {
    "de": "Bestellnr.|Empfänger|Straße und Hausnr.|PLZ|Ort|Land|Telefon|Gewicht (kg)",
    "de, compounds": "Auftragsnummer|Lieferadresse Name|Lieferstraße|Lieferadresse PLZ|"
    "Lieferort|Lieferland|Rufnummer|Paketgewicht",
    "fr": "N° de commande|Nom du destinataire|Rue|Code postal|Ville|Pays|Téléphone|Poids (kg)",
    "es": "Número de pedido|Destinatario|Calle|Código postal|Ciudad|País|Móvil|Peso (kg)",
    "it": "Numero ordine|Nome completo|Indirizzo|CAP|Città|Paese|Cellulare|Peso lordo",
    "nl": "Bestelnummer|Naam ontvanger|Straat|Postcode|Plaats|Landcode|Telefoon|Gewicht",
    "pl": "Nr zamówienia|Odbiorca|Ulica|Kod pocztowy|Miejscowość|Kraj|Telefon|Waga (kg)",
    "pt": "Número do pedido|Destinatário|Endereço|CEP|Cidade|País|Celular|Peso",
    "sv": "Ordernummer|Mottagare|Gatuadress|Postnummer|Postort|Land|Telefonnr|Vikt (kg)",
    "da": "Ordrenummer|Modtager|Vejnavn|Postnr.|By|Land|Telefon|Vægt (kg)",
    "fi": "Tilausnumero|Vastaanottaja|Katuosoite|Postinumero|Postitoimipaikka|Maa|Puhelin|Paino",
    "cs": "Číslo objednávky|Příjemce|Ulice|PSČ|Město|Země|Telefon|Hmotnost",
    "ja": "注文番号|お届け先氏名|お届け先住所|お届け先郵便番号|市区町村|国|電話番号|重量(kg)",
    "zh": "订单号|收件人|收件人地址|邮编|城市|国家|联系电话|重量(kg)",
    "ko": "주문번호|받는사람|받는사람 주소|우편번호|도시|국가|휴대폰|무게",
    "ru": "Номер заказа|Получатель|Адрес|Почтовый индекс|Город|Страна|Телефон|Вес (кг)",
    "camel": "orderId|shipToName|shipToAddress1|shipToZip|shipToCity|shipToCountry|phoneNo|pkgWt",
    "paths": "order_number|recipient[name]|recipient[street]|recipient[zip]|address.0.city|"
    "shippingAddress.country|shipping_address.phone|package.weight",
    "no blanks": "ORDERID|SHIPTONAME|SHIPTOADDRESS|SHIPTOZIP|SHIPTOCITY|SHIPTOCOUNTRY|"
    "PHONENUMBER|PACKAGEWEIGHT",
}


@pytest.mark.parametrize(
    ("heading", "role"),
    [
        ("N.º de pedido", "order_id"),
        ("N.ª orden", "order_id"),
        ("Nº. pedido", "order_id"),
        ("N.º de venta", "order_id"),
        ("Nombre del destinatario", "name"),
        ("shippingAddress.zone", "state"),
        ("shipping_address[zone_code]", "state"),
        ("Zone", None),
        ("Numéro de rue", "house_number"),
        ("Numéro et rue", "address_line1"),
        ("N° et rue", "address_line1"),
        ("Vorname Lieferadresse", "first_name"),
        ("Straße Lieferadresse", "address_line1"),
        ("PLZ Rechnungsadresse", None),
        ("shipping_person_street", "address_line1"),
        ("shipping_contact_name", "name"),
        ("Shipping Extended Address", "address_line2"),
        ("Téléphone mobile", "phone"),
        ("Requested Shipping Class", "service"),
        ("Municipio/Alcaldía", "city"),
        ("VBELN", "order_id"),
        ("PSTLZ", "postal_code"),
    ],
)
def test_a_heading_in_a_shops_own_spelling_is_read(heading, role):
    assert next(iter(recognise([heading]).roles), None) == role


@pytest.mark.parametrize(
    ("heading", "cell", "country", "place"),
    [
        ("City, State ZIP", "Boise, ID 83702", "US", ("Boise", "ID", "83702")),
        ("Ship To City/State/Zip", "New York NY 10001", "US", ("New York", "NY", "10001")),
        ("PLZ/Ort", "10115 Berlin", "DE", ("Berlin", None, "10115")),
        ("CP Ville", "75008 Paris", "FR", ("Paris", None, "75008")),
        ("Postcode en plaats", "1012 AB Amsterdam", "NL", ("Amsterdam", None, "1012 AB")),
        ("City, State ZIP", "Boise", "US", (None, None, None)),
    ],
)
def test_city_state_and_postal_code_in_one_cell_are_read_or_held(
    tmp_path, heading, cell, country, place
):
    row = {"Order ID": 1, "Name": "Mara Quint", "Address": "1 Main St", heading: cell}
    row |= {"Country": country, "Phone": "2085550143", "Weight (lb)": 1}
    with sk.BatchSession(shipper=SHIPPER, home=tmp_path) as session:
        session.load([row]).map(service="ground" if country == "US" else "worldwide_saver")
        found = session.mapped()[["city", "state", "postal_code"]].iloc[0]
        assert tuple(None if value != value else value for value in found) == place
        held = session.problems.query("code == 'missing'")["field"].tolist()
    assert held == ([f"ship_to.{f}" for f in ("city", "state", "postal_code")] * (place[0] is None))


def test_a_recipient_by_word_goes_before_a_bare_name():
    assert recognise(["Name", "Addressee", "Street"]).roles["name"].name == "Addressee"


@pytest.mark.parametrize(
    "heading",
    ["Adresse (facturation)", "Complément d'adresse (facturation)", "Floor (billing)"],
)
def test_a_party_in_brackets_is_a_party(heading):
    assert instruction_of(heading) is None


def test_the_halves_of_a_japanese_name_and_address_are_read(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text(
        "注文番号,送付先姓,送付先名,送付先郵便番号,送付先住所都道府県,送付先住所市区町村,送付先住所番地,国\n"
        "1,山田,花子,530-0001,大阪府,大阪市北区,梅田1-2-3,日本\n",
        encoding="utf-8",
    )
    with sk.BatchSession(path, shipper=SHIPPER, home=tmp_path) as session:
        session.map(service="worldwide_saver", defaults={"weight_lb": 1})
        row = session.mapped().iloc[0]
    assert (row["name"], row["address_line1"], row["city"]) == (
        "山田 花子",
        "梅田1-2-3",
        "大阪市北区",
    )
    assert (row["postal_code"], row["country"]) == ("530-0001", "JP")


def test_a_block_next_to_an_address_is_the_number_of_its_house():
    roles = recognise(["住所", "番地", "氏名"]).roles
    assert roles["house_number"].name == "番地"
    assert roles["address_line1"].name == "住所"


@pytest.mark.parametrize("language", FILES)
def test_a_file_in_any_language_is_read(language):
    headings = FILES[language].split("|")
    found = recognise(headings)
    assert {role: match.name for role, match in found.roles.items()} == dict(
        zip(ROLES, headings, strict=True)
    )
    assert not found.ambiguous


@pytest.mark.parametrize(
    ("heading", "party"),
    [
        ("Rechnungsadresse Ort", None),
        ("Adresse de facturation", None),
        ("Dirección del remitente", None),
        ("请求 地址", None),
        ("billing_address.zip", None),
        ("senderZip", None),
        ("Lieferadresse Ort", 0),
        ("Ville de livraison", 0),
        ("zip_ship", 0),
        ("Kunde Ort", 2),
    ],
)
def test_the_party_of_a_heading_is_seen_in_any_language(heading, party):
    found = [match.party for match in recognise([heading]).roles.values()]
    assert found == ([] if party is None else [party])


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("RECIPIENTNAME", "recipient name"),
        ("statement", "statement"),
        ("Storage", "storage"),
        ("toad", "toad"),
        ("username", "user name"),
        ("Date de la commande", "order date"),
        ("La Crosse", "la crosse"),
    ],
)
def test_a_long_word_is_cut_only_into_words_that_are_known(heading, words):
    assert phrase(heading) == words


ASKS = {
    "who pays for the shipping": "UPS Acct|freightPayerType|Bill Freight To|"
    "Frachtzahler|Payeur du transport|Courier Account No|Prepaid/Collect|Compte transporteur",
    "a return": "Return?|Include RMA Label|Rücksendeetikett|Étiquette retour|returnShipment",
    "a signature at the door": "Sig Req|Adult 21+|DCIS Type|Unterschrift|Signed For|Podpis",
    "insurance": "Ins Amt|insuredFor|Höherversicherung|Valor asegurado|保価".replace(
        "保価", "保险"
    ),
    "payment on delivery": "C.O.D.|codAmt|Nachnahmebetrag|Contre-remboursement|代引き",
    "a day or a time of the delivery": "SAT_DEL|AM Delivery|Créneau horaire|Zaterdaglevering",
    "a pickup point, or a parcel that is held for collection": "HAL|accessPointId|PUDO ID|"
    "Packstation|Point relais|Paczkomat|parcelLocker",
    "dangerous goods, or goods with rules of their own": "is_hazmat|dryIceLbs|Li-ion Batteries|"
    "Gefahrgutklasse|Hielo seco|危険物",
    "a tax or customs number": "iossNo|Consignee VAT|Steuernummer|Partita IVA|CPF/CNPJ",
    "the place that the parcel leaves from": "From Zip|Whse|Absender|shipFromCity|Nadawca",
    "the number of parcels": "pkg_cnt|# Boxes|Anzahl Kartons|Nb colis|件数|Aantal dozen",
    "a part of the address": "Bldg #|Escalier|piętro|Stockwerk|C/O|4. Etage|Dept.",
    "a day before which it must not be shipped": "Hold Until|Do Not Ship Before|Nicht vor|shipOn",
    "a box or packaging": "Box Code|Kartontyp|Type d'emballage|containerType",
    "whether the address is a business": "isBusiness|Commercial Address|Address Category",
    "a faster or another service": "Rush|Next Day|Eilauftrag|Delivery Priority",
}


@pytest.mark.parametrize("what", ASKS)
def test_an_instruction_is_seen_in_any_wording(what):
    found = {heading: instruction_of(heading) for heading in ASKS[what].split("|")}
    asks = {heading: each and (each.what, each.severity) for heading, each in found.items()}
    assert asks == dict.fromkeys(found, (what, "error"))


@pytest.mark.parametrize(
    "heading",
    [
        "PO Number",
        "Your Ref",
        "Delivery Instructions",
        "Lieferhinweis",
        "Gate Code",
        "Gift Message",
        "Geschenkverpackung",
        "Notify by SMS",
        "Deliver By",
        "Liefertermin",
        "Carrier",
        "Fragile",
    ],
)
def test_a_wish_that_no_label_can_hold_is_a_warning(heading):
    assert instruction_of(heading).severity == "warning"


@pytest.mark.parametrize(
    "heading",
    [
        "Shipping Insurance Fee",
        "Gift Card Amount",
        "Return Address",
        "Return Reason",
        "Box Weight",
        "Unit Price",
        "Versandkosten",
        "Tax Amount",
        "Payment Reference",
        "Risk Level",
        "Estimated Delivery Date",
        "Shipped Date",
        "Customer ID",
        "Store Credit",
        "Qty per Box",
        "SMS Marketing Consent",
        "Shipping Label URL",
    ],
)
def test_a_heading_that_only_resembles_an_instruction_asks_for_nothing(heading):
    assert instruction_of(heading) is None


def mapped(tmp_path, row, **settings):
    base = {"Order ID": "A1", "Name": "Ada Lee", "City": "X", "State": "", "Zip": "1"}
    with sk.BatchSession(shipper=SHIPPER, home=tmp_path) as session:
        session.load([{**base, "Weight (lb)": "2", **row}])
        session.map(service="ground", **settings)
        return (
            session.mapped()["address_line1"][0],
            "column_not_understood" in set(session.problems["code"]),
            session.template,
        )


HOUSES = [
    ("Hauptstr.", "5", "DE", "Hauptstr. 5", False),
    ("rue de Nice", "5", "France", "5 rue de Nice", False),
    ("Main St", "5", "", "5 Main St", False),
    ("Main St", "5.0", "US", "5 Main St", False),
    ("5th Ave", "12", "US", "12 5th Ave", False),
    ("Straße des 17. Juni", "4", "DE", "Straße des 17. Juni 4", False),
    ("Hauptstr. 5", "5", "DE", "Hauptstr. 5", False),
    ("12 Main St", "12", "US", "12 Main St", False),
    ("Hauptstr. 5", "7", "DE", "Hauptstr. 5", True),
    ("Sejong-daero", "7", "KR", "Sejong-daero", True),
    ("Calle Mayor", "S/N", "ES", "Calle Mayor", False),
    ("Calle Mayor", "", "ES", "Calle Mayor", False),
]


def test_a_house_number_is_joined_as_in_its_country_or_asked_about(tmp_path):
    base = {"Name": "Ada Lee", "City": "X", "State": "", "Zip": "1", "Weight (lb)": "2"}
    rows = [
        {"Order ID": f"A{n}", **base, "Street": street, "House Number": number, "Country": country}
        for n, (street, number, country, _, _) in enumerate(HOUSES)
    ]
    lines = [line for *_, line, _ in HOUSES]
    with sk.BatchSession(shipper=SHIPPER, home=tmp_path) as session:
        session.load(rows).map(service="ground")
        assert session.mapped()["address_line1"].tolist() == lines
        held = session.problems.query("code == 'column_not_understood'")["row_number"]
        assert sorted({*held}) == [n for n, (*_, asked) in enumerate(HOUSES, 1) if asked]
        template = session.template
    with sk.BatchSession(shipper=SHIPPER, home=tmp_path) as session:  # the same by template
        session.load(rows).map(template)
        assert session.mapped()["address_line1"].tolist() == lines


def test_an_addition_follows_the_house_number(tmp_path):
    row = {"Straat": "Damrak", "Huisnummer": "5", "Toevoeging": "bis", "Land": "NL"}
    assert mapped(tmp_path, row)[:2] == ("Damrak 5 bis", False)


def test_a_middle_name_is_part_of_the_name(tmp_path):
    with sk.BatchSession(shipper=SHIPPER, home=tmp_path) as session:
        session.load([{"First Name": "Ada", "Middle Name": "King", "Last Name": "Lee"}])
        assert list(session.mapped()["name"]) == ["Ada King Lee"]


def test_a_warning_is_one_problem_with_the_number_of_orders(tmp_path):
    rows = [{"Order ID": f"A{n}", "Name": "Ada", "Gate Code": n and f"{n}#"} for n in range(4)]
    with sk.BatchSession(shipper=SHIPPER, home=tmp_path) as session:
        session.load(rows)
        found = session.problems
    found = found[found["code"] == "column_not_understood"]
    assert list(zip(found["row_number"], found["severity"], strict=True)) == [(2, "warning")]
    assert found["problem"].iloc[0].endswith("it is not used (in 3 orders)")


@pytest.mark.parametrize(("day", "held"), [("2020-01-05", 0), ("05.01.2099", 1), ("2099-01-05", 1)])
def test_a_day_not_to_ship_before_holds_only_while_it_is_to_come(tmp_path, day, held):
    with sk.BatchSession(shipper=SHIPPER, home=tmp_path) as session:
        session.load([{"Order ID": "A1", "Name": "Ada", "Do Not Ship Before": day}])
        assert list(session.problems["code"]).count("column_not_understood") == held


def test_one_service_for_all_rows_settles_the_columns_of_services(tmp_path):
    with sk.BatchSession(shipper=SHIPPER, home=tmp_path) as session:
        session.load([{"Order ID": "A1", "Name": "Ada", "Rush": "Y", "Carrier": "DHL"}])
        assert list(session.problems["code"]).count("column_not_understood") == 2
        session.map(service="ground")
        assert "column_not_understood" not in set(session.problems["code"])


@pytest.mark.parametrize("name", sorted(known_layouts()))
def test_known_exports_ask_for_nothing_in_the_columns_they_read(name):
    layout = known_layouts()[name]
    carried = set(map(phrase, layout.carried))
    assert not carried & {phrase(each) for options in layout.fields.values() for each in options}


@pytest.mark.parametrize(
    ("headings", "cells", "name"),
    [
        ("Vorname|Name", "Jörg|Weiß", "Jörg Weiß"),
        ("Name|Vorname", "Jörg Weiß|Jörg", "Jörg Weiß"),
        ("Nom|Prénom", "Marchand|Élodie", "Élodie Marchand"),
        ("Nome|Cognome", "Ugo|Verdi", "Ugo Verdi"),
        ("Nombre|Apellidos", "Lucía|Peña Ruiz", "Lucía Peña Ruiz"),
        ("Lieferadresse Vorname|Lieferadresse Name", "Jörg|Weiß", "Jörg Weiß"),
        ("First Name|Name", "Ann|Lee", "Ann Lee"),
        ("First Name|Name", "ANN|Ann Lee", "Ann Lee"),
        ("Nome completo|Cognome", "Ugo Verdi|Verdi", "Ugo Verdi"),
        ("Name|Surname", "|Lee", "Lee"),
        ("Name|First Name|Last Name", "Ann Lee|Ann|Lee", "Ann Lee"),
        ("Name|First Name|Last Name", "|Ann|Lee", "Ann Lee"),
    ],
)
def test_a_name_is_completed_with_the_half_that_it_lacks(tmp_path, shop, headings, cells, name):
    source = tmp_path / "orders.csv"
    source.write_text(
        f"{headings.replace('|', ',')},Street,City,State,ZIP\n"
        f"{cells.replace('|', ',')},1 Main St,Boston,MA,02134\n"
    )
    session = sk.BatchSession(str(source), shipper=shop)
    session.map(service="ground", defaults={"weight_lb": 2})
    assert session.mapped()["name"].tolist() == [name]
    again = sk.BatchSession(str(source), shipper=shop).map(session.template)
    assert again.mapped()["name"].tolist() == [name]


@pytest.mark.parametrize(
    ("heading", "what"),
    [
        ("İç Kapı No", "a part of the address"),
        ("Kat", "a part of the address"),
        ("Semt", "a part of the address"),
        ("건물명", "a part of the address"),
        ("층", "a part of the address"),
        ("시군구", "a part of the address"),
        ("区县", "a part of the address"),
        ("町域", "a part of the address"),
        ("Městská část", "a part of the address"),
        ("Kaupunginosa", "a part of the address"),
        ("Κτίριο", "a part of the address"),
        ("Микрорайон", "a part of the address"),
        ("Tehlikeli Madde", "dangerous goods, or goods with rules of their own"),
        ("위험물", "dangerous goods, or goods with rules of their own"),
        ("Vaarallinen aine", "dangerous goods, or goods with rules of their own"),
        ("Alıcı Ödemeli", "who pays for the shipping"),
        ("착불", "who pays for the shipping"),
        ("Frete a pagar", "who pays for the shipping"),
    ],
)
def test_what_asks_for_something_is_known_in_more_languages(heading, what):
    found = instruction_of(heading)
    assert found is not None
    assert found.what == what


@pytest.mark.parametrize(
    ("heading", "role"),
    [
        ("Koli Sayısı", "number_of_parcels"),
        ("박스 수량", "number_of_parcels"),
        ("Csomagok száma", "number_of_parcels"),
        ("Количество мест", "number_of_parcels"),
        ("Kapıda Ödeme", "cod_amount"),
        ("Utánvét", "cod_amount"),
        ("Αντικαταβολή", "cod_amount"),
        ("İmza", "signature"),
        ("서명", "signature"),
        ("Dış Kapı No", "house_number"),
        ("번지", "house_number"),
    ],
)
def test_options_are_read_in_more_languages(heading, role):
    assert recognise([heading]).roles[role].name == heading
