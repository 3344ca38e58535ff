"""What a shipment is made of, and what a carrier answers: frozen pydantic models.

Weights are pounds, dimensions inches, money exact. The same words are the fields of the JSON that a
template renders. A million of these would take gigabytes, so plans are Arrow tables
(:mod:`shipkit.schema`), and these are used at the borders.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from shipkit.errors import InputError
from shipkit.field_faults import ADDRESS_NAMES, unknown_field

__all__ = [
    "ACCESS_POINT_FIELDS",
    "NUMBERED_REFERENCES",
    "Address",
    "AddressCheck",
    "BillTo",
    "Charge",
    "ChargeBasis",
    "Customs",
    "CustomsItem",
    "Label",
    "LabelFormat",
    "LabelSpec",
    "LandedCost",
    "Money",
    "Notify",
    "Parcel",
    "PickupPoint",
    "Purchase",
    "Rate",
    "Refund",
    "Service",
    "Shipment",
    "Signature",
    "SimpleRate",
    "Spec",
    "TransitTime",
    "minor_units",
]

_ZERO_DECIMALS = frozenset(
    {
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    }
)
_THREE_DECIMALS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})


def minor_units(currency: str) -> int:
    """Return how many decimal places `currency` has (ISO 4217): 2 for USD, 0 for JPY, 3 for KWD."""
    return 0 if currency in _ZERO_DECIMALS else 3 if currency in _THREE_DECIMALS else 2


class _Frozen(BaseModel):
    # A value in an error's text may be an address.
    model_config = ConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=True, hide_input_in_errors=True
    )


class Money(_Frozen):
    """An exact amount in one currency. Never made from a float.

    Examples
    --------
    >>> Money.of("12.50") + Money.of("0.05")
    Money(amount=Decimal('12.55'), currency='USD')
    >>> Money.from_cents(1255).cents
    1255
    >>> str(Money.of("1234.5"))
    '$1,234.50'
    """

    amount: Decimal
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")

    @model_validator(mode="before")
    @classmethod
    def _no_floats(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("amount"), float):
            raise ValueError("money is exact: give the amount as text or Decimal, not as a float")
        return data

    @classmethod
    def of(cls, value: Money | Decimal | int | str, currency: str = "USD") -> Money:
        """Return `value` as Money; text may carry a dollar sign and thousands separators."""
        if isinstance(value, Money):
            return value
        if isinstance(value, float):
            raise TypeError("money is exact: give the amount as text or Decimal, not as a float")
        text = str(value).strip().replace("$", "").replace(",", "")
        try:
            amount = Decimal(text)
        except InvalidOperation:
            raise ValueError(f"{value!r} is not an amount of money") from None
        if not amount.is_finite():
            raise ValueError(f"{value!r} is not an amount of money")
        return cls(
            amount=amount.quantize(Decimal(1).scaleb(-minor_units(currency)))
            if amount == round(amount, minor_units(currency))
            else amount,
            currency=currency,
        )

    @classmethod
    def from_cents(cls, cents: int, currency: str = "USD") -> Money:
        """Return Money of a whole number of minor units."""
        return cls(amount=Decimal(cents).scaleb(-minor_units(currency)), currency=currency)

    @property
    def cents(self) -> int:
        """The amount in minor units (cents for USD), rounded half to even."""
        return int(
            (self.amount.scaleb(minor_units(self.currency))).quantize(Decimal(1), ROUND_HALF_EVEN)
        )

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise ValueError(
                f"cannot combine {self.currency} and {other.currency}: there is one total per "
                "currency"
            )

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(amount=self.amount + other.amount, currency=self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(amount=self.amount - other.amount, currency=self.currency)

    def __lt__(self, other: Money) -> bool:
        self._same(other)
        return self.amount < other.amount

    def __le__(self, other: Money) -> bool:
        self._same(other)
        return self.amount <= other.amount

    def __str__(self) -> str:
        places = minor_units(self.currency)
        text = f"{abs(self.amount):,.{places}f}"
        sign = "-" if self.amount < 0 else ""
        return f"{sign}${text}" if self.currency == "USD" else f"{sign}{text} {self.currency}"


Service = Annotated[str, StringConstraints(min_length=1, max_length=80)]
"""A service as text: ``ground``, or with its carrier ``ups:ground``.

