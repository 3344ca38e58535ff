"""Do the tests notice? Make one plausible defect at a time and run the tests of its stage.

    python benchmarks/mutation.py --sample 200 --seed 1 --markdown mutation.md
    python benchmarks/mutation.py --only purchasing/spend.py

Each defect (:mod:`mutation_operators`) is made in a copy of the project. Only the tests that the
table below gives to the module are run, since a promise should be held by the tests of its own
stage and not by luck further down the line; and of those, the ones that execute the changed line
(all of them for a line outside of functions, and with `--all-tests`). A defect that no test
notices is listed with its line.

Why a tool of our own: mutmut (3.8, October 2026, maintained) leaves out properties and whatever
is outside of functions, which is where the tables of states and codes are, and forks a process
that has started DuckDB's and pyarrow's threads. cosmic-ray (8.7, August 2026, maintained) takes one
test command per session, has no operator for a forgotten statement, field or code, and no sample
with a seed. What both share with this file, a list of operators, is the small part.

`pytest -p mutation` makes this module a pytest plugin: it measures which test executes which line.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from mutation_operators import Mutant, mutants

ROOT = Path(__file__).resolve().parent.parent

_STORE = [
    "tests/checkpoint",
    "tests/crash/test_write_order.py",
    "tests/execute/test_execute.py",
    "tests/recovery",
]
_RUN = [
    "tests/execute/test_execute.py",
    "tests/execute/test_run.py",
    "tests/execute/test_spend.py",
    "tests/reconcile",
]
_RESULTS = [
    "tests/execute/test_charged_above.py",
    "tests/execute/test_return_labels.py",
    "tests/checkpoint/test_results.py",
    "tests/recovery",
    "tests/session/test_local_day.py",
]
_RECOVERY = ["tests/recovery", "tests/reconcile"]
_UPS_WIRE = ["tests/carriers/ups/test_wire_values.py", "tests/carriers/ups/test_wire.py"]

TESTS: dict[str, list[str]] = {
    "state.py": ["tests/checkpoint/test_states.py", "tests/execute/test_execute.py"],
    "common/files.py": ["tests/checkpoint/test_files.py", "tests/checkpoint"],
    "common/lock.py": ["tests/checkpoint/test_results.py", "tests/checkpoint"],
    "purchasing/approval.py": ["tests/execute/test_approval.py"],
    "purchasing/spend.py": ["tests/execute/test_spend.py", "tests/execute/test_execute.py"],
    "purchasing/reconcile.py": ["tests/reconcile", "tests/execute/test_execute.py"],
    "purchasing/late_shipments.py": ["tests/reconcile", "tests/recovery"],
    "purchasing/purchase_entry.py": ["tests/execute", "tests/reconcile"],
    "purchasing/requote.py": ["tests/execute/test_requote.py", "tests/execute/test_approval.py"],
    "purchasing/pickup_book.py": ["tests/handover", "tests/execute/test_spend.py"],
    "purchasing/result.py": _RESULTS,
    "purchasing/result_frames.py": _RESULTS,
    "purchasing/history.py": ["tests/history"],
    "purchasing/signals.py": _RUN,
    "purchasing/store/*.py": _STORE,
    "purchasing/run/*.py": _RUN,
    "purchasing/recovery/*.py": _RECOVERY,
    "carriers/ups/wire.py": _UPS_WIRE,
    "carriers/ups/packages.py": _UPS_WIRE,
    "carriers/sandbox/messages.py": ["tests/carriers/test_sandbox_wire.py"],
}
"""Module (or all of a folder) -> the tests that hold its promises."""

_ENUMS = {
    "shipkit.state": ("RowState", "JobStatus", "Outcome"),
    "shipkit.models": ("Signature", "LabelFormat", "ChargeBasis"),
    "shipkit.carriers.ups.service_level": ("ServiceLevel",),
    "shipkit.purchasing.approval": ("ExecutionMode",),
}

_LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "__pycache__", ".*_cache", "site", "notebooks", "dist", "*.pyc"
)


# -- the plugin: which test executes which line ----------------------------------------------------

_MAP = os.environ.get("MUTATION_MAP")


def pytest_configure(config: Any) -> None:
    """Start measuring, when the run asks for a map."""
    if _MAP:
        import coverage

        config.mutation = coverage.Coverage(data_file=None, source=["shipkit"], messages=False)
        config.mutation_times = {}
        config.mutation.start()


def pytest_runtest_logstart(nodeid: str, location: object) -> None:  # noqa: ARG001 - pytest's own
    """Note under which name the lines of the next test are kept."""
    if _MAP:
        import coverage

        current = coverage.Coverage.current()
        if current is not None:
            current.switch_context(nodeid)


def pytest_runtest_logreport(report: Any) -> None:
    """Keep how long each test takes: short ones run first."""
    if _MAP:
        _TIMES[report.nodeid] = _TIMES.get(report.nodeid, 0.0) + report.duration
        if report.failed:
            _FAILED.append(report.nodeid)


def pytest_sessionfinish(session: Any) -> None:
    """Write the map: lines of each file, with the tests that execute them."""
    if not _MAP:
        return
    measured = session.config.mutation
    measured.stop()
    data = measured.get_data()
    lines = {
        file: {
            str(line): [name for name in names if name]
            for line, names in data.contexts_by_lineno(file).items()
        }
        for file in data.measured_files()
    }
    Path(_MAP).write_text(json.dumps({"lines": lines, "times": _TIMES, "failed": _FAILED}))


_TIMES: dict[str, float] = {}
_FAILED: list[str] = []


# -- the copy --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What the tests made of one defect."""

    module: str
    mutant: Mutant
    result: str
    """``killed``, ``timeout`` or ``survived``."""
    by: str = ""
    """The test that noticed."""


