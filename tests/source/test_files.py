"""Files of orders, as they come: delimiters, encodings, line ends, quotes, dirt."""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import gzip
import hashlib
import io
import types
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import shipkit as sk
from shipkit.errors import SourceError
from shipkit.orders import source
from shipkit.orders.source import connect, load, readers

TEXT = (
    "Order ID,Name,Zip,Weight (oz),Total\nA-1,José Ñandú,02134,8,$12.50\nA-2,Zoë "
    'Müller,98101,,"$1,200.00"\n'
)


def write(folder, data, name="orders.csv"):
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def cells(loaded, *columns):
    wanted = ", ".join(f'"{column}"' for column in columns)
    return loaded.con.sql(f"SELECT {wanted} FROM {loaded.lines.sql} ORDER BY row_number").fetchall()


def as_in_the_source(loaded):
    return [
        list(row[2:])
        for row in loaded.con.sql(f"SELECT * FROM {loaded.text.sql} ORDER BY row_number").fetchall()
    ]


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8], ids=["plain", "bom"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_every_common_delimiter_is_found(tmp_path, delimiter, mark):
    rows = list(csv.reader(io.StringIO(TEXT)))
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    loaded = source.load(write(tmp_path, mark + text.getvalue().encode()))
    assert loaded.origin.delimiter == delimiter
    assert [c.name for c in loaded.columns] == rows[0]
    assert cells(loaded, "name", "zip", "total")[0][:2] == ("José Ñandú", "02134")
    assert loaded.origin.kind == ("tsv" if delimiter == "\t" else "csv")


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1"]
)
def test_every_common_encoding_is_found(tmp_path, encoding):
    loaded = source.load(write(tmp_path, TEXT.encode(encoding)))
    assert [name for (name,) in cells(loaded, "name")] == ["José Ñandú", "Zoë Müller"]
    assert loaded.columns[0].key == "order_id"


def test_a_file_that_is_utf8_but_for_some_lines_is_read_line_by_line(tmp_path):
    data = b"Name,City\n" + "José,Málaga\n".encode() + "Zoë,Köln\n".encode("cp1252") + b"A\x81,x\n"
    loaded = source.load(write(tmp_path, data))
    assert cells(loaded, "name", "city") == [("José", "Málaga"), ("Zoë", "Köln"), ("A\ufffd", "x")]
    assert "line 3" in str(loaded.report)


def test_a_named_encoding_that_is_wrong_says_so(tmp_path):
    path = write(tmp_path, "Name\nJosé\n".encode("cp1252"))
    with pytest.raises(SourceError, match="is not utf-8"):
        source.load(path, encoding="utf-8")
    with pytest.raises(SourceError, match="Unknown encoding 'klingon'"):
        source.load(path, encoding="klingon")
    assert cells(source.load(path, encoding="cp1252"), "name") == [("José",)]


def test_newlines_quotes_and_delimiters_inside_cells_survive(tmp_path):
    rows = [
        ["Name", "Address", "Note"],
        ["O'Brien", "Rear entrance\r\nring twice", 'say "hi", twice'],
        ["x", "a\nb", ""],
    ]
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    loaded = source.load(write(tmp_path, text.getvalue()))
    assert as_in_the_source(loaded) == [rows[1], ["x", "a\nb", None]]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_read(tmp_path, end):
    loaded = source.load(write(tmp_path, TEXT.replace("\n", end)))
    assert cells(loaded, "order_id") == [("A-1",), ("A-2",)]


def test_mixed_line_ends_are_read(tmp_path):
    loaded = source.load(write(tmp_path, "a,b\r\n1,2\n3,4\r\n"))
    assert as_in_the_source(loaded) == [["1", "2"], ["3", "4"]]


def test_a_packed_file_is_read(tmp_path):
    loaded = source.load(write(tmp_path, gzip.compress(TEXT.encode("utf-16")), "orders.csv.gz"))
    assert cells(loaded, "zip") == [("02134",), ("98101",)]


