"""The examples of docs/how-to/batch-jobs.md, run in the environment of each scheduler."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from shipkit.demo import demo_orders

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "how-to" / "batch-jobs.md").read_text(encoding="utf-8")


def block(heading, kind):
    """The first block of a kind below a heading."""
    return re.search(rf"^## {heading}\n.*?^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[1]


@pytest.fixture
def place(tmp_path):
    """A folder as the page has it: the job file, the orders, `shipkit` where it is installed."""
    folder = tmp_path / "srv"
    folder.mkdir()
    (folder / "job.toml").write_text(
        re.search(r"^```toml\n# job.toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[1],
        encoding="utf-8",
    )
    shutil.copy(demo_orders(), folder / "orders.csv")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("shipkit", f'exec "{sys.executable}" -m shipkit "$@"'), ("sleep", ":")):
        (programs / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    (folder / "notify.sh").write_text('#!/bin/sh\necho "$1" >> codes\n', encoding="utf-8")
    (folder / "notify.sh").chmod(0o755)
    return folder


def here(text, place):
    """The text with the page's folders replaced by the test's."""
    return text.replace("/srv/shipping", str(place)).replace(
        "/opt/shipkit/bin", str(place.parent / "bin")
    )


def sold(home):
    with sqlite3.connect(home / "sandbox" / "books.sqlite") as books:
        count = books.execute("SELECT count(*) FROM purchases").fetchone()[0]
    books.close()
    return count


def ends(path):
    return [
        json.loads(line)
        for line in path.read_text(encoding="utf-8").splitlines()
        if '"end"' in line
    ]


def test_the_cron_line_buys_once_however_often_it_runs_and_passes_on_the_exit_code(place, home):
    entry = next(
        line
        for line in block("cron", "").splitlines()
        if line and not line.startswith(("#", "SHIPKIT_HOME"))
    )
    when, command = re.fullmatch(r"((?:\S+\s+){5})(.*)", entry).groups()
    assert re.fullmatch(r"0 16 \*\s+\*\s+1-5\s+", when)
    assert "%" not in command.replace(r"\%", ""), "to cron a percent sign is a line end"
    surroundings = {
        "HOME": str(place),
        "LOGNAME": "shipping",
        "SHELL": "/bin/sh",
        "PATH": "/usr/bin:/bin",
        "SHIPKIT_HOME": str(home),
    }
    for _ in range(2):
        done = subprocess.run(
            ["/bin/sh", "-c", here(command, place)],
            env=surroundings,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    first, second = ends(place / "runs.jsonl")
    assert (first["shipped"], first["job_id"]) == (second["shipped"], second["job_id"])
    assert sold(home) == first["shipped"] > 60
    assert (place / "codes").read_text().split() == ["2", "2"], (
        "the demo orders have rows that cannot ship"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "Some rows did not ship"),
        ({"max_total": '"1"'}, "Over the limit"),
        ({"file": '"none.csv"'}, "Invalid file or command"),
    ],
)
def test_the_script_explains_each_exit_code(place, home, change, said):
    job = place / "job.toml"
    for name, value in change.items():
        job.write_text(re.sub(rf"(?m)^{name} = .*$", f"{name} = {value}", job.read_text()))
    environment = {**os.environ, "PATH": f"{place.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", block("cron", "bash")],
        env=environment,
        cwd=place,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert said in done.stdout
    assert len(done.stdout.splitlines()) == 1


def units():
    parts = re.split(
        r"^# /etc/systemd/system/(\S+)\n", block("systemd", "ini"), flags=re.MULTILINE
    )[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_the_commands_of_the_service_need_only_what_the_unit_sets(place, home):
    service = here(units()["shipkit.service"], place).replace(f"{place}/home", str(home))
    said = dict(re.findall(r"^(\w+)=(.*)$", service, re.MULTILINE))
    name, value = said["Environment"].split("=", 1)
    surroundings = {
        name: value,
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
        "LANG": "C.UTF-8",
        "HOME": str(place),
        "USER": said["User"],
    }
    codes, words = [], []
    for command in (said["ExecStartPre"].removeprefix("-"), said["ExecStart"], said["ExecStart"]):
        done = subprocess.run(
            shlex.split(command),
            env=surroundings,
            cwd=said["WorkingDirectory"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        codes.append(done.returncode)
        words.append(done.stderr)
    assert codes[0] == 0, "nothing to resume is a success"
    assert {str(code) for code in codes[1:]} <= {"0", *said["SuccessExitStatus"].split()}, words
    assert sold(home) == json.loads(done.stdout.splitlines()[-1])["shipped"]


def test_systemd_finds_nothing_wrong_with_the_units(place, tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    (tmp_path / "units").mkdir()
    paths = []
    for name, text in units().items():
        paths.append(tmp_path / "units" / name)
        paths[-1].write_text(here(text, place), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.filterwarnings("ignore")  # of Jupyter's own machinery
def test_the_papermill_command_leaves_the_days_executed_copy(tmp_path, home):
    pytest.importorskip("papermill", reason="papermill is not installed")
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }
    done = subprocess.run(
        ["bash", "-c", block("Notebooks as jobs", "bash")],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-800:]
    (made,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d\.ipynb", made.name)
    assert '"output_type": "error"' not in made.read_text(encoding="utf-8")
