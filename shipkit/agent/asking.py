"""Who is asked what, before money moves: the questions put to a person, and the yes they may get.

A question is about a frozen preview or a job on disk: asked again a minute later it reads the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shipkit.agent import arguments as given
from shipkit.agent.batches import Batch, BatchRegistry
from shipkit.common.words import total_text
from shipkit.errors import ApprovalRequired, InputError, JobRunning, PlanChanged
from shipkit.models import Address, Money

__all__ = [
    "Consent",
    "Question",
    "anything_to_buy",
    "question",
    "question_about_jobs",
    "same_as_previewed",
]


@dataclass(frozen=True)
class Question:
    """What a person is asked before a tool may go on."""

    text: str
    refusal: str
    """What a caller is told when nobody can be asked: what was not done, and how a person can say yes elsewhere."""
    host_may_answer: bool = False
    """Whether the host program's own call is its word (switching the mode, naming a shipper)."""
    preview_id: str = ""
    """The preview that the question is about; a yes holds for nothing else."""
    logged: str = ""
    """The question as the log has it, where the question itself names an address."""

    @property
    def approvable(self) -> bool:
        """Whether ``approved: true`` answers it, where the host's word counts."""
        return bool(self.preview_id)


@dataclass(frozen=True)
class Consent:
    """A yes: whose, and by which way."""

    by: str
    via: str
    preview_id: str = ""


def question(desk: BatchRegistry, batch: Batch, args: given.Arguments) -> Question | None:
    """Return what a person must be asked before `args` may be acted on, or None. Raises what acting would raise anyway."""
    match args:
        case given.Execute():
            return _ask_purchase(desk, batch, args)
        case given.SetMode(mode="auto"):
            return _ask_auto(desk, batch)
        case given.Preview() if isinstance(args.shipper_info, dict):
            return _ask_shipper(desk, args.shipper_info)
        case given.Resume(choice="restart") if args.confirm_paid_labels is not None:
            return _ask_restart(desk, batch, args)
        case given.Void():
            return _ask_void(desk, batch, args)
    return None


def question_about_jobs(desk: BatchRegistry, args: given.Arguments) -> Question | None:
    """Return what a person must be asked when no batch is at hand: restarting the only interrupted job."""
    if isinstance(args, given.Resume) and args.choice == "restart":
        return question(desk, desk.job_meant(None, args.job_id), args)
    return None


def _ask_purchase(desk: BatchRegistry, batch: Batch, args: given.Execute) -> Question | None:
    from shipkit.plan import preview_store
    from shipkit.purchasing import approval

    same_as_previewed(desk, batch, args)
    session = batch.session
    if batch.running or session.earlier_job is not None:
        return None  # goes on with what was approved then; nothing new is bought
    if session.mode is approval.ExecutionMode.AUTO:
        return None
    preview_id = session.preview_id
    if preview_id is None:
        raise ApprovalRequired(
            "Preview approval required: there is no preview yet. Nothing was bought.",
            fix="Call batch_preview, show the person its total, then batch_execute.",
        )
    record = preview_store.recall(session.settings.home, preview_id)
    if approval.stored_approval(record) is not None:
        return None
    anything_to_buy(batch)
    approval.check_limits(session.limits, record.quotes)
    for currency, money in record.totals.items():
        desk.afford(money.cents, currency, preview_id)
    total = total_text(record.totals, nothing="nothing")
    left_out = record.quotes.num_rows - record.shipments
    text = (
        f"Buy {record.shipments:,} shipping labels for {total} on "
        f"{record.identity}{' with REAL MONEY' if record.identity.live else ' (no real money)'}? "
        f"Shipping from {_short(record.shipper)}. Preview "
        f"{preview_id}{f'; left out: {left_out:,}' if left_out else ''}."
    )
    return Question(
        text,
        f"Preview approval required: {record.shipments:,} shipments for {total} on "
        f"{record.identity} ({preview_id}). Nothing was bought. "
        "Show the person this total. They say yes in a terminal with: "
        f"{desk.terminal(f'approve {preview_id}')}. Then call batch_execute again with "
        f"preview_id={preview_id}.",
        preview_id=preview_id,
    )


def _ask_auto(desk: BatchRegistry, batch: Batch) -> Question | None:
    from shipkit.purchasing import approval

    session = batch.session
    if (
        session.status == "running"
        or session.mode is approval.ExecutionMode.AUTO
        or desk.rules.mode == "auto"
    ):
        return None
    approval.require_limits(session.limits, live=session.live)
    limit = session.limits.total
    within = (
        f"up to {Money.of(limit, session.limits.currency)}"
        if limit is not None
        else "without any spend limit"
    )
    identity = session.carrier.identity
    return Question(
        f"Let the agent buy labels for {batch.id} WITHOUT asking you, {within}, on "
        f"{identity}{' with REAL MONEY' if identity.live else ''}?",
        "Switching to auto needs a person's yes, or a server that its operator started with "
        "--mode auto --max-total. The mode is still confirm. Nothing was bought.",
        host_may_answer=True,
    )


