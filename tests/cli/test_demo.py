"""The demo: what README's first command shows."""

from __future__ import annotations

import re

import pandas as pd


def test_the_demo_buys_labels_once_and_lists_its_files(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = cli("demo"), cli("demo")
    assert (first.code, second.code) == (0, 0)
    assert "run before" not in first.out
    assert "nothing was bought again" in second.out
    folder = tmp_path / "shipkit-demo"
    for name in ("labels.pdf", "orders_shipped.csv", "failed.csv"):
        assert (folder / name).stat().st_size
        assert f"shipkit-demo/{name}" in first.out
    assert len(list((folder / "home" / "jobs").glob("job-*"))) == 1


def test_the_demo_never_uses_another_carrier(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHIPKIT_CARRIER", "ups")
    assert cli("demo", "--json").last["live"] is False


def test_the_demo_shows_each_kind_of_dirt(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = cli("demo").out
    for words in (
        "lost its leading zeros",
        "not in GA",
        "Pony Express",
        "weight is missing",
        "over 35 characters",
        "street is missing",
    ):
        assert words in said
    back = pd.read_csv(tmp_path / "shipkit-demo" / "orders_shipped.csv", dtype=str)
    lines = back[back["Order Number"] == "HG-4110"]
    assert len(lines) == 3
    assert len(set(lines["tracking_number"])) == 1, "all lines of an order get its number"
    assert lines["label_charge"].notna().tolist() == [True, False, False], (
        "and its charge stands once"
    )


def test_the_demo_compares_three_accounts_and_buys_nothing_more(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = cli("demo").out.partition("Compare three accounts")[2]
    counts = [
        int(re.search(rf"^{name} +(\d+) shipment", said, re.MULTILINE)[1])
        for name in ("sandbox", "sandbox_economy", "sandbox_express", "Together")
    ]
    assert all(counts)
    assert sum(counts[:3]) == counts[3]
    assert len(list((tmp_path / "shipkit-demo" / "home" / "jobs").glob("job-*"))) == 1


def test_the_demo_can_start_over(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cli("demo")
    (tmp_path / "shipkit-demo" / "mine.txt").write_text("keep")
    assert "run before" not in cli("demo", "--fresh").out
    assert (tmp_path / "shipkit-demo" / "mine.txt").read_text() == "keep"
