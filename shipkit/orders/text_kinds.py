"""What a text is by its look, whatever field it is in: a street, a state with its ZIP.

The patterns are read alike by Python and by DuckDB (RE2).
"""

from __future__ import annotations

from typing import Final

__all__ = ["STATE_AND_ZIP", "STREET"]

STREET: Final = (
    r"[0-9]+[A-Z]? [^,]+ (?:st|street|ave|avenue|rd|road|blvd|dr|drive|ln|lane|ct|court|hwy|way)"
    r"[.]?(?:,? (?:apt|unit|ste|suite|#).*)?"
)
"""A house number with a street of North America: "12 Main St", "12B Oak Ave, Apt 4"."""

STATE_AND_ZIP: Final = r", ?[A-Z]{2},? [0-9]{5}(?:-[0-9]{4})?"
"""What follows the city in an address of the US: ", TX 78701"."""
