"""Files of a home that are also objects: pushed after a write, pulled before a read.

For a home that is a folder, both do nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shipkit.common.files import make_private
from shipkit.common.object_store import StoreError, in_parallel, store_of
from shipkit.errors import CheckpointWriteError
from shipkit.home_url import shown_home

__all__ = ["pull", "push"]


def push(home: Path, paths: Iterable[Path]) -> None:
    """Write files of the cache of `home` to its object store.

    Raises
    ------
    CheckpointWriteError
        The store cannot be written.
    """
    store = store_of(home)
    if store is not None:
        with _in_words(home, "written"):
            in_parallel(lambda path: store.put(_key(home, path), path.read_bytes()), paths)


def pull(home: Path, paths: Iterable[Path], *, again: bool = False) -> None:
    """Bring objects of `home` into its cache. One that does not exist is left out.

    Parameters
    ----------
    again
        Also those that the cache has: they may have changed. One that the store does not have is
        removed from the cache: it was never pushed.

    Raises
    ------
    CheckpointWriteError
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
        elif again:
            path.unlink(missing_ok=True)

    with _in_words(home, "read"):
        in_parallel(fetch, paths)


@contextmanager
def _in_words(home: Path, done: str) -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise CheckpointWriteError(
            f"The home {shown_home(home)} cannot be {done}: {error}.",
            fix="Check the network, and the AWS_... variables of the environment.",
        ) from None


def _key(home: Path, path: Path) -> str:
    return path.relative_to(home).as_posix()
