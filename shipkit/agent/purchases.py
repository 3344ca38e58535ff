"""The tools that spend money, give it back, or decide who is asked; and the questions put to a person.

A question is about a frozen preview or a job on disk: asked again a minute later it reads the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shipkit.agent import arguments as given
from shipkit.agent.answers import Answer, JobFacts, Link, ModeFacts, ResumeFacts, VoidFacts, plain
from shipkit.agent.desk import Batch, Desk
from shipkit.errors import ApprovalRequired, CheckpointLocked, CheckpointWriteError, InputError, JobNotFound, ModeLocked, PlanChanged
from shipkit.models import Address, Money

if TYPE_CHECKING:
    from shipkit.execute import Progress
    from shipkit.purchase import Execution
    from shipkit.report import BatchResult

__all__ = ["Consent", "Question", "Report", "execute", "get_job_status", "get_labels", "question", "question_about_jobs", "resume", "set_mode", "standing", "void"]

Report = Callable[[float, float, str], Awaitable[None]]

_POLL_S = 0.1


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


# -- who is asked what ------------------------------------------------------------------------------


def question(desk: Desk, batch: Batch, args: given.Arguments) -> Question | None:
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


def question_about_jobs(desk: Desk, args: given.Arguments) -> Question | None:
    """Return what a person must be asked when no batch is at hand: restarting the only interrupted job."""
    if isinstance(args, given.Resume) and args.choice == "restart":
        return question(desk, _target(desk, None, args.job_id), args)
    return None


def _ask_purchase(desk: Desk, batch: Batch, args: given.Execute) -> Question | None:
    from shipkit import approval, preview

    _same_as_previewed(desk, batch, args)
    session = batch.session
    if batch.running or session.earlier_job is not None:
        return None  # goes on with what was approved then; nothing new is bought
    if session.mode is approval.ExecutionMode.AUTO:
        return None
    preview_id = session.preview_id
    if preview_id is None:
        raise ApprovalRequired("Preview approval required: there is no preview yet. Nothing was bought.", fix="Call batch_preview, show the person its total, then batch_execute.")
    record = preview.recall(session.settings.home, preview_id)
    if approval.stored_approval(record) is not None:
        return None
    _anything_to_buy(batch)
    approval.check_limits(session.limits, record.quotes)
    for currency, money in record.totals.items():
        desk.afford(money.cents, currency, preview_id)
    total = " + ".join(map(str, record.totals.values())) or "nothing"
    left_out = record.quotes.num_rows - record.shipments
    text = (
        f"Buy {record.shipments:,} shipping labels for {total} on {record.identity}{' with REAL MONEY' if record.identity.live else ' (no real money)'}? "
        f"Shipping from {_short(record.shipper)}. Preview {preview_id}{f'; left out: {left_out:,}' if left_out else ''}."
    )
    return Question(
        text,
        f"Preview approval required: {record.shipments:,} shipments for {total} on {record.identity} ({preview_id}). Nothing was bought. "
        f"Show the person this total. They say yes in a terminal with: {desk.terminal(f'approve {preview_id}')}. Then call batch_execute again with preview_id={preview_id}.",
        preview_id=preview_id,
    )


def _ask_auto(desk: Desk, batch: Batch) -> Question | None:
    from shipkit import approval

    session = batch.session
    if session.status == "running" or session.mode is approval.ExecutionMode.AUTO or desk.rules.mode == "auto":
        return None
    approval.require_limits(session.limits, live=session.live)
    limit = session.limits.total
    within = f"up to {Money.of(limit, session.limits.currency)}" if limit is not None else "without any spend limit"
    identity = session.carrier.identity
    return Question(
        f"Let the agent buy labels for {batch.id} WITHOUT asking you, {within}, on {identity}{' with REAL MONEY' if identity.live else ''}?",
        "Switching to auto needs a person's yes, or a server that its operator started with --mode auto --max-total. The mode is still confirm. Nothing was bought.",
        host_may_answer=True,
    )


def _ask_shipper(desk: Desk, info: dict[str, Any]) -> Question | None:
    address, named = desk.shipper(info)
    if named:
        return None
    return Question(
        f"Ship from, and print as the sender, an address that the operator did not name: {_place(address)}?",
        "Another shipper needs a person's yes. Name one of the operator's shippers instead. Nothing was bought.",
        host_may_answer=True,
        logged="Ship from an address that the operator did not name?",
    )


def _ask_restart(desk: Desk, batch: Batch, args: given.Resume) -> Question | None:
    from shipkit.report import BatchResult

    target = _target(desk, batch, args.job_id)
    result = BatchResult.of(target.session.checkpoint)
    manifest = target.session.checkpoint.manifest
    total = " + ".join(str(Money.from_cents(cents, currency)) for currency, cents in manifest.quoted_cents.items())
    if args.confirm_paid_labels != result.shipped:
        return None  # refused anyway, with the number
    return Question(
        f"Buy all {manifest.to_buy:,} labels of {result.job_id} AGAIN, for about {total} on {manifest.identity}{' with REAL MONEY' if manifest.live else ''}? "
        f"{result.shipped:,} of them are already paid for.",
        "Restarting buys everything again and needs a person's yes. Nothing was bought by this call.",
        host_may_answer=True,
    )


def _ask_void(desk: Desk, batch: Batch, args: given.Void) -> Question | None:
    from shipkit import where

    session = batch.session
    table = session.checkpoint.results()
    states = table.column("state").to_pylist()
    count = sum(states[row] == "shipped" for row in where.matching(table, args.where))
    if not count:
        return None
    return Question(
        f"Give {count:,} bought label{'s' if count > 1 else ''} of {session.job_id} back to {session.checkpoint.manifest.identity}? They can then no longer be used.",
        f"Voiding {count:,} label{'s' if count > 1 else ''} needs a person's yes, here or in a terminal: {desk.terminal(f'void {session.job_id}')} --where \"...\". Nothing was voided, nothing was bought.",
    )


def _place(address: Address) -> str:
    return _short(", ".join(part for part in (address.company, address.name, *address.lines, address.city, address.state, address.postal_code, address.country) if part))


def _short(text: str) -> str:
    return " ".join(text.split())[:160]


# -- buying -----------------------------------------------------------------------------------------


async def execute(desk: Desk, batch: Batch, args: given.Execute, consent: Consent | None, report: Report) -> Answer:
    """Buy what was previewed, and answer when it is done or after ``wait_s``."""
    await batch.do(_begin, desk, batch, args, consent)
    return await _followed(desk, batch, args.wait_s, report)


def _begin(desk: Desk, batch: Batch, args: given.Execute, consent: Consent | None) -> None:
    session = batch.session
    _same_as_previewed(desk, batch, args)
    if batch.running:
        return
    _anything_to_buy(batch)
    if consent is not None and session.earlier_job is None:
        session.approve(consent.preview_id, by=consent.by, via=consent.via)  # of what the person saw, whatever came between
    reserved: dict[str, int] = {}
    if desk.rules.max_total is not None:
        summary = session.summary
        reserved = {currency: money.cents for currency, money in summary.totals.items()}
        for currency, cents in reserved.items():
            desk.reserve(batch, cents, currency, summary.preview_id)
    try:
        _note_beginning(batch)
        batch.execution = session.start(progress=False)
    except BaseException:
        for _ in reserved:
            desk.settle(session.preview_id or "", 0)
        raise


def _note_beginning(batch: Batch) -> None:
    """Write down that buying begins, and under whose word. Without a log nothing is bought."""
    from shipkit import approval, preview

    session = batch.session
    given = None
    if session.preview_id is not None and session.earlier_job is None and session.mode is approval.ExecutionMode.CONFIRM:
        given = approval.stored_approval(preview.recall(session.settings.home, session.preview_id))
    words = (given.by, given.via) if given else (f"mode {session.mode}", "limits") if session.mode is approval.ExecutionMode.AUTO else (None, None)
    outcome = "begins" if session.earlier_job is None else "opens the job again"
    _note(batch, "batch_execute", outcome=outcome, job=None, answered_by=words[0], via=words[1])


def _note(batch: Batch, tool: str, **line: Any) -> None:
    try:
        batch.audit.note(tool, **line)
    except OSError as error:
        raise CheckpointWriteError(f"The audit log cannot be written: {error}. Nothing was bought.", fix="Free disk space, or name another --home.") from error


def _anything_to_buy(batch: Batch) -> None:
    session = batch.session
    if session.preview_id is not None and session.earlier_job is None and session.status == "previewed" and not session.summary.shipments:
        raise InputError(f"Nothing in {session.preview_id} can be bought. Nothing was bought.", fix="batch_problems says why; correct it and call batch_preview again.")


def _same_as_previewed(desk: Desk, batch: Batch, args: given.Execute) -> None:
    """Raise PlanChanged when what the call names is not what was previewed."""
    session = batch.session
    if batch.reopened:
        raise InputError(f"{batch.name} is a job already, without the orders it was made of. Nothing was bought.", fix=f"batch_resume with job_id={batch.name} goes on with it.")
    if batch.running and session.earlier_job != session.job_id:
        raise ModeLocked(f"{session.job_id} is still running in this batch; nothing of the new preview was bought.", fix=f"Wait for it: get_job_status with job_id={session.job_id}.")
    if args.preview_id and args.preview_id != session.preview_id:
        raise PlanChanged(
            f"{args.preview_id} is not the last preview of {batch.name} ({session.preview_id or 'there is none'}). Nothing was bought.",
            fix="Call batch_preview, show the person that total, and pass its preview_id.",
        )
    if args.mapping_template and args.mapping_template not in {batch.template, session.template}:
        raise PlanChanged("mapping_template is not the one that was previewed. Nothing was bought.", fix="Call batch_preview with it, or leave it out.")
    if args.shipper_info and desk.shipper(args.shipper_info)[0] != session.shipper:
        raise PlanChanged("shipper_info is not the shipper that was previewed. Nothing was bought.", fix="Call batch_preview with it, or leave it out.")


async def _followed(desk: Desk, batch: Batch, wait_s: float, report: Report) -> Answer:
    """Wait for the batch's job up to `wait_s`, and answer how it stands. Giving up on the call pauses the job."""
    try:
        result = await _outcome(batch, wait_s, report)
    except CheckpointLocked:
        other = desk.sharing(batch)
        if other is None:
            raise
        result, batch = await _outcome(other, wait_s, report), other
    if result is None:
        return _running(batch)
    _settle(desk, batch, result)
    return stands(result)


