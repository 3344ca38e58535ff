"""What a job is: its draft, its manifest (written once, never changed), and its references."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from shipkit._version import __version__
from shipkit.carriers.protocol import CarrierIdentity, JointIdentity
from shipkit.errors import CheckpointCorrupt, CheckpointVersion, JobNotFound
from shipkit.home_url import shown_home
from shipkit.models import Address, LabelSpec

__all__ = [
    "JOINT_SCHEMA_VERSION",
    "SCHEMA_VERSION",
    "JobAccount",
    "JobDraft",
    "Manifest",
    "account_key",
    "attempt_reference",
    "job_id_of",
    "lineage_of",
    "make_manifest",
]

SCHEMA_VERSION = 1
"""Version of the folder of a job with one account: the first release reads it, too."""

JOINT_SCHEMA_VERSION = 2
"""Version of the folder of a job with several accounts: an older shipkit refuses it, because it
would send all rows to one of them. A job with a higher one was written by a newer shipkit."""

_BASE36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"
_ROW_DIGITS = 5
_ATTEMPT_DIGITS = 3


class JobAccount(BaseModel):
    """One of the accounts of a job that has several."""

    model_config = ConfigDict(frozen=True)

    name: str
    """Its name in the job: rows, rules and limits know it by this name."""
    carrier: str
    environment: str
    account_tail: str
    account_key: str
    """Digest of carrier, environment and account."""
    resend: str
    """What to do with its rows in doubt that it does not find."""

    @property
    def identity(self) -> CarrierIdentity:
        """The carrier. Of the account, only the last four characters are stored."""
        return CarrierIdentity(self.carrier, self.environment, self.account_tail)

    @classmethod
    def of(cls, name: str, identity: CarrierIdentity, resend: str) -> JobAccount:
        """Return an account as a job's manifest has it."""
        return cls(
            name=name,
            carrier=identity.name,
            environment=identity.environment,
            account_tail=identity.account_tail,
            account_key=account_key(identity),
            resend=resend,
        )


@dataclass(frozen=True)
class JobDraft:
    """Everything that a job is made of, before it exists on disk."""

    plan: pa.Table
    """:data:`shipkit.schema.SHIPMENTS`. A row's index in it identifies the row within the job."""
    quotes: pa.Table
    """:data:`shipkit.schema.QUOTES`, in the same order."""
    problems: pa.Table
    """:data:`shipkit.schema.PROBLEMS`."""
    fingerprint: str
    """Of the plan, without prices."""
    identity: CarrierIdentity
    shipper: Address
    label: LabelSpec = field(default_factory=LabelSpec)
    source: pa.Table | None = None
    """The source's own rows as text, with `row_number`; None when they are not kept."""
    name: str | None = None
    mode: str = "confirm"
    approval: Mapping[str, Any] | None = None
    limits: Mapping[str, Any] = field(default_factory=dict)
    resend: str = "ask"
    on_duplicate: str = "hold"
    skipped: Mapping[int, str] = field(default_factory=dict)
    """Row -> why it is not sent."""
    account: str | None = None
    """Digest of the account; None takes that of `identity`."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Other facts for later readers, as JSON values: filters, template, source, pace, ..."""
    accounts: tuple[JobAccount, ...] = ()
    """The accounts, where the job has several."""
    row_accounts: pa.Array | None = None
    """The name of the account of each row of the plan, null for one that is not sent. None: the
    job has one account."""


class Manifest(BaseModel):
    """What a job is, as ``manifest.json`` has it."""

    model_config = ConfigDict(frozen=True)

    schema_version: int
    shipkit_version: str
    job_id: str
    name: str | None
    ordinal: int
    fingerprint: str
    lineage: str
    """The same for a job and its restarts."""
    created_at: dt.datetime
    carrier: str
    environment: str
    account_tail: str
    account_key: str
    """Digest of carrier, environment and account: whose money is spent, without naming it."""
    live: bool
    shipper: Address
    label: LabelSpec
    mode: str
    approval: dict[str, Any] | None
    limits: dict[str, Any]
    resend: str
    on_duplicate: str
    shipments: int
    """Number of rows in the plan."""
    skipped: int
    """How many of them are not sent."""
    quoted_cents: dict[str, int]
    """Currency -> quoted total of the rows that are sent, in minor units."""
    reference_base: str
    """What all references of the job begin with."""
    files: dict[str, str]
    """File name -> SHA-256."""
    facts: dict[str, Any]
    accounts: tuple[JobAccount, ...] = ()
    """The accounts of a job that has several. Empty, and not written, for a job with one."""

    def to_json(self) -> str:
        """Return the manifest as it is written."""
        return self.model_dump_json(indent=1, exclude=None if self.accounts else {"accounts"})

    @property
    def account_keys(self) -> tuple[str, ...]:
        """The digest of each account, in order."""
        return tuple(each.account_key for each in self.accounts) or (self.account_key,)

    def resend_of(self, account: str) -> str:
        """Return what to do with the rows in doubt of one account."""
        return next((each.resend for each in self.accounts if each.name == account), self.resend)

    @property
    def identity(self) -> CarrierIdentity:
        """The carrier. Of the account, only the last four characters are stored."""
        if self.accounts:
            return JointIdentity.of({each.name: each.identity for each in self.accounts})
        return CarrierIdentity(self.carrier, self.environment, self.account_tail)

    @property
    def to_buy(self) -> int:
        """How many shipments the job was to buy when it was published."""
        return self.shipments - self.skipped

    @classmethod
    def read(cls, folder: Path) -> tuple[Manifest, str]:
        """Return the manifest of a job's folder, and its SHA-256.

        Raises
        ------
        JobNotFound
            The folder has no manifest.
        CheckpointVersion
            A newer shipkit wrote the job.
        CheckpointCorrupt
            The manifest cannot be read.
        """
        path = folder / "manifest.json"
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise JobNotFound(
                f"No job {folder.name} in {shown_home(folder.parent.parent)}.",
                fix="sk.jobs() lists the jobs of this home.",
            ) from None
        try:
            fields = json.loads(data)
            version = fields["schema_version"]
            if version > JOINT_SCHEMA_VERSION:
                raise CheckpointVersion(
                    f"The job {folder.name} was written by shipkit "
                    f"{fields.get('shipkit_version')} (schema {version}); this is {__version__} "
                    f"(schema {JOINT_SCHEMA_VERSION}).",
                    fix="Upgrade shipkit to that version or a later one.",
                )
            return cls(**fields), hashlib.sha256(data).hexdigest()
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            raise CheckpointCorrupt(
                f"The manifest of {folder.name} cannot be read: {type(error).__name__}.",
                fix="Restore manifest.json from a backup.",
            ) from error


