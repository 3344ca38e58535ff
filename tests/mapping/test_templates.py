"""Shipment templates: what they see, what they may do, and what stops them."""

from __future__ import annotations

import datetime as dt
import json
import time
from functools import partial

import pytest
from stagekit import relations

from shipkit.carriers.ups.service_level import SERVICES
from shipkit.errors import TemplateError
from shipkit.orders import mapping
from shipkit.orders.mapping import map_rows
from shipkit.orders.normalize import normalize
from shipkit.orders.validate import check

MappingSpec = partial(mapping.MappingSpec, offered=SERVICES)

ORDER = {
    "Order ID": "A1",
    "Ship Name": 'Ada "the first" Lovelace',
    "Ship City": "Boston",
    "Address 1": "12 Main St",
    "State": "MA",
    "Zip": "2134",
    "Weight": "2",
    "items": "3",
    "qty": 4.5,
}
WHOLE = """{
  "order_id": {{ row.order_id | tojson }},
  "ship_to": {"name": "{{ row.ship_name }}", "address_line1": {{ row["Address 1"] | tojson }},
    "city": {{ row["Ship City"] | tojson }}, "state": {{ row.state | tojson }},
              "postal_code": "{{ row.zip | format_us_zip }}"},
  "service": "ground",
  "parcels": [{"weight_lb": {{ row.weight }}}]
}"""


def made(orders, shop, template, rows=(ORDER,), **spec):
    con, columns = orders(list(rows))
    mapped = map_rows(con, columns, MappingSpec(template=template, **spec), shop, *relations(con))
    table, problems, _ = normalize(con, mapped)
    return table.to_pylist(), problems.to_pylist()


def value(orders, shop, expression, rows=(ORDER,), lines=(), **variables):
    """What an expression writes, read back through the field `description`."""
    con, columns = orders([{**row, **variables} for row in rows], lines)
    mapped = map_rows(
        con,
        columns,
        MappingSpec(template=f'{{"description": {expression}}}'),
        shop,
        *relations(con),
    )
    return con.execute(f"SELECT description FROM {mapped.relation.sql}").fetchall()[0][0]


def test_a_template_makes_the_shipment_that_it_describes(orders, shop):
    (row,), problems = made(orders, shop, WHOLE)
    assert problems == []
    assert (
        row["name"],
        row["city"],
        row["postal_code"],
        row["service"],
        row["parcels"][0]["weight_lb"],
    ) == ('Ada "the first" Lovelace', "Boston", "02134", "ground", 2.0)


def test_columns_are_reached_by_key_and_by_heading_and_never_hide_behind_methods(orders, shop):
    assert (
        value(
            orders,
            shop,
            '"{{ row.items }}{{ row["items"] }}{{ row["Ship City"] }}{{ row.ship_city }}"',
        )
        == "33BostonBoston"
    )


def test_lines_of_an_order_and_the_shipper_are_variables(orders, shop):
    lines = [
        {
            "order_row": 1,
            "row_number": n,
            **{k.lower().replace(" ", "_"): v for k, v in ORDER.items()},
            "items": str(n),
            "qty": float(n),
        }
        for n in (1, 2)
    ]
    shown = (
        '"{% for line in lines %}{{ line.items }}x{{ line["qty"] }}{% if not loop.last %}, {% '
        'endif %}{% endfor %} {{ lines | sum(attribute="qty") }} {{ shipper.city }}"'
    )
    assert value(orders, shop, shown, lines=lines) == "1x1.0, 2x2.0 3.0 San Antonio"


def test_a_cell_can_never_add_a_field(orders, shop):
    evil = {
        **ORDER,
        "Ship Name": 'x", "service": "next_day_air", "order_id": "stolen',
        "Weight": '2}], "service": "next_day_air", "parcels": [{"weight_lb": 1',
    }
    (row, _), problems = made(orders, shop, WHOLE, [evil, ORDER])
    assert (row["service"], row["order_id"]) == (None, None)
    assert [p["row_number"] for p in problems if p["severity"] == "error"] == [1]
    assert value(orders, shop, '"{{ row.ship_name }}"', [evil]) == evil["Ship Name"]


