"""Asks carriers for the manifests of a job, each bought label on at most one.

The request is durable in the ledger before it is sent. One whose answer was lost is settled before
anything new is asked: the carrier is asked again in a way that makes no second form.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pyarrow as pa

from shipkit.carriers.accounts import Account, Accounts
from shipkit.carriers.after_purchase import BoughtLabels, MadeManifest, manifest_maker
from shipkit.carriers.protocol import Carrier
from shipkit.carriers.send_gate import guarded
from shipkit.common.local_day import local_day
from shipkit.common.words import counted
from shipkit.errors import (
    AnswerLost,
    CarrierError,
    CarrierRejected,
    InputError,
    LabelsRefused,
    NotSent,
)
from shipkit.models import Address, Shipment
from shipkit.purchasing.account import account_of, require_account
from shipkit.purchasing.handover.driver_manifests import (
    ASKED,
    MADE,
    REFUSED,
    ManifestBook,
    ManifestRequest,
)
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import LabelBytes, LedgerEntry
from shipkit.purchasing.store.ledger import Ledger, now_us
from shipkit.purchasing.store.planrows import PlanRows
from shipkit.schema import shipment_from_row
from shipkit.state import RowState

__all__ = ["ManifestOutcome", "forget_manifest", "make_manifests"]

_ROUNDS: Final = 20
"""How often a form is asked for again without the labels that were refused."""
_MAY_EXIST: Final = (
    "no answer came, and the form may exist: ask for the manifest again, or look at the carrier's "
    "own list and give it up: job.forget_manifest()"
)


@dataclass
class ManifestOutcome:
    """What became of the rows that are on no manifest."""

    left_out: dict[int, str] = field(default_factory=dict)
    """Row -> why."""
    errors: list[CarrierError] = field(default_factory=list)
    """Carriers that could not be asked, or gave no usable answer."""
    made: int = 0

    def refuse_silence(self) -> None:
        """Raise the first error when no form was made because no carrier answered."""
        if self.errors and not self.made:
            raise self.errors[0]


async def make_manifests(
    store: JobStore, carrier: Carrier | Accounts, rows: Sequence[int]
) -> ManifestOutcome:
    """Put the bought labels of some rows on manifests, as far as they are on none.

    A form is of one account, one carrier, one origin and one day.

    Raises
    ------
    InputError
        None of the accounts makes manifests, or the job has no addresses any more.
    JobError
        The job belongs to another account, environment or carrier.
    CheckpointLocked
        A process runs the job.
    """
    accounts = Accounts.of(carrier)
    require_account(store.manifest, accounts)
    if store.pruned:
        raise InputError(
            f"{store.job_id} was pruned: its addresses are gone.",
            fix="Make manifests on the day that the parcels leave.",
        )
    with store.own("manifest") as ledger, guarded(ledger.gate):
        maker = _Maker(store, accounts, ledger, ManifestBook.of(store), rows)
        await maker.settle()
        await maker.make(rows)
    return maker.outcome


async def forget_manifest(store: JobStore, attempt: int | None) -> None:
    """Note a person's decision that a form in doubt was not made: its labels may be on another.

    Parameters
    ----------
    attempt
        Which one; None: the only one.

    Raises
    ------
    InputError
        There is none in doubt, or several and none is named.
    """
    with store.own("manifest") as ledger:
        known = {request.attempt: request for request in ManifestBook.of(store).open}
        wanted = next(iter(known), None) if attempt is None and len(known) < 2 else attempt
        if wanted not in known:
            several = ", ".join(f"{number} ({request})" for number, request in known.items())
            raise InputError(
                f"{store.job_id} has no manifest {attempt} in doubt."
                if attempt is not None
                else f"{store.job_id} has {counted(len(known), 'manifest')} in doubt.",
                fix=f"Name one by its attempt: {several}."
                if known
                else "One that was made cannot be given up: its labels are on it.",
            )
        said = "a person decided that it was not made"
        await ledger.record([_noted(REFUSED, known[wanted], message=said)])


class _Maker:
    """One round of requests for a job that is owned."""

    def __init__(
        self,
        store: JobStore,
        accounts: Accounts,
        ledger: Ledger,
        book: ManifestBook,
        rows: Sequence[int],
    ) -> None:
        self.outcome = ManifestOutcome()
        self._store, self._accounts, self._ledger, self._book = store, accounts, ledger, book
        self._attempts = book.attempts
        self._plan = PlanRows(store.path)
        # Read once, and not for each form: the ledger of a large job takes seconds, and while it
        # is owned nothing else changes.
        asked = {row for request in book.open for row in request.rows}
        self._bought = {
            row: BoughtLabels(entry["shipment_id"], tuple(entry["tracking_numbers"]))
            for row, entry in store.last_entries_of(sorted(asked.union(rows))).items()
            if entry["tracking_numbers"]
        }

    async def settle(self) -> None:
        """Ask again for forms whose answer was lost."""
        for request in self._book.open:
            await self._ask(request, asked_before=True)

    async def make(self, rows: Sequence[int]) -> None:
        """Ask for the forms that are missing."""
        taken = ManifestBook.of(self._store).rows
        free = [row for row in dict.fromkeys(rows) if row not in taken]
        free = [row for row in free if self._ledger.state(row) is RowState.SHIPPED]
        free = [row for row in free if row not in self.outcome.left_out]
        self._demand_maker(free)
        for request in self._requests(free):
            await self._ask(request, asked_before=False)

    def _demand_maker(self, rows: Sequence[int]) -> None:
        """Raise InputError where no account of these rows makes manifests."""
        accounts = {name: self._of(row) for row in rows if (name := self._of(row).name)}
        if not accounts or any(manifest_maker(each.carrier) for each in accounts.values()):
            return
        said = dict.fromkeys(_instead(each) for each in accounts.values())
        raise InputError(" ".join(said), fix="Hand the parcels over without a manifest.")

    def _requests(self, rows: Sequence[int]) -> Iterable[ManifestRequest]:
        """Return the forms to ask for, and note the rows that can be on none."""
        groups: dict[tuple[str, str, Address, dt.date], list[int]] = {}
        facts = self._store.results().take(pa.array(rows, pa.int64()))
        facts = facts.select(["carrier", "shipped_at", "tracking_numbers"])
        lines = dict(zip(rows, facts.to_pylist(), strict=True))
        for row, columns in self._plan.dicts(list(rows)):
            own, shipment = self._of(row), shipment_from_row(columns)
            origin = self._origin(shipment)
            day = shipment.ship_date or local_day(origin, lines[row]["shipped_at"])
            if (why := _not_handed_over(own, shipment, origin, day)) is not None:
                self.outcome.left_out[row] = why
                continue
            groups.setdefault((own.name, lines[row]["carrier"], origin, day), []).append(row)
        for (name, carrier, _, day), group in groups.items():
            most = self._accounts[name].carrier.capabilities.most_on_manifest
            counts = [len(lines[row]["tracking_numbers"]) for row in group]
            for part in _parts(group, counts, most):
                yield self._request(name, carrier, day, part)

    def _request(
        self, account: str, carrier: str, day: dt.date, rows: Sequence[int]
    ) -> ManifestRequest:
        self._attempts += 1
        return ManifestRequest(self._attempts, account, carrier, day, tuple(rows))

    async def _ask(self, request: ManifestRequest, *, asked_before: bool) -> None:
        """Ask for one form, without the labels that the carrier refuses."""
        for _ in range(_ROUNDS):
            rest = await self._asked(request, asked_before=asked_before)
            if not rest:
                return
            request = self._request(request.account, request.carrier, request.day, rest)
            asked_before = False
        words = f"The carrier refused other labels of the form {_ROUNDS} times. Ask again."
        self._leave_out(request.rows, words)

    async def _asked(self, request: ManifestRequest, *, asked_before: bool) -> list[int]:
        """Ask once, note what came of it, and return the rows to ask for again."""
        if not asked_before:
            # Durable before it is sent: after a crash the form is asked for as one that may exist.
            await self._note(ASKED, request)
        labels = self._labels(request.rows)
        sent = _Sent(lost=asked_before)
        try:
            made = await self._sent(request, labels, sent)
        except LabelsRefused as refused:
            await self._note(REFUSED, request, message=refused.message)
            return self._without(labels, refused)
        except CarrierRejected as refused:
            await self._note(REFUSED, request, message=refused.message)
            words = " ".join(filter(None, (refused.message, refused.fix)))
            self._leave_out(request.rows, words)
            return []
        except CarrierError as error:
            if isinstance(error, NotSent) and not sent.lost:
                await self._note(REFUSED, request, message=error.message)
                self._leave_out(request.rows, error.message)
            else:
                self._leave_out(request.rows, f"{error.message} {_MAY_EXIST.capitalize()}.")
            self.outcome.errors.append(error)
            return []
        return await self._made(request, labels, made)

    async def _sent(
        self, request: ManifestRequest, labels: dict[int, BoughtLabels], sent: _Sent
    ) -> MadeManifest:
        account = self._accounts[request.account]
        maker = manifest_maker(account.carrier)
        assert maker is not None  # noqa: S101 - others are not asked
        shipment = self._plan.one(request.rows[0])

        async def call() -> MadeManifest:
            try:
                return await maker.manifest(
                    list(labels.values()),
                    self._origin(shipment),
                    request.day,
                    asked_before=sent.lost,
                )
            except AnswerLost:
                sent.lost = True  # the repeat must not make a second form
                raise

        return await account.pacer.repeat(call)

    def _without(self, labels: dict[int, BoughtLabels], refused: LabelsRefused) -> list[int]:
        """Note the rows of the labels that were refused, and return the others."""
        rest = []
        for row, own in labels.items():
            why = [refused.labels[n] for n in own.tracking_numbers if n in refused.labels]
            if why:
                self.outcome.left_out[row] = why[0]
            else:
                rest.append(row)
        if len(rest) == len(labels):  # it named labels that were not asked for
            self._leave_out(rest, refused.message)
            return []
        return rest

    async def _made(
        self, request: ManifestRequest, labels: dict[int, BoughtLabels], made: MadeManifest
    ) -> list[int]:
        """Record a form with the rows that are on it, and return the others."""
        on_it = set(made.tracking_numbers)
        rows = [row for row, own in labels.items() if on_it.issuperset(own.tracking_numbers)]
        count = sum(len(labels[row].tracking_numbers) for row in rows)
        paper = LabelBytes(made.number, "pdf", "manifest", 0, made.form) if made.form else None
        await self._note(
            MADE,
            replace(request, rows=tuple(rows)),
            paper,
            number=made.number,
            labels=count,
            warnings=list(made.warnings),
        )
        self.outcome.made += 1
        others = [row for row in labels if row not in set(rows)]
        if rows:
            return others
        # To ask again would make one empty form after the other.
        said = f"{made.number} was made, and does not list it."
        self._leave_out(others, " ".join((said, *made.warnings)))
        return []

    async def _note(
        self,
        event: str,
        request: ManifestRequest,
        paper: LabelBytes | None = None,
        **facts: Any,
    ) -> None:
        entry = _noted(event, request, **facts)
        await self._ledger.record([entry._replace(labels=[paper] if paper else None)])

    def _labels(self, rows: Sequence[int]) -> dict[int, BoughtLabels]:
        return {row: self._bought[row] for row in rows}

    def _leave_out(self, rows: Iterable[int], why: str) -> None:
        self.outcome.left_out |= dict.fromkeys(rows, why)

    def _of(self, row: int) -> Account:
        return account_of(self._store, self._accounts, row)

    def _origin(self, shipment: Shipment) -> Address:
        return shipment.ship_from or self._store.manifest.shipper


def _noted(event: str, request: ManifestRequest, **facts: Any) -> LedgerEntry:
    details = request.to_json(**facts)
    return LedgerEntry(row=None, event=event, state=None, at=now_us(), details=details)


@dataclass
class _Sent:
    """Whether a request may have made a form without an answer that says so."""

    lost: bool


def _not_handed_over(
    account: Account, shipment: Shipment, origin: Address, day: dt.date
) -> str | None:
    """Return why a bought shipment can be on no manifest, None where it can."""
    if manifest_maker(account.carrier) is None:
        return _instead(account)
    if shipment.is_return:
        return "A return label is handed over by the customer."
    if day < local_day(origin):
        return f"Its ship date {day} is over: a manifest is of today or a later day."
    return None


def _instead(account: Account) -> str:
    own = account.carrier
    return own.capabilities.instead_of_manifest or f"{own.identity.name} makes no manifests."


def _parts(rows: Sequence[int], counts: Sequence[int], most: int | None) -> Iterable[Sequence[int]]:
    """Return rows in parts of at most `most` labels."""
    part: list[int] = []
    total = 0
    for row, count in zip(rows, counts, strict=True):
        if part and most is not None and total + count > most:
            yield part
            part, total = [], 0
        part.append(row)
        total += count
    if part:
        yield part
