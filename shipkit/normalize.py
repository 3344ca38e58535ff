"""Text becomes values: one SQL pass over the mapped table, whoever made it, and a note of everything repaired.

Nothing is guessed: a cell that cannot be read is a problem with its text; a repair that a person should see is a
warning; the many small ones (blanks, names of states) are counted by :func:`repairs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from shipkit import expressions as cells
from shipkit.expressions import quote
from shipkit.mapping import Mapped, Question, service_text
from shipkit.models import ServiceLevel, minor_units
from shipkit.places import US_DOMAIN, country_codes, place_key, state_codes, zip3_states
from shipkit.table import ADDRESS_FIELDS, PROBLEMS, SHIPMENTS

__all__ = ["normalize", "repairs"]

_TEXTS: Final = ("name", "company", "email", "address_line1", "address_line2", "address_line3", "city", "state", "country")
_MEASURES: Final = {"weight_lb": True, "length_in": False, "width_in": False, "height_in": False}
_FLAGS: Final = {"saturday_delivery": (), "is_return": ("return",)}
_REPAIRS: Final = {
    "spaces": "blanks, line breaks or apostrophes taken out of addresses",
    "state": "states written as their code",
    "country": "countries written as their code",
    "phone": "phones reduced to digits",
    "zip": "ZIPs freed of apostrophes, blanks or .0",
}


def normalize(con: duckdb.DuckDBPyConnection, mapped: Mapped, *, source_problems: pa.Table | None = None) -> tuple[pa.Table, pa.Table]:
    """Return the shipments (:data:`shipkit.table.SHIPMENTS`, in the order of `row_number`) and the problems met (:data:`shipkit.table.PROBLEMS`).

    Parameters
    ----------
    mapped
        What :func:`shipkit.mapping.map_rows` returned; its table is in `con`.
    source_problems
        Cells that the source could not read. Those of a mapped column make their row unshippable, the others are warnings.

    Notes
    -----
    Leaves the table ``normal`` in `con`, which :func:`repairs` counts.
    """
    types = {str(name): str(kind) for name, kind, *_ in con.execute(f"DESCRIBE {mapped.relation}").fetchall()}
    _lookups(con, mapped)
    con.execute(f"CREATE OR REPLACE TEMP TABLE normal AS {_normal_sql(mapped, types)}")
    if mapped.nested:
        _nested(con, mapped)
    problems = _problems(con, mapped, source_problems)
    columns = ", ".join(f'"{name}"' for name in SHIPMENTS.names)
    table = con.sql(f"SELECT {columns} FROM normal").to_arrow_table()
    return _in_order(table.cast(SHIPMENTS)), problems


def repairs(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Return what was quietly put right by the last :func:`normalize`, and in how many rows.

    Examples
    --------
    ``{"states written as their code": 5009}``
    """
    counts = con.execute(f"SELECT {', '.join(f'count(*) FILTER (fixed_{name})' for name in _REPAIRS)} FROM normal").fetchall()[0]
    return {text: count for text, count in zip(_REPAIRS.values(), counts, strict=True) if count}


def _in_order(table: pa.Table) -> pa.Table:
    numbers = table.column("row_number").combine_chunks()
    if len(numbers) < 2 or pc.all(pc.less_equal(numbers[:-1], numbers[1:])).as_py():
        return table
    return table.take(pc.sort_indices(table, sort_keys=[("row_number", "ascending")]))


# -- small tables to look things up in ------------------------------------------------------------


def _lookups(con: duckdb.DuckDBPyConnection, mapped: Mapped) -> None:
    """Make tables of the distinct places and services of this file, read by Python once each."""
    pairs = [f"SELECT country, state FROM {mapped.relation}"]
    if mapped.nested:
        pairs.append(f"SELECT ship_from.country, ship_from.state FROM {mapped.relation} WHERE ship_from IS NOT NULL")
    distinct = f"SELECT DISTINCT country, state FROM ({' UNION ALL '.join(pairs)})"
    found = con.execute(f"SELECT country, state, {cells.tidy('country')}, {cells.tidy('state')} FROM ({distinct})").fetchall()
    _table(con, "places", [(country, state, *_place(*clean)) for country, state, *clean in found], ("raw_country", "raw_state", "country", "state"))
    services = [(text, service_text(text)) for (text,) in con.execute(f"SELECT DISTINCT service FROM {mapped.relation}").fetchall()]
    _table(con, "services", services, ("raw", "service"))
    _table(con, "zip3", list(zip3_states().items()), ("zip3", "states"))


