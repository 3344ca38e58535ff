"""Broken filters, templates, tool calls and files end in our errors only.

Thousands of each: `benchmarks/fuzz_errors.py`.
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "fuzz_errors.py"


@pytest.fixture(scope="module")
def fuzz():
    spec = importlib.util.spec_from_file_location("fuzz_errors", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_errors"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["fuzz_errors"]


@pytest.mark.parametrize(
    ("kind", "count", "first"),
    [
        ("clauses", 80, 0),
        ("templates", 40, 0),
        ("calls", 40, 0),
        ("client_calls", 15, 0),
        ("files", 60, 0),
    ],
)
def test_only_our_errors_come_out(fuzz, kind, count, first, tmp_path, monkeypatch):
    monkeypatch.setenv("SHIPKIT_HOME", str(tmp_path / "home"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tally = getattr(fuzz, kind)(count, 7, first)
    assert tally.found == 0, str(tally)
    assert tally.outcomes.total() >= count
    assert kind == "client_calls" or tally.outcomes["answered"] > 0
