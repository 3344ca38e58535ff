"""Resuming a job whose quotes have expired: a new price is approved, by a person or by `--yes`."""

from __future__ import annotations

import dataclasses
import datetime as dt
from types import SimpleNamespace

import pyarrow.compute as pc
import pytest

import shipkit as sk
from shipkit.carriers.sandbox import Faults


@pytest.fixture
def job(orders, shop, monkeypatch):
    """An interrupted job that was bought at half the price of today; its quotes have expired."""
    card = sk.RateCard.synthetic()
    place = card.rates.column_names.index("cents")
    half = card.rates.set_column(place, "cents", pc.divide(card.rates["cents"], 2))
    carrier = sk.SandboxCarrier(
        card=dataclasses.replace(card, rates=half),
        faults=Faults(reject=1.0, match="^A-1$"),
        concurrency=1,
    )
    with sk.BatchSession(orders, shipper=shop, carrier=carrier) as session:
        session.preview()
        session.approve()
        result = session.execute(on_error="halt", progress=False)
        assert (result.failed, result.remaining) == (1, 2)

    class TheDayAfterTomorrow(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return super().now(tz) + dt.timedelta(days=2)

    monkeypatch.setattr("shipkit.job.dt", SimpleNamespace(datetime=TheDayAfterTomorrow, UTC=dt.UTC))
    return result.job_id


def test_without_a_person_the_command_that_approves_is_advised(cli, job):
    done = cli("resume", "--json")
    assert (done.code, done.last["code"]) == (3, "approval_required")
    assert f"shipkit resume {job} --yes --max-total" in done.err
    assert cli("show", job, "--json").last["shipped"] == 0


def test_yes_within_the_limit_approves_the_new_price(cli, job):
    advised = cli("resume", "--json").err
    limit = advised.split("--max-total ")[1].split()[0]
    done = cli("resume", "--yes", "--max-total", limit, "--json")
    assert (done.code, done.last["shipped"], done.last["total"]) == (2, 2, limit)


def test_yes_with_too_low_a_limit_buys_nothing(cli, job):
    done = cli("resume", "--yes", "--max-total", "0.01", "--json")
    assert (done.code, done.last["code"]) == (3, "spend_limit_exceeded")
    assert "--max-total is $0.01" in done.err
    assert cli("show", job, "--json").last["shipped"] == 0


def test_yes_needs_a_limit(cli, job):
    done = cli("resume", "--yes", "--json")
    assert (done.code, done.last["code"]) == (1, "usage")
    assert "--yes requires --max-total" in done.err
