"""Addresses of several accounts: what one cannot check, the next one is asked about."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from shipkit.carriers.protocol import Capabilities
from shipkit.errors import AuthenticationFailed, CarrierUnreachable
from shipkit.models import Address, AddressCheck
from shipkit.plan.questions import check_addresses
from shipkit.schema import SHIPMENTS


def account(answers: dict[str, Any], asked: list[str]) -> Any:
    """An account that says what `answers` has for a country."""

    async def validate_address(address: Address) -> AddressCheck:
        asked.append(address.country)
        found = answers[address.country]
        if isinstance(found, Exception):
            raise found
        return AddressCheck(status=found)

    async def repeat(call: Any) -> Any:
        return await call()

    carrier = SimpleNamespace(
        capabilities=Capabilities(validate_address=True),
        validate_address=validate_address,
        pace=SimpleNamespace(concurrency=4),
    )
    return SimpleNamespace(name="x", carrier=carrier, pacer=SimpleNamespace(repeat=repeat))


def checked(*accounts: Any) -> list[str]:
    rows = [
        {"row_number": n, "address_line1": "1 Main St", "country": country}
        for n, country in enumerate(("US", "DE"), start=1)
    ]
    table = pa.Table.from_pylist(rows, schema=SHIPMENTS)
    found = asyncio.run(check_addresses(table, accounts))  # type: ignore[arg-type]
    return found.column("status").to_pylist()


@pytest.mark.parametrize(
    ("first", "second", "statuses", "second_asked"),
    [
        ({"US": "valid", "DE": "unsupported"}, {"DE": "corrected"}, ["valid", "corrected"], ["DE"]),
        ({"US": "not_found", "DE": "valid"}, {}, ["not_found", "valid"], []),
        (
            {"US": CarrierUnreachable("down"), "DE": "unsupported"},
            {"US": "valid", "DE": "unsupported"},
            ["valid", "unsupported"],
            ["US", "DE"],
        ),
        (
            {"US": CarrierUnreachable("down"), "DE": "valid"},
            {"US": "unsupported"},
            ["unknown", "valid"],
            ["US"],
        ),
    ],
)
def test_the_first_account_that_can_say_has_the_last_word(
    first: dict[str, Any],
    second: dict[str, Any],
    statuses: list[str],
    second_asked: list[str],
) -> None:
    asked: list[str] = []
    assert checked(account(first, []), account(second, asked)) == statuses
    assert asked == second_asked


def test_credentials_that_are_refused_are_no_verdict() -> None:
    refused = account({"US": AuthenticationFailed("no"), "DE": AuthenticationFailed("no")}, [])
    with pytest.raises(AuthenticationFailed):
        checked(refused, account({"US": "valid", "DE": "valid"}, []))
