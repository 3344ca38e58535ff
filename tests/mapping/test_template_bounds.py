"""What a template may not do to the machine: each bomb is stopped, in little memory."""

from __future__ import annotations

import datetime as dt
import tracemalloc

import pytest

from shipkit.carriers.ups.service_level import SERVICES
from shipkit.errors import TemplateError
from shipkit.orders.mapping.environment import RecordView
from shipkit.orders.mapping.template_limits import Budget
from shipkit.orders.mapping.templates import prepare_template

ROW = {"name": "Ann Lee", "zip": "02134", "n": 5, "day": dt.date(2026, 11, 2)}
COLUMNS = tuple((name, name) for name in ROW)
EMOJI = "\U0001f600"


def rendered(text: str):
    template = prepare_template(text, COLUMNS, SERVICES)
    values = [ROW[key] for key in template.columns] + [f'"{ROW[key]}"' for key in template.written]
    view = RecordView(ROW)
    return template.render(values, template.scope({"city": "Salem"}, Budget(1)), view, [view])


WRITES = "writes more than 262,144 characters"
MADE = "makes texts of more than 8,388,608 characters"
IN_LIST = "the texts of a value exceed 1,048,576 characters"
STOPPED = [
    (f"{{% for i in range(9990) %}}{{{{ '{EMOJI}' * 65000 }}}}{{% endfor %}}", WRITES),
    (f"{{% for i in range(9990) %}}{{{{ '{EMOJI * 500}' }}}}{{% endfor %}}", WRITES),
    (
        "{% for i in range(9990) %}{{ row.name | tojson }} ........... {{ i }}.....{% endfor %}",
        WRITES,
    ),
    ("{% for i in range(9990) %}{{ ('x' * 9000) | tojson }}{% endfor %}", WRITES),
    (
        (
            "{% set ns = namespace(x=[]) %}{% for i in range(9000) %}"
            "{% set ns.x = ns.x + ['x' * 60000 ~ i] %}{% endfor %}"
        ),
        IN_LIST,
    ),
    ("{{ (['x' * 65000] * 9999) | tojson }}", IN_LIST),
    ("{{ (['X' * 65000] * 9999) | map('lower') | list | length }}", MADE),
    (
        f"{{% set s = '{EMOJI}' * 65000 %}}"
        + "".join(f"{{% set a{i} = s | upper %}}" for i in range(500)),
        MADE,
    ),
    (
        f"{{% set s = '{EMOJI}' * 65000 %}}"
        + "".join(f"{{% set a{i} = s[1:] %}}" for i in range(500)),
        MADE,
    ),
    (
        f"{{% set s = '{EMOJI}' * 60000 %}}"
        + "".join(f"{{% set a{i} = s ~ 1 %}}" for i in range(500)),
        MADE,
    ),
    ("{% for i in range(9000) %}{% set a = ('a ' * 32000).split() %}{% endfor %}", MADE),
    ("{{ '%(a)s' * 13000 % {'a': 'x' * 65000} }}", "exceeds 65,536"),
    ("{{ ('%900s' * 10000) | format(1) }}", "exceeds 65,536"),
    (
        "{% set t = 'a' * 65000 %}{% for i in range(9000) %}{% set b = ["
        + ", ".join(["'ab' in t"] * 100)
        + "] %}{% endfor %}",
        "more than 20,000 steps",
    ),
]


@pytest.mark.parametrize(("text", "what"), STOPPED, ids=[ascii(text[:50]) for text, _ in STOPPED])
def test_what_grows_is_stopped_in_little_memory(text, what):
    tracemalloc.start()
    try:
        with pytest.raises(TemplateError) as caught:
            rendered(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert what in str(caught.value)
    assert peak < 100_000_000


DEEP = "it is nested too deeply"
NOT_COMPILED = [
    ("{% if 1 %}" * 120 + "x" + "{% endif %}" * 120, DEEP),
    ("{% for a in [1] %}" * 200 + "x" + "{% endfor %}" * 200, DEEP),
    ("{{ " + "1+" * 200 + "1 }}", DEEP),
    ("{{ row" + ".name" * 200 + " }}", DEEP),
    ("{{ row.name" + " | upper" * 200 + " }}", DEEP),
    ("{{ " + "[" * 500 + "]" * 500 + " }}", DEEP),
    ("{{ 1e400 | int }}", "line 1: a number is too large"),
    ("x\n{{ " + "9" * 500 + " }}", "line 2: a number has more than 400 digits"),
    ("{{ " + "9" * 5000 + " }}", "a number has more than 400 digits"),
    ("x\n\ud83d", "line 2: '\\ud83d' is half a character"),
    ("{{ '\\ud83d' }}", "line 1: '\\ud83d' is half a character"),
]


@pytest.mark.parametrize(
    ("text", "what"), NOT_COMPILED, ids=[ascii(text[:40]) for text, _ in NOT_COMPILED]
)
def test_what_python_cannot_compile_is_refused_with_its_line(text, what):
    with pytest.raises(TemplateError) as caught:
        rendered(text)
    assert what in str(caught.value)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("{{ " + "1+" * 90 + "1 }}", "91"),
        ("{{ row.name" + " | upper" * 90 + " }}", "ANN LEE"),
        ("{{ " + "".join(f"'x' if row.n > {n} else " for n in range(90, 5, -1)) + "'z' }}", "z"),
        ("{% for a in [1] %}" * 8 + "x" + "{% endfor %}" * 8, "x"),
        ("{% if row.n %}" * 40 + "x" + "{% endif %}" * 40, "x"),
        ("{% for i in range(50) %}{{ row.name[:3] }}{% endfor %}", "Ann" * 50),
        ("{% set a = 'nan' | float %}{{ a }}", "nan"),
        ("{{ '%05.2f|%s' % (row.n, row.name) }}", "05.00|Ann Lee"),
    ],
    ids=lambda text: text[:30],
)
def test_what_people_write_is_within_the_limits(text, written):
    assert rendered(text).text == written


def test_half_a_character_made_by_a_row_is_a_problem_of_that_row():
    made = rendered("{% set half = '%c' | format(55357) %}{{ row[half] }}")
    assert (made.text, made.problem, made.line) == (None, "there is no column '\\ud83d'", 1)
