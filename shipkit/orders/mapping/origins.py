"""Where each shipment leaves from: addresses in the orders, and warehouses by name or by place.

A row may give a whole address, the name of a warehouse, a part of an address that only one known
place has (a ZIP code), or another name for the shipper's own address. What fits no place, or two,
is a problem of its row: a parcel never leaves from a place that was guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import duckdb
import pyarrow as pa

from shipkit.common.kept_plans import registered
from shipkit.common.places import US_DOMAIN, country_code, state_code
from shipkit.common.relation import Relation, StageSchema
from shipkit.common.sql import quoted
from shipkit.common.words import listed
from shipkit.models import Address
from shipkit.orders.expressions import trimmed
from shipkit.orders.heading_text import word_file
from shipkit.orders.mapping.column_leaves import ColumnLeaf, Taken, plain_leaf
from shipkit.orders.mapping.mapped import ADDRESS_LEAVES, ADDRESS_TYPE, Mapped
from shipkit.orders.origin_headings import ORIGIN_FIELDS, ORIGIN_PARTS, WAREHOUSE_FIELD
from shipkit.schema import PROBLEMS, problems_table

__all__ = ["differing_origins", "origin_leaves", "origin_sql", "with_origins"]

_NO_WAREHOUSE: Final = frozenset(word_file("origins")["none"])
_PLACE: Final = ("postal_code", "city", "state", "country")
_CONTACT: Final = ("name", "company", "phone", "email")
_STREET: Final = ("address_line1", "address_line2", "address_line3")


def origin_leaves(taken: Taken) -> dict[str, ColumnLeaf]:
    """Return part of the origin's address -> how a column fills it."""
    return {
        part: plain_leaf(taken[field][0], part)
        for field, part in ORIGIN_FIELDS.items()
        if field in taken
    }


def origin_sql(leaves: Mapping[str, ColumnLeaf]) -> str:
    """Return SQL of the address that columns give of the origin, as it is written there."""
    if not leaves:
        return f"NULL::{ADDRESS_TYPE}"
    fields = ", ".join(
        f"{name}: {f'({leaves[name].sql})::VARCHAR' if name in leaves else 'NULL::VARCHAR'}"
        for name in ADDRESS_LEAVES
    )
    return f"{{{fields}}}"


def with_origins(
    schema: StageSchema, mapped: Mapped, warehouses: Mapping[str, Address], shipper: Address
) -> Mapped:
    """Return `mapped` with the address that each shipment leaves from, and the open questions.

    Each distinct text is looked at once. An origin that is the shipper's address is none.
    """
    relation = mapped.relation.sql
    # Kept, because the text of an address takes longer to write than anything that is done here.
    stated = schema.table(
        "stated_origins",
        f"""
        SELECT
            row_number,
            to_json([to_json({WAREHOUSE_FIELD}), to_json(ship_from)])::VARCHAR AS stated,
            {WAREHOUSE_FIELD},
            ship_from
        FROM {relation}
        WHERE ship_from IS NOT NULL OR {trimmed(f"{WAREHOUSE_FIELD}::VARCHAR")} <> ''
        """,
    )
    rows = schema.con.execute(f"""
        SELECT stated, any_value({WAREHOUSE_FIELD}), any_value(ship_from)
        FROM {stated.sql}
        GROUP BY stated
    """).fetchall()
    if not rows:
        return mapped
    known = _Known(shipper, warehouses)
    found = {stated: known.origin(_clean(name), _cells(block)) for stated, name, block in rows}
    made = pa.table(
        {
            "stated": pa.array(list(found), pa.string()),
            "origin": pa.array(
                [each.address for each in found.values()],
                pa.struct([pa.field(name, pa.string()) for name in ADDRESS_LEAVES]),
            ),
            **{
                name: pa.array([getattr(each, name) for each in found.values()], pa.string())
                for name in ("value", "problem", "fix", "severity")
            },
        }
    )
    with registered(schema.con, origins_read=made):
        origins = schema.table(
            "origins",
            f"SELECT s.row_number, o.* FROM {stated.sql} s JOIN origins_read o USING (stated)",
        )
    view = schema.view(
        "with_origins",
        f"""
        SELECT m.* REPLACE (o.origin AS ship_from)
        FROM {relation} m
        LEFT JOIN {origins.sql} o ON o.row_number = m.row_number
        """,
    )
    return replace(
        mapped,
        relation=view,
        nested=True,
        problems=pa.concat_tables([mapped.problems, _problems(schema, origins)])
        if any(each.problem for each in found.values())
        else mapped.problems,
    )


