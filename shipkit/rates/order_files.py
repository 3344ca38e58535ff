"""Files of orders: paths, folders, patterns and URLs, on this machine or in an object store.

URLs (``s3://``, ``gs://``, ``abfs://``, ``file://``) go through :mod:`pyarrow.fs`, which is
installed with Arrow and takes its credentials from the environment. DuckDB's own reader of URLs is
an extension, which cannot be loaded on a closed network.
"""

from __future__ import annotations

import difflib
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pyarrow as pa
from pyarrow import fs

from shipkit.common.object_store import s3_endpoint
from shipkit.common.spill import private_folder
from shipkit.errors import SourceError
from shipkit.orders.fields import recognise

__all__ = ["FilePlace", "OrderFile", "local_copy", "named_by", "order_files"]

_ENDINGS = (
    *(".parquet", ".csv", ".tsv", ".txt", ".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"),
    *(".json", ".ndjson", ".jsonl"),
)
"""Endings of files of orders that are found in a folder."""
_DECIDES = frozenset({"service", "ship_date", "weight", "country", "postal_code", "residential"})
"""Roles of columns that decide a price."""
_WILD = set("*?[")
_FIX_URL = (
    "Check the address, and the access of this process to it (AWS_..., GOOGLE_... or AZURE_...)."
)


@dataclass(frozen=True)
class FilePlace:
    """A path on this machine or the address of an object, without secrets; it can be pickled."""

    address: str

    @classmethod
    def of(cls, given: str | Path) -> FilePlace:
        """Return the place that a path or URL names. Raises SourceError for one with a login."""
        text = str(given)
        if "://" not in text:
            return cls(str(Path(text).expanduser().absolute()))
        parts = urlsplit(text)
        if "@" in parts.netloc:
            raise SourceError(
                f"The {parts.scheme}:// address has a login in it.",
                fix="Leave it out and set it in the environment, such as AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY: addresses are written into results.",
            )
        if parts.scheme == "file":  # a path: its files are renamed into place, as any other
            return cls(url2pathname(parts.path))
        return cls(text)

    @property
    def is_url(self) -> bool:
        """Whether it is not on this machine's own file system."""
        return "://" in self.address

    @property
    def path(self) -> Path:
        """The path of a place on this machine."""
        return Path(self.address)

    def opened(self) -> tuple[fs.FileSystem, str]:
        """Return the file system and the path in it. Raises SourceError if there is none."""
        if not self.is_url:
            return fs.LocalFileSystem(), self.address
        try:
            endpoint = s3_endpoint() if self.address.startswith("s3://") else ""
            if endpoint and "endpoint_override=" not in self.address:
                # Arrow does not read this variable of AWS; boto3, obstore and others do.
                path = self.address.removeprefix("s3://").partition("?")[0]
                return fs.S3FileSystem(endpoint_override=endpoint), path
            return fs.FileSystem.from_uri(self.address)  # type: ignore[no-any-return]
        except (pa.ArrowException, OSError, ValueError) as error:
            raise SourceError(
                f"Cannot open {self.address}: {_line(error)}.",
                fix="Use a path, or an address that begins with s3://, gs://, abfs:// or file://.",
            ) from None

    def inside(self, name: str) -> FilePlace:
        """Return the place of `name` in this folder."""
        if not self.is_url:
            return FilePlace(str(self.path / name))
        base, question, options = self.address.partition("?")
        return FilePlace(f"{base.rstrip('/')}/{name}{question}{options}")

    def exists(self) -> bool:
        """Whether there is a file."""
        system, path = self.opened()
        return bool(_info(self, system, path).type == fs.FileType.File)


@dataclass(frozen=True)
class OrderFile:
    """One file of orders, and what tells whether it changed."""

    place: FilePlace
    name: str
    """What results call it: its name, with its folder where several files have that name."""
    size: int
    changed: str
    """When it was written, as text."""

    def demand_unchanged(self) -> None:
        """Raise SourceError if the file is not as it was when it was listed."""
        now = _info(self.place, *self.place.opened())
        if (int(now.size or 0), str(now.mtime_ns)) != (self.size, self.changed):
            raise SourceError(
                f"{self.name} changed while the orders were read.",
                fix="Run it again once nothing writes into the folder.",
            )

    @property
    def is_parquet(self) -> bool:
        """Whether it is a Parquet file, by its ending or its first bytes."""
        if self.name.lower().endswith(".parquet"):
            return True
        if self.place.is_url:
            return False
        with self.place.path.open("rb") as file:
            return file.read(4) == b"PAR1"


