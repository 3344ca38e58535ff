"""The databases that orders can be read from."""

from __future__ import annotations

from typing import Final

from shipkit.orders.database.dialect import Dialect
from shipkit.orders.database.mysql import MYSQL
from shipkit.orders.database.postgresql import POSTGRESQL
from shipkit.orders.database.sqlite import SQLITE
from shipkit.orders.database.urls import Location

__all__ = ["dialect_of"]

_DIALECTS: Final = {dialect.name: dialect for dialect in (POSTGRESQL, MYSQL, SQLITE)}


def dialect_of(location: Location) -> Dialect:
    """Return the dialect of a database."""
    return _DIALECTS[location.kind]
