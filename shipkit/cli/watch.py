"""``run --watch FOLDER``: each new file is run once and moved to ``done`` or ``failed``.

A file stays where it is, and is run again, when its run was interrupted or when the carrier or this
machine failed: the same plan is the same job, so nothing is bought twice.
"""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from shipkit.cli.commands import UsageError
from shipkit.cli.console import Console, End
from shipkit.cli.error_words import described
from shipkit.cli.exit_codes import Exit, of_error
from shipkit.cli.order_commands import run_one
from shipkit.cli.output_paths import copied_as
from shipkit.cli.streams import STOP_SIGNALS
from shipkit.cli.watched_folder import STILL_S, WatchedFolder, free_path, moved
from shipkit.common.files import make_private, try_to_write, write_file
from shipkit.common.lock import held
from shipkit.common.visible_text import readable
from shipkit.errors import InputError, SettingsError, ShipkitError
from shipkit.home_url import url_of
from shipkit.outputs.writeback.confirmations import file_name, the_format
from shipkit.settings import Settings

__all__ = ["watch"]

_EVERY_S = 10.0


def watch(args: Namespace, console: Console) -> End:
    """Run each file of a folder until stopped or, with ``--once``, until none is left.

    With ``--once`` the exit code is the highest one of any file.
    """
    path = Path(args.watch)
    if not path.is_dir():
        raise InputError(
            f"{path} is not a folder.", fix="Create it first; files that are put into it are run."
        )
    whole = str(path.absolute())
    if readable(whole) != whole:
        raise InputError(
            f"The name of the folder {readable(whole)} is not UTF-8.", fix="Rename the folder."
        )
    folder = WatchedFolder(path, args.every or _EVERY_S)
    _refuse_read_only(folder)
    home = Settings.read(home=args.home).home
    if url_of(home) is not None:
        raise InputError(
            f"--watch keeps its list of files in the home, and {url_of(home)} is not a folder.",
            fix="Give a folder as --home.",
        )
    mine = home / "watch" / hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]
    make_private(mine)
    with held(mine, what="watch", named=f"The folder {path}"), _stop_requests() as stop:
        how_often = "once" if args.once else f"every {folder.every_s:g} s"
        console.note(f"Watching {path}/ ({how_often}). Press Ctrl-C to stop.")
        return _rounds(folder, args, console, stop)


def _refuse_read_only(folder: WatchedFolder) -> None:
    """Raise InputError where files could not be moved, or their outputs not be saved."""
    try:
        _make_folders(folder)
    except OSError as error:
        raise InputError(
            f"--watch {folder.path}: files cannot be moved and saved there "
            f"({described(error).message}).",
            fix=f"Correct the permissions of {folder.path}, of its done and of its failed folder. "
            "Nothing was bought.",
        ) from None


def _make_folders(folder: WatchedFolder) -> None:
    """Make ``done`` and ``failed``. Raises OSError if a folder cannot be written to."""
    for made in (folder.done, folder.failed):
        made.mkdir(exist_ok=True)
    for used in (folder.path, folder.done, folder.failed):
        try:
            try_to_write(used)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(used)) from None


def _rounds(folder: WatchedFolder, args: Namespace, console: Console, stop: _Stop) -> End:
    worst, count = Exit.DONE, 0
    following: dict[Path, str] = {}  # what a file's last run advised: earlier ones are past
    while not stop.wanted:
        try:
            ready = folder.ready()
            growing = bool(args.once and folder.growing())
        except OSError as error:  # a network folder that is gone for a moment
            if args.once:
                raise
            console.note(f"{folder.path} cannot be read: {error.strerror}. It is tried again.")
            ready, growing = [], True
        for path in ready:
            stop.busy = True
            end = _run(path, folder, args, console)
            stop.busy = False
            count += 1
            following.pop(path, None)
            if end.next:
                following[path] = end.next
            worst = max(worst, end.exit) if args.once else worst
            if path.exists():
                folder.put_off(path)
            if stop.wanted:
                break
        if args.once and not growing:
            break
        stop.wait(min(folder.every_s, STILL_S) if args.once else folder.every_s)
    waiting = [readable(path.name) for path in folder.waiting]
    advised = next(iter(following.values()), None)
    return End(worst, next=advised, facts={"files": count, "waiting": waiting})


