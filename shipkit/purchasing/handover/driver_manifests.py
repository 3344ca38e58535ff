"""Manifests of a job as its ledger has them, and as a person sees them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from shipkit.common import html
from shipkit.common.files import write_file
from shipkit.common.words import counted
from shipkit.errors import LabelError
from shipkit.plan.frames import to_frame
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.results import noted_files

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ASKED",
    "MADE",
    "REFUSED",
    "DriverManifest",
    "DriverManifests",
    "ManifestBook",
    "ManifestRequest",
]

ASKED: Final = "manifest_asked"
MADE: Final = "manifest"
REFUSED: Final = "manifest_refused"
"""Events of the ledger. One that was asked for and neither made nor refused may exist."""

_FRAME: Final = pa.schema(
    [
        pa.field("number", pa.string()),
        pa.field("carrier", pa.string()),
        pa.field("account", pa.string()),
        pa.field("day", pa.date32()),
        pa.field("shipments", pa.int64()),
        pa.field("labels", pa.int64()),
        pa.field("paper", pa.bool_()),
        pa.field("warnings", pa.string()),
    ]
)
_LEFT_OUT: Final = pa.schema(
    [
        pa.field("row_number", pa.int64()),
        pa.field("order_id", pa.string()),
        pa.field("carrier", pa.string()),
        pa.field("tracking_number", pa.string()),
        pa.field("reason", pa.string()),
    ]
)


@dataclass(frozen=True)
class DriverManifest:
    """One form for the driver: a SCAN form at USPS, a manifest elsewhere."""

    number: str
    """What the carrier calls it."""
    carrier: str
    """Who takes the parcels."""
    account: str
    """The name of the account that the labels were bought from."""
    day: dt.date
    """When the parcels are handed over, by the calendar of the place that they leave."""
    rows: tuple[int, ...]
    """The places of its shipments in the plan."""
    labels: int
    """How many parcels are on it."""
    warnings: tuple[str, ...] = ()
    _job: JobStore | None = field(default=None, repr=False, compare=False)
    _sequence: int | None = field(default=None, repr=False, compare=False)

    @property
    def form(self) -> bytes | None:
        """The paper, a PDF; None where the carrier sent none, or the job was pruned."""
        if self._job is None or self._sequence is None:
            return None
        return noted_files(self._job, self._sequence).get(self.number)

    def save(self, path: str | Path) -> Path:
        """Write the paper to a file and return its path.

        Raises
        ------
        LabelError
            There is none.
        """
        paper, path = self.form, Path(path)
        if paper is None:
            raise LabelError(
                f"There is no paper of the manifest {self.number}.",
                fix="Hand the parcels over without it: each is scanned by itself.",
            )
        write_file(path, paper)
        return path


@dataclass(frozen=True, eq=False)
class DriverManifests(html.Shown, Sequence[DriverManifest]):
    """The manifests of a job, in the order they were made, and what is on none of them."""

    manifests: tuple[DriverManifest, ...]
    left_out: pd.DataFrame
    """Bought shipments that are on no manifest: ``row_number``, ``order_id``, ``carrier``,
    ``tracking_number``, ``reason``."""
    in_doubt: tuple[ManifestRequest, ...] = ()
    """Asked for without a usable answer: they may exist. Asking again settles them, or
    :meth:`shipkit.Job.forget_manifest` with their ``attempt``."""

    def __len__(self) -> int:
        return len(self.manifests)

    def __getitem__(self, place: Any) -> Any:
        return self.manifests[place]

    def __iter__(self) -> Iterator[DriverManifest]:
        return iter(self.manifests)

    @property
    def frame(self) -> pd.DataFrame:
        """One row per manifest, in the order they were made.

        ``number``, ``carrier``, ``account``, ``day``, ``shipments``, ``labels``, ``paper``
        (whether there is one to print), ``warnings``.
        """
        lines = [
            {
                "number": each.number,
                "carrier": each.carrier,
                "account": each.account,
                "day": each.day,
                "shipments": len(each.rows),
                "labels": each.labels,
                "paper": each._sequence is not None,  # noqa: SLF001 - of this module
                "warnings": "; ".join(each.warnings),
            }
            for each in self.manifests
        ]
        return to_frame(pa.Table.from_pylist(lines, schema=_FRAME))

    def save(self, folder: str | Path) -> tuple[Path, ...]:
        """Write each paper to a file of its own in `folder`, and return their paths.

        A manifest without paper is left out; :attr:`frame` says which.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        return tuple(
            each.save(
                folder / f"manifest_{_safe(each.carrier)}_{each.day}_{_safe(each.number)}.pdf"
            )
            for each in self.manifests
            if each._sequence is not None  # noqa: SLF001 - of this module
        )

    def __repr__(self) -> str:
        lines = [
            f"{each.carrier} {each.number} | {each.day} | {counted(each.labels, 'label')}"
            + "".join(f" | {warning}" for warning in each.warnings)
            for each in self.manifests
        ]
        lines += [f"in doubt: {request}" for request in self.in_doubt]
        if len(self.left_out):
            lines.append(f"{counted(len(self.left_out), 'shipment')} on no manifest:")
            reasons = self.left_out["reason"].value_counts()
            lines += [f"  {count:,}: {reason}" for reason, count in reasons.items()]
        return "\n".join(lines) or "no manifests"

    def _repr_html_(self) -> str:
        lines = repr(self).splitlines()
        return html.block(
            html.facts([("Manifests" if not i else "", line) for i, line in enumerate(lines)]),
            name="shipkit-manifests",
        )

    @classmethod
    def of(cls, store: JobStore, left_out: Mapping[int, str] | None = None) -> DriverManifests:
        """Return the manifests of a job as they are on disk.

        Parameters
        ----------
        left_out
            Row -> why it is on none.
        """
        reasons = dict(sorted((left_out or {}).items()))
        table = store.results().take(pa.array(list(reasons), pa.int64()))
        table = table.select(_LEFT_OUT.names[:-1])
        table = table.append_column("reason", pa.array(list(reasons.values()), pa.string()))
        book = ManifestBook.of(store)
        return cls(book.made, to_frame(table), book.open)


