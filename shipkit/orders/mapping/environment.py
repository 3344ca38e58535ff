"""The Jinja2 environment of shipment templates: what a template may reach, and what it may spend."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import jinja2
import orjson
from jinja2 import filters as stock
from jinja2.runtime import LoopContext
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import Namespace, pass_context

from shipkit.orders.filters import FILTERS, Filter, JsonText
from shipkit.orders.filters.text_filters import keeping_missing, template_text, tojson

__all__ = ["MAX_OUTPUT", "Budget", "OverBudget", "Record", "ShipmentEnvironment", "nearest"]

MAX_OUTPUT: Final = 256 * 1024
"""Characters that a template may write for one row."""
MAX_TEXT: Final = 64 * 1024
"""Characters of one text made in a template."""
MAX_ITEMS: Final = 10_000
"""Elements of one list made in a template, nested ones counted."""
MAX_STEPS: Final = 20_000
"""Turns of loops and calls for one row."""


class OverBudget(Exception):
    """A template wants more than it may have."""


class Budget:
    """What a template may still spend: steps and characters for this row, steps for the whole run."""

    __slots__ = ("characters", "left", "steps")

    def __init__(self, rows: int) -> None:
        self.left = 2_000_000 + 300 * rows
        self.steps = self.characters = 0

    def next_row(self) -> None:
        """Begin a row."""
        self.steps = self.characters = 0

    def spend(self, steps: int, characters: int = 0) -> None:
        """Take steps and characters, or raise OverBudget."""
        self.steps += steps
        self.left -= steps
        self.characters += characters
        if self.steps > MAX_STEPS:
            raise OverBudget(f"it needs more than {MAX_STEPS:,} steps for one row")
        if self.left < 0:
            raise OverBudget("it needs too many steps for so many rows")
        if self.characters > MAX_OUTPUT:
            raise OverBudget(f"it writes more than {MAX_OUTPUT:,} characters for one row")


class Record:
    """A row, a line or an address as a template sees it: its attributes are its columns and nothing else."""

    __slots__ = ("_cells",)

    def __init__(self, cells: Mapping[str, Any]) -> None:
        self._cells = cells

    def __str__(self) -> str:
        raise TypeError("a row cannot be written as it is; name its columns")

    def find(self, name: Any) -> Any:
        """Return a cell by key or heading. Raises KeyError."""
        return self._cells[name]

    def known(self) -> list[str]:
        """Return the names that :meth:`find` knows."""
        return [name for name in self._cells if isinstance(name, str)]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return "did you mean ...?" for the nearest name, or nothing."""
    known = list(known)
    close = (
        difflib.get_close_matches(name, known, 1, 0.5)
        or [k for k in known if k.lower() == name.lower()][:1]
    )
    return f"did you mean {close[0]}?" if close else ""


class _NoSuchCell(jinja2.StrictUndefined):
    """Undefined that tells its name plainly."""

    __slots__ = ()


_METHODS: Final[Mapping[type, frozenset[str]]] = {
    str: frozenset(
        {
            "upper",
            "lower",
            "strip",
            "lstrip",
            "rstrip",
            "split",
            "rsplit",
            "splitlines",
            "startswith",
            "endswith",
            "title",
            "capitalize",
            "isdigit",
            "isalpha",
            "isalnum",
            "isnumeric",
            "isupper",
            "islower",
            "isspace",
            "find",
            "rfind",
            "count",
            "partition",
            "rpartition",
            "removeprefix",
            "removesuffix",
            "swapcase",
            "casefold",
            "replace",
            "zfill",
            "join",
            "ljust",
            "rjust",
            "center",
        }
    ),
    dict: frozenset({"get", "keys", "values", "items"}),
    list: frozenset({"index", "count"}),
    tuple: frozenset({"index", "count", "grouper", "list"}),
    dt.date: frozenset({"year", "month", "day", "isoformat", "weekday", "isoweekday"}),
    LoopContext: frozenset(
        {
            "index",
            "index0",
            "first",
            "last",
            "length",
            "revindex",
            "revindex0",
            "previtem",
            "nextitem",
            "changed",
            "cycle",
            "depth",
            "depth0",
        }
    ),
    float: frozenset({"is_integer"}),
}

_SCALARS: Final = (str, int, float, dt.date)