class Copy:
    """A copy of the project in which defects are made."""

    def __init__(self, folder: Path, *, all_tests: bool = False) -> None:
        self.folder, self.all_tests = folder / "project", all_tests
        shutil.copytree(ROOT, self.folder, ignore=_LEFT_OUT)
        if (ROOT.parent / "shared").is_dir():
            (folder / "shared").symlink_to(ROOT.parent / "shared")
        self._maps: dict[tuple[str, ...], dict[str, Any]] = {}

    def map_of(self, tests: Iterable[str]) -> dict[str, Any]:
        """Return which of `tests` execute which lines, measured once on the sound project."""
        key = tuple(tests)
        if key not in self._maps:
            path = self.folder / f"map-{len(self._maps)}.json"
            code, text = self.pytest(list(key), 1800, MUTATION_MAP=str(path))
            if code != 0:
                raise SystemExit(f"{' '.join(key)} fail without any defect:\n{text[-3000:]}")
            self._maps[key] = json.loads(path.read_text())
        return self._maps[key]

    def judge(self, module: str, mutant: Mutant, tests: list[str]) -> Outcome:
        """Make the defect, run the tests, and undo it."""
        path = self.folder / "shipkit" / module
        sound, known = path.read_text(encoding="utf-8"), self.map_of(tests)
        executed = known["lines"].get(str(path), {})
        chosen = {
            name
            for line in range(mutant.first, mutant.last + 1)
            for name in executed.get(str(line), ())
        }
        path.write_text(mutant.source, encoding="utf-8")
        for stale in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
            stale.unlink()  # the defect may have the size and the second of the sound file
        try:
            if chosen and mutant.in_function:
                times = known["times"]
                ordered = sorted(chosen, key=lambda name: times.get(name, 0.0))
                longest = sum(times.get(name, 0.0) for name in ordered)
                found = self._run(ordered, longest)
                if found[0] != "survived" or not self.all_tests:
                    return Outcome(module, mutant, *found)
            return Outcome(module, mutant, *self._run(tests, sum(known["times"].values())))
        finally:
            path.write_text(sound, encoding="utf-8")

    def _run(self, tests: list[str], usual_s: float) -> tuple[str, str]:
        code, text = self.pytest(tests, 60 + 5 * usual_s)
        if code is None:
            return "timeout", ""
        if code == 0:
            return "survived", ""
        failed = [line for line in text.splitlines() if line.startswith(("FAILED", "ERROR"))]
        return "killed", failed[0].split(" ", 1)[1].split(" - ")[0] if failed else f"exit {code}"

    def pytest(self, tests: list[str], limit_s: float, **env: str) -> tuple[int | None, str]:
        """Run tests in a process group of their own; None for one that had to be stopped."""
        chosen = self.folder / "chosen-tests.txt"
        chosen.write_text("\n".join(tests))
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
        command += ["-p", "mutation", "-p", "no:randomly", f"@{chosen}"]
        path = os.pathsep.join(map(str, (self.folder, self.folder / "benchmarks")))
        settings = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **env}
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=settings,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                code: int | None = process.wait(limit_s)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                code = None
            output.seek(0)
            return code, output.read().decode(errors="replace")