def account_key(identity: CarrierIdentity) -> str:
    """Return a digest of carrier, environment and account; of several accounts, of all of them."""
    if isinstance(identity, JointIdentity):
        keys = sorted(account_key(part) for _, part in identity.parts)
        return hashlib.sha256("\0".join(keys).encode()).hexdigest()[:32]
    return hashlib.sha256(
        f"{identity.name}\0{identity.environment}\0{identity.account}".encode()
    ).hexdigest()[:32]


def lineage_of(fingerprint: str, name: str | None) -> str:
    """Return what identifies a job and its restarts: plan and name.

    Carrier and account are part of the plan's fingerprint.
    """
    return hashlib.sha256(f"{fingerprint}\0{name or ''}".encode()).hexdigest()


def job_id_of(fingerprint: str, name: str | None, ordinal: int = 1) -> str:
    """Return a job's id. It depends on plan, name and ordinal only.

    That is what makes "execute the same plan twice" open the first job instead of buying again.
    """
    number = int(
        hashlib.sha256(f"{lineage_of(fingerprint, name)}\0{ordinal}".encode()).hexdigest(), 16
    )
    return "job-" + "".join(_BASE32[(number >> 5 * i) & 31] for i in range(12))


def make_manifest(
    draft: JobDraft, *, ordinal: int, files: Mapping[str, str], now: dt.datetime
) -> Manifest:
    """Return the manifest of a job that is about to be written.

    Parameters
    ----------
    ordinal
        1, or one more for each restart.
    files
        File name -> SHA-256.
    """
    return Manifest(
        schema_version=JOINT_SCHEMA_VERSION if draft.accounts else SCHEMA_VERSION,
        shipkit_version=__version__,
        job_id=job_id_of(draft.fingerprint, draft.name, ordinal),
        name=draft.name,
        ordinal=ordinal,
        fingerprint=draft.fingerprint,
        lineage=lineage_of(draft.fingerprint, draft.name),
        created_at=now,
        carrier=draft.identity.name,
        environment=draft.identity.environment,
        account_tail=draft.identity.account_tail,
        account_key=draft.account or account_key(draft.identity),
        live=draft.identity.live,
        shipper=draft.shipper,
        label=draft.label,
        mode=draft.mode,
        approval=dict(draft.approval) if draft.approval else None,
        limits=dict(draft.limits),
        resend=draft.resend,
        on_duplicate=draft.on_duplicate,
        shipments=draft.plan.num_rows,
        skipped=len(draft.skipped),
        quoted_cents=_quoted(draft),
        reference_base=new_reference_base(),
        files=dict(files),
        facts=dict(draft.facts),
        accounts=draft.accounts,
    )


def _quoted(draft: JobDraft) -> dict[str, int]:
    wanted = np.ones(draft.plan.num_rows, dtype=bool)
    wanted[list(draft.skipped)] = False
    costs = draft.quotes.select(["currency", "cost_cents"]).filter(pa.array(wanted))
    sums = costs.group_by("currency").aggregate([("cost_cents", "sum")]).to_pylist()
    return {
        line["currency"]: line["cost_cents_sum"]
        for line in sums
        if line["currency"] and line["cost_cents_sum"] is not None
    }


def new_reference_base() -> str:
    """Return what a job's references begin with: "S" and 11 random letters or digits.

    Random, because two homes with the same plan on the same account must not look up each other's
    shipments. 36^11 makes a collision unlikely even after billions of jobs.
    """
    return "S" + "".join(secrets.choice(_BASE36) for _ in range(11))


def attempt_reference(base: str, row: int, attempt: int) -> str:
    """Return the reference of one attempt: 20 characters of A-Z and 0-9, never used again.

    20 characters of plain letters and digits fit the reference field of every carrier known to us
    (UPS allows 35).

    Examples
    --------
    >>> attempt_reference("S0123456789A", 41, 1)
    'S0123456789A00015001'
    """
    return base + _digits(row, _ROW_DIGITS) + _digits(attempt, _ATTEMPT_DIGITS)


def _digits(number: int, width: int) -> str:
    if not 0 <= number < 36**width:
        raise ValueError(f"{number} does not fit in {width} digits of base 36")
    text = ""
    for _ in range(width):
        number, rest = divmod(number, 36)
        text = _BASE36[rest] + text
    return text
