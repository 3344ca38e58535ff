"""What customs would take of each shipment, by the carrier's estimate."""

from __future__ import annotations

from typing import Any, cast

import pyarrow as pa

from shipkit.carriers import registry
from shipkit.carriers.accounts import Accounts
from shipkit.carriers.protocol import EstimatesDuties, duties_estimator
from shipkit.common.pool import each
from shipkit.errors import AuthenticationFailed, CarrierError, InputError, SettingsError
from shipkit.models import Address
from shipkit.schema import major, shipment_from_row

__all__ = ["DUTIES", "duties"]

DUTIES = pa.schema(
    [
        pa.field("row_number", pa.int64()),
        pa.field("order_id", pa.string()),
        pa.field("country", pa.string()),
        pa.field("total_cents", pa.int64()),  # null when it cannot be estimated
        pa.field("total", pa.float64()),
        pa.field("currency", pa.string()),
        pa.field("duties_cents", pa.int64()),
        pa.field("taxes_cents", pa.int64()),
        pa.field("fees_cents", pa.int64()),  # of the broker
        pa.field("warnings", pa.string()),
        pa.field("problem", pa.string()),
        pa.field("fix", pa.string()),
    ]
)
"""Columns of an estimate of duties: one row per shipment."""


async def duties(table: pa.Table, shipper: Address, accounts: Accounts) -> pa.Table:
    """Return :data:`DUTIES` for every shipment of `table`. Nothing is bought by it.

    Customs takes the same with any carrier, so the first account that can is asked. Raises
    InputError where no carrier of the batch estimates duties.
    """
    found = [each for each in accounts if duties_estimator(each.carrier) is not None]
    if not found:
        others = ", ".join(f'carrier="{name}"' for name in registry.able("landed_cost"))
        who = "carrier" if accounts.alone else "carriers"
        names = " and ".join(account.carrier.identity.name for account in accounts)
        raise InputError(
            f"The {who} {names} cannot estimate duties.",
            fix=f"Use one that can: {others}.",
        )
    carrier, pacer = found[0].carrier, found[0].pacer
    able = cast("EstimatesDuties", duties_estimator(carrier))

    async def ask(row: dict[str, Any]) -> dict[str, Any]:
        about = {name: row[name] for name in ("row_number", "order_id", "country")}
        try:
            shipment = shipment_from_row(row)
            found = await pacer.repeat(lambda: able.landed_cost(shipment, shipper))
        except (AuthenticationFailed, SettingsError):
            raise
        except CarrierError as error:
            return {**about, "problem": error.message, "fix": error.fix}
        except ValueError:
            return {
                **about,
                "problem": "The row is not a complete shipment yet.",
                "fix": "session.problems lists what is missing.",
            }
        return {**about, **found.model_dump(), "warnings": "; ".join(found.warnings)}

    lines = await each(ask, table.to_pylist(), at_once=carrier.pace.concurrency)
    made = pa.Table.from_pylist(lines, schema=DUTIES)
    total = major(made.column("total_cents"), made.column("currency"))
    return made.set_column(DUTIES.get_field_index("total"), DUTIES.field("total"), total)
