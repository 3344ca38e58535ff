"""What the benchmarks of carriers share: a server in a process of its own, and ways in turn.

Each way is called with the address of the server, a number of labels and how many at a time, and
returns its wall and CPU seconds and the seconds between two answers. A way whose name begins with
"bare" is what the ways after it are compared with.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

__all__ = ["Answers", "Turns", "compare", "timed"]

Way = Callable[[str, int, int], Awaitable[tuple[float, float, float]]]


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
    serve: Callable[..., None],
    ways: Mapping[str, Way],
    *,
    n: int,
    steps: int = 1,
) -> None:
    """Read the options, measure the ways against `serve`, and print the table.

    Parameters
    ----------
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
    server = context.Process(target=serve, args=(port, options.latency_ms / 1000), daemon=True)
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
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
