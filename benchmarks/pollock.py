"""Score how polluted CSV files are loaded, by the measures of the Pollock benchmark.

    git clone https://github.com/HPI-Information-Systems/Pollock
    python benchmarks/pollock.py Pollock [--only row_extra_quote] [--show]

Pollock (G. Vitagliano, M. Hameed, L. Jiang, L. Reisener, E. Wu, F. Naumann: Pollock, a Data Loading
Benchmark, PVLDB 16, 2023) has 2,289 versions of one file, each spoiled in one way, and what should
be read of each. Its files are read where you put them; none are part of this project. The measures
are computed here from the paper's description: success, and precision, recall and F1 of headings,
records and cells. Their sum is the score of a file (10 at most); the simple score is the mean over
the files, the weighted one the mean by how frequent each pollution is in files on the web.

shipkit, DuckDB and pandas are given the path only. shipkit refuses a file without text, and one of
headings only; these count as read if it names the headings. For shipkit, files are also counted
that are wrong in silence: a row that is not in the clean file and has no problem and no repeated
headings above it, a row of the clean file that is neither read nor set aside with its line.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import pandas as pd

from shipkit.errors import ShipkitError
from shipkit.orders.source import Loaded, connect, load

Rows = list[list[str]]
PAPER = {"DuckDB, parameters given": (9.961, 9.599), "pandas": (9.895, 9.431)}
"""Scores that the benchmark's own page gives, for comparison: with the parameters of each file."""


def main() -> int:
    """Score all files by all loaders, and return 1 if shipkit was wrong in silence."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where the benchmark was cloned to")
    parser.add_argument("--only", default="", help="files whose name begins like this")
    parser.add_argument("--every", type=int, default=1, help="only every n-th file")
    parser.add_argument("--show", action="store_true", help="print the files that are not perfect")
    options = parser.parse_args()
    files = sorted((options.folder / "polluted_files" / "csv").glob(f"{options.only}*.csv"))[
        :: options.every
    ]
    weights = json.loads((options.folder / "pollock_weights.json").read_text(encoding="utf-8"))
    silent: dict[str, str] = {}
    refused: dict[str, str] = {}

    def shipkit(path: Path) -> Rows:
        try:
            loaded = load(path, con=connect())
        except ShipkitError as error:
            refused[path.name] = str(error)
            if path.stat().st_size == 0 or "headings" in error.details:
                return [list(error.details["headings"])] if path.stat().st_size else []
            raise
        rows, why = _rows_of(loaded), _silently_wrong(loaded, _clean(path))
        if why:
            silent[path.name] = why
        return rows

    for name, loader in (("shipkit", shipkit), ("DuckDB", _duckdb), ("pandas", _pandas)):
        scores = {path.name: _score(path, loader) for path in files}
        simple = sum(scores.values()) / len(scores)
        total = sum(weights.get(file, 0) for file in scores)
        weighted = sum(score * weights.get(file, 0) for file, score in scores.items()) / total
        print(f"{name:8} simple {simple:.3f}  weighted {weighted:.3f}  of {len(scores):,} files")
        if options.show and name == "shipkit":
            for file, score in sorted(scores.items(), key=lambda item: item[1]):
                if score < 9.995:
                    note = refused.get(file) or silent.get(file) or ""
                    print(f"    {score:6.3f} x{weights.get(file, 0):5.0f} {file} {note[:150]}")
    for name, (simple, weighted) in PAPER.items():
        print(f"{name}: simple {simple}, weighted {weighted} (published)")
    print(f"shipkit: {len(refused)} refused, {len(silent)} wrong in silence")
    for name, why in list(silent.items())[:20]:
        print(f"    {name}: {why[:200]}")
    return 1 if silent else 0


# -- loaders: the first row are the headings -------------------------------------------------------


def _rows_of(loaded: Loaded) -> Rows:
    found = loaded.con.sql(f"""
        SELECT t.* EXCLUDE (row_number, source_file)
        FROM {loaded.text.sql} t
        SEMI JOIN {loaded.lines.sql} l USING (row_number)
        ORDER BY row_number
    """).fetchall()
    return [list(loaded.origin.headings), *([cell or "" for cell in row] for row in found)]


def _duckdb(path: Path) -> Rows:
    with duckdb.connect() as con:
        found = con.sql(f"SELECT * FROM read_csv('{path}', all_varchar = true)")
        return [found.columns, *([cell or "" for cell in row] for row in found.fetchall())]


def _pandas(path: Path) -> Rows:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    return [list(map(str, frame.columns)), *frame.fillna("").astype(str).to_numpy().tolist()]


# -- measures --------------------------------------------------------------------------------------


def _clean(path: Path) -> Rows:
    clean = path.parent.parent / "clean" / path.name
    with clean.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def _score(path: Path, loader: Callable[[Path], Rows]) -> float:
    """Return the sum of the ten measures; 0 if the file is not loaded."""
    try:
        loaded = loader(path)
    except Exception:  # any failure is a file that is not loaded
        return 0.0
    clean = _clean(path)
    if not clean:
        return 10.0
    pairs = [
        (_normal(clean[0]), _normal(loaded[0] if loaded else [])),
        (_records(clean), _records(loaded)),
        ([cell for row in clean for cell in row], [cell for row in loaded for cell in row]),
    ]
    return 1.0 + sum(sum(_measures(right, found)) for right, found in pairs)


def _measures(right: Sequence[str], found: Sequence[str]) -> tuple[float, float, float]:
    """Return precision, recall and F1 of a list of texts, as multisets."""
    if not right:
        return 1.0, 1.0, 1.0
    common = (Counter(right) & Counter(found)).total()
    if not common:
        return 0.0, 0.0, 0.0
    first, second = common / len(right), common / len(found)
    return first, second, 2 * first * second / (first + second)


def _records(rows: Rows) -> list[str]:
    return ["".join(_normal(row)) for row in rows[1:]]


def _normal(row: Sequence[str]) -> list[str]:
    """Return cells without differences that are none: case, and how a number is written."""
    return [_number(cell) or cell.lower() for cell in row]


def _number(cell: str) -> str | None:
    try:
        return str(float(cell)) if cell[-1:].isdigit() else None
    except ValueError:
        return None


def _silently_wrong(loaded: Loaded, clean: Rows) -> str | None:
    """Return which rows are wrong without a word, None if there are none."""
    flagged = set(loaded.problems["row_number"].to_pylist())
    numbers = loaded.con.sql(
        f"SELECT row_number FROM {loaded.lines.sql} ORDER BY row_number"
    ).fetchall()
    # A second table below repeated headings: the report names their line.
    tables = any(part.reason == "headings again" for part in loaded.report.lines.aside)
    right, told = Counter(_records(clean)), 0
    for (number,), record in zip(numbers, _records(_rows_of(loaded)), strict=True):
        if right[record]:
            right[record] -= 1
        elif number in flagged or tables:
            told += 1
        else:
            return f"row {number} is not in the clean file: {record[:80]!r}"
    lost = +right
    if lost.total() > told + loaded.report.lines.set_aside:
        return f"{lost.total()} rows are missing, such as {next(iter(lost))[:80]!r}"
    return None


if __name__ == "__main__":
    sys.exit(main())
