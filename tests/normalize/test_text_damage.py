"""Cells of names and addresses that programs damaged: repaired, or their row waits."""

from __future__ import annotations

import pytest

import shipkit as sk
from shipkit.orders.normalize.mojibake import read_again
from shipkit.orders.normalize.text_damage import TextVerdict, judged

ROW = {
    "Order Number": "A-1",
    "Ship To Name": "Ada Lee",
    "Company": "Lee Tools",
    "Address 1": "1 Main St",
    "Address 2": "Rear",
    "City": "Boston",
    "State": "MA",
    "Zip": "02134",
    "Weight (lb)": 2,
}
HEADINGS = {
    "name": "Ship To Name",
    "company": "Company",
    "address_line1": "Address 1",
    "address_line2": "Address 2",
    "city": "City",
    "order_id": "Order Number",
}
LETTERS = "names and addresses that had been read in a wrong encoding, read again"
MARKUP = "HTML, escapes and invisible marks in names and addresses read as they mean"
NOTHING = "words such as nan and null for an empty cell left out of addresses"


def garbled(text, page, times=1):
    """Return UTF-8 that was read as `page`; bytes that the page leaves open are controls."""
    for _ in range(times):
        text = "".join(_letter(byte, page) for byte in text.encode())
    return text


def _letter(byte, page):
    try:
        return bytes([byte]).decode(page)
    except UnicodeDecodeError:
        return chr(byte)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("page", ["cp1252", "latin-1", "mac_roman", "cp437", "cp1250", "cp1254"])
@pytest.mark.parametrize("name", ["Zoë Müller", "José Muñoz", "João Conceição", "O\u2019Neil Co"])
def test_utf8_that_was_read_in_a_wrong_encoding_is_read_again(name, page, times):
    if name.startswith("O") and page == "cp1254" and times == 2:
        name = "Zoë Weiß"  # that page has no letter for one of the bytes of the quote
    assert judged(garbled(name, page, times), "name").text == name


@pytest.mark.parametrize("page", ["cp850", "cp1251"])
@pytest.mark.parametrize("name", ["Zoë Müller", "José Muñoz", "Иван Петров", "O\u2019Neil Smith"])
def test_dos_and_cyrillic_pages_are_read_again_too(name, page):
    if page == "cp850" and name.startswith("И"):
        name = "Jürgen Weiß"
    assert read_again(garbled(name, page)) == name


@pytest.mark.parametrize(
    ("field", "cell", "right"),
    [
        ("name", "ZoÃ« MÃ¼ller", "Zoë Müller"),
        ("name", "JiÅ™Ã\u00ad DvoÅ™Ã¡k", "Jiří Dvořák"),
        ("company", "BÃ¼ro & SÃ¶hne", "Büro & Söhne"),
        ("address_line1", "StraÃŸe des 17. Juni 5", "Straße des 17. Juni 5"),
        ("city", "KÃ¶ln", "Köln"),
        ("name", "Аda Lee", "Ada Lee"),  # a Cyrillic A
        ("city", "Βoston", "Boston"),  # a Greek B
        ("address_line1", "１２ Main St", "12 Main St"),
        ("name", "M\u0092Coy", "M\u2019Coy"),
    ],
)
def test_letters_are_repaired(field, cell, right):
    verdict = judged(cell, field)
    assert (verdict.text, verdict.repair, verdict.problem) == (right, "letters", None)


