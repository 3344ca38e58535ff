"""What write-back refuses, and what is left when it cannot finish."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from shipkit.common.files import Disk
from shipkit.common.lock import held
from shipkit.errors import CheckpointLocked, InputError, SourceChanged, WriteBackError

FRAME = pd.DataFrame(
    {
        "order_id": ["A-1", "A-2", "A-3"],
        "name": ["Ada Lee", "Bo Finch", "Cy Marsh"],
        "address1": ["12 Marrow Creek Rd", "9 Wrenhatch Ave", "77 Inkwell Row"],
        "city": ["Austin", "Boston", "Seattle"],
        "state": ["TX", "MA", "WA"],
        "zip": ["78704", "02134", "98103"],
        "weight_lb": [2.5, 1.0, 4.0],
    }
)


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "orders.csv"
    FRAME.to_csv(made, index=False)
    return made


def test_a_changed_source_is_refused_naming_the_rows(buy, path):
    session = buy(path)
    FRAME.assign(name=["Ada Lee", "Bo Fitch", "Cy Marsh"]).to_csv(path, index=False)
    with pytest.raises(SourceChanged, match="row 2 differs"):
        session.write_back()
    pd.concat([FRAME, FRAME]).to_csv(path, index=False)
    with pytest.raises(SourceChanged, match="it has 6 rows now and had 3"):
        session.write_back()
    assert not path.with_name("orders_shipped.csv").exists()


def test_a_source_that_was_saved_again_or_is_missing_is_refused_with_the_reason(buy, path):
    session = buy(path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    with pytest.raises(SourceChanged, match="its cells are the same"):
        session.write_back()
    path.unlink()
    with pytest.raises(SourceChanged, match="is missing"):
        session.write_back()


def test_in_place_of_a_sandbox_job_must_be_allowed_and_keeps_a_backup(buy, path):
    session, before = buy(path), path.read_bytes()
    with pytest.raises(WriteBackError, match="not real"):
        session.write_back(in_place=True)
    assert path.read_bytes() == before
    assert session.write_back(in_place=True, allow_test_numbers=True) == path
    assert pd.read_csv(path)["tracking_number"].str.startswith("SANDBOX").all()
    assert path.with_name(f"orders.csv.before-{session.job_id}").read_bytes() == before


def test_the_source_is_never_the_destination_by_accident(buy, path):
    session, before = buy(path), path.read_bytes()
    with pytest.raises(WriteBackError, match="orders file itself"):
        session.write_back(path)
    with pytest.raises(InputError, match="cannot be combined"):
        session.write_back(path.with_name("x.csv"), in_place=True)
    assert path.read_bytes() == before


def test_a_failure_leaves_the_old_file_and_no_temporary_one(buy, path, tmp_path):
    session = buy(path)
    done = session.write_back()
    good = done.read_bytes()
    with pytest.raises(InputError, match="'tracking' is not a result column"):
        session.write_back(columns={"tracking": "Tracking"})
    with pytest.raises(WriteBackError, match="cannot be written"):
        session.write_back(tmp_path / "no" / "such" / "folder.csv")
    assert done.read_bytes() == good
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == [
        "orders.csv",
        "orders_shipped.csv",
    ]


def test_a_link_is_followed_and_stays_a_link(buy, path, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    real = tmp_path / "elsewhere" / "shipped.csv"
    real.write_text("old")
    link = tmp_path / "link.csv"
    link.symlink_to(real)
    assert buy(path).write_back(link) == link
    assert link.is_symlink()
    assert "SANDBOX" in real.read_text()


def test_the_backup_is_on_disk_before_the_orders_are_replaced(buy, path, monkeypatch):
    session, before = buy(path), path.read_bytes()
    done: list[tuple[str, str]] = []
    for name in ("sync", "rename", "sync_folder"):
        operation = getattr(Disk, name)

        def noted(disk, *paths, name=name, operation=operation):
            done.append((name, paths[-1].name))
            operation(disk, *paths)

        monkeypatch.setattr(Disk, name, noted)
    session.write_back(in_place=True, allow_test_numbers=True)
    backup = f"orders.csv.before-{session.job_id}"
    assert path.with_name(backup).read_bytes() == before
    order = [done.index(step) for step in [("sync", backup), ("rename", "orders.csv")]]
    assert order == sorted(order)
    assert ("sync_folder", path.parent.name) in done[order[0] : order[1]]


def test_two_write_backs_at_a_time_are_refused(buy, path):
    session = buy(path)
    with held(session.store.path, what="execute"), pytest.raises(CheckpointLocked):
        session.write_back()


def test_the_written_file_has_the_mode_of_a_new_file_and_keeps_that_of_an_old_one(buy, path):
    session = buy(path)
    written = session.write_back()
    mask = os.umask(0)
    os.umask(mask)
    assert written.stat().st_mode & 0o777 == 0o666 & ~mask
    written.chmod(0o600)
    assert session.write_back().stat().st_mode & 0o777 == 0o600


def test_parquet_keeps_types_and_rows(buy, tmp_path):
    path = tmp_path / "orders.parquet"
    FRAME.assign(when=pd.Timestamp("2026-11-20"), tags=[["a"], [], ["b", "c"]]).to_parquet(
        path, index=False, row_group_size=2
    )
    table = pq.read_table(buy(path).write_back())
    before = pq.read_table(path)
    assert table.select(before.column_names).equals(before)
    assert table.column("label_charge").to_pylist()[0] > 0
    assert pq.ParquetFile(path.with_name("orders_shipped.parquet")).metadata.num_row_groups == 2


@pytest.mark.parametrize("ending", [".csv", ".xlsx", ".parquet", ".tsv"])
def test_a_frame_is_written_to_a_new_file_of_any_format(buy, tmp_path, ending):
    dest = tmp_path / f"out{ending}"
    assert buy(FRAME).write_back(dest) == dest
    read = {
        ".csv": pd.read_csv,
        ".xlsx": lambda p: pd.read_excel(p, engine="openpyxl"),
        ".parquet": pd.read_parquet,
        ".tsv": lambda p: pd.read_csv(p, sep="\t"),
    }[ending](dest)
    assert list(read.columns[:7]) == list(FRAME.columns)
    assert read["tracking_number"].str.startswith("SANDBOX").all()
    assert len(read) == 3


def test_a_frame_cannot_be_written_in_place(buy):
    with pytest.raises(InputError, match="did not come from a file"):
        buy(FRAME).write_back(in_place=True, allow_test_numbers=True)


def test_a_csv_becomes_a_workbook_when_the_destination_says_so(buy, path, tmp_path):
    read = pd.read_excel(buy(path).write_back(tmp_path / "out.xlsx"), dtype=str, engine="openpyxl")
    assert read["zip"].tolist() == ["78704", "02134", "98103"]
    assert np.all(read["label_status"] == "shipped")
