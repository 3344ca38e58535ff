"""Commands from a file of orders to a job: check, template, preview, approve, run."""

from __future__ import annotations

import datetime as dt
from argparse import Namespace
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

from shipkit.cli import advice, display, exit_codes
from shipkit.cli.commands import UsageError, again
from shipkit.cli.console import Console, End
from shipkit.cli.exit_codes import Exit
from shipkit.cli.json_facts import result_facts, summary_facts
from shipkit.cli.progress_log import reporter
from shipkit.cli.saved_files import SavedFiles, refuse_unusable
from shipkit.cli.session_options import open_session
from shipkit.cli.table_files import save_failed, save_frame
from shipkit.common.files import write_file
from shipkit.common.words import counted, total_text
from shipkit.errors import ApprovalRequired
from shipkit.models import Money
from shipkit.plan import preview_store
from shipkit.purchasing import approval
from shipkit.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from shipkit.plan.summary import AccountTotal, BilledToOthers
    from shipkit.purchasing.result import BatchResult
    from shipkit.session import BatchSession

__all__ = ["approve", "check", "finish", "preview", "run", "run_one", "template", "total_typed"]


def check(args: Namespace, console: Console) -> End:
    """Read a file and list the problems of its rows; nothing is priced."""
    with open_session(args, shipper_needed=False) as session:
        _loaded(session, args, console)
        found = session.problems
        bad = display.problems(found, console)
        unknown = session.not_understood
        if args.output:
            save_frame(found, Path(args.output))
            console.say(f"Written: {args.output}")
        facts = {
            "problems": bad,
            "warnings": int((found["severity"] == "warning").sum()),
            "selection": session.selection,
            "lines": str(session.load_report.lines),
            "not_understood": unknown,
        }
    if not len(found):
        console.say("No problems found.")
    return End(
        Exit.SOME_FAILED if bad else Exit.DONE,
        next=again("preview", args) if not bad else None,
        facts=facts,
    )


def template(args: Namespace, console: Console) -> End:
    """Print the template in use, or write it to a file."""
    with open_session(args, shipper_needed=False) as session:
        text = session.template
    written = args.output is not None
    if args.output:
        write_file(Path(args.output), text)
        console.note(f"Written: {args.output}")
        args.template, args.output = args.output, None  # for the next command, which reads it
    else:
        console.say(text)
    console.record("template", template=text)
    return End(next=again("preview", args) if written else None)


def preview(args: Namespace, console: Console) -> End:
    """Price every row and print the preview.

    Rows with problems are listed and are in no total; they do not change the exit code.
    """
    with open_session(args) as session:
        _loaded(session, args, console)
        frame = _priced(session, args, console)
        end = End(facts=summary_facts(session.summary))
        end.next = again("run", args) if session.summary.shipments else None
        if args.output:
            save_frame(frame, Path(args.output))
            console.say(f"Written: {args.output}")
        if silent := len(session.previewed.unanswered):
            console.note(f"The carrier did not answer for {counted(silent, 'row')}: preview again.")
            end.exit, end.next = Exit.BROKEN, again("preview", args)
    return end


def approve(args: Namespace, console: Console) -> End:
    """Show a stored preview and record a person's approval of it."""
    home = Settings.read(home=args.home).home
    record = preview_store.recall(home, args.preview)
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
            "approve needs a person at a terminal, who types the total. Nothing was approved.",
            fix=f"At a terminal, run: shipkit approve {args.preview}",
        )
    identity = record.identity
    if not total_typed(
        record.totals,
        record.shipments,
        str(identity),
        identity.live,
        console,
        by_account=record.by_account,
        others=record.others,
    ):
        console.note("Not approved.")
        return End(Exit.NOT_APPROVED, facts=facts)
    given = approval.approve(
        home, record.preview_id, now=dt.datetime.now(dt.UTC), by=args.by, via="terminal"
    )
    console.say(f"Approved by {given.by}. Run the same run command again to buy.")
    return End(facts=facts)


