"""One build of the docs site for all tests, whatever the number of processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site: strict, without network, from a command line of its own."""
    pytest.importorskip("mkdocs")
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # workers share the folder above their own
    built, failed = base / "site", base / "site-failed"
    with FileLock(base / "site.lock"):
        if not built.exists() and not failed.exists():
            done = subprocess.run(
                [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(built)],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
                env={
                    "PATH": "/usr/bin:/bin",
                    "HOME": str(base),
                    "NO_MKDOCS_2_WARNING": "1",
                    "http_proxy": "http://127.0.0.1:9",
                    "https_proxy": "http://127.0.0.1:9",
                },
            )
            if done.returncode:
                failed.write_text(done.stderr, encoding="utf-8")
    if failed.exists():
        pytest.fail(failed.read_text(encoding="utf-8"), pytrace=False)
    return built
