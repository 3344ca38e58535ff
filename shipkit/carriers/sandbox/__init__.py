"""The sandbox: a carrier of one's own, with made-up prices and real label files, for trying and testing everything.

Embedded (the default) it needs no network and no account. ``python -m shipkit.carriers.sandbox
--serve`` runs the same books behind HTTP on this machine, and ``SandboxCarrier(url=...)`` speaks
to it: a carrier that dies with its client proves nothing about crashes.
"""

from __future__ import annotations

from shipkit.carriers.sandbox.carrier import SandboxCarrier
from shipkit.carriers.sandbox.faults import Faults

__all__ = ["Faults", "SandboxCarrier"]
