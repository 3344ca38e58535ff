"""The confirmation files that marketplaces import, described by the data files in ``formats``.

A data file says which columns a marketplace's file has, where each cell comes from, which evidence
there is for that, and what was not tried.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from shipkit.errors import InputError

__all__ = ["ConfirmationColumn", "ConfirmationFormat", "file_name", "formats", "the_format"]


@dataclass(frozen=True)
class ConfirmationColumn:
    """A column of a confirmation file.

    Its cell is the first that exists of: the cell of the orders under one of the headings in
    `source`, the `fact` of the shipment, and `text`.
    """

    heading: str
    source: tuple[str, ...] = ()
    """Headings of the orders, in the order in which they are looked for."""
    fact: str | None = None
    """``order_number``, ``tracking_number``, ``ship_date``, ``carrier``, ``service``.

    Further: ``other_carrier``, the carrier's name where the marketplace has no word for it;
    ``order_complete``, whether every shipment of the order was shipped; ``nth``, the place of this
    line among the lines of its order.
    """
    text: str | None = None
    item: bool = False
    """Whether it describes one item: filled only in a file with one line per item."""
    required: bool = False
    pattern: str | None = None
    """Regular expression that a filled cell matches as a whole."""
    expected: str = ""
    """`pattern` in words, for a message."""
    other: str | None = None
    """For the fact ``carrier``: the word for a carrier that the marketplace has no word for.

    Without it the carrier's name is written.
    """
    yes: str = "yes"
    no: str = "no"


@dataclass(frozen=True)
class ConfirmationFormat:
    """The confirmation file of one marketplace."""

    name: str
    title: str
    evidence: str
    """What this description of the file is based on."""
    upload: str = ""
    """Where the file is uploaded."""
    notes: tuple[str, ...] = ()
    """What a person must know at the upload; part of the result of every file."""
    remarks: tuple[str, ...] = ()
    """What else the docs say about the file."""
    unverified: tuple[str, ...] = ()
    refused: str | None = None
    """Why there is no file for this marketplace; then there are no columns."""
    instead: str | None = None
    """What to do if `refused`."""
    suffix: str = ".csv"
    delimiter: str = ","
    first_line: str | None = None
    """A line above the headings."""
    per: str = "order"
    """What a line is: an ``item``, an ``order`` (one line per shipment) or a ``parcel``."""
    date: str = "%Y-%m-%d"
    name_contains: str | None = None
    """A word that the name of the file must contain."""
    carriers: Mapping[str, str] = field(default_factory=dict)
    """Carrier -> the marketplace's word for it."""
    columns: tuple[ConfirmationColumn, ...] = ()

    def takes_name(self, name: str) -> bool:
        """Return whether the marketplace accepts a file called `name`."""
        return self.name_contains is None or self.name_contains.lower() in name.lower()


def formats() -> dict[str, ConfirmationFormat]:
    """Return the formats by name, including those that are refused.

    Examples
    --------
    >>> sorted(formats())
    ['amazon', 'ebay', 'etsy', 'shopify', 'woocommerce']
    """
    return dict(_packaged())


def the_format(name: str) -> ConfirmationFormat:
    """Return the format called `name`.

    Raises
    ------
    InputError
        The name is unknown, or the marketplace imports no such file.
    """
    known = _packaged()
    if name not in known:
        raise InputError(
            f"There is no confirmation file for {name!r}.",
            fix=f"Known: {', '.join(n for n, made in known.items() if made.refused is None)}.",
        )
    chosen = known[name]
    if chosen.refused is not None:
        raise InputError(f"{chosen.title}: {chosen.refused}.", fix=str(chosen.instead), layout=name)
    return chosen


def file_name(form: ConfirmationFormat, stem: str, *, live: bool = True) -> str:
    """Return the name of the confirmation file for orders called `stem`.

    Examples
    --------
    >>> file_name(the_format("amazon"), "monday")
    'monday_amazon_confirmation.txt'
    >>> file_name(the_format("shopify"), "monday", live=False)
    'monday_Orders_shopify_confirmation_SAMPLE.csv'
    """
    word = "" if form.takes_name(stem) else f"_{form.name_contains}"
    return f"{stem}{word}_{form.name}_confirmation{'' if live else '_SAMPLE'}{form.suffix}"


@cache
def _packaged() -> Mapping[str, ConfirmationFormat]:
    folder = resources.files("shipkit.outputs.writeback").joinpath("formats")
    files = sorted(folder.iterdir(), key=lambda item: item.name)
    return {
        Path(item.name).stem: _parsed(
            Path(item.name).stem, tomllib.loads(item.read_text(encoding="utf-8"))
        )
        for item in files
        if item.name.endswith(".toml")
    }


def _parsed(name: str, facts: Mapping[str, Any]) -> ConfirmationFormat:
    columns = tuple(
        ConfirmationColumn(**{**entry, "source": tuple(entry.get("source", ()))})
        for entry in facts.get("column", ())
    )
    rest: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in facts.items()
        if key != "column"
    }
    return ConfirmationFormat(name=name, columns=columns, **rest)
