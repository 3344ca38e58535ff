"""What columns say for customs papers: reason for export, terms, number of the invoice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from shipkit.common.sql import quoted
from shipkit.orders import expressions as sql
from shipkit.orders.heading_text import word_file
from shipkit.orders.packing.lines import LineColumns
from shipkit.schema import PAPERS

__all__ = ["papers_of_lines", "papers_sql", "papers_struct"]

_ROLES: Final = {
    "reason": "customs_reason",
    "terms": "customs_terms",
    "invoice_number": "customs_invoice_number",
}
"""Field of the papers -> role of its column."""


def papers_of_lines(columns: LineColumns) -> str:
    """Return SQL of what a line says for each field, over the lines ``l``."""
    return ", ".join(f"{_cell(columns, field)} AS paper_{field}" for field in _ROLES)


def papers_sql(lines: str) -> str:
    """Return SQL of the first that the lines of an order say, over rows in the order of `lines`."""
    return ", ".join(
        f"first(paper_{field} ORDER BY {lines}) FILTER (paper_{field} IS NOT NULL) AS {field}"
        for field in _ROLES
    )


def papers_struct(order_id: str, stated: str) -> str:
    """Return SQL of the papers: what `stated` has, the order number for one without an invoice's.

    By DDP (delivered duty paid) the seller pays the duties.
    """
    known = {
        "reason": f"{stated}.reason",
        "terms": f"{stated}.terms",
        "invoice_number": f"coalesce({stated}.invoice_number, {order_id})",
        "duties_payer": f"CASE WHEN {stated}.terms = 'DDP' THEN 'shipper' END",
    }
    return ", ".join(f"{leaf.name}: {known.get(leaf.name, 'NULL')}::VARCHAR" for leaf in PAPERS)


def _cell(columns: LineColumns, field: str) -> str:
    column = next((column for column, _ in columns.of_role(_ROLES[field])), None)
    if column is None:
        return "NULL::VARCHAR"
    text = f"nullif(trim(CAST(l.{quoted(column.key)} AS VARCHAR)), '')"
    if field == "invoice_number":
        return text
    words = _words(word_file("customs_cells")[field].items())
    plain = f"lower({text})" if field == "reason" else f"upper({text})"
    return sql.choose(f"lower({text})", words, plain)


def _words(groups: Iterable[tuple[str, list[str]]]) -> dict[str, str]:
    return {word: sql.quote(value) for value, words in groups for word in words}
