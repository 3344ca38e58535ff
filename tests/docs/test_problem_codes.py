"""The page of mapping explains the code of every problem that orders, plans and previews have."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipkit.plan import outage

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "mapping.md"
CODE = re.compile(r"[a-z]+(?:_[a-z0-9]+)+")
IN_SQL = re.compile(r"'([a-z]+(?:_[a-z0-9]+)+)' AS code\b")
MAKERS = {"Rule": 0, "problem": 1, "_failed": 2, "_of_row": 2, "_problem": 2}
"""Function -> the place of its argument `code`, where it is given without the name."""


def codes_in(text: str) -> Iterator[str]:
    """Yield the codes of problems that a module gives as text."""
    tree = ast.parse(text)
    constants = {
        getattr(target, "id", ""): node.value
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    }
    for node in ast.walk(tree):
        given: list[ast.expr | None] = []
        if isinstance(node, ast.Call):
            given += [each.value for each in node.keywords if each.arg == "code"]
            name = getattr(node.func, "id", None) or getattr(node.func, "attr", "")
            place = MAKERS.get(name)
            if place is not None and len(node.args) > place:
                given.append(node.args[place])
        elif isinstance(node, ast.Dict):
            keys = zip(node.keys, node.values, strict=True)
            given += [value for key, value in keys if getattr(key, "value", None) == "code"]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from IN_SQL.findall(node.value)
        for value in given:
            for part in ast.walk(value) if value is not None else ():
                named = constants.get(part.id) if isinstance(part, ast.Name) else part
                if isinstance(named, ast.Constant) and CODE.fullmatch(str(named.value)):
                    yield str(named.value)


def every_code() -> list[str]:
    """Return the codes of the orders and the plan."""
    return sorted(
        {outage.CODE}.union(
            *(
                codes_in(path.read_text(encoding="utf-8"))
                for room in ("orders", "plan")
                for path in (ROOT / "shipkit" / room).rglob("*.py")
            )
        )
    )


@pytest.mark.parametrize(
    "text",
    [
        'f(code="row_late")',
        'Rule("row_late", "x")',
        '{"row_number": 1, "code": "row_late"}',
        "con.sql(f\"SELECT {x} AS fix, 'row_late' AS code\")",
        'f(code="row_late" if x else other)',
        'problem(7, "row_late", text, fix)',
        '_LATE: Final = "row_late"\nmade = {"code": _LATE}',
    ],
)
def test_a_code_is_found_wherever_a_module_gives_it(text: str):
    assert list(codes_in(text)) == ["row_late"]


def test_the_page_explains_the_code_of_every_problem():
    page = PAGE.read_text(encoding="utf-8")
    codes = every_code()
    missing = [code for code in codes if f"`{code}`" not in page]
    assert len(codes) > 60
    assert not missing, f"add to the table of What stops a shipment in {PAGE.name}: {missing}"