def _problems(schema: StageSchema, origins: Relation) -> pa.Table:
    """Return the problems of the rows; an assumption once for each text."""
    return (
        schema.con.sql(f"""
        SELECT
            row_number,
            '{WAREHOUSE_FIELD}' AS field,
            value,
            problem,
            fix,
            severity,
            if(severity = 'error', 'origin_unclear', 'origin_assumed') AS code
        FROM {origins.sql}
        WHERE problem IS NOT NULL
        QUALIFY severity = 'error'
            OR row_number() OVER (PARTITION BY stated ORDER BY row_number) = 1
        ORDER BY row_number
        """)
        .to_arrow_table()
        .cast(PROBLEMS)
    )


def differing_origins(
    con: duckdb.DuckDBPyConnection, taken: Taken, selection: Relation, lines: Relation
) -> pa.Table:
    """Return a problem for each order whose lines give several addresses that it leaves from.

    A later line that gives one where the first gives none is one, too.
    """
    fields = (WAREHOUSE_FIELD, *ORIGIN_FIELDS)
    columns = [taken[field][0] for field in fields if field in taken]
    columns = [column for column in columns if column.key in lines.columns]
    if not columns:
        return problems_table()
    stated = ", ".join(f"lower({trimmed(f'{quoted(c.key)}::VARCHAR')})" for c in columns)
    return (
        con.sql(f"""
        WITH owners AS (
            SELECT row_number, unnest(row_numbers) AS line
            FROM {selection.sql}
            WHERE len(row_numbers) > 1
        ),
        stated AS (
            SELECT o.row_number, o.line, nullif(concat_ws(' ', {stated}), '') AS origin
            FROM owners o
            JOIN {lines.sql} l ON l.row_number = o.line
        )
        SELECT
            row_number,
            '{WAREHOUSE_FIELD}' AS field,
            string_agg(DISTINCT origin, ', ' ORDER BY origin) AS value,
            'the lines of this order leave from several places' AS problem,
            'Split the order, or choose one: session.edit(clause, warehouse="...").' AS fix,
            'error' AS severity,
            'origin_unclear' AS code
        FROM stated
        GROUP BY row_number
        HAVING count(DISTINCT origin) > 1
            OR (arg_min(origin IS NULL, line) AND count(origin) > 0)
        ORDER BY row_number
        """)
        .to_arrow_table()
        .cast(PROBLEMS)
    )


@dataclass(frozen=True)
class _Origin:
    address: dict[str, str | None] | None = None
    value: str | None = None
    problem: str | None = None
    fix: str | None = None
    severity: str = "error"


_SHIPPER: Final = _Origin()


