"""Measure how a checkout is laid out and how it reads, one column per checkout.

    python benchmarks/house_metrics.py ../before .
    python benchmarks/house_metrics.py --json ../before .
    python benchmarks/house_metrics.py --commits v0.1.0..main .
    python benchmarks/house_metrics.py --commits d57d9cf --commits d57d9cf..HEAD ../before .

Only the files on disk are read, and git's log where ``--commits`` asks for it; nothing is imported
from the checkouts, so an old version needs no environment of its own. The standard library is
enough, so the script runs before a checkout is installed.

A number is only comparable when its definition is, so each function states what it counts. These
hold throughout:

- Files are the ``*.py`` files in the package folder. Tests, docs and benchmarks are left out.
- A line is a physical line, blank lines and docstrings included. "Per 1,000" is per 1,000 of them.
- A percentile is the nearest rank: a value that occurs, never one in between. A median is the
  usual one (the mean of the two in the middle).

Ties are broken by name, so the same checkout always prints the same table.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import math
import re
import statistics
import subprocess
import sys
import tokenize
import tomllib
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

COLUMNS = 100
"""The width the formatter will keep; the lines beyond it are what the refactoring should end."""

NOT_COUNTED = {
    tokenize.NEWLINE,
    tokenize.NL,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.COMMENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}
"""Tokens that are layout, not something to read. ENDMARKER would add a line behind the last one."""

# Python 3.12 began to split an f-string into its parts, 3.14 has t-strings. Up to 3.11 it is one
# STRING. The names are looked up so that one script serves all of them.
OPENS = {getattr(tokenize, name, None) for name in ("FSTRING_START", "TSTRING_START")} - {None}
CLOSES = {getattr(tokenize, name, None) for name in ("FSTRING_END", "TSTRING_END")} - {None}

TYPE_CHECKING_TESTS = {"TYPE_CHECKING", "typing.TYPE_CHECKING"}

NOQA = re.compile(r"#\s*(?:ruff:\s*|flake8:\s*)?noqa\b", re.IGNORECASE)
TYPE_IGNORE = re.compile(r"#\s*type:\s*ignore\b")


@dataclass(frozen=True)
class Source:
    """One Python file, parsed once for every measure.

    Parameters
    ----------
    path
        Relative to the package folder.
    lines
        Physical lines without their line ends.
    tree
        The syntax tree.
    tokens
        The tokens, an f-string as one.
    """

    path: Path
    lines: list[str]
    tree: ast.Module
    tokens: list[tokenize.TokenInfo]

    @property
    def top(self) -> str:
        """The top-level name the file belongs to; ``__init__`` for the package's own."""
        return self.path.parts[0].removesuffix(".py")


def read_sources(package: Path) -> list[Source]:
    """Read and parse every Python file in the package folder, sorted by path."""
    sources = []
    for path in sorted(package.rglob("*.py")):
        with tokenize.open(path) as file:  # honours a coding line, and makes every line end "\n"
            text = file.read()
        # Not str.splitlines, which also splits at form feeds and at U+2028 inside a string.
        lines = text.removesuffix("\n").split("\n") if text else []
        tree = ast.parse(text, filename=str(path))
        sources.append(Source(path.relative_to(package), lines, tree, list(whole_strings(text))))
    return sources


def whole_strings(text: str) -> Iterator[tokenize.TokenInfo]:
    """Yield the tokens of a text, an f-string as one token, as Python 3.11 does.

    Otherwise the same file would have more tokens on a line under a newer Python, and a table made
    elsewhere could not be compared.
    """
    depth = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in OPENS:
            depth += 1
            if depth == 1:
                yield token._replace(type=tokenize.STRING)
        elif token.type in CLOSES:
            depth -= 1
        elif not depth:
            yield token


