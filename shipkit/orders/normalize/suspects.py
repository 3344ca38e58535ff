"""Which cells of names and addresses may be damaged, and what is found of them.

A few cheap tests in SQL find the cells; each different one is judged once in Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from shipkit.common.kept_plans import Rows
from shipkit.orders.damage_words import damage_words
from shipkit.orders.expressions import choose, quote
from shipkit.orders.normalize.text_damage import TextVerdict, judged
from shipkit.orders.placeholders import WRITTEN

__all__ = ["Judgement", "judgement_of"]

_ONE_WORD: Final = ", ".join(
    quote(word) for name in ("booleans", "nothing") for word in sorted(damage_words(name))
)
_IN_WORDS: Final = sorted({word for name in WRITTEN for word in damage_words(name)})
_AROUND: Final = ".,;:!*()[]-"
"""Marks that a person writes around a word for nothing: "(TBD)"."""
_IN_A_WORD: Final = ", ".join(
    quote(word) for word in sorted({w.replace(" ", "-").strip(_AROUND) or w for w in _IN_WORDS})
)
_FIRST_WORDS: Final = "|".join(
    re.escape(word).replace("'", "''")
    for word in sorted({word.split(" ")[0] for word in _IN_WORDS if " " in word})
)
"""First words of what a person writes in place of a cell: "same as billing"."""
_AFTER_LEAD: Final = (
    r"\x{80}-\x{BF}\x{152}\x{153}\x{160}\x{161}\x{178}\x{17D}\x{17E}\x{192}\x{2C6}\x{2DC}"
    r"\x{2013}-\x{2022}\x{2026}\x{2030}\x{2039}\x{203A}\x{20AC}\x{2122}"
)
"""What the second byte of a letter in UTF-8 becomes in Windows-1252."""
_ODD: Final = "|".join(
    (
        # controls, symbols of Latin-1 but those of "5º", "Nº", "l·l" and blanks
        r"[\x{80}-\x{84}\x{86}-\x{9F}\x{A1}-\x{A9}\x{AB}-\x{AF}\x{B1}-\x{B3}\x{B5}\x{B6}]",
        r"[\x{B8}\x{B9}\x{BB}-\x{BF}\x{F7}\x{201A}\x{2070}-\x{209F}\x{2200}-\x{22FF}\x{2500}-\x{25FF}]",
        r"[\x{2B1C}\x{FFFC}]",
        # UTF-8 that was read as Windows-1252, -1250, -1251, Mac Roman, or in DOS
        rf"[\x{{C2}}-\x{{F4}}][{_AFTER_LEAD}]",
        r"[\x{102}\x{139}][^\x00-\x7F]|(?:[РС][^\x00-\x7F]){3}|[ÔΓ]Ç",
        # two alphabets in a word
        r"[A-Za-z][\x{370}-\x{45F}]|[\x{370}-\x{45F}][A-Za-z]",
        # invisible marks and joiners, wide letters and digits
        r"[\x{200B}-\x{200F}\x{2028}-\x{202E}\x{2060}-\x{206F}\x{FEFF}\x{FFFE}\x{FFFF}]",
        r"[\x{FF01}-\x{FF5E}]",
        # letters that are crowded, capitals inside a word
        r"[\x{A1}-\x{FF}]{3}|[A-Za-z][ŠŽŸŒÃÂÐÙÚÛÝÞ]",
    )
)
_CODES: Final = (
    r"[&<_\\?%=:\[{\x{1A}]|\+A[MNOP]|^[wW]{3}[.]"
    # words of programs for nothing, and a year at the end, as in "Mar 2026"
    r"|undefined|Na[NT]|null | (?:n(?:ull|an|one)|None|20..$)"
    # a rounded number with a blank in it
    r"|[0-9] [eE][+-]?[0-9]"
    # what a person writes who has no answer, and the number of a phone
    rf"|^[(*\[]?(?:(?i:{_FIRST_WORDS})[ -]|\+[0-9]|\([0-9])|[*][|]|[xX]{{3}}|\b[Tt][Bb][DdAaCc]\b"
)
_OFTEN_THE_SAME: Final = ("company", "address_line2", "address_line3", "city", "state")
"""Columns with the same text in many rows: to tell the texts apart first is faster."""
_FEW: Final = 20
"""So many damaged texts are written into a CASE, which is faster than a join."""


def _is_suspect(x: str) -> str:
    """Return SQL that is true of a cell that may be damaged.

    CASE, because OR and AND evaluate both of their sides, and the first test is the cheap one.
    """
    return rf"""
        regexp_matches({x}, '{_CODES}')
        OR CASE WHEN strlen({x}) <> length({x}) THEN regexp_matches({x}, '{_ODD}') ELSE false END
        OR CASE WHEN contains({x}, ' ')
            THEN false
            ELSE regexp_matches({x}, '[#0-9+(@]')
                OR {x} IN ({_ONE_WORD})
                OR lower(trim({x}, '{_AROUND}')) IN ({_IN_A_WORD})
        END
    """


@dataclass(frozen=True)
class Judgement:
    """The damaged cells of a mapped relation.

    Parameters
    ----------
    table
        ``column_name``, ``was``, ``text``, ``repair``, ``problem``, ``code``, ``fix``.
    repaired, wrong
        The columns with cells that are repaired, and those with cells that stop their row.
    """

    table: pa.Table
    repaired: tuple[str, ...]
    wrong: tuple[str, ...]

    NAME = "judged_cells"

    @property
    def tables(self) -> dict[str, pa.Table]:
        """The table by its name, for statements that read it."""
        return {self.NAME: self.table}

    def repaired_relation(self, relation: str) -> str:
        """Return SQL of `relation` with repaired cells, and ``repair_kinds`` of each row.

        A few texts are written into the statement. More are joined, which loses the order of the
        rows: it is restored after the pass.
        """
        if not self.repaired:
            return f"(SELECT *, NULL::VARCHAR[] AS repair_kinds FROM {relation})"
        few = self._few_repairs()
        if few is not None:
            texts = ", ".join(
                choose(f"r.{name}", {was: text for was, (text, _) in cells.items()}, f"r.{name}")
                + f" AS {name}"
                for name, cells in few.items()
            )
            kinds = ", ".join(
                choose(f"r.{name}", {was: kind for was, (_, kind) in cells.items()}, "NULL")
                for name, cells in few.items()
            )
            return f"(SELECT r.* REPLACE ({texts}), [{kinds}] AS repair_kinds FROM {relation} r)"
        texts = ", ".join(
            f"CASE WHEN {_alias(name)}.was IS NULL THEN r.{name} "
            f"ELSE nullif({_alias(name)}.text, '') END AS {name}"
            for name in self.repaired
        )
        joins = "\n".join(
            f"LEFT JOIN {self.NAME} {_alias(name)} ON {_alias(name)}.column_name = {quote(name)} "
            f"AND {_alias(name)}.repair IS NOT NULL AND {_alias(name)}.was = r.{name}"
            for name in self.repaired
        )
        kinds = ", ".join(f"{_alias(name)}.repair" for name in self.repaired)
        return (
            f"(SELECT r.* REPLACE ({texts}), [{kinds}] AS repair_kinds FROM {relation} r {joins})"
        )

    def _few_repairs(self) -> dict[str, dict[str, tuple[str, str]]] | None:
        """Return column -> text -> SQL of its repaired text and kind; None if there are many."""
        if self.table.num_rows > _FEW:
            return None
        found: dict[str, dict[str, tuple[str, str]]] = {}
        for row in self.table.to_pylist():
            if row["repair"] is not None:
                text = f"nullif({quote(row['text'] or '')}, '')"
                found.setdefault(row["column_name"], {})[row["was"]] = text, quote(row["repair"])
        return found

    def problems(self, relation: str, paths: Mapping[str, str]) -> Iterator[str]:
        """Yield a query of the problems of each column that has any."""
        for name in self.wrong:
            yield f"""
                SELECT
                    r.row_number,
                    {quote(paths[name])} AS field,
                    r.{name} AS value,
                    j.problem,
                    j.fix,
                    'error' AS severity,
                    j.code
                FROM {relation} r
                JOIN {self.NAME} j ON j.column_name = {quote(name)} AND j.was = r.{name}
                WHERE j.problem IS NOT NULL AND NOT {_is_town("r") if name == "city" else "false"}
            """


def _is_town(row: str) -> str:
    """Return SQL of whether a city that looks like a word for nothing has its own postal code."""
    fits = []
    for town in sorted(damage_words("towns")):
        name, at = town.split(":")
        place = "country" if at.startswith("@") else "postal_code"
        is_there = f"{row}.{place}::VARCHAR = {quote(at.removeprefix('@'))}"
        fits.append(f"({row}.city = {quote(name)} AND {is_there})")
    return f"coalesce({' OR '.join(fits)}, false)"


def _alias(name: str) -> str:
    return f"of_{name}"


def _suspects(relation: str, names: Sequence[str]) -> str:
    """Return the query of the cells that may be damaged, each different one once."""

    def cells(chosen: Sequence[str], distinct: str) -> str:
        return " UNION ALL ".join(
            f"SELECT {distinct} {quote(name)} AS column_name, {name} AS was FROM {relation}"
            for name in chosen
        )

    # MATERIALIZED, or the tests would be made before the cells are told apart.
    often = [name for name in names if name in _OFTEN_THE_SAME]
    seldom = [name for name in names if name not in _OFTEN_THE_SAME]
    parts = [*(["FROM few"] if often else []), *([cells(seldom, "")] if seldom else [])]
    return f"""
        {f"WITH few AS MATERIALIZED ({cells(often, 'DISTINCT')})" if often else ""}
        SELECT DISTINCT column_name, was
        FROM ({" UNION ALL ".join(parts)})
        WHERE {_is_suspect("was")}
    """


def judgement_of(relation: Rows, names: Sequence[str]) -> Judgement:
    """Return what is found of the cells in the columns `names` of a relation."""
    found = relation.run(_suspects(relation.sql, names)).to_pylist() if names else []
    cells = [(cell["column_name"], cell["was"]) for cell in found]
    rows = [
        (name, was, verdict)
        for name, was in sorted(cells, key=lambda cell: (names.index(cell[0]), cell[1]))
        for verdict in [judged(was, name)]
        if verdict.repair or verdict.problem
    ]
    return Judgement(
        _table(rows),
        tuple(dict.fromkeys(name for name, _, verdict in rows if verdict.repair)),
        tuple(dict.fromkeys(name for name, _, verdict in rows if verdict.problem)),
    )


def _table(rows: Sequence[tuple[str, str, TextVerdict]]) -> pa.Table:
    columns = {
        "column_name": [name for name, _, _ in rows],
        "was": [was for _, was, _ in rows],
        **{
            part: [getattr(verdict, part) for _, _, verdict in rows]
            for part in ("text", "repair", "problem", "code", "fix")
        },
    }
    return pa.table({name: pa.array(column, pa.string()) for name, column in columns.items()})
