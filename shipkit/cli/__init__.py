"""The command line: ``shipkit COMMAND``. Thin: it reads options, calls a session, prints what came back.

Nothing heavy is imported before a command is known, so help, usage errors and completion answer at
once.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
import traceback
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO, cast

from shipkit.cli.console import Console, End
from shipkit.cli.exits import Exit, of_error
from shipkit.cli.grammar import COMMANDS, UsageError, nearest, parser
from shipkit.errors import ShipkitError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (see :mod:`shipkit.cli.exits`)."""
    words = list(sys.argv[1:] if argv is None else argv)
    _write_anything(sys.stdout, sys.stderr)
    console = Console(as_json="--json" in words)
    if words[:1] == ["mcp"]:
        return _serve(words[1:], console)
    words = words or ["--help"]
    try:
        with _stop_signal_interrupts():
            return _finish(console, _run(words, console))
    except SystemExit as stop:  # argparse: --help, --version
        return int(stop.code or 0)
    except BrokenPipeError:  # the reader went away (| head): what was bought is recorded
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE


def _run(words: list[str], console: Console) -> End:
    debug = "--debug" in words
    try:
        args = parser().parse_args(words)
        console.log = args.log
        console.logged("start", command=args.command)
        return _handler(COMMANDS[args.command].handler)(args, console)
    except UsageError as error:
        return _usage(error, words, console)
    except ShipkitError as error:
        if debug:
            traceback.print_exc()
        code = of_error(error)
        console.fail(error.message, error.fix, error.code, code)
        return End(code, next=error.details.get("next"), facts={"code": error.code})
    except KeyboardInterrupt:
        console.fail("Stopped by you.", None, "interrupted", Exit.UNFINISHED)
        return End(Exit.UNFINISHED, facts={"code": "interrupted"})
    except BrokenPipeError:
        raise
    except OSError as error:
        console.fail(
            f"{error.strerror or error}: {error.filename or ''}".rstrip(": "),
            "Check the path, its rights, and the space on the disk.",
            "machine",
            Exit.BROKEN,
        )
        return End(Exit.BROKEN, facts={"code": "machine"})


def _serve(words: list[str], console: Console) -> int:
    """Hand over to the MCP server, which has options of its own and to which stdout belongs."""
    try:
        from shipkit.agent import mcp_server
    except ImportError as error:
        console.fail(
            f"The MCP server cannot start: {error}.",
            'Install it: pip install "shipkit[mcp]"',
            "usage",
            Exit.UNUSABLE,
        )
        return Exit.UNUSABLE
    return mcp_server.main(words)


def _handler(where: str) -> Callable[[Namespace, Console], End]:
    module, name = where.split(":")
    return cast(
        "Callable[[Namespace, Console], End]",
        getattr(importlib.import_module(f"shipkit.cli.{module}"), name),
    )


def _usage(error: UsageError, words: list[str], console: Console) -> End:
    name = words[0]
    if name in COMMANDS:
        message, fix = (
            f"{str(error)[:1].upper()}{str(error)[1:]}.",
            f"Write: shipkit {name} {COMMANDS[name].takes}   (all options: shipkit {name} --help)",
        )
    else:
        meant = nearest(name)
        message, fix = (
            f"There is no command {name!r}.",
            f"Did you mean: shipkit {meant}" if meant else "See: shipkit --help",
        )
    console.fail(message, fix, "usage", Exit.UNUSABLE)
    return End(Exit.UNUSABLE, facts={"code": "usage"})


def _finish(console: Console, end: End) -> int:
    console.end(end)
    return int(end.exit)


@contextmanager
def _stop_signal_interrupts() -> Iterator[None]:
    """Make the system's stop signal (systemd, cron, a shutdown) what Ctrl-C is: a job pauses and what is in flight is recorded."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, kept)


def _write_anything(*streams: TextIO) -> None:
    """Make a name that the terminal's encoding lacks print as an escape instead of ending the command."""
    for stream in streams:
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
