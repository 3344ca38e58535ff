"""The kinds of damage that order files come with, each as public reports describe it.

A kind changes a :class:`SpoiledFile` and notes what a reader owes to the rows that it touched.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from shipkit.testing import line_kinds
from shipkit.testing.spoiled_file import SpoiledFile

__all__ = ["KINDS", "spoiled"]

Kind = Callable[[SpoiledFile, random.Random], None]

_TEXT_ROLES = ("name", "company", "address_line1", "address_line2", "city")

_INSTRUCTIONS: Final[Mapping[str, Sequence[str]]] = {
    "Apt #": ("4B", "12"),
    "Unit Number": ("7", "C"),
    "Building": ("North Tower",),
    "Address Line 4": ("Rear entrance",),
    "Wohnung": ("3. OG links",),
    "Complément d'adresse": ("Bâtiment C",),
    "Number of Packages": ("3", "2"),
    "Cartons": ("4",),
    "Bill To Account": ("A1B2C3",),
    "Third Party Account Number": ("B2C3D4",),
    "Freight Terms": ("Collect",),
    "Return Label": ("Y", "yes"),
    "Insurance Amount": ("250.00",),
    "COD Amount": ("49.90",),
    "Hazmat": ("Y", "UN3481"),
    "Dry Ice (kg)": ("2",),
    "Contains Alcohol": ("Yes",),
    "Hold at Location": ("Y",),
    "Access Point ID": ("U12345678",),
    "Dangerous Goods Class": ("9",),
    "Order Status": ("Cancelled", "On Hold", "Refunded", "storniert", "annulée"),
    "Payment Status": ("Unpaid", "Voided"),
    "Cancelled At": ("2026-11-20 10:00",),
    "Tracking Number": ("1Z999AA10123456784",),
    "Delivery Method": ("Local pickup", "In-store pickup"),
    "Do Not Ship": ("yes", "TRUE"),
}
"""Headings that ask for something, and values that are not neutral."""

_CARRIED: Final[Mapping[str, Sequence[str]]] = {
    "Gift Message": ("Happy birthday!", "With love"),
    "Discount Code": ("WINTER10",),
    "Payment Method": ("Visa", "PayPal"),
    "Customer Notes": ('please ring "Lee", then wait', "27 in., please"),
    "Marketing Opt In": ("yes", "no"),
    "Subtotal": ("12.50", "1,250.00"),
}
"""Headings of columns that have no say in the parcel."""


def spoiled(file: SpoiledFile, seed: int, *, kinds: int | None = None) -> SpoiledFile:
    """Spoil `file` with some kinds of damage, chosen by `seed`, and return it.

    Parameters
    ----------
    kinds
        How many; default: one to three.
    """
    chance = random.Random(seed)  # noqa: S311 - the same damage for the same seed
    for name in chance.sample(sorted(KINDS), kinds or chance.choice((1, 1, 2, 3))):
        before = len(file.expected)
        KINDS[name](file, chance)
        file.kinds.append(name if len(file.expected) != before else f"{name} (whole file)")
    return file


# -- cells -----------------------------------------------------------------------------------------


def _some(file: SpoiledFile, chance: random.Random, column: int) -> list[int]:
    """Return the indexes of one to three rows in which this column is filled."""
    filled = [index for index, row in enumerate(file.rows) if row[column].strip()]
    return chance.sample(filled, min(len(filled), chance.randint(1, 3)))


def _in_cells(
    role: str | Sequence[str], change: Callable[[str, random.Random], str], outcome: str
) -> Kind:
    roles = (role,) if isinstance(role, str) else tuple(role)

    def spoil(file: SpoiledFile, chance: random.Random) -> None:
        present = {each: column for each in roles if (column := file.column(each)) is not None}
        if not present:
            return
        column = present[chance.choice(sorted(present))]
        for index in _some(file, chance, column):
            before = file.rows[index][column]
            file.rows[index][column] = change(before, chance)
            if file.rows[index][column] != before:
                file.expect(outcome, index)

    return spoil


def _inserted(mark: str) -> Callable[[str, random.Random], str]:
    def change(cell: str, chance: random.Random) -> str:
        place = chance.randint(1, len(cell))
        return cell[:place] + mark + cell[place:]

    return change


def _entities(cell: str, chance: random.Random) -> str:
    return "".join(f"&#{ord(c)};" if chance.random() < 0.2 and c.isalnum() else c for c in cell)


def _lost_letter(cell: str, chance: random.Random) -> str:
    place = chance.randrange(len(cell))
    return cell[:place] + "\ufffd" + cell[place + 1 :]


def _as_a_date(_: str, chance: random.Random) -> str:
    return chance.choice(("2-Jan", "12-Nov", "Jan-02", "3-Apr"))


def _scientific(cell: str, _: random.Random) -> str:
    return "5.76461E+17" if cell else cell


def _without_zero(cell: str, _: random.Random) -> str:
    return cell[1:] if cell.startswith("0") and cell.isdigit() else cell


def _padded(cell: str, chance: random.Random) -> str:
    return chance.choice((f" {cell}", f"{cell} ", f"{cell}\t", f"\u00a0{cell}"))


def _separator_for_blank(cell: str, chance: random.Random) -> str:
    mark = chance.choice(("\u2028", "\x0b", "\x0c", "\u00a0", "\u3000"))
    return cell.replace(" ", mark, 1)


def _double_encoded(cell: str, _: random.Random) -> str:
    try:
        return cell.encode().decode("cp1252")
    except UnicodeDecodeError:
        return cell


# -- columns and headings --------------------------------------------------------------------------


def _instruction(file: SpoiledFile, chance: random.Random) -> None:
    heading = chance.choice([name for name in _INSTRUCTIONS if name not in file.headings])
    rows = chance.sample(range(len(file.rows)), min(2, len(file.rows)))
    file.add_column(heading, {row: chance.choice(_INSTRUCTIONS[heading]) for row in rows})
    file.expect("obeyed", *rows)


def _carried(file: SpoiledFile, chance: random.Random) -> None:
    heading = chance.choice([name for name in _CARRIED if name not in file.headings])
    file.add_column(
        heading, {row: chance.choice(_CARRIED[heading]) for row in range(len(file.rows))}
    )


def _empty_instruction(file: SpoiledFile, chance: random.Random) -> None:
    heading = chance.choice(("COD Amount", "Hazmat", "Cancelled At", "Number of Packages"))
    if heading not in file.headings:
        neutral = {"Number of Packages": "1"}.get(heading, chance.choice(("", "0", "No")))
        file.add_column(heading, {}, "" if heading == "Cancelled At" else neutral)


def _payer(file: SpoiledFile, chance: random.Random) -> None:
    """Put the payer's address, under the same headings, before the recipient's."""
    roles = ("name", "address_line1", "city", "state", "postal_code")
    columns = [file.column(role) for role in roles]
    if any(column is None for column in columns):
        return
    payer = ("Pay Er", "9 Pay St", "Chicago", "IL", "60601")
    names = [file.headings[column] for column in columns if column is not None]
    number = chance.choice(("", ".1", "_2", " 2"))
    file.headings = [
        *names,
        *(f"{heading}{number}" if heading in names else heading for heading in file.headings),
    ]
    file.rows = [[*payer, *row] for row in file.rows]
    file.roles = {}  # headings no longer say which column is meant
    file.expect("same")


def _notes_in_headings(file: SpoiledFile, chance: random.Random) -> None:
    for index in chance.sample(range(len(file.headings)), 2):
        heading = file.headings[index]
        note = chance.choice((" (required)", "*", " (in capitals)", "\n(see help)"))
        file.headings[index] = f"{heading}{note}"
        file.roles = {r: f"{h}{note}" if h == heading else h for r, h in file.roles.items()}


# -- the file -------------------------------------------------------------------------------------


def _backslashes(file: SpoiledFile, chance: random.Random) -> None:
    file.backslash = True
    if "Remark" not in file.headings:
        rows = chance.sample(range(len(file.rows)), 2)
        file.add_column("Remark", dict.fromkeys(rows, 'a 27" screen, new'), "none")


def _written_as(**changes: object) -> Kind:
    def spoil(file: SpoiledFile, _: random.Random) -> None:
        for name, value in changes.items():
            setattr(file, name, value)

    return spoil


KINDS: Final[Mapping[str, Kind]] = {
    "HTML entities": _in_cells(_TEXT_ROLES, _entities, "same"),
    "a zero-width mark": _in_cells(_TEXT_ROLES, _inserted("\u200b"), "same"),
    "a mark of direction": _in_cells(_TEXT_ROLES, _inserted("\u202d"), "same"),
    "_x000D_": _in_cells(_TEXT_ROLES, lambda cell, _: f"{cell}_x000D_", "same"),
    "a lost letter": _in_cells(_TEXT_ROLES, _lost_letter, "warned"),
    "a date for a street": _in_cells("address_line1", _as_a_date, "warned"),
    "a date for a second line": _in_cells("address_line2", _as_a_date, "warned"),
    "a date for an order number": _in_cells("order_id", _as_a_date, "warned"),
    "a spoiled order number": _in_cells("order_id", _scientific, "warned"),
    "a ZIP code without its zero": _in_cells("postal_code", _without_zero, "same"),
    "an apostrophe": _in_cells("postal_code", lambda cell, _: f"'{cell}", "same"),
    "padding": _in_cells(("name", "city", "state", "postal_code"), _padded, "same"),
    "an instruction": _instruction,
    "a column to carry": _carried,
    "a neutral instruction": _empty_instruction,
    "the payer's address": _payer,
    "notes in headings": _notes_in_headings,
    "rows wrapped in quotes": line_kinds.row_wrapped_in_quotes,
    "an inch mark": line_kinds.inch_mark,
    "an open quote": line_kinds.open_quote,
    "a cell too many": line_kinds.cell_too_many,
    "a cell missing": line_kinds.cell_missing,
    "blank lines": line_kinds.blank_lines,
    "headings again": line_kinds.headings_again,
    "headings explained": line_kinds.explained,
    "a title": line_kinds.title,
    "a footer": line_kinds.footer,
    "a NUL byte": line_kinds.nul,
    "a row twice": line_kinds.same_row_twice,
    "all cells quoted": _written_as(quote_all=True),
    "a cell missing within": line_kinds.cell_missing_within,
    "a line broken in two": line_kinds.broken_in_two,
    "a comment": line_kinds.comment,
    "a comment above": line_kinds.comment_above,
    "another delimiter": line_kinds.another_delimiter,
    "all lines wrapped in quotes": line_kinds.all_wrapped,
    "delimiters at the end": line_kinds.delimiter_at_the_end,
    "a heading missing": line_kinds.heading_missing,
    "a heading too many": line_kinds.heading_too_many,
    "a second table": line_kinds.second_table,
    "the file cut off": line_kinds.cut_off,
    "columns in another order": line_kinds.shuffled,
    "a separator for a blank": _in_cells(_TEXT_ROLES, _separator_for_blank, "same"),
    "letters encoded twice": _in_cells(_TEXT_ROLES, _double_encoded, "same"),
    "a decimal comma": _in_cells("weight", lambda cell, _: f"{cell},0", "same"),
    "a unit in the cell": _in_cells("weight", lambda cell, _: f"{cell} lb", "same"),
    "a hint of the delimiter": _written_as(hint=True),
    "a comma and a blank": _written_as(after_delimiter=" "),
    "backslashes": _backslashes,
    "apostrophes for quotes": _written_as(quote="'", quote_all=True),
    "a rare delimiter": _written_as(delimiter="|"),
    "carriage returns": _written_as(eol="\r"),
    "semicolons": _written_as(delimiter=";"),
    "tabs": _written_as(delimiter="\t"),
    "Windows line ends": _written_as(eol="\r\n"),
    "a byte order mark": _written_as(encoding="utf-8-sig"),
    "UTF-16": _written_as(encoding="utf-16"),
}
"""Name -> the function that spoils a file in this way."""
