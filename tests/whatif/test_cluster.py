"""Files priced by Dask on two worker processes, also when workers are killed meanwhile."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import shipkit as sk

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("default"),  # Dask's own
]
CARD = sk.RateCard.synthetic()
FILES = int(os.environ.get("SHIPKIT_TEST_FILES", "8"))
ROWS = int(os.environ.get("SHIPKIT_TEST_ROWS", "50000"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("shipments")
    for number in range(FILES):
        rng = np.random.default_rng(number)
        weights = pa.array(np.round(rng.lognormal(0.6, 0.8, ROWS), 2))
        parcels = pa.StructArray.from_arrays([weights], ["weight_lb"])
        starts = pa.array(np.arange(ROWS + 1), pa.int32())
        table = pa.table(
            {
                "order_id": pa.array(np.arange(ROWS).astype(str)),
                "postal_code": pa.array(rng.choice(["10001", "94103", "60601", "34001"], ROWS)),
                "service": pa.array(rng.choice(["ground", "2nd_day_air"], ROWS)),
                "parcels": pa.ListArray.from_arrays(starts, parcels),
            }
        )
        pq.write_table(table, made / f"part-{number:02}.parquet")
    return made


@pytest.fixture(scope="module")
def plain(folder, tmp_path_factory) -> tuple[Path, pd.DataFrame]:
    to = tmp_path_factory.mktemp("plain")
    return to, sk.rate(folder, CARD, origin="78205", to=to)


@pytest.mark.parametrize("kills", [0, 3])
def test_dask_prices_what_one_process_does(folder, plain, tmp_path, kills):
    distributed = pytest.importorskip("distributed")
    to = tmp_path / "rated"
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        killer = _Killer(client, to, kills)
        killer.start()
        # By default, Dask gives a task up when three workers died under it.
        client.run_on_scheduler(
            lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 9)
        )
        executor = client.get_executor(retries=9)
        totals = sk.rate(folder, CARD, origin="78205", to=to, executor=executor)
        killer.join()
    assert killer.killed == kills
    pd.testing.assert_frame_equal(totals, plain[1])
    names = sorted(path.name for path in to.iterdir())
    assert names == ["_totals.json", *(f"part-{n:02}.parquet" for n in range(FILES))]
    for path in sorted(to.glob("*.parquet")):
        assert pq.read_table(path).equals(pq.read_table(plain[0] / path.name)), path.name


class _Killer(threading.Thread):
    """Kills a worker each time that another part is there."""

    def __init__(self, client, to: Path, kills: int) -> None:
        super().__init__(daemon=True)
        self.client, self.to, self.kills, self.killed = client, to, kills, 0

    def run(self) -> None:
        seen = 0
        while self.killed < self.kills:
            done = len(list(self.to.glob("[!.]*.parquet"))) if self.to.exists() else 0
            if done > seen:
                seen = done
                pid = next(iter(self.client.run(os.getpid).values()), None)
                if pid:
                    os.kill(pid, signal.SIGKILL)
                    self.killed += 1
            elif done == FILES:
                return
            threading.Event().wait(0.02)
