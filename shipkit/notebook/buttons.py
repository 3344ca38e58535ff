"""The buttons of the panel: what they say, and what their tooltips promise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shipkit.common.words import counted
from shipkit.models import Money
from shipkit.notebook.controls import button
from shipkit.notebook.model import JobView, Offer
from shipkit.notebook.wording import approve_text
from shipkit.purchasing.approval import ExecutionMode

__all__ = [
    "approve",
    "back",
    "cancel",
    "pause",
    "price_again",
    "refresh",
    "resend",
    "resume",
    "resume_at",
    "review",
    "set_aside",
    "sure",
]

Press = Callable[[Any], None]
"""What a press calls; its argument is the button itself."""


def approve(offer: Offer, mode: ExecutionMode, press: Press) -> Any:
    """Return the button that buys `offer`."""
    made = button(
        approve_text(offer.summary, mode),
        press,
        css="sk-approve",
        tip=f"Buys the labels shown above, at these prices, on {offer.summary.carrier}",
        primary=True,
    )
    made.disabled = offer.summary.shipments == 0
    return made


def price_again(press: Press) -> Any:
    """Return the button that takes the place of Approve when the orders changed."""
    tip = "Price the orders as they are now. Buys nothing."
    return button("Price again", press, css="sk-price", tip=tip, primary=True)


def pause(press: Press) -> Any:
    """Return the button that pauses a running job."""
    tip = "Stop sending. Requests in progress are finished and recorded; Resume continues."
    return button("Pause", press, css="sk-pause", tip=tip)


def cancel(press: Press) -> Any:
    """Return the button that asks whether to end the job."""
    return button("Cancel ...", press, css="sk-cancel", tip="Asks before it ends the job")


def refresh(press: Press) -> Any:
    """Return the button for a job that another process is running."""
    return button("Refresh", press, css="sk-again", tip="Read the status of the job from disk")


def resume(job: JobView, press: Press) -> Any:
    """Return the button that continues `job`."""
    parts = [f"look up {job.in_doubt:,}"] if job.in_doubt else []
    parts += [f"send {job.unsent:,}"] if job.unsent else []
    text = f"Resume: {' and '.join(parts) or 'check the rest'}"
    tip = "Continue the job where it stopped; nothing is bought twice"
    return button(text, press, css="sk-resume", tip=tip, primary=True)


def resume_at(total: Money, job: JobView, press: Press) -> Any:
    """Return the button that continues a job whose quotes expired, at the new total."""
    text = f"Approve {total} for the remaining {counted(job.unsent, 'row')}"
    return button(text, press, css="sk-resume", tip="Continue at today's prices", primary=True)


def review(press: Press) -> Any:
    """Return the button that shows the rows of a paused job."""
    tip = "Show the state of each row; changes nothing"
    return button("Review rows", press, css="sk-review", tip=tip)


def resend(job: JobView, press: Press) -> Any:
    """Return the button that asks whether to send rows again that the carrier does not find."""
    text = f"Send {counted(job.waiting, 'row')} again ..."
    tip = "Asks before it sends the rows in doubt again"
    return button(text, press, css="sk-resend", tip=tip)


def set_aside(job: JobView, press: Press) -> Any:
    """Return the button that asks whether to give up rows that the carrier does not find."""
    text = f"Set {counted(job.waiting, 'row')} aside ..."
    tip = "Asks before it gives up the rows in doubt"
    return button(text, press, css="sk-aside", tip=tip)


def sure(text: str, press: Press) -> Any:
    """Return the button that confirms something that cannot be undone."""
    tip = "This cannot be undone. Labels that are bought stay valid and paid for."
    return button(text, press, css="sk-sure", tip=tip)


def back(press: Press) -> Any:
    """Return the button that changes nothing, next to :func:`sure`."""
    return button("Back", press, css="sk-keep", tip="Change nothing")
