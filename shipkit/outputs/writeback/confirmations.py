"""The file with which a shop is told what was shipped: ``write_back(layout="amazon")``.

A format is a data file in ``formats``: its columns, where each cell comes from, what stands behind
it and what was never tried. The cells come from the job alone (results, plan, the rows it keeps),
so a reopened job writes the same file.
"""

from __future__ import annotations

import csv
import datetime as dt
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.lock import held
from shipkit.common.sql import quoted
from shipkit.common.words import counted, row_list
from shipkit.errors import InputError, WriteBackError
from shipkit.orders import layouts
from shipkit.orders.expressions import quote
from shipkit.orders.fields import phrase
from shipkit.orders.source import connect
from shipkit.outputs.writeback.origin import files_of, refuse_source, stored_rows
from shipkit.outputs.writeback.whole import whole
from shipkit.plan.preview import service_title
from shipkit.purchasing.store import JobStore
from shipkit.state import RowState

__all__ = ["Confirmation", "Field", "Format", "confirm", "file_name", "formats", "the_format"]

_FACTS: Final = (
    "order_number",
    "tracking_number",
    "ship_date",
    "carrier",
    "other_carrier",
    "service",
    "whole",
    "nth",
)
"""What a cell may be: a fact of the shipment. `whole`: every shipment of its order went; `nth`: which line of its order this is."""
_PER: Final = ("item", "order", "parcel")
_BATCH: Final = 20_000


@dataclass(frozen=True)
class Field:
    """A column of a format. Its cell is the first of these that there is: the source's own cell, the fact, the text."""

    heading: str
    source: tuple[str, ...] = ()
    """Headings of the orders, in the order they are looked for."""
    fact: str | None = None
    text: str | None = None
    item: bool = False
    """It says something of one item: filled only where the file has a line for each item."""
    required: bool = False
    form: str | None = None
    """Pattern that a filled cell fits, whole."""
    wanted: str = ""
    """The form in words."""
    other: str | None = None
    """For the carrier: the word for one that the shop has no word for; its name where there is none."""
    yes: str = "yes"
    no: str = "no"


@dataclass(frozen=True)
class Format:
    """The file that one shop imports."""

    name: str
    title: str
    evidence: str
    upload: str = ""
    said: tuple[str, ...] = ()
    """What a person must know at the upload; told with every file."""
    remarks: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    refused: str | None = None
    """Why there is no such file; then there are no columns."""
    instead: str | None = None
    ending: str = ".csv"
    delimiter: str = ","
    above: str | None = None
    """A line above the headings."""
    per: str = "order"
    """A line for each item, order or parcel."""
    date: str = "%Y-%m-%d"
    named: str | None = None
    """A word that the name of the file must have."""
    carriers: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[Field, ...] = ()


@dataclass(frozen=True)
class Confirmation:
    """A confirmation file that was written. Prints as its path and what a person should know; opens as a path does."""

    path: Path
    layout: str
    lines: int
    shipments: int
    notes: tuple[str, ...] = ()
    """What is not in the file and why, and what to mind at the upload."""

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.path} ({counted(self.lines, 'line')}, {counted(self.shipments, 'shipment')})",
                *(f"- {note}" for note in self.notes),
            ]
        )


def formats() -> dict[str, Format]:
    """Return the formats by name, also those that are refused.

    Examples
    --------
    >>> sorted(formats())
    ['amazon', 'ebay', 'etsy', 'shopify', 'woocommerce']
    """
    return dict(_packaged())


def the_format(name: str) -> Format:
    """Return the format called `name`. Raises InputError for one that is not known, or for a shop that imports no file."""
    known = _packaged()
    if name not in known:
        raise InputError(
            f"There is no confirmation file for {name!r}.",
            fix=f"Known: {', '.join(n for n, made in known.items() if made.refused is None)}.",
        )
    chosen = known[name]
    if chosen.refused is not None:
        raise InputError(f"{chosen.title}: {chosen.refused}.", fix=str(chosen.instead), layout=name)
    return chosen


