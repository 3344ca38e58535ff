"""Conditions that are valid SQL and silently mean something else than what was written.

Each is refused with the form that says what was meant. Traps that depend on the cells are in
:mod:`shipkit.orders.where.cell_checks`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from shipkit.common.words import listed
from shipkit.orders.where.allowed import INFIX
from shipkit.orders.where.bound_values import is_text
from shipkit.orders.where.tree import (
    Node,
    arguments,
    below,
    binds_value,
    is_in_without_brackets,
    literal_text,
    names_column,
)

if TYPE_CHECKING:
    from shipkit.orders.where.clause_writer import ClauseWriter

__all__ = ["list_parts", "refuse_traps", "straight_quotes"]

_CONTAINERS: Final = frozenset(
    {
        "contains",
        "strpos",
        "instr",
        "position",
        "starts_with",
        "prefix",
        "ends_with",
        "suffix",
        "^@",
    }
)
"""Functions whose first argument is the text in which the second is looked for."""
_TYPOGRAPHIC: Final = "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u00b4`"
_SHOWN_OPTIONS: Final = 3
_ADJOINING: Final = re.compile(r"'(?:[^']|'')*'\s+'")
"""Two texts with only a line break between them, which SQL joins to one."""
_WRITTEN_DATE: Final = re.compile(r"\s*[0-9]{1,2}[/.-][0-9]{1,2}[/.-][0-9]{2,4}\b.*", re.DOTALL)
_ORDERED: Final = {
    "COMPARE_LESSTHAN",
    "COMPARE_GREATERTHAN",
    "COMPARE_LESSTHANOREQUALTO",
    "COMPARE_GREATERTHANOREQUALTO",
    "COMPARE_BETWEEN",
}


def refuse_traps(writer: ClauseWriter, tree: Node) -> None:
    """Raise FilterError for the first part of `tree` that would silently mean something else."""
    for node in below(tree):
        _refuse_joined_texts(writer, node)
        _refuse_text_as_list(writer, node)
        _refuse_search_in_fixed_text(writer, node)
        _refuse_fixed_condition(writer, node)
        _refuse_text_as_condition(writer, node)
        _refuse_always_the_same(writer, node)
        _refuse_ordered_dates(writer, node)


def _shown(writer: ClauseWriter, node: Node) -> str:
    """Return what was written for `node`, or "column" where the parser did not keep its place."""
    return writer.source(node) or "column"


def _quoted_list(texts: list[str]) -> str:
    shown = ", ".join("'" + text.replace("'", "''") + "'" for text in texts[:_SHOWN_OPTIONS])
    return shown + (", ..." if len(texts) > _SHOWN_OPTIONS else "")


def list_parts(text: str) -> list[str]:
    """Return the values of a text that looks like a list: split at commas, semicolons, bars."""
    bare = text.strip().strip("()[]")
    parts = [part.strip().strip("'\"") for part in re.split(r"[,;|\n\t]", bare)]
    return [part for part in parts if part]


def _refuse_joined_texts(writer: ClauseWriter, node: Node) -> None:
    if literal_text(node) is None:
        return
    written = writer.raw(node)
    if _ADJOINING.match(written):
        raise writer.refused(
            node,
            "Two texts without a comma between them are one text in SQL.",
            fix="Put a comma between the values of a list: IN ('CA', 'TX').",
        )


def _refuse_text_as_list(writer: ClauseWriter, node: Node) -> None:
    """Refuse ``a IN b`` where b is neither a bound list nor ``[...]``: a search inside a text."""
    if not is_in_without_brackets(node):
        return
    options, item = arguments(node)
    if options.get("class") == "PARAMETER" or options.get("function_name") == "list_value":
        return
    text = literal_text(options)
    if options.get("class") == "CONSTANT":
        parts = list_parts(text) or [text] if text is not None else []
        written = _quoted_list(parts) if parts else writer.source(options)
        fix = f"Write {_shown(writer, item)} IN ({written})."
    elif options.get("class") == "COLUMN_REF":
        fix = (
            f"Write {_shown(writer, item)} = {writer.source(options)}, or to search inside the "
            f"column contains({writer.source(options)}, {_shown(writer, item)})."
        )
    else:
        fix = "Put the values in brackets, state IN ('CA', 'TX'), or bind a list: state IN $states."
    raise writer.refused(
        node, "IN takes a list; without brackets it would search inside the text.", fix=fix
    )


def _refuse_search_in_fixed_text(writer: ClauseWriter, node: Node) -> None:
    """Refuse ``contains('CA,TX', state)``: the text to search in is given first."""
    name = str(node.get("function_name", "")).lower()
    given = arguments(node)
    if name not in _CONTAINERS or len(given) != 2 or is_in_without_brackets(node):
        return
    text = literal_text(given[0])
    if text is None or not any(part.get("class") == "COLUMN_REF" for part in below(given[1])):
        return
    column = _shown(writer, given[1])
    raise writer.refused(
        node,
        f"{name} looks for its second value inside the first, and the first is fixed text.",
        fix=f"For a list write {column} IN ({_quoted_list(list_parts(text) or [text])}); to search "
        f"inside the column write contains({column}, {_quoted_list([text])}).",
    )


def _refuse_fixed_condition(writer: ClauseWriter, node: Node) -> None:
    """Refuse a comparison of fixed texts: a column in single quotes is only its name."""
    if not _is_comparison(node) or names_column(node):
        return
    texts = [text for part in below(node) if (text := literal_text(part)) is not None]
    known = {name.casefold(): c for c in writer.known for name in (c.name, c.key)}
    named = next((known[text.casefold()] for text in texts if text.casefold() in known), None)
    if named is not None:
        raise writer.refused(
            node,
            f"'{named.name}' in single quotes is a text, not the column.",
            fix=f"Name the column without quotes, {named.key}, or in double quotes, "
            f'"{named.name}".',
            column=named.key,
        )
    if not texts or binds_value(node):
        return
    raise writer.refused(
        node,
        "This compares fixed texts, so it is the same for every order.",
        fix=f"Name a column. Columns: {listed([c.key for c in writer.known], 20)}.",
    )


def _is_comparison(node: Node) -> bool:
    kind = str(node.get("type", ""))
    return (
        node.get("class") in {"COMPARISON", "BETWEEN"}
        or kind in {"COMPARE_IN", "COMPARE_NOT_IN", "OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL"}
        or node.get("function_name")
        in {"~~", "!~~", "~~*", "!~~*", "~~~", *_CONTAINERS, "regexp_matches", "regexp_full_match"}
    )


def _refuse_text_as_condition(writer: ClauseWriter, node: Node) -> None:
    """Refuse ``state = 'CA' OR 'TX'``, where the second text would be a condition by itself."""
    kind = str(node.get("type", ""))
    if kind not in {"CONJUNCTION_AND", "CONJUNCTION_OR", "OPERATOR_NOT"}:
        return
    before: Node | None = None
    for child in node["children"]:
        literal = (child.get("literal") or {}).get("kind")
        if literal in {"STRING", "INTEGER", "NUMERIC"}:
            word = "OR" if kind == "CONJUNCTION_OR" else "AND"
            fix = "Write a whole condition on each side, or a list: state IN ('CA', 'TX')."
            subject = _subject(before)
            if subject is not None:
                column, value = writer.source(subject), writer.source(child)
                sign = INFIX.get(str((before or {}).get("function_name")), "=")
                fix = f"Repeat the column: {word} {column} {sign} {value}."
                if sign == "=" and word == "OR":
                    fix = f"Repeat the column, OR {column} = {value}, or use {column} IN (...)."
            raise writer.refused(
                child, f"{writer.source(child)} alone is not a condition.", fix=fix
            )
        before = child


def _subject(node: Node | None) -> Node | None:
    """Return the column that a comparison is about."""
    if node is None:
        return None
    return next((part for part in below(node) if part.get("class") == "COLUMN_REF"), None)


def _refuse_always_the_same(writer: ClauseWriter, node: Node) -> None:
    """Refuse ``a <> 1 OR a <> 2``, which is always true, and ``a = 1 AND a = 2``, never."""
    kind = str(node.get("type", ""))
    wanted = {"CONJUNCTION_OR": "COMPARE_NOTEQUAL", "CONJUNCTION_AND": "COMPARE_EQUAL"}.get(kind)
    if wanted is None:
        return
    seen: dict[str, Node] = {}
    for child in node["children"]:
        if child.get("type") != wanted:
            continue
        sides = [child["left"], child["right"]]
        column = next((side for side in sides if side.get("class") == "COLUMN_REF"), None)
        value = next((side for side in sides if _fixed(writer, side) is not None), None)
        if column is None or value is None:
            continue
        key = writer.resolve(column).key
        if key in seen and _fixed(writer, seen[key]) != _fixed(writer, value):
            first, second = writer.source(seen[key]), writer.source(value)
            never = kind == "CONJUNCTION_AND"
            raise writer.refused(
                node,
                f"`{key}` is compared with two values, so this is "
                f"{'never true' if never else 'true for every order'}.",
                fix=f"Write {key} {'' if never else 'NOT '}IN ({first}, {second}).",
                column=key,
            )
        seen.setdefault(key, value)


def _fixed(writer: ClauseWriter, node: Node) -> str | None:
    """Return what a fixed value is, as text to compare two of them; None for what is not fixed."""
    if node.get("class") == "PARAMETER":
        return repr(writer.value(node)[1])
    literal = node.get("literal") or {}
    text = str(literal.get("text", ""))
    return {"STRING": repr(text), "INTEGER": text, "NUMERIC": text}.get(str(literal.get("kind")))


def _refuse_ordered_dates(writer: ClauseWriter, node: Node) -> None:
    """Refuse ``order_date > '11/05/2026'`` on a text column: it compares letters."""
    if node.get("type") not in _ORDERED:
        return
    sides = [node[name] for name in ("left", "right", "input", "lower", "upper") if name in node]
    column = next((c for side in sides if (c := writer.typed(side)) is not None), None)
    texts = [text for side in sides if (text := literal_text(side)) is not None]
    if column is None or not is_text(column) or not any(map(_WRITTEN_DATE.fullmatch, texts)):
        return
    raise writer.refused(
        node,
        f"`{column.key}` is text, so < and > compare letters and not dates.",
        fix=f"Write try_strptime({column.key}, '%m/%d/%Y') >= '2026-11-05', with the format of "
        "the cells.",
        column=column.key,
    )


def straight_quotes(name: str) -> str | None:
    """Return the advice for a name in typographic quotes, None for other names."""
    bare = name.strip(_TYPOGRAPHIC)
    return None if bare == name else f"Use straight quotes: '{bare}'."
