"""Lines of one order that say different things: the order is held, or a warning names it."""

from __future__ import annotations

import pytest

import shipkit as sk
from shipkit.orders import grouping, source
from shipkit.orders.heading_words import headings_of
from shipkit.schema import FLAT

VALUES = {
    "text": ("Oak", "Elm"),
    "code": ("A1", "B2"),
    "weight": ("2", "3"),
    "length": ("4", "5"),
    "amount": ("10.50", "105"),
    "count": ("1", "3"),
    "date": ("2026-12-01", "2026-12-02"),
    "flag": ("yes", "no"),
    "service": ("ground", "2nd day air"),
    "country": ("US", "CA"),
}
BY_LINE = {"weight_lb", "length_in", "width_in", "height_in"}
WARNED = {"state", "phone", "email", "description"}
FIELDS = [leaf for leaf in FLAT if leaf.name != "order_id"]


def values(leaf):
    return tuple(leaf.spec.words)[:2] if leaf.spec.kind == "choice" else VALUES[leaf.spec.kind]


def test_a_difference_between_lines_in_any_field_that_a_person_names_is_said(shop, home):
    """One order for each field, of two lines that differ in nothing else."""
    columns = {leaf.flat: f"x{n}" for n, leaf in enumerate(FIELDS)} | {"sku": "item"}
    rows = [
        {
            "order": f"N{n}",
            "item": str(line),
            "PO": f"{line}" if differs == "references" else "1",
            **{columns[leaf.flat]: values(leaf)[line if leaf is differs else 0] for leaf in FIELDS},
        }
        for n, differs in enumerate([*FIELDS, "references"])
        for line in (0, 1)
    ]
    with sk.BatchSession(rows, shipper=shop) as session:
        session.map(
            columns={"order_id": "order", **columns}, references={"po": "PO"}, weights="order"
        )
        problems = session.problems
    found = {}
    for n, leaf in enumerate([*FIELDS, "references"]):
        own = problems[problems["row_number"] == 2 * n + 1]
        name = "references" if leaf == "references" else leaf.flat
        codes = ("order_conflict", "weight_of_order_differs", "dimensions_differ")
        said = own["code"].isin(codes) | own["problem"].str.contains("several places")
        found[name] = own[said]["severity"].tolist()[:1]
    assert found == {
        **{leaf.flat: ["error"] for leaf in FIELDS},
        **{name: ["warning"] for name in WARNED | BY_LINE - {"weight_lb"}},
        "references": ["error"],
    }


@pytest.mark.parametrize(
    "leaf",
    [leaf for leaf in FIELDS if headings_of(leaf) and leaf.group != "ship_to"],
    ids=lambda leaf: leaf.flat,
)
def test_a_difference_between_lines_in_a_column_that_its_heading_names_is_said(leaf):
    heading = headings_of(leaf)[0]
    rows = [
        {"Order ID": "A", "Ship Name": "Ann", "sku": value, heading: value}
        for value in values(leaf)
    ]
    found = grouping.group(source.load(rows)).problems.to_pylist()
    assert [(problem["field"], problem["code"]) for problem in found] == [
        (leaf.flat, "order_conflict")
    ]
    assert found[0]["fix"]


def test_amounts_are_compared_as_numbers():
    rows = [
        {"Order ID": "A", "Ship Name": "Ann", "sku": text, "Declared Value": text}
        for text in ("10.50", "10.5", "")
    ]
    assert grouping.group(source.load(rows)).problems.num_rows == 0
