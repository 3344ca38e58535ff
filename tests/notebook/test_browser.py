"""The panel in a real JupyterLab and a real browser.

Assertions read the rendered page and the carrier's books, never the Python state of a widget.
"""

from __future__ import annotations

import importlib.util
import re
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

for _needed in ("playwright", "jupyterlab"):  # each process of tests would import what one uses
    if importlib.util.find_spec(_needed) is None:
        pytest.skip(f"needs {_needed}", allow_module_level=True)


def kit() -> ModuleType:
    if "labkit" not in sys.modules:
        spec = importlib.util.spec_from_file_location("labkit", Path(__file__).parent / "labkit.py")
        sys.modules["labkit"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules["labkit"]


pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.timeout(600),
    pytest.mark.skipif(not kit().CHROMIUM, reason="needs Chromium"),
]

ORDERS = """
import shipkit as sk
from shipkit.demo import demo_orders
shop = sk.Address(
    name="Dana Ortiz", company="Harbor Goods", address_line1="300 Alamo Plaza",
    city="San Antonio", state="TX", postal_code="78205", phone="2105550100",
)
carrier = sk.SandboxCarrier("{books}", latency_s={latency}, concurrency=2)
session = sk.BatchSession(
    demo_orders(), shipper=shop, carrier=carrier, name="{name}", home="{name}-home"
)
session.map(weights="line")
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with kit().lab(tmp_path_factory.mktemp("lab")) as made:
        yield made


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with kit().chromium() as browser:
        yield browser


@pytest.fixture(autouse=True)
def clean(lab: Any) -> Iterator[None]:
    """No errors on the console, no request to another host, no kernel left."""
    lab.errors.clear()
    lab.strangers.clear()
    yield
    lab.forget()
    assert [text for text in lab.errors if not _OF_A_DEAD_KERNEL.search(text)] == []
    assert lab.strangers == []


_OF_A_DEAD_KERNEL = re.compile("Canceled future|Kernel is dead", re.IGNORECASE)
"""What JupyterLab says of a kernel that a test has ended."""


def orders(name: str, latency: float = 0.25) -> str:
    return ORDERS.format(name=name, latency=latency, books=f"{name}.sqlite")


def sold(lab: Any, name: str) -> tuple[int, int]:
    """How many shipments the carrier's books have, and how many references."""
    con = sqlite3.connect(lab.folder / f"{name}.sqlite")
    try:
        return tuple(
            con.execute("SELECT count(*), count(DISTINCT reference) FROM purchases").fetchone()
        )
    except sqlite3.OperationalError:
        return (0, 0)
    finally:
        con.close()


def until(true: Any, timeout_s: float = 60) -> None:
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def shipped(page: Any) -> int:
    return int(re.search(r"Shipped\s+(\d+) of", page.text("sk-tiles")).group(1))


def labels(page: Any) -> int:
    """How many labels the button would buy."""
    return int(
        re.search(r"for (\d+) label", page.page.locator("button.sk-approve").inner_text()).group(1)
    )


def test_a_batch_from_price_to_labels_with_a_pause_and_another_cell_meanwhile(lab, chromium):
    lab.write(
        "whole.ipynb", [orders("whole"), "session.panel()", "6 * 7", "session.execution.running"]
    )
    page = lab.open(chromium, "whole.ipynb")
    page.run(0)
    page.run(1)
    page.state("offer")
    button = page.page.locator("button.sk-approve")
    assert re.fullmatch(r"Approve \$[\d,]+\.\d\d for 72 labels", button.inner_text())
    assert button.evaluate(
        "e => e.scrollWidth <= e.clientWidth && e.scrollHeight <= e.clientHeight"
    ), "nothing of it is cut off"
    assert "SANDBOX" in page.text("sk-badge")

    page.page.get_by_label(
        "AUTO"
    ).check()  # keyboard and screen reader reach the switch by its name
    page.page.wait_for_selector("button.sk-approve:has-text('Buy now')")
    assert "can buy without asking" in page.text("sk-panel")
    page.page.get_by_label("CONFIRM").check()
    page.page.wait_for_selector("button.sk-approve:has-text('Approve $')")

    page.page.locator(".sk-clause input").fill("state <> 'MA'")
    page.press("sk-apply")
    page.page.wait_for_selector("button.sk-approve:not(:has-text('for 72 labels'))")
    offered = labels(page)
    assert 60 < offered < 72
    assert sold(lab, "whole") == (0, 0)

    page.page.locator("button.sk-approve").dblclick()
    page.state("running")
    until(lambda: shipped(page) >= 3)
    page.run(2)
    assert page.output(2).inner_text().strip().endswith("42"), "other cells run meanwhile"
    page.press("sk-pause")
    page.state("paused")
    count = shipped(page)
    assert 3 <= count < offered
    page.run(3)
    assert page.output(3).inner_text().strip().endswith("False"), "no run is left that could buy"
    assert sold(lab, "whole") == (count, count)

    page.press("sk-resume")
    page.state("completed_with_errors")
    done = shipped(page)
    assert sold(lab, "whole") == (done, done)
    failed = int(re.search(r"Failed\s+(\d+)", page.text("sk-tiles")).group(1))
    assert 0 < failed <= 2
    assert done + failed == offered
    assert f"{done} shipped, {failed} failed" in page.text("shipkit-record")
    with page.page.expect_download() as download:
        page.press("sk-save-labels")
        page.page.locator("a.sk-download").click()
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF")
    page.press("sk-show-labels")
    page.page.wait_for_selector(".sk-label-pictures img")
    assert page.page.locator(".sk-label-pictures img").count() == 3
    page.close()


