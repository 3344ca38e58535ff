"""A small carrier with a real file of books, and plans for it: what the tests of the core share."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pyarrow as pa

from shipkit.carriers.protocol import Capabilities, CarrierIdentity, Pace, Prepared
from shipkit.carriers.sandbox.backend import SERVICES
from shipkit.errors import AnswerLost
from shipkit.models import (
    Address,
    Charge,
    Label,
    LabelFormat,
    LabelSpec,
    Money,
    Purchase,
    Shipment,
)
from shipkit.purchasing.store import JobDraft, JobStore
from shipkit.schema import QUOTES, SHIPMENTS, problems_table

SHOP = Address(
    name="Dana Ortiz",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
)
SANDBOX = CarrierIdentity("books", "sandbox", "ACCT0042")
QUOTE = 850

OPEN_BOOKS: list[sqlite3.Connection] = []
"""Closed by the tests' fixture."""

Hook = Callable[["BookCarrier", Shipment, str], Awaitable[Purchase | None]]


class BookCarrier:
    """Sells labels and keeps its own books in SQLite, so that a test can compare them with ours."""

    def __init__(
        self,
        path: Path,
        *,
        latency_s: float = 0.0,
        hook: Hook | None = None,
        proof_s: float | None = 0.0,
        resend: str = "proven",
        cents: int = QUOTE,
        label: bytes = b"%PDF-label",
    ) -> None:
        self.identity = SANDBOX
        self.services, self.capabilities = SERVICES, Capabilities()
        self.pace = Pace(concurrency=8, timeout_s=5.0, processing_s=0.0)
        self.absence_is_proof_after_s = proof_s
        self.resend = resend
        self.latency_s, self.hook, self.cents, self.label = latency_s, hook, cents, label
        self.calls: list[str] = []
        self.started: list[float] = []
        self.finds: list[str] = []
        self.active = self.most_active = 0
        self.books = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        OPEN_BOOKS.append(self.books)
        self.books.execute("pragma synchronous=off")
        self.books.execute(
            "create table if not exists sold (reference text, order_id text, tracking text, cents "
            "int, voided int default 0)"
        )

    async def ship(
        self, shipment: Shipment, shipper: Address, reference: str, label: LabelSpec
    ) -> Purchase:
        self.calls.append(reference)
        self.started.append(time.monotonic())
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        try:
            if self.latency_s:
                await asyncio.sleep(self.latency_s)
            if self.hook and (answer := await self.hook(self, shipment, reference)) is not None:
                return answer
            return self.sell(shipment, reference)
        finally:
            self.active -= 1

    def sell(self, shipment: Shipment, reference: str) -> Purchase:
        tracking = f"SANDBOX{uuid.uuid4().hex[:12].upper()}"
        self.books.execute(
            "insert into sold (reference, order_id, tracking, cents) values (?, ?, ?, ?)",
            (reference, shipment.order_id, tracking, self.cents),
        )
        return self.purchase(tracking, cents=self.cents)

    def purchase(self, tracking: str, *, cents: int | None, voided: bool = False) -> Purchase:
        return Purchase(
            shipment_id=tracking,
            tracking_numbers=(tracking,),
            service="ground",
            charge=None if cents is None else Charge(cents=cents),
            labels=(
                Label(
                    tracking_number=tracking,
                    format=LabelFormat.PDF,
                    data=self.label + tracking.encode(),
                ),
            ),
            voided=voided,
        )

    async def find(
        self, reference: str, label: LabelSpec, shipment: Shipment | None = None
    ) -> list[Purchase]:
        self.finds.append(reference)
        await asyncio.sleep(0)
        rows = self.books.execute(
            "select tracking, voided from sold where reference = ?", (reference,)
        ).fetchall()
        return [
            self.purchase(tracking, cents=None, voided=bool(voided)) for tracking, voided in rows
        ]

    async def void(self, purchase: Purchase) -> None:
        self.books.execute("update sold set voided = 1 where tracking = ?", (purchase.shipment_id,))

    async def quote(self, shipment, shipper):
        raise NotImplementedError

    async def quote_table(self, table, shipper, pacer=None):
        raise NotImplementedError

    async def shop(self, shipment, shipper):
        raise NotImplementedError

    async def aclose(self) -> None:
        self.books.close()

    def sales(self, *, standing: bool = True) -> Counter[str]:
        """Order -> how many labels stand at the carrier."""
        query = "select order_id from sold" + (" where voided = 0" if standing else "")
        return Counter(order for (order,) in self.books.execute(query))

    def tracking_numbers(self) -> set[str]:
        return {number for (number,) in self.books.execute("select tracking from sold")}


