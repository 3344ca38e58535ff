"""The problems met while text became values: cells that cannot be read, repairs a person should see, open questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.models import ServiceLevel
from shipkit.orders.expressions import quote
from shipkit.orders.mapping.mapped import Mapped, Question
from shipkit.orders.normalize import readings
from shipkit.schema import PROBLEMS

__all__ = ["UNREADABLE", "problems_met"]

_SERVICES = ", ".join(service.value for service in ServiceLevel)
UNREADABLE: Final[Mapping[str, tuple[str, str, str]]] = {
    **readings.UNREADABLE,
    "service": (
        "service",
        "is not a known service",
        (
            'Translate it: map(services={"<text>": "ground"}), or set one for all: '
            f'map(service="ground"). Known: {_SERVICES}; or a rule: cheapest, fastest, cheapest '
            "within 3 days."
        ),
    ),
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
        *_unreadable(leaves),
        *_noted(bad),
        *(_asked(question) for question in mapped.questions),
    ]
    noticed = con.sql(
        f"SELECT {', '.join(texts)} FROM normal WHERE {' OR '.join(conditions)}"
    ).to_arrow_table()
    con.register("noticed", noticed)
    try:
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
        f"{quote('service_unknown' if name == 'service' else name + '_unreadable')} AS code FROM "
        f"noticed WHERE bad_{name} IS NOT NULL"
        for name, (field, what, fix) in UNREADABLE.items()
        if name in leaves
    ]


def _said(name: str, what: str) -> str:
    """Return SQL for the value of a column in quotes and what is to be said of it."""
    return f"'\"' || {name} || {quote(chr(34) + ' ' + what)}"


def _noted(bad: Sequence[str]) -> list[str]:
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
            "'an address line over 35 characters was split at a word: \"' || concat_ws('\", \"', "
            "address_line1, address_line2, address_line3) || '\"', "
            "'Nothing to do if it reads well.', 'warning', 'address_split' FROM noticed WHERE split"
        ),
    ]


def _asked(question: Question) -> str:
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
