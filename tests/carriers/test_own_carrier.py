"""A carrier from a package of its own: installed with pip, chosen by name, through the whole line.

The package is tests/carriers/own_carrier, the one that docs/how-to/write-a-carrier.md shows. Its
carrier answers JSON over HTTP from a process of its own, so that it lives on when a client is
killed.
"""

from __future__ import annotations

import base64
import csv
import datetime as dt
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
import urllib.request
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import shipkit as sk
from shipkit.carriers import registry
from shipkit.errors import AuthenticationFailed, SettingsError

ROOT = Path(__file__).parents[2]
PACKAGE = Path(__file__).parent / "own_carrier"
SHOP = {
    "name": "Dana Ortiz",
    "company": "Harbor Goods",
    "address_line1": "300 Alamo Plaza",
    "city": "San Antonio",
    "state": "TX",
    "postal_code": "78205",
    "phone": "2105550100",
}


def order(n: int, **changes: str) -> dict[str, str]:
    return {
        "order_id": f"P-{n}",
        "name": f"Person {n}",
        "address_line1": f"{n + 1} Main Street",
        "city": "New York",
        "state": "NY",
        "zip": "10001",
        "weight_lb": "3",
        "service": "Express",
        **changes,
    }


# -- the package, installed ------------------------------------------------------------------------


def wheel_of(package: Path, folder: Path) -> Path:
    """Return a wheel of `package`, as a build backend would make it of its pyproject.toml.

    No build backend is at hand without a network, and a pure Python wheel is a ZIP file with four
    lines of metadata (packaging.python.org, binary distribution format).
    """
    project = tomllib.loads((package / "pyproject.toml").read_text("utf-8"))["project"]
    name, version = project["name"].replace("-", "_"), project["version"]
    info = f"{name}-{version}.dist-info"
    points = "\n".join(
        f"[{group}]\n" + "\n".join(f"{key} = {value}" for key, value in entries.items())
        for group, entries in project["entry-points"].items()
    )
    files = {
        str(path.relative_to(package)): path.read_bytes()
        for path in sorted((package / name).rglob("*"))
        if path.suffix in {".py", ".toml"}
    }
    files[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {version}\n"
        + "".join(f"Requires-Dist: {each}\n" for each in project["dependencies"])
    ).encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/entry_points.txt"] = points.encode()
    record = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}"
        for path, data in files.items()
    ]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]).encode()
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return wheel


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that pip installed the package into."""
    folder = tmp_path_factory.mktemp("pony")
    target = folder / "site"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"),
            *("--disable-pip-version-check", "--target", target, wheel_of(PACKAGE, folder)),
        ],
        check=True,
    )
    return target


class Pony:
    """The server of Pony Parcels, and what its books say."""

    def __init__(self, books: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, PACKAGE / "pony_server.py", books],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def ask(self, path: str, **body: Any) -> dict[str, Any]:
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), method="POST")
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read())

    @property
    def labels(self) -> list[dict[str, Any]]:
        return self.ask("/_books")["labels"]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def pony(tmp_path: Path) -> Iterator[Pony]:
    server = Pony(tmp_path / "pony.sqlite")
    yield server
    server.close()


@pytest.fixture
def env(pony: Pony, installed: Path, tmp_path: Path) -> dict[str, str]:
    """The variables of a shell in which the package is installed and set up."""
    return {
        "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)]),
        "SHIPKIT_HOME": str(tmp_path / "home"),
        "SHIPKIT_TIMEOUT_S": "2",
        "SHIPKIT_GRACE_S": "0.3",
        "SHIPKIT_PONY_API_KEY": "pony-key-of-the-tests",
        "SHIPKIT_PONY_ACCOUNT": "PONY-77",
        "SHIPKIT_PONY_BASE_URL": pony.url,
        "SHIPKIT_PONY_ABSENCE_PROOF_S": "0.2",
    }


@pytest.fixture
def here(env: dict[str, str], installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same, in this process."""
    for name, value in env.items():
        if name != "PYTHONPATH":
            monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(installed))
    registry._installed.cache_clear()
    registry.service_title.cache_clear()
    yield
    registry._installed.cache_clear()
    registry.service_title.cache_clear()
    for name in [name for name in sys.modules if name.startswith("pony_shipkit")]:
        del sys.modules[name]


def batch(rows: list[dict[str, str]], **options: Any) -> sk.BatchSession:
    return sk.BatchSession(rows, shipper=SHOP, carrier="pony", **options)


# -- the page --------------------------------------------------------------------------------------

PAGE = ROOT / "docs" / "how-to" / "write-a-carrier.md"
BLOCK = re.compile(
    r'^```(?:py|toml) title="(?P<file>[^"]+)"\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL
)


def test_every_block_of_the_how_to_is_a_part_of_the_package():
    blocks = [(found["file"], found["text"]) for found in BLOCK.finditer(PAGE.read_text("utf-8"))]
    assert {file for file, _ in blocks} == {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*")
        if path.suffix in {".py", ".toml"} and path.name != "pony_server.py"
    }
    for file, text in blocks:
        assert lines(text) in lines((PACKAGE / file).read_text("utf-8")), f"{file}: {text}"


def lines(text: str) -> str:
    """Return the code without indentation and blank lines, which the page formats its own way."""
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


# -- the whole line --------------------------------------------------------------------------------


@pytest.mark.usefixtures("here")
def test_preview_approve_execute_find_void_and_labels(pony: Pony, tmp_path: Path):
    rows = [order(n) for n in range(8)]
    rows[1]["service"] = "cheapest"
    rows[2]["service"] = "fastest of trot, letter"
    rows[3]["service"] = "pony:Ground"
    rows[4] |= {"service": "letter", "weight_lb": "2"}  # over the limit of that service
    rows[5] |= {"state": "AK", "zip": "99501", "city": "Anchorage"}  # refused at the quote
    rows[6]["name"] = "Nobody"  # refused at the purchase
    rows[7]["service"] = "ups:ground"
    with batch(rows) as session:
        frame = session.preview()
        services = frame["service"].tolist()
        assert services[:4] == ["gallop", "trot", "trot", "trot"]
        assert frame["cost_cents"].tolist()[:4] == [975, 575, 575, 575]
        said = {p["row_number"]: p["problem"] for p in session.problems.to_dict("records")}
        assert said == {
            5: "Pony Parcels Letter accepts at most 1 lb per parcel, not 2.0 lb",
            6: "Pony Parcels refused: ponies do not go to Alaska",
            8: '"ups:ground" is a service of ups, and this batch ships with pony',
        }
        assert "Gallop" in str(session.summary)
        assert "pony TEST ...Y-77" in str(session.summary)

        pony.ask("/_faults", faults=["lost_after", "lost_before", "garbage_after", "503_after"])
        session.approve()
        result = session.execute()
        assert (result.shipped, result.failed, result.in_doubt) == (4, 1, 0)
        assert pony.ask("/_books")["faults_left"] == []
        standing = Counter(each["recipient"] for each in pony.labels)
        assert standing == {f"Person {n}": 1 for n in range(4)}  # each exactly once
        assert {
            row["tracking_number"] for row in session.results("shipped").to_dict("records")
        } == {each["tracking"] for each in pony.labels}
        why = session.failed_rows().set_index("order_id")["problem"]
        assert list(why.index) == ["P-4", "P-5", "P-6", "P-7"]
        assert "Nobody lives there" in why["P-6"]

        session.labels.save(tmp_path / "labels.pdf")
        assert (tmp_path / "labels.pdf").read_bytes().startswith(b"%PDF")
        assert session.track()["status"].tolist() == ["in_transit"] * 4
        session.void("order_id = 'P-0'")
        assert [each["recipient"] for each in pony.labels if each["voided"]] == ["Person 0"]
        job_id = session.job_id
    with sk.BatchSession.open(job_id) as again:
        assert again.results()["state"].value_counts().to_dict() == {
            "shipped": 3,
            "skipped": 3,
            "voided": 1,
            "failed": 1,
        }
        assert again.resume().shipped == 3  # nothing is left to buy
    assert len(pony.labels) == 4


@pytest.mark.usefixtures("here", "pony")
def test_what_a_carrier_does_not_declare_holds_its_rows():
    """Insurance, a packaging and a country would be dropped in silence: the carrier sees none."""
    home = {"country": "US", "phone": "2125550142"}
    abroad = {"city": "Berlin", "state": "", "zip": "10119", "country": "DE", "phone": "3012345678"}
    rows = [
        order(0, **home) | {"declared_value": "500"},
        order(1, **home) | {"packaging": "pak"},
        order(2, **abroad),
        order(3, **home) | {"signature": "adult"},
        order(4, **home) | {"ship_date": "2099-12-01", "Reference 2": None},
        order(5, **home) | {"service": "cheapest"},
        order(6, **abroad) | {"service": "cheapest"},
    ]
    with batch(rows) as session:
        session.map(references={"po": "order_id"})
        frame = session.preview()
        refused = session.problems.query("severity == 'error'").set_index("row_number")
    assert frame["cost_cents"].notna().tolist() == [*[False] * 4, True, True, False]
    assert refused["problem"].to_dict() == {
        1: "pony does not offer declared_value",
        2: "pony does not offer packaging",
        3: "Pony Parcels Gallop does not run from US to DE",
        4: "pony does not offer signature",
        7: "Pony Parcels Trot does not run from US to DE",
    }
    assert set(refused["code"]) == {"option_not_supported", "reach_not_served"}
    assert refused["fix"][2] == (
        'Clear the cell, edit the row (packaging="package"), or use another carrier.'
    )