def test_a_leading_zero_that_comes_late_survives(tmp_path):
    lines = [f"SO-{n},{10000 + n % 80000}" for n in range(40_000)]
    lines[30_000] = "SO-x,02134"
    loaded = source.load(write(tmp_path, "order_id,zip\n" + "\n".join(lines) + "\n"))
    assert loaded.con.sql(
        f"SELECT zip FROM {loaded.lines.sql} WHERE row_number = 30001"
    ).fetchall() == [("02134",)]
    assert loaded.con.sql(
        f"SELECT count(*) FROM {loaded.lines.sql} WHERE zip LIKE '1000%'"
    ).fetchall() == [(10,)]


def test_row_numbers_are_the_lines_of_the_source(tmp_path):
    lines = [f"{n},x" for n in range(1, 50_001)]
    loaded = source.load(write(tmp_path, "number,word\n" + "\n".join(lines)))
    assert loaded.con.sql(
        f"SELECT count(*) FROM {loaded.lines.sql} WHERE row_number <> number"
    ).fetchall() == [(0,)]
    assert loaded.rows == 50_000


def test_lines_with_nothing_but_delimiters_are_dropped_and_counted(tmp_path):
    loaded = source.load(write(tmp_path, "a,b\n1,2\n,\n3,4\n,\n"))
    assert loaded.con.sql(f"SELECT row_number, a FROM {loaded.lines.sql}").fetchall() == [
        (1, 1),
        (3, 3),
    ]
    assert loaded.rows == 2
    assert "dropped: 2 blank rows: lines 3, 5." in str(loaded.report)
    assert len(as_in_the_source(loaded)) == 4


def test_the_source_is_kept_as_it_was_under_its_own_headings(tmp_path):
    text = "Zip ,order_date,Total,Phone\n'02134, 2026-11-01,$1.50,2125550100.0\n"
    loaded = source.load(write(tmp_path, text))
    assert as_in_the_source(loaded) == [["'02134", " 2026-11-01", "$1.50", "2125550100.0"]]
    assert loaded.con.sql(f"SELECT * FROM {loaded.text.sql}").columns == [
        "row_number",
        "source_file",
        "Zip",
        "order_date",
        "Total",
        "Phone",
    ]
    assert [str(value) for value in cells(loaded, "zip", "order_date", "total", "phone")[0]] == [
        "02134",
        "2026-11-01",
        "1.50",
        "2125550100",
    ]
    assert loaded.origin.headings == ("Zip", "order_date", "Total", "Phone")


def test_the_checksum_is_that_of_the_file(tmp_path):
    path = write(tmp_path, TEXT)
    loaded = source.load(path)
    assert loaded.origin.sha256 == (hashlib.sha256(path.read_bytes()).hexdigest(),)
    assert loaded.origin.paths == (path.resolve(),)
    assert cells(loaded, "source_file")[0] == ("orders.csv",)


@pytest.mark.parametrize(
    "name", ["orders [1].csv", "or*ders?.csv", "naïve – 50%.csv", "it's.csv", "$HOME.csv"]
)
def test_a_path_is_taken_literally(tmp_path, name):
    write(tmp_path, "a,b\n9,9\n", "orders 1.csv")
    assert cells(source.load(write(tmp_path, "a,b\n1,2\n", name)), "a") == [(1,)]


def test_a_glob_reads_several_files_by_heading_and_numbers_on(tmp_path):
    write(tmp_path, "Order ID,Zip\nA,02134\nB,98101\n", "1.csv")
    write(tmp_path, "Zip;Order ID;Note\n10001;C;hi\n", "2.csv")
    loaded = source.load(str(tmp_path / "*.csv"))
    rows = loaded.con.sql(
        "SELECT row_number, source_file, order_id, zip, note "
        f"FROM {loaded.lines.sql} ORDER BY row_number"
    ).fetchall()
    assert rows == [
        (1, "1.csv", "A", "02134", None),
        (2, "1.csv", "B", "98101", None),
        (3, "2.csv", "C", "10001", "hi"),
    ]
    assert loaded.origin.rows == (2, 1)


# -- dirt ------------------------------------------------------------------------------------------


