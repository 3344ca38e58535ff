"""The second query: phones, ZIPs and long address lines of the rows that need more."""

from __future__ import annotations

from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.kept_plans import run
from shipkit.common.phones import PLACEHOLDERS, PhoneNumbers, phone_numbers
from shipkit.common.places import US_DOMAIN, plain_zip_sql, zip_with_zeros_sql
from shipkit.common.street_lines import cut_apart_sql, shortened
from shipkit.orders import expressions as sql

__all__ = ["repair_addresses", "replaced"]

_LINES: Final = ("address_line1", "address_line2", "address_line3")
_READ: Final = (
    "postal_code",
    "phone",
    *_LINES,
    "american",
    "state",
    "country",
    "fixed_phone",
    "fixed_zip",
)


def repair_addresses(
    con: duckdb.DuckDBPyConnection, normal: pa.Table, line: int, *, upward: bool
) -> pa.Table:
    """Return `normal` with its phones, ZIPs and address lines repaired, and what they were.

    The columns ``was_zip`` and ``was_phone`` have the texts that a warning shows; ``split`` is true
    where address lines were split.

    Parameters
    ----------
    normal
        A result of :func:`shipkit.orders.normalize.cell_pass.normal_select`.
    line
        The most characters of an address line.
    upward
        Whether labels print the lines from the last to the first: a street is then cut only where
        that reads right, and stays too long elsewhere.
    """
    for name, kind in (("was_zip", pa.string()), ("was_phone", pa.string()), ("split", pa.bool_())):
        normal = normal.append_column(name, pa.nulls(normal.num_rows, kind))
    places = pc.indices_nonzero(normal.column("repair"))
    if not len(places):
        return normal
    rows = normal.select(list(_READ)).take(places).append_column("place", places)
    rows = _abbreviated(rows, line if upward else None)
    return replaced(normal, run(con, _repairs(line, rows, upward=upward), repair_rows=rows))


def _repairs(line: int, rows: pa.Table, *, upward: bool) -> str:
    """Return the statement that repairs `rows`, as ``repair_rows``."""
    countries = pc.unique(rows.column("country").drop_null()).to_pylist()
    longest = max(pc.max(pc.utf8_length(rows.column(name))).as_py() or 0 for name in _LINES)
    shorter = (
        _shorter_lines("dialed", line, upward=upward)
        if longest > line
        else "SELECT *, NULL::VARCHAR[] AS lines FROM dialed"
    )
    phone = sql.digits_phone("phone", "(american OR country = 'CA')")
    state = "CASE WHEN country <> 'US' THEN country ELSE state END"  # a territory is its own state
    lines = ",\n            ".join(
        f"CASE WHEN cut THEN lines[{n}] ELSE {name} END AS {name}"
        for n, name in enumerate(_LINES, start=1)
    )
    return f"""
        WITH dialed AS (
            SELECT *, CASE WHEN phone IS NOT NULL THEN {phone} END AS dialed
            FROM repair_rows
        ),
        lined AS (
            {shorter}
        ),
        read AS (
            SELECT
                *,
                CASE WHEN {_is_a_number("dialed", countries)} THEN dialed END AS digits,
                CASE WHEN american THEN {zip_with_zeros_sql("postal_code", state)} END AS padded,
                CASE WHEN american THEN {plain_zip_sql("postal_code")} ELSE postal_code END
                    AS plain
            FROM lined
        ),
        judged AS (
            SELECT
                *,
                lines IS NOT NULL
                    AND len(lines) <= 3
                    AND len(list_filter(lines, lambda l: length(l) > {line})) = 0 AS cut
            FROM read
        )
        SELECT
            place,
            digits AS phone,
            CASE WHEN digits IS NULL THEN phone END AS was_phone,
            fixed_phone OR coalesce(digits <> phone, false) AS fixed_phone,
            coalesce(padded, plain) AS postal_code,
            CASE WHEN padded IS NOT NULL THEN postal_code END AS was_zip,
            fixed_zip OR coalesce(padded IS NULL AND plain <> postal_code, false) AS fixed_zip,
            cut OR abbreviated AS split,
            {lines}
        FROM judged
        ORDER BY place
    """


