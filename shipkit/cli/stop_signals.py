"""Stop signals of the system: they act like Ctrl-C while a command works, and not while it ends.

A service manager may send more than one, and a closed terminal sends SIGHUP next to them. The one
that comes while the last line is written must not change the exit code that this line states.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from shipkit.cli.streams import STOP_SIGNALS

__all__ = ["StopSignals", "signals_interrupt"]

_PATIENCE_S = 3.0
"""How long a command may take to end; a signal after that ends it, with its exit code."""


class StopSignals:
    """Raises KeyboardInterrupt for each stop signal, until the command is over."""

    def __init__(self) -> None:
        self._over: tuple[float, int] | None = None

    def over(self, exit_code: int) -> None:
        """Let signals no longer interrupt: the command ends, with this exit code."""
        self._over = (time.monotonic(), int(exit_code))
        # CPython remembers an interrupt that left an exec() of a text, as dataclasses have when
        # they are made, and then ends the process by SIGINT, whatever caught it: 130. It forgets
        # that at the next exec().
        exec("")  # noqa: S102

    def handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of a signal handler
        """Interrupt; once the command is over, end the process if it takes too long."""
        if self._over is None:
            raise KeyboardInterrupt
        began, exit_code = self._over
        if time.monotonic() - began > _PATIENCE_S:
            os._exit(exit_code)


@contextmanager
def signals_interrupt(*, last: bool) -> Iterator[StopSignals]:
    """Make the stop signals of the system act like Ctrl-C: the job pauses.

    SIGTERM is sent by systemd and at a shutdown, SIGHUP when the terminal or its connection goes
    away. A signal that is ignored stays ignored: that is what ``nohup`` is for.

    Parameters
    ----------
    last
        Whether the process ends with the command. What the signals did before is then not put
        back: one that comes while Python ends would replace the exit code.
    """
    stop = StopSignals()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    if last:
        atexit.register(_ignore)
    kept = {
        number: signal.signal(number, stop.handle)
        for number in (signal.SIGINT, *STOP_SIGNALS)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield stop
    finally:
        if not last:
            for number, handler in kept.items():
                signal.signal(number, handler)


def _ignore() -> None:
    """Ignore the signals for the last moments, in which Python would put back what they did."""
    for number in (signal.SIGINT, *STOP_SIGNALS):
        signal.signal(number, signal.SIG_IGN)
