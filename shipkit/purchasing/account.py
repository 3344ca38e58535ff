"""The one check that keeps a job with its own account: carrier, environment and account number.

A void or a look-up sent to another account does not fail. It finds nothing, and "not found" reads
like an answer: UPS's test host, asked to void a live shipment, reports success, and a ledger that
believed it would show as voided what is still being paid for. So nothing in this package asks a
carrier about a job without passing here first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Never

from shipkit.carriers.accounts import Account, Accounts, CarrierAccount
from shipkit.carriers.protocol import Carrier, CarrierIdentity
from shipkit.errors import JobError
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.manifest import JobAccount, Manifest, account_key

__all__ = ["account_of", "require_account", "require_carriers"]


def require_carriers(manifest: Manifest, given: Sequence[CarrierAccount]) -> None:
    """Raise JobError unless these are the carriers of the job; asked before credentials are read.

    Carriers that were given as objects are left to :func:`require_account`.
    """
    if not manifest.accounts:
        names = [each.carrier for each in given]
        if len(given) > 1:
            _refuse(manifest, f"the accounts {', '.join(each.name for each in given)}")
        if isinstance(names[0], str) and names[0].strip().lower() != manifest.carrier:
            _refuse(manifest, f"the carrier {names[0]!r}")
        return
    by_name = {each.name: each.carrier for each in given}
    for own in manifest.accounts:
        carrier = by_name.pop(own.name, None)
        if carrier is None:
            _refuse(manifest, f"accounts without {own.name!r}")
        if isinstance(carrier, str) and carrier.strip().lower() != own.carrier:
            _refuse(manifest, f"an account {own.name!r} of the carrier {carrier!r}")
    if by_name:
        _refuse(manifest, f"accounts with {', '.join(map(repr, by_name))}")


def require_account(manifest: Manifest, carrier: Carrier | Accounts) -> None:
    """Raise JobError unless `carrier` is set up for the account that the job was approved for.

    The whole account number is compared (by its digest, which is all that a job keeps of it),
    although only its last four characters are ever shown. Of a job with several accounts, each has
    to be the job's own: a row that was bought from one of them is never asked about at another.
    """
    accounts = Accounts.of(carrier)
    if not manifest.accounts:
        if len(accounts) > 1:
            _refuse(manifest, str(accounts.identity))
        identity = accounts.only.carrier.identity
        if account_key(identity) != manifest.account_key:
            change = _settings_to_change(manifest.identity, identity)
            _refuse(manifest, str(identity), change)
        return
    if set(accounts.names) != {own.name for own in manifest.accounts} or accounts.alone:
        _refuse(manifest, str(accounts.identity))
    for own in manifest.accounts:
        _require(manifest, own, accounts[own.name].carrier.identity)


def _require(manifest: Manifest, own: JobAccount, given: CarrierIdentity) -> None:
    if account_key(given) != own.account_key:
        change = _settings_to_change(own.identity, given)
        _refuse(manifest, f"{given} as its account {own.name!r}", change)


def account_of(store: JobStore, accounts: Accounts, row: int) -> Account:
    """Return the account that a row of a job belongs to, and no other."""
    codes = store.account_codes
    if codes is None:
        return accounts.only
    return accounts[store.manifest.accounts[codes[row]].name]


def _refuse(manifest: Manifest, given: str, change: str | None = None) -> Never:
    own = manifest.identity
    option = "carriers=" if manifest.accounts else "carrier="
    by_hand = f"open the job with {option} set up for {own}"
    raise JobError(
        f"{manifest.job_id} belongs to {own}, not to {given}. Nothing was sent to the carrier.",
        fix=f"Set {change}, or {by_hand}." if change else f"{by_hand[0].upper()}{by_hand[1:]}.",
        job_id=manifest.job_id,
    )


def _settings_to_change(own: CarrierIdentity, given: CarrierIdentity) -> str | None:
    """Return the environment variables that make `given` the job's own, None if there are none.

    Their names follow one pattern for every carrier: ``SHIPKIT_<CARRIER>_ENV`` and
    ``SHIPKIT_<CARRIER>_ACCOUNT``.
    """
    if given.name != own.name or not {own.environment, given.environment} <= {"test", "live"}:
        return None
    prefix = f"SHIPKIT_{own.name.upper()}"
    changes = []
    if given.environment != own.environment:
        changes.append(f"{prefix}_ENV={own.environment}")
    if given.account_tail != own.account or not changes:
        changes.append(f"{prefix}_ACCOUNT to the account ending in {own.account_tail}")
    return " and ".join(changes) + ", with the credentials of that account"
