"""Manifests of a job: which labels are on one, once, and what is kept of it."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import shipkit as sk
from shipkit.carriers.after_purchase import MadeManifest
from shipkit.carriers.sandbox import Faults
from shipkit.common.local_day import local_day
from shipkit.errors import AnswerLost, InputError, LabelError
from shipkit.purchasing import recovery
from shipkit.purchasing.handover.driver_manifests import ManifestBook
from shipkit.purchasing.handover.manifest_run import _parts
from shipkit.purchasing.recovery.pruning import prune_job
from shipkit.purchasing.store import JobStore

from .conftest import SHOP, order

TODAY = local_day(SHOP)


def on_forms(sandbox: Any) -> dict[str, str]:
    """Return label -> form, as the sandbox's books have it."""
    query = "SELECT tracking_number, number FROM form_labels"
    return dict(asyncio.run(sandbox.books.run(lambda con: con.execute(query).fetchall())))


def test_bought_labels_are_on_one_manifest_and_voided_ones_are_not(bought, sandbox, tmp_path):
    job = bought(*[order(n) for n in range(1, 5)])
    job.void("order_id = 'SO-2'")
    made = job.manifest()
    assert [(each.carrier, each.account, each.day, each.rows) for each in made] == [
        ("sandbox", "sandbox", TODAY, (0, 2, 3))
    ]
    assert made.left_out.empty
    results = job.results("shipped")
    assert on_forms(sandbox) == dict.fromkeys(results["tracking_number"], made[0].number)
    [path] = made.save(tmp_path / "papers")
    assert path.read_bytes().startswith(b"%PDF")
    assert path.name.endswith(f"{made[0].number}.pdf")
    again = job.manifest()
    assert [each.number for each in again] == [made[0].number]
    with pytest.warns(UserWarning, match="on a manifest"):
        kept = job.void("order_id = 'SO-1'")
    assert kept["error_message"][0].endswith(f"{made[0].number}, and cannot be voided.")
    assert f"{made[0].number} | {TODAY} | 3 labels" in repr(made)


def test_a_manifest_is_kept_with_the_job_and_read_without_a_carrier(bought, tmp_path):
    job = bought(order(1), order(2))
    number = job.manifest()[0].number
    with sk.Job.open(job.job_id, home=tmp_path) as job:
        [kept] = job.manifests
        assert (kept.number, kept.labels, kept.form[:5]) == (number, 2, b"%PDF-")
        assert list(job.manifests.frame["number"]) == [number]
        assert job.status == "completed"
        later = dt.datetime.now(dt.UTC) + dt.timedelta(1)
        recovery.prune(tmp_path, older_than=dt.timedelta(0), now=later)
    with sk.Job.open(job.job_id, home=tmp_path) as job:
        [pruned] = job.manifests
        assert (pruned.number, pruned.form) == (number, None)
        with pytest.raises(LabelError, match="no paper"):
            pruned.save(tmp_path / "x.pdf")


def test_each_origin_and_day_has_its_own_and_returns_have_none(bought):
    tomorrow = TODAY + dt.timedelta(days=1)
    job = bought(order(1), order(2, ship_date=tomorrow), order(3))
    made = job.manifest()
    assert [(each.day, each.rows) for each in made] == [
        (TODAY, (0, 2)),
        (tomorrow, (1,)),
    ]
    returns = bought(order(7, is_return=True))
    left = returns.manifest()
    assert (len(left), list(left.left_out["order_id"])) == (0, ["SO-7"])
    assert left.left_out["reason"][0] == "A return label is handed over by the customer."


def test_a_day_that_is_over_is_left_out_with_the_reason(bought, monkeypatch):
    job = bought(order(1))
    later = TODAY + dt.timedelta(days=1)
    monkeypatch.setattr(
        "shipkit.purchasing.handover.manifest_run.local_day",
        lambda place, at=None: later if at is None else local_day(place, at),
    )
    made = job.manifest()
    assert len(made) == 0
    assert made.left_out["reason"][0] == (
        f"Its ship date {TODAY} is over: a manifest is of today or a later day."
    )


