"""The files that a run saves after it bought: checked before, and none costs another its turn.

When the disk is full or a folder is gone, the labels are bought all the same. So a file that cannot
be saved is reported with the command that saves it later, and the run still names its job.
"""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shipkit.cli import advice
from shipkit.cli.console import Console
from shipkit.cli.error_words import described
from shipkit.cli.exit_codes import Exit
from shipkit.cli.table_files import check_ending
from shipkit.errors import InputError, ShipkitError
from shipkit.outputs.labels.destination import Destination

__all__ = ["SavedFiles", "refuse_unusable"]


def refuse_unusable(args: Namespace) -> None:
    """Raise before anything is bought when a file that `args` names could not be saved afterwards.

    Raises
    ------
    LabelError, InputError
        The ending is of no format that can be written, or the folder does not exist or cannot be
        written to.
    """
    if args.labels:
        Destination.of(Path(args.labels), per=None, split=None, format=None)
        _refuse_folder("--labels", Path(args.labels), made=True)
    for option, given in (("--failed", args.failed), ("-o", args.output)):
        if given:
            check_ending(Path(given))
            _refuse_folder(option, Path(given))
    if args.write_back:
        _refuse_folder("--write-back", Path(args.write_back))


def _refuse_folder(option: str, path: Path, *, made: bool = False) -> None:
    """Refuse a file in a folder that is not there (unless it will be `made`) or is read-only."""
    folder = path.parent
    while made and not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise InputError(
            f"{option} {path} cannot be written: there is no folder {folder}.",
            fix="Create the folder, or choose another one. Nothing was bought.",
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(
            f"{option} {path} cannot be written: no permission to write to {folder}.",
            fix="Choose another folder, or correct its permissions. Nothing was bought.",
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

        After Ctrl-C or a stop signal, what is left is not tried.
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
            self._report(f"{what}: not saved. {told.message}", later, told.code, Exit.BROKEN)

    def _report(self, message: str, later: str, code: str, worst: Exit) -> None:
        self.console.fail(
            f"{message} Job {self.job_id} is complete on disk.",
            f"Correct the cause, then: {later}",
            code,
            worst,
        )
        self.exit = max(self.exit, worst)
        self.next = self.next or later