@pytest.mark.parametrize(
    ("field", "cell", "right"),
    [
        ("name", "M&#252;ller", "Müller"),
        ("name", "M&amp;#252;ller", "Müller"),
        ("name", "M&amp;uuml;ller", "Müller"),
        ("company", "Smith &amp;amp;amp; Sons", "Smith & Sons"),
        ("name", "O&#8217Neil", "O\u2019Neil"),
        ("name", "M\\u00fcller", "Müller"),
        ("name", "M\\xc3\\xbcller", "Müller"),
        ("name", "M\\xfcller", "Müller"),
        ("city", "M=C3=BCnchen", "München"),
        ("address_line1", "12%20Main%20St", "12 Main St"),
        ("name", "Caf%C3%A9+Luna", "Café Luna"),
        ("address_line1", "12 Main St<br />Rear", "12 Main St Rear"),
        ("address_line1", "<p>12 Main St</p>", "12 Main St"),
        ("company", "<b>Lee Tools</b>", "Lee Tools"),
        ("name", '<span class="x">Ada Lee</span>', "Ada Lee"),
        ("address_line1", "12 Main St_x000D_", "12 Main St"),
        ("name", "M_x00FC_ller", "Müller"),
        ("address_line1", "12 Main St\\r\\nRear", "12 Main St Rear"),
        ("address_line1", '="12 Main St"', "12 Main St"),
        ("name", "Mu\\303\\261oz", "Muñoz"),
        ("name", "Ana Mu&ntildeoz", "Ana Muñoz"),
        ("name", "Jos&eacute", "José"),
        ("address_line1", "19 Main St[br]Apt 5", "19 Main St Apt 5"),
        ("name", "Ada\u200d Lee", "Ada Lee"),
    ],
)
def test_codes_are_read_as_they_mean(field, cell, right):
    verdict = judged(cell, field)
    assert (" ".join(verdict.text.split()), verdict.problem) == (right, None)
    assert verdict.repair == "markup"


@pytest.mark.parametrize(
    ("field", "cell", "code"),
    [
        ("name", "M?ller", "text_damaged"),
        ("name", "?ukasz Nowak", "text_damaged"),
        ("name", "Jos? Ruiz", "text_damaged"),
        ("name", "???", "text_damaged"),
        ("city", "M?nchen", "text_damaged"),
        ("address_line1", "Stra?e 5", "text_damaged"),
        ("name", "M\u0081ller", "text_damaged"),
        ("name", "Mï¿½ller", "text_damaged"),
        ("name", "M¸ller", "text_damaged"),
        ("name", "M³ller", "text_damaged"),
        ("name", "Mⁿller", "text_damaged"),
        ("name", "KŠthe Lee", "text_damaged"),
        ("name", "ÍõÐ¡Ã÷", "text_damaged"),
        ("name", "Èâàí Ïåòðîâ", "text_damaged"),
        ("name", "M=FCller", "text_damaged"),
        ("address_line1", "12+Main+St", "text_damaged"),
        ("address_line1", "2-Jan", "excel_date"),
        ("address_line1", "3-mai", "excel_date"),
        ("address_line1", "5.Jan", "excel_date"),
        ("address_line1", "Mrz 12", "excel_date"),
        ("address_line1", "12-déc", "excel_date"),
        ("address_line1", "2026-01-02", "excel_date"),
        ("address_line1", "1/2/2026", "excel_date"),
        ("address_line1", "44929", "excel_date"),
        ("address_line1", "1.2E+10", "excel_date"),
        ("address_line1", "12.0", "excel_date"),
        ("address_line2", "2026-01-02 00:00:00", "excel_date"),
        ("address_line2", "Mär-05", "excel_date"),
        ("company", "2-Jan", "excel_date"),
        ("city", "44929", "excel_date"),
        ("name", "#####", "excel_error"),
        ("name", "#NV", "excel_error"),
        ("city", "#NAME?", "excel_error"),
        ("address_line2", "#N/A", "excel_error"),
        ("address_line1", "#BEZUG!", "excel_error"),
        ("name", "TRUE", "placeholder"),
        ("name", "WAHR", "placeholder"),
        ("name", "[object Object]", "placeholder"),
        ("name", "null", "placeholder"),
        ("city", "undefined", "placeholder"),
        ("address_line2", "FALSE", "placeholder"),
        ("address_line1", "12 Main St undefined", "placeholder"),
        ("name", "Ada null", "placeholder"),
        ("name", "null, Lee", "placeholder"),
        ("address_line2", "Apt NaN", "placeholder"),
        ("address_line2", "Apt nan", "placeholder"),
        ("address_line1", "12 Main St None", "placeholder"),
        ("address_line1", "Via Roma 7 None", "placeholder"),
        ("address_line1", "12 main st none", "placeholder"),
        ("address_line2", "apt null", "placeholder"),
        ("city", "Boston <NA>", "placeholder"),
        ("name", "<<First Name>> Lee", "placeholder"),
        ("name", "Jos_ Mu_oz", "text_damaged"),
        ("city", "San Jos_ Norte", "text_damaged"),
        ("name", "Jos\u25a1", "text_damaged"),
        ("address_line1", "Fran\x1aois 5", "text_damaged"),
        ("name", "Ren\u201a", "text_damaged"),
        ("name", "Jos\u00bf", "text_damaged"),
        ("name", "Jos+AOk Ruiz", "text_damaged"),
        ("address_line1", "Stra+AN8-e 1", "text_damaged"),
        ("name", "«First_Name»", "placeholder"),
        ("address_line1", "12 Main St [object Object]", "placeholder"),
    ],
)
def test_what_cannot_be_known_is_a_problem(field, cell, code):
    assert judged(cell, field).code == code


