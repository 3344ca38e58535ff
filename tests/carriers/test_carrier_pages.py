"""The services and limits that the docs list are those of each carrier's services.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipkit.carriers import registry
from shipkit.services import ServiceList

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "carriers.md"

UNITS = {
    "weight_lb": "{:g} lb per parcel",
    "longest_side_in": "{:g} in for the longest side",
    "length_and_girth_in": "{:g} in of length and girth together",
    "parcels": "{:g} parcels per shipment",
    "name": "{:g} characters of a name or company",
    "address_line": "{:g} characters per address line",
    "city": "{:g} characters of a city",
    "reference": "{:g} characters per reference",
}


def table_of(services: ServiceList) -> str:
    """The part of the page that is about one carrier."""
    limits = ", ".join(UNITS[name].format(value) for name, value in services.limits.given().items())
    rows = [
        f"| `{entry.code}` | {entry.title} | {entry.reach} "
        f"| {', '.join([*entry.wire.values(), *entry.aliases])} |"
        for entry in services
    ]
    head = ["| service | title | where | also read as |", "| --- | --- | --- | --- |"]
    return "\n".join([f"At most {limits}.", "", *head, *rows])


@pytest.mark.parametrize("name", ["ups", "easypost", "usps"])
def test_the_page_lists_what_a_carrier_offers(name: str):
    expected = table_of(registry.plugin(name).services)
    assert expected in PAGE.read_text("utf-8"), f"write this into {PAGE}:\n\n{expected}"


def test_the_page_says_that_the_sandbox_offers_what_ups_offers():
    sandbox, ups = registry.plugin("sandbox").services, registry.plugin("ups").services
    assert table_of(sandbox) == table_of(ups)
    assert "The sandbox has the services and limits of UPS" in PAGE.read_text("utf-8")


def test_every_own_carrier_has_a_section():
    for name in ("sandbox", "ups", "easypost", "usps"):
        assert f"### {registry.plugin(name).services.title}\n" in PAGE.read_text("utf-8")
