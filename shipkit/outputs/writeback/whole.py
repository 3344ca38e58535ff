"""A file that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shipkit.common.files import Disk
from shipkit.errors import WriteBackError

__all__ = ["whole"]


@contextmanager
def whole(path: Path, *, backup: str | None = None) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place when all went well; what stood there can be kept as a backup."""
    disk = Disk()
    try:
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent or "."
        )
        os.close(handle)
        part = Path(name)
        try:
            yield part
            _same_rights(path, part)
            disk.sync(part)
            if backup is not None:
                _keep(path, backup)
            disk.rename(part, path)
            disk.sync_folder(path.parent)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise WriteBackError(
            f"{path} cannot be written: {error.strerror or error}.",
            fix="Check the folder, its rights and the space on the disk; no result is lost.",
        ) from error


def _same_rights(path: Path, part: Path) -> None:
    if path.exists():
        shutil.copymode(path, part)
    else:
        mask = os.umask(0)
        os.umask(mask)
        part.chmod(0o666 & ~mask)


def _keep(path: Path, ending: str) -> None:
    kept, n = path.with_name(f"{path.name}{ending}"), 1
    while kept.exists():
        n += 1
        kept = path.with_name(f"{path.name}{ending}-{n}")
    shutil.copy2(path, kept)
    Disk().sync(kept)
