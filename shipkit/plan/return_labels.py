"""Return labels that are bought with their parcels: ``map(returns="with_each")``.

Each is a shipment of its own, of no line of the source: a row behind the others, whose
``return_of`` is the row number of its parcel. Parcel and return label ship together or wait
together, and the return label is bought once its parcel is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.models import NUMBERED_REFERENCES
from shipkit.plan.plan import Edit
from shipkit.schema import OWN, RETURN_OF, SHIPMENTS, problems_table, quotes_table

__all__ = [
    "CHOICES",
    "edits_of_both",
    "first_number",
    "of_bought_parcels",
    "parcel_places",
    "priced_together",
    "settled_together",
    "skipped_together",
    "with_return_labels",
]

CHOICES: Final = ("with_each",)

_KEPT: Final = frozenset({"is_return", "documents_only", *NUMBERED_REFERENCES})
_OF_THE_DELIVERY: Final = frozenset(
    {
        *(leaf.column for leaf in OWN if leaf.spec.option and leaf.column not in _KEPT),
        *("ship_date", "itn", "ioss_number"),
    }
)
"""What is about the way to the recipient (a signature, a payer, a ship date): not of the return."""

_OWN_EDITS: Final = _OF_THE_DELIVERY | {
    *(leaf.name for leaf in OWN if leaf.column in _OF_THE_DELIVERY),
    *("service", "is_return"),
}
"""What an edit of a parcel does not change of its return label, by the names of edits."""

_WAITS: Final = "return_waits"


def first_number(last: int) -> int:
    """Return what return labels add to the row numbers of a source whose last one is `last`.

    Examples
    --------
    >>> first_number(250)  # the return label of row 7 is row 1007
    1000
    """
    return int(10 ** len(str(last)))


def with_return_labels(table: pa.Table, behind: int) -> pa.Table:
    """Return `table` with a return label behind for every parcel that is none itself.

    Parameters
    ----------
    table
        :data:`shipkit.schema.SHIPMENTS`.
    behind
        What the row number of a return label adds to its parcel's: :func:`first_number`.
    """
    returns = pc.fill_null(table.column("is_return"), False)  # noqa: FBT003 - a fill value
    outbound = table.filter(pc.invert(returns))
    count, numbers = outbound.num_rows, outbound.column("row_number")
    made: dict[str, Any] = {
        **{name: pa.nulls(count, SHIPMENTS.field(name).type) for name in _OF_THE_DELIVERY},
        "row_number": pc.add(numbers, behind),
        "row_numbers": pa.array([[]] * count, SHIPMENTS.field("row_numbers").type),
        "is_return": pa.repeat(pa.scalar(True), count),  # noqa: FBT003 - a value
        "customs": _declared_as_return(outbound.column("customs")),
        RETURN_OF: numbers,
    }
    columns = [made.get(field.name, outbound.column(field.name)) for field in SHIPMENTS]
    return pa.concat_tables([table.cast(SHIPMENTS), pa.table(columns, schema=SHIPMENTS)])


def _declared_as_return(customs: pa.ChunkedArray) -> pa.Array:
    """Return customs data with the reason ``return``: what comes back is not sold once more."""
    kind = SHIPMENTS.field("customs").type
    papers = customs.cast(kind).combine_chunks()
    parts = [papers.field(part) for part in range(kind.num_fields)]
    parts[kind.get_field_index("reason")] = pa.repeat(pa.scalar("return"), len(papers))
    return pa.StructArray.from_arrays(parts, fields=list(kind), mask=papers.is_null())


def edits_of_both(edits: Iterable[Edit], behind: int) -> tuple[Edit, ...]:
    """Return `edits`, with what those of parcels change of their return labels.

    An address, a weight or a reference that is corrected is that of both. The service and the
    options of the way to the recipient are the parcel's own, also where a clause (``order_id =
    '7'``) matches both; a clause that matches return labels alone changes them.
    """
    made = []
    for edit in edits:
        labels = tuple(row + behind for row in edit.row_numbers if row < behind)
        fields = tuple(pair for pair in edit.fields if pair[0] not in _OWN_EDITS)
        if not edit.fields or not labels:  # rows are set aside, or return labels are named alone
            made.append(edit)
            continue
        others = tuple(row for row in edit.row_numbers if row not in set(labels))
        made.append(replace(edit, row_numbers=others))
        if fields:
            made.append(replace(edit, row_numbers=labels, fields=fields))
    return tuple(made)


def parcel_places(table: pa.Table) -> npt.NDArray[np.int64] | None:
    """Return the place of each return label's parcel in a plan, -1 for other rows; None: no return.

    Plans from before return labels have no such column.
    """
    if RETURN_OF not in table.column_names or not pc.any(pc.is_valid(table[RETURN_OF])).as_py():
        return None
    found = pc.index_in(table[RETURN_OF], value_set=table["row_number"].combine_chunks())
    places: npt.NDArray[np.int64] = pc.fill_null(
        pc.if_else(pc.is_valid(table[RETURN_OF]), found, -1), -1
    ).to_numpy()
    return places.astype(np.int64)


def skipped_together(table: pa.Table, skipped: Mapping[int, str]) -> dict[int, str]:
    """Return the rows that are set aside, with the return labels of parcels that are."""
    places = parcel_places(table)
    if places is None or not skipped:
        return dict(skipped)
    labels = {
        int(label): skipped[int(places[label])]
        for label in np.flatnonzero(places >= 0)
        if int(places[label]) in skipped
    }
    return {**labels, **skipped}


def settled_together(problems: pa.Table, table: pa.Table, skipped: Mapping[int, str]) -> pa.Table:
    """Return the problems of a plan, in which parcel and return label wait for each other.

    What is wrong with both is listed once, at the parcel. A return label that was set aside holds
    nothing up.
    """
    places = parcel_places(table)
    if places is None:
        return problems
    numbers = table.column("row_number").to_pylist()
    parcel_of = {numbers[label]: numbers[places[label]] for label in np.flatnonzero(places >= 0)}
    left_out = {numbers[row] for row in skipped}
    lines = problems.to_pylist()
    listed = {(line["row_number"], line["field"], line["problem"]) for line in lines}
    errors: dict[int, str] = {}
    kept = []
    for line in lines:
        number = line["row_number"]
        parcel = parcel_of.get(number)
        again = (parcel, line["field"], line["problem"]) in listed
        kept.append(not again)
        if line["severity"] == "error" and not again:
            errors.setdefault(number, line["problem"])
    waiting = []
    for label, parcel in parcel_of.items():
        if label in left_out or parcel in left_out:
            continue
        if parcel in errors and label not in errors:
            waiting.append(_waits(label, *_for_parcel(parcel)))
        elif label in errors and parcel not in errors:
            waiting.append(_waits(parcel, *_for_label(label, errors[label])))
    return pa.concat_tables([problems.filter(pa.array(kept, pa.bool_())), problems_table(waiting)])


def of_bought_parcels(problems: pa.Table, table: pa.Table, bought: Collection[int]) -> pa.Table:
    """Return the problems of a plan without what only holds return labels of `bought` parcels.

    An order that was shipped last week has a ship date that is past: that holds its parcel, which
    an earlier job has, and not the return label. Other problems may be those of both.
    """
    places = parcel_places(table)
    if places is None or not bought:
        return problems
    numbers = table.column("row_number").to_pylist()
    waits = pc.equal(problems.column("code"), _WAITS)
    others = pc.and_(
        pc.equal(problems.column("severity"), "error"),
        pc.invert(pc.or_(waits, pc.equal(problems.column("code"), "ship_date_past"))),
    )
    held = {*problems.filter(others).column("row_number").to_pylist()}
    free = [
        numbers[label]
        for label in np.flatnonzero(places >= 0)
        if int(places[label]) in bought and numbers[places[label]] not in held
    ]
    freed = pc.is_in(problems.column("row_number"), value_set=pa.array(free, pa.int64()))
    return problems.filter(pc.invert(pc.and_(waits, freed)))


def priced_together(
    quotes: pa.Table,
    table: pa.Table,
    skipped: Mapping[int, str],
    held: Mapping[int, str],
    bought: Collection[int] = (),
) -> pa.Table:
    """Return quotes in which a parcel and its return label have a price both, or neither.

    A return label that was set aside, or that another job has (`held`), holds nothing up. One whose
    parcel an earlier job has `bought` is bought alone.
    """
    places = parcel_places(table)
    if places is None:
        return quotes
    numbers = table.column("row_number").to_pylist()
    priced = np.asarray(pc.is_valid(quotes.column("cost_cents")))
    problems = quotes.column("problem")
    refused: dict[int, tuple[str, str]] = {}
    for label in np.flatnonzero(places >= 0).tolist():
        parcel = int(places[label])
        if parcel in bought:
            continue
        if priced[label] and not priced[parcel]:
            refused[label] = _for_parcel(numbers[parcel])
        elif priced[parcel] and not priced[label] and label not in skipped and label not in held:
            reason = problems[label].as_py() or "it has no price"
            refused[parcel] = _for_label(numbers[label], reason)
    if not refused:
        return quotes
    lines = quotes_table([{"problem": text, "fix": fix} for text, fix in refused.values()])
    chosen = np.arange(quotes.num_rows)
    chosen[list(refused)] = quotes.num_rows + np.arange(len(refused))
    return pa.concat_tables([quotes.cast(lines.schema), lines]).take(pa.array(chosen))


def _for_parcel(number: int) -> tuple[str, str]:
    return f"its parcel, row {number}, cannot be bought", f"Settle row {number}."


def _for_label(number: int, reason: str) -> tuple[str, str]:
    return (
        f"its return label, row {number}, cannot be bought: {reason}",
        f'Settle it, or leave it out: session.skip("row_number = {number}").',
    )


def _waits(number: int, problem: str, fix: str) -> dict[str, Any]:
    return {
        "row_number": number,
        "field": "is_return",
        "value": None,
        "problem": problem,
        "fix": fix,
        "severity": "error",
        "code": _WAITS,
    }
