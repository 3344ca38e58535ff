"""Options of the command line that change single rows, places and homes."""

from __future__ import annotations

import pytest

from shipkit.cli.commands import UsageError, parser
from shipkit.cli.job_config import with_config
from shipkit.cli.session_options import open_session

NEWARK = '{"name": "East", "address_line1": "1 Dock St", "city": "Newark", "state": "NJ", %s}'


@pytest.fixture
def opened(tmp_path, shipper):
    """Return a session from options; its orders name the warehouse they leave from."""
    (tmp_path / "newark.json").write_text(NEWARK % '"postal_code": "07102"', encoding="utf-8")
    file = tmp_path / "orders.csv"
    file.write_text(
        "Order Number,Name,Address 1,City,State,Zip,Weight lb,Warehouse\n"
        "A-1,Ann Lee,1 Oak St,Austin,TX,78701,2,NWK\n"
        "A-2,Bo Day,2 Oak St,Boise,ID,83702,2,\n",
        encoding="utf-8",
    )
    sessions = []

    def run(*words):
        args = parser().parse_args(["preview", str(file), "--shipper", shipper, *words])
        sessions.append(open_session(with_config(args)))
        return sessions[-1]

    yield run
    for session in sessions:
        session.close()


def test_rows_places_and_homes_are_set_by_options(opened, tmp_path):
    session = opened(
        *("--default", "service=ground"),
        *("--edit", "service=2nd_day_air WHERE state = 'TX'"),
        *("--edit", "weight_lb:=3.5 where order_id = 'A-2'"),
        *("--warehouse", f"NWK={tmp_path / 'newark.json'}"),
        *("--residential", "unknown is home"),
    )
    frame = session.preview()
    assert frame["problem"].isna().all(), session.problems
    assert list(frame["service"].str.split(":").str[-1]) == ["2nd_day_air", "ground"]
    assert list(session.mapped()["weight_lb"]) == [2.0, 3.5]
    assert "Newark" in str(session.mapped()["ship_from"].iloc[0])
    assert "home" in str(session.summary)


def test_a_config_file_has_them_too(opened, tmp_path):
    (tmp_path / "job.toml").write_text(
        "edit = \"service=2nd_day_air where state = 'TX'\"\n[warehouses]\nNWK = 'newark.json'\n",
        encoding="utf-8",
    )
    session = opened("--service", "ground", "--config", str(tmp_path / "job.toml"))
    assert session.problems.empty
    assert list(session.edits["action"]) == ["edit"]


def test_a_file_of_a_warehouse_is_not_written_over(cli, orders, shipper, tmp_path):
    place = tmp_path / "newark.csv"
    words = ("--warehouse", f"NWK={place}", "-o", place)
    done = cli("preview", orders, "--shipper", shipper, *words)
    assert done.code == 1
    assert f"-o {place} is the file of a warehouse itself." in done.err


def test_an_edit_without_its_clause_is_refused(opened):
    with pytest.raises(UsageError, match="'service=ground' is not FIELD=VALUE where SQL"):
        opened("--edit", "service=ground")
