"""session.plot: figures whose numbers are the preview's and the job's."""

from __future__ import annotations

import subprocess
import sys

import matplotlib as mpl
import pytest

import shipkit as sk
from shipkit import errors
from shipkit.carriers.sandbox import SandboxCarrier
from shipkit.carriers.sandbox.faults import Faults
from shipkit.demo import demo_orders
from shipkit.plan.preview import service_title

mpl.use("agg")

COSTS = (
    "cost_by_service",
    "cost_by_zone",
    "cost_distribution",
    "cost_parts",
    "by_state",
    "weight_vs_billable",
)


@pytest.fixture
def session(make):
    return make(demo_orders(), service=None)


def texts(figure) -> str:
    axes = figure.axes[0]
    legend = axes.get_legend()
    said = [
        axes.get_title(loc="left"),
        *(t.get_text() for t in [*axes.texts, *(legend.get_texts() if legend else ())]),
    ]
    return "\n".join(said).replace("\\$", "$")


@pytest.mark.parametrize("name", COSTS)
def test_every_plot_is_drawn_and_can_be_saved(session, tmp_path, name):
    figure = getattr(session.plot, name)()
    figure.savefig(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 5_000
    assert not mpl.pyplot.get_fignums()


def test_the_bars_of_services_are_the_summary(session):
    axes = session.plot.cost_by_service().axes[0]
    bars = {
        label.get_text(): patch.get_width()
        for label, patch in zip(axes.get_yticklabels(), axes.patches, strict=True)
    }
    assert bars == pytest.approx(
        {
            service_title(line.service): float(line.total.amount)
            for line in session.summary.by_service
        }
    )


def test_the_title_names_the_total_and_the_labels(session):
    assert f"for {session.summary.shipments} labels" in texts(session.plot.cost_by_service())


def test_the_rest_of_many_groups_is_one_bar(session):
    assert "others" in next(
        label.get_text() for label in session.plot.by_state(top=3).axes[0].get_yticklabels()
    )


def test_billed_by_size_and_by_weight_add_up_to_all_labels(session):
    said = texts(session.plot.weight_vs_billable())
    counts = [
        int(line.split(": ")[1].split(" ")[0])
        for line in said.splitlines()
        if line.startswith("billed by")
    ]
    assert sum(counts) == session.summary.shipments


def test_quoted_against_charged_says_the_difference(make, rows):
    session = make(carrier=SandboxCarrier(faults=Faults(price_drift="0.10")))
    session.preview()
    session.approve()
    session.execute(progress=False)
    frame = session.results()
    gap = sk.Money.from_cents(int((frame["charged_cents"] - frame["quoted_cents"]).sum()))
    assert f"{gap} more than quoted" in texts(session.plot.quoted_vs_charged())


def test_a_reopened_job_can_be_plotted(make):
    session = make()
    session.preview()
    session.approve()
    session.execute(progress=False)
    with sk.BatchSession.open(session.job_id) as again:
        assert "for 12 labels" in texts(again.plot.cost_by_service())
        assert "charged exactly as quoted" in texts(again.plot.quoted_vs_charged())


def test_quoted_against_charged_needs_a_job(session):
    with pytest.raises(errors.JobNotFound):
        session.plot.quoted_vs_charged()


def test_a_preview_without_prices_cannot_be_plotted(make):
    session = make([{"order_id": "1", "name": "Ada", "zip": "78701"}])
    with pytest.raises(errors.InputError, match="nothing to plot"):
        session.plot.cost_by_zone()


def test_the_plots_are_named_and_nothing_is_drawn_before_one_is_asked_for(session):
    assert all(name in repr(session.plot) for name in COSTS)
    code = "import sys, shipkit.session; print('matplotlib' in sys.modules)"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout.strip()
        == "False"
    )
