"""The one check that keeps a job with its own account: carrier, environment and account number.

A void or a look-up sent to another account does not fail. It finds nothing, and "not found" reads
like an answer: UPS's test host, asked to void a live shipment, reports success, and a ledger that
believed it would show as voided what is still being paid for. So nothing in this package asks a
carrier about a job without passing here first.
"""

from __future__ import annotations

from typing import Never

from shipkit.carriers.protocol import Carrier, CarrierIdentity
from shipkit.errors import JobError
from shipkit.purchasing.store.manifest import Manifest, account_key

__all__ = ["require_account", "require_carrier"]


def require_carrier(manifest: Manifest, name: str) -> None:
    """Raise JobError unless `name` is the carrier of the job; asked before credentials are read."""
    if name.strip().lower() != manifest.carrier:
        _refuse(manifest, f"the carrier {name!r}")


def require_account(manifest: Manifest, carrier: Carrier) -> None:
    """Raise JobError unless `carrier` is set up for the account that the job was approved for.

    The whole account number is compared (by its digest, which is all that a job keeps of it),
    although only its last four characters are ever shown.
    """
    if account_key(carrier.identity) != manifest.account_key:
        _refuse(manifest, str(carrier.identity), _settings_to_change(manifest, carrier.identity))


def _refuse(manifest: Manifest, given: str, change: str | None = None) -> Never:
    own = manifest.identity
    by_hand = f"open the job with carrier= set up for {own}"
    raise JobError(
        f"{manifest.job_id} belongs to {own}, not to {given}. Nothing was sent to the carrier.",
        fix=f"Set {change}, or {by_hand}." if change else f"{by_hand[0].upper()}{by_hand[1:]}.",
        job_id=manifest.job_id,
    )


def _settings_to_change(manifest: Manifest, given: CarrierIdentity) -> str | None:
    """Return the environment variables that make `given` the job's account, None if there are none.

    Their names follow one pattern for every carrier: ``SHIPKIT_<CARRIER>_ENV`` and
    ``SHIPKIT_<CARRIER>_ACCOUNT``.
    """
    own = manifest.identity
    if given.name != own.name or not {own.environment, given.environment} <= {"test", "live"}:
        return None
    prefix = f"SHIPKIT_{own.name.upper()}"
    changes = []
    if given.environment != own.environment:
        changes.append(f"{prefix}_ENV={own.environment}")
    if given.account_tail != own.account or not changes:
        changes.append(f"{prefix}_ACCOUNT to the account ending in {own.account_tail}")
    return " and ".join(changes) + ", with the credentials of that account"