class _Known:
    """The places that parcels may leave from: the shipper's, and those of the warehouses."""

    def __init__(self, shipper: Address, warehouses: Mapping[str, Address]) -> None:
        self.shipper = shipper
        self.warehouses = warehouses
        # Rates are asked before it is known who ships: then a row leaves from the ZIP that it
        # gives, none is compared with the shipper's place, and a name changes nothing.
        self.is_for_rates = not shipper.lines
        own: dict[str, list[Address]] = {}
        for name, address in warehouses.items():
            own.setdefault(_plain(name), []).append(address)  # "A-1" and "A1" are two
        companies: dict[str, list[Address]] = {}
        for address in (shipper, *warehouses.values()):
            for name in filter(None, (address.company, address.name)):
                companies.setdefault(_plain(name), []).append(address)
        self.by_name = companies | own  # a name of the config file goes before a company

    def origin(self, name: str, cells: Mapping[str, str]) -> _Origin:
        """Return where a row leaves from that says this."""
        place = {part: cells[part] for part in _PLACE if part in cells}
        given = self._named(name)
        if given is None and name.lower() in _NO_WAREHOUSE:
            name = ""
        if any(part in cells for part in _STREET):
            if given is not None and not _agrees(place, given):
                return self._conflict(name, cells)
            return self._written(cells)
        if given is not None:
            if not _agrees(place, given):
                return self._conflict(name, cells)
            return self._at(given, cells)
        if self.is_for_rates and "postal_code" in place:
            return self._written(cells)
        if place:
            fitting = [each for each in self._places() if _agrees(place, each)]
            if fitting[:1] == [self.shipper] and place.keys() == {"country"}:
                return self._at(self.shipper, cells)  # a country alone says nothing of the place
            if len(fitting) == 1 and not (self.is_for_rates and fitting[0] is self.shipper):
                return self._at(fitting[0], cells)
        if name or place:
            return self._unknown(name or ", ".join(place.values()))
        return self._sender(cells)

    def _sender(self, cells: Mapping[str, str]) -> _Origin:
        """Return the origin of a row that names a sender and no place."""
        carrier = next((cells[n] for n in ("company", "name") if self._carries(cells.get(n))), None)
        sending = {part: text for part, text in cells.items() if text != carrier}
        if "company" in sending:
            return self._at(self.shipper, sending)
        found = self._person(sending)
        if carrier is None or found != _SHIPPER or self.is_for_rates:
            return found
        return _Origin(
            value=carrier,
            problem=f"{carrier!r} carries parcels: the shipper is taken for the sender",
            fix="No action is needed if that is right. To send for others, name the company that "
            "sends in that column.",
            severity="warning",
        )

    def _carries(self, text: str | None) -> bool:
        """Return whether a name is that of a carrier, and no sender's that is known."""
        return text is not None and _plain(text) not in self.by_name and _is_carrier(text)

    def _person(self, cells: Mapping[str, str]) -> _Origin:
        """Return the origin of a row that names a person and no place: it may be a gift's giver."""
        if self.is_for_rates:
            return _SHIPPER
        other = [
            text
            for part, text in cells.items()
            if _plain(text) != _plain(_text(getattr(self.shipper, part)))
        ]
        if not other:
            return _SHIPPER
        return _Origin(
            value=other[0],
            problem=f"a sender is named ({other[0]!r}), and no place that the parcel leaves from",
            fix='Name the company that sends: map(columns={"ship_from_company": ...}). To send '
            "under the shipper's name: map(ignore=[...]).",
        )

    def _places(self) -> Iterator[Address]:
        yield self.shipper
        yield from dict.fromkeys(each for each in self.warehouses.values() if each != self.shipper)

    def _named(self, name: str) -> Address | None:
        if name in self.warehouses:
            return self.warehouses[name]
        found = list(dict.fromkeys(self.by_name.get(_plain(name), ()))) if name else []
        return found[0] if len(found) == 1 else None

    def _at(self, place: Address, cells: Mapping[str, str]) -> _Origin:
        """Return a known place, with the contact that the row gives."""
        if place is self.shipper and self.is_for_rates:
            return _SHIPPER
        made = {name: _text(getattr(place, name)) for name in ADDRESS_LEAVES}
        return self._made(made | _contact(made, cells))

    def _written(self, cells: Mapping[str, str]) -> _Origin:
        """Return an address that the row gives whole; who is not named is the shipper."""
        made: dict[str, str | None] = {name: cells.get(name) for name in ADDRESS_LEAVES}
        made["country"] = cells.get("country") or self.shipper.country
        if not (made["name"] or made["company"]):
            own = {name: _text(getattr(self.shipper, name)) for name in _CONTACT}
            made |= {name: made[name] or text for name, text in own.items()}
        if country_code(made["country"]) in US_DOMAIN:
            made["postal_code"] = _zip(made["postal_code"])
        return self._made(made)

    def _made(self, address: dict[str, str | None]) -> _Origin:
        own = {name: _text(getattr(self.shipper, name)) for name in ADDRESS_LEAVES}
        compared = ("name", "company", *_STREET, *_PLACE)
        same = not self.is_for_rates and all(
            _plain(address[name]) == _plain(own[name]) for name in compared
        )
        return _SHIPPER if same else _Origin(address)

    def _conflict(self, name: str, cells: Mapping[str, str]) -> _Origin:
        written = ", ".join(cells[part] for part in _PLACE if part in cells)
        return _Origin(
            value=name,
            problem=f"the warehouse {name!r} is not in {written}, which this row gives too",
            fix="Correct one of them, or set one column aside: map(ignore=[...]).",
        )

    def _unknown(self, stated: str) -> _Origin:
        names = listed(sorted(map(repr, self.warehouses)), most=8) if self.warehouses else "none"
        return _Origin(
            value=stated,
            problem=f"the parcel leaves from {stated!r}, and no warehouse of that name or place is "
            f"known (known: {names})",
            fix=self._ways(stated),
        )

    def _ways(self, stated: str) -> str:
        return (
            f'Give its address: map(warehouses={{"{stated}": sk.Address(...)}}), a section '
            "[shippers.NAME] of the config file, or columns with its street. To leave from the "
            "shipper: map(ignore=[...])."
        )


