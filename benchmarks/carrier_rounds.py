"""What the benchmarks of carriers share: a server in a process of its own, jobs, and ways in turn.

Each way is called with the address of the server, a number of labels and how many at a time, and
returns its wall and CPU seconds and the seconds between two answers. A way whose name begins with
"bare" is what the ways after it are compared with.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from shipkit.carriers.pace import Pacer
from shipkit.models import Address, LabelSpec
from shipkit.purchasing.run import execute
from shipkit.purchasing.store import JobDraft, JobStore
from shipkit.schema import QUOTES, SHIPMENTS, problems_table
from shipkit.state import JobStatus

__all__ = ["SHOP", "Answers", "Turns", "compare", "job", "timed"]

Way = Callable[[str, int, int], Awaitable[tuple[float, float, float]]]
Answerer = Callable[[bytes, bytes, str], tuple[bytes, bool]]
"""Path, body and the server's address -> the answer, and whether it takes the latency."""

SHOP = Address(
    name="Dana Ortiz",
    company="Harbor Goods",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    phone="2105550100",
)
ROW: dict[str, Any] = {
    "row_numbers": [1],
    "name": "Jo Ng",
    "address_line1": "1 Main Street",
    "city": "Timonium",
    "state": "MD",
    "postal_code": "21093",
    "country": "US",
    "parcels": [{"weight_lb": 2.3, "length_in": 10.0, "width_in": 8.0, "height_in": 4.0}],
    "signature": "none",
    "currency": "USD",
}
IN_USE: list[float] = []
"""Of each whole job: the part of its turns that a request used while it was under way."""


class Answers:
    """Notes when answers came."""

    def __init__(self, call, concurrency: int) -> None:
        self._call, self._edge, self.times = call, concurrency, []

    async def __call__(self, *given):
        got = await self._call(*given)
        self.times.append(time.perf_counter())
        return got

    def each_s(self) -> float:
        """Return seconds from answer to answer, while the way is under way."""
        middle = self.times[self._edge : -self._edge]
        return (middle[-1] - middle[0]) / (len(middle) - 1)