def _table(con: duckdb.DuckDBPyConnection, name: str, rows: Sequence[tuple[str | None, ...]], columns: Sequence[str]) -> None:
    made = pa.table({column: pa.array([row[n] for row in rows], pa.string()) for n, column in enumerate(columns)})
    con.register("lookup", made)
    con.execute(f"CREATE OR REPLACE TEMP TABLE {name}_of AS SELECT * FROM lookup")
    con.unregister("lookup")


def _place(country: str | None, state: str | None) -> tuple[str, str | None]:
    """Return ISO country and state code of two cells; what is not known stays as it is, for validation to name."""
    iso = country_codes().get(place_key(country), country) if country else "US"
    home = "US" if iso in US_DOMAIN else iso
    return iso, state_codes().get((home, place_key(state)), state) if state else None


# -- the one pass ---------------------------------------------------------------------------------


def _normal_sql(mapped: Mapped, types: Mapping[str, str]) -> str:
    """Return the statement that makes shipments of the mapped table."""
    measures = ", ".join(
        f"{_measured(name, types[name], weight=weight)} AS {name}_, {_bad(name, types[name])} AS {name}_text" for name, weight in _MEASURES.items()
    )
    flags = ", ".join(f"{_flagged(name, types[name], yes)} AS {name}_" for name, yes in _FLAGS.items())
    return f"""
    WITH tidied AS (
        SELECT * REPLACE (
            {cells.code('order_id')} AS order_id, {cells.code('postal_code')} AS postal_code, {cells.code('phone')} AS phone,
            {', '.join(f'{cells.tidy(name)} AS {name}' for name in _TEXTS if name not in ('state', 'country'))}
        ),
        name IS NOT NULL AND NOT {_clean('name')} OR NOT {_clean('address_line1')} OR NOT {_clean('address_line2')} OR NOT {_clean('city')} AS spaced,
        postal_code AS raw_postal_code, phone AS raw_phone,
        {measures}, {flags},
        {_dated(types['ship_date'])} AS ship_date_, {_residential(types['residential'])} AS residential_,
        coalesce(upper(trim(currency)), 'USD') AS currency_
        FROM {mapped.relation}
    ), placed AS (
        SELECT t.* EXCLUDE (country, state), t.country AS raw_country, t.state AS raw_state, p.country, p.state, s.service AS service_,
        {_zip_key('t.postal_code')} AS zip_key, p.country IN ({_words(US_DOMAIN)}) AS american
        FROM tidied t
        LEFT JOIN places_of p ON p.raw_country IS NOT DISTINCT FROM t.country AND p.raw_state IS NOT DISTINCT FROM t.state
        LEFT JOIN services_of s ON s.raw IS NOT DISTINCT FROM t.service
    ), zipped AS (
        SELECT p.*, {_zip('z.states')} AS zip,
        CASE WHEN phone IS NOT NULL THEN {cells.digits_phone('phone', "(american OR country = 'CA')")} END AS phone_,
        CASE WHEN {_is_long()} THEN {cells.wrapped_lines(['address_line1', 'address_line2', 'address_line3'])} END AS folded
        FROM placed p LEFT JOIN zip3_of z ON z.zip3 = left(zip_key, 3)
    )
    SELECT row_number, row_numbers, source_file, order_id, name, company, phone_ AS phone, email,
    {', '.join(f'{_folded(n)} AS address_line{n}' for n in (1, 2, 3))},
    city, state, zip AS postal_code, country, residential_ AS residential,
    NULL::{_type('ship_from')} AS ship_from, service_ AS service,
    {_parcel()} AS parcels,
    ship_date_ AS ship_date,
    list_filter("references", lambda r: trim(r.value) <> '') AS "references",
    {cells.tidy('description')} AS description, {_signature('signature')} AS signature,
    coalesce(saturday_delivery_, false) AS saturday_delivery, coalesce(is_return_, false) AS is_return,
    currency_ AS currency, NULL::{_type('customs')} AS customs,
    {', '.join(f'CASE WHEN {name}_ IS NULL THEN nullif(trim({name}_text), {quote("")}) END AS bad_{name}' for name in _MEASURES)},
    CASE WHEN service_ IS NULL THEN nullif(trim(service), '') END AS bad_service,
    {_unread('ship_date')}, {_unread('residential')}, {_unread('saturday_delivery')}, {_unread('is_return')},
    CASE WHEN {_signature('signature')} IS NULL THEN signature END AS bad_signature,
    CASE WHEN {_cents()} IS NULL THEN nullif(trim(declared_value), '') END AS bad_declared_value,
    CASE WHEN phone_ IS NULL THEN phone END AS bad_phone,
    CASE WHEN zip <> postal_code AND NOT contains(postal_code, ' ') AND left(zip, 1) = '0' AND left(postal_code, 1) <> '0' THEN postal_code END AS padded,
    folded IS NOT NULL AND len(folded) <= 3 AND {_fits()} AS split,
    coalesce(spaced, false) AS fixed_spaces, coalesce(state <> raw_state, false) AS fixed_state,
    coalesce(country <> raw_country, false) AS fixed_country, coalesce(phone_ <> raw_phone, false) AS fixed_phone,
    coalesce(zip <> raw_postal_code AND zip = ltrim(zip, '''') AND left(zip, 2) = left(ltrim(raw_postal_code, '=''" '), 2), false) AS fixed_zip
    FROM zipped
    """