def run(args: Namespace, console: Console) -> End:
    """Preview, get approval, buy, and save what was asked for.

    With ``--watch``, do so for each file that arrives in a folder.
    """
    _refuse_unlimited(args)
    if args.confirmation is not None:
        from shipkit.outputs.writeback.confirmations import the_format

        the_format(args.confirmation)  # an unknown marketplace must not be found out after buying
    refuse_unusable(args)
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
            save_frame(frame, Path(args.output))
        facts = summary_facts(session.summary)
        unshippable = display.unshippable(session.problems)
        if not session.summary.shipments:
            console.say("Dry run: nothing would be bought." if args.dry_run else "Nothing to buy.")
            if args.failed and unshippable and not args.dry_run:
                _save_failed(session, args, console)
            return End(Exit.SOME_FAILED if unshippable else Exit.DONE, facts=facts)
        if args.dry_run:
            return _would_buy(session, args, console, facts)
        result = _buy(session, args, console)
        if isinstance(result, End):
            return result
        if result is None:
            console.note("Not approved. Nothing was bought.")
            return End(
                Exit.NOT_APPROVED,
                next=advice.command("approve", str(session.preview_id), args=args),
                facts=facts,
            )
        console.job_id = result.job_id
        return finish(session, result, args, console, unshippable=unshippable)


def finish(
    session: BatchSession,
    result: BatchResult,
    args: Namespace,
    console: Console,
    *,
    unshippable: int,
) -> End:
    """Print the result of a job, save what was asked for, and return how the command ends."""
    console.title("Result")
    console.pairs(result.lines())
    display.open_rows(result, console)
    files = SavedFiles(result.job_id, args, console)
    if result.shipped and args.labels:
        files.save(
            "Labels",
            lambda: console.say(f"Labels: {session.labels.save(args.labels) and args.labels}"),
            *("labels", result.job_id, "-o", args.labels),
        )
    if result.shipped and args.write_back is not None:
        files.save(
            "Tracking numbers",
            lambda: console.say(f"Tracking numbers: {session.write_back(args.write_back or None)}"),
            *("write-back", result.job_id),
            *(("-o", args.write_back) if args.write_back else ()),
        )
    if args.failed and (result.failed or unshippable):
        files.save(
            "Rows that did not ship",
            lambda: _save_failed(session, args, console),
            *("show", result.job_id, "--failed", args.failed),
        )
    if result.shipped and args.confirmation is not None:
        files.save(
            "Shipment confirmation",
            lambda: _confirm_to_shop(session, args, console),
            *("write-back", result.job_id, "--layout", args.confirmation),
        )
    code = exit_codes.of_result(result, unshippable=unshippable)
    return End(
        max(code, files.exit),
        job_id=result.job_id,
        next=advice.after_job(result, code, args) if files.next is None else files.next,
        facts=result_facts(result),
    )


def total_typed(
    totals: Mapping[str, Money],
    shipments: int,
    carrier: str,
    live: bool,
    console: Console,
    *,
    by_account: Sequence[AccountTotal] = (),
    others: BilledToOthers | None = None,
) -> bool:
    """Ask a person to type the total of each currency, and return whether all were right.

    Parameters
    ----------
    by_account
        What each account would be paid, for a batch with several.
    others
        What is billed to others, within the totals.
    """
    money = "This spends real money." if live else "No money is spent."
    console.note(f"\n{counted(shipments, 'shipment')}, {total_text(totals)}, on {carrier}. {money}")
    if others:
        console.note(f"  Billed to others: {others}")
    for paid in by_account:
        console.note(f"  {paid.identity}: {counted(paid.shipments, 'shipment')}, {paid.total}")
    for expected in totals.values() or [Money.from_cents(0)]:
        answer = console.ask(
            f"Type the total to approve it ({expected.currency}), or press Enter to cancel: "
        )
        if not answer or _amount(answer) != expected.amount:
            return False
    return True


# -- steps of a run --------------------------------------------------------------------------------


def _loaded(session: BatchSession, args: Namespace, console: Console) -> None:
    console.say(f"{args.file}: {session.selection}", hang=2)
    report = session.load_report
    console.say(f"  {report.lines}", hang=4)
    for note in report.notes:
        console.say(f"  {note.kind}: {advice.for_command_line(note.text)}", hang=4)


def _priced(session: BatchSession, args: Namespace, console: Console) -> pd.DataFrame:
    frame = session.preview()
    display.preview_rows(frame, console, rows=args.rows)
    display.problems(session.problems, console)
    display.summary_lines(session.summary, console)
    return frame


