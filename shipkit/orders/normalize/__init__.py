"""Text becomes values: one SQL pass over the mapped table, whoever made it, and a note of everything repaired.

Nothing is guessed: a cell that cannot be read is a problem with its text; a repair that a person
should see is a warning; the many small ones (blanks, names of states) are counted
(:class:`Normalized`).

The pass has no join, because DuckDB's joins do not keep the order of rows, and no costly
expression. Rows with a ZIP, phone or address line that needs more go through a second, small
query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.places import US_DOMAIN, country_code, state_code, zip3_states
from shipkit.orders import expressions as sql
from shipkit.orders.expressions import quote
from shipkit.orders.mapping.mapped import Mapped
from shipkit.orders.normalize.nested import add_nested
from shipkit.orders.normalize.readings import reading
from shipkit.orders.normalize.unread import UNREADABLE, problems_met
from shipkit.schema import ADDRESS, CURRENCY, FLAT, OWN, PARCELS, SHIPMENTS, Leaf

__all__ = ["Normalized", "normalize"]

_LOOKED_UP: Final = ("state", "country", "service", "currency", "packaging")
"""Fields that are not read by their kind alone."""
_TIDY: Final = tuple(
    leaf for leaf in FLAT if leaf.spec.kind in ("text", "code") and leaf.name not in _LOOKED_UP
)
"""Fields that stay texts: their column is tidied in place."""
_TYPED: Final = tuple(
    leaf
    for leaf in FLAT
    if leaf.spec.kind in ("weight", "length", "count", "date", "flag", "choice")
)
"""Fields whose value goes into a column of its own, ``<name>_``, beside the text."""
_TIDIED: Final = ("name", "company", "address_line1", "address_line2", "address_line3", "city")
_COUNTED: Final = {
    "spaces": "blanks, line breaks or apostrophes taken out of names and addresses",
    "state": "states written as their code",
    "country": "countries written as their code",
    "phone": "phones reduced to digits",
    "zip": "ZIPs freed of apostrophes, blanks or .0",
}


class Normalized(NamedTuple):
    """Shipments with types, and what was met on the way."""

    table: pa.Table
    """:data:`shipkit.schema.SHIPMENTS`, in the order of `row_number`."""
    problems: pa.Table
    """:data:`shipkit.schema.PROBLEMS`."""
    repairs: Mapping[str, int]
    """What was quietly put right -> in how many rows: ``{"states written as their code": 5009}``."""


def normalize(
    con: duckdb.DuckDBPyConnection, mapped: Mapped, *, source_problems: pa.Table | None = None
) -> Normalized:
    """Return the shipments, the problems met and the repairs made.

    Parameters
    ----------
    mapped
        What :func:`shipkit.orders.mapping.map_rows` returned; its relation is in `con`.
    source_problems
        Cells that the source could not read. Those of a mapped column make their row unshippable,
        the others are warnings.
    """
    types = mapped.relation.columns
    normal = _in_order(con.sql(_pass(con, mapped, types)).to_arrow_table())
    normal = _repaired(con, normal, mapped.line_length)
    if mapped.nested:
        normal = _in_order(add_nested(con, normal, mapped.relation.sql))
    con.register("normal", normal)
    try:
        problems = problems_met(con, mapped, _read_leaves(mapped, types), source_problems)
    finally:
        con.unregister("normal")
    return Normalized(
        normal.select(SHIPMENTS.names).cast(SHIPMENTS), problems, _repairs_made(normal)
    )


def _repairs_made(normal: pa.Table) -> dict[str, int]:
    """Return what was put right -> in how many rows, for the repairs that are only counted."""
    counts = {
        text: pc.sum(normal.column(f"fixed_{name}")).as_py() or 0 for name, text in _COUNTED.items()
    }
    return {text: count for text, count in counts.items() if count}


def _in_order(table: pa.Table) -> pa.Table:
    numbers = table.column("row_number").to_numpy()
    if (numbers[1:] >= numbers[:-1]).all():
        return table
    return table.take(pa.array(np.argsort(numbers, kind="stable")))


# -- the pass over all rows ------------------------------------------------------------------------


def _pass(con: duckdb.DuckDBPyConnection, mapped: Mapped, types: Mapping[str, str]) -> str:
    """Return the statement that makes shipments of the mapped relation."""

    def read(name: str, how: str, otherwise: str) -> str:
        """Return `how` where something fills the leaf: planning costs more than running for a few rows."""
        return how if mapped.filled is None or name in mapped.filled else otherwise

    def typed(leaf: Leaf) -> str:
        how = reading(leaf, leaf.flat, cell_type=types[leaf.flat])
        nothing = (
            quote(next(iter(leaf.spec.words)))
            if leaf.spec.kind == "choice"
            else f"NULL::{duck_type(leaf.arrow.type)}"
        )
        return read(leaf.flat, how, nothing)

    amounts = {
        leaf.flat: read(leaf.flat, reading(leaf, leaf.flat, currency="currency_"), "NULL::BIGINT")
        for leaf in FLAT
        if leaf.spec.kind == "amount"
    }

    def value(leaf: Leaf) -> str:
        """Return SQL of a field's value, over the columns of ``tidied``."""
        if leaf.name == "packaging":
            return read("packaging", reading(leaf, "packaging"), quote("package"))
        if leaf.spec.kind == "amount":
            return amounts[leaf.flat]
        if leaf in _TIDY:
            return leaf.flat
        if leaf.spec.kind == "flag" and leaf.required:
            return f"coalesce({leaf.flat}_, false)"
        return f"{leaf.flat}_"

    own = ",\n        ".join(
        f"{value(leaf)} AS {leaf.column}" for leaf in (*ADDRESS, *OWN, CURRENCY)
    )
    parcel = ", ".join(f"{leaf.column}: {value(leaf)}" for leaf in PARCELS)
    tidied = ", ".join(
        f"{read(leaf.flat, reading(leaf, leaf.flat), leaf.flat)} AS {leaf.flat}" for leaf in _TIDY
    )
    before = ", ".join(
        f"{name} AS raw_{name}" for name in ("postal_code", "phone", "state", "country", *_TIDIED)
    )
    unread = "".join(
        f",\n        {_unread(name, amounts)} AS bad_{name}" for name in _read_leaves(mapped, types)
    )
    long = " OR ".join(
        f"strlen({name}) > {mapped.line_length}"
        for name in ("address_line1", "address_line2", "address_line3")
    )
    changed = " OR ".join(
        read(name, f"coalesce({name} <> raw_{name}, false)", "false") for name in _TIDIED
    )
    return f"""
    WITH tidied AS (
        SELECT
            * REPLACE ({tidied}),
            {before},
            {", ".join(f"{typed(leaf)} AS {leaf.flat}_" for leaf in _TYPED)},
            coalesce(upper(trim(currency)), 'USD') AS currency_,
            {_services(con, mapped)} AS service_,
            {_places(con, mapped)}
        FROM {mapped.relation.sql}
    )
    SELECT
        row_number, row_numbers, source_file,
        {own},
        NULL::{duck_type(SHIPMENTS.field("ship_from").type)} AS ship_from,
        [{{{parcel}}}] AS parcels,
        list_filter("references", lambda r: trim(r.value) <> '') AS "references",
        NULL::{duck_type(SHIPMENTS.field("customs").type)} AS customs{unread},
        american,
        coalesce({long}, false)
            OR coalesce(NOT regexp_full_match(phone, '[2-9][0-9]{{9}}'), false)
            OR coalesce(
                american AND NOT regexp_full_match(postal_code, '[0-9]{{5}}(?:-[0-9]{{4}})?'), false
            ) AS repair,
        {changed} AS fixed_spaces,
        coalesce(state_ <> raw_state, false) AS fixed_state,
        coalesce(country_ <> raw_country, false) AS fixed_country,
        coalesce(phone <> raw_phone, false) AS fixed_phone,
        coalesce(postal_code <> raw_postal_code, false) AS fixed_zip
    FROM tidied
    """