def _words(words: Sequence[str]) -> str:
    return ", ".join(quote(word) for word in words)


def _type(name: str) -> str:
    return _duck(SHIPMENTS.field(name).type)


def _duck(kind: pa.DataType) -> str:
    """Return DuckDB's name of an Arrow type of the shipments table."""
    if pa.types.is_struct(kind):
        return "STRUCT(" + ", ".join(f'"{field.name}" {_duck(field.type)}' for field in kind) + ")"
    if pa.types.is_list(kind):
        return _duck(kind.value_type) + "[]"
    return {"string": "VARCHAR", "bool": "BOOLEAN", "int64": "BIGINT", "double": "DOUBLE", "date32[day]": "DATE"}[str(kind)]


def _clean(x: str) -> str:
    return rf"regexp_full_match(coalesce({x}, ''), '(?:[!-&(-~][!-~]*(?: [!-~]+)*)?')"


def _measured(name: str, kind: str, *, weight: bool) -> str:
    if kind == "VARCHAR":
        return cells.measure(name, weight=weight)
    return f"CASE WHEN isfinite({name}::DOUBLE) THEN {name}::DOUBLE END"


def _bad(name: str, kind: str) -> str:
    return name if kind == "VARCHAR" else "NULL::VARCHAR"


def _flagged(name: str, kind: str, yes: Sequence[str]) -> str:
    return name if kind == "BOOLEAN" else cells.flag(name, yes, ("", "none"))


def _residential(kind: str) -> str:
    if kind == "BOOLEAN":
        return "residential"
    return cells.flag("residential", ("residential", "res", "r", "home", "house"), ("commercial", "business", "com", "c", "b", "office"))


def _dated(kind: str) -> str:
    return "ship_date" if kind == "DATE" else cells.date("trim(ship_date)")


def _unread(name: str) -> str:
    return f"CASE WHEN {name}_ IS NULL THEN nullif(trim({name}::VARCHAR), '') END AS bad_{name}"


_ONLY_DIGITS = "regexp_replace({x}, '\\.0+$', '')"


def _zip_key(x: str) -> str:
    """The ZIP with its leading zeros put back, when there may be some missing: 3 or 4 digits, or 7 or 8 of a ZIP+4."""
    bare = _ONLY_DIGITS.format(x=x)
    return (
        f"CASE WHEN regexp_full_match({bare}, '[0-9]{{3,4}}') THEN lpad({bare}, 5, '0') "
        f"WHEN regexp_full_match({bare}, '[0-9]{{3,4}}-[0-9]{{4}}') THEN lpad({bare}, 10, '0') "
        f"WHEN regexp_full_match({bare}, '[0-9]{{7,8}}') THEN lpad({bare}, 9, '0') END"
    )


def _zip(states: str) -> str:
    """The postal code: padded only in the US, and only when it then fits the state; codes of other countries stay as they are."""
    bare = _ONLY_DIGITS.format(x="postal_code")
    plus4 = r"regexp_replace({x}, '^([0-9]{{5}})[ -]*([0-9]{{4}})$', '\1-\2')"
    return (
        rf"CASE WHEN NOT american OR regexp_full_match(postal_code, '[0-9]{{5}}(?:-[0-9]{{4}})?') THEN postal_code "
        f"WHEN zip_key IS NOT NULL AND list_contains(string_split({states}, ' '), coalesce(state, CASE WHEN country <> 'US' THEN country END)) "
        f"THEN {plus4.format(x='zip_key')} ELSE {plus4.format(x=bare)} END"
    )


