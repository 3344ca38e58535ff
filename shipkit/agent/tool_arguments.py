"""Arguments of the tools: the base models, how they are checked, and their JSON Schema.

A tool declares a strict model. Unknown names, wrong types and oversized text are refused, because a
model that misspells ``preview_id`` must not buy. Other spellings that hosts use for the same JSON
value are read first; see :mod:`shipkit.agent.host_arguments`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shipkit.agent.host_arguments import as_declared
from shipkit.errors import InputError
from shipkit.field_faults import fault_words

__all__ = [
    "JobArguments",
    "PageArguments",
    "ToolArguments",
    "WaitArguments",
    "free_names",
    "parse",
    "schema_of",
]

LONGEST_ID = 120
LONGEST_CLAUSE = 4_000
LONGEST_TEMPLATE = 20_000
LONGEST_WAIT_S = 600
"""Longest `wait_s`. Hosts that cancel a call earlier pause the job, so adapters wait this long."""

_LARGEST_OFFSET = 1_000_000_000


class ToolArguments(BaseModel):
    """Base of the arguments of every tool."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class JobArguments(ToolArguments):
    """Which batch or job; empty for the current one."""

    job_id: str = Field("", max_length=LONGEST_ID)


class PageArguments(JobArguments):
    """Which part of a list."""

    offset: int = Field(0, ge=0, le=_LARGEST_OFFSET)
    limit: int = Field(20, ge=1, le=50)


class WaitArguments(JobArguments):
    """How many seconds to wait for the end of the job."""

    wait_s: float = Field(0, ge=0, le=LONGEST_WAIT_S)


A = TypeVar("A", bound=ToolArguments)


def parse(model: type[A], tool: str, given: Mapping[str, Any] | None) -> A:
    """Return `given` as `model`; null and blank text count as omitted.

    Raises
    ------
    InputError
        Names every argument that is unknown or invalid.
    """
    if given is not None and not isinstance(given, Mapping):
        raise InputError(
            f"The arguments of {tool} are not a JSON object.",
            fix=f"Its arguments are: {', '.join(model.model_fields) or 'none'}.",
        )
    present = as_declared(model, given or {})
    unknown = sorted(set(present) - set(model.model_fields))
    if unknown:
        raise InputError(
            f"{tool} has no argument {', '.join(map(repr, unknown))}.",
            fix=f"Its arguments are: {', '.join(model.model_fields) or 'none'}.",
        )
    try:
        return model.model_validate(present)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, e['loc'][:2]))}: {fault_words(e)}"
            for e in error.errors(include_input=False, include_url=False)[:5]
        )
        raise InputError(
            f"{tool} has invalid arguments: {faults}.", fix="Correct them and call it again."
        ) from None


def free_names(*likely: str) -> dict[str, Any]:
    """Return properties for an object that takes any name; Gemini needs some that are listed."""
    return {name: {"type": "string"} for name in likely}


# -- JSON Schema -----------------------------------------------------------------------------------


def schema_of(model: type[BaseModel], *, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the JSON Schema of `model` without what costs a model tokens and tells it nothing.

    Parameters
    ----------
    without
        Properties that are left out.
    """
    schema: dict[str, Any] = _lean(
        model.model_json_schema(), arguments=issubclass(model, ToolArguments)
    )
    for name in without:
        schema["properties"].pop(name, None)
    schema.pop("description", None)
    return {"type": "object", "properties": {}} | schema


_OMITTED = {"title", "maxLength", "minLength", "maxItems", "maxProperties"}
"""Checked all the same; the error names the limit when it is exceeded."""
_EMPTY: tuple[Any, ...] = ("", [], {}, None, 0, False)


def _lean(node: Any, *, arguments: bool, names: bool = False) -> Any:
    """Return a schema without the omitted keys.

    Parameters
    ----------
    arguments
        It is the schema of arguments, for every model API (see :mod:`shipkit.agent.tool_formats`):
        a null counts as omitted, and unknown names are refused without a word in the schema.
    names
        The keys of `node` are names of properties, not keywords, and are all kept.
    """
    if isinstance(node, list):
        return [_lean(item, arguments=arguments) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: _lean(value, arguments=arguments, names=key == "properties" and not names)
        for key, value in node.items()
        if names or _is_kept(key, value, arguments=arguments)
    }
    options = kept.get("anyOf", []) if arguments and not names else []
    if options:
        only = next(option for option in options if option != {"type": "null"})
        return {**{key: value for key, value in kept.items() if key != "anyOf"}, **only}
    return kept


def _is_kept(key: str, value: Any, *, arguments: bool) -> bool:
    return not (
        key in _OMITTED
        or (key == "default" and value in _EMPTY)
        or (key == "maximum" and value == _LARGEST_OFFSET)
        or (key == "additionalProperties" and (arguments or value is True))
    )
