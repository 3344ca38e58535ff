"""The files of known exports: TOML in ``data/layouts``, and a person's own.

A person adds a layout as a TOML file in the folder ``layouts`` next to the config file; one with
the name of a layout of the package replaces it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from shipkit.errors import LayoutError
from shipkit.orders.columns import KIND

__all__ = ["Layout", "Notice", "known_layouts", "named_layout"]

_UNITS: Final = frozenset({"lb", "oz", "kg", "g", "in", "cm", "mm", "ft", "m"})
_ANY_TEXT: Final = ("filled", "nonzero")
_PER: Final = ("unit", "line", "order")
_NOTICE_KEYS: Final = frozenset({"heading", "when", "problem", "fix", "code"})
_KEYS: Final = frozenset(
    {
        "title",
        "evidence",
        "recognised_by",
        "verbatim",
        "without",
        "headings",
        "required",
        "weight_of",
        "price_of",
        "never",
        "each_row",
        "fields",
        "units",
        "dates",
        "services",
        "not_shipped",
        "notice",
        "order_key",
        "carried",
        "unsupported",
        "instead",
        "remarks",
    }
)


@dataclass(frozen=True)
class Notice:
    """A cell that a person should know about, such as a cancellation in the shop.

    Parameters
    ----------
    heading
        The column.
    when
        ``"filled"``, ``"nonzero"`` (any number but 0), or the texts that count.
    problem, fix, severity, code
        Of the problem that these cells are reported as.
    state
        Which state of an order it is, as in ``data/words/order_states.toml``: a warning of that
        state is not given again for another column.
    """

    heading: str
    when: str | tuple[str, ...]
    problem: str
    fix: str
    severity: str
    code: str
    state: str = ""


@dataclass(frozen=True)
class Layout:
    """One known export.

    Headings are compared word by word, without regard to case and punctuation.
    """

    name: str
    title: str
    evidence: str
    """The real file or the documentation that it was written from."""
    recognised_by: tuple[str, ...] = ()
    verbatim: tuple[str, ...] = ()
    """Headings that the file must have with their punctuation: another export writes them apart."""
    without: tuple[str, ...] = ()
    """Headings that tell another export from this one."""
    headings: tuple[str, ...] = ()
    """The columns of a file without a header row. Such layouts are chosen by name."""
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Role -> the headings it may have. The first that the file has is used; weights are summed."""
    units: Mapping[str, str] = field(default_factory=dict)
    """Heading -> unit, where the heading does not name it."""
    dates: Mapping[str, str] = field(default_factory=dict)
    """Heading -> strptime format."""
    services: Mapping[str, str] = field(default_factory=dict)
    """Text of the service column -> service."""
    required: tuple[str, ...] = ()
    """A row in which all of these are empty is not an order line (a total, a footer)."""
    never: tuple[str, ...] = ()
    """Roles that no column of this export has, whatever its heading says."""
    each_row: bool = False
    """Each row is a shipment, even where order numbers repeat."""
    order_key: tuple[str, ...] = ()
    """Headings whose cells must agree too before lines with one order number are one order."""
    carried: tuple[str, ...] = ()
    """Headings that ask for nothing in this export, whatever they look like."""
    weight_of: str | None = None
    """What a weight is of: ``"unit"``, ``"line"`` or ``"order"``."""
    price_of: str | None = None
    """What a price is of, likewise."""
    not_shipped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Heading -> texts of lines that were sold but are not shipped."""
    notices: tuple[Notice, ...] = ()
    remarks: tuple[str, ...] = ()
    """What a person should know about this export, for its page in the docs."""
    unsupported: str | None = None
    """Why no shipment can be made from it; it is recognised only to report that."""
    instead: str | None = None
    """The export to use instead."""
    path: Path | None = None
    """The file; absolute for a person's own layout."""


