"""What the sandbox's client sends, and what each kind of answer means."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pyarrow as pa
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from shipkit.carriers.sandbox.messages import (
    Wire,
    purchase_from_json,
    purchase_to_json,
    table_from_bytes,
    table_to_bytes,
)
from shipkit.errors import AnswerLost, AuthenticationFailed, CarrierError, CarrierRejected
from shipkit.models import (
    Address,
    Charge,
    Label,
    LabelFormat,
    LabelSpec,
    Parcel,
    Purchase,
    Shipment,
)

TO = Address(name="Ada", address_line1="1 Main St", city="Austin", state="TX", postal_code="73301")
SHIPMENT = Shipment(ship_to=TO, service="ground", parcels=(Parcel(weight_lb=3),))
BOUGHT = Purchase(
    shipment_id="S1",
    tracking_numbers=("N1", "N2"),
    service="ground",
    charge=Charge(cents=912, currency="CAD"),
    labels=(
        Label(tracking_number="N1", format=LabelFormat.ZPL, data=b"^XA\xff\x00^XZ"),
        Label(tracking_number="N2", format=LabelFormat.PDF, data=b"%PDF", kind="document"),
    ),
    warnings=("Address corrected.",),
)
RATE = {"service": "ground", "cost_cents": 912, "base_cents": 912}


def ask(call, answer: web.Response | Any, asked: list | None = None):
    """Return what `call(wire)` returns when the server gives `answer`."""

    async def handle(request: web.Request) -> web.Response:
        if asked is not None:
            asked.append((request, await request.read()))
        return answer if isinstance(answer, web.Response) else web.json_response(answer)

    async def work():
        application = web.Application(client_max_size=2**24)
        application.router.add_route("*", "/{path:.*}", handle)
        async with TestServer(application) as server:
            wire = Wire(str(server.make_url("/")).rstrip("/"), account="ACCT7", timeout_s=20)
            try:
                return await call(wire)
            finally:
                await wire.aclose()

    return asyncio.run(work())


def ship(wire: Wire):
    return wire.ship(SHIPMENT, TO, "REF1", LabelSpec(format="zpl", size="4x8"), "ACCT7")


# -- questions -------------------------------------------------------------------------------------


def test_a_purchase_is_asked_with_reference_label_and_account(shop):
    asked = []
    assert ask(ship, purchase_to_json(BOUGHT), asked) == BOUGHT
    [(request, body)] = asked
    assert (request.method, request.path) == ("POST", "/ship")
    assert request.headers["x-sandbox-account"] == "ACCT7"
    question = json.loads(body)
    assert set(question) == {"shipment", "shipper", "reference", "label"}
    assert (question["reference"], question["label"]["format"]) == ("REF1", "zpl")
    assert question["label"]["size"] == "4x8"
    assert Shipment.model_validate(question["shipment"]) == SHIPMENT
    assert Address.model_validate(question["shipper"]) == TO


def test_what_was_bought_is_asked_by_its_reference():
    asked = []
    found = ask(lambda wire: wire.find("REF 1&2", "ACCT7"), [purchase_to_json(BOUGHT)] * 2, asked)
    assert found == [BOUGHT, BOUGHT]
    [(request, _)] = asked
    assert (request.method, request.path) == ("GET", "/shipments")
    assert dict(request.query) == {"reference": "REF 1&2"}
    assert request.headers["x-sandbox-account"] == "ACCT7"
    assert ask(lambda wire: wire.find("REF1", "ACCT7"), []) == []


def test_a_void_names_the_shipment():
    asked = []
    assert ask(lambda wire: wire.void("S1", "ACCT7"), {}, asked) is None
    [(request, body)] = asked
    assert (request.method, request.path) == ("POST", "/void")
    assert json.loads(body) == {"shipment_id": "S1"}


def test_prices_are_asked_for_one_shipment_or_by_every_service():
    for path, call, answer in (
        ("/quote", lambda wire: wire.quote(SHIPMENT, TO), RATE),
        ("/shop", lambda wire: wire.shop(SHIPMENT, TO), [RATE, RATE]),
    ):
        asked = []
        found = ask(call, answer, asked)
        [(request, body)] = asked
        assert (request.method, request.path) == ("POST", path)
        assert set(json.loads(body)) == {"shipment", "shipper"}
        rates = found if isinstance(found, list) else [found]
        assert [rate.cost_cents for rate in rates] == [912] * len(rates)
        assert len(rates) == (2 if path == "/shop" else 1)


def test_a_table_is_asked_as_an_arrow_stream_with_the_shipper_in_a_header():
    asked, quotes = [], pa.table({"cost_cents": [1, 2]})
    table = pa.table({"service": ["ground", "ground"], "secret": ["a", "b"]})
    answer = web.Response(body=table_to_bytes(quotes))
    assert ask(lambda wire: wire.quote_table(table, TO), answer, asked).equals(quotes)
    [(request, body)] = asked
    assert (request.method, request.path) == ("POST", "/quotes")
    assert request.content_type == "application/vnd.apache.arrow.stream"
    shipper = base64.b64decode(request.headers["x-sandbox-shipper"])
    assert Address.model_validate_json(shipper) == TO
    assert table_from_bytes(body).column_names == ["service"], "only what a price depends on"


# -- answers ---------------------------------------------------------------------------------------

CALLS = {
    "ship": ship,
    "find": lambda wire: wire.find("REF1", "ACCT7"),
    "void": lambda wire: wire.void("S1", "ACCT7"),
    "quote": lambda wire: wire.quote(SHIPMENT, TO),
    "quote_table": lambda wire: wire.quote_table(pa.table({"service": ["ground"]}), TO),
}


def error_of(call, answer) -> CarrierError:
    with pytest.raises(CarrierError) as caught:
        ask(CALLS[call], answer)
    return caught.value


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, CarrierRejected),
        (401, AuthenticationFailed),
        (403, CarrierRejected),
        (404, CarrierRejected),
        (422, CarrierRejected),
        (499, CarrierRejected),
        (500, AnswerLost),
        (503, AnswerLost),
        (201, AnswerLost),
        (204, AnswerLost),
    ],
)
def test_a_status_means_the_same_whatever_was_asked(call, status, kind):
    answer = web.json_response(
        {"message": "No.", "code": "120100", "fix": "Correct."}, status=status
    )
    error = error_of(call, answer)
    assert type(error) is kind
    assert error.carrier_code == ("120100" if kind is CarrierRejected else str(status))


def test_a_refusal_has_the_carriers_words_code_and_fix_or_else_the_status():
    full = web.json_response({"message": "No.", "code": 120100, "fix": "Correct."}, status=422)
    error = error_of("ship", full)
    assert (error.message, error.carrier_message) == ("No.", "No.")
    assert (error.carrier_code, error.fix) == ("120100", "Correct.")
    for answer in ({}, ["a list"], {"message": None, "code": None}):
        error = error_of("ship", web.json_response(answer, status=422))
        assert error.message == "The sandbox answered 422."
        assert error.carrier_code == "422"


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"labels": []},
        {**purchase_to_json(BOUGHT), "tracking_numbers": []},
        {**purchase_to_json(BOUGHT), "labels": [{"tracking_number": "N1"}]},
        {**purchase_to_json(BOUGHT), "labels": [{"data": "not base64"}]},
        [],
        None,
        17,
    ],
)
def test_an_answer_that_is_no_purchase_is_lost_and_never_a_refusal(answer):
    """The shipment may exist: a refusal would say that it does not."""
    error = error_of("ship", answer)
    assert type(error) is AnswerLost
    assert "looked up by its reference" in error.fix
    if isinstance(answer, dict):
        assert type(error_of("find", [answer])) is AnswerLost


def test_an_answer_that_is_no_table_is_lost():
    assert type(error_of("quote_table", web.Response(body=b"not arrow"))) is AnswerLost


def test_a_purchase_comes_back_byte_for_byte():
    plain = json.loads(json.dumps(purchase_to_json(BOUGHT)))
    assert purchase_from_json(plain) == BOUGHT
    assert [label["kind"] for label in plain["labels"]] == ["label", "document"]
    assert [label["format"] for label in plain["labels"]] == ["zpl", "pdf"]


def test_a_table_comes_back_equal():
    table = pa.table({"a": [1, None], "b": ["x", "y"]})
    assert table_from_bytes(table_to_bytes(table)).equals(table)