def test_a_short_line_is_filled_up_and_told(tmp_path):
    loaded = source.load(write(tmp_path, "a,b,c\n1,2,3\n4,5\n6,7,8\n"))
    assert as_in_the_source(loaded) == [["1", "2", "3"], ["4", "5", None], ["6", "7", "8"]]
    assert "(row 2)" in str(loaded.report)


def test_a_line_with_too_many_cells_is_a_problem_of_that_line(tmp_path):
    loaded = source.load(
        write(
            tmp_path, "Name,Address,City\nA,1 Main St,Rome\nB,2 Oak Ave, Apt 4,Paris\nC,3,Oslo,\n"
        )
    )
    assert loaded.rows == 3
    found = [(p["row_number"], p["severity"], p["code"]) for p in loaded.problems.to_pylist()]
    # The blank cell of line 3 counts too: the other lines do not have it.
    assert found == [(2, "error", "too_many_cells"), (3, "error", "too_many_cells")]


def test_lines_above_and_below_the_table_are_dropped_and_told(tmp_path):
    text = (
        "\nYour orders\nExported 2026-11-01\n\nOrder ID,Name,Zip\n1,A,02134\n2,B,98101\n\n2 "
        "record(s) downloaded,\n"
    )
    loaded = source.load(write(tmp_path, text))
    assert cells(loaded, "order_id", "zip") == [("1", "02134"), ("2", "98101")]
    assert [note.text for note in loaded.report.of("dropped")] == [
        "4 rows above the header.",
        "1 blank (line 8).",
        '1 row below the orders (a footer): "2 record(s) downloaded".',
    ]


@pytest.mark.parametrize("word", ["Total", "TOTALS", "Grand total:", " sum "])
def test_a_line_that_says_total_and_names_nobody_is_dropped_and_told(tmp_path, word):
    loaded = source.load(
        write(tmp_path, f"Order ID,Name,Zip,Weight\n1,A,02134,2\n2,B,98101,3.5\n{word},,,5.5\n")
    )
    assert cells(loaded, "order_id", "weight") == [("1", 2.0), ("2", 3.5)]
    assert (loaded.rows, [note.text for note in loaded.report.of("dropped")]) == (
        2,
        ["1 row of totals or titles, without a name or address: line 4."],
    )


def test_an_order_called_total_that_names_somebody_is_an_order(tmp_path):
    loaded = source.load(
        write(tmp_path, "Order ID,Name,Zip\nTotal,A,02134\nTotal,,\nx,B,98101\n,C,10001\n")
    )
    assert cells(loaded, "order_id", "name") == [("Total", "A"), ("x", "B"), (None, "C")]
    assert source.load(write(tmp_path, "Order ID,Note\nTotal,\n1,x\n")).rows == 2, (
        "nothing says who gets it: nothing is dropped"
    )


def test_all_the_dirt_of_an_export_at_once_is_read_and_told(tmp_path, shop):
    text = (
        "Order Number;Order Date;Order Total;Recipient Name;Recipient Address;Recipient "
        "City;Recipient State;Recipient Zip;Recipient Country;Recipient Phone;Notes;Notes;Weight "
        "(lb)\r\n"
        'A-1;03/09/2026;"$1,234.50";José Núñez;12 Marrow Creek '
        "Rd;Boston;Massachusetts;'02134;United States;(617) 555-0100 ext. "
        '77;"two\nlines";x;2.5\r\n;;;;;;;;;;;;\r\n'
        'A-2;03/19/2026;"$1,000.00";Bo Finch;9 Wrenhatch '
        "Ave;Austin;Texas;78704-1234;USA;512.555.0101 "
        'x9;;;1\r\nTotal;;"$2,234.50";;;;;;;;;;3.5\r\n'
    )
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"):
        path = tmp_path / f"{encoding}.csv"
        path.write_bytes(text.encode(encoding))
        with sk.BatchSession(path, shipper=shop) as session:
            rows = session._planner.normalized().table.to_pylist()
            assert [
                (r["order_id"], r["name"], r["state"], r["postal_code"], r["country"], r["phone"])
                for r in rows
            ] == [
                ("A-1", "José Núñez", "MA", "02134", "US", "6175550100x77"),
                ("A-2", "Bo Finch", "TX", "78704-1234", "US", "5125550101x9"),
            ]
            lines = session._planner.orders.con.sql(
                f"SELECT order_total, order_date, notes FROM {session._planner.loaded.lines.sql}"
            ).fetchall()
            assert lines == [
                (Decimal("1234.50"), dt.date(2026, 3, 9), "two\nlines"),
                (Decimal("1000.00"), dt.date(2026, 3, 19), None),
            ]
            told = str(session.load_report)
            assert all(
                words in told
                for words in (
                    "2 rows, 13 columns",
                    "duplicate heading 'Notes': the second is renamed 'Notes_2'",
                    "removed the apostrophe before digits in 1 cell.",
                    "1 blank row",
                    "1 row of totals or titles",
                )
            )


