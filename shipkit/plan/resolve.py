"""The services that rules choose ("cheapest"): the last decision before the plan's fingerprint.

Only :func:`choose_services` asks the carriers for prices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.accounts import Accounts
from shipkit.carriers.joint_services import JointServices
from shipkit.models import Address
from shipkit.plan import outage
from shipkit.plan.asks import unable_rows
from shipkit.plan.offers import (
    Shopped,
    best_offers,
    in_several_currencies,
    left_out,
    shop,
)
from shipkit.plan.sold_offers import sold_offers
from shipkit.schema import (
    SHIPMENTS,
    problems_table,
)
from shipkit.services import ServiceRule

__all__ = ["choose_services", "one_trouble", "parted"]


async def choose_services(
    table: pa.Table,
    accounts: Accounts,
    shipper: Address,
    *,
    places_of: Callable[[pa.Table], Mapping[int, Sequence[str]]] | None = None,
) -> tuple[pa.Table, pa.Table]:
    """Return `table` with each rule replaced by the service it chooses, and the problems.

    A row for which no service fits keeps a null service and has a problem.

    Parameters
    ----------
    places_of
        Returns row number -> the kinds of places of its address that not every service goes to: a
        service that does not go there is not chosen.
    """
    services, offered = table.column("service"), accounts.services.of_shipper(shipper.country)
    rules = {
        text: rule
        for text in pc.unique(services.drop_null()).to_pylist()
        if (rule := offered.rule(text)) is not None
    }
    rows = np.flatnonzero(
        np.asarray(pc.is_in(services, value_set=pa.array(list(rules), pa.string())))
    )
    if not len(rows):
        return table, problems_table()
    asked = table.take(pa.array(rows))
    shopped = await shop(asked, accounts, shipper)
    offers = sold_offers(shopped.offers, asked, accounts, shipper, places_of).offers
    mixed = np.zeros(len(rows), dtype=bool)
    chosen = np.full(len(rows), None, dtype=object)
    unsold: dict[int, tuple[str, ...]] = {}
    for text, rule in rules.items():
        of_rule = np.asarray(pc.equal(asked.column("service"), text))
        best = best_offers(offers, rule)
        at = np.asarray(best.column("row"))
        several = of_rule & in_several_currencies(offers, rule, len(rows))
        mixed |= several
        keep = of_rule[at] & ~several[at]
        chosen[at[keep]] = best.column("service").to_numpy(zero_copy_only=False)[keep]
        own = {*at[keep].tolist()}
        unsold |= {
            row: texts for row, texts in left_out(offers, rule, accounts).items() if row in own
        }
    mask = np.zeros(table.num_rows, dtype=bool)
    mask[rows] = True
    named = pa.array(chosen, pa.string())
    replaced = pc.replace_with_mask(services.combine_chunks(), pa.array(mask), named)
    table = table.set_column(
        SHIPMENTS.get_field_index("service"), SHIPMENTS.field("service"), replaced
    )
    without = np.flatnonzero(np.asarray(pc.is_null(named)))
    unfitting = _unfitting(asked, offers, without, mixed, accounts)
    met = [
        _unsold(asked, named, unsold),
        _refused(asked, shopped, named, accounts, rules, shipper),
        _not_compared(asked, shopped, named),
    ]
    return table, pa.concat_tables([unfitting, *met])


def _unsold(asked: pa.Table, named: pa.Array, unsold: dict[int, tuple[str, ...]]) -> pa.Table:
    """Return a warning for each row whose rule might have chosen a service that is not sold."""
    numbers = asked.column("row_number")
    return problems_table(
        [
            {
                "row_number": numbers[row].as_py(),
                "field": "service",
                "value": named[row].as_py(),
                "severity": "warning",
                "code": "service_left_out",
                "problem": f"{named[row].as_py()} was chosen; {'; '.join(texts)}",
                "fix": "Correct what the row asks for, or approve the service that was chosen.",
            }
            for row, texts in sorted(unsold.items())
        ]
    )


def _refused(
    asked: pa.Table,
    shopped: Shopped,
    named: pa.Array,
    accounts: Accounts,
    rules: Mapping[str, ServiceRule],
    shipper: Address,
) -> pa.Table:
    """Return a warning for each row that was chosen for without an account that cannot sell it.

    A setting that is missing for one carrier (sizes, a phone) would choose another for every row.
    """
    missing = {name: dict(rows) for name, rows in shopped.refused.items()}
    for account in () if accounts.alone else accounts:
        unable = {row: (text, "") for row, text in unable_rows(asked, account, shipper).items()}
        missing.setdefault(account.name, {}).update(unable)
    texts, numbers = asked.column("service").to_pylist(), asked.column("row_number")
    return problems_table(
        [
            {
                "row_number": numbers[row].as_py(),
                "field": "service",
                "value": name,
                "severity": "warning",
                "code": "account_left_out",
                "problem": f"{named[row].as_py()} was chosen without {name}, which cannot sell "
                f"this row: {text}",
                "fix": fix or "Leave it out to compare this account, too.",
            }
            for name, rows in missing.items()
            for row, (text, fix) in sorted(rows.items())
            if named[row].is_valid
            and JointServices.parted(named[row].as_py())[0] != name
            and _may_choose_of(rules[texts[row]], name)
        ]
    )


def _may_choose_of(rule: ServiceRule, account: str) -> bool:
    return not rule.of or any(JointServices.parted(code)[0] == account for code in rule.of)


def _not_compared(asked: pa.Table, shopped: Shopped, named: pa.Array) -> pa.Table:
    """Return a warning for each row that was chosen for while an account did not answer."""
    numbers = asked.column("row_number")
    return problems_table(
        [
            {
                "row_number": numbers[row].as_py(),
                "field": "service",
                "value": name,
                "severity": "warning",
                "code": outage.UNCOMPARED,
                "problem": f"{name} did not answer, so {named[row].as_py()} was chosen without it: "
                f"{text}",
                "fix": "Preview again to compare it, too.",
            }
            for name, silent in shopped.silent.items()
            for row, text in sorted(silent.items())
            if named[row].is_valid
        ]
    )


def parted(table: pa.Table, accounts: Accounts) -> tuple[pa.Table, pa.Array | None]:
    """Return `table` with each service as its own account calls it, and the account of each row.

    A batch with one account has no such column, and its table is returned as it is. A text that is
    not a service (a rule for which nothing fits) stays, and its row has no account.
    """
    if accounts.alone:
        return table, None
    services = table.column("service").combine_chunks().dictionary_encode()
    offered = accounts.services
    names, codes = [], []
    for text in services.dictionary.to_pylist():
        name, own = JointServices.parted(text) if text in offered else (None, text)
        names.append(name)
        codes.append(own)
    at = SHIPMENTS.get_field_index("service")
    own_codes = pa.array(codes, pa.string()).take(services.indices)
    sellers = pa.array(names, pa.string()).take(services.indices)
    return table.set_column(at, SHIPMENTS.field("service"), own_codes), sellers


_NOTHING_FITS: Final = ["missing", "column_missing", "cell_not_number", "weight_not_positive"]
"""Codes of problems of an address or a parcel for which no service is found."""


def one_trouble(problems: pa.Table) -> pa.Table:
    """Return `problems` without "no service fits" where a weight or an address is missing.

    No service fits them, and one problem is enough.
    """
    unfitting = pc.equal(problems.column("code"), "no_service_fits")
    if not pc.any(unfitting).as_py():
        return problems
    lacks = pc.and_(
        pc.is_in(problems.column("code"), pa.array(_NOTHING_FITS)),
        pc.match_substring_regex(problems.column("field"), "^(?:ship_to|parcels)"),
    )
    rows = problems.filter(pc.fill_null(lacks, False)).column("row_number")  # noqa: FBT003
    again = pc.is_in(problems.column("row_number"), value_set=rows.combine_chunks())
    return problems.filter(pc.invert(pc.and_(unfitting, again)))


def _unfitting(
    asked: pa.Table,
    offers: pa.Table,
    rows: np.ndarray[Any, Any],
    mixed: np.ndarray[Any, np.dtype[np.bool_]],
    accounts: Accounts,
) -> pa.Table:
    """Return a problem for each of `rows`: the carrier's reason, or that no service fits."""
    without = offers.filter(pc.is_null(offers.column("cost_cents")))
    said = dict(
        zip(without.column("row").to_pylist(), without.column("problem").to_pylist(), strict=True)
    )
    silent = {offers.column("row")[place].as_py() for place in outage.unanswered_quotes(offers)}
    lines = asked.select(["row_number", "service"]).take(pa.array(rows, pa.int64())).to_pylist()
    return problems_table(
        [
            {
                "row_number": line["row_number"],
                "field": "service",
                "value": line["service"],
                "severity": "error",
                "code": outage.CODE if row in silent else "no_service_fits",
                "problem": said.get(row) or _nothing_fits(line["service"], mixed[row], accounts),
                "fix": "Preview again once the carrier answers."
                if row in silent
                else "Name a service for this row, or relax the rule.",
            }
            for row, line in zip(rows.tolist(), lines, strict=True)
        ]
    )


def _nothing_fits(rule: str, mixed: bool, accounts: Accounts) -> str:
    if mixed:
        return "the offers are in several currencies, which cannot be compared"
    return f"no service of {accounts.identity} fits {rule!r}"
