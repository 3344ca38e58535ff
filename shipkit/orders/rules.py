"""The rules that every shipment has to meet, whatever the carrier."""

from __future__ import annotations

from typing import Final

from shipkit.common.country_names import possible_countries
from shipkit.orders.currencies import CURRENCIES
from shipkit.orders.damage_words import date_sql
from shipkit.orders.expressions import case, choose, quote, quoted_list
from shipkit.orders.key_and_name_rules import KEY_RULES, NAME_RULES, STREET_RULES
from shipkit.orders.rule import Rule

__all__ = ["RULES"]


def _missing(
    field: str,
    column: str,
    what: str,
    *,
    when: str = "true",
    fix: str = "Fill in the cell, or map the field.",
) -> Rule:
    problem = quote(f"{what} is missing")
    return Rule("missing", field, f"({when}) AND {column} IS NULL", "NULL", problem, fix)


_WHICH: Final = choose(
    "lower(country)",
    {
        name: quote(f"may be {', '.join(codes[:-1])} or {codes[-1]}")
        for name, codes in possible_countries().items()
    },
    "'is not a country'",
)
"""What is wrong with the name of a country: none has it, or several."""
_SIDES: Final = {"length_in": "length", "width_in": "width", "height_in": "height"}
_INCOMPLETE_ITEMS: Final = """
    list_filter(
        customs.items,
        lambda i: i.description IS NULL
            OR i.unit_value_cents IS NULL
            OR i.unit_value_cents < 0
            OR coalesce(i.quantity, 0) <= 0
    )
"""


_PRINTED: Final = {
    "name": "ship_to.name",
    "company": "ship_to.company",
    "address_line1": "ship_to.address_line1",
    "address_line2": "ship_to.address_line2",
    "address_line3": "ship_to.address_line3",
    "city": "ship_to.city",
    "state": "ship_to.state",
}


def _unknown_state(country: str, what: str, names: str) -> Rule:
    """Return the rule of states that a country does not have."""
    return Rule(
        code="state_unknown",
        field="ship_to.state",
        fails=f"state_unknown AND country = '{country}'",
        value="state",
        problem=f"""'"' || state || '" is not {what}'""",
        fix=f"Write the name of the {names}.",
    )


