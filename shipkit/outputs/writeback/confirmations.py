"""Write the shipment confirmations that a marketplace imports: ``write_back(layout="amazon")``.

The columns of each file are described in :mod:`~shipkit.outputs.writeback.marketplaces`. All cells
come from the job (its results, its plan, the rows it keeps), so that a job opened later writes the
same file.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.local_day import local_day
from shipkit.common.lock import held
from shipkit.common.words import counted, row_list
from shipkit.errors import InputError, WriteBackError
from shipkit.orders import layouts
from shipkit.orders.heading_text import phrase
from shipkit.orders.source import connect
from shipkit.outputs.writeback.confirmation_sql import file_lines
from shipkit.outputs.writeback.marketplaces import (
    ConfirmationColumn,
    ConfirmationFormat,
    file_name,
    formats,
    the_format,
)
from shipkit.outputs.writeback.origin import files_of, refuse_source, stored_rows
from shipkit.outputs.writeback.target import replaced
from shipkit.plan.preview import service_title
from shipkit.purchasing.store import JobStore
from shipkit.schema import RETURN_OF
from shipkit.state import RowState

__all__ = ["Confirmation", "confirm", "file_name", "formats", "the_format"]

_BATCH: Final = 20_000


@dataclass(frozen=True)
class Confirmation:
    """A confirmation file that was written.

    Prints as its path and its notes, and can be passed to ``open`` like a path.
    """

    path: Path
    layout: str
    lines: int
    shipments: int
    notes: tuple[str, ...] = ()
    """What is not in the file and why, and what to know at the upload."""

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        size = f"{counted(self.lines, 'line')}, {counted(self.shipments, 'shipment')}"
        return "\n".join([f"{self.path} ({size})", *(f"- {note}" for note in self.notes)])


def confirm(
    store: JobStore,
    layout: str,
    dest: str | Path | None = None,
    *,
    allow_test_numbers: bool = False,
    layout_folder: Path | None = None,
) -> Confirmation:
    """Write the file with which a marketplace is informed of a job's shipments.

    It contains what is shipped and not voided. An existing file is replaced.

    Parameters
    ----------
    layout
        ``amazon``, ``ebay``, ``shopify`` or ``woocommerce``.
    dest
        The file; default: ``<orders>_<layout>_confirmation`` next to the orders, followed by
        ``_SAMPLE`` for a job that is not live.
    allow_test_numbers
        The tracking numbers of a sandbox or test job are made up, and a marketplace would send
        them to its buyers. The file is written only if this is True, to look at it.
    layout_folder
        Folder with your own layouts of orders.

    Raises
    ------
    InputError
        The format is unknown, or the marketplace imports no such file (Etsy).
    WriteBackError
        The job is not live, nothing was shipped, the orders lack a column that the marketplace
        needs, or the file cannot be written.
    """
    form = the_format(layout)
    if not store.manifest.live and not allow_test_numbers:
        raise WriteBackError(
            f"{store.job_id} is a {store.manifest.environment} job: its tracking numbers are not "
            "real, and the marketplace would send them to its buyers.",
            fix=f'To look at the file, pass allow_test_numbers=True: write_back(layout="{layout}", '
            "allow_test_numbers=True), in a terminal --allow-test-numbers. Do not upload it.",
        )
    stored = stored_rows(store)
    path = _path(store, form, stored, dest)
    with held(store.path, what="write_back"):
        results = store.results()
        lines, notes = _lines(store, form, results, stored, layout_folder)
        with replaced(path) as temporary:
            _write(temporary, form, lines)
    return Confirmation(
        path,
        form.name,
        lines.num_rows,
        pc.count_distinct(lines.column("shipment")).as_py(),
        (*notes, *_not_shipped(results), *_upload_notes(store, form, path)),
    )


def _path(
    store: JobStore, form: ConfirmationFormat, stored: pa.Table, dest: str | Path | None
) -> Path:
    files = files_of(store, stored)
    if dest is not None:
        path = Path(dest)
        refuse_source(path, files)
        if path.suffix.lower() != form.suffix:
            raise InputError(
                f"{path}: {form.title} is a {form.suffix} file.",
                fix=f"Name it {path.with_suffix(form.suffix).name}.",
            )
        return path
    stem = files[0].path.name.partition(".")[0] if files else store.manifest.name or store.job_id
    name = file_name(form, stem, live=store.manifest.live)
    return files[0].path.with_name(name) if files else Path(name)


def _write(path: Path, form: ConfirmationFormat, lines: pa.Table) -> None:
    table = lines.drop_columns(["shipment"])
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"{form.first_line}\r\n" if form.first_line else "")
        writer = csv.writer(file, delimiter=form.delimiter, lineterminator="\r\n")
        writer.writerow(table.column_names)
        for batch in table.to_batches(_BATCH):
            writer.writerows(zip(*(column.to_pylist() for column in batch.columns), strict=True))


# -- the lines -------------------------------------------------------------------------------------


def _lines(
    store: JobStore,
    form: ConfirmationFormat,
    results: pa.Table,
    stored: pa.Table,
    folder: Path | None,
) -> tuple[pa.Table, list[str]]:
    """Return the lines of the file, and notes on what had to be left out.

    The table has the column ``shipment`` (the row number) before the columns of the format.
    """
    shipped = _shipped(store, form, results)
    if not shipped.num_rows:
        raise WriteBackError(
            f"{store.job_id} has nothing shipped that could be confirmed.",
            fix="See session.results().",
        )
    found = {
        column.heading: heading
        for column in form.columns
        if (heading := _source_heading(column, stored)) is not None
    }
    _refuse_missing(form, found)
    with connect() as con:
        con.register("shipped", shipped)
        con.register("stored", stored)
        made = file_lines(con, form, found, _not_for_shipping(store, stored, folder))
    wrong = made.filter(pc.is_valid(made.column("wrong")))
    lines = made.filter(pc.is_null(made.column("wrong"))).drop_columns(["wrong"])
    notes = _wrong_notes(form, wrong)
    if not lines.num_rows:
        raise WriteBackError(
            f"{form.title}: no line is left for the file. {' '.join(notes)}",
            fix="Is it the right marketplace? Take the orders from its own report.",
        )
    return lines, [
        *notes,
        *([] if form.per == "parcel" else _parcel_notes(shipped)),
        *_date_notes(form, shipped, local_day(store.manifest.shipper)),
    ]


def _shipped(store: JobStore, form: ConfirmationFormat, results: pa.Table) -> pa.Table:
    """Return one row per shipment that is bought and not voided, with the facts of cells."""
    parcels = pc.is_null(store.plan.column(RETURN_OF))  # a return label is not on its way
    results, plan = results.filter(parcels), store.plan.filter(parcels)
    bought = pc.equal(results.column("state"), RowState.SHIPPED.value)
    open_orders = pc.unique(results.column("order_id").filter(pc.invert(bought)))
    mine, planned = results.filter(bought), plan.filter(bought)
    days = [
        day or local_day(store.manifest.shipper, when)
        for day, when in zip(
            planned.column("ship_date").to_pylist(),
            mine.column("shipped_at").to_pylist(),
            strict=True,
        )
    ]
    services = mine.column("service").to_pylist()
    titles = [service_title(service) if service else None for service in services]
    movers = mine.column("carrier").to_pylist()
    return pa.table(
        {
            "shipment": mine.column("row_number"),
            "order_number": mine.column("order_id"),
            "tracking_number": mine.column("tracking_number"),
            "tracking_numbers": mine.column("tracking_numbers"),
            "row_numbers": planned.column("row_numbers"),
            "day": pa.array(days, pa.date32()),
            "ship_date": pa.array([day.strftime(form.date) for day in days], pa.string()),
            "carrier": pa.array([form.carriers.get(mover) for mover in movers], pa.string()),
            "carrier_name": pa.array(movers, pa.string()),
            "service": pa.array(titles, pa.string()),
            "order_complete": pc.invert(pc.is_in(mine.column("order_id"), value_set=open_orders)),
        }
    )


def _source_heading(column: ConfirmationColumn, stored: pa.Table) -> str | None:
    """Return the heading of the orders from which a column takes its cells."""
    here = {phrase(name): name for name in reversed(stored.column_names[2:])}
    return next((here[phrase(option)] for option in column.source if phrase(option) in here), None)


def _refuse_missing(form: ConfirmationFormat, found: Mapping[str, str]) -> None:
    missing = [
        column.heading
        for column in form.columns
        if column.required and column.source and column.fact is None and column.heading not in found
    ]
    if missing:
        raise WriteBackError(
            f"{form.title} needs {', '.join(missing)} for each line, and the orders have no such "
            "column.",
            fix="Load the orders from the marketplace's own report, which has it, and ship those.",
        )


def _not_for_shipping(store: JobStore, stored: pa.Table, folder: Path | None) -> str:
    """Return SQL that is true of rows that were sold but are not shipped (gift cards, downloads).

    The layout of the orders says which those are.
    """
    names, known = stored.column_names[2:], layouts.known_layouts(folder)
    facts = store.manifest.facts.get("source") or {}
    layout = facts.get("layout")
    found = None
    if layout in known:
        found = layouts.matched(known[layout], names, "as it was loaded")
    elif "layout" not in facts:  # jobs made before the layout was recorded
        found = layouts.recognise_layout(names, known)
    return layouts.not_shipped_sql(found, {name: name for name in names}) or "false"


# -- notes -----------------------------------------------------------------------------------------


def _wrong_notes(form: ConfirmationFormat, wrong: pa.Table) -> list[str]:
    notes = []
    for column in form.columns:
        mine = wrong.filter(pc.equal(wrong.column("wrong"), column.heading))
        if not mine.num_rows:
            continue
        example = mine.column(column.heading)[0].as_py()
        why = (
            f"is not {column.expected}: {example!r}" if example and column.expected else "is empty"
        )
        notes.append(
            f"Not in the file: {counted(mine.num_rows, 'line')} ({_rows(mine)}) whose "
            f"{column.heading} {why}."
        )
    return notes


def _parcel_notes(shipped: pa.Table) -> list[str]:
    several = shipped.filter(
        pc.greater(pc.list_value_length(shipped.column("tracking_numbers")), 1)
    )
    if not several.num_rows:
        return []
    return [
        (
            f"{counted(several.num_rows, 'shipment')} ({_rows(several)}) with several parcels: the "
            "file has the first tracking number, session.results() has all of them."
        )
    ]


def _date_notes(form: ConfirmationFormat, shipped: pa.Table, day: dt.date) -> list[str]:
    if not any(column.fact == "ship_date" for column in form.columns):
        return []
    today = pa.scalar(day, pa.date32())
    later = shipped.filter(pc.greater(shipped.column("day"), today))
    if not later.num_rows:
        return []
    return [
        (
            f"{counted(later.num_rows, 'shipment')} ({_rows(later)}) with a ship date in the "
            "future: upload the file on that day."
        )
    ]


def _not_shipped(results: pa.Table) -> list[str]:
    counts = {
        item["values"]: item["counts"]
        for item in pc.value_counts(results.column("state")).to_pylist()
        if item["values"] != RowState.SHIPPED.value
    }
    if not counts:
        return []
    states = ", ".join(
        f"{count:,} {state.replace('_', ' ')}" for state, count in sorted(counts.items())
    )
    return [f"Not in the file because they were not shipped: {states}."]


def _upload_notes(store: JobStore, form: ConfirmationFormat, path: Path) -> list[str]:
    notes = list(form.notes)
    if not form.takes_name(path.name):
        notes.append(f"The import needs the word {form.name_contains} in the name of the file.")
    if not store.manifest.live:
        notes.append(
            f"These tracking numbers are not real ({store.manifest.environment}): do not upload "
            "this file."
        )
    return notes


def _rows(lines: pa.Table) -> str:
    return row_list(sorted(set(lines.column("shipment").to_pylist())))
