"""What a filter can say, and what it says when it cannot."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from shipkit.errors import FilterError
from shipkit.orders import grouping, source, where
from shipkit.orders.columns import Column

ROWS = [
    {
        "Order No": "A1",
        "Ship City": "Salem",
        "state": "MA",
        "zip": "02134",
        "weight_lb": 1.5,
        "day": dt.date(2026, 11, 1),
        "qty": 1,
        "gift": True,
        "note": "é ü",
    },
    {
        "Order No": "A2",
        "Ship City": "Fresno",
        "state": "CA",
        "zip": "93650",
        "weight_lb": None,
        "day": dt.date(2026, 11, 2),
        "qty": 2,
        "gift": False,
        "note": "50% off",
    },
    {
        "Order No": "A3",
        "Ship City": "salinas",
        "state": "CA",
        "zip": "93901",
        "weight_lb": 30.0,
        "day": dt.date(2026, 12, 1),
        "qty": 12,
        "gift": None,
        "note": "it's",
    },
]


@pytest.fixture(scope="module")
def three() -> grouping.OrderSet:
    return grouping.group(source.load(ROWS))


def kept(orders: grouping.OrderSet, *clauses: str, **params: object) -> list[int]:
    return numbers(where.select(orders, clauses, params))


def numbers(selection: where.Selection) -> list[int]:
    found = selection.orders.con.sql(f"SELECT row_number FROM {selection.relation.sql}")
    return [number for (number,) in found.fetchall()]


@pytest.mark.parametrize(
    ("clause", "params", "rows"),
    [
        ("state = 'CA'", {}, [2, 3]),
        ("state = $state AND weight_lb < 40", {"state": "CA"}, [3]),
        ('"Ship City" = $city', {"city": "Salem"}, [1]),
        ("SHIP_CITY = 'Salem'", {}, [1]),
        ("\"ORDER NO\" = 'A2'", {}, [2]),
        ("zip LIKE '02%'", {}, [1]),
        ("ship_city ILIKE 'sal%'", {}, [1, 3]),
        ("note LIKE '50$%%' ESCAPE '$'", {}, [2]),
        ("note = 'it''s'", {}, [3]),
        ("note = 'é ü'", {}, [1]),
        ("state IN ('CA', 'TX')", {}, [2, 3]),
        ("state IN $states", {"states": ["MA", "TX"]}, [1]),
        ("state IN $states", {"states": pd.Series(["MA"])}, [1]),
        ("state IN ($states)", {"states": ("MA",)}, [1]),
        ("state NOT IN $states", {"states": {"MA"}}, [2, 3]),
        ("state IN $states", {"states": []}, []),
        ("state NOT IN $states", {"states": []}, [1, 2, 3]),
        ("qty IN $numbers", {"numbers": np.array([1, 12])}, [1, 3]),
        ("qty IN ($a, $b)", {"a": 1, "b": np.int64(2)}, [1, 2]),
        ("day IN $days", {"days": ["2026-11-01", "2026-12-01"]}, [1, 3]),
        ("day >= $since", {"since": dt.date(2026, 11, 2)}, [2, 3]),
        ("day >= $since", {"since": "2026-11-02"}, [2, 3]),
        ("day >= $since", {"since": pd.Timestamp("2026-11-02")}, [2, 3]),
        ("day BETWEEN '2026-11-01' AND '2026-11-30'", {}, [1, 2]),
        ("day >= DATE '2026-11-01' + INTERVAL 3 DAY", {}, [3]),
        ("year(day) = 2026 AND extract(month FROM day) = 12", {}, [3]),
        ("weight_lb IS NULL", {}, [2]),
        ("coalesce(weight_lb, 0) = 0 OR weight_lb > $limit", {"limit": Decimal("29.5")}, [2, 3]),
        ("weight_lb > $limit", {"limit": "29.5"}, [3]),
        ("NOT (state = 'CA')", {}, [1]),
        ("gift", {}, [1]),
        ("gift IS NOT TRUE", {}, [2, 3]),
        ("qty % 2 = 0 AND -qty < 0", {}, [2, 3]),
        ("CASE WHEN state = 'CA' THEN qty > 5 ELSE true END", {}, [1, 3]),
        ("TRY_CAST(note AS INTEGER) IS NULL", {}, [1, 2, 3]),
        ("zip::INTEGER > 93700", {}, [3]),
        ("left(zip, 1) = '9' AND position('e' IN ship_city) > 0", {}, [2]),
        ("substring(zip FROM 1 FOR 2) = '93'", {}, [2, 3]),
        ("lower(trim(ship_city)) = 'salinas'", {}, [3]),
        ("regexp_matches(zip, '^93[69]')", {}, [2, 3]),
        ("zip SIMILAR TO '0.*'", {}, [1]),
        ("replace(zip, '9', '') = '3650'", {}, [2]),
        ("state || zip = 'MA02134'", {}, [1]),
        ("row_number = 2", {}, [2]),
        ("state = 'CA' -- a remark", {}, [2, 3]),
    ],
)
def test_a_clause_keeps_the_orders_it_describes(three, clause, params, rows):
    assert kept(three, clause, **params) == rows


def test_clauses_are_anded_and_share_their_values(three):
    assert kept(three, "state = $state", "qty > $least OR zip = 'none'", state="CA", least=5) == [3]


def test_the_order_of_conditions_does_not_change_the_meaning(three):
    assert (
        kept(three, "qty > $a AND qty < $b", a=1, b=10)
        == kept(three, "qty < $b AND qty > $a", b=10, a=1)
        == [2]
    )


def test_no_clause_takes_all(three):
    selection = where.select(three, (), {})
    assert (selection.count, selection.total, str(selection)) == (3, 3, "3 of 3 orders")


def test_a_second_clause_on_the_same_line_is_told_in_counts(three):
    assert str(where.select(three, ["state = 'CA'"], {})) == "2 of 3 orders"


@pytest.mark.parametrize(
    ("clause", "params", "words"),
    [
        ("stat = 'CA'", {}, ["no column `stat`", "did you mean `state`"]),
        ("\"Ship Citty\" = 'x'", {}, ["did you mean `Ship City`"]),
        ('state = "CA"', {}, ["single quotes: 'CA'"]),
        ("zip = 2134", {}, ["`zip` is text", "'2134'"]),
        ("zip = $zip", {"zip": 2134}, ["`zip` is text", "2134"]),
        ("zip IN $zips", {"zips": [2134]}, ["`zip` is text"]),
        ("zip BETWEEN 1 AND 2", {}, ["`zip` is text"]),
        ("day LIKE '2026%'", {}, ["`day` is a date"]),
        ("day > 'tomorrow'", {}, ["2026-11-01"]),
        ("order = 'A1'", {}, ["`order` is an SQL keyword"]),
        ("state = 'CA", {}, ["unterminated"]),
        ("state = $state", {}, ["No value was given for $state"]),
        ("state = $stat", {"state": "CA"}, ["did you mean $state"]),
        ("state = 'CA'", {"extra": 1}, ["$extra is not used in any filter"]),
        ("state = $state", {"state": None}, ["None", "IS NULL"]),
        ("state = NULL", {}, ["IS NULL"]),
        ("state IN ('CA', NULL)", {}, ["IS NULL"]),
        ("state IN $states", {"states": ["CA", None]}, ["None"]),
        ("state IN $states", {"states": "CA"}, ["Pass a list"]),
        ("state = $state", {"state": ["CA"]}, ["is a list", "IN $state"]),
        ("state = $state", {"state": object()}, ["cannot be bound"]),
        ("state = $state", {"state": {"a": 1}}, ["cannot be bound"]),
        ("state = $state", {"state": "x" * 20_000}, ["20,000 characters"]),
        ("state = ?", {}, ["bound by name"]),
        ("state = $1", {}, ["bound by name"]),
        ("lowr(state) = 'ca'", {}, ["lowr()", "did you mean lower()"]),
        ("lower(qty) = 'x'", {}, ["BIGINT"]),
        ("lower(state, 1) = 'x'", {}, ["lower() takes 1"]),
        ("qty", {}, ["not a condition"]),
        ("state", {}, ["not a condition"]),
        ("state = 'CA', qty = 1", {}, ["comma"]),
        ("note::INTEGER = 1", {}, ["TRY_CAST"]),
        ("", {}, ["empty"]),
        ("   ", {}, ["empty"]),
        ("orders.state = 'CA'", {}, ["prefix"]),
    ],
)
def test_a_clause_that_cannot_be_used_says_why(three, clause, params, words):
    with pytest.raises(FilterError) as caught:
        where.select(three, [clause], params)
    for word in words:
        assert word in str(caught.value)


def test_a_clause_that_is_not_text_is_refused(three):
    with pytest.raises(FilterError, match="A filter is a text, not 5"):
        where.select(three, [5], {})


def test_the_error_points_at_the_place(three):
    with pytest.raises(FilterError) as caught:
        where.select(three, ["qty > 1\n  AND 'é' <> stat"], {})
    lines = str(caught.value).splitlines()
    place = lines[1].index("stat")
    assert lines[2] == " " * place + "^^^^"


def test_a_refused_clause_leaves_the_selection_as_it_was(three):
    selection = where.select(three, ["state = 'MA'"], {})
    with pytest.raises(FilterError):
        where.select(three, ["stat = 'CA'"], {})
    assert numbers(selection) == [1]


def test_a_name_that_is_a_key_and_another_heading_is_a_question():
    columns = [Column("A B", "a_b", "VARCHAR"), Column("a_b", "a_b_2", "VARCHAR")]
    with pytest.raises(FilterError, match="several columns: a_b, a_b_2"):
        where.check_clause("a_b = 'x'", columns)
    assert where.check_clause("a_b_2 = 'x'", columns).columns == ("a_b_2",)


def test_a_checked_clause_is_written_anew_with_keys_and_bound_names():
    checked = where.check_clause(
        '"Ship City" = $city',
        [Column("Ship City", "ship_city", "VARCHAR")],
        {"city": "x'; DROP TABLE orders; --"},
    )
    assert (checked.sql, checked.params, checked.columns) == (
        '("ship_city" = $city)',
        {"city": "x'; DROP TABLE orders; --"},
        ("ship_city",),
    )


def test_text_in_a_clause_stays_text(three):
    assert kept(three, "note = 'x''); DROP TABLE lines; --'") == []
    assert kept(three, "state = $state", state="' OR 1=1 --") == []


def test_an_empty_result_says_what_the_column_commonly_holds():
    rows = [{"state": "California", "qty": n} for n in range(3)] + [{"state": "New York", "qty": 9}]
    said = where.select(
        grouping.group(source.load(rows)), ["state = 'CA' AND qty < $most"], {"most": 100}
    ).explain()
    assert "state = 'CA': 0 of 4" in said
    assert "qty < $most: 4 of 4" in said
    assert "Most common values of `state`: 'California' (3), 'New York' (1)." in said
    assert "`qty`" not in said


def test_conditions_that_only_exclude_each_other_are_counted_alone(three):
    said = where.select(three, ["state = 'CA'", "zip = $zip"], {"zip": "02134"}).explain()
    assert said.startswith("No order matches.")
    assert "state = 'CA': 2 of 3" in said
    assert "zip = $zip: 1 of 3" in said
    assert "Most common" not in said


def test_an_empty_list_result_names_the_list(three):
    said = where.select(three, ["state IN $states"], {"states": ["California"]}).explain()
    assert "state IN $states: 0 of 3" in said
    assert "Most common values of `state`: 'CA' (2), 'MA' (1)." in said


def test_a_clause_chooses_rows_of_any_table():
    table = pd.DataFrame({"cost": [1.0, 9.0, 5.0], "service": ["ground", "air", "ground"]})
    import pyarrow as pa

    view = pa.Table.from_pandas(table, preserve_index=False)
    assert where.matching(view, "service = $s AND cost > 2", {"s": "ground"}).tolist() == [2]
    with pytest.raises(FilterError, match="did you mean `cost`"):
        where.matching(view, "cots > 2")


def test_describe_names_types_counts_and_examples(three):
    frame = three.loaded.describe().set_index("name")
    assert frame.loc["state", ["type", "non_null", "distinct", "examples"]].tolist() == [
        "VARCHAR",
        3,
        2,
        "CA, MA",
    ]
    assert frame.loc["Ship City", "key"] == "ship_city"
    assert frame.loc["weight_lb", "non_null"] == 2


def test_a_sample_of_the_selection_is_its_first_orders(three):
    assert where.select(three, ["state = 'CA'"], {}).sample(1).to_pylist()[0]["row_number"] == 2