def _ask_shipper(desk: BatchRegistry, info: dict[str, Any]) -> Question | None:
    address, named = desk.shipper(info)
    if named:
        return None
    return Question(
        "Ship from, and print as the sender, an address that the operator did not name: "
        f"{_place(address)}?",
        "Another shipper needs a person's yes. Name one of the operator's shippers instead. "
        "Nothing was bought.",
        host_may_answer=True,
        logged="Ship from an address that the operator did not name?",
    )


def _ask_restart(desk: BatchRegistry, batch: Batch, args: given.Resume) -> Question | None:
    from shipkit.purchasing.result import BatchResult

    target = desk.job_meant(batch, args.job_id)
    result = BatchResult.of(target.session.store)
    manifest = target.session.store.manifest
    total = total_text(
        Money.from_cents(cents, currency) for currency, cents in manifest.quoted_cents.items()
    )
    if args.confirm_paid_labels != result.shipped:
        return None  # refused anyway, with the number
    return Question(
        f"Buy all {manifest.to_buy:,} labels of {result.job_id} AGAIN, for about {total} on "
        f"{manifest.identity}{' with REAL MONEY' if manifest.live else ''}? "
        f"{result.shipped:,} of them are already paid for.",
        "Restarting buys everything again and needs a person's yes. Nothing was bought by this "
        "call.",
        host_may_answer=True,
    )


def _ask_void(desk: BatchRegistry, batch: Batch, args: given.Void) -> Question | None:
    from shipkit.orders import where

    session = batch.session
    table = session.store.results()
    states = table.column("state").to_pylist()
    count = sum(states[row] == "shipped" for row in where.matching(table, args.where))
    if not count:
        return None
    return Question(
        f"Give {count:,} bought label{'s' if count > 1 else ''} of {session.job_id} back to "
        f"{session.store.manifest.identity}? They can then no longer be used.",
        f"Voiding {count:,} label{'s' if count > 1 else ''} needs a person's yes, here or in a "
        f'terminal: {desk.terminal(f"void {session.job_id}")} --where "...". Nothing was voided, '
        "nothing was bought.",
    )


def _place(address: Address) -> str:
    return _short(
        ", ".join(
            part
            for part in (
                address.company,
                address.name,
                *address.lines,
                address.city,
                address.state,
                address.postal_code,
                address.country,
            )
            if part
        )
    )


def _short(text: str) -> str:
    return " ".join(text.split())[:160]


# -- what must hold before anybody is asked --------------------------------------------------------


def anything_to_buy(batch: Batch) -> None:
    """Raise InputError when the last preview of `batch` holds nothing that could be bought."""
    session = batch.session
    if (
        session.preview_id is not None
        and session.earlier_job is None
        and session.status == "previewed"
        and not session.summary.shipments
    ):
        raise InputError(
            f"Nothing in {session.preview_id} can be bought. Nothing was bought.",
            fix="batch_problems says why; correct it and call batch_preview again.",
        )


def same_as_previewed(desk: BatchRegistry, batch: Batch, args: given.Execute) -> None:
    """Raise PlanChanged when what the call names is not what was previewed."""
    session = batch.session
    if batch.reopened:
        raise InputError(
            f"{batch.name} is a job already, without the orders it was made of. Nothing was "
            "bought.",
            fix=f"batch_resume with job_id={batch.name} goes on with it.",
        )
    if batch.running and session.earlier_job != session.job_id:
        raise JobRunning(
            f"{session.job_id} is still running in this batch; nothing of the new preview was "
            "bought.",
            fix=f"Wait for it: get_job_status with job_id={session.job_id}.",
        )
    if args.preview_id and args.preview_id != session.preview_id:
        raise PlanChanged(
            f"{args.preview_id} is not the last preview of {batch.name} "
            f"({session.preview_id or 'there is none'}). Nothing was bought.",
            fix="Call batch_preview, show the person that total, and pass its preview_id.",
        )
    if args.mapping_template and args.mapping_template not in {batch.template, session.template}:
        raise PlanChanged(
            "mapping_template is not the one that was previewed. Nothing was bought.",
            fix="Call batch_preview with it, or leave it out.",
        )
    if args.shipper_info and desk.shipper(args.shipper_info)[0] != session.shipper:
        raise PlanChanged(
            "shipper_info is not the shipper that was previewed. Nothing was bought.",
            fix="Call batch_preview with it, or leave it out.",
        )
