"""The judge of spoiled files notices every way in which a shipment can change."""

from __future__ import annotations

import random

import pytest

from shipkit.testing import KINDS, judged, spoiled


def test_a_file_that_is_not_spoiled_has_the_same_shipments(clean, tmp_path):
    verdict = judged(clean.file(), clean, tmp_path / "orders.csv")
    assert verdict.silent == ()
    assert verdict.refused is None
    assert verdict.waiting_untouched == 0


def test_another_value_is_noticed(clean, tmp_path):
    file = clean.file()
    file.rows[3][file.column("address_line1")] = "99 Other St"
    (found,) = judged(file, clean, tmp_path / "orders.csv").silent
    assert found == "SO-1003: address_line1 '13 Main St' became '99 Other St'"


def test_an_order_that_vanishes_is_noticed(clean, tmp_path):
    file = clean.file()
    del file.rows[5]
    (found,) = judged(file, clean, tmp_path / "orders.csv").silent
    assert found == "SO-1005: 0 shipments instead of 1"


def test_an_order_of_nowhere_is_noticed(clean, tmp_path):
    file = clean.file()
    file.rows.append(["X-1", *file.rows[0][1:3], "7 New St", *file.rows[0][4:]])
    assert judged(file, clean, tmp_path / "orders.csv").silent == (
        "X-1: not an order of the clean file",
    )


def test_a_spoiled_row_with_an_error_is_accepted_and_an_untouched_one_is_counted(clean, tmp_path):
    file = clean.file()
    for row in (2, 4):
        file.rows[row][file.column("postal_code")] = "unknown"
    file.expect("same", 2)
    verdict = judged(file, clean, tmp_path / "orders.csv")
    assert verdict.silent == ()
    assert verdict.waiting_untouched == 1


@pytest.mark.parametrize("outcome", ["warned", "obeyed"])
def test_what_should_be_warned_and_is_not_is_noticed(clean, tmp_path, outcome):
    file = clean.file()
    file.expect(outcome, 0)
    (found,) = judged(file, clean, tmp_path / "orders.csv").silent
    assert found.startswith("SO-1000: ")


def test_a_file_that_is_refused_is_not_silent(clean, tmp_path):
    file = clean.file()
    file.rows, file.headings = [], ["Order Number"]
    verdict = judged(file, clean, tmp_path / "orders.csv")
    assert verdict
    assert verdict.refused.startswith("SourceError: ")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_changes_the_file(clean, kind):
    texts = {clean.file().text().encode()}
    for seed in range(8):
        file = clean.file()
        KINDS[kind](file, random.Random(seed))
        texts.add(file.text().encode(file.encoding))
    assert len(texts) > 1


def test_the_same_seed_spoils_in_the_same_way(clean):
    assert spoiled(clean.file(), 7).text() == spoiled(clean.file(), 7).text()
    assert spoiled(clean.file(), 7).text() != spoiled(clean.file(), 8).text()
