"""The panel without a browser: what its buttons do, and what it shows."""

from __future__ import annotations

import dataclasses
import datetime as dt
import subprocess
import sys
import threading
import time
from pathlib import Path

import ipywidgets as widgets
import pyarrow.compute as pc
import pytest

import shipkit as sk
from shipkit.carriers.protocol import CarrierIdentity
from shipkit.carriers.sandbox import SandboxCarrier
from shipkit.carriers.sandbox.faults import Faults
from shipkit.notebook.live_panel import LivePanel


def every(widget) -> list[widgets.Widget]:
    return [widget, *(part for child in getattr(widget, "children", ()) for part in every(child))]


def shown(panel: LivePanel) -> str:
    """All HTML on the panel, the style left out."""
    return "\n".join(
        w.value
        for w in every(panel._box)
        if isinstance(w, widgets.HTML) and "<style>" not in w.value
    )


def find(panel: LivePanel, css: str) -> widgets.Widget | None:
    return next((w for w in every(panel._box) if css in w._dom_classes), None)


def press(panel: LivePanel, css: str) -> None:
    button = find(panel, css)
    assert button is not None, (
        f"there is no button {css}: "
        f"{[w.description for w in every(panel._box) if isinstance(w, widgets.Button)]}"
    )
    assert not button.disabled
    button.click()


def ended(panel: LivePanel) -> bool:
    """Whether the run is over and the thread that followed it has painted its last."""
    return panel.phase not in ("offer", "running", "pausing", "cancelling") and not any(
        t.name == "shipkit-panel" for t in threading.enumerate()
    )


def test_the_button_says_what_it_spends_and_for_how_many(make):
    session = make()
    panel = session.panel()
    assert find(panel, "sk-approve").description == f"Approve {session.summary.total} for 12 labels"


def test_showing_a_panel_buys_nothing(make, bought):
    make().panel()
    assert bought() == 0


def test_approving_buys_each_row_once_and_ends_with_the_result(make, bought, until):
    session = make()
    panel = session.panel()
    press(panel, "sk-approve")
    until(lambda: ended(panel))
    assert panel.phase == "completed"
    assert bought() == 12
    assert session.results()["state"].eq("shipped").all()
    assert str(session.report().result.total_charged) in shown(panel)


def test_a_double_click_buys_once(make, bought, until):
    session = make(latency_s=0.05)
    panel = session.panel()
    button = find(panel, "sk-approve")
    button.click()
    button.click()
    until(lambda: ended(panel))
    button.click()
    assert bought() == 12
    assert len(sk.jobs()) == 1


def test_the_approval_names_the_panel(make, until):
    session = make()
    panel = session.panel()
    press(panel, "sk-approve")
    until(lambda: ended(panel))
    assert session.store.manifest.approval["via"] == "panel"


def test_a_click_meant_for_an_earlier_total_buys_nothing(make, bought):
    session = make()
    panel = session.panel()
    old = find(panel, "sk-approve")
    find(panel, "sk-clause").value = "state = 'TX'"
    old.click()
    assert bought() == 0
    assert find(panel, "sk-approve").description.endswith("for 4 labels")


def test_what_another_cell_changed_is_not_bought_by_the_old_button(make, bought):
    session = make()
    panel = session.panel()
    session.where("state = 'TX'")
    session.preview()
    press(panel, "sk-approve")
    assert bought() == 0
    assert "Price again" in shown(panel)
    press(panel, "sk-price")
    assert find(panel, "sk-approve").description.endswith("for 4 labels")


def test_a_filter_that_cannot_be_used_says_so_and_the_old_one_stays_in_force(make, bought):
    session = make()
    panel = session.panel()
    find(panel, "sk-clause").value = "stat = 'TX'"
    assert "did you mean `state`" in shown(panel)
    assert session.selection == "12 of 12 orders"
    press(panel, "sk-approve")  # the box shows another filter than the total was made with
    assert bought() == 0
    assert "The filter in the box" in shown(panel)


