"""What importing shipkit costs and changes: next to nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import shipkit

HEAVY = (
    "pandas",
    "duckdb",
    "pyarrow",
    "ipywidgets",
    "mcp",
    "httpx",
    "aiohttp",
    "reportlab",
    "matplotlib",
    "typer",
    "tqdm",
    "openpyxl",
    "pydantic",
)


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_importing_shipkit_imports_nothing_heavy():
    loaded = run(f"import sys, shipkit; print(*[m for m in {HEAVY!r} if m in sys.modules])")
    assert loaded == ""


def test_a_session_and_a_job_need_no_pandas_before_a_frame_is_made():
    loaded = run(
        "import sys, shipkit; shipkit.BatchSession; shipkit.Job; print(*[m for m in "
        "('pandas', 'ipywidgets', 'mcp', 'reportlab', 'matplotlib', 'tqdm') if m in sys.modules])"
    )
    assert loaded == ""


def test_importing_leaves_logging_alone():
    assert (
        run(
            "import logging; before = list(logging.root.handlers); import shipkit; "
            "shipkit.BatchSession; print(logging.root.handlers == before)"
        )
        == "True"
    )


def test_shipkit_works_without_fcntl():
    assert (
        run(
            "import sys; sys.modules['fcntl'] = None; import shipkit; shipkit.BatchSession; "
            "print('ok')"
        )
        == "ok"
    )


@pytest.mark.parametrize("name", [name for name in shipkit.__all__ if name != "__version__"])
def test_every_public_name_resolves(name: str):
    assert getattr(shipkit, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'BatchSesion'"):
        shipkit.BatchSesion  # noqa: B018
