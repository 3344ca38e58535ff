"""A preview for other eyes: names and streets taken out, what a price depends on left in."""

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
"""Roles of text columns that name nobody. Every other text column is masked: a gift note may hold a name."""

_HIDDEN = "***"
_TEXTS = ("warnings", "problem")


def masked(table: pa.Table, open_columns: Collection[str]) -> pa.Table:
    """Return a preview `table` that names nobody: initials, the first three characters of a postal code, cells quoted in problems as dots.

    Parameters
    ----------
    table
        Columns of a preview, then columns of the source.
    open_columns
        Text columns that are shown as they are; all others that the preview does not know are
        masked.
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
