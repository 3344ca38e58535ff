"""The server and the official client, in memory, on both eras of the protocol."""

from __future__ import annotations

import asyncio
import csv
import io

import pytest
from agentkit import ERAS, SHOP, Person, connected, orders, until
from held_carrier import HeldSandbox

import shipkit as sk

pytestmark = pytest.mark.anyio

VERSIONS = {"auto": "2026-07-28", "legacy": "2025-11-25"}


@ERAS
async def test_a_client_goes_from_orders_to_labels_with_one_question_to_a_person(serve, books, era):
    person = Person()
    seen = []

    async def watch(done, total, message):
        seen.append((done, total, message))

    async with connected(serve(), person, era) as c:
        assert c.client.protocol_version == VERSIONS[era]
        shown = await c.loaded(12)
        assert (shown["shipments"], shown["problems"], shown["mode"], shown["live"]) == (
            12,
            0,
            "confirm",
            False,
        )
        result = await c.client.call_tool(
            "batch_execute", {"preview_id": shown["preview_id"]}, progress_callback=watch
        )
        assert not result.is_error, result.content[0].text
        job = result.structured_content
        assert (job["status"], job["shipped"], job["remaining"]) == ("completed", 12, 0)
        assert job["total_charged"] == shown["total"]
        assert len(person.asked) == 1
        assert "12 shipping labels" in person.asked[0]
        assert shown["total"] in person.asked[0]
        assert shown["preview_id"] in person.asked[0]
        assert books.bought == 12
        assert seen[-1][:2] == (12, 12)
        assert [done for done, _, _ in seen] == sorted({done for done, _, _ in seen})

        # as content of their own, links are only where they are the answer; see Answer
        assert [part.type for part in result.content] == ["text"]
        assert all(uri in result.content[0].text for uri in job["uris"])
        labels = await c("get_labels", job_id=job["job_id"])
        uris = [part.uri for part in labels.content if part.type == "resource_link"]
        table = (await c.client.read_resource(uris[0])).contents[0].text
        lines = list(csv.DictReader(io.StringIO(table)))
        assert len(lines) == 12
        assert all(line["tracking_number"] for line in lines)
        pdf = (await c.client.read_resource(uris[1])).contents[0]
        assert pdf.mime_type == "application/pdf"
        assert pdf.blob.startswith("JVBERi0")  # %PDF-


@ERAS
@pytest.mark.parametrize(
    "person",
    [Person("decline"), Person("cancel"), Person(content={"approve": False}), Person(content={})],
    ids=["decline", "cancel", "no", "empty"],
)
async def test_without_approval_nothing_is_bought(serve, books, era, person):
    async with connected(serve(), person, era) as c:
        shown = await c.loaded()
        text = (await c("batch_execute", preview_id=shown["preview_id"])).content[0].text
        assert books.bought == 0
        assert person.asked
        assert (
            "othing was bought" in text or "does not match" in text or "elicitation" in text.lower()
        )


@ERAS
async def test_a_client_that_cannot_ask_gets_the_command_that_approves(serve, books, era):
    async with connected(serve(), None, era) as c:
        shown = await c.loaded()
        text = await c.no("batch_execute", preview_id=shown["preview_id"])
        assert "Preview approval required" in text
        assert f"shipkit approve {shown['preview_id']}" in text
        assert "Nothing was bought" in text
        assert books.bought == 0


@ERAS
async def test_an_approval_given_elsewhere_is_enough(serve, books, home, era):
    import datetime as dt

    from shipkit.purchasing.approval import approve

    async with connected(serve(), None, era) as c:
        shown = await c.loaded()
        await c.no("batch_execute", preview_id=shown["preview_id"])
        approve(home, shown["preview_id"], now=dt.datetime.now(dt.UTC), by="dana", via="terminal")
        job = await c.ok("batch_execute", preview_id=shown["preview_id"])
        assert job["shipped"] == books.bought == 12


@ERAS
async def test_executing_twice_buys_once_and_asks_once(serve, books, era):
    person = Person()
    async with connected(serve(), person, era) as c:
        shown = await c.loaded()
        first = await c.ok("batch_execute", preview_id=shown["preview_id"])
        again = await c.ok("batch_execute", preview_id=shown["preview_id"])
        assert first == again
        assert len(person.asked) == 1
        assert books.bought == 12


