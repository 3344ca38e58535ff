"""Previews on disk: ``<home>/previews/<preview_id>/``, for another process to show and approve."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from shipkit.carriers.protocol import CarrierIdentity, JointIdentity
from shipkit.common.files import Disk, write_file
from shipkit.common.mirror import pull, push
from shipkit.common.object_store import store_of
from shipkit.errors import PreviewNotFound
from shipkit.home_url import shown_home
from shipkit.models import Address, Money
from shipkit.plan.plan import Plan
from shipkit.plan.preview import Preview
from shipkit.plan.summary import AccountTotal, BilledToOthers
from shipkit.schema import complete

__all__ = ["APPROVAL", "PreviewRecord", "expired", "keep", "recall", "remove"]

APPROVAL = "approval.json"
"""The file in a preview's folder that holds its approval."""

_TABLES = ("plan.parquet", "problems.parquet", "quotes.parquet")
_ACCOUNTS = "accounts.parquet"


@dataclass(frozen=True)
class PreviewRecord:
    """A stored preview: what an approval needs, without loading the shipments."""

    path: Path
    preview_id: str
    fingerprint: str
    price_digest: str
    shipments: int
    totals: Mapping[str, Money]
    identity: CarrierIdentity
    shipper: str
    priced_at: dt.datetime
    expires_at: dt.datetime
    text: str
    """The summary as text."""
    by_account: tuple[AccountTotal, ...] = ()
    """What each account would be paid, where there are several."""
    others: BilledToOthers = field(default_factory=BilledToOthers)
    """What is billed to receivers and third parties, within the totals."""

    @cached_property
    def quotes(self) -> pa.Table:
        """The quote table."""
        return _read_table(self.path, "quotes.parquet")

    @cached_property
    def sellers(self) -> pa.Array | None:
        """The name of the account of each row; None where there is one account."""
        if not isinstance(self.identity, JointIdentity):
            return None
        return _read_table(self.path, _ACCOUNTS).column("account").combine_chunks()

    @cached_property
    def table(self) -> pa.Table:
        """The shipments."""
        return complete(_read_table(self.path, "plan.parquet"))


def shipments_file(plan: Plan) -> pa.Buffer:
    """Return the file of a plan's shipments, whose fingerprint is known afterwards.

    Neither depends on a price: both are made while the carriers are asked. Of a million rows they
    take more than a second.
    """
    _ = plan.fingerprint
    return _parquet(plan.table)


def keep(home: Path, preview: Preview, shipments: Future[pa.Buffer] | None = None) -> PreviewRecord:
    """Store `preview` under `home`, readable by this user only, and return its record.

    Storing the same preview again renews its expiry.

    Parameters
    ----------
    shipments
        Their file, where it is being made; see :func:`shipments_file`.
    """
    folder = home / "previews" / preview.preview_id
    facts = _facts(preview)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    if not folder.exists():
        staging = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
        content = shipments.result() if shipments else shipments_file(preview.plan)
        _write_buffer(staging / "plan.parquet", content)
        _write_table(staging / "problems.parquet", preview.plan.problems)
        _write_table(staging / "quotes.parquet", preview.quotes)
        if preview.plan.sellers is not None:
            sellers = pa.table({"account": preview.plan.sellers})
            _write_table(staging / _ACCOUNTS, sellers)
        _write(staging / "preview.json", facts)
        disk = Disk()
        try:
            disk.rename(staging, folder)
            disk.sync_folder(folder.parent)
        except OSError:  # another process may have kept the same preview first
            shutil.rmtree(staging, ignore_errors=True)
            if not folder.exists():
                raise
    _write(folder / "preview.json", facts)
    # The record last: it is what makes the preview known to other machines.
    tables = [folder / name for name in _tables(preview.plan.identity)]
    pull(home, tables)  # where this machine has only read the record of the preview
    push(home, tables)
    push(home, [folder / "preview.json"])
    return recall(home, preview.preview_id)


def expired(home: Path, *, before: dt.datetime, now: dt.datetime) -> list[str]:
    """Return the folders of previews that were priced `before`, and cannot be approved any more.

    Also what writers left that died: files of theirs from `before` that belong to no preview.
    """
    folder, store = home / "previews", store_of(home)
    local = [path.name for path in folder.glob("*") if path.is_dir()]
    names = {*local, *(store.folders("previews") if store else ())}
    return sorted(name for name in names if _ended(home, folder / name, before, now))


def _ended(home: Path, folder: Path, before: dt.datetime, now: dt.datetime) -> bool:
    try:
        record = recall(home, folder.name)
    except PreviewNotFound:  # not finished, or damaged
        written = [path.stat().st_mtime for path in (folder, *folder.glob("*")) if path.exists()]
        last = dt.datetime.fromtimestamp(max(written, default=now.timestamp()), dt.UTC)
        return last < min(before, now - _WRITING)
    return record.priced_at < before and record.expires_at < now


_WRITING: Final = dt.timedelta(hours=1)
"""A preview without a record that is younger may be one that is being written."""


