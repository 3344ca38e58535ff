"""``python -m shipkit.carriers.sandbox --serve``: the sandbox behind HTTP on this machine."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from shipkit.carriers.sandbox.backend import SandboxBackend
from shipkit.carriers.sandbox.books import Books
from shipkit.carriers.sandbox.faults import LONGEST_LATE_S, Faults
from shipkit.carriers.sandbox.price_lists import PRICE_LISTS, card_of
from shipkit.carriers.sandbox.server import Server, serve
from shipkit.settings import Settings

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted or terminated. The one line on standard output is the URL."""
    options = _parser().parse_args(arguments)
    if options.host not in _LOOPBACK:
        _parser().error(
            "the sandbox does not check who its clients are, so it listens on this machine only: "
            "--host 127.0.0.1"
        )
    faults = Faults.model_validate_json(options.faults).model_copy(
        update={"latency_s": options.latency_ms / 1000, "jitter_s": options.jitter_ms / 1000}
    )
    books = Books(
        options.books or Settings.read().local_home / "sandbox" / "books.sqlite",
        seed=faults.seed or None,
    )
    longest = max(options.longest_late_s, faults.late_s if faults.late else 0.0)
    server = Server(
        SandboxBackend(books, card_of(options.price_list), faults, options.label_bytes),
        rate_limit=options.rate_limit,
        longest_late_s=longest,
    )
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(_run(server, options.host, options.port))
    return 0


async def _run(server: Server, host: str, port: int) -> None:
    task = asyncio.current_task()
    if task is not None and sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await serve(server, host=host, port=port, ready=_announce)


def _announce(url: str) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m shipkit.carriers.sandbox",
        description="Serve the sandbox carrier over HTTP on this machine.",
    )
    parser.add_argument(
        "--serve",
        action="store_true",
        required=True,
        help="required: there is nothing else to do yet",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="default: any free port")
    parser.add_argument("--books", type=Path, help="SQLite file; default: in shipkit's home")
    parser.add_argument(
        "--price-list", choices=list(PRICE_LISTS), default="standard", help="default: standard"
    )
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--jitter-ms", type=float, default=0.0)
    parser.add_argument("--rate-limit", type=int, help="purchases per second; more get 429")
    parser.add_argument(
        "--label-bytes", type=int, help="return labels of this size instead of drawing them"
    )
    parser.add_argument(
        "--longest-late-s",
        type=float,
        default=LONGEST_LATE_S,
        help="longest delay of a late commit",
    )
    parser.add_argument(
        "--faults", default="{}", help='JSON: {"lost": 0.1, "wire": "half", "seed": 7}'
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
