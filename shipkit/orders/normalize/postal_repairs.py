"""Postal codes abroad in their usual form, and codes that were written into the city."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.address_formats import region_code, region_zips
from shipkit.common.kept_plans import run
from shipkit.common.places import US_DOMAIN, state_codes, zip3_states
from shipkit.common.postal import postal_format, read_postal_code
from shipkit.orders.normalize.address_repairs import replaced
from shipkit.orders.postal_columns import unusual_code

__all__ = ["repair_postal_codes"]

_READ: Final = ("postal_code", "city", "state", "country", "was_zip", "fixed_zip")
_US_CITY: Final = re.compile(
    r"(?P<city>[^0-9,]{2,}?)\s*(?:,\s*|\s)\s*(?P<state>[A-Za-z]{2})[,.]?\s+(?P<code>[0-9]{5}(?:-[0-9]{4})?)"
)


class _PlacedCode(NamedTuple):
    """The parts of an address that this step may change."""

    postal_code: str | None
    city: str | None
    state: str | None
    country: str


class _Repair(NamedTuple):
    postal_code: str | None
    city: str | None
    state: str | None
    padded: bool = False


def repair_postal_codes(con: duckdb.DuckDBPyConnection, normal: pa.Table) -> pa.Table:
    """Return `normal` with postal codes abroad as their country prints them.

    Zeros that a spreadsheet dropped come back where only one code is possible; the column
    ``was_zip`` then has the text. A code that the city has while its own cell is empty is moved;
    the column ``was_city`` then has the city.
    """
    normal = normal.append_column("was_city", pa.nulls(normal.num_rows, pa.string()))
    countries = pc.unique(normal.column("country").drop_null()).to_pylist()
    if not set(countries) - set(US_DOMAIN) and not normal.column("postal_code").null_count:
        return normal
    rows = normal.select(list(_READ)).append_column("place", _places(normal))
    odd = run(con, _odd(countries), postal_rows=rows)
    if not odd.num_rows:
        return normal
    repaired = run(con, _JOINED, odd_rows=odd, postal_repairs=_repairs(odd))
    return replaced(normal, repaired) if repaired.num_rows else normal


def _places(table: pa.Table) -> pa.Array:
    import numpy as np

    return pa.array(np.arange(table.num_rows))


def _odd(countries: list[str]) -> str:
    """Return the statement of the rows whose code needs a look: few in most files."""
    american = ", ".join(f"'{code}'" for code in US_DOMAIN)
    abroad = set(countries) - set(US_DOMAIN)
    unusual = f"country NOT IN ({american}) AND ({unusual_code(abroad)})" if abroad else "false"
    return f"""
        SELECT *
        FROM postal_rows
        WHERE CASE
            WHEN postal_code IS NULL THEN regexp_matches(city, '[0-9]')
            ELSE {unusual}
        END
        ORDER BY place
    """


_JOINED: Final = """
    SELECT
        o.place,
        r.postal_code,
        CASE WHEN r.padded THEN o.postal_code ELSE o.was_zip END AS was_zip,
        o.fixed_zip
            OR (NOT r.padded AND r.postal_code IS DISTINCT FROM o.postal_code) AS fixed_zip,
        r.city,
        r.state,
        CASE WHEN r.city IS DISTINCT FROM o.city THEN o.city END AS was_city
    FROM odd_rows o
    JOIN postal_repairs r
        ON r.country = o.country
        AND r.raw_code IS NOT DISTINCT FROM o.postal_code
        AND r.raw_city IS NOT DISTINCT FROM o.city
        AND r.raw_state IS NOT DISTINCT FROM o.state
    ORDER BY o.place
"""


def _repairs(odd: pa.Table) -> pa.Table:
    """Return what the odd rows become; each different address is read once."""
    found = [
        {
            "country": row.country,
            "raw_code": row.postal_code,
            "raw_city": row.city,
            "raw_state": row.state,
            **repair._asdict(),
        }
        for row in dict.fromkeys(
            _PlacedCode(*values)
            for values in zip(
                *(odd.column(name).to_pylist() for name in _PlacedCode._fields), strict=True
            )
        )
        if (repair := _from_city(row) if row.postal_code is None else _read(row)) is not None
    ]
    texts = ("country", "raw_code", "raw_city", "raw_state", "postal_code", "city", "state")
    fields = [(name, pa.string()) for name in texts]
    return pa.Table.from_pylist(found, schema=pa.schema([*fields, ("padded", pa.bool_())]))


def _read(row: _PlacedCode) -> _Repair | None:
    reading = read_postal_code(row.country, row.postal_code or "")
    if reading is None:
        return None
    region = region_code(row.country, row.state or "")
    begins = region_zips(row.country).get(region or "")
    if reading.padded and begins is not None and not re.match(begins, reading.code or ""):
        return None  # not of the state: it may as well have lost another digit
    return _Repair(reading.code, row.city, row.state, reading.padded)


def _from_city(row: _PlacedCode) -> _Repair | None:
    """Return the parts of a city such as "10115 Berlin" or "Springfield, IL 62701"."""
    city = row.city or ""
    if row.country in US_DOMAIN:
        return _american(row, city)
    if postal_format(row.country) is None:
        return None
    found = {
        (reading.code, rest)
        for code, rest in _splits(city.replace(",", " ").split())
        if (reading := read_postal_code(row.country, code)) is not None
        and reading.code is not None
        and not reading.padded
    }
    if len(found) != 1:
        return None
    ((code, rest),) = found
    return _Repair(code, rest, row.state)


def _splits(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the ways in which a city may have a code before or behind it: (code, city)."""
    for count in range(1, len(words)):
        first, last = " ".join(words[:count]), " ".join(words[count:])
        for code, rest in ((first, last), (last, first)):
            has_digits = [any(map(str.isdigit, text)) for text in (code, rest)]
            if has_digits == [True, False]:
                yield code, rest


def _american(row: _PlacedCode, city: str) -> _Repair | None:
    found = _US_CITY.fullmatch(city)
    if found is None:
        return None
    state = state_codes().get(("US", found["state"].lower()))
    if state is None or row.state not in {None, state}:
        return None
    if state not in zip3_states().get(found["code"][:3], "").split():
        return None
    return _Repair(found["code"], found["city"].strip(" ,"), state)
