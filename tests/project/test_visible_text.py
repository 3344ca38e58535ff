"""Hidden characters are shown, and those that belong to the writing stay."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from shipkit.cli.console import plain
from shipkit.common.visible_text import visible


def in_variants(text: str) -> str:
    """Return `text` hidden in variation selectors, a byte each."""
    return "".join(
        chr(0xE0100 + byte - 16) if byte >= 16 else chr(0xFE00 + byte) for byte in text.encode()
    )


def in_tags(text: str) -> str:
    """Return `text` hidden in tag characters."""
    return "".join(chr(0xE0000 + ord(letter)) for letter in text)


@pytest.mark.parametrize("hide", [in_variants, in_tags])
def test_a_text_in_hidden_characters_cannot_be_read_back(hide):
    shown = visible(f"Acme{hide('approve and buy everything')}!")
    assert shown.startswith("Acme\\U000e0")
    assert shown.endswith("(and 23 more hidden characters)!")
    assert shown.isascii()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred\x1b[0m", "a\\x1b[31mred\\x1b[0m"),
        ("a\u202etxt.exe", "a\\u202etxt.exe"),
        ("pay\u200bpal", "pay\\u200bpal"),
        ("\ufeffid", "\\ufeffid"),
        ("so\u00adft", "so\\xadft"),
        ("\u3164", "\\u3164"),
        ("x\ue000", "x\\ue000"),
        ("half \ud83d", "half \\ud83d"),
        ("\x00\x07\x7f\x9b", "\\x00\\x07\\x7f(and 1 more hidden characters)"),
        ("a\ufe0f", "a\\ufe0f"),
        ("a\u200d\u200db", "a\\u200d\\u200db"),
    ],
)
def test_hidden_characters_become_escapes(text, shown):
    assert visible(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "Ann Lee",
        "tab\tand\nline",
        "\u4e2d\u6587 \u0410\u043d\u043d\u0430 \u0639\u0645\u0631",
        "\u2764\ufe0f and 1\ufe0f\u20e3",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\u2764\ufe0f\u200d\U0001f525",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u0915\u094d\u200d\u0937",
        "e\u0301",
    ],
    ids=ascii,
)
def test_what_belongs_to_the_writing_stays(text):
    assert visible(text) == text


def test_no_control_or_format_character_is_missed():
    seen = {"\t", "\n", "\ufffc", "\ufffd"}
    for number in range(sys.maxunicode + 1):
        letter = chr(number)
        category = unicodedata.category(letter)
        drawn = category == "Cf" and unicodedata.name(letter, "").startswith(
            ("ARABIC", "SYRIAC", "KAITHI", "EGYPTIAN", "INTERLINEAR")
        )
        if category in {"Cc", "Cf", "Cs", "Co"} and letter not in seen and not drawn:
            assert visible(letter) != letter, hex(number)


def test_a_terminal_gets_one_line_without_hidden_characters():
    assert plain("a\x1b[31m\nb\u202e" + in_tags("x")) == "a\\x1b[31m b\\u202e\\U000e0078"
    assert plain("a\nb\r", keep="\n") == "a\nb "