async def _outcome(batch: Batch, wait_s: float, report: Report) -> BatchResult | None:
    running = batch.execution
    assert running is not None  # noqa: S101 - callers started it
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    told = -1.0
    batch.waiting += 1
    try:
        while running.running and loop.time() < until:
            told = await _tell(running, report, told)
            await asyncio.sleep(_POLL_S)
    except asyncio.CancelledError:
        if batch.waiting == 1:  # another caller may still wait for the same job
            running.pause()
        raise
    finally:
        batch.waiting -= 1
    if not running.running:
        await _tell(running, report, told)
    return running.wait(0)


async def _tell(running: Execution, report: Report, told: float) -> float:
    """Report progress when there is more than what was told."""
    progress = running.progress
    if progress is None or progress.done <= told:
        return told
    await report(float(progress.done), float(progress.total), f"{progress.shipped:,} of {progress.total:,} labels, {Money.from_cents(progress.spent_cents, progress.currency)}")
    return float(progress.done)


def _settle(desk: Desk, batch: Batch, result: BatchResult) -> None:
    if not result.in_doubt and (not result.remaining or result.status == "cancelled"):
        for key in (batch.session.preview_id, result.job_id):
            desk.settle(key or "", sum(money.cents for money in result.totals.values()))


# -- how it stands ----------------------------------------------------------------------------------


