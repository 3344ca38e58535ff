"""The carrier protocol: what shipkit asks of a carrier.

A carrier translates and transports. It keeps no plan, no ledger and no policy. Whether a failed
call may have bought something is decided in the carrier, at the place that still knows what was
sent, by the class of the error it raises (:class:`~shipkit.errors.CarrierError`, `outcome`).

What a carrier can do beyond the protocol is declared in its :class:`Capabilities`; each optional
ability is a small protocol of its own (:class:`Tracks`, :class:`ShopsTables`, ...). Nothing is
found by looking for a method: an ability that is not declared is not used, and one that is declared
and missing is refused before the carrier is used (:func:`shipkit.carriers.registry.resolve`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, cast, runtime_checkable

import pyarrow as pa

from shipkit.carriers.pace import Pacer
from shipkit.models import (
    Address,
    AddressCheck,
    LabelFormat,
    LabelSpec,
    LandedCost,
    Money,
    Purchase,
    Rate,
    Refund,
    Shipment,
    TransitTime,
)
from shipkit.services import ServiceList

__all__ = [
    "OPTIONAL",
    "PREPARED",
    "REQUIRED",
    "SETTLED",
    "Capabilities",
    "Carrier",
    "CarrierIdentity",
    "GivesTransitTimes",
    "JointIdentity",
    "Pace",
    "Prepared",
    "PreparesShipments",
    "Recovery",
    "RefundsLater",
    "ShopsTables",
    "Tracks",
    "ValidatesAddresses",
    "address_validator",
    "later_refunds",
    "preparer",
    "repeats_by_key",
    "table_shopper",
    "tracker",
]

Recovery = Literal["lookup", "two_step", "idempotency_key"]
"""How a carrier settles a purchase whose answer was lost.

``lookup``: our reference is stored with the shipment, and :meth:`Carrier.find` looks it up.
``two_step``: a free first step, :meth:`PreparesShipments.prepare`, gives an id. The id is durable
before the second step, the purchase, and the carrier never sells a second label under it: a lost
answer is settled by reading the id, and after that by buying the same id again.
``idempotency_key``: the same request with the same key buys once, however often it is sent.
:meth:`PreparesShipments.prepare` gives the key and all that the same bytes are made of. It is
durable before the purchase is sent: a lost answer is settled by asking for what the key bought, and
after that by sending the same bytes again. A refusal of the repeat proves nothing about the
first try, so its row waits for a person.
"""

SETTLED: Final[frozenset[Recovery]] = frozenset({"lookup", "two_step", "idempotency_key"})
"""The kinds of :data:`Recovery` that this version has code for."""


@dataclass(frozen=True)
class CarrierIdentity:
    """Which account is charged: part of a plan's fingerprint and shown with every price."""

    name: str
    """The carrier's name in the registry: ``sandbox``, ``ups``."""
    environment: str
    """``sandbox``, ``test`` or ``live``."""
    account: str = ""
    """The paying account. Only its last four characters are ever shown."""

    @property
    def live(self) -> bool:
        """Whether a purchase costs money."""
        return self.environment == "live"

    @property
    def account_tail(self) -> str:
        """The last four characters of the account."""
        return self.account[-4:]

    def __str__(self) -> str:
        tail = f" ...{self.account_tail}" if self.account else ""
        return f"{self.name} {self.environment.upper()}{tail}"


@dataclass(frozen=True)
class JointIdentity(CarrierIdentity):
    """The identities of a batch with several accounts, which are approved together.

    `name` lists the accounts, `environment` what they have; there is no one account number.
    """

    parts: tuple[tuple[str, CarrierIdentity], ...] = ()
    """The name of each account in the batch, and its identity, in the order they were given."""

    @classmethod
    def of(cls, parts: Mapping[str, CarrierIdentity]) -> JointIdentity:
        """Return the identity of accounts by their names in the batch."""
        environments = dict.fromkeys(identity.environment for identity in parts.values())
        return cls(", ".join(parts), ", ".join(environments), parts=tuple(parts.items()))

    @property
    def live(self) -> bool:
        """Whether a purchase costs money. Live and other accounts are never in one batch."""
        return any(identity.live for _, identity in self.parts)

    def __str__(self) -> str:
        return " + ".join(self.shown(name) for name, _ in self.parts)

    def shown(self, name: str) -> str:
        """Return one account for people: its name too, where its carrier is called otherwise."""
        identity = dict(self.parts)[name]
        return str(identity) if identity.name == name else f"{name} ({identity})"


@dataclass(frozen=True)
class Pace:
    """How fast a carrier may be called, and how long it takes.

    `rate_per_s` None means no limit. `processing_s` is the longest that a request may go on at the
    carrier after the client gave up; with the client's time-out it makes the grace period before a
    look-up may conclude that nothing was bought.
    """

    concurrency: int = 20
    rate_per_s: float | None = None
    timeout_s: float = 30.0
    processing_s: float = 5.0


