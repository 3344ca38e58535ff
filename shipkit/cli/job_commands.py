"""Commands for jobs on disk: list, show, resume, labels, void, write back, prune; and carriers."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shipkit.cli import advice, display, exit_codes
from shipkit.cli.commands import UsageError
from shipkit.cli.console import Console, End
from shipkit.cli.exit_codes import Exit
from shipkit.cli.json_facts import cells, json_value, result_facts
from shipkit.cli.order_commands import total_typed
from shipkit.cli.progress_log import reporter
from shipkit.cli.session_options import job_id_of, pairs
from shipkit.cli.table_files import save_failed, save_frame
from shipkit.common.words import counted
from shipkit.errors import ApprovalRequired, SpendLimitExceeded
from shipkit.home_url import store_url
from shipkit.models import Money
from shipkit.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from shipkit.job import Job
    from shipkit.purchasing.result import BatchResult

__all__ = [
    "carriers",
    "home_check",
    "jobs",
    "labels",
    "open_job",
    "prune",
    "resume",
    "show",
    "void",
    "write_back",
]

_REFUSAL = ("error_code", "error_message", "fix")
"""Result columns with the carrier's answer, for a row that it would not void."""


def resume(args: Namespace, console: Console) -> End:
    """Continue an interrupted job; without a name, the only interrupted one."""
    from shipkit.purchasing import recovery

    if args.yes and args.max_total is None:
        raise UsageError("--yes requires --max-total, because no person checks the total")
    name = args.job
    if name is None:
        waiting = recovery.interrupted_jobs(args.home)
        if len(waiting) != 1:
            return _ask_which(waiting, args, console)
        name = waiting["job_id"][0]
    with open_job(args, name) as job:
        store = job.store
        holder = store.owner()
        if holder is not None and store.objects is not None:
            console.note(f"Waiting for the lease of {holder} ...")
        if holder is None and store.status in {"paused", "failed"}:
            console.say(str(recovery.describe(store)).partition("\n  resume")[0])
        result = _resumed(job, args, console)
        console.job_id = result.job_id
        console.title("Result")
        console.pairs(result.lines())
        display.open_rows(result, console)
        code = exit_codes.of_result(result, unshippable=display.unshippable_in(store))
        return End(
            code,
            job_id=result.job_id,
            next=advice.after_job(result, code, args),
            facts=result_facts(result),
        )


def jobs(args: Namespace, console: Console) -> End:
    """List jobs, newest first."""
    from shipkit.purchasing import recovery

    frame = recovery.interrupted_jobs(args.home) if args.interrupted else recovery.jobs(args.home)
    if not len(frame):
        kind = "interrupted jobs" if args.interrupted else "jobs"
        console.say(f"No {kind} in {Settings.read(home=args.home).shown_home}.")
    _list(frame, console)
    return End(facts={"jobs": len(frame)})


def show(args: Namespace, console: Console) -> End:
    """Show the status of a job or a preview, and save results, failed rows or the day sheet."""
    if args.job.startswith("pv_"):
        return _show_preview(args, console)
    from shipkit.purchasing import recovery
    from shipkit.purchasing.result import BatchResult

    with open_job(args, args.job) as job:
        store = job.store
        result = BatchResult.of(store)
        owner = store.owner()
        if owner is None and result.status in {"paused", "failed"}:
            console.say(str(recovery.describe(store)))
            console.say()
        console.pairs([*result.lines(), *([("Run by", str(owner))] if owner else [])])
        if job.not_looked_up:
            waiting = counted(len(job.not_looked_up), "row")
            console.say(
                f"{waiting} may still turn up at the carrier and could not be looked up: set up "
                f"{job.identity}, then resume."
            )
        display.open_rows(result, console)
        _save_parts(job, result, args, console)
        code = (
            exit_codes.of_result(result, unshippable=display.unshippable_in(store))
            if owner is None
            else Exit.UNFINISHED
        )
        return End(
            code,
            job_id=result.job_id,
            next=advice.after_job(result, code, args),
            facts=result_facts(result),
        )


def labels(args: Namespace, console: Console) -> End:
    """Save labels."""
    from shipkit.purchasing.result import BatchResult, can_write_back

    with open_job(args, args.job) as job:
        options: dict[str, Any] = {
            "per": args.per,
            "order_by": args.order_by,
            "split": args.split,
            "where": args.where,
            "format": args.format,
            "filename": args.filename,
            "kind": "document" if args.documents else None,
        }
        saved = job.labels.save(
            args.output, **{name: value for name, value in options.items() if value is not None}
        )
        console.say(repr(saved))
        facts = {
            "files": [str(path) for path in saved.paths],
            "labels": saved.labels,
            "shipments": saved.shipments,
            "missing": list(saved.missing),
        }
        following = can_write_back(BatchResult.of(job.store))
        return End(
            job_id=job.job_id,
            next=advice.command("write-back", job.job_id, args=args) if following else None,
            facts=facts,
        )


