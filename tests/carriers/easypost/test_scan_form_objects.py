"""EasyPost's scan forms: read from recordings, made once, found again by their tracking codes."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from shipkit.carriers import pace
from shipkit.carriers.after_purchase import BoughtLabels
from shipkit.carriers.easypost import scan_form_objects
from shipkit.carriers.easypost.scan_form_objects import made_form, shipment_ids
from shipkit.common.local_day import local_day
from shipkit.errors import AnswerLost, CarrierRejected
from shipkit.job import Job

from .conftest import SHOP, asked, job_of, run


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_BACKOFF_S", 0.001)


@pytest.fixture
def bought(tmp_path: Path, server: Any, easypost: Any) -> Any:
    """Two shipments."""
    store = job_of(tmp_path, 2, easypost())
    assert run(store, easypost()) == "completed"
    return store


def codes(server: Any) -> Counter[str]:
    return Counter(code for form in server.forms for code in form["all_codes"])


def test_every_recorded_form_is_read(exchanges: Any) -> None:
    read, failed = 0, 0
    for exchange in exchanges:
        answer = exchange["response"]
        forms = [answer, *(answer.get("scan_forms") or ())] if isinstance(answer, dict) else []
        if isinstance(answer, dict) and isinstance(answer.get("scan_form"), dict):
            forms.append(answer["scan_form"])  # of a batch: not made yet
        for form in forms:
            if form.get("object") != "ScanForm":
                continue
            if form["status"] == "creating":
                with pytest.raises(AnswerLost, match="still making"):
                    made_form(form)
                continue
            number, numbers, url, problem = made_form(form)
            read += 1
            failed += problem is not None
            assert number == form["id"]
            assert numbers == (() if problem else tuple(form["tracking_codes"]))
            assert (url is None) == (problem is not None)
    assert (read, failed) == (31, 1)


def test_a_form_is_made_once_and_has_its_paper(
    tmp_path: Path, server: Any, easypost: Any, bought: Any
) -> None:
    with Job.open(bought.job_id, home=tmp_path, carrier=easypost()) as job:
        [made] = job.manifest()
        job.manifest()
    assert made.number == server.forms[0]["id"]
    assert made.form is not None
    assert made.form.startswith(b"%PDF")
    assert server.calls["scan_form"] == 1
    assert set(codes(server).values()) == {1}


def test_an_order_of_several_parcels_has_all_of_them_on_the_form(
    tmp_path: Path, server: Any, easypost: Any
) -> None:
    parcel = {"weight_lb": 2.0, "packaging": "package"}
    ground = {"service": "ups:ground", "parcels": [parcel, parcel]}
    store = job_of(tmp_path, 1, easypost(), cents=1946, **ground)
    assert run(store, easypost()) == "completed", (
        store.results().column("error_message").to_pylist()
    )
    with Job.open(store.job_id, home=tmp_path, carrier=easypost()) as job:
        [made] = job.manifest()
    assert (len(made.rows), made.labels) == (1, 2)
    assert len(codes(server)) == 2


def test_a_refunded_label_of_an_order_is_on_no_form_and_waits_for_no_driver(
    tmp_path: Path, server: Any, easypost: Any
) -> None:
    parcel = {"weight_lb": 2.0, "packaging": "package"}
    ground = {"service": "ups:ground", "parcels": [parcel, parcel, parcel]}
    store = job_of(tmp_path, 1, easypost(), cents=2919, **ground)
    assert run(store, easypost()) == "completed"
    first, second, third = store.results().column("tracking_numbers").to_pylist()[0]
    server.fault("refund", "422_texts", times=1, skip=1)
    with Job.open(store.job_id, home=tmp_path, carrier=easypost()) as job:
        [line] = job.void(all=True).to_dict("records")
        assert line["tracking_numbers"] == (second,)
        assert f"2 labels of 3 voided ({first}, {third})" in line["error_message"]
        [made] = job.manifest()
        job.pickup((local_day(SHOP) + dt.timedelta(days=7)).isoformat())
    assert made.labels == 1
    assert [*codes(server)] == [second]
    [pickup] = server.pickups.values()
    assert not server.batches, "it is of one shipment"
    assert pickup["status"] == "unknown"


def test_a_label_that_the_order_does_not_show_is_said(server: Any, easypost: Any) -> None:
    async def call(one: Any) -> Any:
        labels = BoughtLabels("order_1", ("1Z1",))
        shown = {"shipments": [{"id": "shp_1", "tracking_code": "1Z2"}]}
        one._client.get = lambda _: answered(shown)
        return await shipment_ids(one._client, labels)

    async def answered(answer: Any) -> Any:
        return answer

    with pytest.raises(CarrierRejected, match="does not show 1Z1 in order_1"):
        asked(easypost(), call)


@pytest.mark.parametrize(
    "fault",
    [
        *("reset_after", "503_after", "garbled", "hollow", "half"),
        *("unknown_code", "no_response", "timed_out_after"),
    ],
)
def test_a_lost_answer_is_settled_by_the_list_of_forms(
    tmp_path: Path, server: Any, easypost: Any, bought: Any, fault: str
) -> None:
    server.fault("scan_form", fault)
    with Job.open(bought.job_id, home=tmp_path, carrier=easypost()) as job:
        [made] = job.manifest()
    assert made.form is not None
    assert len(server.forms) == 1
    assert server.calls["scan_form"] == 1


def test_a_list_that_cannot_be_read_is_no_sign_that_there_is_no_form(
    tmp_path: Path, server: Any, easypost: Any, bought: Any
) -> None:
    server.fault("scan_form", "unknown_code")
    server.fault("scan_forms", "hollow")
    with Job.open(bought.job_id, home=tmp_path, carrier=easypost()) as job:
        [made] = job.manifest()
    assert made.labels == 2
    assert (server.calls["scan_form"], len(server.forms)) == (1, 1)


def test_words_that_may_hide_a_form_are_a_refusal_once_the_list_shows_none(
    tmp_path: Path, server: Any, easypost: Any, bought: Any
) -> None:
    server.form_refused = "MANIFEST.UNHEARD_OF"
    with Job.open(bought.job_id, home=tmp_path, carrier=easypost()) as job:
        made = job.manifest()
    assert len(made) == 0
    said = "EasyPost made no scan form: The manifest is not available. Hand the parcels over"
    assert [why.startswith(said) for why in made.left_out["reason"]] == [True, True]
    assert (server.calls["scan_form"], server.calls["scan_forms"]) == (2, 2)


def test_a_form_that_takes_a_while_is_waited_for(
    tmp_path: Path, server: Any, easypost: Any, bought: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_form_objects, "_PAUSES_S", (0.0,) * 6)
    server.forms_wait = 3
    with Job.open(bought.job_id, home=tmp_path, carrier=easypost()) as job:
        [made] = job.manifest()
    assert made.labels == 2
    assert len(server.forms) == 1


def test_one_that_fails_is_told_and_can_be_asked_for_again(
    tmp_path: Path, server: Any, easypost: Any, bought: Any
) -> None:
    server.form_fails = "Unable to create manifest."
    with Job.open(bought.job_id, home=tmp_path, carrier=easypost()) as job:
        first = job.manifest()
        assert (len(first), set(first.left_out["reason"].str[:30])) == (
            0,
            {"EasyPost made no scan form: Un"},
        )
        assert [each.labels for each in job.manifest()] == [2]
    assert set(codes(server).values()) == {1}


def test_a_shipment_of_another_form_is_refused_in_easyposts_words(
    tmp_path: Path, server: Any, easypost: Any, bought: Any
) -> None:
    with Job.open(bought.job_id, home=tmp_path, carrier=easypost()) as job:
        job.manifest("row_number = 1")
        server.forms[0]["all_codes"] += [one["number"] for one in server.sold()]
        made = job.manifest()
    assert len(made) == 1
    assert made.left_out["reason"][0].startswith("EasyPost: A shipment is on another scan form.")