class Turns:
    """Notes when calls began and ended."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, float]] = []

    def of(self, call):
        async def timed_call(*given):
            began = time.perf_counter()
            try:
                return await call(*given)
            finally:
                self.calls.append((began, time.perf_counter()))

        return timed_call

    def in_use(self, since: float, until: float, concurrency: int) -> float:
        """Return the part of all turns between two moments in which a call was under way."""
        busy = sum(max(0.0, min(end, until) - max(began, since)) for began, end in self.calls)
        return busy / concurrency / (until - since)


async def job(
    carrier: Any,
    n: int,
    concurrency: int,
    *,
    service: str,
    cents: int,
    resend: str,
    label: LabelSpec,
    calls: Sequence[str] = ("ship",),
    **fields: Any,
) -> tuple[float, float, float]:
    """A published job, executed: every intent and every label on disk before the next step.

    `calls` are the carrier's methods that take a turn, and `fields` further ones of its rows.
    """
    row = {**ROW, "service": service, **fields}
    plan = pa.Table.from_pylist(
        [{**row, "row_number": i + 1, "order_id": f"O{i}"} for i in range(n)], schema=SHIPMENTS
    )
    quote = {"cost_cents": cents, "currency": "USD", "cost_basis": "quoted", "warnings": ""}
    quote["service"] = service
    with tempfile.TemporaryDirectory() as home:
        draft = JobDraft(
            plan=plan,
            quotes=pa.Table.from_pylist([quote] * n, schema=QUOTES),
            problems=problems_table(),
            fingerprint=f"{time.time_ns():064x}",
            shipper=SHOP,
            identity=carrier.identity,
            resend=resend,
            label=label,
        )
        store = JobStore.publish(Path(home), draft)
        turns = Turns()
        for name in calls:
            setattr(carrier, name, turns.of(getattr(carrier, name)))
        answers = carrier.ship = Answers(carrier.ship, concurrency)
        try:
            wall, cpu = time.perf_counter(), time.process_time()
            status = await execute(store, carrier, pacer=Pacer(concurrency=concurrency))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        finally:
            await carrier.aclose()
        assert status is JobStatus.COMPLETED, status
        middle = answers.times[concurrency:-concurrency]
        IN_USE.append(turns.in_use(middle[0], middle[-1], concurrency))
        return wall, cpu, answers.each_s()


def _serve(answerer: Callable[[], Answerer], port: Any, latency_s: float) -> None:
    """Answer requests until the process is ended, and put the port into `port`."""
    answered = answerer()

    class Connection(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport, self.waiting = transport, b""
            self.url = f"http://127.0.0.1:{transport.get_extra_info('sockname')[1]}"

        def data_received(self, data):
            self.waiting += data
            start, found, body = self.waiting.partition(b"\r\n\r\n")
            length = next(
                (
                    int(line.split(b":")[1])
                    for line in start.lower().split(b"\r\n")
                    if line.startswith(b"content-length")
                ),
                0,
            )
            if not found or len(body) < length:
                return
            self.waiting = b""
            text, takes_time = answered(start.split(b" ", 2)[1], body, self.url)
            if takes_time:
                asyncio.get_running_loop().call_later(latency_s, self.reply, text)
            else:
                self.reply(text)

        def reply(self, text):
            self.transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                % len(text)
                + text
            )

    async def run():
        server = await asyncio.get_running_loop().create_server(
            Connection, "127.0.0.1", 0, backlog=1024
        )
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


async def timed(call, n: int, concurrency: int) -> tuple[float, float, float]:
    """Return wall and CPU seconds of `n` calls, and the seconds between answers."""
    await asyncio.gather(*(call(i) for i in range(concurrency)))
    left, answers = iter(range(n)), Answers(call, concurrency)

    async def worker():
        for i in left:
            await answers(i)

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(concurrency)))
    return time.perf_counter() - wall, time.process_time() - cpu, answers.each_s()


async def _measured(
    ways: Mapping[str, Way], url: str, n: int, concurrency: int, rounds: int
) -> dict[str, dict[str, float]]:
    """Return the figures of each way. Rounds alternate, so that load affects all alike."""
    spent = {name: [0.0, 0.0, 0.0] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            for place, seconds in enumerate(await way(url, n // rounds, concurrency)):
                spent[name][place] += seconds
    done = n // rounds * rounds
    return {
        name: {"per_s": done / wall, "under_way_per_s": rounds / each, "cpu_ms": cpu / done * 1000}
        for name, (wall, cpu, each) in spent.items()
    }


def compare(
    about: str | None,
    answerer: Callable[[], Answerer],
    ways: Mapping[str, Way],
    *,
    n: int,
    steps: int = 1,
) -> None:
    """Read the options, measure the ways against a server, and print the table.

    Parameters
    ----------
    answerer
        Called once by the server's own process; returns what answers each request.
    n
        How many labels by default.
    steps
        Requests that one label takes one after the other.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--n", type=int, default=n)
    parser.add_argument("--concurrency", type=int, default=50)
    parser.add_argument("--latency-ms", type=float, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    port = context.Queue()
    server = context.Process(
        target=_serve, args=(answerer, port, options.latency_ms / 1000), daemon=True
    )
    server.start()
    try:
        url = f"http://127.0.0.1:{port.get(timeout=20)}"
        found = asyncio.run(_measured(ways, url, options.n, options.concurrency, options.rounds))
    finally:
        server.terminate()
        server.join()
    limit = options.concurrency / options.latency_ms * 1000 / steps
    print(
        f"limit {limit:.0f} labels/s ({steps} requests a label)\n\n| way | labels/s | of bare | "
        "under way | of bare | CPU ms a label |\n| --- | ---: | ---: | ---: | ---: | ---: |"
    )
    plain = next(iter(found.values()))
    for name, told in found.items():
        plain = told if name.startswith("bare") else plain
        shares = {key: told[key] / plain[key] for key in ("per_s", "under_way_per_s")}
        print(
            f"| {name} | {told['per_s']:.0f} | {shares['per_s']:.1%} | "
            f"{told['under_way_per_s']:.0f} | {shares['under_way_per_s']:.1%} | "
            f"{told['cpu_ms']:.2f} |"
        )
    if IN_USE:
        print(f"\nturns in use while under way: {min(IN_USE):.1%} to {max(IN_USE):.1%}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
