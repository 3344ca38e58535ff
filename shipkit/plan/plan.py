"""The plan of a batch: one Arrow table of shipments, with its problems and its fingerprint.

A preview prices the plan, an approval names its fingerprint, a run buys it, and a resume reads it
from disk. Everything that changes a shipment happens before the plan exists.
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

from shipkit.carriers.protocol import CarrierIdentity, JointIdentity
from shipkit.fingerprints import address_json, digest
from shipkit.models import Address, Shipment
from shipkit.schema import RETURN_OF, shipment_from_row

__all__ = ["Edit", "Plan"]


@dataclass(frozen=True)
class Edit:
    """A manual change after mapping: rows set aside, or fields set.

    Edits are listed in ``session.edits`` and are part of the plan's fingerprint.
    """

    action: str
    """``skip``, ``edit`` or ``accept`` (an address suggestion)."""
    clause: str
    """The SQL clause that selected the rows, as typed."""
    row_numbers: tuple[int, ...]
    """The rows that it selected when the edit was made."""
    fields: tuple[tuple[str, Any], ...] = ()
    """The fields that were set, with their values."""
    reason: str | None = None


@dataclass(frozen=True, eq=False)
class Plan:
    """One batch with every decision made. Immutable: skip, edit and unskip make a new plan.

    Attributes
    ----------
    table
        :data:`shipkit.schema.SHIPMENTS`, one row per shipment. The row's position identifies the
        shipment within a job.
    problems
        :data:`shipkit.schema.PROBLEMS`: every problem of every row, including warnings.
    skipped
        Index -> reason, for rows that were set aside with ``session.skip``.
    not_understood
        Headings of filled columns that are neither used, carried nor ignored.
    filter_notes
        What the filter leaves out that a person may not expect: rows with an empty cell.
    unknown_homes
        Rows of which it is not known whether they are homes.
    residential
        What these are priced and bought as, one of :data:`shipkit.plan.homes.CHOICES`. None:
        nothing was chosen, and carriers take them for businesses.
    sellers
        The name of the account of each row, null for rows without a service; None for a batch with
        one account. `service` is what the row's own account calls it.
    """

    table: pa.Table
    problems: pa.Table
    shipper: Address
    identity: CarrierIdentity
    template: str = ""
    edits: tuple[Edit, ...] = ()
    skipped: dict[int, str] = field(default_factory=dict)
    not_understood: tuple[str, ...] = ()
    filter_notes: tuple[str, ...] = ()
    unknown_homes: tuple[int, ...] = ()
    residential: str | None = None
    sellers: pa.Array | None = None

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def shipment(self, index: int) -> Shipment:
        """Return the shipment at `index` as an object."""
        return shipment_from_row(self.table.slice(index, 1).to_pylist()[0])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the shipments, the shipper and the carrier account, without prices.

        The same shipments have the same fingerprint in any process and on any day. Job ids are
        made from it, so it must not change between versions.
        """
        sha = hashlib.sha256(digest(self.table).encode())
        sha.update(address_json(self.shipper).encode())
        for text in _identities(self.identity):
            sha.update(text.encode())
        if self.sellers is not None:
            sha.update(digest(pa.table({"seller": self.sellers})).encode())
        sha.update(repr(sorted(self.skipped)).encode())
        return sha.hexdigest()

    @cached_property
    def as_told(self) -> pa.Table:
        """The table without what is assumed: `residential` is empty where it is not known."""
        at = self.table.column_names.index("residential")
        mask = np.zeros(len(self), dtype=bool)
        mask[list(self.unknown_homes)] = True
        column = pc.if_else(pa.array(mask), None, self.table.column(at))
        return self.table.set_column(at, self.table.schema.field(at), column)

    def rows_of(self, seller: str) -> npt.NDArray[np.bool_]:
        """Return which rows belong to an account; all of them where there is one account."""
        if self.sellers is None:
            return np.ones(len(self), dtype=bool)
        own = pc.fill_null(pc.equal(self.sellers, seller), False)  # noqa: FBT003 - a fill value
        mask: npt.NDArray[np.bool_] = own.to_numpy(zero_copy_only=False)
        return mask

    @cached_property
    def errors(self) -> dict[int, str]:
        """Index -> why the row cannot ship: all its errors in one line."""
        return self._by_index("error")

    @cached_property
    def warnings(self) -> dict[int, str]:
        """Index -> the warnings of a row, in one line."""
        return self._by_index("warning")

    @cached_property
    def blocked(self) -> npt.NDArray[np.bool_]:
        """Which rows are neither priced nor bought: rows with errors and rows set aside."""
        mask = np.zeros(len(self), dtype=bool)
        mask[[*self.errors, *self.skipped]] = True
        return mask

    def index_of(self, row_numbers: Any) -> npt.NDArray[np.int64]:
        """Return the index of the shipment that contains each source row, or -1."""
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
        # A return label is of no line of the source; its own number finds it.
        alone = np.flatnonzero(np.asarray(pc.is_valid(self.table.column(RETURN_OF))))
        numbers = self.table.column("row_number").take(pa.array(alone)).to_numpy()
        lines, owners = np.append(lines, numbers), np.append(owners, alone)
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


def _identities(identity: CarrierIdentity) -> list[str]:
    """Return the texts that say whose money is spent, for a fingerprint."""
    if isinstance(identity, JointIdentity):
        # In one order: the same accounts named in another order are the same plan.
        return [
            f"{name}={text};" for name, part in sorted(identity.parts) for text in _identities(part)
        ]
    return [f"{identity.name}|{identity.environment}|{identity.account}"]
