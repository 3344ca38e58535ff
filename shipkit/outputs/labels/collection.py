"""The labels of a job: show them, or save them in any order and format."""

from __future__ import annotations

import difflib
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.words import counted
from shipkit.errors import LabelError
from shipkit.models import LabelFormat
from shipkit.orders import where as filters
from shipkit.orders.columns import keys
from shipkit.outputs.labels.conversion import Conversion, converted_ahead
from shipkit.outputs.labels.destination import Destination
from shipkit.outputs.labels.label_files import (
    Page,
    Parcels,
    one_label_a_file,
    write_in_parts,
    write_together,
)
from shipkit.outputs.labels.names import Names
from shipkit.outputs.labels.pictures import LabelPicture, figures
from shipkit.outputs.labels.saved_labels import SavedLabels, Tally
from shipkit.outputs.labels.view import job_view
from shipkit.schema import RETURN_OF
from shipkit.state import RowState

if TYPE_CHECKING:
    from shipkit.purchasing.store import JobStore
    from shipkit.purchasing.store.results import StoredLabel

__all__ = ["Labels", "SavedLabels"]

_SHOWN = 3
_FILENAME = "{row_number:05}_{order_id}"


class Labels:
    """The labels that were bought and not voided.

    ``len(labels)`` counts them, ``labels[17]`` are those of the shipment at source row 17, and
    iterating yields them one by one. In a notebook the first three are shown as pictures.

    Parameters
    ----------
    results
        One row per shipment of the plan, in its order, with at least ``row_number``, ``order_id``,
        ``state`` and ``tracking_numbers``.
    read
        Function that takes rows of the plan and returns their stored labels, in that order.
    view
        Function that returns the columns which `order_by`, `where` and `filename` may use:
        those of `results` and the source's own, with as many rows.
    rows
        Only these rows of the plan, in this order.
    asked
        The format asked for when the labels were bought; a carrier may have sent another.
    """

    def __init__(
        self,
        results: pa.Table,
        read: Callable[[Sequence[int]], Iterable[StoredLabel]],
        *,
        view: Callable[[], pa.Table] | None = None,
        rows: Sequence[int] | None = None,
        asked: LabelFormat | None = None,
    ) -> None:
        self._results = results
        self._asked = asked
        self._read = read
        self._make_view = view
        self._only = rows

    @classmethod
    def of(cls, store: JobStore) -> Labels:
        """Return the labels of a job on disk."""
        return cls(
            store.results(),
            store.labels,
            view=lambda: job_view(store),
            asked=store.manifest.label.format,
        )

    # -- saving -----------------------------------------------------------------------------------

    def save(
        self,
        path: str | Path,
        *,
        per: str | None = None,
        order_by: str | Sequence[str] | None = None,
        split: int | None = None,
        where: str | None = None,
        filename: str = _FILENAME,
        format: str | None = None,  # noqa: A002 - the public name
        kind: str = "label",
    ) -> SavedLabels:
        """Save labels in one file, in several, or in a folder with one file per shipment or parcel.

        Each file is written whole or not at all, and replaces a file of the same name. Saving buys
        nothing and can be repeated.

        Parameters
        ----------
        path
            ``labels.pdf`` or ``labels.zpl`` for one file of that format; a name without a suffix
            for a folder.
        per
            ``"shipment"`` or ``"parcel"`` for one file each, in the folder `path`.
        order_by
            Result or source columns to sort by, e.g. ``"sku"``; ``"-sku"`` sorts in descending
            order. Default: the order of the source, each return label behind its parcel's.
        split
            At most this many labels per file: ``labels-001.pdf``, ``labels-002.pdf``, ... The
            parcels of a shipment stay together, and a return label with its parcel's.
        where
            Save only these shipments: an SQL condition over the same columns.
        filename
            Pattern of file names with `per`; any column in braces.
        format
            ``pdf``, ``zpl``, ``png`` or ``gif`` for a folder. Default: as asked for when the labels
            were bought; one that cannot be converted is saved as the carrier sent it, and named.
        kind
            ``"label"``, or ``"document"`` for customs documents.

        Returns
        -------
        SavedLabels
            ``paths``, counts, and notes for printing.

        Raises
        ------
        LabelError
            There is nothing to save, the options contradict each other, the file cannot be
            written, or a label cannot be converted: one bought as ZPL stays ZPL.
        """
        out = Destination.of(Path(path), per=per, split=split, format=format)
        if out.per is None and filename != _FILENAME:
            raise LabelError(
                "filename names the files of single shipments or parcels, and these labels are "
                "saved together.",
                fix='Add per="shipment" and a folder, or leave filename out.',
            )
        rows = self._ordered(self._chosen(where), order_by)
        names = Names(filename)
        tally = Tally(rows if kind == "label" else (), self._numbers)
        shipments = tally.watch(self._shipments(rows, kind))
        first = next(shipments, None)
        if first is None:
            raise self._nothing(rows, kind, where)
        target = out.format or self._conversion.target_of(first.labels[0])
        shipments = itertools.chain([first], shipments)
        if out.per:
            paths = self._save_each(out, names, shipments, tally)
        else:
            converted = self._boxes(
                converted_ahead(shipments, lambda parcels: self._conversion.pages(parcels, target))
            )
            paths = (
                write_in_parts(out.part(target), converted, split, target)
                if split
                else [self._save_whole(out.path, converted, target)]
            )
        return tally.saved(paths, [*self._left_out(where), *out.leftovers(paths, target)])

    def _boxes(self, converted: Iterable[tuple[Parcels, list[Page]]]) -> Iterator[list[Page]]:
        """Yield what stays together: the pages of a shipment, and of its return label behind."""
        for _, box in itertools.groupby(converted, lambda pair: self._parcel_row(pair[0].row)):
            yield [page for _, pages in box for page in pages]

    def _save_whole(self, path: Path, shipments: Iterable[list[Page]], target: LabelFormat) -> Path:
        pages: Iterator[Page] = itertools.chain.from_iterable(shipments)
        if one_label_a_file(target):
            first, *more = itertools.islice(pages, 2)
            if more:
                raise LabelError(
                    f"{path}: a {target.value.upper()} file holds one label, and there are more.",
                    fix='Save them to a folder: labels.save("labels", per="parcel", '
                    f'format="{target.value}"), or to one PDF.',
                )
            pages = iter([first])
        write_together(path, pages, target)
        return path

    def _save_each(
        self, out: Destination, names: Names, shipments: Iterable[Parcels], tally: Tally
    ) -> list[Path]:
        values = self._values(names.fields)
        paths = []
        for parcels, (target, converted, note) in converted_ahead(
            shipments, lambda parcels: self._conversion.pages_or_as_sent(parcels, out.format)
        ):
            if note:
                tally.left_as_sent(note)
            alone = out.per == "parcel" or one_label_a_file(target)
            pairs = list(zip(parcels.labels, converted, strict=True))
            for group in ([pair] for pair in pairs) if alone else [pairs]:
                label = group[0][0]
                cells = {
                    **values(parcels.row),
                    "tracking_number": label.tracking_number,
                    "parcel_index": label.parcel_index,
                }
                path = out.path / f"{names.make(cells)}.{target.value}"
                write_together(path, [page for _, page in group], target)
                paths.append(path)
        return paths

    # -- choosing ---------------------------------------------------------------------------------

    @cached_property
    def _rows(self) -> list[int]:
        """The rows of the plan that are bought and not voided."""
        bought = pc.equal(self._results.column("state"), RowState.SHIPPED.value).to_pylist()
        return [
            row for row in (range(len(bought)) if self._only is None else self._only) if bought[row]
        ]

    @cached_property
    def _numbers(self) -> list[int]:
        numbers: list[int] = self._results.column("row_number").to_pylist()
        return numbers

    @cached_property
    def _conversion(self) -> Conversion:
        return Conversion(self._numbers, self._asked)

    @cached_property
    def _view(self) -> pa.Table:
        return self._make_view() if self._make_view else self._results

    def _chosen(self, where: str | None) -> list[int]:
        if where is None:
            return self._rows
        wanted = {int(row) for row in filters.matching(self._view, where, {})}
        return [row for row in self._rows if row in wanted]

    def _ordered(self, rows: list[int], order_by: str | Sequence[str] | None) -> list[int]:
        """Return `rows` sorted by columns: equal rows in source order, empty cells last.

        In source order, a return label that was bought with a parcel comes behind that parcel's.
        """
        rows = self._paired(rows)
        wanted = [order_by] if isinstance(order_by, str) else list(order_by or ())
        if not wanted:
            return rows
        keys, columns = [], {}
        for place, given in enumerate(wanted):
            down = given.startswith("-") and given not in self._view.column_names
            name = self._column(given.removeprefix("-") if down else given, "order_by")
            column = self._view.column(name)
            if pa.types.is_nested(column.type):
                raise LabelError(
                    f"order_by: column {name!r} holds lists and cannot be sorted.",
                    fix="Sort by another column.",
                )
            columns[str(place)] = column.take(pa.array(rows, pa.int64()))
            keys.append((str(place), "descending" if down else "ascending"))
        columns["source"] = pa.array(range(len(rows)), pa.int64())
        places = pc.sort_indices(pa.table(columns), sort_keys=[*keys, ("source", "ascending")])
        return [rows[place] for place in places.to_pylist()]

    def _paired(self, rows: list[int]) -> list[int]:
        """Return `rows`, each return label behind the labels of its parcel: one box for both."""
        return sorted(rows, key=lambda row: (self._parcel_row(row), row)) if self._parcels else rows

    def _parcel_row(self, row: int) -> int:
        """Return the row of the parcel that a return label is for, else `row` itself."""
        return self._parcels.get(row, row)

    @cached_property
    def _parcels(self) -> dict[int, int]:
        """The row of a return label -> that of its parcel."""
        if RETURN_OF not in self._results.column_names:
            return {}
        row_of = {number: row for row, number in enumerate(self._numbers)}
        parcels = enumerate(self._results.column(RETURN_OF).to_pylist())
        return {row: row_of[number] for row, number in parcels if number in row_of}

    def _column(self, name: str, asked: str) -> str:
        known: list[str] = self._view.column_names
        if name in known:
            return name
        (key,) = keys([name])
        if key in known:
            return key
        near = difflib.get_close_matches(name, known, 1)
        raise LabelError(
            f"{asked}: there is no column {name!r}.",
            fix=f"Did you mean {near[0]!r}?" if near else f"Columns: {', '.join(known[:30])}.",
            column=name,
        )

    def _values(self, fields: Sequence[str]) -> Callable[[int], Mapping[str, Any]]:
        """Return a function that gives the cells for the file name of a row."""
        own = {"tracking_number", "parcel_index"}
        columns = {
            field: self._view.column(self._column(field, "filename"))
            for field in fields
            if field not in own
        }
        return lambda row: {field: column[row].as_py() for field, column in columns.items()}

    def _shipments(self, rows: Sequence[int], kind: str) -> Iterator[Parcels]:
        for row, group in itertools.groupby(self._read(rows), attrgetter("row")):
            labels = sorted(
                (label for label in group if label.kind == kind), key=attrgetter("parcel_index")
            )
            if labels:
                yield Parcels(row, tuple(labels))

    # -- messages ---------------------------------------------------------------------------------

    def _nothing(self, rows: Sequence[int], kind: str, where: str | None) -> LabelError:
        states = Counter(str(state) for state in self._results.column("state").to_pylist())
        found = (
            ", ".join(f"{count:,} {state.replace('_', ' ')}" for state, count in states.items())
            or "no shipments"
        )
        if rows:
            fix = (
                "A pruned job no longer has labels. The carrier can print them again by tracking "
                "number."
            )
            if kind != "label":
                fix = "Only international shipments have customs documents."
            return LabelError(
                f"There is no {kind} to save: no {kind} is stored for the "
                f"{counted(len(rows), 'bought shipment')}.",
                fix=fix,
            )
        if where is not None and self._rows:
            bought = counted(len(self._rows), "bought shipment")
            return LabelError(
                f"There is no label to save: none of {bought} matches {where!r}.",
                fix="Check the clause; session.results() shows the columns.",
            )
        return LabelError(
            f"There is no label to save: this job has no shipment that is bought ({found}).",
            fix="Run session.execute() or session.resume() first.",
        )

    def _left_out(self, where: str | None) -> list[str]:
        if where is not None or self._only is not None:
            return []
        voided = pc.sum(pc.equal(self._results.column("state"), RowState.VOIDED.value)).as_py() or 0
        return [f"{counted(voided, 'voided shipment')} left out."] if voided else []

    # -- looking ----------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Return how many labels there are: one per tracking number."""
        counts = pc.list_value_length(self._results.column("tracking_numbers")).to_pylist()
        return sum(counts[row] or 0 for row in self._rows)

    def __iter__(self) -> Iterator[StoredLabel]:
        """Yield the labels in source order, with a few in memory at a time.

        They are in the format that was asked for, or as the carrier sent them where they cannot be
        converted.
        """
        return map(self._conversion.label_as_asked, self._read(self._rows))

    def __getitem__(self, row_number: int) -> Labels:
        """Return the labels of the shipment that begins at this source row."""
        rows = [row for row in self._rows if self._numbers[row] == row_number]
        if not rows:
            states = [
                str(state)
                for number, state in zip(
                    self._numbers, self._results.column("state").to_pylist(), strict=True
                )
                if number == row_number
            ]
            why = (
                f"the shipment of row {row_number} is {states[0].replace('_', ' ')}"
                if states
                else f"no shipment begins at row {row_number}"
            )
            raise LabelError(f"There is no label: {why}.", fix="session.results() lists all rows.")
        return Labels(self._results, self._read, view=self._make_view, rows=rows, asked=self._asked)

    def pictures(self, count: int = _SHOWN) -> list[LabelPicture]:
        """Return the first `count` labels as pictures."""
        read = (label for row in self._rows[:count] for label in self._read([row]))
        return [self._picture(label) for label in itertools.islice(read, count)]

    def _picture(self, label: StoredLabel) -> LabelPicture:
        order = self._results.column("order_id")[label.row].as_py()
        title = (
            f"{label.kind.capitalize()} {label.tracking_number}, row {self._numbers[label.row]}"
            + (f", order {order}" if order else "")
        )
        return LabelPicture(title, LabelFormat(label.format), label.data)

    def __repr__(self) -> str:
        return self._said()

    def _said(self, shown: str = "") -> str:
        if not self._rows:
            return "No labels: nothing is bought, or everything was voided."
        return (
            f"{counted(len(self), 'label')} of {counted(len(self._rows), 'shipment')}{shown}. "
            'Save them with labels.save("labels.pdf").'
        )

    def _repr_html_(self) -> str:
        shown = self.pictures()
        return figures(
            shown, self._said(f", the first {len(shown)} shown" if len(self) > len(shown) else "")
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}