@pytest.mark.parametrize(
    "cell",
    [
        *(
            "Jan Null",
            "Nullstraße 5",
            "Annullata 3",
            "Null Street 4",
            "7 Via None",
            "4 None Such Pl",
        ),
        *("4 None Rd", "Via None", "5 Strada di None", "4 null pl", "None Such Rd 4", "12 Nan St"),
    ],
)
def test_null_is_a_name(cell):
    assert judged(cell, "address_line1").problem is None


@pytest.mark.parametrize("name", ["christopher null", "Nan Goldin", "None Mattis", "«Chez Zoé»"])
def test_words_for_nothing_are_parts_of_names(name):
    assert judged(name, "name").problem is None


@pytest.mark.parametrize(
    "company", ["Bar None", "Second to None LLC", "None of the Above", "Nan Co"]
)
def test_a_company_is_free_text(company):
    assert judged(company, "company").problem is None
    assert judged(f"{company} undefined", "company").code == "placeholder"


@pytest.mark.parametrize("cell", ["null", "nan", "NaN", "None", "undefined", "(null)"])
@pytest.mark.parametrize("field", ["company", "address_line2"])
def test_words_for_nothing_are_left_out_where_nothing_is_needed(field, cell):
    assert judged(cell, field) == TextVerdict("", "nothing")


def test_a_unit_of_a_column_of_floats_is_whole():
    assert judged("4.0", "address_line2") == TextVerdict("4", "letters")


def test_all_of_it_is_seen_in_a_session(shop):
    """One row a kind: the cells are found, the repairs counted, the others wait."""
    cells = [
        ("name", "ZoÃ« MÃ¼ller", "Zoë Müller", None),
        ("name", "Jos├® Muñoz", "José Muñoz", None),
        ("name", "O‚ÄôNeil Smith", "O\u2019Neil Smith", None),
        ("name", "Аda Lee", "Ada Lee", None),
        ("name", "Ada\u200d Lee", "Ada Lee", None),
        ("name", "M_x00FC_ller", "Müller", None),
        ("address_line1", "12%20Main%20St", "12 Main St", None),
        ("address_line1", "12 Main St\\nRear", "12 Main St Rear", None),
        ("address_line2", "nan", None, None),
        ("address_line2", "4.0", "4", None),
        ("name", "M?ller", "M?ller", "text_damaged"),
        ("name", "M¸ller", "M¸ller", "text_damaged"),
        ("name", "Èâàí Ïåòðîâ", "Èâàí Ïåòðîâ", "text_damaged"),
        ("address_line1", "12+Main+St", "12+Main+St", "text_damaged"),
        ("address_line1", "3-mai", "3-mai", "excel_date"),
        ("address_line1", "2. Januar 2026", "2. Januar 2026", "excel_date"),
        ("address_line2", "2026-01-02 00:00:00", "2026-01-02 00:00:00", "excel_date"),
        ("city", "#NAME?", "#NAME?", "excel_error"),
        ("name", "[object Object]", "[object Object]", "placeholder"),
        ("name", "WAHR", "WAHR", "placeholder"),
        ("address_line1", "12 Main St undefined", "12 Main St undefined", "placeholder"),
        ("address_line2", "Apt nan", "Apt nan", "placeholder"),
        ("address_line1", "12 Main St None", "12 Main St None", "placeholder"),
        ("name", "Ada null", "Ada null", "placeholder"),
        ("order_id", "Okt-12", "Okt-12", "order_key_damaged"),
        ("order_id", "2026-01-02 00:00:00", "2026-01-02 00:00:00", "order_key_damaged"),
        ("order_id", "#N/A", "#N/A", "order_key_damaged"),
        ("order_id", "1234567890123450000", "1234567890123450000", "order_key_damaged"),
    ]
    rows = [
        ROW | {"Order Number": f"A-{n}"} | {HEADINGS[field]: cell}
        for n, (field, cell, _, _) in enumerate(cells)
    ]
    with sk.BatchSession(rows, shipper=shop, service="ground") as session:
        mapped = session.mapped()
        values = [mapped.iloc[n][field] for n, (field, _, _, _) in enumerate(cells)]
        assert [None if value != value else value for value in values] == [
            right for _, _, right, _ in cells
        ]
        found = [(p.row_number, p.field, p.code) for p in session.problems.itertuples()]
        assert found == [
            (n, field if field == "order_id" else f"ship_to.{field}", code)
            for n, (field, _, _, code) in enumerate(cells, start=1)
            if code
        ]
        assert [session.repairs[kind] for kind in (LETTERS, MARKUP, NOTHING)] == [5, 4, 1]


