"""Take the pictures of the docs in a real JupyterLab: ``python tests/notebook/pictures.py``."""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

import labkit

IMAGES = Path(__file__).parents[2] / "docs" / "images"

START = """
import shipkit as sk
from shipkit.demo import demo_orders
shop = sk.Address(
    name="Dana Ortiz", company="Harbor Goods", address_line1="300 Alamo Plaza",
    city="San Antonio", state="TX", postal_code="78205", phone="2105550100",
)
carrier = sk.SandboxCarrier("books.sqlite", latency_s=0.4, concurrency=3)
session = sk.BatchSession(
    demo_orders(), shipper=shop, carrier=carrier, name="Sunday orders", home="home"
)
session.map(
    services={"Pony Express": "2nd_day_air", "Second Class": "ground"},
    weights="line",
    defaults={"weight_lb": 1.5},
)
"""
PREVIEW = [
    START.replace('carrier = sk.SandboxCarrier("books.sqlite", latency_s=0.4, concurrency=3)\n', "")
    .replace(", carrier=carrier", "")
    .replace('home="home"', 'home="other-home"'),
    (
        "frame = session.preview()\n"
        'columns = ["order_id", "recipient", "city", "state", "service", "zone", "cost"]\n'
        "frame[columns].head(7)"
    ),
    "session.summary",
]


def keep(picture: bytes, name: str) -> None:
    """Write a screenshot with few colours: a tenth of the bytes, and the same to the eye."""
    path = IMAGES / name
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(
        128, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
    ).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size // 1000} kB")


def main() -> None:
    """Take all pictures."""
    tmp = Path(tempfile.mkdtemp())
    with labkit.lab(tmp) as lab, labkit.chromium() as browser:
        lab.write("panel.ipynb", [START, "session.panel()"])
        page = lab.open(browser, "panel.ipynb", width=1240, height=1400, scale=1.6)
        page.run(0)
        page.run(1)
        page.state("offer")
        page.page.locator(".sk-panel details").last.locator("summary").click()
        keep(page.page.locator(".sk-panel").screenshot(), "panel-approve.png")
        page.press("sk-approve")
        page.page.wait_for_function(
            "() => /Shipped\\s*(2[4-9]|3\\d) "
            "of/.test(document.querySelector('.sk-job')?.innerText ?? '')"
        )
        page.press("sk-pause")
        page.state("paused")
        keep(page.page.locator(".sk-panel").screenshot(), "panel-paused.png")
        page.close()
        lab.forget()

        lab.theme("JupyterLab Dark")
        lab.write("dark.ipynb", [START, "session.panel()"])
        page = lab.open(browser, "dark.ipynb", width=1240, height=1400, scale=1.6)
        page.run(0)
        page.run(1)
        page.state("paused")
        page.press("sk-resume")
        page.page.wait_for_function(
            "() => /Shipped\\s*(5\\d) of/.test(document.querySelector('.sk-job')?.innerText ?? '')"
        )
        keep(page.page.locator(".sk-panel").screenshot(), "panel-running.png")
        page.close()
        lab.forget()

        lab.theme("JupyterLab Light")
        lab.write("preview.ipynb", PREVIEW)
        page = lab.open(browser, "preview.ipynb", width=1360, height=1400, scale=1.6)
        for cell in range(3):
            page.run(cell)
        page.page.wait_for_selector(".shipkit-summary")
        first, last = (
            page.page.locator(".jp-CodeCell").nth(1).bounding_box(),
            page.page.locator(".jp-CodeCell").nth(2).bounding_box(),
        )
        keep(
            page.page.screenshot(
                clip={
                    "x": first["x"],
                    "y": first["y"],
                    "width": first["width"],
                    "height": last["y"] + last["height"] - first["y"],
                }
            ),
            "preview.png",
        )
        page.close()


if __name__ == "__main__":
    main()
