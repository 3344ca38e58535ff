"""What a notebook shows of shipkit's objects: text and HTML that is safe and cheap to make."""

from __future__ import annotations

import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import jupyter_client
import nbclient
import nbformat
import pytest

import shipkit as sk
from shipkit import errors
from shipkit.common import html
from shipkit.notebook.static_panel import StaticPanel

NASTY = '<script>alert("x")</script>$x$'


@pytest.fixture
def done(make, rows):
    """A session whose job is done, of orders whose names are hostile."""
    rows[0]["name"], rows[0]["order_id"], rows[1]["zip"] = NASTY, f"{NASTY}1", "<b>"
    session = make(name="a <b>batch</b>")
    session.preview()
    session.approve()
    session.execute(progress=False)
    return session


class Balanced(HTMLParser):
    """Raises where an element is not closed."""

    VOID = ("meta", "br", "img", "hr")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        assert tag not in ("script", "b") or not attrs, tag
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    "what", ["session", "summary", "result", "report", "labels", "static panel"]
)
def test_objects_show_as_text_and_as_html_that_is_escaped_and_never_latex(done, make, rows, what):
    shown = {
        "session": lambda: done,
        "summary": lambda: make(rows, name="other", on_duplicate="ship").summary,
        "result": lambda: sk.BatchResult.of(done.store),
        "report": done.report,
        "labels": lambda: done.labels,
        "static panel": lambda: StaticPanel(done),
    }[what]()
    bundle = shown._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    page = bundle["text/html"]
    assert "<script" not in page
    assert "<b>batch" not in page
    assert page.startswith('<div class="mathjax_ignore')
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []


def test_a_session_shows_its_status(make):
    session = make()
    assert "new" in session._repr_html_()
    session.preview()
    assert str(session.summary.total) in session._repr_html_()
    session.approve()
    session.execute(progress=False)
    assert "Shipped" in session._repr_html_()
    assert session.job_id in session._repr_html_()


def test_the_html_of_a_large_batch_is_small_and_made_at_once(make, rows):
    many = [
        {**rows[n % 12], "order_id": f"SO-{n}", "weight_lb": None if n % 2 else 2}
        for n in range(5_000)
    ]
    session = make(many)
    session.preview()
    began = time.process_time()
    page = session._repr_html_() + session.summary._repr_html_() + repr(session)
    assert time.process_time() - began < 1.0
    assert len(page) < 10_000


def test_the_day_sheet_is_one_page_that_loads_nothing(done, tmp_path):
    page = done.report().save(tmp_path / "day.html").read_text(encoding="utf-8")
    parser = Balanced()
    parser.feed(page.split("<body>", 1)[1].split("</body>", 1)[0])
    assert parser.open == []
    assert "http" not in page
    assert "<script" not in page
    for said in ("Spent", "Failed", "In doubt", "Next", html.escape(done.report().next)):
        assert said in page


def test_amounts_in_a_table_are_on_the_right_and_missing_cells_are_empty():
    page = html.grid(["a", "b"], [[None, float("nan")], ["<i>", 2]], right=("b",))
    assert page.count("text-align:right") == 3
    assert '<td style="text-align:left"></td>' in page
    assert "&lt;i&gt;" in page
    assert "nan" not in page


def test_without_widgets_the_panel_is_a_table_with_the_commands_to_type(tmp_path):
    code = (
        "import sys; sys.modules['ipywidgets'] = None\n"
        "import shipkit as sk\n"
        "shop = dict(name='D', address_line1='300 Alamo Plaza', city='San Antonio', state='TX', "
        "postal_code='78205', phone='2105550100')\n"
        "rows = [dict(name='Ada Lee', address1='1 Main St', city='Austin', state='TX', "
        "zip='78701', weight_lb=2)]\n"
        "session = sk.BatchSession(rows, shipper=shop, service='ground', "
        f"home={str(tmp_path / 'home')!r})\n"
        "panel = session.panel(); print(panel); assert '<table>' in panel._repr_html_()\n"
        "session.approve(); session.execute(progress=False); print(panel)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert 'session.approve("pv_' in said
    assert "Approve $" in said
    assert "pip install 'shipkit[notebook]'" in said
    assert 'session.labels.save("labels.pdf")' in said


# -- errors in cells -------------------------------------------------------------------------------


def run(*cells: str) -> nbformat.NotebookNode:
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbclient.NotebookClient(notebook, allow_errors=True, kernel_name="python3").execute()
    return notebook


@pytest.mark.filterwarnings("ignore")  # of Jupyter's own machinery
def test_an_error_in_a_cell_is_short_and_verbose_shows_the_rest():
    start = "import shipkit as sk\nsession = sk.BatchSession([{'name': 'Ada', 'state': 'TX'}])"
    notebook = run(
        start, "x = 1\nsession.where(\"stat = 'TX'\")", "%xmode Verbose", "session.execute()"
    )
    (short,), (long,) = (notebook.cells[i].outputs for i in (1, 3))
    assert short.ename == "FilterError"
    lines = "\n".join(short.traceback).splitlines()
    assert "There is no column `stat`" in lines[0]
    assert lines[-2].strip() == "at   In[2], line 2: session.where(\"stat = 'TX'\")"
    assert lines[-1].strip().startswith("fix  Columns: name, state")
    assert len(lines) <= 5, "a message may show the place in the clause"
    assert len("\n".join(long.traceback).splitlines()) > 8


def test_an_error_that_never_left_the_callers_code_names_its_line():
    try:
        raise errors.InputError("It cannot be used.", fix="Do otherwise.")
    except errors.InputError as error:
        lines = error._render_traceback_()
    assert lines[0].endswith("It cannot be used.")
    assert "test_representations.py, line" in lines[1]
    assert str(Path(__file__).parent) not in lines[1]
    assert lines[2] == "  fix  Do otherwise."


@pytest.mark.filterwarnings("ignore")  # of Jupyter's own machinery
def test_interrupting_the_kernel_pauses_the_job_and_the_cell_ends_with_its_result(
    tmp_path, purchases, until
):
    manager, client = jupyter_client.manager.start_new_kernel(
        kernel_name="python3", cwd=str(tmp_path)
    )
    try:
        client.execute_interactive(
            "import shipkit as sk\n"
            "rows = [dict(order_id=str(n), name='Ada Lee', address1=f'{n} Main St', "
            "city='Austin', state='TX', zip='78701', weight_lb=2) for n in range(1, 41)]\n"
            "shop = dict(name='D', address_line1='300 Alamo Plaza', city='San Antonio', "
            "state='TX', postal_code='78205', phone='2105550100')\n"
            "carrier = sk.SandboxCarrier('books.sqlite', latency_s=0.2, concurrency=2)\n"
            "session = sk.BatchSession(rows, shipper=shop, service='ground', home='home', "
            "carrier=carrier, mode='auto', limits={'total': '2000'})\n"
            "session.preview()",
            timeout=60,
            output_hook=lambda _: None,
        )
        said: list[str] = []
        request = client.execute(
            "result = session.execute(progress=False); print(result.status, result.shipped, "
            "result.remaining)"
        )
        until(lambda: purchases(tmp_path / "books.sqlite") >= 2)
        manager.interrupt_kernel()
        while True:
            message = client.get_iopub_msg(timeout=30)
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] == "stream":
                said.append(message["content"]["text"])
            assert message["msg_type"] != "error", message["content"]
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                break
        status, shipped, remaining = "".join(said).split()
        assert status == "paused"
        assert 0 < int(shipped) < 40
        assert int(shipped) + int(remaining) == 40
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
