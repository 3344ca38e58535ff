"""The files that a command writes are none that it reads, and no two of them are one file.

One place for every command, before anything is read, priced or bought: a row file that is saved
over the orders is found out too late, when the labels are bought.
"""

from __future__ import annotations

import glob
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from shipkit.cli.session_options import pairs
from shipkit.cli.watched_folder import takes
from shipkit.common.files import one_file
from shipkit.errors import InputError, ShipkitError
from shipkit.home_url import is_url

__all__ = ["copied_as", "refuse_shared_paths"]

_WRITTEN = {
    "output": "-o",
    "labels": "--labels",
    "write_back": "--write-back",
    "failed": "--failed",
    "results": "--results",
    "report": "--report",
    "log": "--log",
}
"""Option of a command -> how it is typed, for each that names a file to write."""

_READ = {
    "template": "the template",
    "skus": "the table of SKUs",
    "shipper": "the file of the shipper",
    "config": "the config file",
}
"""Option of a command -> what its file is, for each that may name a file to read."""


class _Named(NamedTuple):
    """A file of a command, and what it is called in a message."""

    words: str
    path: Path


def refuse_shared_paths(args: Namespace) -> None:
    """Raise InputError if a file to write is one that is read, or another one that is written."""
    typed = [*_typed_outputs(args)]
    if not typed:
        return
    read = [*_inputs(args)]
    for number, (words, path) in enumerate(typed):
        for what, source in read:
            if one_file(path, source):
                raise InputError(
                    f"{words} is {what} itself.",
                    fix="Give the name of a new file. Nothing was bought.",
                )
        for other in (*typed[:number], *_default_outputs(args)):
            if one_file(path, other.path):
                raise InputError(
                    f"{other.words} and {words} are the same file.",
                    fix="Give each a file of its own. Nothing was bought.",
                )
        _refuse_watched(words, path, args)


def copied_as(path: Path) -> str:
    """Return the ending of the copy with tracking numbers of an orders file."""
    for endings, written in _COPIES.items():
        if any(suffix.lower() in endings for suffix in path.suffixes[-2:]):  # also orders.json.gz
            return written
    return "".join(path.suffixes)


_COPIES = {(".json", ".ndjson", ".jsonl"): ".csv", (".xls", ".ods", ".xlsb"): ".xlsx"}
"""Kinds of files that are read and not written, and what their copy is."""


def _typed_outputs(args: Namespace) -> Iterator[_Named]:
    for name, option in _WRITTEN.items():
        given = getattr(args, name, None)
        if given:
            path = Path(given)
            if path.parent != Path("/dev"):  # a stream takes the lines of several
                yield _Named(f"{option} {given}", path)


def _default_outputs(args: Namespace) -> Iterator[_Named]:
    """Yield the files that are written next to the orders when no name is given."""
    for orders in _orders(args):
        stem = orders.name.partition(".")[0]
        if getattr(args, "write_back", None) == "":
            copy = orders.with_name(f"{stem}_shipped{copied_as(orders)}")
            yield _Named(f"--write-back (writes {copy.name})", copy)
        if getattr(args, "confirmation", None):
            from shipkit.outputs.writeback.confirmations import file_name, the_format

            form = the_format(args.confirmation)
            for live in (True, False):
                path = orders.with_name(file_name(form, stem, live=live))
                yield _Named(f"--confirmation (writes {path.name})", path)


def _inputs(args: Namespace) -> Iterator[_Named]:
    orders = [*_orders(args), *_orders_of_job(args)]
    yield from (_Named("the orders file", path) for path in orders)
    for name, what in _READ.items():
        given = getattr(args, name, None)
        if isinstance(given, str) and given:
            yield _Named(what, Path(given))
    for place in pairs(getattr(args, "warehouse", None)).values():
        if isinstance(place, str) and place:
            yield _Named("the file of a warehouse", Path(place))


def _orders(args: Namespace) -> list[Path]:
    """Return the files that FILE names, which may be a pattern."""
    given = getattr(args, "file", None)
    if not given or is_url(str(given)):
        return []
    path = Path(given).expanduser()
    if path.exists() or not glob.has_magic(path.name):
        return [path]
    return [found for found in path.parent.glob(path.name) if found.is_file()]


def _orders_of_job(args: Namespace) -> list[Path]:
    """Return the files that the orders of JOB came from; none if there is no such job."""
    if not getattr(args, "job", None):
        return []
    from shipkit.cli.session_options import job_id_of
    from shipkit.purchasing.store import JobStore
    from shipkit.settings import Settings

    try:
        home = Settings.read(home=args.home).home
        facts: dict[str, Any] = JobStore.open(home, job_id_of(home, args.job)).manifest.facts
    except ShipkitError:  # the command itself says what is wrong with the job
        return []
    return [Path(path) for path in (facts.get("source") or {}).get("paths", ())]


def _refuse_watched(words: str, path: Path, args: Namespace) -> None:
    """Refuse a table in the watched folder: it would be run as a file of orders."""
    watched = getattr(args, "watch", None)
    if watched and takes(path) and one_file(path.parent, Path(watched)):
        raise InputError(
            f"{words} is in the folder that --watch runs the files of.",
            fix="Give a file in another folder. Nothing was bought.",
        )
