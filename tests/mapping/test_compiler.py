"""Compiled templates: SQL gives what rendering row by row gives, and all else is rendered."""

from __future__ import annotations

import datetime as dt
import sys
from functools import partial

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from stagekit import relations

import shipkit as sk
from shipkit.carriers.ups.service_level import SERVICES
from shipkit.common.relation import fresh
from shipkit.errors import TemplateError
from shipkit.orders import mapping
from shipkit.orders.expressions import stripped
from shipkit.orders.filters import FilterCall, filters_for
from shipkit.orders.filters.code_filters import compact_date
from shipkit.orders.filters.column_values import ColumnValue, ConstantValue, Kind, as_column
from shipkit.orders.filters.measure_filters import round_weight
from shipkit.orders.filters.text_filters import case_may_differ, split_name
from shipkit.orders.mapping import map_rows
from shipkit.orders.mapping.rendering import render_rows
from shipkit.orders.normalize import normalize

FILTERS = filters_for(SERVICES)
lookup_service_code = FILTERS["lookup_service_code"].python
MappingSpec = partial(mapping.MappingSpec, offered=SERVICES)

# -- two ways, one result --------------------------------------------------------------------------


def rendered_rows(con, *told):
    """The other way: row by row, whatever the template says."""
    with fresh(con, "mapping") as schema:
        return render_rows(schema, *told)


WAYS = (map_rows, rendered_rows)


def result(con, columns, spec, shop, way):
    """What a template makes of the orders: everything that the stages behind it see."""
    try:
        mapped = way(con, columns, spec, shop, *relations(con))
    except TemplateError as error:
        return str(error)
    table, problems, _ = normalize(con, mapped)
    return {
        "shipments": table.to_pylist(),
        "problems": problems.to_pylist(),
        "fields": mapped.fields,
        "defaulted": mapped.defaulted,
        "template": mapped.template,
        "questions": mapped.questions,
    }


def both(orders, shop, template, rows, **said):
    con, columns = orders(rows)
    spec = MappingSpec(template=template, **said)
    return result(con, columns, spec, shop, map_rows), result(
        con, columns, spec, shop, rendered_rows
    )


def mapped_by(way, con, columns, template, shop):
    """What one way makes of the orders, before normalising: the texts, and what goes with them."""
    mapped = way(con, columns, MappingSpec(template=template), shop, *relations(con))
    made = (
        texts(con, mapped),
        mapped.problems.to_pylist(),
        mapped.questions,
        mapped.fields,
        mapped.defaulted,
        mapped.template,
    )
    return made, rendered_of(con, mapped)


def rendered_of(con, mapped):
    """Row numbers that were rendered one by one, None when all were."""
    if mapped.relation.name == "rendered":
        return None
    names = {name for (name,) in con.execute("SELECT view_name FROM duckdb_views()").fetchall()}
    if "orders_to_render" not in names:
        return []
    asked = con.execute("SELECT row_number FROM mapping.orders_to_render ORDER BY 1")
    return [number for (number,) in asked.fetchall()]


def rendered(con, columns, shop, template):
    """The same, of a template."""
    mapped = map_rows(con, columns, MappingSpec(template=template), shop, *relations(con))
    return rendered_of(con, mapped)


def texts(con, mapped):
    """The mapped relation itself: every text, before anything is made of it."""
    return (
        con.sql(
            "SELECT row_number, COLUMNS(* EXCLUDE (row_number))::VARCHAR "
            f"FROM {mapped.relation.sql} "
            "ORDER BY row_number"
        )
        .to_arrow_table()
        .to_pylist()
    )