def stands(result: BatchResult) -> Answer:
    """Return the answer about a job that is not running here."""
    return Answer(_facts(result), f"{_standing(result)} {_advice(result)}", links=_links(result.job_id) if result.shipped else ())


def standing(batch: Batch) -> str:
    """Return what an error says about money: nothing was bought, or how the job stands."""
    if batch.execution is None or batch.session.job_id is None:
        return "Nothing was bought."
    from shipkit.report import BatchResult

    return _standing(BatchResult.of(batch.session.checkpoint))


def _running(batch: Batch) -> Answer:
    from shipkit.report import BatchResult

    progress: Progress | None = batch.execution.progress if batch.execution else None
    facts = _facts(BatchResult.of(batch.session.checkpoint)).model_copy(update={"status": "running", "reason": None})
    rate = f" at {progress.rate_per_s:,.0f} labels/s" if progress and progress.rate_per_s else ""
    text = f"{facts.job_id} is running{rate}: {facts.shipped:,} shipped, {facts.failed:,} failed, {facts.remaining + facts.in_doubt:,} to go."
    return Answer(facts, f"{text} It goes on by itself; call get_job_status with job_id={facts.job_id} and wait_s=45.")


def _facts(result: BatchResult) -> JobFacts:
    only = next(iter(result.totals.items()), ("USD", Money.from_cents(0))) if len(result.totals) < 2 else None
    return JobFacts(
        job_id=result.job_id, status=result.status, shipped=result.shipped, failed=result.failed, in_doubt=result.in_doubt, skipped=result.skipped,
        voided=result.voided, remaining=result.remaining, total_charged=None if only is None else f"{only[1].amount}", currency=None if only is None else only[0],
        totals={currency: f"{money.amount}" for currency, money in result.totals.items()}, live=result.live, reason=result.reason,
        uris=[link.uri for link in _links(result.job_id)] if result.shipped else [],
    )


