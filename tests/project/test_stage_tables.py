"""Each stage has tables in a schema of its own, and reads others' only as values it is given."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import shipkit

PACKAGE = Path(shipkit.__file__).parent
ROOMS = ("orders", "plan", "rates")
ELSEWHERE = {"orders.database"}
"""Its SQL is for the database of the person who loads orders."""

AFTER = re.compile(
    r"(?<!DISTINCT )\b(?:FROM|JOIN|INTO|UPDATE|DESCRIBE|TABLE|VIEW)\s+"
    r"(?:IF\s+(?:NOT\s+)?EXISTS\s+)?"
    r'"?([a-z_]\w*)"?(?![\w.]*\()'
)
DEFINED = re.compile(r"\b([a-z_]\w*) AS (?:MATERIALIZED )?\(")
OPENERS = {"fresh", "scratch"}


def texts(tree: ast.Module) -> Iterator[str]:
    """The texts of a module that are not docstrings; what is filled in becomes {}."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    seen = docs | {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                part.value if isinstance(part, ast.Constant) else "{}" for part in node.values
            )
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in seen
        ):
            yield node.value


def calls(tree: ast.Module, *names: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
            if name in names:
                yield node


def stage_of(path: Path) -> str:
    """The stage that a file belongs to: a module or package of a room."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts[:2])


def foreign(sources: Iterable[str]) -> set[str]:
    """The tables that a stage's modules name in SQL but neither made nor registered."""
    trees = [ast.parse(source) for source in sources]
    found = [text for tree in trees for text in texts(tree)]
    named = {name for text in found for name in AFTER.findall(text)}
    defined = {name for text in found for name in DEFINED.findall(text)}
    registered = {
        call.args[0].value
        for tree in trees
        for call in calls(tree, "register")
        if call.args and isinstance(call.args[0], ast.Constant)
    } | {
        keyword.arg
        for tree in trees
        for call in calls(tree, "registered", "run", "run_small")
        for keyword in call.keywords
    }
    return named - defined - registered


STAGES: dict[str, list[Path]] = {}
for room in ROOMS:
    for file in sorted((PACKAGE / room).rglob("*.py")):
        STAGES.setdefault(stage_of(file), []).append(file)


@pytest.mark.parametrize("stage", sorted(STAGES.keys() - ELSEWHERE))
def test_a_stage_names_no_table_of_another(stage):
    assert foreign(path.read_text(encoding="utf-8") for path in STAGES[stage]) == set()


def test_the_check_sees_a_table_named_by_string():
    source = '''
def of(con, relation):
    """All rows FROM docstrings are prose."""
    con.register("given", relation)
    con.sql(f"WITH own AS (SELECT * FROM {relation}) SELECT * FROM own JOIN given USING (a)")
    con.execute(f"SELECT {relation} FROM selected")
    con.execute("DROP TABLE IF EXISTS order_lines")
    run(con, "SELECT * FROM few JOIN given USING (a)", few=rows)
'''
    assert foreign([source]) == {"selected", "order_lines"}


def test_each_schema_belongs_to_one_stage():
    owners: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        for call in calls(ast.parse(path.read_text(encoding="utf-8")), *OPENERS):
            if path.name == "relation.py":
                continue
            name = call.args[1]
            assert isinstance(name, ast.Constant), f"{path}: a stage names its schema itself"
            owners.setdefault(str(name.value), set()).add(stage_of(path))
    assert set(owners) == {
        "source",
        "described",
        "rows",
        "orders",
        "look_alikes",
        "selection",
        "packing",
        "mapping",
        "rating",
    }
    assert {name: len(stages) for name, stages in owners.items()} == dict.fromkeys(owners, 1)
