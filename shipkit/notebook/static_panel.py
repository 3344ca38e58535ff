"""The panel without widgets: the same facts, and commands to type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipkit.common.html import Shown, block, facts
from shipkit.common.words import aligned
from shipkit.notebook.model import JobView, Offer, Phase, job_of, offered
from shipkit.notebook.record import bundle
from shipkit.notebook.wording import approve_text
from shipkit.purchasing.store import JobStore

if TYPE_CHECKING:
    from shipkit.session import BatchSession

__all__ = ["StaticPanel"]

_HOW = (
    "Buttons and live progress need ipywidgets: pip install 'shipkit[notebook]', then restart the "
    "kernel."
)


class StaticPanel(Shown):
    """What a panel shows, as a table that does not change; commands take the place of buttons."""

    def __init__(self, session: BatchSession) -> None:
        self.session = session

    @property
    def view(self) -> Offer | JobView:
        """What is shown: an offer, or the current status of a job."""
        session = self.session
        if session.job_id is not None:
            running = session.execution
            return job_of(session.store, running=running is not None and running.running)
        offer = offered(session)
        earlier = session.earlier_job
        return job_of(JobStore.open(session.settings.home, earlier)) if earlier else offer

    def __repr__(self) -> str:
        view = self.view
        steps = aligned(self._steps(view), indent="  ")
        return f"{bundle(view)['text/plain']}\nTo type:\n{steps}\n{_HOW}"

    def _repr_html_(self) -> str:
        view = self.view
        return bundle(view)["text/html"] + block(
            facts(self._steps(view), caption="To type"), f"<p>{_HOW}</p>", name="shipkit-static"
        )

    def _steps(self, view: Offer | JobView) -> list[tuple[str, str]]:
        """Return commands and what they do."""
        if isinstance(view, Offer):
            approve = f'session.approve("{view.summary.preview_id}"); session.execute()'
            return [
                (approve, approve_text(view.summary, self.session.mode)),
                ("session.problems", "every problem of every row"),
                ("session.where(...)", "filter the orders"),
            ]
        if view.phase is Phase.PAUSED:
            return [
                ("session.resume()", view.choices[0][1] if view.choices else "continue the job"),
                ("session.review()", "show the state of each row"),
                ("session.cancel()", "end the job; unsent rows are never sent"),
            ]
        return [
            ('session.labels.save("labels.pdf")', "save the labels"),
            ("session.results()", "one row per shipment"),
            ("session.failed_rows()", "rows to correct, with fixes"),
        ]
