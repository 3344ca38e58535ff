"""Options that would be passed over in silence: those without a value, and those of no use.

A variable of a script that is empty (``--where "$CLAUSE"``) must not mean "all", and an option that
the command would not read must not look as if it had been heeded.
"""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from shipkit.cli.commands import UsageError, actions_of

__all__ = ["refuse_empty", "refuse_ignored"]

_MAY_BE_EMPTY = frozenset({"--instructions"})
"""Options whose empty text means what it says: none."""
_ASSIGNED_NOTHING = re.compile("--[a-z-]+=")


def refuse_empty(words: Sequence[str]) -> None:
    """Raise UsageError for an option or a name whose value is the empty text."""
    for before, word in zip(("", *words), words, strict=False):
        if word and not _ASSIGNED_NOTHING.fullmatch(word):
            continue
        option = word[:-1] or before
        if option in _MAY_BE_EMPTY:
            continue
        if option.startswith("-"):
            raise UsageError(f"{option} has an empty value: give one, or leave {option} out")
        raise UsageError("one of the words is empty: give a name, or leave it out")


def refuse_ignored(args: Namespace) -> None:
    """Raise UsageError for a typed option that the command would not read, as it was called.

    A config file serves several commands, so what it says in vain is not refused.
    """
    typed: Mapping[str, Any] = getattr(args, "typed", None) or vars(args)
    given = [
        action
        for action in actions_of(args.command)
        if action.option_strings and _is_given(typed.get(action.dest), action.default)
    ]
    for rule in _RULES.get(args.command, ()):
        why = rule.why(args)
        names = [action.option_strings[-1] for action in given if action.dest in rule.options]
        if why and names:
            raise UsageError(f"{', '.join(names)}: {why}")


def _is_given(value: Any, default: Any) -> bool:
    return value is not None and value is not False and value != default


class _Rule(NamedTuple):
    """Options that are not read, and when."""

    options: tuple[str, ...]
    why: Callable[[Namespace], str | None]
    """Return why they are not read, None when they are."""


def _without(option: str, name: str) -> Callable[[Namespace], str | None]:
    return lambda args: None if getattr(args, name) else f"only with {option}"


def _watching(args: Namespace) -> str | None:
    return "--watch names the output files of each of its files" if args.watch else None


def _settling(args: Namespace) -> str | None:
    done = next(_settled(args), None)
    return f"only for a new pickup, not with {done}" if done else None


def _settled(args: Namespace) -> Iterator[str]:
    for name in ("list", "cancel", "look_up", "forget"):
        if getattr(args, name) not in (None, False):
            yield f"--{name.replace('_', '-')}"


def _preview(args: Namespace) -> str | None:
    return "only for a job, not for a preview" if args.job.startswith("pv_") else None


_PARAMETERS = _Rule(("param",), _without("--where", "where"))
_RULES = {
    "check": (_PARAMETERS,),
    "template": (_PARAMETERS,),
    "preview": (_PARAMETERS,),
    "run": (
        _PARAMETERS,
        _Rule(("once", "every"), _without("--watch", "watch")),
        _Rule(("labels", "write_back", "failed", "output"), _watching),
    ),
    "resume": (_Rule(("max_total",), _without("--yes", "yes")),),
    "show": (_Rule(("results", "failed", "report"), _preview),),
    "pickup": (
        _Rule(
            ("day", "ready", "close", "where", "place", "instructions", "max_total"),
            _settling,
        ),
        _Rule(("max_total",), _without("--book", "book")),
    ),
}
