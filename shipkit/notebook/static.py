"""The panel without widgets: what it would show, and the commands to type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipkit.common.html import Shown, block, facts
from shipkit.notebook.model import JobView, Offer, Phase, job_of, offered
from shipkit.notebook.record import bundle
from shipkit.notebook.wording import approve_text
from shipkit.purchasing.store import JobStore

if TYPE_CHECKING:
    from shipkit.session import BatchSession

__all__ = ["StaticPanel"]


class StaticPanel(Shown):
    """What a panel shows, as a table; it does not move. Buttons are commands to type into the next cell."""

    def __init__(self, session: BatchSession) -> None:
        self.session = session

    @property
    def told(self) -> Offer | JobView:
        """What is shown: an offer, or how a job stands now."""
        session = self.session
        if session.job_id is not None:
            running = session.execution
            return job_of(session.store, running=running is not None and running.running)
        offer = offered(session)
        earlier = session.earlier_job
        return job_of(JobStore.open(session.settings.home, earlier)) if earlier else offer

    def __repr__(self) -> str:
        told = self.told
        steps = "\n".join(f"  {command:<58}  {text}" for command, text in self._steps(told))
        return f"{bundle(told)['text/plain']}\nTo type:\n{steps}\n{_HOW}"

    def _repr_html_(self) -> str:
        told = self.told
        return bundle(told)["text/html"] + block(
            facts(self._steps(told), caption="To type"), f"<p>{_HOW}</p>", name="shipkit-static"
        )

    def _steps(self, told: Offer | JobView) -> list[tuple[str, str]]:
        if isinstance(told, Offer):
            approve = f'session.approve("{told.summary.preview_id}"); session.execute()'
            return [
                (approve, approve_text(told.summary, self.session.mode)),
                ("session.problems", "every problem of every row"),
                ("session.where(...)", "filters the orders"),
            ]
        if told.phase is Phase.PAUSED:
            return [
                ("session.resume()", told.choices[0][1] if told.choices else "goes on"),
                ("session.review()", "shows how each row stands"),
                ("session.cancel()", "ends the job for good"),
            ]
        return [
            ('session.labels.save("labels.pdf")', "saves the labels"),
            ("session.results()", "a line a shipment"),
            ("session.failed_rows()", "what to correct"),
        ]


_HOW = (
    "Buttons and live progress need ipywidgets: pip install 'shipkit[notebook]', then restart the "
    "kernel."
)
