"""Plurals, lists of rows, totals and aligned texts: written in one place."""

from __future__ import annotations

import pytest

from shipkit.common.words import aligned, counted, display_width, listed, row_list, total_text
from shipkit.models import Money


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (12345, "12,345 rows")]
)
def test_a_count_agrees_with_its_noun(number, text):
    assert counted(number, "row") == text


def test_a_list_names_the_first_items_and_counts_the_rest():
    assert listed(["a"]) == "a"
    assert listed([1, 2, 3, 4, 5]) == "1, 2, 3, 4, 5"
    assert listed(range(2005)) == "0, 1, 2, 3, 4 and 2,000 more"
    assert row_list([7]) == "row 7"
    assert row_list([7, 9, 11], most=2) == "rows 7, 9 and 1 more"


def test_a_total_has_one_amount_per_currency_and_no_sum_across():
    dollars, canadian = Money.from_cents(123450), Money.from_cents(2000, "CAD")
    assert total_text({"USD": dollars, "CAD": canadian}) == "$1,234.50 + 20.00 CAD"
    assert total_text(iter([dollars])) == "$1,234.50"
    assert total_text({}) == "$0.00"
    assert total_text([], nothing="nothing") == "nothing"


def test_texts_line_up_behind_names_of_any_script():
    rows = [("Kunde", "1"), ("東京", "2"), ("Jose\u0301", "3"), ("", "4")]
    lines = aligned(rows, indent="> ").splitlines()
    assert {display_width(line[:-1]) for line in lines} == {2 + len("Kunde") + 2}
    assert [line[-1] for line in lines] == ["1", "2", "3", "4"]
    assert aligned([]) == ""
