"""The steps of a walk over a carrier's test host, and the parcel that is sent."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from shipkit.errors import CarrierError, CarrierRejected, NotSent, PartlyBought
from shipkit.models import Address, Parcel

__all__ = ["BOX", "SHIP_FROM", "SHIP_TO", "HostCheck", "HostStep", "tried"]

log = logging.getLogger("shipkit.carriers")

T = TypeVar("T")

SHIP_FROM: Final = Address(
    name="Dana Ortiz",
    company="Alamo Goods",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    phone="2105550100",
)
SHIP_TO: Final = Address(
    name="Jo Walker",
    address_line1="179 N Harbor Dr",
    city="Redondo Beach",
    state="CA",
    postal_code="90277",
    phone="3105550100",
)
BOX: Final = Parcel(weight_lb=2.0, length_in=10.0, width_in=8.0, height_in=4.0)


@dataclass(frozen=True)
class HostStep:
    """One step and what it showed."""

    name: str
    text: str
    expected: bool
    """Whether it is what shipkit relies on."""


@dataclass
class HostCheck:
    """What a test host has shown."""

    steps: list[HostStep] = field(default_factory=list)
    repeat_is_same: bool = False
    """A repeated purchase with its key returned the same label at the same price."""
    left: list[str] = field(default_factory=list)
    """What may be left at the carrier: tracking numbers of labels that could not be voided, pickups
    that could not be canceled, and what was asked for without an answer."""
    unsure: set[str] = field(default_factory=set)
    """Steps without a clear answer: they may have bought something."""

    @property
    def differences(self) -> list[str]:
        """The steps that were not as expected, in words."""
        return [f"{step.name}: {step.text}" for step in self.steps if not step.expected]

    def note(self, name: str, text: str, *, expected: bool = True) -> None:
        """Add a step."""
        self.steps.append(HostStep(name, text, expected))

    def leave(self, *things: str) -> None:
        """Name what may be left at the carrier, once."""
        self.left += [each for each in things if each not in self.left]


async def tried(check: HostCheck, name: str, call: Callable[[], Awaitable[T]]) -> T | None:
    """Return the answer of a step, None (and a note) where the carrier refused or gave none."""
    try:
        return await call()
    except (CarrierRejected, NotSent) as error:  # it did nothing
        check.note(name, f"{error.message} ({error.code})", expected=False)
        return None
    except PartlyBought as error:
        check.note(name, error.message, expected=False)
    except CarrierError as error:
        check.note(name, f"{error.message} ({error.code})", expected=False)
    except Exception as error:
        log.warning("a step failed in the carrier's code", exc_info=error)
        check.note(name, f"the answer cannot be read: {type(error).__name__}", expected=False)
    check.unsure.add(name)
    return None