def _is_long() -> str:
    return f"coalesce(greatest(length(address_line1), length(address_line2), length(address_line3)), 0) > {cells.LINE_LENGTH}"


def _fits() -> str:
    return f"len(list_filter(folded, lambda p: length(p) > {cells.LINE_LENGTH})) = 0"


def _folded(n: int) -> str:
    return f"CASE WHEN folded IS NOT NULL AND len(folded) <= 3 AND {_fits()} THEN folded[{n}] ELSE address_line{n} END"


def _cents() -> str:
    return _cents_of("declared_value", "currency_")


def _cents_of(x: str, currency: str) -> str:
    by_places: dict[int, list[str]] = {}
    for known in ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF", "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"):
        by_places.setdefault(minor_units(known), []).append(known)
    cases = " ".join(f"WHEN {currency} IN ({_words(names)}) THEN {places}" for places, names in by_places.items())
    return cells.amount_cents(x, f"(CASE {cases} ELSE 2 END)")


def _packaging(x: str) -> str:
    own = ("", "package", "your packaging", "customer supplied package", "customer packaging", "own", "box", "parcel", "your_packaging", "customer_supplied_package")
    return f"CASE WHEN coalesce(lower(trim({x})), '') IN ({_words(own)}) THEN 'package' ELSE replace(lower(trim({x})), ' ', '_') END"


def _parcel() -> str:
    """The first parcel as a list of one; the list is empty when nothing is known of it."""
    one = (
        f"{{weight_lb: weight_lb_, length_in: length_in_, width_in: width_in_, height_in: height_in_, packaging: {_packaging('packaging')}, "
        f"declared_value_cents: CASE WHEN declared_value IS NOT NULL THEN {_cents()} END, description: {cells.tidy('parcel_description')}}}"
    )
    return f"[{one}]"


def _signature(x: str) -> str:
    return (
        f"CASE WHEN {x} IS NULL THEN 'none' WHEN lower(trim({x})) IN ('', 'none', 'no', 'n', 'false', '0', 'not required', 'no signature') THEN 'none' "
        f"WHEN lower(trim({x})) IN ('required', 'yes', 'y', 'true', '1', 'signature', 'signature required', 'direct', 'indirect') THEN 'required' "
        f"WHEN lower(trim({x})) IN ('adult', 'adult required', 'adult signature', 'adult signature required') THEN 'adult' END"
    )


# -- what only templates can say: more parcels, another origin, customs ------------------------------


def _nested(con: duckdb.DuckDBPyConnection, mapped: Mapped) -> None:
    _more_parcels(con, mapped)
    _origins(con, mapped)
    _customs(con, mapped)


