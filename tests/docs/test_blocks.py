"""Every Python block of the README and of the docs runs, and prints what the page shows."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

import shipkit

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"^```python\n(?P<code>.*?)^```$(?:\n\n```text\n(?P<output>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
"""A block of Python, and the output that the page shows right after it."""


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if BLOCK.search(page.read_text(encoding="utf-8"))],
    ids=lambda p: p.relative_to(ROOT).as_posix(),
)
def test_every_python_block_of_a_page_runs_in_order(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orders.csv").write_bytes(
        (ROOT / "shipkit" / "data" / "demo_orders.csv").read_bytes()
    )
    names: dict[str, object] = {"__name__": "page"}
    text = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        line = text[: found.start("code")].count("\n")
        code = compile("\n" * line + found["code"], str(page), "exec")
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(code, names)  # our own docs
        if found["output"] is not None:
            assert printed.getvalue() == found["output"]
    for value in names.values():
        if isinstance(value, shipkit.BatchSession | shipkit.Job):
            value.close()
