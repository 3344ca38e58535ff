"""The planner keeps a stage until something before it changes, then drops what was made of it."""

from __future__ import annotations

import pytest

from shipkit.carriers.ups.service_level import SERVICES
from shipkit.errors import FilterError, InputError, MappingError, SourceError, TemplateError
from shipkit.plan.planner import Planner


def rows(*numbers):
    return [
        {
            "Order ID": f"A{number}",
            "Ref": f"R{(number + 1) // 2}",
            "Name": "Ada Lovelace",
            "Address 1": "12 Main St",
            "City": "Boston",
            "State": "MA",
            "Zip": "02134",
            "Weight (lb)": str(number),
            "Service": "Ground",
        }
        for number in numbers
    ]


TEMPLATE = '{"order_id": "{% for line in lines %}{{ line.order_id }}{% endfor %}"}'


@pytest.fixture
def planner(shop):
    made = Planner(shipper=shop, services=lambda: SERVICES)
    made.load(rows(1, 2, 3))
    yield made
    made.close()


def stored(planner):
    """Every table and view of the database, by schema."""
    found: dict[str, set[str]] = {}
    for schema, name in planner.con.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() "
        "UNION ALL SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal"
    ).fetchall():
        found.setdefault(schema, set()).add(name)
    return found


def stages(planner):
    """The stages that have tables, without the number that a schema gets while another is used."""
    names = [schema.rstrip("_0123456789") for schema in stored(planner)]
    assert len(names) == len(set(names)), f"two schemas of one stage: {sorted(stored(planner))}"
    return set(names)


def in_use(planner):
    """The schemas of the relations that the planner holds."""
    return {
        planner.loaded.lines.schema,
        planner.orders.orders.schema,
        planner.selected().relation.schema,
        planner.packed().relation.schema,
        planner.mapped().relation.schema,
    }


ALL = {"source", "orders", "selection", "packing", "mapping"}


def test_each_stage_has_a_schema_of_its_own_and_values_leave_none(planner):
    assert stages(planner) == {"source", "orders"}
    planner.selected()
    assert stages(planner) == {"source", "orders", "selection"}
    planner.normalized()
    assert stages(planner) == ALL
    assert in_use(planner) == set(stored(planner))


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (lambda p: p.load(rows(7, 8)), {"source", "orders"}),
        (lambda p: p.where(["weight_lb > 1"], {}), {"source", "orders", "selection"}),
        (lambda p: p.where([], {}), {"source", "orders", "selection"}),
        (lambda p: p.map(service="ground"), {"source", "orders", "selection"}),
        (lambda p: p.map(columns={"order_id": "Ref"}), {"source", "orders"}),
        (lambda p: p.ship_from(None), {"source", "orders", "selection"}),
    ],
    ids=["load", "where", "where()", "map", "map by another order number", "ship_from"],
)
def test_a_change_drops_what_was_made_of_it_and_nothing_else(planner, shop, change, left):
    for mapping in ({"template": TEMPLATE}, {"service": "ground"}):
        planner.load(rows(1, 2, 3))
        planner.ship_from(shop)
        planner.map(**mapping)
        planner.normalized()
        change(planner)
        assert stages(planner) == left
        if planner.shipper is not None:
            planner.normalized()
            assert stages(planner) == ALL
            assert in_use(planner) == set(stored(planner))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda p: p.load("nowhere.csv"), SourceError),
        (lambda p: p.load(rows(9), types={"Zip": "parsec"}), SourceError),
        (lambda p: p.load(rows(9), order_key="no such column"), SourceError),
        (lambda p: p.where(["nothing = 1"], {}), FilterError),
        (lambda p: p.map(columns={"order_id": "no such column"}), SourceError),
    ],
    ids=["no file", "a wrong type", "a wrong order key", "a wrong clause", "a wrong column"],
)
def test_a_change_that_fails_leaves_every_stage_as_it_was(planner, change, error):
    planner.where(["weight_lb < 3"], {})
    before = planner.normalized().table
    held, spec = stored(planner), planner.spec
    with pytest.raises(error):
        change(planner)
    assert stored(planner) == held
    assert planner.spec is spec
    assert planner.normalized().table is before
    assert planner.sample(5).column("order_id").to_pylist() == ["A1", "A2"]


def test_a_mapping_that_fails_leaves_no_half_of_itself(planner):
    planner.map(template='{"nothing": "here"}')
    for _ in range(2):
        with pytest.raises(TemplateError):
            planner.normalized()
        assert stages(planner) == {"source", "orders", "selection", "packing"}
    planner.map(skus=[{"sku": "X"}])
    with pytest.raises(MappingError):
        planner.normalized()
    assert stages(planner) == {"source", "orders", "selection"}


def test_before_anything_is_loaded_every_stage_says_so(shop):
    planner = Planner(shipper=shop, services=lambda: SERVICES)
    for ask in (planner.selected, planner.packed, planner.mapped, planner.normalized):
        with pytest.raises(InputError, match="No orders"):
            ask()
    assert stored(planner) == {}
    planner.close()
