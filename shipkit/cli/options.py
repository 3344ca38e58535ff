"""What was asked for: words typed, a ``--config`` file, and the session they make."""

from __future__ import annotations

import json
import tomllib
import warnings
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shipkit.cli.grammar import UsageError
from shipkit.errors import InputError

if TYPE_CHECKING:
    from shipkit.session import BatchSession

__all__ = ["limits", "merged", "named", "open_session", "pairs"]

_PATHS = ("file", "template", "labels", "failed", "output", "write_back", "watch", "log", "home")
"""Options that are paths: in a config file they count from the file's own folder."""

_TABLES = {
    "params": "param",
    "columns": "column",
    "defaults": "default",
    "references": "reference",
    "services": "map_service",
    "types": "type",
}
"""Table of a config file -> the option that says the same."""


def merged(args: Namespace) -> Namespace:
    """Return `args` with what ``--config`` says wherever nothing was typed. Raises InputError."""
    if getattr(args, "config", None) is None:
        return args
    path = Path(args.config)
    args = Namespace(**vars(args), typed=vars(args))
    known = vars(args)
    for key, value in _read_config(path).items():
        name = _TABLES.get(key, key.replace("-", "_"))
        if name not in known or name in {"config", "command", "debug"}:
            if name not in _EVERY_OPTION:
                raise InputError(
                    f"{path} has an unknown key {key!r}.",
                    fix=f"Keys are the options' names: {', '.join(sorted(_EVERY_OPTION))}.",
                )
            continue  # an option of another command: one file serves them all
        if isinstance(value, dict) and name in _TABLES.values():
            setattr(args, name, {**value, **pairs(getattr(args, name))})
        elif known[name] in (None, False):
            setattr(args, name, _beside(path, value) if name in _PATHS else value)
    return args


def open_session(args: Namespace, *, shipper_needed: bool = True) -> BatchSession:
    """Return a session that has loaded, filtered and mapped what `args` say. Raises UsageError, InputError."""
    from shipkit.session import BatchSession

    if not args.file:
        raise UsageError("which file? No FILE was given", "")
    auto = getattr(args, "auto", False)
    session = BatchSession(
        shipper=_shipper(args.shipper) or (None if shipper_needed else _NOBODY),
        carrier=args.carrier,
        name=getattr(args, "name", None),
        limits=limits(args),
        on_duplicate=getattr(args, "on_duplicate", None) or "hold",
        resend=getattr(args, "resend", None),
        concurrency=getattr(args, "concurrency", None),
        rate_limit=getattr(args, "rate_limit", None),
        label_format=getattr(args, "label_format", None) or "pdf",
        label_size=getattr(args, "label_size", None) or "4x6",
        home=args.home,
    )
    try:
        _fill(session, args)
        if auto:
            session.set_mode("auto")
    except BaseException:
        session.close()
        raise
    return session


def limits(args: Namespace) -> dict[str, Any]:
    """Return the spend limits that were typed."""
    given = {
        "total": getattr(args, "max_total", None),
        "per_shipment": getattr(args, "max_each", None),
        "max_shipments": getattr(args, "max_shipments", None),
        "price_drift": getattr(args, "price_drift", None),
        "currency": getattr(args, "currency", None),
    }
    return {
        name: str(value) if name in {"total", "per_shipment"} else value
        for name, value in given.items()
        if value is not None
    }


def pairs(given: Sequence[str] | Mapping[str, Any] | None) -> dict[str, Any]:
    """Return ``NAME=VALUE`` words as a dict; ``NAME:=JSON`` gives numbers and lists.

    Examples
    --------
    >>> pairs(["zip=02134", "most:=20", 'states:=["CA", "WA"]'])
    {'zip': '02134', 'most': 20, 'states': ['CA', 'WA']}
    """
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return dict(given)
    return dict(map(_pair, given))


