"""``python -m shipkit`` is the command line."""

import sys

from shipkit.cli import main

if __name__ == "__main__":
    sys.exit(main())
