"""The Plan: what would be bought, as one Arrow table, with its problems and its fingerprint.

Preview prices this object, an approval names its fingerprint, execution reads it, resume finds it
on disk. Whatever changes a shipment happens before it exists.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.protocol import CarrierIdentity
from shipkit.models import Address, Shipment
from shipkit.schema import digest, shipment_from_row

__all__ = ["Edit", "Plan"]


@dataclass(frozen=True)
class Edit:
    """A change made by a person after mapping: rows set aside, or fields set. Listed, and part of the fingerprint."""

    action: str
    """``skip``, ``edit`` or ``accept`` (an address suggestion)."""
    clause: str
    """The SQL clause that chose the rows, as it was typed."""
    row_numbers: tuple[int, ...]
    """The rows it chose when it was made."""
    fields: tuple[tuple[str, Any], ...] = ()
    """What was set."""
    reason: str | None = None


@dataclass(frozen=True, eq=False)
class Plan:
    """One batch, decided. Immutable; `skip`, `edit` and `unskip` make a new one.

    Attributes
    ----------
    table
        :data:`shipkit.schema.SHIPMENTS`, a line a shipment. Its index is the shipment's number in
        a job.
    problems
        :data:`shipkit.schema.PROBLEMS`: every problem of every row, warnings included.
    skipped
        Index -> reason, for rows that a person set aside.
    """

    table: pa.Table
    problems: pa.Table
    shipper: Address
    identity: CarrierIdentity
    template: str = ""
    edits: tuple[Edit, ...] = ()
    skipped: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def shipment(self, index: int) -> Shipment:
        """Return the shipment at `index` as an object."""
        return shipment_from_row(self.table.slice(index, 1).to_pylist()[0])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of what would be bought, for whom and from whom: same shipments, same fingerprint. Prices are left out."""
        sha = hashlib.sha256(digest(self.table).encode())
        sha.update(self.shipper.model_dump_json().encode())
        sha.update(
            f"{self.identity.name}|{self.identity.environment}|{self.identity.account}".encode()
        )
        sha.update(repr(sorted(self.skipped)).encode())
        return sha.hexdigest()

    @cached_property
    def errors(self) -> dict[int, str]:
        """Index -> why the row cannot ship, all its error problems in one line."""
        return self._by_index("error")

    @cached_property
    def warnings(self) -> dict[int, str]:
        """Index -> what a person should know about a row that can ship."""
        return self._by_index("warning")

    @cached_property
    def blocked(self) -> npt.NDArray[np.bool_]:
        """Which rows are not to be priced or bought: those with errors and those set aside."""
        mask = np.zeros(len(self), dtype=bool)
        mask[[*self.errors, *self.skipped]] = True
        return mask

    def index_of(self, row_numbers: Any) -> npt.NDArray[np.int64]:
        """Return the index of the shipment that holds each source line; -1 where no shipment does."""
        owners, lines = self._lines
        found = np.searchsorted(lines, row_numbers)
        found = np.minimum(found, max(len(lines) - 1, 0))
        if not len(lines):
            return np.full(len(row_numbers), -1, dtype=np.int64)
        hit = lines[found] == np.asarray(row_numbers)
        return np.where(hit, owners[found], -1)

    @cached_property
    def _lines(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        column = self.table.column("row_numbers").combine_chunks()
        lines = pc.list_flatten(column).to_numpy(zero_copy_only=False).astype(np.int64)
        owners = pc.list_parent_indices(column).to_numpy(zero_copy_only=False).astype(np.int64)
        order = np.argsort(lines, kind="stable")
        return owners[order], lines[order]

    def _by_index(self, severity: str) -> dict[int, str]:
        chosen = self.problems.filter(pc.equal(self.problems.column("severity"), severity)).select(
            ["row_number", "field", "problem"]
        )
        texts: dict[int, list[str]] = {}
        rows = chosen.to_pylist()
        for index, row in zip(
            self.index_of([r["row_number"] for r in rows]).tolist(), rows, strict=True
        ):
            if index >= 0:
                texts.setdefault(index, []).append(
                    row["problem"] if row["field"] is None else f"{row['field']}: {row['problem']}"
                )
        return {index: "; ".join(dict.fromkeys(text)) for index, text in texts.items()}