def test_a_bound_value_of_a_filter_is_kept_and_shown(make):
    session = make()
    session.where("state = $state", state="TX")
    panel = session.panel()
    assert "$state = &#x27;TX&#x27;" in shown(panel)
    find(panel, "sk-clause").value = "state = $state AND weight_lb > 3"
    assert session.filter == (("state = $state AND weight_lb > 3",), {"state": "TX"})


def test_a_filter_that_keeps_nothing_offers_nothing_to_buy(make):
    panel = make().panel()
    find(panel, "sk-clause").value = "state = 'ZZ'"
    assert find(panel, "sk-approve").disabled
    assert "Approve $0.00 for 0 labels" in find(panel, "sk-approve").description


def test_pause_and_resume_buy_every_row_once(make, bought, until):
    session = make(latency_s=0.15, concurrency=2)
    panel = session.panel()
    press(panel, "sk-approve")
    until(lambda: bought() >= 2)
    press(panel, "sk-pause")
    until(lambda: ended(panel))
    count = bought()
    assert 2 <= count < 12
    assert f"Resume: send {12 - count}" in find(panel, "sk-resume").description
    press(panel, "sk-resume")
    until(lambda: ended(panel))
    assert panel.phase == "completed"
    assert bought() == 12


def test_cancel_asks_first_and_then_ends_the_job(make, bought, until):
    session = make(latency_s=0.15, concurrency=2)
    panel = session.panel()
    press(panel, "sk-approve")
    until(lambda: bought() >= 2)
    press(panel, "sk-cancel")
    assert panel.phase == "running"
    press(panel, "sk-keep")
    press(panel, "sk-cancel")
    press(panel, "sk-sure")
    until(lambda: ended(panel))
    assert panel.phase == "cancelled"
    assert bought() < 12
    assert find(panel, "sk-resume") is None


def test_a_paused_job_can_be_cancelled(make, until):
    session = make(latency_s=0.15, concurrency=2)
    panel = session.panel()
    press(panel, "sk-approve")
    press(panel, "sk-pause")
    until(lambda: ended(panel))
    press(panel, "sk-cancel")
    assert "unsent rows will never be sent" in find(panel, "sk-sure").description
    press(panel, "sk-sure")
    assert panel.phase == "cancelled"


def test_a_reopened_job_says_what_happened_and_continues(make, bought, until):
    session = make(latency_s=0.15, concurrency=2)
    first = session.panel()
    press(first, "sk-approve")
    until(lambda: bought() >= 2)
    press(first, "sk-pause")
    until(lambda: ended(first))
    with sk.BatchSession.open(session.job_id) as again:
        panel = again.panel()
        assert panel.phase == "paused"
        assert "Not finished: paused" in shown(panel)
        assert "Last shipped: row" in shown(panel)
        press(panel, "sk-review")
        assert "<details open>" in find(panel, "sk-panel").children[-1].value
        press(panel, "sk-resume")
        until(lambda: ended(panel))
    assert bought() == 12


def test_a_job_opened_on_its_own_has_a_panel_that_resumes_it(make, bought, until):
    session = make(latency_s=0.15, concurrency=2)
    first = session.panel()
    press(first, "sk-approve")
    press(first, "sk-pause")
    until(lambda: ended(first))
    with sk.Job.open(session.job_id) as job:
        panel = job.panel()
        assert panel.phase == "paused"
        press(panel, "sk-resume")
        until(lambda: ended(panel))
        assert panel.phase == job.status == "completed"
    assert bought() == 12


def test_orders_that_have_a_job_already_show_it_instead_of_an_offer(make, until):
    first = make()
    first.preview()
    first.approve()
    first.execute(progress=False)
    panel = make().panel()
    assert panel.phase == "completed"
    assert find(panel, "sk-approve") is None


def test_failed_rows_are_the_first_of_the_results(make, until):
    session = make(
        carrier=SandboxCarrier(faults=Faults(reject=1.0, match="Cora", reject_code="120100"))
    )
    panel = session.panel()
    press(panel, "sk-approve")
    until(lambda: ended(panel))
    page = shown(panel)
    assert panel.phase == "completed_with_errors"
    assert page.index("SO-3<") < page.index("SO-1<")


