"""The Jinja2 environment of shipment templates: what a template can reach.

Jinja2's own sandbox blocks what is known to be dangerous, and sets no limits. Templates may come
from a language model or a stranger's file, so here everything is refused unless it is on a list,
and whatever can grow (texts, lists, numbers, loops) is counted
(:mod:`shipkit.orders.mapping.template_limits`).
"""

from __future__ import annotations

import datetime as dt
import difflib
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import jinja2
import orjson
from jinja2 import filters as stock
from jinja2.runtime import LoopContext
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import Namespace, pass_context

from shipkit.orders.filters import Filter, JsonText, filters_for
from shipkit.orders.filters.text_filters import keeping_missing, template_text, tojson
from shipkit.orders.mapping.template_limits import (
    MAX_ITEMS,
    MAX_OUTPUT,
    MAX_STEPS,
    OverBudget,
    charge,
    check_format,
    check_join,
    check_method,
    check_operator,
    check_replace,
    check_size,
    weigh,
)
from shipkit.services import ServiceList

__all__ = ["RecordView", "ShipmentEnvironment", "nearest"]


class RecordView:
    """A row, a line or an address as a template sees it: attributes are columns, nothing else."""

    __slots__ = ("_cells",)
    described_as = "row"
    """What messages call it."""

    def __init__(self, cells: Mapping[str, Any]) -> None:
        self._cells = cells

    def __str__(self) -> str:
        raise TypeError("a whole row cannot be written; name a column")

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
    """An undefined name; any use of it raises an error with that name."""

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


class ShipmentEnvironment(SandboxedEnvironment):
    """Jinja2 with allow-lists instead of block-lists, and a check on everything that can grow."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, offered: ServiceList) -> None:
        super().__init__(
            undefined=_NoSuchCell,
            autoescape=False,
            keep_trailing_newline=False,
            cache_size=0,
            # Folding constants tries every level of a nested expression again, and writes what
            # Python cannot read back (inf, nan).
            optimized=False,
        )
        self.globals = {"range": _range, "namespace": Namespace}
        declared = filters_for(offered)
        given = {**{name: _in_template(each) for name, each in declared.items()}, **_FILTERS}
        self.filters = {name: _charged(function) for name, function in given.items()}
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
        """Return a cell of a record, a member of a namespace, or an attribute that is allowed."""
        if type(obj) is RecordView:
            return self._cell(obj, attribute)
        if type(obj) is Namespace and not attribute.startswith("_"):
            try:
                return getattr(obj, attribute)
            except AttributeError:
                return self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def wrap_str_format(self, value: Any) -> None:
        """Offer no ``str.format``: its widths have no limit."""
        del value

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return a cell of a record, else an element."""
        return (
            self._cell(obj, argument) if type(obj) is RecordView else super().getitem(obj, argument)
        )

    def _cell(self, record: RecordView, name: Any) -> Any:
        try:
            return record.find(name)
        except (KeyError, TypeError):
            hint = nearest(str(name), record.known())
            return self.undefined(f"there is no column {str(name)!r}{'; ' + hint if hint else ''}")

    # Jinja2's signature: names that keyword arguments in a template cannot collide with.
    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805, PYI063 - see above
        """Count a call, and refuse methods of texts whose result would be too large."""
        __context.parent["budget_"].spend(1)
        owner = getattr(__obj, "__self__", None)
        if isinstance(owner, str):
            check_method(owner, __obj.__name__, args)
        return charge(super().call(__context, __obj, *args, **kwargs))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Refuse operators whose result would be too large."""
        del context
        check_operator(operator, left, right)
        return charge(self.binop_table[operator](left, right))


# -- filters ---------------------------------------------------------------------------------------


def _range(*args: int) -> range:
    made = range(*args)
    if len(made) > MAX_ITEMS:
        raise OverBudget(f"a range of {len(made):,} numbers exceeds {MAX_ITEMS:,}")
    return made


@pass_context
def _counted(context: Any, items: Any, fixed: int, steps: int) -> list[Any]:
    """Return the elements of a loop as a list, and count them.

    Parameters
    ----------
    fixed
        Characters of the author's own text that each iteration writes.
    steps
        Steps that each iteration counts.
    """
    if isinstance(items, jinja2.Undefined):
        items = iter(items)  # raises, and names what is undefined
    listed = []
    for item in items:
        listed.append(item)
        if len(listed) > MAX_STEPS:
            break
    context.parent["budget_"].spend(steps * len(listed) + 1, fixed * len(listed))
    return listed


def _small(value: Any) -> Any:
    weigh(value)
    return value


def _sliced(value: Any) -> Any:
    """Return ``text[1:]``, which Jinja2 writes as Python; every filter counts what it returns."""
    return value


def _concat(parts: Iterable[Any]) -> str:
    texts = [template_text(part) for part in parts]
    check_size("", sum(map(len, texts)))
    return "".join(texts)


def _text(value: Any) -> str:
    """Write a value into the author's own JSON.

    It is escaped as inside a JSON string, so that a quote in a cell cannot end the string.
    """
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
        weigh(value)
    if isinstance(value, jinja2.Undefined):
        str(value)
    if isinstance(value, range):
        value = list(value)
    made: JsonText = tojson(value)
    if len(made) > MAX_OUTPUT:
        raise OverBudget(f"a JSON text of {len(made):,} characters exceeds {MAX_OUTPUT:,}")
    return made


@pass_context
def _loop_text(context: Any, value: Any) -> str:
    """Write a value into the author's own JSON, and count it: it is in a loop."""
    made = _text(value)
    context.parent["budget_"].write(len(made))
    return made


@pass_context
def _loop_json(context: Any, value: Any) -> str:
    """Write a value as JSON, and count it: it is in a loop."""
    made = _json(value)
    context.parent["budget_"].write(len(made))
    return made


@pass_context
def _loop_written(context: Any, value: str) -> str:
    """Count a text that is written as it is: it is in a loop."""
    context.parent["budget_"].write(len(value))
    return value


def _replace(value: Any, old: str, new: str) -> str | None:
    if value is None:
        return None
    text = template_text(value)
    check_replace(text, str(old), str(new))
    return text.replace(str(old), str(new))


def _join(value: Any, glue: str = "", attribute: str | None = None) -> str:
    if attribute is not None:
        raise TypeError("join takes texts; select them with map(attribute=...)")
    parts = list(value)
    check_join(str(glue), parts)
    return str(glue).join(template_text(part) for part in parts)


@jinja2.pass_environment
def _sum(environment: Any, value: Any, attribute: str | None = None, start: float = 0) -> Any:
    if not isinstance(start, int | float):
        raise TypeError("the start of sum must be a number")
    return stock.sync_do_sum(environment, value, attribute, start)


def _format(value: Any, *args: Any) -> str:
    text = template_text(value)
    check_format(text, args)
    made = text % args
    check_size(made, len(made))
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


def _charged(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that counts the long texts and lists that it makes."""

    @functools.wraps(function)
    def filtered(*args: Any, **kwargs: Any) -> Any:
        made = function(*args, **kwargs)
        return charge(made) if isinstance(made, str | list | tuple) else made

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
    "sliced_": _sliced,
    "loop_text_": _loop_text,
    "loop_json_": _loop_json,
    "loop_written_": _loop_written,
}
"""Filters by name; those that end in ``_`` are put into templates before they are compiled."""
