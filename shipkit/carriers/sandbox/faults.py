"""What can go wrong at the sandbox. A seed decides: same seed, same references, same faults."""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shipkit.models import Shipment

__all__ = ["LONGEST_LATE_S", "Fate", "Faults", "draw_fate", "subject"]

LONGEST_LATE_S = 5.0
"""The longest delay of a late commit at a served sandbox, unless it was started with another limit.

Clients rely on it when they conclude that nothing was bought.
"""

Operation = Literal["ship", "quote", "find", "void", "manifest", "pickup"]
Share = Annotated[float, Field(ge=0, le=1)]


class Fate(StrEnum):
    """What happens to one request."""

    FINE = "fine"
    AUTH_REFUSED = "auth_refused"
    RATE_LIMITED = "rate_limited"
    REJECTED = "reject"
    ERROR_BEFORE = "error_before"
    LOST_BEFORE = "lost_before"
    ERROR_AFTER = "error_after"
    LOST = "lost"
    LATE = "late"


class Faults(BaseModel):
    """What goes wrong, and how often. Shares of requests add up to at most 1.

    Examples
    --------
    >>> Faults(lost=0.1, late=0.05, late_s=2, seed=7).trouble
    True
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    latency_s: float = Field(default=0.0, ge=0)
    """Every request takes this long, at least; a purchase is in the books about half way."""
    jitter_s: float = Field(default=0.0, ge=0)
    """Up to this much more."""
    auth_refused: bool = False
    """Every request gets 401."""
    rate_limited: Share = 0.0
    """429, with `retry_after_s` where that is set. Nothing is bought."""
    retry_after_s: float | None = None
    reject: Share = 0.0
    """The carrier refuses, with `reject_code`."""
    reject_code: str = "sandbox_said_no"
    error_before: Share = 0.0
    """5xx, nothing bought."""
    lost_before: Share = 0.0
    """No answer, nothing bought."""
    error_after: Share = 0.0
    """5xx, bought."""
    lost: Share = 0.0
    """No answer, bought."""
    late: Share = 0.0
    """The connection breaks at once, and the shipment appears `late_s` seconds later."""
    late_s: float = Field(default=2.0, ge=0)
    price_drift: Decimal = Decimal(0)
    """Billed is quoted x (1 + this), for `drift` of the purchases."""
    drift: Share = 1.0
    wire: Literal["reset", "close", "silence", "half", "half_headers", "garbage", "empty"] = "reset"
    """How a missing answer looks to an HTTP client."""
    status: int = Field(default=503, ge=500, le=599)
    match: str | None = None
    """A regular expression: only requests whose reference, order id, recipient or postal code
    matches are affected.
    """
    first: int | None = Field(default=None, ge=0)
    """Only this many requests, the first ones that match, are affected."""
    on: frozenset[Operation] = frozenset({"ship"})
    """Which kinds of requests are affected."""
    seed: int = 0

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if sum(self.shares.values()) > 1 + 1e-9:
            raise ValueError("the shares of all faults add up to more than 1")
        return self

    @property
    def shares(self) -> dict[Fate, float]:
        """The share of each fate that is drawn."""
        return {fate: getattr(self, fate.value) for fate in _DRAWN}

    @property
    def trouble(self) -> bool:
        """Whether any fate other than a fine one can be drawn."""
        return self.auth_refused or any(self.shares.values())


_DRAWN = (
    Fate.RATE_LIMITED,
    Fate.REJECTED,
    Fate.ERROR_BEFORE,
    Fate.LOST_BEFORE,
    Fate.ERROR_AFTER,
    Fate.LOST,
    Fate.LATE,
)


def draw_fate(faults: Faults, operation: str, key: str, attempt: int) -> Fate:
    """Return what happens to the `attempt`-th request for `key`."""
    if faults.auth_refused:
        return Fate.AUTH_REFUSED
    left = chance(faults.seed, operation, key, attempt)
    for fate, share in faults.shares.items():
        left -= share
        if left < 0:
            return fate
    return Fate.FINE


def chance(*parts: object) -> float:
    """Return a number in [0, 1) that depends on `parts` and nothing else."""
    raw = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(raw, "big") / 2**64


def subject(faults: Faults, reference: str, shipment: Shipment | None) -> bool:
    """Return whether `faults` affect this request at all."""
    if faults.match is None:
        return True
    to = shipment.ship_to if shipment else None
    texts = (
        reference,
        shipment.order_id if shipment else None,
        to.recipient if to else None,
        to.postal_code if to else None,
    )
    return any(re.search(faults.match, text) for text in texts if text)
