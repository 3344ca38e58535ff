"""The claims of an account in an object store: one object lists those that count.

A job writes its claims under a name of their own, and they count when ``BOOK`` lists them. BOOK is
replaced on condition that it is still the one whose claims were compared. So of two machines that
claim the same order at the same moment, one has to compare again, and then it sees the other's.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from shipkit.common.files import make_private
from shipkit.common.object_store import ObjectStore, StoredObject, StoreError, in_parallel, store_of
from shipkit.errors import CheckpointCorrupt, CheckpointWriteError

__all__ = ["ClaimBook"]


class ClaimBook:
    """The list of claims of one account; for a home that is a folder, it does nothing.

    Parameters
    ----------
    folder
        The folder of the account's claims, in the home or in its cache.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store: ObjectStore | None = store_of(folder.parent.parent)
        self._seen: StoredObject | None = None

    def fetch(self) -> None:
        """Bring every claim that counts into the cache.

        Raises
        ------
        CheckpointWriteError
            The store cannot be read.
        """
        store = self._store
        if store is None:
            return
        make_private(self._folder)
        try:
            self._seen = store.find(self._key("BOOK"))
            in_parallel(lambda line: self._fetch(store, line), self._lines())
        except StoreError as error:
            raise CheckpointWriteError(
                f"The claimed orders in {store.url} cannot be read: {error}.",
                fix="Check the network, then resume. Nothing was sent.",
            ) from None

    def _fetch(self, store: ObjectStore, line: str) -> None:
        job_id, _, digest = line.partition(" ")
        path = self._folder / f"{job_id}.parquet"
        if path.exists():
            return
        found = store.find(self._key(f"{job_id}-{digest[:16]}.parquet"))
        if found is None or hashlib.sha256(found.data).hexdigest() != digest:
            raise CheckpointCorrupt(
                f"The claims of {job_id} in {store.url} are missing or were altered.",
                fix="Restore the object from a backup. Nothing was sent: without it, orders of "
                "that job could be bought twice.",
            )
        path.write_bytes(found.data)

    def drop_unlisted(self, path: Path) -> None:
        """Remove claims from the cache that an earlier try wrote and did not enter."""
        listed = any(line.startswith(f"{path.stem} ") for line in self._lines())
        if self._store is not None and not listed:
            path.unlink(missing_ok=True)

    def enter(self, path: Path) -> bool:
        """Make the claims in `path` count. False when others were entered since the last fetch.

        Raises
        ------
        CheckpointWriteError
            The store cannot be written.
        """
        store = self._store
        if store is None:
            return True
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        line = f"{path.stem} {digest}"
        book = "".join(f"{one}\n" for one in [*self._lines(), line]).encode()
        try:
            store.put(self._key(f"{path.stem}-{digest[:16]}.parquet"), data)
            if self._seen is None:
                entered = store.create(self._key("BOOK"), book) is not None
            else:
                entered = store.replace(self._key("BOOK"), book, self._seen.e_tag) is not None
        except OSError as error:
            path.unlink()
            raise CheckpointWriteError(
                f"The claimed orders in {store.url} cannot be written: {error}.",
                fix="Check the network, then resume. Nothing was sent.",
            ) from None
        if not entered:
            path.unlink()
        return entered

    def _lines(self) -> list[str]:
        return [] if self._seen is None else self._seen.data.decode().splitlines()

    def _key(self, name: str) -> str:
        return f"claims/{self._folder.name}/{name}"
