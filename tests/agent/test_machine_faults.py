"""Faults of the machine, and what a tool may not leave behind in a host's log."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import warnings

import duckdb
import pytest
from agentkit import ERAS, Person, connected, orders, until

import shipkit as sk
from shipkit.agent.batches import BatchRegistry


@pytest.mark.anyio
async def test_a_home_that_cannot_be_written_is_told_with_its_reason(serve, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "home/previews")

    async with connected(serve()) as c:
        batch = await c.ok("load_orders", rows=orders(2))
        monkeypatch.setattr(BatchRegistry, "find", full)
        said = await c.no("describe_orders", job_id=batch["job_id"])
    assert "This machine reports: No space left on device (home/previews)." in said
    assert "A person must look at it" in said


@pytest.mark.anyio
async def test_a_filter_that_keeps_nothing_does_not_warn_in_the_hosts_log(serve):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with connected(serve()) as c:
            batch = await c.ok("load_orders", rows=orders(2))
            shown = await c(
                "batch_preview", job_id=batch["job_id"], filter_clause="name = 'no one'"
            )
    assert "Ada Lee" in json.dumps(shown.model_dump(mode="json"))


@pytest.mark.anyio
@pytest.mark.parametrize("job_id", ["\x00", "x" * 119, "a\nb"])
async def test_a_job_id_that_no_folder_can_have_is_no_job(serve, job_id):
    async with connected(serve()) as c:
        said = await c.no("get_job_status", job_id=job_id)
    assert "job" in said
    assert "Error executing" not in said


def damage(folder):
    """Write other bytes into every file of `folder`."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.write_bytes(b"x")


@pytest.mark.anyio
async def test_a_preview_that_was_damaged_on_disk_is_told_as_such(serve, home, books):
    async with connected(serve(), Person()) as c:
        shown = await c.loaded(2)
        damage(home / "previews")
        said = await c.no("batch_execute", preview_id=shown["preview_id"])
    assert f"The stored preview '{shown['preview_id']}' is damaged" in said
    assert said.endswith("Nothing was bought.")
    assert books.bought == 0


FAULTS = [
    (sqlite3.OperationalError("disk I/O error"), "A database of this machine reports: disk I/O"),
    (duckdb.IOException("IO Error: No space left"), "A database of this machine reports: IO Error"),
    (MemoryError(), "This machine ran out of memory in batch_preview"),
    (PermissionError(13, "Permission denied", "previews"), "Permission denied (previews)"),
    (KeyError("Ada Lee"), "shipkit failed in batch_preview (KeyError). It is a defect of shipkit"),
    (duckdb.ConversionException("Could not convert 'Ada Lee'"), "(ConversionException)"),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("fault", "said"), FAULTS, ids=lambda value: type(value).__name__)
async def test_every_fault_reaches_the_model_in_words(serve, monkeypatch, caplog, fault, said):
    async def broken(*_, **__):
        raise fault

    async with connected(serve()) as c:
        await c.ok("load_orders", rows=orders(2))
        monkeypatch.setattr("shipkit.session.BatchSession.apreview", broken)
        text = await c.no("batch_preview")
    assert said in text
    assert "Nothing was bought" in text
    for channel in (text, caplog.text):
        assert "Ada Lee" not in channel
    assert "in faults_in_words" in caplog.text or "This machine" in text or "A database" in text


@pytest.mark.anyio
async def test_what_was_bought_stays_in_the_words_for_a_fault(serve, home, monkeypatch):
    async with connected(serve(), Person()) as c:
        shown = await c.loaded(2)
        job = await c.ok("batch_execute", preview_id=shown["preview_id"])
        damage(home / "jobs" / job["job_id"])
        said = await c.no("batch_resume", job_id=job["job_id"], choice="resume")
        assert "Error executing" not in said
        assert "2 shipped" in said or "cannot be read" in said


@pytest.mark.anyio
async def test_a_resource_that_cannot_be_read_says_why(serve, home):
    from mcp import MCPError

    async with connected(serve(), Person()) as c:
        shown = await c.loaded(2)
        job = await c.ok("batch_execute", preview_id=shown["preview_id"])
        damage(home / "jobs" / job["job_id"])
        for uri in job["uris"]:
            with pytest.raises(MCPError) as caught:
                await c.client.read_resource(uri)
            assert "Error reading" not in str(caught.value)
            assert len(str(caught.value)) > 40


@ERAS
@pytest.mark.anyio
async def test_an_unknown_name_is_an_error_of_the_protocol(serve, era):
    from mcp import MCPError

    async with connected(serve(), None, era) as c:
        for asked, said in (
            (c.client.call_tool("buy_everything", {}), "Unknown tool 'buy_everything'"),
            (c.client.get_prompt("nothing", {}), "Unknown prompt: nothing"),
            (c.client.get_prompt("ship_orders", {}), "Missing required arguments"),
        ):
            with pytest.raises(MCPError, match=said) as caught:
                await asked
            assert caught.value.code == -32602


class SlowPrices(sk.SandboxCarrier):
    """A sandbox that waits before it prices, and counts those who gave up."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.asked = self.gave_up = 0
        self.slow = True

    async def quote_table(self, *args, **options):
        self.asked += 1
        try:
            if self.slow:
                await asyncio.Event().wait()  # forever
        except asyncio.CancelledError:
            self.gave_up += 1
            raise
        return await super().quote_table(*args, **options)


@pytest.mark.anyio
@ERAS
async def test_a_long_preview_reports_and_stops_when_its_caller_gives_up(
    serve, home, monkeypatch, era
):
    monkeypatch.setattr("shipkit.agent.tool_call._BEAT_S", 0.02)
    carrier, seen = SlowPrices(home=home), []

    async def watch(done, total, message):
        seen.append((done, total, message))

    async with connected(serve(carrier=carrier), None, era) as c:
        await c.ok("load_orders", rows=orders(2))
        call = asyncio.create_task(c.client.call_tool("batch_preview", {}, progress_callback=watch))
        await until(lambda: len(seen) >= 3)
        assert [done for done, _, _ in seen] == sorted({done for done, _, _ in seen})
        assert seen[0][2].startswith("batch_preview: ")
        call.cancel()
        await asyncio.wait([call])
        await until(lambda: carrier.gave_up == 1)
        carrier.slow = False
        assert (await c.ok("batch_preview"))["shipments"] == 2
    assert (carrier.asked, carrier.gave_up) == (2, 1)
    await carrier.aclose()


@pytest.mark.anyio
async def test_no_tool_warns_in_the_hosts_log(serve, books):
    """A clause over results leaves out rows whose cell is empty, and says so to the person."""
    person = Person()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with connected(serve(), person) as c:
            shown = await c.loaded(3)
            job = await c.ok("batch_execute", preview_id=shown["preview_id"])
            voided = await c.ok(
                "void_shipments", job_id=job["job_id"], where="error_code <> 'x' OR order_id = '1'"
            )
    assert (voided["voided"], books.voided) == (1, 1)
