"""What people read and machines parse: rows, problems, totals, how a job stands."""

from __future__ import annotations

import math
import re
from argparse import Namespace
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shipkit.cli.console import Console
from shipkit.cli.exits import Exit
from shipkit.cli.grammar import typeable
from shipkit.common.words import counted, row_list
from shipkit.errors import InputError
from shipkit.models import Money, ServiceLevel

if TYPE_CHECKING:
    import pandas as pd

    from shipkit.plan.preview import Summary
    from shipkit.purchasing.result import BatchResult
    from shipkit.purchasing.store import JobStore

__all__ = [
    "cells",
    "command",
    "next_command",
    "open_rows",
    "preview_rows",
    "problems",
    "result_facts",
    "save_failed",
    "save_frame",
    "summary_facts",
    "summary_lines",
    "typed",
    "unshippable",
    "unshippable_in",
]

_HELD = "shipped_before"
"""Code of the problem that is none: the order was shipped by an earlier job."""


def preview_rows(frame: pd.DataFrame, console: Console, *, rows: int | None = None) -> None:
    """Print the first `rows` rows that are priced (default: ten)."""
    priced = frame[frame["cost_cents"].notna()]
    some = priced.head(10 if rows is None else max(rows, 0))
    for row in frame.to_dict("records") if console.as_json else ():
        console.record("row", **cells(row, _JSON_ROW))
    if not len(some):
        return
    console.say()
    columns = ["row", "order", "to", "service", "lb", "zone", "cost", "days"]
    lines = [
        [
            r["row_number"],
            _text(r["order_id"]),
            _place(r),
            _title(r["service"]),
            _pounds(r["billable_weight_lb"]),
            _text(r["zone"]),
            _money(r),
            _text(r["transit_days"]),
        ]
        for r in some.to_dict("records")
    ]
    console.table(columns, lines, right=("row", "lb", "zone", "cost", "days"), wrap="to")
    if len(priced) > len(some):
        console.say(f"... and {len(priced) - len(some):,} more")


def problems(frame: pd.DataFrame, console: Console) -> int:
    """Print `frame` (problems of rows), what stops rows first, alike problems together. Returns how many rows cannot ship."""
    for row in frame.to_dict("records") if console.as_json else ():
        console.record("problem", **cells(row, frame.columns))
    errors, warnings = frame[frame["severity"] == "error"], frame[frame["severity"] == "warning"]
    for title, part in (("Cannot ship", errors), ("Worth knowing", warnings)):
        if len(part):
            rows = part["row_number"].nunique()
            console.title(f"{title}: {counted(rows, 'row')}")
            _grouped(part, console)
    return int(errors["row_number"].nunique())


def unshippable(frame: pd.DataFrame) -> int:
    """Return how many rows have a problem that stops them; orders shipped before are none."""
    return int(
        frame.loc[(frame["severity"] == "error") & (frame["code"] != _HELD), "row_number"].nunique()
    )


def unshippable_in(store: JobStore) -> int:
    """Return how many rows of a job had a problem that stopped them; orders shipped before are none."""
    problems = store.problems
    stops = pc.and_(
        pc.equal(problems.column("severity"), "error"),
        pc.not_equal(pc.fill_null(problems.column("code"), ""), _HELD),
    )
    return len(pc.unique(problems.filter(stops).column("row_number")))


def open_rows(result: BatchResult, console: Console, *, most: int = 10) -> None:
    """Print the rows that did not ship and may need a person."""
    frame = result.frame
    for row in frame.to_dict("records") if console.as_json else ():
        console.record("result", **cells(row, _JSON_RESULT))
    waiting = frame[frame["state"].isin(["failed", "in_doubt", "review"])]
    if not len(waiting):
        return
    console.title(f"Not shipped: {counted(len(waiting), 'row')}")
    lines = [
        [r["row_number"], _text(r["order_id"]), r["state"], _text(r["error_message"])]
        for r in waiting.head(most).to_dict("records")
    ]
    console.table(["row", "order", "state", "why"], lines, right=("row",), wrap="why")
    if len(waiting) > most:
        console.say(f"... and {len(waiting) - most:,} more")


def summary_lines(summary: Summary, console: Console, title: str = "Preview") -> None:
    """Print what a preview comes to; why rows cannot ship stands above it already."""
    console.title(title)
    console.pairs(
        (name, text) for name, text in summary.lines() if not re.fullmatch(r"  [\d,]+ x", name)
    )
    console.record("preview", **summary_facts(summary))


