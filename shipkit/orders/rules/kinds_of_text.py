"""One rule for all the kinds of text that a field must not be: an e-mail address, a weight.

A rule costs a comparison for each row of a table; that of many kinds costs one, and says of the few
rows that it holds which kind they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from shipkit.orders.expressions import case, quote

__all__ = ["Kind", "fails_of", "kind_of"]


class Kind(NamedTuple):
    """A kind of text: its pattern or its SQL, and how a problem calls it."""

    what: str
    pattern: str = ""
    test: str = ""
    """SQL that is true of the kind, in addition to the pattern."""

    def sql(self, x: str) -> str:
        """Return SQL of whether `x` is of this kind."""
        tests = [f"regexp_full_match({x}, {quote(self.pattern)})"] if self.pattern else []
        return " AND ".join([*tests, *([f"coalesce({self.test}, false)"] if self.test else [])])


def fails_of(x: str, gates: Sequence[str], kinds: Sequence[Kind]) -> str:
    """Return SQL of whether `x` is one of `kinds`; only tried where one of `gates` is true."""
    plain = "|".join(f"(?:{kind.pattern})" for kind in kinds if not kind.test)
    tests = [f"regexp_full_match({x}, {quote(plain)})"] if plain else []
    tests += [f"({kind.sql(x)})" for kind in kinds if kind.test]
    return case(
        (f"{x} IS NULL", "false"),
        (" OR ".join(gates), " OR ".join(tests)),
        otherwise="false",
    )


def kind_of(x: str, kinds: Sequence[Kind]) -> str:
    """Return SQL of what a text of one of `kinds` is, for a problem."""
    return case(*((kind.sql(x), quote(kind.what)) for kind in kinds), otherwise="''")