def _read_leaves(mapped: Mapped, types: Mapping[str, str]) -> list[str]:
    """Leaves that are text and have to be read as something else: only these can turn out unreadable."""
    return [
        name
        for name in (*UNREADABLE, "residential")
        if types[name] == "VARCHAR" and (mapped.filled is None or name in mapped.filled)
    ]


def _unread(name: str, amounts: Mapping[str, str]) -> str:
    """Keep the text of a cell that could not be read, else null."""
    return f"CASE WHEN {amounts.get(name, name + '_')} IS NULL THEN nullif(trim({name}), '') END"


def duck_type(kind: pa.DataType) -> str:
    """Return DuckDB's name of an Arrow type of the shipments table."""
    if pa.types.is_struct(kind):
        return (
            "STRUCT(" + ", ".join(f'"{field.name}" {duck_type(field.type)}' for field in kind) + ")"
        )
    if pa.types.is_list(kind):
        return duck_type(kind.value_type) + "[]"
    return {
        "string": "VARCHAR",
        "bool": "BOOLEAN",
        "int64": "BIGINT",
        "double": "DOUBLE",
        "date32[day]": "DATE",
    }[str(kind)]


# -- words that Python looks up, once for each distinct text ---------------------------------------


def _services(con: duckdb.DuckDBPyConnection, mapped: Mapped) -> str:
    """Translate the texts of this file to services, null for a text that names none."""
    texts = [
        text
        for (text,) in con.execute(
            f"SELECT DISTINCT service FROM {mapped.relation.sql} WHERE service IS NOT NULL"
        ).fetchall()
    ]
    return sql.choose(
        "service",
        {text: quote(code) for text, code in mapped.offered.known_among(texts).items()},
        "NULL::VARCHAR",
    )


