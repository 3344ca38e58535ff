"""Jobs on disk: list, show, resume, labels, void, write back, prune; and the carriers."""

from __future__ import annotations

import datetime as dt
import re
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shipkit.cli import exits, printing
from shipkit.cli.console import Console, End
from shipkit.cli.exits import Exit
from shipkit.cli.grammar import UsageError
from shipkit.cli.options import named, pairs
from shipkit.cli.printing import command
from shipkit.cli.progress_lines import reporter
from shipkit.models import Money
from shipkit.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from shipkit.job import Job

__all__ = ["carriers", "jobs", "labels", "prune", "resume", "show", "void", "write_back"]


def resume(args: Namespace, console: Console) -> End:
    """Go on with an interrupted job; without a name, with the only one there is."""
    from shipkit.purchasing import recovery

    job = args.job
    if job is None:
        waiting = recovery.interrupted_jobs(args.home)
        if len(waiting) != 1:
            return _which(waiting, args, console)
        job = waiting["job_id"][0]
    with _open(args, job) as opened:
        store = opened.store
        if store.owner() is None and store.status in {"paused", "failed"}:
            console.say(str(recovery.describe(store)).partition("\n  resume")[0])
        result = opened.resume(on_error=args.on_error, progress=reporter(console))
        console.title("Result")
        console.pairs(result.lines())
        printing.open_rows(result, console)
        code = exits.of_result(result, unshippable=printing.unshippable_in(store))
        return End(
            code,
            job_id=result.job_id,
            next=printing.next_command(result, code, args),
            facts=printing.result_facts(result),
        )


def jobs(args: Namespace, console: Console) -> End:
    """List the jobs, newest first."""
    from shipkit.purchasing import recovery

    frame = recovery.interrupted_jobs(args.home) if args.interrupted else recovery.jobs(args.home)
    if not len(frame):
        console.say(
            f"No {'interrupted ' if args.interrupted else ''}jobs in "
            f"{Settings.read(home=args.home).home}."
        )
    _list(frame, console)
    return End(facts={"jobs": len(frame)})


def show(args: Namespace, console: Console) -> End:
    """Show how a job or a preview stands, and save results, failed rows or the day sheet."""
    if args.job.startswith("pv_"):
        return _show_preview(args, console)
    from shipkit.purchasing import recovery
    from shipkit.purchasing.result import BatchResult, next_step

    with _open(args, args.job) as opened:
        store = opened.store
        result = BatchResult.of(store)
        owner = store.owner()
        if owner is None and result.status in {"paused", "failed"}:
            console.say(str(recovery.describe(store)))
            console.say()
        console.pairs([*result.lines(), *([("Run by", str(owner))] if owner else [])])
        printing.open_rows(result, console)
        if args.results:
            printing.save_frame(result.frame, Path(args.results))
            console.say(f"Results: {args.results}")
        if args.failed:
            failed = opened.failed_rows()
            printing.save_failed(failed, Path(args.failed))
            console.say(f"Rows that did not ship ({len(failed):,}): {args.failed}")
        if args.report:
            console.say(f"Day sheet: {opened.report().save(args.report)}")
        code = (
            exits.of_result(result, unshippable=printing.unshippable_in(store))
            if owner is None
            else Exit.UNFINISHED
        )
        following = next_step(result) if owner is None else f"shipkit show {result.job_id}"
        if args.failed and code is Exit.SOME_FAILED:
            following = f"shipkit labels {result.job_id} -o labels.pdf"
        return End(
            code,
            job_id=result.job_id,
            next=_at_home(following, args),
            facts=printing.result_facts(result),
        )