def _more_parcels(con: duckdb.DuckDBPyConnection, mapped: Mapped) -> None:
    measures = ", ".join(f"{name}: {cells.measure(f'p.{name}', weight=weight)}" for name, weight in _MEASURES.items())
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE later AS
        SELECT row_number, list({{{measures}, packaging: {_packaging('p.packaging')},
               declared_value_cents: {_cents_of('p.declared_value', 'currency_')}, description: {cells.tidy('p.description')}}} ORDER BY place) AS parcels
        FROM (SELECT row_number, unnest(more_parcels) AS p, unnest(range(len(more_parcels))) AS place, coalesce(upper(trim(currency)), 'USD') AS currency_
              FROM {mapped.relation} WHERE len(more_parcels) > 0)
        GROUP BY row_number
    """)
    con.execute("UPDATE normal SET parcels = list_concat(normal.parcels, later.parcels) FROM later WHERE later.row_number = normal.row_number")
    con.execute(f"UPDATE normal SET parcels = [] WHERE row_number IN (SELECT row_number FROM {mapped.relation} WHERE parcel_count = 0)")


def _origins(con: duckdb.DuckDBPyConnection, mapped: Mapped) -> None:
    texts = ", ".join(
        f"{name}: p.{name}" if name in ("state", "country")
        else f"{name}: {cells.digits_phone('phone', 'true')}" if name == "phone"
        else f"{name}: {_residential('VARCHAR')}" if name == "residential"
        else f"{name}: {cells.code(name) if name == 'postal_code' else cells.tidy(name)}"
        for name in ADDRESS_FIELDS
    )
    con.execute(f"""
        UPDATE normal SET ship_from = o.origin FROM (
            SELECT row_number, {{{texts}}} AS origin
            FROM (SELECT row_number, unnest(ship_from) FROM {mapped.relation} WHERE ship_from IS NOT NULL) f
            LEFT JOIN places_of p ON p.raw_country IS NOT DISTINCT FROM f.country AND p.raw_state IS NOT DISTINCT FROM f.state
        ) o WHERE o.row_number = normal.row_number
    """)


def _customs(con: duckdb.DuckDBPyConnection, mapped: Mapped) -> None:
    item = (
        f"{{description: {cells.tidy('i.description')}, quantity: TRY_CAST({cells.number('i.quantity')} AS BIGINT), unit_value_cents: {_cents_of('i.unit_value', 'currency_')}, "
        f"weight_lb: {cells.measure('i.weight_lb', weight=True)}, sku: {cells.tidy('i.sku')}, hs_code: {cells.code('i.hs_code')}, "
        f"origin_country: coalesce(c.code, upper(trim(i.origin_country)))}}"
    )
    _table(con, "countries", list(country_codes().items()), ("name", "code"))
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE papers AS
        WITH rows AS (SELECT row_number, customs, coalesce(upper(trim(currency)), 'USD') AS currency_ FROM {mapped.relation} WHERE customs IS NOT NULL),
        lines AS (SELECT row_number, currency_, unnest(customs.items) AS i, unnest(range(len(customs.items))) AS place FROM rows),
        items AS (SELECT row_number, list({item} ORDER BY place) AS items
                  FROM lines LEFT JOIN countries_of c ON c.name = lower(trim(i.origin_country)) GROUP BY row_number)
        SELECT row_number, {{reason: coalesce(lower(trim(customs.reason)), 'sale'), duties_payer: coalesce(lower(trim(customs.duties_payer)), 'receiver'),
               invoice_number: {cells.tidy('customs.invoice_number')}, terms: upper(trim(customs.terms)), items: coalesce(items, [])}} AS customs
        FROM rows LEFT JOIN items USING (row_number)
    """)
    con.execute("UPDATE normal SET customs = papers.customs FROM papers WHERE papers.row_number = normal.row_number")


# -- problems ---------------------------------------------------------------------------------------

_SERVICES = ", ".join(service.value for service in ServiceLevel)

_UNREADABLE: Final = {
    "weight_lb": ("parcels[0].weight_lb", "is not a weight", "Give a number of pounds, or write the unit behind it (12 oz)."),
    "length_in": ("parcels[0].length_in", "is not a length", "Give a number of inches, or write the unit behind it (30 cm)."),
    "width_in": ("parcels[0].width_in", "is not a length", "Give a number of inches, or write the unit behind it (30 cm)."),
    "height_in": ("parcels[0].height_in", "is not a length", "Give a number of inches, or write the unit behind it (30 cm)."),
    "declared_value": ("parcels[0].declared_value", "is not an amount of money", "Write it as 1234.50 or $1,234.50."),
    "service": ("service", "is not a known service", f'Translate it: map(services={{"<text>": "ground"}}), or set one for all: map(service="ground"). Known: {_SERVICES}; or a rule: cheapest, fastest, cheapest within 3 days.'),
    "ship_date": ("ship_date", "is not a date", "Write it as 2026-11-02."),
    "signature": ("signature", "is not a signature option", "Use none, required or adult."),
    "saturday_delivery": ("saturday_delivery", "is neither yes nor no", "Write yes or no."),
    "is_return": ("is_return", "is neither yes nor no", "Write yes or no."),
}
"""Column ``bad_<name>`` -> field, what is wrong, what to do: errors."""

_NOTED: Final = {
    "bad_residential": ("ship_to.residential", "residential_unknown", "is neither residential nor commercial; left open for the carrier to decide", "Write yes or no."),
    "bad_phone": ("ship_to.phone", "phone_dropped", "is not a phone number; it was left off", "Write ten digits, or + and the country code."),
}
"""Column -> field, code, what was done: warnings."""


