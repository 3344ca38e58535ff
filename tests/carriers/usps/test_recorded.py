"""Every recorded answer of USPS, read back, and every error of its list as an outcome."""

from __future__ import annotations

import base64
import csv
import datetime as dt
import json
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml

from shipkit.carriers.http import Response
from shipkit.carriers.usps import label_answer
from shipkit.carriers.usps.delivery_answers import checked_address, days_of, unknown_address
from shipkit.carriers.usps.parcel_question import zip5
from shipkit.carriers.usps.price_answer import read_prices
from shipkit.carriers.usps.usps_client import _is_stale, _refusal, error_of
from shipkit.errors import AnswerLost, AuthenticationFailed, CarrierRejected
from shipkit.models import Address

SHARED = Path(__file__).parents[4] / "shared" / "usps"
if not SHARED.exists():
    pytest.skip("the folder `shared/usps` is not next to the project", allow_module_level=True)


def exchanges() -> list[tuple[str, dict[str, Any]]]:
    """Name and interaction of each recorded exchange."""
    return [
        (f"{file.parent.name}/{file.stem}-{place}", one)
        for file in sorted((SHARED / "recorded").glob("*/*.yml"))
        for place, one in enumerate(yaml.safe_load(file.read_text())["http_interactions"])
    ]


EXCHANGES = exchanges()


def answer_of(one: dict[str, Any]) -> Response:
    found = one["response"]
    headers = {name.lower(): values[0] for name, values in found["headers"].items()}
    return Response(found["status"]["code"], headers, found["body"]["string"].encode())


def test_there_are_as_many_as_the_material_says() -> None:
    kinds = Counter(
        (name.split("/")[0], one["response"]["status"]["code"]) for name, one in EXCHANGES
    )
    assert sum(kinds.values()) == 15
    assert {kind for kind, _ in kinds} == {"city_state", "rate_estimates", "timings"}


@pytest.mark.parametrize(("name", "one"), EXCHANGES, ids=[name for name, _ in EXCHANGES])
def test_each_recorded_answer_is_read_as_what_it_is(name: str, one: dict[str, Any]) -> None:
    answer = answer_of(one)
    if answer.status == 401:
        code, words = error_of(answer)
        assert (code, words.startswith("The access token presented")) == ("", True)
        assert _is_stale(answer, paying=False), "a new token is fetched once"
        assert isinstance(_refusal(answer, buying=True), AuthenticationFailed)
    elif answer.status >= 400:
        _, words = error_of(answer)
        assert words
        error = _refusal(answer, buying=True)
        assert isinstance(error, CarrierRejected), "a refusal in USPS's own shape bought nothing"
        assert words in error.message
    elif name.startswith("rate_estimates"):
        [product] = read_prices(answer.json()).products
        body = answer.json()
        assert product.postage + product.fees == round(body["totalBasePrice"] * 100)
        assert product.fees == sum(round(f["price"] * 100) for f in body["rates"][0]["fees"])
        assert (product.price_type, product.warnings) == ("RETAIL", ())
    elif name.startswith("timings"):
        found = days_of(answer.json(), dt.date(2024, 4, 10))
        known = any(each["serviceStandard"] for each in answer.json())
        assert [(t.service, t.transit_days) for t in found] == (
            [("ground_advantage", 3)] if known else []
        )
    else:
        assert answer.json() == {"city": "DURHAM", "state": "NC", "ZIPCode": "27703"}


def test_an_unknown_zip_is_an_address_that_is_not_found() -> None:
    one = dict(EXCHANGES)["city_state/invalid_zip-0"]
    error = _refusal(answer_of(one), buying=False)
    found = unknown_address(error.carrier_code, error.message)
    assert found is not None
    assert (found.status, found.message) == ("not_found", "Invalid Zip Code.")


def test_the_recorded_bodies_without_a_cassette_are_read(capsys: Any) -> None:
    prices = json.loads((SHARED / "recorded/rate_estimates/success.json").read_text())
    [product] = read_prices(prices).products
    assert (product.postage, product.fees, product.zone) == (10825, 1800, "07")
    days = json.loads((SHARED / "recorded/timings/success.json").read_text())
    assert [one.delivery_date for one in days_of(days, dt.date(2024, 4, 1))] == [
        dt.date(2024, 4, 4)
    ]


def test_recorded_requests_are_the_ones_that_are_sent_now() -> None:
    """The query of delivery days, which has no OpenAPI file: the same names, and the weight."""
    from shipkit.carriers.usps.mail_classes import SERVICES

    asked = {name for name, one in EXCHANGES if name.startswith("timings")}
    queries = [
        dict(
            parse_qsl(
                urlsplit(dict(EXCHANGES)[name]["request"]["uri"]).query, keep_blank_values=True
            )
        )
        for name in asked
    ]
    for query in queries:
        assert set(query) == {"acceptanceDate", "destinationZIPCode", "mailClass", "originZIPCode"}
        assert SERVICES.from_wire(query["mailClass"]) == "ground_advantage"


