"""Frames and tables of other libraries, of odd labels and indexes, and columns that are refused."""

from __future__ import annotations

import importlib.util
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import shipkit as sk
from shipkit.errors import SourceError

GOOD = pd.DataFrame(
    {
        "order_id": ["1", "2", "3"],
        "name": ["Ann Lee", "Bo Ray", "Cy Fox"],
        "address1": ["1 Elm St", "2 Elm St", "3 Elm St"],
        "city": "Austin",
        "state": "TX",
        "zip": "78701",
        "weight_lb": 2,
    }
)


class Orders(pd.DataFrame):
    """A subclass, as geopandas has one."""

    @property
    def _constructor(self):
        return Orders


@pytest.fixture
def session(shop):
    return sk.BatchSession(GOOD, shipper=shop, service="ground")


def column(session, frame, name):
    cells = session.load(frame).sample()[name]
    return [None if pd.isna(cell) else cell for cell in cells]


SUBCLASSES = {
    "mixed": (Orders(GOOD.assign(odd=pd.Series([1, "a", None], dtype=object))), ["1", "a", None]),
    "cut": (Orders(GOOD.assign(odd=pd.cut([1, 2, 3], [0, 2, 3]))), ["(0, 2]", "(0, 2]", "(2, 3]"]),
    "sparse": (GOOD.assign(odd=pd.arrays.SparseArray([True, False, True])), [True, False, True]),
    "sparse numbers": (GOOD.assign(odd=pd.arrays.SparseArray([1, 0, 2])), [1, 0, 2]),
    "large": (GOOD.assign(odd=np.array([2**64 - 1, 1, 2], dtype="uint64")), [2**64 - 1, 1, 2]),
    "long doubles": (GOOD.assign(odd=np.array([1, 2, 3], dtype=np.longdouble)), ["1", "2", "3"]),
}


@pytest.mark.parametrize("name", SUBCLASSES)
def test_the_column_is_read_with_its_values(name, session):
    frame, expected = SUBCLASSES[name]
    assert column(session, frame, "odd") == expected


def test_a_subclass_is_read_as_a_frame_is(session):
    assert column(session, Orders(GOOD.set_index("order_id")), "order_id") == ["1", "2", "3"]
    unnamed = Orders(GOOD.set_index("order_id").rename_axis(None))
    assert column(session, unnamed, "index") == ["1", "2", "3"]
    twice = Orders(pd.concat([GOOD, GOOD[["zip"]]], axis=1))
    assert column(session, twice, "zip_2") == ["78701"] * 3


def test_labels_that_are_no_text(session):
    frame = GOOD.assign(a=1, b=2, c=3, d=4)
    frame.columns = [*GOOD.columns, 7, None, float("nan"), ("pick", "", 2)]
    session.load(frame)
    assert session.describe().name.tolist()[-4:] == ["7", "column_9", "column_10", "pick 2"]


def test_whole_numbers_in_an_index_without_a_name_are_mentioned_if_no_column_has_order_numbers(
    session,
):
    numbered = GOOD.assign(order_id=[5001, 5001, 5002]).set_index("order_id").rename_axis(None)
    (note,) = session.load(numbered).load_report.of("assumed")
    assert note.text.startswith("the index of the DataFrame was not read")
    assert "(5001, ...)" in note.text
    # Part of a frame, or orders that have their number: nothing is missing.
    for frame in (GOOD.iloc[[2, 0]], GOOD.drop(columns="order_id"), GOOD.set_index([[7, 8, 9]])):
        assert not session.load(frame).load_report.of("assumed")


def arrow(values, kind=None):
    return pa.Table.from_pandas(GOOD, preserve_index=False).append_column(
        "odd", values if kind is None else pa.array(values, kind)
    )


BROKEN = pa.Array.from_buffers(
    pa.string(),
    3,
    [
        None,
        pa.py_buffer(np.array([0, 1, 2, 3], dtype="int32").tobytes()),
        pa.py_buffer(b"\xff\xfea"),
    ],
)
REFUSED = {
    "no such time": arrow([2**60, None, 0], pa.timestamp("s")),
    "no such zone": arrow([0, 1, 2], pa.timestamp("us", "Mars/Phobos")),
    "no places before the point": arrow([Decimal(1500)] * 3, pa.decimal128(20, -2)),
    "not UTF-8": arrow(BROKEN),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_column_that_cannot_be_read_is_named_and_the_session_goes_on(name, session):
    with pytest.raises(SourceError, match=r"The column 'odd' .* has values that cannot be read"):
        session.load(REFUSED[name])
    assert session.order_count == 3
    session.where("state = 'TX'")
    assert len(session.load(GOOD).preview()) == 3


def test_what_is_no_table_is_refused_with_the_way_out(session):
    class Lazy:
        def collect(self):
            return GOOD

    for given, words in (
        (GOOD["zip"], "Cannot read orders from this Series"),
        (Lazy(), r"Pass the result of its collect\(\) method"),
        (pd.DataFrame, "Cannot read orders from an object of type type"),
    ):
        with pytest.raises(SourceError, match=words):
            session.load(given)


def test_polars_frames(session):
    if importlib.util.find_spec("polars") is None:
        pytest.skip("polars is not installed")
    import polars as pl

    frame = pl.from_pandas(GOOD)
    assert column(session, frame, "order_id") == ["1", "2", "3"]
    odd = {
        "categories": (pl.Series(["a", "b", None], dtype=pl.Categorical), ["a", "b", None]),
        "objects": (pl.Series([Decimal(1), "x", None], dtype=pl.Object), ["1", "x", None]),
        "wide": (pl.Series([10**30, 1, None], dtype=pl.Int128), ["1" + "0" * 30, "1", None]),
        "exact": (pl.Series([Decimal("1.50"), None, Decimal(2)]), [Decimal("1.50"), None, 2]),
    }
    for values, expected in odd.values():
        assert column(session, frame.with_columns(values.alias("odd")), "odd") == expected
    with pytest.raises(SourceError, match=r"its collect\(\) method"):
        session.load(frame.lazy())


def test_geopandas_frames(session):
    if importlib.util.find_spec("geopandas") is None:
        pytest.skip("geopandas is not installed")
    import geopandas
    import shapely

    frame = geopandas.GeoDataFrame(GOOD, geometry=[shapely.Point(1, 2)] * 3, crs=4326)
    assert column(session, frame.set_index("order_id"), "order_id") == ["1", "2", "3"]
    assert column(session, frame, "geometry") == ["POINT (1 2)"] * 3
