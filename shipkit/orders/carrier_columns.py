"""Columns whose cells name the carriers of the services next to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shipkit.common.sql import quoted
from shipkit.orders.expressions import quote
from shipkit.orders.filters.carrier_filters import BETWEEN_CELLS
from shipkit.orders.heading_text import phrase, word_file
from shipkit.orders.instructions import instruction_of

__all__ = ["CARRIER_OF_SERVICE", "carrier_cells_sql", "may_name_a_carrier", "names_a_carrier"]

CARRIER_OF_SERVICE: Final = "carrier_of_service"
"""The role of a column whose cells name the carriers of the services next to them."""


def names_a_carrier(heading: str) -> bool:
    """Return whether a heading is that of a carrier."""
    found = instruction_of(heading)
    return found is not None and found.names_carrier


def may_name_a_carrier(heading: str) -> bool:
    """Return whether a heading may be that of a carrier: "Ship By" is one, or a day."""
    return phrase(heading) in {phrase(each) for each in word_file("carriers")["may_be_headings"]}


def carrier_cells_sql(keys: Sequence[str]) -> str:
    """Return SQL of the cells of several columns, as :func:`of_carrier` reads them."""
    cells = [f"coalesce({quoted(key)}::VARCHAR, '')" for key in keys]
    return f"({f' || {quote(BETWEEN_CELLS)} || '.join(cells)})"
