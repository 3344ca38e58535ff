"""The JSON that a template writes, with the values that stand in it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from jinja2 import nodes

from shipkit.models import Address
from shipkit.orders.expressions import quote
from shipkit.orders.fields import Column
from shipkit.orders.mapping.compiler.parse import Reader
from shipkit.orders.mapping.compiler.values import (
    ANY,
    DATE,
    FLAG,
    FLOAT,
    INT,
    TEXT,
    Cells,
    Same,
    Unlike,
    Value,
    cells_of,
    plain_text,
)

__all__ = ["Writer"]

_OPEN: Final = "\ue000"
_CLOSE: Final = "\ue001"
"""Marks of a value in the author's own JSON."""


@dataclass(frozen=True)
class Literal:
    """A number, flag or null of the author's own JSON, as it stands there."""

    text: str


def _unknown_word(_: str) -> None:
    raise Unlike


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs) or any(_OPEN in name for name in made):
        raise Unlike
    return made


def _read_json(text: str) -> Any:
    """Read the author's JSON, numbers left as they are. Raises Unlike unless every reader reads it alike."""
    try:
        orjson.loads(text)
        return json.loads(
            text,
            object_pairs_hook=_pairs,
            parse_int=Literal,
            parse_float=Literal,
            parse_constant=_unknown_word,
        )
    except ValueError:
        raise Unlike from None


def _ends_inside(text: str, inside: bool) -> bool:
    """Return whether a string of the JSON is open behind `text`. Raises Unlike when a backslash is."""
    for mark in re.findall(r"\\.?|\"", text, re.DOTALL):
        if mark == "\\":
            raise Unlike
        if mark == '"':
            inside = not inside
    return inside


class Writer(Reader):
    """Turns what stands between the author's own JSON into SQL."""

    def __init__(self, columns: Sequence[Column], shipper: Address) -> None:
        super().__init__(columns, shipper)
        self.size = 0
        """Most characters that a row is written with."""
        self.parts: list[tuple[Cells, bool]] = []

    def shape(self, text: str) -> dict[str, Any]:
        """Return the object that the template writes, with marks where cells stand."""
        if re.search(rf"(?i)[{_OPEN}{_CLOSE}]|\\u0*e00[01]", text):
            raise Unlike
        written, inside = "", False
        for node in self.environment.parse(text).body:
            if (
                isinstance(node, nodes.Assign)
                and isinstance(node.target, nodes.Name)
                and node.target.name not in ("row", "lines", "shipper", "range", "namespace")
            ):
                self.variables[node.target.name] = self.value(node.node)
                continue
            if not isinstance(node, nodes.Output):
                raise Unlike
            for child in node.nodes:
                own = self._own(child)
                if own is None:
                    self.parts.append(
                        (
                            Cells(self._inside(child), TEXT, 0) if inside else self._alone(child),
                            inside,
                        )
                    )
                    mark = f"{_OPEN}{len(self.parts) - 1}{_CLOSE}"
                    written += mark if inside else f'"{mark}"'
                    continue
                inside = _ends_inside(own, inside)
                written += own
        self.size += len(written)
        shape = _read_json(written)
        if not isinstance(shape, dict):
            raise Unlike
        return shape

    def leaf(self, value: Any, kinds: Sequence[str] = ()) -> str:
        """Return SQL of the text that a leaf of :meth:`shape` is read as; of the value itself where it is of one of `kinds`."""
        if value is None:
            return "NULL::VARCHAR"
        if isinstance(value, bool):
            return "'true'" if value else "'false'"
        if isinstance(value, Literal):
            return f"from_json({quote(f'[{value.text}]')}, '[\"VARCHAR\"]')[1]"
        if not isinstance(value, str) or "\x00" in value:
            raise Unlike
        pieces = re.split(f"{_OPEN}([0-9]+){_CLOSE}", value)
        parts = [self.parts[int(number)] for number in pieces[1::2]]
        if parts and not parts[0][1]:
            return parts[0][0].sql if parts[0][0].kind in kinds else parts[0][0].text
        texts = [quote(piece.encode().decode()) for piece in pieces[::2]]
        joined = [
            text
            for pair in zip(texts, (part.sql for part, _ in parts), strict=False)
            for text in pair
        ]
        return " || ".join(text for text in (*joined, texts[-1]) if text != "''") or "''"

    def _own(self, node: nodes.Expr) -> str | None:
        """Return what the author wrote himself: text, or a constant."""
        if isinstance(node, nodes.TemplateData):
            return node.data
        if isinstance(node, nodes.Const):
            return node.value if isinstance(node.value, str) else plain_text(node.value)
        return None

    def _inside(self, node: nodes.Expr) -> str:
        """Return SQL of what is written inside a string of the JSON."""
        if isinstance(node, nodes.CondExpr):
            test = self.value(node.test)
            return (
                f"CASE WHEN {test.cells().truth if isinstance(test, Same) else test.truth} THEN "
                f"{self._inside(node.expr1)} ELSE "
                f"{self._inside(node.expr2) if node.expr2 is not None else quote('')} END"
            )
        own = self._own(node)
        if own is not None:
            value: Value = Same(_read_json(f'"{own}"'))
        else:
            value = self.value(node)
        if isinstance(value, Same):
            value = Same(plain_text(value.value))
        cells = cells_of(value)
        self.size += 6 * cells.size
        return cells.text if isinstance(value, Same) else f"coalesce({cells.text}, '')"

    def _alone(self, node: nodes.Expr) -> Cells:
        """Return what a leaf is when `node` writes all of its JSON."""
        if isinstance(node, nodes.CondExpr) and node.expr2 is not None:
            return Cells(
                f"CASE WHEN {cells_of(self.value(node.test)).truth} THEN "
                f"{self._alone(node.expr1).text} ELSE {self._alone(node.expr2).text} END",
                ANY,
                0,
            )
        own = self._own(node)
        if own is not None:
            self.size += len(own)
            return Cells(self.leaf(_read_json(own)), ANY, 0)
        if (
            isinstance(node, nodes.Filter)
            and node.name == "tojson"
            and node.node is not None
            and not (node.args or node.kwargs or node.dyn_args or node.dyn_kwargs)
        ):
            cells = cells_of(self.value(node.node))
            self.size += 6 * cells.size + 2
            return cells
        cells = cells_of(self.value(node))
        self.size += 6 * cells.size
        if cells.kind == DATE:
            raise Unlike
        if cells.kind in (INT, FLOAT, FLAG):
            self.leave(f"{cells.sql} IS NULL")
            return cells
        self.leave(
            rf"coalesce(NOT regexp_full_match({cells.sql}, "
            r"'-?[1-9][0-9]{0,14}(?:\.[0-9]{1,15})?|0(?:\.[0-9]{1,15})?'), true)"
        )
        return Cells(
            f"CASE WHEN contains({cells.sql}, '.') THEN TRY_CAST({cells.sql} AS DOUBLE)::VARCHAR "
            f"ELSE {cells.sql} END",
            ANY,
            0,
        )
