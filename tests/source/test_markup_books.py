"""HTML tables and XML spreadsheets that are called .xls, and files that are no orders at all."""

from __future__ import annotations

import zipfile

import pytest

from shipkit.errors import SourceError
from shipkit.orders import source

HIDDEN = ' style="display: none"'
HEAD = "<tr><th>Order Number</th><th>Name</th><th>Address</th><th>City</th><th>Zip</th></tr>"


def orders(loaded, *columns):
    wanted = ", ".join(columns or ("order_number", "name", "zip"))
    return loaded.con.sql(f"SELECT {wanted} FROM {loaded.lines.sql} ORDER BY row_number").fetchall()


def row(number, given="", name="Ada Lee"):
    return (
        f"<tr{given}><td>{number}</td><td>{name}</td><td>1 Main St</td><td>Rome</td>"
        "<td style=\"mso-number-format:'00000'\">02134</td></tr>"
    )


def test_an_html_table_called_xls_is_read(tmp_path):
    path = tmp_path / "orders.xls"
    path.write_text(
        "\n<html><head><meta charset='utf-8'><style>td {color: red}</style></head><body>"
        "<h1>Orders &amp; more</h1>"
        f"<table><tr><td colspan=5>Harbor Goods</td></tr>{HEAD}{row(1)}"
        f"{row(2, HIDDEN)}{row('3', name='Zo&euml; <b>O&#8217;Neil</b>')}"
        "</table></body></html>",
        encoding="utf-8",
    )
    loaded = source.load(path)
    assert loaded.origin.kind == "html"
    assert orders(loaded) == [("1", "Ada Lee", "02134"), ("3", "Zoë O’Neil", "02134")]
    assert "1 row hidden in sheet 'Table 1' (row 4)" in str(loaded.report)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_an_html_table_is_decoded_as_it_says(tmp_path, encoding):
    path = tmp_path / "orders.csv"
    charset = f"<meta http-equiv=x content='text/html; charset={encoding}'>"
    path.write_bytes(f"<table>{charset}{HEAD}{row(1, name='Zoë')}</table>".encode(encoding))
    assert orders(source.load(path), "name") == [("Zoë",)]


def test_unclosed_cells_spans_and_nested_tables_keep_their_columns(tmp_path):
    path = tmp_path / "orders.xls"
    path.write_text(
        "<table><tr><th>Order Number<th>Name<th>Address<th>City<th>Zip"
        "<tr><td rowspan=2>1<td>Ada<td>1 Main St<br>Apt 4<td>Rome<td>02134"
        "<tr><td>Bo<td><table><tr><td>x</td></tr></table>2 Oak St<td>Rome<td>02135</table>"
    )
    loaded = source.load(path)
    assert orders(loaded, "order_number", "name", "address", "zip") == [
        ("1", "Ada", "1 Main St\nApt 4", "02134"),
        ("1", "Bo", "2 Oak St", "02135"),
    ]


def test_struck_rows_of_an_html_table_wait(tmp_path):
    path = tmp_path / "orders.xls"
    cells = "".join(f"<td><s>{text}</s></td>" for text in ("2", "Bo", "2 Oak", "Rome", "02135"))
    path.write_text(f"<table>{HEAD}{row(1)}<tr>{cells}</tr></table>")
    (problem,) = source.load(path).problems.to_pylist()
    assert (problem["row_number"], problem["code"]) == (2, "crossed_out")