def test_switching_to_auto_changes_the_session_and_says_what_it_means(make):
    session = make(limits={"total": "500"})
    panel = session.panel()
    find(panel, "sk-mode").value = "auto"
    assert session.mode is sk.ExecutionMode.AUTO
    assert "spends at most $500.00" in shown(panel)
    assert find(panel, "sk-approve").description.startswith("Buy now: $")


def test_auto_on_a_live_account_without_a_limit_is_refused_and_the_switch_goes_back(make, home):
    carrier = SandboxCarrier(home=home)
    carrier.identity = CarrierIdentity("sandbox", "live", "A1B2C3D4")
    session = make(carrier=carrier)
    panel = session.panel()
    find(panel, "sk-mode").value = "auto"
    assert session.mode is sk.ExecutionMode.CONFIRM
    assert find(panel, "sk-mode").value == "confirm"
    assert "needs a total limit" in shown(panel)


def test_a_live_account_is_named_next_to_the_button(make, home):
    carrier = SandboxCarrier(home=home)
    carrier.identity = CarrierIdentity("ups", "live", "A1B2C3D4")
    page = shown(make(carrier=carrier).panel())
    assert "ups LIVE ...C3D4, real money" in page
    assert "A1B2" not in page


def test_what_came_from_a_file_is_text(make, rows, until):
    for number, row in enumerate(rows):
        row["name"], row["order_id"] = (
            "<script>alert(1)</script>",
            f"<script>alert({number})</script>",
        )
    rows[0]["zip"] = "<img src=x onerror=alert(1)>"
    session = make(on_duplicate="ship", name="<b>bold</b>")
    panel = session.panel()
    press(panel, "sk-approve")
    until(lambda: ended(panel))
    for page in (shown(panel), shown(make(name="<i>i</i>").panel())):
        assert "<script" not in page
        assert "<img src=x" not in page
        assert "<b>bold" not in page


def test_the_page_is_updated_at_most_ten_times_a_second_and_the_last_state_is_sent(make, until):
    session = make(latency_s=0.1, concurrency=1)
    panel = session.panel()
    at: list[float] = []
    panel._state.observe(lambda _: at.append(time.monotonic()), "value")
    press(panel, "sk-approve")
    until(lambda: ended(panel))
    taken = at[-1] - at[0]
    assert taken > 1
    assert len(at) <= 10 * taken + 3
    assert "12 of 12" in panel._state.value


def test_nothing_is_printed_while_a_job_runs(tmp_path):
    """In a process of its own: pytest's log handlers would hide what Python prints without any."""
    program = tmp_path / "program.py"
    program.write_text(
        _CONFUSED.format(folder=str(Path(__file__).parent), home=str(tmp_path / "home")),
        encoding="utf-8",
    )
    said = subprocess.run(
        [sys.executable, str(program)], check=True, capture_output=True, text=True
    )
    assert (said.stdout, said.stderr) == ("completed\n", "")


_CONFUSED = """
import sys, threading
sys.path.insert(0, {folder!r})
from conftest import ROWS
import shipkit as sk

class Confused(sk.SandboxCarrier):
    async def ship(self, shipment, shipper, reference, label):
        bought = await super().ship(shipment, shipper, reference, label)
        if "Cora" in shipment.ship_to.name:
            raise RuntimeError("half an answer")
        return bought

shop = dict(
    name="D", address_line1="300 Alamo Plaza", city="San Antonio", state="TX",
    postal_code="78205", phone="2105550100",
)
session = sk.BatchSession(
    ROWS, shipper=shop, service="ground", home={home!r}, carrier=Confused(home={home!r})
)
panel = session.panel()
panel._actions.children[0].click()
while any(t.name == "shipkit-panel" for t in threading.enumerate()):
    session.execution.wait(0.1)
print(panel.phase)
"""


def test_labels_are_saved_and_offered_for_download(make, until, tmp_path):
    session = make()
    panel = session.panel()
    press(panel, "sk-approve")
    until(lambda: ended(panel))
    find(panel, "sk-labels-path").value = str(tmp_path / "labels.pdf")
    press(panel, "sk-save-labels")
    assert (tmp_path / "labels.pdf").read_bytes().startswith(b"%PDF")
    assert 'download="labels.pdf"' in shown(panel)
    find(panel, "sk-labels-path").value = str(tmp_path / "no" / "such" / "labels.doc")
    press(panel, "sk-save-labels")
    assert 'role="alert"' in shown(panel)
    press(panel, "sk-show-labels")
    assert shown(panel).count("<figure") == 3


