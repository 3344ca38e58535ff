"""What a saved notebook says of a job: how it ended, without widgets and without a kernel."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import shipkit

pytestmark = pytest.mark.filterwarnings("ignore")  # of Jupyter's own machinery

SETUP = """
import shipkit as sk
from shipkit.carriers.sandbox import Faults
shop = sk.Address(name="Dana Ortiz", address_line1="300 Alamo Plaza", city="San Antonio",
                  state="TX", postal_code="78205", phone="2105550100")
rows = [{"order_id": str(n), "name": "Ada Lee", "address1": f"{n} Main St", "city": "Austin",
         "state": "TX", "zip": "78701", "weight_lb": 2} for n in range(1, 31)]
session = sk.BatchSession(rows, shipper=shop, service="ground",
                          carrier=sk.SandboxCarrier(latency_s=0.02))
session.preview()
session.approve();
"""
EXECUTE = "session.execute()"
PAUSED = f"""
import sys, time, pathlib
sys.path.insert(0, {str(Path(__file__).parents[1] / "held_carrier")!r})
from held_carrier import HeldSandbox
hold = pathlib.Path("hold")
hold.touch()
session.close()
held = HeldSandbox(hold)  # sells three, then waits
session = sk.BatchSession(rows, shipper=shop, service="ground", carrier=held)
session.preview()
session.approve()
handle = session.start()
while handle.progress is None or handle.progress.shipped < held.sells:
    time.sleep(0.01)
handle.pause()
held.release()
handle.wait().status
"""
RESTART = "session.restart(confirm_paid_labels=30)"
FAILS = """
failing = sk.BatchSession(rows, shipper=shop, service="ground", name="failing",
                          carrier=sk.SandboxCarrier(faults=Faults(reject=1.0, match="^2$")),
                          on_duplicate="ship")
failing.preview()
failing.approve()
failing.execute();
"""


@pytest.fixture
def kernel_home(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    return home


def notebook(*cells: str) -> nbformat.NotebookNode:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    return made


def ran(folder: Path, *cells: str) -> nbformat.NotebookNode:
    """Return a notebook that ran, as it would be read from its file."""
    made = notebook(*cells)
    NotebookClient(made, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    return nbformat.reads(nbformat.writes(made), as_version=4)


def bars(cell: nbformat.NotebookNode) -> list[str]:
    """Return the text of each progress bar of a cell."""
    texts = ["".join(output.get("data", {}).get("text/plain", "")) for output in cell.outputs]
    return [text for text in texts if " labels, " in text]


def test_the_bar_that_is_kept_says_how_the_job_ended(kernel_home: Path, tmp_path: Path):
    made = ran(tmp_path, SETUP, EXECUTE, EXECUTE, RESTART, FAILS)
    saved = nbformat.writes(made)
    assert "widget-view" not in saved
    assert "FloatProgress" not in saved
    assert not re.search(r"\b0 of 30 labels", saved)
    assert bars(made.cells[2]) == [], "nothing was left to do"
    for cell in (made.cells[1], made.cells[3]):  # bought, and bought again
        (text,) = bars(cell)
        assert re.search(r": 30 of 30 labels, \$[\d.]+; completed$", text), text
    (html,) = (o.data["text/html"] for o in made.cells[1].outputs if "progress" in str(o))
    assert '<progress value="30" max="30"' in html
    assert "mathjax_ignore" in html
    (failed,) = bars(made.cells[4])
    assert re.search(r": 29 of 30 labels, \$[\d.]+, 1 failed; completed with errors", failed), (
        failed
    )


def test_a_paused_job_is_not_kept_as_running(kernel_home: Path, tmp_path: Path):
    made = ran(tmp_path, SETUP, PAUSED, "session.resume()")
    (text,) = bars(made.cells[1])
    done = int(re.search(r": (\d+) of 30 labels, \$[\d.]+; paused", text)[1])
    assert 3 <= done < 30
    (text,) = bars(made.cells[2])
    assert re.search(r": 30 of 30 labels, .*; completed$", text)


def test_papermills_copy_and_nbconverts_page_say_it_too(kernel_home: Path, tmp_path: Path):
    from nbconvert import HTMLExporter, MarkdownExporter

    source, copy = tmp_path / "in.ipynb", tmp_path / "out.ipynb"
    nbformat.write(notebook(SETUP, EXECUTE), source)
    import papermill

    made = papermill.execute_notebook(source, copy, cwd=str(tmp_path), progress_bar=False)
    assert "30 of 30 labels" in bars(made.cells[1])[0]
    kept = nbformat.read(copy, as_version=4)
    for exporter in (HTMLExporter, MarkdownExporter):
        page = exporter().from_notebook_node(kept)[0]
        assert "30 of 30 labels" in page
        assert "0/30" not in page
        assert "widget-view" not in page


DATABASES = """
import duckdb
from shipkit.common.memory_database import memory_database
from shipkit.orders.source import connect
from shipkit.orders.where.parsing import locked
asked = "SELECT current_setting('enable_progress_bar')"
[duckdb.connect().execute(asked).fetchone()[0]] + [
    con.execute(asked).fetchone()[0] for con in (memory_database(), connect(), locked())
]
"""


def test_no_database_of_shipkit_draws_a_bar_in_a_kernel(kernel_home: Path, tmp_path: Path):
    made = ran(tmp_path, DATABASES)
    # DuckDB's own default in a kernel, then ours
    assert made.cells[0].outputs[0].data["text/plain"] == "[True, False, False, False]"


def test_there_is_one_way_to_open_a_database():
    found = []
    for path in Path(shipkit.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "duckdb.connect":
                found.append(path.name)
    assert found == ["memory_database.py"]


def test_a_locked_database_stays_locked():
    import duckdb

    from shipkit.orders.where.parsing import locked

    with locked() as con, pytest.raises(duckdb.Error, match="locked"):
        con.execute("SET threads = 1")