def order_files(given: Any) -> list[OrderFile] | None:
    """Return the files that `given` names, in order; None if it is not made of paths or URLs.

    A folder stands for the files of orders in it and in its folders. What begins with ``_`` or
    ``.`` is left out, as other programs leave their marks there.

    Raises
    ------
    SourceError
        There is no such file, or a folder has files of several kinds.
    """
    if isinstance(given, str | Path):
        asked: Sequence[str | Path] = [given]
    elif (
        isinstance(given, Sequence) and given and all(isinstance(one, str | Path) for one in given)
    ):
        asked = given
    else:
        return None
    found: dict[FilePlace, fs.FileInfo] = {}
    for one in asked:
        found |= _found(FilePlace.of(one))
    return _named(found)


def named_by(given: Any, place: FilePlace) -> str | None:
    """Return which path, folder or pattern of `given` stands for a file at `place`, if one does."""
    asked = [given] if isinstance(given, str | Path) else given
    return next((str(one) for one in asked if _covers(FilePlace.of(one), place)), None)


@contextmanager
def local_copy(file: OrderFile) -> Iterator[Path]:
    """Yield the file as a path on this machine: itself, or a copy in a private folder."""
    if not file.place.is_url:
        yield file.place.path
        return
    system, path = file.place.opened()
    with private_folder() as folder:
        copy = folder / PurePosixPath(path).name
        try:
            with system.open_input_stream(path) as source, copy.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        except OSError as error:
            raise _unreadable(file.place, error) from None
        yield copy


# -- finding files ---------------------------------------------------------------------------------


def _found(place: FilePlace) -> dict[FilePlace, fs.FileInfo]:
    """Return the files that a path, folder or pattern stands for."""
    system, path = place.opened()
    info = _info(place, system, path)
    if info.type == fs.FileType.File:
        return {place: info}
    if info.type == fs.FileType.Directory:
        return _in_folder(place, system, path)
    if not _WILD & set(path):
        raise _missing(place)
    base = _fixed_part(path)
    pattern = re.compile(_regex(path))
    matches = [each for each in _listed(place, system, base) if pattern.fullmatch(each.path)]
    if not matches:
        raise SourceError(
            f"No file matches {place.address}.", fix="Check the pattern and the folder."
        )
    _refuse_columns_in_names(base, matches)
    return _places(place, matches)


def _in_folder(place: FilePlace, system: fs.FileSystem, path: str) -> dict[FilePlace, fs.FileInfo]:
    inside = [
        each
        for each in _listed(place, system, path)
        if not any(part[0] in "_." for part in _below(path, each.path).parts)
    ]
    kinds = Counter(_kind(each.path) for each in inside)
    example = f'"{place.address.rstrip("/")}/*.parquet"'
    if not inside:
        raise SourceError(f"{place.address} is a folder without files.", fix="Check the path.")
    if len(kinds) > 1 or None in kinds:
        listed = ", ".join(sorted(PurePosixPath(each.path).name for each in inside)[:5])
        raise SourceError(
            f"{place.address} is a folder with files of several kinds: {listed}"
            f"{', ...' if len(inside) > 5 else ''}.",
            fix=f"Name the files of orders with a pattern: {example}.",
        )
    _refuse_columns_in_names(path, inside)
    return _places(place, inside)


def _covers(named: FilePlace, place: FilePlace) -> bool:
    """Return whether a path, folder or pattern stands for a file at `place`."""
    system, path = named.opened()
    other = place.opened()[1]
    kind = _info(named, system, path).type
    if kind == fs.FileType.Directory:
        below = PurePosixPath(other)
        return below.is_relative_to(path) and not any(
            part[0] in "_." for part in _below(path, other).parts
        )
    return (
        kind == fs.FileType.NotFound
        and bool(_WILD & set(path))
        and re.fullmatch(_regex(path), other) is not None
    )


def _refuse_columns_in_names(base: str, found: Sequence[fs.FileInfo]) -> None:
    """Raise SourceError if a folder is called like "service=ground": its files lack that column."""
    for key in {part.partition("=")[0] for each in found for part in _folders(base, each.path)}:
        if _DECIDES & recognise([key]).roles.keys():
            raise SourceError(
                f"Folders are called {key}=..., and names of folders are not read as a column.",
                fix=f"Write the column {key} into the files, or, if they have it, list the files.",
            )