def labels(args: Namespace, console: Console) -> End:
    """Save labels."""
    with _open(args, args.job) as opened:
        options: dict[str, Any] = {
            "per": args.per,
            "order_by": args.order_by,
            "split": args.split,
            "where": args.where,
            "format": args.format,
        }
        options |= {"filename": args.filename, "kind": "document" if args.documents else None}
        saved = opened.labels.save(
            args.output, **{name: value for name, value in options.items() if value is not None}
        )
        console.say(repr(saved))
        facts = {
            "files": [str(path) for path in saved.paths],
            "labels": saved.labels,
            "shipments": saved.shipments,
            "missing": list(saved.missing),
        }
        return End(
            job_id=opened.job_id,
            next=command("write-back", opened.job_id, args=args),
            facts=facts,
        )


def void(args: Namespace, console: Console) -> End:
    """Give shipments back."""
    with _open(args, args.job) as opened:
        console.say(f"{opened.job_id} on {opened.store.manifest.identity}")
        if args.dry_run:
            return _would_void(opened, args, console)
        frame = opened.void(args.where, all=args.all)
        counts = frame["state"].value_counts().to_dict()
        console.say(
            f"Voided: {counts.get('voided', 0):,}"
            + (f"; not voided: {counts['shipped']:,}" if counts.get("shipped") else "")
        )
        for row in frame.to_dict("records"):
            console.record(
                "result",
                row_number=int(row["row_number"]),
                state=str(row["state"]),
                tracking_number=row["tracking_number"],
            )
        code = Exit.SOME_FAILED if counts.get("shipped") else Exit.DONE
        return End(
            code,
            job_id=opened.job_id,
            facts={
                "voided": int(counts.get("voided", 0)),
                "not_voided": int(counts.get("shipped", 0)),
            },
        )


