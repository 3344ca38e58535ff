"""What a job's ledger is made of: lines, parquet segments, the hash chain between them, compaction.

A segment is one commit. Its name carries its place and its own digest, its metadata the digest of
the one before, and HEAD the last, so that a missing or altered one is seen. A compaction stands
for a gapless range of segments: the last line of each row, without label bytes, which stay where
they were written.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shipkit.common.files import Disk
from shipkit.errors import CheckpointCorrupt
from shipkit.state import RowState

__all__ = [
    "LINES",
    "STATES",
    "Chain",
    "Head",
    "LabelBytes",
    "LedgerEntry",
    "Part",
    "encode",
    "last_lines",
    "read_chain",
    "read_head",
    "to_table",
    "write_head",
]

_LABEL = pa.struct(
    [
        pa.field("tracking_number", pa.string()),
        pa.field("format", pa.string()),
        pa.field("kind", pa.string()),
        pa.field("parcel_index", pa.int32()),
        pa.field("data", pa.binary()),
    ]
)

LINES = pa.schema(
    [
        pa.field(
            "entry", pa.int64()
        ),  # 1, 2, 3, ... over the whole job; the highest of a row says where it stands
        pa.field("row", pa.int32()),  # place in the plan; null: about the job
        pa.field(
            "event",
            pa.string(),
            # intent, result, failed, not_sent, in_doubt, adopted, absent, review, voided, skipped;
            # surplus, run, end, ...
        ),
        pa.field("state", pa.string()),  # of the row after the event; null: the event moves no row
        pa.field("attempt", pa.int32()),
        pa.field("reference", pa.string()),
        pa.field("at", pa.timestamp("us", "UTC")),
        pa.field("shipped_at", pa.timestamp("us", "UTC")),
        pa.field("shipment_id", pa.string()),
        pa.field("tracking_numbers", pa.list_(pa.string())),
        pa.field("service", pa.string()),
        pa.field("charged_cents", pa.int64()),
        pa.field("currency", pa.string()),
        pa.field("charge_basis", pa.string()),
        pa.field("billed_weight_lb", pa.float64()),
        pa.field("code", pa.string()),
        pa.field("message", pa.string()),
        pa.field("fix", pa.string()),
        pa.field("details", pa.string()),  # JSON
        pa.field(
            "watch", pa.list_(pa.int32())
        ),  # earlier attempts whose reference was concluded absent, looked up again
        pa.field("label_sequence", pa.int64()),  # the segment that holds the label bytes
        pa.field("labels", pa.list_(_LABEL)),
    ]
)
"""Columns of a segment, and of a compaction (where `labels` is null)."""

STATES: tuple[RowState, ...] = tuple(RowState)
"""Code of a state in arrays: its place here."""

GENESIS = 0
_SEGMENT = re.compile(r"seg-(\d{6,})-(\d{8,})-([0-9a-f]{16})(-labels)?\.parquet$")
_COMPACTION = re.compile(r"cmp-(\d{6,})-(\d{8,})-(\d{8,})-([0-9a-f]{16})\.parquet$")
_META = b"shipkit"
_SLOT = 192


class LabelBytes(NamedTuple):
    """One label to store."""

    tracking_number: str
    format: str
    kind: str
    parcel_index: int
    data: bytes


class LedgerEntry(NamedTuple):
    """One line of the ledger, in the order of :data:`LINES` without `entry`. Times are microseconds since 1970."""

    row: int | None
    event: str
    state: str | None
    attempt: int | None = None
    reference: str | None = None
    at: int | None = None
    shipped_at: int | None = None
    shipment_id: str | None = None
    tracking_numbers: Sequence[str] | None = None
    service: str | None = None
    charged_cents: int | None = None
    currency: str | None = None
    charge_basis: str | None = None
    billed_weight_lb: float | None = None
    code: str | None = None
    message: str | None = None
    fix: str | None = None
    details: str | None = None
    watch: Sequence[int] | None = None
    label_sequence: int | None = None
    labels: Sequence[LabelBytes] | None = None


def to_table(lines: Sequence[LedgerEntry], *, first_entry: int, sequence: int) -> pa.Table:
    """Return `lines` as a table of :data:`LINES`; a line with labels points at segment `sequence`."""
    count = len(lines)
    columns: list[Any] = [pa.array(np.arange(first_entry, first_entry + count))]
    for field, values in zip(list(LINES)[1:-2], zip(*lines, strict=True), strict=False):
        columns.append(_column(values, field.type, count))
    columns.append(
        _column(
            [sequence if line.labels else line.label_sequence for line in lines], pa.int64(), count
        )
    )
    columns.append(_labels(lines))
    return pa.Table.from_arrays(columns, schema=LINES)


def _column(values: Sequence[Any], kind: pa.DataType, count: int) -> Any:
    return pa.array(values, kind) if any(v is not None for v in values) else pa.nulls(count, kind)


def _labels(lines: Sequence[LedgerEntry]) -> Any:
    flat = [label for line in lines if line.labels for label in line.labels]
    if not flat:
        return pa.nulls(len(lines), pa.list_(_LABEL))
    offsets: list[int | None] = []
    place = 0
    for line in lines:
        offsets.append(place if line.labels else None)
        place += len(line.labels or ())
    offsets.append(place)
    columns = [
        pa.array(values, field.type)
        for values, field in zip(zip(*flat, strict=True), _LABEL, strict=True)
    ]
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), pa.StructArray.from_arrays(columns, fields=list(_LABEL))
    )


def encode(table: pa.Table, meta: dict[str, Any]) -> bytes:
    """Return `table` as parquet bytes with `meta` in its metadata. Lines that move no row come first, in a row group of their own."""
    sink = pa.BufferOutputStream()
    labelled = table.column("labels").null_count < table.num_rows
    noted = pc.is_null(table.column("state"))
    notes = noted.true_count if hasattr(noted, "true_count") else pc.sum(noted).as_py() or 0
    meta = {**meta, "notes": notes}
    groups = (
        [table]
        if notes in (0, table.num_rows)
        else [table.filter(noted), table.filter(pc.invert(noted))]
    )
    with pq.ParquetWriter(
        sink,
        LINES,
        write_statistics=False,
        use_dictionary=False,
        compression="none" if labelled else "zstd",
        store_schema=False,  # labels are compressed already, mostly
    ) as writer:
        writer.add_key_value_metadata({_META.decode(): json.dumps(meta)})
        for group in groups:
            writer.write_table(group)
    return bytes(sink.getvalue())


@dataclass(frozen=True)
class Part:
    """One file of the chain: a segment, or a compaction that stands for many."""

    path: Path
    generation: int
    first: int
    last: int
    digest: str
    labelled: bool = False
    """Whether it holds label bytes; its name says so."""

    @property
    def compacted(self) -> bool:
        """Whether it stands for a range."""
        return self.path.name.startswith("cmp-")

    @classmethod
    def of(cls, path: Path) -> Part | None:
        """Return the part that `path` names, None for other files."""
        if found := _SEGMENT.match(path.name):
            return cls(
                path, int(found[1]), int(found[2]), int(found[2]), found[3], found[4] is not None
            )
        if found := _COMPACTION.match(path.name):
            return cls(path, int(found[1]), int(found[2]), int(found[3]), found[4])
        return None

    def load(self) -> tuple[bytes, str]:
        """Return the file's bytes and their SHA-256, checked against its name."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _corrupt(self.path, f"cannot be read ({error})") from error
        sha = hashlib.sha256(data).hexdigest()
        if not sha.startswith(self.digest):
            raise _corrupt(self.path, "was altered")
        return data, sha


