"""The results of a job as frames: every row, those that did not ship, shipments of all jobs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.local_day import local_day, time_zone
from shipkit.errors import CarrierError, CarrierRejected, InputError
from shipkit.models import Address
from shipkit.plan.preview import Preview, to_frame
from shipkit.purchasing.store import JobStore
from shipkit.schema import RETURN_OF
from shipkit.settings import Settings
from shipkit.state import RowState

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "failed_rows",
    "results_frame",
    "shipments",
    "unshippable_rows",
    "with_paid_returns",
    "with_refusals",
]


def results_frame(store: JobStore, state: str | None = None) -> pd.DataFrame:
    """Return the results of a job, one row per shipment of the plan, in its order.

    Parameters
    ----------
    state
        Only rows in this state (``"shipped"``, ``"failed"``, ...).

    Returns
    -------
    DataFrame
        ``row_number`` Int64, ``order_id``, ``state``, ``tracking_number``, ``tracking_numbers``
        (tuple), ``service``, ``ship_from``, ``bill_to`` (who pays; null: your account),
        ``quoted_cents`` and ``charged_cents`` (Int64, minor units of ``currency``), ``charged``
        (float, major units, for people), ``charge_basis``, ``billed_weight_lb``, ``currency``,
        ``shipkit_reference``, ``user_references``, ``attempts``, ``shipped_at`` and ``voided_at``
        (UTC, without a time zone), ``live``, ``account``, ``error_code``, ``error_message``,
        ``fix``, ``refund`` (of voided rows at a carrier that decides later: ``submitted``,
        ``refunded`` or ``rejected``). Null where it does not apply.
    """
    table = store.results()
    if state is not None:
        if state not in set(RowState):
            raise InputError(
                f"{state!r} is not a row state.", fix=f"States: {', '.join(RowState)}."
            )
        table = table.filter(pc.equal(table.column("state"), state))
    return to_frame(table)


def with_refusals(results: pa.Table, refused: Mapping[int, CarrierError]) -> pa.Table:
    """Return `results` with the carrier's answer for the rows it refused to void."""
    answers: dict[str, dict[int, str | None]] = {
        "error_code": {
            # What was no refusal has our own code: a program must tell an outage from a no.
            row: (isinstance(error, CarrierRejected) and error.carrier_code) or error.code
            for row, error in refused.items()
        },
        "error_message": {row: error.message for row, error in refused.items()},
        "fix": {row: error.fix for row, error in refused.items()},
    }
    return _with_texts(results, answers)


def with_paid_returns(results: pa.Table) -> pa.Table:
    """Return `results`, in which a voided parcel says that its return label is still paid for."""
    labels = results.filter(
        pc.and_(
            pc.is_valid(results.column(RETURN_OF)),
            pc.equal(results.column("state"), RowState.SHIPPED.value),
        )
    )
    parcels = pc.index_in(results.column("row_number"), value_set=labels.column(RETURN_OF))
    voided = pc.equal(results.column("state"), RowState.VOIDED.value)
    said: dict[str, dict[int, str | None]] = {"error_code": {}, "error_message": {}, "fix": {}}
    for row in pc.indices_nonzero(pc.and_(voided, pc.is_valid(parcels))).to_pylist():
        label = labels.slice(parcels[row].as_py(), 1).to_pylist()[0]
        number = label["row_number"]
        said["error_code"][row] = "return_label_paid"
        said["error_message"][row] = (
            f"Its return label, row {number} ({label['tracking_number']}), is still paid for."
        )
        said["fix"][row] = f'To void it, too: void("row_number = {number}").'
    return _with_texts(results, said)


def _with_texts(results: pa.Table, texts_of: Mapping[str, Mapping[int, str | None]]) -> pa.Table:
    for name, answer in texts_of.items():
        texts = [answer.get(row, text) for row, text in enumerate(results.column(name).to_pylist())]
        place = results.schema.get_field_index(name)
        results = results.set_column(place, name, pa.array(texts, pa.string()))
    return results


def failed_rows(store: JobStore) -> pd.DataFrame:
    """Return the source's own rows that did not ship, with ``problem`` and ``fix`` for each.

    Correct them, load them as new orders, and only they are bought. Rows in doubt are not among
    them, because they may have been bought.

    A return label that failed alone has the rows of its parcel: loaded again with
    ``returns="with_each"``, they buy the label, because the parcel is known by its order number. An
    order without a number is left out.
    """
    results = store.results()
    states = results.column("state")
    chosen = results.filter(
        pc.is_in(states, value_set=pa.array([RowState.FAILED.value, RowState.SKIPPED.value]))
    )
    why = pa.table(
        {
            "order_row": chosen.column("row_number"),
            "problem": chosen.column("error_message"),
            "fix": chosen.column("fix"),
        }
    )
    failed = set(
        chosen.filter(pc.equal(chosen["state"], RowState.FAILED.value))["row_number"].to_pylist()
    )
    return _source_rows(store.plan, _with_parcels(store.plan, why, failed), store.source)


