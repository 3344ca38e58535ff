"""Spoil order files at random, and count the shipments that change without a word.

    python benchmarks/dirt.py --mixes 10000 [--first 0] [--file ORDERS.csv --map JSON]

Every mix is a clean file with one to three kinds of damage (`shipkit.testing.KINDS`), chosen by its
number: the same number spoils in the same way, so that a finding can be looked at again with
`--first N --mixes 1 --show`. With `--log FILE` the counts are added to those of earlier ranges, so
that 10,000 mixes can be run in parts. Without `--file` the clean files are invented orders. The
goal is 0 silent changes; orders that wait although nothing in them was spoiled are counted too.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "testing"))

from conftest import clean_text

from shipkit.testing import Clean, judged, spoiled


def main() -> int:
    """Run the mixes, print a table by kind, and return 1 if any change was silent."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mixes", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--map", type=json.loads, default={})
    parser.add_argument("--kinds", type=int, help="kinds of damage in each mix (default: 1-3)")
    parser.add_argument("--log", type=Path, help="a file in which the counts of ranges are added")
    parser.add_argument("--show", action="store_true", help="print the spoiled files")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="dirt-"))
    os.environ["SHIPKIT_HOME"] = str(folder / "home")
    path = options.file
    if path is None:
        path = folder / "clean.csv"
        path.write_text(clean_text(), encoding="utf-8")
    clean = Clean(path, options.map)
    silent, refused, waiting, seen = Counter(), Counter(), Counter(), Counter()
    began = time.monotonic()
    for number in range(options.first, options.first + options.mixes):
        file = spoiled(clean.file(), number, kinds=options.kinds)
        if options.show:
            print(file.text())
        verdict = judged(file, clean, folder / "spoiled.csv")
        kinds = " + ".join(sorted(file.kinds))
        seen[kinds] += 1
        refused[kinds] += verdict.refused is not None
        waiting[kinds] += bool(verdict.waiting_untouched)
        if not verdict:
            silent[kinds] += 1
            print(f"{number}: {kinds}: {verdict.silent[0][:300]}")
        elif options.show:
            print(verdict)
    took = time.monotonic() - began
    print(f"\n{options.mixes} mixes in {took:.0f} s: {silent.total()} silent,", end=" ")
    print(f"{refused.total()} refused, {waiting.total()} with untouched orders waiting")
    if options.log:
        _add_up(options.log, options.first, options.mixes, silent.total(), refused.total())
    for name, found in (("silent", silent), ("refused", refused), ("waiting", waiting)):
        for kinds, count in found.most_common(15):
            if count:
                print(f"{name:8} {count:5} of {seen[kinds]:4}  {kinds}")
    return 1 if silent else 0


def _add_up(log: Path, first: int, mixes: int, silent: int, refused: int) -> None:
    """Add a range to the log, and print the sum of all ranges."""
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps([first, first + mixes, silent, refused]) + "\n")
    ranges = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    seeds = {seed for first, last, *_ in ranges for seed in range(first, last)}
    print(f"all ranges: {len(seeds):,} mixes, {sum(r[2] for r in ranges):,} silent")


if __name__ == "__main__":
    sys.exit(main())
