"""Files that are not UTF-8: the code page is told by the letters, or its rows wait."""

from __future__ import annotations

import pytest

import shipkit as sk
from shipkit.orders import source

HEAD = "Order Number,Ship To Name,Address 1,City,Zip,Country\r\n"
US = "".join(
    f"{n},{name},{n} Oak St,Austin,78701,US\r\n"
    for n, name in enumerate(("Ada Lee", "Bo Ray", "Cy Doe", "Di Fox"), start=1)
)
PLACES = {
    "DE": ("Rüdiger Wüstenhagen", "Böttcherstraße 5", "Mönchengladbach"),
    "FR": ("Benoît Crépin", "12 impasse du Frêne", "Alès"),
    "ES": ("Nicolás Ordóñez", "Calle Zurbarán 5", "Ávila"),
    "BR": ("Sebastião Fragão", "Rua da Consolação 5", "Goiás"),
    "SE": ("Örjan Nyström", "Blåbärsvägen 5", "Trollhättan"),
    "NO": ("Gøril Skåre", "Møllevej 9", "Hønefoss"),
    "PL": ("Agnieszka Gołębiowska", "ul. Żytnia 3", "Kołobrzeg"),
    "CZ": ("Božena Křížová", "U Mlýna 3", "Uherské Hradiště"),
    "HU": ("Jenő Kőhalmi", "Erzsébet körút 2", "Dunaújváros"),
    "HR": ("Mateja Čižmek", "Kralja Zvonimira 3", "Varaždin"),
    "RO": ("Sorin Grădinaru", "Strada Mărgăritarului 3", "Bârlad"),
    "RU": ("Эльвира Хасанова", "Цветной бульвар 12", "Ижевск"),
    "UA": ("Богдан Гнатюк", "вул. Франка 5", "Ужгород"),
    "GR": ("Σπύρος Αντωνίου", "Οδός Αχαρνών 5", "Καλαμάτα"),
    "TR": ("İlker Sağlam", "Fındıklı Cad. 9", "Tekirdağ"),
    "LT": ("Jūratė Petrauskaitė", "Sodų g. 3", "Visaginas"),
    "LV": ("Mārcis Kļavenieks", "Raiņa bulvāris 5", "Rēzekne"),
    "EE": ("Külli Mänd", "Jõe 3", "Võru"),
    "JP": ("渡部 直樹", "豊中市蛍池東町2-1", "大阪府"),
    "CN": ("欧阳志远", "滨河西路5号", "合肥市"),
    "TW": ("湯佩珊", "中正路四段12號", "屏東縣"),
    "KR": ("남궁민", "월드컵로 12", "창원시"),
    "TH": ("กมลชนก ทอง", "ถนนเพชรบุรี 9", "อุดรธานี"),
}
PAGES = {
    "cp1252": "DE FR ES BR SE NO",
    "iso8859-15": "DE FR ES BR SE NO",
    "mac_roman": "DE FR ES BR SE",
    "cp850": "DE FR ES BR SE NO",
    "cp437": "DE FR",
    "cp1250": "PL CZ HU HR RO",
    "iso8859-2": "PL CZ HU HR",
    "cp852": "PL CZ HU",
    "cp1251": "RU UA",
    "koi8-r": "RU",
    "cp866": "RU",
    "iso8859-5": "RU",
    "cp1253": "GR",
    "iso8859-7": "GR",
    "cp1254": "TR",
    "iso8859-9": "TR",
    "cp1257": "LT LV EE",
    "cp932": "JP",
    "euc_jp": "JP",
    "gb18030": "CN",
    "big5": "TW",
    "cp949": "KR",
    "cp874": "TH",
}
MEMBERS = [(page, country) for page, countries in PAGES.items() for country in countries.split()]


def line(number, place, country="US", zip_code="78701"):
    return f"{number},{','.join(place)},{zip_code},{country}\r\n"


def write(folder, *parts):
    path = folder / "orders.csv"
    path.write_bytes(b"".join(parts))
    return path


def rows(loaded):
    return loaded.con.sql(
        f"SELECT ship_to_name, address_1, city FROM {loaded.lines.sql} ORDER BY row_number"
    ).fetchall()


def problems(loaded):
    return [(p["row_number"], p["field"], p["code"]) for p in loaded.problems.to_pylist()]


