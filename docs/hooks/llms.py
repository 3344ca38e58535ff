"""Two files for language models: `llms.txt` with addresses, `llms-full.txt` with all the text.

`docs/llms.txt` links to source pages (`tutorial.md`), so that its links work in the repository
too. On the site they become the addresses of the built pages. `llms-full.txt` is the text of every
page in the order of the navigation; where a page shows docstrings, it has their text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page
from roles import Roles

LINK = re.compile(r"\]\(([^)#\s]+\.md)(#[^)]*)?\)")
DIRECTIVE = re.compile(r"(?m)^::: (\S+)$(?:\n(?: {4}.*|[ ]*)$)*")
HEADING = re.compile(r"heading: (\S+)")
AUTOREF = re.compile(r"<autoref [^>]*><code>(.*?)</code></autoref>")

_texts: dict[str, str] = {}
_files: dict[str, Files] = {}


def on_pre_build(config: MkDocsConfig) -> None:
    """Forget an earlier build of the same process (`mkdocs serve`)."""
    _texts.clear()


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> None:
    """Keep the text of each page as it was written."""
    _texts[page.file.src_uri] = markdown


def on_env(env: Any, config: MkDocsConfig, files: Files) -> None:
    """Keep the table of files, which knows the address of each page."""
    _files["site"] = files


def on_post_build(config: MkDocsConfig) -> None:
    """Write both files."""
    site = Path(config.site_dir)
    index = Path(config.docs_dir, "llms.txt").read_text(encoding="utf-8")
    site.joinpath("llms.txt").write_text(addressed(index, config), encoding="utf-8")
    site.joinpath("llms-full.txt").write_text(everything(config), encoding="utf-8")


def addressed(text: str, config: MkDocsConfig) -> str:
    """Return `text` with each link to a source page replaced by the page's address on the site."""

    def address(found: re.Match[str]) -> str:
        file = _files["site"].get_file_from_path(found[1])
        if file is None:
            raise PluginError(f"llms.txt links to {found[1]}, which is not a page.")
        return f"]({urljoin(config.site_url or '', file.url)}{found[2] or ''})"

    return LINK.sub(address, text)


def everything(config: MkDocsConfig) -> str:
    """Return the text of all pages in the order of the navigation."""
    package = griffe.load(
        "shipkit",
        search_paths=[Path(config.config_file_path).parent],
        extensions=griffe.Extensions(Roles()),
    )
    pages = [page for page in _files["site"].documentation_pages() if page.src_uri in _texts]
    order = {file: place for place, file in enumerate(in_order(config.nav or []))}
    pages.sort(key=lambda file: order.get(file.src_uri, len(order)))
    parts = []
    for file in pages:
        text = DIRECTIVE.sub(lambda found: described(package, found), _texts[file.src_uri])
        parts.append(
            f"<!-- {urljoin(config.site_url or '', file.url) or '.'} -->\n\n{text.strip()}"
        )
    return f"# {config.site_name}: the whole documentation\n\n" + "\n\n".join(parts) + "\n"


def in_order(nav: Any) -> list[str]:
    """Return the pages of a navigation, flat."""
    if isinstance(nav, str):
        return [nav]
    nested = nav.values() if isinstance(nav, dict) else nav
    return [page for part in nested for page in in_order(part)]


def described(package: griffe.Object, directive: re.Match[str]) -> str:
    """Return signature and docstring of what a directive names, and of its public members."""
    found = package[directive[1].removeprefix("shipkit.")]
    inherited = "inherited_members: true" in directive[0]
    heading = HEADING.search(directive[0])
    shown = heading[1] if heading else found.path
    return "\n\n".join(sections(found, shown, level=2, inherited=inherited))


def sections(found: Any, path: str, level: int, *, inherited: bool) -> list[str]:
    """Return a section for `found`, shown as `path`, and for each documented public member."""
    imported = found.is_alias and not (found.inherited or found.is_exported)
    if level > 2 and (imported or not found.is_public):
        return []
    if found.is_alias:
        found = found.final_target
    if level > 2 and found.is_module:
        return []
    called = found.signature() if found.is_function or found.is_class else found.name
    title = f"{'#' * level} `{path.removesuffix(path.rpartition('.')[2])}{called}`"
    text = AUTOREF.sub(r"`\1`", found.docstring.value) if found.docstring else ""
    parts = [f"{title}\n\n{text}".strip()] if text or level == 2 else []
    if found.is_module or found.is_class:
        members = found.all_members if inherited else found.members
        for name, member in members.items():
            parts += sections(member, f"{path}.{name}", level + 1, inherited=False)
    return parts
