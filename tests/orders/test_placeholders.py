"""A text is a placeholder in every field or in none, in Python and in SQL."""

from __future__ import annotations

import duckdb
import pytest

from shipkit.orders.damage_words import damage_words, plain_sql, plain_words
from shipkit.orders.normalize.suspects import _is_suspect
from shipkit.orders.placeholders import WRITTEN, is_placeholder, placeholder, reason
from shipkit.orders.rules.key_rules import odd_key

IN_SQL = ("order_id", "state", "description")
IN_PYTHON = ("name", "company", "address_line1", "address_line2", "city")

EVERYWHERE = [
    *("(same as above)", "Same as billing", "see notes", "to be confirmed", "#N/A", "#REF!", "###"),
    *("=A1", '=HYPERLINK("x")', "+A1+B1", "@SUM(A1)", "{{ order }}", "*|FNAME|*", "${name}"),
    *("['Shirt']", '{"sku": 1}', "[]", "%NAME%", "«Order_No»", "[Order Number]", "null", "TRUE"),
    *("n/a", "undefined", "[object Object]", "do not ship", "Siehe oben", "keine Angabe"),
    *("t.b.d.", "Pick-up", "[1001, 1002]", "[1.5]", "{ }"),
]
BUT_FOR_FIRMS = ["TBD", "(TBD)", "*TBD*", "Unbekannt", "unknown", "cancelled", "pickup"]
NOWHERE = [
    *("A-1001", "SO 42", "Cotton shirt (blue), 2 pcs.", "[Blue shirt]", "[Old Mill]", "Boston"),
    *("Nuevo León", "T-shirt: M", "= shirt", "#1001", "test shirt", "Same Point", "5 * 3", "東京"),
]


@pytest.fixture(scope="module")
def con():
    with duckdb.connect() as con:
        yield con


def ask(con, expression, text):
    return con.execute(f"SELECT {expression}", {"text": text}).fetchall()[0][0]


@pytest.mark.parametrize("text", [*EVERYWHERE, *BUT_FOR_FIRMS])
def test_a_placeholder_is_one_in_every_field(con, text):
    assert {column: ask(con, is_placeholder("$text", column), text) for column in IN_SQL} == {
        **dict.fromkeys(IN_SQL, True)
    }
    assert all(ask(con, reason("$text", column), text) for column in IN_SQL)
    assert ask(con, odd_key("$text"), text), "the rules of order numbers ask"
    firms = text not in BUT_FOR_FIRMS
    for column in IN_PYTHON:
        assert (placeholder(text, column) is not None) == (firms or column != "company"), column
        assert not placeholder(text, column) or ask(con, _is_suspect("$text"), text), "SQL asks"


@pytest.mark.parametrize("text", NOWHERE)
def test_other_texts_are_none_in_any_field(con, text):
    assert not [column for column in IN_SQL if ask(con, is_placeholder("$text", column), text)]
    assert not [column for column in IN_SQL if ask(con, reason("$text", column), text)]
    assert not [column for column in IN_PYTHON if placeholder(text, column)]


@pytest.mark.parametrize("text", ["[1001]", "{1001}"])
def test_one_number_in_brackets_is_an_order_number_only(con, text):
    assert not ask(con, is_placeholder("$text", "order_id"), text)
    assert ask(con, reason("$text", "order_id"), text) is None
    assert ask(con, is_placeholder("$text", "description"), text)
    assert placeholder(text, "name") is not None


def test_xx_is_a_state_that_forms_ask_for(con):
    assert not ask(con, is_placeholder("$text", "state"), "XX")
    assert ask(con, is_placeholder("$text", "order_id"), "XX")


@pytest.mark.parametrize("column", IN_SQL)
def test_sql_and_python_find_the_same_words(con, column):
    lists = ("nothing", "booleans", "errors", *WRITTEN)
    words = sorted({word for name in lists for word in damage_words(name)})
    forms = [form for w in words for form in (w, w.upper(), f"({w})", f"{w}.", f"{w} x", f"x{w}")]
    found = con.execute(
        f"""
        SELECT text, {is_placeholder("text", column)}, {reason("text", column)},
            {plain_sql("text")}
        FROM (SELECT unnest($forms) AS text)
        """,
        {"forms": forms},
    ).fetchall()
    for text, is_one, why, plain in found:
        in_python = placeholder(text, column)
        assert (is_one, why) == (in_python is not None, in_python and in_python.reason), text
        assert plain == plain_words(text)
