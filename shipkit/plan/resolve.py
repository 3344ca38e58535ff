"""The last decisions before a plan: edits, rows set aside, and services chosen by rule.

Only :func:`choose_services` asks the carriers for prices; the rest works on the shipments table
alone. The plan's fingerprint is taken after this stage.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.accounts import Accounts
from shipkit.carriers.joint_services import JointServices
from shipkit.common.places import country_code, country_code3
from shipkit.common.plain_values import plain_value
from shipkit.common.words import counted
from shipkit.errors import InputError
from shipkit.models import Address, Money
from shipkit.orders.normalize.markup import without_invisible
from shipkit.plan import outage
from shipkit.plan.asks import unable_rows
from shipkit.plan.offers import (
    Shopped,
    best_offers,
    in_several_currencies,
    left_out,
    shop,
)
from shipkit.plan.plan import Edit
from shipkit.plan.sold_offers import sold_offers
from shipkit.schema import (
    EDITABLE,
    SHIPMENTS,
    WAREHOUSE,
    Leaf,
    problems_table,
)
from shipkit.services import ServiceList, ServiceRule, UnknownService

__all__ = [
    "apply_edits",
    "check_edit",
    "choose_services",
    "demand_clear_weight",
    "one_trouble",
    "parted",
    "skipped_rows",
    "without_edited",
]

_EDITED = {leaf.name: leaf for leaf in EDITABLE} | {
    leaf.column: leaf for leaf in EDITABLE if leaf.column != leaf.name
}
"""Name that ``session.edit`` takes -> the field; an amount may be given in minor units, too."""


def apply_edits(
    table: pa.Table,
    edits: Sequence[Edit],
    indexes: Mapping[int, np.ndarray[Any, Any]],
    offered: ServiceList,
    warehouses: Mapping[str, Address] | None = None,
) -> pa.Table:
    """Return `table` with every edit's fields set on its rows.

    Parameters
    ----------
    warehouses
        The places that an edit of ``warehouse`` may name.
    offered
        The services that an edit of ``service`` may name.
    indexes
        Position in `edits` -> indexes of the rows it changes.
    """
    for position, edit in enumerate(edits):
        rows = indexes.get(position)
        if rows is None or not len(rows):
            continue
        for name, value in edit.fields:
            if name == WAREHOUSE.name:
                table = _set_origin(table, rows, _origin(value, warehouses or {}))
            else:
                table = _set(table, rows, name, value, offered)
    return table


def without_edited(problems: pa.Table, edits: Sequence[Edit]) -> pa.Table:
    """Return `problems` without those about fields that an edit has set since.

    Validation checks the new value.
    """
    if not edits or not problems.num_rows:
        return problems
    settled = {(row, name) for edit in edits for name, _ in edit.fields for row in edit.row_numbers}
    numbers, fields = (
        problems.column("row_number").to_pylist(),
        problems.column("field").to_pylist(),
    )
    keep = [
        (n, (f or "").rsplit(".", 1)[-1].split("[")[0]) not in settled
        for n, f in zip(numbers, fields, strict=True)
    ]
    return problems.filter(pa.array(keep, pa.bool_()))


def skipped_rows(
    edits: Sequence[Edit], indexes: Mapping[int, np.ndarray[Any, Any]]
) -> dict[int, str]:
    """Return index -> reason for all rows that were set aside."""
    return {
        int(row): edit.reason or f"set aside ({edit.clause})"
        for position, edit in enumerate(edits)
        if edit.action == "skip"
        for row in indexes.get(position, ())
    }


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


def check_edit(
    name: str,
    value: Any,
    offered: ServiceList,
    warehouses: Mapping[str, Address] | None = None,
) -> None:
    """Raise InputError where `name` is not editable or cannot hold `value`."""
    if name == WAREHOUSE.name:
        _origin(value, warehouses or {})
        return
    _value(_editable(name), name, value, offered)


def demand_clear_weight(counts: Sequence[int]) -> None:
    """Raise InputError where the weight of a row with several parcels is edited."""
    several = sum(count > 1 for count in counts)
    if several:
        raise InputError(
            f"{counted(several, 'row')} of these {'has' if several == 1 else 'have'} several "
            "parcels, and weight_lb may be of each or of all.",
            fix="Leave them out of the clause (AND parcels = 1), or give the weights of parcels: "
            'by columns with map(parcels="each") or "shared", or in a template.',
        )


def _editable(name: str) -> Leaf:
    if name in _EDITED:
        return _EDITED[name]
    raise InputError(
        f"A shipment has no field {name!r} that can be edited.",
        fix=f"Editable: {', '.join(leaf.name for leaf in EDITABLE)}.",
    )


def _set(
    table: pa.Table, rows: np.ndarray[Any, Any], name: str, value: Any, offered: ServiceList
) -> pa.Table:
    leaf = _editable(name)
    new = _value(leaf, name, value, offered)
    if leaf.group == "parcels":
        return _set_parcel(table, rows, leaf, new)
    mask = np.zeros(table.num_rows, dtype=bool)
    mask[rows] = True
    column = pc.if_else(pa.array(mask), pa.scalar(new, leaf.arrow.type), table.column(leaf.column))
    return table.set_column(SHIPMENTS.get_field_index(leaf.column), leaf.arrow, column)


def _origin(name: Any, warehouses: Mapping[str, Address]) -> Address | None:
    """Return the address of a warehouse; None, the shipper's, for None or an empty text."""
    if plain_value(name) is None or not str(name).strip():
        return None
    found = [each for each in warehouses if each.casefold() == str(name).strip().casefold()]
    if len(found) == 1:
        return warehouses[found[0]]
    raise InputError(
        f"No warehouse is called {name!r}.",
        fix=f"Known: {', '.join(sorted(warehouses)) or 'none'}. Give it: "
        "map(warehouses={...}), or a section [shippers.NAME] of the config file.",
    )


