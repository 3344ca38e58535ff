"""Arguments as real hosts send them: what means one thing is read, what means two is refused."""

from __future__ import annotations

import json

import duckdb
import pytest
from agentkit import SHOP, Person, connected, orders

import shipkit as sk
from shipkit.agent import answer_model, get_orchestrator_tools
from shipkit.agent.host_arguments import as_declared
from shipkit.agent.tool_arguments import parse
from shipkit.agent.tool_table import TOOLS
from shipkit.errors import InputError

READ = [
    # arrays and objects as text
    ("load_orders", {"rows": '[{"order_id": "1"}]'}, {"rows": [{"order_id": "1"}]}),
    ("load_orders", {"rows": ' [{"zip": "02134"}]\n'}, {"rows": [{"zip": "02134"}]}),
    ("load_orders", {"rows": ['{"order_id": "1"}']}, {"rows": [{"order_id": "1"}]}),
    ("load_orders", {"rows": {"order_id": "1"}}, {"rows": [{"order_id": "1"}]}),
    ("load_orders", {"rows": '{"order_id": "1"}'}, {"rows": [{"order_id": "1"}]}),
    ("load_orders", {"rows": json.dumps('[{"zip": "02134"}]')}, {"rows": [{"zip": "02134"}]}),
    ("batch_preview", {"columns": json.dumps('{"name": "B"}')}, {"columns": {"name": "B"}}),
    ("batch_preview", {"ignore": '["Notes", "Gift"]'}, {"ignore": ["Notes", "Gift"]}),
    ("batch_preview", {"ignore": "Notes"}, {"ignore": ["Notes"]}),
    ("batch_preview", {"ignore": "Notes, internal"}, {"ignore": ["Notes, internal"]}),
    ("batch_preview", {"columns": '{"name": "Buyer"}'}, {"columns": {"name": "Buyer"}}),
    ("batch_preview", {"shipper_info": '{"name": "A"}'}, {"shipper_info": {"name": "A"}}),
    ("batch_preview", {"shipper_info": "harbor"}, {"shipper_info": "harbor"}),
    # numbers
    ("batch_preview", {"sample": 3.0}, {"sample": 3}),
    ("batch_preview", {"sample": "3"}, {"sample": 3}),
    ("batch_preview", {"sample": "3.0"}, {"sample": 3}),
    ("batch_problems", {"offset": 20.0, "limit": "10"}, {"offset": 20, "limit": 10}),
    ("batch_execute", {"wait_s": "45"}, {"wait_s": 45}),
    ("batch_execute", {"wait_s": "0.5"}, {"wait_s": 0.5}),
    ("batch_resume", {"confirm_paid_labels": 12.0}, {"confirm_paid_labels": 12}),
    # booleans and choices
    ("batch_preview", {"each_row": "true"}, {"each_row": True}),
    ("batch_preview", {"each_row": "False"}, {"each_row": False}),
    ("batch_resume", {"choice": " Resume "}, {"choice": "resume"}),
    ("batch_preview", {"repeated_rows": "DROP"}, {"repeated_rows": "drop"}),
    ("batch_set_mode", {"mode": "AUTO"}, {"mode": "auto"}),
    # what stands for nothing
    ("batch_preview", {"filter_clause": "", "columns": "", "ignore": "", "sample": ""}, {}),
    ("batch_preview", {"columns": {}, "ignore": []}, {"columns": {}, "ignore": []}),
    ("batch_preview", {"filter_clause": None, "shipper_info": {}, "each_row": ""}, {}),
    ("batch_preview", {"columns": "{}", "ignore": "[]"}, {"columns": {}, "ignore": []}),
    ("batch_preview", {"order_key": " ", "shipper_info": "{}"}, {}),
    ("batch_preview", {"shipper_info": {"name": "", "company": None, "city": " "}}, {}),
    ("batch_preview", {"mapping_template": "null", "repeated_rows": "undefined"}, {}),
    ("batch_resume", {"choice": "", "confirm_paid_labels": None, "job_id": "None"}, {}),
    ("batch_execute", {"job_id": "", "preview_id": "", "wait_s": "null"}, {}),
]


@pytest.mark.parametrize(("tool", "sent", "read"), READ)
def test_what_means_one_thing_is_read(tool, sent, read):
    got = as_declared(TOOLS[tool].arguments, sent)
    assert got == read
    assert {name: type(value) for name, value in got.items() if isinstance(value, bool)} == {
        name: bool for name, value in read.items() if isinstance(value, bool)
    }


KEPT = [
    ("batch_preview", {"sample": 2.5}),
    ("batch_preview", {"sample": True}),
    ("batch_preview", {"sample": "three"}),
    ("batch_preview", {"sample": "1e3"}),
    ("batch_preview", {"sample": "0x10"}),
    ("batch_preview", {"sample": "1,000"}),
    ("batch_preview", {"each_row": "yes"}),
    ("batch_preview", {"each_row": 1}),
    ("batch_preview", {"columns": "name=Buyer"}),
    ("load_orders", {"rows": "order_id,name\n1,Ada"}),
    ("batch_execute", {"approved": "true"}),
    ("batch_execute", {"approved": ""}),
    ("batch_execute", {"unknown": ""}),
]


