"""What an EasyPost account charges on top of postage, and whether it insures by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

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

    @classmethod
    def of(cls, answer: Any) -> AccountFacts:
        """Return the facts of an answer; what it does not say counts as nothing."""
        found: Mapping[str, Any] = answer if isinstance(answer, dict) else {}
        return cls(
            str(found.get("id") or ""),
            _amount(found.get("default_insurance_amount")),
            _amount(found.get("insurance_fee_rate")),
            _amount(found.get("insurance_fee_minimum")),
            _amount(found.get("price_per_shipment")),
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


def _amount(value: Any) -> Decimal:
    try:
        found = Decimal(str(value)) if value not in (None, "") else Decimal(0)
    except InvalidOperation:
        return Decimal(0)
    return found if found.is_finite() and found > 0 else Decimal(0)
