"""A row of several parcels of which a carrier voids some: what is left is used, and only that."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import shipkit as sk
from shipkit.carriers.after_purchase import PickupOffer, PickupRequest
from shipkit.carriers.sandbox import SandboxCarrier
from shipkit.common.local_day import local_day
from shipkit.errors import AnswerLost, CarrierError, CarrierRejected, CarrierUnreachable
from shipkit.models import Purchase, Refund
from shipkit.purchasing.store import results
from shipkit.purchasing.store.entries import LabelBytes, followed
from shipkit.state import RowState

from .conftest import SHOP, order

Voids = Callable[..., None]
THREE = [{"weight_lb": 1.0 + place, "packaging": "package"} for place in range(3)]


@pytest.fixture
def voids(sandbox: SandboxCarrier, monkeypatch: pytest.MonkeyPatch) -> Voids:
    """Return a way to say what the next voids are answered with; None is success."""
    answers: list[CarrierError | None] = []

    async def void(_: Any) -> None:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer is not None:
            raise answer

    def answered(*given: CarrierError | None) -> None:
        answers[:] = given

    monkeypatch.setattr(sandbox, "void", void)
    return answered


def refused(voided: Sequence[str], not_voided: Sequence[str] = ()) -> CarrierRejected:
    return CarrierRejected(
        "Not all of it.", carrier_code="V-1", voided=voided, not_voided=not_voided
    )


def lost(voided: Sequence[str] = ()) -> AnswerLost:
    return AnswerLost("No answer. It may have acted.", voided=voided)


def line_of(job: sk.Job) -> dict[str, Any]:
    [line] = job.store.results().to_pylist()
    return line


def printed(job: sk.Job) -> list[str]:
    return [one.tracking_number for one in job.store.labels() if one.kind == "label"]


def test_a_row_of_which_no_label_is_left_is_voided(bought, voids):
    """UPS is asked for the whole shipment: what is voided already it does not void again."""
    job = bought(order(1, parcels=THREE[:2]))
    a, b = line_of(job)["tracking_numbers"]
    voids(refused([a], [b]))
    [line] = job.void(all=True).to_dict("records")
    assert (line["state"], line["tracking_numbers"]) == ("shipped", (b,))
    voids(refused([b], [a]))
    [line] = job.void(all=True).to_dict("records")
    assert (line["state"], line["tracking_numbers"]) == ("voided", (a, b))
    assert (line_of(job)["error_code"], line_of(job)["error_message"]) == (None, None)
    assert sk.BatchResult.of(job.store).total_charged.cents == 0


def test_a_label_that_the_row_does_not_know_keeps_it_shipped(bought, voids):
    """A shipment that was found by its reference has the number of its first parcel only."""
    job = bought(order(1))
    [a] = line_of(job)["tracking_numbers"]
    voids(refused([a], ["OTHER"]))
    job.void(all=True)
    line = line_of(job)
    assert (line["state"], line["tracking_numbers"]) == ("shipped", ["OTHER"]), "it is paid for"
    assert printed(job) == []
    voids(None)
    job.void(all=True)
    assert (line_of(job)["state"], line_of(job)["tracking_numbers"]) == ("voided", [a, "OTHER"])


def test_the_numbers_of_a_voided_row_are_in_the_order_of_its_parcels(bought, voids):
    job = bought(order(1, parcels=THREE))
    a, b, c = line_of(job)["tracking_numbers"]
    voids(refused([b]))
    job.void(all=True)
    assert line_of(job)["tracking_numbers"] == [a, c]
    voids(refused([c]))
    job.void(all=True)
    line = line_of(job)
    assert line["tracking_numbers"] == [a]
    assert line["error_message"].startswith(f"2 labels of 3 voided ({b}, {c}), and the charge")
    voids(None)
    job.void(all=True)
    assert line_of(job)["tracking_numbers"] == [a, b, c]
    assert line_of(job)["tracking_number"] == a


def test_the_frame_of_a_void_says_which_labels_are_voided(bought, voids):
    job = bought(order(1, parcels=THREE))
    a, _, _ = line_of(job)["tracking_numbers"]
    for answer in (refused([a]), refused([])):  # the second time nothing more is voided
        voids(answer)
        [line] = job.void(all=True).to_dict("records")
        assert line["error_message"] == (
            f"1 label of 3 voided ({a}), and the charge still counts it. Not all of it."
        )
        assert line["error_code"] == "V-1"
        assert line_of(job)["error_message"] == line["error_message"]


def test_silence_about_the_rest_does_not_hide_what_is_voided(bought, voids):
    job = bought(order(1, parcels=THREE[:2]))
    a, b = line_of(job)["tracking_numbers"]
    voids(lost([a]), lost())
    [line] = job.void(all=True).to_dict("records")
    assert (line["state"], line["tracking_numbers"]) == ("shipped", (b,))
    assert (line["error_code"], line["error_message"]) == (
        "answer_lost",
        f"1 label of 2 voided ({a}), and the charge still counts it. No answer. It may have acted.",
    )
    voids(lost())
    with pytest.raises(CarrierUnreachable, match="Nothing more is recorded as voided"):
        job.void(all=True)


def test_a_voided_label_is_not_in_the_last_entry_which_any_version_prints(
    bought, voids, monkeypatch
):
    job = bought(order(1, parcels=THREE[:2]), order(2))
    a, b = job.store.results().to_pylist()[0]["tracking_numbers"]
    voids(refused([a]))
    job.void("order_id = 'SO-1'")
    monkeypatch.setattr(results, "_voided_labels", lambda _: {})  # older ones know of none
    assert printed(job)[:-1] == [b]
    voids(None)
    job.void("order_id = 'SO-1'")
    with job.store.own("test") as ledger:
        ledger.flatten()
    assert printed(job)[:-1] == [b], "a compaction keeps the segment"


def test_papers_of_the_shipment_stay_when_the_label_that_they_came_with_is_voided(bought, voids):
    job = bought(order(1, parcels=THREE[:2]))
    a, b = line_of(job)["tracking_numbers"]
    [entry] = job.store.last_entries_of([0]).values()
    files = [(a, "label"), (b, "label"), (a, "document")]
    given = [LabelBytes(number, "pdf", kind, 0, kind.encode()) for number, kind in files]
    with job.store.own("test") as ledger:
        filed = followed(entry, event="labels", state=RowState.SHIPPED)
        ledger.record_now([filed._replace(labels=given)])
    voids(refused([a]))
    job.void(all=True)
    assert [(one.tracking_number, one.kind) for one in job.store.labels()] == files[1:]


def test_a_driver_comes_for_the_parcels_that_are_left(bought, voids, sandbox, monkeypatch):
    asked: list[PickupRequest] = []

    async def pickup(request: PickupRequest) -> PickupOffer:
        asked.append(request)
        return PickupOffer(sk.Money.of("1.00"))

    monkeypatch.setattr(sandbox, "pickup", pickup)
    job = bought(order(1, parcels=THREE), order(2))
    _, b, _ = job.store.results().to_pylist()[0]["tracking_numbers"]
    day = local_day(SHOP) + dt.timedelta(days=8 - local_day(SHOP).isoweekday())
    job.pickup(day)
    voids(refused([b]))
    job.void("order_id = 'SO-1'")
    job.pickup(day)
    before, after = asked
    assert (before.parcels, before.weight_lb) == (4, 1 + 2 + 3 + 2)
    assert (after.parcels, after.weight_lb) == (3, 1 + 3 + 2)
    [made] = job.manifest()
    assert made.labels == 3


def sold_as(
    sandbox: SandboxCarrier, monkeypatch: pytest.MonkeyPatch, change: Callable[[Purchase], Any]
) -> None:
    """Let the carrier sell with changes."""
    ship = sandbox.ship

    async def sold(*given: Any, **more: Any) -> Purchase:
        purchase = await ship(*given, **more)
        return purchase.model_copy(update=change(purchase))

    monkeypatch.setattr(sandbox, "ship", sold)


def test_a_row_whose_labels_that_are_left_cost_nothing_is_charged_nothing(
    bought, voids, sandbox, monkeypatch
):
    """The second parcel travels free: 0 cents were taken for a row of which all is back."""
    sold_as(sandbox, monkeypatch, lambda it: {"label_cents": (it.charge.cents, 0)})
    job = bought(order(1, parcels=THREE[:2]))
    whole = line_of(job)["charged_cents"]
    a, b = line_of(job)["tracking_numbers"]
    voids(refused([a], [b]))
    job.void(all=True)
    line = line_of(job)
    assert (line["state"], line["tracking_numbers"], line["charged_cents"]) == ("shipped", [b], 0)
    assert "the charge no longer counts it" in line["error_message"]
    voids(None)
    job.void(all=True)
    assert (line_of(job)["state"], line_of(job)["charged_cents"]) == ("voided", whole)


def test_labels_with_one_number_have_no_prices_of_their_own(bought, sandbox, monkeypatch):
    """Half of the charge was counted where a carrier gives two parcels one number."""

    def same(it: Purchase) -> dict[str, Any]:
        cents = it.charge.cents if it.charge else 0
        return {
            "tracking_numbers": (it.tracking_numbers[0],) * 2,
            "label_cents": (cents // 2, cents - cents // 2),
        }

    async def void(_: Any) -> Refund:
        return Refund.SUBMITTED

    sold_as(sandbox, monkeypatch, same)
    monkeypatch.setattr(sandbox, "void", void)
    job = bought(order(1, parcels=THREE[:2]))
    whole = line_of(job)["charged_cents"]
    job.void(all=True)
    line = line_of(job)
    assert (line["state"], line["refund"], line["charged_cents"]) == ("voided", "submitted", whole)
    assert sk.BatchResult.of(job.store).total_charged.cents == whole
