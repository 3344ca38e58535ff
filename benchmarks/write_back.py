"""Spoil order files, ship them in the sandbox, write the numbers back, and judge where they are.

    python benchmarks/write_back.py --files 10000 [--first 0] [--show]

Every file is the clean file with one to three kinds of damage (`shipkit.testing.KINDS`), as CSV,
gzipped CSV, a workbook or Parquet; half of the files are changed between loading and writing back.
The goal is 0 wrong: each number is in the row of its own order, or nothing was written.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "testing"))

from conftest import clean_text

from shipkit.testing import Clean, spoiled, written_back


def main() -> int:
    """Run the files, print counts, and return 1 if any number was in a wrong row."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--show", action="store_true", help="print each verdict")
    options = parser.parse_args()
    path = Path(tempfile.mkdtemp(prefix="write-back-")) / "clean.csv"
    path.write_text(clean_text(), encoding="utf-8")
    clean = Clean(path)
    counts, forms, reasons, wrong, numbers = Counter(), Counter(), Counter(), 0, 0
    began = time.monotonic()
    for number in range(options.first, options.first + options.files):
        file = spoiled(clean.file(), number)
        verdict = written_back(file, clean, number)
        changed = "changed" if verdict.change != "none" else "as it was"
        done = "refused" if verdict.refused else "written"
        counts[f"{changed}, {done}"] += 1
        forms[f"{verdict.form}, {done}"] += 1
        numbers += verdict.numbers
        if verdict.refused and changed == "as it was":
            reasons[verdict.refused[:90]] += 1
        if not verdict:
            wrong += 1
            print(f"{number}: {' + '.join(file.kinds)}: {verdict.wrong[:3]}", flush=True)
        elif options.show:
            print(number, file.kinds, verdict, flush=True)
    took = time.monotonic() - began
    print(
        f"\n{options.files} files in {took:.0f} s: {wrong} wrong, {numbers} numbers in their rows"
    )
    for found in (counts, forms, reasons):
        for name, count in found.most_common(25):
            print(f"{count:6}  {name}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
