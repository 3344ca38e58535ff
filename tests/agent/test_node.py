"""Testers that no one here wrote, through npm: see node/run.sh for the exact commands."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parent / "node" / "run.sh"
NOT_INSTALLABLE = 75


@pytest.mark.node
@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not here")
def test_typescript_clients_the_inspector_and_the_conformance_suite_agree():
    done = subprocess.run(
        [str(RUN), sys.executable], capture_output=True, text=True, timeout=580, check=False
    )
    if done.returncode == NOT_INSTALLABLE:
        pytest.skip("npm cannot reach its registry")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.count("ok   ") == 23
    assert "all testers agree" in done.stdout
