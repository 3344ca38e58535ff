"""The whole line: priced previews, approval, purchase, results, resume."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import json
import os
import sqlite3
import subprocess
import sys
import threading

import pandas as pd
import pyarrow.compute as pc
import pytest

import shipkit as sk
from shipkit import errors
from shipkit.carriers.sandbox import Faults
from shipkit.plan.preview import PREVIEW_COLUMNS


def books(session: sk.BatchSession) -> int:
    """How many shipments the carrier sold, in its own books."""
    path = session.settings.home / "sandbox" / "books.sqlite"
    if not path.exists():
        return 0
    with contextlib.closing(sqlite3.connect(path)) as con:
        return con.execute("SELECT count(*) FROM purchases").fetchone()[0]


def test_the_preview_prices_every_row_that_could_ship_and_explains_the_others(session):
    frame = session.preview()
    assert list(frame.columns) == list(PREVIEW_COLUMNS)
    assert len(frame) == 5
    assert frame["cost_cents"].notna().tolist() == [True, True, True, False, True]
    assert frame["problem"].isna().tolist() == [True, True, True, False, True]
    assert "street" in frame["problem"][3]
    assert str(frame["cost_cents"].dtype) == "Int64"


def test_repairs_without_a_warning_are_counted(shop):
    row = {"order_id": "1", "name": "Ada Lee", "address1": "1 Main St", "city": "Austin"}
    rows = [
        {**row, "state": "Texas", "zip": "78701.0", "weight_lb": 2},
        {**row, "order_id": "2", "state": "TX", "zip": "787011234", "weight_lb": 2},
    ]
    with sk.BatchSession(rows, shipper=shop, service="ground") as session:
        assert sorted(session.repairs.values()) == [1, 2]
        assert session.repairs["states written as their code"] == 1


def test_the_total_is_the_sum_of_the_rows_to_the_cent(session):
    frame = session.preview()
    assert session.summary.total.cents == frame["cost_cents"].sum()
    assert session.summary.shipments == 4
    assert session.summary.problems == 1
    assert (
        sum(line.total.cents for line in session.summary.by_service) == session.summary.total.cents
    )


def test_the_parts_of_a_price_add_up(session):
    frame = session.preview().dropna(subset="cost_cents")
    parts = frame[
        ["base_cents", "fuel_cents", "residential_cents", "delivery_area_cents", "other_cents"]
    ].sum(axis=1)
    assert (parts == frame["cost_cents"]).all()


def test_a_lost_leading_zero_is_put_back_where_it_fits_the_state(session):
    frame = session.preview()
    assert frame["postal_code"][1] == "02134"
    assert "02134" in frame["warnings"][1]
    assert frame["state"][2] == "CA"


def test_source_columns_are_carried_along_when_asked(session):
    assert session.preview(include=["sku"])["sku"].tolist() == ["mug", "pan", "mug", "pan", "lamp"]


def test_nothing_is_bought_without_a_preview(session):
    with pytest.raises(errors.ApprovalRequired, match="Preview approval required"):
        session.execute(progress=False)
    assert books(session) == 0


def test_nothing_is_bought_without_approval(session):
    session.preview()
    with pytest.raises(errors.ApprovalRequired, match="Preview approval required"):
        session.execute(progress=False)
    assert books(session) == 0
    assert len(sk.jobs()) == 0


def test_an_approved_preview_is_bought_once_and_running_the_cells_again_buys_nothing(session):
    session.preview()
    session.approve(by="Dana")
    first = session.execute(progress=False)
    assert (first.status, first.shipped, first.skipped, first.failed) == ("completed", 4, 1, 0)
    session.preview()
    session.approve()
    again = session.execute(progress=False)
    assert again.job_id == first.job_id
    assert again.total_charged == first.total_charged
    assert books(session) == 4


def test_another_session_on_the_same_orders_returns_the_same_job(make):
    first = make()
    first.preview()
    first.approve()
    job = first.execute(progress=False).job_id
    second = make()
    assert second.preview()["problem"].isna().sum() == 4
    second.approve()
    assert second.execute(progress=False).job_id == job
    assert books(second) == 4


def test_auto_buys_without_asking(make):
    session = make(mode="auto")
    assert session.execute(progress=False).shipped == 4


def test_two_executes_at_the_same_moment_buy_once(make):
    sessions = [make(mode="auto"), make(mode="auto")]
    for session in sessions:
        session.preview()

    async def both() -> list:
        return await asyncio.gather(*(s.aexecute() for s in sessions), return_exceptions=True)

    results = asyncio.run(both())
    assert {type(r) for r in results} <= {sk.BatchResult, errors.CheckpointLocked}
    assert books(sessions[0]) == 4


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.where("state = 'TX'"),
        lambda s: s.map(service="next_day_air"),
        lambda s: s.skip("order_id = 'SO-1'"),
        lambda s: s.edit("order_id = 'SO-1'", postal_code="78702"),
        lambda s: s.load(
            [
                {
                    "order_id": "X",
                    "name": "Zoe",
                    "address1": "9 Elm",
                    "city": "Austin",
                    "state": "TX",
                    "zip": "78701",
                    "weight_lb": 1,
                }
            ]
        ),
    ],
)
def test_an_approval_does_not_hold_for_a_changed_batch(session, change):
    session.preview()
    session.approve()
    change(session)
    with pytest.raises(errors.PlanChanged):
        session.execute(progress=False)
    with pytest.raises(errors.PlanChanged):
        session.approve()
    assert books(session) == 0


def test_approving_another_preview_than_the_last_is_refused(session):
    session.preview()
    with pytest.raises(errors.PlanChanged, match="not this session's last preview"):
        session.approve("pv_000000000000")


def test_an_expired_preview_cannot_be_approved_or_bought(session, home):
    session.preview()
    session.approve()
    path = home / "previews" / session.preview_id / "preview.json"
    facts = json.loads(path.read_text())
    facts["expires_at"] = (dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)).isoformat()
    path.write_text(json.dumps(facts))
    with pytest.raises(errors.PreviewExpired):
        session.execute(progress=False)
    with pytest.raises(errors.PreviewExpired):
        session.approve()
    assert books(session) == 0


def test_an_approval_given_by_another_process_counts(session, home):
    session.preview()
    code = f"""