def test_usps_own_example_of_a_multipart_answer_is_cut_into_its_parts() -> None:
    """A 2023 answer of the SCAN form API: other names, gzip claimed, base64 in it."""
    file = SHARED / "examples" / "SCANForm-LabelShipment-response.json"
    text = file.read_text(encoding="utf-8", errors="replace")
    mark = next(line for line in text.splitlines() if line.startswith("--"))[2:].strip()
    whole = text[text.index(f"--{mark}") :]
    if not whole.rstrip().endswith("--"):
        whole = f"{whole.rstrip()}\r\n--{mark}--"
    headers = {"content-type": f"multipart/mixed; boundary={mark}"}
    parts = label_answer.parts_of(Response(200, headers, whole.encode()))
    assert len(parts) >= 2
    assert any(text.lstrip().startswith("{") for text in parts.values())


def inventory() -> list[dict[str, str]]:
    with (SHARED / "errors.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_coded_error_of_a_first_label_is_a_refusal_that_bought_nothing() -> None:
    """By the list: of a purchase, no published code says that a label exists after all."""
    coded = [row for row in inventory() if row["code"].isdigit() and "labels" in row["api"]]
    about_buying = [
        row
        for row in coded
        if row["group"] not in ("cancel", "reprint", "edit", "scan form", "outage")
    ]
    assert len(about_buying) > 150
    for row in about_buying:
        body = {
            "error": {
                "code": "400",
                "message": "Bad Request",
                "errors": [{"code": row["code"], "title": "Bad Request", "detail": row["detail"]}],
            }
        }
        answer = Response(int(row["http_status"]), {}, json.dumps(body).encode())
        error = _refusal(answer, buying=True)
        assert not isinstance(error, AnswerLost), row
        assert error.carrier_code == row["code"]
        assert isinstance(error, AuthenticationFailed) == (row["group"] == "payment"), row


def test_an_extra_service_without_a_price_is_not_free() -> None:
    body = {
        "totalBasePrice": 9.0,
        "rates": [{"mailClass": "PRIORITY_MAIL", "price": 9.0, "priceType": "COMMERCIAL"}],
        "extraServices": [
            {"extraService": "921"},
            {"extraService": "930", "price": 0},
            {
                "extraService": "922",
                "price": 8.5,
                "warnings": [{"warningDescription": "It may not be available there."}],
            },
        ],
    }
    [product] = read_prices(body).products
    assert product.extras == {930: 0, 922: 850}
    assert product.extra_warnings == {922: ("It may not be available there.",)}
    assert product.warnings == ()


def test_a_label_with_a_part_without_a_price_is_bought_and_says_so(shipment: Any) -> None:
    def bought(*extras: dict[str, Any]) -> Any:
        body = {
            "trackingNumber": "9200",
            "postage": 9.0,
            "extraServices": extras,
            "labelImage": base64.b64encode(b"^XA^XZ").decode(),
        }
        content = json.dumps(body).encode()
        answer = Response(200, {"content-type": "application/json"}, content)
        return label_answer.one_label(answer, shipment, "key")

    whole = bought({"price": 8.5, "warnings": [{"warningDescription": "Paid in cash."}]})
    assert (whole.charge.cents, whole.warnings) == (1750, ("Paid in cash.",))
    partly = bought({"price": 8.5}, {"name": "Signature"})
    assert partly.charge is None
    assert partly.warnings[0].endswith("the charge is taken from the quote")


def test_an_answer_without_an_address_is_not_taken_for_not_found() -> None:
    with pytest.raises(AnswerLost, match="does not say what it is"):
        checked_address(Address(), {"additionalInfo": {"vacant": "N"}})
    denied = {"additionalInfo": {"DPVConfirmation": "N"}}
    assert checked_address(Address(), denied).status == "not_found"


@pytest.mark.parametrize(
    ("code", "five"), [("78205", "78205"), ("78205-1234", "78205"), ("782051234", "78205")]
)
def test_a_zip_has_five_digits_or_nine_and_is_not_cut(code: str, five: str) -> None:
    assert zip5(Address(postal_code=code), "ship_from") == five
    for wrong in (code[:4], f"{code[:5]}12", f"{five}x"):
        with pytest.raises(CarrierRejected, match="five digits"):
            zip5(Address(postal_code=wrong), "ship_from")
