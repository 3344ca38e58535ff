"""What the goods on customs papers must have: rows with other cells wait, or are warned of."""

from __future__ import annotations

import pytest

import shipkit as sk
from shipkit.orders.rules.customs_rules import CUSTOMS_RULES

GOODS = {
    "Name": "Ada Lee",
    "City": "Paris",
    "Zip": "75001",
    "Country": "FR",
    "Phone": "+33 1 23 45 67 89",
    "Item": "Cotton shirt",
    "Qty": "2",
    "Unit Price": "20.00",
    "HS Code": "610510",
    "Country of Origin": "US",
    "Weight (lb)": "2",
}
CELLS = {
    "Item": {
        "Cotton shirt": None,
        "Gift set": None,
        "goods": "warning",
        "Gift": "warning",
        "Waren": "warning",
        "TBD": "error",
        "see invoice": "error",
        "[object Object]": "error",
        '["Shirt"]': "error",
    },
    "HS Code": {
        "610510": None,
        "6105.10.0010": None,
        "6105 10": None,
        "n/a": None,
        "-": None,
        "610": "error",
        "90111": "error",  # 0901.11 without its zero
        "000000": "error",
        "6.1051E+05": "error",
        "610510.0": "error",
        "TBD": "error",
        "=A1": "error",
    },
    "Country of Origin": {
        "CN": None,
        "china": None,
        "Made in China": None,
        "n/a": None,
        "various": "error",
        "EU": "error",
        "XX": "error",
        "same": "error",
    },
    "Unit Price": {"20.00": None, "0": None, "-5": "error"},
}


@pytest.mark.parametrize("heading", CELLS)
def test_cells_of_goods_that_customs_cannot_read(shop, heading):
    cells = list(CELLS[heading])
    rows = [
        {**GOODS, "Order": f"A{number}", "Address": f"{number} Rue de Rivoli", heading: cell}
        for number, cell in enumerate(cells, 1)
    ]
    with sk.BatchSession(rows, shipper=shop) as session:
        session.map(service="worldwide_saver", weights="order").preview()
        found = session.problems
    codes = {rule.code for rule in CUSTOMS_RULES} | {"customs_item"}
    found = found[found["code"].isin(codes)].set_index("row_number")["severity"].to_dict()
    assert {cell: found.get(number) for number, cell in enumerate(cells, 1)} == CELLS[heading]


def test_where_the_goods_were_made_is_read_from_a_sentence(shop):
    row = {**GOODS, "Order": "A1", "Address": "5 Rue de Rivoli"}
    row["Country of Origin"] = "Made in China"
    with sk.BatchSession([row], shipper=shop) as session:
        session.map(service="worldwide_saver", weights="order")
        (shipment,) = session._planner.normalized()[0].to_pylist()
    assert shipment["customs"]["items"][0]["origin_country"] == "CN"
