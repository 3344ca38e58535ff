"""Several accounts on the command line, for agents, in the panel and on the day sheet."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

import shipkit as sk
from shipkit.agent import get_orchestrator_tools
from shipkit.agent.operator_rules import OperatorRules
from shipkit.agent.server_options import rules_of
from shipkit.cli import main
from shipkit.errors import InputError
from shipkit.notebook import panel_html

ORDERS = """order_id,name,address1,city,state,zip,weight_lb
A-1,Ada Lee,12 Oak Ave,Austin,TX,73301,2
A-2,Bo Finch,9 Elm St,Boston,MA,02134,5
A-3,Cy Marsh,77 Ink Row,Denver,CO,80202,40
"""
BOTH = ("sandbox", "sandbox_economy")
RULE = "cheapest within 5 days"


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text(ORDERS, encoding="utf-8")
    return path


@pytest.fixture
def shipper(tmp_path: Path) -> Path:
    path = tmp_path / "shop.json"
    path.write_text(SHOP.model_dump_json(), encoding="utf-8")
    return path


SHOP = sk.Address(
    name="Dana Ortiz",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    phone="2105550100",
)


@pytest.fixture
def session(orders, tmp_path):
    with sk.BatchSession(orders, shipper=SHOP, carriers=BOTH, home=tmp_path / "home") as made:
        made.map(service=RULE)
        yield made


def test_a_run_on_the_command_line_buys_from_both_and_a_void_goes_to_each(
    orders, shipper, tmp_path, capsys
):
    home = ["--home", tmp_path / "home", "--json"]
    words = ["run", orders, "--shipper", shipper, "--service", RULE, "--yes", "--max-total", "500"]
    carriers = [word for name in BOTH for word in ("--carrier", name)]
    lines = command(capsys, *words, *carriers, "--max-account", "sandbox=100", *home)
    rows = [line for line in lines if line["event"] == "row"]
    assert [row["seller"] for row in rows] == ["sandbox_economy", "sandbox", "sandbox"]
    summary = next(line for line in lines if "by_account" in line)
    assert {each["seller"]: each["shipments"] for each in summary["by_account"]} == {
        "sandbox": 2,
        "sandbox_economy": 1,
    }
    last = lines[-1]
    assert (last["exit"], last["shipped"]) == (0, 3)
    voided = command(capsys, "void", last["job_id"], "--all", *home)
    assert voided[-1]["voided"] == 3


def test_a_limit_of_an_account_on_the_command_line_refuses_the_purchase(
    orders, shipper, tmp_path, capsys
):
    words = ["run", orders, "--shipper", shipper, "--service", RULE, "--yes", "--max-total", "500"]
    carriers = [word for name in BOTH for word in ("--carrier", name)]
    lines = command(
        capsys, *words, *carriers, "--max-account", "sandbox=1", "--home", tmp_path, "--json"
    )
    assert lines[-1]["exit"] == 3
    assert "The shipments of sandbox cost" in json.dumps(lines)


def command(capsys, *words):
    """Run a command in this process, and return its JSON lines."""
    capsys.readouterr()
    main([str(word) for word in words])
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_an_agent_is_told_what_each_account_is_paid(session):
    tools = {tool["name"]: tool["function"] for tool in get_orchestrator_tools(session)}
    answer = asyncio.run(tools["batch_preview"]({}))
    facts = answer["structuredContent"]
    assert {each["seller"]: each["shipments"] for each in facts["by_account"]} == {
        "sandbox": 2,
        "sandbox_economy": 1,
    }
    assert [row["seller"] for row in facts["sample"]] == ["sandbox_economy", "sandbox", "sandbox"]
    text = answer["content"][0]["text"]
    assert "By account: sandbox SANDBOX ...OX01 2 for " in text
    asked = asyncio.run(tools["batch_execute"]({"preview_id": facts["preview_id"]}))
    assert asked["isError"]
    assert "sandbox_economy SANDBOX ...MY01 ($8.41)" in asked["content"][0]["text"]


def test_an_operator_allows_accounts_and_a_job_is_opened_with_its_own():
    rules = OperatorRules(carrier=list(BOTH))
    assert rules.carrier_options == {"carriers": list(BOTH)}
    assert rules.carriers_of_job(["sandbox"]) == {"carrier": "sandbox"}
    assert rules.carriers_of_job(BOTH) == {"carriers": {name: name for name in BOTH}}
    assert set(rules.carriers_of_job(["ups"])["carriers"]) == set(BOTH), "refused by the job"
    assert OperatorRules(carrier="ups").carriers_of_job(["sandbox"]) == {"carrier": "ups"}


def test_an_unknown_account_stops_the_server_and_not_its_first_call():
    assert rules_of(carrier=["sandbox"]).carrier == "sandbox"
    with pytest.raises(InputError, match="There is no carrier 'rocket'"):
        rules_of(carrier=["sandbox", "rocket"])


def test_the_panel_and_the_day_sheet_show_each_account(session):
    session.preview()
    session.approve()
    shown = panel_html._paid(session.summary)
    for text in ("Paid to", "sandbox SANDBOX ...OX01", "sandbox_economy SANDBOX ...MY01"):
        assert text in shown
    session.execute(progress=False)
    report = session.report()
    assert report.by_service["seller"].tolist() == ["sandbox", "sandbox_economy"]
    assert "sandbox_economy" in report._repr_html_()
