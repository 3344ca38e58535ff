"""From a priced preview to a job, and the job running in the background of whoever watches it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import Carrier
from shipkit.common.portal import Portal
from shipkit.models import LabelSpec, Money
from shipkit.plan.planner import Planner
from shipkit.plan.preview import Preview, cents_by_currency
from shipkit.purchasing.approval import Approval, ExecutionMode, SpendLimits, renew
from shipkit.purchasing.progress import watcher
from shipkit.purchasing.result import BatchResult, charged
from shipkit.purchasing.run import Control, Progress, execute
from shipkit.purchasing.store import JobDraft, JobStore
from shipkit.state import JobStatus, RowState

__all__ = ["Follower", "RunHandle", "Terms", "draft", "renewed"]

Follower = Callable[[Progress], None] | bool | None
"""Who follows a job: a callable given a Progress; None for a bar where somebody looks; False for nobody."""


@dataclass(frozen=True)
class Terms:
    """What a session says of every purchase, besides the shipments themselves."""

    name: str | None
    label: LabelSpec
    mode: ExecutionMode
    limits: SpendLimits
    resend: str
    on_duplicate: str
    concurrency: int | None = None
    rate_limit: float | None = None
    """The pace that was asked for: a resumed job keeps it. None: the carrier's own."""


def draft(shown: Preview, planner: Planner, terms: Terms, given: Approval | None) -> JobDraft:
    """Return the job that buys exactly what `shown` priced, with everything that a later reader wants to know of it."""
    plan, origin = shown.plan, planner.loaded.origin
    return JobDraft(
        plan=plan.table,
        quotes=shown.quotes,
        problems=all_problems(shown),
        source=planner.source_rows(),
        fingerprint=plan.fingerprint,
        name=terms.name,
        identity=plan.identity,
        shipper=plan.shipper,
        label=terms.label,
        mode=str(terms.mode),
        approval=given.model_dump(mode="json") if given else None,
        limits=terms.limits.in_cents(),
        resend=terms.resend,
        on_duplicate=terms.on_duplicate,
        skipped=shown.reasons,
        facts={
            "preview_id": shown.preview_id,
            "priced_at": shown.priced_at.isoformat(),
            "expires_at": shown.expires_at.isoformat(),
            "where": list(planner.clauses),
            "template": plan.template,
            "pace": {"concurrency": terms.concurrency, "rate_limit": terms.rate_limit},
            "source": {
                "kind": origin.kind,
                "paths": [str(p) for p in origin.paths],
                "sha256": list(origin.sha256),
                "rows": list(origin.rows),
                "sheet": origin.sheet,
                "delimiter": origin.delimiter,
                "encoding": origin.encoding,
                "header": origin.header,
                "layout": planner.loaded.layout.name if planner.loaded.layout else None,
            },
            "quoted_totals": {currency: money.cents for currency, money in shown.totals.items()},
        },
    )


async def renewed(
    store: JobStore, carrier: Carrier, pacer: Pacer, *, now: dt.datetime, confirmed: Money | None
) -> None:
    """Price what is left of an interrupted job again when its quotes expired; raise when it grew beyond what was agreed to."""
    expires = store.manifest.facts.get("expires_at")
    if expires is None or now < dt.datetime.fromisoformat(expires):
        return
    results = store.results()
    rows = pc.indices_nonzero(pc.equal(results.column("state"), RowState.PENDING.value))
    if not len(rows) or store.status is JobStatus.CANCELLED:
        return
    quotes = await carrier.quote_table(store.plan.take(rows), store.manifest.shipper, pacer)
    renew(
        cents_by_currency(store.quotes.take(rows)),
        cents_by_currency(quotes),
        mode=ExecutionMode.of(store.manifest.mode),
        limits=store.manifest.limits,
        charged={name: money.cents for name, money in charged(results).items()},
        confirmed=confirmed,
    )


class RunHandle:
    """A job running in the background: what ``session.start()`` returns."""

    def __init__(
        self,
        store: JobStore,
        carrier: Carrier,
        portal: Portal,
        *,
        pacer: Pacer,
        grace_s: float | None,
        on_error: str,
        progress: Follower,
    ) -> None:
        self.progress: Progress | None = None
        """The last progress that was reported."""
        self._control = Control()
        identity = store.manifest.identity
        follow = watcher(
            progress, store.manifest.to_buy, f"{identity} LIVE" if identity.live else str(identity)
        )

        async def work() -> BatchResult:
            began = time.monotonic()
            with follow as callback:
                await execute(
                    store,
                    carrier,
                    control=self._control,
                    on_error=on_error,
                    progress=self._noting(callback),
                    pacer=pacer,
                    grace_s=grace_s,
                )
            return BatchResult.of(store, elapsed_s=time.monotonic() - began)

        self._future: concurrent.futures.Future[BatchResult] = portal.start(work())

    def wait(self, timeout_s: float | None = None) -> BatchResult | None:
        """Return the result, or None when the job still runs after `timeout_s` seconds."""
        try:
            return self._future.result(timeout_s)
        except concurrent.futures.TimeoutError:
            if self._future.done():
                raise
            return None

    def watch(self) -> BatchResult:
        """Wait for the result. The first interrupt (Ctrl-C, the kernel's stop) pauses the job, the second stops it at once."""
        interrupts = 0
        while True:
            try:
                result = self.wait(0.1)
            except KeyboardInterrupt:
                interrupts += 1
                (self._control.pause if interrupts == 1 else self._control.stop_now)()
            else:
                if result is not None:
                    return result

    async def awatch(self) -> BatchResult:
        """Wait for the result on the caller's loop. Cancelling pauses the job and waits until what is in flight is recorded."""
        future = asyncio.wrap_future(self._future)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            self.pause()
            await asyncio.wait([future])
            raise

    @property
    def running(self) -> bool:
        """Whether the job still runs."""
        return not self._future.done()

    def pause(self) -> None:
        """Stop sending; finish and record what is in flight."""
        self._control.pause()

    def cancel(self) -> None:
        """Stop sending, finish and record what is in flight, and end the job for good."""
        self._control.cancel()

    def _noting(self, callback: Callable[[Progress], None] | None) -> Callable[[Progress], None]:
        def note(progress: Progress) -> None:
            self.progress = progress
            if callback is not None:
                callback(progress)

        return note


def all_problems(shown: Preview) -> pa.Table:
    """Return every problem of every row, found before and after the plan was made, by row."""
    table: Any = pa.concat_tables([shown.plan.problems, shown.problems()]).sort_by("row_number")
    return table
