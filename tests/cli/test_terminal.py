"""What a person does at a terminal: typing the approval, and Ctrl-C."""

from __future__ import annotations

import re
import sys

import pytest

pexpect = pytest.importorskip("pexpect", reason="a pseudo-terminal needs pexpect")


def spawn(*words: object) -> object:
    return pexpect.spawn(
        sys.executable,
        ["-m", "shipkit", *map(str, words)],
        encoding="utf-8",
        timeout=60,
        dimensions=(50, 140),
    )


def ended(child: object) -> int:
    child.expect(pexpect.EOF)
    child.close()
    return int(child.exitstatus)


def total_of(text: str) -> str:
    found = re.search(r"Total\s+\$([\d.,]+)", text)
    assert found
    return found[1]


@pytest.fixture
def waiting(cli, orders, shipper) -> tuple[str, str]:
    """A preview that waits for approval: its id and its total."""
    done = cli("run", orders, "--shipper", shipper, "--json")
    return done.last["next"].split()[-1], next(
        line["total"] for line in done.lines if line["event"] == "preview"
    )


def test_approve_takes_the_total_typed_back_and_then_run_buys(cli, waiting, orders, shipper):
    preview, total = waiting
    child = spawn("approve", preview)
    child.expect("Type the total")
    child.sendline(f"${total}")
    assert ended(child) == 0
    done = cli("run", orders, "--shipper", shipper, "--json")
    assert (done.code, done.last["shipped"]) == (0, 3)


@pytest.mark.parametrize("answer", ["", "yes", "0.01"])
def test_approve_with_anything_else_typed_approves_nothing(cli, waiting, orders, shipper, answer):
    child = spawn("approve", waiting[0])
    child.expect("Type the total")
    child.sendline(answer)
    assert ended(child) == 3
    assert cli("run", orders, "--shipper", shipper, "--json").code == 3


def test_approve_without_a_terminal_approves_nothing(cli, waiting):
    done = cli("approve", waiting[0])
    assert done.code == 3
    assert "needs a person at a terminal" in done.err


def test_run_at_a_terminal_asks_and_buys(cli, orders, shipper):
    child = spawn("run", orders, "--shipper", shipper)
    child.expect("Type the total")
    child.sendline(total_of(child.before))
    assert ended(child) == 0
    assert cli("jobs", "--json").lines[0]["shipped"] == 3


def test_run_at_a_terminal_buys_nothing_when_the_person_leaves(cli, orders, shipper):
    child = spawn("run", orders, "--shipper", shipper)
    child.expect("Type the total")
    child.sendeof()
    assert ended(child) == 3
    assert cli("jobs", "--json").last["jobs"] == 0


def test_a_machine_at_a_terminal_is_never_asked(orders, shipper):
    child = spawn("run", orders, "--shipper", shipper, "--json")
    assert ended(child) == 3


def test_ctrl_c_pauses_and_resume_buys_exactly_the_rest(cli, many, shipper, held):
    child = spawn(
        *("run", many, "--shipper", shipper, "--carrier", "held"),
        *("--auto", "--max-total", "5000", "--rate-limit", "20"),
    )
    held.wait(child.isalive)
    child.sendintr()
    held.release()
    assert ended(child) == 4
    assert "shipkit resume job-" in child.before
    job = cli("jobs", "--interrupted", "--json").lines[0]
    assert 3 <= job["shipped"] < 40
    done = cli("resume", "--json")
    assert (done.code, done.last["shipped"]) == (0, 40)
    assert held.sold() == 40
