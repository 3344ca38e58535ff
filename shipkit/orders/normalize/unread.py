"""The problems met while text became values: cells that cannot be read, repairs a person should see, open questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.orders.expressions import choose, quote
from shipkit.orders.mapping.mapped import Mapped, MappingQuestion
from shipkit.orders.normalize import readings
from shipkit.schema import PROBLEMS
from shipkit.services import ServiceList, UnknownService

__all__ = ["UNREADABLE", "problems_met"]

UNREADABLE: Final[Mapping[str, tuple[str, str, str]]] = {
    **readings.UNREADABLE,
    "service": ("service", "is not a known service", ""),  # see _unknown_services
}
"""Leaf -> path, what is wrong with its text, how to fix it. The text is in ``bad_<leaf>``."""

_NOTED: Final[Mapping[str, tuple[str, str, str, str]]] = {
    "bad_residential": (
        "ship_to.residential",
        "residential_unknown",
        "is neither residential nor commercial; left open for the carrier to decide",
        "Write yes or no.",
    ),
    "was_phone": (
        "ship_to.phone",
        "phone_dropped",
        "is not a phone number; it was left off",
        "Write ten digits, or + and the country code.",
    ),
}
"""Column -> field, code, what was done: warnings."""


def problems_met(
    con: duckdb.DuckDBPyConnection,
    mapped: Mapped,
    leaves: Sequence[str],
    source_problems: pa.Table | None,
) -> pa.Table:
    """Return the problems of all rows of the relation ``normal`` (:data:`shipkit.schema.PROBLEMS`), sorted by row.

    Parameters
    ----------
    leaves
        The leaves that were read, each with its column ``bad_<leaf>``.
    """
    bad = [f"bad_{name}" for name in leaves]
    conditions = [
        *(f"{name} IS NOT NULL" for name in (*bad, "was_zip", "was_phone")),
        "split",
        *(f"({question.condition})" for question in mapped.questions),
    ]
    texts = [
        f'"{name}"'
        for name in (
            "row_number",
            *bad,
            "was_zip",
            "was_phone",
            "split",
            "state",
            "country",
            "postal_code",
            "address_line1",
            "address_line2",
            "address_line3",
        )
    ]
    selects = [
        *_unreadable([name for name in leaves if name != "service"]),
        *_noted(bad, mapped.line_length),
        *(_asked(question) for question in mapped.questions),
    ]
    noticed = con.sql(
        f"SELECT {', '.join(texts)} FROM normal WHERE {' OR '.join(conditions)}"
    ).to_arrow_table()
    con.register("noticed", noticed)
    try:
        if "service" in leaves:
            selects.insert(0, _unknown_services(con, mapped.offered))
        found = con.sql(" UNION ALL ".join(selects)).to_arrow_table().cast(PROBLEMS)
    finally:
        con.unregister("noticed")
    return _sorted(
        pa.concat_tables([mapped.problems, _of_the_source(con, mapped, source_problems), found])
    )


def _unreadable(leaves: Sequence[str]) -> list[str]:
    return [
        f"SELECT row_number, {quote(field)} AS field, bad_{name} AS value, "
        f"{_said(f'bad_{name}', what)} AS problem, {quote(fix)} AS fix, "
        "'error' AS severity, "
        f"{quote(name + '_unreadable')} AS code FROM "
        f"noticed WHERE bad_{name} IS NOT NULL"
        for name, (field, what, fix) in UNREADABLE.items()
        if name in leaves
    ]


def _unknown_services(con: duckdb.DuckDBPyConnection, offered: ServiceList) -> str:
    """Return the statement that reports texts of the service column which name no service.

    Most are plain words, told in one sentence. What another carrier's service or the wrong word
    in a rule is called, only the grammar knows.
    """
    texts = con.sql(
        "SELECT DISTINCT bad_service FROM noticed "
        "WHERE contains(bad_service, ':') OR contains(lower(bad_service), ' of ')"
    ).fetchall()
    told = {}
    for (text,) in texts:
        try:
            offered.read(text)
        except UnknownService as no:
            if no.problem != f'"{text}" {UNREADABLE["service"][1]}':
                told[text] = quote(no.problem)
    fix = (
        f'Translate it: map(services={{"<text>": "{offered.example}"}}), or set one for all: '
        f'map(service="{offered.example}"). {offered.known}'
    )
    field, what, _ = UNREADABLE["service"]
    problem = choose("bad_service", told, _said("bad_service", what))
    return (
        f"SELECT row_number, {quote(field)} AS field, bad_service AS value, {problem} AS problem, "
        f"{quote(fix)} AS fix, 'error' AS severity, 'service_unknown' AS code "
        "FROM noticed WHERE bad_service IS NOT NULL"
    )


def _said(name: str, what: str) -> str:
    """Return SQL for the value of a column in quotes and what is to be said of it."""
    return f"'\"' || {name} || {quote(chr(34) + ' ' + what)}"


def _noted(bad: Sequence[str], line: int) -> list[str]:
    notes = [
        f"SELECT row_number, {quote(field)} AS field, {name} AS value, {_said(name, what)} AS "
        f"problem, {quote(fix)} AS fix, 'warning' AS severity, {quote(code)} AS code "
        f"FROM noticed WHERE {name} IS NOT NULL"
        for name, (field, code, what, fix) in _NOTED.items()
        if name in (*bad, "was_phone")
    ]
    return [
        *notes,
        (
            "SELECT row_number, 'ship_to.postal_code', was_zip, '\"' || was_zip || '\" had lost "
            "its leading zeros; taken as \"' || postal_code || '\", which fits ' || "
            "coalesce(state, country), "
            "'Nothing to do if the state is right.', 'warning', 'zip_padded' FROM noticed WHERE "
            "was_zip IS NOT NULL"
        ),
        (
            "SELECT row_number, 'ship_to.address_line1', concat_ws(' / ', address_line1, "
            "address_line2, address_line3), "
            f"'an address line over {line} characters was split at a word: \"' || "
            "concat_ws('\", \"', "
            "address_line1, address_line2, address_line3) || '\"', "
            "'Nothing to do if it reads well.', 'warning', 'address_split' FROM noticed WHERE split"
        ),
    ]


def _asked(question: MappingQuestion) -> str:
    return (
        f"SELECT row_number, {quote(question.field)}, NULL, {quote(question.problem)}, "
        f"{quote(question.fix)}, {quote(question.severity)}, {quote(question.code)} "
        f"FROM noticed WHERE {question.condition}"
    )


def _of_the_source(
    con: duckdb.DuckDBPyConnection, mapped: Mapped, problems: pa.Table | None
) -> pa.Table:
    """Return the source's problems of the selected rows in terms of the shipment; cells that no field is taken from are warnings, lines out of shape are not."""
    if problems is None or not problems.num_rows:
        return PROBLEMS.empty_table()
    con.register("source_problems", problems)
    con.register(
        "fed",
        pa.table(
            {
                "key": pa.array(list(mapped.fields), pa.string()),
                "path": pa.array(list(mapped.fields.values()), pa.string()),
            }
        ),
    )
    try:
        return (
            con.sql("""
            SELECT o.row_number, CASE WHEN p.row_number = o.row_number THEN coalesce(f.path, p.field) ELSE p.field END AS field, value, problem, fix,
            CASE WHEN p.severity = 'error' AND (p.field IS NULL OR (f.path IS NOT NULL AND p.row_number = o.row_number)) THEN 'error' ELSE 'warning' END AS severity, p.code
            FROM source_problems p
            JOIN (SELECT row_number, unnest(row_numbers) AS line FROM normal) o ON o.line = p.row_number
            LEFT JOIN fed f ON f.key = p.field
        """)
            .to_arrow_table()
            .cast(PROBLEMS)
        )
    finally:
        con.unregister("source_problems")
        con.unregister("fed")


def _sorted(problems: pa.Table) -> pa.Table:
    """Return `problems` by row; a field of a row that has an error of its own is not asked for again (a cell that cannot be read is not also missing)."""
    asking = pc.starts_with(problems.column("code"), "column_")
    if pc.any(asking).as_py():
        others = problems.filter(
            pc.and_(pc.invert(asking), pc.equal(problems.column("severity"), "error"))
        )
        answered = set(
            zip(
                others.column("row_number").to_pylist(),
                others.column("field").to_pylist(),
                strict=True,
            )
        )
        if answered:
            rows = zip(
                problems.column("row_number").to_pylist(),
                problems.column("field").to_pylist(),
                asking.to_pylist(),
                strict=True,
            )
            problems = problems.filter(
                pa.array(
                    [not (asks and (number, field) in answered) for number, field, asks in rows],
                    pa.bool_(),
                )
            )
    places = pa.array(range(problems.num_rows), pa.int64())
    return problems.take(
        pc.sort_indices(
            problems.append_column("place", places),
            sort_keys=[("row_number", "ascending"), ("place", "ascending")],
        )
    )
