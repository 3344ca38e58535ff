"""The walk of a carrier's test host: what each kind of carrier shows, and what it refuses."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace

import pytest

import shipkit as sk
from shipkit.carriers.host_walk import walk
from shipkit.carriers.sandbox import Faults
from shipkit.errors import AnswerLost, CarrierRejected, InputError


def test_the_sandbox_is_as_expected(tmp_path):
    carrier = sk.SandboxCarrier(home=tmp_path)
    found = asyncio.run(walk(carrier))
    assert found.differences == []
    assert [step.name for step in found.steps] == [
        "compare",
        "price",
        "buy",
        "label file",
        "look up",
        *PICKUP,
        "void",
        "void again",
        *MANIFEST,
    ]
    assert (found.repeat_is_same, found.left) == (False, [])
    texts = {step.name: step.text for step in found.steps}
    assert texts["pickup"].startswith(texts["pickup after a lost answer"])
    assert texts["void after the manifest"].startswith("refused: ")
    books = sqlite3.connect(tmp_path / "sandbox" / "books.sqlite")
    assert books.execute("SELECT count(*), count(canceled_at) FROM pickups").fetchall() == [(1, 1)]
    assert books.execute("SELECT count(*) FROM form_labels").fetchall() == [(1,)]
    books.close()


def test_what_a_carrier_does_not_declare_is_not_walked(tmp_path):
    carrier = sk.SandboxCarrier(home=tmp_path)
    carrier.capabilities = replace(carrier.capabilities, pickup=False, manifest=False)
    found = asyncio.run(walk(carrier))
    assert found.steps[-1].name == "void again"
    assert not {step.name for step in found.steps} & {*PICKUP, *MANIFEST}


def test_a_second_pickup_or_form_and_a_pickup_that_is_not_canceled_are_differences(tmp_path):
    carrier = sk.SandboxCarrier(home=tmp_path)
    book, make = carrier.book_pickup, carrier.manifest

    async def booked(request, offer, *, asked_before):
        return await book(request, offer, asked_before=False)

    async def made(*given, asked_before):
        form = await make(*given, asked_before=asked_before)
        return replace(form, number=f"{form.number}-{asked_before}")

    async def kept(*_, **__):
        raise CarrierRejected("too late")

    carrier.book_pickup, carrier.manifest, carrier.cancel_pickup = booked, made, kept
    found = asyncio.run(walk(carrier))
    said = " ".join(found.differences)
    assert "pickup after a lost answer: another one" in said
    assert "manifest after a lost answer: another one" in said
    assert "cancel the pickup: too late" in said
    assert [text.split()[0] for text in found.left] == ["pickup", "pickup"]


PICKUP = (
    "price of a pickup",
    "pickup",
    "pickup after a lost answer",
    "pickup status",
    "cancel the pickup",
    "cancel after a lost answer",
)
MANIFEST = ("manifest", "manifest after a lost answer", "void after the manifest")


def test_a_live_account_is_refused_before_anything_is_sent(tmp_path):
    carrier = sk.SandboxCarrier(home=tmp_path)
    carrier.identity = replace(carrier.identity, environment="live")
    with pytest.raises(InputError, match="is a live account, and a check buys labels"):
        asyncio.run(walk(carrier))


def test_what_is_bought_without_an_answer_is_voided_too(tmp_path):
    carrier = sk.SandboxCarrier(home=tmp_path, faults=Faults(lost=1.0))
    found = asyncio.run(walk(carrier))
    assert any(text.startswith("buy: ") for text in found.differences)
    assert found.left == []
    assert [step.name for step in found.steps][-2:] == ["void", "void again"]
    assert not {step.name for step in found.steps} & {*PICKUP, *MANIFEST}


def test_a_label_that_cannot_be_voided_is_named(tmp_path):
    carrier = sk.SandboxCarrier(home=tmp_path)

    async def refused(purchase):
        raise CarrierRejected("too late")

    carrier.void = refused
    found = asyncio.run(walk(carrier))
    assert found.differences == ["void: too late (carrier_rejected)"]
    assert len(found.left) == 1


def lost():
    """Return a carrier's method that gives no answer."""

    async def call(*_, **__):
        raise AnswerLost("no answer")

    return call


def test_a_purchase_that_nothing_shows_is_named(tmp_path):
    carrier = sk.SandboxCarrier(home=tmp_path)
    carrier.ship = carrier.find = lost()
    found = asyncio.run(walk(carrier))
    [left] = found.left
    assert left.startswith("what may be a label under CHECK")
    assert [step.name for step in found.steps] == [
        "compare",
        "price",
        "buy",
        "look up",
        "look up again",
    ]


def test_a_label_for_the_manifest_whose_answer_is_lost_is_looked_up_and_voided(tmp_path):
    carrier = sk.SandboxCarrier(home=tmp_path)
    buy, calls = carrier.ship, []

    async def bought(*given):
        label = await buy(*given)
        calls.append(label)
        if len(calls) == 2:
            raise AnswerLost("no answer")
        return label

    carrier.ship = bought
    found = asyncio.run(walk(carrier))
    assert found.left == []
    assert [step.name for step in found.steps][-3:] == [
        "look up for the manifest",
        "void",
        "void again",
    ]
    carrier = sk.SandboxCarrier(home=tmp_path / "second")
    buy, find = carrier.ship, carrier.find
    calls.clear()

    async def only_once(*given):
        if len(calls) == 2:
            raise AnswerLost("no answer")
        return await find(*given)

    carrier.ship, carrier.find = bought, only_once
    [left] = asyncio.run(walk(carrier)).left
    assert left.startswith("what may be a label under CHECK")


def test_a_pickup_that_nothing_shows_is_named(tmp_path):
    carrier = sk.SandboxCarrier(home=tmp_path)
    carrier.book_pickup = lost()
    [left] = asyncio.run(walk(carrier)).left
    assert left.startswith("what may be a pickup of 20")


def test_a_second_label_under_the_reference_is_voided_too(tmp_path):
    carrier = sk.SandboxCarrier(home=tmp_path)
    carrier.capabilities = replace(carrier.capabilities, pickup=False, manifest=False)
    find, gone = carrier.find, []

    async def two(*given):
        [one] = await find(*given)
        return [one, one.model_copy(update={"tracking_numbers": ("OTHER",)})]

    async def void(purchase):
        gone.append(purchase.tracking_numbers)
        if purchase.tracking_numbers == ("OTHER",):
            raise AnswerLost("no answer")

    carrier.find, carrier.void = two, void
    found = asyncio.run(walk(carrier))
    assert found.left == ["OTHER"]
    assert len(set(gone)) == 2


def test_a_label_that_came_on_no_manifest_and_is_not_voided_is_named(tmp_path):
    carrier = sk.SandboxCarrier(home=tmp_path)
    void = carrier.void

    async def last_refused(purchase):
        if tried:
            raise CarrierRejected("too late")
        await void(purchase)

    tried = []

    async def no_form(*_, **__):
        tried.append("manifest")
        raise AnswerLost("no answer")

    carrier.manifest, carrier.void = no_form, last_refused
    found = asyncio.run(walk(carrier))
    assert len(found.left) == 1
    assert "void after the manifest: refused: too late" in found.differences


def test_a_service_that_is_not_sold_is_a_difference_and_buys_nothing(tmp_path):
    carrier = sk.SandboxCarrier(home=tmp_path)
    found = asyncio.run(walk(carrier, service="teleport"))
    assert [step.name for step in found.steps] == ["price"]
    assert len(found.differences) == 1
