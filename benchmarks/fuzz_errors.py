"""Try broken filters, templates, tool calls and files, and count what is not one of our errors.

    python benchmarks/fuzz_errors.py [--clauses 10000] [--templates 5000] [--calls 5000]
        [--client-calls 500] [--files 3000] [--seed 1] [--first 0]

Each input is made from its number, so that `--first N` looks at a finding again. What may come out
is an answer, a subclass of ShipkitError, or a problem of a row; anything else is a finding, and so
is an answer that is not JSON, or a session that does not work after a refusal. The goal is 0.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import gzip
import io
import json
import os
import random
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

import shipkit as sk
from shipkit.errors import ShipkitError

SHOP = {
    "name": "Dana Ortiz",
    "company": "Harbor Goods",
    "address_line1": "300 Alamo Plaza",
    "city": "San Antonio",
    "state": "TX",
    "postal_code": "78205",
    "country": "US",
    "phone": "2105550100",
}


def orders(count: int = 6) -> list[dict[str, Any]]:
    """Return orders with columns of several types, some of them empty."""
    return [
        {
            "order_id": f"A{number}",
            "name": "Ada Lee",
            "address1": f"{number} Main St",
            "city": ["Austin", "Salem", None][number % 3],
            "state": "TX",
            "zip": "78701",
            "weight_lb": number * 1.5,
            "qty": number,
            "day": dt.date(2026, 11, number % 28 + 1),
            "gift": number % 2 == 0,
            "Ship note": 'say "hi"' if number % 2 else None,
        }
        for number in range(1, count + 1)
    ]


@dataclass
class Tally:
    """What came out of one kind of input."""

    kind: str
    outcomes: Counter[str] = field(default_factory=Counter)
    raw: dict[str, list[tuple[int, str, str]]] = field(default_factory=dict)
    seconds: float = 0.0

    def run(self, number: int, shown: str, call: Callable[[], object]) -> None:
        """Call, and note whether something came out that must not."""
        try:
            outcome = call()
        except ShipkitError as error:
            self.outcomes[type(error).__name__] += 1
            try:
                str(error).encode()
            except UnicodeEncodeError as fault:
                self.find(number, shown, fault)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a panic of a reader in Rust is no Exception
            self.find(number, shown, error)
        else:
            self.outcomes[outcome if isinstance(outcome, str) else "answered"] += 1

    def find(self, number: int, shown: str, error: BaseException) -> None:
        """Note a finding."""
        self.outcomes["RAW"] += 1
        name = f"{type(error).__module__}.{type(error).__name__}"
        self.raw.setdefault(name, []).append((number, shown[:300], str(error)[:300]))

    @property
    def found(self) -> int:
        """How many inputs ended in something that must not come out."""
        return self.outcomes["RAW"]

    def __str__(self) -> str:
        counts = ", ".join(f"{name} {count:,}" for name, count in self.outcomes.most_common())
        lines = [f"{self.kind}: {self.outcomes.total():,} in {self.seconds:.0f} s: {counts}"]
        for name, found in self.raw.items():
            lines.append(f"  {name}: {len(found):,}")
            lines += [f"    #{n} {shown!a} -> {said!a}" for n, shown, said in found[:4]]
        return "\n".join(lines)


# -- texts -----------------------------------------------------------------------------------------

ODD_TEXTS = [
    "",
    " ",
    "'",
    '"',
    "%",
    "_",
    "\\",
    "\0",
    "\n",
    "\x1b[31m",
    "\u202e",
    "\u200b",
    "\U000e0041",
    "\ufe0f",
    "\ud83d",
    "\U0001f600",
    "\u2018CA\u2019",
    "{{",
    "{%",
    "}}",
    "--",
    "/*",
    ";",
    "a" * 300,
    "nan",
    "inf",
    "NULL",
    "1e400",
    "9" * 60,
    "2026-13-45",
    "11/05/2026",
    "\u0130\u00df\ufb01",
]
ODD_VALUES = [
    None,
    True,
    0,
    -1,
    2**63,
    2**200,
    1.5,
    float("nan"),
    float("inf"),
    Decimal("NaN"),
    Decimal("1e500"),
    Decimal("0.1"),
    dt.date(1, 1, 1),
    dt.datetime(9999, 12, 31, tzinfo=dt.UTC),
    dt.timedelta.max,
    dt.time(1),
    b"x",
    1j,
    [],
    [1, "a"],
    [[1]],
    [None],
    ["x" * 20_000],
    {1: 2},
    {1},
    range(3),
    object(),
    pd.NA,
    pd.NaT,
    np.float32("nan"),
    np.datetime64("NaT", "us"),
    np.array([[1]]),
    np.array(["a", None], dtype=object),
    pd.Series([1, None]),
    pd.Timestamp("2026-11-05", tz="UTC"),
    pd.Interval(1, 2),
    pd.Period("2026-11"),
    pa.array([1, None]),
    *ODD_TEXTS,
]


def broken(text: str, chance: random.Random) -> str:
    """Return `text` with some of its letters lost, doubled, moved or replaced."""
    for _ in range(chance.choice([0, 0, 0, 0, 0, 1, 1, 2, 5])):
        at = chance.randrange(len(text) + 1)
        to = min(len(text), at + chance.choice([1, 2, 5, 20]))
        piece = chance.choice(
            ["", text[at:to] * 2, chance.choice(ODD_TEXTS), text[at:to][::-1], "(", ")", "'"]
        )
        text = text[:at] + piece + text[to:]
    return text


# -- clauses ---------------------------------------------------------------------------------------

COLUMNS = ["order_id", "city", "state", "zip", "weight_lb", "qty", "day", "gift", '"Ship note"']
SIGNS = ["=", "<>", "!=", "<", ">", "<=", ">=", "==", "LIKE", "ILIKE", "NOT LIKE", "GLOB", "~"]
SIGNS += ["SIMILAR TO", "IS", "IS NOT", "IS DISTINCT FROM", "^@", "IN", "NOT IN", "||", "+", "%"]
TYPES = ["INTEGER", "DOUBLE", "VARCHAR", "DATE", "TIMESTAMP", "BOOLEAN", "DECIMAL(5,2)", "BLOB"]


FITTING = {
    "order_id": ["'A1'", "'A%'", "'a1'"],
    "city": ["'Austin'", "'aus%'", "''"],
    "state": ["'TX'", "'CA'"],
    "zip": ["'78701'", "'787'"],
    "weight_lb": ["2", "1.5", "'3'", "qty"],
    "qty": ["2", "-1", "'3'", "weight_lb * 2"],
    "day": ["'2026-11-05'", "DATE '2026-11-05'"],
    "gift": ["true"],
    '"Ship note"': ["'say \"hi\"'", "'%hi%'"],
}
"""Values that a column may be compared with."""


def functions() -> dict[str, tuple[int, int]]:
    """Return functions that filters know, and some that they do not, with how many arguments."""
    from shipkit.orders.where.allowed import FUNCTIONS

    unknown = dict.fromkeys(["repeat", "random", "read_csv", "sum", "list_transform"], (0, 2))
    return {**FUNCTIONS, **unknown}


class Clauses:
    """Filters at random: a grammar, then damage."""

    def __init__(self, chance: random.Random) -> None:
        self.chance, self.names = chance, functions()

    def clause(self) -> str:
        """Return a clause."""
        text = self.condition(self.chance.choice([1, 2, 2, 3, 4]))
        if self.chance.random() < 0.02:
            text = "(" * 400 + text + ")" * 400
        if self.chance.random() < 0.02:
            text = " OR ".join([text] * 60)
        return broken(text, self.chance)

    def condition(self, depth: int) -> str:
        """Return a condition."""
        pick = self.chance.random()
        if self.chance.random() < 0.4:
            column = self.chance.choice(COLUMNS)
            sign = self.chance.choice(["=", "<>", "<", ">=", "LIKE", "ILIKE", "IS NOT", "="])
            return f"{column} {sign} {self.chance.choice(FITTING[column])}"
        if depth > 1 and pick < 0.4:
            joined = self.chance.choice([" AND ", " OR ", " AND NOT ", " or "])
            return f"({self.condition(depth - 1)}{joined}{self.condition(depth - 1)})"
        if pick < 0.55:
            values = ", ".join(self.value(depth - 1) for _ in range(self.chance.randrange(4)))
            return f"{self.value(depth - 1)} IN ({values})"
        if pick < 0.62:
            return f"{self.value(0)} BETWEEN {self.value(depth - 1)} AND {self.value(depth - 1)}"
        if pick < 0.68:
            return f"{self.value(depth - 1)} IS NOT NULL"
        if pick < 0.72:
            return self.value(depth)
        return f"{self.value(depth - 1)} {self.chance.choice(SIGNS)} {self.value(depth - 1)}"

    def value(self, depth: int) -> str:
        """Return a value."""
        pick = self.chance.random()
        if depth <= 0 or pick < 0.35:
            return self.chance.choice(COLUMNS)
        if pick < 0.6:
            return self.literal()
        if pick < 0.85:
            name = self.chance.choice(list(self.names))
            count = self.chance.randint(*self.names[name][:1], min(self.names[name][1], 4))
            if self.chance.random() < 0.1:
                count = self.chance.randrange(5)
            arguments = ", ".join(self.value(depth - 1) for _ in range(count))
            return f"{name}({arguments})"
        if pick < 0.95:
            word = self.chance.choice(["CAST", "TRY_CAST"])
            return f"{word}({self.value(depth - 1)} AS {self.chance.choice(TYPES)})"
        return f"CASE WHEN {self.condition(1)} THEN {self.value(0)} ELSE {self.value(0)} END"

    def literal(self) -> str:
        """Return a literal or a name of a bound value."""
        if self.chance.random() < 0.3:
            return f"${self.chance.choice('abc')}"
        if self.chance.random() < 0.4:
            numbers = ["0", "1", "-5", "1e400", "0.1", "9" * 40, "1_000", "NULL", "true", "[1, 2]"]
            return self.chance.choice([*numbers, "DATE '2026-11-05'", "INTERVAL 1 DAY", "''"])
        return "'" + self.chance.choice([*ODD_TEXTS, "CA", "A1,A2", "A1", "Austin"]) + "'"


def clauses(count: int, seed: int, first: int = 0) -> Tally:
    """Run filters at random over a table, and after each a filter that must work."""
    from shipkit.orders import where

    tally = Tally("clauses")
    table = pa.Table.from_pylist(orders())
    began = time.monotonic()
    for number in range(first, first + count):
        chance = random.Random(f"{seed} clause {number}")
        clause = Clauses(chance).clause()
        bound = {name: chance.choice(ODD_VALUES) for name in "abc" if f"${name}" in clause}
        tally.run(
            number, f"{clause} {bound}", lambda c=clause, b=bound: where.matching(table, c, b)
        )
    tally.seconds = time.monotonic() - began
    if len(where.matching(table, "qty <= 2")) != 2:
        tally.find(-1, "qty <= 2", AssertionError("the last filter does not work"))
    return tally


# -- templates -------------------------------------------------------------------------------------

NAMES = ["row.name", "row.city", "row.qty", "row.day", "row['Ship note']", "row.weight_lb", "row"]
NAMES += [
    "shipper.city",
    "lines",
    "row.nothing",
    "range(3)",
    "loop",
    "loop.index",
    "ns.x",
    "namespace",
]
LITERALS = ["1", "0", "-1", "1e400", "'a'", "'%s'", "'%05d'", "none", "[1, 2]", "{'a': 1}", "''"]
LITERALS += ["'\\ud83d'", "'\U0001f600'", "'a' * 70000", "9 ** 99", "10 ** 10 ** 9", "[]", "true"]
METHODS = [".upper()", ".split()", ".zfill(9)", "[0]", "[:3]", "[-1:]", ".replace('a', 'b')", ".x"]
METHODS += [".__class__", ".format(1)", ".join([1])", ".get('a')", "()", "['a']", ".center(99999)"]
OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "<", " in ", " and ", " or ", " is "]
SHIPMENT = (
    '{"order_id": {{ row.order_id | tojson }}, "ship_to": {"name": {{ row.name | tojson }}, '
    '"address_line1": {{ row.address1 | tojson }}, "city": "Austin", "state": "TX", '
    '"postal_code": "78701"}, "service": "ground", "parcels": [{"weight_lb": 2}], '
    '"description": "@"}'
)


class Templates:
    """Templates at random: a grammar, then damage."""

    def __init__(self, chance: random.Random, filters: list[str], tests: list[str]) -> None:
        self.chance, self.filters, self.tests = chance, filters, tests

    def template(self) -> str:
        """Return a template."""
        body = "".join(self.part(3) for _ in range(self.chance.choice([1, 1, 2, 3])))
        if self.chance.random() < 0.02:
            nested = self.chance.choice([9, 45, 130])
            body = "{% if 1 %}" * nested + body + "{% endif %}" * nested
        text = SHIPMENT.replace("@", body) if self.chance.random() < 0.7 else body
        return broken(text, self.chance)

    def part(self, depth: int) -> str:
        """Return text, an output or a statement."""
        pick = self.chance.random()
        if depth <= 0 or pick < 0.15:
            return self.chance.choice(["text ", "\\u00e9", *ODD_TEXTS])
        if pick < 0.6:
            return "{{ " + self.expression(depth) + " }}"
        if pick < 0.75:
            name = self.chance.choice(["i", "line", "row", "a, b"])
            return (
                f"{{% for {name} in {self.expression(depth - 1)} %}}{self.part(depth - 1)}"
                "{% endfor %}"
            )
        if pick < 0.88:
            return (
                f"{{% if {self.expression(depth - 1)} %}}{self.part(depth - 1)}{{% else %}}"
                f"{self.part(depth - 1)}{{% endif %}}"
            )
        name = self.chance.choice(["x", "row", "ns", "ns.x", "budget_", "shipper"])
        return f"{{% set {name} = {self.expression(depth - 1)} %}}"

    def expression(self, depth: int) -> str:
        """Return an expression."""
        pick = self.chance.random()
        if depth <= 0 or pick < 0.25:
            return self.chance.choice([*NAMES, *LITERALS])
        inner = self.expression(depth - 1)
        if pick < 0.5:
            given = ", ".join(
                self.expression(depth - 2) for _ in range(self.chance.choice([0, 0, 1, 2, 3]))
            )
            return f"{inner} | {self.chance.choice(self.filters)}" + (f"({given})" if given else "")
        if pick < 0.65:
            return f"({inner}){self.chance.choice(METHODS)}"
        if pick < 0.7:
            return f"({inner}) is {self.chance.choice(self.tests)}"
        if pick < 0.78:
            return f"({inner} if {self.expression(depth - 1)} else {self.expression(depth - 1)})"
        return f"({inner} {self.chance.choice(OPERATORS)} {self.expression(depth - 1)})"


def templates(count: int, seed: int, first: int = 0) -> Tally:
    """Map orders by templates at random, and after each hundred by one that must work."""
    from shipkit.carriers.ups.service_level import SERVICES
    from shipkit.orders.mapping.environment import ShipmentEnvironment

    environment = ShipmentEnvironment(SERVICES)
    filters = [name for name in environment.filters if not name.endswith("_")]
    tally = Tally("templates")
    session = sk.BatchSession(orders(4), shipper=sk.Address(**SHOP))
    began = time.monotonic()
    for number in range(first, first + count):
        chance = random.Random(f"{seed} template {number}")
        text = Templates(chance, filters, list(environment.tests)).template()

        def mapped(text: str = text) -> None:
            session.map(template=text)
            session._planner.normalized()

        tally.run(number, text, mapped)
        if number % 100 == 99:
            tally.run(number, "columns, and their template", lambda: both_ways(session))
    tally.seconds = time.monotonic() - began
    return tally


def both_ways(session: sk.BatchSession) -> None:
    """Map by columns and by the template that they are shown as: the same shipments."""
    session.map(service="ground")
    one = session._planner.normalized()[0]
    session.map(template=session.template)
    other = session._planner.normalized()[0]
    if not one.equals(other):
        raise AssertionError("the template that is shown makes other shipments")


# -- tools -----------------------------------------------------------------------------------------


def arguments(chance: random.Random, schema: dict[str, Any], ids: list[str]) -> dict[str, Any]:
    """Return arguments for a tool: some right, some of the wrong type, some unknown."""
    made: dict[str, Any] = {}
    for name in schema.get("properties", {}):
        if chance.random() < 0.3:
            made[name] = argument(chance, name, ids)
    if chance.random() < 0.1:
        made[chance.choice(["unknown", "", "\ud83d", "a" * 300, "self"])] = 1
    return made


def argument(chance: random.Random, name: str, ids: list[str]) -> Any:
    """Return one argument: what its name suggests, or anything."""
    if chance.random() < 0.15:
        odd = [1, -1, 0, 2**70, 1.5, True, [], {}, [[]], {"a": {"b": [1]}}, ["x"] * 50, "x" * 7_000]
        return chance.choice([*odd, *ODD_TEXTS, *ids])
    if name in {"filter_clause", "where"}:
        return Clauses(chance).clause()
    if name == "mapping_template":
        return Templates(chance, ["tojson", "upper", "join"], ["defined"]).template()
    if name == "rows":
        return [
            {
                chance.choice([*orders(1)[0], *ODD_TEXTS]): chance.choice(
                    [*ODD_TEXTS, 1, None, [1], {"a": 1}, 1.5]
                )
                for _ in range(chance.randrange(6))
            }
            for _ in range(chance.randrange(4))
        ]
    if name in {"job_id", "preview_id"}:
        return chance.choice([*ids * 5, "../x", "job-1", "nothing"])
    if name in {"limit", "offset", "sample", "wait_s"}:
        return chance.choice([0, 1, 5, 10**9])
    return chance.choice([*ODD_TEXTS, "ground", "auto", "resume", 1, {}])


def calls(count: int, seed: int, first: int = 0) -> Tally:
    """Call the tools in process with broken arguments."""
    from shipkit import agent

    tally = Tally("tool calls, in process")
    began = time.monotonic()
    session = sk.BatchSession(orders(4), shipper=sk.Address(**SHOP))
    tools = {tool["name"]: tool for tool in agent.get_orchestrator_tools(session=session)}
    names = [name for name in tools if name not in {"batch_execute", "batch_resume"}]
    ids = ["", session.job_id or "x"]
    with asyncio.Runner() as runner:
        for number in range(first, first + count):
            chance = random.Random(f"{seed} call {number}")
            name = chance.choice(names if chance.random() < 0.9 else list(tools))
            given = arguments(chance, tools[name]["input_schema"], ids)
            if name in {"batch_execute", "batch_resume"}:
                given.pop("approved", None)

            def called(name: str = name, given: dict[str, Any] = given) -> str:
                return checked_answer(runner.run(tools[name]["function"](given)))

            tally.run(number, f"{name} {given}", called)
    tally.seconds = time.monotonic() - began
    return tally


def checked_answer(answer: dict[str, Any]) -> str:
    """Return "answered" or "refused"; raise where it is not JSON, or has a hidden character."""
    text = json.dumps(answer, ensure_ascii=False, allow_nan=False)
    text.encode()
    hidden = [mark for mark in ("\u202e", "\u200b", "\U000e0041", "\x1b") if mark in text]
    if hidden:
        raise AssertionError(f"the answer has a hidden character: {hidden[0]!a}")
    return "refused" if answer["isError"] else "answered"


def client_calls(count: int, seed: int, first: int = 0) -> Tally:
    """Call the tools through a client of the protocol, in memory."""
    from mcp import Client

    from shipkit.agent.mcp_server import build
    from shipkit.agent.server_options import rules_of

    tally = Tally("tool calls, through a client")
    began = time.monotonic()
    home = Path(os.environ["SHIPKIT_HOME"])
    shop = home.parent / "shop.json"
    shop.write_text(json.dumps(SHOP))
    server, registry = build(rules_of(shippers=[f"harbor={shop}"], home=home))

    async def all_calls() -> None:
        async with Client(server) as client:
            tools = (await client.list_tools()).tools
            for number in range(first, first + count):
                chance = random.Random(f"{seed} client {number}")
                tool = chance.choice(tools)
                given = arguments(chance, tool.input_schema, [""])
                given = json.loads(json.dumps(given, default=str).replace('\\ud83d"', '"'))
                try:
                    result = await client.call_tool(tool.name, given)
                except ShipkitError as error:
                    tally.outcomes[type(error).__name__] += 1
                except Exception as error:
                    tally.find(number, f"{tool.name} {given}", error)
                else:
                    said = str(result.content[0].text) if result.content else ""
                    if "Error executing tool" in said or "Internal" in said:
                        tally.find(number, f"{tool.name} {given}", RuntimeError(said))
                    tally.outcomes["refused" if result.is_error else "answered"] += 1

    try:
        asyncio.run(all_calls())
    finally:
        registry.close()
    tally.seconds = time.monotonic() - began
    return tally


# -- files -----------------------------------------------------------------------------------------


def whole_files() -> dict[str, bytes]:
    """Return a small file of every kind that is read, by its ending."""
    frame = pd.DataFrame(orders(5))
    book, parquet = io.BytesIO(), io.BytesIO()
    frame.to_excel(book, index=False)
    frame.to_parquet(parquet)
    text = frame.to_csv(index=False)
    records = json.dumps(orders(5), default=str)
    lines = "\n".join(json.dumps(order, default=str) for order in orders(5))
    html = frame.to_html(index=False)
    return {
        "csv": text.encode(),
        "tsv": frame.to_csv(index=False, sep="\t").encode("utf-16"),
        "txt": text.replace(",", ";").encode("cp1252"),
        "csv.gz": gzip.compress(text.encode()),
        "xlsx": book.getvalue(),
        "ods": book.getvalue(),
        "xls": html.encode(),
        "xlsm": book.getvalue(),
        "parquet": parquet.getvalue(),
        "json": records.encode(),
        "ndjson": lines.encode(),
        "jsonl": lines.encode(),
        "json.gz": gzip.compress(records.encode()),
        "xml": b"<?xml version='1.0'?><orders><order id='1'><zip>78701</zip></order></orders>",
    }


def spoiled(data: bytes, chance: random.Random) -> bytes:
    """Return a damaged file."""
    how = chance.randrange(8)
    if how == 0:
        return data[: chance.randrange(len(data) + 1)]
    if how == 1:
        return chance.randbytes(chance.choice([0, 1, 10, 500]))
    if how == 2:
        return data[:8] + chance.randbytes(300)
    if how == 3:
        return data + chance.randbytes(50)
    made = bytearray(data)
    for _ in range(chance.choice([1, 3, 30])):
        at = chance.randrange(len(made))
        if how == 4:
            made[at] = chance.randrange(256)
        elif how == 5:
            del made[at : at + chance.randrange(1, 40)]
        elif how == 6:
            made[at:at] = chance.choice([b"\xed\xa0\xbd", b"\0", b'"', b"\r", b"\xff\xfe", b"\xef"])
        else:
            piece = bytes(made[at : at + 200])
            made[at:at] = piece
        if not made:
            break
    return bytes(made)


def rezipped(data: bytes, chance: random.Random) -> bytes:
    """Return a workbook in which one part is damaged and the archive is whole."""
    import zipfile

    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w") as new:
        hit = chance.choice(old.namelist())
        for name in old.namelist():
            part = old.read(name)
            if name == hit:
                part = spoiled(part, chance)
            new.writestr(name, part)
    return made.getvalue()


def files(count: int, seed: int, first: int = 0) -> Tally:
    """Load damaged files of every kind."""
    tally = Tally("files")
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="fuzz-files-"))
    kinds = whole_files()
    session = sk.BatchSession(orders(2), shipper=sk.Address(**SHOP))
    for number in range(first, first + count):
        chance = random.Random(f"{seed} file {number}")
        ending = chance.choice(list(kinds))
        whole = ending in {"xlsx", "xlsm"} and chance.random() < 0.5
        data = (rezipped if whole else spoiled)(kinds[ending], chance)
        if chance.random() < 0.1:
            ending = chance.choice(list(kinds))
        path = folder / f"orders_{number % 20}.{ending}"
        path.write_bytes(data)
        tally.run(number, f"{path.name} {data[:80]!r}", lambda path=path: session.load(path))
        if number % 100 == 99:
            tally.run(number, "good orders", lambda: session.load(orders(2)).where("qty < 9"))
    tally.seconds = time.monotonic() - began
    return tally


# -- all of it -------------------------------------------------------------------------------------


def tallies(options: argparse.Namespace) -> Iterator[Tally]:
    """Run every kind that was asked for."""
    for run, count in (
        (clauses, options.clauses),
        (templates, options.templates),
        (calls, options.calls),
        (client_calls, options.client_calls),
        (files, options.files),
    ):
        if count:
            yield run(count, options.seed, options.first)


def main() -> int:
    """Run the inputs, print a table by kind, and return 1 if there was a finding."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clauses", type=int, default=10_000)
    parser.add_argument("--templates", type=int, default=5_000)
    parser.add_argument("--calls", type=int, default=5_000)
    parser.add_argument("--client-calls", type=int, default=500)
    parser.add_argument("--files", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    os.environ["SHIPKIT_HOME"] = str(Path(tempfile.mkdtemp(prefix="fuzz-")) / "home")
    warnings.simplefilter("ignore")
    found = 0
    for tally in tallies(options):
        print(tally, flush=True)
        found += tally.found
    print(f"{found:,} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
