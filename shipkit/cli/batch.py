"""From a file to a job: check, template, preview, run, approve."""

from __future__ import annotations

import datetime as dt
from argparse import Namespace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

from shipkit.cli import exits, printing
from shipkit.cli.console import Console, End
from shipkit.cli.exits import Exit
from shipkit.cli.grammar import UsageError, again
from shipkit.cli.options import merged, open_session
from shipkit.cli.printing import command
from shipkit.cli.progress_lines import reporter
from shipkit.common.words import counted, total_text
from shipkit.errors import ApprovalRequired
from shipkit.models import Money
from shipkit.plan import preview as previews
from shipkit.purchasing import approval
from shipkit.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from shipkit.purchasing.result import BatchResult
    from shipkit.session import BatchSession

__all__ = ["approve", "check", "preview", "run", "run_one", "template"]


def check(args: Namespace, console: Console) -> End:
    """Read a file and list what is wrong with its rows; nothing is priced."""
    args = merged(args)
    with open_session(args, shipper_needed=False) as session:
        _loaded(session, args, console)
        problems = session.problems
        bad = printing.problems(problems, console)
        if args.output:
            printing.save_frame(problems, Path(args.output))
            console.say(f"Written: {args.output}")
        facts = {
            "problems": bad,
            "warnings": int((problems["severity"] == "warning").sum()),
            "selection": session.selection,
        }
    if not len(problems):
        console.say("No problems found.")
    return End(
        Exit.SOME_FAILED if bad else Exit.DONE,
        next=again("preview", args) if not bad else None,
        facts=facts,
    )


def template(args: Namespace, console: Console) -> End:
    """Print the template in use, or write it to a file."""
    args = merged(args)
    with open_session(args, shipper_needed=False) as session:
        text = session.template
    if args.output:
        Path(args.output).write_text(text, encoding="utf-8")
        console.note(f"Written: {args.output}")
        args.template = args.output
    else:
        console.say(text)
    console.record("template", template=text)
    return End(next=again("preview", args) if args.output else None)


def preview(args: Namespace, console: Console) -> End:
    """Price every row and show it. Rows with problems are shown, are in no total, and do not change the exit code."""
    args = merged(args)
    with open_session(args) as session:
        _loaded(session, args, console)
        frame = _priced(session, args, console)
        end = End(job_id=None, facts=printing.summary_facts(session.summary))
        end.next = again("run", args) if session.summary.shipments else None
        if args.output:
            printing.save_frame(frame, Path(args.output))
            console.say(f"Written: {args.output}")
    return end


def run(args: Namespace, console: Console) -> End:
    """Preview, get approval, buy, and save what was asked for; with ``--watch``, each file that comes into a folder."""
    args = merged(args)
    _refuse_unlimited(args)
    if args.confirmation is not None:
        from shipkit.outputs.writeback.confirmations import the_format

        the_format(args.confirmation)  # refused before anything is bought
    if args.watch:
        from shipkit.cli.watch import watch

        return watch(args, console)
    return run_one(args, console)


def run_one(args: Namespace, console: Console) -> End:
    """Preview one file, get approval, buy, and save what was asked for."""
    with open_session(args) as session:
        _loaded(session, args, console)
        frame = _priced(session, args, console)
        if args.output:
            printing.save_frame(frame, Path(args.output))
        facts = printing.summary_facts(session.summary)
        unshippable = printing.unshippable(session.problems)
        if not session.summary.shipments:
            console.say(
                "Nothing to buy." if not args.dry_run else "Dry run: nothing would be bought."
            )
            return End(Exit.SOME_FAILED if unshippable else Exit.DONE, facts=facts)
        if args.dry_run:
            return _would_buy(session, args, console, facts)
        result = _buy(session, args, console)
        if result is None:
            console.note("Not approved. Nothing was bought.")
            return End(
                Exit.NOT_APPROVED,
                next=command("approve", str(session.preview_id), args=args),
                facts=facts,
            )
        return finish(session, result, args, console, unshippable=unshippable)


def approve(args: Namespace, console: Console) -> End:
    """Show a kept preview and record a person's yes to it."""
    home = Settings.read(home=args.home).home
    record = previews.recall(home, args.preview)
    facts = {
        "preview_id": record.preview_id,
        "shipments": record.shipments,
        "totals": {c: f"{m.amount}" for c, m in record.totals.items()},
        "live": record.identity.live,
    }
    console.say(record.text)
    console.record("preview", **facts)
    if not console.interactive:
        raise ApprovalRequired(
            "approve needs a person at a terminal: the total is typed back. Nothing was approved.",
            fix=f"Open a terminal and type: shipkit approve {args.preview}",
        )
    if not _typed_back(
        record.totals, record.shipments, str(record.identity), record.identity.live, console
    ):
        console.note("Not approved.")
        return End(Exit.NOT_APPROVED, facts=facts)
    given = approval.approve(
        home, record.preview_id, now=dt.datetime.now(dt.UTC), by=args.by, via="terminal"
    )
    console.say(f"Approved by {given.by}. Give the same run command again to buy.")
    return End(facts=facts)


