"""From options to a session that has loaded, filtered and mapped the orders."""

from __future__ import annotations

import json
import re
import tomllib
import warnings
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shipkit.cli.commands import UsageError
from shipkit.errors import InputError

if TYPE_CHECKING:
    from shipkit.session import BatchSession

__all__ = ["job_id_of", "limits", "open_session", "pairs"]

_PLACEHOLDER_SHIPPER = {
    "name": "No shipper",
    "address_line1": "1 Main St",
    "city": "San Antonio",
    "state": "TX",
    "postal_code": "78205",
    "phone": "2105550100",
}
"""The shipper of commands that price nothing (check, template)."""


def open_session(args: Namespace, *, shipper_needed: bool = True) -> BatchSession:
    """Return a session that has loaded, filtered and mapped the orders that `args` name.

    Raises
    ------
    UsageError, InputError
        An option cannot be used; the session is closed again.
    """
    from shipkit.session import BatchSession

    if not args.file:
        raise UsageError("No FILE was given")
    session = BatchSession(
        shipper=_address(args.shipper) or (None if shipper_needed else _PLACEHOLDER_SHIPPER),
        **_carriers(args.carrier),
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
        _load(session, args)
        _map(session, args)
        if getattr(args, "auto", False):
            session.set_mode("auto")
    except BaseException:
        session.close()
        raise
    return session


def _carriers(given: str | Sequence[str] | None) -> dict[str, Any]:
    """Return the arguments of a session for one ``--carrier``, for several, or for none."""
    names = [given] if isinstance(given, str) else list(given or ())
    return {"carriers": names} if len(names) > 1 else {"carrier": next(iter(names), None)}


def limits(args: Namespace) -> dict[str, Any]:
    """Return the spend limits that `args` set, as arguments of ``SpendLimits``."""
    given = {
        "total": getattr(args, "max_total", None),
        "per_shipment": getattr(args, "max_each", None),
        "max_shipments": getattr(args, "max_shipments", None),
        "price_drift": getattr(args, "price_drift", None),
        "currency": getattr(args, "currency", None),
        "per_account": {
            name: str(amount) for name, amount in pairs(getattr(args, "max_account", None)).items()
        }
        or None,
    }
    return {
        # text, because a config file may have `max_total = 500.10` and money is never a float
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


def job_id_of(home: Path, given: str) -> str:
    """Return the id of the job that `given` names; of several jobs with that name, the newest."""
    from shipkit.purchasing.store import JobStore

    if given.startswith("job-") and JobStore.exists(home, given):
        return given
    return next((job.job_id for job in JobStore.list(home) if job.manifest.name == given), given)


def _one_or_more(given: Any) -> Any:
    """Return the only item of a list, or the list; a config file may have a single value."""
    return given[0] if isinstance(given, list) and len(given) == 1 else given


def _load(session: BatchSession, args: Namespace) -> None:
    options = {
        "types": pairs(args.type) or None,
        "sheet": _one_or_more(args.sheet),
        "hidden": True if args.hidden == "all" else args.hidden,
        "delimiter": args.delimiter,
        "encoding": args.encoding,
        "order_key": args.order_key,
        "header": False if args.no_header else None,
    }
    session.load(args.file, **{name: value for name, value in options.items() if value is not None})
    clauses = _as_list(args.where)
    if clauses:
        with warnings.catch_warnings():
            # The session warns when nothing is left; the command prints that with the selection.
            warnings.simplefilter("ignore", UserWarning)
            session.where(*clauses, **pairs(args.param))


def _map(session: BatchSession, args: Namespace) -> None:
    session.map(
        Path(args.template) if args.template else None,
        service=args.service,
        columns=pairs(args.column) or None,
        defaults=pairs(args.default) or None,
        services=pairs(args.map_service) or None,
        references=pairs(args.reference) or None,
        ignore=_as_list(args.ignore) or None,
        ship_date=args.ship_date,
        weights=args.weights,
        parcels=args.parcels,
        skus=args.skus,
        each_row=bool(args.each_row),
        repeated_rows=args.repeated_rows or "hold",
        returns=args.returns,
        residential=args.residential,
        warehouses={cell: _address(place) for cell, place in pairs(args.warehouse).items()} or None,
    )
    for clause in _as_list(args.skip):
        session.skip(clause)
    for change in _as_list(args.edit):
        clause, fields = _edit(change)
        session.edit(clause, **fields)


_CHANGE: Final = re.compile(r"(?P<pair>.+?)\s+where\s+(?P<clause>.+)", re.DOTALL | re.IGNORECASE)


def _edit(change: str) -> tuple[str, dict[str, Any]]:
    """Return the clause and the field of ``FIELD=VALUE where SQL``.

    Examples
    --------
    >>> _edit("service=ground where state = 'CA'")
    ("state = 'CA'", {'service': 'ground'})
    """
    found = _CHANGE.fullmatch(change.strip())
    if found is None:
        raise UsageError(f"{change!r} is not FIELD=VALUE where SQL")
    return found["clause"], pairs([found["pair"]])


def _as_list(given: str | Sequence[str] | None) -> list[str]:
    return [given] if isinstance(given, str) else list(given or ())


def _pair(word: str) -> tuple[str, Any]:
    name, sign, value = word.partition("=")
    if not sign or not name.strip(":"):
        raise UsageError(f"{word!r} is not NAME=VALUE")
    if not name.endswith(":"):
        return name, value
    try:
        return name[:-1], json.loads(value)
    except ValueError:
        raise UsageError(f"{value!r} in {word!r} is not JSON") from None


_ADDRESS_FILE = 'It must be JSON like {"name": "Dana Ortiz", "address_line1": "300 Alamo Plaza"}.'


def _address(given: str | Mapping[str, Any] | None) -> Any:
    """Return what a session takes: a name from the config file, or the fields of an address."""
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
            f"The address file {path} cannot be read: {reason}.", fix=_ADDRESS_FILE
        ) from None
    if not isinstance(fields, dict):
        raise InputError(f"The address file {path} has no address.", fix=_ADDRESS_FILE)
    return fields
