"""Arrow tables as pandas frames that can be saved, joined and grouped like any other."""

from __future__ import annotations

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
    frame: pd.DataFrame = _with_one_empty_text(flat.cast(_without_zones(flat.schema))).to_pandas(
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


def origins(addresses: pa.ChunkedArray) -> pa.Array:
    """Return addresses as texts, null for the shipper's: "Harbor Goods, Dallas, TX 75201"."""
    if addresses.null_count == len(addresses):
        return pa.nulls(len(addresses), pa.string())
    places = addresses.combine_chunks()
    parts = [
        pc.coalesce(pc.struct_field(places, name), pa.scalar(""))
        for name in ("company", "name", "city", "state", "postal_code", "country")
    ]
    # Many rows leave from few places: each is written once.
    coded = pc.binary_join_element_wise(*parts, "\x1f").dictionary_encode()
    texts = [_place(*each.split("\x1f")) for each in coded.dictionary.to_pylist()]
    shown = pa.array(texts, pa.string()).take(coded.indices)
    return pc.if_else(pc.is_valid(places), shown, pa.scalar(None, pa.string()))


def _place(company: str, name: str, city: str, state: str, postal_code: str, country: str) -> str:
    where = " ".join(filter(None, (state, postal_code)))
    abroad = "" if country == "US" else country
    return ", ".join(filter(None, (company or name, city, where, abroad)))


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


def _with_one_empty_text(table: pa.Table) -> pa.Table:
    """Return `table` with one array for all text columns that hold nothing, as pandas keeps it.

    Most columns of a preview are such. pandas would make eight bytes a row for each.
    """
    empty = pa.nulls(table.num_rows, pa.large_string())
    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type) and table.column(place).null_count == table.num_rows:
            table = table.set_column(place, field.with_type(empty.type), empty)
    return table


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
