"""The command line: ``shipkit COMMAND`` reads options, calls a session and prints the result.

Nothing heavy is imported before the command is known, so help, usage errors and completion answer
at once.
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

from shipkit.cli.advice import for_command_line
from shipkit.cli.commands import COMMANDS, UsageError, nearest, parser
from shipkit.cli.console import Console, End
from shipkit.cli.exit_codes import Exit, of_error
from shipkit.errors import ShipkitError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (see :mod:`shipkit.cli.exit_codes`)."""
    words = list(sys.argv[1:] if argv is None else argv)
    _write_anything(sys.stdout, sys.stderr)
    console = Console(as_json="--json" in words)
    words = words or ["--help"]
    try:
        if words[0] == "mcp":
            return _serve(words[1:], console)
        with _stop_signal_interrupts():
            return _finish(console, _run(words, console))
    except SystemExit as stop:  # argparse: --help, --version
        return int(stop.code or 0)
    except BrokenPipeError:  # the reader went away (| head): what was bought is recorded
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE


def _run(words: list[str], console: Console) -> End:
    """Run a command and return how it ended, whatever happens: ``--json`` needs a last line."""
    try:
        args = parser().parse_args(words)
        console.log = args.log
        console.logged("start", command=args.command)
        return _handler(COMMANDS[args.command].handler)(args, console)
    except UsageError as error:
        return _usage_error(error, words, console)
    except KeyboardInterrupt:
        console.fail("Interrupted.", None, "interrupted", Exit.UNFINISHED)
        return End(Exit.UNFINISHED, facts={"code": "interrupted"})
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - a script must get an exit code and a last line
        return _failed(error, words, console)


def _failed(error: Exception, words: list[str], console: Console) -> End:
    expected = isinstance(error, ShipkitError | OSError)
    if "--debug" in words or not expected:
        traceback.print_exc()
    code = of_error(error)
    match error:
        case ShipkitError():
            fix = None if error.fix is None else for_command_line(error.fix)
            console.fail(error.message, fix, error.code, code)
            return End(code, next=error.details.get("next"), facts={"code": error.code})
        case OSError():
            name, text = "machine", f"{error.strerror or error}: {error.filename or ''}"
            fix = "Check the path, its permissions, and the free disk space."
        case _:
            name, text = "unexpected", f"shipkit failed: {type(error).__name__}: {error}"
            fix = "This is a defect in shipkit. Please report it with the traceback above."
    console.fail(text.rstrip(": "), fix, name, code)
    return End(code, facts={"code": name})


def _serve(words: list[str], console: Console) -> int:
    """Start the MCP server, which parses its own options and needs stdout for the protocol."""
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


def _usage_error(error: UsageError, words: list[str], console: Console) -> End:
    name = words[0]
    if name in COMMANDS:
        text = str(error)
        message = f"{text[:1].upper()}{text[1:]}."
        usage = f"shipkit {name} {COMMANDS[name].usage}"
        fix = f"Usage: {usage}   (all options: shipkit {name} --help)"
    else:
        meant = nearest(name)
        message = f"Unknown command {name!r}."
        fix = f"Did you mean: shipkit {meant}" if meant else "See: shipkit --help"
    console.fail(message, fix, "usage", Exit.UNUSABLE)
    return End(Exit.UNUSABLE, facts={"code": "usage"})


def _finish(console: Console, end: End) -> int:
    console.end(end)
    return int(end.exit)


@contextmanager
def _stop_signal_interrupts() -> Iterator[None]:
    """Make the stop signal of the system (systemd, a shutdown) act like Ctrl-C: the job pauses."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, kept)


def _write_anything(*streams: TextIO) -> None:
    """Print characters that the encoding of the terminal lacks as escapes, instead of failing."""
    for stream in streams:
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
