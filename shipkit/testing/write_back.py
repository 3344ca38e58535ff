"""Ships a spoiled order file in the sandbox, writes the numbers back, and judges where they are.

The judge knows nothing of how shipkit reads or writes: it finds the rows by the cells that only one
row of the clean file has, in the text that a person would see.
"""

from __future__ import annotations

import random
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from shipkit.errors import ShipkitError
from shipkit.session import BatchSession
from shipkit.testing.judge import SHIPPER, Clean
from shipkit.testing.spoiled_file import SpoiledFile

__all__ = ["CHANGES", "WriteVerdict", "written_back"]

_SHORTEST: Final = 4
"""Letters of a cell that may tell rows apart."""
_NUMBER: Final = re.compile(r"SANDBOX\w+")
_FORMATS: Final = ("text", "text", "text", "text", "packed", "workbook", "parquet")


@dataclass(frozen=True)
class WriteVerdict:
    """What became of a file that was written back."""

    wrong: tuple[str, ...] = ()
    """Each number that is in another order's row, or missing, and each file that was changed
    although write-back refused."""
    refused: str | None = None
    """The error, if the file was refused: when it was loaded, or when it was written."""
    numbers: int = 0
    """Numbers that are where they belong."""
    change: str = "none"
    form: str = "text"

    def __bool__(self) -> bool:
        return not self.wrong


def written_back(file: SpoiledFile, clean: Clean, seed: int) -> WriteVerdict:
    """Write `file`, ship it in the sandbox, change it or not, and write the numbers back.

    `seed` decides the format (text, packed text, workbook, Parquet), how the file is changed before
    it is written back, and whether a copy is written or the file itself.
    """
    chance = random.Random(seed)  # noqa: S311 - the same file for the same seed
    form, change = chance.choice(_FORMATS), chance.choice(("none", "none", *CHANGES))
    in_place = chance.random() < 0.3
    with tempfile.TemporaryDirectory(prefix="shipkit-") as made:
        folder = Path(made) / "orders"
        folder.mkdir()
        path = _FILES[form](file, folder)
        verdict = partial(WriteVerdict, change=change, form=form)
        try:
            session = BatchSession(
                path, shipper=SHIPPER, home=Path(made) / "home", carrier="sandbox"
            )
        except ShipkitError as error:
            return verdict(refused=f"{type(error).__name__}: {error.message}")
        with session:
            try:
                session.map(**{"service": "ground", **clean.options})
                session.preview()
                session.approve()
                session.execute(progress=False)
            except ShipkitError as error:
                return verdict(refused=f"{type(error).__name__}: {error.message}")
            if change != "none":
                CHANGES[change](path, chance)
            before = _bytes(folder)
            try:
                written = session.write_back(in_place=in_place, allow_test_numbers=True)
            except ShipkitError as error:
                left = () if _bytes(folder) == before else ("files changed",)
                return verdict(left, refused=f"{type(error).__name__}: {error.message}")
            if not in_place and _bytes(folder).get(path.name) != before.get(path.name):
                return verdict(("the orders themselves changed",))
            shipped = _shipped(session, clean)
        found, right = _judged(_rows(Path(str(written)), form, file), shipped, _marks(clean))
        wrong = tuple(found)
        if change != "none" and before[path.name] != _FILES[form](file, folder).read_bytes():
            wrong = (*wrong, f"written, although the file was changed ({change})")
        return verdict(wrong, numbers=right)


# -- files -----------------------------------------------------------------------------------------


def _as_text(file: SpoiledFile, folder: Path) -> Path:
    return file.write(folder / "orders.csv")


def _as_packed(file: SpoiledFile, folder: Path) -> Path:
    import gzip

    path = folder / "orders.csv.gz"
    path.write_bytes(gzip.compress(file.text().encode(file.encoding), mtime=0))
    return path


def _as_workbook(file: SpoiledFile, folder: Path) -> Path:
    from shipkit.common.xlsx import write_sheet

    path = folder / "orders.xlsx"
    write_sheet(path, file.headings, file.rows)
    return path


