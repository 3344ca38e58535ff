"""The pages on the command line: every command in them runs, every option in them exists."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from shipkit.cli.commands import COMMANDS
from shipkit.cli.exit_codes import Exit
from shipkit.demo import demo_orders

DOCS = Path(__file__).parent.parent.parent / "docs" / "how-to"
PAGES = [DOCS / "command-line.md", DOCS / "batch-jobs.md"]


def commands(page: Path) -> list[str]:
    blocks = re.findall(
        r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_runs_in_order(cli, page, tmp_path, monkeypatch, shipper):
    monkeypatch.chdir(tmp_path)
    shutil.copy(demo_orders(), "orders.csv")
    Path("inbox").mkdir()
    for block in re.findall(
        r"^```toml\n# job.toml\n(.*?)^```",
        page.read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    ):
        Path("job.toml").write_text(block, encoding="utf-8")
    for command in commands(page):
        done = cli(*shlex.split(command)[1:])
        assert done.code in (Exit.DONE, Exit.SOME_FAILED), f"{command}: {done.err}"


def test_the_page_lists_every_command_and_every_exit_code():
    text = PAGES[0].read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"| `shipkit {name}` |" not in text] == []
    assert [code for code in Exit if f"\n| {int(code)} | " not in text] == []


def test_every_option_in_the_pages_is_real(cli):
    known = {
        option
        for name in COMMANDS
        if name != "mcp"
        for option in re.findall(r"--[a-z-]+", cli(name, "--help").out)
    }
    used = {
        option
        for page in PAGES
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", page.read_text(encoding="utf-8"))
    }
    assert used - known == set()
