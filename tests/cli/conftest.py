"""A clean file of orders, one with dirt, and a way to run commands inside this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

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
