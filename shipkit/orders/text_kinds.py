"""What a text is by its look, whatever field it is in: an e-mail address, a street, a web address.

Streets and cities are judged in Python, names in SQL: Python and DuckDB (RE2) read these patterns
alike. They are for whole texts with single blanks.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CITY_AND_ZIP", "EMAIL", "STREET", "TRACKING_NUMBER", "WEB_ADDRESS", "ZIP_AT_END"]

EMAIL: Final = "[^@ ]+@[^@ ]+[.][A-Za-z]{2,}"
"""What is meant as an e-mail address. Which of them are right, the rules of contacts say."""

WEB_ADDRESS: Final = "(?i:https?://|www[.]).+"

TRACKING_NUMBER: Final = "(?i:1Z[0-9A-Z]{16}|TBA[0-9]{12}|[A-Z]{2}[0-9]{9}[A-Z]{2})"
"""Of UPS, of Amazon, and of the posts of the world (UPU S10)."""

STREET: Final = (
    "[0-9]+[A-Za-z]? [^,]+ "
    "(?i:(?:st|street|ave|avenue|rd|road|blvd|dr|drive|ln|lane|ct|court|hwy|way)"
    "[.]?(?:,? (?:apt|unit|ste|suite|#).*)?)"
)
"""A house number with a street of North America: "12 Main St", "12B Oak Ave, Apt 4"."""

_STATE_AND_ZIP: Final = "(?i:, ?[A-Z]{2},? [0-9]{5}(?:-[0-9]{4})?)"

ZIP_AT_END: Final = f".+{_STATE_AND_ZIP}"
"""An address of the US, or its end: "12 Main St, Austin, TX 78701"."""

CITY_AND_ZIP: Final = f"[^0-9]+{_STATE_AND_ZIP}"
"""A city of the US with its ZIP and nothing before it: "Austin, TX 78701"."""
