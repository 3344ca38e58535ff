"""The session that docs/how-to/terminal-session.md shows, played by a real shell in a terminal.

`python tests/cli/recording.py` plays it and writes the output into the page; a test plays it too
and compares the lines.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "how-to" / "terminal-session.md"
SHOP = {
    "name": "Dana Ortiz",
    "company": "Harbor Goods",
    "address_line1": "300 Alamo Plaza",
    "city": "San Antonio",
    "state": "TX",
    "postal_code": "78205",
    "phone": "2105550100",
}
PLACES = [
    ("Austin", "TX", "78704"),
    ("Boston", "MA", "02134"),
    ("Seattle", "WA", "98103"),
    ("Denver", "CO", "80206"),
]
COUNT = 30
HOME = "/home/dana"
"""The name of the temporary folder on the page."""
PROMPT = "$ "
_BLOCK = re.compile(
    r"(<!-- recorded: ([\w-]+) -->\n```console\n).*?(^```)", re.MULTILINE | re.DOTALL
)
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x07")


class Terminal:
    """A shell at work in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rc = folder / "rc"
        rc.write_text(f"PS1='{PROMPT}'\nbind 'set enable-bracketed-paste off'\n", encoding="utf-8")
        path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith("SHIPKIT_")
        }
        self.shell = pexpect.spawn(
            "bash",
            ["--noprofile", "--rcfile", str(rc), "-i"],
            encoding="utf-8",
            timeout=60,
            dimensions=(60, 110),
            cwd=str(folder / "shipping"),
            echo=True,
            env=kept
            | {
                "HOME": str(folder),
                "PATH": path,
                "SHIPKIT_HOME": str(folder / "shipkit"),
                "SHIPKIT_CONFIG": str(folder / "config.toml"),
                "TERM": "xterm",
                "NO_COLOR": "1",
                "PS1": PROMPT,
                "LC_ALL": "C.UTF-8",
            },
        )
        self.shell.expect_exact(PROMPT)

    def type(self, command: str) -> None:
        """Type a command and Return."""
        self.shell.sendline(command)

    def finished(self, *, timeout: float = 60) -> str:
        """Return what the screen shows up to the next prompt."""
        self.shell.expect(r"(?<=\n)\$ $", timeout=timeout)
        return self.shell.before

    def run(self, command: str) -> str:
        """Type a command, return what the screen shows when it has ended."""
        self.type(command)
        return self.finished()


def as_seen(raw: str, folder: Path) -> str:
    """Return terminal output as it is seen at the end.

    Control codes are removed, lines that were drawn over are shown once, and the temporary folder
    has a fixed name.
    """
    lines = []
    for line in _CONTROL.sub("", raw).replace("\r\n", "\n").split("\n"):
        seen = ""
        for part in line.split("\r"):
            seen = part + seen[len(part) :]
        lines.append(seen.rstrip())
    return "\n".join(lines).replace(str(folder), HOME).strip("\n")


def play(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield name and screen of each scene."""
    terminal = Terminal(folder)

    def scene(name: str, *screens: str) -> tuple[str, str]:
        return name, as_seen("".join(PROMPT + screen for screen in screens), folder)

    buy = "shipkit run orders.csv --shipper shop.json --name morning --rate-limit 10"
    yield scene("preview", terminal.run("shipkit preview orders.csv --shipper shop.json"))

    terminal.type(buy)
    terminal.shell.expect(r"Type the total[^:]*: ?")
    shown = terminal.shell.before + terminal.shell.after
    total = re.search(r"Total\s+\$([\d.,]+)", shown)
    assert total is not None
    terminal.type(total[1])
    terminal.shell.expect(r"\b1\d/\d\d\b")
    shown += terminal.shell.before + terminal.shell.after
    terminal.shell.sendintr()
    shown += terminal.finished()
    yield scene("interrupted", shown, terminal.run("echo $?"), terminal.run("shipkit jobs"))

    yield scene("resume", terminal.run("shipkit resume"), terminal.run("echo $?"))
    yield scene(
        "labels",
        terminal.run("shipkit labels morning -o labels.pdf --order-by order_id"),
        terminal.run("shipkit write-back morning"),
        terminal.run("sed -n '1,3p;18p' orders_shipped.csv"),
    )
    yield scene("again", terminal.run(buy), terminal.run("echo $?"))
    terminal.shell.sendeof()
    terminal.shell.expect(pexpect.EOF)
    terminal.shell.close()


@contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """Yield a folder with the orders, the shipper, and `shipkit` as a command."""
    (folder / "bin").mkdir()
    (folder / "bin" / "shipkit").write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -m shipkit "$@"\n', encoding="utf-8"
    )
    (folder / "bin" / "shipkit").chmod(0o755)
    (folder / "shipping").mkdir()
    (folder / "shipping" / "shop.json").write_text(json.dumps(SHOP), encoding="utf-8")
    rows = [
        (
            f"M-{n:03}",
            f"Ada Lee {n}",
            f"{n} Marrow Creek Rd",
            *PLACES[n % 4],
            f"{n % 9 + 1}",
            "ground",
        )
        for n in range(1, COUNT + 1)
    ]
    rows[16] = (*rows[16][:5], "0213", *rows[16][6:])  # a ZIP that lacks a digit
    text = "\n".join(
        ["order_id,name,address1,city,state,zip,weight_lb,service", *map(",".join, rows)]
    )
    (folder / "shipping" / "orders.csv").write_text(text + "\n", encoding="utf-8")
    yield folder


def recorded(page: str) -> dict[str, str]:
    """Return the scenes that a page shows."""
    return {
        found[2]: page[found.end(1) : found.start(3)].strip("\n") for found in _BLOCK.finditer(page)
    }


def written(page: str, scenes: dict[str, str]) -> str:
    """Return the page with these scenes in their places."""

    def one(found: re.Match[str]) -> str:
        return f"{found[1]}{scenes[found[2]]}\n{found[3]}"

    return _BLOCK.sub(one, page)


def lines_of(screen: str) -> list[str]:
    """Return what two recordings of a scene have in common: no numbers, times and ids."""
    lines = []
    for line in screen.split("\n"):
        if line.startswith("Last shipped: "):  # which row it was depends on the moment of Ctrl-C
            lines.append("Last shipped: (a row)")
            continue
        bar = re.match(r"(.*?: +)\d+%\|", line)
        said = (
            f"{bar[1]}(a bar){'^C' if line.endswith('^C') else ''}"
            if bar
            else re.sub(r"\b(pv_[0-9a-f]+|job-[0-9a-z]+)", "<id>", line)
        )
        lines.append(re.sub(r" +", " ", re.sub(r"\d[\d.,:-]*", "#", said)))
    return lines


def main() -> None:
    with tempfile.TemporaryDirectory() as name, workplace(Path(name)) as folder:
        scenes = dict(play(folder))
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), scenes), encoding="utf-8")


if __name__ == "__main__":
    main()