@ERAS
async def test_a_long_run_answers_running_and_the_job_continues(serve, held, books, era):
    async with connected(serve(carrier=held), Person(), era) as c:
        shown = await c.loaded(20)
        job = await c.ok("batch_execute", preview_id=shown["preview_id"], wait_s=0)
        assert job["status"] == "running"
        assert job["shipped"] < 20
        locked = await c.no("batch_set_mode", mode="auto")
        assert "mode" in locked.lower()
        assert job["job_id"] in locked
        held.release()
        done = await c.ok("get_job_status", job_id=job["job_id"], wait_s=20)
        assert (done["status"], done["shipped"]) == ("completed", 20)
        assert books.bought == 20


@ERAS
async def test_giving_up_on_the_call_pauses_the_job_and_resume_finishes_it(serve, held, books, era):
    server = serve(carrier=held)
    async with connected(server, Person(), era) as c:
        shown = await c.loaded(30)
        call = asyncio.create_task(c("batch_execute", preview_id=shown["preview_id"]))
        await until(lambda: books.bought == held.sells)
        call.cancel()
        await asyncio.wait([call])
        (batch,) = server.registry.open_batches()
        await until(lambda: batch.waiting == 0)
        held.release()
        await until(lambda: not batch.running)
        before = books.bought
        assert held.sells <= before < 30, "only what was in flight was finished"
        told = await c.ok("batch_resume")
        assert told["status"] == "interrupted"
        assert told["remaining"] == 30 - before
        done = await c.ok("batch_resume", job_id=told["job_id"], choice="resume")
        assert (done["status"], done["shipped"]) == ("completed", 30)
        assert books.bought == 30


@ERAS
async def test_a_person_lets_the_agent_buy_alone_and_it_stays_within_the_limit(serve, books, era):
    person = Person()
    async with connected(serve(max_total="50"), person, era) as c:
        shown = await c.loaded(3)
        mode = await c.ok("batch_set_mode", mode="auto")
        assert (mode["previous"], mode["mode"]) == ("confirm", "auto")
        assert "WITHOUT asking" in person.asked[0]
        assert "$50.00" in person.asked[0]
        job = await c.ok("batch_execute", preview_id=shown["preview_id"])
        assert job["shipped"] == 3
        assert len(person.asked) == 1
        more = await c.ok(
            "load_orders",
            rows=[
                {**order, "order_id": f"b{i}", "address1": f"{i} Oak Ave"}
                for i, order in enumerate(orders(3))
            ],
        )
        await c.ok("batch_set_mode", job_id=more["job_id"], mode="auto")
        other = await c.ok("batch_preview", job_id=more["job_id"])
        text = await c.no("batch_execute", preview_id=other["preview_id"])
        assert "$50.00" in text
        assert books.bought == 3


@ERAS
async def test_the_operator_may_start_in_auto(serve, books, era):
    async with connected(serve(mode="auto", max_total="500"), None, era) as c:
        shown = await c.loaded(4)
        assert shown["mode"] == "auto"
        assert (
            (await c.ok("batch_execute", preview_id=shown["preview_id"]))["shipped"]
            == books.bought
            == 4
        )


@ERAS
async def test_the_operator_may_trust_the_clients_word(serve, books, era):
    async with connected(serve(trust_client_approval=True), None, era) as c:
        shown = await c.loaded(4)
        assert "Preview approval required" in await c.no(
            "batch_execute", preview_id=shown["preview_id"]
        )
        assert books.bought == 0
        assert (await c.ok("batch_execute", preview_id=shown["preview_id"], approved=True))[
            "shipped"
        ] == 4
        assert "needs a person" in await c.no("batch_set_mode", mode="auto")


@ERAS
async def test_voiding_asks_a_person(serve, books, era):
    person = Person()
    async with connected(serve(), person, era) as c:
        shown = await c.loaded(5)
        job = await c.ok("batch_execute", preview_id=shown["preview_id"])
        voided = await c.ok("void_shipments", job_id=job["job_id"], where="order_id in ('2', '4')")
        assert (voided["matched"], voided["voided"], voided["refused"]) == (2, 2, [])
        assert "2 bought labels" in person.asked[-1]
        assert (books.bought, books.voided) == (5, 2)
        person.answer = "decline"
        assert "did not approve" in await c.no(
            "void_shipments", job_id=job["job_id"], where="order_id = '1'"
        )
        assert books.voided == 2


@ERAS
async def test_restart_needs_the_number_of_paid_labels_and_then_a_person(serve, books, era):
    person = Person()
    async with connected(serve(), person, era) as c:
        shown = await c.loaded(3)
        job = await c.ok("batch_execute", preview_id=shown["preview_id"])
        text = await c.no("batch_resume", job_id=job["job_id"], choice="restart")
        assert "3" in text
        assert len(person.asked) == 1
        person.answer = "decline"
        await c.no("batch_resume", job_id=job["job_id"], choice="restart", confirm_paid_labels=3)
        assert "AGAIN" in person.asked[-1]
        assert books.bought == 3
        person.answer = "accept"
        again = await c.ok(
            "batch_resume", job_id=job["job_id"], choice="restart", confirm_paid_labels=3
        )
        assert again["job_id"] != job["job_id"]
        assert (again["shipped"], books.bought) == (3, 6)