def unshippable_rows(shown: Preview, source: pa.Table) -> pd.DataFrame:
    """Return the rows of `source` that a preview would not buy, as :func:`failed_rows` does."""
    numbers = shown.plan.table.column("row_number").to_pylist()
    fixes: dict[int, str] = {}
    for line in pa.concat_tables([shown.plan.problems, shown.problems()]).to_pylist():
        if line["severity"] == "error" and line["fix"]:
            fixes.setdefault(line["row_number"], line["fix"])
    reasons = {numbers[index]: text for index, text in shown.reasons.items()}
    why = pa.table(
        {
            "order_row": pa.array(reasons, pa.int64()),
            "problem": pa.array(reasons.values(), pa.string()),
            "fix": pa.array([fixes.get(number) for number in reasons], pa.string()),
        }
    )
    return _source_rows(shown.plan.table, why, source)


def _source_rows(plan: pa.Table, why: pa.Table, source: pa.Table | None) -> pd.DataFrame:
    """Return every source row of the orders in `why`, with their problems."""
    lines = plan.select(["row_number", "row_numbers"])
    owners = pa.table(
        {
            "row_number": pc.list_flatten(lines.column("row_numbers")),
            "order_row": pc.take(
                lines.column("row_number"), pc.list_parent_indices(lines.column("row_numbers"))
            ),
        }
    )
    wanted = owners.join(why, "order_row", join_type="inner").drop_columns(["order_row"])
    if source is None:
        return to_frame(wanted.sort_by("row_number"))
    return to_frame(source.join(wanted, "row_number", join_type="inner").sort_by("row_number"))


def _with_parcels(plan: pa.Table, why: pa.Table, failed: Collection[int]) -> pa.Table:
    """Return `why` with the parcels of return labels that `failed`, where they are not in it."""
    labels = plan.filter(
        pc.and_(pc.is_valid(plan.column(RETURN_OF)), pc.is_valid(plan.column("order_id")))
    )
    parcel_of = dict(
        zip(
            labels.column("row_number").to_pylist(),
            labels.column(RETURN_OF).to_pylist(),
            strict=True,
        )
    )
    listed = set(why.column("order_row").to_pylist())
    added = [
        {
            "order_row": parcel_of[line["order_row"]],
            "problem": f"return label, row {line['order_row']}: {line['problem']}",
            "fix": line["fix"],
        }
        for line in why.to_pylist()
        if line["order_row"] in failed
        and line["order_row"] in parcel_of
        and parcel_of[line["order_row"]] not in listed
    ]
    return pa.concat_tables([why, pa.Table.from_pylist(added, schema=why.schema)])


def shipments(
    since: str | dt.date | None = None,
    until: str | dt.date | None = None,
    where: str | None = None,
    live: bool | None = None,
    *,
    home: str | Path | None = None,
) -> pd.DataFrame:
    """Return every shipment of every job of a home, one row each, newest job first.

    Parameters
    ----------
    since, until
        First and last day, inclusive; a date or ISO text. ``shipped_at`` is compared by the
        shipper's local day (:mod:`shipkit.common.local_day`).
    where
        A SQL expression over the result columns.
    live
        True: only shipments that cost money. False: only sandbox and test ones.
    home
        Where jobs are kept; default: ``SHIPKIT_HOME``, then the user's data folder.

    Returns
    -------
    DataFrame
        ``job_id``, then the columns of :func:`results_frame`. Empty, without columns, if no job
        has a shipment.
    """
    from shipkit.orders import where as filters

    found, days = [], []
    for store in JobStore.list(Settings.read(home=home).home):
        table = store.results()
        table = table.filter(pc.is_valid(table.column("tracking_number")))
        days.append(_local_days(table.column("shipped_at"), store.manifest.shipper))
        found.append(
            table.add_column(0, "job_id", pa.array([store.job_id] * table.num_rows, pa.string()))
        )
    if not found:
        import pandas as pd

        return pd.DataFrame()
    table = pa.concat_tables(found)
    at = pa.chunked_array(days, pa.date32())
    keep = pc.is_valid(at)
    if since is not None:
        keep = pc.and_(keep, pc.greater_equal(at, _day(since)))
    if until is not None:
        keep = pc.and_(keep, pc.less_equal(at, _day(until)))
    if live is not None:
        keep = pc.and_(keep, pc.equal(table.column("live"), live))
    table = table.filter(keep)
    if where:
        table = table.take(pa.array(filters.matching(table, where, {})))
    return to_frame(table)


def _local_days(times: pa.ChunkedArray, shipper: Address) -> pa.Array:
    """Return the shipper's local day of each time."""
    zone = time_zone(shipper)
    if zone is None:  # the machine's, which has no name
        local = [at and local_day(None, at) for at in times.to_pylist()]
        return pa.array(local, pa.date32())
    moments = times.combine_chunks().cast(pa.timestamp("us", tz=zone.key))
    return pc.local_timestamp(moments).cast(pa.date32())


def _day(value: str | dt.date) -> pa.Scalar:
    if isinstance(value, dt.datetime):
        value = value.date()
    try:
        return pa.scalar(
            value if isinstance(value, dt.date) else dt.date.fromisoformat(value), pa.date32()
        )
    except ValueError:
        raise InputError(f"{value!r} is not a date.", fix='Write it like "2026-11-01".') from None
