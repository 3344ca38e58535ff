"""Known exports: a layout is a small data file that says what is taken from which heading.

A layout is recognised by its headings, never by the name of the file. Those of the package lie in
``data/layouts``; a person adds one as a TOML file in the folder ``layouts`` beside the config
file. Headings that no layout knows are recognised by :mod:`shipkit.orders.fields`, also in a file
whose layout is known: a weight column that somebody added is found.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from shipkit.common.sql import quoted
from shipkit.errors import LayoutError
from shipkit.orders.fields import ADDRESS_ROLES, KIND, Match, Recognition, keys, phrase, recognise

__all__ = [
    "Layout",
    "LayoutMatch",
    "Notice",
    "known_layouts",
    "meanings",
    "recognise_layout",
    "the_layout",
]

_UNITS: Final = frozenset({"lb", "oz", "kg", "g", "in", "cm", "mm", "ft", "m"})
_ANY_TEXT: Final = ("filled", "nonzero")
_PER: Final = ("unit", "line", "order")
_KEYS: Final = frozenset(
    {
        "title",
        "evidence",
        "recognised_by",
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
        "unsupported",
        "instead",
        "remarks",
    }
)


@dataclass(frozen=True)
class Notice:
    """A cell that a person should know of: ``when`` is "filled", "nonzero" (a number that is not 0) or a list of texts."""

    heading: str
    when: str | tuple[str, ...]
    problem: str
    fix: str
    severity: str
    code: str


@dataclass(frozen=True)
class Layout:
    """One known export, as its file says it. Headings are compared word by word, without regard to case and punctuation."""

    name: str
    title: str
    evidence: str
    """The real file or the documentation behind it."""
    recognised_by: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    headings: tuple[str, ...] = ()
    """For files without a line of headings: what their columns are. Such a layout must be named."""
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Role -> the headings it may have; the first one that the file has is taken. Of `weight`, all are added up."""
    units: Mapping[str, str] = field(default_factory=dict)
    """Heading -> unit, where the heading does not name it."""
    dates: Mapping[str, str] = field(default_factory=dict)
    services: Mapping[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    """A line with none of these is no order line (a total, a footer)."""
    never: tuple[str, ...] = ()
    """Roles that no column of this export has, whatever its heading says."""
    each_row: bool = False
    """Each line is a shipment, also where order numbers repeat."""
    order_key: tuple[str, ...] = ()
    """Headings whose cells must agree too before lines with one order number are one order."""
    weight_of: str | None = None
    price_of: str | None = None
    not_shipped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Heading -> texts of lines that are sold and not shipped."""
    notices: tuple[Notice, ...] = ()
    remarks: tuple[str, ...] = ()
    """What a person should know of this export, for its page."""
    unsupported: str | None = None
    """Why no shipment can be made of it; such a file is recognised to say so."""
    instead: str | None = None
    """Which export to use."""
    path: Path | None = None


@dataclass(frozen=True)
class LayoutMatch:
    """The layout that was recognised (or named), and why."""

    layout: Layout = field(repr=False)
    name: str
    why: str
    fields: Mapping[str, str] = field(repr=False)
    """Role -> heading of this file."""

    def __str__(self) -> str:
        return f"{self.layout.title} ({self.name}): {self.why}"


def known_layouts(folder: Path | None = None) -> dict[str, Layout]:
    """Return the layouts by name: the package's, then those of a person's `folder` (which replace one of the same name).

    Raises
    ------
    LayoutError
        A file cannot be read as a layout; the message says which and where.
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


def the_layout(name: str, folder: Path | None = None) -> Layout:
    """Return the layout called `name`. Raises LayoutError naming those there are."""
    known = known_layouts(folder)
    if name not in known:
        raise LayoutError(
            f"There is no layout {name!r}.", fix=f"Known: {', '.join(sorted(known))}."
        )
    return known[name]


def recognise_layout(headings: Sequence[str], layouts: Mapping[str, Layout]) -> LayoutMatch | None:
    """Return the layout that these headings have, or None. Of several, the one that more headings speak for.

    Examples
    --------
    >>> found = recognise_layout(["Name", "Financial Status", "Lineitem name", "Lineitem quantity", "Shipping Name", "Shipping Zip"], known_layouts())
    >>> found.name, found.fields["order_id"]
    ('shopify', 'Name')
    """
    here = {phrase(heading) for heading in headings}
    fitting = [
        layout
        for layout in layouts.values()
        if layout.recognised_by
        and all(phrase(h) in here for h in layout.recognised_by)
        and not any(phrase(h) in here for h in layout.without)
    ]
    if not fitting:
        return None
    best = max(
        fitting,
        key=lambda layout: (
            layout.unsupported is None,
            len(layout.recognised_by),
            layout.path is not None and layout.path.is_absolute(),
        ),
    )
    return matched(best, headings, f"its headings {', '.join(best.recognised_by)}")


def matched(layout: Layout, headings: Sequence[str], why: str) -> LayoutMatch:
    """Return `layout` applied to a file with these headings. Raises LayoutError for an export of which no shipment can be made."""
    if layout.unsupported is not None:
        raise LayoutError(
            f"This is {layout.title} ({why}): {layout.unsupported}.",
            fix=f"{layout.instead} To read it all the same, column by column: load(..., "
            "layout=False).",
            layout=layout.name,
        )
    return LayoutMatch(
        layout,
        layout.name,
        why,
        {
            role: heading
            for role, options in layout.fields.items()
            if (heading := _first(options, headings)) is not None
        },
    )


def meanings(headings: Sequence[str], found: LayoutMatch | None) -> Recognition:
    """Return what the headings mean: by the layout where it speaks, else by their words."""
    if found is None:
        return recognise(headings)
    spoken = {phrase(option) for options in found.layout.fields.values() for option in options}
    rest = recognise(["" if phrase(heading) in spoken else heading for heading in headings])
    silent = {*found.fields, *found.layout.never} | (
        {*ADDRESS_ROLES} - {"residential"} if "address_line1" in found.fields else set()
    )
    all_keys = keys(headings)
    roles = {role: match for role, match in rest.roles.items() if role not in silent}
    for role, heading in found.fields.items():
        index = list(headings).index(heading)
        roles[role] = Match(role, heading, all_keys[index], _unit(found.layout, heading), index, 0)
    renamed = {
        role: Match(role, headings[m.index], all_keys[m.index], m.unit, m.index, m.party)
        for role, m in roles.items()
    }
    return Recognition(
        renamed, {role: names for role, names in rest.ambiguous.items() if role not in silent}
    )


def parts(
    found: LayoutMatch | None, role: str, headings: Sequence[str]
) -> list[tuple[str, str | None]]:
    """Return the headings (and their units) that are added up to `role`: "Package Weight (lb)" and "Package Weight (oz)"."""
    if found is None:
        return []
    here = {phrase(heading): heading for heading in headings}
    return [
        (here[phrase(option)], _unit(found.layout, option))
        for option in found.layout.fields.get(role, ())
        if phrase(option) in here
    ]


def required_sql(found: LayoutMatch | None, columns: Mapping[str, str]) -> str | None:
    """Return SQL that is true of order lines, over the `columns` (heading -> SQL name), or None when every line is one."""
    names = (
        []
        if found is None
        else [
            columns[heading]
            for option in found.layout.required
            if (heading := _first((option,), list(columns))) is not None
        ]
    )
    return (
        " OR ".join(
            f"nullif(trim(CAST({quoted(name)} AS VARCHAR)), '') IS NOT NULL" for name in names
        )
        or None
    )


def not_shipped_sql(found: LayoutMatch | None, columns: Mapping[str, str]) -> str | None:
    """Return SQL that is true of lines that are sold and not shipped, or None when there are none."""
    rules = []
    for option, texts in ({} if found is None else found.layout.not_shipped).items():
        heading = _first((option,), list(columns))
        if heading is not None:
            listed = ", ".join("'" + text.lower().replace("'", "''") + "'" for text in texts)
            rules.append(
                f"coalesce(lower(trim(CAST({quoted(columns[heading])} AS VARCHAR))) IN "
                f"({listed}), false)"
            )
    return " OR ".join(rules) or None


def order_key_columns(found: LayoutMatch | None, headings: Sequence[str]) -> list[str]:
    """Return the headings of this file whose cells must agree too before lines with one order number are one order."""
    return (
        []
        if found is None
        else [
            heading
            for option in found.layout.order_key
            if (heading := _first((option,), headings)) is not None
        ]
    )


def _first(options: Sequence[str], headings: Sequence[str]) -> str | None:
    """Return the first of `options` that the file has, as the file writes it."""
    here = {phrase(heading): heading for heading in reversed(headings)}
    return next((here[phrase(option)] for option in options if phrase(option) in here), None)


def _unit(layout: Layout, heading: str) -> str | None:
    for name, unit in layout.units.items():
        if phrase(name) == phrase(heading):
            return unit
    return next(iter(recognise([heading]).roles.values()), Match("", "", "")).unit


# -- reading the files -----------------------------------------------------------------------------


@cache
def _packaged() -> Mapping[str, Layout]:
    files = sorted(
        resources.files("shipkit.orders").joinpath("data", "layouts").iterdir(),
        key=lambda item: item.name,
    )
    return {
        Path(item.name).stem: _parsed(item.read_text(encoding="utf-8"), Path(item.name))
        for item in files
        if item.name.endswith(".toml")
    }


def _parsed(text: str, path: Path) -> Layout:
    """Return the layout that a file says. `path` is absolute for a person's own."""
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LayoutError(
            f"The layout {path} is not TOML: {error}.", fix="Correct that line."
        ) from None
    _check(said, path)
    return Layout(
        name=path.stem,
        title=said.get("title", path.stem),
        evidence=said.get("evidence", ""),
        path=path,
        recognised_by=tuple(said.get("recognised_by", ())),
        without=tuple(said.get("without", ())),
        headings=tuple(said.get("headings", ())),
        required=tuple(said.get("required", ())),
        never=tuple(said.get("never", ())),
        units=dict(said.get("units", {})),
        dates=dict(said.get("dates", {})),
        services=dict(said.get("services", {})),
        fields={role: _several(options) for role, options in said.get("fields", {}).items()},
        order_key=tuple(said.get("order_key", ())),
        not_shipped={
            heading: _several(texts) for heading, texts in said.get("not_shipped", {}).items()
        },
        notices=tuple(
            Notice(
                entry["heading"],
                entry["when"] if entry["when"] in _ANY_TEXT else _several(entry["when"]),
                entry["problem"],
                entry["fix"],
                entry.get("severity", "warning"),
                entry["code"],
            )
            for entry in said.get("notice", ())
        ),
        remarks=tuple(said.get("remarks", ())),
        unsupported=said.get("unsupported"),
        instead=said.get("instead"),
        each_row=bool(said.get("each_row", False)),
        weight_of=said.get("weight_of"),
        price_of=said.get("price_of"),
    )


def _several(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _check(said: Mapping[str, Any], path: Path) -> None:
    faults = [f"it knows no key {name!r}" for name in said if name not in _KEYS]
    faults += [] if said.get("fields") or said.get("unsupported") else ["it has no [fields]"]
    faults += (
        ["`unsupported` needs `instead`, the export to use"]
        if said.get("unsupported") and not said.get("instead")
        else []
    )
    faults += (
        []
        if said.get("recognised_by") or said.get("headings")
        else ["it has neither `recognised_by` nor `headings`"]
    )
    faults += [
        f"fields: there is no field {role!r}" for role in said.get("fields", {}) if role not in KIND
    ]
    faults += [
        f"units: {unit!r} is not a unit"
        for unit in said.get("units", {}).values()
        if unit not in _UNITS
    ]
    faults += [
        f"{name} is not one of {', '.join(_PER)}"
        for name in ("weight_of", "price_of")
        if said.get(name, "unit") not in _PER
    ]
    faults += [
        "a [[notice]] needs heading, when, problem, fix and code"
        for entry in said.get("notice", ())
        if not {"heading", "when", "problem", "fix", "code"} <= set(entry)
    ]
    if faults:
        raise LayoutError(
            f"The layout {path.name} cannot be used: {'; '.join(faults)}.",
            fix=f"Fields: {', '.join(sorted(KIND))}.",
            path=str(path),
        )
