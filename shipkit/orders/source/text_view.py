"""The cells of a source as text, each as a person would write it."""

from __future__ import annotations

from collections.abc import Collection

from shipkit.common.relation import Relation, StageSchema

__all__ = ["as_text", "is_nested", "kinds_of_cells", "text_of_cell"]


def as_text(
    schema: StageSchema,
    cells: Relation,
    columns: Collection[str] | None = None,
    view: str = "cells_text",
) -> Relation:
    """Return a view of the cells as text, of all columns or of some.

    It has ``row_number``, ``c1`` ... as text, ``n1`` ... for columns that came with a type, and
    ``file`` where there are several.
    """
    found = kinds_of_cells(cells)
    if columns is not None:
        found = {name: kind for name, kind in found.items() if name in columns}
    texts = [f"{text_of_cell(name, kind)} AS {name}" for name, kind in found.items()]
    as_is = [
        f"{_clean_sql(name, kind)} AS n{name[1:]}"
        for name, kind in found.items()
        if kind != "VARCHAR"
    ]
    wanted = ["rowid + 1 AS row_number", *texts, *as_is]
    wanted += ["file"] if "file" in cells.columns else []
    return schema.view(view, f"SELECT {', '.join(wanted)} FROM {cells.sql}")


def kinds_of_cells(cells: Relation) -> dict[str, str]:
    """Return the type that each column of cells came with."""
    return {
        name: kind.upper() for name, kind in cells.columns.items() if name not in {"file", "rowid"}
    }


def is_nested(kind: str) -> bool:
    """Return whether cells of a type hold several values: ``TIMESTAMP[]`` is no TIMESTAMP."""
    return kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION"))


def _clean_sql(name: str, kind: str) -> str:
    """Return SQL of a typed cell without values that Arrow and DuckDB treat differently."""
    if is_nested(kind):
        return name
    if kind in {"FLOAT", "DOUBLE"}:
        return f"CASE WHEN isfinite({name}) THEN {name} END"
    return f"CAST({name} AS TIMESTAMP)" if kind.startswith("TIMESTAMP") else name


def text_of_cell(name: str, kind: str) -> str:
    """Return SQL of a typed cell as a person would write it: 12, not 12.0; dates without 00:00."""
    if kind == "VARCHAR":
        return name
    if is_nested(kind):
        return f"CAST(to_json({name}) AS VARCHAR)"
    if kind in {"FLOAT", "DOUBLE"}:
        return f"""
            CASE
                WHEN NOT isfinite({name}) THEN NULL
                WHEN {name} = trunc({name}) AND abs({name}) < 1e15
                    THEN CAST(CAST({name} AS BIGINT) AS VARCHAR)
                ELSE CAST({name} AS VARCHAR)
            END"""
    if kind.startswith("TIMESTAMP"):
        return f"""
            CASE
                WHEN CAST(CAST({name} AS DATE) AS TIMESTAMP) = CAST({name} AS TIMESTAMP)
                    THEN CAST(CAST({name} AS DATE) AS VARCHAR)
                ELSE CAST({name} AS VARCHAR)
            END"""
    return f"CAST({name} AS VARCHAR)"
