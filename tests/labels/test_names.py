"""A file name is safe on every system, stays in its folder, and is given once."""

from __future__ import annotations

import ntpath
import sys
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipkit.outputs.labels.names import Names, file_stem


@pytest.mark.parametrize(
    ("text", "stem"),
    [
        ("00001_A-17", "00001_A-17"),
        ("../../etc/passwd", "etc-passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("/abs", "-abs"),
        ("C:\\x", "C-x"),
        ("con", "_con"),
        ("LPT1.label", "_LPT1.label"),
        ("COM¹", "_COM¹"),
        ("a\nb\tc\x00", "a b c"),
        (" . ", "label"),
        ("", "label"),
        (".hidden", "hidden"),
        ("00003_", "00003"),
        ("Ünïcode 東京", "Ünïcode 東京"),
        ("a\u202egnp", "a gnp"),
        ("x" * 400, "x" * 150),
    ],
)
def test_a_text_becomes_a_file_name(text: str, stem: str) -> None:
    assert file_stem(text) == stem


def is_reserved(name: str) -> bool:
    """Whether Windows keeps the name for a device. Python 3.13 moved the question."""
    if sys.version_info >= (3, 13):
        return ntpath.isreserved(name)
    return PureWindowsPath(name).is_reserved()


@given(st.text())
def test_no_text_leaves_the_folder_or_breaks_a_file_system(text: str) -> None:
    stem = file_stem(text)
    assert stem
    assert stem not in {".", ".."}
    assert Path(stem).name == stem == PureWindowsPath(stem).name
    assert not is_reserved(f"{stem}.pdf")
    assert len(f"{stem}-9999.pdf".encode()) < 200
    assert stem == stem.strip(" .")
    assert not set(stem) & set('<>:"/\\|?*\x00\n')


@given(st.lists(st.text(max_size=5), max_size=30))
def test_no_name_is_given_twice_even_where_case_does_not_count(orders: list[str]) -> None:
    names = Names("{order_id}")
    given_names = [names.make({"order_id": order}) for order in orders]
    assert len({name.casefold() for name in given_names}) == len(orders)


def test_duplicates_are_numbered_and_empty_cells_leave_nothing() -> None:
    names = Names("{row_number:05}_{order_id}")
    assert [
        names.make({"row_number": 7, "order_id": "A"}),
        names.make({"row_number": 7, "order_id": "a"}),
        names.make({"row_number": 7, "order_id": None}),
    ] == [
        "00007_A",
        "00007_a-2",
        "00007",
    ]