@dataclass(frozen=True)
class ManifestRequest:
    """One form that is asked for."""

    attempt: int
    account: str
    carrier: str
    day: dt.date
    rows: tuple[int, ...]

    def __str__(self) -> str:
        rows = counted(len(self.rows), "shipment")
        return f"{self.carrier} | {self.day} | {rows} | attempt {self.attempt}"

    def to_json(self, **more: Any) -> str:
        """Return it as the details of a ledger entry."""
        return json.dumps(
            {
                "attempt": self.attempt,
                "account": self.account,
                "carrier": self.carrier,
                "day": self.day.isoformat(),
                "rows": list(self.rows),
                **more,
            }
        )


@dataclass(frozen=True)
class ManifestBook:
    """The ledger's notes about manifests."""

    made: tuple[DriverManifest, ...]
    open: tuple[ManifestRequest, ...]
    """Asked for, and no usable answer came: they may exist."""
    attempts: int

    @property
    def rows(self) -> frozenset[int]:
        """The rows that are on a manifest, or may be."""
        made = (row for form in self.made for row in form.rows)
        return frozenset(made).union(row for request in self.open for row in request.rows)

    @classmethod
    def of(cls, store: JobStore) -> ManifestBook:
        """Return the book of a job."""
        notes = store.notes().select(["event", "details", "label_sequence"]).to_pylist()
        made: list[DriverManifest] = []
        asked: dict[int, ManifestRequest] = {}
        attempts = 0
        for note in notes:
            if note["event"] not in (ASKED, MADE, REFUSED):
                continue
            facts = json.loads(note["details"])
            attempts = max(attempts, facts["attempt"])
            asked.pop(facts["attempt"], None)
            if note["event"] == ASKED:
                asked[facts["attempt"]] = ManifestRequest(
                    facts["attempt"],
                    facts["account"],
                    facts["carrier"],
                    dt.date.fromisoformat(facts["day"]),
                    tuple(facts["rows"]),
                )
            elif note["event"] == MADE:
                made.append(_manifest(facts, store, note["label_sequence"]))
        return cls(tuple(made), tuple(asked.values()), attempts)


def _manifest(facts: Mapping[str, Any], store: JobStore, sequence: int | None) -> DriverManifest:
    return DriverManifest(
        number=facts["number"],
        carrier=facts["carrier"],
        account=facts["account"],
        day=dt.date.fromisoformat(facts["day"]),
        rows=tuple(facts["rows"]),
        labels=facts["labels"],
        warnings=tuple(facts.get("warnings", ())),
        _job=store,
        _sequence=sequence,
    )


def _safe(text: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in text)
