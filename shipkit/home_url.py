"""Homes in an object store: how their URL is written, and the private folder that caches one.

Everything in shipkit takes a home as a folder. For a home at a URL that folder is a cache of this
process: jobs and previews are fetched into it, and nothing counts as written before the store has
it. Two processes never share a cache, so that all they know of each other is what the store says.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import socket
import tempfile
from pathlib import Path

__all__ = ["cache_of", "is_url", "shown_home", "store_url", "url_of"]

_PREFIX = "shipkit-home-"
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/{1,3}(.*)", re.DOTALL)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

_FOLDERS: dict[tuple[int, str], Path] = {}
"""Process and URL -> the cache. A forked child gets caches of its own."""
_URLS: dict[Path, str] = {}


def is_url(text: str) -> bool:
    """Return whether a text is written as a URL, whatever its scheme."""
    return _URL.fullmatch(text) is not None


def store_url(home: object) -> str | None:
    """Return the URL of a home in an object store, None for a folder.

    Raises
    ------
    ValueError
        It is a URL that cannot be a home.

    Examples
    --------
    >>> store_url("s3://ops/shipkit/"), store_url("/srv/shipkit")
    ('s3://ops/shipkit', None)
    """
    # A Path has lost one of the slashes: Path("s3://ops") is "s3:/ops".
    found = _URL.fullmatch(os.fspath(home)) if isinstance(home, str | os.PathLike) else None
    if found is None:
        return None
    scheme, rest = found[1].lower(), found[2]
    if scheme != "s3":
        raise ValueError(f"{scheme}:// is not supported: a home is a folder or s3://bucket/prefix")
    bucket, _, prefix = rest.partition("/")
    if "@" in bucket:  # not repeated: it may be a secret
        raise ValueError("credentials do not belong in the URL: set AWS_ACCESS_KEY_ID and so on")
    if not _BUCKET.fullmatch(bucket):
        raise ValueError(f"{bucket!r} is not the name of a bucket; write s3://bucket/prefix")
    parts = [part for part in prefix.split("/") if part]
    if any(
        part in {".", ".."} or not part.isprintable() or set(part) & set("?#*\\%") for part in parts
    ):
        raise ValueError(f"{prefix!r} cannot be a prefix; write s3://bucket/prefix")
    return "/".join([f"s3://{bucket}", *parts])


def cache_of(url: str) -> Path:
    """Return the folder in which this process caches the home at `url`."""
    key = (os.getpid(), url)
    if key not in _FOLDERS:
        host = re.sub(r"[^A-Za-z0-9.]", "", socket.gethostname())[:40]
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{host}-{os.getpid()}-")).resolve()
        _FOLDERS[key], _URLS[folder] = folder, url
        atexit.register(_remove, folder, os.getpid())
        _sweep(folder.parent, host)
    return _FOLDERS[key]


def url_of(home: Path) -> str | None:
    """Return the URL of the home that a folder caches, None for a home that is a folder."""
    return _URLS.get(home)


def shown_home(home: Path) -> str:
    """Return the home as a person wrote it."""
    return url_of(home) or str(home)


def _remove(folder: Path, pid: int) -> None:
    if os.getpid() == pid:  # a forked child runs the same exit functions
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(parent: Path, host: str) -> None:
    """Remove the caches of this host's killed processes: they hold addresses and labels."""
    if os.name != "posix":  # on Windows, os.kill ends the process whatever the signal
        return
    for folder in parent.glob(f"{_PREFIX}{host}-*"):
        found = re.fullmatch(rf"{re.escape(_PREFIX + host)}-(\d+)-\w+", folder.name)
        if found and not folder.is_symlink() and _is_gone(int(found[1])):
            shutil.rmtree(folder, ignore_errors=True)


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