def named(home: Path, given: str) -> str:
    """Return the id of the job that `given` is the id, or the name, of (the newest of that name)."""
    from shipkit.purchasing.store import JobStore

    if (home / "jobs" / given).is_dir():
        return given
    return next((job.job_id for job in JobStore.list(home) if job.manifest.name == given), given)


def _fill(session: BatchSession, args: Namespace) -> None:
    options = {
        "types": pairs(args.type) or None,
        "sheet": args.sheet,
        "delimiter": args.delimiter,
        "encoding": args.encoding,
        "order_key": args.order_key,
    }
    session.load(args.file, **{name: value for name, value in options.items() if value is not None})
    clauses = [args.where] if isinstance(args.where, str) else args.where or []
    if clauses:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", UserWarning
            )  # an empty selection is printed, with what the column holds
            session.where(*clauses, **pairs(args.param))
    session.map(
        Path(args.template) if args.template else None,
        service=args.service,
        columns=pairs(args.column) or None,
        defaults=pairs(args.default) or None,
        services=pairs(args.map_service) or None,
        references=pairs(args.reference) or None,
        ship_date=args.ship_date,
        weights=args.weights,
        parcels=args.parcels,
        skus=args.skus,
    )
    for clause in [args.skip] if isinstance(args.skip, str) else args.skip or []:
        session.skip(clause)


def _pair(word: str) -> tuple[str, Any]:
    name, sign, value = word.partition("=")
    if not sign or not name.strip(":"):
        raise UsageError(f"{word!r} is not NAME=VALUE", "")
    if not name.endswith(":"):
        return name, value
    try:
        return name[:-1], json.loads(value)
    except ValueError:
        raise UsageError(f"{value!r} in {word!r} is not JSON", "") from None


def _shipper(given: str | Mapping[str, Any] | None) -> Any:
    """Return what a session takes: a name, or the fields of a file."""
    if given is None or not isinstance(given, str):
        return given
    path = Path(given)
    if path.suffix.lower() not in {".json", ".toml"} and not path.is_file():
        return given
    try:
        text = path.read_text(encoding="utf-8")
        fields = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"The shipper file {path} cannot be read: {reason}.",
            fix='It is JSON like {"name": "Dana Ortiz", "address_line1": "300 Alamo Plaza", ...}.',
        ) from None
    if not isinstance(fields, dict):
        raise InputError(
            f"The shipper file {path} holds no address.",
            fix='It is JSON like {"name": "Dana Ortiz", "address_line1": "300 Alamo Plaza", ...}.',
        )
    return fields


def _read_config(path: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"The job file {path} cannot be read: {reason}.",
            fix="It is TOML; its keys are the options' names.",
        ) from None
    shipper = found.get("shipper")
    if isinstance(shipper, str) and Path(shipper).suffix.lower() in {".json", ".toml"}:
        found["shipper"] = _beside(path, shipper)
    return found


def _beside(config: Path, value: Any) -> Any:
    return (
        str(config.parent / Path(value).expanduser()) if isinstance(value, str) and value else value
    )


_NOBODY = {
    "name": "Nobody yet",
    "address_line1": "1 Main St",
    "city": "San Antonio",
    "state": "TX",
    "postal_code": "78205",
    "phone": "2105550100",
}
"""Stands in for the shipper where nothing is priced."""

_EVERY_OPTION = frozenset(
    {
        *_TABLES,
        "file",
        "sheet",
        "delimiter",
        "encoding",
        "order_key",
        "where",
        "template",
        "service",
        "ship_date",
        "skip",
        "shipper",
        "carrier",
        "home",
        "on_duplicate",
        "rows",
        "output",
        "yes",
        "auto",
        "max_total",
        "max_each",
        "max_shipments",
        "price_drift",
        "currency",
        "name",
        "on_error",
        "resend",
        "label_format",
        "label_size",
        "concurrency",
        "rate_limit",
        "dry_run",
        "labels",
        "write_back",
        "confirmation",
        "failed",
        "watch",
        "once",
        "every",
        "log",
        "json",
    }
)
