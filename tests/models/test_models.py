"""Money, states: the words everything else is written in."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shipkit.models import Address, Customs, CustomsItem, Money, minor_units
from shipkit.state import MOVES, STATE_AFTER, Outcome, RowState

CENTS = st.integers(-(10**12), 10**12)


@given(CENTS, st.sampled_from(["USD", "EUR", "JPY", "KWD"]))
def test_money_survives_the_way_to_minor_units_and_back(cents: int, currency: str):
    assert Money.from_cents(cents, currency).cents == cents


@given(st.lists(CENTS, max_size=50))
def test_a_sum_of_money_is_exact(cents: list[int]):
    total = Money.from_cents(0)
    for c in cents:
        total += Money.from_cents(c)
    assert total.cents == sum(cents)


def test_money_is_never_made_from_a_float():
    with pytest.raises(TypeError, match="exact"):
        Money.of(0.1)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="exact"):
        Money(amount=0.1)  # type: ignore[arg-type]


def test_money_of_two_currencies_is_not_added():
    with pytest.raises(ValueError, match="one total per currency"):
        Money.of("1") + Money.of("1", "EUR")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("1234.5", "$1,234.50"), ("$1,234.50", "$1,234.50"), ("-3", "-$3.00"), ("0", "$0.00")],
)
def test_money_reads_and_shows_dollars(text: str, shown: str):
    assert str(Money.of(text)) == shown


@pytest.mark.parametrize("text", ["", "NaN", "Infinity", "12 pounds", "1e999999999"])
def test_what_is_no_amount_is_refused(text: str):
    with pytest.raises((ValueError, ArithmeticError)):
        Money.of(text)


def test_yen_have_no_cents():
    assert minor_units("JPY") == 0
    assert str(Money.from_cents(1250, "JPY")) == "1,250 JPY"


def test_contact_details_stay_out_of_reprs():
    text = repr(Address(name="Ada", phone="2125550100", email="ada@example.com"))
    assert "2125550100" not in text
    assert "example.com" not in text


def test_no_row_is_shipped_without_having_been_in_flight():
    assert {old for old in RowState if RowState.SHIPPED in MOVES[old]} - {RowState.SHIPPED} == {
        RowState.IN_FLIGHT,
        RowState.IN_DOUBT,
        RowState.REVIEW,
    }


def test_every_outcome_has_a_state_and_every_state_its_moves():
    assert set(STATE_AFTER) == set(Outcome)
    assert set(MOVES) == set(RowState)
    assert STATE_AFTER[Outcome.UNKNOWN] is RowState.IN_DOUBT


def test_amounts_keep_their_last_digit():
    assert Money.of("0.005").amount == Decimal("0.005")
    assert Money.of("0.005").cents == 0
    assert Money.of("0.015").cents == 2


def test_goods_are_worth_the_sum_of_their_lines_in_one_currency():
    mug = CustomsItem(description="Mug", quantity=3, unit_value=Money.of("4.333"))
    pen = CustomsItem(description="Pen", quantity=1, unit_value=Money.of("2"))
    assert mug.value == Money.of("12.999")
    assert Customs(items=(mug, pen)).value == Money.of("14.999")
    assert Customs().value is None
    yen = CustomsItem(description="Pen", quantity=1, unit_value=Money.of("2", "JPY"))
    with pytest.raises(ValueError, match="cannot combine USD and JPY"):
        _ = Customs(items=(mug, yen)).value
