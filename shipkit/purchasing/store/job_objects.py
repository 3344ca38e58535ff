"""A job in an object store: fetched into the cache of this process, written segment by segment.

.. code-block:: text

    <home>/jobs/<job_id>/
      manifest.json               what the job is; created once
      tables/<digest>-<name>      plan, quotes, problems, skipped, source; named by the manifest
      segments/<sequence>         one commit; created once, never removed
      compactions/<name>          many commits, merged
      labels/<sequence>-<digest>  label bytes, named in the metadata of their segment
      OWNER                       who owns the job; see :mod:`shipkit.purchasing.store.lease`
      PRUNED                      addresses and labels were removed

A segment is created under its number. Of two machines that both believe to own the job, one creates
it, and the other is fenced off permanently. That is also why no segment is ever removed: its number
would be free again. Label bytes lie apart, because a machine that goes on with a job needs its
states and not its labels.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from shipkit.common.files import Disk, make_private
from shipkit.common.lock import Holder
from shipkit.common.object_store import ObjectStore, StoreError, in_parallel, store_of
from shipkit.errors import (
    CheckpointCorrupt,
    CheckpointFenced,
    CheckpointWriteError,
    JobError,
)
from shipkit.purchasing.store.entries import metadata
from shipkit.purchasing.store.lease import Lease, LeaseRecord, alive
from shipkit.purchasing.store.segments import (
    Head,
    Part,
    head_bytes,
    segment_name,
)

__all__ = ["JobObjects", "SegmentDisk", "fetch_all", "objects_of", "reading"]

log = logging.getLogger("shipkit.purchasing.store.job_objects")

_FRESH_S = 1.0
"""How long what was fetched counts as current for a reader of a job that another machine runs."""
_TABLES = (
    "plan.parquet",
    "quotes.parquet",
    "problems.parquet",
    "skipped.parquet",
    "accounts.parquet",
)
"""What every reader of a job needs. The source's own rows are fetched when they are wanted."""

_JOBS: dict[Path, JobObjects] = {}
_JOBS_GUARD = threading.Lock()


def objects_of(folder: Path) -> JobObjects | None:
    """Return the objects of the job whose folder is `folder`, None when its home is a folder.

    Always the same one in a process: whether the job is owned here is kept on it.
    """
    store = store_of(folder.parent.parent)
    if store is None:
        return None
    with _JOBS_GUARD:
        return _JOBS.setdefault(folder, JobObjects(store, folder))


def fetch_all(home: Path) -> None:
    """Bring the jobs of a home in an object store into the cache."""
    store = store_of(home)
    assert store is not None  # noqa: S101 - callers asked
    with reading(store):
        found = [name for name in store.folders("jobs") if name.startswith("job-")]
        in_parallel(_fetch_if_whole, (objects_of(home / "jobs" / name) for name in found))


def _fetch_if_whole(job: JobObjects | None) -> None:
    assert job is not None  # noqa: S101 - the home is in an object store
    try:
        job.fetch()
    except JobError as error:  # one damaged job hides no other; its own readers say it again
        log.warning("%s: %s", job.folder.name, error)


@contextmanager
def reading(store: ObjectStore) -> Iterator[None]:
    """Say in words that the store cannot be read."""
    try:
        yield
    except (StoreError, FileNotFoundError) as error:
        raise CheckpointWriteError(
            f"The home {store.url} cannot be read: {error}.",
            fix="Check the network, and the AWS_... variables of the environment.",
        ) from None