@pytest.mark.usefixtures("here")
def test_the_origin_the_day_and_the_references_of_a_row_are_sent():
    from pony_shipkit.carrier import _question

    place = sk.Address(**SHOP)
    shipment = sk.Shipment(
        ship_to=place,
        ship_from=place.model_copy(update={"city": "Austin"}),
        service="trot",
        parcels=(sk.Parcel(weight_lb=2),),
        ship_date=dt.date(2026, 12, 10),
        references={"po": "PO 7"},
    )
    sent = _question(shipment, place)
    assert sent["from"]["city"] == "Austin"
    assert (sent["day"], sent["references"]) == ("2026-12-10", {"po": "PO 7"})


@pytest.mark.usefixtures("here")
def test_a_paused_job_of_an_own_carrier_is_resumed(pony: Pony):
    with batch([order(n) for n in range(6)], concurrency=1) as session:
        session.preview()
        session.approve()
        pony.ask("/_faults", faults=["lost_before", "lost_before"])
        result = session.execute(on_error="halt")
        assert session.resume().shipped == 6 >= result.shipped
    assert Counter(each["recipient"] for each in pony.labels) == {
        f"Person {n}": 1 for n in range(6)
    }


@pytest.mark.usefixtures("here")
def test_every_service_side_by_side_and_several_parcels_refused(pony: Pony):
    with batch([order(0), order(1, weight_lb="1")]) as session:
        shop = session.shop()
        assert shop.groupby("order_id")["service"].apply(list).to_dict() == {
            "P-0": ["trot", "gallop"],
            "P-1": ["letter", "trot", "gallop"],
        }
        session.map(parcels="max 2 lb")
        assert "one parcel per shipment" in session.problems["problem"][0]
    assert pony.labels == []


@pytest.mark.usefixtures("here")
def test_the_settings_of_an_own_carrier_are_read_and_their_secret_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    from shipkit.cli import main

    assert main(["carriers"]) == 0
    shown = capsys.readouterr()
    line = next(text for text in shown.out.splitlines() if text.strip().startswith("pony"))
    assert re.search(r"pony\s+TEST\s+\.\.\.Y-77\s+yes", line)
    assert "pony-key-of-the-tests" not in shown.out + shown.err
    monkeypatch.setenv("SHIPKIT_PONY_API_KEY", "wrong")
    with batch([order(0)]) as session, pytest.raises(AuthenticationFailed, match="API key") as no:
        session.preview()
    assert "wrong" not in str(no.value)
    monkeypatch.delenv("SHIPKIT_PONY_API_KEY")
    with batch([order(0)]) as session, pytest.raises(SettingsError, match="SHIPKIT_PONY_API_KEY"):
        session.preview()
    assert main(["carriers"]) == 0
    assert "pony needs SHIPKIT_PONY_API_KEY in the environment" in capsys.readouterr().out


# -- kills -----------------------------------------------------------------------------------------

ORDERS, KILLS = 60, (3, 14, 30, 47)
"""How many labels are sold when the client is killed, with more requests under way."""


def test_killed_again_and_again_every_order_is_bought_exactly_once(
    pony: Pony, env: dict[str, str], tmp_path: Path
):
    orders, shop = tmp_path / "orders.csv", tmp_path / "shop.json"
    with orders.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, order(0))
        writer.writeheader()
        writer.writerows(order(n) for n in range(ORDERS))
    shop.write_text(json.dumps(SHOP))
    run = ["run", str(orders), "--shipper", str(shop), "--carrier", "pony", "--yes"]
    run += ["--max-total", "5000", "--concurrency", "4"]
    # Faults among the kills: what is lost is looked up, whoever looks.
    pony.ask("/_faults", faults=["", "lost_after", "", "503_after", "lost_before"] * 6)
    command = run
    for sold in KILLS:
        pony.ask("/_stop", at=sold)
        client = started(command, env)
        pony.ask("/_stopped")
        os.kill(client.pid, signal.SIGKILL)
        client.communicate()
        assert client.returncode == -signal.SIGKILL
        assert pony.ask("/_go_on")["sold"] > sold  # labels that no client ever heard of
        command = ["resume", "--yes", "--max-total", "5000"]
    last = started(command, env)
    out, err = last.communicate(timeout=120)
    assert last.returncode == 0, err
    assert f"{ORDERS}" in out
    bought = Counter(each["recipient"] for each in pony.labels if not each["voided"])
    assert bought == {f"Person {n}": 1 for n in range(ORDERS)}
    results = tmp_path / "results.csv"
    job_id = re.findall(r"job-[0-9a-z]+", out)[0]
    show = started(["show", job_id, "--results", str(results)], env)
    said = show.communicate(timeout=60)
    assert show.returncode == 0, said
    with results.open(encoding="utf-8") as file:
        ours = {row["tracking_number"] for row in csv.DictReader(file)}
    assert ours == {each["tracking"] for each in pony.labels if not each["voided"]}


def started(command: list[str], env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "shipkit", *command],
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
