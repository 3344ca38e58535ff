"""Questions to a carrier that buy nothing: rate shopping, address checks, tracking.

Each answer is a table. The same question is asked once, however many shipments share it. A row
that the carrier cannot answer has a problem in its row; it never raises.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, TypeVar, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers import registry
from shipkit.carriers.accounts import Account, Accounts
from shipkit.carriers.joint_services import JointServices
from shipkit.carriers.protocol import ValidatesAddresses, address_validator, tracker
from shipkit.carriers.tracking import unknown_place
from shipkit.common.pool import each
from shipkit.errors import AuthenticationFailed, CarrierError, InputError, SettingsError
from shipkit.models import Address, AddressCheck
from shipkit.plan.offers import best_offers, in_several_currencies
from shipkit.plan.offers import shop as shop_accounts
from shipkit.plan.outage import refuse_silent_offers
from shipkit.plan.plan import Edit
from shipkit.plan.sold_offers import (
    PlacesOf,
    sold_offers,
    unable_by,
    warnings_of,
    without_unsold_rows,
)
from shipkit.schema import ADDRESS_FIELDS, major
from shipkit.services import ServiceRule, mover_of

__all__ = [
    "ADDRESSES",
    "EVENTS",
    "SHOP",
    "TRACKING",
    "accepted",
    "check_addresses",
    "shop",
    "track",
    "track_with_events",
]

T = TypeVar("T")

SHOP = pa.schema(
    [
        pa.field("row_number", pa.int64()),
        pa.field("order_id", pa.string()),
        pa.field("service", pa.string()),
        pa.field("carrier", pa.string()),  # who moves the parcel
        pa.field("seller", pa.string()),  # the account
        pa.field("cost_cents", pa.int64()),
        pa.field("cost", pa.float64()),  # for people and plots
        pa.field("currency", pa.string()),
        pa.field("transit_days", pa.int32()),
        pa.field("delivery_date", pa.date32()),
        pa.field("cheapest", pa.bool_()),
        pa.field("fastest", pa.bool_()),  # the cheapest of the fastest
        pa.field("zone", pa.string()),
        pa.field("billable_weight_lb", pa.float64()),
        *[
            pa.field(f"{part}_cents", pa.int64())
            for part in ("base", "fuel", "residential", "delivery_area", "other", "tax")
        ],
        pa.field("warnings", pa.string()),  # empty when none
        pa.field("problem", pa.string()),  # null when none; then there is no service
        pa.field("fix", pa.string()),
    ]
)
"""Columns of rate shopping: one row per shipment and service, cheapest first."""

_SUGGESTED = ("address_line1", "address_line2", "address_line3", "city", "state", "postal_code")

ADDRESSES = pa.schema(
    [
        pa.field("row_number", pa.int64()),
        pa.field("order_id", pa.string()),
        pa.field(
            "status",
            pa.string(),
            # valid | corrected | ambiguous | not_found | unsupported | unknown (the carrier did not
            # answer)
        ),
        pa.field("residential", pa.bool_()),  # null: the carrier does not know
        pa.field("residential_before", pa.bool_()),  # what the row says; null: nothing
        pa.field("address", pa.string()),  # as it is, on one line
        pa.field("candidates", pa.list_(pa.string())),
        *[
            pa.field(f"suggested_{name}", pa.string()) for name in _SUGGESTED
        ],  # of the first candidate
        pa.field("message", pa.string()),
    ]
)
"""Columns of address checks: one row per shipment."""

TRACKING = pa.schema(
    [
        pa.field("row_number", pa.int64()),
        pa.field("order_id", pa.string()),
        pa.field("tracking_number", pa.string()),
        pa.field(
            "status",
            pa.string(),
            # label_created | picked_up | in_transit | out_for_delivery | ready_for_pickup |
            # delivered | exception | returned | voided | not_found | unknown
        ),
        pa.field("status_code", pa.string()),
        pa.field("description", pa.string()),
        pa.field("place", pa.string()),
        pa.field("updated_at", pa.timestamp("s")),  # local time of the place
        pa.field("delivery_date", pa.date32()),  # done, or planned
        pa.field("delivered", pa.bool_()),
        pa.field("problem", pa.string()),
    ]
)
"""Columns of tracking: one row per parcel that was bought."""

EVENTS = pa.schema(
    [
        *[TRACKING.field(name) for name in ("row_number", "order_id", "tracking_number")],
        pa.field("event", pa.int64()),  # 1 is the latest
        pa.field("status", pa.string()),
        pa.field("status_code", pa.string()),
        pa.field("description", pa.string()),
        pa.field("place", pa.string()),
        pa.field("happened_at", pa.timestamp("s")),  # local time of the place
    ]
)
"""Columns of the history of parcels: one row per event, the latest first."""


async def shop(
    table: pa.Table, shipper: Address, accounts: Accounts, places_of: PlacesOf | None = None
) -> pa.Table:
    """Return :data:`SHOP`: the price of every service of every account for every shipment.

    A shipment that no service takes has one row, with a problem. Raises CarrierUnreachable when
    nothing has a price because the carrier did not answer.

    Parameters
    ----------
    places_of
        A service that does not go to a place of these kinds is left out, as it is by a rule.
    """
    shopped = await shop_accounts(table, accounts, shipper)
    refuse_silent_offers(shopped.offers)
    sold = sold_offers(shopped.offers, table, accounts, shipper, places_of, routes=True)
    offers = without_unsold_rows(sold, shopped.offers, accounts)
    unable = unable_by(table, accounts, shipper)
    about = table.select(["row_number", "order_id"]).take(offers.column("row"))
    columns = {
        **dict(zip(about.column_names, about.columns, strict=True)),
        **{name: offers.column(name) for name in offers.column_names if name != "row"},
        "cost": major(offers.column("cost_cents"), offers.column("currency")),
        "cheapest": _marked(offers, "cheapest", table.num_rows, accounts),
        "fastest": pc.and_(
            _marked(offers, "fastest", table.num_rows, accounts),
            pc.is_valid(offers.column("transit_days")),
        ),
        **_sold(offers, accounts),
        "warnings": warnings_of(offers, sold, shopped, accounts, unable),
    }
    return pa.table([columns[name] for name in SHOP.names], names=SHOP.names).cast(SHOP)


def _marked(offers: pa.Table, aim: str, count: int, accounts: Accounts) -> pa.Array:
    """Return which rows the rule `aim` would choose; none for offers in several currencies."""
    rule = accounts.services.rule(aim) or ServiceRule(aim)
    placed = offers.append_column("place", pa.array(np.arange(offers.num_rows)))
    chosen = best_offers(placed, rule).column("place").combine_chunks()
    mixed = in_several_currencies(offers, rule, count)[offers.column("row").to_numpy()]
    marked = pc.is_in(placed.column("place"), value_set=chosen)
    return pc.and_(marked, pa.array(~mixed))


def _sold(offers: pa.Table, accounts: Accounts) -> dict[str, Any]:
    """Return the service, the carrier that moves it, and the account of each offer."""
    texts = offers.column("service").to_pylist()
    if accounts.alone:
        name = accounts.only.name
        pairs = [(name if text else None, text) for text in texts]
    else:
        pairs = [JointServices.parted(text) if text else (None, None) for text in texts]
    sellers = {account.name: account.carrier.services.carrier for account in accounts}
    movers = [mover_of(code, sellers[name]) if name and code else None for name, code in pairs]
    return {
        "service": pa.array([code for _, code in pairs], pa.string()),
        "carrier": pa.array(movers, pa.string()),
        "seller": pa.array([name for name, _ in pairs], pa.string()),
    }


async def check_addresses(table: pa.Table, accounts: Accounts) -> pa.Table:
    """Return :data:`ADDRESSES` for every shipment of `table`, by the first account that can say.

    What one account cannot check, as UPS and USPS cannot abroad, the next one is asked about.

    Raises InputError where no carrier of the batch can check addresses.
    """
    able = [each for each in accounts if address_validator(each.carrier) is not None]
    if not able:
        raise _unable(accounts, "validate_address", "check addresses")
    rows = table.select(["row_number", "order_id", *ADDRESS_FIELDS]).to_pylist()
    asked = {key: _address(row) for row in rows if (key := _place(row))}

    async def ask(address: Address) -> AddressCheck:
        first = None
        for account in able:
            found = await _checked(address, account)
            if found.status not in _NO_VERDICT:
                return found
            first = first or found
        return first or AddressCheck(status="unknown")

    at_once = able[0].carrier.pace.concurrency
    answers = dict(zip(asked, await each(ask, list(asked.values()), at_once=at_once), strict=True))
    return pa.Table.from_pylist(
        [_check_line(row, answers[_place(row)]) for row in rows], schema=ADDRESSES
    )


_NO_VERDICT: Final = ("unsupported", "unknown")
"""Statuses that say nothing about an address."""


async def _checked(address: Address, account: Account) -> AddressCheck:
    validator = cast("ValidatesAddresses", address_validator(account.carrier))
    try:
        return await account.pacer.repeat(lambda: validator.validate_address(address))
    except (AuthenticationFailed, SettingsError):
        raise
    except CarrierError as error:
        return AddressCheck(status="unknown", message=error.message)


def _check_line(row: dict[str, Any], check: AddressCheck) -> dict[str, Any]:
    first = check.candidates[0] if check.candidates else None
    return {
        "row_number": row["row_number"],
        "order_id": row["order_id"],
        "status": check.status,
        "residential": check.residential,
        "residential_before": row["residential"],
        "address": _one_line(_address(row)),
        "candidates": [_one_line(candidate) for candidate in check.candidates],
        **({f"suggested_{name}": getattr(first, name) for name in _SUGGESTED} if first else {}),
        "message": check.message,
    }


def accepted(checks: pa.Table, rows: Sequence[int] | None = None) -> list[Edit]:
    """Return edits that apply what `checks` found.

    Whether an address is a home is taken over where the carrier knows it and the row says
    otherwise, or nothing: it decides the price.

    Parameters
    ----------
    rows
        Row numbers whose first candidate is taken; None for every row with exactly one candidate
        and status ``corrected``.

    Raises InputError for a row without a suggestion.
    """
    lines = {line["row_number"]: line for line in checks.to_pylist()}
    if rows is None:
        return [edit for line in lines.values() for edit in _certain(line)]
    made = []
    for number in rows:
        line = lines.get(number)
        if line is None or not (line["candidates"] or _news_of_home(line)):
            raise InputError(
                f"Row {number} has no suggestion to accept.",
                fix="Look at session.validate_addresses(): the column `candidates`.",
            )
        made += [_suggested(line)] if line["candidates"] else _certain(line)
    return made


def _certain(line: dict[str, Any]) -> list[Edit]:
    """Return what needs no person: the only correction of an address, and whether it is a home."""
    if line["status"] == "corrected" and len(line["candidates"]) == 1:
        return [_suggested(line)]
    if line["status"] in {"valid", "corrected"} and _news_of_home(line):
        kind = "a home" if line["residential"] else "a business"
        return [_edit(line, [("residential", line["residential"])], f"{line['status']}: {kind}")]
    return []


def _news_of_home(line: dict[str, Any]) -> bool:
    return line["residential"] not in {None, line["residential_before"]}


def _suggested(line: dict[str, Any]) -> Edit:
    fields = [(name, line[f"suggested_{name}"]) for name in _SUGGESTED]
    fields += [("residential", line["residential"])] if line["residential"] is not None else []
    return _edit(line, fields, f"{line['status']}: {line['candidates'][0]}")


def _edit(line: dict[str, Any], fields: list[tuple[str, Any]], reason: str) -> Edit:
    return Edit(
        action="accept",
        clause="validate_addresses",
        row_numbers=(line["row_number"],),
        fields=tuple(fields),
        reason=reason,
    )


async def track(results: pa.Table, accounts: Accounts) -> pa.Table:
    """Return :data:`TRACKING` for the parcels of `results` that were bought and not voided.

    Each parcel is asked about at the account that sold it. Raises InputError where the carrier
    cannot track; with several, its parcels have that as their problem.
    """
    return (await track_with_events(results, accounts))[0]


async def track_with_events(results: pa.Table, accounts: Accounts) -> tuple[pa.Table, pa.Table]:
    """Return :data:`TRACKING` and :data:`EVENTS` of what `results` bought and did not void.

    Each parcel is asked about at the account that sold it. Raises InputError where the carrier
    cannot track, and AuthenticationFailed where it refuses the credentials; with several accounts,
    the parcels of that one have it as their problem.
    """
    columns = ["row_number", "order_id", "state", "tracking_numbers"]
    columns += [] if accounts.alone else ["seller"]
    shipped = [row for row in results.select(columns).to_pylist() if row["state"] == "shipped"]
    if accounts.alone and tracker(accounts.only.carrier) is None:
        raise _unable(accounts, "track", "track parcels")
    answered: dict[tuple[int, str], dict[str, Any]] = {}

    async def ask(account: Account) -> None:
        rows = [row for row in shipped if accounts.alone or row["seller"] == account.name]
        parcels = [(row, number) for row in rows for number in row["tracking_numbers"] or ()]
        numbers = [number for _, number in parcels]
        try:
            answers = await _tracked(numbers, account)
        except (AuthenticationFailed, SettingsError) as error:
            if accounts.alone:
                raise
            # What one account refuses costs the answers of the others nothing.
            answers = [unknown_place(number, f"{account.name}: {error}") for number in numbers]
        for (row, number), answer in zip(parcels, answers, strict=True):
            answered[row["row_number"], number] = answer

    await asyncio.gather(*map(ask, accounts))
    lines, events = [], []
    for row in shipped:
        for number in row["tracking_numbers"] or ():
            answer = answered[row["row_number"], number]
            about = {"row_number": row["row_number"], "order_id": row["order_id"]}
            lines.append({**about, **answer})
            about["tracking_number"] = answer["tracking_number"]
            events += [
                {**about, "event": n, **event}
                for n, event in enumerate(answer.get("events") or (), start=1)
            ]
    return (
        pa.Table.from_pylist(lines, schema=TRACKING),
        pa.Table.from_pylist(events, schema=EVENTS),
    )


async def _tracked(numbers: list[str], account: Account) -> list[dict[str, Any]]:
    able = tracker(account.carrier)
    if able is not None:
        return await able.track(numbers, account.pacer) if numbers else []
    problem = f"{account.name} cannot track parcels."
    return [unknown_place(number, problem) for number in numbers]


def _unable(accounts: Accounts, capability: str, what: str) -> InputError:
    others = ", ".join(f'carrier="{name}"' for name in registry.able(capability))
    who = "carrier" if accounts.alone else "carriers"
    names = " and ".join(account.carrier.identity.name for account in accounts)
    return InputError(f"The {who} {names} cannot {what}.", fix=f"Use one that can: {others}.")


def _address(row: dict[str, Any]) -> Address:
    return Address(**{name: row[name] for name in ADDRESS_FIELDS if row[name] is not None})


def _place(row: dict[str, Any]) -> str:
    return repr(
        [
            row[name]
            for name in (
                "company",
                "address_line1",
                "address_line2",
                "address_line3",
                "city",
                "state",
                "postal_code",
                "country",
            )
        ]
    )


def _one_line(address: Address) -> str:
    region = " ".join(part for part in (address.state, address.postal_code) if part)
    return ", ".join(
        part
        for part in (
            *address.lines,
            address.city,
            region,
            address.country if address.country != "US" else None,
        )
        if part
    )
