"""File names made from a pattern: valid on every system, inside their folder, each used once."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from shipkit.errors import LabelError

__all__ = ["Names", "file_stem"]

_LONGEST_BYTES = 150
"""File systems allow 255 bytes for a name.

That leaves room for a number, a suffix, and what a backup or a synchronising service appends.
"""
# What Windows forbids in names, and the names that it reserves for devices with any suffix; see
# "Naming Files, Paths, and Namespaces" in its documentation.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*]+')
_RESERVED = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE
)


def file_stem(text: str) -> str:
    """Return `text` as a file name without suffix.

    Separators, control characters and characters that Windows forbids become ``-``; a name that
    Windows reserves gets a leading ``_``; dots and blanks at both ends are removed; a long name is
    cut.

    Examples
    --------
    >>> file_stem("../../etc/passwd"), file_stem("con"), file_stem(" A/17: blue? ")
    ('etc-passwd', '_con', 'A-17- blue-')
    """
    text = unicodedata.normalize("NFC", text)
    text = "".join(" " if unicodedata.category(c).startswith(("Z", "C")) else c for c in text)
    text = " ".join(_FORBIDDEN.sub("-", text).split())
    text = re.sub(r"\.{2,}-?", "", text).strip(" ._")
    while len(text.encode()) > _LONGEST_BYTES:
        text = text[:-1]
    text = text.rstrip(" ._")
    return f"_{text}" if _RESERVED.fullmatch(text) else text or "label"


class Names:
    """Make the file names of one folder from a pattern such as ``{row_number:05}_{order_id}``."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.fields = tuple(dict.fromkeys(_fields(pattern)))
        self._taken: set[str] = set()

    def make(self, values: Mapping[str, Any], extra: str = "") -> str:
        """Return a name without suffix; one that was used before gets ``-2``, ``-3``, ...

        `extra` is appended to the name, before the number.
        """
        stem = file_stem(self._filled(values)) + extra
        name, count = stem, 1
        while name.casefold() in self._taken:
            count += 1
            name = f"{stem}-{count}"
        self._taken.add(name.casefold())
        return name

    def _filled(self, values: Mapping[str, Any]) -> str:
        parts = []
        for text, field, spec, conversion in string.Formatter().parse(self.pattern):
            parts.append(text)
            if field is not None:
                parts.append(self._cell(values[field], field, spec or "", conversion))
        return "".join(parts)

    def _cell(self, value: Any, field: str, spec: str, conversion: str | None) -> str:
        if value is None:
            return ""
        if conversion:
            value = str(value)
        try:
            return format(value, spec)
        except (ValueError, TypeError):
            raise LabelError(
                f'filename="{self.pattern}": {{{field}:{spec}}} does not fit the value {value!r}.',
                fix=f"Leave the format out: {{{field}}}.",
            ) from None


def _fields(pattern: str) -> Iterator[str]:
    """Yield the columns of a pattern. Raises LabelError for anything else in braces."""
    try:
        parsed = list(string.Formatter().parse(pattern))
    except ValueError as error:
        raise LabelError(
            f'filename="{pattern}" is not a pattern: {error}.',
            fix='Write it like "{row_number:05}_{order_id}".',
        ) from None
    for _, field, spec, _ in parsed:
        if field is None:
            continue
        if not field or field.isdigit() or set(field) & set(".[]") or "{" in (spec or ""):
            raise LabelError(
                f'filename="{pattern}": {{{field}}} is not a column.',
                fix='Write it like "{row_number:05}_{order_id}".',
            )
        yield field
