"""The benchmark of several accounts: a run that does not show what it claims says so."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"

SHOWN = {
    "status_with_a_breaker_open": "paused",
    "status": "completed",
    "by_account": {"ups": 3, "usps": 2},
    "sold_by_account": {"ups": 3, "usps": 2},
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, []),
        (
            {"status_with_a_breaker_open": "completed"},
            ["no breaker opened: the first run was completed, not paused"],
        ),
        ({"status": "paused"}, ["the resumed job is paused, not completed"]),
        ({"by_account": {"ups": 5}}, ["usps is the cheapest of no row"]),
        ({"sold_by_account": {"ups": 5, "usps": 0}}, ["usps sold nothing"]),
    ],
)
def test_what_a_run_does_not_show_is_said(
    change: dict, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import several_accounts

    assert several_accounts.not_shown(SHOWN | change, ("ups", "usps")) == said