def known_layouts(folder: Path | None = None) -> dict[str, Layout]:
    """Return the layouts by name: those of the package, then a person's own in `folder`.

    Raises
    ------
    LayoutError
        A file cannot be read as a layout; the message says which, and what is wrong in it.
    """
    found = dict(_packaged())
    for path in sorted(folder.glob("*.toml")) if folder is not None and folder.is_dir() else []:
        try:
            found[path.stem] = _parsed(path.read_text(encoding="utf-8"), path)
        except (OSError, UnicodeDecodeError) as error:
            raise LayoutError(
                f"The layout {path} cannot be read: {error}.", fix="A layout is a UTF-8 text file."
            ) from None
    return found


def named_layout(name: str, folder: Path | None = None) -> Layout:
    """Return the layout called `name`. Raises LayoutError with the known names."""
    known = known_layouts(folder)
    if name not in known:
        raise LayoutError(
            f"There is no layout {name!r}.", fix=f"Known: {', '.join(sorted(known))}."
        )
    return known[name]


@cache
def _packaged() -> Mapping[str, Layout]:
    folder = resources.files("shipkit.orders").joinpath("data", "layouts")
    return {
        Path(item.name).stem: _parsed(item.read_text(encoding="utf-8"), Path(item.name))
        for item in sorted(folder.iterdir(), key=lambda item: item.name)
        if item.name.endswith(".toml")
    }


def _parsed(text: str, path: Path) -> Layout:
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LayoutError(
            f"The layout {path} is not TOML: {error}.", fix="Correct that line."
        ) from None
    faults = list(_faults(given))
    if faults:
        raise LayoutError(
            f"The layout {path.name} cannot be used: {'; '.join(faults)}.",
            fix=f"Fields: {', '.join(sorted(KIND))}.",
            path=str(path),
        )
    return Layout(
        name=path.stem,
        title=given.get("title", path.stem),
        evidence=given.get("evidence", ""),
        path=path,
        recognised_by=tuple(given.get("recognised_by", ())),
        verbatim=tuple(given.get("verbatim", ())),
        without=tuple(given.get("without", ())),
        headings=tuple(given.get("headings", ())),
        required=tuple(given.get("required", ())),
        never=tuple(given.get("never", ())),
        units=dict(given.get("units", {})),
        dates=dict(given.get("dates", {})),
        services=dict(given.get("services", {})),
        fields={role: _several(options) for role, options in given.get("fields", {}).items()},
        order_key=tuple(given.get("order_key", ())),
        carried=tuple(given.get("carried", ())),
        not_shipped={
            heading: _several(texts) for heading, texts in given.get("not_shipped", {}).items()
        },
        notices=tuple(_notice(entry) for entry in given.get("notice", ())),
        remarks=tuple(given.get("remarks", ())),
        unsupported=given.get("unsupported"),
        instead=given.get("instead"),
        each_row=bool(given.get("each_row", False)),
        weight_of=given.get("weight_of"),
        price_of=given.get("price_of"),
    )


def _notice(entry: Mapping[str, Any]) -> Notice:
    return Notice(
        entry["heading"],
        entry["when"] if entry["when"] in _ANY_TEXT else _several(entry["when"]),
        entry["problem"],
        entry["fix"],
        entry.get("severity", "warning"),
        entry["code"],
        entry.get("state", ""),
    )


def _several(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _faults(given: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong in a layout file."""
    for name in given:
        if name not in _KEYS:
            yield f"unknown key {name!r}"
    if not given.get("fields") and not given.get("unsupported"):
        yield "[fields] is missing"
    if given.get("unsupported") and not given.get("instead"):
        yield "`unsupported` needs `instead`, the export to use"
    if not given.get("recognised_by") and not given.get("headings"):
        yield "`recognised_by` or `headings` is missing"
    for role in given.get("fields", {}):
        if role not in KIND:
            yield f"fields: unknown field {role!r}"
    for unit in given.get("units", {}).values():
        if unit not in _UNITS:
            yield f"units: unknown unit {unit!r}"
    for name in ("weight_of", "price_of"):
        if given.get(name, "unit") not in _PER:
            yield f"{name} must be one of {', '.join(_PER)}"
    for entry in given.get("notice", ()):
        if not set(entry) >= _NOTICE_KEYS:
            yield "a [[notice]] needs heading, when, problem, fix and code"
