"""The cheap test of usual order numbers hides none that a rule would find."""

from __future__ import annotations

import duckdb
import pytest

from shipkit.orders.damage_words import damage_words
from shipkit.orders.rules.key_rules import odd_key

MONTHS = sorted(damage_words("months"))


def is_odd(key):
    return duckdb.execute(f"SELECT {odd_key('$key')}", {"key": key}).fetchall()[0][0]


@pytest.mark.parametrize("key", ["1001", "#1001", "SO-00042", "A1", "WC100", "12345678901234"])
def test_usual_order_numbers_are_not_looked_at_again(key):
    assert not is_odd(key)


@pytest.mark.parametrize("name", ["nothing", "booleans", "errors"])
def test_no_word_that_is_no_order_number_is_usual(name):
    words = {form for word in damage_words(name) for form in (word, word.upper(), word.title())}
    assert [word for word in sorted(words) if not is_odd(word)] == []


@pytest.mark.parametrize("form", ["{}-02", "{} 2026", "{}-2026", "2-{}", "02-{}-26", "2. {} 2026"])
def test_no_date_is_usual(form):
    assert [month for month in MONTHS if not is_odd(form.format(month))] == []


@pytest.mark.parametrize(
    "key", ["5.76461E+17", "1,5e10", "1e+5", "1001.0", "123456789012345000", "2026-01-02", "1/2/26"]
)
def test_no_damaged_number_is_usual(key):
    assert is_odd(key)