def test_the_ledger_is_read_once_for_any_number_of_forms(bought, monkeypatch):
    job = bought(*[order(n, ship_date=TODAY + dt.timedelta(days=n)) for n in range(3)])
    reads: list[list[int]] = []
    real = JobStore.last_entries_of

    def counted(store: Any, rows: Any) -> Any:
        reads.append(list(rows))
        return real(store, rows)

    monkeypatch.setattr(JobStore, "last_entries_of", counted)
    assert len(job.manifest()) == 3
    assert reads == [[0, 1, 2]]


def test_a_clause_chooses_and_the_rest_follows_on_a_manifest_of_its_own(bought, sandbox):
    job = bought(*[order(n) for n in range(1, 4)])
    job.manifest("order_id = 'SO-2'")
    assert [each.rows for each in job.manifest()] == [(1,), (0, 2)]
    assert len(on_forms(sandbox)) == 3


@pytest.mark.parametrize("fault", ["lost", "error_after", "lost_before", "rate_limited"])
def test_a_lost_answer_makes_no_second_form(bought, sandbox, fault):
    job = bought(order(1), order(2))
    sandbox.faults = Faults(on=frozenset({"manifest"}), first=1, **{fault: 1.0})
    [made] = job.manifest()
    assert set(on_forms(sandbox).values()) == {made.number}
    assert made.form is not None


def test_one_that_stays_open_blocks_nothing_and_is_settled_by_the_next_call(bought, sandbox):
    job = bought(order(1), order(2))
    sandbox.faults = Faults(on=frozenset({"manifest"}), lost=1.0)
    with pytest.raises(AnswerLost):
        job.manifest("order_id = 'SO-1'")
    book = ManifestBook.of(job.store)
    assert ([each.rows for each in book.open], book.made) == ([(0,)], ())
    later = dt.datetime.now(dt.UTC) + dt.timedelta(1)
    kept = recovery.prune(job.store.path.parent.parent, older_than=dt.timedelta(0), now=later)
    assert "may have been made" in kept.held[job.job_id], "what settles it needs the addresses"
    sandbox.faults = Faults()
    made = job.manifest("order_id = 'SO-2'")
    assert [each.rows for each in made] == [(0,), (1,)], "the open one first"
    assert on_forms(sandbox) == dict(
        zip(job.results()["tracking_number"], (each.number for each in made), strict=True)
    )


def test_one_in_doubt_is_given_up_by_a_person_and_its_labels_go_on_another(bought, sandbox):
    job = bought(order(1), order(2))
    with pytest.raises(InputError, match="has 0 manifests in doubt"):
        job.forget_manifest()
    for row in (1, 2):
        sandbox.faults = Faults(on=frozenset({"manifest"}), lost_before=1.0)
        with pytest.raises(AnswerLost):
            job.manifest(f"order_id = 'SO-{row}'")
        if row == 1:
            [open_one] = job.manifests.in_doubt
            assert open_one.rows == (0,)
            assert repr(job.manifests) == f"in doubt: {open_one}"
            sandbox.faults = Faults()
            assert len(job.forget_manifest(open_one.attempt)) == 0
            assert job.manifests.in_doubt == ()
    asked = len(on_forms(sandbox))
    with pytest.raises(InputError, match="has no manifest 1 in doubt") as no:
        job.forget_manifest(1)
    assert "Name one by its attempt: 2 (" in no.value.fix
    job.forget_manifest()
    assert len(on_forms(sandbox)) == asked == 0, "no carrier was asked"
    sandbox.faults = Faults()
    [made] = job.manifest()
    assert made.rows == (0, 1)
    with pytest.raises(InputError, match="0 manifests") as no:
        job.forget_manifest()
    assert "its labels are on it" in no.value.fix