def _abbreviated(rows: pa.Table, most: int | None) -> pa.Table:
    """Return `rows` with American streets of more than `most` characters abbreviated.

    The column ``abbreviated`` says which.
    """
    found = np.zeros(rows.num_rows, dtype=bool)
    for name in _LINES if most is not None else ():
        column = rows.column(name)
        long = pc.and_(pc.greater(pc.utf8_length(column), most), rows.column("american"))
        at = pc.indices_nonzero(long).to_pylist()
        if not at:
            continue
        texts = column.to_pylist()
        for row in at:
            short = shortened(texts[row], most or 0)
            found[row] |= short != texts[row]
            texts[row] = short
        rows = rows.set_column(rows.column_names.index(name), name, pa.array(texts, pa.string()))
    return rows.append_column("abbreviated", pa.array(found))


def _shorter_lines(relation: str, line: int, *, upward: bool) -> str:
    """Return the query that adds `lines` to a relation: its address with the long lines cut.

    They are null where no line is long, and where a cut would not read right. What cuts a line is a
    lambda, so that it is in the statement once: a pattern with lengths takes milliseconds to
    compile.
    """
    given = f"[{', '.join(_LINES)}]"
    lengths = ", ".join(f"length({name})" for name in _LINES)
    # Where the parts do not fit the lines, any gap between words will do.
    wrapped = f"flatten(list_transform({given}, lambda x: {sql.wrapped_lines('x', line)}))"
    lines = "apart" if upward else f"CASE WHEN len(apart) <= 3 THEN apart ELSE {wrapped} END"
    return f"""
        WITH
            cut AS (
                SELECT *, CASE WHEN greatest({lengths}) > {line}
                    THEN list_transform({given}, lambda x: {cut_apart_sql("x", line)})
                END AS cuts
                FROM {relation}
            ),
            apart AS (
                SELECT *, CASE WHEN len(list_filter(cuts, lambda c: c IS NULL)) = 0
                    THEN flatten(cuts)
                END AS apart
                FROM cut
            )
        SELECT * EXCLUDE (cuts, apart), CASE WHEN cuts IS NOT NULL THEN {lines} END AS lines
        FROM apart
    """


def _is_a_number(x: str, countries: list[str]) -> str:
    """Return SQL of whether digits can be a number in the country of their row."""
    bare = f"regexp_replace({x}, 'x[0-9]+$', '')"
    filled_in = f"ltrim({bare}, '+') IN ({', '.join(map(sql.quote, PLACEHOLDERS))})"
    possible = {
        country: _has_digits_of(numbers, bare)
        for country in sorted(set(countries) - {*US_DOMAIN, "CA"})
        if (numbers := phone_numbers(country)) is not None
    }
    american = f"regexp_matches({x}, '^[2-9]')"  # no area code begins with 0 or 1
    possible |= dict.fromkeys((*US_DOMAIN, "CA"), american)
    return f"NOT {filled_in} AND {sql.choose('country', possible, 'true')}"


def _has_digits_of(numbers: PhoneNumbers, x: str) -> str:
    """Return SQL of whether a number has as many digits as those of a country."""
    # Where 0 is dialed before a number, no number begins with it: "020 7946" is too short.
    first = "[1-9]" if numbers.trunk == "0" else "[0-9]"
    lengths = "|".join(f"{first}[0-9]{{{length - 1}}}" for length in numbers.lengths)
    national = f"(?:{numbers.trunk})?(?:{lengths})" if numbers.trunk else f"(?:{lengths})"
    own = rf"(?:(?:\+|00)?{numbers.code})?{national}"
    # A number of another country has its plus, and its country is not looked up.
    other = r"(?:\+|00)(?:[0-9]{7,15})"
    return (
        f"(regexp_full_match({x}, {sql.quote(own)}) OR ("
        f"regexp_full_match({x}, {sql.quote(other)})"
        rf" AND NOT regexp_matches({x}, '^(?:\+|00){numbers.code}')))"
    )


def replaced(normal: pa.Table, repaired: pa.Table) -> pa.Table:
    """Return `normal` with the columns of `repaired` put in at its places, in their order."""
    places = repaired.column("place")
    mask = np.zeros(normal.num_rows, dtype=bool)
    mask[places.to_numpy()] = True
    chosen = pa.array(mask)
    for name in repaired.column_names:
        if name == "place":
            continue
        at = normal.column_names.index(name)
        column = normal.column(at)
        values = repaired.column(name).cast(column.type).combine_chunks()
        if column.take(places).combine_chunks().equals(values):
            continue  # a copy of the whole column, for nothing
        normal = normal.set_column(at, name, pc.replace_with_mask(column, chosen, values))
    return normal