def void(args: Namespace, console: Console) -> End:
    """Void shipments."""
    from shipkit.purchasing.result import Refunds

    with open_job(args, args.job) as job:
        console.say(f"{job.job_id} on {job.store.manifest.identity}")
        if args.dry_run:
            return _would_void(job, args, console)
        frame = job.void(args.where, all=args.all)
        counts = frame["state"].value_counts().to_dict()
        voided, kept = int(counts.get("voided", 0)), int(counts.get("shipped", 0))
        console.say(f"Voided: {voided:,}" + (f"; not voided: {kept:,}" if kept else ""))
        refunds = Refunds.of_frame(frame)
        if refunds["submitted"]:
            console.say(
                f"Refund asked for {counted(refunds['submitted'], 'label')}: the carrier decides "
                f"later, and shipkit track {job.job_id} asks what became of it."
            )
        display.left_rows("Refund rejected", frame[frame["refund"] == "rejected"], console)
        display.left_rows("Not voided", frame[frame["state"] == "shipped"], console)
        paid = frame[frame["error_code"] == "return_label_paid"]
        display.left_rows("Return labels that are still paid for", paid, console)
        for row in frame.to_dict("records"):
            refused = row["state"] == "shipped"
            console.record(
                "result",
                row_number=int(row["row_number"]),
                state=str(row["state"]),
                tracking_number=row["tracking_number"],
                refund=json_value(row["refund"]),
                **({name: json_value(row[name]) for name in _REFUSAL} if refused else {}),
            )
        return End(
            exit_codes.of_refusals(frame.loc[frame["state"] == "shipped", "error_code"]),
            job_id=job.job_id,
            facts={"voided": voided, "not_voided": kept, "refunds": refunds},
        )


def write_back(args: Namespace, console: Console) -> End:
    """Write tracking numbers into a copy of the orders, the orders, or a marketplace's file."""
    from shipkit.outputs.writeback import Confirmation

    with open_job(args, args.job) as job:
        # Two --in-place were the confirmation in the first release.
        allowed = args.allow_test_numbers or args.in_place > 1
        written = job.write_back(
            args.output,
            columns=pairs(args.column) or None,
            in_place=bool(args.in_place),
            layout=args.layout,
            allow_test_numbers=allowed,
        )
        if isinstance(written, Confirmation):
            console.say(f"Written: {written}")
            return End(
                job_id=job.job_id,
                facts={
                    "files": [str(written.path)],
                    "lines": written.lines,
                    "shipments": written.shipments,
                    "notes": list(written.notes),
                },
            )
        paths = [str(path) for path in (written if isinstance(written, tuple) else (written,))]
        for path in paths:
            console.say(f"Written: {path}")
        return End(job_id=job.job_id, facts={"files": paths})


def carriers(args: Namespace, console: Console) -> End:
    """List the carriers and whether they are configured, or check one on its test host.

    No secret is shown, and of an account number only its last characters.
    """
    if args.ask:
        if len(args.ask) != 2 or args.ask[0] != "check":
            raise UsageError("carriers takes nothing, or: check NAME")
        from shipkit.cli.carrier_check import check_carrier

        name = args.ask[1].strip().lower()
        return check_carrier(name, Settings.read(home=args.home), console)
    from shipkit.carriers.registry import BrokenCarrier, plugins

    chosen = Settings.read(home=args.home).carrier.lower()
    rows, notes = [], []
    for found in plugins():
        name, default = found.name, found.name == chosen
        shown = f"{name} (default)" if default else name
        if isinstance(found, BrokenCarrier):
            rows.append([shown, "", "", "no", "broken"])
            notes.append(found.problem)
            console.record("carrier", name=name, ready=False, problem=found.problem)
            continue
        missing, known = found.settings.missing(name), found.settings.shown(name)
        environment, account = known["env"] or found.environment, known["account"]
        configured = "no" if missing else "yes"
        rows.append([shown, environment.upper(), account, configured, found.description])
        if missing:
            notes.append(f"{name} needs {', '.join(missing)} in the environment.")
        console.record(
            "carrier",
            name=name,
            environment=environment,
            account=account,
            ready=not missing,
            missing=missing,
            default=default,
        )
    columns = ["carrier", "environment", "account", "configured", "description"]
    console.table(columns, rows, wrap="description")
    for note in notes:
        console.say(note)
    return End()