async def test_tools_resources_and_prompts_are_listed_with_schemas_and_hints(serve):
    from jsonschema import Draft202012Validator

    async with connected(serve()) as c:
        tools = {tool.name: tool for tool in (await c.client.list_tools()).tools}
        assert list(tools)[:3] == ["load_orders", "describe_orders", "batch_preview"]
        for tool in tools.values():
            Draft202012Validator.check_schema(tool.input_schema)
            Draft202012Validator.check_schema(tool.output_schema)
            assert "approved" not in str(tool.input_schema)
            assert tool.annotations.title
        assert tools["batch_execute"].annotations.destructive_hint is True
        assert tools["batch_execute"].annotations.idempotent_hint is True
        assert tools["describe_orders"].annotations.read_only_hint is True
        assert {str(r.uri) for r in (await c.client.list_resources()).resources} == {
            "shipkit://jobs.csv"
        }
        templates = {
            t.uri_template for t in (await c.client.list_resource_templates()).resource_templates
        }
        assert "shipkit://jobs/{job_id}/labels.pdf" in templates
        prompts = {p.name for p in (await c.client.list_prompts()).prompts}
        assert prompts == {"ship_orders", "process_command", "recover_job", "explain_cost"}
        text = (
            (await c.client.get_prompt("ship_orders", {"path": "orders.csv"}))
            .messages[0]
            .content.text
        )
        assert "orders.csv" in text


async def test_the_preview_is_readable_as_csv_without_formulas(serve):
    async with connected(serve()) as c:
        batch = await c.ok("load_orders", rows=[{**orders(1)[0], "order_id": "@SUM(1)"}])
        shown = await c.ok("batch_preview", job_id=batch["job_id"])
        table = (
            (await c.client.read_resource(f"shipkit://previews/{shown['preview_id']}/preview.csv"))
            .contents[0]
            .text
        )
        assert "\n1,'@SUM(1)," in table


async def test_a_resource_that_is_not_there_is_an_error_that_names_it(serve):
    from mcp import MCPError

    async with connected(serve()) as c:
        for uri in (
            "shipkit://jobs/job-nothere/results.csv",
            "shipkit://previews/pv_000000000000/preview.csv",
            "shipkit://jobs/..%2F..%2Fetc/results.csv",
        ):
            with pytest.raises(MCPError):
                await c.client.read_resource(uri)


async def test_each_batch_has_its_own_mode_and_two_clients_do_not_meet(serve, books):
    server = serve(many_clients=True)
    async with connected(server, Person()) as one, connected(server) as two:
        first = await one.ok("load_orders", rows=orders(2))
        second = await two.ok("load_orders", rows=orders(3, city="Dallas", zip="75201"))
        assert first["job_id"] != second["job_id"]
        await one.ok("batch_set_mode", job_id=first["job_id"], mode="auto")
        assert (await two.ok("batch_preview", job_id=second["job_id"]))["mode"] == "confirm"
        assert "job_id" in await one.no("batch_preview")
        assert books.bought == 0


async def test_the_server_keeps_a_bounded_number_of_batches(serve):
    server = serve()
    async with connected(server) as c:
        first = await c.ok("load_orders", rows=orders(1))
        for _ in range(10):
            await c.ok("load_orders", rows=orders(1))
        assert len(server.registry.open_batches()) <= 8
        assert "load_orders again" in await c.no("batch_preview", job_id=first["job_id"])


@ERAS
async def test_what_the_carrier_refused_is_listed_also_from_a_new_server(serve, home, books, era):
    from shipkit.carriers.sandbox import Faults

    carrier = sk.SandboxCarrier(home=home, faults=Faults(reject=1.0, match="^2$"))
    server = serve(carrier=carrier)
    async with connected(server, Person(), era) as c:
        shown = await c.loaded(4)
        job = await c.ok("batch_execute", preview_id=shown["preview_id"])
        assert (job["status"], job["shipped"], job["failed"]) == ("completed_with_errors", 3, 1)
        first = await c.ok("batch_problems", job_id=job["job_id"])
    async with connected(serve(carrier=carrier), None, era) as c:
        again = await c.ok("batch_problems", job_id=job["job_id"])
    for facts in (first, again):
        assert facts["total"] == 1
        assert (facts["problems"][0]["row_number"], facts["problems"][0]["code"]) == (
            2,
            "sandbox_said_no",
        )
    assert books.bought == 3
    await carrier.aclose()


