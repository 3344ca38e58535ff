"""Every Python block of the README and of the docs runs, page by page."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

import shipkit

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "page", [p for p in PAGES if blocks(p)], ids=lambda p: p.relative_to(ROOT).as_posix()
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
        line = text[: found.start(1)].count("\n")
        code = compile("\n" * line + found[1], str(page), "exec")
        with contextlib.redirect_stdout(io.StringIO()):
            exec(code, names)  # our own docs
    for value in names.values():
        if isinstance(value, shipkit.BatchSession):
            value.close()
