"""Whether what a person may not expect is a warning here."""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["quiet"]

quiet: ContextVar[bool] = ContextVar("quiet", default=False)
"""Set where the answer itself has it, such as in an agent's tools: a host logs stderr, and with
``PYTHONWARNINGS=error`` a warning would end the call."""