# -- the run ---------------------------------------------------------------------------------------


def members() -> dict[str, list[str]]:
    """Return the members of the enumerations whose confusion would cost money."""
    found = {}
    for module, names in _ENUMS.items():
        for name in names:
            kind: type[Enum] = getattr(importlib.import_module(module), name)
            found[name] = [member.name for member in kind]
    return found


def chosen_modules(only: list[str]) -> dict[str, list[str]]:
    """Return module -> tests, for all modules or those that begin with one of `only`."""
    found = {}
    for pattern, tests in TESTS.items():
        for path in sorted((ROOT / "shipkit").glob(pattern)):
            name = str(path.relative_to(ROOT / "shipkit"))
            if not only or any(name.startswith(prefix) for prefix in only):
                found[name] = [test for test in tests if (ROOT / test).exists()]
    return found


def shown(mutant: Mutant) -> str:
    """Return what differs, with a little of what surrounds it."""
    before, after = " ".join(mutant.before.split()), " ".join(mutant.after.split())
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    left, right = max(0, start - 30), max(0, end - 30)
    texts = [text[left : len(text) - right].replace("|", "\\|") for text in (before, after)]
    return f"`{texts[0][:120]}` -> `{texts[1][:120]}`"


def report(outcomes: list[Outcome], made: Counter[str]) -> str:
    """Return the score by module and the defects that no test noticed, as Markdown."""
    lines = ["| module | defects | tried | noticed | timed out | unnoticed | score |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    by_module: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        by_module.setdefault(outcome.module, Counter())[outcome.result] += 1
    total: Counter[str] = Counter()
    for module, counts in by_module.items():
        total += counts
        lines.append(_row(f"`{module}`", made[module], counts))
    lines.append(_row("all", sum(made[module] for module in by_module), total))
    unnoticed = [outcome for outcome in outcomes if outcome.result == "survived"]
    if unnoticed:
        lines += ["", "| unnoticed | kind | change |", "| --- | --- | --- |"]
        lines += [
            f"| `{one.module}:{one.mutant.first}` | {one.mutant.kind} | {shown(one.mutant)} |"
            for one in unnoticed
        ]
    return "\n".join(lines) + "\n"


def _row(name: str, made: int, counts: Counter[str]) -> str:
    tried = counts.total()
    noticed = counts["killed"] + counts["timeout"]
    return (
        f"| {name} | {made:,} | {tried:,} | {counts['killed']:,} | {counts['timeout']:,} | "
        f"{counts['survived']:,} | {noticed / tried:.1%} |"
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", nargs="*", default=[], help="modules, as in the table")
    parser.add_argument("--sample", type=int, help="this many defects, of all modules together")
    parser.add_argument("--seed", type=int, default=1, help="which ones the sample takes")
    parser.add_argument(
        "--all-tests", action="store_true", help="run those that do not reach the line, too"
    )
    parser.add_argument("--list", action="store_true", help="show the defects, run nothing")
    parser.add_argument("--markdown", type=Path, help="write the report here, after every defect")
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    modules, enums = chosen_modules(args.only), members()
    every = [
        (module, mutant)
        for module in modules
        for mutant in mutants((ROOT / "shipkit" / module).read_text(encoding="utf-8"), enums)
    ]
    made = Counter(module for module, _ in every)
    if args.sample and args.sample < len(every):
        chosen = set(random.Random(args.seed).sample(range(len(every)), args.sample))
        every = [one for place, one in enumerate(every) if place in chosen]
    if args.list:
        for module, mutant in every:
            print(f"{module}:{mutant.first} {mutant.kind}: {shown(mutant)}")
        return
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Copy(Path(folder), all_tests=args.all_tests)
        for place, (module, mutant) in enumerate(every, 1):
            began = time.monotonic()
            outcomes.append(copy.judge(module, mutant, modules[module]))
            print(
                f"{place}/{len(every)} {outcomes[-1].result} {module}:{mutant.first} "
                f"{mutant.kind} {time.monotonic() - began:.1f} s {outcomes[-1].by} "
                f"{shown(mutant)}",
                flush=True,
            )
            if args.markdown:
                args.markdown.write_text(report(outcomes, made), encoding="utf-8")
    print(report(outcomes, made))


if __name__ == "__main__":
    main()
