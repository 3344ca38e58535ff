"""Five exports that are known from public documentation only, from the file to the file back."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Final

import pytest

import shipkit as sk

FILES: Final = Path(__file__).parent / "documented"

EXPORTS: Final = {
    # An upload sheet of a warehouse: headings in brackets, lines of explanation above.
    "wholesale.tsv": ("[order_no]", {"1000": "shipped", "1001": "shipped"}),
    # A marketplace that gives each seller a part of an order.
    "parts.csv": ("Order", {"S-1": "shipped", "S-2": "skipped"}),
    # A shop of a content system: blanks behind the commas, items in one cell.
    "store.csv": ("Order ID", {"12": "shipped"}),
    # An extract for an authority: parts of the name in brackets, the city with its state and ZIP.
    "extract.csv": ("Order Number", {"5001": "shipped", "5003": "skipped"}),
    # A shop builder: a line an item, those after the first without an address.
    "builder.csv": ("Order ID", {"00101": "shipped", "00102": "skipped"}),
}
"""File -> the column of order numbers, and what becomes of each."""


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_goes_from_the_file_to_labels_and_back(tmp_path, shop, name):
    key, expected = EXPORTS[name]
    path, out = FILES / name, tmp_path / name
    with sk.BatchSession(path, shipper=shop, home=tmp_path / "home") as session:
        session.map(service="ground", defaults={"weight_lb": 2})
        preview = session.preview()
        assert preview["recipient"][0] == "Ada Byron"
        assert (preview["city"][0], preview["state"][0]) == ("Austin", "TX")
        assert preview["postal_code"][0] == "78701"
        session.approve()
        session.execute()
        session.write_back(out)
    lines = out.read_text(encoding="utf-8").splitlines()
    start = next(n for n, line in enumerate(lines) if key in line)
    rows = list(
        csv.DictReader(
            io.StringIO("\n".join(lines[start:])), delimiter="\t" if name.endswith("tsv") else ","
        )
    )
    assert {row[key]: row["label_status"] for row in rows} == expected
    assert next(bool(row["tracking_number"]) for row in rows if row[key] == next(iter(expected)))