def test_empty_cells_are_null_in_json_and_nothing_in_text(orders, shop):
    assert value(orders, shop, '"a{{ row.zip }}b"', Zip=None) == "ab"
    assert value(orders, shop, "{{ row.zip | tojson }}", Zip=None) is None


def test_more_parcels_origin_references_and_customs_can_be_written(orders, shop):
    template = """{
      "order_id": "A1", "service": "worldwide_saver", "description": "toys",
        "signature": "adult", "saturday_delivery": true,
      "ship_to": {"name": "Ada", "address_line1": "1 High St", "city": "London",
        "postal_code": "N1 9GU", "country": "England", "phone": "+44 20 7946 0958"},
      "ship_from": {"name": "Depot", "address_line1": "9 Dock Rd", "city": "Newark",
        "state": "New Jersey", "postal_code": "07102"},
      "parcels": [{"weight_lb": 1}, {"weight_lb": "8 oz", "length_in": 10, "width_in": 5,
        "height_in": 2, "declared_value": {"amount": "12.50", "currency": "USD"}}],
      "references": {"po": "4412", "n": {{ row.qty }}},
      "customs": {"reason": "Gift", "items": [{"description": "Doll",
        "quantity": {{ row.items }}, "unit_value": "$4.10", "origin_country": "China",
          "hs_code": "9503.00"}]}
    }"""
    (row,), problems = made(orders, shop, template)
    assert problems == []
    assert [
        (p["weight_lb"], p["length_in"], p["declared_value_cents"]) for p in row["parcels"]
    ] == [(1.0, None, None), (0.5, 10.0, 1250)]
    assert (
        row["country"],
        row["ship_from"]["state"],
        row["ship_from"]["country"],
        row["signature"],
        row["saturday_delivery"],
    ) == ("GB", "NJ", "US", "adult", True)
    assert row["references"] == [{"key": "po", "value": "4412"}, {"key": "n", "value": "4.5"}]
    assert row["customs"]["items"] == [
        {
            "description": "Doll",
            "quantity": 3,
            "unit_value_cents": 410,
            "unit_value_exact": None,
            "weight_lb": None,
            "sku": None,
            "hs_code": "9503.00",
            "origin_country": "CN",
        }
    ]
    assert row["customs"]["reason"] == "gift"


def test_an_amount_that_only_begins_like_an_object_is_a_problem_of_its_row(orders, shop):
    template = (
        '{"service": "ground", "parcels": [{"weight_lb": 1, "declared_value": "{{ row.zip }}"}], '
        '"customs": {"items": [{"unit_value": "{{ row.zip }}"}]}}'
    )
    (first, second), problems = made(
        orders,
        shop,
        template,
        [{**ORDER, "Zip": "{4"}, {**ORDER, "Zip": '{"amount": "4.50", "currency": "CAD"}'}],
    )
    assert [(p["row_number"], p["code"]) for p in problems] == [(1, "declared_value_unreadable")]
    assert [
        (
            row["parcels"][0]["declared_value_cents"],
            row["customs"]["items"][0]["unit_value_cents"],
            row["currency"],
        )
        for row in (first, second)
    ] == [(None, None, "USD"), (450, 450, "CAD")]


def test_no_parcels_is_no_parcel(orders, shop):
    template = '{"ship_to": {"name": "Ada"}, "parcels": []}'
    assert made(orders, shop, template)[0][0]["parcels"] == []


def test_service_defaults_and_translations_apply_over_a_template(orders, shop):
    template = (
        '{"service": "Slow", "ship_to": {"name": "{{ row.ship_name }}"}, "parcels": '
        '[{"weight_lb": ""}]}'
    )
    (row,), _ = made(orders, shop, template, services={"slow": "ground"}, defaults={"weight_lb": 3})
    assert (row["service"], row["parcels"][0]["weight_lb"]) == ("ground", 3.0)
    (row,), _ = made(orders, shop, template, service="2nd day air")
    assert row["service"] == "2nd_day_air"


