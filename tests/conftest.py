"""Fixtures that every stage uses."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from shipkit.models import Address

ROOT = Path(__file__).parent.parent

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # started in the background: the programs that tests interrupt would inherit deafness
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for every test, and no setting from outside."""
    for name in [
        name for name in os.environ if name.startswith("SHIPKIT_") and name != "SHIPKIT_UPS_SPECS"
    ]:
        monkeypatch.delenv(name)
    path = tmp_path / "home"
    monkeypatch.setenv("SHIPKIT_HOME", str(path))
    monkeypatch.setenv("SHIPKIT_CONFIG", str(tmp_path / "config.toml"))
    return path


@pytest.fixture
def shared() -> Path:
    """The folder with real order files and UPS's specs, beside the project; tests skip where it is not."""
    path = ROOT.parent / "shared"
    if not path.is_dir():
        pytest.skip("the folder `shared` is not beside the project")
    return path


@pytest.fixture
def shop() -> Address:
    """Who ships in the tests."""
    return Address(
        name="Dana Ortiz",
        company="Harbor Goods",
        address_line1="300 Alamo Plaza",
        city="San Antonio",
        state="TX",
        postal_code="78205",
        country="US",
        phone="2105550100",
    )
