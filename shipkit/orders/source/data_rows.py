"""Which rows of a source are data, and which are blank, totals or footers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa

from shipkit.common.relation import Relation, StageSchema
from shipkit.common.sql import one, quoted
from shipkit.common.words import counted
from shipkit.orders import layouts
from shipkit.orders.cells import base_names
from shipkit.orders.columns import Column
from shipkit.orders.expressions import quote
from shipkit.orders.heading_words import word_file
from shipkit.orders.layouts import LayoutMatch
from shipkit.orders.line_account import Aside, SourceLines, rows_aside
from shipkit.orders.source.column_reading import ColumnReading
from shipkit.orders.source.readers import Origin
from shipkit.orders.source.tables_below import (
    below_other_headings,
    below_titles,
    may_be_headings_sql,
)
from shipkit.schema import PROBLEMS

__all__ = ["DataRows"]

_WHO: Final = frozenset(
    {"name", "first_name", "last_name", "company", "address_line1", "city", "postal_code"}
)
"""Roles that mark an address: a row with one has at least one of them."""


_NO_SUMS: Final = _WHO | {"order_id", "sku", "item_name", "phone", "country", "state"}
"""Roles whose cells a line of sums has not."""
_NUMBER: Final = re.compile(r"\s*[$€£]?\s*-?[0-9][0-9,.]*\s*[$€£]?\s*")
_EQUAL: Final = 0.005
"""Sums of cents that are nearer are equal."""


def _value(text: str) -> float:
    return float(re.sub(r"[^0-9.-]", "", text) or 0) if text.count(".") < 2 else 0.0


def _number_sql(cell: str) -> str:
    return f"TRY_CAST(regexp_replace({cell}, '[^0-9.-]', '', 'g') AS DOUBLE)"


_MANY: Final = 200
"""So many rows of numbers are no sums: the lines of orders are written so."""


class _Numbers(NamedTuple):
    """A row in which all filled cells are numbers."""

    file: str | None
    filled: dict[str, str]


@dataclass(frozen=True)
class DataRows:
    """The rows of a source: which are data, and which are blank, totals or footers."""

    cells: Relation
    columns: Sequence[Column]
    readings: Sequence[ColumnReading]
    origin: Origin
    layout: LayoutMatch | None
    data: Relation
    """The cells without the rows that were set aside before: hidden ones, repeated headings."""
    sums: tuple[int, ...] = ()
    """The numbers of rows that only have the sums of the rows above, and no word."""
    doubtful: tuple[int, ...] = ()
    """The numbers of rows that have numbers only, and may be sums or lines of an order."""

    @property
    def base(self) -> list[str]:
        """The names of the text cells: ``c1``, ``c2``, ..."""
        return base_names(len(self.columns))

    @property
    def source_file(self) -> str:
        """SQL of the file that a row came from."""
        if "file" in self.cells.columns:
            return "file"
        return quote(self.origin.paths[0].name) if self.origin.paths else "CAST(NULL AS VARCHAR)"

    @property
    def filled(self) -> str:
        """SQL that is true of a row with any text."""
        return f"coalesce({', '.join(self.base)}) IS NOT NULL"

    @property
    def required(self) -> str | None:
        """SQL that is true of a row with the cells that the layout requires; None without any."""
        names = [column.name for column in self.columns]
        return layouts.required_sql(self.layout, dict(zip(names, self.base, strict=True)))

    @property
    def total(self) -> str | None:
        """SQL that is true of a row of totals, a page number or a title in between; else None.

        No parcel could be made of it: it has neither a name nor an address.
        """
        who, first = self._who, self._first
        if len(who) < 2:
            return None
        closing = [_closing_sql(cell, who, self.base) for cell in first]
        if self.sums:
            closing.append(f"row_number IN ({', '.join(map(str, self.sums))})")
        return " OR ".join(closing)

    def with_sums(self, con: duckdb.DuckDBPyConnection) -> DataRows:
        """Return these rows with what is known of rows of numbers: a sum is no line of an order.

        This row has no order number, name, address, article or other text. It is a sum where a
        number in it is that of the rows above; where articles are not named, all of them are. A
        last row that is no sum, or one without the article that others name, is doubtful.
        """
        roles = {cell: column.role for cell, column in zip(self.base, self.columns, strict=True)}
        told = [cell for cell, role in roles.items() if role in _NO_SUMS]
        if len(self._who) < 2:
            return self
        found = con.execute(
            f"SELECT row_number, {self.source_file}, {', '.join(self.base)} FROM {self.data.sql} "
            f"WHERE coalesce({', '.join(told)}) IS NULL AND {self.filled} "
            f"ORDER BY row_number LIMIT {_MANY}"
        ).fetchall()
        bare: dict[int, _Numbers] = {}
        for number, file, *cells in found:
            filled = {cell: str(text) for cell, text in zip(self.base, cells, strict=True) if text}
            if filled and all(map(_NUMBER.fullmatch, filled.values())):
                bare[number] = _Numbers(file, filled)
        if not bare or len(found) == _MANY:
            return self
        named = bool({"sku", "item_name"} & {*roles.values()})
        sums, doubtful = [], []
        ends = self._ends(con)
        for number, row in bare.items():
            before = [other for other in bare if other < number and bare[other].file == row.file]
            last = all(each in bare for each in range(number, ends[row.file] + 1))
            if self._is_sum(con, number, row, before, named=named, last=last):
                sums.append(number)
            elif named or (last and not before):
                doubtful.append(number)
        return replace(self, sums=tuple(sums), doubtful=tuple(doubtful))

    def _ends(self, con: duckdb.DuckDBPyConnection) -> dict[str | None, int]:
        """Return the number of the last row of each file."""
        query = f"SELECT {self.source_file}, max(row_number) FROM {self.data.sql} GROUP BY 1"
        return dict(con.execute(query).fetchall())

    def _is_sum(
        self,
        con: duckdb.DuckDBPyConnection,
        number: int,
        row: _Numbers,
        before: Sequence[int],
        *,
        named: bool,
        last: bool,
    ) -> bool:
        """Return whether the numbers of a row are the sums of rows of its file above.

        A last row sums up all of them, and one in between those since the sum before it.
        """
        cells = sorted(row.filled)
        aside = f"AND row_number NOT IN ({', '.join(map(str, before))})" if before else ""
        of_file = "" if row.file is None else f"AND {self.source_file} = {quote(row.file)}"
        spans = [0, max(before)] if before and last else [0] if last else [max(before, default=0)]
        for since in spans:
            rows, *sums = one(
                con,
                f"SELECT count(*), {', '.join(f'sum({_number_sql(cell)})' for cell in cells)} "
                f"FROM {self.data.sql} "
                f"WHERE row_number < {number} AND row_number > {since} {of_file} {aside}",
            )
            same = [
                total is not None and abs(total - _value(row.filled[cell])) < _EQUAL
                for cell, total in zip(cells, sums, strict=True)
            ]
            if all(same) and rows > (0 if before else 1):
                return True
            if named and last and any(same) and rows > 1:
                return True
        return False

    def problems(self, con: duckdb.DuckDBPyConnection) -> pa.Table:
        """Return the problems of doubtful rows, and of those that belong to another table."""
        return pa.concat_tables([self._doubtful_lines(con), *self._other_tables(con)])

    def _other_tables(self, con: duckdb.DuckDBPyConnection) -> Iterator[pa.Table]:
        """Yield the problems of rows below other headings, or below a title that is a state.

        Only tables with a row that may be one of these lines are looked at.
        """
        headings = [column.name for column in self.columns]
        titles = bool(self.total)
        nobody = [_nobody_sql(cell, self._who) for cell in self._first] if titles else ["false"]
        again, nameless = one(
            con,
            f"SELECT bool_or({may_be_headings_sql(self.base, headings)}), "
            f"bool_or({' OR '.join(nobody)}) FROM {self.data.sql}",
        )
        if again:
            yield below_other_headings(con, self.data.sql, self.cells.sql, self.base, headings)
        if nameless:
            yield below_titles(con, self.data.sql, self.base, self._first)

    def _doubtful_lines(self, con: duckdb.DuckDBPyConnection) -> pa.Table:
        if not self.doubtful:
            return PROBLEMS.empty_table()
        found = con.execute(
            f"SELECT row_number, concat_ws(' ', {', '.join(self.base)}) FROM {self.data.sql} "
            f"WHERE row_number IN ({', '.join(map(str, self.doubtful))}) ORDER BY row_number"
        ).fetchall()
        made = [
            {
                "row_number": number,
                "field": None,
                "value": numbers,
                "problem": "the row has numbers and nothing else: it may be a line of sums, or "
                "one of the order above",
                "fix": "Delete it if it is a total. If it is a line of the order, write the order "
                "number into it.",
                "severity": "error",
                "code": "line_or_total",
            }
            for number, numbers in found
        ]
        return pa.Table.from_pylist(made, schema=PROBLEMS)

    @property
    def _who(self) -> list[str]:
        """The cells of names and addresses."""
        cells = zip(self.base, self.columns, strict=True)
        return [cell for cell, column in cells if column.role in _WHO]

    @property
    def _first(self) -> list[str]:
        """The cells in which a row says that it is none."""
        cells = zip(self.base, self.columns, strict=True)
        keys = [cell for cell, column in cells if column.role == "order_id"]
        return list(dict.fromkeys([*keys, *self.base[:3]]))

    def text(self, schema: StageSchema) -> Relation:
        """Return all rows with every column as text under its heading."""
        wanted = ", ".join(
            f"{cell} AS {quoted(column.name)}"
            for cell, column in zip(self.base, self.columns, strict=True)
        )
        return schema.view(
            "text",
            f"SELECT row_number, {self.source_file} AS source_file, {wanted} FROM {self.cells.sql}",
        )

    def lines(self, schema: StageSchema) -> Relation:
        """Return the data rows with every column with its type under its key.

        A condition that no row fails is left out: every later stage evaluates this view.
        """
        wanted = ", ".join(
            f"{reading.sql} AS {quoted(column.key)}"
            for reading, column in zip(self.readings, self.columns, strict=True)
        )
        # Long tests are made only of tables in which a short one is true of a row.
        total = self.total
        nobody = [_nobody_sql(cell, self._who) for cell in self._first] if total else ["false"]
        required = f"({self.required})" if self.required else "true"
        unfilled, unrequired, nameless = one(
            schema.con,
            f"""
            SELECT
                bool_or(({self.filled}) IS NOT TRUE),
                bool_or({required} IS NOT TRUE),
                bool_or({" OR ".join(nobody)})
            FROM {self.data.sql}
            """,
        )
        conditions = [
            *([self.filled] if unfilled else []),
            *([required] if unrequired else []),
            *(
                [f"({total}) IS NOT TRUE"]
                if total and nameless and self._is_any(schema.con, total)
                else []
            ),
        ]
        return schema.view(
            "lines",
            f"SELECT row_number, {self.source_file} AS source_file, {wanted} "
            f"FROM {self.data.sql} WHERE {' AND '.join(conditions) or 'true'}",
        )

    def dropped(
        self, con: duckdb.DuckDBPyConnection, sources: Sequence[SourceLines]
    ) -> list[Aside]:
        """Return the rows that are not data: blank ones, footers and totals, with their lines."""
        kept = [f"({part})" for part in (self.filled, self.required) if part]
        kept += [f"({self.total}) IS NOT TRUE"] if self.total else []
        found = con.execute(f"""
            SELECT
                CASE
                    WHEN NOT ({self.filled}) THEN 'blank'
                    WHEN ({self.required or "true"}) IS NOT TRUE THEN 'footer'
                    ELSE 'total'
                END,
                list(row_number ORDER BY row_number)
            FROM {self.data.sql}
            WHERE ({" AND ".join(kept)}) IS NOT TRUE
            GROUP BY 1
            ORDER BY 1
        """).fetchall()
        return [
            replace(aside, note=f"{self._words(reason, aside.count)}: {aside.where}.")
            for reason, numbers in found
            for aside in rows_aside(reason, numbers, sources)
        ]

    def _words(self, reason: str, count: int) -> str:
        if reason == "blank":
            return counted(count, "blank row")
        if reason == "total" or self.layout is None:
            return f"{counted(count, 'row')} of totals or titles, without a name or address"
        without = " or ".join(self.layout.layout.required)
        return f"{counted(count, 'row')} without {without} (totals or footers)"

    def _is_any(self, con: duckdb.DuckDBPyConnection, condition: str) -> bool:
        """Whether a condition is true of a row."""
        return bool(one(con, f"SELECT count(*) FROM {self.data.sql} WHERE {condition}")[0])


def _nobody_sql(cell: str, who: Sequence[str]) -> str:
    """Return SQL that is true of a row without a recipient, but perhaps a text in `cell`."""
    others = [name for name in who if name != cell]
    return f"coalesce({', '.join(others)}) IS NULL"


def _closing_sql(cell: str, who: Sequence[str], cells: Sequence[str]) -> str:
    """Return SQL that is true of a row without a recipient in which `cell` says that it is none.

    A row with one cell and nothing else may be the number of an order that was cut off: only a
    text with a blank is a title or a footer. A text with as many blanks as a row, half as many
    commas, or a few other delimiters, may be an order that was not cut into cells, and is none.
    """
    nobody = _nobody_sql(cell, who)
    text = f"lower(strip_accents(trim({cell}, ' :.*-=\t')))"
    rest = [name for name in cells if name != cell]
    alone = "false"
    if cell not in who and len(cells) > 3:
        few = " AND ".join(
            f"len({cell}) - len(replace({cell}, {quote(mark)}, '')) < {max(most, 3)}"
            for mark, most in {
                " ": len(cells) - 1,
                ",": len(cells) // 2,
                **dict.fromkeys(";\t|", min(len(cells) // 2, 4)),
            }.items()
        )
        alone = f"(contains(trim({cell}), ' ') AND {few} AND coalesce({', '.join(rest)}) IS NULL)"
    return (
        f"(CASE WHEN {nobody} AND {cell} IS NOT NULL "
        f"THEN regexp_matches({text}, {quote(_closing_pattern())}) OR {alone} ELSE false END)"
    )


@cache
def _closing_pattern() -> str:
    words = word_file("heading_rows")["closing"]
    totals, pages, notes = (
        "|".join(word.replace(" ", "[- ]?") for word in words[kind])
        for kind in ("totals", "pages", "notes")
    )
    # A count or an amount may follow, and what was counted: "Total: 83 orders".
    return (
        rf"^(?:(?:{totals})(?:\s*[:=]?\s*[$€£]?[\d.,]*(?:\s+[a-z]+)?)"
        rf"|(?:{pages})\s*\d+(?:\s*(?:of|/|von|de|di|van|z|av)\s*\d+)?|(?:{notes}).*)$"
    )