def _standing(result: BatchResult) -> str:
    counts = ", ".join(
        f"{count:,} {name}"
        for name, count in (
            ("shipped", result.shipped), ("failed", result.failed), ("in doubt", result.in_doubt), ("voided", result.voided), ("skipped", result.skipped), ("not sent", result.remaining),
        )
        if count or name == "shipped"
    )
    total = " + ".join(map(str, result.totals.values())) or str(Money.from_cents(0))
    reason = f" ({result.reason})" if result.reason else ""
    return f"{result.job_id} {result.status.replace('_', ' ')}{reason}: {counts}; {total} charged on {result.carrier}."


def _advice(result: BatchResult) -> str:
    if result.remaining or result.in_doubt:
        return f"batch_resume with job_id={result.job_id} and choice=resume goes on; nothing is bought twice."
    if result.failed:
        return f"get_labels has the labels; batch_problems with job_id={result.job_id} says why rows failed."
    return f"get_labels with job_id={result.job_id} has labels and tracking numbers."


def _links(job_id: str) -> tuple[Link, ...]:
    return (
        Link(f"shipkit://jobs/{job_id}/results.csv", "results.csv", "text/csv"),
        Link(f"shipkit://jobs/{job_id}/labels.pdf", "labels.pdf", "application/pdf"),
    )


async def get_job_status(desk: Desk, batch: Batch, args: given.JobStatus | given.GetLabels, report: Report) -> Answer:
    """Answer how a job stands, after waiting up to ``wait_s`` for its end."""
    if batch.session.job_id is None:
        raise JobNotFound(f"{batch.id} has no job yet.", fix="batch_preview prices it, batch_execute makes the job.")
    if batch.execution is not None:
        return await _followed(desk, batch, args.wait_s, report)
    return await batch.do(_on_disk, batch, args.wait_s)


def _on_disk(batch: Batch, wait_s: float) -> Answer:
    """Answer how a job stands that, if at all, another process is running."""
    import time

    from shipkit.report import BatchResult

    until = time.monotonic() + wait_s
    result = BatchResult.of(batch.session.checkpoint)
    while result.status == "running" and time.monotonic() < until:
        time.sleep(0.25)
        result = BatchResult.of(batch.session.checkpoint)
    return stands(result)


async def get_labels(desk: Desk, batch: Batch, args: given.GetLabels, report: Report) -> Answer:
    """Answer with links to labels and results."""
    answer = await get_job_status(desk, batch, args, report)
    facts = answer.facts
    assert isinstance(facts, JobFacts)  # noqa: S101 - what get_job_status answers
    if not facts.shipped:
        return Answer(facts, f"{facts.job_id} has no labels yet ({facts.status}).")
    text = f"{facts.shipped:,} labels of {facts.job_id}: read the links, or in a terminal: {desk.terminal(f'labels {facts.job_id} -o labels.pdf')}"
    return Answer(facts.model_copy(update={"uris": [link.uri for link in _links(facts.job_id)]}), text, links=_links(facts.job_id))


# -- mode, resume, void -----------------------------------------------------------------------------


def set_mode(batch: Batch, args: given.SetMode) -> Answer:
    """Switch the mode of `batch`."""
    session = batch.session
    previous = str(session.mode)
    session.set_mode(args.mode)
    limit = session.limits.total
    within = "" if args.mode == "confirm" else f" It buys without asking{f', up to {limit} {session.limits.currency}' if limit is not None else ', without a spend limit'}."
    return Answer(ModeFacts(job_id=batch.id, previous=previous, mode=str(session.mode)), f"Mode {previous} -> {session.mode} for {batch.id}.{within}")


async def resume(desk: Desk, batch: Batch | None, args: given.Resume, report: Report) -> Answer:
    """Tell what was interrupted, or act on the choice."""
    if args.choice is None:
        return await asyncio.to_thread(_interrupted, desk, args.job_id)
    target = await asyncio.to_thread(_target, desk, batch, args.job_id)
    match args.choice:
        case "review":
            return await target.do(_reviewed, target)
        case "cancel":
            return _as_resume(await target.do(_cancelled, target))
    await target.do(_continue, desk, target, args)
    return _as_resume(await _followed(desk, target, args.wait_s, report))