def confirm(
    store: JobStore,
    layout: str,
    dest: str | Path | None = None,
    *,
    allow_test_numbers: bool = False,
    layout_folder: Path | None = None,
) -> Confirmation:
    """Write the file with which a shop is told what a job shipped, and return it with what a person should know.

    Only what is shipped and not voided is in it. A file that is there is replaced.

    Parameters
    ----------
    layout
        ``amazon``, ``ebay``, ``shopify`` or ``woocommerce``.
    dest
        The file; default: ``<orders>_<layout>_confirmation`` beside the orders, with ``_SAMPLE``
        behind it for a job that is not live.
    allow_test_numbers
        The tracking numbers of a sandbox or test job are made up, and a marketplace would send
        them to its buyers. The file is written only if this is True, to look at it.
    layout_folder
        A person's own layouts of orders.

    Raises
    ------
    InputError
        There is no such format, or Etsy: no file is known that it imports.
    WriteBackError
        The job is not live, nothing was shipped, the orders lack a column that the shop asks for,
        or the file cannot be written.
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
        with whole(path) as part:
            _write(part, form, lines)
    said = [*notes, *_not_shipped(results), *form.said]
    said += (
        [f"Its import wants the word {form.named} in the name of the file."]
        if form.named and form.named.lower() not in path.name.lower()
        else []
    )
    said += (
        []
        if store.manifest.live
        else [
            f"These numbers are not real ({store.manifest.environment}): do not upload this file."
        ]
    )
    return Confirmation(
        path,
        form.name,
        lines.num_rows,
        pc.count_distinct(lines.column("shipment")).as_py(),
        tuple(said),
    )


def file_name(form: Format, stem: str, *, live: bool = True) -> str:
    """Return the name of the file for orders called `stem`.

    Examples
    --------
    >>> file_name(the_format("amazon"), "monday"), file_name(the_format("shopify"), "monday", live=False)
    ('monday_amazon_confirmation.txt', 'monday_Orders_shopify_confirmation_SAMPLE.csv')
    """
    named = f"_{form.named}" if form.named and form.named.lower() not in stem.lower() else ""
    return f"{stem}{named}_{form.name}_confirmation{'' if live else '_SAMPLE'}{form.ending}"


# -- where to --------------------------------------------------------------------------------------


def _path(store: JobStore, form: Format, stored: pa.Table, dest: str | Path | None) -> Path:
    files = files_of(store, stored)
    if dest is not None:
        path = Path(dest)
        refuse_source(path, files)
        if path.suffix.lower() != form.ending:
            raise InputError(
                f"{path}: {form.title} is a {form.ending} file.",
                fix=f"Name it {path.with_suffix(form.ending).name}.",
            )
        return path
    stem = files[0].path.name.partition(".")[0] if files else store.manifest.name or store.job_id
    name = file_name(form, stem, live=store.manifest.live)
    return files[0].path.with_name(name) if files else Path(name)


# -- the lines -------------------------------------------------------------------------------------


def _lines(
    store: JobStore, form: Format, results: pa.Table, stored: pa.Table, folder: Path | None
) -> tuple[pa.Table, list[str]]:
    """Return the file's lines (with ``shipment``, the row number, before its columns), and what had to be left out."""
    shipped = _shipped(store, form, results)
    if not shipped.num_rows:
        raise WriteBackError(
            f"{store.job_id} has nothing shipped that the shop could be told of.",
            fix="See session.results().",
        )
    found = {
        column.heading: heading
        for column in form.columns
        if (heading := _heading(column, stored)) is not None
    }
    lacks = [
        column
        for column in form.columns
        if column.required and column.source and column.fact is None and column.heading not in found
    ]
    if lacks:
        raise WriteBackError(
            f"{form.title} needs {', '.join(column.heading for column in lacks)} of each line, "
            "and the orders have no such column.",
            fix="Take the orders from that shop's own report, which has it, and ship those.",
        )
    key = (
        next(
            (
                found[column.heading]
                for column in form.columns
                if column.item and column.heading in found
            ),
            None,
        )
        if form.per == "item"
        else None
    )
    with connect() as con:
        con.register("shipped", shipped)
        con.register("stored", stored)
        made = _asked(con, form, found, key, _left_out(store, stored, folder))
    wrong = made.filter(pc.is_valid(made.column("wrong")))
    lines = made.filter(pc.is_null(made.column("wrong"))).drop_columns(["wrong"])
    notes = _wrong_notes(form, wrong)
    if not lines.num_rows:
        raise WriteBackError(
            f"{form.title}: nothing is left to tell. {' '.join(notes)}",
            fix="Is it the right shop? Take the orders from its own report.",
        )
    return lines, [
        *notes,
        *([] if form.per == "parcel" else _parcel_notes(shipped)),
        *_date_notes(form, shipped),
    ]


