"""A rate card as one function from a table to a table, for engines that map over many parts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from shipkit._version import __version__
from shipkit.carriers.ratecard import RateCard
from shipkit.common.spill import threads
from shipkit.errors import InputError
from shipkit.models import Address
from shipkit.plan.preview import to_frame
from shipkit.rates.order_files import FilePlace
from shipkit.rates.part_checks import check_alone, demand_version
from shipkit.rates.rated_files import ahead, write_rated
from shipkit.rates.read_once import Reading
from shipkit.rates.reading import (
    ROWS_AT_A_TIME,
    Orders,
    OrderSource,
    planner_of,
    ranges_of,
    shipments,
    source_of,
)
from shipkit.rates.scenario import (
    Boxes,
    Origins,
    Place,
    Scenario,
    day_of,
    named_origins,
    place_of,
)
from shipkit.rates.shipment_files import filled
from shipkit.rates.whatif import rated

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Pricer"]

_SPARK = {
    "int64": "BIGINT",
    "int32": "INT",
    "double": "DOUBLE",
    "string": "STRING",
    "bool": "BOOLEAN",
    "date32[day]": "DATE",
}
"""Arrow type of a rated column -> its type in Spark."""


class Pricer:
    """Prices tables of shipments by a card: an Arrow table in, an Arrow table out.

    A pricer can be pickled and sent to other processes and machines. The card and the places that
    orders are shipped from are in it; carriers and credentials never are. Its columns and their
    types are always those of `schema`, so that the results of many parts fit together.

    Parameters
    ----------
    card, as_of, origin, origins, boxes, service
        As in :func:`shipkit.rate`. Names of shippers are looked up here, and not where it runs.
    reading
        What :func:`shipkit.read_once` decided for files of orders. Without it, orders are priced
        only where no cell could be read otherwise together with others: numbers with a type, dates
        as 2026-11-29, one line for each order.

    Raises
    ------
    InputError
        The origin is unknown, the service does not exist, or options contradict each other.

    Examples
    --------
    >>> import pyarrow as pa
    >>> import shipkit as sk
    >>> pricer = sk.Pricer(sk.RateCard.synthetic(), origin="78205")
    >>> table = pa.table(
    ...     {"postal_code": ["10001"], "service": ["ground"], "parcels": [[{"weight_lb": 3.0}]]}
    ... )
    >>> pricer(table).select(["row_number", "zone", "currency"]).to_pylist()
    [{'row_number': 1, 'zone': '7', 'currency': 'USD'}]
    """

    def __init__(
        self,
        card: RateCard,
        *,
        as_of: dt.date | str | None = None,
        origin: Place | None = None,
        origins: Origins | None = None,
        boxes: Boxes | None = None,
        service: str | None = None,
        reading: Reading | None = None,
    ) -> None:
        if not isinstance(card, RateCard):
            raise InputError(
                f"A pricer needs a rate card, not {type(card).__name__}.",
                fix="Pass sk.RateCard.from_files(...); carriers are asked in a preview.",
            )
        scenario = Scenario(day_of(as_of), origin, origins, boxes, service)
        if origins is None:
            scenario = replace(scenario, origin=_bare(place_of(card, origin)))
        else:
            starts = named_origins(scenario)
            scenario = replace(
                scenario, origins={name: _bare(place_of(card, at)) for name, at in starts.items()}
            )
        self.card = card
        self.reading = reading
        self._scenario = scenario
        self._version = __version__
        self._card_fingerprint = card.fingerprint
        _ = self.schema  # an unknown service is refused here, and not by every worker

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns of every table that it returns."""
        return rated(shipments(filled(pa.table({}))), self.card, self._scenario).schema

    @property
    def meta(self) -> pd.DataFrame:
        """An empty DataFrame with the columns and types of `frame`, as Dask asks for it."""
        return to_frame(self.schema.empty_table())

    @property
    def ddl(self) -> str:
        """The columns as Spark writes them, for ``DataFrame.mapInArrow``."""
        return ", ".join(f"`{field.name}` {_SPARK[str(field.type)]}" for field in self.schema)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything but the orders that decides a price."""
        import hashlib

        reading = self.reading.fingerprint if self.reading else ""
        facts = (self._version, self._card_fingerprint, _in_words(self._scenario), reading)
        return hashlib.sha256(repr(facts).encode()).hexdigest()

    def __call__(self, table: pa.Table | pa.RecordBatch) -> pa.Table:
        """Return the prices of a table, an order a row; of an empty one an empty table.

        A column ``row_number`` is kept; without one, the rows are numbered from 1.

        Raises
        ------
        InputError
            It is not an Arrow table, or its orders could be read otherwise with others.
        """
        if isinstance(table, pa.RecordBatch):
            table = pa.Table.from_batches([table])
        if not isinstance(table, pa.Table):
            raise InputError(
                f"A pricer takes an Arrow table, not {type(table).__name__}.",
                fix="Use pricer.frame(...) for a DataFrame and pricer.file(...) for a file.",
            )
        source = source_of(table)
        if source.table is not None:
            return self._rated(shipments(source.table))
        if table.num_rows == 0:
            return self.schema.empty_table()
        return pa.concat_tables([self.schema.empty_table(), *self.priced_orders(source)])

    def batches(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the prices of record batches, as Spark's ``mapInArrow`` calls it."""
        for batch in batches:
            yield from self(batch).to_batches()

    def frame(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the prices of a DataFrame of shipments, with the types of `meta`."""
        return to_frame(self(pa.Table.from_pandas(frame, preserve_index=bool(frame.index.name))))

    def file(self, source: str | Path, to: str | Path) -> pd.DataFrame:
        """Price one file and write one Parquet file, which appears when it is complete.

        The same again writes the same file again: a task of a scheduler may be repeated.

        Parameters
        ----------
        source
            A path or URL of a file of shipments or orders. Row numbers run on over the files that
            the reading has; without one, they begin at 1.
        to
            The path or URL of the file to write.

        Returns
        -------
        DataFrame
            The totals: ``service``, ``currency``, ``orders``, ``unrated``, ``cost_cents``.
        """
        given, target = source_of(source), FilePlace.of(to)
        if any(file.place == target for file in given.files):
            raise InputError(
                f"{target.address} would replace the orders themselves.", fix="Name another file."
            )
        if len(given.files) != 1:
            raise InputError(
                f"{source} is {len(given.files)} files.", fix="Use sk.rate(..., to=folder)."
            )
        if given.shipments is None:
            tables = self.priced_orders(given)
        else:
            tables = self.priced(given.shipments[0].tables(ROWS_AT_A_TIME))
        return to_frame(write_rated(tables, self.schema, target))

    def priced(self, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Yield the prices of tables of shipments, in order, several at a time."""
        self._check()
        return ahead(self._rated, map(shipments, tables), threads())

    def priced_orders(self, source: OrderSource) -> Iterator[pa.Table]:
        """Yield the prices of orders, in order, several parts at a time."""
        self._check()
        return ahead(self._rated, self._read(source), threads())

    def _read(self, source: OrderSource) -> Iterator[Orders]:
        if self.reading is not None:
            yield from self.reading.of(source)
            return
        with source.local() as given:
            planner = planner_of(given, {})
            try:
                check_alone(planner)
                yield from ranges_of(planner, source)
            finally:
                planner.close()

    def _rated(self, orders: Orders) -> pa.Table:
        self._check()
        return rated(orders, self.card, self._scenario).cast(self.schema)

    def __getstate__(self) -> dict[str, Any]:
        # Fields alone: what the card and the pricer have worked out is larger than they are.
        card = replace(self.card)
        return {
            **{name: value for name, value in self.__dict__.items() if name != "schema"},
            "card": card,
            "_checked": False,
        }

    def __repr__(self) -> str:
        return f"Pricer({self.card.name!r}, {self._card_fingerprint[:12]})"

    _checked = True

    def _check(self) -> None:
        """Raise InputError in a process that would price differently from the one that made it."""
        if self._checked:
            return
        demand_version("pricer", self._version)
        if self.card.fingerprint != self._card_fingerprint:
            raise InputError(
                f"The card {self.card.name!r} arrived with another fingerprint.",
                fix="Install the same versions of shipkit and pyarrow on all machines.",
            )
        self._checked = True


def _bare(start: Address) -> Address:
    """Return what a price depends on: names and streets of shippers do not travel."""
    return Address(postal_code=start.postal_code, country=start.country)


def _in_words(scenario: Scenario) -> tuple[str, ...]:
    origins = scenario.origins
    starts = origins.items() if isinstance(origins, Mapping) else [("", scenario.origin)]
    return (
        str(scenario.as_of),
        repr(list(starts)),
        repr(scenario.boxes),
        str(scenario.service),
    )
