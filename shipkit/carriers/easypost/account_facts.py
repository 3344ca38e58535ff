"""What an EasyPost account charges on top of postage, and whether it insures by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from shipkit.errors import AnswerLost

__all__ = ["AccountFacts"]


@dataclass(frozen=True)
class AccountFacts:
    """Of ``GET /users``; amounts are USD. Fees are exact: 249.99 insured at 0.5 % is 1.24995."""

    user_id: str = ""
    insured_by_default: Decimal = Decimal(0)
    """What the account insures each purchase for that says nothing. It is in no rate."""
    insurance_rate: Decimal = Decimal(0)
    insurance_minimum: Decimal = Decimal(0)
    label_fee: Decimal = Decimal(0)
    known: bool = True
    """Whether EasyPost shows them: a key may not see its account."""

    @classmethod
    def of(cls, answer: Any) -> AccountFacts:
        """Return the facts of an answer; what it does not say counts as nothing.

        Raises
        ------
        AnswerLost
            It says something that cannot be read: without it every price would be too low.
        """
        if not isinstance(answer, dict):
            raise _unreadable("no account")
        return cls(
            str(answer.get("id") or ""),
            _amount(answer, "default_insurance_amount"),
            _amount(answer, "insurance_fee_rate"),
            _amount(answer, "insurance_fee_minimum"),
            _amount(answer, "price_per_shipment"),
        )

    def insurance_fee(self, insured: str | None) -> Decimal:
        """Return the fee of a purchase that insures `insured`; None: what the account insures."""
        amount = self.insured_by_default if insured is None else Decimal(insured)
        if amount <= 0:
            return Decimal(0)
        return max(self.insurance_minimum, amount * self.insurance_rate)

    def fees(self, insured: str | None, parcels: int) -> Decimal:
        """Return all fees of a purchase of `parcels` labels."""
        return parcels * (self.label_fee + self.insurance_fee(insured))


def _amount(answer: Mapping[str, Any], name: str) -> Decimal:
    value = answer.get(name)
    if value in (None, ""):
        return Decimal(0)
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise _unreadable(f"a {name} that is not a number") from None
    if not found.is_finite() or found < 0:
        raise _unreadable(f"a {name} that is not an amount")
    return found


def _unreadable(what: str) -> AnswerLost:
    return AnswerLost(
        f"EasyPost's answer about the account has {what}: its fees are not known.",
        fix="Ask again later; nothing was bought.",
    )