def rank(values: Iterable[int], share: float) -> int:
    """Return the nearest-rank percentile: the smallest value with `share` of all at or below it."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else 0


def per(count: int, total: int, scale: int) -> float:
    """Return `count` per `scale` of `total`, to one decimal."""
    return round(scale * count / total, 1) if total else 0.0


# Layout


def top_level_names(sources: list[Source]) -> list[str]:
    """Return the names directly in the package that can be imported.

    A module or a folder with Python files counts; ``__init__`` is the package itself. Folders of
    data, ``__pycache__`` and ``py.typed`` have no Python files and so drop out by themselves.
    ``__main__`` counts.
    """
    return sorted({source.top for source in sources} - {"__init__"})


def contract_layers(checkout: Path, package: str) -> int | None:
    """Return the number of layers of the import contract, or None if there is no such contract.

    Of the contracts of import-linter in ``pyproject.toml`` whose containers include the package,
    the one with the most layers. ``a | b`` is one layer.
    """
    config = checkout / "pyproject.toml"
    if not config.exists():
        return None
    linter = tomllib.loads(config.read_text("utf-8")).get("tool", {}).get("importlinter", {})
    layers = [
        len(contract.get("layers", []))
        for contract in linter.get("contracts", [])
        if package in contract.get("containers", [])
    ]
    return max(layers, default=None)


def runtime_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield every node below `node`, except what stands under ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) in TYPE_CHECKING_TESTS:
            for other in child.orelse:
                yield other
                yield from runtime_nodes(other)
            continue
        yield child
        yield from runtime_nodes(child)


def imported_modules(source: Source, package: str) -> Iterator[list[str]]:
    """Yield what a file imports at run time from the package, as parts below the package.

    ``from shipkit import x`` yields ``["x"]`` whether `x` is a module or only a name of the
    package: the caller knows which. Imports inside functions count, they are as real as others.
    An import by a computed name (``import_module(f"...")``) cannot be seen.
    """
    here = [package, *source.path.parts[:-1]]
    for node in runtime_nodes(source.tree):
        if isinstance(node, ast.Import):
            modules = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            base = [*base, *(node.module.split(".") if node.module else [])]
            modules = [[*base, alias.name] for alias in node.names]
        else:
            continue
        yield from (module[1:] for module in modules if module[0] == package and module[1:])


def import_graph(sources: list[Source], package: str) -> dict[str, set[str]]:
    """Return, for each top-level name, the other top-level names it imports at run time.

    The package's own ``__init__`` is not a node: importing any module runs it, so an edge to it
    (``from shipkit import __version__``) says nothing about the layout.
    """
    graph: dict[str, set[str]] = {name: set() for name in top_level_names(sources)}
    for source in sources:
        if source.top in graph:
            found = {parts[0] for parts in imported_modules(source, package)}
            graph[source.top] |= (found & graph.keys()) - {source.top}
    return graph


def longest_chain(graph: dict[str, set[str]]) -> tuple[list[str], list[list[str]]]:
    """Return the longest chain of imports, and the cycles.

    Names that import each other in a circle are one link of the chain, written ``a = b``: a
    longest path is only defined without cycles. That makes a tangle look short, so the cycles are
    returned as well, to be shown beside the chain.
    """
    reach: dict[str, set[str]] = {}
    for name in graph:
        seen: set[str] = set()
        todo = [name]
        while todo:
            new = graph[todo.pop()] - seen
            seen |= new
            todo.extend(new)
        reach[name] = seen
    # A name's group is itself and every name it reaches that also reaches it.
    group = {
        name: tuple(sorted({name} | {other for other in reach[name] if name in reach[other]}))
        for name in graph
    }
    below: dict[tuple[str, ...], set[tuple[str, ...]]] = defaultdict(set)
    for name, others in graph.items():
        below[group[name]] |= {group[other] for other in others} - {group[name]}

    chains: dict[tuple[str, ...], list[str]] = {}

    def chain(start: tuple[str, ...]) -> list[str]:
        if start not in chains:
            rest = longest(chain(other) for other in sorted(below[start]))
            chains[start] = [" = ".join(start), *rest]
        return chains[start]

    def longest(found: Iterable[list[str]]) -> list[str]:
        return max(found, key=len, default=[])

    groups = sorted(set(group.values()))
    return longest(chain(each) for each in groups), [list(each) for each in groups if each[1:]]


def duplicate_modules(sources: list[Source], package: str) -> dict[str, int]:
    """Return the module names that occur more than once, with how often.

    A folder's ``__init__`` goes by the folder's name, because that is how it is imported.
    ``__main__`` must have its name and is left out; a count that includes it is one higher.
    """
    names = []
    for source in sources:
        stem = source.path.stem
        if stem == "__init__":
            stem = source.path.parent.name or package
        if stem != "__main__":
            names.append(stem)
    return repeated(names)


def duplicate_classes(sources: list[Source]) -> dict[str, int]:
    """Return the class names that occur more than once, classes inside classes included."""
    return repeated(
        node.name
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef)
    )


def repeated(names: Iterable[str]) -> dict[str, int]:
    """Return the names that occur more than once, with how often, sorted by name."""
    return {name: times for name, times in sorted(Counter(names).items()) if times > 1}


# Size


def methods(node: ast.ClassDef, functions: set[str]) -> set[str]:
    """Return the names of a class's methods.

    Functions in the class body, properties included; a setter or an overload shares its getter's
    name and counts once. ``name = function`` counts too, where `function` is defined or imported
    in the same file under a lower-case name: a class made of functions from other files is as
    large for its reader. Bases are not followed.
    """
    found = set()
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(child.name)
        elif isinstance(child, ast.Assign) and getattr(child.value, "id", None) in functions:
            found |= {target.id for target in child.targets if isinstance(target, ast.Name)}
    return found


def module_functions(tree: ast.Module) -> set[str]:
    """Return the names in a module that are functions, or are imported and look like functions."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            names = {alias.asname or alias.name for alias in node.names}
            found |= {name for name in names if name.islower()}
    return found


