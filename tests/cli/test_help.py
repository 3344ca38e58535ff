"""The help pages: every command has one, it fits the screen, and it is plain English."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from shipkit.cli.commands import COMMANDS, actions_of

PAGES = ["", *COMMANDS]
LANGUAGE = runpy.run_path(str(Path(__file__).parent.parent / "docs" / "test_language.py"))


@pytest.fixture
def page(cli, monkeypatch):
    """Return a function that gives the help page of a command on a terminal of 100 columns."""
    monkeypatch.setenv("COLUMNS", "100")

    def read(command):
        done = cli(*([command] if command else []), "--help")
        assert (done.code, done.err) == (0, "")
        return done.out

    return read


@pytest.mark.parametrize("command", PAGES)
def test_a_help_page_fits_100_columns(page, command):
    assert [line for line in page(command).splitlines() if len(line) > 100] == []


@pytest.mark.parametrize("command", PAGES)
def test_a_help_page_is_plain_english(page, command):
    text = " ".join(page(command).split())  # a phrase may go over the end of a line
    found = [re.search(pattern, text, re.IGNORECASE) for pattern in LANGUAGE["PHRASES"]]
    assert [hit[0] for hit in found if hit] == []


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "mcp"])
def test_a_help_page_explains_every_option_and_the_exit_codes(page, command):
    text = page(command)
    for action in actions_of(command):
        hidden = action.help == "==SUPPRESS=="
        assert action.help
        for option in action.option_strings:
            assert (option in text) is not hidden
    assert "exit codes:\n  0  success" in text


def test_the_overview_names_every_command_once_with_its_summary(page):
    lines = page("").splitlines()
    for name, command in COMMANDS.items():
        assert lines.count(f"  {name:<12}{command.summary}") == 1
