"""Arrow tables as pandas frames that can be saved, joined and grouped like any other."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["movers", "origins", "to_frame", "with_zone"]


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Return `table` as pandas: nullable integers, real dates, text as `str`, lists as tuples.

    Tuples in an object column, because pandas can neither read back the Arrow lists that it wrote
    to Parquet nor find duplicates among them. Times are UTC without a time zone, because a
    workbook has none and pandas refuses to write them otherwise.
    """
    import pandas as pd

    def dtype(kind: pa.DataType) -> Any:
        if pa.types.is_uint64(kind):
            return pd.UInt64Dtype()
        if pa.types.is_integer(kind):
            return pd.Int64Dtype()
        return pd.BooleanDtype() if pa.types.is_boolean(kind) else None

    places = [place for place, field in enumerate(table.schema) if pa.types.is_nested(field.type)]
    flat = table.select([place for place in range(table.num_columns) if place not in places])
    frame: pd.DataFrame = flat.cast(_without_zones(flat.schema)).to_pandas(
        types_mapper=dtype, date_as_object=False
    )
    frame.index = pd.RangeIndex(table.num_rows)  # a frame without columns has no rows
    for place in places:
        cells = pd.Series(_tuples(table.column(place)), frame.index, dtype=object)
        frame.insert(place, table.column_names[place], cells)
    return frame


def movers(service: pa.Array | pa.ChunkedArray, seller: pa.Array) -> pa.Array:
    """Return the carrier that moves each parcel: of its service, else the carrier that sells it."""
    whole = service.combine_chunks() if isinstance(service, pa.ChunkedArray) else service
    texts = whole.dictionary_encode()
    own = [
        text.partition(":")[0] if text and ":" in text else None
        for text in texts.dictionary.to_pylist()
    ]
    return pc.coalesce(pa.array(own, pa.string()).take(texts.indices), seller)


def origins(addresses: pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Return addresses as texts, null for the shipper's: "Harbor Goods, Dallas, TX 75201"."""
    if addresses.null_count == len(addresses):
        return pa.nulls(len(addresses), pa.string())
    return pa.array(
        [None if each is None else _place(each) for each in addresses.to_pylist()], pa.string()
    )


def _place(address: Mapping[str, Any]) -> str:
    where = " ".join(filter(None, (address["state"], address["postal_code"])))
    abroad = None if address["country"] == "US" else address["country"]
    parts = (address["company"] or address["name"], address["city"], where, abroad)
    return ", ".join(filter(None, parts))


def with_zone(frame: pd.DataFrame) -> pd.DataFrame:
    """Return `frame` with its columns of times (``..._at``) marked as UTC, for text and JSON."""
    times = [name for name in frame.select_dtypes("datetime").columns if str(name).endswith("_at")]
    return frame.assign(**{name: frame[name].dt.tz_localize("UTC") for name in times})


def _without_zones(schema: pa.Schema) -> pa.Schema:
    return pa.schema(
        field.with_type(pa.timestamp(field.type.unit))
        if pa.types.is_timestamp(field.type) and field.type.tz
        else field
        for field in schema
    )


def _tuples(column: pa.ChunkedArray) -> list[tuple[Any, ...] | None]:
    """Return the cells of a nested column as tuples; a pair of key and value as a tuple of both."""
    kind = column.type
    if pa.types.is_list(kind) and not pa.types.is_nested(kind.value_type):
        # Without a list for each cell in between: numbers of a million orders.
        items = pc.list_flatten(column).to_pylist()
        lengths = pc.list_value_length(column)
        if not column.null_count and pc.all(pc.equal(lengths, 1)).as_py():
            return list(zip(items, strict=True))  # most orders have one line
        left = iter(items)
        return [
            None if length is None else tuple(islice(left, length))
            for length in lengths.to_pylist()
        ]
    return [_plain(cell) for cell in column.to_pylist()]


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_plain, value))
    if isinstance(value, dict):
        pairs = [(name, _plain(item)) for name, item in value.items()]
        return tuple(item for _, item in pairs) if set(value) == {"key", "value"} else tuple(pairs)
    return value
