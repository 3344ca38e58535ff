"""Fingerprints of tables and addresses: the same values are the same text on any machine and day.

A plan's fingerprint names its job, so that the same orders are the same job and cannot be bought
twice. It must not change with a new version of a library, or with a new field of shipments.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.models import Address
from shipkit.schema import ADDRESS, ITEMS, OWN, PAPERS, PARCELS, RETURN_OF

__all__ = ["address_json", "digest"]


def digest(table: pa.Table) -> str:
    """Return a SHA-256 of the table's values, independent of chunking and process.

    Notes
    -----
    Hashes each column's own buffers after nulls were filled with a constant, so it runs at memory
    speed and does not depend on a file format or a library version.
    """
    sha = hashlib.sha256()
    for name in table.column_names:
        column = table.column(name)
        if name in _LATER and not _any_set(column):
            continue
        sha.update(f"{name}:{table.num_rows};".encode())
        _update(sha, column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)
    return sha.hexdigest()


_LATER = frozenset(
    [
        RETURN_OF,
        *(
            leaf.column
            for leaf in (*OWN, *ADDRESS, *PARCELS, *PAPERS, *ITEMS)
            if leaf.spec.since > 1
        ),
    ]
)
"""Columns and struct fields that the first release did not have; names are not used twice for them.

They are hashed only where a row fills them. Otherwise an upgrade would change the fingerprint of
every plan, and with it the job id: the orders of a job that was interrupted before the upgrade
would be a new job, and could be bought again.
"""


def address_json(address: Address) -> str:
    """Return the JSON of `address` that fingerprints contain: without later fields not filled."""
    empty = {
        leaf.name
        for leaf in ADDRESS
        if leaf.spec.since > 1 and getattr(address, leaf.name) in (None, False)
    }
    return address.model_dump_json(exclude=empty)


def _any_set(values: Any) -> bool:
    valid = pc.drop_null(values)
    return bool(pc.any(valid).as_py()) if pa.types.is_boolean(values.type) else len(valid) > 0


def _update(sha: Any, array: Any) -> None:
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    kind = array.type
    if array.null_count == len(array) and pa.types.is_string(kind):
        _update_empty_texts(sha, len(array))
        return
    sha.update(len(array).to_bytes(8, "little"))
    sha.update(_bits(pc.is_valid(array)))
    if pa.types.is_struct(kind):
        for i in range(kind.num_fields):
            part = pc.struct_field(array, [i])
            if kind.field(i).name not in _LATER or _any_set(part):
                _update(sha, part)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        _update(sha, pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64()))
        _update(sha, pc.list_flatten(array))
    elif pa.types.is_boolean(kind):
        sha.update(_bits(pc.fill_null(array, False)))  # noqa: FBT003 - a fill value
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        filled = pc.fill_null(array, "").cast(pa.large_string())
        _update(sha, pc.binary_length(filled).cast(pa.int64()))
        _data(sha, pa.concat_arrays([filled]))
    elif pa.types.is_date32(kind):
        _update(sha, pc.fill_null(array.cast(pa.int32()), 0))
    else:
        fixed = pa.concat_arrays([pc.fill_null(array, 0)])
        width = kind.bit_width // 8
        data = fixed.buffers()[1]
        if data is not None and len(fixed):
            sha.update(memoryview(data)[fixed.offset * width : (fixed.offset + len(fixed)) * width])


_ZEROS, _ONES = memoryview(bytes(1 << 20)), memoryview(b"\x01" * (1 << 20))


def _update_empty_texts(sha: Any, count: int) -> None:
    """Hash what a column of texts without any text has: most columns of a plan are such."""
    size = count.to_bytes(8, "little")
    sha.update(size)
    _repeat(sha, _ZEROS, count)  # none is valid
    sha.update(size)
    _repeat(sha, _ONES, count)  # the lengths are,
    _repeat(sha, _ZEROS, 8 * count)  # and 0


def _repeat(sha: Any, block: memoryview, count: int) -> None:
    for start in range(0, count, len(block)):
        sha.update(block[: count - start])


def _bits(flags: Any) -> memoryview | bytes:
    return memoryview(flags.cast(pa.uint8()).buffers()[1])[: len(flags)] if len(flags) else b""


def _data(sha: Any, text: Any) -> None:
    """Hash the bytes of a large_string array (its second buffer holds 64-bit offsets)."""
    offsets, data = text.buffers()[1], text.buffers()[2]
    if data is None or not len(text):
        return
    view = memoryview(offsets).cast("q")
    sha.update(memoryview(data)[view[text.offset] : view[text.offset + len(text)]])