def test_a_town_that_is_called_none_is_known_by_its_postal_code(shop):
    rows = [ROW | {"Order Number": f"A-{n}", "City": "None"} for n in (1, 2)]
    rows[0] |= {"Zip": "10060", "State": "TO", "Country": "IT"}
    with sk.BatchSession(rows, shipper=shop, service="ground") as session:
        found = session.problems
    assert found[found["code"] == "placeholder"]["row_number"].tolist() == [2]


@pytest.mark.parametrize(
    ("field", "cell"),
    [
        *(("name", name) for name in ("João NÃO", "IRMÃ Maria", "Ærø–Évian", "O´Neil", "Vero")),
        *(
            ("name", name)
            for name in ("Їжак Рівне", "D’Été", "L’Été…", "Ángel Ñandú", "José Müller")
        ),
        *(("name", name) for name in ("佐藤 花子", "Łukasz Żak", "Γιώργος", "محمد علي", "McÉwan")),
        *(("company", name) for name in ("Guess?", "Café™", "ООО «Ромашка»", "AT&T", "R&D; Labs")),
        *(
            ("company", name)
            for name in ("100%Acrylic", "50%50 Fund", "A+B+C", "C:\\temp", "Crème®")
        ),
        *(
            ("company", name)
            for name in ("L·lull", "ÅÄÖ AB", "Société Générale »", "3 < 4", "x=AB")
        ),
        *(("name", name) for name in ("ada_lee", "A+ANA Lee")),
        *(("address_line1", street) for street in ("12 Main_St", "5 \u00bd Oak St")),
        *(("city", city) for city in ("Nan", "Sept-Îles", "'s-Hertogenbosch", "Zürich", "Mai")),
        *(("address_line1", street) for street in ("5 May", "25 de Mayo", "12 1/2 Oak St", "N 5")),
        *(("address_line2", unit) for unit in ("4", "12-14", "5º", "#4", "1/2", "3-B", "Mar 5")),
    ],
)
def test_real_names_and_addresses_stay_as_they_are(field, cell):
    assert judged(cell, field) == TextVerdict(cell)


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("name", "Mary_Ann Lee"),
        ("name", "Di Moe_Smith"),
        ("company", "\u25a0 Acme"),
        ("company", "\u25a1 Studio"),
        ("address_line1", "Unit 5\\301"),
        ("address_line1", "Bldg 4\\210"),
        ("company", "Sing&Bring"),
        ("company", "R&Btilde"),
    ],
)
def test_ordinary_marks_are_neither_rewritten_nor_asked_about(column: str, text: str) -> None:
    verdict = judged(text, column)
    assert (verdict.text, verdict.repair, verdict.problem) == (text, None, None)
