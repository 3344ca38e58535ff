"""Arguments as hosts really send them, read into the JSON types that a tool declares.

Hosts between a model and a server change arguments. Claude Code and Copilot write arrays and
objects as JSON text and numbers as text, and collapse an array of one text to that text
(anthropics/claude-code#22394, #24597, #71927; github/copilot-cli#4301). Protobuf clients send
integers as ``3.0``. Clients that make every argument required send empty text for what the model
left out (vercel/ai#15889). All of these mean one thing only. Whatever could mean two things is
left as it is, and refused by the model of the arguments.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

from shipkit.errors import InputError

__all__ = ["arguments_of", "as_declared"]

LEFT_OUT_TEXTS = frozenset({"", "null", "None", "undefined"})
"""Texts that stand for an argument that was left out."""

EXACT = frozenset({"approved"})
"""Arguments of which no other spelling counts: an approval is ``true`` or it is none."""

_LEFT_OUT = object()
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,15})(\.[0-9]{1,15})?", re.ASCII)
_LONGEST_JSON = 2_000_000
"""Longest JSON text that is read; no argument may be longer."""


def as_declared(model: type[BaseModel], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that were given, in the JSON types of `model`, where that is certain.

    Arguments that stand for nothing (null, blank text, an address without a field) are left out.
    Names that `model` does not have are kept, so that they can be refused.

    Raises
    ------
    InputError
        A text was meant as JSON and is none: "must be a list" would hide why. NaN, which Python
        writes, is a usual reason.
    """
    types = _declared_types(model)
    read = {
        name: value if name in EXACT or name not in types else _read(name, value, types[name])
        for name, value in given.items()
        if value is not None
    }
    return {name: value for name, value in read.items() if value is not _LEFT_OUT}


def arguments_of(given: Any) -> Any:
    """Return the arguments of a call; OpenAI sends them as one JSON text, empty for none."""
    if not isinstance(given, str):
        return given
    try:
        return {} if given.strip() in LEFT_OUT_TEXTS else _from_json(given)
    except _NotJson:
        return given


@cache
def _declared_types(model: type[BaseModel]) -> dict[str, tuple[Any, ...]]:
    """Return, for each argument, its JSON types and the texts that it may be."""
    properties = model.model_json_schema().get("properties", {})
    return {name: tuple(_options(schema)) for name, schema in properties.items()}


def _options(schema: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(s.get("type", ""), s) for s in schema.get("anyOf", [schema])]


def _read(name: str, value: Any, options: tuple[Any, ...]) -> Any:
    for kind, schema in options:
        try:
            value = _READERS[kind](value, schema) if kind in _READERS else value
        except _NotJson as error:
            if _may_be_text(value, options):
                continue
            raise InputError(
                f"{name} is text that is not JSON: {error}.",
                fix="Send it as JSON, with null where there is no value.",
            ) from None
    if isinstance(value, str):
        return _LEFT_OUT if value.strip() in LEFT_OUT_TEXTS else value
    # A shipper is a name or an address; one whose fields are all empty is neither. An empty array,
    # or an empty object where only an object may be, is a value: it replaces an earlier one.
    is_address = isinstance(value, dict) and any(kind == "string" for kind, _ in options)
    return _LEFT_OUT if is_address and not any(map(_filled, value.values())) else value


def _may_be_text(value: str, options: tuple[Any, ...]) -> bool:
    """Return whether a text that is not JSON may be meant as it is: a name, but no open brace."""
    return value.lstrip()[:1] == '"' and any(kind == "string" for kind, _ in options)


def _filled(value: Any) -> bool:
    return bool(value.strip()) if isinstance(value, str) else value is not None


# -- one reader a JSON type ------------------------------------------------------------------------


def _array(value: Any, schema: Mapping[str, Any]) -> Any:
    objects = schema.get("items", {}).get("type") == "object"
    if isinstance(value, str):
        read = value
        try:
            if value.lstrip()[:1] in ("[", "{", '"'):
                read = _from_json(value)
        except _NotJson:
            # One text of a list of texts may begin like JSON: `"Ship State" = 'CA'` is a clause.
            if objects or re.fullmatch(r"\[.*\]", value.strip(), re.DOTALL):
                raise
        if isinstance(read, list | dict):
            value = read
        elif not objects and value.strip() not in LEFT_OUT_TEXTS:
            return [value]
    if isinstance(value, dict) and objects:
        value = [value]
    if isinstance(value, list) and objects:
        return [_object(item, {}) for item in value]
    return value


def _object(value: Any, schema: Mapping[str, Any]) -> Any:  # noqa: ARG001 - all readers are called alike
    if isinstance(value, str) and value.lstrip()[:1] in ("{", '"'):
        read = _from_json(value)
        return read if isinstance(read, dict) else value
    return value


def _integer(value: Any, schema: Mapping[str, Any]) -> Any:  # noqa: ARG001
    number = _number(value, {})
    if isinstance(number, float) and number.is_integer():
        return int(number)
    return number


def _number(value: Any, schema: Mapping[str, Any]) -> Any:  # noqa: ARG001
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return float(value) if "." in value else int(value)
    return value


def _boolean(value: Any, schema: Mapping[str, Any]) -> Any:  # noqa: ARG001
    words = {"true": True, "false": False}
    return words.get(value.strip().lower(), value) if isinstance(value, str) else value


def _text(value: Any, schema: Mapping[str, Any]) -> Any:
    choices = schema.get("enum", ())
    if isinstance(value, str) and choices:
        word = value.strip().lower()
        return word if word in choices else value
    return value


_READERS: dict[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    "array": _array,
    "object": _object,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "string": _text,
}


class _NotJson(ValueError):
    """A text that should be JSON is none; the message says why."""


def _from_json(text: str) -> Any:
    """Return the JSON value that `text` is. Raises _NotJson."""
    if len(text) > _LONGEST_JSON:
        raise _NotJson(f"it has more than {_LONGEST_JSON:,} characters")
    try:
        read = json.loads(text, parse_constant=_refuse_constant)
        # Written twice: the JSON text of a JSON text. Only an array or an object counts then.
        twice = isinstance(read, str) and read.lstrip()[:1] in ("[", "{")
        return json.loads(read, parse_constant=_refuse_constant) if twice else read
    except RecursionError:
        raise _NotJson("it is nested too deeply") from None
    except ValueError as error:
        raise _NotJson(str(error)) from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