def segment_name(generation: int, sequence: int, sha256: str, *, labelled: bool) -> str:
    """Return the name of a segment."""
    return f"seg-{generation:06}-{sequence:08}-{sha256[:16]}{'-labels' if labelled else ''}.parquet"


def compaction_name(generation: int, first: int, last: int, sha256: str) -> str:
    """Return the name of a compaction."""
    return f"cmp-{generation:06}-{first:08}-{last:08}-{sha256[:16]}.parquet"


@dataclass(frozen=True)
class ChainLink:
    """One part as read: its state columns (no label bytes) and the digests at its two ends."""

    part: Part
    table: pa.Table
    previous: str
    sha256: str
    """Of the last segment it stands for."""
    notes: int
    """How many lines move no row; they are its first row group."""

    def read_notes(self) -> pa.Table:
        """Return the lines that move no row."""
        return pq.ParquetFile(self.part.path).read_row_group(0, columns=LINES.names[:-1])


@dataclass(frozen=True)
class Chain:
    """A job's ledger as read from disk, oldest first."""

    links: tuple[ChainLink, ...]
    generation: int
    """The highest that wrote anything here."""
    sequence: int
    sha256: str
    segments: dict[int, Part]
    """Every segment file that is there, by sequence: the ones with label bytes stay after compaction."""
    spare: tuple[Part, ...]
    """Files that a compaction made unnecessary."""

    @property
    def table(self) -> pa.Table:
        """The columns read, in the order of writing."""
        return (
            pa.concat_tables([link.table for link in self.links])
            if self.links
            else LINES.empty_table().drop_columns(["labels"])
        )

    def notes(self) -> pa.Table:
        """Return the lines about the job itself and about surplus shipments, oldest first."""
        return pa.concat_tables(
            [
                LINES.empty_table().drop_columns(["labels"]),
                *(link.read_notes() for link in self.links if link.notes),
            ]
        )