@ERAS
async def test_the_operator_may_require_approval_elsewhere(serve, home, books, era):
    import datetime as dt

    from shipkit.purchasing.approval import approve

    person = Person()
    async with connected(serve(approve_elsewhere=True), person, era) as c:
        shown = await c.loaded(2)
        assert "Preview approval required" in await c.no(
            "batch_execute", preview_id=shown["preview_id"]
        )
        assert "needs a person" in await c.no("batch_set_mode", mode="auto")
        assert books.bought == 0
        approve(home, shown["preview_id"], now=dt.datetime.now(dt.UTC))
        assert (await c.ok("batch_execute", preview_id=shown["preview_id"]))["shipped"] == 2
    assert not person.asked


@ERAS
async def test_a_new_preview_is_not_bought_while_the_old_job_runs(serve, held, books, era):
    person = Person()
    async with connected(serve(carrier=held), person, era) as c:
        shown = await c.loaded(20)
        job = await c.ok("batch_execute", preview_id=shown["preview_id"], wait_s=0)
        new = await c.ok("batch_preview", filter_clause="order_id = '1'")
        text = await c.no("batch_execute", preview_id=new["preview_id"])
        assert "still running" in text
        assert len(person.asked) == 1
        held.release()
        assert (await c.ok("get_job_status", job_id=job["job_id"], wait_s=20))["shipped"] == 20
        assert books.bought == 20


async def test_a_batch_without_a_job_or_a_shipper_names_the_next_step(serve, home):
    async with connected(serve(shippers=[])) as c:
        await c.ok("load_orders", rows=orders(1))
        assert "shipper_info" in await c.no("batch_preview")
        assert "batch_execute, which creates the job" in await c.no("get_job_status")
        assert "batch_execute, which creates the job" in await c.no("get_labels")


async def test_a_job_of_another_account_is_not_resumed(serve, home, books):
    hold = home / "hold"
    home.mkdir()
    hold.touch()
    other = HeldSandbox(hold, home=home, account="OTHER99")
    with sk.BatchSession(orders(20), shipper=SHOP, carrier=other, home=home) as session:
        session.preview()
        session.approve()
        job = session.start(progress=False)
        await until(lambda: books.bought == other.sells)
        job.pause()
        other.release()
        job.wait()
        job_id, before = session.job_id, books.bought
    async with connected(serve()) as c:
        assert (await c.ok("get_job_status", job_id=job_id))["shipped"] == before
        assert "belongs to" in await c.no("batch_resume", job_id=job_id, choice="resume")
        assert books.bought == before < 20
    await other.aclose()


async def test_labels_bought_for_a_thermal_printer_are_linked_as_such(serve, home):
    from mcp import MCPError

    with sk.BatchSession(orders(2), shipper=SHOP, home=home, label_format="zpl") as session:
        session.preview()
        session.approve()
        job_id = session.execute(progress=False).job_id
    async with connected(serve(), Person()) as c:
        facts = await c.ok("get_labels", job_id=job_id)
        assert facts["uris"][1].endswith("/labels.zpl")
        assert (await c.client.read_resource(facts["uris"][1])).contents[0].text.count("^XA") == 2
        batch = await c.ok("load_orders", rows=orders(1, city="Dallas", zip="75201", order_id="d1"))
        await c.ok("batch_preview", job_id=batch["job_id"])
        pdf = await c.ok("batch_execute", job_id=batch["job_id"])
        with pytest.raises(MCPError, match="bought as pdf"):
            await c.client.read_resource(pdf["uris"][1].replace(".pdf", ".zpl"))


@ERAS
async def test_the_question_names_real_money_and_auto_needs_a_limit(serve, home, era):
    from shipkit.carriers.protocol import CarrierIdentity

    live = sk.SandboxCarrier(home=home)
    live.identity = CarrierIdentity("ups", "live", "A1B2C3D4")
    person = Person("decline")
    async with connected(serve(carrier=live), person, era) as c:
        shown = await c.loaded(2)
        assert shown["live"] is True
        assert "limit" in await c.no("batch_set_mode", mode="auto")
        assert not person.asked
        await c.no("batch_execute", preview_id=shown["preview_id"])
        for words in ("ups LIVE ...C3D4", "REAL MONEY", shown["total"], "Harbor Goods"):
            assert words in person.asked[0]
        assert "A1B2" not in person.asked[0]
    await live.aclose()