def prune(args: Namespace, console: Console) -> End:
    """Delete addresses and labels of old finished jobs, and old previews; numbers stay."""
    from shipkit.purchasing import recovery

    found = recovery.prune(args.home, older_than=args.older_than, dry_run=args.dry_run)
    for job_id in found:
        console.say(job_id)
        console.record("pruned", job_id=job_id, dry_run=args.dry_run)
    for job_id, why in found.held.items():
        console.say(f"{job_id} is left alone. {why}")
        console.record("left_alone", job_id=job_id, reason=why)
    done = "would be pruned" if args.dry_run else "pruned"
    console.say(
        f"{counted(len(found), 'job')} {done}: addresses and labels are deleted, numbers and "
        "charges are kept."
    )
    if found.previews:
        done = "would be deleted" if args.dry_run else "deleted"
        console.say(f"{counted(len(found.previews), 'old preview')} {done}.")
    counts = {"pruned": found, "left_alone": found.held, "previews": found.previews}
    return End(facts={name: len(each) for name, each in counts.items()})


def home_check(args: Namespace, console: Console) -> End:
    """Check that an object store can be a home for live carriers, and record it there."""
    from shipkit.common.store_check import check_store

    url = args.url or args.home
    if store_url(url or "") is None:
        raise UsageError("give the URL of the home: shipkit home check s3://bucket/prefix")
    console.note("Trying conditional writes, and 100 races of eight writers ...")
    found = check_store(Settings.read(home=url).home)
    rows = [("Home", found.url)]
    rows += [
        (f"{name.title()}, median", f"{middle:,.1f} ms (longest {longest:,.1f})")
        for name, (middle, longest) in found.latency_ms.items()
    ]
    if found.fault is None:
        won = found.races - found.lost_races
        rows.append(("Races with exactly one winner", f"{won} of {found.races}"))
    console.pairs(rows)
    facts = {"url": found.url, "passed": found.passed, "latency_ms": found.latency_ms}
    if not found.passed:
        why = found.fault or f"{found.lost_races} of {found.races} races had not one winner"
        console.say(f"This store cannot be a home: {why}. Two machines could buy the same order.")
        return End(Exit.BROKEN, facts=facts)
    console.say("It can be a home for live carriers. That is recorded in the bucket.")
    return End(facts=facts)


# -- resuming --------------------------------------------------------------------------------------


def _resumed(job: Job, args: Namespace, console: Console) -> BatchResult:
    """Resume, and get approval when the quotes have expired and the rest costs more now."""
    progress = reporter(console)
    try:
        return job.resume(on_error=args.on_error, progress=progress)
    except ApprovalRequired as error:
        rest = _new_price(error)
        if rest is None:  # several currencies: there is no one total to approve
            raise
        if not _new_price_approved(job, rest, args, console):
            raise _price_refused(job, error, rest, args) from None
    return job.resume(on_error=args.on_error, confirm_total=rest, progress=progress)


def _new_price(error: ApprovalRequired) -> Money | None:
    """Return the price of the remaining shipments that the error asks to approve."""
    totals: dict[str, str] = error.details.get("total") or {}
    if len(totals) != 1:
        return None
    [(currency, amount)] = totals.items()
    return Money.of(amount, currency)


def _new_price_approved(job: Job, rest: Money, args: Namespace, console: Console) -> bool:
    if args.yes:
        whole = _whole_job(job, rest)
        limit = Money.of(args.max_total, rest.currency)
        if whole.cents > limit.cents:
            raise SpendLimitExceeded(
                f"The quotes have expired: at current prices the whole job costs {whole}, and "
                f"--max-total is {limit}. Nothing more was bought.",
                fix="Raise --max-total, or cancel the job and preview the remaining orders.",
            )
        return True
    if not console.interactive or console.as_json:
        return False
    console.note("The quotes have expired; this is the new price of the remaining shipments.")
    identity = job.store.manifest.identity
    remaining = job.results("pending")
    return total_typed({rest.currency: rest}, len(remaining), str(identity), identity.live, console)


