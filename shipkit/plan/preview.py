"""A plan with a price for every row: the preview frame, its totals and its id."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.accounts import Accounts
from shipkit.carriers.protocol import CarrierIdentity, JointIdentity
from shipkit.carriers.registry import service_title
from shipkit.common.empty_columns import without_copies
from shipkit.common.local_day import local_days
from shipkit.models import BillTo, Money
from shipkit.plan import homes, offers, outage
from shipkit.plan.frames import movers, origins, to_frame
from shipkit.plan.plan import Plan
from shipkit.plan.return_labels import priced_together
from shipkit.plan.summary import AccountTotal, BilledToOthers, ServiceTotal, Summary
from shipkit.schema import OPTIONS, QUOTES, RETURN_OF, asked_for, major, problems_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "PREVIEW_COLUMNS",
    "Preview",
    "cents_by_currency",
    "price",
    "service_title",
    "to_frame",
    "unpriced",
]

MAX_QUOTE_AGE = dt.timedelta(hours=24)

PRICE_PARTS = (
    "base_cents",
    "fuel_cents",
    "residential_cents",
    "delivery_area_cents",
    "other_cents",
    "tax_cents",
)
"""What a price is made of, in minor units; the parts add up to the cost."""

PREVIEW_COLUMNS = (
    "row_number",
    "row_numbers",
    "source_file",
    "order_id",
    "recipient",
    "city",
    "state",
    "postal_code",
    "country",
    "service",
    "carrier",
    "seller",
    "account",
    "ship_from",
    "parcels",
    "billable_weight_lb",
    "zone",
    "cost_cents",
    "cost",
    "currency",
    "cost_basis",
    "ship_date",
    "transit_days",
    "delivery_date",
    "warnings",
    "problem",
    *PRICE_PARTS,
    "net_cents",
    "list_cents",
    "home",
    "other_way_cents",
    "return_of",
    *(leaf.column for leaf in OPTIONS),
)
"""Columns of a preview frame, in order."""


@dataclass(frozen=True, eq=False)
class Preview:
    """A priced plan.

    Attributes
    ----------
    quotes
        :data:`shipkit.schema.QUOTES`, one row per row of the plan. Rows that will not be bought
        have a null cost.
    held
        Index -> why a row is held back (its order has shipped before).
    """

    plan: Plan
    quotes: pa.Table
    priced_at: dt.datetime
    expires_at: dt.datetime
    held: Mapping[int, str] = field(default_factory=dict)
    notes: Mapping[int, str] = field(default_factory=dict)
    """Index -> a warning found while pricing."""
    other_way: Mapping[int, int] = field(default_factory=dict)
    """Index -> the cost as a business, of a row that is taken for a home unknown; or as a home."""
    classifies: bool = False
    """Whether the carrier can be asked which addresses are homes."""

    @cached_property
    def preview_id(self) -> str:
        """The id of exactly these shipments at exactly these prices."""
        sha = hashlib.sha256(self.plan.fingerprint.encode())
        sha.update(self.price_digest.encode())
        return f"pv_{sha.hexdigest()[:12]}"

    @cached_property
    def price_digest(self) -> str:
        """SHA-256 of the price of each row."""
        cents = pc.fill_null(self.quotes.column("cost_cents"), -1).to_numpy()
        sha = hashlib.sha256(np.ascontiguousarray(cents, dtype="<i8").tobytes())
        sha.update("|".join(sorted(self.totals)).encode())
        return sha.hexdigest()

    @cached_property
    def buyable(self) -> npt.NDArray[np.bool_]:
        """Which rows would be bought: those with a price."""
        mask: npt.NDArray[np.bool_] = pc.is_valid(self.quotes.column("cost_cents")).to_numpy()
        return mask

    @cached_property
    def unanswered(self) -> list[int]:
        """Rows without a price because the carrier did not answer."""
        rows = outage.unanswered_rows(self.plan, self.quotes)
        return [row for row in rows if row not in self.held]

    @cached_property
    def totals(self) -> dict[str, Money]:
        """Currency -> total of the rows that would be bought."""
        return {
            currency: Money.from_cents(cents, currency)
            for currency, cents in cents_by_currency(self.quotes).items()
        }

    def _unknown_homes(self) -> int:
        """Return how many rows may be homes or not, where something can be done about it."""
        if self.plan.residential is None and not self.classifies:
            return 0
        return int(sum(self.buyable[row] for row in self.plan.unknown_homes))

    @cached_property
    def _taxes(self) -> dict[str, Money]:
        """Currency -> the tax within the total, where the carrier states it."""
        taxed = pa.table(
            {"currency": self.quotes.column("currency"), "cents": _part(self.quotes, "tax_cents")}
        ).filter(pa.array(self.buyable))
        sums = taxed.group_by("currency").aggregate([("cents", "sum"), ("cents", "count")])
        return {
            line["currency"]: Money.from_cents(line["cents_sum"], line["currency"])
            for line in sums.sort_by("currency").to_pylist()
            if line["cents_count"]
        }

    @cached_property
    def others(self) -> BilledToOthers:
        """What would be bought and is billed to a receiver or a third party."""
        payer = pc.fill_null(self.plan.table.column("bill_to"), BillTo.SHIPPER.value)
        theirs = pc.not_equal(payer, BillTo.SHIPPER.value)
        quotes = self.quotes.filter(pc.and_(theirs, pa.array(self.buyable)))
        totals = cents_by_currency(quotes)
        return BilledToOthers(
            quotes.num_rows,
            {currency: Money.from_cents(cents, currency) for currency, cents in totals.items()},
        )

    @cached_property
    def reasons(self) -> dict[int, str]:
        """Index -> why a row would not be bought."""
        return {
            **self._unpriced,
            **self.held,
            **self.plan.skipped,
            **self.plan.errors,
        }

    def summary(self, *, mode: str = "confirm", approved: bool = False) -> Summary:
        """Return the totals of this preview."""
        lines = self.totals_by("seller", "carrier", "service")
        reasons: dict[str, int] = {}
        for text in self.reasons.values():
            kind = _QUOTED.sub("...", text)
            reasons[kind] = reasons.get(kind, 0) + 1
        warned = {
            *self.plan.warnings,
            *self.notes,
            *pc.indices_nonzero(
                pc.greater(pc.utf8_length(pc.fill_null(self.quotes.column("warnings"), "")), 0)
            ).to_pylist(),
        }
        return Summary(
            preview_id=self.preview_id,
            shipments=int(self.buyable.sum()),
            problems=int((~self.buyable).sum()),
            warnings=sum(1 for i in warned if self.buyable[i]),
            totals=self.totals,
            taxes=self._taxes,
            others=self.others,
            unknown_homes=self._unknown_homes(),
            residential=self.plan.residential,
            by_service=tuple(
                ServiceTotal(
                    line["service"],
                    line["shipments"],
                    line["total"],
                    service_title(line["service"], self._identities[line["seller"]].name),
                    carrier=line["carrier"],
                    account=line["seller"],
                )
                for line in lines
            ),
            by_account=tuple(
                AccountTotal(
                    line["seller"],
                    self._shown(line["seller"]),
                    line["shipments"],
                    line["total"],
                )
                for line in self.totals_by("seller")
            ),
            not_compared=self._not_compared,
            priced_at=self.priced_at,
            expires_at=self.expires_at,
            carrier=str(self.plan.identity),
            account_tail=self.plan.identity.account_tail,
            live=self.plan.identity.live,
            mode=mode,
            approved=approved,
            reasons=dict(sorted(reasons.items(), key=lambda item: -item[1])),
            not_understood=self.plan.not_understood,
            filter_notes=self.plan.filter_notes,
        )

    def totals_by(self, *names: str) -> list[dict[str, Any]]:
        """Return the shipments that would be bought and their total, by `names` and currency.

        Parameters
        ----------
        names
            Of ``seller``, ``carrier`` and ``service``.
        """
        found: dict[tuple[Any, ...], list[int]] = {}
        for line in self._sums:
            of = found.setdefault(tuple(line[name] for name in (*names, "currency")), [0, 0])
            of[0] += line["cost_cents_count"]
            of[1] += line["cost_cents_sum"]
        return [
            {
                **dict(zip(names, key, strict=False)),
                "shipments": shipments,
                "total": Money.from_cents(cents, key[-1]),
            }
            for key, (shipments, cents) in sorted(
                found.items(), key=lambda item: [(each is None, each) for each in item[0]]
            )
        ]

    @cached_property
    def _sums(self) -> list[dict[str, Any]]:
        """The shipments that would be bought and their cents, of all that totals are asked by."""
        by = ("seller", "carrier", "service", "currency")
        grouped = pa.table(
            {
                **{name: column for name, column in self._sold.items() if name in by},
                "currency": self.quotes.column("currency"),
                "cost_cents": self.quotes.column("cost_cents"),
            }
        ).filter(pa.array(self.buyable))
        sums = grouped.group_by(by).aggregate([("cost_cents", "sum"), ("cost_cents", "count")])
        lines: list[dict[str, Any]] = sums.to_pylist()
        return lines

    @cached_property
    def _identities(self) -> dict[str | None, CarrierIdentity]:
        """Name of an account -> whose money it spends."""
        identity = self.plan.identity
        if isinstance(identity, JointIdentity):
            return dict(identity.parts)
        return {identity.name: identity}

    def _shown(self, seller: str) -> str:
        identity = self.plan.identity
        return identity.shown(seller) if isinstance(identity, JointIdentity) else str(identity)

    @property
    def movers(self) -> Any:
        """The carrier that moves the parcels of each row, which may not be its account's."""
        return self._sold["carrier"]

    @cached_property
    def _sold(self) -> dict[str, Any]:
        """The account, the carrier that moves the parcel, and the service of each row."""
        plan = self.plan
        service = pc.coalesce(self.quotes.column("service"), plan.table.column("service"))
        names = list(self._identities)
        whose = [(each.name, each.account_tail) for each in self._identities.values()]
        if plan.sellers is None:
            [name], [(carrier, tail)] = names, whose
            seller, own, tails = (
                pa.repeat(pa.scalar(text), len(plan)) for text in (name, carrier, tail)
            )
        else:
            seller = plan.sellers
            place = pc.index_in(seller, value_set=pa.array(names, pa.string()))
            own, tails = (
                pa.array(texts, pa.string()).take(place) for texts in zip(*whose, strict=True)
            )
        return {
            "service": service,
            "carrier": movers(service, own),
            "seller": seller,
            "account": tails,
        }

    @cached_property
    def _not_compared(self) -> dict[str, int]:
        """Name of an account -> for how many rows a service was chosen without its answer."""
        met = self.plan.problems
        silent = met.filter(pc.equal(met.column("code"), outage.UNCOMPARED))
        found: dict[str, int] = {}
        for name in silent.column("value").to_pylist():
            found[name] = found.get(name, 0) + 1
        return found

    def frame(self) -> pd.DataFrame:
        """Return the preview frame: one row per shipment, columns :data:`PREVIEW_COLUMNS`."""
        return to_frame(self._columns)

    @cached_property
    def _columns(self) -> pa.Table:
        plan, quotes = self.plan.table, self.quotes
        cents = quotes.column("cost_cents")
        today = local_days(plan.column("ship_from"), self.plan.shipper, self.priced_at)
        columns = {
            **{
                name: plan.column(name)
                for name in ("row_number", "row_numbers", "source_file", "order_id")
            },
            "recipient": pc.coalesce(plan.column("name"), plan.column("company")),
            **{name: plan.column(name) for name in ("city", "state", "postal_code", "country")},
            **self._sold,
            "ship_from": origins(plan.column("ship_from")),
            "parcels": pc.fill_null(pc.list_value_length(plan.column("parcels")), 0).cast(
                pa.int64()
            ),
            **{name: quotes.column(name) for name in ("billable_weight_lb", "zone")},
            "cost_cents": cents,
            "cost": major(cents, quotes.column("currency")),
            **{name: quotes.column(name) for name in ("currency", "cost_basis")},
            "ship_date": pc.coalesce(plan.column("ship_date"), today),
            **{name: quotes.column(name) for name in ("transit_days", "delivery_date")},
            "warnings": self._warning_column(),
            "problem": _scattered(self.reasons, pa.nulls(len(self.plan), pa.string())),
            **{name: _part(quotes, name) for name in PRICE_PARTS},
            "net_cents": pc.subtract(cents, _part(quotes, "tax_cents")),
            "list_cents": _part(quotes, "list_cents"),
            "home": homes.kinds(plan, self.plan.unknown_homes),
            "other_way_cents": _scattered(self.other_way, pa.nulls(len(self.plan), pa.int64())),
            "return_of": plan.column(RETURN_OF),
            **{leaf.column: asked_for(plan, leaf) for leaf in OPTIONS},
        }
        return without_copies(pa.table(columns))

    def problems(self) -> pa.Table:
        """Return the problems found after planning (:data:`shipkit.schema.PROBLEMS`).

        These are rows that could not be priced, are held back, or were set aside.
        """
        numbers, values = self.plan.table.column("row_number"), self.plan.table.column("service")
        silent = set(outage.unanswered_quotes(self.quotes))
        found = [
            {
                "row_number": numbers[i].as_py(),
                "field": "service",
                "value": values[i].as_py(),
                "problem": text,
                "fix": self.quotes.column("fix")[i].as_py(),
                "severity": "error",
                "code": outage.CODE if i in silent else "not_priced",
            }
            for i, text in self._unpriced.items()
        ]
        for severity, texts in (("error", self.held), ("warning", self.notes)):
            found += [
                {
                    "row_number": numbers[i].as_py(),
                    "field": "order_id",
                    "problem": text,
                    "severity": severity,
                    "code": "shipped_before",
                    "fix": 'To ship it again: BatchSession(..., on_duplicate="ship").',
                    "value": self.plan.table.column("order_id")[i].as_py(),
                }
                for i, text in texts.items()
            ]
        found += [
            {
                "row_number": numbers[i].as_py(),
                "field": None,
                "problem": text,
                "fix": "Undo it with session.unskip().",
                "severity": "error",
                "code": "set_aside",
            }
            for i, text in self.plan.skipped.items()
        ]
        return problems_table(found)

    def view(self) -> pa.Table:
        """Return the frame's columns as Arrow, for clauses over shipments."""
        return self._columns

    @cached_property
    def _unpriced(self) -> dict[int, str]:
        problems = self.quotes.column("problem")
        return {
            i: problems[i].as_py() for i in pc.indices_nonzero(pc.is_valid(problems)).to_pylist()
        }

    def _warning_column(self) -> pa.Array | pa.ChunkedArray:
        quoted = pc.fill_null(self.quotes.column("warnings"), "")
        said = {**self.plan.warnings}
        for i, text in self.notes.items():
            said[i] = f"{said[i]}; {text}" if i in said else text
        quotes = quoted.take(pa.array(list(said), pa.int64())).to_pylist()
        for (i, text), of_quote in zip([*said.items()], quotes, strict=True):
            said[i] = f"{text}; {of_quote}" if of_quote else text
        return _scattered(said, quoted)