import datetime as dt
from pathlib import Path
from shipkit.purchasing.approval import approve
approve(Path({str(home)!r}), {session.preview_id!r}, now=dt.datetime.now(dt.UTC), by="terminal")
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert session.execute(progress=False).shipped == 4
    assert session.store.manifest.approval["by"] == "terminal"


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"total": "1"}, "the limit is \\$1.00"),
        ({"per_shipment": "5"}, "cost more than the limit of \\$5.00 per shipment"),
        ({"max_shipments": 3}, "shipments exceed the limit of 3"),
    ],
)
def test_spend_limits_are_checked_on_the_preview(make, limits, words):
    session = make(mode="auto", limits=limits)
    with pytest.raises(errors.SpendLimitExceeded, match=words):
        session.execute(progress=False)
    assert books(session) == 0


def test_the_same_name_with_another_plan_is_refused(make):
    first = make(mode="auto", name="monday")
    first.execute(progress=False)
    second = make(mode="auto", name="monday", on_duplicate="ship").where("state = 'TX'")
    with pytest.raises(errors.JobExists, match="monday"):
        second.execute(progress=False)
    assert books(first) == 4


def test_orders_that_an_earlier_job_shipped_are_held_back(make, rows):
    make(mode="auto").execute(progress=False)
    extra = [*rows, {**rows[0], "order_id": "SO-6", "name": "Farid Ali", "address1": "6 Ash Ln"}]
    later = make(extra, mode="auto")
    frame = later.preview()
    assert frame["cost_cents"].notna().tolist() == [False] * 5 + [True]
    assert "shipped" in frame["problem"][0]
    assert "shipped_before" in set(later.problems["code"])
    result = later.execute(progress=False)
    assert (result.shipped, result.skipped) == (1, 5)
    assert books(later) == 5


def test_held_orders_ship_when_asked_to(make, rows):
    make(mode="auto").execute(progress=False)
    later = make([*rows, {**rows[0], "order_id": "SO-6"}], mode="auto", on_duplicate="ship")
    assert later.preview()["cost_cents"].notna().sum() == 5
    assert later.execute(progress=False).shipped == 5


