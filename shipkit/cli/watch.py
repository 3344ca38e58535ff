"""``run --watch FOLDER``: each new file is run once and moved to ``done`` or ``failed``.

A file stays where it is, and is run again, when its run was interrupted or when the carrier or this
machine failed: the same plan is the same job, so nothing is bought twice.
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

from shipkit.cli.console import Console, End
from shipkit.cli.exit_codes import Exit, of_error
from shipkit.cli.order_commands import run_one
from shipkit.common.files import make_private, write_file
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
"""A file is run when it has not grown for this long; until then it may still be uploading."""
_EVERY_S = 10.0
_LONGEST_WAIT_S = 600.0
"""Longest wait before a file is run again after the carrier or this machine failed."""


def watch(args: Namespace, console: Console) -> End:
    """Run each file of a folder until stopped or, with ``--once``, until none is left.

    With ``--once`` the exit code is the highest one of any file.
    """
    folder = Path(args.watch)
    if not folder.is_dir():
        raise InputError(
            f"{folder} is not a folder.", fix="Create it first; files that are put into it are run."
        )
    args.every = args.every or _EVERY_S
    home = Settings.read(home=args.home).home
    mine = home / "watch" / hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    make_private(mine)
    with held(mine, what="watch", named=f"The folder {folder}"), _stop_requests() as stop:
        how_often = "once" if args.once else f"every {args.every:g} s"
        console.note(f"Watching {folder}/ ({how_often}). Press Ctrl-C to stop.")
        return _rounds(folder, args, console, stop)


def _rounds(folder: Path, args: Namespace, console: Console, stop: _Stop) -> End:
    worst, count = Exit.DONE, 0
    again: dict[Path, tuple[float, float]] = {}  # file -> earliest time to run it again, last wait
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
    """Run one file and move it to ``done`` or ``failed``."""
    own = _options_for(path, folder, args)
    console.say()
    try:
        end = run_one(own, console)
    except KeyboardInterrupt:  # before the purchase began; during it, the job is paused instead
        end = End(Exit.UNFINISHED)
    except ShipkitError as error:
        console.fail(error.message, error.fix, error.code, of_error(error))
        end = End(of_error(error), facts={"code": error.code, "message": error.message})
    moved = _moved(path, folder, end)
    what = f"moved to {moved}" if moved else "not moved; it will be run again"
    console.say(f"{path.name}: exit {int(end.exit)}, {what}")
    console.record(
        "file",
        file=path.name,
        job_id=end.job_id,
        exit=int(end.exit),
        moved_to=str(moved) if moved else None,
        code=end.facts.get("code"),
    )
    return end


def _options_for(path: Path, folder: Path, args: Namespace) -> Namespace:
    """Return the options that run one file and save its outputs in ``done`` and ``failed``."""
    done, failed = folder / "done", folder / "failed"
    for made in (done, failed):
        made.mkdir(exist_ok=True)
    stem = path.name.partition(".")[0]
    confirmation = (
        str(_free(done / file_name(the_format(args.confirmation), stem)))
        if args.confirmation
        else None
    )
    outputs = {
        "labels": str(_free(done / f"{stem}_labels.{args.label_format or 'pdf'}")),
        "write_back": str(_free(done / f"{stem}_shipped{''.join(path.suffixes)}")),
        "failed": str(failed / f"{stem}_failed.csv"),
        "confirmation_file": confirmation,
    }
    return Namespace(**{**vars(args), "file": str(path), "watch": None, **outputs})


def _moved(path: Path, folder: Path, end: End) -> Path | None:
    """Move a finished file and return its new path; return None for one that is run again.

    A file that could not be run goes to ``failed``, next to a text file with the reason.
    """
    if end.exit >= Exit.UNFINISHED:
        return None
    if end.exit in {Exit.DONE, Exit.SOME_FAILED}:
        return path.rename(_free(folder / "done" / path.name))
    moved = path.rename(_free(folder / "failed" / path.name))
    write_file(moved.with_name(f"{moved.name}.error.txt"), f"{end.facts.get('message', '')}\n")
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
    """Return whether some file may still be uploading."""
    return any(time.time() - path.stat().st_mtime < _STILL_S for path in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        name = path.name.lower().removesuffix(".gz")
        if path.is_file() and name.endswith(_ENDINGS) and not name.startswith((".", "~$")):
            yield path


def _free(path: Path) -> Path:
    """Return `path`, or the first numbered variant of it that does not exist."""
    stem, dot, ending = path.name.partition(".")
    n, free = 1, path
    while free.exists():
        n += 1
        free = path.with_name(f"{stem}-{n}{dot}{ending}")
    return free


class _Stop:
    """Reacts to Ctrl-C and to the stop signal of the system.

    Between files it ends the watch; during a run it is an interrupt, which pauses the job.
    """

    def __init__(self) -> None:
        self.busy = False
        self._wanted = threading.Event()

    @property
    def wanted(self) -> bool:
        return self._wanted.is_set()

    def wait(self, seconds: float) -> None:
        """Wait for `seconds`, or until a stop is requested."""
        self._wanted.wait(seconds)

    def handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of a signal handler
        self._wanted.set()
        if self.busy:
            raise KeyboardInterrupt


@contextmanager
def _stop_requests() -> Iterator[_Stop]:
    stop = _Stop()
    kept = {
        number: signal.signal(number, stop.handle) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
