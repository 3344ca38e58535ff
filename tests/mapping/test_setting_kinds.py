"""What ``map()`` is given is checked when it is given, and not in the preview."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import shipkit as sk
from shipkit.errors import InputError, MappingError
from shipkit.orders.mapping import given_defaults
from shipkit.orders.mapping.setting_kinds import check_kinds, day_of


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("columns", {"weight_lb": 5}, "columns: 'weight_lb' is given 5, and headings are text"),
        ("columns", {5: "Weight"}, "columns: the name 5 is not a text"),
        ("columns", ["Weight"], "columns=['Weight'] is not a dict"),
        ("services", {"ground": None}, "'ground' is given None, and services are text"),
        ("references", {"po": ["PO"]}, "references: 'po' is given ['PO']"),
        ("warehouses", 5, "warehouses=5 is not a dict"),
        ("ignore", 5, "ignore=5 is not a list of headings"),
        ("ignore", ["Weight", None], "ignore: None is not a heading"),
        ("service", ["ground"], "service=['ground'] is not a text"),
        ("parcels", 2, "parcels=2 is not a text"),
        ("template", 5, "template=5 is not a text"),
    ],
)
def test_a_setting_of_another_kind_is_refused_by_its_name(name, value, problem):
    with pytest.raises(MappingError) as caught:
        check_kinds(**{name: value})
    assert problem in str(caught.value)
    assert name in str(caught.value.fix)


def test_settings_of_their_kinds_are_taken():
    check_kinds(columns={"weight_lb": "W"}, ignore=["a"], service=None, template="{{ a }}")
    check_kinds(ignore="a", defaults={"weight_lb": 2})


@pytest.mark.parametrize(
    "given",
    [
        "2026-12-05",
        dt.date(2026, 12, 5),
        pd.Timestamp("2026-12-05 09:00"),
        np.datetime64("2026-12-05"),
        np.datetime64("2026-12-05T09:00:00.000000000"),
    ],
    ids=repr,
)
def test_a_ship_date_is_the_day_of_what_is_given(given):
    assert day_of(given) == dt.date(2026, 12, 5)
    assert type(day_of(given)) is dt.date


@pytest.mark.parametrize(
    "given", [5, True, [1], pd.NaT, np.datetime64("NaT", "us"), "tomorrow"], ids=repr
)
def test_a_ship_date_that_is_none_is_refused(given):
    with pytest.raises(InputError, match="is not a date"):
        day_of(given)


@pytest.mark.parametrize("missing", [None, math.nan, np.float32("nan"), pd.NaT, Decimal("NaN")])
def test_a_missing_default_is_none_and_its_name_is_checked(missing):
    assert given_defaults({"phone": missing, "weight_lb": 2}) == {"weight_lb": 2}
    with pytest.raises(MappingError, match="'nope' is not a field"):
        given_defaults({"nope": missing})


def test_a_session_checks_before_it_changes_its_mapping(shop):
    session = sk.BatchSession([{"order_id": "1", "zip": "78701"}], shipper=shop)
    with pytest.raises(MappingError, match="headings are text"):
        session.map(columns={"weight_lb": 5})
    with pytest.raises(InputError, match="is not a date"):
        session.map(ship_date=5)
    with pytest.raises(InputError, match="each_row='x' is not True or False"):
        session.map(each_row="x")
    with pytest.raises(InputError, match="mask='no' is not True or False"):
        session.preview(mask="no")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"header": "no"}, "header='no' is not True or False"),
        ({"hidden": "x"}, "hidden='x' is not known"),
        ({"types": "x"}, "types='x' is not a dict"),
    ],
)
def test_how_to_read_a_file_is_checked(shop, options, problem):
    session = sk.BatchSession(shipper=shop)
    with pytest.raises(InputError, match=problem):
        session.load([{"order_id": "1", "zip": "78701"}], **options)