@pytest.mark.parametrize(("tool", "sent"), KEPT)
def test_what_may_mean_two_things_is_left_for_the_tool_to_refuse(tool, sent):
    assert as_declared(TOOLS[tool].arguments, sent) == sent


@pytest.mark.parametrize(
    ("tool", "sent", "why"),
    [
        ("load_orders", {"rows": '[{"weight_lb": NaN}]'}, "rows is text that is not JSON: NaN is"),
        ("load_orders", {"rows": '[{"zip": 02134}]'}, "rows is text that is not JSON: Expecting"),
        ("batch_preview", {"columns": '{"name": NaN}'}, "columns is text that is not JSON"),
        ("load_orders", {"rows": json.dumps('[{"a": NaN}]')}, "rows is text that is not JSON: NaN"),
        ("load_orders", {"rows": "[" * 100_000}, "rows is text that is not JSON: it is nested"),
        ("load_orders", {"rows": f"[{' ' * 2_000_000}]"}, "it has more than 2,000,000 characters"),
        ("batch_preview", {"ignore": '["a", NaN]'}, "ignore is text that is not JSON: NaN is"),
        ("batch_preview", {"shipper_info": '{"name": NaN}'}, "shipper_info is text that is not"),
    ],
)
def test_text_that_was_meant_as_json_is_refused_with_the_reason(tool, sent, why):
    with pytest.raises(InputError) as caught:
        parse(TOOLS[tool].arguments, tool, sent)
    assert why in str(caught.value)


@pytest.mark.anyio
async def test_a_whole_batch_with_everything_as_text(serve, books):
    """As Claude Code, Copilot CLI and protobuf clients send it, and strict ones fill it up."""
    rows = [{**order, "Notes": "blue door"} for order in orders(3)]
    async with connected(serve(), Person()) as c:
        batch = await c.ok("load_orders", rows=json.dumps(rows), path="", encoding="")
        assert batch["orders"] == 3
        shown = await c.ok(
            "batch_preview",
            job_id=batch["job_id"],
            filter_clause="order_id <> '3'",
            mapping_template="",
            columns="",
            ignore='["Notes"]',
            order_key="",
            each_row="false",
            repeated_rows="",
            shipper_info={},
            sample=2.0,
        )
        assert (shown["shipments"], len(shown["sample"])) == (2, 2)
        assert shown["not_understood"] == []
        again = await c.ok("batch_preview", filter_clause="", ignore="", sample="0")
        assert (again["shipments"], again["preview_id"]) == (2, shown["preview_id"])
        told = await c.ok("batch_resume", job_id="", choice="", confirm_paid_labels="")
        assert told["status"] == "nothing_interrupted"
        job = await c.ok("batch_execute", preview_id=shown["preview_id"], wait_s="30", job_id="")
        assert job["shipped"] == books.bought == 2


@pytest.mark.anyio
async def test_the_word_none_starts_the_mapping_over(home):
    with sk.BatchSession(orders(2), shipper=SHOP, home=home) as session:
        tools = get_orchestrator_tools(session)

        async def shown(**arguments):
            return (await answer_model(tools, "batch_preview", arguments))["structuredContent"]

        first = await shown()
        other = await shown(mapping_template=session.template.replace("ground", "2nd_day_air"))
        kept = await shown(mapping_template="")
        assert kept["preview_id"] == other["preview_id"]
        assert (await shown(mapping_template="none"))["total"] == first["total"]


@pytest.mark.anyio
async def test_openai_sends_arguments_as_one_text(home):
    with sk.BatchSession(orders(2), shipper=SHOP, home=home) as session:
        tools = get_orchestrator_tools(session)
        assert not (await answer_model(tools, "batch_preview", '{"sample": 1}'))["is_error"]
        assert not (await answer_model(tools, "batch_preview", ""))["is_error"]
        for broken in ('{"sample": ', "sample=1", "[1]", '"x"'):
            refused = await answer_model(tools, "batch_preview", broken)
            assert refused["structuredContent"]["error"] == "input_unusable", broken
            assert "JSON" in refused["content"][0]["text"]


@pytest.mark.anyio
async def test_the_log_has_no_orders_that_were_sent_as_text(serve, home):
    async with connected(serve()) as c:
        batch = await c.ok("load_orders", rows=json.dumps(orders(2, name="Ada Private")))
        await c("batch_preview", job_id=batch["job_id"], shipper_info=json.dumps(SHOP))
    lines = str(duckdb.sql(f"FROM '{home}/audit/*/*.parquet'").fetchall())
    assert "Ada Private" not in lines
    assert "Dana Ortiz" not in lines
    assert "orders in" in lines
    assert "an address" in lines


@pytest.mark.anyio
async def test_return_labels_stay_in_the_batch_until_they_are_not_wanted(home):
    with sk.BatchSession(orders(2), shipper=SHOP, home=home) as session:
        tools = get_orchestrator_tools(session)

        async def shipments(**arguments):
            shown = await answer_model(tools, "batch_preview", {**arguments, "sample": 0})
            return shown["structuredContent"]["shipments"]

        assert await shipments(returns="WITH_EACH") == 4
        assert await shipments(returns="", each_row=True) == 4
        assert await shipments(returns="none") == 2
        assert await shipments(returns="with_each") == 4
        assert await shipments(mapping_template="none") == 2