def test_skipped_rows_are_listed_and_can_be_taken_back(session):
    session.skip("weight_lb > 10 OR sku = 'pan'", reason="heavy")
    frame = session.preview()
    assert frame["cost_cents"].notna().tolist() == [True, False, True, False, False]
    assert session.edits[["action", "rows", "reason"]].to_dict("records") == [
        {"action": "skip", "rows": 3, "reason": "heavy"}
    ]
    session.unskip()
    assert session.preview()["cost_cents"].notna().sum() == 4


def test_an_edit_repairs_a_row_and_is_part_of_the_fingerprint(session):
    before = session.preview()
    first = session.preview_id
    session.edit("order_id = 'SO-4'", address_line1="4 Birch St")
    after = session.preview()
    assert before["problem"].notna().sum() == 1
    assert after["problem"].notna().sum() == 0
    assert session.preview_id != first


def test_skip_and_edit_see_costs(session):
    frame = session.preview()
    dearest = int(frame["cost_cents"].max())
    made = session.skip(f"cost_cents = {dearest}")
    assert len(made.row_numbers) >= 1
    assert session.preview()["cost_cents"].max() < dearest


def test_a_clause_on_costs_prices_first_when_nothing_was_priced_yet(session):
    assert len(session.skip("cost_cents > 0").row_numbers) == 4


def test_rows_in_review_are_settled_by_a_person(make):
    """The carrier loses every answer: the rows wait, one is sent again, the others set aside."""
    carrier = sk.SandboxCarrier(
        faults=Faults(lost_before=1.0), absence_is_proof_after_s=0.1, timeout_s=0.2
    )
    session = make(mode="auto", carrier=carrier, resend="ask")
    session.settings = session.settings.model_copy(update={"grace_s": 0.2})
    result = session.execute(progress=False)
    assert (result.shipped, result.in_doubt) == (0, 4)
    carrier.faults = Faults()
    assert session.decide("order_id = 'SO-1'", "resend")["state"].tolist() == ["pending"]
    assert set(session.decide("state = 'review'", "skip")["state"]) == {"skipped"}
    with pytest.raises(errors.InputError, match="No row in review"):
        session.decide("order_id = 'SO-1'", "resend")
    assert session.resume(progress=False).shipped == 1
    assert books(session) == 1


def test_an_edit_of_nothing_says_so(session):
    session.preview()
    with pytest.raises(errors.FilterError, match="No row matches"):
        session.edit("order_id = 'nope'", postal_code="02134")
    with pytest.raises(errors.InputError, match="no field 'colour'"):
        session.edit("order_id = 'SO-1'", colour="red")


def test_the_template_says_the_same_as_the_recognised_columns(session, make):
    by_columns = session.preview()
    by_template = make(template=session.template, service=None).preview()
    pd.testing.assert_frame_equal(
        by_columns.drop(columns=["warnings"]), by_template.drop(columns=["warnings"])
    )


def test_results_count_every_row_of_the_plan(session):
    session.preview()
    session.approve()
    session.execute(progress=False)
    frame = session.results()
    assert frame["state"].value_counts().to_dict() == {"shipped": 4, "skipped": 1}
    assert frame["tracking_number"].dropna().str.startswith("SANDBOX").all()
    assert frame["tracking_number"].dropna().is_unique
    assert (frame["charged_cents"].dropna() == frame["quoted_cents"].dropna()).all()
    assert session.results("shipped")["row_number"].tolist() == [1, 2, 3, 5]
    with pytest.raises(errors.InputError, match="States: pending"):
        session.results("lost")


def test_failed_rows_have_the_sources_own_columns_and_a_fix(session):
    session.preview()
    session.approve()
    session.execute(progress=False)
    frame = session.failed_rows()
    assert frame["order_id"].tolist() == ["SO-4"]
    assert frame["name"].tolist() == ["Dion Wu"]
    assert "street" in frame["problem"].iloc[0]
    assert frame["fix"].iloc[0]


