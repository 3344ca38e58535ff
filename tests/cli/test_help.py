"""The help pages: every command has one, it fits the screen, and it is plain English."""

from __future__ import annotations

import pytest

from shipkit.cli.commands import COMMANDS, actions_of

PAGES = ["", *COMMANDS]


@pytest.fixture
def page(cli, monkeypatch):
    """Return a function that gives the help page of a command, as a terminal of 100 columns has
    it.
    """
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
def test_a_help_page_is_plain_english(page, command, house_language):
    assert house_language(page(command)) == []


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


def test_the_search_for_house_language_finds_it(house_language):
    assert house_language("How it stands; nobody is told. Give 3 labels back, or say yes.") == [
        "stands",
        "nobody",
        "told",
        "Give 3 labels back",
        "say yes",
    ]
    assert house_language("PDF stands for portable; the status of a job.") == []