def _run(path: Path, folder: WatchedFolder, args: Namespace, console: Console) -> End:
    """Run one file and move it to ``done`` or ``failed``."""
    console.say()
    console.job_id = None
    try:
        end = run_one(_options_for(path, folder, args), console)
    except KeyboardInterrupt:  # before the purchase began; during it, the job is paused instead
        end = End(Exit.UNFINISHED)
    except UsageError:
        raise  # the same options would fail for every file
    except Exception as error:  # noqa: BLE001 - one file must not stop the files behind it
        end = _ended(error, console)
    try:
        put = _put_away(path, folder, end)
    except OSError as error:
        console.fail(
            f"{path.name} was run and cannot be moved: {error.strerror or error}.",
            f"Correct the permissions of {folder.path}. Running it again buys nothing twice.",
            "machine",
            Exit.BROKEN,
        )
        put, end.exit = None, Exit.BROKEN
    what = f"moved to {put}" if put else "not moved; it will be run again"
    console.say(f"{path.name}: exit {int(end.exit)}, {what}")
    if end.next:
        console.say(f"Next: {end.next}")
    console.record(
        "file",
        file=readable(path.name),
        job_id=end.job_id,
        exit=int(end.exit),
        moved_to=readable(str(put)) if put else None,
        code=end.facts.get("code"),
        next=end.next,
    )
    return end


def _ended(error: Exception, console: Console) -> End:
    """Report an error of one file. With a defect in shipkit, this file is set aside."""
    expected = isinstance(error, ShipkitError | OSError)
    if not expected:
        console.err.print_traceback()
    told = described(error)
    code = of_error(error) if expected else Exit.UNUSABLE
    if console.job_id is not None or isinstance(error, SettingsError):
        code = Exit.BROKEN  # not the fault of this file, which stays and is run again
    console.fail(told.message, told.fix, told.code, code)
    return End(code, console.job_id, facts={"code": told.code, "message": told.message})


def _options_for(path: Path, folder: WatchedFolder, args: Namespace) -> Namespace:
    """Return the options that run one file and save its outputs in ``done`` and ``failed``."""
    _make_folders(folder)  # again, because the labels are bought before they are saved
    stem = path.name.partition(".")[0]
    confirmation = (
        str(free_path(folder.done / file_name(the_format(args.confirmation), stem)))
        if args.confirmation
        else None
    )
    outputs = {
        "labels": str(free_path(folder.done / f"{stem}_labels.{args.label_format or 'pdf'}")),
        "write_back": str(free_path(folder.done / f"{stem}_shipped{copied_as(path)}")),
        "failed": str(folder.failed / f"{stem}_failed.csv"),
        "confirmation_file": confirmation,
    }
    return Namespace(**{**vars(args), "file": str(path), "watch": None, **outputs})


def _put_away(path: Path, folder: WatchedFolder, end: End) -> Path | None:
    """Move a finished file and return its new path; return None for one that is run again.

    A file that could not be run goes to ``failed``, next to a text file with the reason.
    """
    if end.exit >= Exit.UNFINISHED:
        return None
    if end.exit in {Exit.DONE, Exit.SOME_FAILED}:
        return moved(path, folder.done)
    put = moved(path, folder.failed)
    reason = readable(str(end.facts.get("message", "")))
    write_file(put.with_name(f"{put.name}.error.txt"), f"{reason}\n")
    return put


class _Stop:
    """Reacts to Ctrl-C and to the stop signals of the system.

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
        number: signal.signal(number, stop.handle)
        for number in (signal.SIGINT, *STOP_SIGNALS)
        # `nohup` ignores SIGHUP; a shell ignores SIGINT for its background jobs, which a person
        # who sends it to this process does not mean.
        if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield stop
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
