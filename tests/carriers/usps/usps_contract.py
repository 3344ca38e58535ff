"""Checks requests and answers against USPS's own OpenAPI files: for tests only.

The files are read as they are meant. Taken literally, ``additionalProperties: false`` next to
``allOf`` accepts nothing, and branches of ``oneOf`` overlap. So the branches of ``allOf`` become
one object, closed over their union where a request is checked, and ``oneOf`` is any of its
branches.
"""

from __future__ import annotations

import gzip
import re
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from jsonschema import Draft202012Validator

FILES = Path(__file__).parents[4] / "shared" / "usps" / "openapi"
PLAIN = ("type", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems")


class Contract:
    """The operations of all files that are there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths = _paths(folder)

    def request(self, method: str, url: str, body: Any = None) -> list[str]:
        """Return what is wrong with a request: an unknown path, parameter or field, a bad value."""
        parts = urlsplit(url)
        found = self._operation(method, parts.path)
        if found is None:
            return [f"{method} {parts.path}: not in the files"]
        name, operation = found
        document = _document(self._folder / name)
        declared = [_resolved(document, p) for p in operation.get("parameters") or ()]
        query = dict(pair.split("=", 1) for pair in filter(None, parts.query.split("&")))
        known = {p["name"] for p in declared if p["in"] == "query"}
        wrong = [f"{parts.path}: unknown parameter {n}" for n in query if n not in known]
        wrong += [
            f"{parts.path}: parameter {p['name']} is missing"
            for p in declared
            if p["in"] == "query" and p.get("required") and p["name"] not in query
        ]
        schema = _content(operation.get("requestBody"))
        if (schema is None) != (body is None):
            return [*wrong, f"{parts.path}: a body is {'not ' if schema is None else ''}expected"]
        if schema is not None:
            wrong += self._errors(name, schema, body, closed=True)
        return wrong

    def answer(
        self, method: str, url: str, status: int, body: Any, kind: str = "json"
    ) -> list[str]:
        """Return what is wrong with an answer; `kind` is a part of its content type."""
        found = self._operation(method, urlsplit(url).path)
        if found is None:
            return [f"{method} {url}: not in the files"]
        name, operation = found
        answers = operation["responses"]
        if str(status) not in answers:
            return [f"{method} {url}: {status} is not documented"]
        schema = _content(answers[str(status)], kind)
        return [] if schema is None else self._errors(name, schema, body, closed=False)

    def _operation(self, method: str, path: str) -> tuple[str, Any] | None:
        for pattern, name, item in self._paths:
            if method.lower() in item and pattern.fullmatch(path):
                return name, item[method.lower()]
        return None

    def _errors(self, name: str, schema: Any, body: Any, *, closed: bool) -> list[str]:
        validator = _validator(self._folder / name, _key(schema), closed)
        return [
            f"{'/'.join(map(str, error.absolute_path)) or '(body)'}: {error.message[:300]}"
            for error in validator.iter_errors(body)
        ]


@cache
def _document(path: Path) -> Any:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(gzip.open(path).read(), loader)


@cache
def _paths(folder: Path) -> list[tuple[re.Pattern[str], str, Any]]:
    found = []
    for file in sorted(folder.glob("*.yaml.gz")):
        document = _document(file)
        base = urlsplit(document["servers"][0]["url"]).path
        for path, item in document["paths"].items():
            pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(base + path))
            found.append((re.compile(pattern), file.name, item))
    # Fixed paths before those with a variable part.
    return sorted(found, key=lambda each: "[^/]" in each[0].pattern)


_SCHEMAS: dict[str, Any] = {}


def _key(schema: Any) -> str:
    key = repr(schema)
    _SCHEMAS[key] = schema
    return key


@lru_cache(maxsize=200)
def _validator(path: Path, key: str, closed: bool) -> Draft202012Validator:
    return Draft202012Validator(_meant(_document(path), _SCHEMAS[key], closed=closed))


def _resolved(document: Any, schema: Any) -> Any:
    while "$ref" in schema:
        node = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            node = node[part]
        schema = node
    return schema


def _content(holder: Any, kind: str = "json") -> Any:
    content = (holder or {}).get("content") or {}
    return next((media.get("schema") for name, media in content.items() if kind in name), None)


def _meant(document: Any, schema: Any, *, closed: bool, depth: int = 0) -> dict[str, Any]:
    """Return a schema as it is meant, without references."""
    assert depth < 40, "a schema that contains itself"
    schema = _resolved(document, schema)
    made: dict[str, Any] = {name: schema[name] for name in PLAIN if name in schema}
    properties: dict[str, Any] = {}
    required: list[str] = []
    for part in (schema, *_branches(document, schema)):
        properties |= part.get("properties") or {}
        required += part.get("required") or []
    choices = [part for part in (schema, *_branches(document, schema)) if "oneOf" in part]
    choices += [part for part in (schema, *_branches(document, schema)) if "anyOf" in part]
    if choices:
        branches = [b for part in choices for b in part.get("oneOf") or part["anyOf"]]
        joined = [
            _meant(
                document,
                {"allOf": [{"properties": properties, "required": required}, b]},
                closed=closed,
                depth=depth + 1,
            )
            if properties
            else _meant(document, b, closed=closed, depth=depth + 1)
            for b in branches
        ]
        return {"anyOf": joined}
    if properties:
        made["type"] = "object"
        made["properties"] = {
            name: _meant(document, each, closed=closed, depth=depth + 1)
            for name, each in properties.items()
        }
        made["required"] = sorted(set(required))
        if closed:
            made["additionalProperties"] = False
    elif _branches(document, schema):
        for part in _branches(document, schema):
            made |= {name: part[name] for name in PLAIN if name in part}
    if "items" in schema:
        made["items"] = _meant(document, schema["items"], closed=closed, depth=depth + 1)
    return made


def _branches(document: Any, schema: Any) -> list[Any]:
    """Return the branches of ``allOf``, and theirs."""
    found = []
    for part in schema.get("allOf") or ():
        branch = _resolved(document, part)
        found += [branch, *_branches(document, branch)]
    return found
