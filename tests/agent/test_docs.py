"""The pages name every tool, argument and option."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipkit.agent import server_options
from shipkit.agent.tool import HOST_ONLY
from shipkit.agent.tool_table import TOOLS

PAGE = (Path(__file__).parent.parent.parent / "docs" / "how-to" / "agents.md").read_text(
    encoding="utf-8"
)


def test_every_tool_and_argument_is_in_the_page():
    for tool in TOOLS.values():
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{tool.name}`"))
        missing = [
            name
            for name in tool.arguments.model_fields
            if f"`{name}`" not in row and name not in HOST_ONLY
        ]
        assert missing == []


def test_every_option_of_the_server_is_in_the_page():
    options = {
        text
        for action in server_options.parser()._actions
        for text in action.option_strings
        if text.startswith("--")
    } - {"--help"}
    assert [option for option in sorted(options) if option not in PAGE] == []


@pytest.mark.parametrize(
    "name", ["jobs.csv", "preview.csv", "results.csv", "labels.pdf", "labels.zpl"]
)
def test_every_resource_is_in_the_page(name):
    assert name in PAGE