@dataclass(frozen=True)
class Head:
    """The last segment, as HEAD names it."""

    sequence: int
    name: str
    sha256: str


def read_head(folder: Path) -> Head:
    """Return what HEAD says. Two slots are written in turn, so that a torn write leaves one good."""
    try:
        data = (folder / "HEAD").read_bytes()
    except FileNotFoundError:
        raise _corrupt(folder / "HEAD", "is missing") from None
    heads = [head for start in (0, _SLOT) if (head := _slot(data[start : start + _SLOT]))]
    if not heads:
        raise _corrupt(folder / "HEAD", "was altered")
    return max(heads, key=lambda head: head.sequence)


def head_bytes(head: Head) -> bytes:
    """Return one slot of HEAD."""
    text = f"{head.sequence:08} {head.name} {head.sha256}"
    return f"{text} {zlib.crc32(text.encode()):08x}".ljust(_SLOT - 1).encode() + b"\n"


def write_head(disk: Disk, folder: Path, head: Head) -> None:
    """Name the last segment. Not synced: a HEAD that lags behind only means that later segments are found by their names."""
    disk.patch(folder / "HEAD", (head.sequence % 2) * _SLOT, head_bytes(head))


def _slot(data: bytes) -> Head | None:
    try:
        text, crc = data.decode().rstrip().rsplit(" ", 1)
        sequence, name, sha = text.split(" ")
        return Head(int(sequence), name, sha) if int(crc, 16) == zlib.crc32(text.encode()) else None
    except ValueError:
        return None


def read_chain(folder: Path, genesis: str, columns: Sequence[str] | None = None) -> Chain:
    """Return the ledger under `folder`, every link checked.

    Parameters
    ----------
    genesis
        What the first segment must follow: the manifest's digest.
    columns
        State columns to read; default all but the label bytes.

    Raises
    ------
    CheckpointCorrupt
        A segment is missing, altered or unreadable. It is never read as "pending": restore it from
        a backup.
    """
    for _ in range(3):
        try:
            return _read_chain(folder, genesis, columns or LINES.names[:-1])
        except (
            FileNotFoundError
        ):  # compacted away between listing and reading, by the job that runs
            continue
    return _read_chain(folder, genesis, columns or LINES.names[:-1])


def _read_chain(folder: Path, genesis: str, columns: Sequence[str]) -> Chain:
    head = read_head(folder)  # before the listing, so that what it names must be listed
    segments_folder = folder / "segments"
    parts = [
        part
        for name in sorted(os.listdir(segments_folder))  # noqa: PTH208 - there may be 100,000 names
        if (part := Part.of(segments_folder / name))
    ]
    by_first: dict[int, list[Part]] = {}
    for part in parts:
        by_first.setdefault(part.first, []).append(part)
    links: list[ChainLink] = []
    sequence, sha, used = GENESIS, genesis, set[Path]()
    while candidates := by_first.get(sequence + 1):
        link = _next_link(candidates, sha, columns)
        links.append(link)
        used.add(link.part.path)
        sequence, sha = link.part.last, link.sha256
    _check_end(folder, head, sequence, sha, parts)
    segments = {part.first: part for part in parts if not part.compacted}
    spare = tuple(part for part in parts if part.path not in used and not part.labelled)
    return Chain(
        tuple(links), max((p.generation for p in parts), default=0), sequence, sha, segments, spare
    )


