"""Dots as a ZPL graphic field, in the compressed hexadecimal that every ZPL printer reads."""

from __future__ import annotations

import re

__all__ = ["graphic"]

_RUN = re.compile(r"(.)\1{2,}")


def graphic(rows: bytes, width: int) -> str:
    """Return the ``^GFA`` command of a bitmap `width` dots wide.

    Rows are whole bytes with the left dot in the highest bit; 1 is black.

    Examples
    --------
    >>> graphic(bytes([0xFF, 0x00, 0xFF, 0x00, 0xF0, 0x0F]), 16)
    '^GFA,6,6,2,FF,:F00!'
    """
    stride = (width + 7) // 8
    lines, before = [], None
    for start in range(0, len(rows), stride):
        line = rows[start : start + stride]
        lines.append(":" if line == before else _packed(line.hex().upper()))
        before = line
    return f"^GFA,{len(rows)},{len(rows)},{stride},{''.join(lines)}"


def _packed(digits: str) -> str:
    """Return one row, compressed.

    ``,`` means zeros and ``!`` means F to the end of the row; a letter is a repeat count.
    """
    kept = digits.rstrip("0")
    tail = "," if len(kept) < len(digits) else ""
    if not tail:
        kept = digits.rstrip("F")
        tail = "!" if len(kept) < len(digits) else ""
    return _RUN.sub(lambda run: _count(len(run[0])) + run[1], kept) + tail


def _count(number: int) -> str:
    """Return a repeat count: z is 400, then h to y the twenties, G to Y the ones."""
    twenties, ones = divmod(number % 400, 20)
    return (
        "z" * (number // 400)
        + (chr(ord("f") + twenties) if twenties else "")
        + (chr(ord("F") + ones) if ones else "")
    )