def _folders(base: str, path: str) -> list[str]:
    return [part for part in _below(base, path).parts[:-1] if "=" in part]


def _listed(place: FilePlace, system: fs.FileSystem, folder: str) -> list[fs.FileInfo]:
    try:
        found = system.get_file_info(fs.FileSelector(folder, allow_not_found=True, recursive=True))
    except OSError as error:
        raise _unreadable(place, error) from None
    files = [each for each in found if each.type == fs.FileType.File]
    return sorted(files, key=lambda each: each.path)


def _places(place: FilePlace, found: Sequence[fs.FileInfo]) -> dict[FilePlace, fs.FileInfo]:
    if not place.is_url:
        return {FilePlace(each.path): each for each in found}
    base, question, options = place.address.partition("?")
    if _WILD & set(options) or (question and "=" not in options):
        base, question, options = place.address, "", ""  # the mark is part of a pattern
    scheme = urlsplit(base).scheme
    return {FilePlace(f"{scheme}://{each.path}{question}{options}"): each for each in found}


def _named(found: dict[FilePlace, fs.FileInfo]) -> list[OrderFile]:
    """Return the files with names that tell them apart."""
    last = Counter(PurePosixPath(info.path).name for info in found.values())
    depth = 1
    names = {place: PurePosixPath(info.path).name for place, info in found.items()}
    while len(set(names.values())) < len(names) and depth < 64:
        depth += 1
        names = {
            place: "/".join(PurePosixPath(info.path.lstrip("/")).parts[-depth:])
            if last[PurePosixPath(info.path).name] > 1
            else names[place]
            for place, info in found.items()
        }
    return [
        OrderFile(place, names[place], int(info.size or 0), str(info.mtime_ns))
        for place, info in found.items()
    ]


def _kind(path: str) -> str | None:
    """Return the kind of file that an ending stands for; None for one that is not read."""
    name = path.lower().removesuffix(".gz").removesuffix(".gzip")
    return next((ending for ending in _ENDINGS if name.endswith(ending)), None)


def _below(folder: str, path: str) -> PurePosixPath:
    return PurePosixPath(path).relative_to(PurePosixPath(folder))


def _fixed_part(pattern: str) -> str:
    """Return the folder of a pattern before its first wildcard."""
    parts: list[str] = []
    for part in pattern.split("/")[:-1]:
        if _WILD & set(part):
            break
        parts.append(part)
    return "/".join(parts) or "/"


def _regex(pattern: str) -> str:
    """Return the regular expression of a pattern; ``**`` goes through folders, ``*`` does not."""
    made, at = "", 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            made, at = made + "(?:.*/)?", at + 3
        elif pattern[at] == "*":
            made, at = made + "[^/]*", at + 1
        elif pattern[at] == "?":
            made, at = made + "[^/]", at + 1
        elif pattern[at] == "[" and (end := pattern.find("]", at + 2)) > 0:
            inner = pattern[at + 1 : end].replace("\\", "\\\\")
            made += f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"
            at = end + 1
        else:
            made, at = made + re.escape(pattern[at]), at + 1
    return made


def _info(place: FilePlace, system: fs.FileSystem, path: str) -> fs.FileInfo:
    try:
        return system.get_file_info(path)
    except OSError as error:
        raise _unreadable(place, error) from None


def _missing(place: FilePlace) -> SourceError:
    if place.is_url:
        return SourceError(f"{place.address} does not exist.", fix=_FIX_URL)
    path = place.path
    if not path.parent.is_dir():
        return SourceError(
            f"The folder {path.parent} does not exist.",
            fix=f"Check the path (the working folder is {Path.cwd()}).",
        )
    near = difflib.get_close_matches(path.name, [p.name for p in path.parent.iterdir()], n=1)
    return SourceError(
        f"{path} does not exist" + (f"; did you mean {near[0]}?" if near else "."),
        fix=f"Check the path (the working folder is {Path.cwd()}).",
    )


def _unreadable(place: FilePlace, error: BaseException) -> SourceError:
    fix = _FIX_URL if place.is_url else "Check its permissions."
    return SourceError(f"{place.address} cannot be read: {_line(error)}.", fix=fix)


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