def _set_origin(table: pa.Table, rows: np.ndarray[Any, Any], place: Address | None) -> pa.Table:
    """Let rows leave from a place; None is the shipper's."""
    field = SHIPMENTS.field("ship_from")
    mask = np.zeros(table.num_rows, dtype=bool)
    mask[rows] = True
    new = pa.nulls(1, field.type) if place is None else pa.array([place.model_dump()], field.type)
    changed = pc.if_else(pa.array(mask), new[0], table.column(field.name))
    return table.set_column(SHIPMENTS.get_field_index(field.name), field, changed)


def _set_parcel(table: pa.Table, rows: np.ndarray[Any, Any], leaf: Leaf, value: Any) -> pa.Table:
    """Set a field of every parcel, as a column does; an amount is of the row, and is divided.

    Whether a weight is of each parcel or of all is not known: those of several parcels are empty
    then, and the row waits (:func:`demand_clear_weight` refuses the edit where it can).
    """
    kind = SHIPMENTS.field("parcels").type
    parcels = table.column("parcels").to_pylist()
    for row in rows:
        boxes = parcels[row] or [{}]
        values = [value] * len(boxes)
        if leaf.spec.kind == "amount" and value is not None:
            # Whole cents, and none lost: the first parcels take one more.
            each, more = divmod(value, len(boxes))
            values = [each + (place < more) for place in range(len(boxes))]
        elif leaf.spec.kind == "weight" and len(boxes) > 1:
            values = [None] * len(boxes)
        parcels[row] = [{**box, leaf.column: one} for box, one in zip(boxes, values, strict=True)]
    at = SHIPMENTS.get_field_index("parcels")
    return table.set_column(at, SHIPMENTS.field("parcels"), pa.array(parcels, kind))


def _value(leaf: Leaf, name: str, value: Any, offered: ServiceList) -> Any:
    """Return `value` as the field's column holds it. Raises InputError where it does not fit."""
    try:
        value = plain_value(value)
        if value is None:
            return None
        if isinstance(value, bool) and leaf.spec.kind in {"weight", "length", "amount"}:
            raise TypeError("it is a flag")
        match leaf.spec.kind:
            case "service":
                value = offered.read(str(value))
            case "weight" | "length":
                value = plain_value(float(value))
            case "date":
                value = _day(value)
            case "amount":
                value = int(value) if name.endswith("_cents") else Money.of(value).cents
            case "choice":
                value = str(value)
                if value not in leaf.spec.words:
                    raise ValueError(f"use one of {', '.join(leaf.spec.words)}")
                if not leaf.required and value == leaf.spec.nothing:
                    return None  # what an empty cell means
            case "country" if leaf.spec.option:
                value = country_code(str(value))
                if country_code3(value) is None:
                    raise ValueError("it is not a country")
            case "text" | "code" | "country":
                value = _text(str(value))
        return pa.scalar(value, leaf.arrow.type).as_py()
    except UnknownService as no:
        raise InputError(f"{no.problem}.", fix=no.fix) from None
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, TypeError, ArithmeticError) as error:
        raise InputError(
            f"{name}={value!r} cannot be used: {error}.", fix=f"Give {_KINDS[leaf.spec.kind]}."
        ) from None


def _text(text: str) -> str | None:
    """Return a text as it would be read from a cell: without invisible marks, and None if empty.

    Raises
    ------
    ValueError
        It has characters that no label can print.
    """
    shown = without_invisible(text).strip()
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in shown):
        raise ValueError("it has a character that cannot be printed")
    return shown or None


def _day(value: Any) -> Any:
    """Return the day of a date, a moment, or a text such as 2026-11-02."""
    if isinstance(value, str):
        return dt.date.fromisoformat(value.strip())
    if not isinstance(value, dt.date):
        raise TypeError(f"it is a {type(value).__name__}")
    return value.date() if isinstance(value, dt.datetime) else value


_KINDS = {
    "service": "a service or a service rule",
    "weight": "a number of pounds",
    "length": "a number of inches",
    "amount": "an amount of money, such as '12.50'",
    "date": "a date, such as 2026-11-02",
    "flag": "a flag: True or False",
    "choice": "a known word",
    "text": "text",
    "code": "text",
    "country": "a two-letter country code",
}
