"""The functions that a program with its own agent loop calls."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest
from agentkit import SHOP, orders, until

import shipkit as sk
import shipkit.agent as agent
from shipkit import errors
from shipkit.agent.tool_table import TOOLS

pytestmark = pytest.mark.anyio


@pytest.fixture
def session(home):
    with sk.BatchSession(orders(12), shipper=SHOP, home=home) as session:
        yield session


def bound(session, approve=None, **options):
    tools = {
        tool["name"]: tool["function"]
        for tool in agent.get_orchestrator_tools(session, approve, **options)
    }

    async def call(name, /, **arguments):
        return await tools[name](arguments)

    return call


def text_of(result) -> str:
    return result["content"][0]["text"]


async def test_every_answer_has_the_mcp_shape_in_both_spellings(session):
    call = bound(session)
    good = await call("batch_preview")
    bad = await call("batch_preview", filter_clause="nope = 1")
    for result, flag in ((good, False), (bad, True)):
        assert set(result) == {"content", "structuredContent", "isError", "is_error"}
        assert result["isError"] is flag
        assert result["is_error"] is flag
        assert result["content"][0]["type"] == "text"
        json.dumps(result)


async def test_a_preview_answers_with_every_total_and_a_sample(session):
    facts = (await bound(session)("batch_preview", sample=2))["structuredContent"]
    frame = session.preview()
    assert facts["total"] == f"{frame['cost_cents'].sum() / 100:.2f}"
    assert facts["shipments"] == 12
    assert facts["by_service"] == [
        {
            "service": "ground",
            "carrier": "sandbox",
            "seller": "sandbox",
            "shipments": 12,
            "total": facts["total"],
            "currency": "USD",
        }
    ]
    assert len(facts["sample"]) == 2
    assert facts["sample"][0]["cost"] == f"{frame['cost_cents'][0] / 100:.2f}"


NUMBERS = [
    ("batch_execute", "wait_s", (-1, 601, float("nan"), float("inf"), "7 s", "٧", True)),
    ("get_job_status", "wait_s", (-0.5, 601, float("nan"), float("-inf"))),
    ("get_labels", "wait_s", (-0.5, 601, float("nan"))),
    ("batch_resume", "wait_s", (-1, 601, float("nan"))),
    ("batch_resume", "confirm_paid_labels", (-1, 1.5, True)),
    ("batch_problems", "offset", (-1, 10**30, 1.5)),
    ("batch_problems", "limit", (0, -1, 51)),
    ("describe_orders", "offset", (-1, 10**30)),
    ("describe_orders", "limit", (0, 51, 10**400)),
    ("batch_preview", "sample", (-1, 21, 2.5)),
]


async def test_a_number_that_makes_no_sense_is_refused_by_name(session, books):
    call = bound(session)
    for tool, name, wrong in NUMBERS:
        for value in wrong:
            result = await call(tool, **{name: value})
            assert result["structuredContent"]["error"] == "input_unusable", (tool, name, value)
            assert name in text_of(result)
    assert books.bought == 0


def test_every_number_of_every_tool_is_among_them():
    numbers = {
        (tool.name, name)
        for tool in TOOLS.values()
        for name, field in tool.arguments.model_fields.items()
        if field.annotation in (int, float, int | None)
    }
    assert numbers == {(tool, name) for tool, name, _ in NUMBERS}


async def test_numbers_at_the_edge_are_taken(session):
    call = bound(session)
    assert not (await call("batch_preview", sample=0))["is_error"]
    assert not (await call("batch_problems", offset=1_000_000_000, limit=50))["is_error"]
    assert not (await call("describe_orders", offset=1_000_000_000, limit=1))["is_error"]


async def test_the_text_alone_and_the_facts_alone_suffice(session):
    result = await bound(session)("batch_preview")
    facts, text = result["structuredContent"], text_of(result)
    for word in (facts["preview_id"], facts["total"], "12 shipments"):
        assert word in text
    done = await bound(session)("batch_execute", approved=True)
    for word in (done["structuredContent"]["job_id"], "12 shipped", facts["total"]):
        assert word in text_of(done)


async def test_confirm_without_approval_answers_preview_approval_required(session, books):
    call = bound(session)
    for arguments in ({}, {"approved": False}):
        await call("batch_preview")
        result = await call("batch_execute", **arguments)
        assert result["is_error"]
        assert "Preview approval required" in text_of(result)
        assert "Nothing was bought" in text_of(result)
    assert books.bought == 0


async def test_execute_before_any_preview_asks_for_a_preview(session, books):
    result = await bound(session)("batch_execute", approved=True)
    assert result["isError"]
    assert "Preview approval required" in text_of(result)
    assert books.bought == 0


async def test_the_hosts_word_buys_the_last_preview(session, books):
    call = bound(session)
    facts = (await call("batch_preview", filter_clause="order_id <> '12'"))["structuredContent"]
    job = (await call("batch_execute", preview_id=facts["preview_id"], approved=True))[
        "structuredContent"
    ]
    assert (job["shipped"], job["status"], job["total_charged"]) == (
        11,
        "completed",
        facts["total"],
    )
    assert books.bought == 11


async def test_the_hosts_word_does_not_hold_for_another_preview(session, books):
    call = bound(session)
    first = (await call("batch_preview", filter_clause="order_id = '1'"))["structuredContent"][
        "preview_id"
    ]
    await call("batch_preview", filter_clause="order_id <> '1'")
    result = await call("batch_execute", preview_id=first, approved=True)
    assert result["is_error"]
    assert "not the last preview" in text_of(result)
    assert books.bought == 0


async def test_what_execute_repeats_must_equal_the_preview(session, books):
    call = bound(session)
    await call("batch_preview")
    for changed in (
        {"mapping_template": '{"ship_to": {}}'},
        {"shipper_info": {**SHOP, "city": "Dallas"}},
    ):
        result = await call("batch_execute", approved=True, **changed)
        assert result["structuredContent"]["error"] == "plan_changed"
    assert books.bought == 0
    same = await call(
        "batch_execute", approved=True, shipper_info=SHOP, mapping_template=session.template
    )
    assert not same["is_error"], text_of(same)
    assert books.bought == 12


async def test_with_an_approver_only_the_persons_answer_counts(session, books):
    asked = []
    answers = iter([False, True])

    async def approve(question):
        asked.append(question)
        return next(answers)

    call = bound(session, approve)
    await call("batch_preview")
    refused = await call("batch_execute", approved=True)
    assert "only a person can approve" in text_of(refused)
    assert not asked
    assert "did not approve" in text_of(await call("batch_execute"))
    assert books.bought == 0
    assert (await call("batch_execute"))["structuredContent"]["shipped"] == 12
    assert all("12 shipping labels" in question for question in asked)


async def test_a_plain_function_can_ask_too_and_only_true_approves(session, books):
    call = bound(session, lambda _: "yes")
    await call("batch_preview")
    assert (await call("batch_execute"))["is_error"]
    assert books.bought == 0


async def test_auto_buys_without_approval_and_keeps_the_limits(home, books):
    with sk.BatchSession(orders(12), shipper=SHOP, limits={"total": "50"}, home=home) as session:
        call = bound(session)
        assert (await call("batch_set_mode", mode="AUTO"))["structuredContent"]["mode"] == "auto"
        over = await call("batch_execute")
        assert over["structuredContent"]["error"] == "spend_limit_exceeded"
        assert books.bought == 0
        await call("batch_preview", filter_clause="order_id in ('1', '2')")
        assert (await call("batch_execute"))["structuredContent"]["shipped"] == 2


async def test_the_mode_is_locked_while_a_batch_runs(home, held):
    with sk.BatchSession(orders(12), shipper=SHOP, carrier=held, home=home) as session:
        call = bound(session)
        await call("batch_preview")
        running = await call("batch_execute", approved=True, wait_s=0)
        assert running["structuredContent"]["status"] == "running"
        locked = await call("batch_set_mode", mode="auto")
        assert locked["is_error"]
        assert locked["structuredContent"]["error"] == "mode_locked"
        held.release()
        assert (await call("get_job_status", wait_s=20))["structuredContent"][
            "status"
        ] == "completed"
        assert not (await call("batch_set_mode", mode="auto"))["is_error"]


async def test_resume_without_a_choice_finds_nothing_interrupted(session):
    assert "No interrupted jobs" in text_of(await bound(session)("batch_resume"))


async def test_resume_describes_what_was_interrupted_and_then_acts(home, held, books):
    with sk.BatchSession(orders(20), shipper=SHOP, carrier=held, home=home) as session:
        call = bound(session)
        await call("batch_preview")
        running = asyncio.create_task(call("batch_execute", approved=True))
        await until(lambda: books.bought == held.sells)
        running.cancel()
        await asyncio.wait([running])
        held.release()
        session.execution.wait()
    left = 20 - books.bought
    assert 0 < left < 20
    with sk.BatchSession(carrier=held, home=home) as fresh:
        call = bound(fresh)
        told = await call("batch_resume")
        assert told["structuredContent"]["remaining"] == left
        for choice in ("resume", "restart", "cancel", "review"):
            assert choice in text_of(told)
        reviewed = await call("batch_resume", choice="review")
        assert reviewed["structuredContent"]["remaining"] == left
        assert books.bought == 20 - left
        done = await call("batch_resume", choice="resume")
        assert (done["structuredContent"]["status"], books.bought) == ("completed", 20)


async def test_restart_needs_the_number_of_paid_labels(session, books):
    call = bound(session)
    await call("batch_preview")
    job = (await call("batch_execute", approved=True))["structuredContent"]["job_id"]
    first = await call("batch_resume", job_id=job, choice="restart")
    assert first["structuredContent"]["error"] == "restart_unconfirmed"
    assert "12" in text_of(first)
    assert books.bought == 12
    wrong = await call("batch_resume", job_id=job, choice="restart", confirm_paid_labels=3)
    assert wrong["is_error"]
    assert books.bought == 12
    again = await call("batch_resume", job_id=job, choice="restart", confirm_paid_labels=12)
    assert again["structuredContent"]["shipped"] == 12
    assert books.bought == 24


async def test_a_cancelled_job_never_buys_again(home, held, books):
    with sk.BatchSession(orders(20), shipper=SHOP, carrier=held, home=home) as session:
        call = bound(session)
        await call("batch_preview")
        await call("batch_execute", approved=True, wait_s=0)
        await until(lambda: books.bought == held.sells)
        cancelling = asyncio.create_task(call("batch_resume", choice="cancel"))
        await until(lambda: session.execution._control.request == "cancel")
        held.release()
        ended = await cancelling
        assert ended["structuredContent"]["status"] == "cancelled"
        before = books.bought
        assert before < 20
        await call("batch_resume", job_id=ended["structuredContent"]["job_id"], choice="resume")
        assert books.bought == before


async def test_voiding_needs_a_person_also_in_process(session, books):
    call = bound(session)
    await call("batch_preview")
    job = (await call("batch_execute", approved=True))["structuredContent"]["job_id"]
    assert (await call("void_shipments", job_id=job, where="order_id = '1'"))["is_error"]
    assert books.voided == 0
    assert (
        await bound(session, lambda _: True)("void_shipments", job_id=job, where="order_id = '1'")
    )["structuredContent"]["voided"] == 1
    assert books.voided == 1


async def test_what_the_carrier_will_not_void_is_listed_with_its_reason(session, monkeypatch):
    async def picked_up(self, purchase):
        raise errors.CarrierRejected(
            "The parcel was picked up.", fix="Ask for a return.", carrier_code="V-17"
        )

    call = bound(session)
    await call("batch_preview")
    job = (await call("batch_execute", approved=True))["structuredContent"]["job_id"]
    call = bound(session, lambda _: True)
    monkeypatch.setattr(sk.SandboxCarrier, "void", picked_up)
    facts = (await call("void_shipments", job_id=job, where="order_id = '1'"))["structuredContent"]
    assert (facts["voided"], facts["not_voided"]) == (0, 1)
    (row,) = facts["refused"]
    assert (row["order_id"], row["error_code"], row["error_message"], row["fix"]) == (
        "1",
        "V-17",
        "The parcel was picked up.",
        "Ask for a return.",
    )


async def test_problems_come_in_pages_with_the_fix(home):
    rows = orders(30) + [
        {**order, "order_id": f"x{order['order_id']}", "zip": "not a zip"} for order in orders(25)
    ]
    with sk.BatchSession(rows, shipper=SHOP, home=home) as session:
        call = bound(session)
        facts = (await call("batch_preview"))["structuredContent"]
        assert (facts["shipments"], facts["problems"]) == (30, 25)
        assert facts["worst_problems"][0]["rows"] == 25
        first = await call("batch_problems", limit=20)
        total = first["structuredContent"]["total"]
        second = await call("batch_problems", offset=20, limit=50)
        assert (
            len(first["structuredContent"]["problems"])
            + len(second["structuredContent"]["problems"])
            == total
        )
        assert "offset=20" in text_of(first)
        assert all(
            problem["problem"] and problem["fix"]
            for problem in first["structuredContent"]["problems"]
        )


async def test_columns_and_template_are_enough_to_write_both(session):
    call = bound(session)
    facts = (await call("describe_orders"))["structuredContent"]
    names = [column["name"] for column in facts["columns"]]
    assert "weight_lb" in names
    assert all({"name", "type", "examples"} <= set(column) for column in facts["columns"])
    edited = facts["template"].replace("ground", "ground")
    shown = (
        await call(
            "batch_preview",
            mapping_template=edited,
            filter_clause="weight_lb < 20 AND state = 'TX'",
        )
    )["structuredContent"]
    assert shown["shipments"] == 12


async def test_the_filter_stays_until_all_is_asked_for(session):
    call = bound(session)
    assert (await call("batch_preview", filter_clause="order_id = '1'"))["structuredContent"][
        "shipments"
    ] == 1
    assert (await call("batch_preview"))["structuredContent"]["shipments"] == 1
    # hosts send empty text for an argument that the model left out: it must not price every order
    for left_out in ("", " ", "null", "None", "undefined", None):
        shown = await call("batch_preview", filter_clause=left_out)
        assert shown["structuredContent"]["shipments"] == 1, left_out
    for every in ("all", " ALL "):
        shown = await call("batch_preview", filter_clause=every)
        assert shown["structuredContent"]["shipments"] == 12
        await call("batch_preview", filter_clause="order_id = '1'")


async def test_a_file_is_loaded_from_the_folders_the_host_named(home, tmp_path):
    import pandas as pd

    pd.DataFrame(orders(5)).to_csv(tmp_path / "orders.csv", index=False)
    with sk.BatchSession(shipper=SHOP, home=home) as session:
        call = bound(session, roots=[tmp_path])
        assert (await call("load_orders", path="orders.csv"))["structuredContent"]["orders"] == 5
        outside = await bound(session, roots=[tmp_path / "empty"])(
            "load_orders", path=str(tmp_path / "orders.csv")
        )
        assert outside["is_error"]


async def test_the_modules_functions_share_one_session_of_the_process(home, books):
    assert (await agent.load_orders_tool({"rows": orders(3)}))["structuredContent"]["orders"] == 3
    shown = (await agent.batch_preview_tool({"shipper_info": SHOP}))["structuredContent"]
    assert shown["shipments"] == 3
    assert "Preview approval required" in text_of(await agent.batch_execute_tool({}))
    job = (await agent.batch_execute_tool({"approved": True}))["structuredContent"]
    assert (job["shipped"], books.bought) == (3, 3)
    assert (await agent.get_job_status_tool({"job_id": job["job_id"]}))["structuredContent"][
        "shipped"
    ] == 3
    told = await agent.process_command_tool({"command": "what now?"})
    assert "zip" in told["structuredContent"]["columns"]
    listed = await agent.list_tools_tool({})
    assert len(listed["structuredContent"]["tools"]) == 10
    assert "No interrupted jobs" in text_of(await agent.batch_resume_tool({}))
    assert (await agent.batch_set_mode_tool({"mode": "auto"}))["structuredContent"][
        "mode"
    ] == "auto"


async def test_two_calls_at_the_same_moment_buy_once(session, books):
    call = bound(session)
    await call("batch_preview")
    results = await asyncio.gather(*(call("batch_execute", approved=True) for _ in range(5)))
    assert {result["structuredContent"]["shipped"] for result in results} == {12}
    assert len({result["structuredContent"]["job_id"] for result in results}) == 1
    assert books.bought == 12


def test_the_functions_work_from_any_event_loop(session, books):
    call = bound(session)
    asyncio.run(call("batch_preview"))
    results = []
    threads = [
        threading.Thread(
            target=lambda: results.append(asyncio.run(call("batch_execute", approved=True)))
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result["structuredContent"]["shipped"] for result in results] == [12, 12, 12]
    assert books.bought == 12


async def test_a_model_that_writes_approved_is_refused_by_the_dispatcher(session, books):
    tools = agent.get_orchestrator_tools(session)
    await agent.answer_model(tools, "batch_preview", {})
    result = await agent.answer_model(tools, "batch_execute", {"approved": True})
    assert result["is_error"]
    assert "only a person can approve" in text_of(result)
    assert (await agent.answer_model(tools, "batch_set_mode", {"mode": "auto"}))["is_error"]
    assert (await agent.answer_model(tools, "rm_rf", {}))["is_error"]
    assert books.bought == 0
    assert str(session.mode) == "confirm"


async def test_an_unexpected_crash_is_not_swallowed(session, monkeypatch):
    monkeypatch.setattr(type(session), "describe", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await bound(session)("describe_orders")
    said = await agent.answer_model(agent.get_orchestrator_tools(session), "describe_orders", {})
    assert "shipkit failed in describe_orders (ZeroDivisionError)" in text_of(said)


async def test_columns_that_are_not_understood_can_be_set_aside_or_used(home):
    with sk.BatchSession(shipper=SHOP, home=home) as session:
        call = bound(session)
        rows = orders(2, mystery="7", building="C")
        loaded = await call("load_orders", rows=rows)
        assert loaded["structuredContent"]["not_understood"] == ["mystery", "building"]
        assert '"mystery", "building" are not understood' in text_of(loaded).replace("\\", "")
        shown = (await call("batch_preview"))["structuredContent"]
        assert (shown["shipments"], shown["not_understood"]) == (0, ["mystery", "building"])
        shown = (await call("batch_preview", ignore=["mystery", "building"]))["structuredContent"]
        assert (shown["shipments"], shown["not_understood"]) == (2, [])
        used = await call("batch_preview", columns={"address_line2": "building"}, ignore=[])
        shown = used["structuredContent"]
        assert (shown["shipments"], shown["not_understood"]) == (2, ["mystery"])
        assert list(session.mapped()["address_line2"]) == ["C", "C"]
        wrong = await call("batch_preview", ignore=["nope"])
        assert wrong["isError"]
        assert "no column" in text_of(wrong)
