"""What a session knows about its orders: read, filtered, mapped and edited, not yet priced."""

from __future__ import annotations

import datetime as dt
import warnings
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
from pydantic import ValidationError

from shipkit.common.choices import flag
from shipkit.common.notices import quiet
from shipkit.errors import InputError
from shipkit.field_faults import faults_of
from shipkit.models import Address
from shipkit.orders.layouts import LayoutMatch
from shipkit.orders.mapping.setting_kinds import check_kinds, day_of
from shipkit.plan.plan import Edit
from shipkit.plan.preview import to_frame
from shipkit.session.turn_members import TurnMembers, in_turn
from shipkit.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["OrderMembers", "shipper_from"]


class OrderMembers(TurnMembers):
    """The members of a session that belong to its orders. Nothing here buys."""

    settings: Settings
    _was: int | None = None
    """How many orders the previous filter kept, if the current one keeps another number."""

    @abstractmethod
    def _forget(self, *, keep_view: bool = False) -> None:
        """Drop the preview and the job that were made before this change."""

    @abstractmethod
    def _view(self, clause: str) -> pa.Table:
        """Return the shipments that `clause` chooses from, with preview and source columns."""

    # -- reading ---------------------------------------------------------------------------------

    @in_turn
    def load(self, source: Any, **options: Any) -> Self:
        """Read orders, in place of any that were read before.

        Parameters
        ----------
        source
            A path or glob (csv, tsv, xlsx, xls, ods, parquet, json, ndjson; also gzipped), a
            DataFrame, an Arrow table, a list of dicts, a DuckDB relation or a
            :class:`~shipkit.Database`.
        **options
            ``types={"column": "VARCHAR"}`` pins a column's type; ``sheet``, ``delimiter`` and
            ``encoding`` override what was detected; ``hidden`` (True, "rows" or "columns") reads
            what a workbook hides; ``header=False`` reads a file without headings, whose columns
            are then "Column 1" and so on; ``order_key`` names the column that groups lines to
            orders; ``layout`` names a known export (see :attr:`layout`), or is False to
            recognise none.

        Raises
        ------
        SourceError
            The source cannot be read.
        """
        self._planner.load(source, **options)
        self._forget()
        return self

    @property
    def shipper(self) -> Address | None:
        """The address that labels are sent from and charged to; None if none was given yet."""
        return self._planner.shipper

    @in_turn
    def ship_from(self, shipper: Address | Mapping[str, Any] | str) -> Self:
        """Set the shipper: an Address, a dict of its fields, or a name from the config file."""
        self._planner.ship_from(shipper_from(shipper, self.settings))
        self._forget()
        return self

    @property
    def order_count(self) -> int:
        """The number of orders that were read, before any filter."""
        return int(self._planner.orders.count)

    @property
    def columns(self) -> list[str]:
        """The names of the source's columns, as filters and templates use them."""
        return [column.key for column in self._planner.loaded.columns]

    @property
    def layout(self) -> LayoutMatch | None:
        """The known export that the headings match, and why; None if they match none."""
        return self._planner.loaded.layout

    @property
    @in_turn
    def load_report(self) -> Any:
        """What was read, repaired and dropped, where every line went, what is not understood."""
        return self._planner.load_report()

    @in_turn
    def describe(self) -> pd.DataFrame:
        """Describe the source's columns, one row per column.

        Returns
        -------
        DataFrame
            ``name``, ``type``, ``non_null``, ``distinct`` (counts), ``examples``, ``key``,
            ``role``, ``unit``, and ``use``: whether a column is ``used``, ``carried`` (it says
            nothing about the parcel), ``ignored`` by you or ``not understood``. Its ``attrs``
            have ``lines``: where every line of the source went.
        """
        described = self._planner.loaded.describe()
        uses = {use.key: use.use for use in self._planner.column_uses()}
        described["use"] = [uses[key] for key in described["key"]]
        described.attrs["lines"] = str(self.load_report.lines)
        return described

    @property
    @in_turn
    def not_understood(self) -> list[str]:
        """The headings of filled columns that are neither used, carried nor ignored."""
        return self._planner.not_understood()

    @in_turn
    def sample(self, n: int = 5) -> pd.DataFrame:
        """Return the first `n` orders that pass the filter, with the source's own columns."""
        return to_frame(self._planner.sample(n))

    # -- filtering -------------------------------------------------------------------------------

    @in_turn
    def where(self, *clauses: str, **params: Any) -> Self:
        """Keep only the orders that match; replaces the previous filter.

        An order is kept whole if any of its lines matches. The session's repr shows the effect:
        "412 of 800 orders (was 800)". A filter that keeps nothing warns, with the values that the
        compared columns commonly hold.

        Parameters
        ----------
        *clauses
            SQL expressions over the source's columns; an order must match every one. Without a
            clause the filter is cleared.
        **params
            Values for ``$name`` in the clauses; a list for ``IN``. Values of numpy, pandas and
            Arrow are bound as what they mean. None, NaN, NaT and times with a zone are refused.

        Raises
        ------
        FilterError
            A clause is not valid. The message shows the place and the nearest column, and the
            previous filter stays.

        Examples
        --------
        >>> session.where("state = $state AND weight_lb < 20", state="CA")  # doctest: +SKIP
        """
        before = self._planner.kept
        now = self._planner.where(clauses, params).count
        self._was = before if before != now else None
        self._forget()
        if not now and not quiet.get():
            warnings.warn(self.selection, stacklevel=3)
        return self

    @property
    def filter(self) -> tuple[tuple[str, ...], dict[str, Any]]:
        """The clauses of the current filter, and the values bound in them."""
        return self._planner.clauses, dict(self._planner.params)

    @property
    @in_turn
    def selection(self) -> str:
        """How many orders the filter keeps: "412 of 800 orders"; if none, what the columns hold.

        It adds what a person may not expect, such as rows that an empty cell leaves out.
        """
        chosen = self._planner.selected()
        said = [str(chosen), *chosen.notes]
        if not chosen.count and chosen.total:
            said.insert(1, chosen.explain())
        return ". ".join([said[0], " ".join(said[1:])]) if len(said) > 1 else said[0]

    # -- mapping ---------------------------------------------------------------------------------

    @in_turn
    def map(
        self,
        template: str | Path | None = None,
        *,
        columns: Mapping[str, str] | None = None,
        service: str | None = None,
        services: Mapping[str, str] | None = None,
        defaults: Mapping[str, Any] | None = None,
        references: Mapping[str, str] | None = None,
        ignore: Sequence[str] | None = None,
        ship_date: dt.date | str | None = None,
        weights: str | None = None,
        parcels: str | None = None,
        skus: Any = None,
        each_row: bool = False,
        repeated_rows: str = "hold",
        residential: str | None = None,
        returns: str | None = None,
        warehouses: Mapping[str, Address | Mapping[str, Any] | str] | None = None,
    ) -> Self:
        """Set how a source row becomes a shipment; replaces the previous mapping as a whole.

        Parameters
        ----------
        template
            A Jinja2 template that renders one shipment as JSON: a `str` is the text itself, a
            `Path` is a file. Without one, columns are recognised by their headings and values.
        columns
            Field -> heading, where recognition found none or the wrong one.
        service
            One service for all rows, or a rule: ``"cheapest"``, ``"fastest"``, ``"cheapest within
            3 days"``. Overrides any service column.
        services
            Value in the service column -> service.
        defaults
            Field -> value for rows in which it is missing: ``{"weight_lb": 2}``.
        references
            Reference -> heading, printed on the label: ``{"po": "PO Number"}``.
        ignore
            Headings of columns that do not concern the parcel, though they look as if they did.
        ship_date
            The day of shipping, a date or ISO text; default: the day of purchase.
        weights
            What the weight column of orders with several lines holds, the weight of one
            ``"unit"``, of the ``"line"`` or of the ``"order"``; default: what the layout or the
            heading says.
        parcels
            ``"one"`` parcel per order (default), or a limit such as ``"max 40 lb"`` above which an
            order is split into several equal parcels.
        skus
            A table (frame, list of dicts, file) with the weight of each SKU, and its dimensions
            and boxes if known. Fills in missing weights, with a warning on each such row.
        each_row
            Whether each row is an order of its own, even if rows have the same order number or the
            same recipient.
        repeated_rows
            What becomes of rows that are equal in every cell: ``"hold"`` them (default),
            ``"keep"`` all of them, or ``"drop"`` all but the first.
        residential
            What an address is priced and bought as that may be a home or a business:
            ``"unknown is home"`` or ``"unknown is business"``. The preview then has the other
            price, too. Default: a business, as carriers take it; :meth:`validate_addresses` asks.
        returns
            ``"with_each"``: a return label for every parcel, from the recipient to the shipper, in
            the same batch: priced, approved and bought with it, and only once its parcel is bought.
            It is a row of its own, numbered behind the rows of the source, whose ``return_of`` is
            the parcel's. :meth:`skip` leaves it out where it is not wanted.
        warehouses
            Places that rows may leave from: the text of the column ``Warehouse`` (or
            ``Ship From``) -> an Address, a dict of its fields, or a name from the config file. The
            shippers of the config file are known by their names without it. Labels are charged
            to the session's shipper wherever a row leaves from.

        Raises
        ------
        MappingError, TemplateError
            A column does not exist, or the template cannot be used.
        """
        check_kinds(
            columns=columns,
            services=services,
            defaults=defaults,
            references=references,
            warehouses=warehouses,
            ignore=ignore,
            service=service,
            parcels=parcels,
            weights=weights,
            template=template,
        )
        self._planner.map(
            template=template,
            columns=columns,
            service=service,
            services=services,
            defaults=defaults,
            references=references,
            ignore=(ignore,) if isinstance(ignore, str) else ignore,
            ship_date=day_of(ship_date),
            weights=weights,
            parcels=parcels,
            skus=skus,
            each_row=flag("each_row", each_row),
            repeated_rows=repeated_rows,
            residential=residential,
            returns=returns,
            warehouses={
                name: place
                for name, given in (warehouses or {}).items()
                if (place := shipper_from(given, self.settings)) is not None
            },
        )
        self._forget()
        return self

    @property
    @in_turn
    def template(self) -> str:
        """The Jinja2 text in use, or the one equivalent to the recognised columns.

        Edit it and pass it back to :meth:`map`.
        """
        return self._planner.template()

    @property
    @in_turn
    def repairs(self) -> dict[str, int]:
        """What was corrected in cells without a warning, and in how many rows.

        For example ``{"states written as their code": 5009}``. Repairs that a person should look at
        are warnings in :attr:`problems` instead.
        """
        return dict(self._planner.normalized().repairs)

    # -- editing by hand -------------------------------------------------------------------------

    @in_turn
    def skip(self, clause: str, reason: str | None = None) -> Edit:
        """Set aside the shipments that match `clause`: they are shown, and not bought.

        Parameters
        ----------
        clause
            A SQL expression over the preview columns and the source's own. One that mentions a
            price gets the orders priced first.
        reason
            Shown in :attr:`edits` and in the results.
        """
        made = self._planner.edit("skip", clause, self._view(clause), reason=reason)
        self._forget(keep_view=True)
        return made

    @in_turn
    def unskip(self) -> Self:
        """Undo every :meth:`skip`."""
        self._planner.drop_edits("skip")
        self._forget(keep_view=True)
        return self

    @in_turn
    def edit(self, clause: str, **fields: Any) -> Edit:
        """Set fields of the shipments that match `clause`.

        Examples
        --------
        >>> session.edit("order_id = '17'", postal_code="02134")  # doctest: +SKIP
        """
        made = self._planner.edit("edit", clause, self._view(clause), fields=fields)
        self._forget(keep_view=True)
        return made

    @property
    def edits(self) -> pd.DataFrame:
        """What was set aside or changed by hand, one row per edit.

        Columns: ``action``, ``clause``, ``rows`` (count), ``fields``, ``reason``.
        """
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "action": e.action,
                    "clause": e.clause,
                    "rows": len(e.row_numbers),
                    "fields": dict(e.fields),
                    "reason": e.reason,
                }
                for e in self._planner.edits
            ],
            columns=["action", "clause", "rows", "fields", "reason"],
        )


def shipper_from(
    given: Address | Mapping[str, Any] | str | None, settings: Settings
) -> Address | None:
    """Return the shipper that `given` names or describes.

    None is the only shipper of the config file, if there is exactly one. Raises InputError for
    fields that are not an address, SettingsError for a name that the config file lacks.
    """
    if isinstance(given, Address):
        return given
    if isinstance(given, str):
        return settings.shipper(given)
    if given is None:
        known = list(settings.file.get("shippers", {}))
        return settings.shipper(known[0]) if len(known) == 1 else None
    try:
        return Address(**given)
    except ValidationError as error:
        said = faults_of(error, Address.model_fields)
    except InputError as error:
        said = error.message.removesuffix(".")
    except (ValueError, TypeError):
        said = "it is not a table of fields"
    raise InputError(
        f"The shipper is not a valid address: {said}.",
        fix=f"The fields of an address: {', '.join(Address.model_fields)}.",
    )
