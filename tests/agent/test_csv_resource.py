"""CSV for agents: no cell starts a formula when it is opened in a spreadsheet."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from shipkit.agent import mcp_resources


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t"])
def test_text_that_could_start_a_formula_is_quoted(start):
    frame = pd.DataFrame({"note": [f"{start}1+1", "plain"], "total": [-2.5, 1.0]})
    read = pd.read_csv(io.StringIO(mcp_resources._csv(frame, ("note", "total"))))
    assert read["note"].tolist() == [f"'{start}1+1", "plain"]
    assert read["total"].tolist() == [-2.5, 1.0]
