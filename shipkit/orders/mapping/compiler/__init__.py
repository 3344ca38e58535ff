"""Compiles a template to SQL, or says that it has to be rendered: one function.

``compile_template(...)`` returns a :class:`TemplateSql`, or None for a template that has no exact
form in SQL. Whatever is not certain is None, so a mistake here costs time and never a letter of a
shipment; tests compare both ways for generated templates and rows.

Why it exists: 100,000 orders through a template with 34 values take 0.8 seconds of CPU time to
compute and normalise, and 5.2 to render and normalise (``benchmarks/bench_millions.py``). People
wait for that in front of a preview.
"""

from __future__ import annotations

from shipkit.orders.mapping.compiler.shipment_sql import TemplateSql, compile_template

__all__ = ["TemplateSql", "compile_template"]