def finish(
    session: BatchSession,
    result: BatchResult,
    args: Namespace,
    console: Console,
    *,
    unshippable: int,
) -> End:
    """Show how the job stands, save what was asked for, and return how the command ends."""
    console.title("Result")
    console.pairs(result.lines())
    printing.open_rows(result, console)
    if result.shipped and args.labels:
        session.labels.save(args.labels)
        console.say(f"Labels: {args.labels}")
    if result.shipped and args.write_back is not None:
        console.say(f"Tracking numbers: {session.write_back(args.write_back or None)}")
    if args.failed and (result.failed or unshippable):
        printing.save_failed(session.failed_rows(), Path(args.failed))
        console.say(f"Rows that did not ship: {args.failed}")
    if result.shipped and args.confirmation is not None:
        _tell_shop(session, args, console)
    code = exits.of_result(result, unshippable=unshippable)
    return End(
        code,
        job_id=result.job_id,
        next=printing.next_command(result, code, args),
        facts=printing.result_facts(result),
    )


def _tell_shop(session: BatchSession, args: Namespace, console: Console) -> None:
    """Write the file that the shop imports; of a job that is not live there is none, since a run is no place to try it out."""
    if not session.store.manifest.live:
        console.say(
            "Shop confirmation: not written, the numbers of this job are not real. To look at "
            "one: "
            f"{command('write-back', str(session.job_id), '--layout', args.confirmation, '--allow-test-numbers', args=args)}"
        )
        return
    console.say(
        "Shop confirmation: "
        f"{session.write_back(getattr(args, 'confirmation_file', None), layout=args.confirmation)}"
    )


def _refuse_unlimited(args: Namespace) -> None:
    if args.yes and args.auto:
        raise UsageError(
            "--yes and --auto exclude each other: approve this preview, or buy without approval", ""
        )
    if (args.yes or args.auto) and args.max_total is None:
        raise UsageError(
            f"{'--yes' if args.yes else '--auto'} needs --max-total: nobody looks at the total", ""
        )
    if args.watch and not (args.yes or args.auto):
        raise UsageError(
            "--watch needs --yes or --auto, and --max-total (of each file): nobody is asked", ""
        )
    if args.watch and args.file:
        raise UsageError("--watch takes the files of its folder: leave FILE out", "")


def _buy(session: BatchSession, args: Namespace, console: Console) -> BatchResult | None:
    """Buy; a preview that still waits for its approval gets it from ``--yes`` or from the person at the terminal. None: they said no."""
    progress = reporter(console)
    on_error = args.on_error or "continue"
    try:
        return session.execute(on_error=on_error, progress=progress)
    except ApprovalRequired:
        if not args.yes and not (console.interactive and not console.as_json):
            raise ApprovalRequired(
                f"Preview approval required: {session.summary.shipments:,} shipments "
                f"({session.preview_id}). Nothing was bought.",
                fix="A person approves with: "
                f"{command('approve', str(session.preview_id), args=args)}   then give this "
                "command again.",
                next=command("approve", str(session.preview_id), args=args),
            ) from None
    summary = session.summary
    if args.yes:
        session.approve(via="command line --yes")
    elif _typed_back(summary.totals, summary.shipments, summary.carrier, summary.live, console):
        session.approve(via="terminal")
    else:
        return None
    return session.execute(on_error=on_error, progress=progress)


def _would_buy(
    session: BatchSession, args: Namespace, console: Console, facts: dict[str, object]
) -> End:
    approval.check_limits(
        session.limits, previews.recall(session.settings.home, str(session.preview_id)).quotes
    )
    summary = session.summary
    approved = args.yes or args.auto or summary.approved
    console.say(
        f"Dry run: {summary.shipments:,} shipments would be bought"
        + ("." if approved else " once they are approved.")
        + " Nothing was bought."
    )
    args.dry_run = False
    return End(next=again("run", args), facts={**facts, "dry_run": True})


def _typed_back(
    totals: dict[str, Money] | object, shipments: int, carrier: str, live: bool, console: Console
) -> bool:
    """Return whether a person typed the total(s) back."""
    assert isinstance(totals, dict)  # noqa: S101 - both callers hand over a mapping of totals
    money = "This spends real money." if live else "No money is spent."
    console.note(f"\n{counted(shipments, 'shipment')}, {total_text(totals)}, on {carrier}. {money}")
    for amount in totals.values() or [Money.from_cents(0)]:
        answer = console.ask(
            f"Type the total to approve it ({amount.currency}), or press Enter to leave: "
        )
        if not answer or _amount(answer) != amount.amount:
            return False
    return True


def _amount(text: str) -> Decimal | None:
    try:
        return Decimal(text.replace("$", "").replace(",", "").strip())
    except InvalidOperation:
        return None


def _loaded(session: BatchSession, args: Namespace, console: Console) -> None:
    console.say(f"{args.file}: {session.selection}", hang=2)
    for note in session.load_report.notes:
        console.say(f"  {note.kind}: {note.text}", hang=4)


def _priced(session: BatchSession, args: Namespace, console: Console) -> pd.DataFrame:
    frame = session.preview()
    printing.preview_rows(frame, console, rows=args.rows)
    printing.problems(session.problems, console)
    printing.summary_lines(session.summary, console)
    return frame