Models do not know what a carrier offers. A carrier accepts every spelling that its service list
knows (:class:`shipkit.services.ServiceList`) and refuses the rest; a plan holds the bare code.
"""


@dataclass(frozen=True)
class Spec:
    """What shipkit needs to know of a field of a shipment beyond its Python type.

    A field is declared once, in its model below. From the model and this, :mod:`shipkit.schema`
    derives the column of the plan, the JSON that templates write, the headings that are
    recognised, how a cell is read, what may be edited, and what a problem says.
    """

    kind: str
    """How text becomes a value; one of :data:`KINDS`."""
    headings: tuple[str, ...] = ()
    """Column headings that mean this field, in lower case words. Options have further ones, or all
    of theirs, in ``orders/data/words/options.toml``."""
    editable: bool = False
    """Whether ``session.edit(clause, field=value)`` may set it."""
    words: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """For a choice: value -> the words that mean it, in lower case."""
    nothing: str = ""
    """For a choice: the value that asks for nothing, as an empty cell does. Empty where each of its
    values asks for something."""
    part_of: str = ""
    """For an option: the option that it belongs to, as an account belongs to its payer."""
    option: bool = False
    """Whether it asks the carrier for something that not every carrier offers.

    Options are columns of the preview. A row that asks a carrier for an option that its
    ``capabilities.options`` does not list has a problem; nothing is dropped silently.
    """
    since: int = 1
    """The schema version that added the field. Version 1 is the first release. A new field takes
    the highest number that is in use.

    A plan in which no row fills a later field has the fingerprint that it had before the field
    existed, so the same orders stay the same job across an upgrade.
    """


KINDS = {
    "text": "spaces tidied",
    "code": "as written, trimmed: ZIPs, order numbers, phones keep their zeros",
    "weight": "pounds; a unit in the cell is converted",
    "length": "inches; a unit in the cell is converted",
    "amount": "money, stored as whole minor units in a column ending in _cents",
    "count": "a whole number",
    "date": "a day",
    "flag": "yes or no",
    "choice": "one of the words of its Spec",
    "service": "a service or a service rule",
    "country": "an ISO 3166 code",
}
"""Kind of a field -> how a cell of that kind is read."""

_Text = Annotated[str | None, Spec("text", editable=True)]
_Private = Annotated[str | None, Field(repr=False)]


class Address(_Frozen):
    """A postal address with its contact.

    `postal_code` is always text. `residential` is None when it is not known.
    """

    name: _Text = None
    company: _Text = None
    phone: Annotated[_Private, Spec("code", editable=True)] = None
    email: Annotated[_Private, Spec("text", editable=True)] = None
    address_line1: _Text = None
    address_line2: _Text = None
    address_line3: _Text = None
    city: _Text = None
    state: _Text = None
    postal_code: Annotated[str | None, Spec("code", editable=True)] = None
    country: Annotated[str, Spec("country", editable=True), Field(pattern=r"^[A-Z]{2}$")] = "US"
    residential: Annotated[bool | None, Spec("flag", editable=True)] = None

    @model_validator(mode="before")
    @classmethod
    def _known_fields(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for name in data:
                if name not in cls.model_fields:
                    text = unknown_field("An address", str(name), cls.model_fields, ADDRESS_NAMES)
                    raise InputError(text, fix="Correct the name of the field.")
        return data

    @property
    def recipient(self) -> str:
        """The name to display: the person's, else the company's."""
        return self.name or self.company or ""

    @property
    def lines(self) -> tuple[str, ...]:
        """The street lines that are not empty."""
        return tuple(
            line for line in (self.address_line1, self.address_line2, self.address_line3) if line
        )


def _words_of(choices: type[StrEnum]) -> dict[str, tuple[str, ...]]:
    """Return the words of a choice; further ones are in ``data/words/options.toml``."""
    return {str(each): (str(each), str(each).replace("_", " ")) for each in choices}


def _option(
    kind: str, *, part_of: str = "", words: type[StrEnum] | None = None, nothing: str = ""
) -> Spec:
    """Return the Spec of an option; its headings are in ``data/words/options.toml``."""
    return Spec(
        kind,
        editable=True,
        option=True,
        part_of=part_of,
        words=_words_of(words) if words else {},
        nothing=nothing,
        since=3,
    )


class SimpleRate(StrEnum):
    """Sizes of parcels at a flat price."""

    NONE = "none"
    XS = "xs"
    S = "s"
    M = "m"
    L = "l"
    XL = "xl"


_Inches = Annotated[float | None, Spec("length", editable=True), Field(gt=0)]


class Parcel(_Frozen):
    """One box, in pounds and inches.

    `packaging` is ``package`` (your own box) or the name of a carrier's packaging.
    """

    weight_lb: Annotated[float, Spec("weight", editable=True), Field(gt=0)]
    length_in: _Inches = None
    width_in: _Inches = None
    height_in: _Inches = None
    packaging: Annotated[
        str,
        Spec("text", headings=("packaging", "packaging type", "package type"), editable=True),
    ] = "package"
    declared_value: Annotated[
        Money | None,
        Spec(
            "amount",
            headings=("declared value", "insured value", "insurance value", "insured amount"),
            editable=True,
        ),
    ] = None
    description: Annotated[str | None, Spec("text")] = None
    additional_handling: Annotated[bool, _option("flag")] = False
    """The parcel is not packed in corrugated cardboard, or needs to be handled with care."""
    simple_rate: Annotated[
        SimpleRate | None, _option("choice", words=SimpleRate, nothing=SimpleRate.NONE)
    ] = None
    """The size of a flat-price parcel."""


class CustomsItem(_Frozen):
    """One line of a commercial invoice."""

    description: Annotated[str, Spec("text")]
    quantity: Annotated[int, Spec("count"), Field(gt=0)]
    unit_value: Annotated[Money, Spec("amount")]
    unit_value_exact: Annotated[str | None, Spec("code", since=3)] = None
    """The unit value as text where it has fractions of a cent, which a plan's whole cents lose."""
    weight_lb: Annotated[float | None, Spec("weight"), Field(gt=0)] = None
    sku: Annotated[str | None, Spec("text")] = None
    hs_code: Annotated[str | None, Spec("code")] = None
    origin_country: Annotated[str | None, Spec("country"), Field(pattern=r"^[A-Z]{2}$")] = None

    @property
    def value(self) -> Money:
        """The value of the whole line: of all its pieces."""
        return Money(
            amount=self.unit_value.amount * self.quantity, currency=self.unit_value.currency
        )


