"""Rules of Access Points: one is named with its address, or not at all."""

from __future__ import annotations

from typing import Final

from shipkit.orders.rules.rule import Rule, missing

__all__ = ["ACCESS_POINT_RULES"]

ACCESS_POINT_RULES: Final = (
    *(
        missing(
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
        missing(
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
)
