"""Values -> HTML that is safe and plain: everything escaped, ``$`` never read as LaTeX, readable where styles are stripped.

GitHub, nbviewer and e-mail show only plain elements; a notebook adds its own table style.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable, Sequence
from typing import Any

__all__ = ["Shown", "block", "escape", "facts", "grid", "page"]

_LEFT = "text-align:left"
_RIGHT = "text-align:right;font-variant-numeric:tabular-nums"


class Shown:
    """What a notebook shows as HTML, with its text beside it for every other place."""

    def _repr_html_(self) -> str:
        raise NotImplementedError

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}


def escape(value: object) -> str:
    """Return `value` as text for HTML; what is missing (None, NaN) as nothing."""
    return "" if value is None or value != value else html.escape(str(value), quote=True)  # noqa: PLR0124 - NaN is not itself


def block(*parts: str, name: str) -> str:
    """Return `parts` (HTML) as one block that JupyterLab does not search for LaTeX. `name` is its CSS class."""
    return f'<div class="mathjax_ignore tex2jax_ignore {name}">{"".join(parts)}</div>'


def facts(rows: Iterable[tuple[str, str]], *, caption: str | None = None) -> str:
    """Return name-and-text lines as a table of two columns. A name that begins with spaces belongs to the line above."""
    lines = "".join(
        '<tr><th scope="row" '
        f'style="{_LEFT};white-space:pre;font-weight:{"normal" if name[:1] == " " else "600"};padding-right:1.5em">{escape(name)}</th>'
        f'<td style="{_LEFT};font-variant-numeric:tabular-nums">{escape(text)}</td></tr>'
        for name, text in rows
    )
    return f"<table>{_caption(caption)}<tbody>{lines}</tbody></table>"


def grid(
    headings: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Collection[str] = (),
    caption: str | None = None,
) -> str:
    """Return a table with a heading; columns named in `right` are aligned right, for numbers."""
    sides = [_RIGHT if heading in right else _LEFT for heading in headings]
    head = "".join(
        f'<th scope="col" style="{side}">{escape(heading)}</th>'
        for heading, side in zip(headings, sides, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="{side}">{escape(cell)}</td>' for cell, side in zip(row, sides, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return f"<table>{_caption(caption)}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def page(title: str, body: str) -> str:
    """Return a whole page around `body`: light and dark, for a screen and for paper, asking no other host."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_PAGE}</style></head>\n<body><main>{body}</main></body></html>\n"
    )


def _caption(text: str | None) -> str:
    return f'<caption style="{_LEFT};font-weight:600">{escape(text)}</caption>' if text else ""


_PAGE = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --line: #d1d9e0; --paper: #fff; --tint: #f6f8fa; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa4af; --line: #3d444d; --paper: #0d1117; --tint: #161b22; --bad: #ff8a80; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0; }
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.5rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; } p { margin: .3rem 0; } .soft { color: var(--soft); }
table { border-collapse: collapse; width: 100%; } th, td { padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { color: var(--soft); font-weight: 600; } caption { padding: .5rem 0; }
.tiles { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.5rem 0; } .tile { background: var(--tint); border: 1px solid var(--line); border-radius: 8px; padding: .7rem 1rem; min-width: 8rem; }
.tile b { display: block; font-size: 1.45rem; font-variant-numeric: tabular-nums; } .tile.bad b { color: var(--bad); }
.badge { border: 1px solid currentColor; border-radius: 999px; padding: .1rem .6rem; font-size: .85rem; font-weight: 600; } .badge.live { color: var(--bad); }
code { background: var(--tint); border: 1px solid var(--line); border-radius: 4px; padding: .15rem .4rem; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
@media print { main { padding: 0; max-width: none; } .tile { break-inside: avoid; } thead { display: table-header-group; } tr { break-inside: avoid; } }
"""