@pytest.mark.parametrize(("page", "country"), MEMBERS)
def test_one_foreign_order_among_american_ones_tells_the_code_page(tmp_path, page, country):
    place = PLACES[country]
    text = HEAD + US + line(9, place, country)
    loaded = source.load(write(tmp_path, text.encode(page)))
    assert rows(loaded)[-1] == place
    assert problems(loaded) == []
    assert "(first in line 6): such lines are read as " in str(loaded.report)


@pytest.mark.parametrize("page", ["cp1252", "iso8859-15"])
@pytest.mark.parametrize(
    "name",
    [
        "José García",
        "Zoë Baker",
        "Iñaki Ruiz",
        "Jane\u2019s Gifts",
        "Weiß GmbH",
        "Béla O\u2019Hara",
    ],
)
def test_a_western_name_alone_needs_no_question(tmp_path, page, name):
    name = name if page == "cp1252" else name.replace("\u2019", "'")
    text = HEAD + US + line(9, (name, "1 Main St", "Boston"))
    loaded = source.load(write(tmp_path, text.encode(page)))
    assert rows(loaded)[-1][0] == name
    assert problems(loaded) == []


def test_one_name_that_reads_in_two_ways_waits_until_the_encoding_is_named(tmp_path):
    text = HEAD + US + line(9, ("Alenka Bošnjak", "1 Main St", "Boston"))
    path = write(tmp_path, text.encode("cp1250"))
    (problem,) = source.load(path).problems.to_pylist()
    assert (problem["row_number"], problem["field"], problem["severity"], problem["code"]) == (
        5,
        "ship_to_name",
        "error",
        "letters_doubtful",
    )
    assert '"Alenka Bošnjak"' in problem["problem"]
    assert 'encoding="cp1250"' in problem["fix"]
    loaded = source.load(path, encoding="cp1250")
    assert rows(loaded)[-1][0] == "Alenka Bošnjak"
    assert problems(loaded) == []


def test_the_row_that_waits_is_the_only_one(tmp_path, shop):
    text = HEAD + US + line(9, ("Alenka Bošnjak", "1 Main St", "Boston"))
    with sk.BatchSession(write(tmp_path, text.encode("cp1250")), shipper=shop) as session:
        session.map(service="ground", defaults={"weight_lb": 2, "state": "TX"})
        found = session.problems
        doubtful = found[found.code == "letters_doubtful"]
        assert list(zip(doubtful.row_number, doubtful.field, strict=True)) == [(5, "ship_to.name")]


@pytest.mark.parametrize(
    ("first", "second", "country", "place"),
    [
        ("utf-8", "cp1252", "DE", PLACES["DE"]),
        ("utf-8", "cp1250", "PL", PLACES["PL"]),
        ("cp1252", "cp850", "DE", PLACES["DE"]),
        ("cp1252", "mac_roman", "FR", PLACES["FR"]),
    ],
)
def test_lines_of_two_systems_are_each_read_in_their_own_way(
    tmp_path, first, second, country, place
):
    path = write(
        tmp_path,
        HEAD.encode(),
        line(1, PLACES["SE"], "SE").encode(first),
        line(2, PLACES["ES"], "ES").encode(first),
        line(3, place, country).encode(second),
    )
    loaded = source.load(path)
    assert rows(loaded) == [PLACES["SE"], PLACES["ES"], place]


def test_a_letter_that_was_cut_in_half_is_lost_and_the_rest_stays(tmp_path):
    broken = line(2, ("Zoë Müller", "Straße 5", "Köln")).encode().replace("ö".encode(), b"\xc3")
    path = write(tmp_path, HEAD.encode(), line(1, PLACES["PL"], "PL").encode(), broken)
    loaded = source.load(path)
    assert rows(loaded) == [PLACES["PL"], ("Zoë Müller", "Straße 5", "K\ufffdln")]
    assert "1 line (first line 3) has broken letters" in str(loaded.report)


@pytest.mark.parametrize("country", ["DE", "JP", "RU", "GR", "TH"])
@pytest.mark.parametrize("page", ["utf-16-le", "utf-16-be", "utf-16"])
def test_utf16_needs_no_mark_in_any_script(tmp_path, country, page):
    text = HEAD + line(1, PLACES[country], country) * 3
    loaded = source.load(write(tmp_path, text.encode(page)))
    assert rows(loaded) == [PLACES[country]] * 3


