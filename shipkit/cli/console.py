"""Output of a command: results to stdout, progress and errors to stderr, JSON lines for machines.

Order files are written by strangers, so control characters are removed from every text before it
reaches a terminal.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from shipkit.cli.exit_codes import Exit
from shipkit.cli.streams import Stream
from shipkit.common.visible_text import readable, visible
from shipkit.common.words import display_width, padded

__all__ = ["Console", "End", "open_log", "plain"]


_LOGGED = frozenset({"preview", "file", "error", "end"})
"""Events that go to the log. None of them contains a name or an address."""

_NARROWEST = 40
"""Columns that are assumed at least; a terminal may report fewer, even none."""


@dataclass
class End:
    """How a command ended: the content of its last line."""

    exit: Exit = Exit.DONE
    job_id: str | None = None
    next: str | None = None
    """The command to type next."""
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass
class Console:
    """The streams of one command.

    Parameters
    ----------
    as_json
        Write one JSON object per line to stdout and nothing else, and never ask a question.
    """

    as_json: bool = False
    out: Stream = field(default_factory=lambda: Stream(sys.stdout))
    err: Stream = field(default_factory=lambda: Stream(sys.stderr))
    stdin: TextIO = field(default_factory=lambda: sys.stdin)
    log: str | None = None
    """File to which events are appended as JSON lines."""
    job_id: str | None = None
    """The job of this command once it exists: however the command ends, its last line names it."""
    ended: End | None = None
    """How the command ended, once it has: a stop signal that comes later does not change it."""

    @property
    def interactive(self) -> bool:
        """Whether stdin and stderr are a terminal, so that a person can be asked."""
        return self.stdin.isatty() and self.err.isatty()

    def say(self, text: str = "", *, hang: int | None = None) -> None:
        """Print a result for people; with `hang`, wrap long lines and indent the rest that far."""
        if self.as_json:
            return
        clean = plain(text, keep="\n")
        if hang is not None:
            clean = textwrap.fill(
                clean,
                self._columns(),
                subsequent_indent=" " * hang,
                break_long_words=False,
                break_on_hyphens=False,
            )
        self._line(clean)

    def title(self, text: str) -> None:
        """Print a heading after an empty line."""
        self.say()
        if not self.as_json:
            self._line(self._bold(plain(text)))

    def note(self, text: str) -> None:
        """Print a message to stderr."""
        self.err.write(f"{plain(text, keep=chr(10))}\n")
        self.err.flush()

    def record(self, event: str, **facts: Any) -> None:
        """Write one JSON line for machines; events other than rows go to the log as well.

        Rows have names and addresses, which a log must not contain.
        """
        if self.as_json:
            self._json({"event": event, **facts})
        if event in _LOGGED:
            self.logged(event, **facts)

    def logged(self, event: str, **facts: Any) -> None:
        """Append one JSON line to the log, if there is a log."""
        if self.log is None:
            return
        line = {
            "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "pid": os.getpid(),
            "event": event,
            **facts,
        }
        try:
            with open_log(self.log) as log:
                log.write(f"{_json_text(line)}\n")
        except OSError as error:
            # Labels may have been bought already: a log is not worth their answer.
            path, self.log = self.log, None
            self.note(
                f"The log {path} cannot be written: {error.strerror}. The command continues "
                "without it."
            )

    def pairs(self, lines: Iterable[tuple[str, str]]) -> None:
        """Print names and texts in two aligned columns."""
        known = [(plain(name), plain(text)) for name, text in lines]
        width = max((display_width(name) for name, _ in known), default=0)
        for name, text in known:
            self.say(f"{padded(name, width)}  {text}")

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        *,
        right: Iterable[str] = (),
        wrap: str | None = None,
    ) -> None:
        """Print `rows` in aligned columns, with the cells of column `wrap` cut to fit.

        Parameters
        ----------
        right
            Columns that are aligned to the right.
        """
        cells = [[plain("" if cell is None else str(cell)) for cell in row] for row in rows]
        widths = [
            max([display_width(name), *(display_width(row[i]) for row in cells)])
            for i, name in enumerate(columns)
        ]
        if wrap is not None:
            at = columns.index(wrap)
            room = self._columns() - sum(widths) + widths[at] - 2 * len(widths)
            widths[at] = min(widths[at], max(room, 24))
        flush = set(right)
        for line, row in enumerate([list(columns), *cells]):
            text = "  ".join(
                padded(_cut(cell, width), width, right=name in flush)
                for name, cell, width in zip(columns, row, widths, strict=True)
            ).rstrip()
            self.say_raw(self._dim(text) if line == 0 else text)

    def say_raw(self, text: str) -> None:
        """Print text that is already clean and may contain our own colors."""
        if not self.as_json:
            self._line(text)

    def ask(self, question: str) -> str | None:
        """Return what a person types, None at the end of input; only when `interactive`."""
        self.err.write(plain(question, keep="\n"))
        self.err.flush()
        try:
            answer = self.stdin.readline()
        except OSError:  # the terminal was closed
            return None
        return answer.strip() if answer else None

    def fail(self, message: str, fix: str | None, code: str, exit_code: Exit) -> None:
        """Print an error in three short lines: what and where, how to fix it, and its code."""
        self.note(f"Error: {message}")
        if fix:
            self.note(f"Fix:   {fix}")
        self.note(f"Code:  {code} (exit {int(exit_code)})")
        self.record("error", code=code, message=plain(message), fix=fix)

    def end(self, end: End) -> None:
        """Print the next command, or write the last JSON line."""
        if end.next and not self.as_json:
            self.say()
            self._line(f"{self._bold('Next')}  {plain(end.next)}")
        self.record(
            "end", **{**end.facts, "job_id": end.job_id, "exit": int(end.exit), "next": end.next}
        )
        self.out.flush()
        if self.out.failure is not None:
            job = f" {end.job_id} is recorded: shipkit show {end.job_id}" if end.job_id else ""
            reason = self.out.failure.strerror or self.out.failure
            self.note(f"The output is incomplete: stdout cannot be written ({reason}).{job}")

    def _line(self, text: str) -> None:
        self.out.write(f"{text}\n")

    def _json(self, facts: Mapping[str, Any]) -> None:
        self._line(_json_text(facts))
        self.out.flush()

    def _columns(self) -> int:
        if not self.out.isatty():
            return 160
        return max(shutil.get_terminal_size((120, 24)).columns, _NARROWEST)

    def _bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self._colored else text

    def _dim(self, text: str) -> str:
        return f"\x1b[2m{text}\x1b[0m" if self._colored else text

    @property
    def _colored(self) -> bool:
        return (
            self.out.isatty()
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM") != "dumb"
        )


def open_log(path: str) -> TextIO:
    """Open a log to append to it. Raises OSError, also for a pipe that no program reads."""
    # Opened the usual way, such a pipe would be waited for. Writing to one waits for its reader.
    log = open(path, "a", encoding="utf-8", opener=_not_waiting)  # noqa: SIM115 - Path.open has no opener, the caller closes it
    if hasattr(os, "O_NONBLOCK"):
        os.set_blocking(log.fileno(), True)
    return log


def _not_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)


def plain(text: str, *, keep: str = "") -> str:
    r"""Return `text` without anything that a terminal would act on.

    Line breaks and tabs become spaces, other hidden characters become visible.

    Parameters
    ----------
    keep
        Characters that stay as they are.

    Examples
    --------
    >>> plain("a\x1b[31mb\nc")
    'a\\x1b[31mb c'
    """
    if text.isascii() and text.isprintable():
        return text
    text = readable(text)
    return visible("".join(" " if c in "\n\r\t" and c not in keep else c for c in text), keep=keep)


_LOST_BYTE = re.compile(r"(?<!\\ud[89ab][0-9a-f]{2})\\udc([89a-f][0-9a-f])")
"""A byte of a file name that is not UTF-8 in JSON: half a character, which parsers refuse."""


def _json_text(facts: Mapping[str, Any]) -> str:
    return _LOST_BYTE.sub(r"\\\\x\1", json.dumps(facts, ensure_ascii=True, default=str))


def _cut(text: str, width: int) -> str:
    if display_width(text) <= width:
        return text
    while display_width(text) > width - 1:
        text = text[:-1]
    return f"{text.rstrip()}…"
