"""The page on mapping names every rule, filter and limit there is."""

from __future__ import annotations

import re
from pathlib import Path

from shipkit.carriers.ups.service_level import SERVICES
from shipkit.orders.filters import filters_for
from shipkit.orders.mapping import template_limits
from shipkit.orders.mapping.environment import ShipmentEnvironment
from shipkit.orders.normalize.cell_problems import UNREADABLE
from shipkit.orders.validate import RULES

PAGE = (Path(__file__).parent.parent.parent / "docs" / "reference" / "mapping.md").read_text(
    encoding="utf-8"
)


def test_every_rule_is_on_the_page():
    assert {rule.code for rule in RULES} - set(re.findall(r"`(\w+)`", PAGE)) == set()


def test_every_filter_is_on_the_page():
    offered = {name for name in ShipmentEnvironment(SERVICES).filters if not name.endswith("_")} - {
        "d"
    }
    assert offered - set(re.findall(r"`(\w+)", PAGE)) == set()
    assert set(filters_for(SERVICES)) - {"d"} <= offered


def test_the_limits_on_the_page_are_the_limits():
    assert f"{template_limits.MAX_STEPS:,} steps" in PAGE
    assert f"{template_limits.MAX_OUTPUT // 1024} KB" in PAGE
    assert f"{template_limits.MAX_TEXT // 1024} KB" in PAGE
    assert f"{template_limits.MAX_ITEMS:,} elements" in PAGE


def test_every_unreadable_cell_has_a_code_as_the_page_says():
    assert {"weight_lb", "ship_date"} <= set(UNREADABLE)
