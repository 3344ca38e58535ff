"""The totals of a preview, as values and as text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from shipkit.carriers.registry import service_title
from shipkit.common import html
from shipkit.common.words import aligned, counted, total_text
from shipkit.models import Money
from shipkit.orders.column_problems import unread_text

__all__ = ["AccountTotal", "BilledToOthers", "ServiceTotal", "Summary"]


@dataclass(frozen=True)
class ServiceTotal:
    """The total of one service in a summary."""

    service: str
    shipments: int
    total: Money
    title: str = ""
    """The service's name for people."""
    carrier: str = ""
    """Who moves the parcel."""
    account: str = ""
    """The name of the account that sells it."""


@dataclass(frozen=True)
class AccountTotal:
    """The total of one account in a summary."""

    account: str
    """Its name in the batch."""
    identity: str
    """Carrier, environment and the last four characters of the account."""
    shipments: int
    total: Money


@dataclass(frozen=True)
class BilledToOthers:
    """Shipments whose transport another party pays, and their prices, which the total has too.

    A carrier charges the shipper where a payer refuses or an account is wrong, so that totals and
    limits count these shipments; what the others should pay is shown apart.
    """

    shipments: int = 0
    totals: Mapping[str, Money] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.shipments > 0

    @property
    def note(self) -> str:
        """What follows a total: nothing where the shipper pays for all shipments."""
        return f"; billed to others: {self}" if self else ""

    def __str__(self) -> str:
        rows = counted(self.shipments, "shipment")
        return (
            f"{rows} for {total_text(self.totals)}, which you are charged only where a payer "
            "refuses"
        )


@dataclass(frozen=True)
class Summary(html.Shown):
    """The totals of a preview, as attributes or by name (``summary["total"]``).

    `shipments` counts the rows that would be bought, `problems` the rows that would not. There is
    one total per currency (`totals`), never a sum across currencies, so `total` is None when a
    preview has more than one.
    """

    preview_id: str
    shipments: int
    problems: int
    warnings: int
    totals: Mapping[str, Money]
    by_service: tuple[ServiceTotal, ...]
    priced_at: dt.datetime
    expires_at: dt.datetime
    carrier: str
    account_tail: str
    live: bool
    mode: str = "confirm"
    approved: bool = False
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Problem -> number of rows that have it."""
    taxes: Mapping[str, Money] = field(default_factory=dict)
    """Currency -> the tax within the total, where the carrier states it."""
    unknown_homes: int = 0
    """Rows of which it is not known whether they are homes, which cost more."""
    residential: str | None = None
    """What those are priced as; None: nothing was chosen, and the carrier takes a business."""
    not_understood: tuple[str, ...] = ()
    """Headings of filled columns that are not understood, and so not used."""
    filter_notes: tuple[str, ...] = ()
    """What the filter leaves out that a person may not expect: rows with an empty cell."""
    by_account: tuple[AccountTotal, ...] = ()
    """What each account would be paid, one total per currency."""
    others: BilledToOthers = field(default_factory=BilledToOthers)
    """What is billed to receivers and third parties, within the total."""
    not_compared: Mapping[str, int] = field(default_factory=dict)
    """Account that did not answer -> the rows for which a service was chosen without it."""

    @property
    def total(self) -> Money | None:
        """The total when there is one currency; zero dollars when nothing is priced."""
        return (
            next(iter(self.totals.values()), Money.from_cents(0)) if len(self.totals) < 2 else None
        )

    @property
    def own_totals(self) -> dict[str, Money]:
        """The totals without what is billed to others."""
        return {
            currency: total - self.others.totals.get(currency, Money.from_cents(0, currency))
            for currency, total in self.totals.items()
        }

    @property
    def currency(self) -> str | None:
        """The currency of `total`."""
        return self.total.currency if self.total else None

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def keys(self) -> list[str]:
        """Return the names that ``summary[name]`` takes."""
        return [*self.__dataclass_fields__, "total", "currency"]

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield the lines of the summary as (name, text)."""
        yield "Preview", self.preview_id
        yield "Carrier", self.carrier + ("" if self.live else " (no money is spent)")
        yield "Shipments", f"{self.shipments:,}"
        yield "Total", total_text(self.totals)
        if self.taxes:
            yield "  of which tax", total_text(self.taxes)
        if self.others:
            yield "  billed to others", str(self.others)
            yield "  to your account", total_text(self.own_totals)
        if self.unknown_homes:
            taken = "homes" if self.residential == "unknown is home" else "businesses"
            rows = counted(self.unknown_homes, "address", "addresses")
            yield "Homes", f"not known of {rows}, priced as {taken}"
        several = len({line.account for line in self.by_account}) > 1
        for paid in self.by_account if several else ():
            yield f"  {paid.identity}", f"{paid.shipments:,} for {paid.total}"
        for line in self.by_service:
            title = line.title or service_title(line.service)
            of_account = f"{line.account}: " if several else ""
            yield f"  {of_account}{title}", f"{line.shipments:,} for {line.total}"
        for name, count in self.not_compared.items():
            yield (
                "Not compared",
                f"{name} did not answer for {counted(count, 'row')}: chosen without it",
            )
        if self.problems:
            yield (
                "Not shippable",
                f"{counted(self.problems, 'row')}, not in the total",
            )
            for reason, count in list(self.reasons.items())[:5]:
                yield f"  {count:,} x", reason
        if self.warnings:
            yield "Warnings", f"on {counted(self.warnings, 'row')}"
        if self.filter_notes:
            yield "Filter", " ".join(self.filter_notes)
        if self.not_understood:
            yield "Columns", unread_text(self.not_understood)
        until = f"{self.expires_at:%Y-%m-%d %H:%M} UTC"
        yield "Priced", f"{self.priced_at:%Y-%m-%d %H:%M} UTC, valid until {until}"
        yield "Mode", f"{self.mode.upper()}" + (", approved" if self.approved else "")

    def __str__(self) -> str:
        return aligned(self.lines())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html.block(html.facts(self.lines()), name="shipkit-summary")
