"""The panel: one view of a session, from the price to the labels.

It makes no decision of its own: each button calls a method of the session, and the panel shows
what became of it.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import ipywidgets as widgets

from shipkit.common.words import counted
from shipkit.errors import ApprovalRequired, ModeLocked, PlanChanged, PreviewExpired, ShipkitError
from shipkit.models import Money
from shipkit.notebook import buttons, panel_html
from shipkit.notebook.controls import LabelsBox, OfferControls, after_each_cell, html, style
from shipkit.notebook.model import RUNS, JobView, Offer, Phase, job_of, offered
from shipkit.notebook.record import PanelRecord, bundle
from shipkit.notebook.wording import mode_text
from shipkit.outputs.labels import Labels
from shipkit.purchasing import recovery
from shipkit.purchasing.approval import ExecutionMode
from shipkit.purchasing.result_frames import results_frame
from shipkit.purchasing.store import JobStore
from shipkit.state import RowState

if TYPE_CHECKING:
    from shipkit.session import BatchSession, RunHandle

__all__ = ["LivePanel"]

_PAINT_S = 0.1
"""How often the page is updated while a job runs; the last update is always sent.

Faster is not seen, and a page in a browser far away would fall behind.
"""


class LivePanel:
    """A panel on a session; a cell shows it if it is the last line of the cell.

    Parameters
    ----------
    session
        Its orders, prices and job are shown. Orders that are not priced yet are priced, which buys
        nothing.

    Attributes
    ----------
    view
        What is shown, as plain values: an offer or a job.
    """

    view: Offer | JobView
    _seen: _SessionState | None = None

    def __init__(self, session: BatchSession) -> None:
        self.session = session
        # The thread of the kernel and the one that follows a run write the same widgets.
        self._guard = threading.RLock()
        self._record = PanelRecord()
        self._running_phase = Phase.RUNNING
        self._job: JobStore | None = None
        self._head, self._state, self._alert, self._more = html(), html(), html(), html()
        self._badge, self._hint = html(), html(css="sk-hint")
        self._controls = OfferControls(apply=self._filter, choose=self._set_mode)
        self._pause = buttons.pause(self._pause_pressed)
        self._cancel = buttons.cancel(self._cancel_asked)
        self._price_again = buttons.price_again(self._price_pressed)
        self._actions = widgets.HBox()
        self._box = widgets.VBox()
        self._box.add_class("sk-panel")
        self.refresh()

    @property
    def phase(self) -> Phase:
        """What the panel is showing."""
        return self.view.phase if isinstance(self.view, JobView) else Phase.OFFER

    def refresh(self) -> None:
        """Show the current state of the session: its job if it has one, otherwise the offer."""
        running = self.session.execution
        if running is not None and running.running:
            self._follow(running)
            return
        self._job = self._find_job()
        if self._job is None:
            self._show_offer(offered(self.session))
        else:
            self._show_job(job_of(self._job))
        self._seen = self._session_state()

    def _find_job(self) -> JobStore | None:
        """Return the job to show: the session's own, or an earlier one of the same orders."""
        if self.session.job_id is not None:
            return self.session.store
        self.session.previewed  # noqa: B018 - earlier_job needs the orders priced
        earlier = self.session.earlier_job
        return JobStore.open(self.session.settings.home, earlier) if earlier else None

    # -- showing -----------------------------------------------------------------------------------

    def _ipython_display_(self) -> None:
        from IPython.display import display

        view = {
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self._box.model_id,
            }
        }
        display(
            {"text/plain": "The panel is live only while its kernel runs. Its record:", **view},
            raw=True,
        )
        self._record.display(self.view)
        after_each_cell(self._cell_ran)

    def __repr__(self) -> str:
        return bundle(self.view)["text/plain"]

    def _show_offer(self, offer: Offer) -> None:
        summary = offer.summary
        with self._guard:
            self.view = offer
            self._head.value = panel_html.head(
                offer.title, ", ".join(part for part in (offer.source, offer.selection) if part)
            )
            self._state.value = panel_html.offer_page(offer)
            self._badge.value = panel_html.badge(summary.carrier, live=summary.live)
            self._more.value = panel_html.problem_page(offer)
            self._controls.clause.value = offer.clause
            self._controls.mode.value = self.session.mode
            self._controls.mode_hint.value = panel_html.status_line(
                mode_text(self.session.mode, offer.limits)
            )
            self._hint.value = panel_html.status_line(f"with {offer.bound}" if offer.bound else "")
            self._actions.children = [self._approve_button(offer), self._badge, self._hint]
            self._box.children = [
                style(),
                self._head,
                self._controls.filter_row,
                self._controls.mode_row,
                self._state,
                self._alert,
                self._actions,
                self._more,
            ]
            self._record.update(offer)

    def _show_job(self, job: JobView) -> None:
        """Show a job that is not running here."""
        with self._guard:
            self._paint(job)
            self._hint.value = panel_html.status_line(_next_step(job))
            self._actions.children = [*self._job_buttons(job), self._badge, self._hint]
            self._more.value = (
                panel_html.result_page(
                    results_frame(self._store), opened=job.phase is not Phase.PAUSED
                )
                if job.phase is not Phase.ELSEWHERE
                else ""
            )
            labels = (
                [
                    LabelsBox(
                        lambda: Labels.of(self._store),
                        file=f"labels-{job.job_id.removeprefix('job-')[:6]}.pdf",
                    ).widget
                ]
                if job.shipped
                else []
            )
            self._box.children = [
                style(),
                self._head,
                self._state,
                self._alert,
                self._actions,
                *labels,
                self._more,
            ]

    def _show_run(self, job: JobView) -> None:
        """Show a job that this session is running."""
        with self._guard:
            self._running_phase = Phase.RUNNING
            self._paint(job)
            self._hint.value = panel_html.status_line(
                "Other cells can run meanwhile. You can close the notebook: the job is on disk."
            )
            self._pause.disabled = self._cancel.disabled = False
            self._actions.children = [self._pause, self._cancel, self._badge, self._hint]
            self._box.children = [style(), self._head, self._state, self._alert, self._actions]

    def _paint(self, job: JobView) -> None:
        """Update the status of the job. A widget whose value stays the same sends nothing."""
        with self._guard:
            self.view = job
            self._head.value = panel_html.head(job.title, job.job_id)
            self._badge.value = panel_html.badge(job.carrier, live=job.live)
            self._state.value = panel_html.job_page(job)
            self._record.update(job)

    @property
    def _store(self) -> JobStore:
        assert self._job is not None  # noqa: S101 - a job is shown
        return self._job

    @contextmanager
    def _errors_shown(self) -> Iterator[None]:
        """Show errors on the panel: Jupyter does not show those of a widget's callback."""
        self._alert.value = ""
        try:
            yield
        except (PlanChanged, PreviewExpired) as error:
            self._alert.value = panel_html.alert(
                error.message, "Nothing was bought. Price again and check the new total."
            )
            self._actions.children = [self._price_again, self._badge, self._hint]
        except ModeLocked as error:
            self.refresh()
            self._alert.value = panel_html.alert(error.message, error.fix)
        except ShipkitError as error:
            self._alert.value = panel_html.alert(error.message, error.fix)
        except Exception as error:  # noqa: BLE001 - any error of a callback must be visible
            self._alert.value = panel_html.alert(
                f"{type(error).__name__}: {error}",
                "This is unexpected. The records of the job are safe on disk.",
            )

    def _cell_ran(self) -> None:
        """Follow what another cell did with the session: filter, price or buy."""
        seen = self._session_state()
        if seen == self._seen:
            return
        with self._errors_shown():
            if seen.unpriced:
                self._seen = seen
                self._actions.children = [self._price_again, self._badge, self._hint]
                self._hint.value = panel_html.status_line(
                    "Another cell changed the orders. The panel shows them as they were before."
                )
            else:
                self.refresh()

    def _session_state(self) -> _SessionState:
        session = self.session
        job_id = session.job_id
        return _SessionState(
            session.preview_id,
            job_id,
            id(session.execution),
            session.mode,
            unpriced=job_id is None and session.status == "new",
        )

    # -- buttons -----------------------------------------------------------------------------------

    def _approve_button(self, offer: Offer) -> Any:
        """Return a button for exactly this offer.

        A click on the button of an earlier offer buys nothing: the total has changed since.
        """
        return buttons.approve(
            offer, self.session.mode, lambda pressed: self._approve(pressed, offer)
        )

    def _job_buttons(self, job: JobView) -> list[Any]:
        """Return the buttons for a job that this session is not running."""
        if job.phase is Phase.ELSEWHERE:
            return [buttons.refresh(lambda _: self.refresh())]
        waiting = self._decisions(job) if job.waiting and job.phase is not Phase.CANCELLED else []
        if job.phase is not Phase.PAUSED:
            return waiting
        self._cancel.disabled = False
        return [
            buttons.resume(job, self._resume),
            buttons.review(self._review),
            self._cancel,
            *waiting,
        ]

    def _decisions(self, job: JobView) -> list[Any]:
        """Return the buttons for rows that the carrier does not find; each asks before it acts."""
        rows = counted(job.waiting, "row")
        again = f"Yes, send {rows} again. If the carrier has them after all, they are bought twice"
        never = f"Yes, set {rows} aside. This job will never send them"
        return [
            buttons.resend(
                job, lambda _: self._ask(again, lambda pressed: self._decide(pressed, "resend"))
            ),
            buttons.set_aside(
                job, lambda _: self._ask(never, lambda pressed: self._decide(pressed, "skip"))
            ),
        ]

    # -- callbacks of the buttons ------------------------------------------------------------------

    def _approve(self, pressed: Any, offer: Offer) -> None:
        pressed.disabled = True  # first of all, so that a double click buys once
        if self.view is not offer:
            return
        with self._errors_shown():
            if self._controls.clause.value.strip() != offer.clause:
                raise PlanChanged(
                    "The filter in the box is not the one that this total was computed with."
                )
            self.session.approve(offer.summary.preview_id, via="panel")
            self._follow(self.session.start(progress=False))
            self._pause.focus()
            return
        pressed.disabled = False

    def _pause_pressed(self, _: Any) -> None:
        self._pause.disabled = True
        self._stop(Phase.PAUSING, self.session.pause)

    def _stop(self, phase: Phase, ask: Callable[[], None]) -> None:
        with self._errors_shown(), self._guard:
            ask()
            self._running_phase = phase
            if isinstance(self.view, JobView) and self.view.phase in RUNS:
                self._paint(self.view.in_phase(phase))

    def _cancel_asked(self, _: Any) -> None:
        job = self.view
        if not isinstance(job, JobView):
            return
        unsent = (
            f"{counted(job.unsent, 'unsent row')} will never be sent"
            if job.phase is Phase.PAUSED
            else "rows that are not sent by then will never be sent"
        )
        self._ask(f"End the job: {unsent}", self._cancel_pressed)

    def _ask(self, yes: str, press: Callable[[Any], None]) -> None:
        """Ask before something that cannot be undone."""
        sure, back = buttons.sure(yes, press), buttons.back(self._back_pressed)
        with self._guard:
            self._actions.children = [sure, back, self._badge]
        back.focus()

    def _back_pressed(self, _: Any) -> None:
        with self._guard:
            if isinstance(self.view, JobView) and self.view.phase not in RUNS:
                self._actions.children = [*self._job_buttons(self.view), self._badge, self._hint]
            else:
                self._actions.children = [self._pause, self._cancel, self._badge, self._hint]

    def _cancel_pressed(self, pressed: Any) -> None:
        pressed.disabled = True
        running = self.session.execution
        if running is not None and running.running:
            self._stop(Phase.CANCELLING, running.cancel)
            return
        with self._errors_shown():
            recovery.cancel(self._store)
            self._show_job(job_of(self._store))

    def _resume(self, pressed: Any, confirmed: Money | None = None) -> None:
        pressed.disabled = True
        own = self.session.job_id is not None
        with self._errors_shown():
            try:
                running = (
                    self.session.start_resume(confirm_total=confirmed, progress=False)
                    if own
                    else self.session.start(progress=False)
                )
            except ApprovalRequired as error:
                self._ask_again(error)
                raise
            self._follow(running)
            self._pause.focus()
            return
        pressed.disabled = False

    def _ask_again(self, error: ApprovalRequired) -> None:
        """Offer to approve the new total of a job whose quotes expired."""
        totals = error.details.get("total", {})
        if len(totals) != 1 or not isinstance(self.view, JobView):
            return
        ((currency, text),) = totals.items()
        new = Money.of(text, currency)
        yes = buttons.resume_at(new, self.view, lambda pressed: self._resume(pressed, new))
        with self._guard:
            self._actions.children = [yes, self._cancel, self._badge, self._hint]

    def _decide(self, pressed: Any, choice: str) -> None:
        """Settle the rows that the carrier does not find: send them again, or set them aside."""
        pressed.disabled = True
        with self._errors_shown():
            self._settle(choice)
            if choice == "resend":
                self._resume(pressed)
            else:
                self._show_job(job_of(self._store))

    def _settle(self, choice: str) -> None:
        if self.session.job_id is not None:
            self.session.decide("true", choice)  # refuses another account than the job's
            return
        states = self._store.results().column("state").to_pylist()
        rows = [row for row, state in enumerate(states) if state == RowState.REVIEW]
        recovery.decide(self._store, rows, choice)

    def _review(self, _: Any) -> None:
        with self._errors_shown():
            self._more.value = panel_html.result_page(results_frame(self._store), opened=True)

    def _filter(self) -> None:
        text = self._controls.clause.value.strip()
        if not isinstance(self.view, Offer) or text == self.view.clause:
            return
        _, params = self.session.filter
        with self._errors_shown(), warnings.catch_warnings(record=True) as noted:
            warnings.simplefilter("always")
            self._hint.value = panel_html.status_line("Filtering and pricing ...")
            self.session.where(
                *([text] if text else []),
                **{name: value for name, value in params.items() if f"${name}" in text},
            )
            self.refresh()
            if noted:
                self._alert.value = panel_html.alert(str(noted[0].message))
            return
        self._hint.value = ""

    def _set_mode(self, mode: ExecutionMode) -> None:
        if mode is self.session.mode or not isinstance(self.view, Offer):
            return
        with self._errors_shown():
            self.session.set_mode(mode)
        self._show_offer(self.view)  # if the mode was refused, the switch goes back

    def _price_pressed(self, pressed: Any) -> None:
        pressed.disabled = True
        with self._errors_shown():
            self.session.preview()
            self.refresh()
        pressed.disabled = False

    # -- following a run ---------------------------------------------------------------------------

    def _follow(self, running: RunHandle) -> None:
        """Show a run, and keep the page up to date from a thread, so that the kernel stays free."""
        self._job = self.session.store
        self._seen = self._session_state()
        job = job_of(self._job, running=True)
        self._show_run(job)
        threading.Thread(
            target=self._watch, args=(running, job), name="shipkit-panel", daemon=True
        ).start()

    def _watch(self, running: RunHandle, job: JobView) -> None:
        with self._errors_shown():
            while running.wait(_PAINT_S) is None:
                if running.progress is not None:
                    self._paint(job.at(running.progress, self._running_phase))
        with self._guard:
            alert = self._alert.value
            with self._errors_shown():
                self._show_job(job_of(self._store))
            self._alert.value = self._alert.value or alert


class _SessionState(NamedTuple):
    """What changes when a cell does something with the session; cheap to read."""

    preview_id: str | None
    job_id: str | None
    execution: int
    mode: ExecutionMode
    unpriced: bool


def _next_step(job: JobView) -> str:
    match job.phase:
        case Phase.DONE_WITH_ERRORS:
            return "session.failed_rows() has the rows to correct, with fixes."
        case Phase.DONE if job.skipped:
            return (
                f"{counted(job.skipped, 'row')} skipped because of problems: "
                "session.failed_rows() has them, with fixes."
            )
        case _:
            return ""
