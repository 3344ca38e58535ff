"""Commands for parcels that are about to leave: manifests and pickups."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from shipkit.cli.advice import for_command_line
from shipkit.cli.commands import UsageError, again
from shipkit.cli.console import Console, End
from shipkit.cli.exit_codes import Exit
from shipkit.cli.job_commands import open_job
from shipkit.cli.json_facts import cells
from shipkit.cli.order_commands import total_typed
from shipkit.errors import SpendLimitExceeded
from shipkit.models import Money

if TYPE_CHECKING:
    from shipkit.job import Job
    from shipkit.purchasing.handover import Pickup

__all__ = ["manifest", "pickup"]


def manifest(args: Namespace, console: Console) -> End:
    """Put bought labels on manifests, and save their papers."""
    with open_job(args, args.job) as job:
        console.say(f"{job.job_id} on {job.store.manifest.identity}")
        if args.forget is not None:
            made = job.forget_manifest(args.forget or None)
        else:
            made = job.manifest(args.where)
        console.say(repr(made))
        for name, frame in (("manifest", made.frame), ("left_out", made.left_out)):
            for row in frame.to_dict("records"):
                console.record(name, **cells(row, frame.columns))
        files = [str(path) for path in made.save(args.output)] if args.output else []
        for path in files:
            console.say(f"Saved: {path}")
        return End(
            Exit.SOME_FAILED if len(made.left_out) else Exit.DONE,
            job_id=job.job_id,
            facts={
                "manifests": len(made),
                "in_doubt": len(made.in_doubt),
                "left_out": len(made.left_out),
                "files": files,
            },
        )


def pickup(args: Namespace, console: Console) -> End:
    """Price a pickup and book it; or list, cancel and settle those that were asked for."""
    with open_job(args, args.job) as job:
        console.say(f"{job.job_id} on {job.store.manifest.identity}")
        _settle_pickup(job, args)
        if (
            args.list
            or args.cancel is not None
            or args.look_up is not None
            or args.forget is not None
        ):
            return _known_pickups(job, console)
        wish = {name: getattr(args, name) for name in ("ready", "close", "place", "instructions")}
        given = {name: value for name, value in wish.items() if value is not None}
        found = job.pickup(args.day, clause=args.where, **given)
        _show(found, console)
        if not args.book:
            console.say("Nothing is booked.")
            following = f"{again('pickup', args)} --book"
            return End(job_id=job.job_id, next=following, facts=_facts(found))
        if not _agreed(job, found, args, console):
            console.say("Nothing is booked.")
            return End(Exit.NOT_APPROVED, job_id=job.job_id, facts=_facts(found))
        found.book(confirm_total=found.price)
        console.title("Booked")
        _show(found, console)
        return End(job_id=job.job_id, facts=_facts(found))


def _agreed(job: Job, found: Pickup, args: Namespace, console: Console) -> bool:
    """Return whether someone agrees to the price: by a limit, or by typing it."""
    price = found.price
    if price.cents == 0:
        return True
    if args.max_total is not None:
        limit = Money.of(args.max_total, price.currency)
        if price.cents > limit.cents:
            raise SpendLimitExceeded(
                f"The pickup costs {price}, and --max-total is {limit}. Nothing was booked.",
                fix="Raise --max-total, or drop the parcels off.",
            )
        return True
    if not console.interactive or console.as_json:
        console.say(f"Agree to its price: --max-total {price.amount}")
        return False
    identity = job.store.manifest.identity
    totals = {price.currency: price}
    return total_typed(totals, len(found.rows), str(identity), identity.live, console)


def _settle_pickup(job: Job, args: Namespace) -> None:
    """Cancel, look up or forget the pickup that was named, or the only one that it can be."""
    if args.cancel is not None:
        _named(job.pickups, args.cancel).cancel()
    if args.look_up is not None:
        _meant(job, args.look_up, lambda each: each.state == "in_doubt").book()
    if args.forget is not None:
        _meant(job, args.forget, lambda each: each.can_be_forgotten).forget()


def _meant(job: Job, name: str, fits: Callable[[Pickup], bool]) -> Pickup:
    known = job.pickups
    if name:
        return _named(known, name)
    found = [each for each in known if fits(each)]
    if not found:
        raise UsageError("no pickup of this job is in doubt; --list shows those it has")
    if len(found) > 1:
        raise UsageError(f"name one of them: {', '.join(each.reference for each in found)}")
    return found[0]


def _named(known: Sequence[Pickup], name: str) -> Pickup:
    for each in known:
        if name in (each.number, each.reference):
            return each
    raise UsageError(f"this job has no pickup {name}; --list shows those it has")


def _show(found: Pickup, console: Console) -> None:
    console.pairs([(name, for_command_line(text)) for name, text in found.lines()])


def _known_pickups(job: Job, console: Console) -> End:
    known = job.pickups
    for each in known:
        _show(each, console)
        console.record("pickup", **_facts(each))
    if not known:
        console.say("No pickups.")
    return End(job_id=job.job_id, facts={"pickups": len(known)})


def _facts(found: Pickup) -> dict[str, str | None]:
    return {
        "carrier": found.carrier,
        "number": found.number,
        "reference": found.reference,
        "day": found.day.isoformat(),
        "price": f"{found.price.amount}",
        "currency": found.price.currency,
        "state": found.state,
    }
