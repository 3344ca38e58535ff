"""SCAN forms: one barcode for all parcels of a day, a label on one form only, also after faults."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from shipkit.carriers import pace
from shipkit.carriers.after_purchase import BoughtLabels
from shipkit.carriers.http import Response
from shipkit.carriers.usps.scan_forms import form_request, made_form
from shipkit.common.local_day import local_day
from shipkit.errors import AnswerLost, CarrierRejected, LabelsRefused
from shipkit.job import Job
from shipkit.models import Address

from .conftest import HERE, SHOP, asked, job_of, run

EXAMPLES = HERE.parents[3] / "shared" / "usps" / "examples"


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_BACKOFF_S", 0.001)


def job_with(home: Path, carrier: Any, store: Any) -> Job:
    return Job.open(store.job_id, home=home, carrier=carrier)


@pytest.fixture
def bought(tmp_path: Path, server: Any, usps: Any) -> Any:
    """Three labels, bought at the server."""
    store = job_of(tmp_path, 3, usps())
    assert run(store, usps()) == "completed"
    return store


def test_all_labels_of_a_day_are_on_one_form_and_are_not_canceled_any_more(
    tmp_path: Path, server: Any, usps: Any, bought: Any
) -> None:
    with job_with(tmp_path, usps(), bought) as job:
        made = job.manifest()
        assert [(len(each.rows), each.labels, each.day) for each in made] == [
            (3, 3, local_day(SHOP))
        ]
        assert made[0].form is not None
        assert made[0].form.startswith(b"%PDF")
        assert made.left_out.empty
        assert {server.form_of(one["number"]) for one in server.sold()} == {made[0].number}
        assert [each.number for each in job.manifest()] == [made[0].number]
        assert server.calls["scan_form"] == 1, "the second call asks nothing"
        with pytest.warns(UserWarning, match="3 shipments are on a manifest"):
            kept = job.void(all=True)
    assert set(kept["state"]) == {"shipped"}
    assert kept["error_message"].str.contains("scan form cannot be canceled").all()


@pytest.mark.parametrize("fault", ["reset_after", "503_after", "garbled", "hollow", "cut", "half"])
def test_a_lost_answer_is_settled_by_the_number_that_usps_names(
    tmp_path: Path, server: Any, usps: Any, bought: Any, fault: str
) -> None:
    server.fault("scan_form", fault)
    with job_with(tmp_path, usps(), bought) as job:
        [made] = job.manifest()
    assert {server.form_of(one["number"]) for one in server.sold()} == {made.number}
    assert (made.form, made.labels) == (None, 3)
    assert "hand the parcels over without it" in made.warnings[0]


@pytest.mark.parametrize("fault", ["reset_before", "503_before", "429_retry", "401", "page_before"])
def test_what_did_nothing_is_asked_again_and_has_its_paper(
    tmp_path: Path, server: Any, usps: Any, bought: Any, fault: str
) -> None:
    server.fault("scan_form", fault)
    with job_with(tmp_path, usps(), bought) as job:
        [made] = job.manifest()
    assert made.form is not None
    assert made.warnings == ()


def test_no_answer_at_all_leaves_it_open_and_the_next_call_settles_it(
    tmp_path: Path, server: Any, usps: Any, bought: Any
) -> None:
    server.fault("scan_form", "503_after")
    server.fault("scan_form", "503_before", times=9)
    with job_with(tmp_path, usps(), bought) as job, pytest.raises(AnswerLost):
        job.manifest()
    assert len({server.form_of(one["number"]) for one in server.sold()}) == 1
    server.forget_faults()
    with job_with(tmp_path, usps(), bought) as job:
        [made] = job.manifest()
        assert job.manifest()[0].number == made.number
    assert {server.form_of(one["number"]) for one in server.sold()} == {made.number}


def test_a_label_that_usps_refuses_is_left_out_with_its_words_and_the_others_go_on(
    tmp_path: Path, server: Any, usps: Any, bought: Any
) -> None:
    first = server.sold()[0]["number"]
    server._db.execute("update sold set state = 'canceled' where number = ?", (first,))
    with job_with(tmp_path, usps(), bought) as job:
        made = job.manifest()
    assert [each.labels for each in made] == [2]
    assert list(made.left_out["tracking_number"]) == [first]
    assert "has been canceled" in made.left_out["reason"][0]


def test_a_form_that_was_made_elsewhere_is_not_taken_for_ours(
    server: Any, usps: Any, bought: Any
) -> None:
    number = server.sold()[0]["number"]
    server._db.execute("insert into forms values (?, 'EFN123456', '')", (number,))
    own = [BoughtLabels("key", (number,))]
    with pytest.raises(LabelsRefused) as refused:
        asked(usps(), lambda one: one.manifest(own, SHOP, local_day(SHOP), asked_before=False))
    assert "EFN123456" in refused.value.labels[number]


def test_a_form_that_names_one_label_has_that_label_only_and_the_others_get_their_own(
    tmp_path: Path, server: Any, usps: Any, bought: Any
) -> None:
    first = server.sold()[0]["number"]
    server.fault("scan_form", "503_before", times=9)
    with job_with(tmp_path, usps(), bought) as job, pytest.raises(AnswerLost):
        job.manifest()
    server.forget_faults()
    server._db.execute("insert into forms values (?, 'EFN123456', '')", (first,))
    with job_with(tmp_path, usps(), bought) as job:
        made = job.manifest()
    assert [(each.number == "EFN123456", each.labels) for each in made] == [(True, 1), (False, 2)]
    on_forms = {one["number"]: server.form_of(one["number"]) for one in server.sold()}
    assert [on_forms.pop(first), *set(on_forms.values())] == [each.number for each in made]


def test_a_day_that_is_over_is_refused(server: Any, usps: Any, bought: Any) -> None:
    own = [BoughtLabels("key", (server.sold()[0]["number"],))]
    day = local_day(SHOP) - dt.timedelta(days=3)
    with pytest.raises(CarrierRejected, match="cannot be in the past"):
        asked(usps(), lambda one: one.manifest(own, SHOP, day, asked_before=False))


def test_the_request_has_nothing_that_the_file_does_not_have() -> None:
    shop = SHOP.model_copy(update={"postal_code": "78205-1234", "email": "shop@example.com"})
    body = form_request(["92001"], shop, dt.date(2026, 11, 29))
    assert body["fromAddress"] == {
        "firm": "Alamo Goods",
        "firstName": "Dana",
        "lastName": "Ortiz",
        "streetAddress": "300 Alamo Plaza",
        "city": "San Antonio",
        "state": "TX",
        "ZIPCode": "78205",
        "ZIPPlus4": "1234",
    }
    assert body["mailingDate"] == "2026-11-29"
    bare = Address(
        name="Cher", address_line1="1 A St", city="Austin", state="TX", postal_code="73301"
    )
    assert form_request(["92001"], bare, dt.date(2026, 11, 29))["fromAddress"]["firm"] == "Cher"


def test_the_example_of_2023_is_read_in_its_parts() -> None:
    path = EXAMPLES / "SCANForm-LabelShipment-response.json"
    if not path.exists():
        pytest.skip("the folder `shared/usps` is not beside the project")
    content = path.read_bytes()
    mark = content.split(b"\n", 1)[0].strip().removeprefix(b"--").decode()
    answer = Response(200, {"content-type": f"multipart/form-data; boundary={mark}"}, content)
    made = made_form(answer, ["X" * 22])
    assert (made.number, made.tracking_numbers) == ("X" * 26, ("X" * 22,))
    assert made.form is not None
    assert made.form.startswith(b"%PDF-1.4")


def test_the_labels_of_a_form_are_those_that_its_answer_lists() -> None:
    def made(**listed: Any) -> tuple[str, ...]:
        body = json.dumps({"manifestNumber": "EFN1", **listed}).encode()
        answer = Response(200, {"content-type": "application/json"}, body)
        return made_form(answer, ["92001", "92002"]).tracking_numbers

    assert made(trackingNumbers=["92001"]) == ("92001",)
    assert made() == made(trackingNumbers=[]) == made(trackingNumbers="92") == ("92001", "92002")


def test_an_answer_without_a_number_is_a_lost_one() -> None:
    body = json.dumps({"trackingNumbers": ["92001"]}).encode()
    with pytest.raises(AnswerLost, match="no number"):
        made_form(Response(200, {"content-type": "application/json"}, body), ["92001"])


def test_what_usps_refuses_of_a_repeat_says_that_a_form_may_exist(
    server: Any, usps: Any, bought: Any
) -> None:
    number = server.sold()[0]["number"]
    server._db.execute("update sold set state = 'canceled' where number = ?", (number,))
    own = [BoughtLabels("key", (number,))]
    with pytest.raises(LabelsRefused) as refused:
        asked(usps(), lambda one: one.manifest(own, SHOP, local_day(SHOP), asked_before=True))
    assert refused.value.labels[number].endswith("and may exist: its answer was lost.")
