"""Cells that ask for something: what is looked up is what the patterns find."""

from __future__ import annotations

import duckdb

from shipkit.orders.option_cells import _groups, may_ask

FORMS = (
    "{}", " {}", "{}\t", "gift, {}", "{};vip", "a|{}|b", "x/{}", "{}\nnext", "un 1263", "un-3480",
    "my {}", "{} please", "{}s", "nothing, of it", "blue",
)  # fmt: skip


def test_no_cell_that_a_pattern_finds_is_passed_over():
    kinds = _groups()
    words = sorted({word for kind in kinds for word in kind.whole} | {"red wine", "my apt"})
    cells = sorted({form.format(word) for word in words for form in FORMS})
    asks = ", ".join(f"coalesce({kind.condition('cell')}, false)" for kind in kinds)
    with duckdb.connect() as con:
        found = con.execute(
            f"SELECT cell, {may_ask(kinds, 'cell')}, [{asks}] FROM (SELECT unnest($cells) AS cell)",
            {"cells": cells},
        ).fetchall()
    assert [cell for cell, may, which in found if any(which) and not may] == []
    assert {cell for cell, may, _ in found if may}.isdisjoint({"blue", "nothing, of it"})
    assert sum(any(which) for _, _, which in found) > len(words)
