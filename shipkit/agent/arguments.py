"""What each tool takes: one strict model a tool. Unknown names, wrong types and oversized text are refused, never dropped or bent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from shipkit.errors import InputError

__all__ = [
    "Arguments",
    "Command",
    "DescribeOrders",
    "Execute",
    "GetLabels",
    "JobStatus",
    "ListTools",
    "LoadOrders",
    "Preview",
    "Problems",
    "Resume",
    "SetMode",
    "Void",
    "parse",
    "schema_of",
]

MAX_ROWS_CHARS = 1_000_000
"""Most characters of inline orders: about 5,000 of them. More belongs in a file."""


class Arguments(BaseModel):
    """Base of every tool's arguments. JSON types as they are: ``"7"`` is not 7."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class LoadOrders(Arguments):
    """Where the orders come from."""

    path: str = Field("", max_length=1_024, description="A file in a folder the operator allowed")
    rows: list[dict[str, Any]] = Field([], max_length=5_000, description="Or the orders themselves")

    @field_validator("rows")
    @classmethod
    def _bounded(cls, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if len(json.dumps(rows, default=str)) > MAX_ROWS_CHARS:
            raise ValueError(
                f"inline orders are limited to {MAX_ROWS_CHARS:,} characters; put them in a file "
                "and give its path"
            )
        return rows


class _Job(Arguments):
    job_id: str = Field("", max_length=120)


class _Page(_Job):
    offset: int = Field(0, ge=0)
    limit: int = Field(20, ge=1, le=50)


class _Wait(_Job):
    wait_s: float = Field(0, ge=0, le=600)


class DescribeOrders(_Page):
    """Which columns to show."""


class Problems(_Page):
    """Which problems to show."""


class Preview(_Job):
    """What to price. A name left out keeps what was said before."""

    filter_clause: str = Field(
        "",
        max_length=4_000,
        description="SQL expression over the columns, e.g. state = 'CA' AND weight_lb < 20. Left out: as "
        "before; empty: all",
    )
    mapping_template: str = Field(
        "",
        max_length=20_000,
        description="Jinja2 text, from describe_orders. Left out: as before; empty: recognised columns",
    )
    shipper_info: str | dict[str, Any] = Field(
        "", description="A shipper the operator named. An address needs a person's yes"
    )
    sample: int = Field(3, ge=0, le=20, description="Example rows to show")

    @field_validator("mapping_template")
    @classmethod
    def _text(cls, template: str) -> str:
        if template.strip() and "{" not in template:
            raise ValueError(
                "this is not a template's text; a template is passed as text, never as a path"
            )
        return template


class Execute(_Job):
    """What to buy."""

    preview_id: str = Field("", max_length=40, description="The one the person saw")
    mapping_template: str = Field("", max_length=20_000)
    shipper_info: str | dict[str, Any] = ""
    approved: bool = Field(
        default=False, description="The host's word that a person approved this preview"
    )
    wait_s: float = Field(45, ge=0, le=600, description="Then answers 'running'; the job goes on")


class SetMode(_Job):
    """Which mode."""

    mode: Literal["confirm", "auto"]

    @field_validator("mode", mode="before")
    @classmethod
    def _any_case(cls, mode: Any) -> Any:
        return mode.lower() if isinstance(mode, str) else mode


class Resume(_Job):
    """How to go on with an interrupted job."""

    choice: Literal["resume", "restart", "cancel", "review"] | None = Field(
        None, description="Left out: tells what was interrupted"
    )
    confirm_paid_labels: int | None = Field(
        None, ge=0, description="For restart: the number of labels already paid"
    )
    wait_s: float = Field(45, ge=0, le=600)


class JobStatus(_Wait):
    """Which job."""


class GetLabels(_Wait):
    """Which job."""


class Void(Arguments):
    """Which shipments to give back."""

    job_id: str = Field(max_length=120)
    where: str = Field(
        min_length=1, max_length=4_000, description="SQL over result columns, e.g. order_id = '17'"
    )


class ListTools(Arguments):
    """Nothing."""


class Command(Arguments):
    """What a person typed."""

    command: str = Field("", max_length=4_000)


A = TypeVar("A", bound=Arguments)


def parse(model: type[A], tool: str, given: Mapping[str, Any] | None) -> A:
    """Return `given` as `model`. Raises InputError that names every argument at fault; a null counts as left out."""
    present = {name: value for name, value in (given or {}).items() if value is not None}
    unknown = sorted(set(present) - set(model.model_fields))
    if unknown:
        raise InputError(
            f"{tool} has no argument {', '.join(map(repr, unknown))}.",
            fix=f"It takes: {', '.join(model.model_fields) or 'none'}.",
        )
    try:
        return model.model_validate(present)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, e['loc'][:2]))}: {e['msg']}"
            for e in error.errors(include_input=False, include_url=False)[:5]
        )
        raise InputError(
            f"{tool} cannot use its arguments: {faults}.", fix="Correct them and call again."
        ) from None


def schema_of(model: type[BaseModel], *, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the JSON Schema of `model`, without some properties, and without what costs a model characters and tells it nothing."""
    schema: dict[str, Any] = _lean(
        model.model_json_schema(), nulls=not issubclass(model, Arguments)
    )
    for name in without:
        schema["properties"].pop(name, None)
    schema.pop("description", None)
    return {"type": "object", "properties": {}} | schema


_UNSAID = {"title", "maxLength", "minLength", "maxItems"}
"""Checked all the same; the error says so when it matters."""
_EMPTY: tuple[Any, ...] = ("", [], {}, None, 0, False)


def _lean(node: Any, *, nulls: bool, names: bool = False) -> Any:
    """Return a schema without what is not said.

    `names`: the keys of `node` are names of properties, and stay. `nulls`: say that a value may be
    null (an answer's can; an argument that is null counts as left out).
    """
    if isinstance(node, list):
        return [_lean(item, nulls=nulls) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: _lean(value, nulls=nulls, names=key == "properties" and not names)
        for key, value in node.items()
        if names or _is_said(key, value)
    }
    options = [] if names or nulls else kept.get("anyOf", [])
    if len(options) == 2 and {"type": "null"} in options:
        only = next(option for option in options if option != {"type": "null"})
        return {**{key: value for key, value in kept.items() if key != "anyOf"}, **only}
    return kept


def _is_said(key: str, value: Any) -> bool:
    return not (
        key in _UNSAID
        or (key == "default" and value in _EMPTY)
        or (key == "additionalProperties" and value is True)
    )
