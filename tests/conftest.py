"""Fixtures that every stage uses."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from shipkit.models import Address

ROOT = Path(__file__).parent.parent

# jsonschema takes this package for two formats that no test checks; its grammars cost each process
# two seconds, and it is here only because a notebook server brings it along.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

# A run in the background ignores SIGINT, and programs that tests interrupt would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# The gate tries the same examples each time, so that no change fails for what another brought in;
# `make search` tries new ones, and more where a test says so (`settings.default.derandomize`).
settings.register_profile("gate", derandomize=True)
settings.register_profile("search", print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))


LONG = (
    "tests/object_home/",
    "tests/agent/test_node.py",
    "tests/notebook/test_browser.py",
    "tests/database/test_pushdown.py",
    "tests/crash/test_kill.py",
    "tests/cli/test_recording.py",
    "tests/notebook/test_notebooks.py",
    "tests/docs/test_blocks.py",
    "tests/docs/test_site.py",
    "tests/cli/test_schedulers.py",
    "tests/cli/test_scripts.py",
    "tests/cli/test_docs.py",
    "tests/carriers/own_carrier/",
    "tests/carriers/ups/test_job.py",
    "tests/orders/test_grouping.py",
    "tests/mapping/test_round_trip.py",
    "tests/layouts/test_variants.py",
    "tests/carriers/test_ratecard.py",
    "tests/packing/",
    "tests/whatif/test_scale.py",
    "tests/agent/test_processes.py",
    "tests/notebook/",
    "tests/cli/",
    "tests/compat/",
    "tests/crash/",
    "tests/database/",
    "tests/agent/",
    "tests/session/test_line.py",
    "tests/session/test_superstore.py",
    "tests/carriers/test_sandbox_served.py",
    "tests/execute/test_outcomes_over_http.py",
    "tests/mapping/test_compiler.py",
    "tests/session/test_job.py",
    "tests/writeback/test_text.py",
    "tests/carriers/test_service_texts.py",
    "tests/writeback/test_confirmations.py",
    "tests/whatif/test_rate.py",
    "tests/carriers/test_own_carrier.py",
    "tests/layouts/test_layouts.py",
    "tests/validate/test_rules.py",
    "tests/carriers/ups/test_wire.py",
    "tests/plan/test_planner.py",
    "tests/source/test_files.py",
    "tests/writeback/test_safety.py",
    "tests/where/test_filters_against_pandas.py",
    "tests/whatif/test_streaming.py",
    "tests/writeback/test_workbook.py",
    "tests/execute/test_execute.py",
    "tests/carriers/ups/test_session.py",
    "tests/session/test_shop.py",
    "tests/session/test_options.py",
    "tests/normalize/test_cells.py",
    "tests/source/test_types.py",
    "tests/session/test_bad_inputs.py",
    "tests/checkpoint/test_checkpoint.py",
    "tests/source/test_workbooks.py",
    "tests/render/test_any_text.py",
)
"""Files and folders whose tests take a tenth of a second or more each, the longest first.

They are started before all others, so that no processor waits for a last long test at the end.
``make quick`` leaves them out.
"""

QUICK = (
    "tests/agent/test_docs.py",
    "tests/cli/test_help.py",
)
"""Files in folders of `LONG` whose tests are fast all the same: ``make quick`` runs them."""

ONE_PROCESS = ("tests/notebook/test_browser.py", "tests/database/", "tests/docs/test_site.py")
"""Tests that share something expensive: a browser, a database server, the built site."""


def is_long(name: str) -> bool:
    """Whether a test file, by its path from the project's root, takes long."""
    return name.startswith(LONG) and not name.startswith(QUICK)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import the long tests in a run without them."""
    name = collection_path.relative_to(ROOT).as_posix()
    without = "not long" in config.option.markexpr
    return True if without and collection_path.suffix == ".py" and is_long(name) else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests of each place in `ONE_PROCESS` together, and spread all others singly.

    xdist's own groups are in the names of tests, which pytest 9.2 no longer lets it change: each
    of four processes started a database and built the site.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((start for start in ONE_PROCESS if nodeid.startswith(start)), nodeid)

        def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
            # A test by itself is forgotten when it is done: xdist would look at all that a process
            # had so far after each, which takes longer the more tests there are.
            scope = self._split_scope(self.registered_collections[node][item_index])
            work = self.assigned_work[node]
            if len(work[scope]) > 1:
                super().mark_test_complete(node, item_index, duration)
                return
            del work[scope]
            self._reschedule(node)

    return Scheduling(config, log) if config.option.dist == "loadgroup" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark and order the tests of `LONG`."""
    ranks = {}
    for item in items:
        name = item.path.relative_to(ROOT).as_posix()
        ranks[item] = next((n for n, start in enumerate(LONG) if name.startswith(start)), len(LONG))
        if is_long(name):
            item.add_marker(pytest.mark.long)
    items.sort(key=ranks.__getitem__)  # stable: the order within a file stays


def pytest_collection_finish() -> None:
    """Leave what collection made out of later garbage collections: it stays to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def until() -> Callable[..., None]:
    """Return a function that waits until something is true, and fails after `timeout_s`."""

    def wait(true: Callable[[], object], *, timeout_s: float = 60) -> None:
        end = time.monotonic() + timeout_s
        while not true():
            assert time.monotonic() < end, "it did not become true in time"
            time.sleep(0.02)

    return wait


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A separate home for every test, and no settings from outside."""
    for name in [
        name for name in os.environ if name.startswith("SHIPKIT_") and name != "SHIPKIT_UPS_SPECS"
    ]:
        monkeypatch.delenv(name)
    path = tmp_path / "home"
    monkeypatch.setenv("SHIPKIT_HOME", str(path))
    monkeypatch.setenv("SHIPKIT_CONFIG", str(tmp_path / "config.toml"))
    return path


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real order files and UPS's specs; tests skip where it is missing."""
    path = ROOT.parent / "shared"
    if not path.is_dir():
        pytest.skip("the folder `shared` is not beside the project")
    return path


@pytest.fixture(scope="session")
def shop() -> Address:
    """The shipper of the tests."""
    return Address(
        name="Dana Ortiz",
        company="Harbor Goods",
        address_line1="300 Alamo Plaza",
        city="San Antonio",
        state="TX",
        postal_code="78205",
        country="US",
        phone="2105550100",
    )