class TwoStepCarrier(BookCarrier):
    """Sells in two steps: a free draft, then at most one label for each draft.

    `hook` runs before a draft is bought, with the draft's id; `before` runs before one is made.
    """

    def __init__(self, path: Path, *, before: Hook | None = None, **kwargs) -> None:
        super().__init__(path, **kwargs)
        self.capabilities = Capabilities(recovery="two_step")
        self.before = before
        self.prepared: list[str] = []
        """Our reference of each draft that was asked for."""
        self.books.execute("create table if not exists drafts (id text, reference text)")

    async def prepare(
        self, shipment: Shipment, shipper: Address, reference: str, label: LabelSpec
    ) -> Prepared:
        self.prepared.append(reference)
        if self.before:
            await self.before(self, shipment, reference)
        draft = f"drf_{uuid.uuid4().hex}"
        self.books.execute("insert into drafts values (?, ?)", (draft, reference))
        return Prepared(draft, Money.from_cents(self.cents))

    def sell(self, shipment: Shipment, reference: str) -> Purchase:
        known = self.books.execute("select 1 from drafts where id = ?", (reference,)).fetchone()
        assert known, "only a draft is bought"
        if self.books.execute("select 1 from sold where reference = ?", (reference,)).fetchone():
            raise AnswerLost("this draft is bought already")
        return super().sell(shipment, reference).model_copy(update={"shipment_id": reference})

    async def find(
        self, reference: str, label: LabelSpec, shipment: Shipment | None = None
    ) -> list[Purchase]:
        found = await super().find(reference, label, shipment)
        return [each.model_copy(update={"shipment_id": reference}) for each in found]

    async def void(self, purchase: Purchase) -> None:
        self.books.execute(
            "update sold set voided = 1 where reference = ?", (purchase.shipment_id,)
        )


class KeyedCarrier(BookCarrier):
    """Sells one label for each key, however often the same request is sent with it.

    `hook` runs before a purchase, with what it is sent under; `honest=False` ignores keys.
    """

    def __init__(self, path: Path, *, honest: bool = True, **kwargs) -> None:
        super().__init__(path, **kwargs)
        self.capabilities = Capabilities(recovery="idempotency_key")
        self.honest = honest
        self.composed: list[str] = []
        """Our reference of each request that was composed."""

    async def prepare(
        self, shipment: Shipment, shipper: Address, reference: str, label: LabelSpec
    ) -> Prepared:
        self.composed.append(reference)
        return Prepared(f"{reference};bytes", Money.from_cents(self.cents))

    def sell(self, shipment: Shipment, reference: str) -> Purchase:
        key, _, body = reference.partition(";")
        assert body == "bytes", "only what was composed is sent"
        known = self.books.execute("select tracking from sold where reference = ?", (key,))
        if self.honest and (row := known.fetchone()):
            return self.purchase(row[0], cents=self.cents).model_copy(update={"shipment_id": key})
        return super().sell(shipment, key).model_copy(update={"shipment_id": key})

    async def find(
        self, reference: str, label: LabelSpec, shipment: Shipment | None = None
    ) -> list[Purchase]:
        key = reference.partition(";")[0]
        found = await super().find(key, label, shipment)
        return [each.model_copy(update={"shipment_id": key}) for each in found]

    async def void(self, purchase: Purchase) -> None:
        self.books.execute(
            "update sold set voided = 1 where reference = ?", (purchase.shipment_id,)
        )


