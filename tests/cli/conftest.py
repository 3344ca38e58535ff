"""A clean file of orders, one with mistakes, and a way to run commands inside this process."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from shipkit.carriers import registry
from shipkit.cli import main

CLEAN = """order_id,name,address1,city,state,zip,weight_lb,service
A-1,Ada Lee,12 Marrow Creek Rd,Austin,TX,78704,2.5,ground
A-2,Bo Finch,9 Wrenhatch Ave,Boston,MA,02134,1.0,ground
A-3,Cy Marsh,77 Inkwell Row,Seattle,WA,98103,4.0,2nd day air
"""
DIRTY = CLEAN + "A-4,Di Reed,5 Mossgate Ter,Denver,CO,80206,,ground\n"


@dataclass
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def last(self) -> dict[str, Any]:
        return self.lines[-1]


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text(CLEAN, encoding="utf-8")
    return path


@pytest.fixture
def dirty(tmp_path: Path) -> Path:
    path = tmp_path / "dirty.csv"
    path.write_text(DIRTY, encoding="utf-8")
    return path


@pytest.fixture
def shipper(tmp_path: Path, shop: Any) -> str:
    path = tmp_path / "shop.json"
    path.write_text(shop.model_dump_json(), encoding="utf-8")
    return str(path)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command in this process."""

    def run(*words: object) -> Outcome:
        capsys.readouterr()
        code = main([str(word) for word in words])
        said = capsys.readouterr()
        return Outcome(code, said.out, said.err)

    return run


@pytest.fixture
def bought(cli: Callable[..., Outcome], orders: Path, shipper: str) -> str:
    """The id of a job that bought three labels."""
    done = cli(
        "run",
        orders,
        "--shipper",
        shipper,
        "--yes",
        "--max-total",
        "500",
        "--name",
        "morning",
        "--json",
    )
    assert done.code == 0, done.err
    return str(done.last["job_id"])


@dataclass
class Held:
    """The carrier ``held``: it sells three shipments and waits until it is released."""

    home: Path

    def sold(self) -> int:
        """How many shipments its books have."""
        path = self.home / "sandbox" / "books.sqlite"
        if not path.exists():
            return 0
        with closing(sqlite3.connect(path)) as books:
            try:
                return int(books.execute("SELECT count(*) FROM purchases").fetchone()[0])
            except sqlite3.OperationalError:  # the file is there, its tables are being made
                return 0

    def wait(self, running: Callable[[], bool]) -> None:
        """Wait until it has sold what it sells, as long as the process that buys is `running`."""
        while self.sold() < 3:
            assert running(), "the process ended before it bought"
            time.sleep(0.02)

    def release(self) -> None:
        """Let it answer again."""
        (self.home / "hold").unlink()


@pytest.fixture
def held(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    """Install the carrier ``held``, for this process and those that it starts."""
    home.mkdir()
    (home / "hold").touch()
    package = tmp_path / "package"
    info = package / "held_carrier-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: held-carrier\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\nheld = held_carrier:PLUGIN\n")
    paths = [str(package), str(Path(__file__).parent.parent / "held_carrier")]
    for path in paths:
        monkeypatch.syspath_prepend(path)
    inherited = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*paths, *([inherited] if inherited else [])]))
    registry._installed.cache_clear()
    yield Held(home)
    registry._installed.cache_clear()


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A file of forty orders."""
    path = tmp_path / "many.csv"
    pd.DataFrame({"order_id": [f"M-{n}" for n in range(40)]}).assign(
        name="Ada Lee",
        address1="12 Marrow Creek Rd",
        city="Austin",
        state="TX",
        zip="78704",
        weight_lb=range(1, 41),
        service="ground",
    ).to_csv(path, index=False)
    return path
