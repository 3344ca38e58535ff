"""Orders come from real databases as they are, and tracking numbers go back once."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing

import pytest

import shipkit as sk
from shipkit.errors import SourceChanged, SourceError, WriteBackError
from shipkit.orders import source
from shipkit.orders.database.dialect import bound
from shipkit.orders.database.urls import Location
from shipkit.outputs.writeback.databases import write_to_database
from shipkit.purchasing.store import JobStore
from shipkit.settings import Settings

COLUMNS = (
    "id INTEGER PRIMARY KEY, order_number VARCHAR(20), ship_name VARCHAR(60), address1 "
    "VARCHAR(60), city VARCHAR(40), state VARCHAR(20), zip VARCHAR(10), weight_lb NUMERIC(8,2), "
    "placed DATE, tracking_number VARCHAR(200), label_status VARCHAR(20)"
)


def orders_table(server, count=5, name="orders"):
    rows = ", ".join(
        (
            f"({n}, 'A-{n:04}', 'Åsa O''Neil', '{n} Main St', 'Boston', 'MA', '02134', "
            f"{n % 9 + 1}.50, '2026-11-{n % 28 + 1:02}', NULL, NULL)"
        )
        for n in range(1, count + 1)
    )
    server.run(
        f"DROP TABLE IF EXISTS {name}",
        "DROP TABLE IF EXISTS shipkit_written",
        f"CREATE TABLE {name} ({COLUMNS})",
        f"INSERT INTO {name} VALUES {rows}",
    )


def bought(server, shop, **told):
    session = sk.BatchSession(
        sk.Database(server.url, table="orders", **told), shipper=shop, service="ground"
    )
    session.preview()
    session.approve()
    session.execute()
    return session


def written(server):
    return server.run("SELECT id, tracking_number, label_status FROM orders ORDER BY id")


def test_a_table_is_read_with_its_types_and_in_the_order_of_its_key(server):
    orders_table(server)
    loaded = source.load(sk.Database(server.url, table="orders"))
    assert loaded.origin.kind == "database"
    first = loaded.con.sql(
        "SELECT id, order_number, ship_name, zip, CAST(weight_lb AS DOUBLE), CAST(placed AS "
        f"VARCHAR) FROM {loaded.lines.sql} ORDER BY row_number"
    ).fetchall()[0]
    assert first == ("1", "A-0001", "Åsa O'Neil", "02134", 2.5, "2026-11-02")
    assert {column.key: column.role for column in loaded.columns}["zip"] == "postal_code"


def test_the_database_checks_a_condition_with_bound_values_itself(server):
    orders_table(server)
    assert (
        source.load(
            sk.Database(
                server.url,
                table="orders",
                where="order_number = :number OR id > :low",
                params={"number": "A-0002", "low": 4},
            )
        ).rows
        == 2
    )
    assert (
        source.load(
            sk.Database(
                server.url,
                query="SELECT zip, count(*) AS n FROM orders WHERE state = :state GROUP BY zip",
                params={"state": "MA"},
            )
        ).rows
        == 1
    )
    with pytest.raises(SourceError, match="needs a value for :number"):
        source.load(sk.Database(server.url, table="orders", where="order_number = :number"))


def test_a_query_cannot_change_the_database(server):
    orders_table(server)
    with pytest.raises(SourceError):
        sk.Database(server.url, query="DELETE FROM orders").read()
    assert len(written(server)) == 5


def test_labels_are_bought_and_their_numbers_stand_in_their_rows(server, shop):
    orders_table(server)
    with bought(server, shop) as session:
        with pytest.raises(WriteBackError, match="not real"):
            session.write_back()
        done = session.write_back(allow_test_numbers=True)
        assert (done.rows, done.already) == (5, 0)
        numbers = dict(
            zip(session.results()["row_number"], session.results()["tracking_number"], strict=True)
        )
    assert written(server) == [(n, numbers[n], "shipped") for n in range(1, 6)]


def test_a_second_run_writes_nothing_and_leaves_what_a_person_changed(server, shop):
    orders_table(server)
    with bought(server, shop) as session:
        session.write_back(allow_test_numbers=True)
        server.run("UPDATE orders SET tracking_number = 'by hand' WHERE id = 2")
        done = session.write_back(allow_test_numbers=True)
        assert (done.rows, done.already) == (0, 5)
        assert written(server)[1][1] == "by hand"
        session.void("row_number = 3")
        assert session.write_back(allow_test_numbers=True).rows == 1
    assert [row[1:] for row in written(server)][2] == (None, "voided")


def test_only_the_rows_of_the_job_are_touched(server, shop):
    orders_table(server)
    with sk.BatchSession(
        sk.Database(server.url, table="orders"),
        shipper=shop,
        service="ground",
        where="id IN ('2', '4')",
    ) as session:
        session.preview()
        session.approve()
        session.execute()
        assert session.write_back(allow_test_numbers=True).rows == 2
    assert [bool(number) for _, number, _ in written(server)] == [False, True, False, True, False]


def test_rows_that_are_gone_are_named_and_the_others_written(server, shop):
    orders_table(server)
    with bought(server, shop) as session:
        server.run("DELETE FROM orders WHERE id IN (2, 5)")
        with pytest.raises(SourceChanged, match=r"table orders no longer contains rows 2, 5"):
            session.write_back(allow_test_numbers=True)
    assert all(number for _, number, _ in written(server))


def test_another_table_with_a_key_of_ones_own_takes_the_numbers(server, shop):
    orders_table(server)
    server.run(
        "DROP TABLE IF EXISTS parcels",
        "CREATE TABLE parcels (order_number VARCHAR(20), tn VARCHAR(200))",
        "INSERT INTO parcels VALUES ('A-0001', NULL), ('A-0002', NULL), ('A-0003', NULL), "
        "('A-0004', NULL), ('A-0005', NULL)",
    )
    with bought(server, shop) as session:
        target = sk.Database(server.url, table="parcels", key="order_number")
        with pytest.raises(WriteBackError, match="no column tracking_number"):
            session.write_back(target, allow_test_numbers=True)
        session.write_back(target, columns={"tracking_number": "tn"}, allow_test_numbers=True)
        with pytest.raises(WriteBackError, match="has no primary key"):
            session.write_back(
                sk.Database(server.url, table="parcels"),
                columns={"tracking_number": "tn"},
                allow_test_numbers=True,
            )
    assert server.run("SELECT count(*) FROM parcels WHERE tn IS NOT NULL") == [(5,)]


def test_a_key_that_names_two_rows_is_refused_and_nothing_of_its_chunk_written(server, shop):
    orders_table(server)
    server.run("UPDATE orders SET zip = '02135' WHERE id > 1")
    with bought(server, shop) as session, pytest.raises(WriteBackError, match="matches"):
        session.write_back(
            sk.Database(server.url, table="orders", key="zip"), allow_test_numbers=True
        )
    assert not any(number for _, number, _ in written(server))


def test_a_reopened_job_writes_back_too(server, shop):
    orders_table(server)
    with bought(server, shop) as session:
        job_id = session.job_id
    with sk.BatchSession.open(job_id) as session:
        assert (
            session.write_back(
                sk.Database(server.url, table="orders"), allow_test_numbers=True
            ).rows
            == 5
        )


KILLED = """
import sys, time
from shipkit.purchasing.store import JobStore
from shipkit.orders.database import Database
from shipkit.outputs.writeback import databases