class JobObjects:
    """The objects of one job, and the folder that caches them.

    Parameters
    ----------
    folder
        The job's folder in the cache of its home.
    """

    def __init__(self, store: ObjectStore, folder: Path) -> None:
        self.store, self.folder = store, folder
        self.prefix = f"jobs/{folder.name}"
        self.lease: Lease | None = None
        """The lease while this process owns the job."""
        self._last = 0
        """The last segment in the cache."""
        self._fetched = float("-inf")
        self._guard = threading.RLock()

    # -- into the cache ------------------------------------------------------------------------

    @property
    def exists(self) -> bool:
        """Whether the job was published."""
        return (self.folder / "manifest.json").exists() or self.store.exists(
            self._key("manifest.json")
        )

    def fetch(self) -> None:
        """Bring what the job is, and its ledger, into the cache; nothing when there is no job."""
        with self._guard:
            if not (self.folder / "manifest.json").exists():
                manifest = self.store.find(self._key("manifest.json"))
                if manifest is None:
                    return
                self._fetch_tables(manifest.data)
            self.refresh()

    def _fetch_tables(self, manifest: bytes) -> None:
        """Fetch the tables next to the job's place and rename them: readers see all or nothing."""
        try:
            digests = dict(json.loads(manifest)["files"])
        except (ValueError, KeyError, TypeError):
            digests = {}  # whoever reads the manifest says what is wrong with it
        pruned = self.store.find(self._key("PRUNED"))
        if pruned is not None:
            digests |= json.loads(pruned.data)
        stage = self.folder.parent / f".fetch-{secrets.token_hex(8)}"
        make_private(stage / "segments")
        try:
            wanted = [name for name in _TABLES if name in digests]
            for name, data in zip(
                wanted, in_parallel(lambda n: self._table(n, digests[n]), wanted), strict=True
            ):
                if data is not None:
                    (stage / name).write_bytes(data)
            if pruned is not None:
                (stage / "PRUNED").write_bytes(pruned.data)
            (stage / "HEAD").write_bytes(self._genesis(manifest) * 2)
            (stage / "manifest.json").write_bytes(manifest)
            shutil.rmtree(self.folder, ignore_errors=True)
            stage.rename(self.folder)
        finally:
            shutil.rmtree(stage, ignore_errors=True)

    def _table(self, name: str, digest: str) -> bytes | None:
        """Return a table's bytes; None when it is missing, which its reader says."""
        found = self.store.find(self._table_key(name, digest))
        return None if found is None else found.data

    def fetch_table(self, name: str, digest: str) -> None:
        """Bring one more table into the cache."""
        path = self.folder / name
        if path.exists():
            return
        with reading(self.store):
            data = self._table(name, digest)
        if data is not None:
            _write(path, data)

    def refresh(self, *, anyway: bool = False) -> None:
        """Bring what the ledger gained into the cache, unless this process is its owner."""
        with self._guard:
            if self.lease is not None and not anyway:
                return
            if not anyway and time.monotonic() - self._fetched < _FRESH_S:
                return
            # The owner first: what it names must then be in the listing.
            owner = self.store.find(self._key("OWNER"))
            if self.lease is None:
                self._follow_prune()
            if self._last == 0:
                self._fetch_compactions()
            names = self.store.names(
                self._key("segments"), after=f"{self._last:08}" if self._last else None
            )
            for sequence in in_parallel(self._fetch_segment, names):
                self._last = max(self._last, sequence)
            if owner is not None:
                sequence, sha = LeaseRecord.decode(owner.data).head
                if sequence:
                    self._name_head(Head(sequence, "-", sha))
            self._fetched = time.monotonic()

    def _follow_prune(self) -> None:
        """Drop addresses and labels from the cache when another machine has pruned the job."""
        pruned = self.store.find(self._key("PRUNED"))
        own = self.folder / "PRUNED"
        if pruned is None or (own.exists() and own.read_bytes() == pruned.data):
            return
        self._fetch_tables(self.store.get(self._key("manifest.json")).data)
        self._last = 0

    def _fetch_segment(self, name: str) -> int:
        data = self.store.get(self._key("segments", name)).data
        sha = hashlib.sha256(data).hexdigest()
        try:
            meta = metadata(pq.ParquetFile(pa.BufferReader(data)))
            generation, sequence = int(meta["generation"]), int(meta["sequence"])
        except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
            raise self._corrupt(f"segment {name} cannot be read ({error})") from error
        if f"{sequence:08}" != name:
            raise self._corrupt(f"segment {name} says that it is {sequence:08}")
        _write(
            self.folder / "segments" / segment_name(generation, sequence, sha, labelled=False), data
        )
        return sequence

    def _fetch_compactions(self) -> None:
        """Fetch as few files as cover the beginning of the ledger."""
        parts = [
            part
            for name in self.store.names(self._key("compactions"))
            if (part := Part.of(self.folder / "segments" / name))
        ]
        while (
            best := max(
                (part for part in parts if part.first == self._last + 1),
                key=lambda part: (part.last, part.generation),
                default=None,
            )
        ) is not None:
            data = self.store.get(self._key("compactions", best.path.name)).data
            if not hashlib.sha256(data).hexdigest().startswith(best.digest):
                log.warning("%s is damaged; its segments are read", best.path.name)
                parts.remove(best)
                continue
            _write(best.path, data)
            self._last = best.last

    def _name_head(self, head: Head) -> None:
        slot = head_bytes(head)
        _write(self.folder / "HEAD", slot * 2)

    @staticmethod
    def _genesis(manifest: bytes) -> bytes:
        return head_bytes(Head(0, "-", hashlib.sha256(manifest).hexdigest()))

    # -- owning --------------------------------------------------------------------------------

    def owner(self) -> Holder | None:
        """Return who seems to own the job, also when that is this process."""
        if self.lease is not None:
            return self.lease.record.holder
        with reading(self.store):
            return alive(self.store.find(self._key("OWNER")))

    @contextmanager
    def owned(self, what: str, lease_s: float) -> Iterator[SegmentDisk]:
        """Own the job for a block, and yield what writes its segments.

        Raises
        ------
        CheckpointLocked
            Another machine owns it and lives.
        """
        disk = SegmentDisk(self)
        with reading(self.store):
            self.store.demand_conditions()
        lease = Lease(
            self.store,
            self._key("OWNER"),
            seconds=lease_s,
            what=what,
            named=f"The job {self.folder.name}",
            head=lambda: disk.last,
        )
        with lease:
            with self._guard:
                self.lease = lease
            disk.last = lease.record.head
            try:
                with reading(self.store):
                    self.refresh(anyway=True)
                yield disk
            finally:
                with self._guard:
                    self.lease = None
                    self._fetched = float("-inf")

    # -- writing -------------------------------------------------------------------------------

    def publish(self, folder: Path) -> bool:
        """Upload a job from a folder. False when another machine has published it before.

        The manifest decides: it is created last, and only one is.

        Raises
        ------
        OSError
            The store cannot be written.
        """
        self.store.demand_conditions()
        manifest = (folder / "manifest.json").read_bytes()
        digests = json.loads(manifest)["files"]

        def upload(name: str) -> None:
            self.store.put(self._table_key(name, digests[name]), (folder / name).read_bytes())

        in_parallel(upload, digests)
        return self.store.create(self._key("manifest.json"), manifest) is not None

    def forget(self) -> None:
        """Remove the job from the cache, so that it is fetched again."""
        with self._guard:
            shutil.rmtree(self.folder, ignore_errors=True)
            self._last, self._fetched = 0, float("-inf")

    def save_segment(self, sequence: int, data: bytes) -> None:
        """Create a segment under its number.

        Raises
        ------
        CheckpointFenced
            Another machine has created that number.
        OSError
            The store cannot be written.
        """
        if self.store.create(self._key("segments", f"{sequence:08}"), data) is None:
            raise CheckpointFenced(
                f"Another machine has gone on with the job {self.folder.name}. Nothing more was "
                "sent from here.",
                fix="Leave it to that machine, or wait until it has finished and resume: what was "
                "in flight here is looked up.",
                job_id=self.folder.name,
            )
        self._last = max(self._last, sequence)

    def save_compaction(self, name: str, data: bytes) -> None:
        """Upload a compaction. Its segments stay."""
        self.store.put(self._key("compactions", name), data)

    def save_labels(self, sequence: int, data: bytes) -> str:
        """Upload the label bytes of a segment that is about to be written; return their digest."""
        digest = hashlib.sha256(data).hexdigest()
        self.store.put(self._label_key(sequence, digest), data)
        return digest

    def labels(self, sequence: int) -> bytes:
        """Return the label bytes of a segment.

        Raises
        ------
        CheckpointCorrupt
            They are missing or altered.
        """
        with reading(self.store):
            try:
                segment = self.store.get(self._key("segments", f"{sequence:08}")).data
                digest = metadata(pq.ParquetFile(pa.BufferReader(segment)))["labels"]
                data = self.store.get(self._label_key(sequence, digest)).data
            except (FileNotFoundError, pa.ArrowException, KeyError, ValueError) as error:
                raise self._corrupt(f"the labels of segment {sequence:08} are missing") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise self._corrupt(f"the labels of segment {sequence:08} were altered")
        return data

    # -- pruning -------------------------------------------------------------------------------

    def prune(self, pruned: bytes, tables: dict[str, bytes], kept: dict[str, str]) -> None:
        """Replace tables and remove everything with addresses and labels. Safe to repeat.

        Parameters
        ----------
        pruned
            The content of ``PRUNED``: table -> its new digest, and ``allow_list``.
        tables
            Table -> its new content.
        kept
            Digests of the tables that stay as they are.
        """
        keep = set()
        for name, data in tables.items():
            key = self._table_key(name, hashlib.sha256(data).hexdigest())
            self.store.put(key, data)
            keep.add(key)
        keep |= {self._table_key(name, digest) for name, digest in kept.items()}
        # Behind the tables that it names, and before the old ones go: readers always find either.
        self.store.put(self._key("PRUNED"), pruned)
        self.store.remove(
            key
            for folder in ("tables", "labels")
            for name in self.store.names(self._key(folder))
            if (key := self._key(folder, name)) not in keep
        )

    def pruned_whole(self, allow_list: str) -> bool:
        """Return whether nothing is left that :meth:`prune` by this allow-list would remove."""
        pruned = self.store.find(self._key("PRUNED"))
        if pruned is None or self.store.names(self._key("labels")):
            return False
        digests = json.loads(pruned.data)
        if digests.pop("allow_list", None) != allow_list:
            return False
        tables = self.store.names(self._key("tables"))
        several = any(name.endswith("-accounts.parquet") for name in tables)
        return len(tables) <= len(_TABLES) - (not several) and all(
            f"{digest[:16]}-{name}" in tables for name, digest in digests.items()
        )

    # -- keys ----------------------------------------------------------------------------------

    def _key(self, *names: str) -> str:
        return "/".join([self.prefix, *names])

    def _table_key(self, name: str, digest: str) -> str:
        # By content: two machines that publish one plan may write it in different bytes.
        return self._key("tables", f"{digest[:16]}-{name}")

    def _label_key(self, sequence: int, digest: str) -> str:
        # By content: a machine that was fenced off has written labels under the same number.
        return self._key("labels", f"{sequence:08}-{digest[:16]}")

    def _corrupt(self, what: str) -> CheckpointCorrupt:
        return CheckpointCorrupt(
            f"The ledger of {self.folder.name} cannot be trusted: {what}.",
            fix="Restore the object from a backup or an earlier version of it. Nothing is sent "
            "from a job with a gap in its ledger, because rows could be bought twice.",
        )


