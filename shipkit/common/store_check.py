"""What an object store must show before real money depends on it, and the record that it did."""

from __future__ import annotations

import datetime as dt
import json
import secrets
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipkit._version import __version__
from shipkit.common.object_store import ObjectStore, store_of
from shipkit.errors import CheckpointWriteError, SettingsError
from shipkit.home_url import shown_home

__all__ = ["RACES", "StoreCheck", "check_store", "demand_checked"]

RACES = 100
_WRITERS = 8
_SAMPLES = 20
_RECORD = "CHECKED.json"


@dataclass(frozen=True)
class StoreCheck:
    """What was found out about a store."""

    url: str
    fault: str | None
    """Which condition it does not keep; None when it keeps both."""
    races: int
    """Races of eight writers for one object, half of them to create it, half to replace it."""
    lost_races: int
    """Those with no winner, or with more than one."""
    latency_ms: dict[str, tuple[float, float]]
    """Operation -> its median and its longest time."""

    @property
    def passed(self) -> bool:
        """Whether the store can be a home for live carriers."""
        return self.fault is None and self.races >= RACES and self.lost_races == 0


def check_store(home: Path) -> StoreCheck:
    """Try the conditions of a home's object store, time it, and record what was found in it.

    Everything it writes but the record is removed again.

    Raises
    ------
    SettingsError
        The home is a folder.
    CheckpointWriteError
        The store cannot be used.
    """
    store = store_of(home)
    if store is None:
        raise SettingsError(
            f"The home {home} is a folder, and needs no check.",
            fix="Give the URL of a home in an object store: s3://bucket/prefix.",
        )
    try:
        return _checked(store)
    except OSError as error:
        raise CheckpointWriteError(
            f"The object store of {store.url} cannot be used: {error}.",
            fix="Check the network, and the AWS_... variables of the environment.",
        ) from None


def _checked(store: ObjectStore) -> StoreCheck:
    fault = store.probe()
    if fault is not None:
        return StoreCheck(store.url, fault, 0, 0, {})
    folder = f".probe/{secrets.token_hex(8)}"
    try:
        latency = _latency(store, folder)
        with ThreadPoolExecutor(_WRITERS) as pool:
            lost = sum(not _race(store, f"{folder}/race-{i}", i, pool) for i in range(RACES))
    finally:
        store.remove(f"{folder}/{name}" for name in store.names(folder))
    found = StoreCheck(store.url, None, RACES, lost, latency)
    if found.passed:
        store.put(_RECORD, json.dumps(_record(found), indent=1).encode())
    return found


def _race(store: ObjectStore, key: str, number: int, pool: ThreadPoolExecutor) -> bool:
    """Let several writers write one object at a time; return whether exactly one did."""
    start = store.create(key, b"start") if number % 2 else None

    def write(writer: int) -> bool:
        data = f"writer {writer}".encode()
        made = store.replace(key, data, start) if start else store.create(key, data)
        return made is not None

    winners = [writer for writer, won in enumerate(pool.map(write, range(_WRITERS))) if won]
    return [store.get(key).data.decode()] == [f"writer {writer}" for writer in winners]


def _latency(store: ObjectStore, folder: str) -> dict[str, tuple[float, float]]:
    tags = [""] * _SAMPLES

    def create(i: int) -> None:
        tags[i] = store.create(f"{folder}/{i}", b"x" * 4096) or ""

    operations: dict[str, Callable[[int], Any]] = {
        "create": create,
        "replace": lambda i: store.replace(f"{folder}/{i}", b"y" * 4096, tags[i]),
        "read": lambda i: store.get(f"{folder}/{i}"),
        "list": lambda _: store.names(folder),
    }
    return {name: _timed(work) for name, work in operations.items()}


def _timed(work: Callable[[int], Any]) -> tuple[float, float]:
    times = []
    for i in range(_SAMPLES):
        began = time.perf_counter()
        work(i)
        times.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(times), 1), round(max(times), 1)


def _record(found: StoreCheck) -> dict[str, Any]:
    return {
        "url": found.url,
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "shipkit": __version__,
        "races": found.races,
        "lost_races": found.lost_races,
        "latency_ms": found.latency_ms,
    }


def demand_checked(home: Path) -> None:
    """Raise SettingsError when real money would depend on a store that was never checked.

    A home that is a folder needs no check.
    """
    store = store_of(home)
    if store is None:
        return
    try:
        found = store.find(_RECORD)
        record = json.loads(found.data) if found is not None else {}
        checked = (
            record.get("url") == store.url
            and record.get("races", 0) >= RACES
            and record.get("lost_races") == 0
        )
    except (ValueError, AttributeError, TypeError):
        checked = False
    except OSError as error:
        raise CheckpointWriteError(
            f"The home {store.url} cannot be read: {error}.",
            fix="Check the network, and the AWS_... variables of the environment.",
        ) from None
    if not checked:
        raise SettingsError(
            f"The object store of {shown_home(home)} was never checked, and a live carrier spends "
            "real money. Nothing was bought.",
            fix=f"Run once: shipkit home check {store.url}",
        )
