"""Problems of cells: what cannot be read, repairs to look at, and questions about the mapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.kept_plans import Rows, run
from shipkit.orders.expressions import choose, quote
from shipkit.orders.mapping.mapped import Mapped, MappingQuestion
from shipkit.orders.normalize import readings
from shipkit.orders.normalize.suspects import Judgement
from shipkit.schema import FLAT, PROBLEMS
from shipkit.services import ServiceList, UnknownService

__all__ = ["UNREADABLE", "cell_problems"]

UNREADABLE: Final[Mapping[str, tuple[str, str, str]]] = {
    **readings.UNREADABLE,
    "service": ("service", "is not a known service", ""),  # see _unknown_services
}
"""Leaf -> path, what is wrong with its text, how to fix it. The text is in ``bad_<leaf>``."""

_PATHS: Final = {leaf.flat: leaf.path for leaf in FLAT}

_SHOWN: Final = (
    "row_number",
    "was_zip",
    "was_phone",
    "was_city",
    "city",
    "split",
    "number_of_parcels",
    "state",
    "country",
    "postal_code",
    "address_line1",
    "address_line2",
    "address_line3",
)
"""Columns that problems show or conditions of questions read."""


def cell_problems(
    rows: Rows,
    normal: pa.Table,
    mapped: Mapped,
    leaves: Sequence[str],
    source_problems: pa.Table | None,
    judgement: Judgement,
) -> pa.Table:
    """Return the problems of the table `normal` (:data:`shipkit.schema.PROBLEMS`), by row.

    Parameters
    ----------
    rows
        The rows of the mapped relation.
    leaves
        The leaves that were read from text, each with its column ``bad_<leaf>``.
    judgement
        What is found of names and addresses.
    """
    source = _of_the_source(rows.con, normal, mapped, source_problems)
    found = _found(rows, normal, mapped, leaves, judgement)
    return _by_row(_without_answered(pa.concat_tables([mapped.problems, source, found])))


def _found(
    rows: Rows, normal: pa.Table, mapped: Mapped, leaves: Sequence[str], judgement: Judgement
) -> pa.Table:
    bad = [f"bad_{name}" for name in leaves]
    marks = (*bad, "was_zip", "was_phone", "was_city")
    conditions = [
        *(f"{name} IS NOT NULL" for name in marks),
        "split",
        *(f"({question.condition})" for question in mapped.questions),
    ]
    # Few rows have problems: they are copied once, and every query below reads only them.
    if mapped.questions or _is_any_filled(normal, marks):
        noticed = run(
            rows.con,
            f"SELECT {', '.join([*_SHOWN, *bad])} FROM normal WHERE {' OR '.join(conditions)}",
            normal=normal,
        )
    else:
        noticed = normal.slice(0, 0).select([*_SHOWN, *bad])
    queries = [*judgement.problems(rows.sql, _PATHS)]
    if noticed.num_rows:
        queries = [
            *([_unknown_services(noticed, mapped.offered)] if "service" in leaves else []),
            *(_unreadable(name) for name in UNREADABLE if name in leaves and name != "service"),
            *([_unclear_residential()] if "residential" in leaves else []),
            *(
                _dropped_phones(),
                _padded_zips(),
                _codes_in_cities(),
                _split_addresses(mapped.line_length),
            ),
            *(_asked(question) for question in mapped.questions),
            *queries,
        ]
    if not queries:
        return PROBLEMS.empty_table()
    found = rows.run(" UNION ALL ".join(queries), noticed=noticed, **judgement.tables)
    return found.cast(PROBLEMS)


def _is_any_filled(normal: pa.Table, marks: Sequence[str]) -> bool:
    filled = any(normal.column(name).null_count < normal.num_rows for name in marks)
    return filled or bool(pc.any(normal.column("split")).as_py())


def _problem(
    where: str,
    *,
    field: str | None,
    value: str,
    problem: str,
    fix: str,
    code: str,
    severity: str = "error",
) -> str:
    """Return a query of one problem per noticed row where the SQL `where` holds.

    Parameters
    ----------
    value, problem
        SQL expressions; the others are plain texts.
    """
    return f"""
        SELECT
            row_number,
            {"NULL::VARCHAR" if field is None else quote(field)} AS field,
            {value} AS value,
            {problem} AS problem,
            {quote(fix)} AS fix,
            {quote(severity)} AS severity,
            {quote(code)} AS code
        FROM noticed
        WHERE {where}
    """


def _quoted_value(column: str, what: str) -> str:
    """Return SQL of the value of a column in quotes, followed by `what`."""
    rest = quote('" ' + what)
    return f"""'"' || {column} || {rest}"""


# -- what cannot be read ---------------------------------------------------------------------------


def _unreadable(name: str) -> str:
    field, what, fix = UNREADABLE[name]
    return _problem(
        f"bad_{name} IS NOT NULL",
        field=field,
        value=f"bad_{name}",
        problem=_quoted_value(f"bad_{name}", what),
        fix=fix,
        code=f"{name}_unreadable",
    )


def _unknown_services(noticed: pa.Table, offered: ServiceList) -> str:
    """Return the query of texts in the service column that name no service.

    Most are plain words, for which one sentence is enough. For a service of another carrier, a
    wrong word in a rule, or a name that several carriers of an account have, the reader of services
    knows better what is wrong.
    """
    field, what, _ = UNREADABLE["service"]
    usual = _quoted_value("bad_service", what)
    several = any(":" in code for code in offered.codes)
    texts = [
        text
        for text in pc.unique(noticed.column("bad_service")).to_pylist()
        if text is not None and (several or ":" in text or " of " in text.lower())
    ]
    better = {}
    for text in texts:
        try:
            offered.read(text)
        except UnknownService as unknown:
            if unknown.problem != f'"{text}" {what}':
                better[text] = quote(unknown.problem)
    example = offered.example
    return _problem(
        "bad_service IS NOT NULL",
        field=field,
        value="bad_service",
        problem=choose("bad_service", better, usual),
        fix=f'Translate it: map(services={{"<text>": "{example}"}}), or set one for all: '
        f'map(service="{example}"). {offered.known}',
        code="service_unknown",
    )


# -- repairs to look at ----------------------------------------------------------------------------


def _unclear_residential() -> str:
    return _problem(
        "bad_residential IS NOT NULL",
        field="ship_to.residential",
        value="bad_residential",
        problem=_quoted_value(
            "bad_residential", "is neither residential nor commercial; the carrier will decide"
        ),
        fix="Write yes or no.",
        code="residential_unknown",
        severity="warning",
    )


def _dropped_phones() -> str:
    return _problem(
        "was_phone IS NOT NULL",
        field="ship_to.phone",
        value="was_phone",
        problem=_quoted_value("was_phone", "is not a phone number and was left out"),
        fix="Write ten digits, or + and the country code.",
        code="phone_dropped",
        severity="warning",
    )


def _padded_zips() -> str:
    return _problem(
        "was_zip IS NOT NULL",
        field="ship_to.postal_code",
        value="was_zip",
        problem="""'"' || was_zip || '" had lost its leading zeros and is read as "'"""
        """ || postal_code || '", ' || CASE
            WHEN country = 'US' THEN 'a ZIP of ' || coalesce(state, country)
            ELSE 'a postal code of ' || country END""",
        fix="No action is needed if the state is right.",
        code="zip_padded",
        severity="warning",
    )


def _codes_in_cities() -> str:
    return _problem(
        "was_city IS NOT NULL",
        field="ship_to.city",
        value="was_city",
        problem="""'"' || was_city || '" is read as city "' || city
        || '" and postal code "' || postal_code || '"'""",
        fix="No action is needed if it reads well.",
        code="postal_code_in_city",
        severity="warning",
    )


def _split_addresses(line: int) -> str:
    lines = "address_line1, address_line2, address_line3"
    return _problem(
        "split",
        field="ship_to.address_line1",
        value=f"concat_ws(' / ', {lines})",
        problem=f"""'an address line over {line} characters was shortened or split: "'"""
        f""" || concat_ws('", "', {lines}) || '"'""",
        fix="No action is needed if it reads well.",
        code="address_split",
        severity="warning",
    )


def _asked(question: MappingQuestion) -> str:
    return _problem(
        question.condition,
        field=question.field,
        value="NULL",
        problem=quote(question.problem),
        fix=question.fix,
        code=question.code,
        severity=question.severity,
    )


# -- problems of the source ------------------------------------------------------------------------


def _of_the_source(
    con: duckdb.DuckDBPyConnection, normal: pa.Table, mapped: Mapped, problems: pa.Table | None
) -> pa.Table:
    """Return the problems of the source for the selected rows, with the fields of the shipment.

    A cell that feeds no field is a warning; so is a cell in a further line of an order, which
    packing judges. A line that is malformed as a whole stays an error.
    """
    if problems is None or not problems.num_rows:
        return PROBLEMS.empty_table()
    fed = {
        "key": pa.array(list(mapped.fields), pa.string()),
        "path": pa.array(list(mapped.fields.values()), pa.string()),
    }
    found = run(
        con,
        """
        WITH lines AS (
            SELECT row_number, unnest(row_numbers) AS line FROM normal
        ),
        matched AS (
            SELECT
                l.row_number,
                f.path,
                p.* EXCLUDE (row_number),
                l.row_number = p.row_number AS is_first_line
            FROM source_problems p
            JOIN lines l ON l.line = p.row_number
            LEFT JOIN fed f ON f.key = p.field
        )
        SELECT
            row_number,
            CASE WHEN is_first_line THEN coalesce(path, field) ELSE field END AS field,
            value,
            problem,
            fix,
            CASE
                WHEN severity = 'error'
                    AND (field IS NULL OR (path IS NOT NULL AND is_first_line))
                THEN 'error'
                ELSE 'warning'
            END AS severity,
            code
        FROM matched
        """,
        normal=normal.select(["row_number", "row_numbers"]),
        source_problems=problems,
        fed=pa.table(fed),
    )
    return found.cast(PROBLEMS)


# -- order -----------------------------------------------------------------------------------------


_QUESTIONS: Final = ("column_missing", "column_ambiguous")
"""Codes of the questions which column a field is."""


def _without_answered(problems: pa.Table) -> pa.Table:
    """Return `problems` without questions about a field that has an error of its own.

    A cell that cannot be read is not also reported as missing.
    """
    is_question = pc.is_in(problems.column("code"), value_set=pa.array(_QUESTIONS))
    if not pc.any(is_question).as_py():
        return problems
    is_error = pc.and_(pc.invert(is_question), pc.equal(problems.column("severity"), "error"))
    errors = problems.filter(is_error).select(["row_number", "field"])
    if not errors.num_rows:
        return problems
    failed = {(row["row_number"], row["field"]) for row in errors.to_pylist()}
    fields = problems.select(["row_number", "field"]).to_pylist()
    kept = [
        not (asks and (row["row_number"], row["field"]) in failed)
        for row, asks in zip(fields, is_question.to_pylist(), strict=True)
    ]
    return problems.filter(pa.array(kept, pa.bool_()))


def _by_row(problems: pa.Table) -> pa.Table:
    """Return `problems` sorted by row, those of one row in the order in which they were found."""
    places = pa.array(range(problems.num_rows), pa.int64())
    order = [("row_number", "ascending"), ("place", "ascending")]
    return problems.take(pc.sort_indices(problems.append_column("place", places), sort_keys=order))
