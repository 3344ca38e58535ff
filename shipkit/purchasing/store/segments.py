"""The files of a ledger: segments, compactions, and HEAD, which names the last segment.

A segment is one commit. Its name carries its place in the chain and a digest of its content, its
metadata the digest of the one before. A compaction covers a gapless range of segments. Reading
them in order is the business of :mod:`shipkit.purchasing.store.chain`.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from shipkit.common.files import Disk
from shipkit.errors import CheckpointCorrupt

__all__ = [
    "Head",
    "Part",
    "compaction_name",
    "corrupt",
    "head_bytes",
    "read_head",
    "read_part",
    "segment_name",
    "write_head",
]

_SEGMENT = re.compile(r"seg-(\d{6,})-(\d{8,})-([0-9a-f]{16})(-labels)?\.parquet$")
_COMPACTION = re.compile(r"cmp-(\d{6,})-(\d{8,})-(\d{8,})-([0-9a-f]{16})\.parquet$")
_SLOT = 192
"""Bytes of each of HEAD's two slots."""


@dataclass(frozen=True)
class Part:
    """One file of the ledger: a segment, or a compaction that covers many."""

    path: Path
    generation: int
    """Which owner wrote it: 1 for the first."""
    first: int
    last: int
    """The range of segments that it covers."""
    digest: str
    """The first 16 hexadecimal digits of its SHA-256."""
    labelled: bool = False
    """Whether it holds label bytes; its name says so."""

    @property
    def compacted(self) -> bool:
        """Whether it is a compaction."""
        return self.path.name.startswith("cmp-")

    @classmethod
    def of(cls, path: Path) -> Part | None:
        """Return the part that `path` names, None for any other file."""
        if found := _SEGMENT.match(path.name):
            return cls(
                path, int(found[1]), int(found[2]), int(found[2]), found[3], found[4] is not None
            )
        if found := _COMPACTION.match(path.name):
            return cls(path, int(found[1]), int(found[2]), int(found[3]), found[4])
        return None

    def load(self) -> tuple[bytes, str]:
        """Return the file's bytes and their SHA-256, checked against its name.

        Raises
        ------
        CheckpointCorrupt
            The content is not what the name says, or cannot be read.
        FileNotFoundError
            The file is gone, perhaps because a compaction replaced it a moment ago.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise corrupt(self.path, f"cannot be read ({error})") from error
        sha = hashlib.sha256(data).hexdigest()
        if not sha.startswith(self.digest):
            raise corrupt(self.path, "was altered")
        return data, sha


def segment_name(generation: int, sequence: int, sha256: str, *, labelled: bool) -> str:
    """Return the file name of a segment."""
    return f"seg-{generation:06}-{sequence:08}-{sha256[:16]}{'-labels' if labelled else ''}.parquet"


def compaction_name(generation: int, first: int, last: int, sha256: str) -> str:
    """Return the file name of a compaction."""
    return f"cmp-{generation:06}-{first:08}-{last:08}-{sha256[:16]}.parquet"


def read_part(path: Path, columns: Sequence[str]) -> pa.Table:
    """Return some columns of one part, checked against its name.

    Raises
    ------
    CheckpointCorrupt
        It is not a part of a ledger, was altered, or cannot be read.
    """
    part = Part.of(path)
    if part is None:
        raise corrupt(path, "is not a part of a ledger")
    try:
        return pq.read_table(pa.BufferReader(part.load()[0]), columns=list(columns))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise corrupt(path, f"cannot be read ({error})") from error


# -- HEAD ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Head:
    """The last segment, as HEAD names it."""

    sequence: int
    name: str
    sha256: str


def read_head(folder: Path) -> Head:
    """Return the last segment that HEAD names.

    HEAD has two slots, written in turn and each with a checksum, so a torn write leaves one intact.

    Raises
    ------
    CheckpointCorrupt
        HEAD is missing, or neither slot is intact.
    """
    try:
        data = (folder / "HEAD").read_bytes()
    except FileNotFoundError:
        raise corrupt(folder / "HEAD", "is missing") from None
    heads = [head for start in (0, _SLOT) if (head := _slot(data[start : start + _SLOT]))]
    if not heads:
        raise corrupt(folder / "HEAD", "was altered")
    return max(heads, key=lambda head: head.sequence)


def head_bytes(head: Head) -> bytes:
    """Return one slot of HEAD."""
    text = f"{head.sequence:08} {head.name} {head.sha256}"
    return f"{text} {zlib.crc32(text.encode()):08x}".ljust(_SLOT - 1).encode() + b"\n"


def write_head(disk: Disk, folder: Path, head: Head) -> None:
    """Name the last segment in HEAD.

    Not synced, which saves half of the disk's time per commit: a HEAD that lags behind is harmless,
    because later segments are found by their names. It exists to notice that the newest ones are
    missing (restored from an old backup, deleted by hand).
    """
    disk.patch(folder / "HEAD", (head.sequence % 2) * _SLOT, head_bytes(head))


def _slot(data: bytes) -> Head | None:
    try:
        text, crc = data.decode().rstrip().rsplit(" ", 1)
        sequence, name, sha = text.split(" ")
        return Head(int(sequence), name, sha) if int(crc, 16) == zlib.crc32(text.encode()) else None
    except ValueError:
        return None


def corrupt(path: Path, what: str) -> CheckpointCorrupt:
    """Return the error for a ledger that cannot be trusted."""
    return CheckpointCorrupt(
        f"The job's ledger cannot be trusted: {path.name} in {path.parent} {what}.",
        fix="Restore the file from a backup. Nothing is sent from a job with a gap in its ledger, "
        "because rows could be bought twice.",
        path=str(path),
    )