def _continue(desk: Desk, batch: Batch, args: given.Resume) -> None:
    session = batch.session
    if batch.running:
        return
    manifest = session.checkpoint.manifest
    for currency, cents in manifest.quoted_cents.items() if desk.rules.max_total is not None else ():
        desk.reserve(batch, cents, currency, session.job_id or "" if args.choice == "resume" else f"{session.job_id} again")
    _note(batch, "batch_resume", job=session.job_id, outcome=f"{args.choice} begins")
    if args.choice == "restart":
        batch.execution = session.start_restart(confirm_paid_labels=args.confirm_paid_labels, progress=False)
    else:
        batch.execution = session.start_resume(progress=False)


def _cancelled(batch: Batch) -> Answer:
    return stands(batch.session.cancel())


def _reviewed(batch: Batch) -> Answer:
    from shipkit.report import BatchResult

    frame = batch.session.review()
    open_rows = frame[~frame["state"].isin(["shipped", "voided", "skipped"])].head(20)
    names = ["row_number", "order_id", "state", "attempts", "error_code", "error_message", "fix"]
    rows = plain(open_rows[names].to_dict("records"))
    answer = stands(BatchResult.of(batch.session.checkpoint))
    return Answer(_resumed(answer.facts), f"{answer.text} Nothing was changed.", data={"open rows": rows}, links=answer.links)


def _interrupted(desk: Desk, job_id: str) -> Answer:
    from shipkit import recovery

    found = [job for job in recovery.check_interrupted_jobs(home=desk.settings.home) if job_id in {"", job.job_id}]
    if not found:
        return Answer(ResumeFacts(job_id=job_id or None, status="nothing_interrupted"), "No interrupted jobs. Nothing was bought.")
    lines = [f"{len(found)} interrupted job{'s' if len(found) > 1 else ''}:"]
    for job in found[:10]:
        lines.append(f"{job.job_id} on {job.carrier}{' (LIVE)' if job.live else ''}: {job.done:,} of {job.total:,} rows done, {job.pending:,} not sent, {job.in_doubt:,} in doubt, {job.failed:,} failed.")
        lines += [f"  {name}: {text}." for name, text in job.choices()] if len(found) == 1 else []
    lines.append("Ask the person which, then call batch_resume with job_id and choice: resume, restart, cancel or review. Nothing was bought by this call.")
    listed = [
        {"job_id": job.job_id, "name": job.name, "carrier": job.carrier, "live": job.live, "total": job.total, "paid": job.paid, "pending": job.pending, "in_doubt": job.in_doubt + job.review, "failed": job.failed}
        for job in found[:10]
    ]
    first = found[0]
    return Answer(
        ResumeFacts(
            job_id=first.job_id, status="interrupted", shipped=first.paid, failed=first.failed, in_doubt=first.in_doubt + first.review, remaining=first.pending,
            live=first.live, interrupted=plain(listed),
        ),
        "\n".join(lines),
    )


def _target(desk: Desk, batch: Batch | None, job_id: str) -> Batch:
    """Return the batch whose job is to go on: the named one, the one at hand, or the only interrupted one."""
    if job_id:
        return desk.find(job_id)
    if batch is not None and batch.session.job_id is not None:
        return batch
    from shipkit import recovery

    found = recovery.interrupted_jobs(home=desk.settings.home)["job_id"].tolist()
    if not found:
        raise JobNotFound("There are no interrupted jobs.", fix="get_job_status with a job_id tells how a job stands.")
    if len(found) > 1:
        raise InputError(f"{len(found)} jobs were interrupted: {', '.join(found[:10])}.", fix="Say which: pass job_id.")
    return desk.find(found[0])


def void(desk: Desk, batch: Batch, args: given.Void, consent: Consent | None) -> Answer:
    """Give labels back."""
    if consent is None and _ask_void(desk, batch, args) is not None:
        raise ApprovalRequired("Voiding needs a person's yes. Nothing was voided, nothing was bought.")
    session = batch.session
    frame = session.void(args.where)
    voided = int((frame["state"] == "voided").sum()) if len(frame) else 0
    facts = VoidFacts(job_id=session.job_id or "", matched=len(frame), voided=voided, not_voided=len(frame) - voided)
    text = f"{voided:,} of {len(frame):,} matching shipments of {facts.job_id} are voided." if len(frame) else f"No shipment of {facts.job_id} matches. Nothing was voided."
    return Answer(facts, text)


def _as_resume(answer: Answer) -> Answer:
    return Answer(_resumed(answer.facts), answer.text, answer.data, answer.links)


def _resumed(facts: Any) -> ResumeFacts:
    return ResumeFacts(**facts.model_dump())
