"""Known exports: a layout is a small data file that maps the headings of an export to fields.

A layout is recognised by the headings of a file, never by its name. Headings that the layout does
not mention are recognised by :mod:`shipkit.orders.fields`, as in any other file: a weight column
that a person added to a known export is found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shipkit.common.sql import quoted
from shipkit.errors import LayoutError
from shipkit.orders.columns import ADDRESS_ROLES, keys
from shipkit.orders.expressions import is_zero, quoted_list, trimmed
from shipkit.orders.fields import Recognition, recognise
from shipkit.orders.heading_meaning import Match
from shipkit.orders.heading_text import phrase
from shipkit.orders.heading_words import word_file
from shipkit.orders.layout_files import Layout, Notice, known_layouts, named_layout

__all__ = [
    "Layout",
    "LayoutMatch",
    "Notice",
    "known_layouts",
    "matched",
    "meanings",
    "named_layout",
    "not_shipped_sql",
    "order_key_columns",
    "recognise_layout",
    "required_sql",
    "summed_columns",
]


@dataclass(frozen=True)
class LayoutMatch:
    """The layout that applies to a file, and why."""

    layout: Layout = field(repr=False)
    name: str
    why: str
    fields: Mapping[str, str] = field(repr=False)
    """Role -> heading of this file."""

    def __str__(self) -> str:
        return f"{self.layout.title} ({self.name}), {self.why}"


def recognise_layout(headings: Sequence[str], layouts: Mapping[str, Layout]) -> LayoutMatch | None:
    """Return the layout that these headings belong to, or None.

    Of several that fit, a supported one is preferred, then the one with the most headings to be
    recognised by, then a person's own.

    Examples
    --------
    >>> found = recognise_layout(
    ...     ["Name", "Financial Status", "Lineitem name", "Lineitem quantity", "Shipping Name"],
    ...     known_layouts(),
    ... )
    >>> found.name, found.fields["order_id"]
    ('shopify', 'Name')
    """
    here = {phrase(heading) for heading in headings}
    written = {heading.strip().lower() for heading in headings}
    fitting = [
        layout
        for layout in layouts.values()
        if layout.recognised_by
        and all(phrase(heading) in here for heading in layout.recognised_by)
        and written.issuperset(layout.verbatim)
        and not any(phrase(heading) in here for heading in layout.without)
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
    return matched(best, headings, f"recognised by {', '.join(best.recognised_by)}")


def matched(layout: Layout, headings: Sequence[str], why: str) -> LayoutMatch:
    """Return `layout` applied to a file with these headings.

    Raises
    ------
    LayoutError
        No shipment can be made from this export; the message names the export to use.
    """
    if layout.unsupported is not None:
        raise LayoutError(
            f"This is {layout.title}, {why}: {layout.unsupported}.",
            fix=f"{layout.instead} To read it anyway, column by column: load(..., layout=False).",
            layout=layout.name,
        )
    found = {role: _first(options, headings) for role, options in layout.fields.items()}
    fields = {role: heading for role, heading in found.items() if heading is not None}
    return LayoutMatch(layout, layout.name, why, fields)


def meanings(headings: Sequence[str], found: LayoutMatch | None) -> Recognition:
    """Return what the headings mean: by the layout where it mentions them, else by their words."""
    if found is None:
        return recognise(headings)
    mentioned = {phrase(option) for options in found.layout.fields.values() for option in options}
    rest = recognise(["" if phrase(heading) in mentioned else heading for heading in headings])
    # Roles that the layout fills or excludes are not looked for in other columns. An address is
    # taken whole: "City" of the buyer must not complete a recipient whose city column is missing.
    settled = {*found.fields, *found.layout.never}
    if "address_line1" in found.fields:
        settled |= {*ADDRESS_ROLES} - {"residential"}
    all_keys = keys(headings)
    roles = {
        role: Match(role, headings[m.index], all_keys[m.index], m.unit, m.index, m.party)
        for role, m in rest.roles.items()
        if role not in settled
    }
    for role, heading in found.fields.items():
        index = list(headings).index(heading)
        roles[role] = Match(role, heading, all_keys[index], _unit(found.layout, heading), index, 0)
    ambiguous = {role: names for role, names in rest.ambiguous.items() if role not in settled}
    return Recognition(roles, ambiguous)


def summed_columns(
    found: LayoutMatch | None, role: str, headings: Sequence[str]
) -> list[tuple[str, str | None]]:
    """Return the headings, each with its unit, whose cells add up to `role`.

    "Package Weight (lb)" and "Package Weight (oz)" are both parts of one weight.
    """
    if found is None:
        return []
    here = {phrase(heading): heading for heading in headings}
    return [
        (here[phrase(option)], _unit(found.layout, option))
        for option in found.layout.fields.get(role, ())
        if phrase(option) in here
    ]


def required_sql(found: LayoutMatch | None, columns: Mapping[str, str]) -> str | None:
    """Return SQL that is true of order lines, or None when every row is one.

    Parameters
    ----------
    columns
        Heading -> name of its column.
    """
    headings = (
        [_first((option,), list(columns)) for option in found.layout.required] if found else []
    )
    cells = [f"CAST({quoted(columns[name])} AS VARCHAR)" for name in headings if name is not None]
    return " OR ".join(f"nullif(trim({cell}), '') IS NOT NULL" for cell in cells) or None


def not_shipped_sql(
    found: LayoutMatch | None, columns: Mapping[str, str], requires_shipping: str | None = None
) -> str | None:
    """Return SQL that is true of lines that were sold but are not shipped, or None without any.

    A layout that lists ``0`` means every spelling of it ("0.0", "-0", "0 pcs"), and one that lists
    "no" every word for it ("N", "FALSE", "nein").

    Parameters
    ----------
    columns
        Heading -> name of its column.
    requires_shipping
        The column that says of each line whether it is shipped, known export or not.
    """
    told: dict[str, tuple[str, ...]] = {}
    if requires_shipping is not None:
        told[requires_shipping] = ("no",)
    for option, texts in (found.layout.not_shipped if found else {}).items():
        heading = _first((option,), list(columns))
        if heading is not None:
            told[columns[heading]] = texts
    rules = []
    for column, texts in told.items():
        cell = f"CAST({quoted(column)} AS VARCHAR)"
        plain = f"lower({trimmed(cell)})"
        listed = {text.lower() for text in texts}
        no = word_file("values")["no"]
        words = listed | {*no} if listed & {*no} else listed
        rules.append(f"coalesce({plain} IN ({quoted_list(sorted(words))}), false)")
        if "0" in words:
            rules.append(f"coalesce({is_zero(cell)}, false)")
    return " OR ".join(rules) or None


def order_key_columns(found: LayoutMatch | None, headings: Sequence[str]) -> list[str]:
    """Return the headings whose cells must agree too before lines with one number are one order."""
    options = found.layout.order_key if found else ()
    here = [_first((option,), headings) for option in options]
    return [heading for heading in here if heading is not None]


def _first(options: Sequence[str], headings: Sequence[str]) -> str | None:
    """Return the first of `options` that the file has, as the file writes it."""
    here = {phrase(heading): heading for heading in reversed(headings)}
    return next((here[phrase(option)] for option in options if phrase(option) in here), None)


def _unit(layout: Layout, heading: str) -> str | None:
    for name, unit in layout.units.items():
        if phrase(name) == phrase(heading):
            return unit
    return next(iter(recognise([heading]).roles.values()), Match("", "", "")).unit