def test_a_web_page_instead_of_orders_is_named(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text("<!DOCTYPE html><html><head><title>Sign in</title></head><body>x</body></html>")
    with pytest.raises(SourceError, match=r"is a web page without a table of orders \('Sign in'\)"):
        source.load(path)


def test_a_web_archive_called_xls_is_read(tmp_path):
    path = tmp_path / "orders.xls"
    page = f"<html><body><table>{HEAD}{row(1)}</table></body></html>".replace("=", "=3D")
    path.write_text(
        'MIME-Version: 1.0\nContent-Type: multipart/related; boundary="b"\n\n--b\n'
        "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n"
        f"{page}\n--b--\n"
    )
    assert orders(source.load(path)) == [("1", "Ada Lee", "02134")]


XML = """<?xml version="1.0"?>
<?mso-application progid="Excel.Sheet"?>
<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"
 xmlns:x="urn:schemas-microsoft-com:office:excel"
 xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet">
<Styles><Style ss:ID="z"><NumberFormat ss:Format="00000"/></Style>
<Style ss:ID="s"><Font ss:StrikeThrough="1"/></Style></Styles>
<Worksheet ss:Name="Orders"><Table>
<Row>%s</Row>
<Row ss:Index="3">%s</Row>
<Row ss:Hidden="1">%s</Row>
<Row>%s</Row>
</Table></Worksheet></Workbook>"""


def xml_cell(value, given=""):
    kind = "Number" if isinstance(value, int) else "String"
    return f'<Cell {given}><Data ss:Type="{kind}">{value}</Data></Cell>'


def test_an_xml_spreadsheet_is_read_as_it_is_shown(tmp_path):
    zipped = 'ss:StyleID="z"'
    path = tmp_path / "orders.xls"
    path.write_text(
        XML
        % (
            "".join(map(xml_cell, ("Order Number", "Name", "Address", "Zip"))),
            xml_cell(576461413038785752)
            + xml_cell("Ada", 'ss:MergeDown="2"')
            + xml_cell(2134, f'ss:Index="4" {zipped}'),
            xml_cell(2) + xml_cell("Bo", 'ss:Index="3"'),
            '<Cell ss:Index="3" ss:Formula="=1"/><Cell><Data ss:Type="Error">#N/A</Data></Cell>',
        )
    )
    loaded = source.load(path)
    assert loaded.origin.kind == "xml"
    assert orders(loaded, "row_number", "order_number", "name", "zip") == [
        (2, "576461413038785752", "Ada", "02134"),
        (4, None, "Ada", None),
    ]
    assert [(p["row_number"], p["field"]) for p in loaded.problems.to_pylist()] == [
        (4, "address"),
        (4, "zip"),
    ]


def test_an_xml_spreadsheet_with_forbidden_characters_is_read_and_a_cut_one_named(tmp_path):
    path = tmp_path / "orders.xls"
    whole = XML % (
        xml_cell("Name") + xml_cell("Zip"),
        xml_cell("Ada\x01\ufffe") + xml_cell("1"),
        "",
        "",
    )
    path.write_text(whole, encoding="utf-8")
    assert orders(source.load(path), "name") == [("Ada",)]
    path.write_text(whole[:-40], encoding="utf-8")
    with pytest.raises(SourceError, match=r"The workbook is damaged: orders\.xls"):
        source.load(path)


def zipped(path, *names):
    with zipfile.ZipFile(path, "w") as made:
        for name in names:
            made.writestr(name, "x")
    return path


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["Index/Document.iwa", "Metadata/x"], "is a document of Apple Numbers"),
        (["[Content_Types].xml", "word/document.xml"], "is a Word document"),
        (["june/orders.csv", "june/items.csv"], "is a zip archive with june/orders.csv, june/it"),
        (["[Content_Types].xml", "other.xml"], "cannot be read as a workbook"),
    ],
)
@pytest.mark.parametrize("name", ["orders.xlsx", "orders.csv"])
def test_other_documents_are_named_as_what_they_are(tmp_path, names, message, name):
    with pytest.raises(SourceError, match=message) as refused:
        source.load(zipped(tmp_path / name, *names))
    assert refused.value.fix


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("orders.numbers", b"PK\x03\x04", "is a document of Apple Numbers"),
        ("orders.gsheet", b'{"doc_id": "1"}', "is a link to a sheet of Google"),
        ("~$orders.xlsx", b"\x07Ada Lee" + b" " * 100, "by which Excel marks an open workbook"),
        (
            "orders.xlsx",
            b"\xd0\xcf\x11\xe0" + b"\0" * 1000 + "EncryptedPackage".encode("utf-16-le"),
            "is protected by a password",
        ),
        (
            "orders.xls",
            b"\xd0\xcf\x11\xe0" + b"\0" * 1000 + "WordDocument".encode("utf-16-le"),
            "is a Word document",
        ),
        ("orders.xls", b"\xd0\xcf\x11\xe0" + b"\0" * 1000, "cannot be read as a workbook"),
    ],
)
def test_files_that_are_no_workbooks_are_named(tmp_path, name, data, message):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(SourceError, match=message) as refused:
        source.load(path)
    assert refused.value.fix