def test_a_killed_kernel_costs_nothing(lab, chromium):
    lab.write(
        "killed.ipynb",
        [
            orders("killed"),
            "session.panel()",
            "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        ],
    )
    page = lab.open(chromium, "killed.ipynb")
    page.run(0)
    page.run(1)
    page.press("sk-approve")
    page.state("running")
    until(lambda: sold(lab, "killed")[0] >= 8)
    page.run(2, wait=False)
    # JupyterLab reports that the kernel died: nothing is left that could buy, the sandbox included.
    page.page.locator(".jp-Dialog button.jp-mod-accept").click()
    bought = sold(lab, "killed")[0]
    assert 8 <= bought < 70
    page.close()
    lab.forget()

    lab.write(
        "again.ipynb",
        [
            (
                'import os; os.environ |= {"SHIPKIT_TIMEOUT_S": "2", "SHIPKIT_GRACE_S": '
                '"3"}\nimport shipkit as sk\n(job,) = '
                'sk.interrupted_jobs(home="killed-home")["job_id"]'
            ),
            (
                'again = sk.BatchSession.open(job, home="killed-home", '
                'carrier=sk.SandboxCarrier("killed.sqlite"))\nagain.panel()'
            ),
        ],
    )
    page = lab.open(chromium, "again.ipynb")
    page.run(0)
    page.run(1)
    page.state("paused")
    assert "was killed" in page.text("sk-state")
    assert "nothing is bought twice" in page.text("sk-panel")
    page.press("sk-resume")
    page.state("completed_with_errors")
    assert sold(lab, "killed") == (70, 70), "each label once: the rows in doubt were looked up"
    assert shipped(page) == 70
    page.close()


def test_the_record_stays_readable_when_the_widget_is_gone(lab, chromium):
    lab.write("gone.ipynb", [orders("gone", 0.0), "session.panel()"])
    page = lab.open(chromium, "gone.ipynb")
    page.run(0)
    page.run(1)
    page.press("sk-approve")
    page.state("completed_with_errors")
    page.page.keyboard.press("Control+s")
    page.page.wait_for_selector(".jp-mod-current:not(.jp-mod-dirty)", timeout=20_000)
    page.close()
    lab.forget()
    page = lab.open(chromium, "gone.ipynb")
    assert page.page.locator(".sk-panel").count() == 0
    assert "70 shipped, 2 failed" in page.text("shipkit-record")
    assert re.search(r"as of 20\d\d-\d\d-\d\d", page.text("shipkit-record"))
    lab.errors[:] = [
        text for text in lab.errors if "not found" not in text
    ]  # the widget of the dead kernel
    page.close()


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_the_bar_of_a_cell_moves_and_stays_true_after_a_reload(lab, chromium, theme, tmp_path):
    lab.theme(theme)
    name = f"bar{theme[-4:].strip().lower()}"
    buy = "session.preview()\nsession.approve()\nresult = session.execute()"
    lab.write(f"{name}.ipynb", [orders(name, 0.05), buy])
    page = lab.open(chromium, f"{name}.ipynb")
    page.run(0)
    page.run(1, wait=False)
    bar = page.page.locator(".shipkit-progress")
    until(lambda: bar.count() and re.search(r"[1-9]\d* of \d+ labels.*running", bar.inner_text()))
    page.shot(tmp_path / f"{name}-running.png", ".shipkit-progress")
    until(lambda: "completed with errors" in bar.inner_text())
    assert re.search(r" 70 of 72 labels, \$[\d.,]+, 2 failed; completed", bar.inner_text())
    page.page.keyboard.press("Control+s")
    page.page.wait_for_selector(".jp-mod-current:not(.jp-mod-dirty)", timeout=20_000)
    page.close()
    lab.forget()
    page = lab.open(chromium, f"{name}.ipynb")
    assert " 70 of 72 labels" in bar_of(page)
    page.shot(tmp_path / f"{name}-reopened.png", ".jp-Notebook")
    page.close()
    lab.theme("JupyterLab Light")


def bar_of(page: Any) -> str:
    """The text of the only progress bar of a page."""
    bars = page.page.locator(".shipkit-progress, .widget-hprogress")
    assert bars.count() == 1
    return str(bars.first.inner_text())


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_text_and_buttons_can_be_read_and_reached_in_light_and_dark(lab, chromium, theme):
    lab.theme(theme)
    name = theme.split()[-1].lower()
    lab.write(f"{name}.ipynb", [orders(name, 0.0), "session.panel()"])
    page = lab.open(chromium, f"{name}.ipynb")
    page.run(0)
    page.run(1)
    page.state("offer")
    assert low_contrast(page) == []
    assert reached(page) >= {"sk-clause", "sk-apply", "sk-mode", "sk-approve", "summary"}
    assert unnamed(page) == []
    page.press("sk-approve")
    page.state("completed_with_errors")
    assert low_contrast(page) == []
    page.page.add_style_tag(
        content=".sk-panel .sk-soft { color: #777777 !important; background: #888888 !important; }"
    )
    assert low_contrast(page) != [], "the ruler measures"
    lab.theme("JupyterLab Light")
    page.close()


_CONTRAST = """
() => {
  const rgb = text => {
    const v = text.match(/[\\d.]+/g).map(Number);
    return v.length < 4 ? [...v.slice(0, 3), 1] : v;
  };
  const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3]));
  const linear = v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const luminance = colour => {
    const [r, g, b] = colour.map(v => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = element => {
    const layers = [];
    for (let n = element; n; n = n.parentElement) {
      layers.push(rgb(getComputedStyle(n).backgroundColor));
    }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const found = [];
  for (const e of document.querySelectorAll('.sk-panel *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.offsetParent || e.disabled || e.tagName === 'STYLE') continue;
    const back = background(e), front = over(rgb(getComputedStyle(e).color), back);
    const [a, b] = [luminance(front), luminance(back)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${e.textContent.trim().slice(0, 40)}`);
  }
  return found;
}
"""


def low_contrast(page: Any) -> list[str]:
    """Texts whose contrast is below 4.5 (WCAG AA)."""
    return page.page.evaluate(_CONTRAST)


def reached(page: Any) -> set[str]:
    """What the Tab key comes to within the panel, starting at the filter."""
    page.page.locator(".sk-clause input").focus()
    found: set[str] = set()
    for _ in range(12):
        found |= set(
            page.page.evaluate(
                "() => { const e = document.activeElement, p = e.closest('.sk-clause, .sk-mode'); "
                "return [e.tagName.toLowerCase(), ...e.classList, ...(p ? p.classList : [])]; }"
            )
        )
        page.page.keyboard.press("Tab")
    return found


def unnamed(page: Any) -> list[str]:
    """Controls without a name for a screen reader."""
    return page.page.evaluate(
        "() => [...document.querySelectorAll('.sk-panel button, .sk-panel input, .sk-panel "
        "[role=region], .sk-panel [role=progressbar]')]"
        ".filter(e => !(e.textContent.trim() || e.getAttribute('aria-label') || "
        "e.labels?.length)).map(e => e.outerHTML.slice(0, 120))"
    )


def test_the_panel_works_on_a_voila_page(lab, chromium, tmp_path):
    lab.write("page.ipynb", [orders("page", 0.0), "session.panel()"])
    port = kit().free_port()
    command = [
        sys.executable,
        "-m",
        "voila",
        "page.ipynb",
        "--no-browser",
        f"--port={port}",
        "--Voila.ip=127.0.0.1",
        "--VoilaConfiguration.http_keep_alive_timeout=60",
    ]
    errors: list[str] = []
    with kit().served(
        command,
        f"http://127.0.0.1:{port}/voila/static/style.css",
        lab.folder,
        kit().private_env(tmp_path),
        any_answer=True,
    ):
        tab = chromium.new_page()
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.goto(f"http://127.0.0.1:{port}/", timeout=90_000)
        tab.wait_for_selector("[data-state=offer]", timeout=90_000)
        tab.locator("button.sk-approve").click()
        tab.wait_for_selector("[data-state=completed_with_errors]", timeout=60_000)
        assert sold(lab, "page") == (70, 70)
        tab.close()
    assert errors == []