class Customs(_Frozen):
    """Customs data of a shipment that crosses a border."""

    reason: Annotated[str, Spec("text")] = "sale"
    """``sale``, ``gift``, ``sample``, ``return``, ``repair`` or ``intercompany``."""
    duties_payer: Annotated[str, Spec("text")] = "receiver"
    """``receiver`` or ``shipper``."""
    invoice_number: Annotated[str | None, Spec("text")] = None
    terms: Annotated[str | None, Spec("text")] = None
    """Incoterms code, "DAP"."""
    items: tuple[CustomsItem, ...] = ()

    @property
    def value(self) -> Money | None:
        """The value of all goods, None without items.

        Raises
        ------
        ValueError
            The items are of several currencies.
        """
        first, *others = (item.value for item in self.items) if self.items else (None,)
        return first if first is None else sum(others, start=first)


class Signature(StrEnum):
    """The signature that the driver must obtain."""

    NONE = "none"
    REQUIRED = "required"
    ADULT = "adult"


_SIGNATURE_HEADINGS = (
    "signature",
    "signature required",
    "signature option",
    "signature confirmation",
    "delivery confirmation",
)
_SIGNATURE_WORDS = {
    "none": (
        "",
        "none",
        "no",
        "n",
        "false",
        "0",
        "not required",
        "no signature",
        "no signature required",
        "delivery",  # ShipStation: a scan at the door, which each parcel has
        "online",
    ),
    "required": (
        "required",
        "yes",
        "y",
        "true",
        "1",
        "signature",
        "signature required",
        "direct",
        "indirect",
        "direct signature",
        "direct signature required",
        "indirect signature",
        "signature confirmation",
    ),
    "adult": (
        "adult",
        "adult required",
        "adult signature",
        "adult signature required",
        "adult direct signature",
        "21+",
        "21",
    ),
}