def test_excels_hint_of_the_delimiter_is_followed(tmp_path):
    loaded = source.load(write(tmp_path, "sep=;\na;b,c\n1;2,5\n"))
    assert as_in_the_source(loaded) == [["1", "2,5"]]


def test_headings_that_repeat_or_are_empty_get_a_name(tmp_path):
    loaded = source.load(write(tmp_path, "Phone,phone,,row_number\n1,2,3,4\n"))
    assert [(c.name, c.key) for c in loaded.columns] == [
        ("Phone", "phone"),
        ("phone_2", "phone_2"),
        ("column_3", "column_3"),
        ("row_number_2", "row_number_2"),
    ]
    assert loaded.origin.headings == ("Phone", "phone", "", "row_number")
    assert "duplicate heading 'phone': the second" in str(loaded.report)


def test_a_file_without_headings_is_read_when_told(tmp_path):
    loaded = source.load(write(tmp_path, "Dana,TX,78205\nEli,CA,90001\n"), header=False)
    assert [c.key for c in loaded.columns] == ["column_1", "column_2", "column_3"]
    assert loaded.rows == 2


BAD = [
    ("empty.csv", b"", "is empty"),
    ("blank.csv", b"\n\n  \n", "no text"),
    ("headings.csv", b"Order ID,Zip\n", "a header row and no data rows"),
    ("commas.csv", b"Order ID,Zip\n,\n,\n", "only blank rows"),
    ("picture.csv", bytes(range(256)) * 20, "not a text file"),
    ("damaged.csv.gz", gzip.compress(TEXT.encode() * 2000)[:-400], "damaged gz"),
    ("book.xlsx", b"PK\x03\x04 nonsense", "cannot be read as a workbook"),
    ("book.xls", b"", "is empty"),
    ("table.parquet", b"PAR1 nonsense PAR1", "not a readable Parquet file"),
    ("paper.pdf", b"%PDF-1.7\n1 0 obj", "is a PDF"),
    ("one.json", b'{"a": ', "line 1"),
    ("two.json", b"[1, 2]", "not contain a list of objects"),
    ("three.json", b"[]", "not contain a list of objects"),
    ("lines.ndjson", b'{"a": 1}\n{"a": \n{"a": 3}\n', "line 2"),
    ("latin.json", '[{"a": "é"}]'.encode("latin-1"), "not UTF-8"),
]


@pytest.mark.parametrize(("name", "data", "words"), BAD, ids=[name for name, _, _ in BAD])
def test_a_file_that_cannot_be_read_says_what_and_how_to_go_on(tmp_path, name, data, words):
    with pytest.raises(SourceError, match=f"(?s){words}") as caught:
        source.load(write(tmp_path, data, name))
    assert caught.value.fix


def test_a_missing_file_names_the_nearest(tmp_path):
    write(tmp_path, TEXT, "orders_november.csv")
    with pytest.raises(SourceError, match=r"did you mean orders_november.csv\?"):
        source.load(tmp_path / "orders_novembr.csv")
    with pytest.raises(SourceError, match=r"folder .* does not exist"):
        source.load(tmp_path / "nowhere" / "x.csv")
    with pytest.raises(SourceError, match="is a folder"):
        source.load(tmp_path)
    with pytest.raises(SourceError, match="No file matches"):
        source.load(tmp_path / "*.tsv")