def test_half_a_pair_of_utf16_is_a_lost_letter(tmp_path):
    text = HEAD + line(1, ("Ada \ud83d Lee", "1 Main St", "Boston"))
    loaded = source.load(write(tmp_path, b"\xff\xfe", text.encode("utf-16-le", "surrogatepass")))
    assert rows(loaded) == [("Ada \ufffd Lee", "1 Main St", "Boston")]


def test_byte_order_marks_where_files_were_joined_are_removed_and_counted(tmp_path):
    mark = b"\xef\xbb\xbf"
    text = (HEAD + US).encode()
    path = write(tmp_path, mark, text, mark, line(7, ("Ed Poe", "1 Elm St", "Tampa")).encode())
    loaded = source.load(path)
    last = loaded.con.sql(f"SELECT order_number FROM {loaded.lines.sql} WHERE row_number = 5")
    assert last.fetchall() == [("7",)]
    assert "1 byte order mark within the text removed (in line 6)" in str(loaded.report)


@pytest.mark.parametrize("before", [0, 20_000])
def test_a_nul_byte_is_removed_wherever_it_stands(tmp_path, before):
    filler = line(1, ("Ada Lee", "1 Main St", "Boston")) * (before // 40)
    path = write(
        tmp_path, HEAD.encode(), filler.encode(), b"2,Bo Ray\0\0,2 Oak St\0,Austin,78701,US\r\n"
    )
    loaded = source.load(path)
    assert rows(loaded)[-1] == ("Bo Ray", "2 Oak St", "Austin")
    assert f"3 NUL bytes removed (first in line {before // 40 + 2})" in str(loaded.report)


@pytest.mark.parametrize("end", [b"\x1a", b"\r\n\x1a", b"\r\n\x1a\r\n"])
def test_the_mark_at_the_end_of_a_file_of_dos_is_no_order(tmp_path, end):
    loaded = source.load(write(tmp_path, HEAD.encode(), US.encode().rstrip() + end))
    assert rows(loaded)[-1] == rows(source.load(write(tmp_path, HEAD.encode(), US.encode())))[-1]
    assert "Ctrl-Z at its end removed" in str(loaded.report)
    assert loaded.report.lines.missing == 0


@pytest.mark.parametrize("other", [b"Bo Day", b"Bo\x00 Day", b"Jos\xe9 Day"])
def test_a_letter_that_became_ctrl_z_ends_no_line_and_is_not_removed(tmp_path, other):
    lines = [b"id,name", b"1,Jos\x1a", b"2," + other, b"3,Zo\x1a", b""]
    loaded = source.load(write(tmp_path, b"\r\n".join(lines)))
    assert [
        row[:2]
        for row in loaded.con.sql(
            f"SELECT id, name FROM {loaded.text.sql} ORDER BY row_number"
        ).fetchall()
    ][::2] == [("1", "Jos\x1a"), ("3", "Zo\x1a")]
    assert loaded.rows == 3
    assert "Ctrl-Z" not in str(loaded.report)


def test_a_nul_byte_between_two_letters_is_a_letter_that_was_lost(tmp_path):
    path = write(tmp_path, HEAD.encode(), b"2,Bo R\0y,2 Oak St,Austin,78701,US\r\n")
    assert rows(source.load(path))[-1] == ("Bo R\ufffdy", "2 Oak St", "Austin")


def test_a_file_that_is_mostly_nul_is_no_text(tmp_path):
    path = write(tmp_path, b"\0" * 500 + b"abc")
    with pytest.raises(sk.errors.SourceError, match="is not a text file"):
        source.load(path)


def test_xml_that_is_no_workbook_is_named_as_what_it_is(tmp_path):
    path = write(tmp_path, b"<?xml version='1.0'?>\n<orders><order><id>1</id></order></orders>\n")
    with pytest.raises(sk.errors.SourceError, match="is an XML document, not a table"):
        source.load(path)


@pytest.mark.parametrize(("page", "country"), [("iso2022_jp", "JP"), ("iso2022_kr", "KR")])
def test_escapes_that_change_the_alphabet_are_decoded(tmp_path, page, country):
    text = HEAD + line(1, PLACES[country], country) * 40
    loaded = source.load(write(tmp_path, text.encode(page)))
    assert rows(loaded) == [PLACES[country]] * 40


def test_escapes_that_cannot_be_decoded_are_refused(tmp_path):
    path = write(tmp_path, HEAD.encode() + b"1,\x1b$B\xff\xfe\x1b(B,1 Main St,Tokyo,1,JP\n")
    with pytest.raises(sk.errors.SourceError, match="ISO-2022"):
        source.load(path)
