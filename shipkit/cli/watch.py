"""``run --watch FOLDER``: each file that comes in is run once, and moves to ``done`` or ``failed``.

A file whose run was interrupted, or that the carrier or the machine failed, stays where it is and
is run again: the same plan is the same job, so nothing is bought twice.
"""

from __future__ import annotations

import hashlib
import signal
import threading
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from shipkit.cli.batch import run_one
from shipkit.cli.console import Console, End
from shipkit.cli.exits import Exit, of_error
from shipkit.common.files import make_private
from shipkit.common.lock import held
from shipkit.errors import InputError, ShipkitError
from shipkit.outputs.writeback.confirmations import file_name, the_format
from shipkit.settings import Settings

__all__ = ["watch"]

_ENDINGS = (
    ".csv",
    ".tsv",
    ".txt",
    ".xlsx",
    ".xlsm",
    ".xls",
    ".ods",
    ".parquet",
    ".json",
    ".ndjson",
    ".jsonl",
)
_STILL_S = 2.0
"""A file is taken when it has not grown for so long: it may still be on its way."""
_EVERY_S = 10.0
_LONGEST_WAIT_S = 600.0
"""Longest wait before a file that the carrier or the machine failed is tried again."""


def watch(args: Namespace, console: Console) -> End:
    """Run each file of a folder, until stopped or, with ``--once``, until there is none. Ends with the highest code of any file."""
    folder = Path(args.watch)
    if not folder.is_dir():
        raise InputError(
            f"{folder} is not a folder.", fix="Make it first; files that are put into it are run."
        )
    args.every = args.every or _EVERY_S
    home = Settings.read(home=args.home).home
    mine = home / "watch" / hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    make_private(mine)
    with held(mine, what="watch"), _told_to_stop() as stop:
        console.note(
            f"Watching {folder}/ ({'once' if args.once else f'every {args.every:g} s'}). Ctrl-C "
            "stops after the file in hand."
        )
        return _rounds(folder, args, console, stop)


def _rounds(folder: Path, args: Namespace, console: Console, stop: _Stop) -> End:
    worst, count = Exit.DONE, 0
    again: dict[Path, tuple[float, float]] = {}  # file -> not before, wait
    while not stop.wanted:
        for path in _ready(folder, again):
            stop.busy = True
            end = _run(path, folder, args, console)
            stop.busy = False
            count += 1
            worst = max(worst, end.exit) if args.once else worst
            if end.exit >= Exit.UNFINISHED:
                wait = min(2 * again.get(path, (0.0, args.every))[1], _LONGEST_WAIT_S)
                again[path] = (time.monotonic() + wait, wait)
            if stop.wanted:
                break
        if args.once and not _growing(folder):
            break
        stop.wait(min(args.every, _STILL_S) if args.once else args.every)
    return End(
        worst, facts={"files": count, "waiting": [path.name for path in again if path.exists()]}
    )


def _run(path: Path, folder: Path, args: Namespace, console: Console) -> End:
    """Run one file and move it where it belongs."""
    done = folder / "done"
    stem = path.name.partition(".")[0]
    done.mkdir(exist_ok=True)
    own = Namespace(
        **{
            **vars(args),
            "file": str(path),
            "watch": None,
            "labels": str(_free(done / f"{stem}_labels.{args.label_format or 'pdf'}")),
            "confirmation_file": str(_free(done / file_name(the_format(args.confirmation), stem)))
            if args.confirmation
            else None,
            "write_back": str(_free(done / f"{stem}_shipped{''.join(path.suffixes)}")),
            "failed": str(folder / "failed" / f"{stem}_failed.csv"),
        }
    )
    (folder / "failed").mkdir(exist_ok=True)
    console.say()
    try:
        end = run_one(own, console)
    except KeyboardInterrupt:  # before anything was bought: a job in hand pauses instead
        end = End(Exit.UNFINISHED)
    except ShipkitError as error:
        console.fail(error.message, error.fix, error.code, of_error(error))
        end = End(of_error(error), facts={"code": error.code, "message": error.message})
    moved = _moved(path, folder, end)
    console.say(
        f"{path.name}: exit {int(end.exit)}, "
        f"{f'moved to {moved}' if moved else 'stays, and is run again'}"
    )
    console.record(
        "file",
        file=path.name,
        job_id=end.job_id,
        exit=int(end.exit),
        moved_to=str(moved) if moved else None,
        code=end.facts.get("code"),
    )
    return end


def _moved(path: Path, folder: Path, end: End) -> Path | None:
    """Move a file that is finished; one that may go on stays. What a person must correct is in ``failed`` with the reason beside it."""
    if end.exit >= Exit.UNFINISHED:
        return None
    if end.exit in {Exit.DONE, Exit.SOME_FAILED}:
        return path.rename(_free(folder / "done" / path.name))
    moved = path.rename(_free(folder / "failed" / path.name))
    moved.with_name(f"{moved.name}.error.txt").write_text(
        f"{end.facts.get('message', '')}\n", encoding="utf-8"
    )
    return moved


def _ready(folder: Path, again: dict[Path, tuple[float, float]]) -> list[Path]:
    """Return the files that are complete and due, oldest first."""
    now, clock = time.time(), time.monotonic()
    found = [(path, path.stat()) for path in _files(folder)]
    due = [
        (stat.st_mtime, path)
        for path, stat in found
        if now - stat.st_mtime >= _STILL_S
        and stat.st_size
        and again.get(path, (0.0, 0.0))[0] <= clock
    ]
    return [path for _, path in sorted(due)]


def _growing(folder: Path) -> bool:
    """Return whether a file is there that may still be on its way."""
    return any(time.time() - path.stat().st_mtime < _STILL_S for path in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        name = path.name.lower().removesuffix(".gz")
        if path.is_file() and name.endswith(_ENDINGS) and not name.startswith((".", "~$")):
            yield path


def _free(path: Path) -> Path:
    """Return `path`, or a name beside it that nothing has."""
    stem, dot, ending = path.name.partition(".")
    n, free = 1, path
    while free.exists():
        n += 1
        free = path.with_name(f"{stem}-{n}{dot}{ending}")
    return free


class _Stop:
    """Heeds Ctrl-C and the system's stop signal: between files it ends the watch, inside one it is an interrupt that pauses the job."""

    def __init__(self) -> None:
        self.busy = False
        self._wanted = threading.Event()

    @property
    def wanted(self) -> bool:
        return self._wanted.is_set()

    def wait(self, seconds: float) -> None:
        """Wait so long, or until stopped."""
        self._wanted.wait(seconds)

    def heed(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - what a signal handler is given
        self._wanted.set()
        if self.busy:
            raise KeyboardInterrupt


@contextmanager
def _told_to_stop() -> Iterator[_Stop]:
    stop = _Stop()
    kept = {number: signal.signal(number, stop.heed) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