def remove(home: Path, name: str) -> None:
    """Remove a stored preview: its record first, so that no half of one is read."""
    folder, store = home / "previews" / name, store_of(home)
    if store is not None:
        names = store.names(f"previews/{name}")
        store.remove(f"previews/{name}/{each}" for each in sorted(names, key="preview.json".__ne__))
    (folder / "preview.json").unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _tables(identity: CarrierIdentity) -> tuple[str, ...]:
    return (*_TABLES, _ACCOUNTS) if isinstance(identity, JointIdentity) else _TABLES


def recall(home: Path, preview_id: str) -> PreviewRecord:
    """Return the record of a stored preview. Raises PreviewNotFound."""
    folder = home / "previews" / preview_id
    try:
        if not re.fullmatch(r"pv_[0-9a-f]{12}", preview_id):
            raise FileNotFoundError(preview_id)
        pull(home, [folder / "preview.json", folder / APPROVAL], again=True)
        facts = json.loads((folder / "preview.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PreviewNotFound(
            f"There is no preview {preview_id!r} in {shown_home(home)}.",
            fix="Make one with session.preview() and use the id that it shows.",
        ) from None
    except (ValueError, OSError) as error:
        raise _damaged(folder, "preview.json") from error
    try:
        return _record(folder, facts)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(folder, "preview.json") from error


def _damaged(folder: Path, name: str) -> PreviewNotFound:
    return PreviewNotFound(
        f"The stored preview {folder.name!r} is damaged: {name} cannot be read.",
        fix=f"Remove the folder {folder}, and make the preview again with session.preview().",
    )


def _read_table(folder: Path, name: str) -> pa.Table:
    try:
        pull(folder.parent.parent, [folder / name])
        return pq.read_table(folder / name)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(folder, name) from error


def _record(folder: Path, facts: Any) -> PreviewRecord:
    return PreviewRecord(
        path=folder,
        preview_id=facts["preview_id"],
        fingerprint=facts["fingerprint"],
        price_digest=facts["price_digest"],
        shipments=facts["shipments"],
        totals={
            currency: Money.from_cents(cents, currency)
            for currency, cents in facts["totals"].items()
        },
        identity=_identity(facts["identity"]),
        shipper=facts["shipper"],
        priced_at=dt.datetime.fromisoformat(facts["priced_at"]),
        expires_at=dt.datetime.fromisoformat(facts["expires_at"]),
        text=facts["text"],
        others=_others(facts.get("others")),
        by_account=tuple(
            AccountTotal(
                line["account"],
                line["identity"],
                line["shipments"],
                Money.from_cents(line["cents"], line["currency"]),
            )
            for line in facts.get("by_account", ())
        ),
    )


def _others(facts: Any) -> BilledToOthers:
    if not facts:
        return BilledToOthers()
    return BilledToOthers(
        facts["shipments"],
        {name: Money.from_cents(cents, name) for name, cents in facts["totals"].items()},
    )


def _identity(facts: dict[str, Any]) -> CarrierIdentity:
    parts = facts.get("accounts")
    if parts is None:
        return CarrierIdentity(**facts)
    return JointIdentity.of({name: _identity(part) for name, part in parts.items()})


def _identity_facts(identity: CarrierIdentity) -> dict[str, Any]:
    if isinstance(identity, JointIdentity):
        return {"accounts": {name: _identity_facts(part) for name, part in identity.parts}}
    return {
        "name": identity.name,
        "environment": identity.environment,
        "account": identity.account,
    }


def _facts(preview: Preview) -> dict[str, Any]:
    summary, identity = preview.summary(), preview.plan.identity
    lines = [
        {
            "account": paid.account,
            "identity": paid.identity,
            "shipments": paid.shipments,
            "cents": paid.total.cents,
            "currency": paid.total.currency,
        }
        for paid in summary.by_account
    ]
    return {
        "preview_id": preview.preview_id,
        "fingerprint": preview.plan.fingerprint,
        "price_digest": preview.price_digest,
        "shipments": summary.shipments,
        "totals": {currency: money.cents for currency, money in preview.totals.items()},
        "identity": _identity_facts(identity),
        "shipper": _place(preview.plan.shipper),
        "priced_at": preview.priced_at.isoformat(),
        "expires_at": preview.expires_at.isoformat(),
        "text": str(summary),
        **({"by_account": lines} if isinstance(identity, JointIdentity) else {}),
        **({"others": _others_facts(summary.others)} if summary.others else {}),
    }


def _others_facts(others: BilledToOthers) -> dict[str, Any]:
    totals = {currency: money.cents for currency, money in others.totals.items()}
    return {"shipments": others.shipments, "totals": totals}


def _write_table(path: Path, table: pa.Table) -> None:
    _write_buffer(path, _parquet(table))


def _write_buffer(path: Path, content: pa.Buffer) -> None:
    write_file(path, lambda to: to.write_bytes(content), private=True)


def _parquet(table: pa.Table) -> pa.Buffer:
    # Without the least and largest value of each column: a fifth of the time, and these files are
    # only ever read whole.
    to = pa.BufferOutputStream()
    pq.write_table(table, to, compression="zstd", write_statistics=False)
    return to.getvalue()


def _write(path: Path, facts: Mapping[str, Any]) -> None:
    write_file(path, json.dumps(facts, indent=1), private=True)


def _place(shipper: Address) -> str:
    return ", ".join(
        part
        for part in (shipper.company or shipper.name, shipper.city, shipper.state, shipper.country)
        if part
    )
