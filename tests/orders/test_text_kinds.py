"""What a text is by its look is the same under a heading of names, of streets and of cities."""

from __future__ import annotations

import duckdb
import pytest

from shipkit.orders.normalize.suspects import _is_suspect
from shipkit.orders.normalize.text_damage import judged
from shipkit.orders.rules.city_rules import CITY_RULES
from shipkit.orders.rules.name_rules import NAME_RULES
from shipkit.orders.rules.street_rules import STREET_RULES

KINDS = {
    "an email address": ["ada@example.com", "Ada.Lee+x@mail.example.co.uk", "ADA@EXAMPLE.COM"],
    "a web address": [
        *("https://example.com/a?b=c", "HTTP://EXAMPLE.COM", "www.example.com"),
        *("WWW.Example.com", "www.example.com 12 Main"),
    ],
    "a tracking number": [
        *("1Z999AA10123456784", "1z999aa10123456784", "TBA123456789012", "RR123456785US"),
        "rr123456785us",
    ],
}
OTHERS = [
    *("Ada @ Lee", "@ada", "wwwhat.com", "W.W. Smith", "httpd", "1Z999", "TBA12345"),
    *("RR12345678US", "1Z999AA1012345678412"),
]


def true(condition, **cells):
    columns = ", ".join(f"${name} AS {name}" for name in cells)
    if "name" in cells:
        columns += ", right($name, 1) AS name_end, NULL::VARCHAR AS address_line1"
    return duckdb.execute(f"SELECT {condition} FROM (SELECT {columns})", cells).fetchall()[0][0]


def kinds_of_name(text):
    said = [
        rule.problem for rule in NAME_RULES if true(rule.fails, name=text, company=None) is True
    ]
    return " ".join(said).replace("is an email address", "an email address")


def kind_in_python(text, column):
    found = judged(text, column).problem
    assert not found or true(_is_suspect("cell"), cell=text), "SQL asks for each cell"
    return found or ""


@pytest.mark.parametrize(
    ("kind", "text"), [(k, text) for k, texts in KINDS.items() for text in texts]
)
def test_a_text_is_of_one_kind_in_every_field(kind, text):
    assert kind in kinds_of_name(text)
    assert kind in kind_in_python(text, "address_line1")
    assert kind in kind_in_python(text, "city")


@pytest.mark.parametrize("text", OTHERS)
def test_what_only_begins_like_one_is_none(text):
    found = [kinds_of_name(text), *(kind_in_python(text, x) for x in ("address_line1", "city"))]
    assert not [each for each in found for kind in KINDS if kind in each]


@pytest.mark.parametrize(
    "text", ["Boston, MA 02134", "boston, ma 02134", "St. Louis,MO, 63101-1234"]
)
def test_a_city_with_its_zip_is_one_as_a_name_and_as_a_street(text):
    assert "a city with its ZIP" in kinds_of_name(text)
    (rule,) = (rule for rule in STREET_RULES if rule.code == "street_is_city")
    assert true(rule.fails, address_line1=text)
    assert not true(rule.fails, address_line1=f"12 Main St, {text}"), "it has a street"


@pytest.mark.parametrize("text", ["12 Main St", "12b oak avenue, apt 4", "7 5th Ave. # 3"])
def test_a_street_is_one_as_a_name_and_as_a_city(text):
    assert "a street" in kinds_of_name(text)
    (rule,) = (rule for rule in CITY_RULES if rule.code == "city_is_street")
    assert true(rule.fails, city=text)