@dataclass(frozen=True)
class Capabilities:
    """What a carrier can do beyond the protocol, declared rather than discovered."""

    track: bool = False
    """Says where parcels are: :class:`Tracks`."""
    shop_table: bool = False
    """Prices a whole table by every service in one call: :class:`ShopsTables`."""
    validate_address: bool = False
    """Checks addresses: :class:`ValidatesAddresses`."""
    refund_state: bool = False
    """Decides about the money of a voided label later: :class:`RefundsLater`."""
    void_days: Mapping[str, int] = field(default_factory=dict, hash=False)
    """Days after the purchase in which labels can be voided, by who moves the parcel ("usps").
    Who voids later is warned before the carrier is asked. Left out: no limit is published."""
    landed_cost: bool = False
    """Estimates what customs would take: :class:`EstimatesDuties`."""
    transit_times: bool = False
    """Says how long each service takes, without prices: :class:`GivesTransitTimes`."""
    manifest: bool = False
    """Puts bought labels on one form for the driver:
    :class:`~shipkit.carriers.after_purchase.MakesManifests`."""
    pickup: bool = False
    """Sends a driver: :class:`~shipkit.carriers.after_purchase.BooksPickups`."""
    most_on_manifest: int | None = None
    """Most labels on one form; None: no limit is published."""
    instead_of_manifest: str = ""
    """What to do where `manifest` is False, as a sentence: shown to who asks for one."""
    multi_parcel: bool = True
    """Sells one shipment of several parcels. Where False, a row has one parcel."""
    recovery: Recovery = "lookup"
    """How a purchase without a usable answer is settled. A kind that is not in :data:`SETTLED` is
    refused: this version of shipkit has no code for it, and would pay twice. ``two_step`` and
    ``idempotency_key`` promise a method `prepare`: :class:`PreparesShipments`."""
    label_formats: frozenset[LabelFormat] = frozenset(LabelFormat)
    """The formats in which labels can be asked for. `ship` may deliver a PDF or a picture in place
    of another format, as the carrier sends it: labels are converted when they are saved. ZPL cannot
    be converted."""
    options: frozenset[str] = frozenset()
    """What the carrier offers of :data:`shipkit.schema.OPTIONS`, by name, and of what else it may
    have no place for: :data:`shipkit.schema.FURTHER_OPTIONS`. Rows that ask for the rest are held.
    """
    priced_by: tuple[str, ...] | None = None
    """The columns of a shipments table that `quote_table` reads; None: any of them."""


@runtime_checkable
class Carrier(Protocol):
    """A seller of shipping labels."""

    identity: CarrierIdentity
    services: ServiceList
    """What the carrier offers, and how its services are written."""
    capabilities: Capabilities
    pace: Pace
    absence_is_proof_after_s: float | None
    """Seconds after which "not found by reference" proves that nothing was bought; None: never."""
    resend: str
    """Default policy for rows in doubt: ``proven``, ``ask`` or ``never``."""

    async def quote(self, shipment: Shipment, shipper: Address) -> Rate:
        """Return the price of `shipment`. Free to repeat.

        Raises
        ------
        CarrierRejected
            The shipment cannot be priced; the message says why.
        """

    async def quote_table(
        self, table: pa.Table, shipper: Address, pacer: Pacer | None = None
    ) -> pa.Table:
        """Return a quote table (:data:`shipkit.schema.QUOTES`) with a row per shipment, in order.

        A shipment that cannot be priced has null cost and a problem; it never costs another row its
        price. `pacer` runs each request at the pace in force and repeats what is free to repeat.
        :func:`shipkit.carriers.quoting.quote_each` does all this with `quote`.
        """

    async def shop(self, shipment: Shipment, shipper: Address) -> list[Rate]:
        """Return the price of `shipment` by every service offered for it, whatever its own is."""

    async def ship(
        self, shipment: Shipment, shipper: Address, reference: str, label: LabelSpec
    ) -> Purchase:
        """Buy. `reference` is unique forever, and the carrier stores it with the shipment.

        A carrier with `prepare` is given what that returned, and never buys a second label under
        it.

        Raises CarrierRejected, NotSent (and its children) or AnswerLost. Any other exception that
        escapes, cancellation included, counts as "a shipment may exist".
        """

    async def find(
        self, reference: str, label: LabelSpec, shipment: Shipment | None = None
    ) -> list[Purchase]:
        """Return the shipments bought under `reference`: none, one or several, voided ones marked.

        `reference` is what `ship` was given.

        An empty list says "the carrier has nothing". Where it cannot say, raise AnswerLost.
        """

    async def void(self, purchase: Purchase) -> Refund | None:
        """Void a shipment. Voiding what is voided already succeeds; CarrierRejected otherwise.

        An error has the numbers that are voided all the same as `voided`, and those that are not as
        `not_voided`: the row keeps the labels that are left.

        Returns None where nothing is charged for it any more. A carrier that decides later, with
        ``refund_state``, returns what is known of the refund.
        """

    async def aclose(self) -> None:
        """Close connections."""


