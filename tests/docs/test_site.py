"""The built site: every link on it resolves, and nothing on it is left as markup."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urljoin, urlsplit

import pytest

import shipkit

ROLE = re.compile(r":(?:attr|class|const|data|exc|func|meth|mod|obj|ref):")


class Page(HTMLParser):
    """The links of a page, its anchors, and the text that a reader sees."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.text: list[str] = []
        self._hidden = 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        self.links += [given[name] for name in ("href", "src") if given.get(name)]
        self._hidden += tag in ("script", "style")

    def handle_endtag(self, tag):
        self._hidden -= tag in ("script", "style")

    def handle_data(self, data):
        if not self._hidden:
            self.text.append(data)


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[str, Page]:
    """Every page of the site by its address."""
    return {"/" + path.relative_to(site).as_posix(): Page(path) for path in site.rglob("*.html")}


def broken(links: list[str], address: str, site: Path, pages: dict[str, Page]) -> list[str]:
    """The links of the page at `address` that lead nowhere on the site."""
    found = []
    for link in links:
        if urlsplit(link).scheme or link.startswith("//"):
            continue
        parts = urlsplit(urljoin(address, link))
        target = unquote(parts.path)
        file = site / target.lstrip("/")
        if file.is_dir():
            target = str(PurePosixPath(target) / "index.html")
            file = site / target.lstrip("/")
        anchor = unquote(parts.fragment)
        if not file.is_file() or (anchor and anchor not in pages[target].anchors):
            found.append(f"{address}: {link}")
    return found


def test_the_site_has_a_page_for_each_source(site: Path, pages: dict[str, Page]):
    docs = Path(__file__).parent.parent.parent / "docs"
    sources = {path.relative_to(docs).with_suffix("").as_posix() for path in docs.rglob("*.md")}
    built = {address.removesuffix("/index.html").lstrip("/") for address in pages} - {"404.html"}
    assert built == {name.removesuffix("index").rstrip("/") for name in sources}
    assert "BatchSession" in "".join(pages["/reference/session/index.html"].text)


@pytest.mark.parametrize("name", sorted(set(shipkit.__all__) - {"__version__"}))
def test_every_public_name_is_on_a_reference_page(name: str, pages: dict[str, Page]):
    found = getattr(shipkit, name)
    path = found.__name__ if name == "errors" else f"{found.__module__}.{found.__qualname__}"
    assert any(path in page.anchors for at, page in pages.items() if at.startswith("/reference/"))


def test_every_link_on_the_site_resolves(site: Path, pages: dict[str, Page]):
    assert sum(len(page.links) for page in pages.values()) > 1000
    assert [b for at, page in pages.items() for b in broken(page.links, at, site, pages)] == []


def test_every_address_in_llms_txt_resolves(site: Path, pages: dict[str, Page]):
    text = (site / "llms.txt").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) > 8
    assert not [link for link in links if link.endswith(".md")]
    assert broken(links, "/llms.txt", site, pages) == []


def test_llms_full_txt_has_every_page_and_the_docstrings(site: Path):
    text = (site / "llms-full.txt").read_text(encoding="utf-8")
    docs = Path(__file__).parent.parent.parent / "docs"
    for source in docs.rglob("*.md"):
        assert source.read_text(encoding="utf-8").splitlines()[0] in text, source.name
    assert "\n::: " not in text
    assert "`sk.BatchSession.preview(" in text
    assert "autoref" not in text


def test_no_sphinx_markup_is_left(site: Path, pages: dict[str, Page]):
    texts = {address: "".join(page.text) for address, page in pages.items()}
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    texts |= {f"search: {entry['location']}": entry["text"] for entry in index["docs"]}
    texts["llms-full.txt"] = (site / "llms-full.txt").read_text(encoding="utf-8")
    assert [address for address, text in texts.items() if ROLE.search(text)] == []
    assert [address for address, text in texts.items() if re.search(r"(?m)::\s*$", text)] == []


def test_the_check_of_links_sees_a_missing_page_and_a_missing_anchor(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "index.html").write_text('<h1 id="top">A</h1>', encoding="utf-8")
    pages = {"/a/index.html": Page(tmp_path / "a" / "index.html")}
    links = ["a/", "a/#top", "a/#gone", "b/", "https://example.com/x", "/a/index.html"]
    assert broken(links, "/index.html", tmp_path, pages) == [
        "/index.html: a/#gone",
        "/index.html: b/",
    ]
