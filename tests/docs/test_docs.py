"""The pages are true: every link resolves, and lists match the code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import shipkit

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere(page: Path):
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [
        t
        for t in targets
        if "://" not in t and not t.startswith("mailto:") and not (page.parent / t).exists()
    ]
    assert missing == []


ARCHITECTURE = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")


def first_cells(text: str) -> list[str]:
    return re.findall(r"^\| `([\w/]+)`", text, re.MULTILINE)


def section(heading: str) -> str:
    found = re.search(rf"^(#+) {heading}\n(.*?)(?=^#|\Z)", ARCHITECTURE, re.MULTILINE | re.DOTALL)
    return found[2] if found else ""


def parts_of(folder: Path) -> set[str]:
    """The modules of a package, its sub-packages with a slash behind the name."""
    modules = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}
    return modules | {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")}


def test_the_rooms_are_the_import_contract():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = [
        part.strip()
        for layer in config["tool"]["importlinter"]["contracts"][0]["layers"]
        for part in re.split("[|:]", layer)
    ]
    listed = first_cells(section("Rooms"))
    assert [name.rstrip("/") for name in listed] == layers
    assert set(listed) == parts_of(ROOT / "shipkit")


@pytest.mark.parametrize("room", [n[:-1] for n in first_cells(section("Rooms")) if n[-1] == "/"])
def test_the_architecture_page_has_a_line_for_each_file_of_a_room(room: str):
    listed = first_cells(section(room))
    there = parts_of(ROOT / "shipkit" / room)
    assert len(listed) == len(set(listed))
    assert set(listed) - there == set(), "listed in docs/explanation/architecture.md, but gone"
    assert there - set(listed) == set(), "add a line to docs/explanation/architecture.md"


def test_every_error_is_drawn_in_the_tree():
    tree = (shipkit.errors.__doc__ or "").split("A message says")[0]
    drawn = set(re.findall(r"── (\w+)", tree)) | {"ShipkitError"}
    assert drawn == set(shipkit.errors.__all__)


def test_the_page_of_dependencies_has_the_bounds_of_the_package():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| ([\w-]+) >= ([\d.]+) \|", page, re.MULTILINE)
    assert sorted(">=".join(pair) for pair in listed) == sorted(config["project"]["dependencies"])


def test_every_path_in_contributing_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:shipkit|tests|benchmarks|docs)/[\w./-]*)`", text)
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []
