"""What UPS's status codes of a parcel mean, in the words of every carrier.

The numeric status tells; the letter of an activity does not: "Out for Delivery" comes as type I,
"In Transit" (UPS's appendix, "Package Activity Types"; a recorded answer of 2021 has type I, code
OT). The numbers are those that users copied from UPS's list (UPS-API/api-documentation#7).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

__all__ = ["STATUSES", "status_of"]

_BY_NUMBER: Final = {
    "label_created": "003 065 077",
    "picked_up": "038",
    "in_transit": (
        "005 010 012 014 018 019 020 025 027 028 032 039 041 042 044 045 047 054 055 056 057 063 "
        "070"
    ),
    "out_for_delivery": "006 021 071 072",
    "ready_for_pickup": "017 040",
    "delivered": "011 026",
    "exception": (
        "013 016 022 023 024 029 030 046 048 049 050 051 052 053 058 059 060 061 062 064 066 068 "
        "069"
    ),
    "returned": "033 034 035 036 037 067",
    "voided": "007 043",
}
STATUSES: Final = MappingProxyType(
    {number: status for status, numbers in _BY_NUMBER.items() for number in numbers.split()}
)
"""Numeric status of UPS -> status. Delays, attempts and damage are exceptions; a return that is
asked for is one already."""

_BY_CODE: Final = {"OT": "out_for_delivery", "MP": "label_created", "RS": "returned"}
"""Code of an activity -> status, for answers without a numeric status."""

_BY_TYPE: Final = {
    "D": "delivered",
    "I": "in_transit",
    "M": "label_created",
    "MV": "voided",
    "P": "picked_up",
    "X": "exception",
    "RS": "returned",
    "DO": "in_transit",
    "O": "out_for_delivery",
    "W": "in_transit",
    "NA": "unknown",
}
"""Type of an activity -> status, where nothing more exact is given."""


def status_of(kind: str, code: str, number: str) -> str:
    """Return the status of a parcel.

    Parameters
    ----------
    kind, code
        Type and code of the activity: "I", "OT".
    number
        The numeric status, "021"; empty where UPS gave none.

    Examples
    --------
    >>> status_of("I", "OT", "021"), status_of("D", "RS", "034"), status_of("D", "FS", "")
    ('out_for_delivery', 'returned', 'delivered')
    """
    found = STATUSES.get(number)
    if found == "in_transit" and kind == "X":
        return "exception"
    if found is not None:
        return found
    if kind not in {"MV", "X"} and code in _BY_CODE:
        return _BY_CODE[code]
    return _BY_TYPE.get(kind, "unknown")