REQUIRED: Final = (
    "identity",
    "services",
    "capabilities",
    "pace",
    "absence_is_proof_after_s",
    "resend",
    "quote",
    "quote_table",
    "shop",
    "ship",
    "find",
    "void",
    "aclose",
)
"""The members of :class:`Carrier`."""


# -- optional abilities ----------------------------------------------------------------------------


class Tracks(Protocol):
    """Declared by ``Capabilities(track=True)``."""

    async def track(
        self, tracking_numbers: Sequence[str], pacer: Pacer | None = None
    ) -> list[dict[str, Any]]:
        """Return where parcels are: a dict per number, in order.

        Keys are the columns of :data:`shipkit.plan.questions.TRACKING` from ``tracking_number`` on.
        """


class ShopsTables(Protocol):
    """Declared by ``Capabilities(shop_table=True)``."""

    async def shop_table(
        self, table: pa.Table, shipper: Address, pacer: Pacer | None = None
    ) -> pa.Table:
        """Return a shop table (:data:`shipkit.carriers.quoting.SHOPPED`), by shipment and cost."""


class ValidatesAddresses(Protocol):
    """Declared by ``Capabilities(validate_address=True)``."""

    async def validate_address(self, address: Address) -> AddressCheck:
        """Return whether an address exists, with suggestions, and whether it is a home."""


class RefundsLater(Protocol):
    """Declared by ``Capabilities(refund_state=True)``: a void asks for a refund."""

    async def refund_state(self, purchase: Purchase) -> Refund | None:
        """Return what became of the refund of voided labels, None where that is not known.

        The tracking numbers are those that are asked about: of a shipment that is voided in part,
        the voided ones.
        """


class GivesTransitTimes(Protocol):
    """Declared by ``Capabilities(transit_times=True)``."""

    async def transit_times(self, shipment: Shipment, shipper: Address) -> list[TransitTime]:
        """Return how long each service takes, fastest first."""


class EstimatesDuties(Protocol):
    """Declared by ``Capabilities(landed_cost=True)``."""

    async def landed_cost(self, shipment: Shipment, shipper: Address) -> LandedCost:
        """Return what customs would take of `shipment`. Free to repeat; nothing is bought.

        Raises CarrierRejected where it cannot be estimated.
        """


@dataclass(frozen=True)
class Prepared:
    """A purchase that can be sent, once or again, and was not sent yet."""

    shipment_id: str
    """The carrier's id, or the key with what the request is made of, so that a repeat is the same
    bytes. What `ship` and `find` are called with."""
    price: Money | None = None
    """What it would cost now, None when the carrier does not say."""


class PreparesShipments(Protocol):
    """Declared by ``Capabilities(recovery="two_step")`` and ``"idempotency_key"``."""

    async def prepare(
        self, shipment: Shipment, shipper: Address, reference: str, label: LabelSpec
    ) -> Prepared:
        """Create the shipment at the carrier, or its request, without buying. Free to repeat.

        With ``idempotency_key`` the key is made of `reference`, and `find` accepts a bare
        `reference` too.
        """


PREPARED: Final[frozenset[Recovery]] = frozenset({"two_step", "idempotency_key"})
"""The kinds of :data:`Recovery` that promise `prepare`."""

OPTIONAL: Final = (
    "track",
    "shop_table",
    "validate_address",
    "transit_times",
    "landed_cost",
    "refund_state",
    "manifest",
    "pickup",
)
"""Capabilities that promise a method of the same name."""


def preparer(carrier: Carrier) -> PreparesShipments | None:
    """Return `carrier` as one with a step before the purchase, None when it has none."""
    has_step = carrier.capabilities.recovery in PREPARED
    return cast("PreparesShipments", carrier) if has_step else None


def repeats_by_key(carrier: Carrier) -> bool:
    """Return whether `carrier` settles a lost answer by the same request with the same key."""
    return carrier.capabilities.recovery == "idempotency_key"


def tracker(carrier: Carrier) -> Tracks | None:
    """Return `carrier` as one that tracks parcels, None when it does not declare it."""
    return cast("Tracks", carrier) if carrier.capabilities.track else None


def later_refunds(carrier: Carrier) -> RefundsLater | None:
    """Return `carrier` as one that decides about refunds later, None where a void is final."""
    return cast("RefundsLater", carrier) if carrier.capabilities.refund_state else None


def table_shopper(carrier: Carrier) -> ShopsTables | None:
    """Return `carrier` as one that shops tables, None when it does not declare it."""
    return cast("ShopsTables", carrier) if carrier.capabilities.shop_table else None


def duties_estimator(carrier: Carrier) -> EstimatesDuties | None:
    """Return `carrier` as one that estimates duties, None when it does not declare it."""
    return cast("EstimatesDuties", carrier) if carrier.capabilities.landed_cost else None


def address_validator(carrier: Carrier) -> ValidatesAddresses | None:
    """Return `carrier` as one that validates addresses, None when it does not declare it."""
    return cast("ValidatesAddresses", carrier) if carrier.capabilities.validate_address else None