def _shipped(store: JobStore, form: Format, results: pa.Table) -> pa.Table:
    """Return the shipments that stand, a line each: what the facts of a cell are made of."""
    plan = store.plan
    stands = pc.equal(results.column("state"), RowState.SHIPPED.value)
    open_orders = pc.unique(results.column("order_id").filter(pc.invert(stands)))
    mine, planned = results.filter(stands), plan.filter(stands)
    name = store.manifest.identity.name
    days = [
        day or when.astimezone().date()
        for day, when in zip(
            planned.column("ship_date").to_pylist(),
            mine.column("shipped_at").to_pylist(),
            strict=True,
        )
    ]
    return pa.table(
        {
            "shipment": mine.column("row_number"),
            "order_number": mine.column("order_id"),
            "tracking_number": mine.column("tracking_number"),
            "tracking_numbers": mine.column("tracking_numbers"),
            "row_numbers": planned.column("row_numbers"),
            "day": pa.array(days, pa.date32()),
            "ship_date": pa.array([day.strftime(form.date) for day in days], pa.string()),
            "carrier": pa.repeat(pa.scalar(form.carriers.get(name), pa.string()), len(days)),
            "carrier_name": pa.repeat(pa.scalar(name), len(days)),
            "service": pa.array(
                [
                    service_title(service) if service else None
                    for service in mine.column("service").to_pylist()
                ],
                pa.string(),
            ),
            "whole": pc.invert(pc.is_in(mine.column("order_id"), value_set=open_orders)),
        }
    )


def _heading(column: Field, stored: pa.Table) -> str | None:
    """Return the source's heading that a column takes its cells from."""
    here = {phrase(name): name for name in reversed(stored.column_names[2:])}
    return next((here[phrase(option)] for option in column.source if phrase(option) in here), None)


def _left_out(store: JobStore, stored: pa.Table, folder: Path | None) -> str:
    """Return SQL that is true of lines that were sold and not shipped, as the layout of the orders says."""
    names, known = stored.column_names[2:], layouts.known_layouts(folder)
    facts = store.manifest.facts.get("source") or {}
    layout = facts.get("layout")
    found = (
        layouts.matched(known[layout], names, "as it was loaded")
        if layout in known
        else layouts.recognise_layout(names, known)
        if "layout" not in facts
        else None
    )
    return layouts.not_shipped_sql(found, {name: name for name in names}) or "false"


def _asked(
    con: duckdb.DuckDBPyConnection,
    form: Format,
    found: Mapping[str, str],
    key: str | None,
    left_out: str,
) -> pa.Table:
    """Return ``shipment``, ``wrong`` (the heading whose cell cannot be told, or null) and the columns of the format, all text."""
    cell = {name: f"c{n}" for n, name in enumerate(dict.fromkeys(found.values()))}
    texts = "".join(f", {_cell(name)} AS {short}" for name, short in cell.items())
    heads = "".join(f", arg_min({short}, row_number) AS {short}" for short in cell.values())
    if key is not None:
        told = (
            f"SELECT * FROM lines WHERE NOT left_out QUALIFY {cell[key]} IS NOT NULL OR "
            f"count({cell[key]}) OVER (PARTITION BY shipment) = 0"
        )
    elif form.per == "parcel":
        told = (
            "SELECT shipment, unnest(tracking_numbers) AS number, "
            "generate_subscripts(tracking_numbers, 1) AS row_number FROM shipped"
        )
    else:
        told = "SELECT shipment, shipment AS row_number FROM shipped"
    cells = {
        column.heading: _value(
            column,
            cell.get(found.get(column.heading, "")),
            item=key is not None,
            parcel=form.per == "parcel",
        )
        for column in form.columns
    }
    wrong = " ".join(
        f"WHEN {_is_wrong(column, quoted(column.heading))} THEN {quote(column.heading)}"
        for column in form.columns
        if column.required or column.form
    )
    return con.sql(f"""
        WITH texts AS (SELECT row_number, {left_out} AS left_out{texts} FROM stored),
        lines AS (SELECT s.shipment, t.* FROM (SELECT shipment, unnest(row_numbers) AS row_number FROM shipped) s JOIN texts t ON t.row_number = s.row_number),
        heads AS (SELECT shipment{heads} FROM lines GROUP BY shipment),
        told AS ({told}),
        made AS (
            SELECT t.shipment, t.row_number AS place_, {', '.join(f'{value} AS {quoted(heading)}' for heading, value in cells.items())}
            FROM told t JOIN shipped s USING (shipment) LEFT JOIN heads h USING (shipment)
        )
        SELECT shipment, {f'CASE {wrong} END' if wrong else 'NULL::VARCHAR'} AS wrong, * EXCLUDE (shipment, place_) FROM made ORDER BY shipment, place_
    """).to_arrow_table()  # fmt: skip


def _cell(name: str) -> str:
    """Return SQL of a source cell as text, without the apostrophe that spreadsheets put before numbers; null when it is empty."""
    return f"nullif(ltrim(trim(CAST({quoted(name)} AS VARCHAR)), ''''), '')"