class ShipmentEnvironment(SandboxedEnvironment):
    """Jinja2 with allow-lists instead of block-lists, and a price on everything that can grow."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(
            undefined=_NoSuchCell, autoescape=False, keep_trailing_newline=False, cache_size=0
        )
        self.globals = {"range": _range, "namespace": Namespace}
        self.filters = dict(_FILTERS)
        self.tests = {
            name: test
            for name, test in self.tests.items()
            if name not in ("filter", "test", "callable", "escaped")
        }

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allow the few methods of text, lists and loops; nothing else has attributes."""
        del value
        return any(attr in names for kind, names in _METHODS.items() if isinstance(obj, kind))

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return a cell of a record or a member of a namespace, else what the allow-list lets through."""
        if type(obj) is Record:
            return self._cell(obj, attribute)
        if type(obj) is Namespace and not attribute.startswith("_"):
            try:
                return getattr(obj, attribute)
            except AttributeError:
                return self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def wrap_str_format(self, value: Any) -> None:
        """Give no ``str.format``: its widths know no limit."""
        del value

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return a cell of a record, else an element."""
        return self._cell(obj, argument) if type(obj) is Record else super().getitem(obj, argument)

    def _cell(self, record: Record, name: Any) -> Any:
        try:
            return record.find(name)
        except (KeyError, TypeError):
            hint = nearest(str(name), record.known())
            return self.undefined(f"there is no column {str(name)!r}{'; ' + hint if hint else ''}")

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805, PYI063 - Jinja2's signature: keyword arguments must not collide
        """Charge a call, and refuse text methods that would make too much."""
        __context.parent["budget_"].spend(1)
        owner = getattr(__obj, "__self__", None)
        if isinstance(owner, str):
            _check_method(owner, __obj.__name__, args)
        return super().call(__context, __obj, *args, **kwargs)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Refuse operators whose result would be too large."""
        del context
        _check_operator(operator, left, right)
        return self.binop_table[operator](left, right)


def _check_operator(operator: str, left: Any, right: Any) -> None:
    sized = (str, list, tuple)
    if operator == "+" and isinstance(left, sized) and isinstance(right, sized):
        _check_size(left, len(left) + len(right))
        _weigh([left, right])
    elif operator == "*" and (isinstance(left, sized) or isinstance(right, sized)):
        text, times = (left, right) if isinstance(left, sized) else (right, left)
        _check_size(text, len(text) * max(0, times) if isinstance(times, int) else 0)
    elif (
        operator == "*"
        and isinstance(left, int)
        and isinstance(right, int)
        and left.bit_length() + right.bit_length() > 512
    ):
        raise OverBudget("a number grows too large")
    elif operator == "**" and not (
        isinstance(right, int | float)
        and isinstance(left, int | float)
        and abs(right) <= 64
        and abs(left) <= 1e9
    ):
        raise OverBudget("a power grows too large")
    elif operator == "%" and isinstance(left, str):
        _check_format(left)


def _check_size(value: Any, size: int) -> None:
    limit = MAX_TEXT if isinstance(value, str) else MAX_ITEMS
    if size > limit:
        raise OverBudget(
            f"a {'text' if isinstance(value, str) else 'list'} of {size:,} "
            f"{'characters' if isinstance(value, str) else 'elements'} is more than {limit:,}"
        )


def _check_format(text: str) -> None:
    if any(
        int(width) > 1000 for width in re.findall(r"[0-9]+", text) if len(width) < 10
    ) or re.search(r"[0-9]{10}|\*", text):
        raise OverBudget("a format is wider than 1,000 characters")


def _check_method(text: str, name: str, args: tuple[Any, ...]) -> None:
    if name in ("zfill", "ljust", "rjust", "center") and args and isinstance(args[0], int):
        _check_size(text, args[0])
    elif name == "replace" and len(args) >= 2:
        _check_replace(text, str(args[0]), str(args[1]))
    elif name == "join" and args:
        _joined_size(text, args[0])


def _check_replace(text: str, old: str, new: str) -> None:
    _check_size(
        text, len(text) + max(0, len(new) - len(old)) * (text.count(old) if old else len(text) + 1)
    )


def _joined_size(glue: str, parts: Any) -> None:
    parts = list(parts)
    if not all(isinstance(part, _SCALARS) or part is None for part in parts):
        raise TypeError("only texts and numbers can be joined")
    _check_size(glue, sum(len(str(part)) for part in parts) + len(glue) * len(parts))


def _weigh(value: Any) -> int:
    """Return how many elements a value holds, nested ones as often as they appear; raises OverBudget early."""
    count, stack = 0, [value]
    while stack:
        item = stack.pop()
        count += 1
        if count > MAX_ITEMS:
            raise OverBudget(f"a value of more than {MAX_ITEMS:,} elements")
        if isinstance(item, list | tuple):
            _check_size(item, len(item))
            stack.extend(item)
        elif isinstance(item, dict):
            stack.extend(item.values())
    return count


# -- filters ---------------------------------------------------------------------------------------


def _range(*args: int) -> range:
    made = range(*args)
    if len(made) > MAX_ITEMS:
        raise OverBudget(f"a range of {len(made):,} is more than {MAX_ITEMS:,}")
    return made


@pass_context
def _counted(context: Any, items: Any, fixed: int) -> list[Any]:
    """List the elements of a loop, charged to the budget with the text that the loop writes each time."""
    if isinstance(items, jinja2.Undefined):
        items = iter(items)  # says what is undefined
    listed = []
    for item in items:
        listed.append(item)
        if len(listed) > MAX_STEPS:
            break
    context.parent["budget_"].spend(len(listed) + 1, fixed * len(listed))
    return listed


def _small(value: Any) -> Any:
    _weigh(value)
    return value


def _concat(parts: Iterable[Any]) -> str:
    texts = [template_text(part) for part in parts]
    _check_size("", sum(map(len, texts)))
    return "".join(texts)


def _text(value: Any) -> str:
    """Write a value between the author's own JSON: escaped as inside a JSON string, so that a cell cannot end the string."""
    kind = type(value)
    if kind is JsonText:
        return str(value)
    if kind is str:
        return orjson.dumps(value).decode()[1:-1]
    text = template_text(value)
    return text if isinstance(value, JsonText) else orjson.dumps(text).decode()[1:-1]


