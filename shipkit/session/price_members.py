"""What a session knows about prices: previews, totals, problems, and questions to the carrier."""

from __future__ import annotations

import asyncio
import contextvars
import datetime as dt
import re
from abc import abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from shipkit.carriers import registry
from shipkit.common.choices import flag
from shipkit.common.local_day import local_day
from shipkit.common.portal import demand_asyncio
from shipkit.models import LabelSpec
from shipkit.orders.masking import OPEN_ROLES, masked
from shipkit.plan import preview, preview_store, questions, return_labels
from shipkit.plan.duties import duties
from shipkit.plan.mapped_table import as_mapped
from shipkit.plan.plan import Plan
from shipkit.plan.planner import same
from shipkit.plan.preview import PREVIEW_COLUMNS, Preview, to_frame
from shipkit.plan.preview_store import PreviewRecord
from shipkit.plan.summary import Summary
from shipkit.purchasing import approval, history
from shipkit.purchasing.approval import ExecutionMode
from shipkit.purchasing.draft import all_problems
from shipkit.purchasing.store import JobStore
from shipkit.session.order_members import OrderMembers
from shipkit.session.turn_members import in_turn

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PriceMembers"]

Shown = TypeVar("Shown")

_ASKS_PRICES = re.compile(
    r"\b(cost\w*|\w+_cents|zone|billable_weight_lb|transit_days|delivery_date|currency)\b",
    re.IGNORECASE,
)
"""Preview columns that only exist once the carrier has priced the orders."""


