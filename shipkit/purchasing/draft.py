"""The draft of a job, made from a priced preview: what will be bought, and on which terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from shipkit.carriers.protocol import CarrierIdentity, JointIdentity
from shipkit.models import LabelSpec
from shipkit.plan.planner import Planner
from shipkit.plan.preview import Preview
from shipkit.purchasing.approval import Approval, ExecutionMode, SpendLimits
from shipkit.purchasing.store import JobDraft
from shipkit.purchasing.store.manifest import JobAccount

__all__ = ["PurchaseTerms", "all_problems", "draft_job"]


@dataclass(frozen=True)
class PurchaseTerms:
    """What a session decides about a purchase, apart from the shipments themselves."""

    name: str | None
    label: LabelSpec
    mode: ExecutionMode
    limits: SpendLimits
    resend: str
    on_duplicate: str
    resend_of: Mapping[str, str] = field(default_factory=dict)
    """Account -> its `resend`, where there are several."""
    concurrency: int | None = None
    rate_limit: float | None = None
    """The pace that was asked for, which a resumed job keeps. None: the carrier's own."""


def draft_job(
    shown: Preview, planner: Planner, terms: PurchaseTerms, approval: Approval | None
) -> JobDraft:
    """Return the draft of the job that buys exactly what `shown` priced.

    Everything that is needed after the session is gone is copied into it: the source's own rows
    (for corrections and write-back), where they came from, the filter, the template and the pace.
    """
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
        approval=approval.model_dump(mode="json") if approval else None,
        limits=terms.limits.in_cents(),
        resend=terms.resend,
        on_duplicate=terms.on_duplicate,
        skipped=shown.reasons,
        accounts=_job_accounts(plan.identity, terms),
        row_accounts=plan.sellers,
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
                "columns": list(origin.named_here),
                "layout": planner.loaded.layout.name if planner.loaded.layout else None,
            },
            "quoted_totals": {currency: money.cents for currency, money in shown.totals.items()},
        },
    )


def _job_accounts(identity: CarrierIdentity, terms: PurchaseTerms) -> tuple[JobAccount, ...]:
    """Return the accounts as the manifest has them; none where there is one."""
    if not isinstance(identity, JointIdentity):
        return ()
    return tuple(
        JobAccount.of(name, part, terms.resend_of.get(name, terms.resend))
        for name, part in identity.parts
    )


def all_problems(shown: Preview) -> pa.Table:
    """Return every problem of every row, from before and after the plan was made, by row number."""
    table: Any = pa.concat_tables([shown.plan.problems, shown.problems()]).sort_by("row_number")
    return table