class SegmentDisk(Disk):
    """Writes the ledger of a job: to the object store first, then into the cache, without a sync.

    The cache may be lost at any time. Nothing is in it that the store does not have.
    """

    def __init__(self, objects: JobObjects) -> None:
        self.objects = objects
        self.last: tuple[int, str] = (0, "")
        """Number and digest of the last segment that is durable."""

    def publish(self, folder: Path, name: str, data: bytes) -> None:
        """Make a segment or a compaction durable. Raises CheckpointFenced, or OSError."""
        part = Part.of(folder / name)
        assert part is not None  # noqa: S101 - the ledger writes nothing else
        if part.compacted:
            self.objects.save_compaction(name, data)
        else:
            self.objects.save_segment(part.first, data)
            self.last = (part.first, hashlib.sha256(data).hexdigest())
        _write(folder / name, data)

    def save_labels(self, sequence: int, labels: pa.Table) -> str:
        """Make label bytes durable, apart from their segment; return their digest."""
        sink = pa.BufferOutputStream()
        pq.write_table(
            labels, sink, compression="none", use_dictionary=False, write_statistics=False
        )
        return self.objects.save_labels(sequence, bytes(sink.getvalue()))


def _write(path: Path, data: bytes) -> None:
    """Write a file of the cache: readers see all of it or nothing."""
    fresh = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    fresh.write_bytes(data)
    fresh.replace(path)
