"""What a filter may use: operators, functions that only compute, and types.

Everything else is refused. A function belongs here if its result depends on nothing but its
arguments, and its cost is bounded by their size.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "COMPARE",
    "ESCAPED",
    "FUNCTIONS",
    "INFIX",
    "JOIN",
    "LIKE",
    "PATTERNS",
    "TYPES",
    "VOLATILE",
]

COMPARE = {
    "COMPARE_EQUAL": "=",
    "COMPARE_NOTEQUAL": "<>",
    "COMPARE_LESSTHAN": "<",
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
    "COMPARE_DISTINCT_FROM": "IS DISTINCT FROM",
    "COMPARE_NOT_DISTINCT_FROM": "IS NOT DISTINCT FROM",
}
JOIN = {"CONJUNCTION_AND": " AND ", "CONJUNCTION_OR": " OR "}
INFIX = {
    "+": "+",
    "-": "-",
    "*": "*",
    "/": "/",
    "//": "//",
    "%": "%",
    "||": "||",
    "~~": "LIKE",
    "!~~": "NOT LIKE",
    "~~*": "ILIKE",
    "!~~*": "NOT ILIKE",
    "~~~": "GLOB",
    "^@": "^@",
}
LIKE = frozenset({"~~", "!~~", "~~*", "!~~*", "~~~"})
ESCAPED = {
    "like_escape": "LIKE",
    "not_like_escape": "NOT LIKE",
    "ilike_escape": "ILIKE",
    "not_ilike_escape": "NOT ILIKE",
}
FUNCTIONS: Mapping[str, tuple[int, int]] = {
    # text
    **dict.fromkeys(
        (
            "lower",
            "upper",
            "lcase",
            "ucase",
            "length",
            "len",
            "char_length",
            "character_length",
            "strlen",
            "strip_accents",
            "reverse",
        ),
        (1, 1),
    ),
    **dict.fromkeys(("trim", "ltrim", "rtrim"), (1, 2)),
    **dict.fromkeys(
        (
            "left",
            "right",
            "contains",
            "starts_with",
            "ends_with",
            "prefix",
            "suffix",
            "strpos",
            "instr",
            "position",
        ),
        (2, 2),
    ),
    **dict.fromkeys(("substr", "substring"), (2, 3)),
    **dict.fromkeys(("replace", "lpad", "rpad", "split_part"), (3, 3)),
    **dict.fromkeys(("regexp_matches", "regexp_full_match"), (2, 3)),
    "regexp_extract": (2, 3),
    "regexp_replace": (3, 4),
    "concat": (1, 20),
    "concat_ws": (2, 20),
    # any
    "nullif": (2, 2),
    "if": (3, 3),
    "greatest": (1, 20),
    "least": (1, 20),
    # numbers
    **dict.fromkeys(
        ("abs", "sign", "ceil", "ceiling", "floor", "sqrt", "isnan", "isfinite"), (1, 1)
    ),
    **dict.fromkeys(("round", "trunc"), (1, 2)),
    "mod": (2, 2),
    # dates
    **dict.fromkeys(
        (
            "year",
            "month",
            "day",
            "quarter",
            "week",
            "weekofyear",
            "yearweek",
            "dayofmonth",
            "dayofweek",
            "weekday",
            "isodow",
            "isoyear",
            "dayofyear",
            "hour",
            "minute",
            "second",
            "dayname",
            "monthname",
            "last_day",
            "to_days",
            "to_weeks",
            "to_months",
            "to_years",
            "to_hours",
            "to_minutes",
            "to_seconds",
        ),
        (1, 1),
    ),
    **dict.fromkeys(
        (
            "date_part",
            "datepart",
            "date_trunc",
            "datetrunc",
            "date_add",
            "strftime",
            "strptime",
            "try_strptime",
            "age",
        ),
        (2, 2),
    ),
    **dict.fromkeys(("date_diff", "datediff", "date_sub", "datesub", "make_date"), (3, 3)),
    # lists: only what IN needs
    "list_contains": (2, 2),
    "list_value": (1, 1_000_000),
}
"""Functions that only compute, with the fewest and most arguments."""
PATTERNS = frozenset({"regexp_matches", "regexp_full_match", "regexp_extract", "regexp_replace"})
VOLATILE = frozenset(
    {
        "now",
        "today",
        "current_date",
        "current_time",
        "current_timestamp",
        "get_current_time",
        "get_current_timestamp",
        "localtime",
        "localtimestamp",
        "transaction_timestamp",
        "random",
        "uuid",
        "gen_random_uuid",
        "setseed",
        "nextval",
        "currval",
        "txid_current",
    }
)
TYPES = frozenset(
    {
        "VARCHAR",
        "TEXT",
        "STRING",
        "CHAR",
        "BPCHAR",
        "BOOLEAN",
        "BOOL",
        "TINYINT",
        "SMALLINT",
        "INTEGER",
        "INT",
        "INT4",
        "BIGINT",
        "INT8",
        "LONG",
        "HUGEINT",
        "UTINYINT",
        "USMALLINT",
        "UINTEGER",
        "UBIGINT",
        "FLOAT",
        "REAL",
        "DOUBLE",
        "FLOAT8",
        "DECIMAL",
        "NUMERIC",
        "DEC",
        "DATE",
        "TIME",
        "TIMESTAMP",
        "DATETIME",
        "INTERVAL",
    }
)