def test_a_reopened_job_has_results_labels_and_totals(session, tmp_path):
    session.preview()
    session.approve()
    result = session.execute(progress=False)
    with sk.BatchSession.open(result.job_id) as reopened:
        assert (
            reopened.results()["tracking_number"].dropna().tolist()
            == session.results()["tracking_number"].dropna().tolist()
        )
        assert reopened.resume(progress=False).shipped == 4
        reopened.labels.save(tmp_path / "labels.pdf")
    assert (tmp_path / "labels.pdf").read_bytes().startswith(b"%PDF")
    assert books(session) == 4


def test_voided_rows_leave_the_total(session):
    session.preview()
    session.approve()
    result = session.execute(progress=False)
    voided = session.void("order_id = 'SO-1'")
    assert voided["state"].tolist() == ["voided"]
    after = sk.BatchResult.of(session.store)
    assert after.shipped == 3
    assert after.total_charged.cents == result.total_charged.cents - int(
        voided["charged_cents"].iloc[0]
    )
    session.void("order_id = 'SO-1'")
    assert sk.BatchResult.of(session.store).voided == 1


def test_a_row_the_carrier_will_not_void_has_its_words(make):
    class PickedUp(sk.SandboxCarrier):
        async def void(self, purchase):
            if purchase.shipment_id == first["shipment_id"]:
                raise errors.CarrierRejected(
                    "The parcel was picked up.", fix="Ask for a return.", carrier_code="V-17"
                )
            await super().void(purchase)

    session = make(carrier=PickedUp())
    session.preview()
    session.approve()
    session.execute(progress=False)
    first = next(e for e in session.store.chain().table.to_pylist() if e["shipment_id"])
    number = session.results()["row_number"].iloc[first["row"]]
    voided = session.void(all=True).set_index("row_number")
    row = voided.loc[number]
    assert (row["state"], row["error_code"], row["error_message"], row["fix"]) == (
        "shipped",
        "V-17",
        "The parcel was picked up.",
        "Ask for a return.",
    )
    others = voided[voided["state"] == "voided"]
    assert len(others) == 3
    assert others["error_message"].isna().all()


def test_jobs_and_shipments_list_what_was_bought(session):
    session.preview()
    session.approve()
    job = session.execute(progress=False).job_id
    assert sk.jobs()["job_id"].tolist() == [job]
    assert sk.jobs()["shipped"].tolist() == [4]
    assert len(sk.interrupted_jobs()) == 0
    assert len(sk.shipments()) == 4
    assert len(sk.shipments(since="2100-01-01")) == 0
    assert len(sk.shipments(where="charged_cents > 0", live=False)) == 4
    assert len(sk.shipments(live=True)) == 0


def test_the_mode_is_locked_while_a_job_runs(make):
    session = make(mode="auto", concurrency=1, carrier=sk.SandboxCarrier(latency_s=0.3))
    running = session.start(progress=False)
    with pytest.raises(errors.ModeLocked, match="executes"):
        session.set_mode("confirm")
    running.pause()
    result = running.wait()
    assert result.status == "paused"
    session.set_mode("confirm")
    assert session.resume(progress=False).shipped == 4


def test_a_failing_progress_callback_changes_nothing(make):
    def broken(progress: object) -> None:
        raise RuntimeError("a bar fell over")

    assert make(mode="auto").execute(progress=broken).shipped == 4


@pytest.fixture
def interrupted(make, monkeypatch):
    """Return a maker of sessions whose job stopped after a label and whose quotes have expired."""

    def build(**options) -> sk.BatchSession:
        session = make(**{"concurrency": 1, **options}, carrier=sk.SandboxCarrier(latency_s=0.3))
        session.preview()
        session.approve()
        bought = threading.Event()
        running = session.start(progress=lambda seen: seen.shipped and bought.set())
        assert bought.wait(60)
        running.pause()
        assert running.wait().remaining > 0
        later = session.summary.expires_at + dt.timedelta(seconds=1)
        monkeypatch.setattr("shipkit.job._now", lambda: later)
        return session

    return build


def more_expensive() -> sk.SandboxCarrier:
    """A carrier that raised its prices."""
    card = sk.RateCard.synthetic()
    raised = dataclasses.replace(
        card,
        rates=card.rates.set_column(
            card.rates.column_names.index("cents"), "cents", pc.multiply(card.rates["cents"], 2)
        ),
    )
    return sk.SandboxCarrier(card=raised)


