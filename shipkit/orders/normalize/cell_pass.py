"""The statement that reads the cells of all rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from shipkit.common.address_formats import CODED, region_code
from shipkit.common.kept_plans import Rows
from shipkit.common.phones import PLACEHOLDERS
from shipkit.common.places import (
    US_DOMAIN,
    country_code,
    country_code3,
    state_code,
    state_of_parts,
)
from shipkit.common.sql import duck_type
from shipkit.orders import expressions as sql
from shipkit.orders.currencies import currency_sql, own_currency_sql
from shipkit.orders.expressions import quote, quoted_list
from shipkit.orders.heading_words import asks_for_nothing
from shipkit.orders.mapping.mapped import Mapped
from shipkit.orders.normalize.cell_problems import UNREADABLE
from shipkit.orders.normalize.readings import asking, reading
from shipkit.orders.normalize.suspects import Judgement
from shipkit.orders.placeholders import is_nothing
from shipkit.schema import ADDRESS, CURRENCY, FLAT, OWN, PARCELS, RETURN_OF, SHIPMENTS, Leaf

__all__ = ["named_currency", "normal_select", "printed_texts", "texts_to_read"]

_LOOKED_UP: Final = ("state", "country", "service", "currency", "packaging")
"""Fields that are not read by their kind alone."""

_TIDY: Final = tuple(
    leaf for leaf in FLAT if leaf.spec.kind in ("text", "code") and leaf.name not in _LOOKED_UP
)
"""Fields that stay text: their column is tidied in place."""

_OTHER_COUNTRIES: Final = tuple(
    leaf for leaf in FLAT if leaf.spec.kind == "country" and leaf.name != "country"
)
"""Countries that are not the recipient's, as that of an account."""

_TYPED: Final = tuple(
    leaf
    for leaf in FLAT
    if leaf.spec.kind in ("weight", "length", "count", "date", "flag", "choice")
    or leaf in _OTHER_COUNTRIES
)
"""Fields whose value goes into a column of its own, ``<name>_``, next to the text."""

_LINES: Final = ("address_line1", "address_line2", "address_line3")
_SPACES_COUNTED: Final = ("name", "company", *_LINES, "city")
"""Columns in which a removed space is a repair to be counted."""


def normal_select(rows: Rows, mapped: Mapped, judgement: Judgement, currency: str) -> str:
    """Return the statement that makes shipments of `rows`, those of the mapped relation.

    The cells that `judgement` repairs are replaced; the statement reads its table. `currency` is
    that of amounts where nothing names one.

    Its columns are :data:`shipkit.schema.SHIPMENTS`, then ``bad_<leaf>`` (the text of a cell that
    cannot be read), ``american`` (ZIP codes are used there), ``repair`` (the row needs the second
    query) and ``fixed_...`` (what was repaired).
    """
    amounts = _amounts(mapped)
    parcel = ", ".join(f"{leaf.column}: {_value(leaf, mapped, amounts)}" for leaf in PARCELS)
    own = [
        f"{_value(leaf, mapped, amounts)} AS {leaf.column}" for leaf in (*ADDRESS, *OWN, CURRENCY)
    ]
    unread = [
        f"CASE WHEN {amounts.get(name, f'{name}_')} IS NULL THEN nullif(trim({name}), '') END"
        f" AS bad_{name}"
        for name in texts_to_read(mapped)
    ]
    return f"""
        WITH tidied AS (
            {_tidied(rows, mapped, judgement, currency)}
        )
        SELECT
            row_number,
            row_numbers,
            source_file,
            {_columns(own)},
            NULL::{duck_type(SHIPMENTS.field("ship_from").type)} AS ship_from,
            [{{{parcel}}}] AS parcels,
            coalesce(number_of_parcels_, 1) AS number_of_parcels,
            list_filter("references", lambda r: trim(r.value) <> '') AS "references",
            NULL::{duck_type(SHIPMENTS.field("customs").type)} AS customs,
            NULL::BIGINT AS {RETURN_OF},
            {_columns([*unread, "american"])},
            {_needs_repair(mapped)} AS repair,
            {_spaces_removed(mapped)} AS fixed_spaces,
            coalesce(list_contains(repair_kinds, 'markup'), false) AS fixed_markup,
            coalesce(list_contains(repair_kinds, 'letters'), false) AS fixed_letters,
            coalesce(
                list_contains(repair_kinds, 'nothing')
                    OR (state_ IS NULL AND raw_state IS NOT NULL AND trim(raw_state) <> ''),
                false
            ) AS fixed_nothing,
            coalesce(state_ <> raw_state, false) AS fixed_state,
            coalesce(country_ <> raw_country, false) AS fixed_country,
            coalesce(phone <> raw_phone, false) AS fixed_phone,
            coalesce(postal_code <> raw_postal_code, false) AS fixed_zip
        FROM tidied
    """


