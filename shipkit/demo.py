"""Bundled orders to try things with: invented people and typical mistakes."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

__all__ = ["demo_orders"]


def demo_orders() -> Path:
    """Return the path of the bundled order file.

    It is a CSV as shops export it: ZIP codes without leading zeros, orders with several lines, and
    rows that cannot ship.
    """
    return Path(str(resources.files("shipkit") / "data" / "demo_orders.csv"))