_PARTIES = {
    "": ("",),
    "sender": ("sender", "shipper", "exporter", "seller"),
    "recipient": ("recipient", "receiver", "importer", "consignee", "buyer", "customer"),
}


def _number_of(party: str, *kinds: str) -> Spec:
    """Return the Spec of a number for customs, with the headings that name its party.

    A heading such as "EORI", "EIN" or "VAT Number" names no party: it stays a question.
    """
    headings = [
        f"{who} {kind}{ending}".strip()
        for who in _PARTIES[party]
        for kind in kinds
        for ending in ("", " number", " no", " id")
        if kind != "tax" or ending
    ]
    return Spec("code", headings=(*headings,), editable=True, option=True, since=3)


class Notify(StrEnum):
    """What the carrier writes to the recipient by e-mail."""

    NONE = "none"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    ALL = "all"
    """When it is shipped, when something delays it, and when it is delivered."""


NUMBERED_REFERENCES: Final = tuple(f"reference_{number}" for number in range(1, 6))
"""The fields of references that have a place instead of a name."""


class PickupPoint(StrEnum):
    """How a parcel goes to a pickup point of the carrier (UPS Access Point)."""

    NONE = "none"
    HOLD = "hold"
    """It is held there until the recipient collects it."""
    DELIVER = "deliver"
    """It goes from one point to another: the shipper brings it to a point, too."""


class BillTo(StrEnum):
    """Who pays a charge. Where no payer is given, the shipper's account pays for the transport."""

    SHIPPER = "shipper"
    RECEIVER = "receiver"
    THIRD_PARTY = "third_party"
    CONSIGNEE = "consignee"
    """The consignee, without an account number: UPS between the US and Puerto Rico."""


