"""Files of a home that are also objects: pushed after a write, pulled before a read.

For a home that is a folder, both do nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from shipkit.common.files import make_private
from shipkit.common.object_store import in_parallel, store_of

__all__ = ["pull", "push"]


def push(home: Path, paths: Iterable[Path]) -> None:
    """Write files of the cache of `home` to its object store.

    Raises
    ------
    StoreError
        The store cannot be written.
    """
    store = store_of(home)
    if store is not None:
        in_parallel(lambda path: store.put(_key(home, path), path.read_bytes()), paths)


def pull(home: Path, paths: Iterable[Path], *, again: bool = False) -> None:
    """Bring objects of `home` into its cache. One that does not exist is left out.

    Parameters
    ----------
    again
        Also those that the cache has: they may have changed.

    Raises
    ------
    StoreError
        The store cannot be read.
    """
    store = store_of(home)
    if store is None:
        return

    def fetch(path: Path) -> None:
        found = None if path.exists() and not again else store.find(_key(home, path))
        if found is not None:
            make_private(path.parent)
            path.write_bytes(found.data)

    in_parallel(fetch, paths)


def _key(home: Path, path: Path) -> str:
    return path.relative_to(home).as_posix()
