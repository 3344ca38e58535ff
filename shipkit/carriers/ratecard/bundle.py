"""A rate card on disk: a folder or zip file of Parquet tables and a readable TOML file."""

from __future__ import annotations

import datetime as dt
import io
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shipkit.carriers.ratecard import (
    OUNCES,
    RATES,
    TRANSIT,
    ZONES,
    DimDivisor,
    Discount,
    RateCard,
    Surcharge,
    TableZones,
)
from shipkit.carriers.ratecard.synthetic import DistanceZones
from shipkit.common.files import write_file
from shipkit.errors import RateCardError

__all__ = ["load_card", "save_card"]

_LAYOUT = 1
_PLAIN = (
    "name",
    "currency",
    "dim_divisor",
    "dim_rounding",
    "max_parcel_lb",
    "max_longest_in",
    "max_girth_in",
    "zip_countries",
    "effective",
    "is_synthetic",
    "by_shipment",
)


def save_card(card: RateCard, path: str | Path) -> Path:
    """Write `card` to `path`: a zip file when its name ends in ``.zip``, else a folder.

    An earlier bundle there is replaced.
    """
    path = Path(path).expanduser()
    files = dict(_files(card))
    if path.suffix.lower() == ".zip":
        _zip(path, files)
        return path
    if (
        path.exists()
        and not (path / "card.toml").exists()
        and (not path.is_dir() or any(path.iterdir()))
    ):
        raise RateCardError(f"{path} exists and is not a rate card.", fix="Choose another name.")
    # The description, with the fingerprint of all the rest, is written last: a crash in between
    # leaves a folder that is refused when it is loaded, never one with half of the new prices.
    for name, data in sorted(files.items(), key=lambda item: item[0].endswith("card.toml")):
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        write_file(file, data)
    if "ounces.parquet" not in files:  # of an earlier card with prices by the ounce
        (path / "ounces.parquet").unlink(missing_ok=True)
    return path


def load_card(path: str | Path) -> RateCard:
    """Return the card of a bundle.

    Raises
    ------
    RateCardError
        It is no bundle, a file is missing or damaged, or what is in it is not what was saved.
    """
    path = Path(path).expanduser()
    try:
        files = (
            _of_zip(path)
            if path.is_file()
            else {
                str(p.relative_to(path).as_posix()): p.read_bytes()
                for p in path.rglob("*")
                if p.is_file()
            }
        )
        return _card(files, "")
    except KeyError as error:
        raise RateCardError(
            f"{path} has no {error.args[0]}.",
            fix="Give a folder or zip file that card.save(...) wrote.",
        ) from None
    except (
        OSError,
        zipfile.BadZipFile,
        tomllib.TOMLDecodeError,
        UnicodeDecodeError,
        pa.ArrowInvalid,
        TypeError,
    ) as error:
        raise RateCardError(
            f"{path} cannot be read as a rate card: {error}.", fix="Save the card again."
        ) from None


# -- writing ---------------------------------------------------------------------------------------


def _files(card: RateCard, under: str = "") -> Iterator[tuple[str, bytes]]:
    by_rule = isinstance(card.zones, DistanceZones)
    if not by_rule:
        yield (
            f"{under}zones.parquet",
            _parquet(
                card.zones.table if isinstance(card.zones, TableZones) else card.zones.rows([])
            ),
        )
    yield f"{under}rates.parquet", _parquet(card.rates)
    yield f"{under}transit.parquet", _parquet(card.transit)
    if card.ounces.num_rows:
        yield f"{under}ounces.parquet", _parquet(card.ounces)
    rows = [(name, code) for name, zips in sorted(card.areas.items()) for code in sorted(zips)]
    yield (
        f"{under}areas.parquet",
        _parquet(
            pa.table(
                {
                    "area": pa.array([r[0] for r in rows], pa.string()),
                    "postal_code": pa.array([r[1] for r in rows], pa.string()),
                }
            )
        ),
    )
    for place, older in enumerate(card.older):
        yield from _files(older, f"{under}older/{place:03}/")
    yield f"{under}card.toml", _toml(card, by_rule=by_rule).encode()


