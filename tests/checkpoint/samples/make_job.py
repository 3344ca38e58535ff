"""Make the sample job of this schema version: once, never again after a release.

python tests/checkpoint/samples/make_job.py job-v1
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[2]), str(HERE.parents[1] / "core_kit")]

from corekit import BookCarrier, job_of  # noqa: E402

import shipkit.purchasing.store.compaction  # noqa: E402
from shipkit.carriers.pace import Pacer  # noqa: E402
from shipkit.errors import AnswerLost, AuthenticationFailed, CarrierRejected  # noqa: E402
from shipkit.purchasing.recovery import void_rows  # noqa: E402
from shipkit.purchasing.run import execute  # noqa: E402


async def hook(carrier, shipment, reference):
    """Refuse row 2, lose the answer of row 3, the request of row 4, the credentials of row 6."""
    match shipment.order_id:
        case "A0000002":
            raise CarrierRejected(
                "The address is unknown.", fix="Correct the street.", carrier_code="120100"
            )
        case "A0000003":
            carrier.sell(shipment, reference)
            raise AnswerLost("the connection was reset")
        case "A0000004":
            raise AnswerLost("the connection was reset")
        case "A0000006":
            raise AuthenticationFailed("The key expired.", fix="Renew it.")


async def make(folder: Path) -> None:
    """Leave a paused job: shipped, failed, adopted, for review, skipped, voided, pending."""
    job = job_of(folder, 8, skipped={7: "set aside"}, name="sample", resend="ask")
    carrier = BookCarrier(folder / "books.db", hook=hook, resend="ask")
    status = await execute(job, carrier, pacer=Pacer(concurrency=1), grace_s=0.05)
    await void_rows(job, carrier, [5])
    sys.stdout.write(
        f"{status}: "
        f"{job.reason}\n{job.results().to_pandas()[['state', 'tracking_number', 'charge_basis']]}\n"
    )
    carrier.books.close()
    target = HERE / sys.argv[1]
    shutil.copytree(job.path, target / "jobs" / job.job_id, ignore=shutil.ignore_patterns("LOCK*"))


if __name__ == "__main__":
    shipkit.purchasing.store.compaction.COMPACT_AFTER = 4  # so that the sample has a compaction
    socket.gethostname = lambda: "a-machine"
    os.getpid = lambda: 4242
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(make(Path(name)))