def test_a_resumed_job_keeps_its_pace_unless_another_is_given(interrupted):
    job = interrupted(concurrency=1, rate_limit=5.0).job_id
    with sk.BatchSession.open(job) as session:
        connection = session.job.connection
        assert (connection.concurrency, connection.rate_limit) == (1, 5.0)
        assert connection.accounts().only.pacer.concurrency == 1
    with sk.BatchSession.open(job, rate_limit=200.0) as session:
        connection = session.job.connection
        assert (connection.concurrency, connection.rate_limit) == (1, 200.0)
        assert session.resume(progress=False).shipped == 4


def test_resume_after_expiry_continues_when_prices_are_the_same(interrupted):
    session = interrupted()
    assert session.resume(progress=False).shipped == 4


def test_resume_after_expiry_asks_again_when_the_rest_costs_more(interrupted):
    job = interrupted().job_id
    with sk.BatchSession.open(job, carrier=more_expensive()) as session:
        with pytest.raises(errors.ApprovalRequired, match="now costs") as caught:
            session.resume(progress=False)
        assert books(session) < 4
        with pytest.raises(errors.ApprovalRequired):
            session.resume(confirm_total="1.00", progress=False)
        assert (
            session.resume(
                confirm_total=caught.value.details["total"]["USD"], progress=False
            ).shipped
            == 4
        )


def test_resume_after_expiry_keeps_the_limit_in_auto(interrupted):
    job = interrupted(mode="auto", limits={"total": "70"}).job_id
    with sk.BatchSession.open(job, carrier=more_expensive()) as session:
        with pytest.raises(errors.SpendLimitExceeded, match="exceeds the limit"):
            session.resume(progress=False)
        assert books(session) < 4


def test_restart_needs_the_number_of_paid_labels_and_may_void_them_first(session):
    session.preview()
    session.approve()
    first = session.execute(progress=False)
    with pytest.raises(errors.RestartUnconfirmed, match="4 labels"):
        session.restart(progress=False)
    with pytest.raises(errors.RestartUnconfirmed):
        session.restart(confirm_paid_labels=3, void_first=True, progress=False)
    second = session.restart(confirm_paid_labels=4, void_first=True, progress=False)
    assert second.job_id != first.job_id
    assert second.shipped == 4
    assert sk.BatchResult.of(sk.BatchSession.open(first.job_id).store).voided == 4


def test_a_filter_tells_how_many_orders_it_keeps_and_how_many_it_kept_before(session):
    assert "2 of 5 orders (was 5)" in repr(session.where("sku = 'pan'"))
    assert "2 of 5 orders (was 2)" not in repr(session.where("sku = 'mug'"))
    assert "1 of 5 orders (was 2)" in repr(session.where("sku = $sku", sku="lamp"))


def test_a_filter_that_keeps_nothing_says_what_the_column_commonly_holds(session):
    with pytest.warns(UserWarning, match="0 of 5 orders.*California"):
        session.where("state = 'CAL'")
    assert len(session.preview()) == 0
    assert session.summary.shipments == 0


def test_naming_the_order_column_groups_lines_by_it(make):
    lines = [
        {
            "Order A": "1",
            "Order B": n,
            "name": "Ada",
            "address1": "1 Main St",
            "city": "Austin",
            "state": "TX",
            "zip": "78701",
            "weight_lb": 1,
        }
        for n in ("x", "y")
    ]
    session = make(lines).map(service="ground", columns={"order_id": "Order A"})
    assert session.preview()["row_numbers"].map(list).tolist() == [[1, 2]]
    session.map(service="ground", columns={"order_id": "Order B"})
    assert len(session.preview()) == 2


def test_one_carrier_serves_session_after_session(make):
    carrier = sk.SandboxCarrier()
    for name in ("first", "second"):
        with make(mode="auto", carrier=carrier, name=name, on_duplicate="ship") as session:
            assert session.execute(progress=False).shipped == 4
    assert books(session) == 8


def test_execute_works_inside_a_running_loop(make):
    async def cell() -> sk.BatchResult:
        return make(mode="auto").execute(progress=False)

    assert asyncio.run(cell()).shipped == 4


