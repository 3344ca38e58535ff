"""Sphinx roles in docstrings become links on the site.

Docstrings write ``:meth:`preview``` because editors and `help()` show that legibly. mkdocstrings
would print the role as it is. This griffe extension replaces each role with the name in code
style, linked where the name is on a page of the reference and plain where it is not.
"""

from __future__ import annotations

import html
import re
from typing import Any

import griffe

ROLE = re.compile(
    r":(?:py:)?(?:attr|class|const|data|exc|func|meth|mod|obj):"
    r"`(?:(?P<title>[^`<]+?)\s*<(?P<target>[^`>]+)>|(?P<name>[^`]+))`"
)
LITERAL_BLOCK = re.compile(r"(?m)^(?P<text>.*?)[ \t]*::$(?=\n\n[ ]{4})")


class Roles(griffe.Extension):
    """Rewrite the docstring of everything that griffe loads."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of `obj`."""
        if obj.docstring is not None:
            obj.docstring.value = to_markdown(obj.docstring.value, obj)


def to_markdown(text: str, obj: griffe.Object) -> str:
    """Return `text` with roles as links, and without the double colon before a literal block."""
    text = ROLE.sub(lambda role: link(role, obj), text)
    return LITERAL_BLOCK.sub(lambda found: f"{found['text']}:" if found["text"] else "", text)


def link(role: re.Match[str], obj: griffe.Object) -> str:
    """Return one role as a link that stays plain code where no page has its target."""
    target = role["target"] or role["name"]
    shown = role["title"] or (target.rpartition(".")[2] if target[0] == "~" else target)
    identifier = absolute(target.lstrip("~"), obj)
    return (
        f'<autoref identifier="{identifier}" optional><code>{html.escape(shown)}</code></autoref>'
    )


def absolute(name: str, obj: griffe.Object) -> str:
    """Return the full path of `name` as it is seen from `obj`: a member, a neighbour, an import."""
    scope: griffe.Object | None = obj
    while scope is not None:
        first = name.partition(".")[0]
        if first in scope.members:
            found = scope.members[first]
            path = found.target_path if isinstance(found, griffe.Alias) else found.path
            return path + name[len(first) :]
        scope = scope.parent
    return name