def _as_parquet(file: SpoiledFile, folder: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "orders.parquet"
    # A heading too many or too few: a table has as many names as columns.
    columns = [list(cells) for cells in zip(*file.rows, strict=True)]
    names = [*file.headings, *(f"column {n}" for n in range(len(file.headings), len(columns)))]
    columns += [[None] * len(file.rows) for _ in range(len(columns), len(names))]
    table = pa.table([pa.array(cells, pa.string()) for cells in columns], names=names)
    pq.write_table(table, path, row_group_size=5)
    return path


_FILES: Final[Mapping[str, Callable[[SpoiledFile, Path], Path]]] = {
    "text": _as_text,
    "packed": _as_packed,
    "workbook": _as_workbook,
    "parquet": _as_parquet,
}


def _bytes(folder: Path) -> dict[str, bytes]:
    return {item.name: item.read_bytes() for item in sorted(folder.iterdir())}


def _rows(path: Path, form: str, file: SpoiledFile) -> Iterator[str]:
    """Yield the rows of a written file as text; a text file in one piece."""
    if form == "workbook":
        import openpyxl

        book = openpyxl.load_workbook(path, read_only=True)
        for row in book.worksheets[0].iter_rows(values_only=True):
            yield " | ".join(str(cell) for cell in row if cell is not None)
        book.close()
    elif form == "parquet":
        import pyarrow.parquet as pq

        for line in pq.read_table(path, partitioning=None).to_pylist():
            yield " | ".join(str(cell) for cell in line.values() if cell is not None)
    else:
        data = path.read_bytes()
        if form == "packed":
            import gzip

            data = gzip.decompress(data)
        yield data.decode(file.encoding)


# -- changes between loading and writing back ------------------------------------------------------


def _lines_changed(change: Callable[[list[bytes], random.Random], list[bytes]]) -> Any:
    def changed(path: Path, chance: random.Random) -> None:
        data = path.read_bytes()
        lines = data.split(b"\n")
        if path.suffix != ".csv" or len(lines) < 6:
            path.write_bytes(data + b"\n")
            return
        path.write_bytes(b"\n".join(change(lines, chance)))

    return changed


def _inserted(lines: list[bytes], chance: random.Random) -> list[bytes]:
    place = chance.randrange(2, len(lines) - 1)
    return [*lines[:place], lines[place].replace(b"SO-1", b"SO-7"), *lines[place:]]


def _deleted(lines: list[bytes], chance: random.Random) -> list[bytes]:
    place = chance.randrange(2, len(lines) - 1)
    return [*lines[:place], *lines[place + 1 :]]


def _swapped(lines: list[bytes], chance: random.Random) -> list[bytes]:
    place = chance.randrange(2, len(lines) - 2)
    return [*lines[:place], lines[place + 1], lines[place], *lines[place + 2 :]]


def _edited(lines: list[bytes], chance: random.Random) -> list[bytes]:
    place = chance.randrange(2, len(lines) - 1)
    return [*lines[:place], lines[place] + b"x", *lines[place + 1 :]]


def _grown(lines: list[bytes], chance: random.Random) -> list[bytes]:  # noqa: ARG001 - as the others
    return [*lines[:-1], lines[2].replace(b"SO-1", b"SO-7"), lines[-1]]


def _removed(path: Path, chance: random.Random) -> None:  # noqa: ARG001 - as the others
    path.unlink()


CHANGES: Final[Mapping[str, Callable[[Path, random.Random], None]]] = {
    "a row inserted": _lines_changed(_inserted),
    "a row deleted": _lines_changed(_deleted),
    "rows in another order": _lines_changed(_swapped),
    "a row edited": _lines_changed(_edited),
    "a row more at the end": _lines_changed(_grown),
    "the file removed": _removed,
}
"""Name -> what is done to the file between loading and writing back."""


# -- the judge -------------------------------------------------------------------------------------


def _marks(clean: Clean) -> dict[str, int]:
    """Return the cells that only one row has -> that row; none is part of another cell."""
    cells = [{cell for cell in row if len(cell) >= _SHORTEST} for row in clean.rows]
    counts = Counter(cell for row in cells for cell in row)
    every = list(counts)
    return {
        cell: place
        for place, row in enumerate(cells)
        for cell in row
        if counts[cell] == 1 and not any(cell in other and cell != other for other in every)
    }


def _shipped(session: BatchSession, clean: Clean) -> dict[str, int]:
    """Return tracking number -> the row of the clean file that the parcel is for."""
    marks = _marks(clean)
    found: dict[str, int] = {}
    results, mapped = session.results(), session.mapped()
    addresses = {
        row: [str(cell) for cell in cells]
        for row, *cells in mapped[["row_number", "name", "address_line1", "email"]].itertuples(
            index=False
        )
    }
    for row, numbers in results[results["state"] == "shipped"][
        ["row_number", "tracking_numbers"]
    ].itertuples(index=False):
        places = Counter(marks[cell] for cell in addresses[row] if cell in marks)
        if places:
            found |= dict.fromkeys(numbers, places.most_common(1)[0][0])
    return found


def _judged(
    rows: Iterator[str], shipped: Mapping[str, int], marks: Mapping[str, int]
) -> tuple[Sequence[str], int]:
    """Return what is wrong, and how many numbers are where they belong."""
    words = sorted(marks, key=len, reverse=True)
    pattern = re.compile("|".join([_NUMBER.pattern, *map(re.escape, words)]))
    wrong: list[str] = []
    right: set[str] = set()
    for text in rows:
        last: int | None = None
        for found in pattern.finditer(text):
            if found[0] in marks:
                last = marks[found[0]]
            elif found[0] in shipped and shipped[found[0]] != last:
                wrong.append(f"{found[0]} of row {shipped[found[0]]} is in row {last}")
            elif found[0] in shipped:
                right.add(found[0])
    wrong += [f"{number} is missing" for number in shipped if number not in right]
    return wrong, len(right)
