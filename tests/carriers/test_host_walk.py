"""The walk of a carrier's test host: what each kind of carrier shows, and what it refuses."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

import shipkit as sk
from shipkit.carriers.host_walk import walk
from shipkit.carriers.sandbox import Faults
from shipkit.errors import CarrierRejected, InputError


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
        "void",
        "void again",
    ]
    assert (found.repeat_is_same, found.left) == (False, [])


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


def test_a_label_that_cannot_be_voided_is_named(tmp_path):
    carrier = sk.SandboxCarrier(home=tmp_path)

    async def refused(purchase):
        raise CarrierRejected("too late")

    carrier.void = refused
    found = asyncio.run(walk(carrier))
    assert found.differences == ["void: too late (carrier_rejected)"]
    assert len(found.left) == 1


def test_a_service_that_is_not_sold_is_a_difference_and_buys_nothing(tmp_path):
    carrier = sk.SandboxCarrier(home=tmp_path)
    found = asyncio.run(walk(carrier, service="teleport"))
    assert [step.name for step in found.steps] == ["price"]
    assert len(found.differences) == 1
