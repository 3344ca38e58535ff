"""Runs a job: buys every row of an approved plan once, at the pace that the carrier allows.

A row goes from pending to in flight (durable on disk), then the carrier is called, then the row is
shipped, failed, pending again, or in doubt. Failed rows, an unreachable carrier, pauses and full
disks end the run with a status and never with an exception.

.. code-block:: text

    feeder      chooses the next row, reserves its price, writes its intent
    first_step  of carriers that sell in two: the id that settles a lost answer, durably
    dispatch    calls the carrier and books the outcome
    lane        these for one account, and its rows in doubt
    runner      the run as a whole: its accounts, its beginning, stopping, its end
    (here)      the two ways in: buy what is left, or only look again
    reporter    progress
    collector   Python's garbage collector, calmer while all that goes on

A job with several accounts has a lane for each. They share the ledger and the limits; pace,
breaker and the way to settle a lost answer are each account's own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import ExitStack

from shipkit.carriers.accounts import Account, Accounts
from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import Carrier, preparer
from shipkit.carriers.send_gate import guarded
from shipkit.common.store_check import demand_checked
from shipkit.errors import CheckpointLocked, CheckpointWriteError
from shipkit.purchasing.account import require_account
from shipkit.purchasing.late_shipments import late_rows
from shipkit.purchasing.run.collector import calm_collector
from shipkit.purchasing.run.run_state import Options
from shipkit.purchasing.run.runner import Runner
from shipkit.purchasing.signals import Control, Progress
from shipkit.purchasing.store import JobStore
from shipkit.state import JobStatus

__all__ = ["Control", "Progress", "execute", "look_again"]

log = logging.getLogger("shipkit.purchasing.run")

_FINISHED = (JobStatus.CANCELLED, JobStatus.COMPLETED)


async def execute(
    store: JobStore,
    carrier: Carrier | Accounts,
    *,
    control: Control | None = None,
    on_error: str = "continue",
    progress: Callable[[Progress], None] | None = None,
    pacer: Pacer | None = None,
    timeout_s: float | None = None,
    grace_s: float | None = None,
    resend: str | None = None,
) -> JobStatus:
    """Buy what is left of a job, and return the status of the job afterwards.

    Of a finished job, only old references are looked up.

    Parameters
    ----------
    carrier
        The carrier of the job, or its accounts where it has several.
    control
        Stops the run from another thread.
    on_error
        ``"continue"``, or ``"halt"`` to stop at the first failed row.
    progress
        Called with a :class:`Progress` at most ten times a second, and at the end. The first
        exception that it raises is logged; none stops the job.
    pacer
        The pace of a single carrier; default: the carrier's own.
    timeout_s
        The longest a carrier call may take, in seconds; default: the carrier's.
    grace_s
        How long a row must be in doubt before a look-up may conclude that it was not bought;
        default: twice `timeout_s` plus the carrier's processing time.
    resend
        ``"proven"``, ``"ask"`` or ``"never"``; default: the job's.

    Raises
    ------
    JobError
        The job belongs to another account, environment or carrier. Nothing was sent.
    CheckpointLocked
        Another process runs the job. Nothing was sent.
    CheckpointCorrupt
        The ledger or the plan cannot be trusted. Nothing was sent.
    SettingsError
        The carrier is live, and the home's object store was never checked. Nothing was sent.
    """
    if store.status in _FINISHED:
        await look_again(store, carrier, pacer=pacer)
        return store.status
    accounts = Accounts.of(carrier, pacer)
    require_account(store.manifest, accounts)
    if store.manifest.live:
        await asyncio.to_thread(demand_checked, store.path.parent.parent)
    control = control or Control()

    def options(account: Account) -> Options:
        pace = account.carrier.pace
        timeout = timeout_s if timeout_s is not None else pace.timeout_s
        # The grace: the client may wait for one time-out, a proxy or a retry inside the carrier for
        # another, and then the carrier itself may take its time to finish.
        return Options(
            pacer=account.pacer,
            control=control,
            on_error=on_error,
            progress=progress,
            timeout_s=timeout,
            grace_s=grace_s if grace_s is not None else 2 * timeout + pace.processing_s,
            resend=resend or store.manifest.resend_of(account.name),
        )

    with ExitStack() as stack:
        try:
            ledger = await asyncio.to_thread(stack.enter_context, store.own("execute"))
            stack.enter_context(guarded(ledger.gate))
            stack.enter_context(calm_collector())
            return await Runner.of(store, ledger, accounts, options).work()
        except CheckpointWriteError as error:
            store.ended = (JobStatus.FAILED, str(error))
            return JobStatus.FAILED


async def look_again(
    store: JobStore, carrier: Carrier | Accounts, *, pacer: Pacer | None = None
) -> int:
    """Look up the old references of a job that is not running. Buys nothing.

    These are attempts that were concluded absent, rows in doubt, and rows in review. What turned up
    is adopted, or reported as surplus, which can be voided.

    Returns
    -------
    int
        How many shipments turned up. 0 also when another process owns the job or the carrier cannot
        be reached: the references stay on the list.

    Raises
    ------
    JobError
        The job belongs to another account, environment or carrier.
    """
    accounts = Accounts.of(carrier, pacer)
    labels = any(preparer(account.carrier) is not None for account in accounts)
    if not await asyncio.to_thread(late_rows, store, labels=labels):
        return 0
    require_account(store.manifest, accounts)
    control = Control()

    def options(account: Account) -> Options:
        return Options(
            pacer=account.pacer,
            control=control,
            on_error="continue",
            progress=None,
            timeout_s=account.carrier.pace.timeout_s,
            grace_s=float("inf"),  # so that nothing is concluded to be absent
            resend="never",
        )

    with ExitStack() as stack:
        try:
            ledger = await asyncio.to_thread(stack.enter_context, store.own("look again"))
            stack.enter_context(guarded(ledger.gate))
            return await Runner.of(store, ledger, accounts, options).only_look()
        except (CheckpointLocked, CheckpointWriteError) as error:
            log.info("old references were not looked up: %s", error.code)
            return 0
