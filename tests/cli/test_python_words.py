"""Advice that was written for Python, in the words of the command line."""

from __future__ import annotations

import inspect

import pytest

import shipkit as sk
from shipkit.cli.advice import for_command_line
from shipkit.cli.commands import COMMANDS, actions_of
from shipkit.cli.python_words import _CALLS


@pytest.mark.parametrize(
    ("python", "words"),
    [
        ('map(ignore=["Gift"])', '--ignore "Gift"'),
        ('map(ignore=["Gift", "Note (old)"])', '--ignore "Gift" --ignore "Note (old)"'),
        ("map(ignore=['Say \"hi\"'])", "--ignore 'Say \"hi\"'"),
        ("map(ignore=[...])", "--ignore HEADING"),
        ("map(ignore=['Cost $'])", "--ignore 'Cost $'"),
        ('map(columns={"name": "A", "company": "B"})', '--column name="A" --column company="B"'),
        ("map(columns={...})", "--column FIELD=HEADING"),
        ('map(columns={"name": ...})', '--column name="HEADING"'),
        ('map(columns={"sku": "Item"}, skus=...)', '--column sku="Item" --skus FILE'),
        ('map(services={"2 Day": "2nd_day_air"})', '--map-service "2 Day=2nd_day_air"'),
        ('map(service="ground")', "--service ground"),
        ("map(service=...)", "--service NAME"),
        ('map(defaults={"weight_lb": 2})', "--default weight_lb=2"),
        ('session.map(weights="line")', "--weights line"),
        ('map(parcels="each") or map(parcels="shared")', "--parcels each or --parcels shared"),
        ("map(each_row=True)", "--each-row"),
        ("map(ship_date=...)", "--ship-date YYYY-MM-DD"),
        (
            'map(warehouses={"X": sk.Address(...)}), a section [shippers.X]',
            "a section [shippers.X]",
        ),
        ('load(..., hidden="rows")', "--hidden rows"),
        ('load(..., sheet="May (2)")', '--sheet "May (2)"'),
        ("load(types={...: '%d/%m/%Y'})", '--type COLUMN="%d/%m/%Y"'),
        ("leave them out with where(...)", "leave them out with --where SQL"),
        ("where('day >= $since', since=...)", "--where 'day >= $since' --param since=VALUE"),
        ("where(\"state = 'CA'\")", "--where \"state = 'CA'\""),
        ("write_back('o_shipped.csv')", "shipkit write-back JOB -o o_shipped.csv"),
        (
            'write_back(layout="amazon", allow_test_numbers=True)',
            "shipkit write-back JOB --layout amazon --allow-test-numbers",
        ),
        ("void(all=True)", "shipkit void JOB --all"),
        ('labels.save("out", per="parcel")', "shipkit labels JOB -o out --per parcel"),
        ('session.skip("row_number = 3")', '--skip "row_number = 3"'),
        ('map(residential="unknown is home")', '--residential "unknown is home"'),
        ('map(warehouses={"NJ": "newark"})', '--warehouse "NJ=newark"'),
        (
            'session.edit("state = \'NJ\'", service="ground", warehouse=None)',
            (
                "--edit \"service=ground where state = 'NJ'\" "
                "--edit \"warehouse:=null where state = 'NJ'\""
            ),
        ),
        (
            "session.edit(clause, city=..., zip=...)",
            '--edit "city=VALUE where SQL" --edit "zip=VALUE where SQL"',
        ),
        ("Correct it, or with session.edit().", "Correct it, or with --edit CHANGE."),
        (
            "Pass shipper=sk.Address(...), a dict of its fields, or the name of one in it.",
            "Pass --shipper with a JSON or TOML file of its fields, or with the name of one in it.",
        ),
        ("See session.describe() for the values.", "See shipkit check FILE for the values."),
        ("leave it out: session.skip(clause).", "leave it out: --skip SQL."),
        ("session.shop() lists what goes there", "in Python, session.shop() lists what goes there"),
        ("Void it: session.void_surplus().", "Void it: in Python, void_surplus()."),
        ('carriers=["usps", "ups"]', "--carrier usps --carrier ups"),
        ("or leave it out of carriers=.", "or leave out its --carrier."),
        (
            'Give ready= before close=, as in ready="09:00", close="17:00".',
            "Give --ready before --close, as in --ready 09:00 --close 17:00.",
        ),
        ('Use bill_to="receiver" with it.', "Use --default bill_to=receiver with it."),
        ("Filter further, or raise per_account.", "Filter further, or raise --max-account."),
        (
            'session.resume(confirm_total="9.10").',
            "shipkit resume JOB, which asks at a terminal for 9.10.",
        ),
        # What has no option stays: half of a call would be wrong.
        ("load(..., layout=False)", "load(..., layout=False)"),
        ("card.save(...)", "card.save(...)"),
        ("where() alone means all", "where() alone means all"),
    ],
)
def test_a_call_is_the_options_that_mean_it(python, words):
    assert for_command_line(python) == words


def test_every_option_that_is_advised_exists():
    known = {
        option
        for command in COMMANDS
        if command != "mcp"
        for action in actions_of(command)
        for option in action.option_strings
    }
    for _, by_place, options in _CALLS.values():
        for option in (by_place, *options.values()):
            assert option == "FILE" or option.split(" ")[0] in known, option


def test_every_setting_of_a_mapping_has_its_option():
    settings = set(inspect.signature(sk.BatchSession.map).parameters) - {"self", "template"}
    assert settings == set(_CALLS["map"][2])