async def price(
    plan: Plan,
    accounts: Accounts,
    *,
    now: dt.datetime,
    held: Mapping[int, str] | None = None,
    bought: Collection[int] = (),
    notes: Mapping[int, str] | None = None,
    max_age: dt.timedelta = MAX_QUOTE_AGE,
) -> Preview:
    """Return `plan` priced, each row by its own account.

    Every row that can be bought is priced; no price is estimated or extrapolated. Of the rows that
    are `held`, those that an earlier job has bought are in `bought`.

    Raises
    ------
    CarrierError
        The carrier cannot be asked, or answered for no row.
    """
    blocked = plan.blocked.copy()
    if held:
        blocked[list(held)] = True
    wanted = np.flatnonzero(~blocked)
    if len(wanted) == len(plan):
        quotes = await offers.quote(plan.table, plan.sellers, accounts, plan.shipper)
    else:
        # What no price depends on need not be copied.
        read = None if plan.sellers is not None else accounts.only.carrier.capabilities.priced_by
        mask = pa.array(~blocked)
        asked = plan.table.select(read or plan.table.column_names).filter(mask)
        sellers = None if plan.sellers is None else plan.sellers.filter(mask)
        some = await offers.quote(asked, sellers, accounts, plan.shipper)
        quotes = _spread(some, blocked)
    outage.refuse_silence(plan, quotes)
    quotes = pa.table({name: _part(quotes, name) for name in QUOTES.names})
    quotes = priced_together(quotes, plan.table, plan.skipped, held or {}, bought)
    other: dict[int, int] = {}
    silent: dict[int, str] = {}
    if plan.residential is not None:
        priced = np.asarray(pc.is_valid(quotes.column("cost_cents")))
        other, silent = await homes.other_prices(
            plan.table,
            [row for row in plan.unknown_homes if priced[row]],
            plan.sellers,
            home=plan.residential != homes.CHOICES[0],
            accounts=accounts,
            shipper=plan.shipper,
        )
    return Preview(
        plan=plan,
        quotes=quotes,
        priced_at=now,
        expires_at=now + max_age,
        held=dict(held or {}),
        notes=_joined(notes or {}, silent),
        other_way=other,
        classifies=any(each.carrier.capabilities.validate_address for each in accounts),
    )


