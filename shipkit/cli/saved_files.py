"""The files that a run saves after it bought: checked before, and none costs another its turn.

When the disk is full or a folder is gone, the labels are bought all the same. So a file that cannot
be saved is reported with the command that saves it later, and the run still names its job.
"""

from __future__ import annotations

import errno
import stat
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shipkit.cli import advice
from shipkit.cli.console import Console
from shipkit.cli.error_words import described
from shipkit.cli.exit_codes import Exit
from shipkit.cli.table_files import check_ending
from shipkit.common.files import try_to_write
from shipkit.errors import InputError, ShipkitError
from shipkit.outputs.labels.destination import Destination

__all__ = ["SavedFiles", "refuse_unusable"]


def refuse_unusable(args: Namespace) -> None:
    """Raise before anything is bought when a file that `args` names could not be saved afterwards.

    Raises
    ------
    LabelError, InputError
        The ending is of no format that can be written, or the folder does not exist or cannot be
        written to, or what has the name is a folder, a device or a pipe.
    """
    if args.labels:
        _mode(f"--labels {args.labels}", Path(args.labels))
        wanted = Destination.of(Path(args.labels), per=None, split=None, format=None)
        _refuse_target("--labels", wanted.path, folder=wanted.folder, made=True)
    for option, given in (("--failed", args.failed), ("-o", args.output)):
        if given:
            check_ending(Path(given))
            _refuse_target(option, Path(given))
    orders = Path(args.file) if args.file and "://" not in str(args.file) else None
    if args.write_back:
        _refuse_target("--write-back", Path(args.write_back))
    next_to_orders = [
        option
        for option, wanted in (
            ("--write-back", args.write_back == ""),
            ("--confirmation", args.confirmation and not getattr(args, "confirmation_file", None)),
        )
        if wanted
    ]
    if next_to_orders and orders is not None and orders.parent.is_dir():
        _refuse_folder(f"{next_to_orders[0]} (a file next to the orders)", orders.parent)


def _refuse_target(option: str, path: Path, *, folder: bool = False, made: bool = False) -> None:
    """Refuse a file that could not be saved at `path`: a `folder` of files, or one file.

    Parameters
    ----------
    made
        Whether folders that are missing will be made.
    """
    named = f"{option} {path}"
    mode = _mode(named, path)
    if mode is not None and stat.S_ISDIR(mode) and not folder:
        raise _unusable(named, "it is a folder.")
    if mode is not None and not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise _unusable(named, "it is a device or a pipe, not a file.")
    into = path if folder else path.parent
    while made and not into.exists() and into != into.parent:
        into = into.parent
    _refuse_folder(named, into)


def _mode(named: str, path: Path) -> int | None:
    """Return the mode of what has this name, None if nothing has. Raises InputError."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:  # a name that is too long, a folder that cannot be entered
        raise _unusable(named, f"{error.strerror}.") from None


def _refuse_folder(named: str, folder: Path) -> None:
    """Refuse a folder that is not there, or in which no file can be made."""
    if not folder.is_dir():
        raise InputError(
            f"{named} cannot be written: there is no folder {folder}.",
            fix="Create the folder, or choose another one. Nothing was bought.",
        )
    try:
        try_to_write(folder)
    except OSError as error:
        raise InputError(
            f"{named} cannot be written: no file can be made in {folder} ({error.strerror}).",
            fix="Choose another folder, or correct its permissions. Nothing was bought.",
        ) from None


def _unusable(named: str, reason: str) -> InputError:
    return InputError(
        f"{named} cannot be written: {reason}",
        fix="Give the name of a new file. Nothing was bought.",
    )


@dataclass
class SavedFiles:
    """Saves files after a purchase, and remembers what could not be saved."""

    job_id: str
    args: Namespace
    console: Console
    exit: Exit = Exit.DONE
    next: str | None = None
    """The command that saves the first file that is missing."""
    _interrupted: bool = False

    def save(self, what: str, work: Callable[[], object], *again: str) -> None:
        """Call `work`; if it fails, report that and the words of the command that saves it later.

        After Ctrl-C or a stop signal, what is left is not tried. A path that cannot be used is
        not advised again: another one, in the working folder, takes its place.
        """
        later = advice.command(*again, args=self.args)
        if self._interrupted:
            self._report(f"{what}: not saved.", later, "interrupted", Exit.UNFINISHED)
            return
        try:
            work()
        except KeyboardInterrupt:
            self._interrupted = True
            self._report(f"{what}: interrupted, not saved.", later, "interrupted", Exit.UNFINISHED)
        except Exception as error:  # noqa: BLE001 - the labels are bought, and their job must be named
            if not isinstance(error, ShipkitError | OSError):
                self.console.err.print_traceback()
            told = described(error)
            if _path_is_unusable(error):
                later = advice.command(*self._elsewhere(again), args=self.args)
            self._report(f"{what}: not saved. {told.message}", later, told.code, Exit.BROKEN)

    def _elsewhere(self, again: tuple[str, ...]) -> tuple[str, ...]:
        """Return the words of a command with another path as the last word."""
        *words, path = again
        if not words or words[-1] not in {"-o", "--failed"}:
            return again
        given = Path(path)
        return (*words, f"{self.job_id}-{given.stem[:40]}{given.suffix}")

    def _report(self, message: str, later: str, code: str, worst: Exit) -> None:
        self.console.fail(
            f"{message} Job {self.job_id} is complete on disk.",
            f"Correct the cause, then: {later}",
            code,
            worst,
        )
        self.exit = max(self.exit, worst)
        self.next = self.next or later


_UNUSABLE_PATH = frozenset(
    {
        *(errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENOENT, errno.ENXIO),
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.EINVAL),
    }
)
"""Reasons for which the same path fails again, unlike those of a disk that is full."""


def _path_is_unusable(error: Exception) -> bool:
    reason = error if isinstance(error, OSError) else error.__cause__
    return isinstance(reason, OSError) and reason.errno in _UNUSABLE_PATH
