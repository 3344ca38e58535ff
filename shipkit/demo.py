"""Bundled orders to try things on: invented people, typical dirt."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

__all__ = ["demo_orders"]


def demo_orders() -> Path:
    """Return the path of the bundled order file: a CSV as shops export it, with lost zeros, many-line orders and rows that cannot ship."""
    return Path(str(resources.files("shipkit") / "data" / "demo_orders.csv"))