RULES: Final[tuple[Rule, ...]] = (
    _missing("ship_to.name", "coalesce(name, company)", "name or company"),
    _missing("ship_to.address_line1", "address_line1", "street"),
    _missing("ship_to.city", "city", "city"),
    _missing("ship_to.state", "state", "state", when="country IN ('US', 'CA')"),
    _missing("ship_to.postal_code", "postal_code", "postal code", when="american OR postal_wanted"),
    _missing(
        "service",
        "service",
        "service",
        fix='Fill in the cell, or set one for all: map(service="ground").',
    ),
    _missing(
        "parcels[].weight_lb",
        "p.weight_lb",
        "weight",
        when="count > 0",
        fix='Fill in the cell, or set a default: map(defaults={"weight_lb": 2}).',
    ),
    *(
        _missing(
            account,
            account,
            "the account that pays",
            when=f"{party} IN ('receiver', 'third_party') AND {always}",
            fix=f'Give {account}, or set the payer back: session.edit(clause, {party}="shipper").',
        )
        for party, account, always in (
            ("bill_to", "bill_account", "true"),
            ("duties_bill_to", "duties_account", "duties_bill_to = 'third_party'"),
        )
    ),
    *(
        _missing(
            party,
            party,
            "whose account it is that pays",
            when=f"{account} IS NOT NULL",
            fix=f'Say it: session.edit("{account} IS NOT NULL", {party}="third_party"), or '
            '"receiver"; leave your own account out.',
        )
        for party, account in (
            ("bill_to", "bill_account"),
            ("duties_bill_to", "duties_account"),
        )
    ),
    *(
        _missing(
            part,
            part,
            f"the {words} of the Access Point",
            when="access_point IN ('hold', 'deliver') OR (access_point IS NULL AND coalesce("
            "access_point_id, access_point_name, access_point_street) IS NOT NULL)",
            fix=f"Give {part}, or send the parcel to the address: "
            'session.edit(clause, access_point="none").',
        )
        for part, words in (
            ("access_point_name", "name"),
            ("access_point_street", "street"),
            ("access_point_city", "city"),
        )
    ),
    *(
        Rule(
            code="payer_place_alone",
            field=account,
            fails=f"{account} IS NULL AND coalesce({code}, {country}) IS NOT NULL",
            value=f"concat_ws(' ', {code}, {country})",
            problem="'the place of an account that pays is given, and no account'",
            fix=f"Give {account} and whose it is ({party}), or set the column aside: "
            'map(ignore=["<heading>"]).',
        )
        for party, account, code, country in (
            ("bill_to", "bill_account", "bill_postal_code", "bill_country"),
            ("duties_bill_to", "duties_account", "duties_postal_code", "duties_country"),
        )
    ),
    Rule(
        code="access_point_place_alone",
        field="access_point_name",
        fails="access_point IS NULL AND coalesce(access_point_id, access_point_name, "
        "access_point_street) IS NULL AND coalesce(access_point_city, access_point_state, "
        "access_point_postal_code, access_point_country) IS NOT NULL",
        value="concat_ws(' ', access_point_city, access_point_state, access_point_postal_code, "
        "access_point_country)",
        problem="'a part of the address of an Access Point is given, and no point'",
        fix="Give access_point_name and access_point_street, or set the column aside: "
        'map(ignore=["<heading>"]).',
    ),
    Rule(
        code="parcel_missing",
        field="parcels",
        fails="coalesce(len(parcels), 0) = 0",
        value="NULL",
        problem="'there are no parcels'",
        fix="Give at least one parcel, with its weight.",
    ),
    *(
        Rule(
            code="text_damaged",
            field=field,
            fails=f"contains({column}, chr(65533))",
            value=column,
            problem=f"""'letters of "' || {column} || '" were lost before the file was read'""",
            fix="Export the orders again as UTF-8, or correct the cell.",
        )
        for column, field in _PRINTED.items()
    ),
    # Cells of the file were judged when they were read; this is for templates and edits.
    *(
        Rule(
            code="excel_date",
            field=f"ship_to.{column}",
            # The length first: it is cheap, and right for nearly no row.
            fails=case((f"length({column}) <= 8", date_sql(column)), otherwise="false"),
            value=column,
            problem=f"""'"' || {column} || '" looks like a date that Excel made of an address'""",
            fix="Write the original again, in a cell that is formatted as text.",
        )
        for column in ("address_line1", "address_line2")
    ),
    *KEY_RULES,
    *NAME_RULES,
    *STREET_RULES,
    Rule(
        code="country_unknown",
        field="ship_to.country",
        fails="NOT known_country",
        value="country",
        problem=f"""'"' || coalesce(country, '') || '" ' || {_WHICH}""",
        fix="Write the name or the two-letter ISO code of the country.",
    ),
    _unknown_state("US", "a US state", "state or its two-letter code"),
    _unknown_state("CA", "a Canadian province", "province or its two-letter code"),
    _unknown_state("AU", "an Australian state", "state or its code"),
    Rule(
        code="name_is_email",
        field="ship_to.name",
        # Only an address has all of this, and the carrier prints a name.
        fails="contains(coalesce(name, company), '@') AND regexp_full_match("
        "coalesce(name, company), '[^@ ]+@[^@ ]+[.][A-Za-z]{2,}')",
        value="coalesce(name, company)",
        problem="""'"' || coalesce(name, company) || '" is an email address, not a name'""",
        fix="Fill in the name of the recipient.",
    ),
    *(
        Rule(
            code="email_format",
            field="ship_to.email",
            fails=f"bad_email AND coalesce(notify, 'none') {sent} 'none'",
            value="email",
            problem="CASE WHEN length(email) - length(replace(email, '@', '')) > 1 "
            f"""THEN '"' || email || '" is not one e-mail address{and_so}' """
            f"""ELSE '"' || email || '" is not an e-mail address{and_so}' END""",
            fix="Write one address, such as ada@example.com, or leave the cell empty.",
            severity=severity,
        )
        for sent, severity, and_so in (
            ("<>", "error", ", and a notice is asked for"),
            ("=", "warning", "; carriers leave it out or refuse it"),
        )
    ),
    Rule(
        code="zip_format",
        field="ship_to.postal_code",
        fails="american AND NOT zip_ok",
        value="postal_code",
        problem="""'a US ZIP has 5 or 9 digits, not "' || postal_code || '"'""",
        fix="Correct the cell, or map it with {{ row.<column> | format_us_zip }}.",
    ),
    Rule(
        code="zip_unknown",
        field="ship_to.postal_code",
        fails="us_zip AND zip_states IS NULL",
        value="postal_code",
        problem="'no US ZIP begins with ' || left(postal_code, 3)",
        fix="Look up the address and correct the ZIP.",
    ),
    Rule(
        code="zip_state_mismatch",
        field="ship_to.postal_code",
        fails="""us_zip
            AND zip_states <> zip_home
            AND NOT state_unknown
            AND NOT list_contains(string_split(zip_states, ' '), zip_home)""",
        value="postal_code",
        problem="'ZIP ' || postal_code || ' is in ' || replace(zip_states, ' ', ' or ')"
        " || ', not in ' || zip_home",
        fix="Correct the ZIP or the state.",
    ),
    Rule(
        code="postal_code_format",
        field="ship_to.postal_code",
        fails="NOT postal_ok",
        value="postal_code",
        problem="""'a postal code of ' || country || ' looks like ' || postal_example
        || ', not "' || postal_code || '"'""",
        fix="Correct the cell, or the country.",
    ),
    Rule(
        code="postal_code_not_used",
        field="ship_to.postal_code",
        fails="postal_unused",
        value="postal_code",
        problem="""country || ' has no postal codes, and "' || postal_code || '" is given'""",
        fix="Check the country; leave the cell empty if it is right.",
        severity="warning",
    ),
    *(
        Rule(
            code="state_postal_mismatch",
            field="ship_to.postal_code",
            fails=f"NOT region_ok AND postal_ok AND country {where} ('CA', 'AU')",
            value="postal_code",
            problem="'postal code ' || postal_code || ' is not in ' || state",
            fix="Correct the postal code or the state.",
            severity=severity,
        )
        # Parcels are sorted by the province in Canada and Australia, by the code elsewhere.
        for where, severity in (("IN", "error"), ("NOT IN", "warning"))
    ),
    Rule(
        code="country_mismatch",
        field="ship_to.country",
        fails="""NOT american AND zip_ok AND region_ok IS NULL AND known_country
            AND list_contains(string_split(zip_states, ' '), us_state)""",
        value="country",
        problem="""'state ' || state || ' and ZIP ' || postal_code
        || ' are in the US, and the country is ' || country""",
        fix="Correct the country, or the state and the postal code.",
    ),
    Rule(
        code="postal_code_conflict",
        field="ship_to.city",
        fails="""regexp_matches(city, '[0-9]{4}') AND postal_code IS NOT NULL
            AND regexp_extract(city, '(?:^|[^0-9])([0-9]{4,6})(?:[^0-9]|$)', 1) <> ''
            AND NOT contains(
                regexp_replace(postal_code, '[^0-9]', '', 'g'),
                regexp_extract(city, '(?:^|[^0-9])([0-9]{4,6})(?:[^0-9]|$)', 1)
            )""",
        value="city",
        problem="""'the city "' || city || '" has another postal code than "'
        || postal_code || '"'""",
        fix="Correct one of the two.",
    ),
    Rule(
        code="po_box_kept",
        field="ship_to.address_line1",
        fails="box_and_street OR box_is_usual",
        value="box",
        problem="""'"' || box || '" is a PO box' || CASE
            WHEN box_and_street THEN ' next to a street; carriers deliver to the street'
            ELSE '; carriers need a phone number to deliver there' END""",
        fix="Leave the box out if the street is enough.",
        severity="warning",
    ),
    Rule(
        code="phone_format",
        field="ship_to.phone",
        fails="""(american OR country = 'CA')
            AND NOT regexp_full_match(phone, '[0-9]{10}(?:x[0-9]{1,6})?')""",
        value="phone",
        problem="""'a US or Canadian phone number has ten digits, not "' || phone || '"'""",
        fix="Write ten digits, or leave the cell empty.",
    ),
    Rule(
        code="phone_missing",
        field="ship_to.phone",
        fails="abroad AND phone IS NULL",
        value="NULL",
        problem="'phone number is missing; carriers require one for shipments abroad'",
        fix="Fill in the cell, or map the phone.",
        severity="warning",
    ),
    Rule(
        code="customs_missing",
        field="customs",
        fails="crosses_customs AND NOT coalesce(documents_only, false) "
        "AND coalesce(len(customs.items), 0) = 0",
        value="NULL",
        problem="'customs items are missing; a shipment abroad needs them'",
        fix="Name the columns of the description and of the unit price, "
        'map(columns={"item_name": "<heading>", "unit_price": "<heading>"}), '
        "or give customs in a template.",
        severity="warning",
    ),
    Rule(
        code="customs_item",
        field="customs.items",
        fails=f"len(customs.items) > 0 AND len({_INCOMPLETE_ITEMS}) > 0",
        value="NULL",
        problem="'description, quantity or value of a customs item is missing, or below zero'",
        fix="Give all three for every item.",
    ),
    Rule(
        code="amount_negative",
        field="parcels[].declared_value",
        fails="p.declared_value_cents < 0",
        value="p.declared_value_cents / 100",
        problem="'a declared value cannot be negative'",
        fix="Correct the cell, or leave it empty.",
    ),
    Rule(
        code="currency_unknown",
        field="currency",
        fails=f"currency NOT IN ({quoted_list(CURRENCIES)})",
        value="currency",
        problem="""'"' || currency || '" is not a currency'""",
        fix="Write its ISO code, such as USD or EUR.",
    ),
    Rule(
        code="weight_not_positive",
        field="parcels[].weight_lb",
        fails="p.weight_lb <= 0",
        value="p.weight_lb",
        problem="'weight must be greater than 0, not ' || p.weight_lb || ' lb'",
        fix="Correct the weight.",
    ),
    *(
        Rule(
            code="dimension_not_positive",
            field=f"parcels[].{column}",
            fails=f"p.{column} <= 0",
            value=f"p.{column}",
            problem=f"'{side} must be greater than 0, not ' || p.{column} || ' in'",
            fix="Correct the dimension, or leave all three empty.",
        )
        for column, side in _SIDES.items()
    ),
    Rule(
        code="dimensions_incomplete",
        field="parcels[].length_in",
        fails="""(p.length_in IS NULL OR p.width_in IS NULL OR p.height_in IS NULL)
            AND coalesce(p.length_in, p.width_in, p.height_in) IS NOT NULL""",
        value="NULL",
        problem="'length, width and height must be given together; one or two are missing'",
        fix="Fill in the missing ones, or leave all three empty.",
    ),
    Rule(
        code="ship_date_past",
        field="ship_date",
        fails="ship_date < today",
        value="ship_date",
        problem="'ship date ' || ship_date || ' is in the past'",
        fix="Set one for all rows, map(ship_date=...), or correct the cell.",
    ),
    Rule(
        code="ship_from_incomplete",
        field="ship_from",
        fails="""ship_from IS NOT NULL AND (
            ship_from.address_line1 IS NULL
            OR ship_from.city IS NULL
            OR ship_from.postal_code IS NULL
        )""",
        value="NULL",
        problem="'street, city or postal code of ship_from is missing'",
        fix="Fill it in the template, or leave out ship_from to ship from the shipper's address.",
    ),
)
"""The rules, in the order in which problems of a row are listed."""
