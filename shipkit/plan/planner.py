"""From source to plan: the stages in order.

Each stage is computed when it is first needed, and kept until something before it changes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.accounts import Accounts
from shipkit.common.choices import one_of
from shipkit.common.local_day import local_day
from shipkit.common.places import US_DOMAIN
from shipkit.common.relation import drop
from shipkit.common.sql import one, quoted
from shipkit.common.turns import postponed_interrupts
from shipkit.errors import FilterError, InputError, TemplateError
from shipkit.models import Address
from shipkit.orders import (
    grouping,
    mapping,
    normalize,
    order_states,
    packing,
    source,
    validate,
    where,
)
from shipkit.orders.cells import Note
from shipkit.orders.column_account import ColumnUse
from shipkit.orders.column_problems import HOME, TODAY, unread_columns, unread_text
from shipkit.orders.currencies import currency_of
from shipkit.orders.database import Database
from shipkit.orders.expressions import quote
from shipkit.orders.unnamed_states import unnamed_states
from shipkit.orders.where import Selection, pushdown
from shipkit.plan import homes, reach, return_labels
from shipkit.plan.asks import unsupported
from shipkit.plan.edits import (
    apply_edits,
    check_edit,
    demand_clear_weight,
    skipped_rows,
    without_edited,
)
from shipkit.plan.plan import Edit, Plan
from shipkit.plan.resolve import choose_services, one_trouble, parted
from shipkit.schema import RETURN_OF, field_names
from shipkit.services import ServiceList

__all__ = ["Planner", "same"]


@dataclass
class Planner:
    """The settings of a session, and the stages made from them."""

    shipper: Address | None = None
    clauses: tuple[str, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)
    services: Callable[[], ServiceList] = lambda: mapping.NOTHING_OFFERED
    """Returns the services of the carrier that the plan is for; asked when orders are mapped."""
    spec: mapping.MappingSpec = field(default_factory=mapping.MappingSpec)
    warehouses: Callable[[], Mapping[str, Address]] = dict
    """Returns the places that rows may leave from, by name; asked when orders are mapped."""
    edits: tuple[Edit, ...] = ()
    con: duckdb.DuckDBPyConnection = field(default_factory=source.connect)
    database: Database | None = None
    """The source, if the orders came from a database."""
    layouts: Path | None = None
    """The folder with the user's own layouts."""
    _loaded: source.Loaded | None = None
    _orders: grouping.OrderSet | None = None
    _order_key: str | None = None
    """The column that names the order, as the source was loaded."""
    _grouped_by: tuple[str | None, bool, str] = (None, False, "hold")
    _fixed_orders: grouping.FixedOrders | None = None
    """What grouping decided with other files before, where this is one of many."""
    _selection: Selection | None = None
    _packed: packing.Packed | None = None
    _mapped: mapping.Mapped | None = None
    _normal: normalize.Normalized | None = None
    _found_states: list[order_states.StateColumn] | None = None

    # -- settings ---------------------------------------------------------------------------------

    def load(self, given: Any, **options: Any) -> source.Loaded:
        """Read `given`, and drop what was made of an earlier source once it is read."""
        order_key = options.pop("order_key", None)
        fixed = options.pop("fixed_orders", None)
        notes: tuple[Note, ...] = ()
        rows = given
        if isinstance(given, Database) and given.only is not None:
            rows, note = pushdown.matching_only(
                given, order_key=order_key, layout_folder=self.layouts, **options
            )
            notes = (note,)
        loaded = source.load(rows, con=self.con, layout_folder=self.layouts, **options)
        here = {name for column in loaded.columns for name in (column.name, column.key)}
        named = self.spec.columns.get("order_id")
        key = named if named in here else order_key
        by = (key, self.spec.each_row, self.spec.repeated_rows)
        try:
            orders = grouping.group(loaded, key, each_row=by[1], repeated_rows=by[2], fixed=fixed)
        except BaseException:
            drop(self.con, loaded.cells)
            raise
        loaded = replace(
            loaded,
            report=replace(loaded.report, notes=(*notes, *loaded.report.notes)),
        )
        with postponed_interrupts():
            self._drop_source()
            self._loaded, self._orders = loaded, orders
            self._order_key, self._grouped_by = order_key, by
            self._fixed_orders = fixed
            self.edits = ()
            self.database = given if isinstance(given, Database) else None
        return loaded

    def where(self, clauses: Sequence[str], params: Mapping[str, Any]) -> Selection:
        """Replace the filter; a clause that cannot be used leaves the old one in force."""
        selection = where.select(self.orders, clauses, params)
        with postponed_interrupts():
            self._drop_selection()
            self.clauses, self.params = tuple(clauses), dict(params)
            self._selection = selection
        return selection

    def map(self, **changes: Any) -> None:
        """Replace the options of the mapping; those left out return to their defaults."""
        template = changes.get("template")
        if isinstance(template, Path):
            try:
                changes["template"] = template.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise TemplateError(
                    f"The template {template} cannot be read: {error}.",
                    fix="Check the path; a template is UTF-8 text.",
                ) from None
        if isinstance(changes.get("template"), str):
            changes["template"] = mapping.with_field_names(changes["template"])
        if changes.get("returns") is not None:
            one_of("returns", changes["returns"], return_labels.CHOICES)
        if changes.get("residential") is not None:
            one_of("residential", changes["residential"], homes.CHOICES)
        for argument in ("columns", "defaults"):
            if changes.get(argument):
                changes[argument] = field_names(changes[argument], argument)
        if changes.get("defaults"):
            changes["defaults"] = mapping.given_defaults(changes["defaults"])
        spec = mapping.MappingSpec(
            **{name: value for name, value in changes.items() if value is not None}
        )
        wanted = (spec.columns.get("order_id", self._order_key), spec.each_row, spec.repeated_rows)
        orders = None
        if self._loaded is not None and wanted != self._grouped_by:
            key, each_row, repeated = wanted
            orders = grouping.group(
                self.loaded,
                key,
                each_row=each_row,
                repeated_rows=repeated,
                fixed=self._fixed_orders,
            )
        with postponed_interrupts():
            if orders is not None:
                self._drop_orders()
                self._orders, self._grouped_by = orders, wanted
            self._drop_mapping()
            self.spec = spec

    def ship_from(self, shipper: Address | None) -> None:
        """Replace the shipper."""
        if shipper != self.shipper:
            with postponed_interrupts():
                self._drop_mapping()
                self.shipper = shipper

    def edit(
        self,
        action: str,
        clause: str,
        view: pa.Table,
        *,
        fields: Mapping[str, Any] | None = None,
        reason: str | None = None,
    ) -> Edit:
        """Record a change of the rows of `view` that match `clause`.

        `view` has one row per shipment, with the columns of the preview and of the source.
        """
        fields = field_names(fields or {}, "edit")
        for name, value in fields.items():
            check_edit(name, value, self._offered(), self._warehouses())
        rows = where.matching(view, [clause])
        numbers = tuple(view.column("row_number").take(pa.array(rows)).to_pylist())
        if not numbers:
            raise FilterError(
                f"No row matches {clause!r}: nothing was changed.",
                fix="See session.preview() for the values.",
            )
        if "weight_lb" in fields:
            demand_clear_weight(view.column("parcels").take(pa.array(rows)).to_pylist())
        made = Edit(
            action=action,
            clause=clause,
            row_numbers=numbers,
            fields=tuple(fields.items()),
            reason=reason,
        )
        self.edits = (*self.edits, made)
        return made

    def drop_edits(self, action: str) -> None:
        """Forget the edits of one kind."""
        self.edits = tuple(edit for edit in self.edits if edit.action != action)

    @property
    def state(self) -> tuple[object, ...]:
        """What a plan is made of; compare with :func:`same`."""
        return (*self.state_of_orders, self.edits)

    @property
    def state_of_orders(self) -> tuple[object, ...]:
        """What the shipments are made of before they are edited; compare with :func:`same`."""
        return self._loaded, self._orders, self.clauses, self.params, self.spec, self.shipper

    @property
    def payer(self) -> Address:
        """The shipper. Raises InputError if there is none."""
        if self.shipper is None:
            raise InputError(
                "Who ships? No shipper was given.",
                fix="Pass shipper=sk.Address(...), a dict of its fields, or the name of one in "
                "the config file.",
            )
        return self.shipper

    def _offered(self) -> ServiceList:
        """Return what the carrier offers, by the names of the shipper's country."""
        return self.services().of_shipper(self.shipper.country if self.shipper else "US")

    # -- the stages -------------------------------------------------------------------------------

    @property
    def loaded(self) -> source.Loaded:
        """The source as read. Raises InputError if nothing was loaded."""
        if self._loaded is None:
            raise _nothing_loaded()
        return self._loaded

    @property
    def orders(self) -> grouping.OrderSet:
        """Lines grouped to orders."""
        if self._orders is None:
            raise _nothing_loaded()
        return self._orders

    def selected(self) -> Selection:
        """Return the orders that the filter lets through."""
        if self._selection is None:
            self._selection = where.select(self.orders, self.clauses, self.params)
        return self._selection

    @property
    def kept(self) -> int | None:
        """How many orders the current filter keeps; None before it was applied."""
        if self._selection is not None:
            return int(self._selection.count)
        return None if self._orders is None or self.clauses else int(self._orders.count)

    def packed(self) -> packing.Packed:
        """Return the selected orders with the weights and quantities of their lines added up."""
        if self._packed is None:
            spec = replace(self.read_spec(), offered=self._offered())
            selected = self.selected().relation
            home = self.shipper.country if self.shipper else "US"
            self._packed = packing.pack(self.con, self.orders, selected, spec, home)
        return self._packed

    def read_spec(self) -> mapping.MappingSpec:
        """Return the settings with what reading found out: the layout and the order number."""
        columns, key = self.spec.columns, self.orders.order_key
        if key is not None and not any(c.role == "order_id" for c in self.loaded.columns):
            columns = {"order_id": key.name, **columns}
        return replace(
            self.spec,
            layout=self.loaded.layout,
            columns=columns,
            defaults={**self._home_country(), **self.spec.defaults},
            warehouses=self._warehouses(),
            states={state.column.key for state in self._state_columns()},
        )

    def _home_country(self) -> Mapping[str, str]:
        """Return the default of the country where it is not the US: the shipper's own.

        A shop in Germany writes no country into a file of orders from Germany.
        """
        home = self.shipper.country if self.shipper else "US"
        return {} if home in US_DOMAIN else {"country": home}

    def _rows_without_country(self) -> int:
        """Return how many rows have the shipper's country because they name none."""
        asked = self._home_country() and "country" not in self.spec.defaults
        return self.mapped().defaulted.get("country", 0) if asked else 0

    def _warehouses(self) -> Mapping[str, Address]:
        return {**self.warehouses(), **self.spec.warehouses}

    def mapped(self) -> mapping.Mapped:
        """Return the shipments as text, from columns or template."""
        if self._mapped is None:
            payer = self.payer
            self.con.execute(f"SET VARIABLE {TODAY} = DATE '{local_day(payer).isoformat()}'")
            self.con.execute(f"SET VARIABLE {HOME} = {quote(payer.country)}")
            packed = self.packed()
            made = mapping.map_rows(
                self.con,
                packed.columns,
                packed.spec,
                payer,
                packed.relation,
                self.orders.shipping_lines,
            )
            self._mapped = packed.note(made)
        return self._mapped

    def normalized(self) -> normalize.Normalized:
        """Return the shipments with types, the problems met on the way and the repairs made."""
        if self._normal is None:
            mapped = self.mapped()
            currency = currency_of(self.payer.country)
            made = normalize.normalize(
                self.con, mapped, source_problems=self.loaded.problems, currency=currency
            )
            finished = packing.finish(self.con, made.table, self.packed(), self.orders, self.payer)
            states = _of_rows(self._states(), finished)
            assumed = normalize.currency_note(self.con, finished, mapped, currency)
            home = normalize.country_note(finished, self._rows_without_country())
            self._normal = made._replace(
                table=finished, problems=pa.concat_tables([made.problems, states, assumed, home])
            )
        return self._normal

    def column_uses(self) -> list[ColumnUse]:
        """Return the use of each column: used, carried, ignored or not understood."""
        spec = self.read_spec()
        return [
            replace(use, use="used", asks=None)
            if use.key in spec.states and use.use != "ignored"
            else use
            for use in mapping.column_uses(self.loaded.columns, spec)
        ]

    def load_report(self) -> source.LoadReport:
        """Return what reading did, with the lines as they are grouped to orders now."""
        report, orders = self.loaded.report, self.orders
        account = report.lines.with_orders(orders.count, orders.not_shipped)
        unread = self.not_understood()
        note = (Note("columns", unread_text(unread), len(unread)),) if unread else ()
        return replace(report, lines=account, notes=(*report.notes, *orders.notes, *note))

    def not_understood(self) -> list[str]:
        """Return the headings of columns that hold something and are not understood."""
        return unread_columns(self.con, self.column_uses(), self.loaded.lines)

    def _states(self) -> pa.Table:
        """Return the problems of orders that are cancelled, on hold, shipped already and so on."""
        states = self._state_columns()
        return order_states.state_problems(self.con, self.orders.shipping_lines, states)

    def _state_columns(self) -> list[order_states.StateColumn]:
        """Return the columns that hold states of orders; with many columns it takes a while."""
        if self._found_states is not None:
            return self._found_states
        loaded = self.loaded
        # Settings may be those of an earlier file; mapping reports what is missing.
        key_of = {name: c.key for c in loaded.columns for name in (c.key, c.name)}
        named = (*self.spec.columns.values(), *self.spec.references.values())
        read = {
            *(column.key for column in loaded.columns if column.role is not None),
            *(key_of[heading] for heading in named if heading in key_of),
        }
        ignored = {key_of[heading] for heading in self.spec.ignore if heading in key_of}
        unread = [c for c in loaded.columns if c.key not in read and c.key not in ignored]
        self._found_states = order_states.state_columns(
            loaded.columns,
            read,
            loaded.layout,
            ignored,
            unnamed_states(self.con, loaded.lines, unread),
        )
        return self._found_states

    def template(self) -> str:
        """Return the Jinja2 text in use, or the equivalent of the recognised columns."""
        return self.mapped().template

    async def plan(self, accounts: Accounts, *, today: dt.date | None = None) -> Plan:
        """Return the plan: edits made, services chosen, rules checked, an account for each row."""
        table, met, _ = self.normalized()
        if self.spec.returns is not None:
            table = return_labels.with_return_labels(table, self._behind())
        offered = accounts.services.of_shipper(self.payer.country)
        blank = Plan(table=table, problems=met, shipper=self.payer, identity=accounts.identity)
        edits = self._edits()
        indexes = {n: _present(blank.index_of(edit.row_numbers)) for n, edit in enumerate(edits)}
        table = apply_edits(table, edits, indexes, offered, self._warehouses())
        table, unknown = homes.assumed(table, self.spec.residential)
        skipped = return_labels.skipped_together(table, skipped_rows(edits, indexes))
        left = _without(table, skipped)
        if self.spec.returns is not None:
            left = left.filter(pc.is_null(left.column(RETURN_OF)))
        alike = pa.concat_tables(
            [
                grouping.look_alikes(
                    self.con,
                    left,
                    self.orders,
                    blank.table.column("row_number").to_pylist() if self.clauses else None,
                    self.spec.columns,
                ),
                grouping.named_after_goods(left, self.orders),
                grouping.unnumbered(left),
            ]
        )
        table, unresolved = await choose_services(
            table,
            accounts,
            self.payer,
            places_of=self.places_of,
        )
        noted = self._noted(table)
        refused = unsupported(table, accounts, self.payer)
        unreached = reach.unreached(table, offered, self.payer)
        known = pa.concat_tables(
            [noted, alike, without_edited(met, self.edits), unresolved, refused, unreached]
        )
        problems = pa.concat_tables(
            [
                known,
                validate.check(self.con, table, self.payer, offered, known=known, today=today),
            ]
        )
        table, sellers = parted(table, accounts)
        return replace(
            blank,
            table=table,
            problems=return_labels.settled_together(one_trouble(problems), table, skipped),
            template=self.template(),
            edits=self.edits,
            skipped=skipped,
            not_understood=tuple(self.not_understood()),
            filter_notes=self.selected().notes,
            unknown_homes=unknown,
            residential=self.spec.residential,
            sellers=sellers,
        )

    def places_of(self, rows: pa.Table) -> dict[int, list[str]]:
        """Return row number -> the kinds of places of its address that not all services go to."""
        return validate.places_of(self.con, rows, self.payer)

    def _edits(self) -> tuple[Edit, ...]:
        """Return the edits, with what those of parcels change of their return labels."""
        if self.spec.returns is None:
            return self.edits
        return return_labels.edits_of_both(self.edits, self._behind())

    def _behind(self) -> int:
        """Return what the row number of a return label adds to its parcel's.

        Rows that were dropped have numbers, too: the last number counts, and not how many are left.
        """
        [last] = one(self.con, f"SELECT max(row_number) FROM {self.loaded.text.sql}")
        return return_labels.first_number(last)

    def _noted(self, table: pa.Table) -> pa.Table:
        """Return what grouping found in these shipments, but not what the settings decide."""
        found = _of_rows(self.orders.problems, table)
        given = (("service", self.spec.service), ("ship_date", self.spec.ship_date))
        decided = pa.array([field for field, value in given if value is not None], pa.string())
        return found.filter(pc.invert(pc.is_in(found.column("field"), value_set=decided)))

    def source_rows(self, row_numbers: Sequence[int] | None = None) -> pa.Table:
        """Return the source's rows as text, after ``row_number`` and ``source_file``."""
        text = self.loaded.text.sql
        if row_numbers is None:
            return self.con.sql(f"SELECT * FROM {text} ORDER BY row_number").to_arrow_table()
        chosen = pa.table({"row_number": pa.array(row_numbers, pa.int64())})
        self.con.register("chosen_rows", chosen)
        try:
            return self.con.sql(
                f"SELECT s.* FROM {text} s SEMI JOIN chosen_rows c USING (row_number) "
                "ORDER BY row_number"
            ).to_arrow_table()
        finally:
            self.con.unregister("chosen_rows")

    def with_source_columns(self, shown: pa.Table) -> pa.Table:
        """Return `shown`, one row per shipment, followed by the source's columns.

        The source's values are those of each order's first line. Where both have a column of one
        name, that of `shown` is kept.
        """
        taken = set(shown.column_names)
        own = [column.key for column in self.loaded.columns if column.key not in taken]
        return self.joined(shown, own)

    def carried(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the keys of the source columns `names`, which are keys or headings.

        Raises InputError, with the most similar name, for one that is unknown.
        """
        return tuple(self.loaded.column(name).key for name in names)

    def joined(self, shown: pa.Table, keys: Sequence[str]) -> pa.Table:
        """Return `shown`, one row per shipment, followed by the source columns `keys`."""
        columns = "".join(f", s.{quoted(key)}" for key in keys)
        selected = self.selected().relation.sql
        row = "p.row_number"
        if self.spec.returns is not None:  # a return label has the cells of its parcel
            row = f"p.row_number % {self._behind()}"
        self.con.register("shown_rows", shown)
        try:
            return self.con.sql(
                f"SELECT p.*{columns} FROM shown_rows p "
                f"LEFT JOIN {selected} s ON s.row_number = {row} ORDER BY p.row_number"
            ).to_arrow_table()
        finally:
            self.con.unregister("shown_rows")

    def sample(self, n: int) -> pa.Table:
        """Return the first `n` orders that the filter lets through."""
        return self.selected().sample(n)

    # -- undoing stages: each drops what was made of it first -------------------------------------

    def _drop_source(self) -> None:
        self._drop_orders()
        if self._loaded is not None:
            drop(self.con, self._loaded.cells)
        self._loaded = None

    def _drop_orders(self) -> None:
        self._drop_selection()
        if self._orders is not None:
            drop(self.con, self._orders.orders)
        self._orders = None

    def _drop_selection(self) -> None:
        self._drop_mapping()
        if self._selection is not None:
            drop(self.con, self._selection.relation)
        self._selection = None

    def _drop_mapping(self) -> None:
        if self._mapped is not None:
            drop(self.con, self._mapped.relation)
        if self._packed is not None:
            drop(self.con, self._packed.relation)
        self._packed = self._mapped = self._normal = self._found_states = None

    def close(self) -> None:
        """Close the database."""
        self.con.close()


def same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    """Whether two states of a planner are one."""
    return all(part is its for part, its in zip(one, other, strict=True))


def _nothing_loaded() -> InputError:
    return InputError(
        "No orders were loaded.",
        fix='Give a source: BatchSession("orders.csv", ...) or session.load("orders.csv").',
    )


def _present(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.unique(rows[rows >= 0])


def _without(table: pa.Table, rows: Collection[int]) -> pa.Table:
    """Return the shipments of a table but those at these places."""
    if not rows:
        return table
    kept = np.ones(table.num_rows, dtype=bool)
    kept[list(rows)] = False
    return table.filter(pa.array(kept))


def _of_rows(problems: pa.Table, shipments: pa.Table) -> pa.Table:
    """Return the problems of these shipments only."""
    if not problems.num_rows:
        return problems
    # There are few problems and many shipments: a table of the latter's numbers is not made.
    numbers, of = shipments.column("row_number"), problems.column("row_number")
    chosen = numbers.filter(pc.is_in(numbers, value_set=pc.unique(of)))
    return problems.filter(pc.is_in(of, value_set=chosen))
