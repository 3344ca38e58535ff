"""`shipkit carriers check NAME`: what a carrier's test host shows with your credentials."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shipkit.cli.console import Console, End
from shipkit.cli.exit_codes import Exit
from shipkit.common.local_day import local_day
from shipkit.common.words import counted
from shipkit.settings import Settings

if TYPE_CHECKING:
    from shipkit.carriers.host_walk import HostCheck
    from shipkit.carriers.protocol import Carrier

__all__ = ["check_carrier"]


def check_carrier(name: str, settings: Settings, console: Console) -> End:
    """Walk the test host of a carrier, print each step, and keep the result in the home."""
    from shipkit.carriers.account_checks import AccountCheck, AccountChecks
    from shipkit.carriers.registry import create

    carrier = create(name, settings)
    found = asyncio.run(_walked(carrier))
    rows = []
    for step in found.steps:
        rows.append(["ok" if step.expected else "differs", step.name, step.text])
        console.record("step", name=step.name, text=step.text, expected=step.expected)
    console.title(f"{carrier.services.title} on its test host")
    console.table(["", "step", "what it showed"], rows, wrap="what it showed")
    if found.left:
        console.say(f"Not voided: {', '.join(found.left)}. Void them in your account.")
    differences = tuple(found.differences)
    kept = AccountCheck(local_day(None).isoformat(), found.repeat_is_same, differences)
    path = AccountChecks(settings.home).keep(name, carrier.identity.account, kept)
    what = (
        counted(len(differences), "step differs", "steps differ")
        if differences
        else "all as expected"
    )
    console.say(f"{carrier.identity}: {what}. Kept in {path}.")
    facts = {
        "differences": list(differences),
        "repeat_is_same": found.repeat_is_same,
        "not_voided": found.left,
        "file": str(path),
    }
    return End(Exit.SOME_FAILED if differences else Exit.DONE, facts=facts)


async def _walked(carrier: Carrier) -> HostCheck:
    from shipkit.carriers.host_walk import walk

    try:
        return await walk(carrier)
    finally:
        await carrier.aclose()
