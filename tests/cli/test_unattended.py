"""Runs that nobody watches: readers that leave, full disks, closed streams, hang-ups, odd names."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from shipkit.cli import main, order_commands
from shipkit.cli import stop_signals as stopping
from shipkit.cli import watch as watching
from shipkit.cli.commands import parser
from shipkit.cli.console import Console, open_log
from shipkit.cli.output_paths import refuse_shared_paths
from shipkit.cli.stop_signals import StopSignals
from shipkit.cli.streams import STOP_SIGNALS
from shipkit.common import spill
from shipkit.errors import InputError
from shipkit.outputs.labels.collection import Labels
from shipkit.render.merge import PdfMerger

BUY = ("--yes", "--max-total", "500")
SHIPKIT = f"{sys.executable} -m shipkit"


def shell(line: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, timeout=120, check=False, **options
    )


def bought(cli) -> list[int]:
    """How many labels each job bought."""
    return [line["shipped"] for line in cli("jobs", "--json").lines if line["event"] == "job"]


# -- output that cannot be written -----------------------------------------------------------------


@pytest.mark.parametrize("json_or_not", ["--json", ""])
def test_a_reader_that_leaves_stops_no_purchase_and_changes_no_exit_code(
    cli, dirty, shipper, json_or_not
):
    run = f"{SHIPKIT} run {dirty} --shipper {shipper} {' '.join(BUY)} {json_or_not}"
    done = shell(f"{run} | head -1 > /dev/null; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr) == (2, ""), "one row has no weight"
    assert bought(cli) == [3]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_under_stdout_loses_neither_the_purchase_nor_the_id_of_the_job(
    cli, orders, shipper
):
    done = shell(f"{SHIPKIT} run {orders} --shipper {shipper} {' '.join(BUY)} --json > /dev/full")
    assert done.returncode == 0
    [job] = [line for line in cli("jobs", "--json").lines if line["event"] == "job"]
    assert job["shipped"] == 3
    assert done.stderr.strip() == (
        "The output is incomplete: stdout cannot be written (No space left on device). "
        f"{job['job_id']} is recorded: shipkit show {job['job_id']}"
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["preview {orders} --shipper {shipper}", "jobs", "carriers"])
def test_a_command_that_only_answers_has_failed_when_its_answer_is_lost(orders, shipper, command):
    words = command.format(orders=orders, shipper=shipper)
    done = shell(f"{SHIPKIT} {words} > /dev/full")
    assert done.returncode == 5
    assert "stdout cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_stop_no_purchase(cli, orders, shipper, closed):
    done = shell(f"{SHIPKIT} run {orders} --shipper {shipper} {' '.join(BUY)} {closed}")
    assert done.returncode == 0
    assert bought(cli) == [3]


def test_a_log_that_cannot_be_opened_is_refused_before_anything_is_done(cli, orders, shipper):
    done = cli("run", orders, "--shipper", shipper, *BUY, "--log", "nowhere/x.log", "--json")
    assert (done.code, done.last["code"]) == (1, "usage")
    assert "--log nowhere/x.log cannot be written: No such file or directory." in done.err
    assert bought(cli) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_log_on_a_full_disk_costs_no_answer(cli, orders, shipper):
    done = cli("run", orders, "--shipper", shipper, *BUY, "--log", "/dev/full", "--json")
    assert (done.code, done.last["shipped"]) == (0, 3)
    assert done.err.count("The log /dev/full cannot be written: No space left on device") == 1


def test_a_log_that_is_a_pipe_is_refused_at_once(cli, orders, shipper, tmp_path):
    mkfifo(tmp_path / "pipe")
    done = cli("preview", orders, "--shipper", shipper, "--log", tmp_path / "pipe")
    assert (done.code, "is a pipe: name a regular file" in done.err) == (1, True), done.err
    with pytest.raises(OSError, match="No such device or address"):
        open_log(str(tmp_path / "pipe"))


def test_orders_in_a_pipe_are_refused_in_words(cli, tmp_path):
    mkfifo(tmp_path / "orders.csv")
    done = cli("check", tmp_path / "orders.csv")
    assert (done.code, "is a pipe or a device" in done.err) == (1, True), done.err
    assert "Save it to a file first" in done.err


def test_the_log_that_a_job_file_names_is_written(cli, orders, shipper, tmp_path):
    config = tmp_path / "job.toml"
    config.write_text(f'file = "{orders.name}"\nlog = "ship.log"\nshipper = "{shipper}"\n')
    assert cli("preview", "--config", config).code == 0
    events = [
        json.loads(line)["event"] for line in (tmp_path / "ship.log").read_text().split("\n")[:-1]
    ]
    assert events == ["start", "preview", "end"]


# -- files that cannot be saved --------------------------------------------------------------------


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_labels_that_cannot_be_saved_cost_no_other_file_and_no_job_id(
    cli, dirty, shipper, tmp_path, monkeypatch
):
    with monkeypatch.context() as disk:
        disk.setattr(PdfMerger, "save", full)
        done = cli(
            *("run", dirty, "--shipper", shipper, *BUY, "--json"),
            *("--labels", tmp_path / "l.pdf", "--failed", tmp_path / "failed.csv"),
        )
        again = cli("labels", done.last["job_id"], "-o", tmp_path / "l.pdf", "--json")
    assert (again.code, again.last["code"]) == (5, "label_error")
    last = done.last
    assert (done.code, last["exit"], last["shipped"]) == (5, 5, 3)
    assert last["next"] == f"shipkit labels {last['job_id']} -o {tmp_path / 'l.pdf'}"
    assert not (tmp_path / "l.pdf").exists()
    assert pd.read_csv(tmp_path / "failed.csv")["order_id"].tolist() == ["A-4"]
    assert cli(*last["next"].split()[1:]).code == 0
    assert (tmp_path / "l.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("ending", ["csv", "tsv", "xlsx", "parquet"])
def test_a_preview_that_cannot_be_saved_is_named(cli, orders, shipper, tmp_path, ending):
    (tmp_path / f"full.{ending}").symlink_to("/dev/full")
    done = cli("preview", orders, "--shipper", shipper, "-o", f"{tmp_path}/full.{ending}")
    assert done.code == 5
    assert f"No space left on device, cannot be written: {tmp_path}/full.{ending}" in done.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_preview_that_cannot_be_saved_ends_without_a_traceback(orders, shipper, tmp_path):
    (tmp_path / "full.xlsx").symlink_to("/dev/full")
    done = shell(f"{SHIPKIT} preview {orders} --shipper {shipper} -o {tmp_path}/full.xlsx")
    assert done.returncode == 5
    assert f"No space left on device, cannot be written: {tmp_path}/full.xlsx" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interrupt_while_labels_are_saved_still_names_the_job(
    cli, orders, shipper, tmp_path, monkeypatch
):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(PdfMerger, "save", interrupted)
    done = cli("run", orders, "--shipper", shipper, *BUY, "--labels", tmp_path / "l.pdf", "--json")
    assert (done.code, done.last["shipped"]) == (4, 3)
    assert done.last["next"] == f"shipkit labels {done.last['job_id']} -o {tmp_path / 'l.pdf'}"


def mkfifo(path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs named pipes")
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("option", "name", "reason"),
    [
        ("--labels", "labels.doc", "labels are saved as"),
        ("--failed", "failed.doc", "not a supported table format"),
        ("--failed", "nowhere/failed.csv", "there is no folder"),
        ("--write-back", "nowhere/shipped.csv", "there is no folder"),
        ("--labels", "orders.csv/labels.pdf", "there is no folder"),
        ("--labels", "plain", "is not a folder"),
        ("--labels", "pipe.pdf", "a device or a pipe"),
        ("--labels", "n" * 300 + ".pdf", "File name too long"),
        ("--failed", "pipe.csv", "a device or a pipe"),
        ("--failed", "folder.csv", "it is a folder"),
        ("-o", "pipe.csv", "a device or a pipe"),
        ("--write-back", "pipe.csv", "a device or a pipe"),
        ("--write-back", "orders.csv", "is the orders file itself"),
    ],
)
def test_a_file_that_could_not_be_saved_is_refused_before_anything_is_bought(
    cli, orders, shipper, tmp_path, option, name, reason
):
    (tmp_path / "plain").write_text("a file where a folder is meant")
    (tmp_path / "folder.csv").mkdir()
    if name.startswith("pipe"):
        mkfifo(tmp_path / name)
    done = cli("run", orders, "--shipper", shipper, *BUY, option, tmp_path / name)
    assert (done.code, reason in done.err) == (1, True), done.err
    assert bought(cli) == []


@pytest.fixture
def named_twice(tmp_path, orders):
    """A folder with other names of the orders: a symbolic link and a hard link."""
    (tmp_path / "link.csv").symlink_to(orders)
    (tmp_path / "hard.csv").hardlink_to(orders)
    for name in ("job.toml", "skus.csv", "template.j2", "job-2.csv"):
        (tmp_path / name).write_text("")
    (tmp_path / "inbox").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("run orders.csv --failed orders.csv", "--failed orders.csv is the orders file itself"),
        ("run orders.csv -o link.csv", "-o link.csv is the orders file itself"),
        ("run orders.csv --write-back hard.csv", "hard.csv is the orders file itself"),
        ("run job-[2].csv --failed job-2.csv", "is the orders file itself"),
        ("check orders.csv -o ./inbox/../orders.csv", "is the orders file itself"),
        ("preview orders.csv -o orders.csv", "is the orders file itself"),
        ("check orders.csv --log orders.csv", "--log orders.csv is the orders file itself"),
        ("check orders.csv --skus skus.csv -o skus.csv", "is the table of SKUs itself"),
        ("template orders.csv --config job.toml -o job.toml", "is the config file itself"),
        ("template orders.csv --template template.j2 -o template.j2", "is the template itself"),
        ("run orders.csv -o a.csv --failed ./a.csv", "-o a.csv and --failed ./a.csv are the same"),
        ("run orders.csv -o a.csv --failed A.csv", "are the same file"),
        ("run orders.csv --write-back --failed orders_shipped.csv", "are the same file"),
        ("run --watch inbox -o inbox/all.csv", "is in the folder that --watch runs"),
        ("show job-none --results a.csv --failed a.csv", "are the same file"),
    ],
)
def test_a_file_to_write_is_no_file_to_read_and_no_other_file_to_write(
    named_twice, monkeypatch, words, reason
):
    monkeypatch.chdir(named_twice)
    with pytest.raises(InputError, match=re.escape(reason)):
        refuse_shared_paths(parser().parse_args(words.split()))


def test_different_files_and_streams_are_not_refused(named_twice, monkeypatch):
    monkeypatch.chdir(named_twice)
    for words in (
        "run orders.csv -o a.csv --failed b.csv --labels out --write-back c.csv --log l",
        "show job-none --results /dev/stdout --failed /dev/stdout",
        f"check orders.csv -o {'n' * 300}.csv",
    ):
        refuse_shared_paths(parser().parse_args(words.split()))


def test_the_orders_are_as_they_were_after_a_refused_output(cli, orders, shipper):
    before = orders.read_bytes()
    done = cli("run", orders, "--shipper", shipper, *BUY, "--failed", orders, "--json")
    assert (done.code, done.last["code"]) == (1, "input_unusable")
    logged = cli("run", orders, "--shipper", shipper, *BUY, "--log", orders)
    assert logged.code == 1
    job = cli("run", orders, "--shipper", shipper, *BUY, "--json").last["job_id"]
    for option in ("--failed", "--results", "--report", "--log"):
        assert cli("show", job, option, orders).code == 1
    assert orders.read_bytes() == before


def test_a_config_file_that_names_the_log_as_the_orders_is_refused(cli, orders, tmp_path):
    (tmp_path / "job.toml").write_text('file = "orders.csv"')
    before = orders.read_bytes()
    done = cli("check", "--config", tmp_path / "job.toml", "--log", orders)
    assert (done.code, "is the orders file itself" in done.err) == (1, True)
    assert orders.read_bytes() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_is_refused_as_a_file_of_labels(cli, orders, shipper):
    done = cli("run", orders, "--shipper", shipper, *BUY, "--labels", "/dev/full")
    assert (done.code, "/dev/full is not a folder" in done.err) == (1, True)
    assert bought(cli) == []


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc, where no file can be made")
def test_a_folder_in_which_no_file_can_be_made_is_refused(cli, orders, shipper, tmp_path):
    (tmp_path / "read-only").symlink_to("/proc")
    for words in (("--labels", "read-only"), ("--failed", "read-only/failed.csv")):
        done = cli("run", orders, "--shipper", shipper, *BUY, words[0], tmp_path / words[1])
        assert (done.code, "no file can be made in" in done.err) == (1, True), done.err
    assert bought(cli) == []


def test_a_path_that_cannot_be_used_is_not_advised_again(
    cli, orders, shipper, tmp_path, monkeypatch
):
    (tmp_path / "taken").write_text("")

    def taken(self, path: str) -> None:
        Path(path).parent.joinpath("taken").mkdir()

    monkeypatch.setattr(Labels, "save", taken)
    done = cli("run", orders, "--shipper", shipper, *BUY, "--labels", tmp_path / "l.pdf", "--json")
    job = done.last["job_id"]
    assert (done.code, done.last["next"]) == (5, f"shipkit labels {job} -o {job}-l.pdf")


def test_rows_that_cannot_ship_are_saved_even_if_none_can(cli, dirty, shipper, tmp_path):
    frame = pd.read_csv(dirty, dtype=str).assign(weight_lb="")
    frame.to_csv(dirty, index=False)
    failed = tmp_path / "failed.csv"
    done = cli("run", dirty, "--shipper", shipper, *BUY, "--failed", failed, "--json")
    assert (done.code, done.last["shipments"]) == (2, 0)
    rows = pd.read_csv(failed)
    assert rows["order_id"].tolist() == ["A-1", "A-2", "A-3", "A-4"]
    assert rows["problem"].str.contains("weight").all()
    assert rows["fix"].str.contains("--default weight_lb=2").all()


def test_without_a_temporary_folder_the_advice_names_tmpdir(cli, orders, shipper, monkeypatch):
    def none_usable() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp', '/']")

    monkeypatch.setattr(spill.tempfile, "mkdtemp", lambda **_: none_usable())
    monkeypatch.setattr(spill, "_folder_of", spill._folder_of.__wrapped__)  # without what it kept
    done = cli("preview", orders, "--shipper", shipper)
    assert (done.code, "Set TMPDIR" in done.err) == (5, True)


# -- signals ---------------------------------------------------------------------------------------


def running(many: Path, shipper: str, **options) -> subprocess.Popen[str]:
    words = (
        *(sys.executable, "-m", "shipkit", "run", str(many), "--shipper", shipper),
        *("--carrier", "held", "--auto", "--max-total", "5000", "--rate-limit", "20", "--json"),
    )
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def ignoring(number: int) -> Callable[[], object]:
    return lambda: signal.signal(number, signal.SIG_IGN)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_a_hang_up_pauses_a_job_like_ctrl_c(cli, many, shipper, held):
    child = running(many, shipper)
    held.wait(lambda: child.poll() is None)
    child.send_signal(signal.SIGHUP)
    held.release()
    last = json.loads(child.communicate(timeout=60)[0].splitlines()[-1])
    assert child.returncode == last["exit"] == 4
    assert last["next"] == f"shipkit resume {last['job_id']}"
    assert (last["in_doubt"], last["shipped"] + last["remaining"]) == (0, 40)
    assert last["remaining"] > 0


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_nohup_keeps_a_job_running(many, shipper, held):
    child = running(many, shipper, preexec_fn=ignoring(signal.SIGHUP))
    held.wait(lambda: child.poll() is None)
    child.send_signal(signal.SIGHUP)
    held.release()
    last = json.loads(child.communicate(timeout=60)[0].splitlines()[-1])
    assert (child.returncode, last["shipped"]) == (0, 40)


def test_more_signals_than_one_before_the_purchase_end_with_the_code_of_the_last_line(
    cli, orders, shipper, monkeypatch
):
    def stopped(*_: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    def with_one_more(name: str) -> None:
        real = getattr(Console, name)

        def method(self, *given):
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            return real(self, *given)

        monkeypatch.setattr(Console, name, method)

    monkeypatch.setattr(order_commands, "_priced", stopped)
    with_one_more("fail")
    with_one_more("end")
    done = cli("run", orders, "--shipper", shipper, *BUY, "--json")
    assert (done.code, done.last["exit"], done.last["code"]) == (4, 4, "interrupted")
    assert [line["event"] for line in done.lines].count("error") == 1


def test_a_signal_that_comes_before_the_interrupt_is_handled_ends_with_the_same_code(
    cli, orders, shipper, monkeypatch
):
    def stopped(*_: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    class Late(StopSignals):
        late = True

        def over(self, exit_code: int) -> None:
            if self.late:
                self.late = False
                signal.raise_signal(signal.SIGTERM)
            super().over(exit_code)

    monkeypatch.setattr(order_commands, "_priced", stopped)
    monkeypatch.setattr(stopping, "StopSignals", Late)
    done = cli("run", orders, "--shipper", shipper, *BUY, "--json")
    assert (done.code, done.last["exit"]) == (4, 4)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM ends a process at once there")
@pytest.mark.parametrize(
    ("words", "code"), [(("jobs",), 0), (("show", "job-none"), 1), (("home", "check"), 1)]
)
def test_a_signal_between_the_end_of_a_command_and_its_last_line_changes_neither(
    cli, home, monkeypatch, words, code
):
    class Late(StopSignals):
        late = True

        def over(self, exit_code: int) -> None:
            if self.late:
                self.late = False
                signal.raise_signal(signal.SIGTERM)
            super().over(exit_code)

    before = cli(*words, "--json")
    monkeypatch.setattr(stopping, "StopSignals", Late)
    done = cli(*words, "--json")
    assert (done.code, done.last["exit"], done.out) == (code, code, before.out)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM ends a process at once there")
def test_a_signal_while_python_ends_does_not_replace_the_exit_code(home):
    code = (
        "import atexit, signal, sys; from shipkit.cli import program; "
        "atexit.register(signal.raise_signal, signal.SIGTERM); sys.exit(program())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "show", "job-none", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == json.loads(done.stdout.splitlines()[-1])["exit"] == 1


def test_a_program_that_goes_on_after_a_command_gets_its_handlers_back(home, monkeypatch):
    numbers = (signal.SIGINT, *STOP_SIGNALS)
    before = [signal.getsignal(number) for number in numbers]
    at_exit: list[object] = []
    monkeypatch.setattr(stopping.atexit, "register", at_exit.append)
    monkeypatch.setattr(sys, "argv", ["shipkit", "show", "job-none"])
    assert main() == 1
    assert [signal.getsignal(number) for number in numbers] == before
    assert at_exit == []
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM ends a process at once there")
def test_an_interrupt_while_a_module_is_imported_does_not_replace_the_exit_code(home, tmp_path):
    code = (
        "import sys, shipkit.cli as cli; "
        "stop = 'import signal; signal.raise_signal(signal.SIGTERM)'; "
        "cli._handler = lambda _: lambda *_: exec(stop); sys.exit(cli.program())"
    )
    (tmp_path / "stopped.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "-m", "stopped", "jobs", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == json.loads(done.stdout.splitlines()[-1])["exit"] == 4


# -- a watched folder ------------------------------------------------------------------------------


class Rounds:
    """A folder whose files are due in these rounds."""

    path, waiting, every_s = Path("inbox"), (), 0.0

    def __init__(self, *rounds: list[Path]) -> None:
        self.rounds = list(rounds)

    def ready(self) -> list[Path]:
        return self.rounds.pop(0)

    def growing(self) -> bool:
        return bool(self.rounds)


@pytest.mark.parametrize(
    ("ends", "advised"),
    [
        ([(5, "shipkit resume a"), (0, None)], None),
        ([(5, "shipkit resume a"), (2, "shipkit show a")], "shipkit show a"),
        ([(0, None), (5, "shipkit resume a")], "shipkit resume a"),
    ],
)
def test_a_watch_advises_nothing_that_a_later_run_of_the_file_has_settled(
    cli, monkeypatch, ends, advised
):
    outcomes = [watching.End(watching.Exit(code), next=following) for code, following in ends]
    monkeypatch.setattr(watching, "_run", lambda *_: outcomes.pop(0))
    monkeypatch.setattr(watching, "STILL_S", 0.0)
    args = parser().parse_args(["run", "--watch", "inbox", "--once"])
    folder = Rounds([Path("a.csv")], [Path("a.csv")])
    assert watching._rounds(folder, args, Console(), watching._Stop()).next == advised


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def put(content: str, path: bytes | Path, *, age_s: float = 60.0) -> None:
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123 - the name may be bytes
        file.write(content)
    os.utime(path, (time.time() - age_s,) * 2)


def watched(cli, inbox, shipper):
    return cli(
        *("run", "--watch", inbox, "--once", "--shipper", shipper, "--auto"),
        *("--max-total", "500", "--json"),
    )


def files_of(done) -> dict[str, int]:
    return {line["file"]: line["exit"] for line in done.lines if line["event"] == "file"}


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are always Unicode there")
def test_a_name_that_is_not_utf_8_stops_no_other_file(cli, inbox, orders, shipper):
    put(orders.read_text(), os.fsencode(inbox) + b"/Gr\xf6\xdfe.csv")
    put(orders.read_text(), inbox / "zz.csv", age_s=30)
    done = watched(cli, inbox, shipper)
    assert files_of(done) == {r"Gr\xf6\xdfe.csv": 1, "zz.csv": 0}
    assert (inbox / "done" / "zz.csv").exists()
    failed = sorted(os.fsencode(path.name) for path in (inbox / "failed").iterdir())
    assert failed == [b"Gr\xf6\xdfe.csv", b"Gr\xf6\xdfe.csv.error.txt"]
    reason = (inbox / "failed" / os.fsdecode(failed[1])).read_text()
    assert "is not UTF-8" in reason


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are always Unicode there")
@pytest.mark.parametrize("command", ["check", "preview", "run"])
def test_a_name_that_is_not_utf_8_is_refused_in_words(orders, shipper, tmp_path, command):
    name = os.fsencode(tmp_path) + b"/Gr\xf6\xdfe.csv"
    put(orders.read_text(), name)
    done = subprocess.run(
        [
            *(os.fsencode(sys.executable), b"-m", b"shipkit", command.encode(), name),
            *(b"--json", b"--shipper", os.fsencode(shipper)),
        ],
        capture_output=True,
        timeout=120,
        check=False,
    )
    last = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, last["code"]) == (1, "source_unreadable")
    assert rb"Gr\xf6\xdfe.csv is not UTF-8" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_defect_in_one_file_stops_no_other_file(cli, inbox, orders, shipper, monkeypatch):
    for name, age_s in (("a.csv", 60), ("b.csv", 30)):
        put(orders.read_text(), inbox / name, age_s=age_s)
    real = watching.run_one

    def broken(args, console):
        if args.file.endswith("a.csv"):
            raise RuntimeError("out of luck")
        return real(args, console)

    monkeypatch.setattr(watching, "run_one", broken)
    done = watched(cli, inbox, shipper)
    assert files_of(done) == {"a.csv": 1, "b.csv": 0}
    assert "out of luck" in (inbox / "failed" / "a.csv.error.txt").read_text()


def test_a_file_from_a_clock_that_is_ahead_is_run(cli, inbox, orders, shipper):
    put(orders.read_text(), inbox / "tomorrow.csv", age_s=-86_400)
    done = watched(cli, inbox, shipper)
    assert (done.code, files_of(done)) == (0, {"tomorrow.csv": 0})


def test_an_empty_file_is_set_aside_with_the_reason(cli, inbox, shipper):
    put("", inbox / "empty.csv", age_s=3_600)
    done = watched(cli, inbox, shipper)
    assert (done.code, files_of(done)) == (1, {"empty.csv": 1})
    assert "empty" in (inbox / "failed" / "empty.csv.error.txt").read_text()


def test_a_folder_that_cannot_take_the_outputs_is_refused_before_its_files_are_run(
    cli, inbox, orders, shipper
):
    put(orders.read_text(), inbox / "a.csv")
    (inbox / "done").write_text("a file where the folder would be")
    done = watched(cli, inbox, shipper)
    assert (done.code, files_of(done)) == (1, {})
    assert "inbox/done" in done.err
    assert (inbox / "a.csv").exists()
    assert bought(cli) == []


def test_outputs_that_no_longer_can_be_saved_leave_the_next_file_alone(
    cli, inbox, orders, shipper, monkeypatch
):
    put(orders.read_text(), inbox / "a.csv")
    real = watching._refuse_read_only

    def then_taken_away(folder) -> None:
        real(folder)
        folder.done.rmdir()
        folder.done.write_text("")

    monkeypatch.setattr(watching, "_refuse_read_only", then_taken_away)
    done = watched(cli, inbox, shipper)
    assert (done.code, files_of(done)) == (5, {"a.csv": 5})
    assert (inbox / "a.csv").exists()
    assert bought(cli) == []


def test_a_file_without_a_row_that_can_ship_has_its_rows_in_failed(cli, inbox, dirty, shipper):
    frame = pd.read_csv(dirty, dtype=str).assign(weight_lb="")
    put(frame.to_csv(index=False), inbox / "none.csv")
    done = watched(cli, inbox, shipper)
    assert files_of(done) == {"none.csv": 2}
    assert (inbox / "done" / "none.csv").exists()
    rows = pd.read_csv(inbox / "failed" / "none_failed.csv")
    assert rows["order_id"].tolist() == ["A-1", "A-2", "A-3", "A-4"]
