"""Many files of shipments cost, row by row, what they cost together, whoever prices them."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import shipkit as sk
from shipkit.errors import InputError, SourceError
from shipkit.plan.preview import to_frame
from shipkit.rates import parts as rates_parts
from shipkit.rates.order_files import FilePlace, order_files
from shipkit.rates.rated_files import facts_of
from shipkit.rates.reading import source_of

CARD = sk.RateCard.synthetic()


def shipments(n: int, seed: int = 1) -> pa.Table:
    """Shipments of one or two parcels; some have no price."""
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "order_id": [f"S{seed}-{i}" for i in range(n)],
            "postal_code": rng.choice(["10001", "94103", "34001", "99501"], n),
            "country": ["US"] * n,
            "service": rng.choice(["ground", "next_day_air", "pigeon"], n, p=[0.7, 0.2, 0.1]),
            "parcels": [
                [{"weight_lb": float(w)} for w in rng.integers(1, 40, k)]
                for k in rng.integers(1, 3, n)
            ],
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "shipments"
    made.mkdir()
    for number, n in enumerate((5, 0, 7, 3)):
        pq.write_table(shipments(n, number), made / f"day-{number}.parquet", row_group_size=4)
    (made / "_SUCCESS").write_text("")
    return made


def read(folder: Path) -> pd.DataFrame:
    files = sorted(folder.glob("[!_.]*.parquet"))
    return to_frame(pa.concat_tables(map(pq.read_table, files)))


def same(rated: pd.DataFrame, whole: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(
        rated[whole.columns],
        whole,
    )


def plain(folder: Path) -> pd.DataFrame:
    """Price the shipments of all files as one table in memory."""
    paths = sorted(folder.glob("*.parquet"))
    whole = sk.rate(
        pa.concat_tables(map(pq.read_table, paths), promote_options="permissive"),
        CARD,
        origin="78205",
    )
    names = [path.name for path in paths for _ in range(pq.read_metadata(path).num_rows)]
    return whole.assign(source_file=names)


# -- what is read ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["pattern", "deep pattern", "folder", "list", "text", "address"])
def test_files_of_shipments_are_rated_as_one_with_row_numbers_that_run_on(folder, form):
    given = {
        "pattern": folder / "day-*.parquet",
        "deep pattern": str(folder.parent / "**" / "*.parquet"),
        "folder": folder,
        "list": sorted(folder.glob("*.parquet")),
        "text": f"{folder}/",
        "address": f"{folder.as_uri()}/day-*.parquet",
    }[form]
    rated = sk.rate(given, CARD, origin="78205")
    assert rated.row_number.tolist() == list(range(1, 16))
    assert rated.source_file.tolist()[:6] == ["day-0.parquet"] * 5 + ["day-2.parquet"]
    same(rated, plain(folder))
    assert 0 < rated.cost_cents.isna().sum() < 15


@pytest.mark.parametrize("form", ["batch", "reader", "frame", "relation"])
def test_shipments_may_come_in_any_form(form):
    table = shipments(6)
    given = {
        "batch": lambda: table.to_batches()[0],
        "reader": lambda: table.to_reader(2),
        "frame": table.to_pandas,
        "relation": lambda: duckdb.connect().from_arrow(table),
    }[form]()
    same(sk.rate(given, CARD, origin="78205"), sk.rate(table, CARD, origin="78205"))


def test_a_stream_is_read_once(tmp_path):
    def stream():
        return pa.RecordBatchReader.from_batches(shipments(4).schema, shipments(4).to_batches())

    target = tmp_path / "rated.parquet"
    sk.rate(stream(), CARD, origin="78205", to=target)
    assert pq.read_table(target).num_rows == 4
    compared = [
        sk.compare(CARD, CARD, orders, origin="78205", by="service")
        for orders in (stream(), shipments(4))
    ]
    assert compared[0].table.num_rows > 0
    assert compared[0].table.equals(compared[1].table)


def test_a_part_is_kept_only_with_the_row_numbers_that_it_would_have(tmp_path):
    """Alone, a file keeps its own numbers; with others, numbers run on."""
    numbered = shipments(2).append_column("row_number", pa.array([3, 4]))
    pq.write_table(numbered, tmp_path / "a.parquet")
    pq.write_table(shipments(2, 2), tmp_path / "b.parquet")
    files = [str(tmp_path / name) for name in ("a.parquet", "b.parquet")]
    sk.rate(files[:1], CARD, origin="78205", to=tmp_path / "out/")
    sk.rate(files, CARD, origin="78205", to=tmp_path / "out/")
    assert sorted(set(read(tmp_path / "out")["row_number"])) == [1, 2, 3, 4]


def test_a_file_that_changes_while_a_folder_is_read_is_refused(folder):
    (file, *_) = order_files(str(folder))
    file.demand_unchanged()
    pq.write_table(shipments(9), file.place.path)
    with pytest.raises(SourceError, match="changed while"):
        file.demand_unchanged()


def test_shipments_that_change_after_their_first_rows_are_refused(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(shipments(9), path)
    (part,) = source_of(str(path)).shipments
    rows = part.tables(4)
    assert next(rows).num_rows == 4
    os.utime(path, (1, 1))
    with pytest.raises(SourceError, match="changed while the orders were read"):
        list(rows)
    with pytest.raises(SourceError, match="changed while the orders were read"):
        part.whole()


def test_files_in_folders_with_one_name_are_told_apart(tmp_path):
    for day in ("mon", "tue"):
        (tmp_path / "in" / day).mkdir(parents=True)
        pq.write_table(shipments(2), tmp_path / "in" / day / "part-0.parquet")
    rated = sk.rate(tmp_path / "in", CARD, origin="78205")
    assert rated.source_file.tolist() == ["mon/part-0.parquet"] * 2 + ["tue/part-0.parquet"] * 2
    sk.rate(tmp_path / "in", CARD, origin="78205", to=tmp_path / "out")
    assert (tmp_path / "out" / "mon" / "part-0.parquet").is_file()


def test_the_shipments_own_numbers_stay_where_there_is_one_file(tmp_path):
    table = shipments(3).append_column("row_number", pa.array([7, 9, 12]))
    pq.write_table(table, tmp_path / "a.parquet")
    for to in (None, tmp_path / "out"):
        sk.rate(tmp_path / "a.parquet", CARD, origin="78205", to=to)
    assert read(tmp_path / "out").row_number.tolist() == [7, 9, 12]


def test_what_cannot_be_read_is_refused_with_the_way_out(folder, tmp_path):
    def refused(given, match: str, **options) -> None:
        with pytest.raises(InputError, match=match) as caught:
            sk.rate(given, CARD, origin="78205", **options)
        assert caught.value.fix

    refused(tmp_path / "missing" / "*.parquet", "No file matches")
    refused(tmp_path / "missing", "does not exist")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "folder without files")
    (folder / "notes.txt").write_text("zip,weight\n")
    refused(folder, "files of several kinds: day-0.parquet")
    (folder / "notes.txt").unlink()
    (folder / "orders.parquet").write_bytes(b"PAR1 and then nothing")
    refused(folder, "orders.parquet is not a readable Parquet file")
    pd.DataFrame({"zip": ["10001"], "weight": [1], "service": ["ground"]}).to_parquet(
        folder / "orders.parquet"
    )
    refused(folder, "day-0.parquet has shipments .* and orders.parquet has orders")
    (folder / "orders.parquet").unlink()
    refused(folder, "would be one of the files that", to=folder)
    refused([folder / "day-0.parquet"], "folder of the orders themselves", to=folder)
    refused(folder / "day-0.parquet", "replace the orders themselves", to=folder / "day-0.parquet")
    refused(folder, "is the name of a file", to="out.parquet", executor="processes")
    refused(folder, "cannot run tasks", to=tmp_path / "out", executor="dask")
    refused([{"zip": "10001"}], "are a list", to=tmp_path / "out", executor="processes")
    refused(
        folder, "mapped already; columns is for orders", to=tmp_path / "out", columns={"a": "b"}
    )
    refused("s3://key:secret@bucket/x.parquet", "has a login in it")
    refused("gopher://x/y", "Cannot open gopher://x/y")
    wrong = shipments(2).set_column(1, "postal_code", pa.array([[1], [2]]))
    refused(wrong, "column 'postal_code' of the shipments")
    assert not (tmp_path / "out").exists()


# -- the folder ------------------------------------------------------------------------------------


def test_a_folder_has_a_file_for_each_file_and_its_totals_last(folder, tmp_path):
    totals = sk.rate(folder, CARD, origin="78205", to=tmp_path / "rated")
    whole = plain(folder)
    same(read(tmp_path / "rated"), whole)
    assert totals.orders.sum() == 15
    by_service = {name: cents.sum() for name, cents in whole.groupby("service").cost_cents}
    assert totals.set_index("service").cost_cents.fillna(0).to_dict() == by_service
    noted = json.loads((tmp_path / "rated" / "_totals.json").read_text())
    assert noted["orders"] == 15
    assert noted["totals"] == json.loads(totals.to_json(orient="records"))
    assert [part["name"] for part in noted["parts"]] == [f"day-{n}.parquet" for n in range(4)]
    assert pq.read_table(tmp_path / "rated" / "day-1.parquet").num_rows == 0


def test_a_second_run_does_only_what_is_missing_or_changed(folder, tmp_path, monkeypatch):
    to = tmp_path / "rated"
    first = sk.rate(folder, CARD, origin="78205", to=to)
    priced: list[str] = []
    write = rates_parts._write_part

    def noting(pricer, part, *rest):
        priced.append(part.name)
        return write(pricer, part, *rest)

    monkeypatch.setattr(rates_parts, "_write_part", noting)
    pd.testing.assert_frame_equal(sk.rate(folder, CARD, origin="78205", to=to), first)
    assert priced == []
    (to / "day-2.parquet").unlink()
    (to / "_totals.json").unlink()
    pd.testing.assert_frame_equal(sk.rate(folder, CARD, origin="78205", to=to), first)
    assert priced == ["day-2.parquet"]
    assert (to / "_totals.json").exists()
    priced.clear()
    sk.rate(folder, CARD, "2026-01-05", origin="78205", to=to)
    assert len(priced) == 4, "other options, other prices"
    priced.clear()
    pq.write_table(shipments(5, 9), folder / "day-0.parquet")
    sk.rate(folder, CARD, "2026-01-05", origin="78205", to=to)
    assert priced == ["day-0.parquet"]


def test_what_killed_attempts_left_is_removed_and_other_files_are_refused(folder, tmp_path):
    to = tmp_path / "rated"
    to.mkdir()
    (to / ".day-0-0123456789ab.parquet").write_bytes(b"half")
    (to / ".own").write_text("stays")
    sk.rate(folder, CARD, origin="78205", to=to)
    assert sorted(path.name for path in to.glob(".*")) == [".own"]
    (folder / "day-3.parquet").unlink()
    with pytest.raises(InputError, match=r"has day-3\.parquet, which is none of the parts"):
        sk.rate(folder, CARD, origin="78205", to=to)


def test_a_part_that_fails_leaves_no_totals_and_no_half_file(folder, tmp_path, monkeypatch):
    to = tmp_path / "rated"
    sk.rate(folder, CARD, origin="78205", to=to)
    pq.write_table(shipments(2, 5), folder / "day-0.parquet")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shipkit.rates.rated_files.pq.ParquetWriter.write_table", full)
    with pytest.raises(OSError, match="No space left"):
        sk.rate(folder, CARD, origin="78205", to=to)
    assert not (to / "_totals.json").exists()
    assert [path.name for path in to.glob(".*")] == []


def test_a_large_file_is_priced_by_its_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(rates_parts, "_LARGE", 20)
    monkeypatch.setattr(rates_parts, "_ROWS_OF_A_PART", 10)
    pq.write_table(shipments(33), tmp_path / "big.parquet", row_group_size=6)
    with ThreadPoolExecutor(2) as pool:
        sk.rate(tmp_path / "big.parquet", CARD, origin="78205", to=tmp_path / "out", executor=pool)
    names = [path.name for path in sorted((tmp_path / "out").glob("*.parquet"))]
    assert names == ["big-0001.parquet", "big-0002.parquet", "big-0003.parquet"]
    same(
        read(tmp_path / "out"),
        sk.rate(tmp_path / "big.parquet", CARD, origin="78205"),
    )


def test_prices_are_not_taken_for_orders_when_a_folder_is_read_again(tmp_path):
    orders = pd.DataFrame({"zip": ["10001"], "weight_lb": [1.0], "service": ["ground"]})
    orders.to_parquet(tmp_path / "a.parquet")
    for to, name in (("rated/", "a.parquet"), ("one.parquet", "one.parquet")):
        sk.rate(tmp_path / "a.parquet", CARD, origin="78205", to=f"{tmp_path}/{to}")
        with pytest.raises(InputError, match=f"{name} has prices that sk.rate"):
            sk.rate(tmp_path / "**" / "*.parquet", CARD, origin="78205")
        if to == "rated/":
            (tmp_path / "rated" / "a.parquet").unlink()


def test_a_column_in_the_names_of_folders_is_refused_where_it_decides_a_price(tmp_path):
    for key, value in (("day", "1"), ("service", "ground")):
        made = tmp_path / key / f"{key}={value}"
        made.mkdir(parents=True)
        pq.write_table(shipments(2), made / "a.parquet")
    assert len(sk.rate(tmp_path / "day", CARD, origin="78205")) == 2
    for given in (tmp_path / "service", tmp_path / "service" / "*" / "*.parquet"):
        with pytest.raises(InputError, match=r"called service=\.\.\."):
            sk.rate(given, CARD, origin="78205")


# -- executors -------------------------------------------------------------------------------------


def test_processes_price_to_the_cent_what_one_process_does(folder, tmp_path):
    to = tmp_path / "rated"
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        totals = sk.rate(folder, CARD, origin="78205", to=to, executor=pool)
        rows = sk.rate(folder, CARD, origin="78205", executor=pool)
    whole = plain(folder)
    same(read(to), whole)
    same(rows, whole)
    assert totals.cost_cents.sum() == whole.cost_cents.sum()
    assert facts_of(FilePlace(str(to / "day-0.parquet")))["rows"] == 5


SCRIPT = """
import sys
import shipkit as sk
card = sk.RateCard.synthetic()
sk.rate(sys.argv[1], card, origin="78205", to=sys.argv[2], executor="processes")
"""


def test_a_script_without_a_main_guard_is_told_so(folder, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, script, folder, tmp_path / "rated"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 'below `if __name__ == "__main__":`' in done.stderr
    assert done.returncode == 1


def test_progress_is_shown_by_parts(folder, tmp_path, capsys):
    with ThreadPoolExecutor(2) as pool:
        options = {"origin": "78205", "to": tmp_path / "rated", "executor": pool}
        sk.rate(folder, CARD, **options, progress=True)
        assert "4/4" in capsys.readouterr().err
        sk.rate(folder, CARD, **options)
    assert capsys.readouterr().err == ""


# -- a pricer --------------------------------------------------------------------------------------


def test_a_pricer_travels_and_prices_the_same(folder):
    pricer = sk.Pricer(CARD, origins=["78205", "08901"], service="cheapest within 3 days")
    copy = pickle.loads(pickle.dumps(pricer))
    table = shipments(20)
    assert copy(table).equals(pricer(table))
    assert copy.fingerprint == pricer.fingerprint
    assert copy(table).schema == pricer.schema
    same(
        to_frame(pricer(table)),
        sk.rate(table, CARD, origins=["78205", "08901"], service="cheapest within 3 days"),
    )
    empty = pricer(table.slice(0, 0))
    assert (empty.num_rows, empty.schema) == (0, pricer.schema)
    assert pricer(pa.table({"zip": pa.array([], pa.string())})).schema == pricer.schema


def test_a_pricer_speaks_the_forms_of_engines():
    pricer = sk.Pricer(CARD, origin="78205")
    table = shipments(6)
    whole = pricer(table)
    batches = list(pricer.batches(iter(table.to_batches(max_chunksize=2))))
    assert sum(batch.num_rows for batch in batches) == 6
    assert all(batch.schema == pricer.schema for batch in batches)
    assert pa.Table.from_batches(batches).column("cost_cents") == whole.column("cost_cents")
    frame = pricer.frame(table.to_pandas())
    pd.testing.assert_series_equal(frame.dtypes, pricer.meta.dtypes)
    assert len(pricer.meta) == 0
    assert pricer.ddl.startswith("`row_number` BIGINT, `source_file` STRING")
    assert "`delivery_date` DATE" in pricer.ddl
    assert pricer.ddl.count(",") == len(pricer.schema) - 1


def test_a_file_that_is_no_file_of_prices_is_never_replaced(folder, tmp_path):
    script = tmp_path / "month.py"
    script.write_text("print('mine')\n")
    table = tmp_path / "table.parquet"
    pd.DataFrame({"mine": [1]}).to_parquet(table)
    for to in (script, table):
        before = to.read_bytes()
        with pytest.raises(InputError, match=f"{to.name} is there already, and it is no file of"):
            sk.rate(folder / "day-0.parquet", CARD, origin="78205", to=to)
        with pytest.raises(InputError, match="is there already"):
            sk.Pricer(CARD, origin="78205").file(folder / "day-0.parquet", to)
        assert to.read_bytes() == before
    # A file of theirs under the name of a part: nothing is priced before that is clear.
    other = tmp_path / "other"
    other.mkdir()
    table.rename(other / "day-1.parquet")
    with pytest.raises(InputError, match=r"day-1\.parquet is there already"):
        sk.rate(folder, CARD, origin="78205", to=other)
    assert [path.name for path in other.iterdir()] == ["day-1.parquet"]


@pytest.mark.parametrize(
    ("named", "to"),
    [
        ("{0}", "{0}/rated"),
        ("{0}", "{0}/rated.parquet"),
        ("{0}/**/*.parquet", "{0}/rated"),
        ("{1}/*/*.parquet", "{1}/rated"),
    ],
)
def test_prices_are_not_written_among_the_orders(folder, named, to):
    """The next run would take them for orders."""
    orders, to = (text.format(folder, folder.parent) for text in (named, to))
    with pytest.raises(InputError, match="would be one of the files that") as caught:
        sk.rate([f"{folder}/day-0.parquet", orders], CARD, origin="78205", to=to)
    assert f"that {orders} stands for" in str(caught.value)
    assert not Path(to).exists()


def test_prices_may_lie_where_nothing_that_is_named_reaches(folder):
    sk.rate(f"{folder}/day-0.parquet", CARD, origin="78205", to=folder / "prices.parquet")
    sk.rate(f"{folder}/day-*.parquet", CARD, origin="78205", to=folder / "prices.parquet")
    sk.rate(f"{folder}/day-*.parquet", CARD, origin="78205", to=folder / "prices")
    assert pq.read_metadata(folder / "prices.parquet").num_rows == 15


def test_a_pricer_writes_one_file_and_the_same_again(folder, tmp_path):
    pricer = sk.Pricer(CARD, origin="78205")
    to = tmp_path / "new" / "one.parquet"
    totals = [pricer.file(folder / "day-0.parquet", to) for _ in range(2)]
    pd.testing.assert_frame_equal(*totals)
    assert totals[0].orders.sum() == pq.read_metadata(to).num_rows == 5
    assert [path.name for path in to.parent.iterdir()] == ["one.parquet"]
    with pytest.raises(InputError, match="replace the orders themselves"):
        pricer.file(folder / "day-0.parquet", folder / "day-0.parquet")
    with pytest.raises(InputError, match="is 4 files"):
        pricer.file(folder, tmp_path / "all.parquet")


def test_a_pricer_that_would_price_otherwise_is_refused():
    pricer = sk.Pricer(CARD, origin="78205")
    packed = pickle.dumps(pricer)
    older = pickle.loads(packed)
    older._version = "0.0.1"
    with pytest.raises(InputError, match=r"was made by shipkit 0\.0\.1"):
        older(shipments(1))
    changed = pickle.loads(packed)
    object.__setattr__(changed.card, "dim_divisor", 1)
    with pytest.raises(InputError, match="another fingerprint"):
        changed(shipments(1))


def test_a_pricer_takes_shipments_and_nothing_that_a_part_could_change():
    pricer = sk.Pricer(CARD, origin="78205")
    orders = pa.table({"zip": ["10001"], "weight": ["1,250"], "ship date": ["03/04/2026"]})
    for given in (orders, orders.to_pandas(), [{"zip": "10001"}], CARD):
        with pytest.raises(InputError):
            pricer(given)
    with pytest.raises(InputError, match="needs a rate card, not SandboxCarrier"):
        sk.Pricer(sk.SandboxCarrier())
    with pytest.raises(InputError, match="not a known service"):
        sk.Pricer(CARD, origin="78205", service="pigeon")


def test_no_street_and_no_name_travels():
    shop = sk.Address(
        name="Dana Ortiz", address_line1="300 Alamo Plaza", postal_code="78205", phone="2105550100"
    )
    packed = pickle.dumps(sk.Pricer(CARD, origin=shop))
    assert b"78205" in packed
    for private in (b"Dana", b"Alamo", b"2105550100"):
        assert private not in packed


# -- the machine -----------------------------------------------------------------------------------


def test_the_machine_is_divided_among_workers_unless_a_setting_says_more(monkeypatch):
    from shipkit.common import spill

    monkeypatch.delenv("SHIPKIT_MEMORY", raising=False)
    monkeypatch.delenv("SHIPKIT_THREADS", raising=False)
    monkeypatch.setattr(spill, "cores", lambda: 8)
    assert (spill.bounded()["memory_limit"], "threads" in spill.bounded()) == ("50.00%", False)
    assert spill.threads() == 8
    with spill.shared_by(4):
        assert (spill.bounded()["memory_limit"], spill.bounded()["threads"]) == ("12.50%", "2")
        monkeypatch.setenv("SHIPKIT_MEMORY", "3GB")
        monkeypatch.setenv("SHIPKIT_THREADS", "5")
        assert (spill.bounded()["memory_limit"], spill.bounded()["threads"]) == ("3GB", "5")
    monkeypatch.setenv("SHIPKIT_MEMORY", "plenty")
    with pytest.raises(InputError, match="SHIPKIT_MEMORY: write it as 4GB"):
        sk.rate(shipments(1), CARD, origin="78205")