def summary_facts(summary: Summary) -> dict[str, Any]:
    """Return a preview's summary for machines: amounts are decimal text."""
    return {
        "preview_id": summary.preview_id,
        "shipments": summary.shipments,
        "problems": summary.problems,
        "warnings": summary.warnings,
        **_amounts(summary.totals),
        "by_service": [
            {
                "service": s.service,
                "shipments": s.shipments,
                "total": f"{s.total.amount}",
                "currency": s.total.currency,
            }
            for s in summary.by_service
        ],
        "carrier": summary.carrier,
        "live": summary.live,
        "mode": summary.mode,
        "approved": summary.approved,
        "expires_at": summary.expires_at.isoformat(timespec="seconds"),
    }


def result_facts(result: BatchResult) -> dict[str, Any]:
    """Return how a job stands for machines: amounts are decimal text."""
    counts = {
        name: getattr(result, name)
        for name in ("shipped", "failed", "in_doubt", "skipped", "voided", "remaining")
    }
    return {
        "status": result.status,
        **counts,
        **_amounts(result.totals),
        "live": result.live,
        "carrier": result.carrier,
        "reason": result.reason,
        "elapsed_s": round(result.elapsed_s, 3),
    }


def next_command(result: BatchResult, code: Exit, args: Namespace) -> str | None:
    """Return the command to type after a job that stands as `result`."""
    job = result.job_id
    if code >= Exit.UNFINISHED:
        words = ["resume", job]
    elif code is Exit.SOME_FAILED and not getattr(args, "failed", None):
        words = ["show", job, "--failed", "failed.csv"]
    elif result.shipped and not getattr(args, "labels", None):
        words = ["labels", job, "-o", "labels.pdf"]
    elif result.shipped and getattr(args, "write_back", None) is None:
        words = ["write-back", job]
    else:
        return None
    return command(*words, args=args)


def command(*words: str, args: Namespace) -> str:
    """Return a command ready to type, in the same home."""
    return typeable(
        ["shipkit", *words, *(["--home", args.home] if getattr(args, "home", None) else [])]
    )


def save_failed(frame: pd.DataFrame, path: Path) -> None:
    """Write the rows that did not ship as a file to correct and run: the source's own columns, then what to do in this program's words."""
    own = frame.drop(columns=["row_number", "source_file"], errors="ignore")
    save_frame(
        own.assign(fix=own["fix"].map(lambda fix: typed(fix) if isinstance(fix, str) else fix)),
        path,
    )


def save_frame(frame: pd.DataFrame, path: Path) -> None:
    """Write `frame` in the format that the ending of `path` names: csv, tsv, xlsx or parquet."""
    plain = frame.copy()
    for name in plain.columns:
        if plain[name].map(_is_list).any():
            plain[name] = plain[name].map(
                lambda cell: ", ".join(map(str, cell)) if _is_list(cell) else None
            )
    match path.suffix.lower():
        case ".csv":
            plain.to_csv(path, index=False)
        case ".tsv":
            plain.to_csv(path, index=False, sep="\t")
        case ".xlsx":
            for name in plain.select_dtypes("datetimetz").columns:
                plain[name] = plain[name].dt.tz_localize(None)
            plain.to_excel(path, index=False)
        case ".parquet":
            table = pa.Table.from_pandas(frame, preserve_index=False)
            pq.write_table(
                table.replace_schema_metadata(), path, compression="zstd"
            )  # pandas cannot read back what it notes about lists
        case ending:
            raise InputError(
                f"{path}: {ending or 'no ending'} is not a format to write a table in.",
                fix="Name a .csv, .tsv, .xlsx or .parquet file.",
            )


_JSON_ROW = (
    "row_number",
    "order_id",
    "recipient",
    "city",
    "state",
    "postal_code",
    "country",
    "service",
    "parcels",
    "billable_weight_lb",
    "zone",
    "cost_cents",
    "currency",
    "cost_basis",
    "ship_date",
    "transit_days",
    "delivery_date",
    "warnings",
    "problem",
)
_JSON_RESULT = (
    "row_number",
    "order_id",
    "state",
    "tracking_number",
    "tracking_numbers",
    "service",
    "quoted_cents",
    "charged_cents",
    "charge_basis",
    "currency",
    "shipkit_reference",
    "attempts",
    "shipped_at",
    "voided_at",
    "error_code",
    "error_message",
    "fix",
)