def plan_of(count: int, *, prefix: str = "A", first: int = 0) -> pa.Table:
    """Return a plan of `count` shipments."""
    numbers = list(range(first, first + count))
    columns = {name: pa.nulls(count, SHIPMENTS.field(name).type) for name in SHIPMENTS.names}
    columns |= {
        "row_number": pa.array([i + 1 for i in numbers]),
        "row_numbers": pa.array([[i + 1] for i in numbers], pa.list_(pa.int64())),
        "order_id": pa.array([f"{prefix}{i:07}" for i in numbers]),
        "name": pa.array([f"Person {i}" for i in numbers]),
        "address_line1": pa.array([f"{i} Main St" for i in numbers]),
        "city": pa.array(["Austin"] * count),
        "state": pa.array(["TX"] * count),
        "postal_code": pa.array(["73301"] * count),
        "country": pa.array(["US"] * count),
        "service": pa.array(["ground"] * count),
        "parcels": pa.array(
            [[{"weight_lb": 2.0, "packaging": "package"}]] * count, SHIPMENTS.field("parcels").type
        ),
        "signature": pa.array(["none"] * count),
        "saturday_delivery": pa.array([False] * count),
        "is_return": pa.array([False] * count),
        "currency": pa.array(["USD"] * count),
    }
    return pa.table([columns[name] for name in SHIPMENTS.names], schema=SHIPMENTS)


def quotes_of(count: int, cents: int = QUOTE) -> pa.Table:
    columns = {field.name: pa.nulls(count, field.type) for field in QUOTES}
    columns |= {
        "service": pa.array(["ground"] * count),
        "cost_cents": pa.array([cents] * count, pa.int64()),
        "currency": pa.array(["USD"] * count),
        "cost_basis": pa.array(["quoted"] * count),
        "warnings": pa.array([""] * count),
    }
    return pa.table([columns[field.name] for field in QUOTES], schema=QUOTES)


def draft_of(
    count: int,
    *,
    plan: pa.Table | None = None,
    fingerprint: str | None = None,
    quotes: pa.Table | None = None,
    **fields,
) -> JobDraft:
    plan = plan if plan is not None else plan_of(count)
    fields.setdefault("resend", "proven")
    fields.setdefault("identity", SANDBOX)
    return JobDraft(
        plan=plan,
        quotes=quotes if quotes is not None else quotes_of(count),
        problems=problems_table(),
        fingerprint=fingerprint
        or hashlib.sha256(repr(plan.column("order_id").to_pylist()).encode()).hexdigest(),
        shipper=SHOP,
        **fields,
    )


def job_of(home: Path, count: int, **fields) -> JobStore:
    """Return a published job of `count` shipments."""
    return JobStore.publish(home, draft_of(count, **fields))


def state_counts(store: JobStore) -> dict[str, int]:
    """Return the counts that are not zero, by name."""
    return {str(state): count for state, count in store.counts().items() if count}


def ask_after(calls: int, ask: Callable[[], None]) -> Hook:
    """Call `ask` (from another thread) when the carrier was asked `calls` times."""

    async def hook(carrier: BookCarrier, shipment: Shipment, reference: str) -> None:
        if len(carrier.calls) >= calls:
            await asyncio.to_thread(ask)

    return hook


def lose_first(times: int = 1, *, after_sale: bool = True) -> Hook:
    """Lose the answer of the first `times` calls of every order."""
    seen: Counter[str] = Counter()

    async def hook(carrier: BookCarrier, shipment: Shipment, reference: str) -> None:
        seen[shipment.order_id] += 1
        if seen[shipment.order_id] <= times:
            if after_sale:
                carrier.sell(shipment, reference)
            raise AnswerLost("the connection was reset")

    return hook
