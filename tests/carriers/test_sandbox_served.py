"""The sandbox in its own process: what a client meets over a real connection, and what survives
whom.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pyarrow as pa
import pytest

from shipkit.carriers.sandbox import Faults, SandboxCarrier
from shipkit.errors import (
    AnswerLost,
    AuthenticationFailed,
    CarrierError,
    CarrierRejected,
    CarrierUnreachable,
    RateLimited,
)
from shipkit.models import Address, LabelSpec, Parcel, Shipment
from shipkit.schema import SHIPMENTS

ROOT = Path(__file__).parent.parent.parent
PDF = LabelSpec()
TO = Address(
    name="Ada Abbott", address_line1="1 Main St", city="New York", state="NY", postal_code="10001"
)


def shipment(**fields) -> Shipment:
    return Shipment(
        **{"ship_to": TO, "service": "ground", "parcels": (Parcel(weight_lb=3),), **fields}
    )


class Served:
    """A server process and its books."""

    def __init__(self, books: Path, *options: str) -> None:
        command = [
            sys.executable,
            "-m",
            "shipkit.carriers.sandbox",
            "--serve",
            "--books",
            str(books),
            *options,
        ]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
        )
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http://127.0.0.1:"), self.url

    def ask(self, path: str, body: object = None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(
            urllib.request.Request(self.url + path, data=data), timeout=10
        ) as answer:
            return json.load(answer)

    def asked(self) -> int:
        return self.ask("/stats")["requests"].get("/ship", 0)

    def faults(self, **fields) -> None:
        self.ask("/faults", json.loads(Faults(**fields).model_dump_json()))

    def stop(self, how: int = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        code = self.process.wait(timeout=20)
        self.process.stdout.close()
        return code


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    served = Served(tmp_path_factory.mktemp("served") / "books.sqlite")
    yield served
    served.stop()


@pytest.fixture
def served(one):
    one.faults()
    return one


REFERENCES = iter(range(10**6))


def ask(served, call, **options):
    """Run one conversation with a carrier of its own."""

    async def go():
        carrier = SandboxCarrier(url=served.url, **options)
        try:
            return await call(carrier)
        finally:
            await carrier.aclose()

    return asyncio.run(go())


def bought(served, reference: str) -> int:
    return sum(entry["reference"] == reference for entry in served.ask("/books"))


def test_over_http_everything_is_as_embedded(served, shop, tmp_path):
    async def conversation(carrier):
        reference = f"REF{next(REFERENCES)}"
        purchase = await carrier.ship(
            shipment(parcels=(Parcel(weight_lb=3), Parcel(weight_lb=4))), shop, reference, PDF
        )
        found = await carrier.find(reference, PDF)
        await carrier.void(purchase)
        await carrier.void(purchase)
        rates = await carrier.shop(shipment(), shop)
        rows = [
            {
                "row_number": k,
                "postal_code": code,
                "country": "US",
                "service": "ground",
                "parcels": [{"weight_lb": 3.0}],
            }
            for k, code in enumerate(["10001", None, "99501"])
        ]
        quotes = await carrier.quote_table(pa.Table.from_pylist(rows, schema=SHIPMENTS), shop)
        return (
            purchase,
            found,
            (await carrier.find(reference, PDF))[0].voided,
            rates,
            await carrier.quote(shipment(), shop),
            quotes,
        )

    async def embedded():
        return await conversation(SandboxCarrier(tmp_path / "books.sqlite"))

    here, there = asyncio.run(embedded()), ask(served, conversation)
    assert there[0].charge == here[0].charge
    assert there[0].labels[1].data.startswith(b"%PDF")
    assert there[1] == [there[0]]
    assert there[2] is here[2] is True
    assert there[3:5] == here[3:5]
    assert there[5].equals(here[5])


class Again:
    """A pacer of the simplest kind: asks until it is answered."""

    def __init__(self) -> None:
        self.turned_away = 0

    async def repeat(self, call):
        while True:
            try:
                return await call()
            except (RateLimited, AnswerLost):
                self.turned_away += 1


def test_a_large_table_is_quoted_in_parts_and_a_part_that_was_turned_away_is_asked_again(
    served, shop
):
    served.faults(rate_limited=0.4, error_before=0.2, on={"quote"}, seed=5)
    row = {
        "row_number": 1,
        "postal_code": "10001",
        "country": "US",
        "service": "ground",
        "parcels": [{"weight_lb": 3.0}],
    }
    again = Again()
    table = pa.Table.from_pylist([row], schema=SHIPMENTS).take([0] * 45_000)
    quotes = ask(served, lambda c: c.quote_table(table, shop, again))
    assert (quotes.num_rows, quotes.column("problem").null_count) == (45_000, 45_000)
    assert again.turned_away > 0


def test_a_refusal_keeps_its_code_and_fix(served, shop):
    with pytest.raises(CarrierRejected) as caught:
        ask(
            served,
            lambda c: c.ship(
                shipment(ship_to=TO.model_copy(update={"postal_code": "123"})), shop, "REF", PDF
            ),
        )
    assert caught.value.carrier_code == "recipient_postal_code_invalid"
    assert caught.value.fix
    with pytest.raises(CarrierRejected, match="does not sell"):
        ask(served, lambda c: c.quote(shipment(service="standard"), shop))


@pytest.mark.parametrize(
    "wire", ["reset", "close", "silence", "half", "half_headers", "garbage", "empty"]
)
@pytest.mark.parametrize(("fault", "sold"), [("lost", 1), ("lost_before", 0)])
def test_however_an_answer_is_lost_the_row_is_in_doubt(served, shop, wire, fault, sold):
    reference = f"REF{next(REFERENCES)}"
    served.faults(**{fault: 1.0, "wire": wire})
    with pytest.raises(AnswerLost):
        ask(served, lambda c: c.ship(shipment(), shop, reference, PDF), timeout_s=0.7)
    assert bought(served, reference) == sold
    served.faults()
    assert len(ask(served, lambda c: c.find(reference, PDF))) == sold


@pytest.mark.parametrize(
    ("faults", "error", "sold"),
    [
        ({"auth_refused": True}, AuthenticationFailed, 0),
        ({"rate_limited": 1.0, "retry_after_s": 3}, RateLimited, 0),
        ({"reject": 1.0}, CarrierRejected, 0),
        ({"error_before": 1.0}, AnswerLost, 0),
        ({"error_after": 1.0, "status": 500}, AnswerLost, 1),
    ],
)
def test_each_fault_ends_in_its_error(served, shop, faults, error, sold):
    reference = f"REF{next(REFERENCES)}"
    served.faults(**faults)
    with pytest.raises(CarrierError) as caught:
        ask(served, lambda c: c.ship(shipment(), shop, reference, PDF))
    assert type(caught.value) is error
    assert getattr(caught.value, "retry_after_s", None) == faults.get("retry_after_s")
    assert bought(served, reference) == sold


def test_a_late_commit_appears_after_the_connection_died(served, shop, until):
    served.faults(late=1.0, late_s=2.0)
    with pytest.raises(AnswerLost):
        ask(served, lambda c: c.ship(shipment(), shop, "LATE", PDF))
    served.faults()
    assert ask(served, lambda c: c.find("LATE", PDF)) == []
    until(lambda: len(ask(served, lambda c: c.find("LATE", PDF))) == 1)


def test_a_late_commit_later_than_clients_count_on_is_refused(served):
    with pytest.raises(urllib.error.HTTPError, match="400"):
        served.faults(late=0.1, late_s=60)


def test_a_client_that_dies_while_the_carrier_works_has_bought(served, shop, until):
    served.faults(latency_s=2.0)
    before = served.asked()

    async def go(carrier):
        task = asyncio.create_task(carrier.ship(shipment(), shop, "DIES", PDF))
        while served.asked() == before:  # noqa: ASYNC110 - the server is another process
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    ask(served, go)
    assert bought(served, "DIES") == 0
    until(lambda: bought(served, "DIES") == 1)


def test_what_was_answered_survives_a_kill_of_the_carrier(tmp_path, shop):
    first = Served(tmp_path / "books.sqlite", "--label-bytes", "12000")
    purchase = ask(first, lambda c: c.ship(shipment(), shop, "REF1", PDF))
    assert len(purchase.labels[0].data) == 12_000
    first.stop(signal.SIGKILL)
    with pytest.raises(CarrierUnreachable):
        ask(first, lambda c: c.ship(shipment(), shop, "REF2", PDF))
    second = Served(tmp_path / "books.sqlite")
    assert ask(second, lambda c: c.find("REF1", PDF)) == [purchase]
    assert second.stop() == 0


def test_the_carrier_turns_away_what_is_above_its_limit_and_counts_the_busiest_second(
    tmp_path, shop
):
    served = Served(tmp_path / "books.sqlite", "--rate-limit", "10", "--label-bytes", "10")

    async def many(carrier):
        return await asyncio.gather(
            *(carrier.ship(shipment(), shop, f"REF{k}", PDF) for k in range(25)),
            return_exceptions=True,
        )

    kinds = [type(a).__name__ for a in ask(served, many)]
    assert (kinds.count("Purchase"), kinds.count("RateLimited")) == (10, 15)
    stats = served.ask("/stats")
    assert stats["busiest_second"] == 25
    assert stats["answers"] == {"200": 10, "429": 15}
    assert served.ask("/stats", {})["busiest_second"] == 0
    served.stop()


def test_nonsense_is_refused_and_the_server_goes_on(served, shop):
    for path in ("/ship", "/quote", "/quotes", "/void"):
        with pytest.raises(urllib.error.HTTPError, match="400"):
            served.ask(path, {"no": "shipment"})
    assert ask(served, lambda c: c.quote(shipment(), shop)).cost_cents > 0


def test_it_does_not_listen_to_other_machines(tmp_path):
    command = [
        sys.executable,
        "-m",
        "shipkit.carriers.sandbox",
        "--serve",
        "--host",
        "0.0.0.0",
        "--books",
        str(tmp_path / "b.sqlite"),
    ]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
    )
    assert done.returncode == 2
    assert "this machine only" in done.stderr