def write_back(args: Namespace, console: Console) -> End:
    """Write tracking numbers into a copy of the orders, into the orders file itself, or into the file that a shop imports."""
    from shipkit.outputs.writeback import Confirmation

    with _open(args, args.job) as opened:
        # --in-place --in-place is how the first release spelled --allow-test-numbers
        written = opened.write_back(
            args.output,
            columns=pairs(args.column) or None,
            in_place=args.in_place > 0,
            layout=args.layout,
            allow_test_numbers=args.allow_test_numbers or args.in_place > 1,
        )
        if isinstance(written, Confirmation):
            console.say(f"Written: {written}")
            return End(
                job_id=opened.job_id,
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
        return End(job_id=opened.job_id, facts={"files": paths})


def carriers(args: Namespace, console: Console) -> End:
    """List the carriers and whether they are set up.

    Secrets are never shown, and of an account only its last characters.
    """
    from shipkit.carriers.registry import BrokenCarrier, plugins

    chosen = Settings.read(home=args.home).carrier.lower()
    rows, wanting = [], []
    for found in plugins():
        name, default = found.name, found.name == chosen
        shown = f"{name}{' (default)' if default else ''}"
        if isinstance(found, BrokenCarrier):
            rows.append([shown, "", "", "no", "broken"])
            wanting.append(found.problem)
            console.record("carrier", name=name, ready=False, problem=found.problem)
            continue
        missing = found.settings.missing(name)
        known = found.settings.shown(name)
        environment, account = known["env"] or found.environment, known["account"]
        rows.append(
            [shown, environment.upper(), account, "no" if missing else "yes", found.description]
        )
        wanting += [f"{name} needs {', '.join(missing)} in the environment."] if missing else []
        console.record(
            "carrier",
            name=name,
            environment=environment,
            account=account,
            ready=not missing,
            missing=missing,
            default=default,
        )
    console.table(
        ["carrier", "environment", "account", "set up", "what it is"], rows, wrap="what it is"
    )
    for line in wanting:
        console.say(line)
    return End()


def prune(args: Namespace, console: Console) -> End:
    """Remove addresses and labels of old finished jobs; the books stay."""
    from shipkit.purchasing import recovery

    found = recovery.prune(args.home, older_than=_age(args.older_than), dry_run=args.dry_run)
    for job in found:
        console.say(job)
        console.record("pruned", job_id=job, dry_run=args.dry_run)
    console.say(
        f"{len(found):,} jobs {'would be' if args.dry_run else 'were'} pruned: addresses and "
        "labels go, numbers and charges stay."
    )
    return End(facts={"pruned": len(found)})


# -- inside ----------------------------------------------------------------------------------------


def _open(args: Namespace, job: str) -> Job:
    from shipkit.job import Job

    home = Settings.read(home=args.home).home
    return Job.open(named(home, job), home=home)


def _which(waiting: pd.DataFrame, args: Namespace, console: Console) -> End:
    if not len(waiting):
        console.say("No job is interrupted: there is nothing to resume.")
        return End()
    console.say(f"{len(waiting):,} jobs are interrupted. Say which one:")
    _list(waiting, console)
    return End(
        Exit.UNFINISHED,
        next=command("resume", waiting["job_id"][0], args=args),
        facts={"jobs": len(waiting)},
    )


def _list(frame: pd.DataFrame, console: Console) -> None:
    rows = []
    for row in frame.to_dict("records"):
        total = (
            Money.from_cents(int(row["total_charged_cents"]), row["currency"])
            if isinstance(row["currency"], str)
            else None
        )
        made = row["created_at"].strftime("%Y-%m-%d %H:%M")
        carrier = f"{row['carrier']}{' LIVE' if row['live'] else ''}"
        counts = [
            f"{int(row[name]):,}" if row[name] else ""
            for name in ("shipped", "failed", "in_doubt", "remaining")
        ]
        rows.append(
            [
                row["job_id"],
                row["name"] or "",
                made,
                row["status"].replace("_", " "),
                carrier,
                *counts,
                total or "several",
            ]
        )
        console.record("job", **printing.cells(row, frame.columns))
    if rows:
        columns = [
            "job",
            "name",
            "made (UTC)",
            "status",
            "carrier",
            "shipped",
            "failed",
            "in doubt",
            "left",
            "charged",
        ]
        console.table(columns, rows, right=columns[5:])


def _show_preview(args: Namespace, console: Console) -> End:
    from shipkit.plan.preview import recall
    from shipkit.purchasing.approval import stored_approval

    record = recall(Settings.read(home=args.home).home, args.job)
    given = stored_approval(record)
    console.say(record.text)
    if given:
        console.say(f"Approved by {given.by} ({given.via}) at {given.at:%Y-%m-%d %H:%M} UTC")
    facts = {
        "preview_id": record.preview_id,
        "shipments": record.shipments,
        "totals": {c: f"{m.amount}" for c, m in record.totals.items()},
    }
    return End(
        next=None if given else command("approve", record.preview_id, args=args),
        facts={**facts, "live": record.identity.live, "approved": given is not None},
    )


def _would_void(opened: Job, args: Namespace, console: Console) -> End:
    from shipkit.orders.where import matching
    from shipkit.plan.preview import to_frame

    table = opened.store.results()
    frame = to_frame(table.take(list(matching(table, args.where, {}))) if args.where else table)
    standing = frame[frame["state"] == "shipped"]
    lines = [
        [r["row_number"], r["order_id"], r["tracking_number"]] for r in standing.to_dict("records")
    ]
    console.table(["row", "order", "tracking number"], lines, right=("row",))
    console.say(f"Dry run: {len(standing):,} shipments would be voided.")
    return End(job_id=opened.job_id, facts={"would_void": len(standing), "dry_run": True})


def _age(text: str) -> dt.timedelta:
    match = re.fullmatch(r"(\d{1,6})\s*([dwh])", text.strip().lower())
    if not match:
        raise UsageError(f"{text!r} is not an age", "")
    return dt.timedelta(**{{"d": "days", "w": "weeks", "h": "hours"}[match[2]]: int(match[1])})


def _at_home(words: str, args: Namespace) -> str:
    return command(*words.split()[1:], args=args)
