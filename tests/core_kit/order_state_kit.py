"""Which state of an order a problem names: its code is the same for all of them."""

from __future__ import annotations

from functools import cache
from typing import Any

from shipkit.orders.layouts import known_layouts
from shipkit.orders.state_cells import state_words


@cache
def _states() -> dict[str, str]:
    words = state_words()
    found = {each["problem"]: each["state"] for each in words["meaning"] if each.get("state")}
    found |= {each["problem"]: each["state"] for each in words["flag"]}
    notices = [notice for layout in known_layouts().values() for notice in layout.notices]
    return found | {notice.problem: notice.state for notice in notices if notice.state}


def state_named(problem: Any) -> str:
    """Return the state that a problem names, and the code of a problem of another kind."""
    return _states()[problem.problem] if problem.code == "order_state" else problem.code