class Shipment(_Frozen):
    """One row of a plan as an object, without its price.

    The JSON that a template writes has these fields. `ship_from` None means the session's shipper.
    `references` are your own (``{"po": "4412"}``); shipkit adds one to every attempt.
    """

    order_id: Annotated[str | None, Spec("code")] = None
    ship_to: Address
    ship_from: Address | None = None
    service: Annotated[Service, Spec("service", editable=True)]
    parcels: tuple[Parcel, ...] = Field(min_length=1)
    ship_date: Annotated[dt.date | None, Spec("date", editable=True)] = None
    references: dict[str, str] = Field(default_factory=dict)
    description: Annotated[str | None, Spec("text", editable=True)] = None
    signature: Annotated[
        Signature,
        Spec(
            "choice",
            headings=_SIGNATURE_HEADINGS,
            editable=True,
            option=True,
            words=_SIGNATURE_WORDS,
            nothing=Signature.NONE,
        ),
    ] = Signature.NONE
    saturday_delivery: Annotated[
        bool,
        Spec("flag", headings=("saturday delivery", "saturday"), editable=True, option=True),
    ] = False
    is_return: Annotated[
        bool,
        Spec("flag", headings=("is return", "return label"), editable=True, option=True),
    ] = False
    customs: Customs | None = None
    direct_delivery_only: Annotated[
        bool,
        Spec(
            "flag",
            headings=("direct delivery only", "direct delivery"),
            editable=True,
            option=True,
            since=2,
        ),
    ] = False
    """Deliver to this address only: never redirect to a pick-up point."""
    ioss_number: Annotated[str | None, _number_of("", "ioss", "voec", "ioss voec")] = None
    """IOSS (EU) or VOEC (Norway): the buyer has paid the VAT to the shop already."""
    sender_tax_id: Annotated[str | None, _number_of("sender", "tax", "vat", "ein")] = None
    sender_eori: Annotated[str | None, _number_of("sender", "eori")] = None
    recipient_tax_id: Annotated[str | None, _number_of("recipient", "tax", "vat")] = None
    recipient_eori: Annotated[str | None, _number_of("recipient", "eori")] = None
    itn: Annotated[str | None, _number_of("", "itn", "aes itn", "eei itn")] = None
    """Of an export filing in the US (``X20261129123456``), or an exemption (``NOEEI 30.37(a)``)."""
    bill_to: Annotated[BillTo | None, _option("choice", words=BillTo, nothing=BillTo.SHIPPER)] = (
        None
    )
    """Whose account pays for the transport; None means the shipper's."""
    bill_account: Annotated[_Private, _option("code", part_of="bill_to")] = None
    bill_postal_code: Annotated[str | None, _option("code", part_of="bill_to")] = None
    """The postal code of the account's pickup address."""
    bill_country: Annotated[str | None, _option("country", part_of="bill_to")] = None
    duties_bill_to: Annotated[BillTo | None, _option("choice", words=BillTo)] = None
    """Whose account pays duties and taxes; None means as ``customs.duties_payer`` says."""
    duties_account: Annotated[_Private, _option("code", part_of="duties_bill_to")] = None
    duties_postal_code: Annotated[str | None, _option("code", part_of="duties_bill_to")] = None
    duties_country: Annotated[str | None, _option("country", part_of="duties_bill_to")] = None
    shipper_release: Annotated[bool, _option("flag")] = False
    """The driver may leave the parcels without a signature."""
    documents_only: Annotated[bool, _option("flag")] = False
    """Papers without commercial value: no invoice for customs."""
    cod_amount: Annotated[Money | None, _option("amount")] = None
    """What the driver collects from the recipient."""
    notify: Annotated[Notify | None, _option("choice", words=Notify, nothing=Notify.NONE)] = None
    """E-mails of the carrier to ``ship_to.email``; None sends none."""
    reference_1: Annotated[str | None, _option("code")] = None
    reference_2: Annotated[str | None, _option("code")] = None
    reference_3: Annotated[str | None, _option("code")] = None
    reference_4: Annotated[str | None, _option("code")] = None
    reference_5: Annotated[str | None, _option("code")] = None
    access_point: Annotated[
        PickupPoint | None, _option("choice", words=PickupPoint, nothing=PickupPoint.NONE)
    ] = None
    """Whether the parcels go to a UPS Access Point; a point without it means hold."""
    access_point_id: Annotated[str | None, _option("code", part_of="access_point")] = None
    access_point_name: Annotated[str | None, _option("text", part_of="access_point")] = None
    access_point_street: Annotated[str | None, _option("text", part_of="access_point")] = None
    access_point_city: Annotated[str | None, _option("text", part_of="access_point")] = None
    access_point_state: Annotated[str | None, _option("text", part_of="access_point")] = None
    access_point_postal_code: Annotated[str | None, _option("code", part_of="access_point")] = None
    access_point_country: Annotated[str | None, _option("country", part_of="access_point")] = None

    @property
    def pickup_point(self) -> PickupPoint | None:
        """How the parcels go to a pickup point, None where they go to the address."""
        point = (self.access_point_id, self.access_point_name, self.access_point_street)
        if self.access_point is None:
            return PickupPoint.HOLD if any(point) else None
        return None if self.access_point is PickupPoint.NONE else self.access_point

    @property
    def user_references(self) -> tuple[tuple[str, str], ...]:
        """Names and texts of your references: the numbered ones in order, then those by name."""
        numbered = ((name, getattr(self, name)) for name in NUMBERED_REFERENCES)
        return (*((name, text) for name, text in numbered if text), *self.references.items())

    @property
    def total_weight_lb(self) -> float:
        """Total actual weight of all parcels, in pounds."""
        return sum(p.weight_lb for p in self.parcels)


ACCESS_POINT_FIELDS: Final = tuple(
    name for name in Shipment.model_fields if name.startswith("access_point")
)
"""The fields of a pickup point: how it is used, its id and its address."""


class LabelFormat(StrEnum):
    """File format of a label."""

    PDF = "pdf"
    ZPL = "zpl"
    PNG = "png"
    GIF = "gif"


class LabelSpec(_Frozen):
    """Format and size of the labels to request. Size is width x height in inches."""

    format: LabelFormat = LabelFormat.PDF
    size: str = Field(default="4x6", pattern=r"^4x(6|8)$")


