"""Dirty files are shipped and written back: each number in its own row, or nothing is written."""

from __future__ import annotations

import dataclasses

import pytest

from shipkit.testing import spoiled, write_back, written_back


@pytest.mark.parametrize("first", range(0, 16, 4))
def test_numbers_are_in_the_rows_of_their_orders_or_nothing_is_written(clean, first):
    """Small here; ``benchmarks/write_back.py`` runs ten thousand."""
    for seed in range(first, first + 4):
        verdict = written_back(spoiled(clean.file(), seed), clean, seed)
        assert verdict.wrong == (), f"{seed}: {verdict}"
        assert verdict.change == "none" or verdict.refused, f"{seed}: {verdict}"


def test_a_clean_file_is_written_in_each_format(clean):
    forms = {}
    for seed in (1, 2, 10, 20):
        verdict = written_back(clean.file(), clean, seed)
        if verdict.change == "none":
            forms[verdict.form] = (verdict.numbers, verdict.refused)
    assert forms
    assert set(forms.values()) == {(len(clean.rows), None)}


def test_the_judge_sees_a_number_in_another_row(clean):
    marks = write_back._marks(clean)
    rows = [" ".join(row) for row in clean.rows[:2]]
    shipped = {"SANDBOX1": 0, "SANDBOX2": 1}
    good = [f"{rows[0]},SANDBOX1\n{rows[1]},SANDBOX2"]
    assert write_back._judged(iter(good), shipped, marks) == ([], 2)
    bad = [f"{rows[0]},SANDBOX2\n{rows[1]},"]
    assert write_back._judged(iter(bad), shipped, marks) == (
        [
            "SANDBOX2 of row 1 is in row 0",
            "SANDBOX1 is missing",
            "SANDBOX2 is missing",
        ],
        0,
    )


def test_a_file_that_changes_although_it_is_refused_is_noticed(clean, monkeypatch):
    def broken(session, **options):
        raise write_back.ShipkitError("no", fix="none")

    seen = write_back._bytes
    calls = iter(range(9))
    monkeypatch.setattr(write_back.BatchSession, "write_back", broken)
    monkeypatch.setattr(
        write_back, "_bytes", lambda folder: {**seen(folder), "n": str(next(calls)).encode()}
    )
    assert written_back(clean.file(), clean, 1).wrong == ("files changed",)
    assert dataclasses.asdict(written_back(clean.file(), clean, 1))["refused"].endswith("no")
