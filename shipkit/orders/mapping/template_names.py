"""Short names of fields in templates: ``"saturday": true`` is ``"saturday_delivery": true``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from shipkit.schema import NUMBER_OF_PARCELS, PARCELS, SHORT_NAMES

__all__ = ["with_field_names"]

_OF_PARCELS: Final = {leaf.name for leaf in PARCELS}
_NAMES: Final[Mapping[tuple[tuple[str, ...], str], str]] = {
    (("parcels",) if name in _OF_PARCELS else (), short): name
    for short, name in SHORT_NAMES.items()
    if name != NUMBER_OF_PARCELS.name  # `parcels` is the list of parcels in a template
}
"""Names of the objects around a member, and its short name -> the field."""
_START: Final = re.compile(r"""\{\{|\{%|\{\#|["{}\[\]]""")
_IN_TEXT: Final = re.compile(r"""\\.|"|\{\{|\{%|\{\#""", re.DOTALL)
_IN_TAG: Final = re.compile(r"""["']|\}\}|%\}""")
_IN_QUOTES: Final = {mark: re.compile(rf"\\.|{mark}", re.DOTALL) for mark in "\"'"}
_ENDS: Final = {"{{": "}}", "{%": "%}", "{#": "#}"}
_COLON: Final = re.compile(r"\s*:")
_BRANCH: Final = re.compile(r"\{%[-+]?\s*(if|elif|else|endif|for|endfor)\b")


def with_field_names(template: str) -> str:
    """Return a template whose members have the names of fields.

    Only the members of the shipment and of its parcels are fields: a reference of yours that is
    called "insurance" keeps its name, and what is in tags of Jinja2 stays.

    Examples
    --------
    >>> with_field_names('{"saturday": {{ {"saturday": true}[row.day] }}}')
    '{"saturday_delivery": {{ {"saturday": true}[row.day] }}}'
    >>> with_field_names('{"references": {"saturday": "S 7"}}')
    '{"references": {"saturday": "S 7"}}'
    """
    made: list[str] = []
    at, inside = 0, _Place()
    while (token := _START.search(template, at)) is not None:
        made.append(template[at : token.start()])
        at = _end_of(template, token)
        text = template[token.start() : at]
        if token[0] in _ENDS:
            inside.branch(text)
        elif token[0] in "{[":
            inside.enter()
        elif token[0] in "}]":
            inside.leave()
        elif _COLON.match(template, at):
            inside.member = text[1:-1]
            text = f'"{_NAMES.get((inside.path, inside.member), inside.member)}"'
        made.append(text)
    return "".join([*made, template[at:]])


# Each step goes on behind the last one, so that no template takes more than one reading.


def _end_of(template: str, token: re.Match[str]) -> int:
    """Return where a tag, a text or a bracket ends."""
    if token[0] in _ENDS:
        return _end_of_tag(template, token.end(), token[0])
    return _end_of_text(template, token.end()) if token[0] == '"' else token.end()


def _end_of_text(template: str, at: int) -> int:
    """Return where a text of the JSON ends; tags in it have quotes of their own."""
    while (found := _IN_TEXT.search(template, at)) is not None:
        if found[0] == '"':
            return found.end()
        tag = found[0] in _ENDS
        at = _end_of_tag(template, found.end(), found[0]) if tag else found.end()
    return len(template)


def _end_of_tag(template: str, at: int, start: str) -> int:
    """Return where a tag ends; an end in quotes is none."""
    if start == "{#":
        end = template.find("#}", at)
        return len(template) if end < 0 else end + 2
    while (found := _IN_TAG.search(template, at)) is not None:
        if found[0] == _ENDS[start]:
            return found.end()
        at = found.end()
        while found[0] in _IN_QUOTES:
            quote = _IN_QUOTES[found[0]].search(template, at)
            if quote is None:
                return len(template)
            at = quote.end()
            if quote[0] == found[0]:
                break
    return len(template)


class _Place:
    """Where in the JSON of a template a text is: the members that are open around it."""

    def __init__(self) -> None:
        self.member = ""
        self._open: list[str] = []
        self._branches: list[tuple[list[str], str]] = []

    @property
    def path(self) -> tuple[str, ...]:
        """The names of the members whose objects are around; a list has none of its own."""
        return tuple(name for name in self._open if name)

    def enter(self) -> None:
        """Open the object or the list of the last member."""
        self._open.append(self.member)
        self.member = ""

    def leave(self) -> None:
        """Close it."""
        self.member = self._open.pop() if self._open else ""

    def branch(self, tag: str) -> None:
        """Begin each branch of an ``if`` where its first one began: one of them is written."""
        found = _BRANCH.match(tag)
        word = found[1] if found else ""
        if word in ("if", "for"):
            self._branches.append(([*self._open], self.member))
        elif word in ("elif", "else") and self._branches:
            before, self.member = self._branches[-1]
            self._open = [*before]
        elif word in ("endif", "endfor") and self._branches:
            self._branches.pop()