def _places(con: duckdb.DuckDBPyConnection, mapped: Mapped) -> str:
    """Give country and state codes of the texts of this file; a text that is no place stays (tidied), for validation to name."""
    pairs = con.execute(
        f"SELECT country, state, {sql.tidy('country')}, {sql.tidy('state')} FROM (SELECT DISTINCT "
        f"country, state FROM {mapped.relation.sql})"
    ).fetchall()
    countries: dict[str, str] = {}
    states: dict[str, dict[str, str]] = {}
    for country, state, land, region in pairs:
        iso = country_code(land)
        if country is not None and country != iso:
            countries[country] = quote(iso)
        code = state_code(iso, region)
        if state is not None and state != code:
            states.setdefault(iso, {})[state] = quote(code)
    iso_sql = f"coalesce({sql.choose('country', countries, 'country')}, 'US')"
    per_country = {iso: sql.choose("state", names, "state") for iso, names in states.items()}
    return (
        f"{iso_sql} AS country_, {sql.choose('country_', per_country, 'state')} AS state_, "
        f"coalesce({sql.choose('country_', dict.fromkeys(US_DOMAIN, 'true'), 'false')}, false) AS "
        "american"
    )


# -- the pass over rows that need more -------------------------------------------------------------


def _repaired(con: duckdb.DuckDBPyConnection, normal: pa.Table, line: int) -> pa.Table:
    """Return `normal` with its phones, ZIPs and long address lines repaired, and what they were."""
    rows = pc.indices_nonzero(normal.column("repair"))
    found = _repairs(con, normal, rows, line) if len(rows) else None
    for name, kind in (("was_zip", pa.string()), ("was_phone", pa.string()), ("split", pa.bool_())):
        normal = normal.append_column(name, pa.nulls(normal.num_rows, kind))
    if found is None:
        return normal
    mask = np.zeros(normal.num_rows, dtype=bool)
    mask[found.column("place").to_numpy()] = True
    chosen = pa.array(mask)
    for name in found.column_names:
        if name == "place":
            continue
        at = normal.column_names.index(name)
        column = normal.column(at)
        normal = normal.set_column(
            at,
            name,
            pc.replace_with_mask(
                column, chosen, found.column(name).cast(column.type).combine_chunks()
            ),
        )
    return normal