class PriceMembers(OrderMembers):
    """The members of a session that ask the carrier for prices and advice. Nothing here buys."""

    name: str | None
    label: LabelSpec
    on_duplicate: str
    max_quote_age: dt.timedelta
    _priced: tuple[tuple[object, ...], Preview] | None = None
    """The last preview, and the state of the planner that it was made of."""
    _record: PreviewRecord | None
    """The last preview as it is on disk; it outlives `_preview`, which any change drops."""
    _viewed: tuple[tuple[object, ...], pa.Table] | None = None
    """The shipments that edits choose from, and the orders that they were made of."""

    @property
    @abstractmethod
    def mode(self) -> ExecutionMode:
        """CONFIRM or AUTO."""

    @in_turn
    def preview(self, *, include: Sequence[str] = (), mask: bool = False) -> pd.DataFrame:
        """Price every row, and return the preview: one row per shipment.

        A row that cannot be bought has a null cost and a ``problem``, and is in no total. Nothing
        is bought.

        Parameters
        ----------
        include
            Names of source columns to carry along.
        mask
            Show initials instead of names, and hide every other text that may identify a person:
            for notebooks that other people read.

        Returns
        -------
        DataFrame
            The columns of :data:`shipkit.plan.preview.PREVIEW_COLUMNS`. ``cost_cents`` is exact
            (Int64, minor units of ``currency``), ``cost`` is a float for reading and plotting.

        Raises
        ------
        InputError
            No orders or no shipper were given, or the orders cannot be mapped.
        SettingsError, CarrierError
            The carrier is not set up, or cannot be asked.
        """
        return self._run(lambda: self._price_and_frame(include, mask=mask))

    async def apreview(self, *, include: Sequence[str] = (), mask: bool = False) -> pd.DataFrame:
        """Return what :meth:`preview` returns, for callers on an event loop of their own."""
        demand_asyncio("preview")
        work = self._in_turn(lambda: self._price_and_frame(include, mask=mask))
        return await asyncio.wrap_future(self._connection.portal.start(work))

    @property
    @in_turn
    def previewed(self) -> Preview:
        """The current preview. Prices the orders if there is none."""
        return self._preview or self._run(self._price)

    @property
    @in_turn
    def summary(self) -> Summary:
        """Totals of the current preview, by service. Prices the orders if there is no preview."""
        shown = self.previewed
        record = preview_store.recall(self.settings.home, shown.preview_id)
        return shown.summary(mode=self.mode, approved=approval.stored_approval(record) is not None)

    @property
    @in_turn
    def problems(self) -> pd.DataFrame:
        """Every problem of every row, one row per problem.

        Columns: ``row_number``, ``field``, ``value``, ``problem``, ``fix``, ``severity``
        (``error`` stops the row, ``warning`` does not), ``code``.
        """
        shown = self._preview or self._run(self._unpriced)
        return to_frame(all_problems(shown))

    @in_turn
    def mapped(self) -> pd.DataFrame:
        """Return every shipment as it will be sent to the carrier, one row each. Prices nothing.

        Returns
        -------
        DataFrame
            ``row_number``, ``row_numbers``, ``source_file``, ``order_id``, then every field of the
            recipient's address and of the shipment, after repairs and edits. ``parcel_count`` and
            ``weight_lb`` (total, None if a parcel has none) summarise the parcels; ``parcels``,
            ``references``, ``customs`` and ``ship_from`` are JSON.

        Examples
        --------
        >>> session.mapped()[["order_id", "name", "address_line1"]]  # doctest: +SKIP
        """
        return to_frame(as_mapped(self._run(self._plan).table))

    @in_turn
    def shop(self) -> pd.DataFrame:
        """Return what every service of every account costs for every shipment, cheapest first.

        Buys nothing. Services that are not sold to the address or the size of a row are left out,
        and ``warnings`` say why. Services that do not run on its route, and accounts that cannot do
        what it asks for, are left out without a warning where others serve the row.

        See :data:`shipkit.plan.questions.SHOP` for the columns.
        """
        plan = self._run(self._plan)
        accounts = self._connection.accounts()
        places_of = self._planner.places_of
        return to_frame(
            self._run(lambda: questions.shop(plan.table, plan.shipper, accounts, places_of))
        )

    @in_turn
    def validate_addresses(self, *, accept: bool | Sequence[int] = False) -> pd.DataFrame:
        """Ask the carrier which addresses exist and which are homes: one row per shipment.

        Parameters
        ----------
        accept
            Take suggestions over as edits, listed in :attr:`edits`. True: of every row with one
            correction; row numbers: the first candidate of each.

        Returns
        -------
        DataFrame
            The columns of :data:`shipkit.plan.questions.ADDRESSES`.
        """
        plan = self._run(self._plan)
        accounts = self._connection.accounts()
        checks = self._run(lambda: questions.check_addresses(plan.as_told, accounts))
        if accept is not False:
            self._planner.edits = (
                *self._planner.edits,
                *questions.accepted(checks, None if accept is True else accept),
            )
            self._forget()
        return to_frame(checks)

    @in_turn
    def duties(self) -> pd.DataFrame:
        """Ask the carrier what customs would take of each shipment. Nothing is bought.

        Returns
        -------
        DataFrame
            The columns of :data:`shipkit.plan.duties.DUTIES`: one row per shipment, with a problem
            where it cannot be estimated.

        Raises
        ------
        InputError
            The carrier does not estimate duties.
        """
        plan = self._run(self._plan)
        accounts = self._connection.accounts()
        return to_frame(self._run(lambda: duties(plan.table, plan.shipper, accounts)))

    @property
    def preview_id(self) -> str | None:
        """The id of the last preview, None before there is one."""
        return self._record.preview_id if self._record else None

    # -- inside ----------------------------------------------------------------------------------

    @property
    def _preview(self) -> Preview | None:
        """The last preview, unless something has changed since: an interrupt may come anywhere."""
        if self._priced is not None and same(self._priced[0], self._planner.state):
            return self._priced[1]
        return None

    def _view(self, clause: str) -> pa.Table:
        orders = self._planner.state_of_orders
        old = self._viewed is None or not same(self._viewed[0], orders)
        if old or self._preview is not None:
            priced = self._preview is not None or _ASKS_PRICES.search(str(clause))
            shown = self.previewed if priced else self._run(self._unpriced)
            self._viewed = orders, self._planner.with_source_columns(shown.view())
        assert self._viewed is not None  # noqa: S101 - made above
        return self._viewed[1]

    async def _plan(self) -> Plan:
        accounts = self._connection.accounts()
        for account in accounts:
            registry.demand_label_format(account.carrier, self.label)
        return await self._planner.plan(
            accounts,
            today=local_day(self._planner.payer, _now()),
        )

    async def _unpriced(self) -> Preview:
        return preview.unpriced(await self._plan(), now=_now())

    async def _price(self) -> Preview:
        shown, _ = await self._priced_and(lambda _: None)
        return shown

    async def _priced_and(self, show: Callable[[Preview], Shown]) -> tuple[Preview, Shown]:
        """Price the orders and keep the preview on disk; return it, and what `show` makes of it."""
        state, plan = self._planner.state, await self._plan()
        seen = history.seen(
            self.settings.home,
            plan.identity,
            plan.table,
            but_not=lambda: JobStore.id_of(plan.fingerprint, self.name),
            today=local_day(plan.shipper, _now()),
        )
        held, notes = (seen, {}) if self.on_duplicate == "hold" else ({}, seen)
        bought = history.bought(held)
        free = return_labels.of_bought_parcels(plan.problems, plan.table, bought)
        if free is not plan.problems:
            plan = replace(plan, problems=free)
        # To write a million rows takes a second, and so does a frame of them.
        threads = ThreadPoolExecutor(2, thread_name_prefix="shipkit-preview")
        try:
            shipments = threads.submit(preview_store.shipments_file, plan)
            shown = await preview.price(
                plan,
                self._connection.accounts(),
                now=_now(),
                held=held,
                bought=bought,
                notes=notes,
                max_age=self.max_quote_age,
            )
            keep = partial(preview_store.keep, self.settings.home, shown, shipments)
            keeping = asyncio.wrap_future(threads.submit(contextvars.copy_context().run, keep))
            try:
                made = show(shown)
            finally:
                self._record = await keeping
                self._priced = state, shown
        finally:
            threads.shutdown(wait=False)
        return shown, made

    async def _price_and_frame(self, include: Sequence[str], *, mask: bool) -> pd.DataFrame:
        flag("mask", mask)  # a text such as "no" would count as true
        _, frame = await self._priced_and(lambda shown: self._framed(shown, include, mask=mask))
        return frame

    def _framed(self, shown: Preview, include: Sequence[str], *, mask: bool) -> pd.DataFrame:
        table = shown.view()
        keys = [key for key in self._planner.carried(include) if key not in table.column_names]
        table = self._planner.joined(table, keys) if keys else table
        if mask:
            harmless = [
                column.key for column in self._planner.loaded.columns if column.role in OPEN_ROLES
            ]
            table = masked(table, {*PREVIEW_COLUMNS, *harmless})
        return to_frame(table)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
