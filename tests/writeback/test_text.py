"""Tracking numbers into CSV files: every other byte stays as it was."""

from __future__ import annotations

import codecs
import csv
import gzip
import io

import pytest

from shipkit.outputs.writeback.file_bytes import _split

HEAD = ["order_id", "name", "address1", "city", "state", "zip", "weight_lb"]
ROWS = [
    ["A-1", "Ada Lee", "12 Marrow Creek Rd", "Austin", "TX", "78704", "2.5"],
    ["A-2", 'Bo "Bear" Finch', "9 Wrenhatch Ave", "Boston", "MA", "2134", "1"],
    ["A-3", "Zoë Brännström", "77 Inkwell Row, Unit 4", "Seattle", "WA", "98103", "4"],
]


def text_of(rows, delimiter=",", newline="\n", quoting=csv.QUOTE_MINIMAL):
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator=newline, quoting=quoting).writerows(
        [HEAD, *rows]
    )
    return buffer.getvalue()


def read(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def without_new_cells(text, new=5, delimiter=","):
    """Take the last cells off every record, by text."""
    return "".join(
        line.rstrip("\r\n").rsplit(delimiter, new)[0] + line[len(line.rstrip("\r\n")) :]
        for line in text.splitlines(keepends=True)
    )


ENCODINGS = [
    ("utf-8", b""),
    ("utf-8", codecs.BOM_UTF8),
    ("cp1252", b""),
    ("utf-16-le", codecs.BOM_UTF16_LE),
    ("utf-16-be", codecs.BOM_UTF16_BE),
]
FORMS = [
    pytest.param(
        encoding,
        mark,
        newline,
        delimiter,
        marks=pytest.mark.slow if (place + line + cell) % 2 else (),
    )
    for place, (encoding, mark) in enumerate(ENCODINGS)
    for line, newline in enumerate(["\n", "\r\n"])
    for cell, delimiter in enumerate([",", ";", "\t"])
]
"""Every form of a text file. Every two of its parts meet in a form that is not slow."""


@pytest.mark.parametrize(("encoding", "mark", "newline", "delimiter"), FORMS)
def test_encoding_mark_newline_and_delimiter_stay(
    buy, tmp_path, encoding, mark, newline, delimiter
):
    path = tmp_path / "orders.csv"
    before = mark + text_of(ROWS, delimiter, newline).encode(encoding)
    path.write_bytes(before)
    written = buy(path).write_back()
    after = written.read_bytes()
    assert written == tmp_path / "orders_shipped.csv"
    assert path.read_bytes() == before, "the source is not touched"
    assert after.startswith(mark)
    assert (
        mark
        + without_new_cells(after[len(mark) :].decode(encoding), delimiter=delimiter).encode(
            encoding
        )
        == before
    )


def test_odd_quoting_spaces_and_mixed_line_ends_stay(buy, tmp_path):
    path = tmp_path / "orders.csv"
    before = (
        'order_id, name ,"address1",city,state,zip,weight_lb\r\n'
        '"A-1",  Ada Lee,"12 Marrow\nCreek Rd",Austin,TX,"78704",2.5\n'
        "\n"
        "A-2,Bo Finch,'9 Wrenhatch Ave,Boston,MA,02134,1\r\n"
        'A-3,"Cy ""C"" Marsh",77 Inkwell Row,Seattle,WA,98103,4'
    )
    path.write_bytes(before.encode())
    after = buy(path).write_back().read_bytes().decode()
    rows = list(csv.reader(io.StringIO(after, newline="")))
    assert [row[7][:7] for row in rows if row] == ["trackin", "SANDBOX", "SANDBOX", "SANDBOX"]
    for piece in before.replace("\r\n", "\n").split("\n"):
        assert piece in after
    assert after.count("\n\n") == 1


def test_a_file_that_quotes_everything_gets_quoted_cells(buy, tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text(text_of(ROWS, quoting=csv.QUOTE_ALL), encoding="utf-8")
    last = buy(path).write_back().read_text(encoding="utf-8").splitlines()
    assert last[0].endswith(
        '"tracking_number","label_service","label_charge","label_currency","label_status"'
    )
    assert last[1].endswith('"shipped"')


def test_only_the_lines_of_shipped_orders_get_a_number(buy, tmp_path):
    path = tmp_path / "orders.csv"
    rows = [*ROWS[:2], ["A-9", "No Weight", "1 Inkwell Row", "Austin", "TX", "78704", ""], ROWS[2]]
    path.write_text(text_of(rows), encoding="utf-8")
    session = buy(path, where="order_id <> 'A-1'")
    cells = read(session.write_back())
    assert [row["order_id"] for row in cells] == ["A-1", "A-2", "A-9", "A-3"]
    assert [bool(row["tracking_number"]) for row in cells] == [False, True, False, True]
    assert [row["label_status"] for row in cells] == ["", "shipped", "skipped", "shipped"]
    numbers = dict(
        zip(session.results()["order_id"], session.results()["tracking_number"], strict=True)
    )
    assert cells[3]["tracking_number"] == numbers["A-3"], "filtered rows get their own number"


def test_all_lines_of_an_order_get_its_number_and_the_first_its_charge(buy, tmp_path):
    path = tmp_path / "orders.csv"
    follow = ["A-1", "", "", "", "", "", "3"]
    path.write_text(text_of([ROWS[0], follow, ROWS[1]]), encoding="utf-8")
    cells = read(buy(path).write_back())
    assert cells[0]["tracking_number"] == cells[1]["tracking_number"] != cells[2]["tracking_number"]
    assert cells[0]["label_charge"]
    assert not cells[1]["label_charge"]


def test_a_voided_number_is_not_written_as_tracking_number(buy, tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text(text_of(ROWS), encoding="utf-8")
    session = buy(path)
    session.void("order_id = 'A-2'")
    cells = read(session.write_back())
    assert [row["tracking_number"] != "" for row in cells] == [True, False, True]
    assert cells[1]["label_status"] == "voided"


def test_an_empty_column_of_that_name_is_filled_and_a_full_one_never_replaced(buy, tmp_path):
    path = tmp_path / "orders.csv"
    text = text_of(ROWS)
    lines = text.splitlines()
    path.write_text(
        "\n".join([f"{lines[0]},Tracking,note", *(f"{line},,keep" for line in lines[1:])]) + "\n",
        encoding="utf-8",
    )
    session = buy(path)
    written = (
        session.write_back(columns={"tracking_numbers": "Tracking"})
        .read_text(encoding="utf-8")
        .splitlines()
    )
    assert written[0] == f"{lines[0]},Tracking,note", "no column is added"
    assert all(",SANDBOX" in line and line.endswith(",keep") for line in written[1:])
    with pytest.raises(Exception, match="already has another value in 'note'"):
        session.write_back(tmp_path / "other.csv", columns={"tracking_numbers": "note"})
    assert not (tmp_path / "other.csv").exists(), "nothing is written when something is refused"


def test_lines_above_the_headings_and_short_lines_stay(buy, tmp_path):
    path = tmp_path / "orders.csv"
    text = "Exported by Harbor Goods\n\n" + text_of(ROWS) + "3 record(s) downloaded\n"
    path.write_text(text, encoding="utf-8")
    after = buy(path).write_back().read_text(encoding="utf-8").splitlines()
    assert after[0] == "Exported by Harbor Goods"
    assert after[2].endswith("label_status")
    assert after[-1].startswith("3 record(s) downloaded")
    assert [",SANDBOX" in line for line in after[3:]] == [True, True, True, False]


def test_a_packed_file_is_written_packed(buy, tmp_path):
    path = tmp_path / "orders.csv.gz"
    path.write_bytes(gzip.compress(text_of(ROWS).encode()))
    written = buy(path).write_back()
    assert written.name == "orders_shipped.csv.gz"
    assert gzip.decompress(written.read_bytes()).decode().count("SANDBOX") == 3


def test_several_files_are_written_beside_each(buy, tmp_path):
    (tmp_path / "a.csv").write_text(text_of(ROWS[:1]), encoding="utf-8")
    (tmp_path / "b.csv").write_text(text_of(ROWS[1:]), encoding="utf-8")
    written = buy(str(tmp_path / "?.csv")).write_back()
    assert [path.name for path in written] == ["a_shipped.csv", "b_shipped.csv"]
    assert [path.read_text(encoding="utf-8").count("SANDBOX") for path in written] == [1, 2]


INCH = ["A-1", "A-2", "A-3", "A-4", "A-5"]


@pytest.mark.parametrize(
    "notes",
    [
        {"A-2": 'monitor 27"'},
        {"A-4": 'pipe 6" steel'},
        {"A-1": '27" monitor', "A-3": 'monitor 27"'},
        {"A-4": '27" monitor', "A-5": '6" pipe'},
    ],
)
def test_an_inch_mark_moves_no_number_to_another_order(buy, tmp_path, notes):
    lines = [",".join([*HEAD, "note"])]
    lines += [
        f"{order},Ada Lee,{n} Marrow Creek Rd,Austin,TX,78704,2,{notes.get(order, 'none')}"
        for n, order in enumerate(INCH, start=1)
    ]
    path = tmp_path / "orders.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    session = buy(path)
    numbers = {row.order_id: row.tracking_numbers for row in session.results().itertuples()}
    written = session.write_back().read_text(encoding="utf-8").splitlines()
    assert len(written) == len(lines)
    for order, before, line in zip(INCH, lines[1:], written[1:], strict=True):
        assert line.startswith(before)
        assert numbers[order][0] in line


@pytest.mark.parametrize("blank", [" ", "  "])
def test_a_quote_after_blanks_opens_a_cell(buy, tmp_path, blank):
    """As the reader took it: the case of a comma and a space with commas within the cells."""
    rows = [[row[0], f'"Lee, {row[0]}"', f'"{row[2]}, Apt 4"', *row[3:]] for row in ROWS]
    path = tmp_path / "orders.csv"
    path.write_text("".join(f",{blank}".join(row) + "\n" for row in [HEAD, *rows]))
    written = buy(path).write_back()
    assert without_new_cells(written.read_text()) == path.read_text()
    numbers = [line.split(",")[-5] for line in written.read_text().splitlines()[1:]]
    assert len({*numbers}) == 3
    assert all(number.startswith("SANDBOX") for number in numbers)


def test_only_the_ctrl_z_that_ends_a_file_is_left_out():
    given = [b"1,Jos\x1a\r\n", b"2,Bo\r\n"]
    assert list(_split(io.BytesIO(b"".join([*given, b"\x1a"])))) == [*given, b""]
    assert list(_split(io.BytesIO(b"".join(given)))) == given
