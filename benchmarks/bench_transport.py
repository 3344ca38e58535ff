"""Compare four HTTP clients against one loopback server: requests per second, CPU per request.

Usage: python benchmarks/bench_transport.py [--n 1500] [--concurrency 50] [--latency-ms 100]
[--json OUT.json]

The server is a process of its own that reads each request and answers 12 kB of JSON after the
latency.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from shipkit.carriers.http import HttpTransport

Post = Callable[[], Awaitable[object]]
REQUEST = {
    "shipment": {
        "ship_to": {
            "name": "Ada Abbott",
            "address_line1": "1 Main St",
            "city": "New York",
            "state": "NY",
            "postal_code": "10001",
        }
    },
    "reference": "R" * 20,
    "pad": "x" * 600,
}
ANSWER = json.dumps({"tracking_number": "SANDBOX", "label": "A" * 12_000}).encode()


def serve(port, latency_s: float) -> None:
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
        f"{len(ANSWER)}\r\n\r\n"
    ).encode()

    class Connection(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport, self.waiting = transport, b""

        def data_received(self, data):
            self.waiting += data
            start, _, body = self.waiting.partition(b"\r\n\r\n")
            length = next(
                (
                    int(line.split(b":")[1])
                    for line in start.lower().split(b"\r\n")
                    if line.startswith(b"content-length")
                ),
                None,
            )
            if length is not None and len(body) >= length:
                self.waiting = b""
                asyncio.get_running_loop().call_later(
                    latency_s, self.transport.write, head + ANSWER
                )

    async def run():
        server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


async def timed(post: Post, n: int, concurrency: int) -> tuple[float, float]:
    """Return requests a second and CPU milliseconds a request."""
    await asyncio.gather(*(post() for _ in range(concurrency)))  # open the connections
    left = iter(range(n))

    async def worker():
        for _ in left:
            await post()

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(concurrency)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return n / wall, cpu / n * 1000


async def measure(url: str, n: int, concurrency: int) -> dict[str, tuple[float, float]]:
    found = {}
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:

        async def bare():
            async with session.post(f"{url}/ship", json=REQUEST) as answer:
                return json.loads(await answer.read())

        found["bare aiohttp"] = await timed(bare, n, concurrency)
    ours = HttpTransport(url)

    async def shipkit():
        return (await ours.request("POST", "/ship", json=REQUEST)).json()

    found["shipkit.carriers.http"] = await timed(shipkit, n, concurrency)
    await ours.aclose()
    for name, transport, share in (
        ("httpx with aiohttp", AiohttpTransport(limits=limits), 1),
        ("httpx alone", None, 5),
    ):
        async with httpx.AsyncClient(transport=transport, limits=limits, timeout=30) as client:

            async def through_httpx(client=client):
                return (await client.post(f"{url}/ship", json=REQUEST)).json()

            found[name] = await timed(through_httpx, n // share, concurrency)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1500)
    parser.add_argument("--concurrency", type=int, default=50)
    parser.add_argument("--latency-ms", type=float, default=100)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    port = context.Queue()
    server = context.Process(target=serve, args=(port, options.latency_ms / 1000), daemon=True)
    server.start()
    try:
        found = asyncio.run(
            measure(f"http://127.0.0.1:{port.get(timeout=20)}", options.n, options.concurrency)
        )
    finally:
        server.terminate()
        server.join()
    limit = options.concurrency / options.latency_ms * 1000
    print(
        f"limit {limit:.0f}/s\n\n| way | requests/s | of bare | CPU ms a request |\n| --- | ---: "
        "| ---: | ---: |"
    )
    for name, (rate, cpu) in found.items():
        print(f"| {name} | {rate:.0f} | {rate / found['bare aiohttp'][0]:.1%} | {cpu:.2f} |")
    if options.json:
        options.json.write_text(
            json.dumps(
                {name: {"per_s": rate, "cpu_ms": cpu} for name, (rate, cpu) in found.items()},
                indent=1,
            )
        )


if __name__ == "__main__":
    main()
