"""Calls in advice that was written for Python, as options of the command line.

A call is read as Python, whatever it is given: a list of several headings, a place to fill in
(``...``), texts in either quotes. One with something that has no option is left as it is.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any, Final

__all__ = ["calls_as_options"]


class _NoOptionError(Exception):
    """The command line has no words for something."""


def calls_as_options(advice: str) -> str:
    """Return `advice` with the calls that the command line has options for as these options.

    Examples
    --------
    >>> calls_as_options('If it is not: map(ignore=["Gift", "Note (old)"]).')
    'If it is not: --ignore "Gift" --ignore "Note (old)".'
    >>> calls_as_options("Leave them out with where(...).")
    'Leave them out with --where SQL.'
    >>> calls_as_options('Choose one: session.edit(clause, warehouse="east").')
    'Choose one: --edit "warehouse=east where SQL".'
    """
    return "".join(_parts(advice))


def _parts(advice: str) -> Iterator[str]:
    done = 0
    for found in _NAME.finditer(advice):
        if found.start() < done:
            continue
        end = _end_of(advice, found.end() - 1)
        words = None if end is None else _words(found.group("call"), advice[found.start() : end])
        if words is not None:
            yield advice[done : found.start()]
            yield words
            done = end or done
    yield advice[done:]


def _end_of(text: str, opening: int) -> int | None:
    """Return the place behind the bracket that closes the one at `opening`, None if none does."""
    depth, quote = 0, ""
    for place in range(opening, len(text)):
        letter = text[place]
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
            if depth == 0:
                return place + 1
    return None


def _words(call: str, written: str) -> str | None:
    """Return a call as words of the command line, None where it has none."""
    before, by_place, options = _CALLS[call]
    try:
        tree = ast.parse(written, mode="eval").body
        if not isinstance(tree, ast.Call):
            return None
        if call == "edit":
            return " ".join(_edits(tree))
        if not tree.args and not tree.keywords:
            return None
        words = list(before)
        for value in tree.args:
            given = _value(value)
            if given is ... and len(tree.args) + len(tree.keywords) > 1:
                continue  # "and what you gave before"
            words += _option(by_place, given)
        for keyword in tree.keywords:
            words += _keyword(call, keyword.arg, _value(keyword.value), options)
    except (SyntaxError, ValueError, _NoOptionError):
        return None
    return " ".join(words) if words else None


def _edits(tree: ast.Call) -> Iterator[str]:
    """Yield an option for each field of an edit; a name in place of the clause is any clause."""
    clause = ...
    if tree.args and not isinstance(tree.args[0], ast.Name):
        clause = _value(tree.args[0])
    for keyword in tree.keywords:
        value = _value(keyword.value)
        pair = (
            f"{keyword.arg}:=null" if value is None else f"{keyword.arg}={_shown(value, 'VALUE')}"
        )
        change = f"{pair} where {_shown(clause, 'SQL')}"
        yield f"--edit {_text(change)}"
    if not tree.keywords:
        yield "--edit CHANGE"


def _keyword(call: str, name: str | None, value: Any, options: dict[str, str]) -> list[str]:
    if name in options:
        return _option(options[name], value)
    if call == "where" and name:
        return [f"--param {name}={'VALUE' if value is ... else shlex.quote(str(value))}"]
    raise _NoOptionError


def _value(node: ast.expr) -> Any:
    """Return a literal, with an Ellipsis where a person fills in."""
    match node:
        case ast.Constant():
            return node.value
        case ast.Set(elts=[ast.Constant(value=value)]) if value is ...:
            return ...  # columns={...}
        case ast.List() | ast.Tuple():
            return [_value(item) for item in node.elts]
        case ast.Dict():
            return {
                _value(key): _value(item)
                for key, item in zip(node.keys, node.values, strict=True)
                if key is not None
            }
    raise _NoOptionError


def _option(option: str, value: Any) -> list[str]:
    """Return an option with its value, several times for a list or a dict."""
    name, _, form = option.partition(" ")
    if not name:
        raise _NoOptionError
    if form == "" or value is True:
        return [name]
    if value is None or value is False:
        raise _NoOptionError
    if isinstance(value, dict):
        if form not in _FORMS:
            raise _NoOptionError
        return [f"{name} {_FORMS[form](key, item)}" for key, item in value.items()]
    if isinstance(value, list):
        return [f"{name} {form if item is ... else _text(item)}" for item in value]
    return [f"{name} {form if value is ... else _text(value, bare=form in _BARE)}"]


def _text(value: Any, *, bare: bool = False) -> str:
    """Return a value in double quotes where a shell reads nothing in them, else quoted for it."""
    text = str(value)
    if bare and re.fullmatch(r"[\w.,:-]+", text):
        return text
    return shlex.quote(text) if set(text) & set('"$`\\!') else f'"{text}"'


def _shown(value: Any, filled_in: str) -> Any:
    return filled_in if value is ... else value


_BARE: Final = frozenset({"NAME", "WHAT", "RULE", "FILE", "YYYY-MM-DD", "FORMAT"})
"""Forms of values that are written without quotes where they are one word."""
_FORMS: Final[dict[str, Callable[[Any, Any], str]]] = {
    "FIELD=HEADING": lambda key, item: f"{_shown(key, 'COLUMN')}={_text(_shown(item, 'HEADING'))}",
    "VALUE=SERVICE": lambda key, item: _text(f"{key}={_shown(item, 'SERVICE')}"),
    "CELL=NAME": lambda key, item: _text(f"{_shown(key, 'CELL')}={_shown(item, 'NAME')}"),
    "FIELD=VALUE": lambda key, item: (
        f"{key}={shlex.quote(str(_shown(item, 'VALUE')))}"
        if " " in str(item)
        else f"{key}={_shown(item, 'VALUE')}"
    ),
}
_MAP: Final = {
    "columns": "--column FIELD=HEADING",
    "service": "--service NAME",
    "services": "--map-service VALUE=SERVICE",
    "defaults": "--default FIELD=VALUE",
    "references": "--reference FIELD=HEADING",
    "ignore": "--ignore HEADING",
    "weights": "--weights WHAT",
    "parcels": "--parcels RULE",
    "skus": "--skus FILE",
    "each_row": "--each-row",
    "repeated_rows": "--repeated-rows WHAT",
    "returns": "--returns WHAT",
    "residential": "--residential WHAT",
    "warehouses": "--warehouse CELL=NAME",
    "ship_date": "--ship-date YYYY-MM-DD",
}
_LOAD: Final = {
    "sheet": "--sheet NAME",
    "hidden": "--hidden WHAT",
    "encoding": "--encoding NAME",
    "delimiter": "--delimiter CHAR",
    "types": "--type FIELD=HEADING",
    "order_key": "--order-key HEADING",
    "header": "--no-header",
}
_SAVE: Final = {"per": "--per NAME", "format": "--format FORMAT", "split": "--split N"}
_WRITE: Final = {
    "columns": "--column FIELD=HEADING",
    "layout": "--layout NAME",
    "in_place": "--in-place",
    "allow_test_numbers": "--allow-test-numbers",
}
_CALLS: Final[dict[str, tuple[tuple[str, ...], str, dict[str, str]]]] = {
    "map": ((), "--template FILE", _MAP),
    "load": ((), "FILE", _LOAD),
    "where": ((), "--where SQL", {}),
    "skip": ((), "--skip SQL", {}),
    "edit": ((), "--edit CHANGE", {}),
    "save": (("shipkit labels JOB",), "-o FILE", _SAVE),
    "write_back": (("shipkit write-back JOB",), "-o FILE", _WRITE),
    "void": (("shipkit void JOB",), "--where SQL", {"all": "--all"}),
}
"""Call -> the words before its options, the option of what is given by place, and by name."""
_NAME: Final = re.compile(rf"(?<![\w.])(?:session\.|job\.|labels\.)*(?P<call>{'|'.join(_CALLS)})\(")
