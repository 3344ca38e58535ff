"""The standard streams of a command, which may stop taking text while the command has work to do.

A reader leaves (``| head``), the disk of a log fills up, a terminal closes, a service is started
with closed descriptors. None of that may end a command that buys, or change how it ends: the text
is lost, the job is not.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from typing import TextIO

__all__ = ["STOP_SIGNALS", "Stream", "occupy_standard_descriptors"]

STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""Signals that stop a command like Ctrl-C does. Windows has no SIGHUP."""


class Stream:
    """A stream that takes text as long as it can, and remembers why it stopped.

    Parameters
    ----------
    stream
        None when the process was started without it.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.failure: OSError | None = None
        """What the stream failed with, other than a reader that left."""
        self._stopped = stream is None
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            # Characters that the encoding lacks are printed as escapes.
            reconfigure(errors="backslashreplace")

    def write(self, text: str) -> None:
        """Write `text`, or lose it if the stream has stopped."""
        if self._stream is None or self._stopped:
            return
        try:
            self._stream.write(text)
        except (OSError, ValueError) as error:  # ValueError: the stream was closed
            self._stop(error)

    def flush(self) -> None:
        """Hand over what was written."""
        if self._stream is None or self._stopped:
            return
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._stop(error)

    def isatty(self) -> bool:
        """Return whether a person sees this stream."""
        if self._stream is None or self._stopped:
            return False
        try:
            return self._stream.isatty()
        except ValueError:
            return False

    def print_traceback(self) -> None:
        """Write the traceback of the exception that is being handled."""
        self.write(traceback.format_exc())
        self.flush()

    def abandon(self) -> None:
        """Lose what is written from now on, and what the stream still holds.

        Python flushes that when the process ends, which would fail again, print a message of its
        own and change the exit code to 120.
        """
        self._stopped = True
        with contextlib.suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())  # type: ignore[union-attr]
            os.close(nowhere)

    def _stop(self, error: OSError | ValueError) -> None:
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            self.failure = error
        self.abandon()


def occupy_standard_descriptors() -> None:
    """Open ``/dev/null`` for standard descriptors that the process was started without.

    Otherwise the next file that is opened gets descriptor 1 or 2, and what a library prints there
    would be written into a job's files.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:  # the lowest free one is used, so this is not expected
                os.dup2(opened, descriptor)
                os.close(opened)
    # Python has no stream object for a closed descriptor, and other code prints to these.
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - kept open
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - kept open
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - kept open
