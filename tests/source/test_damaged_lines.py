"""Lines that a strict reader refuses: no row is lost, merged or shifted without a word."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from shipkit.errors import SourceError
from shipkit.orders.source import Loaded, connect, load

HEADINGS = "Order Number,Name,Address 1,City,State,Zip,Weight (lb),Note"
NOT_CERTAIN = ("too_many_cells", "too_few_cells", "stray_quote")


def line(n: int, note: str | None = None) -> str:
    return f"A-{n},Ann Lee,{n} Oak St,Austin,TX,7870{n},{n}.5,{note or f'note {n}'}"


def text(changed: dict[int, str] | None = None, headings: str = HEADINGS) -> str:
    changed = changed or {}
    return "\n".join([headings, *(changed.get(n, line(n)) for n in range(1, 7))]) + "\n"


def each(change, lines: str | None = None) -> str:
    return "".join(f"{change(one)}\n" for one in (lines or text()).splitlines())


def wrapped(one: str) -> str:
    return '"' + one.replace('"', '""') + '"'


def read(tmp_path: Path, given: str) -> Loaded:
    path = tmp_path / "orders.csv"
    path.write_bytes(given.encode())
    return load(path, con=connect())


def rows(loaded: Loaded) -> list[list[str]]:
    """The rows without row number and file; blanks around cells are no difference."""
    found = loaded.con.sql(
        f"SELECT * EXCLUDE (row_number, source_file) FROM {loaded.text.sql} ORDER BY row_number"
    ).fetchall()
    return [[(cell or "").strip() for cell in row] for row in found]


def problems(loaded: Loaded) -> list[tuple[int, str, str]]:
    return [
        (found["row_number"], found["code"], found["severity"])
        for found in loaded.problems.to_pylist()
        if found["code"] in NOT_CERTAIN
    ]


def clean(changed: dict[int, Sequence[str]] | None = None) -> list[list[str]]:
    changed = changed or {}
    return [list(changed.get(n, line(n).split(","))) for n in range(1, 7)]


def with_note(n: int, note: str) -> dict[int, Sequence[str]]:
    return {n: [*line(n).split(",")[:-1], note]}


READ_RIGHTLY = {
    "a hint of the delimiter": ("sep=;\n" + text().replace(",", ";"), {}),
    "a hint in quotes": ('"sep=,"\n' + text(), {}),
    "a rare delimiter": (text().replace(",", "^"), {}),
    "carriage returns": (text().replace("\n", "\r"), {}),
    "two carriage returns": (text().replace("\n", "\r\r\n"), {}),
    "commas and spaces": (each(lambda one: one.replace(",", ", ")), {}),
    "commas, spaces and quotes": (
        text({4: line(4, '"see, box"')}).replace(",", ", ").replace("see, ", "see,"),
        with_note(4, "see, box"),
    ),
    "all lines in quotes as a whole": (each(wrapped), {}),
    "in quotes as a whole, with what Excel adds": (each(lambda one: wrapped(one) + ";;"), {}),
    "one line in quotes as a whole": (text({3: wrapped(line(3))}), {}),
    "backslashes": (
        text({3: line(3, r'"a 27\" screen"'), 4: line(4, r"one\, two"), 5: line(5, r"\N")}),
        with_note(3, 'a 27" screen') | with_note(4, "one, two") | with_note(5, ""),
    ),
    "apostrophes for quotes": (
        text({3: line(3, "'a, b'"), 4: line(4, "'c, d'")}),
        with_note(3, "a, b") | with_note(4, "c, d"),
    ),
    "apostrophes around doubled quotes": (
        text({3: line(3, "'27\"\", new'"), 4: line(4, "'c, d'")}),
        with_note(3, '27", new') | with_note(4, "c, d"),
    ),
    "a backslash that is none of an escape": (
        text({3: line(3, r'"8\'9\" long"')}),
        with_note(3, "8\\'9\" long"),
    ),
    "another delimiter in one line": (text({3: line(3).replace(",", ";")}), {}),
    "tabs in one line": (text({3: line(3).replace(",", "\t")}), {}),
    "a comment above": ("# made by a program\n" + text(), {}),
    "a comment as wide as the table": ("# a,b,c,d,e,f,g\n" + text(), {}),
    "a comment between rows": (text({3: "# second part\n" + line(3)}), {}),
    "the last cell is missing": (text({3: line(3).rsplit(",", 1)[0]}), with_note(3, "")),
    "a delimiter at the end of each row": (
        text({n: line(n) + "," for n in range(1, 7)}),
        {},
    ),
    "separators of other systems in a cell": (
        text({3: line(3, "a\u2028b\x0bc\x0cd\x85e")}),
        with_note(3, "a\u2028b\x0bc\x0cd\x85e"),
    ),
    "a very long cell": (
        text({3: line(3, "x" * 300_000), 4: line(4).rsplit(",", 1)[0]}),
        with_note(3, "x" * 300_000) | with_note(4, ""),
    ),
    "line breaks in a cell": (
        text({3: line(3, '"ring,\n\ntwice, please"')}),
        with_note(3, "ring,\n\ntwice, please"),
    ),
    "a cell of two lines with many commas": (
        text({3: line(3, '"please, if possible,\nnot, Sunday, to, the, back, thanks, bye"')}),
        with_note(3, "please, if possible,\nnot, Sunday, to, the, back, thanks, bye"),
    ),
    "a heading in quotes in part": (text(headings=HEADINGS.replace("Zip", '"Zip"')), {}),
    "an open quote in the headings": (
        text({4: line(4, '27"')}, HEADINGS.replace("Note", '"Note')),
        with_note(4, '27"'),
    ),
    "inch marks behind numbers": (
        text({3: line(3, '12"Pan'), 4: line(4, '"27"" and, 8"" deep"')}),
        with_note(3, '12"Pan') | with_note(4, '27" and, 8" deep'),
    ),
    "an inch mark": (text({4: line(4, '27" monitor')}), with_note(4, '27" monitor')),
}


@pytest.mark.parametrize("kind", READ_RIGHTLY)
def test_what_is_certain_is_read(tmp_path: Path, kind: str) -> None:
    given, changed = READ_RIGHTLY[kind]
    loaded = read(tmp_path, given)
    assert rows(loaded) == clean(changed)
    assert loaded.names == tuple(HEADINGS.split(","))
    assert problems(loaded) == []
    assert loaded.report.lines.missing == 0


QUOTE = "stray_quote"
MANY, FEW = "too_many_cells", "too_few_cells"
NOT_SURE = {
    "a cell is missing": (text({3: line(3).replace("3 Oak St,", "")}), [(3, FEW)]),
    "the weight is missing": (text({3: line(3).replace("3.5,", "")}), [(3, FEW)]),
    "a cell is missing, in quotes as a whole": (
        text({3: wrapped(line(3).replace("3 Oak St,", ""))}),
        [(3, FEW)],
    ),
    "a delimiter too many": (text({3: line(3).replace("3 Oak", ",3 Oak")}), [(3, MANY)]),
    "a decimal comma": (text({3: line(3).replace("3.5", "3,5")}), [(3, MANY)]),
    "a heading is missing": (
        text(headings=HEADINGS.replace("City,", "")),
        [(n, MANY) for n in range(1, 7)],
    ),
    "a heading is missing, the last cell blank": (
        text({n: line(n, " ") for n in range(1, 7)}, HEADINGS.replace("City,", "")),
        [(n, MANY) for n in range(1, 7)],
    ),
    "a heading too many": (
        text(headings=HEADINGS.replace("City,", "City,Email,")),
        [(n, FEW) for n in range(1, 7)],
    ),
    "a line broken in two": (
        text({3: line(3).replace("3 Oak St", "3 Oak\nSt")}),
        [(3, FEW), (4, FEW)],
    ),
    "a second table": (text() + "\nSKU,Color\nMUG,3\n", [(7, FEW), (8, FEW)]),
    "rows inside a cell": (
        text({3: line(3, '"see\nB-1,Bo Ray,9 Elm St,Reno,NV,89501,2.0,x"')}),
        [(3, QUOTE), (4, QUOTE)],
    ),
    "no delimiter before a quote": (
        text({3: line(3).replace("Ann Lee,3 Oak St", 'Ann Lee"Oak St 3, rear"')}),
        [(3, QUOTE)],
    ),
    "no delimiter before a quote, behind a number": (
        text({3: line(3, "x").replace("3.5,x", '3.5"Tall box, blue"')}),
        [(3, QUOTE)],
    ),
    "no delimiter before a quote with a quote in it": (
        text({3: line(3).replace("Ann Lee,3 Oak St", 'Ann Lee"Oak St 3, 9"" from the rear"')}),
        [(3, QUOTE)],
    ),
    "blanks for delimiters": (text({3: line(3).replace(",", " ")}), [(3, FEW)]),
    "blanks for delimiters at the end": (text({6: line(6).replace(",", " ")}), [(6, FEW)]),
}


@pytest.mark.parametrize("kind", NOT_SURE)
def test_a_row_that_is_not_certain_waits(tmp_path: Path, kind: str) -> None:
    given, expected = NOT_SURE[kind]
    loaded = read(tmp_path, given)
    assert problems(loaded) == [(row, code, "error") for row, code in expected]
    touched = {row for row, _ in expected}
    certain = [row for n, row in enumerate(rows(loaded), start=1) if n not in touched]
    assert all(row in clean() or row[0] == "A-3" for row in certain)
    assert loaded.report.lines.missing == 0


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('"gift for mom', '"gift for mom'),
        ('"27" monitor"', '27" monitor'),
        ('"he said "hi" to, me"', 'he said "hi" to, me'),
        ('"he said\n"hi" to me\nbye"', 'he said\n"hi" to me\nbye'),
    ],
)
@pytest.mark.parametrize("n", [2, 6])
def test_a_quote_that_is_not_written_twice_is_text(tmp_path: Path, n: int, written, value) -> None:
    loaded = read(tmp_path, text({n: line(n, written)}))
    assert rows(loaded) == clean(with_note(n, value))
    assert problems(loaded) == [(n, QUOTE, "warning")]
    assert loaded.report.lines.missing == 0


def test_columns_aligned_by_spaces_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="its columns are aligned by spaces"):
        read(tmp_path, each(lambda one: "".join(cell.ljust(16) for cell in one.split(","))))


@pytest.mark.parametrize(
    ("given", "number"),
    [
        (text({3: line(3, "please\nring twice")}), 5),
        (text({3: "Orders of Monday\n" + line(3)}), 4),
    ],
)
def test_a_line_of_one_text_is_set_aside_with_its_number(
    tmp_path: Path, given: str, number: int
) -> None:
    loaded = read(tmp_path, given)
    account = loaded.report.lines
    assert (account.lines, account.rows, account.missing) == (8, 6, 0)
    assert [part.lines for part in account.aside] == [(number,)]
    assert f"line {number}" in str(loaded.report)


def test_a_file_that_no_delimiter_divides_is_refused(tmp_path: Path) -> None:
    given = [f"{n} red" for n in range(8)]
    given += [f"{n} red{', blue' * (n % 4 + 1)}" for n in range(40)]
    with pytest.raises(SourceError, match="no delimiter divides its lines"):
        read(tmp_path, "Order Name Note Color\n" + "\n".join(given) + "\n")


def test_cells_left_out_at_the_end_are_the_style_of_a_file(tmp_path: Path) -> None:
    given = [line(n % 6 + 1) if n % 3 else line(n % 6 + 1).rsplit(",", 1)[0] for n in range(30)]
    loaded = read(tmp_path, "\n".join([HEADINGS, *given]) + "\n")
    assert problems(loaded) == []
    assert loaded.rows == 30