def _is_list(cell: Any) -> bool:
    return isinstance(cell, list | np.ndarray)


def _grouped(part: pd.DataFrame, console: Console) -> None:
    for (field, _), group in part.groupby(["field", "code"], sort=False, dropna=False):
        rows = sorted(group["row_number"].unique().tolist())
        first = group.iloc[0]
        name = f"{_plain_field(field)}: " if isinstance(field, str) else ""
        one = (
            first["problem"]
            if len(set(group["problem"])) == 1 or len(rows) == 1
            else f"{first['problem']} (row {first['row_number']})"
        )
        console.say(f"  {name}{one}", hang=4)
        console.say(f"      {row_list(rows, 8)}", hang=6)
        values = ", ".join(
            f"{value} ({count:,})" for value, count in group["value"].value_counts().head(9).items()
        )
        if 1 < group["value"].nunique() < 9 and len(rows) > 8 and len(values) < 120:
            console.say(f"      values: {values}", hang=6)
        if isinstance(first["fix"], str):
            console.say(f"      {typed(first['fix'])}", hang=6)


_TYPED = (
    (re.compile(r'(?:session\.)?map\(service="([^"]*)"\)'), r"--service \1"),
    (
        re.compile(r'(?:session\.)?map\(services=\{"([^"]*)": "([^"]*)"\}\)'),
        r'--map-service "\1=\2"',
    ),
    (re.compile(r'(?:session\.)?map\(defaults=\{"([^"]*)": "?([^"}]*)"?\}\)'), r"--default \1=\2"),
    (re.compile(r'(?:session\.)?map\(weights="([^"]*)"\)'), r"--weights \1"),
    (re.compile(r'(?:session\.)?map\(columns=\{"([^"]*)": "([^"]*)"\}\)'), r'--column \1="\2"'),
    (re.compile(r'BatchSession\(\.\.\., on_duplicate="ship"\)'), "--on-duplicate ship"),
    (re.compile(r"session\.preview\(\)"), "shipkit preview"),
    (re.compile(r"sk\.jobs\(\)"), "shipkit jobs"),
)


def typed(fix: str) -> str:
    """Return advice that was written for Python in the words of the command line.

    Examples
    --------
    >>> typed('Fill the cell, or give a default: map(defaults={"weight_lb": 2}).')
    'Fill the cell, or give a default: --default weight_lb=2.'
    """
    for python, words in _TYPED:
        fix = python.sub(words, fix)
    return fix


def _plain_field(field: str) -> str:
    """Return a field's name as a person says it, where that is clear."""
    return field.removeprefix("ship_to.").removeprefix("parcels[0].")


def _amounts(totals: Mapping[str, Money]) -> dict[str, Any]:
    only = next(iter(totals.values()), Money.from_cents(0)) if len(totals) < 2 else None
    return {
        "total": f"{only.amount}" if only else None,
        "currency": only.currency if only else None,
        "totals": {currency: f"{money.amount}" for currency, money in totals.items()},
    }


def cells(row: Mapping[Any, Any], names: Iterable[Any]) -> dict[str, Any]:
    """Return some cells of a row as JSON has them."""
    return {str(name): _value(row[name]) for name in names}


def _value(value: Any) -> Any:
    """Return a cell as JSON has it: numbers, text, lists, null."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [_value(v) for v in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else value
    text = str(value)
    return None if text in {"<NA>", "NaT"} else text


def _text(value: Any) -> str:
    found = _value(value)
    return "" if found is None else str(found)


def _place(row: Mapping[Any, Any]) -> str:
    where = " ".join(part for part in (_text(row["city"]), _text(row["state"])) if part)
    country = _text(row["country"])
    return ", ".join(
        part
        for part in (_text(row["recipient"]), where, country if country != "US" else "")
        if part
    )


def _title(service: Any) -> str:
    found = ServiceLevel(service) if service in set(ServiceLevel) else None
    return found.title if found else _text(service)


def _pounds(value: Any) -> str:
    found = _value(value)
    return "" if found is None else f"{found:g}"


def _money(row: Mapping[Any, Any]) -> str:
    return str(Money.from_cents(int(row["cost_cents"]), row["currency"]))