COLUMNS = {
    "Note": [
        "",
        " ",
        "\r\n",
        "\x85\u3000",
        "Ünï cödé ß",
        "İstanbul",
        "ΟΔΟΣ",
        'Say "hi"',
        "back\\slash",
        "{{ row.zip }}",
        '{"amount": 1}',
        "[1]",
        "null",
        "None",
        "a\x00b",
        "x" * 301,
        "é" * 200,
        "\x1c sep \x1f",
        "O'Brien  Smith\tJr",
        "🤦🏼‍♂️ ok",
    ],
    "City": [
        "Boston",
        " new  york",
        "São Paulo",
        "123",
        "-0",
        "1e5",
        "12.50",
        "0.10",
        "007",
        "true",
    ],
    "Zip": [
        "2134",
        "02134",
        "'02134",
        "501",
        "2134.0",
        "021341234",
        "02134-",
        "02134 - ",
        "02134-1234",
        "2134-1234",
        "K1A 0B1",
        "999",
        "0999",
        "10001 - 1234",
        " 2134\n",
        "1.0.0",
    ],
    "State": ["MA", "massachusetts", " New  York", "n.y.", "TX", "ZZ", "", " ", "İ"],
    "Country": ["US", "usa", "U.S.A.", "Canada", "", " puerto rico ", "Vİ"],
    "Weight": [
        "12",
        "1,234.5",
        "abc",
        "-3",
        ".5",
        "'7",
        "2 lb 3 oz",
        "1e3",
        "1e999",
        "nan",
        "0.04",
        "0.05",
        "2.25",
        "0.00001",
        "123456789012345678901",
        "１２",
        " 7\n",
        "heavy",
        "2.675",
        "-0.0",
    ],
    "Unit": ["oz", "KG.", " lbs ", "stone", "", "g", "İn", "in", "cm"],
    "Phone": [
        "2125550142",
        "+1 (212) 555-0142 ext. 77",
        "212.555.0142x9",
        "n/a",
        "1 212 555 0142 #5",
        "x1 x2",
        "+44 20 7946 0958 eXtenſion 12",
        "12345678901234567890",
        "12125550142",
        "2125550142 ext 12345",
        "212 x1234567",
        "(212)\u20095550142;EXTENSION:\x1f6",
    ],
    "Service": [
        "Ground",
        "Standard Class",
        " ups 2nd day air® ",
        "03",
        "3",
        "Second Class",
        "UPS Next Day Air Saver®",
    ],
    "Day": [
        "2026-11-23",
        "2026-11-23T09:00",
        "11/23/26",
        "1/2/2026 noon",
        "13/45/2026",
        "20261123",
        "20261323",
        "0099-01-01",
        "00990101",
        "2026-02-30",
        "1/2/69",
        "1/2/68",
        "２０２６-11-23",
        "soon",
        "1/2/0099",
    ],
}
WORD = {
    name: st.one_of(
        st.none(),
        st.sampled_from(known),
        st.sampled_from(known),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    )
    for name, known in COLUMNS.items()
}
ROW = st.fixed_dictionaries(
    {
        **WORD,
        "Count": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(0, 99)),
        "Price": st.one_of(
            st.none(),
            st.floats(),
            st.floats(0, 200),
            st.sampled_from([0.0, -0.0, 2.25, 0.05, 1e15, 1e16, 1e-5, 1e300]),
        ),
        "Gift": st.one_of(st.none(), st.booleans()),
        "Sent": st.one_of(st.none(), st.dates()),
    }
)
FIRST = {
    **dict.fromkeys(COLUMNS, "x"),
    "Count": 1,
    "Price": 1.5,
    "Gift": True,
    "Sent": dt.date(2026, 1, 2),
}
SHORT = {
    "Note": None,
    "City": "Boston",
    "Zip": "2134",
    "Weight": "2",
    "Count": None,
    "Price": None,
    "Gift": None,
    "Sent": None,
}

WORDS = st.sampled_from(
    [
        '""',
        '"x"',
        '" "',
        '"a\\"b"',
        '"ü"',
        "none",
        "2",
        "2.5",
        "true",
        "shipper.city",
        "shipper.residential",
        "shipper.phone",
    ]
)
CELL = st.sampled_from([f"row.{name.lower()}" for name in FIRST] + ['row["City"]', 'row["Zip"]'])
TEXTS = st.sampled_from([f"row.{name.lower()}" for name in COLUMNS])
METHOD = st.sampled_from(["[:3]", ".strip()", ".upper()", ".lower()"])
FILTERED = st.sampled_from(
    [
        "trim",
        "upper",
        "lower",
        "string",
        'default("x")',
        'default("x", true)',
        'd("y", boolean=true)',
        "default_value(2)",
        'default_value("x")',
        "with_names(row.city)",
        'with_names("Ann", row.city)',
        'with_names(last="city")',
        'house_number("5", row.city, "DE")',
        "house_number(row.city)",
        'place_part("city")',
        'side("width")',
        "default_value",
        "default_value(row.city)",
        "default_value(true)",
        "truncate_address",
        "truncate_address(5)",
        "truncate_address(length=1)",
        "split_name",
        'split_name("last")',
        "format_us_zip",
        "format_us_zip(row.country)",
        'format_us_zip("US", row.state)',
        "format_us_zip(row.country, row.state)",
        "format_us_zip(state=row.state)",
        "round_weight",
        "round_weight(0)",
        "round_weight(2)",
        "round_weight(places=9)",
        'convert_weight("oz")',
        'convert_weight("kg")',
        'convert_weight("lb")',
        'convert_weight("g", "oz")',
        'convert_weight("stone")',
        "convert_weight(row.unit)",
        'convert_weight(row.unit, "kg")',
        'convert_length("cm")',
        'convert_length("ft", "mm")',
        "convert_length(row.unit)",
        "lookup_service_code",
        'lookup_service_code("03")',
        'translate({"standard class": "ground", "GROUND": 3})',
        'translate({"Boston": none, "x": true})',
        'of_carrier("UPS")',
        "of_carrier(row.city)",
        'of_carrier("FedEx", {"ground": "3_day_select"})',
        "compact_date",
        "phone_digits",
        "to_ups_date",
        "to_ups_phone",
    ]
)


