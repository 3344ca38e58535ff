"""A card next to the quotes of a preview, part by part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import shipkit as sk
from shipkit.carriers.protocol import CarrierIdentity
from shipkit.plan.preview import Preview
from shipkit.rates.quote_comparison import QUOTE_COLUMNS, compare_quotes

SHOP = sk.Address(
    name="Dana Ortiz",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
)
PLACES = [("Austin", "TX", "78701"), ("New York", "NY", "10001"), ("Reno", "NV", "")]
CARD = sk.RateCard.synthetic()


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Preview:
    rows = [
        {"order_id": str(n), "name": "Ada", "address": f"{n} Main St", "city": city,
         "state": state, "zip": code, "weight_lb": n + 2}
        for n, (city, state, code) in enumerate(PLACES)
    ]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHIPKIT_HOME", str(tmp_path_factory.mktemp("home")))
        session = sk.BatchSession(rows, shipper=SHOP, service="ground")
        found = session.previewed
        session.close()
    return found


def quoted(shown: Preview, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Preview:
    """Return the preview with other quotes for its first row."""
    first, *rest = shown.quotes.to_pylist()
    lines = [{**first, **change(first)}, *rest]
    return replace(shown, quotes=pa.Table.from_pylist(lines, schema=shown.quotes.schema))


def test_the_same_card_is_no_difference_and_what_has_no_price_is_listed(shown: Preview) -> None:
    result = sk.compare(shown, CARD)
    assert tuple(result.frame.columns) == QUOTE_COLUMNS
    assert result.frame.change_cents.tolist() == [0, 0]
    assert result.frame.differs.isna().all()
    assert not len(result.differences)
    [line] = result.unrated.to_dict("records")
    assert (line["row_number"], line["side"]) == (3, "both")
    assert "postal code is missing" in line["problem"]
    assert "1 more without one of the prices" in repr(result)


def test_a_part_and_a_zone_that_differ_are_named_with_their_sums(shown: Preview) -> None:
    other = quoted(
        shown,
        lambda line: {
            "cost_cents": line["cost_cents"] + 25,
            "fuel_cents": line["fuel_cents"] + 25,
            "zone": "9",
        },
    )
    result = compare_quotes(other, CARD)
    assert result.frame.differs.tolist()[0] == "fuel, zone"
    assert result.differences.row_number.tolist() == [1]
    assert result.differences.change_cents.tolist() == [-25]
    fuel = result.parts.set_index("part").loc["fuel"]
    assert (fuel["rows"], fuel["differ"], fuel["change_cents"]) == (2, 1, -25)
    assert result.total.change == sk.Money.from_cents(-25, "USD")
    [group] = result.by().dropna().to_dict("records")
    assert (group["differs"], group["orders"], group["change_cents"]) == ("fuel, zone", 1, -25)


def test_what_the_carrier_did_not_state_is_not_known_and_no_difference(shown: Preview) -> None:
    parts = ("base", "fuel", "residential", "delivery_area", "other", "tax")
    silent = dict.fromkeys((f"{part}_cents" for part in parts), None)
    other = quoted(shown, lambda line: {**silent, "cost_cents": line["cost_cents"] - 100})
    result = compare_quotes(other, CARD)
    assert result.frame.differs.tolist()[0] == "not stated"
    parts_found = result.parts.set_index("part")
    assert (parts_found.differ == 0).all()
    assert parts_found.loc["base", "unstated"] == 1
    same = compare_quotes(quoted(shown, lambda _: silent), CARD)
    assert same.frame.differs.isna().all()


def test_quotes_in_another_currency_are_in_neither_total(shown: Preview) -> None:
    result = compare_quotes(quoted(shown, lambda _: {"currency": "CAD"}), CARD)
    assert result.frame.row_number.tolist() == [2]
    line = result.unrated.to_dict("records")[0]
    assert (line["side"], line["problem"]) == ("card", "the quote is in CAD and the card in USD")


def test_arguments_that_would_not_be_read_are_refused(shown: Preview) -> None:
    with pytest.raises(sk.ShipkitError, match="have their orders"):
        sk.compare(shown, CARD, [{"zip": "10001"}])
    with pytest.raises(sk.ShipkitError, match="have their orders"):
        sk.compare(shown, CARD, service="cheapest")
    with pytest.raises(sk.ShipkitError, match="no orders"):
        sk.compare(CARD, CARD)


@pytest.mark.parametrize("key", ["quoted_cents", "card_cents", "change_cents", "nothing"])
def test_totals_are_nothing_to_group_by(shown: Preview, key: str) -> None:
    with pytest.raises(sk.ShipkitError, match="not a column to group by"):
        sk.compare(shown, CARD).by(key)


@pytest.mark.parametrize(
    ("seller", "own", "carrier", "rows"),
    [
        ("usps", "ground_advantage", "usps", 2),
        ("easypost", "usps:ground_advantage", "usps", 2),
        ("easypost", "fedex:ground", "fedex", 2),
        ("easypost", "ups:ground", "ups", 2),
        ("ups", "ground", "ups", 2),
        ("ups", "ground", "fedex", 0),
        ("easypost", "fedex:ground", "ups", 0),
        ("easypost", "ontrac:ground", "ups", 0),
    ],
)
def test_a_service_is_found_on_the_card_of_its_carrier_whoever_sells_it(
    shown: Preview, tmp_path: Path, seller: str, own: str, carrier: str, rows: int
) -> None:
    service = "Ground Advantage" if carrier == "usps" else "Ground"
    (tmp_path / "zones.csv").write_text("origin,destination,zone\n782,787,2\n782,100,7\n")
    (tmp_path / "rates.csv").write_text(
        "Weight,2,7\n" + "".join(f"{n},{n},9\n" for n in range(1, 9))
    )
    card = sk.RateCard.from_files(
        zones=tmp_path / "zones.csv", rates={service: tmp_path / "rates.csv"}, carrier=carrier
    )
    plan, quotes = shown.plan.table, shown.quotes
    services = pa.array([own] * plan.num_rows, pa.string())
    identity = CarrierIdentity(seller, "test", "A1B2C3")
    sold = replace(
        shown,
        plan=replace(shown.plan, table=_with_services(plan, services), identity=identity),
        quotes=_with_services(quotes, services),
    )
    assert len(compare_quotes(sold, card).frame) == rows


def _with_services(table: pa.Table, services: pa.Array) -> pa.Table:
    at = table.schema.get_field_index("service")
    return table.set_column(at, table.schema.field(at), services)


def test_a_zone_is_the_same_with_and_without_a_leading_zero(shown: Preview) -> None:
    changed = quoted(shown, lambda line: {"zone": f"0{line['zone']}", "cost_cents": 1})
    [line] = sk.compare(changed, CARD).differences.to_dict("records")
    assert "zone" not in line["differs"]
