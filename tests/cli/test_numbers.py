"""Options that are numbers: one that makes no sense is a usage error, wherever it was written."""

from __future__ import annotations

import argparse

import pytest

from shipkit.cli.commands import COMMANDS, actions_of, parser
from shipkit.cli.job_config import with_config
from shipkit.cli.session_options import limits

NO_NUMBER = ("x", "", "nan", "inf", "-inf", "1e999")
WRONG = {
    "--rows": ("-1", "1.5", "9" * 30, *NO_NUMBER),
    "--max-total": ("-1", "-0.01", "12 dollars", *NO_NUMBER),
    "--max-each": ("-5", *NO_NUMBER),
    "--max-shipments": ("-1", "2.5", *NO_NUMBER),
    "--price-drift": ("-0.1", "5", *NO_NUMBER),
    "--concurrency": ("0", "-3", "1.5", "9" * 30, *NO_NUMBER),
    "--rate-limit": ("0", "-1", "-0.0", *NO_NUMBER),
    "--every": ("0", "-2", "1e12", *NO_NUMBER),
    "--forget": ("0", "-1", "1.5", *NO_NUMBER),
    "--split": ("0", "-1", "0.5", *NO_NUMBER),
    "--older-than": ("soon", "-5d", "90", "d", "999999w", *NO_NUMBER),
}
NEEDED = {
    "run": ("orders.csv",),
    "preview": ("orders.csv",),
    "labels": ("job-x", "-o", "x.pdf"),
    "manifest": ("job-x",),
}


def numeric(command):
    return {
        option
        for action in actions_of(command)
        for option in action.option_strings
        if action.type is not None and option.startswith("--")
    }


WHERE = [(command, option) for command in COMMANDS for option in sorted(numeric(command))]


def test_every_option_that_takes_a_number_is_in_the_table_and_is_checked():
    assert {option for _, option in WHERE} == set(WRONG)
    unchecked = [
        (command, action.dest)
        for command in COMMANDS
        for action in actions_of(command)
        if action.metavar in {"N", "AMOUNT", "SECONDS", "FRACTION", "AGE"} and action.type is None
    ]
    assert unchecked == []


@pytest.mark.parametrize(("command", "option"), WHERE)
def test_a_number_that_makes_no_sense_is_a_usage_error_with_a_last_json_line(
    cli, orders, monkeypatch, command, option
):
    monkeypatch.chdir(orders.parent)
    for text in WRONG[option]:
        done = cli(command, *NEEDED.get(command, ()), f"{option}={text}", "--json")
        assert (done.code, done.last["exit"], done.last["code"]) == (1, 1, "usage"), text
        assert "Traceback" not in done.err
        assert option in done.err
    assert cli("jobs", "--json").last["jobs"] == 0


def test_the_error_names_the_allowed_numbers(cli):
    for words, said in (
        (("--rate-limit", "-1"), "must be greater than 0, not -1"),
        (("--concurrency", "-3"), "must be at least 1, not -3"),
        (("--concurrency", "many"), "'many' is not a whole number"),
        (("--max-total", "lots"), "write it like 500 or 500.00"),
        (("--price-drift", "5"), "0.05 for 5 %"),
    ):
        assert said in cli("run", "orders.csv", *words).err


def test_numbers_at_the_edge_are_taken(cli, orders, shipper):
    done = cli(
        "run",
        orders,
        "--shipper",
        shipper,
        *("--auto", "--max-total", "$1,000.00", "--max-each", "500", "--max-shipments", "3"),
        *("--price-drift", "0", "--concurrency", "1", "--rate-limit", "0.5e3", "--rows", "0"),
        "--json",
    )
    assert (done.code, done.last["shipped"]) == (0, 3)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("rate_limit = -1", "rate_limit: must be greater than 0, not -1"),
        ("concurrency = 0", "concurrency: must be at least 1, not 0"),
        ("concurrency = true", "concurrency: 'True' is not a whole number"),
        ('max_total = "many"', "max_total: 'many' is not an amount"),
        ("max_total = -5", "max_total: must not be negative"),
        ("every = 0", "every: must be greater than 0, not 0"),
        ("rows = [1]", "rows: '[1]' is not a whole number"),
        ('on_error = "stop"', "on_error: must be one of continue, halt, not 'stop'"),
        ('label_size = "4x5"', "label_size: must be one of 4x6, 4x8, not '4x5'"),
        ('yes = "perhaps"', "yes: must be true or false, not 'perhaps'"),
        ("labels = true", "labels: must be text, not True"),
    ],
)
def test_a_config_file_is_checked_like_the_command_line(cli, orders, shipper, line, said):
    config = orders.with_name("job.toml")
    config.write_text(f'file = "orders.csv"\nshipper = "{shipper}"\n{line}\n', encoding="utf-8")
    for command in ("run", "preview", "check"):
        done = cli(command, "--config", config, "--json")
        assert (done.code, done.last["exit"]) == (1, 1)
        assert said in done.err
        assert "Traceback" not in done.err


def test_a_number_that_was_typed_as_zero_wins_over_the_config_file(cli, orders, shipper):
    config = orders.with_name("job.toml")
    config.write_text(f'file = "orders.csv"\nshipper = "{shipper}"\nrows = 2\n', encoding="utf-8")
    assert "A-1" in cli("preview", "--config", config).out
    assert "A-1" not in cli("preview", "--config", config, "--rows", "0").out


@pytest.mark.parametrize("port", ["-1", "0", "65536", "http", "1.5"])
def test_the_mcp_server_refuses_a_port_that_is_none(cli, port):
    done = cli("mcp", "--http", "--port", port)
    assert done.code == 1
    assert "--port" in done.err
    assert "Traceback" not in done.err


def test_a_reader_used_as_an_option_type_keeps_its_sentence():
    from shipkit.common.number_options import amount, option_type

    with pytest.raises(argparse.ArgumentTypeError, match="must not be negative, but is -1"):
        option_type(amount)("-1")


def test_an_unexpected_failure_still_ends_with_a_code_and_a_last_line(
    cli, orders, shipper, monkeypatch
):
    from shipkit.session import BatchSession

    monkeypatch.setattr(BatchSession, "preview", lambda _: 1 / 0)
    done = cli("preview", orders, "--shipper", shipper, "--json")
    assert (done.code, done.last["exit"], done.last["code"]) == (5, 5, "unexpected")
    assert "Traceback" in done.err, "a defect is reported with its traceback"


def test_a_limit_that_is_typed_leaves_those_of_the_config_file(tmp_path):
    """A table of a file and words of the command line are one table."""
    file = tmp_path / "job.toml"
    file.write_text("[max_account]\nusps = 50.5\n", encoding="utf-8")
    args = parser().parse_args(["run", "o.csv", "--config", str(file), "--max-account", "ups=100"])
    assert limits(with_config(args))["per_account"] == {"usps": "50.5", "ups": "100"}
