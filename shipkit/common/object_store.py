"""The objects of a home in an object store: read, listed, and written on conditions.

Two conditions carry everything that several machines agree on:

* *create*, ``If-None-Match: *``: of all that create one key, one wins;
* *replace*, ``If-Match``: of all that replace what they have read, one wins.

A store that accepts either without looking would let two machines buy the same row. So the first
write of a process checks both, and refuses a store that does not.
"""

from __future__ import annotations

import datetime as dt
import functools
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shipkit.errors import CheckpointWriteError, SettingsError
from shipkit.home_url import url_of

__all__ = [
    "ObjectStore",
    "StoreError",
    "StoredObject",
    "in_parallel",
    "s3_endpoint",
    "store_of",
]

_TIMEOUT_S = 15
_RETRY_S = 30
"""How long one operation is tried again. Each is safe to repeat: see :meth:`ObjectStore.create`."""
_AT_ONCE = 16
_CONFLICTS = 5
"""Tries of a create that met another one in progress, which the store answers with 409."""


class StoreError(OSError):
    """The object store did not do what was asked, and what it did is not known."""


@dataclass(frozen=True)
class StoredObject:
    """An object as it was read."""

    data: bytes
    e_tag: str
    """What :meth:`ObjectStore.replace` must be given to replace exactly this."""
    modified: dt.datetime
    """By the clock of the store."""


