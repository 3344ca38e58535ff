"""Which prices an account is quoted: how UPS comes by its parcels, and what kind of customer it is.

Both decide published prices. An account with prices of its own is billed by its agreement, and the
quote takes those where UPS states them.
"""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

from shipkit.common.choices import one_of

__all__ = ["CustomerClassification", "PickupType", "rate_basis"]

PickupType = Literal["daily", "customer_counter", "one_time", "letter_center", "air_service_center"]
CustomerClassification = Literal[
    "account", "daily", "retail", "regional", "general_list", "standard_list"
]

_PICKUPS: Final = dict(zip(get_args(PickupType), ("01", "03", "06", "19", "20"), strict=True))
_CUSTOMERS: Final = dict(
    zip(get_args(CustomerClassification), ("00", "01", "04", "05", "06", "53"), strict=True)
)
"""UPS, Rating developer guide, PickupType and CustomerClassification."""


def rate_basis(pickup_type: str = "daily", classification: str | None = None) -> dict[str, Any]:
    """Return the members of a rate request that say which prices are wanted.

    Examples
    --------
    >>> rate_basis("customer_counter", "retail")
    {'PickupType': {'Code': '03'}, 'CustomerClassification': {'Code': '04'}}
    """
    one_of("pickup_type", pickup_type, tuple(_PICKUPS))
    basis: dict[str, Any] = {"PickupType": {"Code": _PICKUPS[pickup_type]}}
    if classification is not None:
        one_of("customer_classification", classification, tuple(_CUSTOMERS))
        basis["CustomerClassification"] = {"Code": _CUSTOMERS[classification]}
    return basis
