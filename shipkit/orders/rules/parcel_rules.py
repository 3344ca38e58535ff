"""Rules of parcels: their weight, their size, their value."""

from __future__ import annotations

from typing import Final

from shipkit.orders.rules.rule import Rule

__all__ = ["PARCEL_RULES"]

_SIDES: Final = {"length_in": "length", "width_in": "width", "height_in": "height"}

PARCEL_RULES: Final = (
    Rule(
        code="parcel_missing",
        field="parcels",
        fails="coalesce(len(parcels), 0) = 0",
        value="NULL",
        problem="'there are no parcels'",
        fix="Give at least one parcel, with its weight.",
    ),
    Rule(
        code="weight_not_positive",
        field="parcels[].weight_lb",
        fails="p.weight_lb <= 0",
        value="p.weight_lb",
        problem="'weight must be greater than 0, not ' || p.weight_lb || ' lb'",
        fix="Correct the weight.",
    ),
    *(
        Rule(
            code="dimension_not_positive",
            field=f"parcels[].{column}",
            fails=f"p.{column} <= 0",
            value=f"p.{column}",
            problem=f"'{side} must be greater than 0, not ' || p.{column} || ' in'",
            fix="Correct the dimension, or leave all three empty.",
        )
        for column, side in _SIDES.items()
    ),
    Rule(
        code="dimensions_incomplete",
        field="parcels[].length_in",
        fails="""(p.length_in IS NULL OR p.width_in IS NULL OR p.height_in IS NULL)
            AND coalesce(p.length_in, p.width_in, p.height_in) IS NOT NULL""",
        value="NULL",
        problem="'length, width and height must be given together; one or two are missing'",
        fix="Fill in the missing ones, or leave all three empty.",
    ),
    Rule(
        code="amount_negative",
        field="parcels[].declared_value",
        fails="p.declared_value_cents < 0",
        value="p.declared_value_cents / 100",
        problem="'a declared value cannot be negative'",
        fix="Correct the cell, or leave it empty.",
    ),
)
