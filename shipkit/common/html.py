"""Small pieces of HTML for notebooks and reports.

All values are escaped, and ``$`` is not read as LaTeX. Only plain elements and inline styles are
used, because GitHub, nbviewer and e-mail programs remove everything else.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable, Sequence
from typing import Any

__all__ = ["Shown", "block", "escape", "facts", "grid", "page"]

_LEFT = "text-align:left"
_RIGHT = "text-align:right;font-variant-numeric:tabular-nums"


class Shown:
    """Base of objects that a notebook shows as HTML and every other place as text."""

    def _repr_html_(self) -> str:
        raise NotImplementedError

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}


def escape(value: object) -> str:
    """Return `value` as text for HTML; None and NaN as the empty string."""
    if value is None or value != value:  # noqa: PLR0124 - only NaN is not equal to itself
        return ""
    return html.escape(str(value), quote=True)


def block(*parts: str, name: str) -> str:
    """Return `parts` (HTML) in one element with the CSS class `name`.

    JupyterLab and Sphinx do not search it for formulas between dollar signs.
    """
    return f'<div class="mathjax_ignore tex2jax_ignore {name}">{"".join(parts)}</div>'


def facts(rows: Iterable[tuple[str, str]], *, caption: str | None = None) -> str:
    """Return names and texts as a table of two columns.

    A name that begins with a space is a detail of the row above, and not bold.
    """
    lines = "".join(_fact(name, text) for name, text in rows)
    return f"<table>{_caption(caption)}<tbody>{lines}</tbody></table>"


def _fact(name: str, text: str) -> str:
    weight = "normal" if name[:1] == " " else "600"
    style = f"{_LEFT};white-space:pre;font-weight:{weight};padding-right:1.5em"
    return (
        f'<tr><th scope="row" style="{style}">{escape(name)}</th>'
        f'<td style="{_LEFT};font-variant-numeric:tabular-nums">{escape(text)}</td></tr>'
    )


def grid(
    headings: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Collection[str] = (),
    caption: str | None = None,
) -> str:
    """Return a table; the columns named in `right` are aligned right, for numbers."""
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
    """Return a whole page with `body`, for screen (light and dark) and paper.

    It loads nothing from another host.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_PAGE}</style></head>\n"
        f"<body><main>{body}</main></body></html>\n"
    )


def _caption(text: str | None) -> str:
    return f'<caption style="{_LEFT};font-weight:600">{escape(text)}</caption>' if text else ""


_PAGE = """
:root {
  color-scheme: light dark;
  --ink: #1f2328; --soft: #59636e; --line: #d1d9e0; --paper: #fff; --tint: #f6f8fa; --bad: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6edf3; --soft: #9aa4af; --line: #3d444d; --paper: #0d1117; --tint: #161b22;
    --bad: #ff8a80;
  }
}
body {
  font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0;
}
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.5rem; }
h1 { font-size: 1.6rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .3rem 0; }
.soft { color: var(--soft); }
table { border-collapse: collapse; width: 100%; }
th, td {
  padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top;
}
thead th { color: var(--soft); font-weight: 600; }
caption { padding: .5rem 0; }
.tiles { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.5rem 0; }
.tile {
  background: var(--tint); border: 1px solid var(--line); border-radius: 8px;
  padding: .7rem 1rem; min-width: 8rem;
}
.tile b { display: block; font-size: 1.45rem; font-variant-numeric: tabular-nums; }
.tile.bad b { color: var(--bad); }
.badge {
  border: 1px solid currentColor; border-radius: 999px; padding: .1rem .6rem;
  font-size: .85rem; font-weight: 600;
}
.badge.live { color: var(--bad); }
code {
  background: var(--tint); border: 1px solid var(--line); border-radius: 4px;
  padding: .15rem .4rem; overflow-wrap: anywhere;
}
.scroll { overflow-x: auto; }
@media print {
  main { padding: 0; max-width: none; }
  .tile { break-inside: avoid; }
  thead { display: table-header-group; }
  tr { break-inside: avoid; }
}
"""
