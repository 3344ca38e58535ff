"""A job on disk: published by one rename, read by anybody, written by one owner at a time.

::

    <home>/jobs/<job_id>/
      manifest.json   what the job is; never changed
      plan.parquet quotes.parquet problems.parquet skipped.parquet source.parquet
      segments/       the ledger: seg-<generation>-<sequence>-<digest>.parquet, cmp-... where they
      were compacted HEAD            names the last segment LOCK LOCK.json  one owner; who

Everything is plain parquet: DuckDB and pandas read it without shipkit, also while the job runs.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import logging
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shipkit.common.files import PRIVATE, Disk, make_private
from shipkit.common.lock import Holder, held, holder_of
from shipkit.errors import (
    CheckpointCorrupt,
    CheckpointVersion,
    CheckpointWriteError,
    JobExists,
    JobNotFound,
)
from shipkit.purchasing.store.ledger import Ledger
from shipkit.purchasing.store.manifest import (
    JobDraft,
    Manifest,
    attempt_reference,
    job_id_of,
    lineage_of,
    make_manifest,
)
from shipkit.purchasing.store.results import (
    RESULT_COLUMNS,
    StoredLabel,
    job_reason,
    job_status,
    result_table,
    scattered,
    stored_labels,
)
from shipkit.purchasing.store.segments import (
    STATES,
    Chain,
    Head,
    head_bytes,
    last_lines,
    read_chain,
    state_codes,
)
from shipkit.schema import complete
from shipkit.state import JobStatus, RowState

__all__ = ["PRUNED", "JobDraft", "JobStore"]

log = logging.getLogger("shipkit.purchasing.store")

PRUNED = "PRUNED"
"""The file that says that addresses and labels are gone, with the digest of the plan that is left."""

_ROW_GROUP = 8_192
"""Rows read together; a resume reads only the groups that hold a row to send."""

_STATE_COLUMNS = ("entry", "row", "state", "attempt", "charged_cents", "watch")


class JobStore:
    """One job on disk. Reading needs no lock; :meth:`own` is for writing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest, self._genesis = Manifest.read(path)
        self.disk = Disk()
        self._kept: tuple[tuple[bytes, int], Chain] | None = None
        self.ended: tuple[JobStatus, str] | None = None
        """How the last run in this process ended, where the disk refused to take it down."""

    # -- finding and publishing ----------------------------------------------------------------

    @classmethod
    def publish(
        cls, home: Path, draft: JobDraft, *, ordinal: int = 1, disk: Disk | None = None
    ) -> JobStore:
        """Return the job of `draft`, new on disk or, when another caller was first, theirs.

        Raises
        ------
        JobExists
            The name belongs to a job with another plan. Choose another name.
        CheckpointWriteError
            The home cannot be written. Nothing was sent.
        """
        jobs = home / "jobs"
        path = jobs / job_id_of(draft.fingerprint, draft.name, ordinal)
        try:
            make_private(jobs)
            with held(
                jobs, what="publish", wait_s=30
            ):  # the name is decided here, two callers of one plan by the rename
                for dead in jobs.glob(".stage-*"):  # a publisher that was killed
                    shutil.rmtree(dead, ignore_errors=True)
                cls._refuse_taken_name(home, draft)
                if not path.exists():
                    _publish(path, draft, ordinal, disk or Disk())
        except OSError as error:
            raise CheckpointWriteError(
                f"The job cannot be written to {jobs}: {error}.",
                fix="Free disk space, or set SHIPKIT_HOME to a folder you may write.",
            ) from error
        return cls(path)

    @classmethod
    def open(cls, home: Path, job_id: str) -> JobStore:
        """Return a job of this home. Raises JobNotFound, CheckpointVersion, CheckpointCorrupt."""
        if not job_id or Path(job_id).name != job_id or job_id.startswith("."):
            raise JobNotFound(
                f"{job_id!r} is not a job's id.", fix="sk.jobs() lists the jobs of this home."
            )
        return cls(home / "jobs" / job_id)

    @classmethod
    def list(cls, home: Path) -> list[JobStore]:
        """Return the jobs of a home that this version can read, newest first."""
        found = []
        jobs = home / "jobs"
        for path in jobs.iterdir() if jobs.is_dir() else ():
            if path.name.startswith("job-") and path.is_dir():
                try:
                    found.append(cls(path))
                except JobNotFound:  # removed meanwhile
                    continue
                except (CheckpointCorrupt, CheckpointVersion) as error:
                    log.warning("%s is not listed: %s", path.name, error)
        return sorted(
            found, key=lambda c: (c.manifest.created_at, c.manifest.ordinal), reverse=True
        )

    @staticmethod
    def id_of(fingerprint: str, name: str | None, ordinal: int = 1) -> str:
        """Return the id that the job of a plan has or would have."""
        return job_id_of(fingerprint, name, ordinal)

    @classmethod
    def of_plan(cls, home: Path, fingerprint: str, name: str | None) -> JobStore | None:
        """Return the job of a plan (the latest, when it was restarted), or None."""
        found, ordinal = None, 1
        while (path := home / "jobs" / job_id_of(fingerprint, name, ordinal)).exists():
            found, ordinal = path, ordinal + 1
        return cls(found) if found else None

    @classmethod
    def _refuse_taken_name(cls, home: Path, draft: JobDraft) -> None:
        if draft.name is None:
            return
        lineage = lineage_of(draft.fingerprint, draft.name)
        for other in cls.list(home):
            if other.manifest.name == draft.name and other.manifest.lineage != lineage:
                raise JobExists(
                    f"The name {draft.name!r} belongs to {other.job_id}, a job with another plan. "
                    "Nothing was bought.",
                    fix="Choose another name, or run the plan that it had.",
                    job_id=other.job_id,
                )

    # -- what the job is -----------------------------------------------------------------------

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self.manifest.job_id

    @property
    def plan(self) -> pa.Table:
        """The plan: :data:`shipkit.schema.SHIPMENTS`."""
        return complete(self._file("plan.parquet"))

    @property
    def quotes(self) -> pa.Table:
        """What was quoted: :data:`shipkit.schema.QUOTES`."""
        return self._file("quotes.parquet")

    @property
    def problems(self) -> pa.Table:
        """Every problem of every row: :data:`shipkit.schema.PROBLEMS`."""
        return self._file("problems.parquet")

    @property
    def source(self) -> pa.Table | None:
        """The source's own rows as text with `row_number`, where they were kept."""
        return (
            self._file("source.parquet")
            if "source.parquet" in self.manifest.files and not self.pruned
            else None
        )

    @property
    def pruned(self) -> bool:
        """Whether addresses and labels were removed."""
        return (self.path / PRUNED).exists()

    def reference(self, row: int, attempt: int) -> str:
        """Return the reference of one attempt."""
        return attempt_reference(self.manifest.reference_base, row, attempt)

    def verify(self) -> None:
        """Raise CheckpointCorrupt when the plan or the quotes are not what was published."""
        pruned = json.loads((self.path / PRUNED).read_bytes()) if self.pruned else {}
        for name in ("plan.parquet", "quotes.parquet", "skipped.parquet"):
            with (self.path / name).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest not in (self.manifest.files[name], pruned.get(name)):
                raise CheckpointCorrupt(
                    f"{name} of {self.job_id} was altered after it was published.",
                    fix="Put it back from a backup. Nothing was sent.",
                )

    # -- how it stands -------------------------------------------------------------------------

    def counts(self) -> dict[RowState, int]:
        """Return how many rows are in each state; they add up to the plan."""
        counts = np.bincount(self.states(), minlength=len(STATES))
        return {state: int(counts[code]) for code, state in enumerate(STATES)}

    def standing(self) -> dict[RowState, int]:
        """Return the counts as a person should read them: what a dead owner left in flight is in doubt."""
        counts = self.counts()
        if self.owner() is None:
            counts[RowState.IN_DOUBT] += counts[RowState.IN_FLIGHT]
            counts[RowState.IN_FLIGHT] = 0
        return counts

    def states(self, chain: Chain | None = None) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Return the code of each row's state (its place in :data:`shipkit.purchasing.store.segments.STATES`)."""
        states = np.full(self.manifest.shipments, STATES.index(RowState.PENDING), dtype=np.uint8)
        states[self._born_skipped.column("row").to_numpy()] = STATES.index(RowState.SKIPPED)
        table = (chain or self._brief()).table
        last = table.take(last_lines(table))
        states[last.column("row").to_numpy()] = state_codes(last)
        return states

    @property
    def status(self) -> JobStatus:
        """Where the job stands, whoever is running it."""
        running = self.owner() is not None
        if self.ended and not running:
            return self.ended[0]
        return job_status(self.notes(), self.counts(), running=running)

    @property
    def reason(self) -> str | None:
        """Why the last run ended before its end, in words; None when it did not."""
        return self.ended[1] if self.ended else job_reason(self.notes(), self.counts())

    def notes(self) -> pa.Table:
        """Return the ledger's lines about the job itself and about surplus shipments, oldest first."""
        for _ in range(3):
            try:
                return self._brief().notes()
            except (
                FileNotFoundError
            ):  # compacted away since the chain was read, by the job that runs
                self._kept = None
        return self._brief().notes()

    def owner(self) -> Holder | None:
        """Return who is running the job, None when nobody is."""
        return holder_of(self.path)

    def chain(self, columns: Sequence[str] | None = None) -> Chain:
        """Return the ledger, every link checked. Raises CheckpointCorrupt."""
        return read_chain(self.path, self._genesis, columns)

    def results(self) -> pa.Table:
        """Return a line for each row of the plan, in its order, with the result columns of the API."""
        return result_table(self, self.chain(RESULT_COLUMNS), running=self.owner() is not None)

    def labels(self, rows: Sequence[int] | None = None) -> Iterator[StoredLabel]:
        """Return the stored labels of `rows` (default: all that have one), in that order, a few in memory at a time."""
        return stored_labels(self, rows)

    def skipped_reasons(self) -> pa.Array:
        """Return, for each row, why it was never meant to be sent; null where it was."""
        return scattered(
            self._born_skipped.column("row").to_numpy(),
            self._born_skipped.column("reason"),
            self.manifest.shipments,
        )

    # -- writing -------------------------------------------------------------------------------

    @contextmanager
    def own(self, what: str = "execute", *, disk: Disk | None = None) -> Iterator[Ledger]:
        """Hold the job and give its ledger.

        Raises
        ------
        CheckpointLocked
            Somebody else holds it.
        CheckpointCorrupt
            The books have a hole. Nothing is sent.
        CheckpointWriteError
            The folder cannot be written.
        """
        with held(self.path, what=what):
            self.verify()
            chain = self.chain(_STATE_COLUMNS)
            ledger = Ledger(self.path, chain, self.states(chain), disk=disk or self.disk)
            try:
                yield ledger
            finally:
                ledger.close()

    def _brief(self) -> Chain:
        """Return the ledger's rows and states, kept as long as nothing was written."""
        seen = (
            (self.path / "HEAD").read_bytes() if (self.path / "HEAD").exists() else b"",
            (self.path / "segments").stat().st_mtime_ns,
        )
        if self._kept is None or self._kept[0] != seen:
            self._kept = (seen, self.chain(("row", "state")))
        return self._kept[1]

    @cached_property
    def _born_skipped(self) -> pa.Table:
        return self._file("skipped.parquet")

    def _file(self, name: str) -> pa.Table:
        try:
            return pq.read_table(self.path / name, partitioning=None)
        except FileNotFoundError:
            raise CheckpointCorrupt(
                f"{name} of {self.job_id} is missing.", fix="Put it back from a backup."
            ) from None
        except (pa.ArrowException, OSError) as error:
            raise CheckpointCorrupt(
                f"{name} of {self.job_id} cannot be read: {error}.",
                fix="Put it back from a backup.",
            ) from error


