"""What people read at a terminal: priced rows, problems, totals, results.

With ``--json`` the same functions write the rows as JSON lines instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from shipkit.carriers.registry import service_title
from shipkit.cli.advice import for_command_line
from shipkit.cli.console import Console
from shipkit.cli.json_facts import JSON_RESULT, JSON_ROW, cells, json_value, summary_facts
from shipkit.common.words import counted, row_list
from shipkit.models import Money
from shipkit.plan.frames import with_zone

if TYPE_CHECKING:
    import pandas as pd

    from shipkit.plan.summary import Summary
    from shipkit.purchasing.result import BatchResult
    from shipkit.purchasing.store import JobStore

__all__ = [
    "open_rows",
    "preview_rows",
    "problems",
    "summary_lines",
    "unshippable",
    "unshippable_in",
]

_HELD = "shipped_before"
"""Problem code of an order that an earlier job shipped. Nothing has to be done about it."""

_ROWS_SHOWN = 10
_NUMBERS_SHOWN = 8
"""Row numbers that are listed for one kind of problem."""
_WIDEST_VALUES = 120


def preview_rows(frame: pd.DataFrame, console: Console, *, rows: int | None = None) -> None:
    """Print the first priced rows of a preview (default: ten), or write all rows as JSON lines."""
    for row in frame.to_dict("records") if console.as_json else ():
        console.record("row", **cells(row, JSON_ROW))
    priced = frame[frame["cost_cents"].notna()]
    some = priced.head(_ROWS_SHOWN if rows is None else rows)
    if not len(some):
        return
    console.say()
    several = len(set(priced["seller"])) > 1
    seller = ["account"] if several else []
    console.table(
        ["row", "order", "to", *seller, "service", "lb", "zone", "cost", "days"],
        [_preview_line(row, several=several) for row in some.to_dict("records")],
        right=("row", "lb", "zone", "cost", "days"),
        wrap="to",
    )
    _more(len(priced) - len(some), console)


def problems(frame: pd.DataFrame, console: Console) -> int:
    """Print problems of rows grouped by kind, errors first.

    Returns
    -------
    int
        How many rows cannot ship.
    """
    for row in frame.to_dict("records") if console.as_json else ():
        console.record("problem", **cells(row, frame.columns))
    errors, warnings = frame[frame["severity"] == "error"], frame[frame["severity"] == "warning"]
    for title, part in (("Cannot ship", errors), ("Warnings", warnings)):
        if len(part):
            console.title(f"{title}: {counted(part['row_number'].nunique(), 'row')}")
            for _, kind in part.groupby(["field", "code"], sort=False, dropna=False):
                _problem_kind(kind, console)
    return int(errors["row_number"].nunique())


def unshippable(frame: pd.DataFrame) -> int:
    """Return how many rows of a preview have an error, without orders shipped before."""
    return int(
        frame.loc[(frame["severity"] == "error") & (frame["code"] != _HELD), "row_number"].nunique()
    )


def unshippable_in(store: JobStore) -> int:
    """Return how many rows of a job had an error, without orders shipped before."""
    table = store.problems
    stops = pc.and_(
        pc.equal(table.column("severity"), "error"),
        pc.not_equal(pc.fill_null(table.column("code"), ""), _HELD),
    )
    return len(pc.unique(table.filter(stops).column("row_number")))


def open_rows(result: BatchResult, console: Console) -> None:
    """Print the rows that did not ship and may need a person."""
    frame = result.frame
    for row in with_zone(frame).to_dict("records") if console.as_json else ():
        console.record("result", **cells(row, JSON_RESULT))
    left_rows("Not shipped", frame[frame["state"].isin(["failed", "in_doubt", "review"])], console)


def left_rows(title: str, rows: pd.DataFrame, console: Console) -> None:
    """Print the rows for which a command did not do what it was for, each with the reason."""
    if not len(rows):
        return
    console.title(f"{title}: {counted(len(rows), 'row')}")
    lines = [
        [r["row_number"], _text(r["order_id"]), r["state"], _text(r["error_message"])]
        for r in rows.head(_ROWS_SHOWN).to_dict("records")
    ]
    console.table(["row", "order", "state", "reason"], lines, right=("row",), wrap="reason")
    _more(len(rows) - len(lines), console)


def summary_lines(summary: Summary, console: Console, title: str = "Preview") -> None:
    """Print the totals of a preview."""
    console.title(title)
    console.pairs((name, text) for name, text in summary.lines() if not _PRINTED.fullmatch(name))
    console.record("preview", **summary_facts(summary))


_PRINTED = re.compile(r"  [\d,]+ x|Columns")
"""Lines of a summary that were printed in full: problems, and the notes of the load report."""


def _more(count: int, console: Console) -> None:
    if count > 0:
        console.say(f"... and {count:,} more")


def _preview_line(row: Mapping[Any, Any], *, several: bool) -> list[Any]:
    weight = json_value(row["billable_weight_lb"])
    return [
        row["row_number"],
        _text(row["order_id"]),
        _destination(row),
        *([_text(row["seller"])] if several else []),
        _title(row["service"]),
        "" if weight is None else f"{weight:g}",
        _text(row["zone"]),
        str(Money.from_cents(int(row["cost_cents"]), row["currency"])),
        _text(row["transit_days"]),
    ]


def _problem_kind(kind: pd.DataFrame, console: Console) -> None:
    """Print one kind of problem: the sentence, the rows, the values, the fix."""
    rows = sorted(kind["row_number"].unique().tolist())
    first = kind.iloc[0]
    field = first["field"]
    name = f"{_short_field(field)}: " if isinstance(field, str) else ""
    differ = len(set(kind["problem"])) > 1 and len(rows) > 1
    example = f" (row {first['row_number']})" if differ else ""
    console.say(f"  {name}{first['problem']}{example}", hang=4)
    console.say(f"      {row_list(rows, _NUMBERS_SHOWN)}", hang=6)
    if values := _values(kind, rows):
        console.say(f"      values: {values}", hang=6)
    if isinstance(first["fix"], str):
        console.say(f"      {for_command_line(first['fix'])}", hang=6)


def _values(kind: pd.DataFrame, rows: Sequence[int]) -> str:
    """Return the distinct values with their counts, where they are few and say more than rows."""
    counts = kind["value"].value_counts()
    if not (1 < len(counts) <= _NUMBERS_SHOWN < len(rows)):
        return ""
    text = ", ".join(f"{value} ({count:,})" for value, count in counts.items())
    return text if len(text) < _WIDEST_VALUES else ""


def _short_field(field: str) -> str:
    """Return the name of a field without its path, where it is still unambiguous."""
    return field.removeprefix("ship_to.").removeprefix("parcels[0].")


def _text(value: Any) -> str:
    found = json_value(value)
    return "" if found is None else str(found)


def _destination(row: Mapping[Any, Any]) -> str:
    where = " ".join(part for part in (_text(row["city"]), _text(row["state"])) if part)
    country = _text(row["country"])
    parts = (_text(row["recipient"]), where, country if country != "US" else "")
    return ", ".join(part for part in parts if part)


def _title(service: Any) -> str:
    code = _text(service)
    return service_title(code) if code else ""