_STATE: Final = "CASE WHEN country <> 'US' THEN country ELSE state END"


def _repairs(
    con: duckdb.DuckDBPyConnection, normal: pa.Table, rows: pa.Array, line: int
) -> pa.Table:
    """Return the repaired columns of the rows at `rows`, with their `place`."""
    needed = [
        "postal_code",
        "phone",
        "address_line1",
        "address_line2",
        "address_line3",
        "american",
        "state",
        "country",
        "fixed_phone",
        "fixed_zip",
    ]
    con.register("repair_rows", normal.select(needed).take(rows).append_column("place", rows))
    con.register(
        "zip_ranges",
        pa.table({"zip3": list(zip3_states()), "states": list(zip3_states().values())}),
    )
    split = (
        "folded IS NOT NULL AND len(folded) <= 3 AND len(list_filter(folded, lambda p: length(p) "
        f"> {line})) = 0"
    )
    long = (
        "coalesce(greatest(length(address_line1), length(address_line2), length(address_line3)), "
        f"0) > {line}"
    )
    try:
        return con.sql(f"""
            WITH keyed AS (
                SELECT *, CASE WHEN american THEN {_zip_key()} END AS zip_key, regexp_replace(postal_code, '\\.0+$', '') AS bare,
                CASE WHEN phone IS NOT NULL THEN {sql.digits_phone("phone", "(american OR country = 'CA')")} END AS phone_,
                CASE WHEN {long} THEN {sql.wrapped_lines(["address_line1", "address_line2", "address_line3"], line)} END AS folded
                FROM repair_rows
            ), zipped AS (
                SELECT k.*, {split} AS split, zip_key IS NOT NULL AND list_contains(string_split(z.states, ' '), {_STATE}) AS padded
                FROM keyed k LEFT JOIN zip_ranges z ON z.zip3 = left(zip_key, 3)
            )
            SELECT place, phone_ AS phone, CASE WHEN phone_ IS NULL THEN phone END AS was_phone, fixed_phone OR coalesce(phone_ <> phone, false) AS fixed_phone,
            CASE WHEN NOT american THEN postal_code WHEN padded THEN {_plus4("zip_key")} ELSE {_plus4("bare")} END AS postal_code,
            CASE WHEN padded THEN postal_code END AS was_zip, fixed_zip OR coalesce(american AND NOT padded AND {_plus4("bare")} <> postal_code, false) AS fixed_zip,
            split, {", ".join(f"CASE WHEN split THEN folded[{n}] ELSE address_line{n} END AS address_line{n}" for n in (1, 2, 3))}
            FROM zipped ORDER BY place
        """).to_arrow_table()
    finally:
        con.unregister("repair_rows")
        con.unregister("zip_ranges")


def _zip_key() -> str:
    """Put the leading zeros of a ZIP back, where some may be lost: 3 or 4 digits, or 7 or 8 of a ZIP+4."""
    bare = "regexp_replace(postal_code, '\\.0+$', '')"
    widths: Sequence[tuple[str, int]] = (
        ("[0-9]{3,4}", 5),
        ("[0-9]{3,4}-[0-9]{4}", 10),
        ("[0-9]{7,8}", 9),
    )
    return (
        "CASE "
        f"{' '.join(f'WHEN regexp_full_match({bare}, {quote(shape)}) THEN lpad({bare}, {width}, {quote(chr(48))})' for shape, width in widths)} "
        "END"
    )


def _plus4(x: str) -> str:
    """Write a ZIP of nine digits with its dash."""
    return rf"regexp_replace({x}, '^([0-9]{{5}})[ -]*([0-9]{{4}})$', '\1-\2')"
