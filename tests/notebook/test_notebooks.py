"""The notebooks of this repository run anywhere, and their outputs suit a static page."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

import shipkit as sk
from shipkit.demo import demo_orders

HERE = Path(__file__).parent
NOTEBOOKS = sorted((HERE.parents[1] / "notebooks").glob("*.ipynb"))
SMALLER = {"03": {"count": 60}, "04": {"count": 24, "kill_after": 8}}


def kit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("refresh", HERE / "refresh.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["refresh"] = module
    spec.loader.exec_module(module)
    return module


def test_there_are_notebooks():
    assert len(NOTEBOOKS) == 5


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore")  # of Jupyter's own machinery
def test_a_notebook_runs_from_top_to_bottom_in_an_empty_folder(path: Path):
    notebook = kit().execute(path, SMALLER.get(path.name[:2]))
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    assert kit().machine_paths(notebook) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_with_outputs_that_a_static_page_can_show(path: Path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert path.stat().st_size < 400_000
    assert [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"] == list(
        range(1, sum(c.cell_type == "code" for c in notebook.cells) + 1)
    )
    assert kit().machine_paths(notebook) == []
    assert "widgets" not in notebook.metadata
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            assert output.output_type != "error" or "raises-exception" in cell.metadata.get(
                "tags", ()
            )
            page = "".join(output.get("data", {}).get("text/html", ""))
            assert "<script" not in page
            assert "$" not in page or "mathjax_ignore" in page, (
                "JupyterLab would read the dollars as LaTeX"
            )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_an_error_in_a_kept_notebook_is_short(path: Path):
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", ()):
            if output.output_type == "error":
                assert len(output.traceback) <= 3
                assert not re.search(r"Traceback|site-packages", "\n".join(output.traceback))


@pytest.mark.filterwarnings("ignore")  # of Jupyter's own machinery
def test_a_notebook_takes_parameters_from_papermill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    (tmp_path / "work").mkdir()
    import papermill

    made = papermill.execute_notebook(
        str(HERE.parents[1] / "notebooks" / "02_filters_and_templates.ipynb"),
        str(tmp_path / "made.ipynb"),
        parameters={"state": "TX", "folder": str(tmp_path / "work")},
        kernel_name="python3",
        progress_bar=False,
    )
    with sk.BatchSession(demo_orders()) as session:
        expected = session.where("state = 'TX'", "weight_lb < 20").selection
    assert not expected.startswith("0")
    assert f"'{expected}'" in kit().outputs(made)
    assert (tmp_path / "work" / "home" / "jobs").is_dir()
