"""A number that a spreadsheet rounded is one for order numbers, addresses and phones alike."""

from __future__ import annotations

import re

import duckdb
import pytest

from shipkit.orders.expressions import digits_phone
from shipkit.orders.filters.code_filters import phone_digits
from shipkit.orders.normalize.suspects import _is_suspect
from shipkit.orders.normalize.text_damage import judged
from shipkit.orders.rules.key_rules import KEY_RULES, odd_key
from shipkit.orders.written_numbers import ROUNDED, ROUNDED_PHONE

ROUNDED_NUMBERS = [
    *("6.1755501E+09", "6,1755501E+09", "6E+09", "1.E+09", "1e+5", "12E+5", "617.555E+07"),
    *("4.11E15", "1,5e10", "4.11 E15", "4.11 E+15", "4 E+15", "1.5E-05", "+6.17E+09", "-1.2E+5"),
    "1.23457E+308",
]
OTHERS = [
    *("1E5", "12E4", "12E-5", "1e5", "12 E 500", "12.5 E 500", "12 E5", "E+09", "1.2.3E+5"),
    *("1.5E", "1.5E+", "1.5E1234", "1.5E+5 ", "A1.5E+5", "1.5F+5", "15.5", "1001"),
]
ONLY_IN_PHONES = ["6E9", "617 E 7", "61755E5", "12.5 E 500", "1.5E5"]


def true(condition, text):
    return duckdb.execute(f"SELECT {condition}", {"text": text}).fetchall()[0][0]


def is_rounded_key(text):
    (rounded,) = (rule for rule in KEY_RULES if "rounded" in rule.problem)
    select = (
        f"SELECT {rounded.fails} FROM (SELECT $text AS order_id, {odd_key('$text')} AS odd_key)"
    )
    return duckdb.execute(select, {"text": text}).fetchall()[0][0]


def is_rounded_street(text):
    found = judged(text, "address_line1").problem
    assert not found or true(_is_suspect("$text"), text), "SQL asks for each cell with a problem"
    return found is not None and "date or number" in found


@pytest.mark.parametrize("text", ROUNDED_NUMBERS)
def test_a_rounded_number_is_one_everywhere(text):
    assert re.fullmatch(ROUNDED, text)
    assert true(f"regexp_full_match($text, '{ROUNDED}')", text)
    assert is_rounded_key(text)
    assert is_rounded_street(text)
    assert true(digits_phone("$text", "true"), text) is None
    assert true(digits_phone("$text", "false"), text) is None
    assert phone_digits(text) == text[:15]


@pytest.mark.parametrize("text", OTHERS)
def test_other_texts_are_none_anywhere(text):
    assert not re.fullmatch(ROUNDED, text)
    assert not true(f"regexp_full_match($text, '{ROUNDED}')", text)
    assert not is_rounded_key(text)
    assert not is_rounded_street(text.strip()) or text != text.strip()


@pytest.mark.parametrize("text", ONLY_IN_PHONES)
def test_no_phone_has_an_e_between_digits(text):
    assert re.fullmatch(ROUNDED_PHONE, text)
    assert true(digits_phone("$text", "true"), text) is None
    assert true(digits_phone("$text", "false"), text) is None
    assert phone_digits(text) == text


@pytest.mark.parametrize("phone", ["6175550100", "617-555-0100 ext 7", "+49 30 123456", "5 e"])
def test_phones_are_none(phone):
    assert not re.fullmatch(ROUNDED_PHONE, phone)