def _meta(file: pq.ParquetFile) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((file.metadata.metadata or {})[_META])
    return found


def read_part(path: Path, columns: Sequence[str]) -> pa.Table:
    """Return some columns of one part, checked against its name."""
    part = Part.of(path)
    if part is None:
        raise _corrupt(path, "is not a part of a ledger")
    try:
        return pq.read_table(pa.BufferReader(part.load()[0]), columns=list(columns))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _corrupt(path, f"cannot be read ({error})") from error


def _next_link(candidates: list[Part], previous: str, columns: Sequence[str]) -> ChainLink:
    part = max(candidates, key=lambda p: (p.last, p.generation))
    data, sha = part.load()
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        meta = _meta(file)
        table = file.read(
            columns=list(columns), use_threads=False
        )  # small files: threads cost more than they give
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise _corrupt(part.path, f"cannot be read ({error})") from error
    if meta["previous"] != previous:
        raise _corrupt(part.path, "does not follow the one before it")
    return ChainLink(part, table, previous, meta["last"] if part.compacted else sha, meta["notes"])


def _check_end(folder: Path, head: Head, sequence: int, sha: str, parts: Iterable[Part]) -> None:
    later = [part for part in parts if part.first > sequence + 1]
    if later or head.sequence > sequence:
        raise _corrupt(
            folder / "segments", f"has no segment {sequence + 1:08} (HEAD names {head.sequence:08})"
        )
    if head.sequence == sequence and head.sha256 != sha:
        raise _corrupt(
            folder / "HEAD", f"names another segment {sequence:08} than the one that is there"
        )


def last_lines(table: pa.Table) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the places of the lines that say where a row stands (the last of each row), in the order of rows."""
    rows, moves = _moves(table)
    if not len(rows):
        return np.zeros(0, dtype=np.int64)
    place = np.full(int(rows.max()) + 1, -1, dtype=np.int64)
    place[rows] = moves  # a repeated row keeps the last
    return place[place >= 0]


def _moves(table: pa.Table) -> tuple[Any, Any]:
    """Return rows and places of the lines that move a row."""
    valid = np.asarray(table.column("state").is_valid())
    places = np.flatnonzero(valid)
    rows = table.column("row").fill_null(-1).to_numpy()[places].astype(np.int64)
    return rows, places


def state_codes(table: pa.Table) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return the state of each line as its place in :data:`STATES`; lines without one must be gone."""
    return np.asarray(pc.index_in(table.column("state"), value_set=_state_texts())).astype(np.uint8)


def merge(tables: Sequence[pa.Table]) -> pa.Table:
    """Return what is worth keeping of `tables` without label bytes: the last line of each row, and all that move no row."""
    whole = pa.concat_tables(tables)
    whole = whole.drop_columns(["labels"]) if "labels" in whole.column_names else whole
    notes = np.flatnonzero(~np.asarray(whole.column("state").is_valid()))
    keep = np.sort(np.concatenate([last_lines(whole), notes]))
    kept = whole.take(pa.array(keep))
    return kept.append_column(LINES.field("labels"), pa.nulls(kept.num_rows, pa.list_(_LABEL)))


def _corrupt(path: Path, what: str) -> CheckpointCorrupt:
    return CheckpointCorrupt(
        f"The job's ledger cannot be trusted: {path.name} in {path.parent} {what}.",
        fix="Put the file back from a backup. Nothing is sent from a job whose books have a hole: "
        "rows could be bought twice.",
        path=str(path),
    )


@cache
def _state_texts() -> pa.Array:
    return pa.array([s.value for s in STATES])  # made on first use: pyarrow imports pandas for it