REFUSED = [
    ("{{ 'x' * 100000000 }}", "characters"),
    ("{{ row.zip * 100000000 }}", "characters"),
    ("{{ [1] * 100000000 }}", "elements"),
    ("{% for i in range(100000) %}x{% endfor %}", "range"),
    ("{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}", "steps"),
    ("{% for i in range(9999) %}" + "x" * 200 + "{% endfor %}", "writes more than"),
    (
        (
            "{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x "
            "%}{% endfor %}"
        ),
        "characters",
    ),
    (
        (
            "{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x "
            "%}{% endfor %}"
        ),
        "characters",
    ),
    (
        (
            "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] "
            "%}{% endfor %}{{ ns.x | tojson }}"
        ),
        "elements",
    ),
    (
        (
            "{% set ns = namespace(x={'a': 1}) %}{% for i in range(99) %}{% set ns.x = {'a': "
            "ns.x, 'b': ns.x} %}{% endfor %}"
        ),
        "elements",
    ),
    (
        (
            "{% set ns = namespace(x=99) %}{% for i in range(99) %}{% set ns.x = ns.x * ns.x %}{% "
            "endfor %}"
        ),
        "number",
    ),
    ("{{ 9 ** 999999 }}", "power"),
    ("{{ '%999999999d' % 1 }}", "format"),
    ("{{ '%999999999d' | format(1) }}", "format"),
    ("{{ 'a'.replace('a', 'b' * 60000).replace('b', 'c' * 60000) }}", "characters"),
    ("{{ 'a' | replace('', 'b' * 60000) | replace('b', 'c' * 60000) }}", "characters"),
    ("{{ 'a'.ljust(999999999) }}", "characters"),
    ("{{ ('a' * 60000).join(['b', 'c', 'd']) }}", "characters"),
    ("{{ '{:>999999999}'.format(1) }}", "unsafe"),
    ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "unsafe"),
    ("{{ namespace.__init__.__globals__ }}", "unsafe"),
    ("{{ [1].append(2) }}", "unsafe"),
    ("{{ range.__class__ }}", "unsafe"),
    ("{{ row.zip.encode() }}", "unsafe"),
]


@pytest.mark.parametrize(
    ("template", "said"), REFUSED, ids=[template[:40] for template, _ in REFUSED]
)
def test_a_template_that_runs_away_or_reaches_out_is_refused_at_once_with_its_row(
    orders, shop, template, said
):
    began = time.process_time()
    with pytest.raises(TemplateError) as caught:
        made(orders, shop, template)
    assert said in str(caught.value)
    assert "Row 1" in str(caught.value)
    assert "template line 1" in str(caught.value) or "characters for one row" in str(caught.value)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (
            '{"a": {{ row.ship_citty | tojson }}}',
            "line 1: there is no column 'ship_citty'; did you mean ship_city?",
        ),
        (
            '{\n"a": {{ row["Ship Citty"] | tojson }}}',
            "line 2: there is no column 'Ship Citty'; did you mean Ship City?",
        ),
        ("{{ row.__class__ }}", "there is no column '__class__'"),
        ("{{ zip }}", "did you mean row.zip?"),
        ("{{ lipsum() }}", "there is no variable 'lipsum'"),
        ("{{ cycler.__init__.__globals__ }}", "there is no variable 'cycler'"),
        ("{{ row.zip | format_us_zipp }}", "did you mean format_us_zip?"),
        ("{{ row.zip is evn }}", "there is no test 'evn'"),
        ("{{ row.zip", "line 1: unexpected end of template"),
        ("{% if row.zip %}\n{{ row.zip }}", "line 2"),
        ("{% include 'other' %}", "'include' is not available"),
        ("{% import 'os' as os %}", "'import' is not available"),
        ("{% extends 'x' %}", "'extends' is not available"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "'macro' is not available"),
        ("{% set x %}{{ row.zip }}{% endset %}", "'set block' is not available"),
        (
            "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}",
            "'recursive loop' is not available",
        ),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "nested too deeply"),
        ("x" * 300_000, "300,000 characters"),
        ("{{ row.zip | attr('__class__') }}", "there is no filter 'attr'"),
        ("{{ budget_ }}", "'budget_' is not available"),
    ],
)
def test_a_template_that_cannot_work_is_refused_before_any_row(orders, shop, template, said):
    with pytest.raises(TemplateError) as caught:
        made(orders, shop, template)
    assert said in str(caught.value)