def largest_class(sources: list[Source]) -> dict[str, Any]:
    """Return the class with the most methods, and how many of them have no leading underscore."""
    sizes = []
    for source in sources:
        functions = module_functions(source.tree)
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef):
                names = methods(node, functions)
                public = sum(not name.startswith("_") for name in names)
                sizes.append((-len(names), node.name, source.path.as_posix(), public))
    if not sizes:
        return {"name": None, "file": None, "methods": 0, "public": 0}
    count, name, file, public = min(sizes)
    return {"name": name, "file": file, "methods": -count, "public": public}


def function_lengths(sources: list[Source]) -> dict[str, Any]:
    """Return median, 95th percentile and maximum of the lines of a function.

    From ``def`` to the last line, docstring included, decorators not. Methods and functions inside
    functions count, the inner ones also as part of the outer.
    """
    sizes = sorted(
        (-((node.end_lineno or node.lineno) - node.lineno + 1), node.name, source.path.as_posix())
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    if not sizes:
        return {"median": 0, "p95": 0, "max": 0, "name": None, "file": None, "functions": 0}
    lengths = [-size for size, _, _ in sizes]
    longest, name, file = sizes[0]
    return {
        "median": statistics.median(lengths),
        "p95": rank(lengths, 0.95),
        "max": -longest,
        "name": name,
        "file": file,
        "functions": len(sizes),
    }


def longest_file(sources: list[Source]) -> dict[str, Any]:
    """Return the file with the most lines."""
    if not sources:
        return {"file": None, "lines": 0}
    longest = min(sources, key=lambda source: (-len(source.lines), source.path))
    return {"file": longest.path.as_posix(), "lines": len(longest.lines)}


# How it reads


def tokens_on_a_line(sources: list[Source]) -> int:
    """Return the 95th percentile of tokens on a physical line.

    Layout tokens and comments do not count, nor do lines without a token. A string over several
    lines counts as one token on its first line, so a docstring is one line of one token and its
    other lines are no lines at all here.
    """
    counts: list[int] = []
    for source in sources:
        on_line = Counter(
            token.start[0] for token in source.tokens if token.type not in NOT_COUNTED
        )
        counts.extend(on_line.values())
    return rank(counts, 0.95)


def line_widths(sources: list[Source]) -> dict[str, Any]:
    """Return the share of lines over the limit and the longest line, in characters.

    The share is of the lines that are not blank: a blank line cannot be too long, and a formatter
    that adds blank lines should not look as if it had shortened the others.
    """
    widths = [
        (-len(line), source.path.as_posix(), number)
        for source in sources
        for number, line in enumerate(source.lines, 1)
        if line.strip()
    ]
    if not widths:
        return {"over_percent": 0.0, "longest": 0, "file": None, "line": None}
    longest, file, number = min(widths)
    over = sum(-width > COLUMNS for width, _, _ in widths)
    return {
        "over_percent": per(over, len(widths), 100),
        "longest": -longest,
        "file": file,
        "line": number,
    }


def comments(sources: list[Source], lines: int) -> dict[str, float]:
    """Return comments in % of lines, and the suppressions per 1,000 lines.

    ``own_percent`` counts lines that are only a comment, ``trailing_percent`` lines with code and
    a comment. A suppression (``noqa``, ``type: ignore``) is a comment here too; a docstring is not.
    """
    own = trailing = noqa = ignored = 0
    for source in sources:
        for token in source.tokens:
            if token.type != tokenize.COMMENT:
                continue
            number, column = token.start
            if source.lines[number - 1][:column].strip():
                trailing += 1
            else:
                own += 1
            noqa += bool(NOQA.search(token.string))
            ignored += bool(TYPE_IGNORE.search(token.string))
    return {
        "own_percent": per(own, lines, 100),
        "trailing_percent": per(trailing, lines, 100),
        "noqa_per_1000": per(noqa, lines, 1000),
        "type_ignore_per_1000": per(ignored, lines, 1000),
    }


def any_per_1000(sources: list[Source], lines: int) -> float:
    """Return uses of the name ``Any`` per 1,000 lines, its imports and texts left out."""
    uses = 0
    for source in sources:
        for node in ast.walk(source.tree):
            uses += isinstance(node, ast.Name) and node.id == "Any"
            uses += isinstance(node, ast.Attribute) and node.attr == "Any"
    return per(uses, lines, 1000)


# History


def git(checkout: Path, *arguments: str) -> str:
    """Return what git prints in a checkout."""
    done = subprocess.run(
        ["git", "-C", str(checkout), *arguments],
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
        errors="replace",
    )
    return done.stdout


def commit_sizes(checkout: Path, commits: str) -> dict[str, Any]:
    """Return median and 90th percentile of changed lines a commit, and the share with a body.

    Lines added plus lines removed in all files of the repository, tests and docs included, since
    that is what a reviewer reads. Binary files have no lines. A renamed file counts only what
    changed in it. Merges are left out: their lines were counted in the commits they merge. Trailers
    such as ``Signed-off-by`` are no body.
    """
    # Three fields a commit: body, trailers, and the numbers that --numstat puts behind the format.
    # NUL parts them because git allows no NUL in a message.
    log = git(
        checkout,
        "log",
        "--no-merges",
        "--find-renames",
        "--numstat",
        "--format=%x00%b%x00%(trailers)%x00",
        "--end-of-options",
        commits,
        "--",
    )
    sizes, bodies = [], 0
    fields = log.split("\0")[1:]
    for body, trailers, numbers in zip(fields[::3], fields[1::3], fields[2::3], strict=True):
        bodies += bool(body.strip().removesuffix(trailers.strip()).strip())
        size = 0
        for line in numbers.splitlines():
            added, _, rest = line.partition("\t")
            if added.isdigit():
                size += int(added) + int(rest.partition("\t")[0])
        sizes.append(size)
    return {
        "range": commits,
        "commits": len(sizes),
        "median": statistics.median(sizes) if sizes else 0,
        "p90": rank(sizes, 0.9),
        "body_percent": per(bodies, len(sizes), 100),
    }


def version(checkout: Path) -> str | None:
    """Return the short commit, with ``-dirty`` if files were changed; None without git."""
    try:
        return git(checkout, "describe", "--always", "--dirty", "--exclude=*").strip()
    except (OSError, subprocess.CalledProcessError):
        return None


# The table


def measure(checkout: Path, package: str, commits: str | None) -> dict[str, Any]:
    """Return every measure of one checkout, as JSON can hold it."""
    folder = checkout / package
    if not folder.is_dir():
        raise SystemExit(f"{checkout} has no package folder {package!r}")
    sources = read_sources(folder)
    lines = sum(len(source.lines) for source in sources)
    chain, cycles = longest_chain(import_graph(sources, package))
    found = {
        "checkout": checkout.resolve().name,
        "version": version(checkout),
        "files": len(sources),
        "lines": lines,
        "top_level_names": len(top_level_names(sources)),
        "contract_layers": contract_layers(checkout, package),
        "longest_chain": chain,
        "cycles": cycles,
        "longest_file": longest_file(sources),
        "largest_class": largest_class(sources),
        "function_lines": function_lengths(sources),
        "tokens_on_a_line_p95": tokens_on_a_line(sources),
        "line_width": line_widths(sources),
        "comments": comments(sources, lines),
        "any_per_1000": any_per_1000(sources, lines),
        "duplicate_modules": duplicate_modules(sources, package),
        "duplicate_classes": duplicate_classes(sources),
    }
    if commits:
        found["commits"] = commit_sizes(checkout, commits)
    return found


def listed(names: dict[str, int]) -> str:
    """Return a count and the names; a name used more than twice says how often."""
    words = [name if times == 2 else f"{name} ({times})" for name, times in names.items()]
    return f"{len(words)}: {', '.join(words)}" if words else "0"


def cells(found: dict[str, Any]) -> dict[str, str]:
    """Return the rows of one column: label and text."""
    chain, layers = found["longest_chain"], found["contract_layers"]
    size, widths, said = found["function_lines"], found["line_width"], found["comments"]
    largest, file = found["largest_class"], found["longest_file"]
    cycles = [" = ".join(names) for names in found["cycles"]]
    rows = {
        "Python files": f"{found['files']}",
        "lines": f"{found['lines']:,}",
        "top-level names": f"{found['top_level_names']}",
        "layers in the import contract": "no contract" if layers is None else f"{layers}",
        "longest real import chain": f"{len(chain)}: {' > '.join(chain)}",
        "import cycles between top-level names": f"{len(cycles)}: {'; '.join(cycles)}".rstrip(": "),
        "longest file": f"`{file['file']}`, {file['lines']:,} lines",
        "largest class": f"`{largest['name']}`, {largest['methods']} methods, "
        f"{largest['public']} public",
        "function lines, median / p95 / max": f"{size['median']:g} / {size['p95']} / {size['max']} "
        f"(`{size['name']}` in `{size['file']}`)",
        "tokens on a line, p95": f"{found['tokens_on_a_line_p95']}",
        f"lines over {COLUMNS} columns, % of lines not blank": f"{widths['over_percent']} %",
        "longest line": f"{widths['longest']} (`{widths['file']}:{widths['line']}`)",
        "comments, % of lines: own line / trailing": f"{said['own_percent']} / "
        f"{said['trailing_percent']}",
        "`Any` per 1,000 lines": f"{found['any_per_1000']}",
        "`noqa` per 1,000 lines": f"{said['noqa_per_1000']}",
        "`type: ignore` per 1,000 lines": f"{said['type_ignore_per_1000']}",
        "module names used more than once": listed(found["duplicate_modules"]),
        "class names used more than once": listed(found["duplicate_classes"]),
    }
    if history := found.get("commits"):
        rows["commits measured"] = f"{history['commits']} (`{history['range']}`)"
        rows["changed lines a commit, median / p90"] = f"{history['median']:g} / {history['p90']:,}"
        rows["commits with a body"] = f"{history['body_percent']} %"
    return rows


def markdown(columns: list[dict[str, Any]]) -> str:
    """Return the table, a column per checkout; a row only some checkouts have shows a dash."""
    rows = [cells(found) for found in columns]
    heads = [
        f"{found['checkout']} ({found['version']})" if found["version"] else found["checkout"]
        for found in columns
    ]
    labels = list(dict.fromkeys(label for column in rows for label in column))
    table = [["", *heads], ["---"] * (len(heads) + 1)]
    table += [[label, *(column.get(label, "-") for column in rows)] for label in labels]
    return "\n".join(f"| {' | '.join(line)} |" for line in table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description="Measure how checkouts are laid out and how they read, a column for each.",
        epilog="What each row counts is in the docstrings of this script.",
    )
    parser.add_argument("checkouts", nargs="+", type=Path, help="folders with the package in them")
    parser.add_argument("--package", default="shipkit", help="the package folder (%(default)s)")
    parser.add_argument(
        "--commits",
        action="append",
        default=[],
        metavar="A..B",
        help="also measure these commits; once for all checkouts, or once for each in their order",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    given = parser.parse_args(arguments)

    commits: list[str | None] = given.commits or [None]
    if len(commits) == 1:
        commits *= len(given.checkouts)
    if len(commits) != len(given.checkouts):
        parser.error("give --commits once, or once for each checkout")

    columns = []
    for checkout, wanted in zip(given.checkouts, commits, strict=True):
        try:
            columns.append(measure(checkout, given.package, wanted))
        except subprocess.CalledProcessError as failed:
            parser.error(f"git in {checkout}: {failed.stderr.strip()}")
    print(json.dumps(columns, indent=2) if given.json else markdown(columns))
    return 0


if __name__ == "__main__":
    sys.exit(main())
