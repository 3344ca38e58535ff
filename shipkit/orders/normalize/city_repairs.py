"""Cities that repeat what other cells of their row say: "Austin, TX", "78701 Austin"."""

from __future__ import annotations

import re
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.places import zip3_states
from shipkit.orders.normalize.address_repairs import replaced
from shipkit.orders.rules.city_states import (
    COUNTRIES,
    MAY_NAME,
    is_country,
    last_part,
    without_code,
)

__all__ = ["repair_cities"]

_READ: Final = ("city", "state", "postal_code", "country")


def repair_cities(normal: pa.Table) -> pa.Table:
    """Return `normal` with cities without the state, ZIP and country that their row repeats.

    What differs stays, for a rule to report. The column ``fixed_city`` is true where a city was
    repaired. A state that has no cell of its own is moved to it, where the ZIP agrees.
    """
    normal = normal.append_column("fixed_city", pa.repeat(pa.scalar(value=False), normal.num_rows))
    places = pc.indices_nonzero(_suspects(normal))
    if not len(places):
        return normal
    rows = normal.select(list(_READ)).take(places).to_pylist()
    found = [_repaired(**row) for row in rows]
    made = pa.table(
        {
            "place": places,
            "city": pa.array([city for city, _ in found], pa.string()),
            "state": pa.array([state for _, state in found], pa.string()),
            "fixed_city": pa.array(
                [city != row["city"] for (city, _), row in zip(found, rows, strict=True)]
            ),
        }
    )
    made = made.filter(made.column("fixed_city"))
    return replaced(normal, made) if made.num_rows else normal


_MAY_REPEAT: Final = f"[0-9]|{MAY_NAME}"


def _suspects(normal: pa.Table) -> pa.ChunkedArray:
    """Return which cities may hold more than a city. Each different one is looked at once."""
    cities = normal.column("city").combine_chunks().dictionary_encode()
    odd = pc.match_substring_regex(cities.dictionary, _MAY_REPEAT)
    found = pc.fill_null(odd.take(cities.indices), fill_value=False)
    if not pc.any(found).as_py():
        return found
    known = pc.is_in(normal.column("country"), value_set=pa.array(list(COUNTRIES)))
    return pc.and_(found, known)


def _repaired(
    city: str, state: str | None, postal_code: str | None, country: str
) -> tuple[str, str | None]:
    """Return the city and the state of an address.

    Examples
    --------
    >>> _repaired("Austin, TX 78701", "TX", "78701", "US")
    ('Austin', 'TX')
    >>> _repaired("Austin, CA", "TX", "78701", "US")
    ('Austin, CA', 'TX')
    """
    left = without_code(city, postal_code)
    for _ in range(2):  # "Austin, TX, USA"
        last = last_part(left, country)
        if last is None:
            break
        own = last.state
        if own is not None and (own == state or _has_code(own, postal_code, state, country)):
            state = own
        elif not (last.behind_sign and is_country(last.text, country)):
            break
        left = left[: last.start]
    left = " ".join(left.strip(" ,;/-–([").split())
    return (left, state) if re.search(r"[^\W\d_]{2}", left) else (city, state)


def _has_code(own: str, postal_code: str | None, state: str | None, country: str) -> bool:
    """Return whether a state is that of the ZIP of an address without one."""
    if state is not None or country != "US" or not postal_code:
        return False
    return own in zip3_states().get(postal_code[:3], "").split()
