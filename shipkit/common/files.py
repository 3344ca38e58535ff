"""Writes that survive a crash: the few file operations that everything durable is made of.

Two users, one order of operations (content, sync, rename, sync of the folder):

* :func:`write_file` and :func:`whole_file` write a file somewhere on disk, wherever it may be: an
  approval, an export, a rate card, a report.
* :class:`Disk` writes the files of a job. It is an object so that a test can record what it does,
  cut the record at any point and check what a power failure would have left.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = [
    "PRIVATE",
    "Disk",
    "make_private",
    "one_file",
    "try_to_write",
    "whole_file",
    "write_file",
]

PRIVATE = 0o700
"""Mode of every folder in the home: labels and addresses are private data."""

_PRIVATE_FILE = 0o600
_PUBLIC_FILE = 0o666
"""Before the umask of the process, which the system itself applies."""

_TEMPORARY = ".tmp-"


def make_private(folder: Path) -> None:
    """Create `folder` and its missing parents, readable by their owner only."""
    # `mkdir(parents=True)` would create the parents with the default mode, readable by everybody.
    for parent in reversed([parent for parent in folder.parents if not parent.exists()]):
        parent.mkdir(mode=PRIVATE, exist_ok=True)
    folder.mkdir(mode=PRIVATE, exist_ok=True)


def one_file(one: Path, other: Path) -> bool:
    """Return whether two paths are one file, by links or by a disk that ignores case, too.

    Of files that do not exist yet, names that differ only by case or by how an accent is encoded
    count as one: many disks make one file of them.
    """
    with contextlib.suppress(OSError, ValueError):  # one does not exist, or is no name for a file
        return one.samefile(other)
    try:
        first, second = (unicodedata.normalize("NFC", os.path.realpath(it)) for it in (one, other))
    except ValueError:
        return False
    if os.path.exists(one) or os.path.exists(other):  # noqa: PTH110 - no error for a long name
        return first == second
    return first.casefold() == second.casefold()


def try_to_write(folder: Path) -> None:
    """Make an empty file in `folder` and remove it. Raises OSError where that cannot be done.

    Permissions alone do not say so: the superuser has them all, and a read-only or a virtual file
    system refuses regardless of them.
    """
    probe = folder / f"{_TEMPORARY}{secrets.token_hex(6)}"
    os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE_FILE))
    probe.unlink()


def write_file(
    path: Path,
    content: str | bytes | Callable[[Path], object],
    *,
    private: bool = False,
    durable: bool = True,
) -> None:
    """Write a whole file: afterwards `path` holds either all of `content` or what it held before.

    Parameters
    ----------
    content
        Text (written as UTF-8, line ends as they are), bytes, or a function that writes the file
        at the path it is given.
    private, durable
        As for :func:`whole_file`.
    """
    with whole_file(path, private=private, durable=durable) as temporary:
        if isinstance(content, str):
            temporary.write_bytes(content.encode())
        elif isinstance(content, bytes):
            temporary.write_bytes(content)
        else:
            content(temporary)


@contextmanager
def whole_file(path: Path, *, private: bool = False, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary file next to `path` that takes its place when the block succeeds.

    The temporary file exists, is empty, and has the suffix of `path`, so that writers which look
    at the suffix can be given it. When the block raises, it is removed and `path` is as before.

    Parameters
    ----------
    path
        A link is followed: what it points to is replaced, the link stays. A device or a pipe
        (``/dev/stdout``) cannot be replaced and is yielded itself.
    private
        Make the file readable by its owner only. Otherwise a file that is replaced keeps its
        mode, and a new one has the usual mode of the process.
    durable
        Return only when a power cut can no longer undo the new name. The content is synced before
        the rename in any case: without that, a crash can leave the new name with an empty file.
        False saves one sync per file where many files are written that can be written again.

    Raises
    ------
    OSError
        The file cannot be written. A pipe that no program reads is refused: it would be waited for.
    """
    if _is_stream(path):
        with _read_by_someone(path):
            yield path
        return
    path = Path(os.path.realpath(path))
    disk = Disk()
    mode = _PRIVATE_FILE if private else _mode_of(path)
    # The name is random because several processes may write one approval or one export at a time;
    # of a long name only the beginning is kept, since file systems allow 255 bytes.
    temporary = path.with_name(f".{path.stem[:40]}-{secrets.token_hex(6)}{path.suffix}")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
    try:
        yield temporary
        disk.sync(temporary)
        if not private and path.exists():
            shutil.copymode(path, temporary)
        disk.rename(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    if durable:
        disk.sync_folder(path.parent)


class Disk:
    """The file operations of a job, in the order in which they must reach the disk."""

    def publish(self, folder: Path, name: str, data: bytes) -> None:
        """Make `folder/name` hold `data`, all or nothing, and return when that is durable."""
        # Only the owner of the job's lock writes here, so the temporary name can be fixed: what a
        # kill left behind is overwritten by the next owner instead of gathering in the folder.
        temporary = folder / f"{_TEMPORARY}{name}"
        self.write(temporary, data)
        self.rename(temporary, folder / name)
        self.sync_folder(folder)

    def write(self, path: Path, data: bytes) -> None:
        """Write a new file, readable by its owner only, and sync it."""
        fd = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0), _PRIVATE_FILE
        )
        try:
            _write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self, old: Path, new: Path) -> None:
        """Rename a file or folder. An existing file is replaced, an existing folder refused."""
        if old.is_dir():
            old.rename(new)
        else:
            old.replace(new)

    def sync_folder(self, folder: Path) -> None:
        """Make the names in `folder` durable, where the operating system can do that."""
        if os.name == "nt":  # Windows cannot open a folder, and NTFS journals names itself
            return
        fd = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def patch(self, path: Path, offset: int, data: bytes) -> None:
        """Overwrite bytes inside an existing file, without a sync.

        A power cut may undo it, so what is written must be something that a reader can do without.
        """
        fd = os.open(path, os.O_WRONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            os.lseek(fd, offset, os.SEEK_SET)
            _write_all(fd, data)
        finally:
            os.close(fd)

    def sync(self, path: Path) -> None:
        """Make the content of an existing file durable."""
        fd = os.open(path, os.O_RDWR)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def remove(self, path: Path) -> None:
        """Remove a file. One that is already gone is not an error."""
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def _is_stream(path: Path) -> bool:
    # /dev/stdout may point to a regular file, which the shell has open: replacing that by a rename
    # would leave the shell with the old one.
    return path.parent == Path("/dev") or (
        path.exists() and not path.is_file() and not path.is_dir()
    )


@contextmanager
def _read_by_someone(path: Path) -> Iterator[None]:
    """Raise OSError if `path` is a pipe without a reader; writers would wait for one for ever.

    It is kept open meanwhile: a reader that sees the last writer leave takes that for the end.
    """
    if not stat.S_ISFIFO(path.stat().st_mode):
        yield
        return
    try:
        held = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError(errno.ENXIO, "It is a pipe that no program reads", str(path)) from None
        raise
    try:
        yield
    finally:
        os.close(held)


def _mode_of(path: Path) -> int:
    """Return the mode of a new file that replaces `path`: never wider for others than before."""
    return path.stat().st_mode & 0o777 | _PRIVATE_FILE if path.exists() else _PUBLIC_FILE


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:  # os.write may take only a part, for example when the disk is nearly full
        view = view[os.write(fd, view) :]
