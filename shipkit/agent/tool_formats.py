"""Definitions of the tools in the forms that the model APIs take.

The schemas of the tools keep to what all of them understand: no ``additionalProperties`` (Google's
SDK fails on it, Gemini refuses it), no ``anyOf`` next to other keys (Vertex refuses it), no
``$ref``, one type each, and no object without properties (Gemini refuses it). Two APIs need a form
of their own: OpenAI in strict mode, where every argument must be present, and Gemini, which can
only send the properties that are listed. In both, what has free names (orders, columns) is sent as
JSON text, which the tools read; see :mod:`shipkit.agent.host_arguments`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shipkit.agent.tool import model_definition
from shipkit.agent.tool_table import TOOLS
from shipkit.errors import InputError

__all__ = ["to_anthropic", "to_gemini", "to_openai"]


def to_anthropic(tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the definitions that the Anthropic Messages API takes as ``tools``.

    Answer the calls with :func:`~shipkit.agent.answer_model`.
    """
    return [model_definition(TOOLS[tool["name"]]) for tool in tools]


def to_openai(
    tools: Sequence[Mapping[str, Any]], *, api: str = "chat", strict: bool = False
) -> list[dict[str, Any]]:
    """Return the definitions that the OpenAI APIs take as ``tools``.

    Answer the calls with :func:`~shipkit.agent.answer_model`; it takes ``function.arguments`` as
    the API sends it, as one text.

    Parameters
    ----------
    api
        ``"chat"`` for Chat Completions, ``"responses"`` for Responses.
    strict
        Let the API enforce the schema. Arguments that may be omitted are then null. Without it,
        the definitions say so: Responses takes a definition that does not for a strict one.

    Raises
    ------
    InputError
        `api` is neither of these.
    """
    if api not in {"chat", "responses"}:
        raise InputError(f"Unknown OpenAI API {api!r}.", fix="Use 'chat' or 'responses'.")
    functions = [
        {
            "name": shown["name"],
            "description": shown["description"],
            "parameters": _strict(shown["input_schema"]) if strict else shown["input_schema"],
            **({"strict": strict} if strict or api == "responses" else {}),
        }
        for shown in to_anthropic(tools)
    ]
    if api == "responses":
        return [{"type": "function", **function} for function in functions]
    return [{"type": "function", "function": function} for function in functions]


def to_gemini(tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the definitions that the Gemini API takes as ``tools``.

    They are plain dicts for ``GenerateContentConfig(tools=...)`` of google-genai and for the REST
    API. Answer the calls with :func:`~shipkit.agent.answer_model`.
    """
    return [
        {
            "function_declarations": [
                {
                    "name": shown["name"],
                    "description": shown["description"],
                    "parameters": _with_properties(shown["input_schema"], _free_names_as_text),
                }
                for shown in to_anthropic(tools)
            ]
        }
    ]


def _with_properties(
    schema: Mapping[str, Any], change: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    properties = schema["properties"].items()
    return {**schema, "properties": {name: change(field) for name, field in properties}}


def _strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    required = schema.get("required", ())
    fields = {
        name: _as_strict(field, optional=name not in required)
        for name, field in schema["properties"].items()
    }
    return {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


def _as_strict(field: Mapping[str, Any], *, optional: bool) -> dict[str, Any]:
    shown = _free_names_as_text(field)
    default = shown.pop("default", None)
    if default is not None:
        shown["description"] = f"{shown.get('description', '')} Null: {default}".strip()
    if not optional:
        return shown
    shown["type"] = [shown["type"], "null"]
    if "enum" in shown:
        shown["enum"] = [*shown["enum"], None]
    return shown


def _free_names_as_text(field: Mapping[str, Any]) -> dict[str, Any]:
    """Return a text for an object whose names are free, or for an array of such objects."""
    inner = field.get("items", {}).get("type") if field["type"] == "array" else field["type"]
    if inner != "object":
        return dict(field)
    what = "array of objects" if field["type"] == "array" else "object"
    described = f"{field.get('description', '')} (JSON text: {what})".strip()
    return {"type": "string", "description": described}
