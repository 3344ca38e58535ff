"""Base64 of labels: the fast decoder reads what the standard library reads, and nothing else."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipkit.common.base64_text import decoded_base64


def judged(decode, text: str) -> bytes | None:
    try:
        return decode(text)
    except ValueError:
        return None


def standard(text: str) -> bytes:
    return base64.b64decode("".join(text.split()), validate=True)


@given(st.binary(max_size=200))
def test_what_was_written_is_read(data):
    text = base64.b64encode(data).decode()
    assert decoded_base64(text) == data
    assert decoded_base64("\r\n".join(text[i : i + 76] for i in range(0, len(text), 76))) == data


@given(st.text(alphabet='AQZagz09+/=-_ \n\\"é', max_size=12))
def test_every_other_text_is_judged_as_by_the_standard_library(text):
    assert judged(decoded_base64, text) == judged(standard, text)


@pytest.mark.parametrize(
    "text", ["YWJj-_aa", "YWJjYQ", "YWJj YWJj", "YWJjYR==", "YWJjYQ=x", "not base64 <>", "YWJé"]
)
def test_near_misses_are_judged_as_by_the_standard_library(text):
    assert judged(decoded_base64, text) == judged(standard, text)