def _value(column: Field, cell: str | None, *, item: bool, parcel: bool) -> str:
    """Return SQL of a column's text: over told `t`, shipped `s` and heads `h`; `cell` is where the source says it."""
    options = []
    if cell is not None and (item or not column.item):
        options.append(f"t.{cell}" if column.item else f"h.{cell}")
    match column.fact:
        case "tracking_number":
            options.append("t.number" if parcel else "s.tracking_number")
        case "carrier":
            options.append(
                f"coalesce(s.carrier, {quote(column.other) if column.other else 's.carrier_name'})"
            )
        case "other_carrier":
            options.append("CASE WHEN s.carrier IS NULL THEN s.carrier_name END")
        case "whole":
            options.append(
                f"CASE WHEN s.whole THEN {quote(column.yes)} ELSE {quote(column.no)} END"
            )
        case "nth":
            options.append(
                "CAST(row_number() OVER (PARTITION BY s.order_number ORDER BY t.shipment, "
                "t.row_number) AS VARCHAR)"
            )
        case str(name):
            options.append(f"s.{name}")
        case None if column.text is not None:
            options.append(quote(column.text))
    return f"coalesce({', '.join([*options, quote('')])})"


def _is_wrong(column: Field, cell: str) -> str:
    fits = f"regexp_full_match({cell}, {quote(column.form)})" if column.form else "true"
    return f"NOT ({cell} <> '' AND {fits})" if column.required else f"{cell} <> '' AND NOT {fits}"


# -- what a person should know ---------------------------------------------------------------------


def _wrong_notes(form: Format, wrong: pa.Table) -> list[str]:
    notes = []
    for column in form.columns:
        mine = wrong.filter(pc.equal(wrong.column("wrong"), column.heading))
        if mine.num_rows:
            example = mine.column(column.heading)[0].as_py()
            notes.append(
                f"Not in the file: {counted(mine.num_rows, 'line')} "
                f"({_rows(mine.column('shipment'))}), whose {column.heading} "
                f"{f'is not {column.wanted}: {example!r}' if example and column.wanted else 'is empty'}.",
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
            f"{counted(several.num_rows, 'shipment')} ({_rows(several.column('shipment'))}) of "
            "several parcels: only the first number is in the file, the others are in "
            "session.results()."
        )
    ]


def _date_notes(form: Format, shipped: pa.Table) -> list[str]:
    if not any(column.fact == "ship_date" for column in form.columns):
        return []
    later = shipped.filter(
        pc.greater(
            shipped.column("day"), pa.scalar(dt.datetime.now().astimezone().date(), pa.date32())
        )
    )
    return (
        [
            (
                f"{counted(later.num_rows, 'shipment')} ({_rows(later.column('shipment'))}) with "
                "a ship date that is still to come: upload the file on that day."
            )
        ]
        if later.num_rows
        else []
    )


def _not_shipped(results: pa.Table) -> list[str]:
    counts = {
        item["values"]: item["counts"]
        for item in pc.value_counts(results.column("state")).to_pylist()
        if item["values"] != RowState.SHIPPED.value
    }
    return (
        [
            (
                "Not in the file, because they were not shipped: "
                f"{', '.join(f'{count:,} {state}' for state, count in sorted(counts.items()))}."
            )
        ]
        if counts
        else []
    )


def _rows(numbers: pa.ChunkedArray) -> str:
    return row_list(sorted(set(numbers.to_pylist())))


# -- files -----------------------------------------------------------------------------------------


def _write(path: Path, form: Format, lines: pa.Table) -> None:
    table = lines.drop_columns(["shipment"])
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"{form.above}\r\n" if form.above else "")
        writer = csv.writer(file, delimiter=form.delimiter, lineterminator="\r\n")
        writer.writerow(table.column_names)
        for batch in table.to_batches(_BATCH):
            writer.writerows(zip(*(column.to_pylist() for column in batch.columns), strict=True))


@cache
def _packaged() -> Mapping[str, Format]:
    files = sorted(
        resources.files("shipkit.outputs.writeback").joinpath("formats").iterdir(),
        key=lambda item: item.name,
    )
    return {
        Path(item.name).stem: _parsed(
            Path(item.name).stem, tomllib.loads(item.read_text(encoding="utf-8"))
        )
        for item in files
        if item.name.endswith(".toml")
    }


def _parsed(name: str, said: Mapping[str, Any]) -> Format:
    columns = tuple(
        Field(
            source=tuple(entry.get("source", ())),
            fact=entry.get("is"),
            **{key: value for key, value in entry.items() if key not in {"source", "is"}},
        )
        for entry in said.get("column", ())
    )
    rest: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in said.items()
        if key != "column"
    }
    return Format(name=name, columns=columns, **rest)