def _contact(own: Mapping[str, str | None], cells: Mapping[str, str]) -> dict[str, str | None]:
    """Return the contact of an origin: a company without a name is no longer our own person."""
    given: dict[str, str | None] = {part: cells[part] for part in _CONTACT if part in cells}
    if "company" in given and "name" not in given:
        given["name"] = None if _plain(given["company"]) != _plain(own["company"]) else own["name"]
    return given


def _agrees(place: Mapping[str, str], known: Address) -> bool:
    """Return whether every given part of a place is that of a known address."""
    country = country_code(place.get("country") or known.country)
    own = {
        "postal_code": _code(known.postal_code, known.country),
        "city": _plain(known.city),
        "state": _plain(known.state),
        "country": known.country,
    }
    stated = {
        "postal_code": _code(place.get("postal_code"), known.country),
        "city": _plain(place.get("city")),
        "state": _plain(state_code(country, place.get("state")) or place.get("state")),
        "country": country,
    }
    return all(stated[part] == own[part] for part in place)


def _code(text: str | None, country: str) -> str:
    code = re.sub(r"[^0-9A-Z]", "", (text or "").upper())
    return (_zip(code) or "")[:5] if country in US_DOMAIN else code


def _zip(text: str | None) -> str | None:
    """Return a ZIP code with the zeros that a spreadsheet dropped."""
    return text.zfill(5) if text and re.fullmatch(r"[0-9]{3,4}", text) else text


def _clean(text: Any) -> str:
    return " ".join(str(text).split()) if text is not None else ""


def _cells(block: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the filled parts of an address as it is written."""
    texts = {part: _clean((block or {}).get(part)) for part in (*ORIGIN_PARTS, "residential")}
    return {part: text for part, text in texts.items() if text}


def _is_carrier(text: str) -> bool:
    """Return whether a name is that of a carrier: "Shipper" names it in many files.

    The UPS Store and Hermes Paris send parcels themselves.
    """
    words = re.findall(r"[^\W_]+", text.replace(".", "").casefold())
    also = word_file("origins")["of_a_carrier"]
    known = word_file("origins")["carriers"]
    bare = [word for word in words if word not in also]
    return " ".join(words) in known or " ".join(bare) in known


def _plain(text: str | None) -> str:
    return re.sub(r"[^\w]", "", (text or "").casefold())


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
