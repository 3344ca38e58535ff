"""What does not fit in memory goes where only this user reads it, and does not stay."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

from shipkit.orders.source import connect

SCRIPT = """
from pathlib import Path
from shipkit.orders.source import connect
con = connect()
con.execute("SET memory_limit = '60MB'")
con.execute(
    "CREATE TABLE t AS SELECT range AS n, repeat('x', 300) || range AS text FROM range(400000)"
)
folder = Path(con.execute("SELECT current_setting('temp_directory')").fetchall()[0][0])
assert any(folder.iterdir()), "nothing was spilled"
assert con.execute("SELECT sum(n) FROM t").fetchall() == [(79999800000,)]
print(folder)
"""


def test_memory_is_bounded_and_the_folder_is_private():
    [(limit, folder)] = (
        connect()
        .execute("SELECT current_setting('memory_limit'), current_setting('temp_directory')")
        .fetchall()
    )
    assert limit
    assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700


def test_spilled_rows_are_read_back_and_gone_with_the_process(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not Path(done.stdout.strip()).exists()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_swept_away_and_what_lives_is_not(tmp_path):
    script = (
        "import os, signal\nfrom shipkit.common.spill import "
        "bounded\nprint(bounded()['temp_directory'], flush=True)\nos.kill(os.getpid(), "
        "signal.SIGKILL)"
    )
    environment = {"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    killed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env=environment
    )
    left = Path(killed.stdout.strip())
    assert left.exists()
    mine = tmp_path / f"shipkit-spill-{os.getpid()}-alive"
    mine.mkdir()
    subprocess.run(
        [sys.executable, "-c", "from shipkit.common.spill import bounded; bounded()"],
        check=True,
        env=environment,
    )
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]
