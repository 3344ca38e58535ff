"""Rules of what others pay: on delivery, and by their accounts for transport and for duties."""

from __future__ import annotations

from typing import Final

from shipkit.orders.rules.rule import Rule, missing

__all__ = ["PAYER_RULES"]

PAYER_RULES: Final = (
    Rule(
        code="amount_negative",
        field="cod_amount",
        fails="cod_amount_cents < 0",
        value="cod_amount_cents::VARCHAR",
        problem="'an amount to collect cannot be negative'",
        fix="Correct the cell, or leave it empty: then nothing is collected.",
    ),
    *(
        missing(
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
)
