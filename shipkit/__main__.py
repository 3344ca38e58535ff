"""``python -m shipkit`` is the command line."""

from shipkit.cli import main

if __name__ == "__main__":
    main()