def test_a_column_that_may_be_absent_can_be_guarded(orders, shop):
    assert (
        value(
            orders,
            shop,
            '"{{ row.phone | default("none") }}{{ row.phone | default_value("x") }}{{ "yes" if '
            'row.phone is defined else "no" }}"',
        )
        == "nonexno"
    )


def test_an_error_in_one_row_is_that_rows_problem_and_the_others_go_on(orders, shop):
    rows = [ORDER, {**ORDER, "qty": 0.0}, ORDER]
    template = '{"order_id": "A",\n "description": "{{ 9 / row.qty }}"}'
    table, problems = made(orders, shop, template, rows)
    assert [row["description"] for row in table] == ["2.0", None, "2.0"]
    failed = [p for p in problems if p["code"] == "template_failed"]
    assert [(p["row_number"], p["field"], p["severity"]) for p in failed] == [(2, None, "error")]
    [problem] = (p["problem"] for p in failed)
    assert problem.startswith("template line 2: ")
    assert problem.endswith("division by zero")  # Python 3.14 leaves out "float"


def test_nothing_else_is_said_of_a_row_whose_template_failed(orders, shop):
    con, columns = orders([ORDER, {**ORDER, "qty": 0.0}])
    table, problems, _ = normalize(
        con,
        map_rows(
            con,
            columns,
            MappingSpec(template='{"description": "{{ 9 / row.qty }}"}'),
            shop,
            *relations(con),
        ),
    )
    found = check(con, table, shop, SERVICES, known=problems)
    assert set(found.column("row_number").to_pylist()) == {1}


def test_a_date_that_python_does_not_have_is_a_problem_of_its_row(orders, shop):
    con, columns = orders([{"Sent": dt.date(2026, 11, 2)}, {"Sent": dt.date(2026, 11, 3)}])
    con.execute("UPDATE selected SET sent = DATE '0000-01-01' WHERE row_number = 2")
    template = '{"description": "{% if row.sent %}{{ row.sent }}{% endif %}"}'
    for text in (template, '{"description": {{ row.sent | tojson }}}'):
        spec = MappingSpec(template=text)
        mapped = map_rows(con, columns, spec, shop, *relations(con))
        table, problems, _ = normalize(con, mapped)
        assert table.column("description").to_pylist() == ["2026-11-02", None]
        assert [(p["row_number"], p["problem"]) for p in problems.to_pylist()] == [
            (2, 'the date in "Sent" is not in the years 1 to 9999')
        ]


