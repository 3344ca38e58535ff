"""What the accounts of a batch ask for a shipment: the price of each service, of each account.

Each account is asked at the same time, at its own pace. An account that does not answer leaves its
offers out, and it is remembered for which rows: what is chosen without it says so. With one account
an outage is an error, because then nothing has a price.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.accounts import Account, Accounts
from shipkit.carriers.protocol import table_shopper
from shipkit.carriers.quoting import SHOPPED, refused_line, shop_each
from shipkit.errors import AuthenticationFailed, CarrierError
from shipkit.models import Address
from shipkit.plan import outage
from shipkit.schema import QUOTES, UNANSWERED, quotes_table
from shipkit.services import ServiceRule

__all__ = [
    "Shopped",
    "best_offers",
    "in_several_currencies",
    "left_out",
    "quote",
    "shop",
]

_FAR: Final = 10**9
"""Larger than any price or transit time, so that unknown values sort last."""


@dataclass(frozen=True)
class Shopped:
    """The offers for the rows of a table."""

    offers: pa.Table
    """:data:`shipkit.carriers.quoting.SHOPPED`, by row and cost. With several accounts each service
    has its account first."""
    silent: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    """Account -> index of a row that it did not answer for -> what happened. Only with several."""
    refused: Mapping[str, Mapping[int, tuple[str, str]]] = field(default_factory=dict)
    """Account -> index of a row that it sells by no service -> why, and what to do. Only with
    several."""


async def shop(table: pa.Table, accounts: Accounts, shipper: Address) -> Shopped:
    """Return the price of each shipment by every service of every account.

    Raises
    ------
    AuthenticationFailed
        An account refused its credentials: without it nothing is compared, so that a setting that
        is wrong does not choose the carrier.
    CarrierUnreachable
        The only account did not answer.
    """
    if accounts.alone:
        return Shopped(_with_every(SHOPPED, await _shop(table, accounts.only, shipper)))
    found = await asyncio.gather(*(_shop_or_error(table, each, shipper) for each in accounts))
    named = dict(zip(accounts.names, found, strict=True))
    _refuse_credentials(named)
    silent: dict[str, dict[int, str]] = {}
    refused: dict[str, dict[int, tuple[str, str]]] = {}
    tables = []
    for name, offers in named.items():
        if isinstance(offers, CarrierError):
            silent[name] = dict.fromkeys(range(table.num_rows), _said(offers))
            continue
        tables.append(_of_account(name, offers))
        refused[name] = _refusals(offers)
        unanswered = outage.unanswered_quotes(offers)
        if unanswered:
            some = offers.take(pa.array(unanswered)).select(["row", "problem"]).to_pylist()
            silent[name] = {
                line["row"]: line["problem"].removeprefix("no price: ") for line in some
            }
    return Shopped(_joined(tables, silent, table.num_rows), silent, refused)


def _refusals(offers: pa.Table) -> dict[int, tuple[str, str]]:
    """Return index of a row -> why the account sells it by no service, and what to do."""
    own = offers.select(["row", "cost_cents", "cost_basis", "problem", "fix"])
    none = pc.and_(pc.is_null(own.column("cost_cents")), pc.is_null(own.column("cost_basis")))
    lines = own.filter(none).to_pylist()
    return {line["row"]: (line["problem"], line["fix"] or "") for line in lines if line["problem"]}


async def _shop(table: pa.Table, account: Account, shipper: Address) -> pa.Table:
    """Ask for the whole table at once where the carrier can, else shipment by shipment."""
    carrier, pacer = account.carrier, account.pacer
    at_once = table_shopper(carrier)
    if at_once is not None:
        return await outage.answered(at_once.shop_table(table, shipper, pacer))
    return await shop_each(
        carrier.shop, table, shipper, concurrency=carrier.pace.concurrency, pacer=pacer
    )


async def _shop_or_error(
    table: pa.Table, account: Account, shipper: Address
) -> pa.Table | CarrierError:
    try:
        return await _shop(table, account, shipper)
    except CarrierError as error:
        return error


def _refuse_credentials(answers: Mapping[str, pa.Table | CarrierError]) -> None:
    for name, answer in answers.items():
        if isinstance(answer, AuthenticationFailed):
            raise AuthenticationFailed(
                f"{name}: {answer.message}",
                fix=f"Correct the credentials of {name}, or leave it out of carriers=.",
                carrier_code=answer.carrier_code,
            )


def _said(error: CarrierError) -> str:
    return error.message.removeprefix("No prices: ").replace(" Nothing was bought.", "")


def _of_account(name: str, offers: pa.Table) -> pa.Table:
    """Return the offers of an account with its name before each service."""
    offers = _with_every(SHOPPED, offers)
    at = SHOPPED.get_field_index("service")
    start = pa.scalar(f"{name}:")
    named = pc.binary_join_element_wise(start, offers.column("service"), "")
    offers = offers.set_column(at, SHOPPED.field("service"), named)
    offers = _with_named_services_left_out(name, offers)
    at = SHOPPED.get_field_index("problem")
    said = pc.binary_join_element_wise(pa.scalar(f"{name}: "), offers.column("problem"), "")
    return offers.set_column(at, SHOPPED.field("problem"), said)


def _with_named_services_left_out(name: str, offers: pa.Table) -> pa.Table:
    lists = offers.column("left_out")
    if lists.null_count == offers.num_rows:
        return offers
    named = [
        some and [{"service": f"{name}:{e['service']}", "why": f"{name}: {e['why']}"} for e in some]
        for some in lists.to_pylist()
    ]
    at = SHOPPED.get_field_index("left_out")
    return offers.set_column(at, SHOPPED.field("left_out"), pa.array(named, lists.type))


def _with_every(schema: pa.Schema, table: pa.Table) -> pa.Table:
    """Return `table` with every column of `schema`; one that a carrier does not know is empty."""
    columns = [
        table.column(field.name).cast(field.type)
        if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _joined(
    tables: list[pa.Table], silent: Mapping[str, Mapping[int, str]], count: int
) -> pa.Table:
    """Return the offers of all accounts, by row and cost; one line for a row without a price.

    A row that one account refused and another did not answer for is no row that cannot ship.
    """
    whole = pa.concat_tables([SHOPPED.empty_table(), *tables])
    priced = whole.filter(pc.is_valid(whole.column("cost_cents")))
    sold = np.zeros(count, dtype=bool)
    sold[priced.column("row").to_numpy()] = True
    refused: dict[int, list[dict[str, Any]]] = {}
    for line in whole.filter(pc.is_null(whole.column("cost_cents"))).to_pylist():
        if not sold[line["row"]]:
            refused.setdefault(line["row"], []).append(line)
    lines = [
        {"row": row, **_without_price(row, refused.get(row, []), silent)}
        for row in np.flatnonzero(~sold).tolist()
    ]
    rows = pa.concat_tables([priced, pa.Table.from_pylist(lines, schema=SHOPPED)])
    return rows.sort_by([("row", "ascending"), ("cost_cents", "ascending")])


def _without_price(
    row: int, refused: list[dict[str, Any]], silent: Mapping[str, Mapping[int, str]]
) -> dict[str, Any]:
    """Return the one line of a row that no account has a price for."""
    lost = {name: rows[row] for name, rows in silent.items() if row in rows}
    said = [line["problem"] for line in refused if line["cost_basis"] is None]
    said += [f"{name} did not answer: {text}" for name, text in lost.items()]
    fixes = [line["fix"] for line in refused if line["fix"]]
    if lost:
        return {
            "cost_basis": UNANSWERED,
            "problem": f"no price: {'; '.join(said)}",
            "fix": "Preview again once the carrier answers.",
        }
    return {"problem": "; ".join(said), "fix": fixes[0] if fixes else None}


async def quote(
    table: pa.Table, sellers: pa.Array | None, accounts: Accounts, shipper: Address
) -> pa.Table:
    """Return a quote table: each row priced by its own account.

    Parameters
    ----------
    sellers
        The name of the account of each row, or None where there is one.

    Raises
    ------
    AuthenticationFailed
        An account refused its credentials.
    CarrierUnreachable
        The only account did not answer. One of several leaves its rows without a price.
    """
    if sellers is None:
        [account] = accounts
        asking = account.carrier.quote_table(table, shipper, account.pacer)
        return _with_every(QUOTES, await outage.answered(asking))
    rows = {name: pc.indices_nonzero(pc.equal(sellers, name)) for name in accounts.names}
    asked = {name: places for name, places in rows.items() if len(places)}
    answers = await asyncio.gather(
        *(_quote_or_error(table.take(rows), accounts[n], shipper) for n, rows in asked.items())
    )
    named = dict(zip(asked, answers, strict=True))
    _refuse_credentials(named)
    rest = pc.indices_nonzero(pc.invert(pc.is_in(sellers, pa.array(accounts.names))))
    parts = [
        _silence(table.take(asked[name]), name, answer)
        if isinstance(answer, CarrierError)
        else _with_every(QUOTES, answer)
        for name, answer in named.items()
    ]
    places = np.full(table.num_rows, -1)
    order = np.concatenate([*(asked[name].to_numpy() for name in named), rest.to_numpy()])
    places[order] = np.arange(table.num_rows)
    whole = pa.concat_tables([*parts, _of_nobody(table.take(rest), accounts)])
    return whole.take(pa.array(places))


def _of_nobody(table: pa.Table, accounts: Accounts) -> pa.Table:
    """Return the quote table of rows that name no service of any account: never bought."""
    line = {
        "problem": "no account sells this row: it has no service",
        "fix": f"Name a service of {', '.join(accounts.names)}.",
    }
    services = table.column("service").to_pylist()
    return quotes_table([{**line, "service": service} for service in services])


async def _quote_or_error(
    table: pa.Table, account: Account, shipper: Address
) -> pa.Table | CarrierError:
    try:
        asking = account.carrier.quote_table(table, shipper, account.pacer)
        return await outage.answered(asking)
    except CarrierError as error:
        return error


def _silence(table: pa.Table, name: str, error: CarrierError) -> pa.Table:
    """Return the quote table of rows whose account did not answer."""
    line = {**refused_line(None, error), "problem": f"no price: {name}: {_said(error)}"}
    services = table.column("service").to_pylist()
    return quotes_table([{**line, "service": service} for service in services])


def best_offers(offers: pa.Table, rule: ServiceRule) -> pa.Table:
    """Return the best offer of each row of a shop table that has one that fits `rule`.

    The cheapest offer wins a tie by being faster, the fastest by being cheaper.
    """
    offers = offers.filter(_fits(offers, rule))
    cents, days = (
        np.asarray(pc.fill_null(offers.column(name).cast(pa.int64()), _FAR))
        for name in ("cost_cents", "transit_days")
    )
    first, second = (cents, days) if rule.aim == "cheapest" else (days, cents)
    name = np.asarray(pc.rank(offers.column("service"))) if offers.num_rows else cents
    rows = np.asarray(offers.column("row"))
    order = np.lexsort((name, second, first, rows))
    _, start = np.unique(rows[order], return_index=True)
    return offers.take(pa.array(order[start]))


def left_out(offers: pa.Table, rule: ServiceRule, accounts: Accounts) -> dict[int, tuple[str, ...]]:
    """Return index of a row -> services that `rule` might have chosen, were they sold, and why not.

    Of each account it is what is missing at the offer that the rule would choose there.
    """
    if offers.column("left_out").null_count == offers.num_rows:
        return {}
    found: dict[int, dict[str, None]] = {}
    services = offers.column("service")
    for name in accounts.names:
        own = offers if accounts.alone else offers.filter(pc.starts_with(services, f"{name}:"))
        best = best_offers(own, rule)
        rest = own.filter(pc.invert(pc.is_in(own.column("row"), best.column("row"))))
        for some in (best, best_offers(rest, ServiceRule(rule.aim))):
            rows, lists = some.column("row").to_pylist(), some.column("left_out").to_pylist()
            for row, unsold in zip(rows, lists, strict=True):
                texts = {e["why"]: None for e in unsold or () if rule.may_choose(e["service"])}
                found.setdefault(row, {}).update(texts)
    return {row: tuple(texts) for row, texts in found.items() if texts}


def _fits(offers: pa.Table, rule: ServiceRule) -> Any:
    fits = pc.is_valid(offers.column("cost_cents"))
    named = pc.unique(offers.column("service")).to_pylist()
    able = [each for each in named if each is not None and rule.may_choose(each)]
    fits = pc.and_(fits, pc.is_in(offers.column("service"), pa.array(able, pa.string())))
    if rule.within_days is not None:
        soon = pc.less_equal(offers.column("transit_days"), rule.within_days)
        fits = pc.and_(fits, pc.fill_null(soon, False))  # noqa: FBT003 - a fill value
    return fits


def in_several_currencies(
    offers: pa.Table, rule: ServiceRule, count: int
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which of `count` rows have offers that fit `rule` in more than one currency.

    Amounts in two currencies are never compared.
    """
    mixed = np.zeros(count, dtype=bool)
    fitting = offers.filter(_fits(offers, rule))
    if pc.count_distinct(fitting.column("currency")).as_py() > 1:
        pairs = fitting.group_by(["row", "currency"]).aggregate([])
        rows, counts = np.unique(pairs.column("row").to_numpy(), return_counts=True)
        mixed[rows[counts > 1]] = True
    return mixed