plain = databases._write_part
def slowly(*args):
    gone = plain(*args)
    print("chunk", flush=True)
    time.sleep(0.05)
    return gone
databases._write_part = slowly
job = JobStore.open(__import__("pathlib").Path(sys.argv[1]), sys.argv[2])
target = Database(sys.argv[3], table="orders")
databases.write_to_database(job, target, allow_test_numbers=True, chunk=20)
"""


def test_a_kill_between_chunks_and_a_second_run_end_as_one_run_would(server, shop, home, until):
    orders_table(server, 200)
    with bought(server, shop) as session:
        job_id = session.job_id
        numbers = dict(
            zip(session.results()["row_number"], session.results()["tracking_number"], strict=True)
        )
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(home), job_id, server.url],
        stdout=subprocess.PIPE,
        text=True,
    )
    for _ in range(3):
        assert process.stdout.readline() == "chunk\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()

    def both():
        numbers_written = sum(1 for _, number, _ in written(server) if number)
        return numbers_written, server.run("SELECT count(*) FROM shipkit_written")[0][0]

    until(lambda: len({*both()}) == 1)  # the server may still end what the dead process began
    half, _ = both()
    assert 60 <= half < 200
    done = write_to_database(
        JobStore.open(Settings.read().home, job_id),
        sk.Database(server.url, table="orders"),
        allow_test_numbers=True,
    )
    assert (done.rows, done.already) == (200 - half, half)
    assert written(server) == [(n, numbers[n], "shipped") for n in range(1, 201)]


def test_the_password_is_in_no_repr_and_no_message(server):
    if server.kind == "sqlite":
        pytest.skip("SQLite has no password")
    wrong = server.url.replace("p%40ss%2Fw%3Ard", "wr0ng%40secret")
    database = sk.Database(wrong, table="orders")
    with pytest.raises(SourceError) as error:
        database.read()
    for text in (
        repr(database),
        str(database),
        str(error.value),
        repr(error.value),
        repr(database.location),
    ):
        assert "wr0ng" not in text
    assert error.value.__cause__ is None
    assert (
        sk.Database(
            server.url.replace("p%40ss%2Fw%3Ard", ""), table="nothing", password="p@ss/w:rd"
        ).location.uri
        == Location.of(server.url).uri
    )


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("oracle://a:geheim@b/c", "not a known kind of database address"),
        ("geheim", "not a known kind of database address"),
        ("postgresql://a:geheim@b:port/c", "cannot be read"),
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_being_said(url, said):
    with pytest.raises(SourceError, match=said) as error:
        sk.Database(url, table="t")
    assert "geheim" not in str(error.value)


def test_a_missing_table_or_file_is_an_error_that_says_so(server, tmp_path):
    with pytest.raises(SourceError, match="no_such_table"):
        sk.Database(server.url, table="no_such_table").read()
    with pytest.raises(SourceError, match="does not exist"):
        sk.Database(f"sqlite:///{tmp_path}/none.db", table="orders").read()
    with pytest.raises(SourceError, match="a table or a query"):
        sk.Database(server.url)


def test_sqlite_needs_a_file_and_no_pipe_or_folder(tmp_path):
    with pytest.raises(SourceError, match="is a folder, and SQLite"):
        sk.Database(f"sqlite:///{tmp_path}", table="orders").read()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.db")
        with pytest.raises(SourceError, match="is a pipe or a device, and SQLite"):
            sk.Database(f"sqlite:///{tmp_path}/pipe.db", table="orders").read()


def test_a_sqlite_file_given_as_orders_is_named_as_what_it_is(tmp_path):
    with closing(sqlite3.connect(tmp_path / "orders.csv")) as made:
        made.execute("CREATE TABLE orders (order_id TEXT)")
        made.commit()
    with pytest.raises(SourceError, match=r"orders\.csv is a SQLite database") as refused:
        sk.BatchSession(tmp_path / "orders.csv")
    assert "sk.Database(" in refused.value.fix


def test_a_sqlite_column_of_several_kinds_is_text(sqlite):
    sqlite.run(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, zip)",
        "INSERT INTO orders VALUES (1, 2134), (2, '02134'), (3, NULL)",
    )
    loaded = source.load(sk.Database(sqlite.url, table="orders"))
    assert loaded.con.sql(f"SELECT zip FROM {loaded.lines.sql} ORDER BY id").fetchall() == [
        ("2134",),
        ("02134",),
        (None,),
    ]


def test_types_that_arrow_has_no_name_for_come_as_a_person_reads_them(postgresql):
    postgresql.run(
        "DROP TABLE IF EXISTS odd",
        "DROP TYPE IF EXISTS mood",
        "CREATE TYPE mood AS ENUM ('ok')",
        "CREATE TABLE odd (id uuid PRIMARY KEY, m mood, n numeric(12,3), j jsonb, t timestamptz, "
        "b boolean, a text[])",
        "INSERT INTO odd VALUES ('11111111-2222-3333-4444-555555555555', 'ok', 12.345, '{\"a\": "
        "1}', '2026-01-02 03:04:05+00', true, '{x,y}')",
    )
    loaded = source.load(sk.Database(postgresql.url, table="odd"))
    row = loaded.con.sql(
        f"SELECT id, m, CAST(n AS VARCHAR), j, b FROM {loaded.lines.sql}"
    ).fetchall()[0]
    assert row == ("11111111-2222-3333-4444-555555555555", "ok", "12.345", '{"a": 1}', True)


def test_names_in_quotes_comments_and_casts_are_no_parameters():
    assert bound(
        "SELECT ':a', \":a\", x::text FROM t -- :a\nWHERE b = :a AND c = :a",
        {"a": 7},
        lambda n: f"${n}",
    ) == ("SELECT ':a', \":a\", x::text FROM t -- :a\nWHERE b = $1 AND c = $2", [7, 7])


# -- a number goes into the row of its own order ---------------------------------------------------


def shipped(server):
    return [bool(number) for _, number, _ in written(server)]


def test_a_key_that_leads_to_another_order_now_is_refused_by_name(server, shop):
    """The table was filled again while the labels were bought: its keys are new."""
    orders_table(server)
    with bought(server, shop) as session:
        server.run("UPDATE orders SET order_number = 'A-0099' WHERE id = 3")
        with pytest.raises(SourceChanged, match="Row 3 of the orders is another one now") as told:
            session.write_back(allow_test_numbers=True)
    assert "order_number is 'A-0099' and was 'A-0003'" in told.value.message
    assert shipped(server) == [False] * 5


def test_an_order_that_was_edited_is_still_that_order(server, shop):
    orders_table(server)
    with bought(server, shop) as session:
        server.run("UPDATE orders SET city = 'Salem', label_status = 'packed' WHERE id = 3")
        assert session.write_back(allow_test_numbers=True).rows == 5
    assert shipped(server) == [True] * 5


def test_without_an_order_number_the_whole_row_is_compared(server, shop):
    orders_table(server)
    server.run("ALTER TABLE orders RENAME COLUMN order_number TO remark")
    server.run("UPDATE orders SET remark = NULL")
    with bought(server, shop) as session:
        server.run("UPDATE orders SET ship_name = 'Bo Finch' WHERE id = 2")
        if not session.results()["order_id"].isna().all():
            pytest.skip("the key is the order number here")
        with pytest.raises(SourceChanged, match="ship_name is 'Bo Finch' and was"):
            session.write_back(allow_test_numbers=True)


def test_a_trigger_that_changes_the_number_is_found(sqlite, shop):
    orders_table(sqlite)
    sqlite.run(
        "CREATE TRIGGER cut AFTER UPDATE ON orders WHEN length(new.tracking_number) > 5 BEGIN "
        "UPDATE orders SET tracking_number = substr(new.tracking_number, 1, 5) "
        "WHERE id = new.id; END"
    )
    with (
        bought(sqlite, shop) as session,
        pytest.raises(WriteBackError, match=r"did not keep 'SANDBOX.* has 'SANDB'"),
    ):
        session.write_back(allow_test_numbers=True)
    assert shipped(sqlite) == [False] * 5


def test_a_view_with_a_trigger_is_written_and_one_without_refused(sqlite, shop):
    orders_table(sqlite)
    sqlite.run("CREATE VIEW open_orders AS SELECT * FROM orders")
    target = sk.Database(sqlite.url, table="open_orders", key="id")
    with bought(sqlite, shop) as session:
        with pytest.raises(WriteBackError, match="cannot modify open_orders"):
            session.write_back(target, allow_test_numbers=True)
        sqlite.run(
            "CREATE TRIGGER through INSTEAD OF UPDATE ON open_orders BEGIN UPDATE orders SET "
            "tracking_number = new.tracking_number, label_status = new.label_status "
            "WHERE id = new.id; END"
        )
        assert session.write_back(target, allow_test_numbers=True).rows == 5
        numbers = session.results()["tracking_number"].tolist()
    assert [number for _, number, _ in written(sqlite)] == numbers


def test_rows_without_a_key_are_named_and_the_others_written(sqlite, shop):
    orders_table(sqlite)
    sqlite.run("ALTER TABLE orders ADD COLUMN ref VARCHAR(20)")
    sqlite.run("UPDATE orders SET ref = order_number WHERE id <> 4")
    with (
        bought(sqlite, shop, key="ref") as session,
        pytest.raises(SourceChanged, match=r"orders has no key for row 1 \(ref\)"),
    ):
        session.write_back(allow_test_numbers=True)
    assert shipped(sqlite) == [True, True, True, False, True]


def test_a_key_of_another_type_is_the_same_key(sqlite, shop):
    orders_table(sqlite)
    with bought(sqlite, shop) as session:
        sqlite.run(
            "ALTER TABLE orders RENAME TO old",
            "CREATE TABLE orders AS SELECT CAST(id AS TEXT) AS id, order_number, tracking_number, "
            "label_status FROM old",
        )
        target = sk.Database(sqlite.url, table="orders", key="id")
        assert session.write_back(target, allow_test_numbers=True).rows == 5
    assert shipped(sqlite) == [True] * 5
