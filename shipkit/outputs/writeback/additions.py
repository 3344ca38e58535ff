"""The new cells of each source row: what its shipment was bought for, and its tracking numbers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.errors import InputError
from shipkit.models import minor_units
from shipkit.schema import RETURN_OF
from shipkit.state import RowState

__all__ = ["DEFAULT_COLUMNS", "Additions", "additions", "default_columns", "existing_columns"]

DEFAULT_COLUMNS: Mapping[str, str] = {
    "tracking_numbers": "tracking_number",
    "service": "label_service",
    "charged": "label_charge",
    "currency": "label_currency",
    "state": "label_status",
}
"""Result column -> heading.

None of the headings is one that shipkit itself would read as part of an address or an order, so
that a file with these columns can be loaded again.
"""

_OF_RETURNS: Mapping[str, str] = {
    "return_tracking_numbers": "return_tracking_number",
    "return_charged": "return_charge",
}
"""The same for jobs that bought return labels with their parcels."""

_ALWAYS = frozenset(
    {
        "state",
        "error_code",
        "error_message",
        "fix",
        "shipkit_reference",
        "row_number",
        "order_id",
        "voided_at",
    }
)
"""Result columns that are written for every shipment.

All others are written only for shipments that are bought and not voided: a voided tracking number
must not reach a buyer.
"""

_ONCE = frozenset(
    {"charged", "charged_cents", "quoted_cents", "billed_weight_lb", "return_charged"}
)
"""Amounts of a shipment, written on its first row only, so that the column adds up to the total."""

_BATCH = 20_000
_FORMULA = re.compile(r"[=+\-@\t\r＝＋－＠]")
"""How text begins that a spreadsheet takes for a formula when it opens a text file (OWASP, "CSV
Injection"; the wide forms count in East Asian versions)."""
_NUMBER = r"^[+-]?[0-9.,]+$"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, eq=False)
class Additions:
    """New cells for every row of a source.

    Attributes
    ----------
    table
        One column per new heading and one row per source row, in the order of the source. A row
        that belongs to no shipment is null in every column.
    """

    table: pa.Table

    @property
    def headings(self) -> list[str]:
        """The headings of the new columns."""
        return list(self.table.column_names)

    def texts(self, *, inert: bool = False) -> pa.Table:
        """Return the table as text, null cells as the empty string.

        Parameters
        ----------
        inert
            For a text file: an apostrophe before text that a spreadsheet would take for a formula,
            and a blank for each control character. A workbook has its own ways for both.
        """
        made = {}
        for name in self.headings:
            column = self.table.column(name)
            texts = pc.fill_null(_text(column), "")
            if pa.types.is_string(column.type):
                texts = pc.replace_substring_regex(texts, "\r\n?", "\n")
                texts = pc.replace_substring_regex(texts, "[\ufffe\uffff]", " ")
                texts = _inert(texts) if inert else texts
            made[name] = texts
        return pa.table(made)

    def lines(self, headings: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """Yield each row's cells under `headings` as inert text."""
        texts = self.texts(inert=True).select(headings)
        for batch in texts.to_batches(_BATCH):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def joined(self, headings: Sequence[str], delimiter: str, *, quote_all: bool) -> Iterator[str]:
        """Yield each row's cells under `headings` as delimited text, quoted where necessary."""
        texts = self.texts(inert=True).select(headings) if headings else pa.table({})
        for start in range(0, texts.num_rows, _BATCH):
            part = texts.slice(start, _BATCH)
            cells = [_quoted(column, delimiter, quote_all=quote_all) for column in part.columns]
            yield from pc.binary_join_element_wise(*cells, delimiter).to_pylist()

    def without(self, headings: Collection[str]) -> Additions:
        """Return the columns that are not among `headings`."""
        return Additions(self.table.drop_columns(list(headings)))

    def slice(self, first: int, count: int) -> Additions:
        """Return the part for `count` rows, beginning with row number `first`."""
        return Additions(self.table.slice(first - 1, count))


def additions(
    results: pa.Table, plan: pa.Table, lines: int, columns: Mapping[str, str] | None = None
) -> Additions:
    """Return the new cells for each of the `lines` rows of a source.

    Every row of an order gets the cells of its shipment; amounts are on the first of them only.

    Parameters
    ----------
    results
        The results of a job: one row per shipment, in the order of `plan`.
    plan
        The job's shipments; ``row_numbers`` says which source rows each was made of.
    lines
        How many rows the source has.
    columns
        Result column -> heading; default :data:`DEFAULT_COLUMNS`. ``tracking_number`` is the first
        number of a shipment, ``tracking_numbers`` all of them, joined by ", ".
        ``return_tracking_numbers`` and ``return_charged`` are those of the return label that was
        bought with it, written by default where there are any.

    Raises
    ------
    InputError
        A name is not a result column, a heading is empty, or two columns have the same heading.
    """
    results = _with_returns(results, plan)
    wanted = dict(default_columns(plan) if columns is None else columns)
    _refuse_unknown(wanted, results)
    owner = _owner_of_lines(plan.column("row_numbers"), lines)
    first = _owner_of_lines(
        pa.chunked_array(
            [pc.list_slice(c, 0, 1) for c in plan.column("row_numbers").chunks],
            pa.list_(pa.int64()),
        ),
        lines,
    )
    bought = pc.equal(results.column("state"), RowState.SHIPPED.value)
    made = {}
    for name, heading in wanted.items():
        column = _charged(results) if name == "charged" else results.column(name)
        if name not in _ALWAYS and name not in _OF_RETURNS:
            column = pc.if_else(bought, column, pa.scalar(None, column.type))
        made[heading] = _flat(column).take(first if name in _ONCE else owner)
    return Additions(pa.table(made))


def default_columns(plan: pa.Table) -> Mapping[str, str]:
    """Return the columns that are written for a job: those of return labels where it has any."""
    has_returns = pc.any(pc.is_valid(plan.column(RETURN_OF))).as_py()
    return {**DEFAULT_COLUMNS, **_OF_RETURNS} if has_returns else DEFAULT_COLUMNS


def existing_columns(
    new: Sequence[str], headings: Sequence[str], names: Sequence[str]
) -> dict[str, int]:
    """Return which of the `new` headings are columns of the file already, and their places.

    Spaces and case do not matter. Of several columns with one heading, `names` tells them apart.

    Parameters
    ----------
    headings
        As the file has them.
    names
        The same, made unique when the file was read.

    Raises
    ------
    InputError
        Two columns have that heading, or one column is meant twice.
    """
    known = [heading.strip().casefold() for heading in headings]
    unique = [name.casefold() for name in names[: len(headings)]]
    found = {}
    for heading in new:
        wanted = heading.strip().casefold()
        places = [place for place, name in enumerate(known) if name == wanted]
        if len(places) > 1:
            others = ", ".join(repr(names[place]) for place in places[1:] if place < len(names))
            raise InputError(
                f"{len(places)} columns of the orders are called {heading!r}.",
                fix=f"Choose another heading, or one of the further ones: {others}.",
            )
        if not places and wanted in unique:
            places = [unique.index(wanted)]
        if places:
            found[heading] = places[0]
    if len(set(found.values())) < len(found):
        raise InputError(
            "Two columns to write back have the same heading.", fix="Give each its own heading."
        )
    return found


def _refuse_unknown(wanted: Mapping[str, str], results: pa.Table) -> None:
    for name, heading in wanted.items():
        if name not in results.column_names:
            raise InputError(
                f"{name!r} is not a result column.",
                fix=f"Result columns: {', '.join(results.column_names)}.",
            )
        if not isinstance(heading, str) or not heading.strip():
            raise InputError(
                f"The heading for {name} is empty.",
                fix='Give one: columns={"tracking_number": "Tracking"}.',
            )
        if _FORMULA.match(heading) or _CONTROL.search(heading):
            raise InputError(
                f"The heading {heading!r} would be a formula in a spreadsheet, or has a control "
                "character.",
                fix='Begin it with a letter: columns={"tracking_number": "Tracking"}.',
            )
    if not wanted or len(set(wanted.values())) < len(wanted):
        raise InputError(
            "Each column to write back needs its own heading.",
            fix=f"Result columns: {', '.join(results.column_names)}.",
        )


def _owner_of_lines(row_numbers: pa.ChunkedArray, lines: int) -> pa.Array:
    """Return the index of each source row's shipment; null for a row that belongs to none."""
    numbers = pc.list_flatten(row_numbers).to_numpy()
    owner = np.full(lines, -1, dtype=np.int64)
    owner[numbers - 1] = pc.list_parent_indices(row_numbers).to_numpy()
    return pa.array(owner, mask=owner < 0)


def _with_returns(results: pa.Table, plan: pa.Table) -> pa.Table:
    """Return `results` with the numbers and the charge of each parcel's return label."""
    labels = pc.index_in(
        results.column("row_number"), value_set=plan.column(RETURN_OF).combine_chunks()
    )
    bought = pc.equal(results.column("state"), RowState.SHIPPED.value)
    own = (
        ("return_tracking_numbers", results.column("tracking_numbers")),
        ("return_charged", _charged(results)),
    )
    for name, column in own:
        kept = pc.if_else(bought, column, pa.scalar(None, column.type))
        results = results.append_column(name, kept.take(labels))
    return results


def _charged(results: pa.Table) -> pa.ChunkedArray:
    """Return the charges as exact decimals in units of their currency."""
    # Decimals, not floats: these numbers end up in people's books. The currencies of a job may
    # have different numbers of places (USD 2, JPY 0); one column has the highest of them.
    cents, currency = results.column("charged_cents"), results.column("currency")
    places = {code: minor_units(code) for code in pc.unique(currency).to_pylist() if code}
    scale = max(places.values(), default=2)
    column = pa.nulls(len(cents), pa.decimal128(38, scale))
    for code, count in places.items():
        part = pc.multiply(
            cents.cast(pa.decimal128(20, 0)),
            pa.scalar(Decimal(1).scaleb(-count), pa.decimal128(4, 3)),
        )
        column = pc.if_else(pc.equal(currency, code), part.cast(pa.decimal128(38, scale)), column)
    return column


def _flat(column: Any) -> Any:
    """Return a column without lists: items joined by ", ", structs as key=value."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    kind = column.type
    if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        joined = [
            "; ".join(f"{r['key']}={r['value']}" for r in cell) if cell else None
            for cell in column.to_pylist()
        ]
        return pa.array(joined, pa.string())
    if pa.types.is_list(kind):
        return pc.binary_join(column, ", ")
    return column


def _inert(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    texts = pc.replace_substring_regex(texts, _CONTROL.pattern, " ")
    formula = pc.and_not(
        pc.match_substring_regex(texts, f"^{_FORMULA.pattern}"),
        pc.match_substring_regex(texts, _NUMBER),
    )
    if not pc.any(formula).as_py():
        return texts
    return pc.if_else(formula, pc.binary_join_element_wise("'", texts, ""), texts)


def _quoted(column: pa.ChunkedArray, delimiter: str, *, quote_all: bool) -> pa.ChunkedArray:
    if not quote_all:
        special = pc.match_substring_regex(column, f'["\r\n{re.escape(delimiter)}]')
        if not pc.any(special).as_py():
            return column
    whole = pc.binary_join_element_wise('"', pc.replace_substring(column, '"', '""'), '"', "")
    return whole if quote_all else pc.if_else(special, whole, column)


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return (
        pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ")
        if pa.types.is_timestamp(column.type)
        else column.cast(pa.string())
    )