def deeper(inner):
    """Expressions made of smaller ones."""
    return st.one_of(
        st.tuples(inner, FILTERED).map(" | ".join).map("({})".format),
        st.tuples(inner, FILTERED).map(" | ".join).map("({})".format),
        st.tuples(inner, inner).map(" ~ ".join).map("({})".format),
        st.tuples(CELL, inner).map(" or ".join).map("({})".format),
        st.tuples(CELL, inner).map(" and ".join).map("({})".format),
        st.tuples(inner, TEST, inner).map(lambda parts: "({} if {} else {})".format(*parts)),
        st.tuples(TEXTS, METHOD).map("({0[0]} or 'x'){0[1]}".format),
    )


TEST = st.sampled_from(
    [
        "row.city",
        "row.count",
        "row.price",
        "row.gift",
        "row.sent",
        'row.city == "Boston"',
        'row.city != "Boston"',
        'row.state in ["MA", "TX"]',
        'row.state not in ["MA"]',
        "row.count | default_value(0) > 3",
        "row.price | default_value(1.5) <= 2.5",
        "row.zip is none",
        "row.zip is not none",
        "row.zip is defined",
        "row.nope is defined",
        "not row.city",
        "row.city and not row.gift",
        "row.city or row.zip",
        "row.count == 2",
        "shipper.residential",
    ]
)
EXPRESSION = st.recursive(st.one_of(CELL, CELL, CELL, WORDS), deeper, max_leaves=4)
WRITTEN = st.one_of(
    EXPRESSION.map("{{{{ {} | tojson }}}}".format),
    EXPRESSION.map('"{{{{ {} }}}}"'.format),
    st.tuples(EXPRESSION, EXPRESSION).map(
        lambda two: '"é {{{{ {} }}}}, \\u00e9{{{{ {} }}}}."'.format(*two)
    ),
    st.tuples(TEST, CELL).map(lambda two: '"{{{{ "a\\\\n" if {} else {} }}}}"'.format(*two)),
)
NUMBER = st.sampled_from(
    [
        "row.count",
        "row.price",
        "row.city",
        "row.weight",
        "row.weight | default_value(2)",
        'row.weight | convert_weight("oz")',
        "row.weight | convert_weight(row.unit) | round_weight",
        "row.count | round_weight",
        "row.gift",
    ]
)
BARE = st.one_of(
    NUMBER.map("{{{{ {} }}}}".format), TEST.map("{{{{ 'true' if {} else 'null' }}}}".format)
)
FIELDS = ("order_id", "ship_date", "description", "signature", "saturday_delivery", "service")


def template_of(parts):
    """A template of parts that are leaves."""
    leaves, address, references, parcel, more = parts
    lines = [f'"{name}": {leaf}' for name, leaf in zip(FIELDS, leaves, strict=False)]
    lines.append(
        '"ship_to": {'
        + ", ".join(
            f'"{name}": {leaf}'
            for name, leaf in zip(
                ("name", "address_line1", "city", "state", "postal_code", "country", "phone"),
                address,
                strict=False,
            )
        )
        + "}"
    )
    boxes = [
        "{"
        + ", ".join(
            f'"{name}": {leaf}'
            for name, leaf in zip(
                ("weight_lb", "length_in", "declared_value", "description"), box, strict=False
            )
        )
        + "}"
        for box in (parcel, *more)
    ]
    lines += [
        '"references": {' + ", ".join(f'"r{n}": {leaf}' for n, leaf in enumerate(references)) + "}",
        f'"parcels": [{", ".join(boxes)}]',
    ]
    return "{\n" + ",\n".join(lines) + "\n}"


