"""A job on disk: published by one rename, readable by anyone, written by one owner at a time.

.. code-block:: text

    <home>/jobs/<job_id>/
      manifest.json     what the job is; never changed
      plan.parquet      the shipments; also quotes, problems, skipped, source
      segments/         the ledger
        seg-<generation>-<sequence>-<digest>.parquet          one commit
        cmp-<generation>-<first>-<last>-<digest>.parquet      many, merged
      HEAD              names the last segment
      LOCK LOCK.json    one owner, and who it is

Everything is plain parquet: DuckDB and pandas read it without shipkit, even while the job runs.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shipkit.common.files import Disk, make_private
from shipkit.common.lock import Holder, held, holder_of
from shipkit.common.object_store import StoreError
from shipkit.common.store_check import demand_checked
from shipkit.errors import (
    CheckpointCorrupt,
    CheckpointFenced,
    CheckpointVersion,
    CheckpointWriteError,
    JobExists,
    JobNotFound,
)
from shipkit.home_url import shown_home, url_of
from shipkit.purchasing.store.chain import Chain, read_chain
from shipkit.purchasing.store.entries import STATES, LedgerEntry, last_entries, state_codes
from shipkit.purchasing.store.job_objects import (
    SegmentDisk,
    fetch_all,
    objects_of,
    reading,
)
from shipkit.purchasing.store.ledger import Ledger, now_us
from shipkit.purchasing.store.manifest import (
    JobDraft,
    Manifest,
    attempt_reference,
    job_id_of,
    lineage_of,
)
from shipkit.purchasing.store.publishing import claim_name, publish_job
from shipkit.purchasing.store.results import (
    RESULT_COLUMNS,
    StoredLabel,
    job_reason,
    job_status,
    result_table,
    scattered,
    stored_labels,
)
from shipkit.schema import complete
from shipkit.settings import Settings
from shipkit.state import JobStatus, RowState

__all__ = ["PRUNED", "JobDraft", "JobStore", "key_before"]

log = logging.getLogger("shipkit.purchasing.store")

PRUNED = "PRUNED"
"""The file that marks a job without addresses and labels, with the new digests of its tables."""

_FENCE_TRIES = 5
_LONGEST_ID = 200
"""Bytes of the name of a folder that every file system takes."""
_STATE_COLUMNS = (
    "entry",
    "row",
    "state",
    "attempt",
    "charged_cents",
    "watch",
    "shipment_id",
    "label_sequence",
    "details",
)


def key_before(name: str) -> str:
    """Return where ``PRUNED`` keeps the digest that a table had before: a crash may leave it."""
    return f"{name} before"


class JobStore:
    """One job on disk. Reading needs no lock; :meth:`own` takes it, for writing.

    Parameters
    ----------
    path
        The job's folder.

    Raises
    ------
    JobNotFound, CheckpointVersion, CheckpointCorrupt
        There is no job, a newer shipkit wrote it, or its manifest cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.objects = objects_of(path)
        """The job's objects, when its home is in an object store and `path` caches it."""
        if self.objects is not None:
            with reading(self.objects.store):
                self.objects.fetch()
        self.manifest, self._genesis = Manifest.read(path)
        self.disk = Disk()
        self._kept: tuple[tuple[bytes, int], Chain] | None = None
        self.ended: tuple[JobStatus, str] | None = None
        """How the last run of this process ended, when that could not be written to disk."""

    # -- finding and publishing ----------------------------------------------------------------

    @classmethod
    def publish(
        cls, home: Path, draft: JobDraft, *, ordinal: int = 1, disk: Disk | None = None
    ) -> JobStore:
        """Write the job of `draft` to disk, or return it when it exists already.

        The id follows from plan and name, so two callers with the same plan get the same job.

        Parameters
        ----------
        ordinal
            1, or one more for each restart of the job.

        Raises
        ------
        JobExists
            The name belongs to a job with another plan.
        CheckpointWriteError
            The home cannot be written. Nothing was sent.
        SettingsError
            The carrier is live, and the home's object store was never checked.
        """
        jobs = home / "jobs"
        path = jobs / job_id_of(draft.fingerprint, draft.name, ordinal)
        if draft.identity.live:
            demand_checked(home)
        try:
            make_private(jobs)
            # The lock decides who gets a name; of two callers with one plan, the rename decides.
            with held(jobs, what="publish", wait_s=30, named="The list of jobs"):
                for dead in jobs.glob(".stage-*"):  # left by a process that was killed
                    shutil.rmtree(dead, ignore_errors=True)
                cls._refuse_taken_name(home, draft)
                claim_name(home, draft)
                if not cls.exists(home, path.name):
                    publish_job(objects_of(path), path, draft, ordinal, disk or Disk())
        except StoreError as error:
            raise CheckpointWriteError(
                f"The job cannot be written to {shown_home(home)}: {error}. Nothing was bought.",
                fix="Check the network, and the AWS_... variables of the environment.",
            ) from error
        except OSError as error:
            raise CheckpointWriteError(
                f"The job cannot be written to {jobs}: {error}.",
                fix="Free disk space, or set SHIPKIT_HOME to a folder you may write.",
            ) from error
        return cls(path)

    @classmethod
    def open(cls, home: Path, job_id: str) -> JobStore:
        """Return a job of this home.

        Raises
        ------
        JobNotFound, CheckpointVersion, CheckpointCorrupt
            As for the class.
        """
        is_name = job_id.isprintable() and len(job_id.encode(errors="replace")) <= _LONGEST_ID
        if not job_id or not is_name or Path(job_id).name != job_id or job_id.startswith("."):
            raise JobNotFound(
                f"{job_id!r} is not a job id.", fix="sk.jobs() lists the jobs of this home."
            )
        return cls(home / "jobs" / job_id)

    @classmethod
    def list(cls, home: Path) -> list[JobStore]:
        """Return the jobs of a home that this version can read, newest first."""
        found = []
        jobs = home / "jobs"
        if url_of(home) is not None:
            fetch_all(home)
        for path in jobs.iterdir() if jobs.is_dir() else ():
            if path.name.startswith("job-") and path.is_dir():
                try:
                    found.append(cls(path))
                except JobNotFound:  # removed since the folder was listed
                    continue
                except (CheckpointCorrupt, CheckpointVersion) as error:
                    log.warning("%s is not listed: %s", path.name, error)
        return sorted(
            found, key=lambda c: (c.manifest.created_at, c.manifest.ordinal), reverse=True
        )

    @staticmethod
    def id_of(fingerprint: str, name: str | None, ordinal: int = 1) -> str:
        """Return the id of the job of a plan, whether it exists or not."""
        return job_id_of(fingerprint, name, ordinal)

    @classmethod
    def of_plan(cls, home: Path, fingerprint: str, name: str | None) -> JobStore | None:
        """Return the latest job of a plan and name (it may have been restarted), or None."""
        found, ordinal = None, 1
        while cls.exists(home, job_id := job_id_of(fingerprint, name, ordinal)):
            found, ordinal = home / "jobs" / job_id, ordinal + 1
        return cls(found) if found else None

    @staticmethod
    def exists(home: Path, job_id: str) -> bool:
        """Return whether a home has a job with this id."""
        path = home / "jobs" / job_id
        objects = objects_of(path)
        if objects is None:
            return path.exists()
        with reading(objects.store):
            return objects.exists

    @classmethod
    def _refuse_taken_name(cls, home: Path, draft: JobDraft) -> None:
        if draft.name is None:
            return
        lineage = lineage_of(draft.fingerprint, draft.name)
        for other in cls.list(home):
            if other.manifest.name == draft.name and other.manifest.lineage != lineage:
                raise JobExists(
                    f"The name {draft.name!r} belongs to {other.job_id}, a job with a different "
                    "plan. Nothing was bought.",
                    fix="Choose another name, or execute the plan of that job.",
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
        """The quotes, one row per shipment: :data:`shipkit.schema.QUOTES`."""
        return self._file("quotes.parquet")

    @property
    def problems(self) -> pa.Table:
        """Every problem of every row: :data:`shipkit.schema.PROBLEMS`."""
        return self._file("problems.parquet")

    @property
    def source(self) -> pa.Table | None:
        """The source's own rows as text, with `row_number`; None when they were not stored."""
        digest = self.manifest.files.get("source.parquet")
        if digest is None or self.pruned:
            return None
        if self.objects is not None:
            self.objects.fetch_table("source.parquet", digest)
        return self._file("source.parquet")

    @property
    def pruned(self) -> bool:
        """Whether addresses and labels were removed."""
        return (self.path / PRUNED).exists()

    @property
    def row_accounts(self) -> pa.Array | None:
        """The name of the account of each row, null for rows that are never sent.

        None for a job with one account.
        """
        if not self.manifest.accounts:
            return None
        return self._file("accounts.parquet").column("account").combine_chunks()

    @cached_property
    def account_codes(self) -> np.ndarray[Any, np.dtype[np.int64]] | None:
        """The place of each row's account in the manifest's, -1 for rows that are never sent.

        None for a job with one account.
        """
        named = self.row_accounts
        if named is None:
            return None
        names = pa.array([account.name for account in self.manifest.accounts])
        places = pc.index_in(named, value_set=names).cast(pa.int64())
        codes: np.ndarray[Any, np.dtype[np.int64]] = pc.fill_null(places, -1).to_numpy()
        return codes

    @cached_property
    def services(self) -> pa.ChunkedArray:
        """The service of each row, as its account calls it."""
        table = pq.read_table(self.path / "plan.parquet", columns=["service"], partitioning=None)
        return table.column("service")

    def reference(self, row: int, attempt: int) -> str:
        """Return the reference under which one attempt of a row is sent to the carrier."""
        return attempt_reference(self.manifest.reference_base, row, attempt)

    def verify(self) -> None:
        """Check that plan, quotes and skipped rows are what was published.

        Raises
        ------
        CheckpointCorrupt
            A file was changed. Sending it would buy something that no one approved.
        """
        pruned = json.loads((self.path / PRUNED).read_bytes()) if self.pruned else {}
        checked = ("plan.parquet", "quotes.parquet", "skipped.parquet", "accounts.parquet")
        for name in checked if self.manifest.accounts else checked[:3]:
            with (self.path / name).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            known = [self.manifest.files[name], pruned.get(name), pruned.get(key_before(name))]
            if digest not in known:
                raise CheckpointCorrupt(
                    f"{name} of {self.job_id} was altered after it was published.",
                    fix="Restore it from a backup. Nothing was sent.",
                )

    # -- states and results --------------------------------------------------------------------

    def counts(self) -> dict[RowState, int]:
        """Return the number of rows in each state. They add up to the rows of the plan."""
        counts = np.bincount(self.states(), minlength=len(STATES))
        return {state: int(counts[code]) for code, state in enumerate(STATES)}

    def status_counts(self) -> dict[RowState, int]:
        """Return the counts as a person should read them.

        When no process owns the job, rows that the last owner left in flight count as in doubt.
        """
        counts = self.counts()
        if self.owner() is None:
            counts[RowState.IN_DOUBT] += counts[RowState.IN_FLIGHT]
            counts[RowState.IN_FLIGHT] = 0
        return counts

    def states(self, chain: Chain | None = None) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Return the code of each row's state: its index in ``entries.STATES``."""
        states = np.full(self.manifest.shipments, STATES.index(RowState.PENDING), dtype=np.uint8)
        states[self.born_skipped.column("row").to_numpy()] = STATES.index(RowState.SKIPPED)
        table = (chain or self._brief()).table
        last = table.take(last_entries(table))
        states[last.column("row").to_numpy()] = state_codes(last)
        return states

    @property
    def status(self) -> JobStatus:
        """The status of the job, also while another process runs it."""
        running = self.owner() is not None
        if self.ended and not running:
            return self.ended[0]
        return job_status(self.notes(), self.counts(), running=running)

    @property
    def reason(self) -> str | None:
        """Why the last run ended early, in words; None when it did not."""
        return self.ended[1] if self.ended else job_reason(self.notes(), self.counts())

    def notes(self) -> pa.Table:
        """Return the ledger entries about the job itself and surplus shipments, oldest first."""
        return self._brief().notes()

    def owner(self) -> Holder | None:
        """Return the process that owns the job, None when none does.

        Of a job in an object store: that has renewed its lease lately, as far as clocks agree.
        """
        return holder_of(self.path) if self.objects is None else self.objects.owner()

    def chain(self, columns: Sequence[str] | None = None) -> Chain:
        """Return the ledger, every link checked.

        Raises
        ------
        CheckpointCorrupt
            A part of it is missing or altered.
        """
        self._refresh()
        return read_chain(self.path, self._genesis, columns)

    def results(self) -> pa.Table:
        """Return the results, one row per shipment, in the order of the plan."""
        return result_table(self, self.chain(RESULT_COLUMNS), running=self.owner() is not None)

    def labels(self, rows: Sequence[int] | None = None) -> Iterator[StoredLabel]:
        """Return stored labels, a few in memory at a time.

        Parameters
        ----------
        rows
            Rows of the plan, in the order wanted; default: all, in the order of the plan.
        """
        return stored_labels(self, rows)

    def last_entries_of(self, rows: Sequence[int]) -> dict[int, dict[str, Any]]:
        """Return the last entry of each of some rows, without label bytes."""
        table = self.chain().table
        last = table.take(last_entries(table))
        chosen = last.filter(pc.is_in(last.column("row"), value_set=pa.array(rows, pa.int32())))
        chosen = chosen.drop_columns(["labels"]) if "labels" in chosen.column_names else chosen
        return {entry["row"]: entry for entry in chosen.to_pylist()}

    def skipped_reasons(self) -> pa.Array:
        """Return why each row was skipped when the job was made, null where it was not."""
        return scattered(
            self.born_skipped.column("row").to_numpy(),
            self.born_skipped.column("reason"),
            self.manifest.shipments,
        )

    # -- writing -------------------------------------------------------------------------------

    @contextmanager
    def own(self, what: str = "execute", *, disk: Disk | None = None) -> Iterator[Ledger]:
        """Own the job and yield its ledger, open for writing.

        Parameters
        ----------
        what
            What it is owned for, shown to others that want it.

        Raises
        ------
        CheckpointLocked
            Another process or thread owns it.
        CheckpointCorrupt
            The ledger has a gap, or the plan was altered. Nothing is sent.
        CheckpointWriteError
            The folder cannot be locked or written.
        """
        with held(self.path, what=what, named=f"The job {self.job_id}"):
            if self.objects is not None:
                with self.objects.owned(what, self._lease_s) as segments:
                    yield from self._opened(self._fenced_ledger(segments))
                return
            self.verify()
            chain = self.chain(_STATE_COLUMNS)
            yield from self._opened(
                Ledger(self.path, chain, self.states(chain), disk=disk or self.disk)
            )

    @staticmethod
    def _opened(ledger: Ledger) -> Iterator[Ledger]:
        try:
            yield ledger
        finally:
            ledger.close()

    def _fenced_ledger(self, segments: SegmentDisk) -> Ledger:
        """Return the ledger of a job in an object store, with a first segment of this owner in it.

        From that segment on no earlier owner can record anything: the next number is taken. One
        may have been writing while the ledger was read, so it is read again until the number is
        ours. After that, everything that was ever on its way is in what was read.
        """
        assert self.objects is not None  # noqa: S101 - the caller asked
        self.verify()
        for _ in range(_FENCE_TRIES):
            chain = read_chain(self.path, self._genesis, _STATE_COLUMNS)
            ledger = Ledger(
                self.path,
                chain,
                self.states(chain),
                disk=segments,
                lease=self.objects.lease,
                save_labels=segments.save_labels,
            )
            facts = {"token": secrets.token_hex(8), "host": socket.gethostname()}
            try:
                ledger.record_now(
                    [
                        LedgerEntry(
                            row=None,
                            event="owner",
                            state=None,
                            at=now_us(),
                            details=json.dumps(facts),
                        )
                    ]
                )
            except CheckpointFenced:
                ledger.close()
                with reading(self.objects.store):
                    self.objects.refresh(anyway=True)
            except BaseException:
                ledger.close()
                raise
            else:
                return ledger
        raise CheckpointFenced(
            f"Another machine keeps writing to the job {self.job_id}. Nothing was sent from here.",
            fix="Stop the other machine, then resume.",
        )

    @property
    def _lease_s(self) -> float:
        return Settings.read(home=self.path.parent.parent).lease_s

    def _refresh(self) -> None:
        if self.objects is not None:
            with reading(self.objects.store):
                self.objects.refresh()

    def _brief(self) -> Chain:
        """Return rows and states of the ledger, cached as long as nothing was written."""
        self._refresh()
        seen = (
            (self.path / "HEAD").read_bytes() if (self.path / "HEAD").exists() else b"",
            (self.path / "segments").stat().st_mtime_ns,
        )
        if self._kept is None or self._kept[0] != seen:
            self._kept = (seen, self.chain(("row", "state")))
        return self._kept[1]

    @cached_property
    def born_skipped(self) -> pa.Table:
        """Rows that are never sent, and why: ``row`` and ``reason``."""
        return self._file("skipped.parquet")

    def _file(self, name: str) -> pa.Table:
        try:
            return pq.read_table(self.path / name, partitioning=None)
        except FileNotFoundError:
            raise CheckpointCorrupt(
                f"{name} of {self.job_id} is missing.", fix="Restore it from a backup."
            ) from None
        except (pa.ArrowException, OSError) as error:
            raise CheckpointCorrupt(
                f"{name} of {self.job_id} cannot be read: {error}.",
                fix="Restore it from a backup.",
            ) from error