def _json(value: Any) -> str:
    kind = type(value)
    if kind is str or value is None or kind is float or kind is int or kind is bool:
        return orjson.dumps(value).decode()
    return str(_tojson(value))


def _tojson(value: Any) -> JsonText:
    if isinstance(value, list | tuple | dict):
        _weigh(value)
    if isinstance(value, jinja2.Undefined):
        str(value)
    if isinstance(value, range):
        value = list(value)
    made: JsonText = tojson(value)
    if len(made) > MAX_OUTPUT:
        raise OverBudget(f"a JSON text of {len(made):,} characters is more than {MAX_OUTPUT:,}")
    return made


def _replace(value: Any, old: str, new: str) -> str | None:
    if value is None:
        return None
    text = template_text(value)
    _check_replace(text, str(old), str(new))
    return text.replace(str(old), str(new))


def _join(value: Any, glue: str = "", attribute: str | None = None) -> str:
    if attribute is not None:
        raise TypeError("join takes texts; choose them with map(attribute=...)")
    parts = list(value)
    _joined_size(str(glue), parts)
    return str(glue).join(template_text(part) for part in parts)


@jinja2.pass_environment
def _sum(environment: Any, value: Any, attribute: str | None = None, start: float = 0) -> Any:
    if not isinstance(start, int | float):
        raise TypeError("sum adds numbers")
    return stock.sync_do_sum(environment, value, attribute, start)


def _format(value: Any, *args: Any) -> str:
    text = template_text(value)
    _check_format(text)
    made = text % args
    _check_size(made, len(made))
    return made


def _in_template(declared: Filter) -> Callable[..., Any]:
    """Return the Python form of a filter, given no more of a text than it reads.

    A regular expression over a long text would take time that no budget counts.
    """
    function, most = declared.python, declared.reads_at_most
    if most is None:
        return function

    def filtered(value: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(value, jinja2.Undefined):
            str(value)  # raises, and names what is undefined
        if type(value) is str and len(value) > most:
            value = value[:most]
        return function(value, *args, **kwargs)

    return filtered


_STOCK: Final = (
    "abs",
    "count",
    "first",
    "float",
    "int",
    "items",
    "last",
    "length",
    "list",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "reverse",
    "round",
    "select",
    "selectattr",
    "sort",
    "truncate",
    "unique",
    "wordcount",
    "groupby",
)
"""Filters of Jinja2 that are offered as they are."""

_FILTERS: Final[Mapping[str, Any]] = {
    **{name: stock.FILTERS[name] for name in _STOCK},
    **{name: keeping_missing(stock.FILTERS[name]) for name in ("capitalize", "title")},
    **{name: _in_template(declared) for name, declared in FILTERS.items()},
    "tojson": _tojson,
    "replace": _replace,
    "join": _join,
    "sum": _sum,
    "format": _format,
    "counted_": _counted,
    "small_": _small,
    "concat_": _concat,
    "text_": _text,
    "json_": _json,
}
"""Filters by name; those that end in ``_`` are put into templates before they are compiled."""