def test_an_address_on_the_network_is_not_read():
    with pytest.raises(SourceError, match="Cannot read https:// addresses"):
        source.load("https://example.com/orders.csv")


@pytest.mark.parametrize("given", [5, None, b"a,b", object()])
def test_what_is_no_source_is_refused(given):
    with pytest.raises(SourceError, match="Cannot read orders from an object of type"):
        source.load(given)


def test_a_load_that_fails_leaves_the_old_one(tmp_path):
    loaded = source.load(write(tmp_path, TEXT))
    with pytest.raises(SourceError):
        source.load(write(tmp_path, b"Order ID,Zip\n", "headings.csv"), con=loaded.con)
    assert cells(loaded, "zip") == [("02134",), ("98101",)]


def test_a_second_load_takes_the_place_of_the_first(tmp_path):
    first = source.load(write(tmp_path, TEXT))
    second = source.load([{"zip": "1"}], con=first.con)
    assert cells(second, "zip") == [("1",)]


CELL = st.text(
    alphabet=st.characters(
        codec="utf-8",
        exclude_characters="\0",
        exclude_categories=("Cs", "Cc"),
        include_characters="\n\t",
    ),
    max_size=8,
)
TABLES = st.integers(2, 4).flatmap(
    lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=6)
)


@given(
    rows=TABLES,
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
@settings(
    max_examples=20 if settings.default.derandomize else 60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_the_cells_hold_they_are_read_as_written(
    tmp_path, rows, delimiter, end, quoting, encoding
):
    text = io.StringIO()
    headings = [f"Heading {n}" for n in range(len(rows[0]))]
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(
        [headings, *rows]
    )
    path = write(tmp_path, text.getvalue().encode(encoding))
    if not any(cell for row in rows for cell in row):
        with pytest.raises(SourceError):
            source.load(path)
        return
    loaded = source.load(path, delimiter=delimiter)
    assert as_in_the_source(loaded) == [[cell or None for cell in row] for row in rows]


_NOTED = "order,name,address,city,note\n" + "".join(
    f"{n},Ann Lee,{n} Oak St,Dallas,{{{n}}}\n" for n in range(1, 7)
)


def _noted(tmp_path: Path, **notes: str) -> Path:
    cells = [notes.get(f"n{n}", f"note {n}") for n in range(7)]
    path = tmp_path / "orders.csv"
    path.write_text(_NOTED.format(*cells))
    return path


def _quotes(loaded: source.Loaded) -> list[tuple[int, str, str]]:
    return [(p["row_number"], p["code"], p["severity"]) for p in loaded.problems.to_pylist()]


@pytest.mark.parametrize(
    ("notes", "problems"),
    [
        ({"n3": '"gift for mom'}, [(3, "warning")]),
        ({"n2": '"gift', "n5": '"fragile"'}, [(2, "warning")]),
        # Lines 3-6 may be one row as well: the note of the first would end in the last.
        ({"n2": '"gift', "n5": 'fragile"'}, [(row, "error") for row in (2, 3, 4, 5)]),
    ],
)
def test_a_stray_quote_never_swallows_rows(tmp_path: Path, notes: dict, problems: list) -> None:
    loaded = load(_noted(tmp_path, **notes), con=connect())
    assert _quotes(loaded) == [(row, "stray_quote", severity) for row, severity in problems]
    expected = [notes.get(f"n{n}", f"note {n}") for n in range(1, 7)]
    # A quote that is closed in its line is none of the text.
    assert cells(loaded, "note") == [
        ("fragile" if text == '"fragile"' else text,) for text in expected
    ]
    assert loaded.report.lines.missing == 0


def test_a_line_break_inside_a_cell_is_no_stray_quote(tmp_path: Path) -> None:
    loaded = load(_noted(tmp_path, n3='"ring twice,\nplease"'), con=connect())
    assert loaded.rows == 6
    assert loaded.problems.num_rows == 0


def test_a_blank_cell_too_many_is_a_problem_unless_every_line_has_it(tmp_path: Path) -> None:
    one = load(_noted(tmp_path, n3="3,"), con=connect())
    assert one.problems.select(["row_number", "code"]).to_pylist() == [
        {"row_number": 3, "code": "too_many_cells"}
    ]
    every = load(_noted(tmp_path, **{f"n{n}": f"{n}," for n in range(1, 7)}), con=connect())
    assert every.problems.num_rows == 0


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_name_of_a_folder_is_not_a_column(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "city=Paris"
    folder.mkdir()
    path = _noted(folder)
    if suffix == "parquet":
        con = connect()
        con.execute(
            f"COPY (FROM read_csv('{path}', hive_partitioning = false)) TO '{path}.parquet'"
        )
        path = Path(f"{path}.parquet")
    loaded = load(path, con=connect())
    assert {row[0] for row in loaded.con.sql(f"SELECT city FROM {loaded.text.sql}").fetchall()} == {
        "Dallas"
    }


WIDE = "Order Number,Name,Address 1,City,State,Zip,Note\n"


def test_rows_in_quotes_as_a_whole_are_cut_into_cells(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text(
        WIDE
        + "1,Ada Lee,1 Main St,Boston,MA,02134,\n"
        + '"2,Bo Ray,2 Oak St,Austin,TX,78701,""fragile"""\n'
        + '"3,Cy Fox,3 Elm St,Austin,TX,78701,"\n'
    )
    with sk.BatchSession(path) as session:
        found = session.sample(9)
        assert found["order_number"].astype(str).tolist() == ["1", "2", "3"]
        assert found["city"].tolist() == ["Boston", "Austin", "Austin"]
        assert found["note"][1] == "fragile"
        assert "2 rows in quotes as a whole (rows 2, 3)" in str(session.load_report)


def test_a_last_line_with_only_an_order_number_is_no_footer(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text(WIDE + "A-1,Ada Lee,1 Main St,Boston,MA,02134,x\nA-2\n")
    with sk.BatchSession(path) as session:
        assert session.order_count == 2
    path.write_text(WIDE + "A-1,Ada Lee,1 Main St,Boston,MA,02134,x\n1 order exported\n")
    with sk.BatchSession(path) as session:
        assert session.order_count == 1
        assert 'a footer): "1 order exported".' in str(session.load_report)


def test_a_defect_is_not_told_as_a_damaged_file(tmp_path, monkeypatch):
    path = write(tmp_path, "Order ID,Zip\n1,02134\n")

    def broken(*args, **options):
        return {}["cells"]

    of_shipkit = types.FunctionType(broken.__code__, {"__name__": "shipkit.orders.source.records"})
    monkeypatch.setattr(readers, "_read_file", of_shipkit)
    with pytest.raises(KeyError) as caught:
        source.load(path)
    assert caught.value.__notes__ == ["shipkit raised this while it read orders.csv."]


@pytest.mark.parametrize("error", [duckdb.BinderException("no column"), TypeError("not text")])
def test_wrong_code_and_wrong_sql_are_defects(tmp_path, monkeypatch, error):
    path = write(tmp_path, "Order ID,Zip\n1,02134\n")

    def broken(*args, **options):
        raise error

    monkeypatch.setattr(readers, "_read_file", broken)
    with pytest.raises(type(error)):
        source.load(path)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("bad number"), "it may be damaged: bad number"),
        (duckdb.InvalidInputException("bad bytes"), "it may be damaged: bad bytes"),
        (KeyError("xl/workbook.xml"), "it may be damaged: 'xl/workbook.xml'"),
        (MemoryError(), "ran out of memory"),
        (OSError(28, "No space left on device"), "No space left on device"),
    ],
)
def test_a_damaged_file_and_a_full_machine_are_told_as_what_they_are(
    tmp_path, monkeypatch, error, words
):
    path = write(tmp_path, "Order ID,Zip\n1,02134\n")

    def broken(*args, **options):
        raise error

    monkeypatch.setattr(readers, "_read_file", broken)
    with pytest.raises(SourceError, match=words) as caught:
        source.load(path)
    assert caught.value.fix
