"""``--config JOB.toml``: the options of a command, read from a file.

The keys are the names of the options with underscores. A value from the file is checked like one
that was typed, so that a rate limit of -1 is refused in both places.
"""

from __future__ import annotations

import argparse
import tomllib
from argparse import Namespace
from pathlib import Path
from typing import Any

from shipkit.cli.commands import COMMANDS, actions_of
from shipkit.cli.session_options import pairs
from shipkit.errors import InputError
from shipkit.home_url import is_url

__all__ = ["with_config"]

_PATHS = ("file", "template", "labels", "failed", "output", "write_back", "watch", "log", "home")
"""Options that are paths: in a config file they are relative to its folder."""

_TABLES = {
    "params": "param",
    "columns": "column",
    "defaults": "default",
    "references": "reference",
    "services": "map_service",
    "types": "type",
    "max_account": "max_account",
    "warehouses": "warehouse",
}
"""Table of a config file to the option with the same meaning."""

_NOT_IN_A_FILE = frozenset({"help", "config", "debug"})


def with_config(args: Namespace) -> Namespace:
    """Return `args` completed from its ``--config`` file; typed options take precedence.

    Raises
    ------
    InputError
        The file cannot be read, has an unknown key, or a value that its option does not take.
    """
    if getattr(args, "config", None) is None:
        return args
    path = Path(args.config)
    args = Namespace(**vars(args), typed=vars(args))
    typed = vars(args)
    known = _options()
    for key, value in _read(path).items():
        name = _TABLES.get(key, key.replace("-", "_"))
        if name not in known:
            raise InputError(
                f"{path} has an unknown key {key!r}.",
                fix=f"Known keys: {', '.join(sorted({*known, *_TABLES}))}.",
            )
        _check(path, key, value, known[name])
        if name not in typed:
            continue  # an option of another command: one file serves them all
        if isinstance(value, dict) and name in _TABLES.values():
            setattr(args, name, {**value, **pairs(getattr(args, name))})
        elif typed[name] is None or typed[name] is False:
            setattr(args, name, _from_folder(path, value) if name in _PATHS else value)
    return args


def _options() -> dict[str, argparse.Action]:
    """Return name to option, over all commands that take a config file."""
    found: dict[str, argparse.Action] = {}
    for command in COMMANDS:
        actions = {action.dest: action for action in actions_of(command)}
        if "config" in actions:
            found |= actions
    return {name: action for name, action in found.items() if name not in _NOT_IN_A_FILE}


def _check(path: Path, key: str, value: Any, option: argparse.Action) -> None:
    """Raise InputError when `option` would not take `value` on the command line."""
    wrong = None
    if option.nargs == 0 and not isinstance(value, bool):
        wrong = f"must be true or false, not {value!r}"
    elif option.choices is not None and value not in option.choices:
        wrong = f"must be one of {', '.join(map(str, option.choices))}, not {value!r}"
    elif callable(option.type):
        try:
            option.type(str(value))
        except argparse.ArgumentTypeError as error:
            wrong = str(error)
    elif option.nargs != 0 and isinstance(value, bool):
        wrong = f"must be text, not {value!r}"
    if value == "" and option.dest != "write_back":  # that is a copy next to the orders
        wrong = "is empty: give a value, or leave it out"
    if wrong is not None:
        raise InputError(f"{path}: {key}: {wrong}.", fix=f"Correct {key} in {path}.")


def _read(path: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"The config file {path} cannot be read: {reason}.",
            fix="It must be TOML; the keys are the names of the options.",
        ) from None
    warehouses = found.get("warehouses")
    cells = warehouses if isinstance(warehouses, dict) else {}
    for table, key in [(found, "shipper"), *((cells, cell) for cell in cells)]:
        address = table.get(key)
        if isinstance(address, str) and Path(address).suffix.lower() in {".json", ".toml"}:
            table[key] = _from_folder(path, address)
    return found


def _from_folder(config: Path, value: Any) -> Any:
    if not isinstance(value, str) or not value:
        return value
    return value if is_url(value) else str(config.parent / Path(value).expanduser())
