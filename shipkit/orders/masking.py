"""Mask a preview for other people: hide names and streets, keep what a price depends on."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["OPEN_ROLES", "masked"]

OPEN_ROLES = frozenset(
    {
        "order_id",
        "city",
        "state",
        "country",
        "service",
        "weight_unit",
        "dimension_unit",
        "packaging",
        "signature",
        "currency",
        "sku",
        "item_name",
    }
)
"""Roles of text columns that are shown.

Every other text column is masked: a gift note may contain a name.
"""

_HIDDEN = "***"
_TEXTS = ("warnings", "problem")


def masked(table: pa.Table, open_columns: Collection[str]) -> pa.Table:
    """Return a preview without personal data.

    Names become initials, postal codes their first three characters, and cells that problems quote
    become dots.

    Parameters
    ----------
    table
        Columns of a preview, then columns of the source.
    open_columns
        Text columns that are shown unchanged.
    """
    for place, name in enumerate(table.column_names):
        column = table.column(name)
        if name == "recipient":
            column = pa.array([_initials(text) for text in column.to_pylist()], pa.string())
        elif name == "postal_code":
            column = pc.if_else(
                pc.is_valid(column),
                pc.binary_join_element_wise(pc.utf8_slice_codeunits(column, 0, 3), "**", ""),
                column,
            )
        elif name in _TEXTS:
            column = pc.replace_substring_regex(column, '"[^"]*"', '"..."')
        elif name not in open_columns and not _numeric(column.type):
            column = pc.if_else(pc.is_valid(column), _HIDDEN, pa.scalar(None, pa.string()))
        table = table.set_column(place, name, column)
    return table


def _initials(text: str | None) -> str | None:
    return None if text is None else " ".join(f"{word[0]}." for word in text.split() if word)


def _numeric(kind: pa.DataType) -> bool:
    return not (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_nested(kind)
    )
