"""check, template, preview, run: what they print, what they buy, and what they end with."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from shipkit.cli.commands import UsageError, parser
from shipkit.cli.option_rules import refuse_empty, refuse_ignored


def test_check_of_a_clean_file_ends_with_0_and_names_the_next_command(cli, orders):
    done = cli("check", orders)
    assert done.code == 0
    assert "No problems found." in done.out
    assert f"shipkit preview {orders}" in done.out


def test_check_lists_what_stops_rows_and_ends_with_2(cli, dirty):
    done = cli("check", dirty)
    assert done.code == 2
    assert "Cannot ship: 1 row" in done.out
    assert "weight is missing" in done.out
    assert "--default weight_lb=2" in done.out, "the advice is in the command line's words"


def test_check_needs_no_shipper_and_writes_the_problems_where_asked(cli, dirty, tmp_path):
    cli("check", dirty, "-o", tmp_path / "problems.csv")
    assert pd.read_csv(tmp_path / "problems.csv")["row_number"].tolist() == [4]


def test_template_written_by_the_template_command_prices_the_same(cli, orders, shipper, tmp_path):
    assert cli("template", orders, "-o", tmp_path / "ship.j2").code == 0
    by_columns = cli("preview", orders, "--shipper", shipper, "--json").last
    by_template = cli(
        "preview", orders, "--shipper", shipper, "--template", tmp_path / "ship.j2", "--json"
    ).last
    assert by_columns["total"] == by_template["total"]
    assert by_template["shipments"] == 3


def test_preview_prices_every_row_and_buys_nothing(cli, orders, shipper):
    done = cli("preview", orders, "--shipper", shipper)
    assert done.code == 0
    assert "A-1" in done.out
    assert "Total" in done.out
    assert cli("jobs", "--json").last["jobs"] == 0


def test_preview_of_a_file_with_problem_rows_still_ends_with_0(cli, dirty, shipper):
    done = cli("preview", dirty, "--shipper", shipper, "--json")
    assert done.code == 0
    assert (done.last["shipments"], done.last["problems"]) == (3, 1)


def test_preview_names_the_run_command_with_the_same_options(cli, orders, shipper):
    done = cli("preview", orders, "--shipper", shipper, "--where", "state = 'TX'", "--json")
    words = shlex.split(done.last["next"])
    assert words[:3] == ["shipkit", "run", str(orders)]
    assert words[words.index("--where") + 1] == "state = 'TX'"


def test_the_named_next_command_runs(cli, orders, shipper):
    following = shlex.split(cli("preview", orders, "--shipper", shipper, "--json").last["next"])
    done = cli(*following[1:], "--yes", "--max-total", "500")
    assert done.code == 0


def test_run_without_a_terminal_ends_with_3_and_the_command_that_approves(cli, orders, shipper):
    done = cli("run", orders, "--shipper", shipper, "--json")
    assert done.code == 3
    assert done.last["next"].startswith("shipkit approve pv_")
    assert cli("jobs", "--json").last["jobs"] == 0


def test_run_with_yes_buys_and_a_second_run_buys_nothing(cli, orders, shipper):
    words = ("run", orders, "--shipper", shipper, "--yes", "--max-total", "500", "--json")
    first, second = cli(*words), cli(*words)
    assert (first.code, second.code) == (0, 0)
    assert first.last["shipped"] == second.last["shipped"] == 3
    assert first.last["job_id"] == second.last["job_id"]
    assert first.last["total"] == second.last["total"]
    assert cli("jobs", "--json").last["jobs"] == 1


def test_run_with_auto_buys_without_an_approval(cli, orders, shipper):
    done = cli("run", orders, "--shipper", shipper, "--auto", "--max-total", "500", "--json")
    assert (done.code, done.last["shipped"]) == (0, 3)


def test_run_with_a_problem_row_buys_the_others_and_ends_with_2(cli, dirty, shipper, tmp_path):
    done = cli(
        "run",
        dirty,
        "--shipper",
        shipper,
        "--yes",
        "--max-total",
        "500",
        "--failed",
        tmp_path / "failed.csv",
    )
    assert done.code == 2
    failed = pd.read_csv(tmp_path / "failed.csv")
    assert failed["order_id"].tolist() == ["A-4"]
    assert list(failed.columns) == [*pd.read_csv(dirty).columns, "problem", "fix"], (
        "the file's own columns, to correct and run again"
    )
    assert "weight" in failed["problem"][0]


def test_the_corrected_failed_rows_buy_only_themselves(cli, dirty, shipper, tmp_path):
    cli(
        "run",
        dirty,
        "--shipper",
        shipper,
        "--yes",
        "--max-total",
        "500",
        "--failed",
        tmp_path / "failed.csv",
    )
    done = cli(
        "run",
        tmp_path / "failed.csv",
        "--shipper",
        shipper,
        "--default",
        "weight_lb=2",
        "--yes",
        "--max-total",
        "500",
        "--json",
    )
    assert (done.code, done.last["shipped"]) == (0, 1)


def test_run_of_orders_that_were_shipped_before_ends_with_0_and_buys_nothing(
    cli, orders, shipper, bought, tmp_path
):
    again = tmp_path / "again.csv"
    again.write_text(orders.read_text().replace("2.5", "2.6"), encoding="utf-8")
    done = cli("run", again, "--shipper", shipper, "--yes", "--max-total", "500", "--json")
    assert done.code == 0
    assert done.last["job_id"] is None
    assert cli("jobs", "--json").last["jobs"] == 1


def test_run_over_its_limit_ends_with_3_and_buys_nothing(cli, orders, shipper):
    done = cli("run", orders, "--shipper", shipper, "--yes", "--max-total", "1")
    assert done.code == 3
    assert "limit is $1.00" in done.err
    assert cli("jobs", "--json").last["jobs"] == 0


def test_a_filter_that_matches_nothing_is_reported_and_exits_with_0(cli, orders, shipper):
    done = cli(
        "run",
        orders,
        "--shipper",
        shipper,
        "--where",
        "state = 'Texas'",
        "--yes",
        "--max-total",
        "5",
    )
    assert done.code == 0
    assert "0 of 3 orders" in done.out
    assert "'TX'" in done.out, "it tells what the column commonly holds"


def test_values_in_where_are_bound(cli, orders, shipper):
    done = cli(
        "preview",
        orders,
        "--shipper",
        shipper,
        "--where",
        "state IN $states AND weight_lb < $most",
        "--param",
        'states:=["TX", "MA"]',
        "--param",
        "most:=2",
        "--json",
    )
    assert done.last["shipments"] == 1


def test_dry_run_names_the_real_command_and_buys_nothing(cli, orders, shipper):
    done = cli(
        "run", orders, "--shipper", shipper, "--auto", "--max-total", "500", "--dry-run", "--json"
    )
    assert done.code == 0
    assert cli("jobs", "--json").last["jobs"] == 0
    assert "--dry-run" not in done.last["next"]


def test_dry_run_over_the_limit_is_refused(cli, orders, shipper):
    assert (
        cli("run", orders, "--shipper", shipper, "--auto", "--max-total", "1", "--dry-run").code
        == 3
    )


def test_run_saves_labels_and_tracking_numbers(cli, orders, shipper, tmp_path):
    done = cli(
        "run",
        orders,
        "--shipper",
        shipper,
        "--yes",
        "--max-total",
        "500",
        "--labels",
        tmp_path / "l.pdf",
        "--write-back",
        tmp_path / "back.csv",
    )
    assert done.code == 0
    assert (tmp_path / "l.pdf").read_bytes().startswith(b"%PDF")
    assert pd.read_csv(tmp_path / "back.csv")["tracking_number"].str.startswith("SANDBOX").all()


def test_a_job_name_with_another_plan_is_refused(cli, orders, shipper, bought):
    done = cli(
        "run",
        orders,
        "--shipper",
        shipper,
        "--service",
        "next_day_air",
        "--on-duplicate",
        "ship",
        "--name",
        "morning",
        "--yes",
        "--max-total",
        "900",
    )
    assert done.code == 1
    assert "job_exists" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "x.csv", "--yes"), "--max-total"),
        (("run", "x.csv", "--auto"), "--max-total"),
        (("run", "x.csv", "--auto", "--yes", "--max-total", "5"), "cannot be combined"),
        (("preview", "missing.csv"), "does not exist"),
        (("preview",), "No FILE was given"),
        (("rum",), "Did you mean: shipkit run"),
        (("labels", "job-x"), "required"),
        (("show", "job-x"), "No job job-x"),
        (("approve", "pv_nothing"), "There is no preview"),
        (("prune", "--older-than", "soon"), "not an age"),
        (
            ("run", "x.csv", "--param", "novalue", "--where", "a", "--yes", "--max-total", "5"),
            "NAME=VALUE",
        ),
        (("void", "job-x"), "required"),
    ],
)
def test_what_cannot_be_used_ends_with_1_in_short_lines_and_no_traceback(
    cli, orders, words, said, monkeypatch
):
    monkeypatch.chdir(orders.parent)
    Path("x.csv").write_text(orders.read_text(), encoding="utf-8")
    done = cli(*words)
    assert done.code == 1
    assert said in done.err
    assert "Traceback" not in done.err
    assert done.err.startswith("Error: ")
    assert done.err.splitlines()[-1].startswith("Code:  ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["void", "job-x", "--where", ""], "--where has an empty value"),
        (["void", "job-x", "--where="], "--where has an empty value"),
        (["pickup", "job-x", "--cancel", ""], "--cancel has an empty value"),
        (["pickup", "job-x", "--forget", ""], "--forget has an empty value"),
        (["pickup", "job-x", "--look-up="], "--look-up has an empty value"),
        (["run", "a.csv", "--name", ""], "--name has an empty value"),
        (["run", "a.csv", "--write-back", ""], "--write-back has an empty value"),
        (["labels", "job-x", "-o", ""], "-o has an empty value"),
        (["labels", "", "-o", "a.pdf"], "one of the words is empty"),
        (["run", "a.csv", "--param", "a=", "--where", "b ="], None),
        (["run", "a.csv", "--where=b =", "--write-back"], None),
        (["pickup", "job-x", "--instructions", "", "--look-up"], None),
    ],
)
def test_an_empty_value_is_refused_and_never_taken_as_left_out(words, said):
    parser().parse_args(words)  # argparse takes them all
    if said is None:
        refuse_empty(words)
        return
    with pytest.raises(UsageError, match=re.escape(said)):
        refuse_empty(words)


def test_an_empty_value_in_a_config_file_is_refused(cli, orders, shipper, tmp_path):
    (tmp_path / "job.toml").write_text('file = "orders.csv"\nname = ""\nwrite_back = ""')
    done = cli("preview", "--config", tmp_path / "job.toml", "--shipper", shipper)
    assert (done.code, "name: is empty" in done.err) == (1, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("pickup J --cancel N --day 2026-12-01", "--day: only for a new pickup, not with --cancel"),
        ("pickup J --forget --ready 09:00 --place office", "--ready, --place: only for a new"),
        ("pickup J --list --max-total 0", "--max-total: only for a new pickup, not with --list"),
        ("pickup J --max-total 7", "--max-total: only with --book"),
        ("pickup J --book --max-total 7 --day 2026-12-01", None),
        ("resume J --max-total 7", "--max-total: only with --yes"),
        ("show pv_1 --failed a.csv", "--failed: only for a job, not for a preview"),
        ("run a.csv --once", "--once: only with --watch"),
        ("run --watch in --once --every 5", None),
        ("run --watch in --labels a.pdf -o b.csv", "--output, --labels: --watch names the output"),
        ("preview a.csv --param a=1", "--param: only with --where"),
        ("preview a.csv --param a=1 --where a=$a", None),
    ],
)
def test_an_option_that_the_command_would_not_read_is_refused(words, said):
    args = parser().parse_args(words.split())
    if said is None:
        refuse_ignored(args)
        return
    with pytest.raises(UsageError, match=re.escape(said)):
        refuse_ignored(args)


def test_an_error_is_a_json_line_too(cli):
    done = cli("preview", "missing.csv", "--json")
    assert [line["event"] for line in done.lines] == ["error", "end"]
    assert done.last["exit"] == done.code == 1


def test_json_output_is_json_from_the_first_line_to_the_last(cli, dirty, shipper):
    done = cli("run", dirty, "--shipper", shipper, "--yes", "--max-total", "500", "--json")
    events = {line["event"] for line in done.lines}
    assert {"row", "problem", "preview", "result", "end"} <= events
    assert done.last["exit"] == done.code == 2
    assert isinstance(done.last["total"], str), "amounts are decimal text"


def test_a_name_with_terminal_codes_is_printed_harmlessly(cli, shipper, tmp_path):
    path = tmp_path / "evil.csv"
    path.write_text(
        "order_id,name,address1,city,state,zip,weight_lb,service\n1,\x1b]0;owned\x07\x1b[31mEve,1 "
        "Inkwell Row,Austin,TX,78704,1,ground\n",
        encoding="utf-8",
    )
    done = cli("preview", path, "--shipper", shipper)
    assert "Eve" in done.out
    assert "\x1b" not in done.out + done.err


def test_the_shipper_can_be_a_name_in_the_config_file(cli, orders, home, shop, tmp_path):
    fields = "\n".join(
        f'{key} = "{value}"' for key, value in shop.model_dump(exclude_none=True).items()
    )
    (tmp_path / "config.toml").write_text(f"[shippers.harbor]\n{fields}\n", encoding="utf-8")
    assert cli("preview", orders, "--shipper", "harbor").code == 0
    assert cli("preview", orders, "--shipper", "nobody").code == 1
