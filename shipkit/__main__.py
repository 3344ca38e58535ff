"""``python -m shipkit`` is the command line."""

import sys

from shipkit.cli import program

if __name__ == "__main__":
    sys.exit(program())