def _spread(some: pa.Table, blocked: npt.NDArray[np.bool_]) -> pa.Table:
    """Return the quotes of all rows from those of the rows that are not blocked."""
    places = pa.array(np.cumsum(~blocked) - 1, mask=blocked)
    columns = [
        # A carrier is silent about a third of the columns.
        pa.nulls(len(blocked), column.type)
        if column.null_count == some.num_rows
        else column.combine_chunks().take(places)
        for column in some.columns
    ]
    return pa.table(columns, some.schema)


def _joined(notes: Mapping[int, str], more: Mapping[int, str]) -> dict[int, str]:
    """Return the notes of each row, those of both in one line."""
    return {
        row: "; ".join(filter(None, (notes.get(row), more.get(row)))) for row in (*notes, *more)
    }


def _part(quotes: pa.Table, name: str) -> pa.ChunkedArray:
    """Return a column of a quote table; empty in tables from before the column existed."""
    if name in quotes.column_names:
        return quotes.column(name)
    return pa.chunked_array([pa.nulls(quotes.num_rows, QUOTES.field(name).type)])


def cents_by_currency(quotes: pa.Table) -> dict[str, int]:
    """Return currency -> total in minor units of the priced rows of a quote table."""
    priced = quotes.select(["currency", "cost_cents"]).filter(
        pc.is_valid(quotes.column("cost_cents"))
    )
    sums = (
        priced.group_by("currency")
        .aggregate([("cost_cents", "sum")])
        .sort_by("currency")
        .to_pylist()
    )
    return {line["currency"]: line["cost_cents_sum"] for line in sums}


def unpriced(plan: Plan, *, now: dt.datetime) -> Preview:
    """Return `plan` as a preview without prices, for checks and clauses that need none."""
    return Preview(
        plan=plan,
        quotes=pa.table([pa.nulls(len(plan), f.type) for f in QUOTES], schema=QUOTES),
        priced_at=now,
        expires_at=now,
    )


def _scattered(
    values: Mapping[int, Any], column: pa.Array | pa.ChunkedArray
) -> pa.Array | pa.ChunkedArray:
    """Return `column` with these values at their indices."""
    places = sorted(values)
    mask = np.zeros(len(column), dtype=bool)
    mask[places] = True
    new = pa.array([values[place] for place in places], column.type)
    return pc.replace_with_mask(column, pa.array(mask), new)


_QUOTED = re.compile(r'"[^"]*"|(?<![\w\[])\d[\d,.]*')
