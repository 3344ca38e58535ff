"""A return label is bought once its parcel is, and never without it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from corekit import BookCarrier, draft_of, lose_first, plan_of, quotes_of, state_counts

from shipkit.carriers.accounts import Account, Accounts
from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import CarrierIdentity
from shipkit.errors import CarrierRejected, CarrierUnreachable
from shipkit.models import Shipment
from shipkit.plan.return_labels import first_number, with_return_labels
from shipkit.purchasing.result_frames import failed_rows
from shipkit.purchasing.run import execute
from shipkit.purchasing.run.waiting_returns import WaitingReturns
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import STATES
from shipkit.purchasing.store.manifest import JobAccount
from shipkit.schema import SHIPMENTS
from shipkit.state import JobStatus, RowState

ROWS = 6


def job_of(home: Path, rows: int = ROWS, **fields: Any) -> JobStore:
    plan = with_return_labels(plan_of(rows), first_number(rows))
    return JobStore.publish(
        home, draft_of(2 * rows, plan=plan, quotes=quotes_of(2 * rows), **fields)
    )


def buy(job: JobStore, carrier: Any, **options: Any) -> JobStatus:
    return asyncio.run(execute(job, carrier, **{"grace_s": 0.05, **options}))


def states(job: JobStore) -> list[str]:
    return job.results().column("state").to_pylist()


class Watched(BookCarrier):
    """Notes in which order parcels and return labels were sent, and refuses some orders."""

    def __init__(self, path: Path, refused: dict[str, type[Exception]] | None = None, **kw: Any):
        super().__init__(path, **kw)
        self.refused, self.sent = refused or {}, []

    async def ship(self, shipment: Shipment, *args: Any) -> Any:
        self.sent.append((shipment.order_id, shipment.is_return))
        error = self.refused.get(shipment.order_id or "")
        if error is not None and not shipment.is_return:
            raise error("no")
        bought = await super().ship(shipment, *args)
        self.sent.append((shipment.order_id, "bought"))
        return bought


def test_a_return_label_is_sent_after_its_parcel_is_bought(tmp_path: Path) -> None:
    carrier = Watched(tmp_path / "books.db", latency_s=0.01)
    job = job_of(tmp_path / "home")
    assert buy(job, carrier) is JobStatus.COMPLETED
    assert states(job) == ["shipped"] * 2 * ROWS
    for order in {order for order, _ in carrier.sent}:
        own = [what for one, what in carrier.sent if one == order]
        assert own == [False, "bought", True, "bought"]


def test_the_return_label_of_a_parcel_that_is_refused_is_not_bought(tmp_path: Path) -> None:
    orders = plan_of(ROWS).column("order_id").to_pylist()
    carrier = Watched(tmp_path / "books.db", {orders[2]: CarrierRejected})
    job = job_of(tmp_path / "home")
    assert buy(job, carrier) is JobStatus.COMPLETED_WITH_ERRORS
    assert states(job)[2] == "failed"
    assert states(job)[ROWS + 2] == "skipped"
    assert state_counts(job) == {"shipped": 2 * ROWS - 2, "failed": 1, "skipped": 1}
    line = job.results().to_pylist()[ROWS + 2]
    assert line["error_code"] == "return_waits"
    assert "row 3" in line["error_message"]
    assert (orders[2], True) not in carrier.sent


def test_lost_answers_of_parcels_are_settled_before_their_return_labels(tmp_path: Path) -> None:
    carrier = Watched(tmp_path / "books.db", hook=lose_first(1))
    job = job_of(tmp_path / "home")
    assert buy(job, carrier) is JobStatus.COMPLETED
    assert states(job) == ["shipped"] * 2 * ROWS
    sold = carrier.books.execute("select order_id, count(*) from sold group by 1").fetchall()
    assert {count for _, count in sold} == {2}


def test_a_job_that_stopped_goes_on_with_the_return_labels(tmp_path: Path) -> None:
    orders = plan_of(ROWS).column("order_id").to_pylist()
    down = dict.fromkeys(orders, CarrierUnreachable)
    carrier = Watched(tmp_path / "books.db", down)
    job = job_of(tmp_path / "home")
    assert buy(job, carrier, pacer=Pacer(concurrency=2, breaker_after=3)) is JobStatus.PAUSED
    assert not any(is_return is True for _, is_return in carrier.sent)
    carrier.refused.clear()
    assert buy(job, carrier) is JobStatus.COMPLETED
    assert states(job) == ["shipped"] * 2 * ROWS


def test_an_account_does_not_wait_for_parcels_of_one_that_stopped(tmp_path: Path) -> None:
    names, rows = ("post", "parcel"), 4
    carriers = []
    for name in names:
        carrier = Watched(tmp_path / f"{name}.db")
        carrier.identity = CarrierIdentity("books", "sandbox", name.upper()[:4] + "0001")
        carriers.append(carrier)
    orders = plan_of(rows).column("order_id").to_pylist()
    carriers[0].refused = dict.fromkeys(orders, CarrierUnreachable)
    pacers = [Pacer(concurrency=2, breaker_after=2), Pacer(concurrency=2)]
    accounts = Accounts([Account(*each) for each in zip(names, carriers, pacers, strict=True)])
    sellers = ["post"] * rows + ["parcel"] * rows  # parcels by one, return labels by the other
    job = job_of(
        tmp_path / "home",
        rows,
        identity=accounts.identity,
        accounts=tuple(JobAccount.of(a.name, a.carrier.identity, "proven") for a in accounts),
        row_accounts=pa.array(sellers),
    )
    assert buy(job, accounts) is JobStatus.PAUSED
    assert state_counts(job) == {"pending": 2 * rows}
    carriers[0].refused = {}
    assert buy(job, accounts) is JobStatus.COMPLETED
    assert len(carriers[1].calls) == rows


@pytest.mark.parametrize("state", [RowState.REVIEW])
def test_the_return_label_of_a_parcel_in_review_waits(tmp_path: Path, state: RowState) -> None:
    carrier = Watched(tmp_path / "books.db", hook=lose_first(1, after_sale=False))
    job = job_of(tmp_path / "home", resend="never")
    buy(job, carrier)
    assert states(job)[:ROWS] == [state.value] * ROWS
    assert states(job)[ROWS:] == ["pending"] * ROWS


def test_what_waits_is_kept_as_arrays_and_sorted_by_the_state_of_its_parcel() -> None:
    rows = 20_000
    places, pending = np.arange(2 * rows) - rows, np.arange(2 * rows)
    places[places < 0] = -1
    states = np.full(2 * rows, STATES.index(RowState.PENDING), np.uint8)
    read, written = [], []

    def dicts(wanted: Any) -> Any:
        read.extend(wanted.tolist())
        return ((row, {"return_of": row - rows + 1}) for row in wanted.tolist())

    ledger = SimpleNamespace(states=states, record=written.extend)
    shared = SimpleNamespace(parcels=places, may_settle=lambda some: len(some) > 0)
    run: Any = SimpleNamespace(ledger=ledger, shared=shared, rows=SimpleNamespace(dicts=dicts))
    waiting = WaitingReturns(run, pending)
    assert waiting.others.tolist() == list(range(rows))
    assert not len(waiting.take_due())
    states[[3, 7]] = STATES.index(RowState.SHIPPED)
    states[[4, 5]] = STATES.index(RowState.FAILED), STATES.index(RowState.VOIDED)
    assert waiting.take_due().tolist() == [rows + 3, rows + 7]
    assert read == [entry.row for entry in written] == [rows + 4, rows + 5]
    assert not len(waiting.take_due())
    states[:rows] = STATES.index(RowState.SHIPPED)
    assert len(waiting.take_due()) == rows - 4
    assert not waiting.may_settle()


def test_customs_papers_of_a_return_label_are_of_a_return_and_keep_the_rest() -> None:
    plan, field = plan_of(3), SHIPMENTS.field("customs")
    papers = [{"reason": "sale", "invoice_number": "7", "items": []}, None, {"reason": "gift"}]
    at = plan.schema.get_field_index("customs")
    plan = plan.set_column(at, field, pa.array(papers, field.type))
    made = with_return_labels(plan.slice(1), 10).column("customs").to_pylist()
    assert [each and each["reason"] for each in made] == [None, "gift", None, "return"]
    first = with_return_labels(plan, 10).column("customs").to_pylist()[3]
    assert (first["reason"], first["invoice_number"], first["items"]) == ("return", "7", [])


class FailsReturns(Watched):
    async def ship(self, shipment: Shipment, *args: Any) -> Any:
        if shipment.is_return:
            raise CarrierRejected("no returns today")
        return await super().ship(shipment, *args)


def test_a_return_label_that_failed_alone_is_among_the_failed_rows(tmp_path: Path) -> None:
    job = job_of(tmp_path / "home", 2)
    assert buy(job, FailsReturns(tmp_path / "books.db")) is JobStatus.COMPLETED_WITH_ERRORS
    lines = failed_rows(job)
    assert lines.row_number.tolist() == [1, 2]
    assert lines.problem.tolist() == [
        "return label, row 11: no returns today",
        "return label, row 12: no returns today",
    ]
