"""jobs, show, labels, void, write-back, resume, carriers: on a job that was bought."""

from __future__ import annotations

import contextlib
import json
import sqlite3

import pandas as pd
import pytest

from shipkit.settings import Settings


def test_jobs_lists_the_job_with_its_counts(cli, bought):
    done = cli("jobs")
    assert done.code == 0
    assert bought in done.out
    assert "morning" in done.out
    line = cli("jobs", "--json").lines[0]
    assert (line["job_id"], line["shipped"]) == (bought, 3)


def test_jobs_of_an_empty_home_are_none(cli, tmp_path):
    done = cli("jobs", "--home", tmp_path / "empty")
    assert (done.code, "No jobs in" in done.out) == (0, True)


def test_show_prints_the_status_of_a_job_by_id_or_name(cli, bought):
    by_id, by_name = cli("show", bought), cli("show", "morning")
    assert by_id.code == by_name.code == 0
    assert by_id.out == by_name.out
    assert "Shipped  3" in by_id.out


def test_show_saves_results_and_the_day_sheet(cli, bought, tmp_path):
    assert (
        cli(
            "show", bought, "--results", tmp_path / "r.parquet", "--report", tmp_path / "day.html"
        ).code
        == 0
    )
    assert pd.read_parquet(tmp_path / "r.parquet")["state"].tolist() == ["shipped"] * 3
    assert bought in (tmp_path / "day.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("ending", ["csv", "tsv", "xlsx"])
def test_results_are_saved_with_lists_as_text(cli, bought, tmp_path, ending):
    cli("void", bought, "--where", "order_id = 'A-1'")
    assert cli("show", bought, "--results", tmp_path / f"r.{ending}").code == 0
    if ending == "csv":
        assert pd.read_csv(tmp_path / "r.csv")["tracking_numbers"].str.startswith("SANDBOX").all()


def test_what_the_carrier_will_not_void_is_printed_with_its_words(cli, bought):
    forget_a_shipment()
    done = cli("void", bought, "--all")
    assert done.code == 2
    assert "Voided: 2; not voided: 1" in done.out
    assert "Not voided: 1 row" in done.out
    assert "The sandbox has no shipment" in done.out
    kept = [
        line for line in cli("void", bought, "--all", "--json").lines if "error_message" in line
    ]
    assert [line["state"] for line in kept] == ["shipped"]
    assert "The sandbox has no shipment" in kept[0]["error_message"]


def forget_a_shipment():
    """Take one shipment out of the carrier's books."""
    books = Settings.read().home / "sandbox" / "books.sqlite"
    with contextlib.closing(sqlite3.connect(books)) as con, con:
        con.execute("DELETE FROM purchases WHERE rowid = (SELECT min(rowid) FROM purchases)")


def test_a_table_of_an_unknown_format_is_refused(cli, bought, tmp_path):
    done = cli("show", bought, "--results", tmp_path / "r.docx")
    assert (done.code, "not a supported table format" in done.err) == (1, True)


def test_show_of_a_preview_prints_whether_it_is_approved(cli, orders, shipper):
    waiting = cli("run", orders, "--shipper", shipper, "--json").last["next"].split()[-1]
    done = cli("show", waiting, "--json")
    assert (done.code, done.last["approved"], done.last["shipments"]) == (0, False, 3)
    assert done.last["next"] == f"shipkit approve {waiting}"


def test_labels_are_saved_and_counted(cli, bought, tmp_path):
    done = cli("labels", bought, "-o", tmp_path / "labels.pdf", "--order-by=-weight_lb", "--json")
    assert (done.code, done.last["labels"]) == (0, 3)
    assert (tmp_path / "labels.pdf").read_bytes().startswith(b"%PDF")


def test_labels_one_for_each_shipment(cli, bought, tmp_path):
    assert cli("labels", bought, "-o", tmp_path / "each", "--per", "shipment").code == 0
    assert sorted(path.name for path in (tmp_path / "each").iterdir()) == [
        "00001_A-1.pdf",
        "00002_A-2.pdf",
        "00003_A-3.pdf",
    ]


def test_void_of_some_shipments_leaves_the_others(cli, bought):
    dry = cli("void", bought, "--where", "order_id = 'A-2'", "--dry-run", "--json")
    assert dry.last["would_void"] == 1
    done = cli("void", bought, "--where", "order_id = 'A-2'", "--json")
    assert (done.code, done.last["voided"]) == (0, 1)
    assert cli("show", bought, "--json").last["shipped"] == 2
    again = cli("void", bought, "--where", "order_id = 'A-2'", "--json")
    assert (again.code, again.last["not_voided"]) == (0, 0)


def test_write_back_writes_next_to_the_orders(cli, bought, orders):
    done = cli("write-back", bought)
    assert done.code == 0
    assert (
        pd.read_csv(orders.with_name("orders_shipped.csv"))["tracking_number"]
        .str.startswith("SANDBOX")
        .all()
    )


def test_write_back_in_place_of_a_sandbox_job_needs_the_test_numbers_to_be_allowed(
    cli, bought, orders
):
    before = orders.read_bytes()
    refused = cli("write-back", bought, "--in-place")
    assert (refused.code, orders.read_bytes()) == (1, before)
    assert "--allow-test-numbers" in refused.err
    assert cli("write-back", bought, "--in-place", "--allow-test-numbers").code == 0
    assert orders.read_bytes() != before


@pytest.mark.parametrize("words", [("--in-place", "--in-place"), ("--in-place", "--really")])
def test_the_ways_to_allow_test_numbers_of_the_first_release_still_work(cli, bought, orders, words):
    before = orders.read_bytes()
    assert cli("write-back", bought, *words).code == 0
    assert orders.read_bytes() != before


def test_a_confirmation_of_a_sandbox_job_needs_the_test_numbers_to_be_allowed(cli, bought, orders):
    refused = cli("write-back", bought, "--layout", "woocommerce")
    assert (refused.code, "--allow-test-numbers" in refused.err) == (1, True)
    done = cli("write-back", bought, "--layout", "woocommerce", "--allow-test-numbers", "--json")
    assert (done.code, done.last["files"], done.last["lines"], done.last["shipments"]) == (
        0,
        [str(orders.with_name("orders_woocommerce_confirmation_SAMPLE.csv"))],
        3,
        3,
    )
    assert any("MM-DD-YYYY" in note for note in done.last["notes"])
    assert pd.read_csv(done.last["files"][0])["order_id"].tolist() == ["A-1", "A-2", "A-3"]


def test_write_back_for_etsy_explains_what_to_do_instead(cli, bought):
    done = cli("write-back", bought, "--layout", "etsy", "--allow-test-numbers")
    assert (done.code, "Shop Manager" in done.err) == (1, True)


def test_write_back_to_a_changed_source_names_the_row(cli, bought, orders):
    orders.write_text(orders.read_text().replace("Bo Finch", "Bo Fitch"), encoding="utf-8")
    done = cli("write-back", bought)
    assert done.code == 1
    assert "row 2 differs" in done.err


def test_resume_with_nothing_interrupted_ends_with_0(cli, bought):
    done = cli("resume")
    assert (done.code, "nothing to resume" in done.out) == (0, True)


def test_resume_of_a_finished_job_returns_its_counts(cli, bought):
    done = cli("resume", bought, "--json")
    assert (done.code, done.last["shipped"], done.last["job_id"]) == (0, 3, bought)


def test_carriers_shows_what_is_missing_and_no_secret(cli, monkeypatch):
    monkeypatch.setenv("SHIPKIT_UPS_CLIENT_SECRET", "hunter2-very-secret")
    monkeypatch.setenv("SHIPKIT_UPS_ACCOUNT", "A1B2C3")
    done = cli("carriers")
    assert done.code == 0
    assert "SHIPKIT_UPS_CLIENT_ID" in done.out
    assert "...B2C3" in done.out
    assert "hunter2" not in done.out
    assert "A1B2C3" not in done.out


def test_an_address_or_a_secret_is_in_no_job_line(cli, bought):
    said = json.dumps(cli("jobs", "--json").lines + cli("show", bought, "--json").lines)
    assert "Marrow Creek" not in said
    assert "2105550100" not in said


def test_prune_lists_first_then_removes_addresses_and_keeps_the_books(cli, bought, tmp_path):
    assert cli("prune", "--older-than", "1d", "--json").last["pruned"] == 0, (
        "a young job is left alone"
    )
    assert cli("prune", "--older-than", "0h", "--dry-run", "--json").last["pruned"] == 1
    assert cli("labels", bought, "-o", tmp_path / "l.pdf").code == 0, "a dry run removed nothing"
    assert cli("prune", "--older-than", "0h", "--json").last["pruned"] == 1
    assert cli("show", bought, "--json").last["shipped"] == 3
    assert cli("labels", bought, "-o", tmp_path / "l.pdf").code == 1
    refused = cli("write-back", bought, "-o", tmp_path / "back.xlsx")
    assert refused.code == 1
    assert "no longer has its orders" in refused.err
