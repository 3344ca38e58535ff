"""The promises fit on one screen; their evidence names tests that exist, and its query works."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import duckdb
from corekit import BookCarrier, job_of

from shipkit.purchasing.run import execute

ROOT = Path(__file__).parent.parent.parent
PAGES = ROOT / "docs" / "explanation"
PROMISES = (PAGES / "money-safety.md").read_text(encoding="utf-8")
EVIDENCE = (PAGES / "money-safety-evidence.md").read_text(encoding="utf-8")


def test_the_promises_are_short_and_lead_to_their_evidence():
    assert len(PROMISES.split()) <= 300
    assert "(money-safety-evidence.md)" in PROMISES


def test_every_test_that_the_page_names_is_there():
    named = set(re.findall(r"`(test_\w+)`", EVIDENCE))
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert len(named) > 30
    assert named - there == set()


def test_the_query_of_the_page_reads_a_job(home, tmp_path, monkeypatch):
    job = job_of(home, 12, skipped={3: "set aside"})
    asyncio.run(execute(job, BookCarrier(tmp_path / "books.db"), grace_s=0.1))
    monkeypatch.chdir(job.path)
    query = re.search(r"```sql\n(.*?)```", EVIDENCE, re.DOTALL)[1]
    assert duckdb.sql(query).fetchall() == [("shipped", 11)]
