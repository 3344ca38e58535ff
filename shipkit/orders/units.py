"""Units of weight and length: what people call them, and how they convert, in Python and in SQL.

Both forms of a conversion apply the same operations in the same order, so that a template gives
the same last bit whether its rows are rendered in Python or computed by DuckDB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["BLANKS", "LENGTHS", "WEIGHTS", "UnitScale"]

BLANKS: Final = " \t\r\n\f"
"""Blanks taken off both ends of a number, a unit or a code."""


@dataclass(frozen=True)
class UnitScale:
    """The units of one quantity.

    Parameters
    ----------
    base
        The unit that shipments use, and that a missing unit means.
    to_base
        Unit -> the operator (``/`` or ``*``) and factor that turn a number of it into `base`; None
        for `base` itself.
    words
        What people write, in lower case -> unit.
    """

    base: str
    to_base: Mapping[str, tuple[str, float] | None]
    words: Mapping[str, str]

    def unit(self, word: Any) -> str | None:
        """Return the unit that `word` names, `base` for nothing, None for an unknown word."""
        return self.words.get(str(word or "").strip(BLANKS).lower().rstrip("."))

    def steps(self, unit: str, goal: str) -> list[tuple[str, float]]:
        """Return the operators and factors that turn a number of `unit` into one of `goal`."""
        if unit == goal:
            return []
        steps = []
        if (step := self.to_base[unit]) is not None:
            steps.append(step)
        if (step := self.to_base[goal]) is not None:
            operator, factor = step
            steps.append(("*" if operator == "/" else "/", factor))
        return steps

    def convert(self, number: float, unit: str, goal: str | None = None) -> float:
        """Return `number` of `unit` in `goal`, by default in the base unit."""
        for operator, factor in self.steps(unit, goal or self.base):
            number = number / factor if operator == "/" else number * factor
        return number

    def convert_sql(self, number: str, unit: str, goal: str | None = None) -> str:
        """Return SQL of what :meth:`convert` returns for a DOUBLE."""
        steps = self.steps(unit, goal or self.base)
        # A cast of text, because a literal with a point is a DECIMAL in DuckDB.
        applied = "".join(f" {operator} '{factor!r}'::DOUBLE" for operator, factor in steps)
        return f"({number}{applied})" if steps else number

    def word_sql(self, text: str) -> str:
        """Return SQL of the key in :attr:`words` that a text has, whether there is one or not.

        Right only for texts that DuckDB lowers as Python does: see
        :func:`shipkit.orders.filters.text_filters.case_may_differ`.
        """
        return f"rtrim(lower(trim(coalesce({text}, ''), '{BLANKS}')), '.')"


def _words(base: str, groups: Mapping[str, str]) -> dict[str, str]:
    words = {word: unit for unit, listed in groups.items() for word in listed.split()}
    return {"": base, **words}


# "lbr" to "fot" are the codes of UN/ECE recommendation 20, which EDI and SAP write.
# An ounce, a foot and an inch are exact fractions of each other; 1 lb = 0.45359237 kg and
# 1 in = 2.54 cm exactly (international yard and pound agreement, 1959).
WEIGHTS: Final = UnitScale(
    "lb",
    {"lb": None, "oz": ("/", 16.0), "kg": ("/", 0.45359237), "g": ("/", 453.59237)},
    _words(
        "lb",
        {
            "lb": "lb lbs pound pounds lbr libra libras 磅 ポンド 파운드",
            "oz": "oz ozs ounce ounces onz onza onzas 盎司 オンス 온스",
            "kg": (
                "kg kgs kilo kilos kilogram kilograms kgm kilogramm kilogramo kilogramos quilos "
                "chilogrammi 公斤 千克 キロ キログラム 킬로 킬로그램 кг"
            ),
            "g": (
                "g gr grs gm gms gram grams grm gramm gramme grammes gramo gramos gramas grammi "
                "克 公克 グラム 그램 г гр"
            ),
        },
    ),
)
LENGTHS: Final = UnitScale(
    "in",
    {"in": None, "cm": ("/", 2.54), "mm": ("/", 25.4), "m": ("/", 0.0254), "ft": ("*", 12.0)},
    _words(
        "in",
        {
            "in": 'in inch inches " inh pulgada pulgadas pulg zoll',
            "cm": "cm cms centimeter centimeters centimetre centimetres cmt centimetro centimetros",
            "mm": "mm millimeter millimeters millimetre millimetres mmt",
            "m": "m meter meters metre metres mtr",
            "ft": "ft foot feet fot",
        },
    ),
)
