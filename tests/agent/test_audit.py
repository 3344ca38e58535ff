"""The log: what was asked, answered and bought, who approved it, and nothing private."""

from __future__ import annotations

import json

import duckdb
import pytest
from agentkit import SHOP, Person, connected, orders

import shipkit as sk
import shipkit.agent as agent
from shipkit.agent.audit import COLUMNS, redacted

pytestmark = pytest.mark.anyio


def log_of(folder) -> list[dict]:
    return (
        duckdb.connect()
        .sql(f"FROM '{folder}/*.parquet' ORDER BY noted_at")
        .to_arrow_table()
        .to_pylist()
    )


async def test_the_job_has_the_log_of_everything_that_led_to_it(serve, home):
    person = Person("decline")
    async with connected(serve(), person) as c:
        shown = await c.loaded(3)
        await c.no("batch_execute", preview_id=shown["preview_id"], approved=True)
        await c.no("batch_execute", preview_id=shown["preview_id"])
        person.answer = "accept"
        job = await c.ok("batch_execute", preview_id=shown["preview_id"])
        await c.ok("get_labels", job_id=job["job_id"])
        await c.client.read_resource(job["uris"][1])
    lines = log_of(home / "jobs" / job["job_id"] / "audit")
    assert tuple(lines[0]) == COLUMNS
    assert [(line["tool"], line["outcome"]) for line in lines if line["outcome"] != "asks"] == [
        ("load_orders", "ok"),
        ("batch_preview", "ok"),
        ("batch_execute", "input_unusable"),
        ("batch_execute", "approval_required"),
        ("batch_execute", "begins"),
        ("batch_execute", "ok"),
        ("get_labels", "ok"),
        ("resources/read", "ok"),
    ]
    bought = lines[-3]
    assert "3 shipping labels" in bought["asked"]
    assert (bought["answered"], bought["via"]) == ("yes", "elicitation")
    assert bought["answered_by"].startswith("person at ")
    assert (bought["shipped"], bought["total_charged"]) == (3, shown["total"])
    assert [line["answered"] for line in lines if line["outcome"] == "approval_required"] == ["no"]
    assert not (home / "audit" / shown["job_id"]).exists() or not list(
        (home / "audit" / shown["job_id"]).glob("*.parquet")
    )


async def test_the_log_names_who_approved_elsewhere(serve, home):
    import datetime as dt

    from shipkit.purchasing.approval import approve

    async with connected(serve()) as c:
        shown = await c.loaded(2)
        approve(home, shown["preview_id"], now=dt.datetime.now(dt.UTC), by="dana", via="terminal")
        job = await c.ok("batch_execute", preview_id=shown["preview_id"])
    begins = next(
        line
        for line in log_of(home / "jobs" / job["job_id"] / "audit")
        if line["outcome"] == "begins"
    )
    assert (begins["answered_by"], begins["via"]) == ("dana", "terminal")


async def test_nothing_private_is_in_the_log(home):
    private = {
        "name": "Zebulon Quarterman",
        "address1": "9 Hidden Lane",
        "phone": "5125550199",
        "note": "leave at the back door",
    }
    with sk.BatchSession(shipper=SHOP, home=home) as session:
        call = {tool["name"]: tool["function"] for tool in agent.get_orchestrator_tools(session)}
        await call["load_orders"]({"rows": [{**order, **private} for order in orders(3)]})
        await call["batch_preview"](
            {
                "filter_clause": "name = 'Zebulon Quarterman' AND state = 'TX'",
                "shipper_info": SHOP,
                "mapping_template": session.template,
            }
        )
        done = await call["batch_execute"]({"approved": True})
        assert not done["is_error"], done
    folder = home / "jobs" / done["structuredContent"]["job_id"] / "audit"
    text = json.dumps(log_of(folder), default=str)
    for word in ("Zebulon", "Hidden", "5550199", "back door", "Alamo", "2105550100", "ship_to"):
        assert word not in text
    assert "'TX'" in text
    assert "3 orders" in text
    assert "an address" in text
    assert folder.stat().st_mode & 0o077 == 0


def test_arguments_are_redacted():
    said = json.loads(
        redacted(
            {
                "rows": [{"a": 1}],
                "shipper_info": SHOP,
                "mapping_template": "{{ x }}",
                "where": "name = 'O''Brien' and state = 'TX'",
                "preview_id": "pv_1",
                "sample": 3,
            }
        )
    )
    assert said == {
        "rows": "1 orders",
        "shipper_info": "an address",
        "mapping_template": said["mapping_template"],
        "where": "name = '...' and state = 'TX'",
        "preview_id": "pv_1",
        "sample": 3,
    }
    assert said["mapping_template"].startswith("7 characters, sha256 ")


async def test_a_log_that_cannot_be_written_costs_no_answer_but_stops_a_purchase(
    home, books, monkeypatch
):
    from shipkit.agent.audit import AuditLog

    with sk.BatchSession(orders(2), shipper=SHOP, home=home) as session:
        call = {tool["name"]: tool["function"] for tool in agent.get_orchestrator_tools(session)}

        def full(*_, **__):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(AuditLog, "_write", full)
        assert not (await call["batch_preview"]({}))["is_error"]
        refused = await call["batch_execute"]({"approved": True})
        assert refused["is_error"]
        assert "log" in refused["content"][0]["text"]
        assert books.bought == 0


async def test_a_long_log_stays_a_few_files(home):
    with sk.BatchSession(orders(1), shipper=SHOP, home=home) as session:
        call = {tool["name"]: tool["function"] for tool in agent.get_orchestrator_tools(session)}
        for _ in range(150):
            await call["get_job_status"]({"job_id": "job-none"})
        (folder,) = [path for path in (home / "audit").iterdir() if path.name.startswith("calls-")]
        assert len(list(folder.glob("*.parquet"))) <= 64
        assert len(log_of(folder)) == 150