def _problems(con: duckdb.DuckDBPyConnection, mapped: Mapped, source_problems: pa.Table | None) -> pa.Table:
    """Return the problems of all rows, in the order of `row_number`."""
    bad = [f"bad_{name}" for name in _UNREADABLE]
    asked = " OR ".join(question.condition for question in mapped.questions)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE suspects AS SELECT * FROM normal WHERE "
        + " OR ".join([*(f"{name} IS NOT NULL" for name in [*bad, *_NOTED, "padded"]), "split", *([f"({asked})"] if asked else [])]),
    )
    selects = [*_unreadable(), *_noted(), *(_asked(question) for question in mapped.questions)]
    found = con.sql(" UNION ALL ".join(selects)).to_arrow_table().cast(PROBLEMS)
    tables = [mapped.problems, _of_the_source(con, mapped, source_problems), found]
    return _without_echo(pa.concat_tables(tables))


def _unreadable() -> list[str]:
    return [
        f"SELECT row_number, {quote(field)} AS field, bad_{name} AS value, {_said(f'bad_{name}', what)} AS problem, {quote(fix)} AS fix, "
        f"'error' AS severity, {quote('service_unknown' if name == 'service' else name + '_unreadable')} AS code FROM suspects WHERE bad_{name} IS NOT NULL"
        for name, (field, what, fix) in _UNREADABLE.items()
    ]


def _said(name: str, what: str) -> str:
    """Return SQL for the value of a column in quotes and what is to be said of it."""
    return f"'\"' || {name} || {quote(chr(34) + ' ' + what)}"


def _noted() -> list[str]:
    notes = [
        f"SELECT row_number, {quote(field)}, {name}, {_said(name, what)}, {quote(fix)}, 'warning', {quote(code)} FROM suspects WHERE {name} IS NOT NULL"
        for name, (field, code, what, fix) in _NOTED.items()
    ]
    return [
        *notes,
        "SELECT row_number, 'ship_to.postal_code', padded, '\"' || padded || '\" had lost its leading zeros; taken as \"' || postal_code || '\", which fits ' || coalesce(state, country), "
        "'Nothing to do if the state is right.', 'warning', 'zip_padded' FROM suspects WHERE padded IS NOT NULL",
        "SELECT row_number, 'ship_to.address_line1', concat_ws(' / ', address_line1, address_line2, address_line3), "
        "'an address line over 35 characters was split at a word: \"' || concat_ws('\", \"', address_line1, address_line2, address_line3) || '\"', "
        "'Nothing to do if it reads well.', 'warning', 'address_split' FROM suspects WHERE split",
    ]


def _asked(question: Question) -> str:
    return (
        f"SELECT row_number, {quote(question.field)}, NULL, {quote(question.problem)}, {quote(question.fix)}, {quote(question.severity)}, {quote(question.code)} "
        f"FROM suspects WHERE {question.condition}"
    )


def _of_the_source(con: duckdb.DuckDBPyConnection, mapped: Mapped, problems: pa.Table | None) -> pa.Table:
    """Return the source's problems of the selected rows in terms of the shipment; cells that no field is taken from are warnings."""
    if problems is None or not problems.num_rows:
        return PROBLEMS.empty_table()
    _table(con, "fed", list(mapped.fields.items()), ("key", "path"))
    con.register("source_problems", problems)
    try:
        return con.sql("""
            SELECT o.row_number, CASE WHEN p.row_number = o.row_number THEN coalesce(f.path, p.field) ELSE p.field END AS field, value, problem, fix,
            CASE WHEN f.path IS NOT NULL AND p.row_number = o.row_number AND p.severity = 'error' THEN 'error' ELSE 'warning' END AS severity, p.code
            FROM source_problems p
            JOIN (SELECT row_number, unnest(row_numbers) AS line FROM normal) o ON o.line = p.row_number
            LEFT JOIN fed_of f ON f.key = p.field
        """).to_arrow_table().cast(PROBLEMS)
    finally:
        con.unregister("source_problems")


def _without_echo(problems: pa.Table) -> pa.Table:
    """Return `problems` sorted by row; a field of a row that has an error of its own is not asked for again (a cell that cannot be read is not also missing)."""
    if not problems.num_rows:
        return problems
    rows = zip(*(problems.column(name).to_pylist() for name in ("row_number", "field", "severity", "code")), strict=True)
    place = [(number, field, severity == "error" and not code.startswith("column_"), code.startswith("column_")) for number, field, severity, code in rows]
    answered = {(number, field) for number, field, own, _ in place if own}
    kept = [n for n, (number, field, _, asked) in enumerate(place) if not (asked and (number, field) in answered)]
    return problems.take(pa.array(sorted(kept, key=lambda n: place[n][0]), pa.int64()))
