"""Plain English: expressions of the first release that readers stumbled over do not come back.

The list is short and precise, so that a hit is a mistake and not a matter of taste. Which files are
read is decided by `PLACES`.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

PLACES = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs",
    "notebooks",
    "shipkit",
)
"""Files and folders whose text is held to `PHRASES`."""

PHRASES = {
    r"\bst(?:ands?|ood)\b(?! (?:for|out|by)\b)(?!-)": "is, is in, is written",
    r"\btold\b": "given, informed, set",
    r"\bsaid\b": "stated, reported",
    r"\bbeside\b": "next to, in addition to",
    r"\b(?:no|some|any)body\b": "no one, someone, anyone",
    r"\bwhoever\b": "the person who, anyone who",
    r"\bgiv(?:e|es|ing|en) (?:\w+ ){0,2}back\b|\bgave (?:\w+ )?back\b": "void, return",
    r"\b(?:say|says|saying) (?:yes|no)\b|\b(?:a|your|the|old|person's|valid) yes\b|\byes to\b": (
        "approve, approval, refuse"
    ),
    r"\bat hand\b": "given, available",
    r"\bdearer\b|\bdearest\b": "more expensive, most expensive",
    r"\bwhat (?:it|they|(?:a|the|each) \w+) comes? to\b": "total, cost",
    r"(?<!here )\b(?:is|are) no (?:readable|valid|known|number|date|amount|weight|JSON|UTF-8)\b": (
        "is not a"
    ),
    r"\bto be had\b": "available",
    r"\btwins?\b": "counterpart, version",
    r"\ban? (?:line|row|file|table|request|transaction) an? (?!time\b)\w+": "per, for each",
    r", of which\b|\bof which (?=one|some|only|the|an?\b|\d|each|all|many)": "whose, that",
    r"\bsuch an?\b": "this, a ... like this",
    r"\bfor good\b(?! reason)": "permanently",
    r"\banew\b": "again",
    r"\btell(?:s|ing)? the shop\b": "confirm shipments to the marketplace",
    r"\bwho sells\b": "the carrier",
    r"\bput right\b|\bmend(?:s|ed|ing)?\b": "correct, fix, repair",
    r"\bgo(?:es)? on where\b": "continue where",
}
"""Pattern -> what to write instead."""


def texts_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line number and text of everything in a file that people read."""
    content = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        yield 1, re.sub(r"`[^`\n]*`", "`code`", content)
    elif path.suffix in (".toml", ".txt"):
        yield 1, content
    elif path.suffix == ".ipynb":
        for cell in json.loads(content)["cells"]:
            if cell["cell_type"] == "markdown":
                yield 1, "".join(cell["source"])
    elif path.suffix == ".py":
        yield from strings_of(ast.parse(content))


def strings_of(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every text in a module: docstrings, messages, help; the values in f-strings as `x`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [n.value if isinstance(n, ast.Constant) else "x" for n in node.values]
            yield node.lineno, "".join(map(str, parts))
            yield from strings_of(ast.Module([n for n in node.values if _is_value(n)], []))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
        else:
            yield from strings_of(node)


def _is_value(node: ast.expr) -> bool:
    return isinstance(node, ast.FormattedValue)


def files_of(place: str) -> list[Path]:
    path = ROOT / place
    if path.is_file():
        return [path]
    kinds = (".md", ".txt", ".toml", ".ipynb", ".py")
    return sorted(file for file in path.rglob("*") if file.suffix in kinds)


def hits(path: Path) -> list[str]:
    found = []
    for first, text in texts_of(path):
        for pattern, instead in PHRASES.items():
            for hit in re.finditer(pattern, text, re.IGNORECASE):
                line = first + text[: hit.start()].count("\n")
                found.append(f"{path.relative_to(ROOT)}:{line}: {hit[0]!r}; write: {instead}")
    return found


@pytest.mark.parametrize("place", PLACES)
def test_no_expression_of_the_list_is_in(place: str):
    files = files_of(place)
    assert files
    if found := [hit for path in files for hit in hits(path)]:
        pytest.fail("\n".join(found), pytrace=False)


@pytest.mark.parametrize(
    "text",
    [
        "Say yes to the preview.",
        "It waits for your yes to exactly that.",
        "the heading 'Zip' stands twice",
        "x.parquet is no readable parquet file",
        "Nobody approved this.",
        "They are given back first.",
        "columns dearer and cheaper",
        "The carrier said so.",
        "a line a shipment",
    ],
)
def test_the_list_finds(text: str):
    assert any(re.search(pattern, text, re.IGNORECASE) for pattern in PHRASES)


@pytest.mark.parametrize(
    "text",
    [
        "The id stands for exactly these shipments.",
        "There is no valid approval.",
        "Use a value such as 5, one row at a time, a row per shipment.",
        "The standard library, which they understand; besides, it is outstanding.",
        "Is it safe? Yes, to the cent: there is good reason.",
        "a stand-alone server",
    ],
)
def test_the_list_leaves_plain_english_alone(text: str):
    assert not [p for p in PHRASES if re.search(p, text, re.IGNORECASE)]
