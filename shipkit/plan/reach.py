"""Services that stay within a country, or that only leave it, and the rows that they do not fit.

Each carrier declares it as ``reach`` of a service. Only what is plain is judged here: a parcel that
leaves the country, or does not. A territory or a military address is mail of its country at one
carrier and abroad at another, so the carrier answers for it (``not_to``, or its own refusal).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.us_areas import AREAS, MILITARY, military_zip3s
from shipkit.models import Address
from shipkit.schema import problems_table
from shipkit.services import ServiceEntry, ServiceList

__all__ = ["beyond_reach", "unreached", "within_reach"]

_HOME: Final = {
    **dict.fromkeys(("PR", "UM", *AREAS), "US"),
    **dict.fromkeys(("IM", "JE", "GG"), "GB"),
    **dict.fromkeys(("SM", "VA"), "IT"),
    "MC": "FR",
    "LI": "CH",
}
"""Places with a code of their own that the post of another country serves at its own prices."""
_OUTLYING: Final = ("PR", "UM", *AREAS, *MILITARY)
"""States of US mail that are not part of the country at every carrier."""


@dataclass(frozen=True)
class _Route:
    """Two countries; a return label starts where the parcel went."""

    start: str
    end: str
    kind: str
    """``domestic``, ``abroad``, or empty where that depends on the carrier."""

    def refuses(self, entry: ServiceEntry) -> bool:
        """Return whether a service does not run here."""
        return self.kind != "" and entry.reach not in ("anywhere", self.kind) and self.judges(entry)

    def judges(self, entry: ServiceEntry) -> bool:
        """Return whether the reach of a service holds for parcels that start here."""
        return not entry.reach_from or self.start in entry.reach_from

    def __str__(self) -> str:
        return (
            f"within {self.start}" if self.start == self.end else f"from {self.start} to {self.end}"
        )


def unreached(table: pa.Table, offered: ServiceList, shipper: Address) -> pa.Table:
    """Return a problem for each row whose service does not go where it goes."""
    refused, routes = _refused(table.column("service"), table, offered, shipper)
    numbers, services = table.column("row_number"), table.column("service")
    found = []
    for row in np.flatnonzero(refused).tolist():
        entry = offered.entry(services[row].as_py())
        found.append(_problem(numbers[row].as_py(), offered, entry, routes(row)))
    return problems_table(found)


def within_reach(
    offers: pa.Table, asked: pa.Table, offered: ServiceList, shipper: Address
) -> pa.Table:
    """Return the offers without those of services that do not go where their row goes.

    A row that no service goes to keeps its offers: :func:`unreached` says why it waits.
    """
    rows = offers.column("row").to_numpy()
    refused, _ = _refused(offers.column("service"), asked.take(pa.array(rows)), offered, shipper)
    if not refused.any():
        return offers
    going = np.zeros(asked.num_rows, dtype=bool)
    going[rows[~refused]] = True
    return offers.filter(pa.array(~refused | ~going[rows]))


def beyond_reach(
    offers: pa.Table, asked: pa.Table, offered: ServiceList, shipper: Address
) -> dict[int, dict[str, str]]:
    """Return index of a row -> the services among its offers that do not go there, and why."""
    rows = offers.column("row").to_numpy()
    services = offers.column("service")
    refused, routes = _refused(services, asked.take(pa.array(rows)), offered, shipper)
    found: dict[int, dict[str, str]] = {}
    for place in np.flatnonzero(refused).tolist():
        found.setdefault(int(rows[place]), {})[services[place].as_py()] = (
            f"does not run {routes(place)}"
        )
    return found


def _refused(
    services: pa.ChunkedArray, table: pa.Table, offered: ServiceList, shipper: Address
) -> tuple[npt.NDArray[np.bool_], Any]:
    """Return which services do not run on the route of their row, and a function to that route."""
    named = pc.fill_null(services.combine_chunks(), "").dictionary_encode()
    judged = {e.code: e for e in offered if e.reach != "anywhere"}
    entries = [judged.get(code) for code in named.dictionary.to_pylist()]
    if not any(entries):
        return np.zeros(table.num_rows, dtype=bool), None
    routes, of_row = _routes(table, shipper)
    refuses = np.array(
        [[entry is not None and route.refuses(entry) for route in routes] for entry in entries]
    )
    return refuses[named.indices.to_numpy(), of_row], lambda row: routes[of_row[row]]


def _routes(table: pa.Table, shipper: Address) -> tuple[list[_Route], npt.NDArray[np.int64]]:
    """Return the routes of a table, each once, and the place there of each row."""
    there = pc.fill_null(table.column("country"), "").combine_chunks()
    here = _origins(table, "country")
    here = pc.fill_null(here.combine_chunks(), shipper.country)
    back = pc.fill_null(table.column("is_return"), False).combine_chunks()  # noqa: FBT003 - a fill value
    starts = pc.if_else(back, there, here).dictionary_encode()
    ends = pc.if_else(back, here, there).dictionary_encode()
    count = len(ends.dictionary)
    pairs = starts.indices.to_numpy().astype(np.int64) * count + ends.indices.to_numpy()
    # Few different ones among many rows: by hash, which needs no sorting.
    coded = pa.array(pairs * 2 + _is_outlying(table, shipper)).dictionary_encode()
    unique, of_row = coded.dictionary, coded.indices.to_numpy()
    routes = [
        _route(
            starts.dictionary[key // 2 // count].as_py(),
            ends.dictionary[key // 2 % count].as_py(),
            outlying=key % 2 == 1,
        )
        for key in unique.tolist()
    ]
    return routes, of_row


def _is_code(country: str) -> bool:
    return len(country) == 2 and country.isascii() and country.isupper()


def _route(start: str, end: str, *, outlying: bool) -> _Route:
    if not (_is_code(start) and _is_code(end)):  # a country that is not known is a problem itself
        return _Route(start, end, "")
    if start == end:
        return _Route(start, end, "" if start == "US" and outlying else "domestic")
    alike = _HOME.get(start, start) == _HOME.get(end, end)
    return _Route(start, end, "" if alike else "abroad")


def _is_outlying(table: pa.Table, shipper: Address) -> npt.NDArray[np.bool_]:
    """Return which routes have an end in a territory of the US or at a military address."""
    origins = table.column("ship_from")
    found = np.zeros(table.num_rows, dtype=bool)
    ends = [
        (table.column("state"), table.column("postal_code")),
        (pa.array([shipper.state]), pa.array([shipper.postal_code])),
    ]
    if origins.null_count < len(origins):
        ends.append((_origins(table, "state"), _origins(table, "postal_code")))
    for state, code in ends:
        found |= _is_in(state, pc.utf8_upper, _OUTLYING)
        found |= _is_in(code, _first_three, military_zip3s())
    return found


def _origins(table: pa.Table, part: str) -> pa.ChunkedArray:
    """Return a part of the addresses that rows leave from, null for the shipper's.

    Only the part is read: to copy addresses that are all null takes a tenth of a second a million.
    """
    return pc.struct_field(table.column("ship_from"), part)


def _first_three(texts: pa.Array) -> pa.Array:
    return pc.utf8_slice_codeunits(texts, 0, 3)


def _is_in(
    column: pa.Array | pa.ChunkedArray,
    part: Callable[[pa.Array], pa.Array],
    values: tuple[str, ...],
) -> npt.NDArray[np.bool_]:
    """Return where a `part` of the text is one of `values`: each different text is read once."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    texts = whole.cast(pa.string()).dictionary_encode()
    listed = pc.is_in(part(texts.dictionary), pa.array(values, pa.string()))
    return np.asarray(pc.fill_null(listed.take(texts.indices), False))  # noqa: FBT003 - a fill value


def _problem(
    number: int, offered: ServiceList, entry: ServiceEntry, route: _Route
) -> dict[str, Any]:
    return {
        "row_number": number,
        "field": "service",
        "value": entry.code,
        "problem": f"{f'{offered.title} {entry.title}'.strip()} does not run {route}",
        "fix": "Choose another, by a service column or map(service=...): session.shop() lists "
        "what goes there.",
        "severity": "error",
        "code": "reach_not_served",
    }