def test_a_job_that_another_process_runs_is_only_watched(make, until):
    session = make(latency_s=0.3, concurrency=1)
    session.preview()
    session.approve()
    running = session.start(progress=False)
    with sk.BatchSession.open(session.job_id) as other:
        panel = other.panel()
        assert panel.phase == "elsewhere"
        assert find(panel, "sk-resume") is None
        running.pause()
        running.wait()
        press(panel, "sk-again")
        assert panel.phase == "paused"


def test_a_panel_follows_a_run_that_a_cell_started(make, until):
    session = make(latency_s=0.2, concurrency=2)
    session.preview()
    session.approve()
    session.start(progress=False)
    panel = session.panel()
    assert panel.phase == "running"
    until(lambda: ended(panel))
    assert panel.phase == "completed"


def test_an_unexpected_error_of_a_button_is_seen(make):
    session = make()
    panel = session.panel()
    session.limits = "not limits"
    press(panel, "sk-approve")
    assert 'role="alert"' in shown(panel)
    assert "AttributeError" in shown(panel)


@pytest.mark.parametrize("phase", ["offer", "completed"])
def test_the_record_below_the_widget_has_the_time_of_its_last_update(make, phase, until):
    session = make()
    panel = session.panel()
    if phase == "completed":
        press(panel, "sk-approve")
        until(lambda: ended(panel))
    text = repr(panel)
    assert "as of 20" in text
    assert ("nothing bought" in text) == (phase == "offer")
    assert (f'sk.BatchSession.open("{session.job_id}").panel()' in text) == (phase == "completed")


@pytest.mark.parametrize("choice", ["sk-resend", "sk-aside"])
def test_rows_that_the_carrier_does_not_find_wait_for_a_person(
    make, bought, until, monkeypatch, choice
):
    monkeypatch.setenv("SHIPKIT_GRACE_S", "0.3")
    carrier = SandboxCarrier(
        faults=Faults(lost_before=1.0, match="Cora"), absence_is_proof_after_s=0.2
    )
    session = make(carrier=carrier, resend="ask")
    panel = session.panel()
    press(panel, "sk-approve")
    until(lambda: ended(panel))
    assert bought() == 8
    assert "4 rows in doubt for you to decide" in shown(panel)
    carrier.faults = Faults()
    press(panel, choice)
    assert "sk-sure" in find(panel, "sk-sure")._dom_classes
    assert bought() == 8
    press(panel, "sk-sure")
    until(lambda: ended(panel))
    assert bought() == (12 if choice == "sk-resend" else 8)
    assert panel.phase == "completed"
    assert find(panel, choice) is None


def test_a_job_that_became_more_expensive_is_resumed_only_at_a_total_that_was_shown(
    make, bought, until
):
    session = make(latency_s=0.2, concurrency=1, max_quote_age=dt.timedelta(seconds=2))
    first = session.panel()
    press(first, "sk-approve")
    until(lambda: bought() >= 1)
    press(first, "sk-pause")
    until(lambda: ended(first))
    until(lambda: dt.datetime.now(dt.UTC) > session.summary.expires_at)
    card = sk.RateCard.synthetic()
    raised = dataclasses.replace(
        card,
        rates=card.rates.set_column(
            card.rates.column_names.index("cents"), "cents", pc.multiply(card.rates["cents"], 2)
        ),
    )
    with sk.BatchSession.open(session.job_id, carrier=SandboxCarrier(card=raised)) as again:
        panel = again.panel()
        press(panel, "sk-resume")
        assert bought() < 12
        assert "now costs" in shown(panel)
        left = panel.view.unsent
        assert find(panel, "sk-resume").description.endswith(f"for the remaining {left} rows")
        press(panel, "sk-resume")
        until(lambda: ended(panel))
    assert bought() == 12
