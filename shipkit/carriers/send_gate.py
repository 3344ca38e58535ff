"""May this request still be sent? Asked where its bytes are written, not before the call.

Several hosts may take turns at one job. A host that was suspended in the middle of a purchase wakes
up without knowing that another one has gone on: its next line of code would send a request whose
row the other host has already looked up, found absent and bought. Between a check at the beginning
of ``carrier.ship`` and the socket lie several turns of the event loop, in which a process can sleep
for minutes. So the owner of a job sets a gate around its calls, and the transport asks it directly
before it hands the body to the socket.

The gate is a context variable, because one carrier object may serve several jobs at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from shipkit.errors import NotSent

__all__ = ["Gate", "Passage", "check_gate", "guarded"]

Gate = Callable[[], None]
"""Returns while sending is allowed, and raises :class:`~shipkit.errors.NotSent` when it is not."""

_GATE: ContextVar[Gate | None] = ContextVar("shipkit_send_gate", default=None)


@contextmanager
def guarded(gate: Gate | None) -> Iterator[None]:
    """Ask `gate` before every request that is sent in this block, by this task or its children."""
    token = _GATE.set(gate)
    try:
        yield
    finally:
        _GATE.reset(token)


def check_gate() -> None:
    """Raise NotSent when the job of this task may send nothing more.

    For carriers without HTTP, and before work that would be in vain. Requests of
    :class:`~shipkit.carriers.http.HttpTransport` are checked again where they are written.
    """
    gate = _GATE.get()
    if gate is not None:
        gate()


class Passage:
    """The gate of one request, and whether it was refused there."""

    def __init__(self) -> None:
        self._gate = _GATE.get()
        self.refused: NotSent | None = None
        """Why the body was not written, None when it was or the gate was not reached."""

    @property
    def guarded(self) -> bool:
        """Whether there is a gate."""
        return self._gate is not None

    def check(self) -> None:
        """Raise NotSent, and keep it: a transport may wrap it into an error of its own."""
        if self._gate is None:
            return
        try:
            self._gate()
        except NotSent as error:
            self.refused = error
            raise