def texts_to_read(mapped: Mapped) -> list[str]:
    """Return the leaves that are text and are read as something else; only these can fail."""
    return [
        name
        for name in (*UNREADABLE, "residential")
        if mapped.relation.columns[name] == "VARCHAR" and _is_filled(mapped, name)
    ]


def _is_filled(mapped: Mapped, name: str) -> bool:
    """Return whether a leaf can have a value. If not, reading it would only cost planning time."""
    return mapped.filled is None or name in mapped.filled


def _columns(expressions: list[str]) -> str:
    return ",\n            ".join(expressions)


def printed_texts(mapped: Mapped) -> list[str]:
    """Return the leaves of names and addresses that are filled with text."""
    return [
        name
        for name in _SPACES_COUNTED
        if _is_filled(mapped, name) and mapped.relation.columns[name] == "VARCHAR"
    ]


def _tidied(rows: Rows, mapped: Mapped, judgement: Judgement, currency: str) -> str:
    """Return the step that tidies texts, reads values and looks up codes."""
    tidy = ", ".join(
        f"{reading(leaf, leaf.flat) if _is_filled(mapped, leaf.flat) else leaf.flat} AS {leaf.flat}"
        for leaf in _TIDY
    )
    # What cannot be read is a problem; what asks for nothing need not be.
    options = "".join(
        f", {asking(leaf, leaf.flat)} AS {leaf.flat}"
        for leaf in FLAT
        if leaf not in _TIDY
        and leaf.spec.kind != "amount"
        and asks_for_nothing(leaf.flat)
        and leaf.flat in texts_to_read(mapped)
    )
    raw = [
        f"{name} AS raw_{name}"
        for name in ("postal_code", "phone", "state", "country", *_SPACES_COUNTED)
    ]
    typed = [
        f"{(_homes if leaf.name == 'residential' else _typed)(rows, leaf, mapped)} AS {leaf.flat}_"
        for leaf in _TYPED
    ]
    country, state = _places(rows)
    is_american = sql.choose("country_", dict.fromkeys(US_DOMAIN, "true"), "false")
    return f"""
            SELECT
                * REPLACE ({tidy}{options}),
                {_columns([*raw, *typed])},
                coalesce({named_currency(mapped, currency)}, {quote(currency)}) AS currency_,
                {_services(rows, mapped)} AS service_,
                {country} AS country_,
                {state} AS state_,
                coalesce({is_american}, false) AS american
            FROM {judgement.repaired_relation(rows.sql)}
    """


def named_currency(mapped: Mapped, home: str) -> str:
    """Return SQL of the currency that a row names: that of its column, else that of an amount."""
    named = currency_sql("currency", home) if _is_filled(mapped, "currency") else "currency"
    amounts = [
        own_currency_sql(leaf.flat)
        for leaf in FLAT
        if leaf.spec.kind == "amount"
        and _is_filled(mapped, leaf.flat)
        and mapped.relation.columns[leaf.flat] == "VARCHAR"
    ]
    return f"coalesce({', '.join([f'({named})::VARCHAR', *amounts])}, NULL)"


def _typed(rows: Rows, leaf: Leaf, mapped: Mapped) -> str:
    if _is_filled(mapped, leaf.flat):
        if leaf in _OTHER_COUNTRIES:
            return _country(rows, leaf.flat)
        return reading(leaf, leaf.flat, cell_type=mapped.relation.columns[leaf.flat])
    if leaf.spec.kind == "choice" and leaf.required:
        return quote(leaf.spec.nothing)
    return f"NULL::{duck_type(leaf.arrow.type)}"


def _amounts(mapped: Mapped) -> dict[str, str]:
    """Return leaf -> SQL of an amount, over the columns of ``tidied``.

    The currency must be known first, so amounts are read one step later than other values.
    """
    return {
        leaf.flat: reading(leaf, leaf.flat, currency="currency_")
        if _is_filled(mapped, leaf.flat)
        else "NULL::BIGINT"
        for leaf in FLAT
        if leaf.spec.kind == "amount"
    }


def _value(leaf: Leaf, mapped: Mapped, amounts: Mapping[str, str]) -> str:
    """Return SQL of a field's value, over the columns of ``tidied``."""
    if leaf.name == "packaging":
        return reading(leaf, "packaging") if _is_filled(mapped, "packaging") else "'package'"
    if leaf.spec.kind == "amount":  # "collect 0.00" asks for nothing
        return f"nullif({amounts[leaf.flat]}, 0)" if leaf.spec.option else amounts[leaf.flat]
    if leaf in _TIDY:
        return leaf.flat
    if leaf.spec.kind == "flag" and leaf.required:
        return f"coalesce({leaf.flat}_, false)"
    if leaf.spec.kind == "choice" and not leaf.required:
        # What asks for nothing is null, so that a plan says it in one way.
        return f"nullif({leaf.flat}_, {quote(leaf.spec.nothing)})"
    return f"{leaf.flat}_"