def _refuse_unlimited(args: Namespace) -> None:
    """Raise UsageError where something would be bought that neither a person nor a limit bounds."""
    if args.yes and args.auto:
        raise UsageError("--yes and --auto cannot be combined")
    if (args.yes or args.auto) and args.max_total is None:
        option = "--yes" if args.yes else "--auto"
        raise UsageError(f"{option} requires --max-total, because no person checks the total")
    if args.watch and not (args.yes or args.auto):
        raise UsageError("--watch requires --yes or --auto, and --max-total for each file")
    if args.watch and args.file:
        raise UsageError("--watch runs the files of its folder and takes no FILE")


def _buy(session: BatchSession, args: Namespace, console: Console) -> BatchResult | End | None:
    """Buy and return the result; None when the person at the terminal does not approve.

    A preview that still needs approval gets it from ``--yes``, or from the person. An interrupt in
    the moment between making the job and running it ends the command, with the job's name.
    """
    try:
        return _bought(session, args, console)
    except KeyboardInterrupt:
        job_id = session.earlier_job
        if job_id is None:
            raise
        console.fail("Interrupted.", None, "interrupted", Exit.UNFINISHED)
        resume = advice.command("resume", job_id, args=args)
        return End(Exit.UNFINISHED, job_id, resume, facts={"code": "interrupted"})


def _bought(session: BatchSession, args: Namespace, console: Console) -> BatchResult | None:
    progress = reporter(console)
    on_error = args.on_error or "continue"
    try:
        return session.execute(on_error=on_error, progress=progress)
    except ApprovalRequired:
        if not args.yes and not (console.interactive and not console.as_json):
            raise _approval_required(session, args) from None
    summary = session.summary
    if args.yes:
        session.approve(via="command line --yes")
    elif total_typed(
        summary.totals,
        summary.shipments,
        summary.carrier,
        summary.live,
        console,
        by_account=summary.by_account if len(session.carriers) > 1 else (),
        others=summary.others,
    ):
        session.approve(via="terminal")
    else:
        return None
    return session.execute(on_error=on_error, progress=progress)


def _approval_required(session: BatchSession, args: Namespace) -> ApprovalRequired:
    approve_it = advice.command("approve", str(session.preview_id), args=args)
    return ApprovalRequired(
        f"Preview approval required: {counted(session.summary.shipments, 'shipment')} "
        f"({session.preview_id}). Nothing was bought.",
        fix=f"A person approves it with: {approve_it}   Then run this command again.",
        next=approve_it,
    )


def _would_buy(
    session: BatchSession, args: Namespace, console: Console, facts: dict[str, object]
) -> End:
    record = preview_store.recall(session.settings.home, str(session.preview_id))
    approval.check_limits(session.limits, record.quotes, record.sellers)
    summary = session.summary
    approved = args.yes or args.auto or summary.approved
    after = "" if approved else " after approval"
    console.say(
        f"Dry run: {counted(summary.shipments, 'shipment')} would be bought{after}. "
        "Nothing was bought."
    )
    args.dry_run = False
    return End(next=again("run", args), facts={**facts, "dry_run": True})


def _save_failed(session: BatchSession, args: Namespace, console: Console) -> None:
    save_failed(session.failed_rows(), Path(args.failed))
    console.say(f"Rows that did not ship: {args.failed}")


def _confirm_to_shop(session: BatchSession, args: Namespace, console: Console) -> None:
    """Write the confirmation file of a marketplace, for a live job only.

    A marketplace that imports test numbers tells real customers that their orders were shipped.
    """
    if not session.store.manifest.live:
        words = ("write-back", str(session.job_id), "--layout", args.confirmation)
        sample = advice.command(*words, "--allow-test-numbers", args=args)
        console.say(
            "Shipment confirmation: not written, because the tracking numbers of this job are "
            f"test numbers. For a sample file: {sample}"
        )
        return
    written = session.write_back(getattr(args, "confirmation_file", None), layout=args.confirmation)
    console.say(f"Shipment confirmation: {written}")


def _amount(text: str) -> Decimal | None:
    try:
        return Decimal(text.replace("$", "").replace(",", "").strip())
    except InvalidOperation:
        return None
