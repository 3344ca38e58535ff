"""Unattended use: job files, watched folders, logs, signals, completion, start-up time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from argparse import Namespace

import pandas as pd
import pytest

from shipkit.carriers.protocol import CarrierIdentity
from shipkit.carriers.registry import names
from shipkit.carriers.sandbox import SandboxCarrier
from shipkit.cli.commands import COMMANDS
from shipkit.cli.console import Console
from shipkit.cli.order_commands import finish
from shipkit.session import BatchSession


def shipkit(*words, **options):
    return subprocess.run(
        [sys.executable, "-m", "shipkit", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


def test_the_command_ends_with_its_exit_code_as_a_process_too(dirty, shipper):
    done = shipkit(
        "run",
        dirty,
        "--shipper",
        shipper,
        "--yes",
        "--max-total",
        "500",
        "--json",
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == json.loads(done.stdout.splitlines()[-1])["exit"] == 2
    lines = done.stderr.splitlines()
    # On a busy machine it takes more than five seconds, and then there is progress to tell.
    assert [line for line in lines if '"event": "progress"' not in line] == []


def test_help_costs_little():
    # These take most of the second that a command needs before it does anything.
    code = "import sys; from shipkit.cli import main; main(['--help'])"
    told = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))"
    done = subprocess.run(
        [sys.executable, "-c", f"{told}; {code}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "usage" in done.stdout
    assert {"pandas", "duckdb", "pydantic", "pyarrow"}.isdisjoint(done.stderr.split())


def test_help_names_every_command_and_every_exit_code(cli):
    said = cli("--help").out
    assert [name for name in COMMANDS if name not in said] == []
    for code in range(6):
        assert f"\n  {code}  " in said


def test_a_name_outside_the_terminals_encoding_does_not_end_the_command(orders, shipper):
    orders.write_text(orders.read_text().replace("Ada Lee", "Łukasz 李"), encoding="utf-8")
    done = shipkit(
        "preview", orders, "--shipper", shipper, env={**os.environ, "PYTHONIOENCODING": "ascii"}
    )
    assert done.returncode == 0
    assert "\\u0141ukasz" in done.stdout


def test_a_reader_that_leaves_early_is_no_failure(orders, shipper):
    command = (
        f"{sys.executable} -m shipkit preview {orders} --shipper {shipper} | head -1; exit "
        "${PIPESTATUS[0]}"
    )
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


# -- job files -------------------------------------------------------------------------------------


def job_file(orders, shop, **more):
    fields = "\n".join(
        f'{key} = "{value}"' for key, value in shop.model_dump(exclude_none=True).items()
    )
    options = "\n".join(f"{key} = {json.dumps(value)}" for key, value in more.items())
    path = orders.with_name("job.toml")
    path.write_text(
        f'file = "{orders.name}"\n{options}\n[shipper]\n{fields}\n[params]\nstate = "TX"\n',
        encoding="utf-8",
    )
    return path


def test_a_job_file_is_enough_and_its_paths_are_relative_to_its_folder(
    cli, orders, shop, tmp_path, monkeypatch
):
    config = job_file(
        orders,
        shop,
        where=["state = $state"],
        yes=True,
        max_total="500",
        labels="out.pdf",
        name="daily",
    )
    monkeypatch.chdir("/")
    done = cli("run", "--config", config, "--json")
    assert (done.code, done.last["shipped"]) == (0, 1)
    assert (tmp_path / "out.pdf").exists()
    assert cli("show", "daily").code == 0


def test_what_is_typed_wins_over_the_job_file(cli, orders, shop):
    config = job_file(orders, shop, where="state = $state", service="next_day_air")
    typed = cli(
        "preview", "--config", config, "--service", "ground", "--param", "state=MA", "--json"
    ).last
    assert [line["service"] for line in typed["by_service"]] == ["ground"]
    assert typed["shipments"] == 1


def test_a_job_file_with_an_unknown_key_is_refused(cli, orders, shop):
    done = cli("run", "--config", job_file(orders, shop, max_totl="5"))
    assert done.code == 1
    assert "max_totl" in done.err


def test_one_job_file_serves_every_command(cli, orders, shop):
    config = job_file(orders, shop, auto=True, max_total="500", watch="incoming", every=3)
    assert cli("check", "--config", config).code == 0
    assert cli("preview", "--config", config).code == 0


# -- shops -----------------------------------------------------------------------------------------


class Till(SandboxCarrier):
    """The sandbox under the name of a live carrier."""

    def __init__(self):
        super().__init__()
        self.identity = CarrierIdentity("ups", "live", "X12345")


def test_a_run_writes_no_file_of_a_shop_with_numbers_that_are_not_real(cli, orders, shop, tmp_path):
    done = cli(
        "run",
        "--config",
        job_file(orders, shop, yes=True, max_total="500", confirmation="woocommerce"),
    )
    assert done.code == 0
    assert "write-back job-" in done.out
    assert "--layout woocommerce --allow-test-numbers" in done.out
    assert not list(tmp_path.glob("*confirmation*"))


def test_a_live_run_writes_the_file_of_the_shop_where_the_orders_are_or_go(
    orders, shop, tmp_path, capsys
):
    with BatchSession(orders, shipper=shop, carrier=Till()) as session:
        session.preview()
        session.approve()
        result = session.execute(progress=False)
        for place in (None, str(tmp_path / "done.csv")):
            asked = Namespace(
                labels=None,
                write_back=None,
                failed=None,
                confirmation="woocommerce",
                confirmation_file=place,
                home=None,
            )
            assert finish(session, result, asked, Console(), unshippable=0).exit == 0
    assert (
        pd.read_csv(tmp_path / "orders_woocommerce_confirmation.csv")["tracking_provider"].tolist()
        == ["UPS"] * 3
    )
    assert (tmp_path / "done.csv").read_bytes() == (
        tmp_path / "orders_woocommerce_confirmation.csv"
    ).read_bytes()
    assert "MM-DD-YYYY" in capsys.readouterr().out


def test_a_shop_that_imports_no_file_is_refused_before_anything_is_bought(cli, orders, shipper):
    done = cli(
        "run", orders, "--shipper", shipper, "--yes", "--max-total", "500", "--confirmation", "etsy"
    )
    assert (done.code, "Shop Manager" in done.err) == (1, True)
    assert cli("jobs", "--json").last["jobs"] == 0


# -- logs ------------------------------------------------------------------------------------------


def test_the_log_lists_events_and_contains_no_name_and_no_address(cli, dirty, shipper, tmp_path):
    log = tmp_path / "ship.log"
    cli("run", dirty, "--shipper", shipper, "--yes", "--max-total", "500", "--log", log)
    cli("run", "nofile.csv", "--shipper", shipper, "--log", log)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["start", "preview", "end", "start", "error", "end"]
    assert lines[2]["exit"] == 2
    assert lines[2]["shipped"] == 3
    for private in ("Ada", "Marrow", "78704", "2105550100"):
        assert private not in log.read_text()


# -- watching --------------------------------------------------------------------------------------


@pytest.fixture
def inbox(tmp_path, orders, dirty):
    folder = tmp_path / "inbox"
    folder.mkdir()
    old = time.time() - 60
    for name, source in (("good.csv", orders), ("some.csv", dirty)):
        shutil.copy(source, folder / name)
        os.utime(folder / name, (old, old))
    (folder / "broken.xlsx").write_bytes(b"PK\x03\x04 not a workbook")
    os.utime(folder / "broken.xlsx", (old, old))
    return folder


def test_watched_files_are_run_once_and_move_to_done_or_failed(cli, inbox, shipper):
    some = (
        (inbox / "some.csv")
        .read_text()
        .replace("A-", "B-")
        .replace("Inkwell", "Vellumgate")
        .replace("Marrow Creek", "Umberfield")
        .replace("Wrenhatch", "Rookthorn")
    )
    (inbox / "some.csv").write_text(some)
    os.utime(inbox / "some.csv", (time.time() - 30,) * 2)
    words = (
        "run",
        "--watch",
        inbox,
        "--once",
        "--shipper",
        shipper,
        "--auto",
        "--max-total",
        "500",
        "--json",
    )
    done = cli(*words)
    assert done.code == 2
    files = {line["file"]: line["exit"] for line in done.lines if line["event"] == "file"}
    assert files == {"good.csv": 0, "some.csv": 2, "broken.xlsx": 1}
    assert {p.name for p in (inbox / "done").iterdir()} == {
        "good.csv",
        "good_labels.pdf",
        "good_shipped.csv",
        "some.csv",
        "some_labels.pdf",
        "some_shipped.csv",
    }
    assert {p.name for p in (inbox / "failed").iterdir()} == {
        "some_failed.csv",
        "broken.xlsx",
        "broken.xlsx.error.txt",
    }
    assert "workbook" in (inbox / "failed" / "broken.xlsx.error.txt").read_text()
    assert pd.read_csv(inbox / "failed" / "some_failed.csv")["order_id"].tolist() == ["B-4"]
    assert cli(*words).last["files"] == 0, "nothing is run twice"


def test_the_same_file_put_in_again_buys_nothing(cli, inbox, orders, shipper):
    words = (
        "run",
        "--watch",
        inbox,
        "--once",
        "--shipper",
        shipper,
        "--auto",
        "--max-total",
        "500",
        "--json",
    )
    cli(*words)
    shutil.copy(orders, inbox / "again.csv")
    os.utime(inbox / "again.csv", (time.time() - 30,) * 2)
    before = cli("jobs", "--json").last["jobs"]
    assert cli(*words).code == 0
    assert cli("jobs", "--json").last["jobs"] == before


def test_a_file_over_the_limit_waits_in_failed_with_the_reason(cli, inbox, shipper):
    done = cli(
        "run",
        "--watch",
        inbox,
        "--once",
        "--shipper",
        shipper,
        "--auto",
        "--max-total",
        "1",
        "--json",
    )
    assert done.code == 3
    assert "limit" in (inbox / "failed" / "good.csv.error.txt").read_text()


def test_two_watches_of_a_folder_exclude_each_other(inbox, shipper):
    words = [
        sys.executable,
        "-m",
        "shipkit",
        "run",
        "--watch",
        str(inbox),
        "--every",
        "1",
        "--shipper",
        shipper,
        "--auto",
        "--max-total",
        "500",
    ]
    first = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert "Watching" in first.stderr.readline()
        second = shipkit(*words[3:], "--once")
        assert second.returncode == 4
        assert "in use by process" in second.stderr
    finally:
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=60)
    assert first.returncode in (0, 4)


def test_the_stop_signal_of_the_system_pauses_a_job_like_ctrl_c(cli, many, shipper, held):
    words = [
        *(sys.executable, "-m", "shipkit", "run", str(many), "--shipper", shipper),
        *("--carrier", "held", "--auto", "--max-total", "5000", "--rate-limit", "20", "--json"),
    ]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    held.wait(lambda: child.poll() is None)
    child.send_signal(signal.SIGTERM)
    held.release()
    out, _ = child.communicate(timeout=60)
    last = json.loads(out.splitlines()[-1])
    assert child.returncode == last["exit"] == 4
    assert last["next"] == f"shipkit resume {last['job_id']}"
    assert last["shipped"] + last["remaining"] == 40
    assert last["in_doubt"] == 0, "what was in flight was finished and recorded"
    done = cli("resume", last["job_id"], "--json")
    assert (done.code, done.last["shipped"]) == (0, 40)


# -- completion ------------------------------------------------------------------------------------


def completed(shell_words, at):
    script = shipkit("completion", "bash").stdout
    line = (
        f"{script}\nCOMP_WORDS=({shell_words}); COMP_CWORD={at}; _shipkit; echo ${{COMPREPLY[@]}}"
    )
    return subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, timeout=60, check=True
    ).stdout.split()


def test_completion_knows_commands_options_choices_and_jobs(cli, bought):
    assert completed("shipkit la", 1) == ["labels"]
    assert "--max-total" in completed("shipkit run --max", 2)
    assert completed('shipkit run --label-size ""', 3) == ["4x6", "4x8"]
    assert completed('shipkit run --carrier ""', 3) == names()
    assert completed("shipkit write-back job-x --rea", 3) == [], "an old name is not offered"
    assert completed("shipkit show job-", 2) == [bought]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_scripts_of_other_shells_can_be_read_by_them(shell, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "script"
    script.write_text(shipkit("completion", shell).stdout)
    done = subprocess.run(
        [shell, "-n", str(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_mcp_hands_over_to_the_server_and_answers_on_stdout():
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    done = shipkit("mcp", input=json.dumps(hello) + "\n")
    assert json.loads(done.stdout.splitlines()[0])["result"]["serverInfo"]["name"] == "shipkit"
    assert "--max-total" in shipkit("mcp", "--help").stdout
