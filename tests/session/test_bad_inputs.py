"""Forty bad inputs, each with the error it gets: what, where, how to fix, and nothing lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import shipkit as sk
from shipkit import errors

ROW = {
    "order_id": "SO-1",
    "name": "Ada Lee",
    "address1": "1 Main St",
    "city": "Austin",
    "state": "TX",
    "zip": "78701",
    "weight_lb": "2",
}


def load(content: bytes, name: str = "orders.csv") -> Any:
    def act(folder: Path, shop: sk.Address) -> None:
        (folder / name).write_bytes(content)
        sk.BatchSession(folder / name, shipper=shop)

    return act


def on_session(call: Any, source: Any = None, **options: Any) -> Any:
    def act(folder: Path, shop: sk.Address) -> None:
        with sk.BatchSession(
            [ROW] if source is None else source, **{"shipper": shop, "service": "ground", **options}
        ) as session:
            call(session)

    return act


# what is done, the error it gets, words of the message
RAISED = {
    "a file that is not there": (
        lambda f, s: sk.BatchSession(f / "none.csv", shipper=s),
        errors.SourceError,
        "none.csv",
    ),
    "an empty file": (load(b""), errors.SourceError, "empty"),
    "headings and no rows": (
        load(b"order_id,name\n"),
        errors.SourceError,
        "no (data )?(rows|orders|lines)|is empty",
    ),
    "a folder": (
        lambda f, s: sk.BatchSession(f, shipper=s),
        errors.SourceError,
        "folder|directory",
    ),
    "a picture": (load(b"\x89PNG\r\n\x1a\n" + bytes(range(256))), errors.SourceError, "orders.csv"),
    "a spreadsheet that is none": (
        load(b"PK\x03\x04 broken", "orders.xlsx"),
        errors.SourceError,
        "orders.xlsx",
    ),
    "parquet that is none": (
        load(b"PAR1 not really", "orders.parquet"),
        errors.SourceError,
        "orders.parquet",
    ),
    "broken JSON": (load(b'[{"a": 1},', "orders.json"), errors.SourceError, "orders.json"),
    "an unknown kind of file": (
        load(b"\x00\x01\x02", "orders.doc"),
        errors.SourceError,
        "orders.doc",
    ),
    "an empty list": (
        on_session(lambda x: None, source=[]),
        errors.SourceError,
        "no (data )?(rows|orders|lines)|is empty",
    ),
    "a number as source": (lambda f, s: sk.BatchSession(7, shipper=s), errors.SourceError, "int"),
    "no source at all": (
        lambda f, s: sk.BatchSession(shipper=s).preview(),
        errors.InputError,
        "No orders were loaded",
    ),
    "no shipper": (
        lambda f, s: sk.BatchSession([ROW], service="ground").preview(),
        errors.InputError,
        "Who ships",
    ),
    "a shipper with an unknown field": (
        lambda f, s: sk.BatchSession([ROW], shipper={"nome": "D"}),
        errors.InputError,
        "shipper is not a valid address",
    ),
    "a shipper that no file names": (
        lambda f, s: sk.BatchSession([ROW], shipper="harbor"),
        errors.SettingsError,
        "No shipper 'harbor'",
    ),
    "a misspelt column in a filter": (
        on_session(lambda x: x.where("stat = 'TX'")),
        errors.FilterError,
        "did you mean `?state`?",
    ),
    "broken SQL": (on_session(lambda x: x.where("state = ")), errors.FilterError, "state = "),
    "two statements": (
        on_session(lambda x: x.where("1=1; DROP TABLE lines")),
        errors.FilterError,
        "",
    ),
    "a subquery": (
        on_session(lambda x: x.where("zip IN (SELECT zip FROM lines)")),
        errors.FilterError,
        "",
    ),
    "reading a file in a filter": (
        on_session(lambda x: x.where("zip IN (SELECT * FROM '/etc/passwd')")),
        errors.FilterError,
        "",
    ),
    "a volatile function": (
        on_session(lambda x: x.where("random() < 0.5")),
        errors.FilterError,
        "random",
    ),
    "an unbound parameter": (
        on_session(lambda x: x.where("state = $state")),
        errors.FilterError,
        "state",
    ),
    "an unused parameter": (
        on_session(lambda x: x.where("state = 'TX'", stat="TX")),
        errors.FilterError,
        "stat",
    ),
    "a bracket that closes the wrapper": (
        on_session(lambda x: x.where("1=1) OR (1=1")),
        errors.FilterError,
        "",
    ),
    "memory without end in a filter": (
        on_session(lambda x: x.where("length(repeat('x', 1000000000)) > 1")),
        errors.FilterError,
        "repeat",
    ),
    "a template with broken syntax": (
        on_session(lambda x: x.map("{{ row.zip ").preview(), service=None),
        errors.TemplateError,
        "",
    ),
    "a template with an unknown column": (
        on_session(lambda x: x.map("{{ row.zipp }}").preview(), service=None),
        errors.TemplateError,
        "zip",
    ),
    "a template file that is not there": (
        on_session(lambda x: x.map(Path("none.j2"))),
        errors.TemplateError,
        "none.j2",
    ),
    "a template that reaches out": (
        on_session(lambda x: x.map("{{ row.__class__.__mro__ }}").preview(), service=None),
        errors.TemplateError,
        "",
    ),
    "a mapped column that is not there": (
        on_session(lambda x: x.map(columns={"postal_code": "Ship Zip"}).preview()),
        errors.MappingError,
        "Ship Zip",
    ),
    "a mapped field that is not there": (
        on_session(lambda x: x.map(columns={"zipcode": "zip"}).preview()),
        errors.MappingError,
        "zipcode",
    ),
    "an unknown service for all": (
        on_session(lambda x: x.map(service="teleport").preview()),
        errors.MappingError,
        "teleport",
    ),
    "a float as limit": (
        lambda f, s: sk.BatchSession([ROW], shipper=s, limits={"total": 5.5}),
        errors.InputError,
        "exact",
    ),
    "a limit in words": (
        lambda f, s: sk.BatchSession([ROW], shipper=s, limits={"total": "lots"}),
        errors.InputError,
        "invalid spend limits",
    ),
    "an unknown job": (
        lambda f, s: sk.BatchSession.open("job-nothere"),
        errors.JobNotFound,
        "job-nothere",
    ),
    "a job id that leaves the home": (
        lambda f, s: sk.BatchSession.open("../../etc"),
        errors.JobNotFound,
        "",
    ),
    "results before a job": (on_session(lambda x: x.results()), errors.JobNotFound, "no job yet"),
    "approval before a preview": (
        on_session(lambda x: x.approve()),
        errors.ApprovalRequired,
        "no preview",
    ),
    "void before anything was bought": (
        on_session(lambda x: x.void(all=True)),
        errors.JobNotFound,
        "no job yet",
    ),
    "a ship date that is none": (
        on_session(lambda x: x.map(ship_date="tomorrow")),
        errors.InputError,
        "ship_date='tomorrow' is not a date",
    ),
    "a source column to carry that is not there": (
        on_session(lambda x: x.preview(include=["skuu"])),
        errors.SourceError,
        "skuu",
    ),
}

# the cell, the field that the problem names, words of the problem; the other rows go on
PROBLEMS = {
    "a state that is none": ({"state": "Texarkana"}, "state", ""),
    "a ZIP of another state": ({"zip": "02134"}, "postal_code", ""),
    "a ZIP of four digits that fits nothing": (
        {"zip": "9021", "state": "CA"},
        "postal_code",
        "9021",
    ),
    "no weight": ({"weight_lb": ""}, "weight", ""),
    "a weight in words": ({"weight_lb": "heavy"}, "weight", "heavy"),
    "a weight of nothing": ({"weight_lb": "0"}, "weight", ""),
    "a weight beyond the carrier": ({"weight_lb": "151"}, "weight", "150"),
    "no street": ({"address1": ""}, "address_line1", "street"),
    "no name": ({"name": ""}, "name", ""),
    "no city": ({"city": " "}, "city", ""),
    "a street that fits in no lines": ({"address1": "x" * 36}, "address_line1", "35"),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("case", RAISED)
def test_a_bad_input_gets_a_clear_error(case: str, tmp_path: Path, shop: sk.Address):
    act, kind, words = RAISED[case]
    with pytest.raises(kind, match=f"(?i){words}") as caught:
        act(tmp_path, shop)
    assert caught.value.code == kind.code
    assert caught.value.fix, "an error says how to fix it"
    assert not (tmp_path / "home" / "jobs").exists()


@pytest.mark.parametrize("case", PROBLEMS)
def test_a_bad_cell_is_a_problem_of_its_row_and_the_others_go_on(case: str, shop: sk.Address):
    change, field, words = PROBLEMS[case]
    with sk.BatchSession(
        [{**ROW, **change, "order_id": "SO-2"}, ROW], shipper=shop, service="ground"
    ) as session:
        frame = session.preview()
        found = session.problems
    assert frame["cost_cents"].notna().tolist() == [False, True]
    errors_found = found[(found["row_number"] == 1) & (found["severity"] == "error")]
    assert errors_found["field"].str.contains(field).any(), found.to_string()
    assert (
        errors_found["problem"].str.contains(words, regex=False).any()
        or errors_found["value"].astype("string").str.contains(words, regex=False).any()
    )
    assert errors_found["fix"].notna().all()


def test_the_table_has_forty_cases():
    assert len(RAISED) >= 40


def test_a_line_with_more_cells_than_headings_is_not_bought(
    tmp_path: Path, shop: sk.Address
) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(
        "order_id,name,address1,city,state,zip,weight_lb\nA,Ada Lee,1 Main "
        "St,Austin,TX,78701,2\nB,Bo, Finch,2 Oak Ave,Austin,TX,78701,3\n"
    )
    with sk.BatchSession(path, shipper=shop, service="ground") as session:
        frame = session.preview()
        assert frame["cost_cents"].isna().tolist() == [False, True]
        assert "too_many_cells" in session.problems.query("severity == 'error'")["code"].tolist()