_FILLED_IN: Final = [text for text in PLACEHOLDERS if len(text) == 10]


def _needs_repair(mapped: Mapped) -> str:
    """Return SQL of whether a row needs the second query."""
    long = " OR ".join(f"strlen({name}) > {mapped.line_length}" for name in _LINES)
    conditions = (
        long,
        "phone IS NOT NULL AND (NOT american OR NOT regexp_full_match(phone, '[2-9][0-9]{9}'))",
        f"phone IN ({quoted_list(_FILLED_IN)})",
        "american AND NOT regexp_full_match(postal_code, '[0-9]{5}(?:-[0-9]{4})?')",
    )
    return " OR ".join(f"coalesce({condition}, false)" for condition in conditions)


def _spaces_removed(mapped: Mapped) -> str:
    """Return SQL of whether tidying changed a name or an address."""
    changed = [
        f"coalesce({name} <> raw_{name}, false)"
        for name in _SPACES_COUNTED
        if _is_filled(mapped, name)
    ]
    return " OR ".join(changed) or "false"


# -- words that Python looks up, once for each distinct text ---------------------------------------
#
# A file has few different services, states and countries. Python reads each of them once, and the
# statement gets a CASE with just these texts.


def _services(rows: Rows, mapped: Mapped) -> str:
    """Return SQL of the service that a text names, null for a text that names none."""
    texts = [text for (text,) in rows.distinct("service") if text is not None]
    known = mapped.offered.known_among(texts)
    codes = {text: quote(code) for text, code in known.items()}
    return sql.choose("service", codes, "NULL::VARCHAR")


def _homes(rows: Rows, leaf: Leaf, mapped: Mapped) -> str:
    """Return SQL of whether an address is a home; what a service is called settles empty cells.

    "UPS Ground Residential" is UPS Ground to a home.
    """
    given = _typed(rows, leaf, mapped)
    texts = [text for (text,) in rows.distinct("service") if text and _HOME.search(text)]
    known = mapped.offered.known_among(texts)
    said = {text: "true" if _home_in(text) else "false" for text in known}
    return f"coalesce({given}, {sql.choose('service', said, 'NULL::BOOLEAN')})" if said else given


_HOME: Final = re.compile(r"\b(residential|commercial)\b", re.IGNORECASE)


def _home_in(service: str) -> bool:
    found = _HOME.search(service)
    return found is not None and found[1].lower() == "residential"


def _country(rows: Rows, name: str) -> str:
    """Return SQL of the code of a country that the leaf `name` names, null for no country."""
    texts = [text for (text,) in rows.distinct(name) if text and text.strip(" ")]
    codes = {text: country_code(text.strip()) for text in texts}
    known = {text: quote(code) for text, code in codes.items() if country_code3(code)}
    return sql.choose(name, known, "NULL::VARCHAR")


def _state(country: str, text: str | None) -> str | None:
    """Return the code of a state; abroad also what its country's post calls it.

    Abroad, where many forms ask for a state that there is not, a word for nothing is none.
    """
    if text is not None and country not in US_DOMAIN and is_nothing(text):
        return None
    text = state_of_parts(country, text) or text
    code = state_code(country, text)
    if text is None or code != text or country in US_DOMAIN:
        return code
    latin_name = region_code(country, text)
    named_as_usual = latin_name is None or (text.isascii() and country not in CODED)
    return text if named_as_usual else latin_name


def _places(rows: Rows) -> tuple[str, str]:
    """Return SQL of the country code, and of the state code over ``country_``.

    A text that names no place stays, tidied, for validation to report.
    """
    found = rows.run(
        f"""
        WITH places AS (SELECT DISTINCT country, state FROM {rows.sql})
        SELECT
            country,
            state,
            {sql.tidy("country")} AS tidy_country,
            {sql.tidy("state")} AS tidy_state
        FROM places
        """
    )
    pairs = zip(*(column.to_pylist() for column in found.columns), strict=True)
    countries: dict[str, str] = {}
    states: dict[str, dict[str, str]] = {}
    for country, state, tidy_country, tidy_state in pairs:
        iso = country_code(tidy_country)
        if country is not None and country != iso:
            countries[country] = quote(iso)
        code = _state(iso, tidy_state)
        if state is not None and state != code:
            states.setdefault(iso, {})[state] = quote(code)
    per_country = {iso: sql.choose("state", names, "state") for iso, names in states.items()}
    return (
        f"coalesce({sql.choose('country', countries, 'country')}, 'US')",
        sql.choose("country_", per_country, "state"),
    )