def test_reprs_tell_where_the_money_would_go_and_escape_what_came_from_a_file(make, rows):
    rows[0]["order_id"] = "<script>alert(1)</script>"
    session = make()
    assert "SANDBOX" in repr(session)
    session.preview()
    html = session.summary._repr_html_()
    assert "<script>" not in html
    assert "mathjax_ignore" in html
    session.approve()
    result = session.execute(progress=False)
    assert "<script>" not in result._repr_html_()
    assert "<script>" not in session.report()._repr_html_()
    assert "no money is spent" in repr(result)


def test_the_report_names_the_next_command(session, tmp_path):
    session.preview()
    session.approve()
    result = session.execute(progress=False)
    report = session.report()
    assert f"shipkit labels {result.job_id}" in repr(report)
    page = report.save(tmp_path / "day.html").read_text()
    assert result.job_id in page
    orders = tmp_path / "orders.csv"
    orders.write_text("order_id\n")
    with pytest.raises(sk.ShipkitError, match="no name of a web page"):
        report.save(orders)
    assert orders.read_text() == "order_id\n"


def test_job_folders_are_for_their_owner_only(session, home):
    session.preview()
    session.approve()
    job = session.execute(progress=False).job_id
    assert (home / "jobs" / job).stat().st_mode & 0o077 == 0
    assert (home / "previews" / session.preview_id).stat().st_mode & 0o077 == 0


def test_an_unknown_option_names_the_known_ones(make):
    for name, value in [
        ("on_duplicate", "sell"),
        ("label_format", "doc"),
        ("label_size", "10x10"),
        ("resend", "always"),
    ]:
        with pytest.raises(errors.InputError, match=f"{name}="):
            make(**{name: value})
    with pytest.raises(errors.InputError, match="Unknown mode 'yolo'"):
        make(mode="yolo")
    with pytest.raises(errors.SettingsError, match="no carrier 'pigeon'"):
        make(carrier="pigeon").preview()


def test_ctrl_c_pauses_and_resume_finishes(tmp_path, home):
    code = """
import sys, shipkit as sk
place = {"city": "Austin", "state": "TX"}
shop = sk.Address(
    name="D", address_line1="1 A St", postal_code="78701", phone="2105550100", **place
)
rows = [
    {"order_id": str(i), "name": "Ada", "address1": f"{i} Main St", "zip": "78701", "weight_lb": 1}
    | place
    for i in range(40)
]
session = sk.BatchSession(
    rows,
    shipper=shop,
    service="ground",
    mode="auto",
    concurrency=2,
    carrier=sk.SandboxCarrier(latency_s=0.1),
)
session.preview()
print("ready", flush=True)
result = session.execute(progress=lambda p: p.done and print("some", flush=True))
counts = (result.shipped, result.remaining, result.in_doubt)
print("RESULT", result.status, *counts, result.job_id, flush=True)
session.close()
"""
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SHIPKIT_HOME": str(home)},
    )
    assert child.stdout is not None
    while "some" not in child.stdout.readline():
        pass
    child.send_signal(2)
    out, err = child.communicate(timeout=60)
    assert err == ""
    _, status, shipped, remaining, in_doubt, job = next(
        line for line in out.splitlines() if line.startswith("RESULT")
    ).split()
    assert (status, in_doubt) == ("paused", "0")
    assert 0 < int(shipped) < 40
    assert int(shipped) + int(remaining) == 40
    assert sk.interrupted_jobs()["job_id"].tolist() == [job]
    with sk.BatchSession.open(job) as session:
        assert session.resume(progress=False).shipped == 40
        assert books(session) == 40


def test_a_template_may_look_at_the_lines_of_orders_that_are_added_up(make):
    lines = [
        {
            "order_id": "1",
            "name": "Ada Lee",
            "address1": "1 Main St",
            "city": "Austin",
            "state": "TX",
            "zip": "78701",
            "weight_lb": 2.0,
            "sku": sku,
        }
        for sku in ("mug", "pan")
    ]
    session = make(lines)
    session.map(
        session.template.replace(
            '"ground"', '{% if lines | length == 2 %}"next_day_air"{% else %}"ground"{% endif %}'
        ),
        weights="line",
    )
    assert session.preview()["service"].tolist() == ["next_day_air"]