def _toml(card: RateCard, *, by_rule: bool) -> str:
    lines = [
        "# A rate card of shipkit. After a change by hand, take the fingerprint out.",
        f"layout = {_LAYOUT}",
        f"fingerprint = {_value(card.fingerprint)}",
        f"zones = {_value('distance' if by_rule else 'table')}",
    ]
    lines += [
        f"{name} = {_value(getattr(card, name))}"
        for name in _PLAIN
        if getattr(card, name) is not None
    ]
    lines += [f"areas = {_value(sorted(card.areas))}", f"older = {len(card.older)}"]
    for kind, rules in (
        ("surcharge", card.surcharges),
        ("discount", card.discounts),
        ("dim", card.dim_divisors),
    ):
        for rule in rules:
            lines += ["", f"[[{kind}]]"]
            lines += [
                f"{f.name} = {_value(getattr(rule, f.name))}"
                for f in fields(rule)
                if getattr(rule, f.name) != f.default
            ]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    text = "".join(
        f"\\u{ord(c):04x}" if ord(c) < 32 or ord(c) == 127 else f"\\{c}" if c in '"\\' else c
        for c in str(value)
    )
    return f'"{text}"'


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def _zip(path: Path, files: Mapping[str, bytes]) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in files.items():
            bundle.writestr(name, data)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, buffer.getvalue())


# -- reading ---------------------------------------------------------------------------------------


def _of_zip(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist()}


def _card(files: Mapping[str, bytes], under: str) -> RateCard:
    data = tomllib.loads(files[f"{under}card.toml"].decode())
    if data.get("layout") != _LAYOUT:
        raise RateCardError(
            f"The rate card was saved in layout {data.get('layout')!r}, and this version reads "
            f"layout {_LAYOUT}.",
            fix="Save it again with this version.",
        )
    areas = pq.read_table(io.BytesIO(files[f"{under}areas.parquet"])).to_pydict()
    lists = {
        name: frozenset(
            code
            for area, code in zip(areas["area"], areas["postal_code"], strict=True)
            if area == name
        )
        for name in data["areas"]
    }
    plain: dict[str, Any] = {
        name: tuple(data[name]) if isinstance(data[name], list) else data[name]
        for name in _PLAIN
        if name in data
    }
    card = RateCard(
        zones=DistanceZones()
        if data["zones"] == "distance"
        else TableZones(_table(files, f"{under}zones.parquet", ZONES)),
        rates=_table(files, f"{under}rates.parquet", RATES),
        transit=_table(files, f"{under}transit.parquet", TRANSIT),
        ounces=_table(files, f"{under}ounces.parquet", OUNCES)
        if f"{under}ounces.parquet" in files
        else OUNCES.empty_table(),
        surcharges=tuple(_rule(Surcharge, one) for one in data.get("surcharge", [])),
        discounts=tuple(_rule(Discount, one) for one in data.get("discount", [])),
        dim_divisors=tuple(_rule(DimDivisor, one) for one in data.get("dim", [])),
        areas=lists,
        older=tuple(
            _card(files, f"{under}older/{place:03}/") for place in range(data.get("older", 0))
        ),
        **plain,
    )
    if "fingerprint" in data and data["fingerprint"] != card.fingerprint:
        raise RateCardError(
            f"The rate card {card.name!r} is not the one that was saved: its fingerprint differs.",
            fix="Save it again; or, if the change was meant, delete the fingerprint line of "
            "card.toml.",
        )
    return card


def _rule(kind: type[Any], data: Mapping[str, Any]) -> Any:
    def value(name: str, given: Any) -> Any:
        if name == "percent":
            return Decimal(given)
        if name == "steps":
            return tuple((day, Decimal(amount)) for day, amount in given)
        return tuple(given) if isinstance(given, list) else given

    return kind(**{name: value(name, given) for name, given in data.items()})


def _table(files: Mapping[str, bytes], name: str, schema: pa.Schema) -> pa.Table:
    return pq.read_table(io.BytesIO(files[name])).select(schema.names).cast(schema)
