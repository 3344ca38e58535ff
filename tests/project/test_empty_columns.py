"""Columns that hold nothing share one array, and nothing else changes."""

import pyarrow as pa

from shipkit.common.empty_columns import without_copies


def test_empty_columns_of_a_type_share_their_memory():
    nested = pa.struct([("city", pa.string()), ("zips", pa.list_(pa.string()))])
    kinds = [("a", pa.string()), ("b", pa.string()), ("c", nested), ("d", nested)]
    table = pa.table(
        {"row": pa.array(range(1000)), **{name: pa.nulls(1000, kind) for name, kind in kinds}}
    )
    made = without_copies(table)
    assert made.equals(table)
    assert made.schema.equals(table.schema)
    first, second = made.column("a").chunk(0), made.column("b").chunk(0)
    assert first.buffers()[0].address == second.buffers()[0].address


def test_a_single_value_is_kept_with_its_chunks():
    column = pa.chunked_array([[None, None], [None, "x"]], pa.string())
    made = without_copies(pa.table({"a": column, "b": pa.nulls(4, pa.string())}))
    assert made.column("a").to_pylist() == [None, None, None, "x"]
    assert made.column("b").null_count == 4


def test_a_table_without_rows_stays_one():
    table = pa.table({"a": pa.array([], pa.string()), "b": pa.array([], pa.int64())})
    assert without_copies(table).equals(table)