def _price_refused(
    job: Job, error: ApprovalRequired, rest: Money, args: Namespace
) -> ApprovalRequired:
    limit = f"{_whole_job(job, rest).amount}"
    words = ("resume", job.job_id, "--yes", "--max-total", limit)
    approve_it = advice.command(*words, args=args)
    return ApprovalRequired(error.message, fix=f"To buy at that price: {approve_it}")


def _whole_job(job: Job, rest: Money) -> Money:
    """Return what is charged so far plus the price of the rest."""
    from shipkit.purchasing.result import BatchResult

    charged = BatchResult.of(job.store).totals.get(rest.currency)
    return rest if charged is None else charged + rest


def _ask_which(waiting: pd.DataFrame, args: Namespace, console: Console) -> End:
    if not len(waiting):
        console.say("No interrupted jobs: there is nothing to resume.")
        return End()
    console.say(f"{len(waiting):,} jobs are interrupted. Choose one:")
    _list(waiting, console)
    return End(
        Exit.UNFINISHED,
        next=advice.command("resume", waiting["job_id"][0], args=args),
        facts={"jobs": len(waiting)},
    )


# -- inside ----------------------------------------------------------------------------------------


def open_job(args: Namespace, name: str) -> Job:
    """Return the job that a command names."""
    from shipkit.job import Job

    home = Settings.read(home=args.home).home
    return Job.open(job_id_of(home, name), home=home)


def _save_parts(job: Job, result: BatchResult, args: Namespace, console: Console) -> None:
    """Save the parts of a job that ``show`` was asked for."""
    if args.results:
        save_frame(result.frame, Path(args.results))
        console.say(f"Results: {args.results}")
    if args.failed:
        failed = job.failed_rows()
        save_failed(failed, Path(args.failed))
        console.say(f"Rows that did not ship ({len(failed):,}): {args.failed}")
    if args.report:
        console.say(f"Day sheet: {job.report().save(args.report)}")


_JOB_COUNTS = ("shipped", "failed", "in_doubt", "remaining")


def _list(frame: pd.DataFrame, console: Console) -> None:
    rows = []
    for row in frame.to_dict("records"):
        rows.append(_job_line(row))
        console.record("job", **cells(row, frame.columns))
    if rows:
        counts = [name.replace("_", " ") for name in _JOB_COUNTS]
        columns = ["job", "name", "created (UTC)", "status", "carrier", *counts, "charged"]
        console.table(columns, rows, right=columns[5:])


def _job_line(row: dict[Any, Any]) -> list[Any]:
    one_currency = isinstance(row["currency"], str)
    charged = (
        Money.from_cents(int(row["total_charged_cents"]), row["currency"]) if one_currency else None
    )
    return [
        row["job_id"],
        json_value(row["name"]) or "",
        row["created_at"].strftime("%Y-%m-%d %H:%M"),
        row["status"].replace("_", " "),
        f"{row['carrier']}{' LIVE' if row['live'] else ''}",
        *(f"{int(row[name]):,}" if row[name] else "" for name in _JOB_COUNTS),
        charged or "several currencies",
    ]


def _show_preview(args: Namespace, console: Console) -> End:
    from shipkit.plan.preview_store import recall
    from shipkit.purchasing.approval import stored_approval

    record = recall(Settings.read(home=args.home).home, args.job)
    given = stored_approval(record)
    console.say(record.text)
    if given:
        console.say(f"Approved by {given.by} ({given.via}) at {given.at:%Y-%m-%d %H:%M} UTC")
    return End(
        next=None if given else advice.command("approve", record.preview_id, args=args),
        facts={
            "preview_id": record.preview_id,
            "shipments": record.shipments,
            "totals": {c: f"{m.amount}" for c, m in record.totals.items()},
            "live": record.identity.live,
            "approved": given is not None,
        },
    )


def _would_void(job: Job, args: Namespace, console: Console) -> End:
    from shipkit.orders.where import matching
    from shipkit.plan.preview import to_frame
    from shipkit.purchasing.void_notes import void_notes

    table = job.store.results()
    rows = list(matching(table, args.where, {})) if args.where else range(table.num_rows)
    frame = to_frame(table.take(list(rows)))
    shipped = frame[frame["state"] == "shipped"]
    lines = [
        [r["row_number"], r["order_id"], r["tracking_number"]] for r in shipped.to_dict("records")
    ]
    console.table(["row", "order", "tracking number"], lines, right=("row",))
    for note in void_notes(job.store, rows):
        console.note(note)
    console.say(f"Dry run: {counted(len(shipped), 'shipment')} would be voided.")
    return End(job_id=job.job_id, facts={"would_void": len(shipped), "dry_run": True})