def test_a_job_that_is_pruned_already_is_not_held_by_a_manifest(bought, sandbox):
    """What an earlier version pruned can never be asked for again: its addresses are gone."""
    job = bought(order(1))
    sandbox.faults = Faults(on=frozenset({"manifest"}), lost=1.0)
    with pytest.raises(AnswerLost):
        job.manifest()
    prune_job(job.store)
    said = job.store.path / "PRUNED"
    said.write_text(json.dumps(json.loads(said.read_bytes()) | {"allow_list": "an earlier one"}))
    later = dt.datetime.now(dt.UTC) + dt.timedelta(1)
    home = job.store.path.parent.parent
    found = recovery.prune(home, older_than=dt.timedelta(0), now=later)
    assert (found, found.held) == ([job.job_id], {})
    assert recovery.prune(home, older_than=dt.timedelta(0), now=later) == []


def test_a_process_that_dies_between_the_request_and_its_answer_leaves_it_open(bought, sandbox):
    job = bought(order(1))
    real = sandbox.manifest

    async def killed(*given: Any, **options: Any) -> Any:
        await real(*given, **options)
        raise RuntimeError("nothing is recorded after this")

    sandbox.manifest = killed
    with pytest.raises(RuntimeError):
        job.manifest()
    del sandbox.manifest
    [made] = job.manifest()
    assert set(on_forms(sandbox).values()) == {made.number}


@pytest.mark.parametrize("listed", [0, 1])
def test_labels_that_a_form_does_not_list_are_on_none(bought, sandbox, listed):
    job = bought(order(1), order(2))
    calls: list[int] = []

    async def made_of_some(shipments: Any, *_: Any, **__: Any) -> MadeManifest:
        calls.append(len(shipments))
        numbers = shipments[0].tracking_numbers if len(calls) <= listed else ("ANOTHER",)
        return MadeManifest(f"F{len(calls)}", numbers, warnings=("Lists are cut.",))

    sandbox.manifest = made_of_some
    made = job.manifest()
    del sandbox.manifest
    last = f"F{1 + listed}"
    assert [(each.number, each.rows, each.labels) for each in made] == [
        *[("F1", (0,), 1)][:listed],
        (last, (), 0),
    ]
    assert calls == [2, 1][: 1 + listed], "one that lists none is not asked for again and again"
    reason = f"{last} was made, and does not list it. Lists are cut."
    assert set(made.left_out["reason"]) == {reason}
    assert list(made.left_out["order_id"]) == ["SO-1", "SO-2"][listed:]
    again = job.manifest()
    assert again.left_out.empty
    assert again[-1].rows == (0, 1)[listed:]


def test_a_carrier_without_manifests_says_what_it_does_instead(bought, sandbox):
    job = bought(order(1))
    plain = sandbox.capabilities
    sandbox.capabilities = replace(
        plain, manifest=False, instead_of_manifest="The driver scans the parcels one by one."
    )
    with pytest.raises(InputError, match="scans the parcels one by one"):
        job.manifest()
    sandbox.capabilities = plain


def test_a_manifest_has_at_most_as_many_labels_as_the_carrier_takes():
    assert list(_parts([1, 2, 3, 4], [2, 2, 1, 5], 4)) == [[1, 2], [3], [4]]
    assert list(_parts([1, 2], [9, 9], None)) == [[1, 2]]


def test_ups_has_none_and_says_so():
    from shipkit.carriers import registry

    assert "ups" not in registry.able("manifest")
    assert "no SCAN form" in registry.plugin("ups").capabilities.instead_of_manifest


def test_the_command_line_makes_and_saves_them(bought, tmp_path, capsys):
    from shipkit.cli import main

    job = bought(order(1), order(2))
    (tmp_path / "sandbox").mkdir()
    for name in tmp_path.glob("books.sqlite*"):
        shutil.copy(name, tmp_path / "sandbox" / name.name)
    folder = tmp_path / "papers"
    assert main(["manifest", job.job_id, "--home", str(tmp_path), "-o", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "2 labels" in said
    assert "Saved: " in said
    assert [path.suffix for path in Path(folder).iterdir()] == [".pdf"]
    assert main(["manifest", job.job_id, "--home", str(tmp_path), "--forget"]) == 1
    assert "0 manifests in doubt" in capsys.readouterr().err