TEMPLATE = st.tuples(
    st.lists(WRITTEN, min_size=1, max_size=6),
    st.lists(WRITTEN, min_size=1, max_size=7),
    st.lists(WRITTEN, max_size=6),
    st.lists(
        st.one_of(WRITTEN, WRITTEN, WRITTEN, WRITTEN, WRITTEN, WRITTEN, BARE),
        min_size=1,
        max_size=4,
    ),
    st.lists(st.lists(WRITTEN, min_size=1, max_size=2), max_size=1),
).map(template_of)


@settings(
    max_examples=4 if settings.default.derandomize else 16,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(template=TEMPLATE, rows=st.lists(ROW, min_size=3, max_size=25))
def test_sql_gives_what_rendering_gives_for_any_template_and_any_rows(orders, shop, template, rows):
    con, columns = orders([FIRST, *rows])
    spec = MappingSpec(template=template)
    made = {}
    for way in WAYS:
        try:
            mapped = way(con, columns, spec, shop, *relations(con))
        except TemplateError as error:
            made[way] = str(error)
            continue
        found = texts(con, mapped)
        table, problems, _ = normalize(con, mapped)
        made[way] = (
            found,
            table.to_pylist(),
            problems.to_pylist(),
            mapped.fields,
            mapped.defaulted,
        )
    assert made[map_rows] == made[rendered_rows]


# -- filters, one by one ---------------------------------------------------------------------------


EVERY = [text for known in COLUMNS.values() for text in known]
CALLS = [
    "trim",
    "upper",
    "lower",
    "string",
    'default("x", true)',
    "default_value(2)",
    "with_names(row.note)",
    'with_names("Ann", row.state)',
    'with_names(last="city")',
    'house_number("5")',
    "house_number(row.count)",
    'house_number("5", "bis", "FR")',
    "house_number(row.count, row.unit, row.country)",
    'place_part("city")',
    'place_part("state")',
    'place_part("postal_code")',
    "side",
    'side("height")',
    "truncate_address",
    "truncate_address(5)",
    "split_name",
    'split_name("last")',
    "format_us_zip",
    "format_us_zip(row.country)",
    "format_us_zip(row.country, row.state)",
    'format_us_zip("Canada")',
    'format_us_zip(state="MA")',
    'format_us_zip(state="TX")',
    "round_weight",
    "round_weight(0)",
    "round_weight(3)",
    'convert_weight("oz")',
    'convert_weight("kg", "g")',
    'convert_weight("stone")',
    "convert_weight(row.unit)",
    'convert_length("ft", "cm")',
    "convert_length(row.unit)",
    "lookup_service_code",
    'lookup_service_code("03")',
    'translate({"standard class": "ground", "GROUND": 3, "boston": none})',
    "of_carrier",
    'of_carrier("United Parcel Service")',
    "of_carrier(row.note)",
    'of_carrier(row.unit, {"Ground": "2nd_day_air", "ups:standard": "ground"})',
    "compact_date",
    "phone_digits",
    "to_ups_date",
    "to_ups_phone",
    "d",
    'convert_weight("oz") | round_weight(2) | default_value("none")',
]


@pytest.fixture(scope="module")
def every(orders):
    """Orders with every text and number of these tests."""
    rows = [
        {
            "Note": text,
            "Count": count,
            "Price": price,
            "Country": country,
            "State": state,
            "Unit": unit,
            "Sent": dt.date(1999, 1, 2),
        }
        for text, count, price, country, state, unit in zip(
            [None, *EVERY],
            [None, 0, 5, 3, 20261123, 2**40] * 99,
            [None, 0.0, 2.25, 0.05, 1.005, 17.77, 0.00012, 99999.95, 1e14] * 99,
            ["US", "Canada", None, "u.s.a."] * 99,
            ["MA", None, "new york", " ", "ZZ"] * 99,
            ["oz", "stone", None, "KG."] * 99,
            strict=False,
        )
    ]
    return orders(rows)


@pytest.mark.parametrize("call", CALLS)
def test_both_forms_of_a_filter_agree_on_every_text_and_number(every, shop, call):
    con, columns = every
    template = (
        '{"references": {'
        + ", ".join(
            f'"{cell}": {{{{ row.{cell} | {call} | tojson }}}}'
            for cell in ("note", "count", "price", "sent")
        )
        + '}, "parcels": [{"weight_lb": 1}]}'
    )
    by_sql, odd = mapped_by(map_rows, con, columns, template, shop)
    by_row, _ = mapped_by(rendered_rows, con, columns, template, shop)
    assert by_sql == by_row
    assert {EVERY[number - 2] for number in odd if number > 1} < set(EVERY)
    assert 1 not in odd
    assert len(odd) < (len(EVERY) + 1) * 0.6


def test_every_filter_with_a_sql_form_is_compared_with_its_python_form():
    compared = {part.split("(")[0].strip() for call in CALLS for part in call.split("|")}
    assert {name for name, declared in FILTERS.items() if declared.sql} - compared == set()


def sql_form(name, x="x", kind=Kind.TEXT, **arguments):
    """The SQL form of a filter over a column, and the condition of rows that are rendered."""
    declared, conditions = FILTERS[name], []
    given = {argument: ConstantValue(value) for argument, value in arguments.items()}
    value = ColumnValue(x, kind, 25 if kind == Kind.FLOAT else 300)
    made = declared.sql(FilterCall(value, given, declared.reads_at_most, conditions.append))
    return as_column(made).sql, " OR ".join(f"({each})" for each in conditions) or "false"


def characters(last=0xFFFF):
    """Every character up to `last`, one a row."""
    con = duckdb.connect()
    con.register(
        "characters",
        pa.table({"x": [chr(code) for code in range(1, last + 1) if not 0xD800 <= code < 0xE000]}),
    )
    return con


def test_letters_change_case_alike_or_are_left_to_python():
    rows = (
        characters(sys.maxunicode)
        .execute(f"SELECT x, upper(x), lower(x) FROM characters WHERE NOT ({case_may_differ('x')})")
        .fetchall()
    )
    assert len(rows) > 40_000
    assert [x for x, upper, lower in rows if (upper, lower) != (x.upper(), x.lower())] == []


def test_the_same_characters_are_blank():
    first, _ = sql_form("split_name", "'a' || x || 'b'")
    rows = characters().execute(f"SELECT x, {stripped('x')}, {first} FROM characters").fetchall()
    assert [x for x, bare, _ in rows if bare != x.strip()] == []
    assert [x for x, _, word in rows if word != split_name(f"a{x}b")] == []


def test_services_are_known_by_the_same_letters():
    code, rendered = sql_form("lookup_service_code", "x || '03'")
    con = characters()
    rows = con.execute(f"SELECT x, {code} FROM characters WHERE NOT ({rendered})").fetchall()
    assert [x for x, made in rows if made != lookup_service_code(f"{x}03")] == []


@pytest.mark.parametrize("places", range(7))
def test_weights_are_rounded_half_up_as_they_are_written(places):
    numbers = (
        [n / 1000 for n in range(1, 20_000)]
        + [(2 * n + 1) / (2 * 10**places) for n in range(3000)]
        + [n * 1234.5678901 for n in range(1, 2000)]
        + [0.0, 0.0001, 1e9 / 10**places, 123456789012.05, 1e15]
    )
    con = duckdb.connect()
    con.register(
        "numbers",
        pa.table({"x": pa.array([x for x in numbers if not 0 < x < 0.0001], pa.float64())}),
    )
    made, rendered_where = sql_form("round_weight", kind=Kind.FLOAT, places=places)
    rows = con.execute(f"SELECT x, {made} FROM numbers WHERE NOT ({rendered_where})").fetchall()
    assert len(rows) > 24_000
    assert [(x, made) for x, made in rows if made != round_weight(x, places)] == []


def test_every_day_and_every_short_year_is_the_same_date():
    con = duckdb.connect()
    days = (
        [
            f"{month}/{day}/{year}"
            for month in range(14)
            for day in range(33)
            for year in ("26", "2028")
        ]
        + [f"1/2/{year:02}" for year in range(100)]
        + [f"{year}-02-29" for year in range(1000, 3000)]
    )
    con.register("days", pa.table({"x": days}))
    made, rendered_where = sql_form("compact_date")
    rows = con.execute(f"SELECT x, {made} FROM days WHERE NOT ({rendered_where})").fetchall()
    assert len(rows) > len(days) - 100
    assert [(x, made) for x, made in rows if made != compact_date(x)] == []


# -- which way a template goes ---------------------------------------------------------------------


LEAVES = [
    "{{ row.city | tojson }}",
    '{{ row["City"] | tojson }}',
    '"{{ row.city }}, {{ row.zip }}"',
    '{{ ((row.city or "?") ~ "!") | tojson }}',
    "{{ 2 }}",
    "12.50",
    "null",
    '"\\u00e9"',
    "{{ shipper.city | upper | tojson }}",
    '{{ row.nope | default("x") | tojson }}',
    '{{ ("a" if row.nope is defined else row.city) | tojson }}',
    "{{ 'true' if row.city == \"Boston\" else 'false' }}",
    "{{ row.zip[:3] | tojson }}",
    "{{ row.city.upper() | tojson }}",
    "{% set x = row.city %}{{ x | tojson }}",
    "{{ row.weight }}",
]


@pytest.fixture(scope="module")
def short(orders):
    return orders([SHORT])


@pytest.mark.parametrize("leaf", LEAVES)
def test_these_leaves_need_no_rendering(short, shop, leaf):
    con, columns = short
    template = f'{{"description": {leaf}, "parcels": [{{"weight_lb": 1}}]}}'
    by_sql, odd = mapped_by(map_rows, con, columns, template, shop)
    by_row, _ = mapped_by(rendered_rows, con, columns, template, shop)
    assert by_sql == by_row
    assert odd == []


def test_these_leaves_are_the_same_shipment(orders, shop):
    leaves = ", ".join(f'"r{n}": {leaf}' for n, leaf in enumerate(LEAVES))
    whole, by_row = both(orders, shop, f'{{"references": {{{leaves}}}}}', [SHORT])
    assert whole == by_row
    assert len(whole["shipments"][0]["references"]) > 10


@pytest.mark.parametrize(
    "template",
    [
        '{% if row.city %}{"description": "x"}{% else %}{"description": "y"}{% endif %}',
        '{"description": "{% for c in row.city %}{{ c }}{% endfor %}"}',
        '{"description": {{ row.city | title | tojson }}}',
        '{"description": {{ row["City"].zfill(9) | tojson }}}',
        '{"description": {{ ((row.count or 1) + 1) | tojson }}}',
        '{{ {"description": row.city} | tojson }}',
        '{"{{ "descr" ~ "iption" }}": {{ row.city | tojson }}}',
        '{"description": {{ row.city | tojson }}, "description": "twice"}',
        '{"description": "\\ue0000\\ue001"}',
        '{"description": {{ lines | length }}}',
        '{"ship_to": {}}',
        '{"parcels": {{ row.nope | default([]) | tojson }}}',
        '{"description": "{{ row.city }}", "ship_to": {{ none | tojson }}}',
    ],
)
def test_these_templates_are_rendered(orders, shop, template):
    con, columns = orders(
        [SHORT],
        [
            {
                "order_row": 1,
                "row_number": 1,
                **{name.lower(): value for name, value in SHORT.items()},
            }
        ],
    )
    mapped = map_rows(con, columns, MappingSpec(template=template), shop, *relations(con))
    assert mapped.relation.name == "rendered"


def test_only_rows_that_python_alone_can_tell_are_rendered(orders, shop):
    rows = [{**SHORT, "City": city} for city in ("Boston", "İstanbul", "x" * 301, "Łódź", None)]
    template = '{"description": {{ row.city | upper | tojson }}}'
    assert rendered(*orders(rows), shop, template) == [2, 3]
    whole, by_row = both(orders, shop, template, rows)
    assert whole == by_row
    assert [row["description"] for row in whole["shipments"]] == [
        "BOSTON",
        "İSTANBUL",
        "X" * 301,
        "ŁÓDŹ",
        None,
    ]


def test_rows_that_fail_are_problems_and_the_others_ship_in_their_order(orders, shop):
    rows = [{**SHORT, "City": city} for city in ("Boston", None, "Denver", None, "Erie")]
    template = '{"description": {{ row.city.upper() | tojson }}}'
    whole, by_row = both(orders, shop, template, rows)
    assert whole == by_row
    assert [row["description"] for row in whole["shipments"]] == [
        "BOSTON",
        None,
        "DENVER",
        None,
        "ERIE",
    ]
    assert [(p["row_number"], p["code"]) for p in whole["problems"]] == [
        (2, "template_failed"),
        (4, "template_failed"),
    ]
    failing, failing_by_row = both(
        orders, shop, template, [{**SHORT, "City": None}, {**SHORT, "City": None}]
    )
    assert failing == failing_by_row
    assert failing.startswith("The template fails for every row. Row 1: ")


def test_settings_go_over_a_compiled_template(orders, shop):
    rows = [
        {**SHORT, "City": city, "Weight": weight, "Count": count}
        for city, weight, count in (
            ("Slow", "", 1),
            ("ground", "3", None),
            (None, None, 2),
            ("İ", " ", 4),
            ("x" * 400, "5", 3),
        )
    ]
    template = (
        '{"service": {{ row.city | lower | tojson }}, "parcels": [{"weight_lb": {{ row.weight | '
        'tojson }}, "length_in": {{ row.count | tojson }}}], "ship_to": {"name": "Ada"}}'
    )
    said = {
        "services": {"slow": "ground"},
        "defaults": {"weight_lb": 3, "length_in": 7, "description": "toys"},
        "ship_date": dt.date(2026, 11, 23),
    }
    whole, by_row = both(orders, shop, template, rows, **said)
    assert whole == by_row
    assert whole["defaulted"] == {"weight_lb": 3, "length_in": 1, "description": 5}
    assert [row["parcels"][0]["weight_lb"] for row in whole["shipments"]] == [
        3.0,
        3.0,
        3.0,
        3.0,
        5.0,
    ]
    whole, by_row = both(orders, shop, template, rows, service="cheapest")
    assert whole == by_row
    assert {row["service"] for row in whole["shipments"]} == {"cheapest"}


def test_parcels_origin_and_customs_of_columns_need_no_rendering(orders, shop):
    template = """{
      "order_id": "A", "service": "worldwide_saver", "ship_to": {"name": "{{ row.city }}",
        "country": "England"}, "ship_from": {"name": "Depot", "address_line1": "1 Dock Rd",
          "city": {{ row.city | upper | tojson }}, "state": "NJ", "postal_code": "07302"},
      "parcels": [{"weight_lb": 1}, {"weight_lb": {{ row.weight | tojson }},
        "declared_value": "{{ row.note }}"}, {"description": "third"}],
      "customs": {"reason": "Gift", "items": [{"description": "Doll", "quantity": 3,
        "unit_value": {{ row.note | tojson }}, "origin_country": "China"},
          {"description": {{ row.city | tojson }}}]}
    }"""
    rows = [
        {**SHORT, "Note": note}
        for note in ("4.10", '{"amount": "4.10", "currency": "EUR"}', "{bad", None, "x" * 400)
    ]
    whole, by_row = both(orders, shop, template, rows)
    assert whole == by_row
    assert rendered(*orders(rows), shop, template) == [5]
    assert [len(row["parcels"]) for row in whole["shipments"]] == [3] * 5
    assert whole["shipments"][1]["customs"]["items"][0]["unit_value_cents"] == 410


def test_a_template_that_writes_what_a_shipment_has_not_is_refused_as_ever(orders, shop):
    for template in (
        '{"ship_to": {"adress_line1": {{ row.city | tojson }}}}',
        '{"service": ["ground"]}',
        '{"parcels": {"weight_lb": 1}}',
        "[1]",
        '{"description": {{ row.city | convert_weight("oz", "stone") | tojson }}}',
    ):
        whole, by_row = both(orders, shop, template, [SHORT])
        assert isinstance(whole, str)
        assert whole == by_row


def test_the_template_that_is_shown_for_columns_takes_their_way_to_the_same_plan(shared, shop):
    with sk.BatchSession(
        shared / "orders" / "superstore_shipments_5009.csv", shipper=shop
    ) as session:
        session.map(
            services={
                "Standard Class": "ground",
                "Second Class": "2nd_day_air",
                "First Class": "next_day_air",
            },
            defaults={"weight_lb": 2},
        )
        session.preview()
        digest, shown = session._planner.normalized().table, session.template
        session.map(template=shown)
        session.preview()
        assert session._planner.mapped().relation.name == "computed"
        assert session._planner.normalized().table.equals(digest)
        assert "orders_to_render" not in {
            name
            for (name,) in session._planner.con.execute(
                "SELECT view_name FROM duckdb_views()"
            ).fetchall()
        }