class ChargeBasis(StrEnum):
    """Whether the carrier stated the charge, or it was taken from the quote."""

    BILLED = "billed"
    ESTIMATED = "estimated"


class Rate(_Frozen):
    """A quoted price. Amounts are minor units of `currency`; the parts add up to `cost_cents`.

    `cost_cents` is what is billed, with taxes. `tax_cents` is the tax in it, None where the carrier
    says nothing of taxes. A part that the carrier does not state is None, never 0. `list_cents` is
    what the carrier charges without the account's own prices, with taxes, where it states that too.
    """

    service: Service
    cost_cents: int
    currency: str = "USD"
    zone: str | None = None
    billable_weight_lb: float | None = None
    transit_days: int | None = None
    delivery_date: dt.date | None = None
    base_cents: int | None = None
    fuel_cents: int | None = None
    residential_cents: int | None = None
    delivery_area_cents: int | None = None
    other_cents: int | None = None
    tax_cents: int | None = None
    list_cents: int | None = None
    estimated: bool = False
    """Whether a part of it is worked out, and not stated by the carrier; `warnings` say which."""
    warnings: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    """Services that a rule might have chosen instead, and why they are not sold to this row. A code
    such as ``ups:*`` is a carrier that gave no price."""


class Charge(_Frozen):
    """The amount the carrier billed for a shipment, in minor units."""

    cents: int
    currency: str = "USD"
    basis: ChargeBasis = ChargeBasis.BILLED
    billed_weight_lb: float | None = None

    @property
    def money(self) -> Money:
        """The amount as Money."""
        return Money.from_cents(self.cents, self.currency)


class Label(_Frozen):
    """One label as the carrier sent it: its bytes and their format."""

    tracking_number: str
    format: LabelFormat
    data: bytes = Field(repr=False)
    kind: str = "label"
    """``label``, or ``document`` for customs papers."""


class Purchase(_Frozen):
    """A shipment in the carrier's books, as returned by ``Carrier.ship`` and ``Carrier.find``.

    `charge` is None where the carrier does not repeat it (a look-up by reference at UPS).
    `label_cents` is what each label of several costs, in the order of `tracking_numbers`; it is
    empty where the carrier prices the shipment as a whole, and not used where they do not add up to
    `charge` or two labels have one number.
    """

    shipment_id: str
    tracking_numbers: tuple[str, ...]
    service: Service | None = None
    charge: Charge | None = None
    labels: tuple[Label, ...] = ()
    voided: bool = False
    warnings: tuple[str, ...] = ()
    label_cents: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _has_a_number(self) -> Self:
        if not self.tracking_numbers:
            raise ValueError("a purchase has at least one tracking number")
        return self


class Refund(StrEnum):
    """What became of the refund that a void asks for, where the carrier decides later."""

    SUBMITTED = "submitted"
    """Asked for: the label is void, and the money is not back."""
    REFUNDED = "refunded"
    REJECTED = "rejected"
    """Refused: the label is void, and paid for."""

    @classmethod
    def owed(cls) -> frozenset[str]:
        """Return the states in which the label is still paid for."""
        return frozenset({cls.SUBMITTED, cls.REJECTED})


class AddressCheck(_Frozen):
    """The carrier's verdict on an address.

    `status` is ``valid``, ``corrected`` (one candidate that differs), ``ambiguous``, ``not_found``
    or ``unsupported`` (the carrier cannot check addresses there). `residential` None means the
    carrier does not know.
    """

    status: str
    residential: bool | None = None
    candidates: tuple[Address, ...] = ()
    message: str | None = None


class LandedCost(_Frozen):
    """What customs would take of a shipment, by the carrier's estimate, in minor units.

    A part that the carrier does not state is None.
    """

    currency: str
    total_cents: int
    duties_cents: int | None = None
    taxes_cents: int | None = None
    fees_cents: int | None = None
    """Of the broker who clears it."""
    warnings: tuple[str, ...] = ()


class TransitTime(_Frozen):
    """Transit time of one service for one shipment. `transit_days` are business days."""

    service: Service
    transit_days: int
    delivery_date: dt.date | None = None
    guaranteed: bool = False
