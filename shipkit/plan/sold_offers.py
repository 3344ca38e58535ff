"""What is sold to a row, of what carriers have a price for.

Carriers price services for addresses that they do not deliver to, and for parcels that they do not
take. The rules and rate shopping leave them out alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.accounts import Accounts
from shipkit.carriers.joint_services import JointServices
from shipkit.common.words import listed
from shipkit.models import Address
from shipkit.plan.asks import unable_rows
from shipkit.plan.offers import Shopped
from shipkit.plan.reach import beyond_reach, within_reach
from shipkit.plan.too_large import too_large
from shipkit.services import PLACES, ServiceList

__all__ = [
    "PlacesOf",
    "SoldOffers",
    "sold_offers",
    "unable_by",
    "warnings_of",
    "without_unsold_rows",
]

PlacesOf = Callable[[pa.Table], Mapping[int, Sequence[str]]]
"""Returns row number -> the kinds of places of its address that not every service goes to."""


@dataclass(frozen=True)
class SoldOffers:
    """The offers that are sold, and why others are not.

    Attributes
    ----------
    offers
        Those that are sold; a row that no service is sold to keeps its own.
    closed
        Index of a row -> service -> why it is not sold to this address or for this parcel. Routes
        are among the reasons where they were asked for.
    """

    offers: pa.Table
    closed: Mapping[int, Mapping[str, str]]

    @cached_property
    def served(self) -> frozenset[int]:
        """Indexes of the rows that at least one of the offers is sold to."""
        return rows_served(self.offers, self.closed)


def rows_served(offers: pa.Table, closed: Mapping[int, Mapping[str, str]]) -> frozenset[int]:
    """Return the rows with an offer that is not closed to them."""
    pairs = zip(offers.column("row").to_pylist(), offers.column("service").to_pylist(), strict=True)
    return frozenset(row for row, service in pairs if service not in closed.get(row, ()))


def sold_offers(
    offers: pa.Table,
    asked: pa.Table,
    accounts: Accounts,
    shipper: Address,
    places_of: PlacesOf | None = None,
    *,
    routes: bool = False,
) -> SoldOffers:
    """Return the offers without those of services that are not sold to their row.

    Parameters
    ----------
    offers
        :data:`shipkit.carriers.quoting.SHOPPED`, by the rows of `asked`.
    routes
        Also note in `closed` which services do not run where their row goes. Rules leave them out
        without a word: that Ground does not leave the country is no news about a row.
    """
    offered = accounts.services.of_shipper(shipper.country)
    closed: dict[int, dict[str, str]] = {}
    if places_of is not None and any(entry.not_to for entry in offered):
        closed = _closed(asked, offered, places_of(asked))
    for row, codes in too_large(asked, offered).items():
        own = closed.setdefault(row, {})
        for code in codes:
            own.setdefault(code, "does not take a parcel of this weight or size")
    if routes:
        for row, refused in beyond_reach(offers, asked, offered, shipper).items():
            closed[row] = refused | closed.get(row, {})
    else:
        offers = within_reach(offers, asked, offered, shipper)
    offers = _without_unable(offers, asked, accounts, shipper)
    return SoldOffers(_without_closed(offers, closed), closed)


def unable_by(asked: pa.Table, accounts: Accounts, shipper: Address) -> dict[str, dict[int, str]]:
    """Return account -> index of a row that asks it for what it does not offer -> what that is."""
    return {account.name: unable_rows(asked, account, shipper) for account in accounts}


def _without_unable(
    offers: pa.Table, asked: pa.Table, accounts: Accounts, shipper: Address
) -> pa.Table:
    """Return the offers without those of accounts that cannot do what their row asks for.

    With one account nothing is left out, and a row that no account can serve keeps its offers: the
    row waits, and says which option is not offered.
    """
    if accounts.alone:
        return offers
    unable = unable_by(asked, accounts, shipper)
    if not any(unable.values()):
        return offers
    rows = offers.column("row").to_pylist()
    sellers = [JointServices.parted(code or "")[0] for code in offers.column("service").to_pylist()]
    able = [row not in unable.get(name, ()) for row, name in zip(rows, sellers, strict=True)]
    served = {row for row, yes in zip(rows, able, strict=True) if yes}
    keep = [yes or row not in served for row, yes in zip(rows, able, strict=True)]
    return offers.filter(pa.array(keep, pa.bool_()))


def _closed(
    asked: pa.Table, offered: ServiceList, kinds: Mapping[int, Sequence[str]]
) -> dict[int, dict[str, str]]:
    """Return index of a row -> the services that do not go to its address, and why."""
    if not kinds:
        return {}
    rows = {number: row for row, number in enumerate(asked.column("row_number").to_pylist())}
    return {
        rows[number]: {
            entry.code: f"does not deliver to {PLACES[kind]}"
            for entry in offered
            for kind in here
            if kind in entry.not_to
        }
        for number, here in kinds.items()
    }


def _without_closed(offers: pa.Table, closed: Mapping[int, Mapping[str, str]]) -> pa.Table:
    """Return the offers without those of services that do not go to the address of their row.

    A row that no service goes to keeps its offers: validation says why it waits.
    """
    if not closed:
        return offers
    special = pc.is_in(offers.column("row").cast(pa.int64()), pa.array(list(closed), pa.int64()))
    at = pc.indices_nonzero(special).to_pylist()
    some = offers.take(pa.array(at, pa.int64())).select(["row", "service"]).to_pylist()
    going = rows_served(offers.take(pa.array(at, pa.int64())), closed)
    keep = np.ones(offers.num_rows, dtype=bool)
    for place, offer in zip(at, some, strict=True):
        keep[place] = offer["row"] not in going or offer["service"] not in closed[offer["row"]]
    return offers.filter(pa.array(keep))


# -- what rate shopping says about it --------------------------------------------------------------


def without_unsold_rows(sold: SoldOffers, priced: pa.Table, accounts: Accounts) -> pa.Table:
    """Return the offers, with one problem in place of those of a row that nothing is sold to."""
    lines = sold.offers.select(["row", "service"]).to_pylist()
    none: dict[int, list[str]] = {}
    for line in lines:
        if line["row"] not in sold.served and line["service"] is not None:
            none.setdefault(line["row"], []).append(line["service"])
    if not none:
        return sold.offers
    rows = pa.array(list(none), priced.schema.field("row").type)
    kept = sold.offers.filter(pc.invert(pc.is_in(sold.offers.column("row"), rows)))
    texts = {row: _closed_text(codes, sold.closed[row], accounts) for row, codes in none.items()}
    problems = [
        {
            "row": row,
            "problem": f"nothing is sold to this row: {text}",
            "fix": "Correct the row, or ship it with another carrier.",
        }
        for row, text in texts.items()
    ]
    whole = pa.concat_tables([kept, pa.Table.from_pylist(problems, schema=priced.schema)])
    return whole.sort_by([("row", "ascending"), ("cost_cents", "ascending")])


def warnings_of(
    offers: pa.Table,
    sold: SoldOffers,
    shopped: Shopped,
    accounts: Accounts,
    unable: Mapping[str, Mapping[int, str]],
) -> pa.Array:
    """Return the warnings of each offer: its own, and what its row is not offered, and why.

    Parameters
    ----------
    offers
        Those that are listed, of `sold`.
    unable
        What :func:`unable_by` returned.
    """
    of_row: dict[int, list[str]] = {}
    for row, text in (*_silence(shopped), *_unable(shopped, unable)):
        of_row.setdefault(row, []).append(text)
    closed = _closed_texts(sold, shopped.offers, accounts)
    kinds = {
        code: accounts.services.contents_of(code)
        for code in offers.column("service").unique().to_pylist()
        if code is not None
    }
    only = {code: f"only for {contents}" for code, contents in kinds.items() if contents}
    unsold = offers.column("left_out")
    if not (of_row or closed or only) and unsold.null_count == offers.num_rows:
        return offers.column("warnings").combine_chunks()
    columns = (offers.column(name).to_pylist() for name in ("row", "service", "warnings"))
    texts = [
        [
            own,
            *(of_row.get(row, ()) if service else ()),
            only.get(service),
            *(each["why"] for each in services or ()),
            closed.get(row) if service else None,
        ]
        for row, service, own, services in zip(*columns, unsold.to_pylist(), strict=True)
    ]
    return pa.array(["; ".join(filter(None, some)) or None for some in texts], pa.string())


def _silence(shopped: Shopped) -> Iterator[tuple[int, str]]:
    """Yield each row that an account did not answer for, and what happened."""
    for name, rows in shopped.silent.items():
        for row, text in rows.items():
            yield row, f"{name} did not answer: {text}"


def _unable(shopped: Shopped, unable: Mapping[str, Mapping[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield each row that an account does not sell by any service, and why."""
    for name in dict.fromkeys([*shopped.refused, *unable]):
        refused = {row: text for row, (text, _) in shopped.refused.get(name, {}).items()}
        for row, text in {**refused, **unable.get(name, {})}.items():
            yield row, f"{name} cannot sell it: {text}"


def _closed_texts(sold: SoldOffers, priced: pa.Table, accounts: Accounts) -> dict[int, str]:
    """Return index of a row -> which services have a price and are not sold to it, and why."""
    if not sold.closed:
        return {}
    known: dict[int, list[str]] = {}
    for line in priced.select(["row", "service"]).to_pylist():
        if line["service"] in sold.closed.get(line["row"], ()):
            known.setdefault(line["row"], []).append(line["service"])
    return {
        row: f"left out: {_closed_text(codes, sold.closed[row], accounts)}"
        for row, codes in known.items()
    }


def _closed_text(codes: Sequence[str], reasons: Mapping[str, str], accounts: Accounts) -> str:
    """Return which services are left out, and why: "Ground does not deliver to PO boxes"."""
    named: dict[str, list[str]] = {}
    for code in codes:
        named.setdefault(reasons[code], []).append(accounts.services.title_of(code))
    return "; ".join(f"{listed(t)} {_of_several(why, t)}" for why, t in named.items())


def _of_several(why: str, titles: Sequence[str]) -> str:
    return why.replace("does not", "do not") if len(titles) > 1 else why