def test_json_that_cannot_be_read_names_row_and_place(orders, shop):
    template = '{"order_id": "A",\n "description": {{ row.ship_city }}}'
    rows = [{**ORDER, "Ship City": "7"}, ORDER]
    table, problems = made(orders, shop, template, rows)
    assert table[0]["description"] == "7"
    (failed,) = [p for p in problems if p["code"] == "template_json"]
    assert failed["row_number"] == 2
    assert "line 2, column 17 of its output" in failed["problem"]
    with pytest.raises(TemplateError, match=r"fails for every row\. Row 1: .* line 2"):
        made(orders, shop, template, [ORDER])


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (
            '{"ship_to": {"adress_line1": "x"}}',
            "Row 1: ship_to has no field 'adress_line1'; did you mean 'address_line1'?",
        ),
        ('{"shipto": {}}', "Row 1: a shipment has no field 'shipto'; did you mean 'ship_to'?"),
        ('{"ship_to": "Ada"}', "Row 1: ship_to must be an object"),
        ('{"parcels": {"weight_lb": 1}}', "Row 1: parcels must be a list"),
        ('{"service": ["ground"]}', "Row 1: service must be one value, not a list"),
        (
            '{"parcels": [{"weight": 1}]}',
            "Row 1: parcels[] has no field 'weight'; did you mean 'weight_lb'?",
        ),
        ("[1]", "not one JSON object"),
        ("", "does not write JSON"),
        ("{{ shipper.__class__ }}", "template line 1: there is no column '__class__'"),
        ("{{ row }}", "a row cannot be written as text"),
    ],
)
def test_what_a_shipment_does_not_have_is_refused_with_the_nearest_field(
    orders, shop, template, said
):
    with pytest.raises(TemplateError) as caught:
        made(orders, shop, template)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("expression", "written"),
    [
        ("{{ row.zip.zfill(5) | tojson }}", "02134"),
        ("{{ (row.ship_city | upper) ~ ', ' ~ row.state }}", "BOSTON, MA"),
        ("{{ row.qty * 2 }}", "9.0"),
        ("{{ {'a': 1}.get('b', row.zip) }}", "2134"),
        ("{% if row.qty > 3 %}big{% else %}small{% endif %}", "big"),
        ("{% set city = row.ship_city %}{{ city[:3] }}", "Bos"),
        ("{{ ['a', row.zip] | join('-') }}", "a-2134"),
        ("{{ row.ship_city.split('s') | first }}", "Bo"),
        ("{% set row = {'zip': 'set'} %}{{ row.zip }}", "set"),
        ("{{ '%05d' | format(row.items | int) }}", "00003"),
        ("{{ ('a\"b' | trim) if row.zip else '' }}", 'a"b'),
    ],
)
def test_ordinary_jinja_works(orders, shop, expression, written):
    con, columns = orders([ORDER])
    quoted = expression if expression.endswith("tojson }}") else f'"{expression}"'
    mapped = map_rows(
        con, columns, MappingSpec(template=f'{{"description": {quoted}}}'), shop, *relations(con)
    )
    assert con.execute(f"SELECT description FROM {mapped.relation.sql}").fetchall() == [(written,)]


def test_the_template_in_use_is_the_text_that_was_given(orders, shop):
    con, columns = orders([ORDER])
    assert (
        map_rows(con, columns, MappingSpec(template=WHOLE), shop, *relations(con)).template == WHOLE
    )


def test_shown_templates_are_readable_json(orders, shop):
    con, columns = orders([ORDER])
    shown = map_rows(
        con,
        columns,
        MappingSpec(service="ground", references={"po": "items"}),
        shop,
        *relations(con),
    ).template
    assert '"city": {{ row.ship_city | tojson }}' in shown
    import re

    assert set(json.loads(re.sub(r"\{\{.*?\}\}", "null", shown))) == {
        "order_id",
        "ship_to",
        "service",
        "parcels",
        "references",
    }


@pytest.mark.parametrize(
    "name", ["upper", "lower", "trim", "title", "capitalize", 'replace("a", "b")']
)
def test_an_empty_cell_stays_empty_through_the_filters_of_texts_and_never_becomes_the_word_none(
    orders, shop, name
):
    con, columns = orders([{"City": None}], [{"order_row": 1, "row_number": 1, "city": None}])
    mapped = map_rows(
        con,
        columns,
        MappingSpec(
            template=f'{{"description": {{{{ row.city | {name} | tojson }}}}, "order_id": "x{{{{ '
            f'row.city | {name} }}}}"}}'
        ),
        shop,
        *relations(con),
    )
    assert con.execute(f"SELECT description, order_id FROM {mapped.relation.sql}").fetchall() == [
        (None, "x")
    ]
