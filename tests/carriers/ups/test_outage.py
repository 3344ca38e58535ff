"""UPS does not answer while prices are asked: an outage, and never "cannot ship"."""

from __future__ import annotations

import datetime as dt
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

import shipkit as sk
from shipkit.carriers import pace
from shipkit.cli import main
from shipkit.errors import AuthenticationFailed, CarrierUnreachable

ORDERS = [
    {
        "Order ID": f"A-{n}",
        "Name": "Ana Ruiz",
        "Address": f"{n} Oak Street",
        "City": "Austin",
        "State": "TX",
        "Zip": "73301",
        "Weight (lb)": n,
    }
    for n in (1, 2, 3)
]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_BACKOFF_S", 0.001)


@pytest.fixture
def ups_env(server: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in {
        "CLIENT_ID": "client-of-the-tests",
        "CLIENT_SECRET": "s3cret-of-the-tests",
        "ACCOUNT": "A1B2C3",
        "BASE_URL": server.url,
    }.items():
        monkeypatch.setenv(f"SHIPKIT_UPS_{name}", value)
    monkeypatch.setenv("SHIPKIT_QUOTE_CACHE_S", "0")
    return server


def preview(shop: sk.Address, **options: Any) -> Any:
    with sk.BatchSession(ORDERS, shipper=shop, carrier="ups", mode="confirm") as session:
        session.map(service="ground", **options)
        return session.preview()


OUTAGES = [
    ("rate", "503_before", "temporarily unavailable"),
    ("rate", "500_html", "UPS answered 500"),
    ("rate", "reset_before", "broke off"),
    ("rate", "429", "too many"),
    ("rate", "403", "250053"),
    ("rate", "garbled", "without content"),
    ("rate", "silent", "without content"),
    ("token", "503_before", "sign-in"),
]


@pytest.mark.parametrize(("call", "fault", "words"), OUTAGES)
def test_a_preview_without_any_answer_is_an_error_and_not_a_frame_of_problems(
    ups_env: Any, shop: sk.Address, call: str, fault: str, words: str
) -> None:
    ups_env.fault(call, fault, times=1_000)
    with pytest.raises(CarrierUnreachable) as caught:
        preview(shop)
    assert words.lower() in caught.value.message.lower()
    assert caught.value.message.endswith("Nothing was bought.")
    assert "may have acted" not in str(caught.value)


def test_a_rule_that_gets_no_answer_is_an_outage_too(ups_env: Any, shop: sk.Address) -> None:
    ups_env.fault("shop", "503_before", times=1_000)
    ups_env.fault("rate", "503_before", times=1_000)
    with sk.BatchSession(ORDERS, shipper=shop, carrier="ups") as session:
        session.map(service="cheapest")
        with pytest.raises(CarrierUnreachable):
            session.preview()


def test_no_connection_is_an_outage(
    ups_env: Any, shop: sk.Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHIPKIT_UPS_BASE_URL", "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(CarrierUnreachable, match="No connection to UPS"):
        preview(shop)


def test_a_refusal_of_the_account_is_no_problem_of_a_row(
    ups_env: Any, shop: sk.Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHIPKIT_UPS_ACCOUNT", "ZZZZZZ")
    with pytest.raises(AuthenticationFailed, match="112111"):
        preview(shop)


def test_one_row_without_an_answer_keeps_the_whole_batch_from_being_bought(
    ups_env: Any, shop: sk.Address
) -> None:
    with sk.BatchSession(
        ORDERS, shipper=shop, carrier="ups", mode="auto", concurrency=1, limits={"total": "500"}
    ) as session:
        session.map(service="ground")
        ups_env.fault("rate", "503_before", times=6, skip=2)  # the third row, in all its attempts
        frame = session.preview()
        assert frame["cost_cents"].notna().tolist() == [True, True, False]
        assert frame["cost_basis"].tolist() == ["quoted", "quoted", "unanswered"]
        assert session.problems["code"].tolist() == ["carrier_unavailable"]
        with pytest.raises(
            CarrierUnreachable, match=r"1 row of 3 got no price \(row 3\)"
        ) as caught:
            session.execute(progress=False)
        assert 'session.skip("row_number IN (3)")' in caught.value.fix
        assert ups_env.shipments == []
        session.skip("row_number IN (3)")
        session.preview()
        assert session.execute(progress=False).shipped == 2


def test_when_everything_fails_not_every_row_waits_for_its_own_attempts(
    ups_env: Any, shop: sk.Address
) -> None:
    rows = [{**ORDERS[0], "Order ID": f"B-{n}", "Weight (lb)": n} for n in range(1, 101)]
    ups_env.fault("rate", "503_before", times=100_000)
    with sk.BatchSession(rows, shipper=shop, carrier="ups") as session:
        session.map(service="ground")
        with pytest.raises(CarrierUnreachable):
            session.preview()
    assert ups_env.calls["rate"] <= 40 * 6, "of 600"


def test_quotes_that_expired_are_not_renewed_by_silence(
    ups_env: Any, shop: sk.Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sk.BatchSession(ORDERS, shipper=shop, carrier="ups", name="old") as session:
        session.map(service="ground")
        session.preview()
        session.approve()
        ups_env.fault("ship", "401", times=1_000)
        assert session.execute(progress=False).remaining == 3, "pending: nothing was bought"
        ups_env._faults.clear()
        ups_env.fault("rate", "503_before", times=1_000)
        later = dt.datetime.now(dt.UTC) + dt.timedelta(days=30)
        monkeypatch.setattr("shipkit.job._now", lambda: later)
        with pytest.raises(CarrierUnreachable, match="quotes have expired, and 3 rows"):
            session.resume(progress=False)
    assert ups_env.shipments == []


def test_a_comparison_of_services_without_any_answer_is_an_error(
    ups_env: Any, shop: sk.Address
) -> None:
    ups_env.fault("rate", "503_before", times=1_000)
    with (
        sk.BatchSession(ORDERS, shipper=shop, carrier="ups") as session,
        pytest.raises(CarrierUnreachable, match="No prices"),
    ):
        session.shop()


@pytest.fixture
def job_id(ups_env: Any, shop: sk.Address) -> str:
    with sk.BatchSession(
        ORDERS, shipper=shop, carrier="ups", mode="auto", limits={"total": "500"}
    ) as session:
        session.map(service="ground")
        session.preview()
        return session.execute(progress=False).job_id


def test_an_outage_while_voiding_is_no_refusal(
    ups_env: Any, job_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ups_env.fault("void", "503_before", times=1_000)
    with sk.Job.open(job_id) as job, pytest.raises(CarrierUnreachable, match="for 3 shipments"):
        job.void(all=True)
    assert len(ups_env.alive) == 3
    assert main(["void", job_id, "--all", "--json"]) == 5
    ups_env._faults.clear()
    ups_env.fault("void", "503_before", times=6, skip=2)  # the third, in all its attempts
    capsys.readouterr()
    assert main(["void", job_id, "--all", "--json"]) == 5
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    codes = [row.get("error_code") for row in rows if row["event"] == "result"]
    assert sorted(map(str, codes)) == ["None", "None", "answer_lost"]
    ups_env._faults.clear()
    assert main(["void", job_id, "--all", "--json"]) == 0
    assert ups_env.alive == []


# -- the command line ------------------------------------------------------------------------------


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    path = inbox / "orders.json"
    path.write_text(json.dumps(ORDERS))
    os.utime(path, (time.time() - 60,) * 2)
    return path


def command(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, list[dict[str, Any]]]:
    capsys.readouterr()
    code = main(
        [str(word) for word in (*words, "--carrier", "ups", "--service", "ground", "--json")]
    )
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def shipper(tmp_path: Path, shop: sk.Address) -> Path:
    path = tmp_path / "shop.json"
    path.write_text(shop.model_dump_json())
    return path


BUY = ("--auto", "--max-total", "500")


@pytest.mark.parametrize("call", ["rate", "token"])
def test_a_watched_file_stays_until_ups_answers_and_is_bought_once(
    ups_env: Any, orders: Path, shipper: Path, capsys: pytest.CaptureFixture[str], call: str
) -> None:
    words = ("run", "--watch", orders.parent, "--once", "--shipper", shipper, *BUY)
    ups_env.fault(call, "503_before", times=100)
    code, lines = command(capsys, *words)
    assert (code, lines[-1]["waiting"], orders.exists()) == (5, ["orders.json"], True)
    ups_env._faults.clear()
    code, lines = command(capsys, *words)
    assert (code, orders.exists(), len(ups_env.shipments)) == (0, False, 3)


def test_missing_settings_move_no_file(
    orders: Path, shipper: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SHIPKIT_UPS_CLIENT_ID", raising=False)
    words = ("run", "--watch", orders.parent, "--once", "--shipper", shipper, *BUY)
    assert (command(capsys, *words)[0], orders.exists()) == (5, True)


def test_run_and_preview_end_with_5_and_name_themselves_as_next(
    ups_env: Any, orders: Path, shipper: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ups_env.fault("rate", "503_before", times=1_000)
    for name, more in (("run", BUY), ("preview", ())):
        code, lines = command(capsys, name, orders, "--shipper", shipper, *more)
        assert (code, lines[-1]["code"]) == (5, "carrier_unreachable")
        assert lines[-1]["next"].startswith(f"shipkit {name} {orders} ")
    assert ups_env.shipments == []


def test_a_preview_with_a_gap_ends_with_5(
    ups_env: Any, orders: Path, shipper: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ups_env.fault("rate", "503_before", times=6, skip=2)
    code, lines = command(capsys, "preview", orders, "--shipper", shipper)
    assert (code, lines[-1]["shipments"], lines[-1]["problems"]) == (5, 2, 1)