def _publish(path: Path, draft: JobDraft, ordinal: int, disk: Disk) -> None:
    """Stage the job aside and publish it by one rename, so that half a job is never seen."""
    stage = path.parent / f".stage-{uuid.uuid4().hex}"
    try:
        stage.mkdir(mode=PRIVATE)
        (stage / "segments").mkdir(mode=PRIVATE)
        files = {name: _write_table(disk, stage / name, table) for name, table in _tables(draft)}
        manifest = make_manifest(draft, ordinal=ordinal, files=files, now=dt.datetime.now(dt.UTC))
        data = manifest.model_dump_json(indent=1).encode()
        genesis = Head(0, "-", hashlib.sha256(data).hexdigest())
        disk.write(stage / "manifest.json", data)
        disk.write(stage / "HEAD", head_bytes(genesis) * 2)
        disk.sync_folder(stage / "segments")
        disk.sync_folder(stage)
        with contextlib.suppress(FileExistsError):
            disk.rename(stage, path)
        disk.sync_folder(path.parent)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _tables(draft: JobDraft) -> Iterator[tuple[str, pa.Table]]:
    yield "plan.parquet", draft.plan
    yield "quotes.parquet", draft.quotes
    yield "problems.parquet", draft.problems
    skipped = {
        "row": pa.array(draft.skipped.keys(), pa.int32()),
        "reason": pa.array(draft.skipped.values(), pa.string()),
    }
    yield "skipped.parquet", pa.table(skipped)
    if draft.source is not None:
        yield "source.parquet", draft.source


def _write_table(disk: Disk, path: Path, table: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=_ROW_GROUP, compression="zstd")
    data = sink.getvalue()
    disk.write(path, data)
    return hashlib.sha256(data).hexdigest()