class ObjectStore:
    """The objects under the URL of a home. Keys are relative to it. Used from any thread.

    Parameters
    ----------
    url
        ``s3://bucket/prefix``. Credentials, region and endpoint come from the environment, in the
        names that AWS uses: ``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL`` and so on.
    retry
        False for callers that would rather hear of a failure at once.

    Raises
    ------
    SettingsError
        The extra ``shipkit[s3]`` is not installed, or the environment cannot be used.
    """

    def __init__(self, url: str, *, retry: bool = True) -> None:
        self.url = url
        self._client, self._obstore = _connect(url, retry=retry)
        self._checked = False
        self._guard = threading.Lock()

    def impatient(self) -> ObjectStore:
        """Return the same store for callers that would rather hear of a failure within seconds."""
        other = ObjectStore(self.url, retry=False)
        other._checked = self._checked
        return other

    # -- reading -------------------------------------------------------------------------------

    def get(self, key: str) -> StoredObject:
        """Return an object. Raises FileNotFoundError, or StoreError."""
        with self._words("read", key):
            found = self._obstore.get(self._client, key)
            meta = found.meta
            return StoredObject(bytes(found.bytes()), meta["e_tag"] or "", meta["last_modified"])

    def find(self, key: str) -> StoredObject | None:
        """Return an object, None if it does not exist."""
        try:
            return self.get(key)
        except FileNotFoundError:
            return None

    def exists(self, key: str) -> bool:
        """Return whether an object exists."""
        try:
            with self._words("read", key):
                self._obstore.head(self._client, key)
        except FileNotFoundError:
            return False
        return True

    def names(self, folder: str, *, after: str | None = None) -> list[str]:
        """Return the names in `folder`, sorted.

        Parameters
        ----------
        after
            Only names behind this one.
        """
        offset = None if after is None else f"{folder}/{after}"
        with self._words("list", folder):
            pages = self._obstore.list(self._client, prefix=folder, offset=offset)
            paths = [meta["path"] for page in pages for meta in page]
        start = len(folder) + 1
        return sorted(path[start:] for path in paths if path.startswith(f"{folder}/"))

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders in `folder`, sorted."""
        with self._words("list", folder):
            found = self._obstore.list_with_delimiter(self._client, prefix=folder)
        return sorted(prefix.rstrip("/").rpartition("/")[2] for prefix in found["common_prefixes"])

    # -- writing -------------------------------------------------------------------------------

    def put(self, key: str, data: bytes) -> None:
        """Write an object, whatever was there."""
        with self._words("write", key):
            # One request: an upload in parts can neither be conditional nor seen whole.
            self._obstore.put(self._client, key, data, use_multipart=False)

    def create(self, key: str, data: bytes) -> str | None:
        """Create an object; return its e-tag, or None when another one has that key.

        An object with the same bytes counts as this one: the client repeats a request whose answer
        was lost, and then meets its own object. So what is created must hold something that no
        other writer would write, where it matters who did.
        """
        self.demand_conditions()
        return self._create(key, data)

    def replace(self, key: str, data: bytes, e_tag: str) -> str | None:
        """Replace what was read with `e_tag`; return the new e-tag, or None when it has changed.

        As for :meth:`create`, an object that holds these bytes already counts as replaced.
        """
        self.demand_conditions()
        return self._replace(key, data, e_tag)

    def remove(self, keys: Iterable[str]) -> None:
        """Remove objects. One that is already gone is not an error."""
        for key in keys:
            with self._words("remove", key):
                try:
                    self._obstore.delete(self._client, key)
                except FileNotFoundError:
                    continue

    # -- the conditions ------------------------------------------------------------------------

    def demand_conditions(self) -> None:
        """Check once that the store keeps its conditions.

        Raises
        ------
        CheckpointWriteError
            It does not. Nothing was written that matters.
        """
        with self._guard:
            if not self._checked:
                fault = self.probe()
                if fault is not None:
                    raise CheckpointWriteError(
                        f"The object store of {self.url} cannot be a home: {fault}. Two machines "
                        "could buy the same order.",
                        fix="Use a store with conditional writes (AWS S3, MinIO and others have "
                        "them), or a folder on a local disk.",
                    )
                self._checked = True

    def probe(self) -> str | None:
        """Return which condition the store does not keep, None when it keeps both."""
        key = f".probe/{secrets.token_hex(8)}"
        try:
            first = self._create(key, b"1")
            if not first:
                return "it gives no e-tags, or refuses to create a new object"
            if self._create(key, b"2") is not None or self.get(key).data != b"1":
                return "it creates the same object twice (it ignores If-None-Match)"
            second = self._replace(key, b"3", first)
            if not second:
                return "it refuses to replace an object that has not changed (If-Match)"
            if self._replace(key, b"4", first) is not None or self.get(key).data != b"3":
                return "it replaces an object that has changed (it ignores If-Match)"
            if self._replace(f"{key}-none", b"5", first) is not None:
                return "it replaces an object that does not exist (it ignores If-Match)"
        finally:
            self.remove([key, f"{key}-none"])
        return None

    def _create(self, key: str, data: bytes) -> str | None:
        errors = self._obstore.exceptions
        for again in range(_CONFLICTS):
            with self._words("write", key):
                try:
                    made = self._obstore.put(
                        self._client, key, data, mode="create", use_multipart=False
                    )
                except (errors.AlreadyExistsError, errors.PreconditionError):
                    pass
                else:
                    return made["e_tag"] or ""
            found = self.find(key)
            if found is not None:
                return found.e_tag if found.data == data else None
            # 409: somebody else's create was in progress, and its end is not known yet.
            time.sleep(0.05 * 2**again)
        raise StoreError(f"{key} is being written by others again and again")

    def _replace(self, key: str, data: bytes, e_tag: str) -> str | None:
        errors = self._obstore.exceptions
        with self._words("write", key):
            try:
                made = self._obstore.put(
                    self._client, key, data, mode={"e_tag": e_tag}, use_multipart=False
                )
            except (errors.PreconditionError, errors.AlreadyExistsError, FileNotFoundError):
                pass
            else:
                return made["e_tag"] or ""
        found = self.find(key)
        return found.e_tag if found is not None and found.data == data else None

    @contextmanager
    def _words(self, what: str, key: str) -> Iterator[None]:
        """Turn the client's errors into a StoreError in one line.

        The client adds its whole state to the text, over thirty lines of it.
        """
        errors = self._obstore.exceptions
        try:
            yield
        except (errors.NotFoundError, FileNotFoundError) as error:
            if "<Code>NoSuchBucket</Code>" in str(error):  # not an object that nobody wrote yet
                raise StoreError(f"cannot {what} {self.url}/{key}: {_reason(error)}") from None
            raise FileNotFoundError(f"{self.url}/{key}") from error
        except (errors.AlreadyExistsError, errors.PreconditionError):
            raise
        except errors.BaseError as error:
            raise StoreError(f"cannot {what} {self.url}/{key}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """Return the code and message of a store that answered, else the first line of the client."""
    found = re.search(r"<Code>(\w+)</Code>\s*<Message>([^<]{1,200})", str(error))
    return f"{found[1]}, {found[2].strip().rstrip('.')}" if found else _first_line(error)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].strip() or type(error).__name__


def _connect(url: str, *, retry: bool) -> tuple[Any, Any]:
    try:
        import obstore
        import obstore.exceptions
        from obstore.store import from_url
    except ImportError:
        raise SettingsError(
            f"A home at {url} needs the package obstore.", fix="pip install 'shipkit[s3]'"
        ) from None
    endpoint = s3_endpoint()
    if endpoint.startswith("http://") and not _plain_http_allowed(endpoint):
        raise SettingsError(
            f"The endpoint of {url} is not encrypted, and labels and addresses would travel there.",
            fix="Use https in AWS_ENDPOINT_URL, or set AWS_ALLOW_HTTP=true in a network of yours.",
        )
    try:
        client = from_url(
            url,
            client_options={
                "timeout": f"{_TIMEOUT_S if retry else 5}s",
                "connect_timeout": "5s",
                "allow_http": endpoint.startswith("http://"),
            },
            retry_config={
                "max_retries": 8 if retry else 1,
                "retry_timeout": dt.timedelta(seconds=_RETRY_S if retry else 5),
            },
        )
    except obstore.exceptions.BaseError as error:
        raise SettingsError(
            f"The home {url} cannot be used: {_first_line(error)}.",
            fix="Check the URL and the AWS_... variables of the environment.",
        ) from None
    return client, obstore


def s3_endpoint() -> str:
    """Return the address of another S3 than Amazon's, as the environment names it; or nothing."""
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    return next((os.environ[name] for name in names if os.environ.get(name)), "")


def _plain_http_allowed(endpoint: str) -> bool:
    """Return whether an endpoint may be asked without TLS: on this machine, or if it is allowed."""
    if os.environ.get("AWS_ALLOW_HTTP", "").lower() in {"1", "true", "yes"}:
        return True
    return urlsplit(endpoint).hostname in {"localhost", "127.0.0.1", "::1"}


@functools.cache
def _store_at(url: str, pid: int) -> ObjectStore:  # noqa: ARG001 - a forked child needs its own
    return ObjectStore(url)


def store_of(home: Path) -> ObjectStore | None:
    """Return the object store of a home, None for a home that is a folder."""
    url = url_of(home)
    return None if url is None else _store_at(url, os.getpid())


def in_parallel(work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """Return what `work` returns for each item, in order, several at a time."""
    wanted = list(items)
    if len(wanted) <= 1:
        return [work(item) for item in wanted]
    with ThreadPoolExecutor(min(_AT_ONCE, len(wanted)), thread_name_prefix="shipkit-store") as pool:
        return list(pool.map(work, wanted))
