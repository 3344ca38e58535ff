"""One account over HTTP: what is sent, what a price says before money moves, keys, refunds."""

from __future__ import annotations

import copy
import datetime as dt
import logging
import pickle
import traceback
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from shipkit.carriers import registry
from shipkit.carriers.easypost import EasyPost
from shipkit.carriers.easypost.shipment_request import draft
from shipkit.carriers.quote_cache import QuoteCache
from shipkit.errors import AuthenticationFailed, CarrierRejected, SettingsError
from shipkit.models import (
    Address,
    Customs,
    CustomsItem,
    LabelSpec,
    Money,
    Parcel,
    Purchase,
    Refund,
    Signature,
)
from shipkit.schema import shipment_from_row

from .conftest import KEY, SHOP, asked, job_of, plan_of, run

# -- keys ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "environment", "said"),
    [
        ("EZAKlive", "test", "is a production key, and SHIPKIT_EASYPOST_ENV is test"),
        ("EZTKtest", "live", "is a test key, and SHIPKIT_EASYPOST_ENV is live"),
        ("ezaklive", "test", "is a production key"),
        ("  ", "test", "is not an EasyPost key"),
        ("EZTK\nx", "test", "is not an EasyPost key"),
    ],
)
def test_a_key_of_the_other_environment_is_refused_unasked(key, environment, said):
    with pytest.raises(SettingsError, match=said) as caught:
        EasyPost(SecretStr(key), environment=environment)
    assert key.strip() == "" or key.strip() not in str(caught.value)


def test_a_key_without_a_prefix_is_judged_by_the_mode_of_the_answers(
    server, server_module, easypost, shipment
):
    server.mode, server_module.LIVE_KEY = "production", "a-key-of-another-form"
    carrier = easypost(key=SecretStr("a-key-of-another-form"))
    with pytest.raises(AuthenticationFailed, match="answers in mode 'production'"):
        asked(carrier, lambda one: one.prepare(shipment, SHOP, "R1", LabelSpec()))
    server_module.LIVE_KEY = "EZAK_key_of_the_tests"
    live = easypost(key=SecretStr(server_module.LIVE_KEY), environment="live")
    assert live.identity.live
    assert asked(live, lambda one: one.quote(shipment, SHOP)).cost_cents == 625


def test_a_job_of_a_test_key_is_never_bought_by_a_live_one(home, server, server_module, easypost):
    job = job_of(home, 1, easypost())
    live = easypost(key=SecretStr(server_module.LIVE_KEY), environment="live")
    with pytest.raises(Exception, match="belongs to easypost TEST"):
        run(job, live)
    assert server.calls.total() == 0


@pytest.mark.parametrize(
    "url",
    [
        "https://api.easypost.com.example.com",
        "https://example.com",
        "http://api.easypost.com",
        "http://127.0.0.1@example.com",
        "https://user:pw@127.0.0.1",
    ],
)
def test_the_key_goes_to_no_other_host(url):
    with pytest.raises(SettingsError, match="neither EasyPost's API nor this machine"):
        EasyPost(KEY, base_url=url)


def test_the_key_is_in_no_repr_log_pickle_copy_or_traceback(server, easypost, shipment, caplog):
    secret = KEY.get_secret_value()
    caplog.set_level(logging.DEBUG)
    carrier = easypost()
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(carrier)
    with pytest.raises(TypeError, match="cannot be pickled"):
        copy.deepcopy(carrier)
    server.fault("create", "reset_before")
    text = _failure(carrier, shipment)
    assert "EasyPost" in text
    for each in (text, caplog.text, repr(carrier), repr(vars(carrier)), str(carrier.identity)):
        assert secret not in each
        assert "RVpUS19rZXlfb2Zf" not in each, "nor as base64"


def _failure(carrier: EasyPost, shipment: Any) -> str:
    """Return the traceback of a call that fails, with the values of all local variables."""
    try:
        asked(carrier, lambda one: one.quote(shipment, SHOP))
    except Exception as error:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
        return "".join(shown.format())
    raise AssertionError("it did not fail")


def test_the_account_is_named_without_the_key():
    named = EasyPost(KEY, account="user_12345678")
    assert str(named.identity) == "easypost TEST ...5678"
    one, other = EasyPost(KEY).identity, EasyPost(SecretStr("EZTK_another")).identity
    assert one.account != other.account
    assert one == EasyPost(KEY).identity


def test_a_key_of_another_user_is_refused(server, easypost, shipment):
    with pytest.raises(AuthenticationFailed, match="of another account"):
        asked(easypost(account="user_someone_else"), lambda one: one.quote(shipment, SHOP))


def test_settings_come_from_the_environment():
    env = {
        "SHIPKIT_EASYPOST_API_KEY": "EZTKx",
        "SHIPKIT_EASYPOST_ACCOUNT": "shop-1",
        "SHIPKIT_EASYPOST_CARRIER_ACCOUNTS": "ca_1, ca_2",
    }
    carrier = registry.create("easypost", environ=env)
    assert str(carrier.identity) == "easypost TEST ...op-1"
    with pytest.raises(SettingsError, match="needs SHIPKIT_EASYPOST_API_KEY"):
        registry.create("easypost", environ={})


# -- prices ----------------------------------------------------------------------------------------


def test_a_price_is_the_rate_and_its_fees_apart(server, easypost, shipment):
    server.label_fee = Decimal("0.01")
    insured = shipment.model_copy(
        update={
            "parcels": (shipment.parcels[0].model_copy(update={"declared_value": Money.of("400")}),)
        }
    )
    plain, with_value = asked(
        easypost(), lambda one: _both(one.quote(shipment, SHOP), one.quote(insured, SHOP))
    )
    assert (plain.base_cents, plain.other_cents, plain.cost_cents) == (625, 1, 626)
    assert (with_value.base_cents, with_value.other_cents, with_value.cost_cents) == (625, 201, 826)
    assert (plain.warnings, with_value.warnings) == ((), ())
    assert server.calls["create"] == 1, "one question"


def test_an_answer_without_a_list_of_trackers_says_nothing_of_a_parcel(server, easypost):
    server.fault("tracker", "hollow")
    [line] = asked(easypost(), lambda one: one.track(["9400"]))
    assert (line["status"], line["problem"]) == (
        "unknown",
        "EasyPost's answer has no list of trackers.",
    )


def test_fees_that_easypost_does_not_show_are_said_at_each_price(server, easypost, shipment):
    server.fault("users", "404")
    rate = asked(easypost(), lambda one: one.quote(shipment, SHOP))
    assert rate.warnings == (
        "EasyPost does not show the fees of the account: they are not in this price",
    )


def test_fees_in_usd_are_said_at_a_price_in_another_currency_also_when_it_is_kept(
    server, easypost, shipment, tmp_path
):
    server.label_fee, server.currency = Decimal("0.05"), "CAD"
    note = "fees of the account, $0.05, are not in this price, which is in CAD; "
    note += "spend limits do not count them"
    rate = asked(easypost(), lambda one: one.quote(shipment, SHOP))
    assert (rate.cost_cents, rate.other_cents, rate.currency) == (625, None, "CAD")
    assert rate.warnings == (note,)
    shopped = asked(easypost(), lambda one: one.shop(shipment, SHOP))
    assert {each.warnings for each in shopped} == {(note,)}
    cache = QuoteCache(tmp_path / "quotes", max_age_s=3600)
    for basis in ("quoted", "cached"):
        table = asked(easypost(quote_cache=cache), lambda one: one.quote_table(plan_of(1), SHOP))
        [line] = table.select(["cost_basis", "warnings"]).to_pylist()
        assert line["cost_basis"] == basis
        assert note in line["warnings"]
    server.insures = Decimal(50)
    rate = asked(easypost(), lambda one: one.quote(shipment, SHOP))
    assert "$0.50 apart from the price" in rate.warnings[0]
    assert rate.warnings[1].startswith("fees of the account, $0.55, are not in this price")


async def _both(*calls: Any) -> list[Any]:
    return [await call for call in calls]


@pytest.mark.parametrize(
    ("options", "cents", "said"),
    [({}, 675, True), ({"insurance": "off"}, 625, False)],
)
def test_an_account_that_insures_by_itself_is_said_before_money_moves(
    home, server, easypost, shipment, options, cents, said
):
    server.insures = Decimal(50)
    carrier = easypost(**options)
    rate = asked(carrier, lambda one: one.quote(shipment, SHOP))
    assert rate.cost_cents == cents
    text = (
        "the account insures each label for $50.00 by itself: $0.50 of the price "
        "(SHIPKIT_EASYPOST_INSURANCE=off leaves it out)"
    )
    assert rate.warnings == ((text,) if said else ())
    job = job_of(home, 1, easypost(**options), cents=cents)
    run(job, easypost(**options))
    assert job.results().column("charged_cents").to_pylist() == [cents]
    sent = [body for _, path, body in server.seen if path.endswith("/buy")]
    assert [body.get("insurance") for body in sent] == [None if said else "0"]


def test_a_carrier_that_failed_is_said_where_services_are_compared(server, easypost, shipment):
    server.silent = frozenset({"UPS"})
    server.messages = [
        {"carrier": "UPS", "type": "rate_error", "message": "Too Many Requests"},
        {"carrier": "DhlEcs", "type": "rate_error", "message": "Invalid credentials"},
    ]
    rates = asked(easypost(), lambda one: one.shop(shipment, SHOP))
    assert [rate.service for rate in rates] == [
        "usps:ground_advantage",
        "usps:priority",
        "usps:express",
    ]
    for rate in rates:
        assert rate.left_out == (
            ("ups:*", "UPS gave no price (Too Many Requests): another may be cheaper"),
            ("dhlecs:*", "DhlEcs gave no price (Invalid credentials): another may be cheaper"),
        )
    fixed = asked(easypost(), lambda one: one.quote(shipment, SHOP))
    assert fixed.warnings == (), "no other carrier was asked for"
    ups = shipment.model_copy(update={"service": "ups:ground"})
    with pytest.raises(CarrierRejected, match=r"no price for UPS Ground \(UPS: Too Many Requests"):
        asked(easypost(), lambda one: one.quote(ups, SHOP))


@pytest.mark.parametrize(
    ("change", "option", "field"),
    [
        ({"signature": Signature.ADULT}, "delivery_confirmation", "signature"),
        (
            {"saturday_delivery": True, "service": "ups:2nd_day_air"},
            "saturday_delivery",
            "saturday_delivery",
        ),
        ({"ship_date": dt.date(2026, 12, 1)}, "label_date", "ship_date"),
    ],
)
def test_an_option_that_the_answer_does_not_repeat_holds_the_row(
    server, easypost, shipment, change, option, field
):
    wanted = shipment.model_copy(update=change)
    assert asked(easypost(), lambda one: one.quote(wanted, SHOP)).cost_cents > 0
    server.echoes = frozenset()
    for call in (
        lambda one: one.quote(wanted, SHOP),
        lambda one: one.shop(wanted, SHOP),
        lambda one: one.prepare(wanted, SHOP, "R1", LabelSpec()),
    ):
        with pytest.raises(CarrierRejected, match=f"{option} is not in its answer") as caught:
            asked(easypost(), call)
        assert caught.value.details["field"] == field


def test_an_address_that_would_be_rewritten_is_said(server, easypost, shipment):
    server.moves = {"179 N Harbor Dr": "200 S Harbor Dr"}
    rate = asked(easypost(), lambda one: one.quote(shipment, SHOP))
    assert rate.warnings == (
        "the address would be changed to 200 S Harbor Dr, Redondo Beach, CA, 90277",
    )
    server.moves = {}
    assert asked(easypost(), lambda one: one.quote(shipment, SHOP)).warnings == ()


def test_with_verify_an_address_that_is_not_found_is_said_once_checked(server, easypost, shipment):
    gone = shipment.model_copy(
        update={"ship_to": shipment.ship_to.model_copy(update={"address_line1": "0 unknown st"})}
    )
    carrier = easypost(verify=True)
    both = asked(carrier, lambda one: _both(one.quote(shipment, SHOP), one.quote(gone, SHOP)))
    assert [rate.warnings for rate in both] == [(), ("EasyPost does not find the address",)]
    assert server.calls["address"] == 2


def test_a_table_asks_each_question_once_for_all_services(server, easypost):
    table = plan_of(60, address_line1="1 Main St")
    services = ["usps:ground_advantage", "USPS Priority Mail", "ups:ground"] * 20
    at = table.schema.get_field_index("service")
    import pyarrow as pa

    table = table.set_column(at, table.schema.field(at), pa.array(services))
    quotes = asked(easypost(), lambda one: one.quote_table(table, SHOP))
    assert server.calls["create"] == 1
    assert quotes.column("cost_cents").to_pylist() == [625, 722, 973] * 20
    assert quotes.column("problem").null_count == 60


def test_shopping_a_table_makes_one_rating_of_rows_that_ask_the_same(server, easypost):
    table = plan_of(60, address_line1="1 Main St")
    carrier = easypost()
    shopped = asked(carrier, lambda one: one.shop_table(table, SHOP)).to_pandas()
    assert server.calls["create"] == 1
    assert shopped.groupby("row").cost_cents.min().tolist() == [625] * 60
    alone = asked(easypost(), lambda one: one.shop(shipment_from_row(table.to_pylist()[0]), SHOP))
    assert shopped[shopped.row == 59].service.tolist() == [rate.service for rate in alone]


def left_out(table: Any) -> dict[str, list[str]]:
    """Return service -> why others are left out, of the first row of a shop table."""
    return {
        line["service"]: [each["why"] for each in line["left_out"] or ()]
        for line in table.to_pylist()
        if line["row"] == 0
    }


def test_services_that_cannot_do_what_a_row_asks_for_are_named_with_the_reason(server, easypost):
    box = {"weight_lb": 2.0, "length_in": 10, "width_in": 8, "height_in": 4}
    two = plan_of(2, parcels=[box, box])
    found = left_out(asked(easypost(), lambda one: one.shop_table(two, SHOP)))
    assert [*found] == ["ups:ground", "ups:2nd_day_air"]
    for said in found.values():
        assert [text.partition(" is left out: ")[0] for text in said][:2] == [
            "USPS Ground Advantage",
            "USPS Priority Mail",
        ]
        assert "USPS has no shipments of several parcels" in said[0]
    assert len(found["ups:ground"]) == len(found["ups:2nd_day_air"]) == 3, "Express is faster"


def test_a_packaging_of_one_carrier_is_shopped_and_the_others_are_left_out(server, easypost):
    flat = plan_of(1, parcels=[{"weight_lb": 2.0, "packaging": "Small Flat Rate Box"}])
    found = left_out(asked(easypost(), lambda one: one.shop_table(flat, SHOP)))
    assert {code.partition(":")[0] for code in found} == {"usps"}
    assert "'Small Flat Rate Box' is no packaging of UPS" in found["usps:express"][0]
    [(_, _, body)] = [seen for seen in server.seen if seen[1] == "/v2/shipments"]
    assert body["shipment"]["parcel"] == {
        "weight": 32.0,
        "predefined_package": "SmallFlatRateBox",
    }
    own = plan_of(1, parcels=[{"weight_lb": 2.0, "packaging": "Barrel"}])
    [refused] = asked(easypost(), lambda one: one.shop_table(own, SHOP)).to_pylist()
    assert refused["problem"].startswith(
        "parcels[0].packaging: 'Barrel' is no packaging of a carrier"
    )


def test_a_row_that_no_service_can_do_says_why_and_others_stay_apart(server, easypost):
    server.silent = frozenset({"UPS"})
    box = {"weight_lb": 2.0, "length_in": 10, "width_in": 8, "height_in": 4}
    [line] = asked(
        easypost(), lambda one: one.shop_table(plan_of(1, parcels=[box, box]), SHOP)
    ).to_pylist()
    assert line["problem"].startswith("parcels: USPS has no shipments of several parcels")


def test_rows_that_share_a_rating_keep_their_own_references_and_insurance(server, easypost):
    rows = plan_of(5, address_line1="1 Main St").to_pylist()
    rows[1]["references"] = [{"key": f"r{i}", "value": f"R{i}"} for i in range(4)]
    rows[2]["references"] = [{"key": f"r{i}", "value": f"R{i}"} for i in range(3)]
    rows[3]["parcels"][0]["declared_value_cents"] = 50_000
    import pyarrow as pa

    table = pa.Table.from_pylist(rows, schema=plan_of(1).schema)
    found = asked(easypost(), lambda one: one.shop_table(table, SHOP)).to_pylist()
    assert server.calls["create"] == 1
    first = {line["row"]: line for line in reversed(found)}
    assert "prints 3 references" in first[1]["problem"]
    assert "the order number is not on the label" in first[2]["warnings"]
    assert first[3]["cost_cents"] > first[0]["cost_cents"] == first[4]["cost_cents"]
    assert first[0]["warnings"] == first[4]["warnings"] == ""


def test_shopping_again_and_again_says_what_ratings_will_cost(server, easypost):
    async def prices(one: EasyPost) -> list[Any]:
        found = []
        for street in ("A", "B", "C"):
            table = await one.shop_table(plan_of(2, city=f"City {street}"), SHOP)
            found.append(set(table.column("warnings").to_pylist()))
        return found

    first, second, third = asked(easypost(), prices)
    assert first == second == {""}
    assert third == {"8 ratings for 2 labels: EasyPost bills 2 beyond three a label, $0.04"}


def test_ratings_beyond_three_a_label_are_said_with_their_price(server, easypost):
    async def prices(one: EasyPost) -> list[Any]:
        found = []
        for street in ("A", "B", "C"):
            table = plan_of(2, city=f"City {street}")
            found.append((await one.quote_table(table, SHOP)).column("warnings").to_pylist())
        return found

    first, second, third = asked(easypost(), prices)
    assert first == second == ["", ""]
    assert set(third) == {
        "8 ratings for 2 labels: EasyPost bills 2 beyond three a label, $0.04",
    }


def test_a_price_survives_a_lost_answer_and_a_refusal_is_of_its_row(server, easypost):
    from shipkit.carriers.pace import Pacer

    server.fault("create", "reset_after")
    server.fault("create", "429")
    table = plan_of(3)
    rows = table.to_pylist()
    rows[1]["parcels"] = [{"weight_lb": 2.0, "packaging": "Gift wrap"}]
    import pyarrow as pa

    table = pa.Table.from_pylist(rows, schema=table.schema)
    quotes = asked(easypost(), lambda one: one.quote_table(table, SHOP, Pacer(concurrency=2)))
    assert quotes.column("cost_cents").to_pylist() == [625, None, 625]
    assert "is no packaging of USPS" in quotes.column("problem")[1].as_py()


# -- what is sent ----------------------------------------------------------------------------------


def test_a_shipment_in_full(shipment):
    wanted = shipment.model_copy(
        update={
            "signature": Signature.REQUIRED,
            "ship_date": dt.date(2026, 12, 1),
            "ship_to": shipment.ship_to.model_copy(
                update={"address_line2": "Apt 20", "address_line3": "Rear", "residential": True}
            ),
        }
    )
    assert draft(wanted, SHOP).named("REF-1", LabelSpec(format="pdf")).body == {
        "shipment": {
            "to_address": {
                "name": "Jo Ng",
                "street1": "179 N Harbor Dr",
                "street2": "Apt 20, Rear",
                "city": "Redondo Beach",
                "state": "CA",
                "zip": "90277",
                "country": "US",
                "residential": True,
            },
            "from_address": {
                "name": "Dana Ortiz",
                "street1": "300 Alamo Plaza",
                "city": "San Antonio",
                "state": "TX",
                "zip": "78205",
                "country": "US",
                "phone": "2105550100",
            },
            "is_return": False,
            "parcel": {"weight": 32.0, "length": 10.0, "width": 8.0, "height": 4.0},
            "options": {
                "delivery_confirmation": "SIGNATURE",
                "label_date": "2026-12-01",
                "print_custom_1": "PO-77",
                "print_custom_2": "4412",
                "label_format": "PDF",
                "label_size": "4x6",
            },
            "reference": "REF-1",
        }
    }


@pytest.mark.parametrize(
    ("pounds", "ounces"),
    [(2.0, 32.0), (0.9625, 15.4), (2.20462, 35.3), (0.001, 0.1), (0.0625, 1.0), (70, 1120.0)],
)
def test_weights_are_ounces_up_to_the_next_tenth(shipment, pounds, ounces):
    one = shipment.model_copy(update={"parcels": (Parcel(weight_lb=pounds),)})
    assert draft(one, SHOP).body["shipment"]["parcel"] == {"weight": ounces}


def test_a_shipment_abroad_has_the_values_of_whole_lines(server, easypost, shipment):
    abroad = shipment.model_copy(
        update={
            "service": "usps:first_class_package_international",
            "ship_to": Address(
                name="Jürgen Groß",
                address_line1="Allee 6",
                city="Berlin",
                postal_code="10119",
                country="DE",
            ),
            "customs": Customs(
                reason="gift",
                terms="DDP",
                duties_payer="shipper",
                invoice_number="INV-7",
                items=(
                    CustomsItem(
                        description="Shirt",
                        quantity=2,
                        unit_value=Money.of("15.10"),
                        weight_lb=0.5,
                        hs_code="6109.10",
                        origin_country="US",
                        sku="TS-1",
                    ),
                    CustomsItem(
                        description="Mug",
                        quantity=1,
                        unit_value=Money.of("9.50"),
                        weight_lb=0.3333,
                        origin_country="MX",
                    ),
                ),
            ),
        }
    )
    inside = draft(abroad, SHOP).body["shipment"]
    assert inside["customs_info"] == {
        "contents_type": "gift",
        "restriction_type": "none",
        "customs_certify": True,
        "customs_signer": "Dana Ortiz",
        "eel_pfc": "NOEEI 30.37(a)",
        "customs_items": [
            {
                "description": "Shirt",
                "quantity": 2,
                "value": 30.2,
                "weight": 16.0,
                "origin_country": "US",
                "hs_tariff_number": "6109.10",
                "code": "TS-1",
            },
            {
                "description": "Mug",
                "quantity": 1,
                "value": 9.5,
                "weight": 5.3,
                "origin_country": "MX",
            },
        ],
    }
    assert inside["options"] == {
        "print_custom_1": "PO-77",
        "print_custom_2": "4412",
        "incoterm": "DDP",
        "duty_payment": {"type": "SENDER"},
        "invoice_number": "INV-7",
    }
    server.echoes = server.echoes - {"incoterm"}
    with pytest.raises(CarrierRejected, match="incoterm is not in its answer"):
        asked(easypost(), lambda one: one.quote(abroad, SHOP))


ITEM = CustomsItem(
    description="Ring", quantity=1, unit_value=Money.of("10"), weight_lb=0.1, origin_country="US"
)


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"customs": None}, "customs.items", "need a line per item"),
        (
            {"customs": Customs(items=(ITEM.model_copy(update={"quantity": 251}),))},
            "itn",
            "Ring is worth more than 2,500 USD: the export must be filed",
        ),
        (
            {"customs": Customs(items=(ITEM, ITEM.model_copy(update={"weight_lb": None})))},
            "customs.items[1].weight_lb",
            "the weight of each item",
        ),
        (
            {"customs": Customs(items=(ITEM.model_copy(update={"origin_country": None}),))},
            "customs.items[0].origin_country",
            "where the item was made",
        ),
        ({"customs": Customs(reason="fun", items=(ITEM,))}, "customs.reason", "reasons for export"),
        ({"customs": Customs(terms="ABC", items=(ITEM,))}, "customs.terms", "terms of shipment"),
        ({"customs": Customs(terms="DDP", items=(ITEM,))}, "customs.terms", "the shipper pays"),
        (
            {
                "customs": Customs(
                    items=(ITEM.model_copy(update={"unit_value": Money.of("10", "EUR")}),)
                )
            },
            "customs.items",
            "are in USD, and these are in EUR",
        ),
    ],
)
def test_what_customs_lacks_holds_the_row_unasked(shipment, change, field, said):
    berlin = Address(name="J", address_line1="Allee 6", city="Berlin", country="DE")
    abroad = shipment.model_copy(update={"ship_to": berlin, **change})
    with pytest.raises(CarrierRejected, match=said) as caught:
        draft(abroad, SHOP)
    assert caught.value.details["field"] == field


@pytest.mark.parametrize(
    ("place", "needed"),
    [
        ({"state": "AE", "postal_code": "09021"}, "from US to a military address"),
        ({"state": "GU", "postal_code": "96910"}, "from US to GU"),
        ({"country": "VI", "postal_code": "00801"}, "from US to VI"),
        ({"state": "PR", "postal_code": "00901"}, None),
        ({"country": "PR", "postal_code": "00901"}, None),
    ],
)
def test_territories_and_military_addresses_need_customs_items(shipment, place, needed):
    there = shipment.ship_to.model_copy(update=place)
    wanted = shipment.model_copy(update={"ship_to": there})
    if needed is None:
        assert "customs_info" not in draft(wanted, SHOP).body["shipment"]
    else:
        with pytest.raises(CarrierRejected, match="need a line per item") as caught:
            draft(wanted, SHOP)
        assert needed in caught.value.message
    given = wanted.model_copy(update={"customs": Customs(items=(ITEM,))})
    sent = draft(given, SHOP).body["shipment"]["customs_info"]
    assert sent["customs_items"][0]["value"] == 10.0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"saturday_delivery": True}, "saturday_delivery"),
        ({"parcels": (Parcel(weight_lb=1), Parcel(weight_lb=1))}, "parcels"),
        ({"parcels": (Parcel(weight_lb=1, packaging="UPS Letter"),)}, "parcels[0].packaging"),
        (
            {"parcels": tuple(Parcel(weight_lb=1) for _ in range(101)), "service": "ups:ground"},
            "parcels",
        ),
    ],
)
def test_what_easypost_cannot_do_holds_the_row_unasked(shipment, change, field):
    with pytest.raises(CarrierRejected) as caught:
        draft(shipment.model_copy(update=change), SHOP)
    assert caught.value.details["field"] == field


def test_a_packaging_is_sent_by_its_name_without_sides(shipment):
    boxed = shipment.model_copy(
        update={
            "service": "usps:priority",
            "parcels": (
                Parcel(
                    weight_lb=1,
                    length_in=5,
                    width_in=5,
                    height_in=5,
                    packaging="small flat-rate box",
                ),
            ),
        }
    )
    assert draft(boxed, SHOP).body["shipment"]["parcel"] == {
        "weight": 16.0,
        "predefined_package": "SmallFlatRateBox",
    }


# -- afterwards ------------------------------------------------------------------------------------


def bought(carrier: EasyPost, shipment: Any) -> Any:
    async def work(one: EasyPost) -> Purchase:
        prepared = await one.prepare(shipment, SHOP, "R1", LabelSpec(format="png"))
        return await one.ship(shipment, SHOP, prepared.shipment_id, LabelSpec(format="png"))

    return asked(carrier, work)


def test_a_refund_is_submitted_once_and_seen_by_a_look_up(server, easypost, shipment):
    purchase = bought(easypost(), shipment)
    assert purchase.warnings == ()
    for _ in range(2):
        assert asked(easypost(), lambda one: one.void(purchase)) is Refund.SUBMITTED
    assert server.calls["refund"] == 1
    [found] = asked(easypost(), lambda one: one.find(purchase.shipment_id))
    assert found.voided
    for state in ("submitted", "refunded", "rejected"):
        server.decide_refunds(state)
        assert asked(easypost(), lambda one: one.refund_state(purchase)) == state


@pytest.mark.parametrize("state", ["rejected", "not_applicable"])
def test_a_refund_that_is_not_accepted_is_said(server, easypost, shipment, state):
    server.refund_state = state
    purchase = bought(easypost(), shipment)
    with pytest.raises(CarrierRejected, match=f"did not accept the refund .*: {state}"):
        asked(easypost(), lambda one: one.void(purchase))


def test_every_label_of_an_order_is_refunded(server, easypost, shipment):
    two = shipment.model_copy(
        update={"service": "ups:ground", "parcels": (Parcel(weight_lb=1), Parcel(weight_lb=2))}
    )
    purchase = bought(easypost(), two)
    assert purchase.shipment_id.startswith("order_")
    assert len(purchase.labels) == 2
    asked(easypost(), lambda one: one.void(purchase))
    assert [one["refund"] for one in server.sold()] == ["submitted", "submitted"]
    first, second = purchase.tracking_numbers
    server.decide_refunds("refunded", first)
    assert asked(easypost(), lambda one: one.refund_state(purchase)) is Refund.SUBMITTED
    server.decide_refunds("rejected", second)
    assert asked(easypost(), lambda one: one.refund_state(purchase)) is Refund.REJECTED


def test_an_order_of_which_some_refunds_are_accepted_says_which(server, easypost, shipment):
    two = shipment.model_copy(
        update={"service": "ups:ground", "parcels": (Parcel(weight_lb=1), Parcel(weight_lb=2))}
    )
    purchase = bought(easypost(), two)
    first, second = purchase.tracking_numbers
    server.fault("refund", "422_texts", times=1)
    with pytest.raises(CarrierRejected) as refused:
        asked(easypost(), lambda one: one.void(purchase))
    assert refused.value.not_voided == (first,)
    assert refused.value.voided == (second,), "it is asked for although the other was refused"
    assert asked(easypost(), lambda one: one.void(purchase)) is Refund.SUBMITTED


def test_a_second_purchase_of_one_id_is_the_first_label(server, easypost, shipment):
    first = bought(easypost(), shipment)
    again = asked(
        easypost(),
        lambda one: one.ship(shipment, SHOP, first.shipment_id, LabelSpec(format="png")),
    )
    assert again == first
    assert (server.calls["buy"], len(server.sold())) == (1, 1)


def test_parcels_are_tracked_by_the_trackers_of_their_labels(server, easypost, shipment):
    purchase = bought(easypost(), shipment)
    [number] = purchase.tracking_numbers
    lines = asked(easypost(), lambda one: one.track([number, "9400"]))
    assert lines[0] == {
        "tracking_number": number,
        "status": "in_transit",
        "status_code": "in_transit",
        "description": "Arrived at USPS Facility",
        "place": "HOUSTON, TX",
        "updated_at": dt.datetime(2026, 11, 28, 3, 30),  # noqa: DTZ001 - local time of the place
        "delivery_date": dt.date(2026, 12, 1),
        "delivered": False,
        "problem": None,
        "events": [
            {
                "status": "in_transit",
                "status_code": "in_transit",
                "description": "Arrived at USPS Facility",
                "place": "HOUSTON, TX",
                "happened_at": dt.datetime(2026, 11, 28, 3, 30),  # noqa: DTZ001 - as above
            }
        ],
    }
    assert (lines[1]["status"], lines[1]["delivered"]) == ("not_found", False)


def test_an_address_is_valid_corrected_or_not_found(server, easypost, shipment):
    to = shipment.ship_to
    good = asked(easypost(), lambda one: one.validate_address(to))
    assert (good.status, good.residential) == ("valid", True)
    assert good.candidates[0].postal_code == "90277-1234"
    server.moves = {"179 N Harbor Dr": "200 S Harbor Dr"}
    moved = asked(easypost(), lambda one: one.validate_address(to))
    assert (moved.status, moved.candidates[0].address_line1) == ("corrected", "200 S HARBOR DR")
    gone = to.model_copy(update={"address_line1": "0 unknown street"})
    found = asked(easypost(), lambda one: one.validate_address(gone))
    assert (found.status, found.message) == ("not_found", "Address not found")


def test_the_services_of_the_accounts_own_carriers_are_read(server, easypost):
    found = asked(easypost(), lambda one: one.own_services())
    assert [(line["service"], line["title"], line["billed_by"]) for line in found] == [
        ("usps:priority", "USPS Priority Mail", "easypost"),
        ("ups:ground", "UPS Ground", "carrier"),
        ("sendle:two_day", "Sendle TwoDay", "easypost"),
    ]


def test_the_books_of_the_server_outlive_it(server_module, tmp_path, shipment):
    books = str(tmp_path / "books.db")
    first = server_module.EasyPostServer(books).start()
    purchase = bought(EasyPost(KEY, base_url=first.url), shipment)
    first.stop()
    second = server_module.EasyPostServer(books).start()
    try:
        assert [one["shipment"] for one in second.sold()] == [purchase.shipment_id]
        carrier = EasyPost(KEY, base_url=second.url, timeout_s=1.0)
        [found] = asked(carrier, lambda one: one.find(purchase.shipment_id))
        assert found.tracking_numbers == purchase.tracking_numbers
    finally:
        second.stop()


def test_an_order_keeps_the_insurance_of_the_account_and_says_so(server, easypost, shipment):
    server.insures = Decimal(50)
    two = shipment.model_copy(
        update={"service": "ups:ground", "parcels": (Parcel(weight_lb=1), Parcel(weight_lb=2))}
    )
    carrier = easypost(insurance="off")
    rate = asked(carrier, lambda one: one.quote(two, SHOP))
    assert (rate.other_cents, len(rate.warnings)) == (100, 1)
    assert "insures each label for $50.00 by itself: $1.00 of the price" in rate.warnings[0]
    purchase = bought(easypost(insurance="off"), two)
    assert purchase.charge.cents == rate.cost_cents


def test_a_price_that_a_carrier_did_not_give_is_asked_for_again(server, easypost):
    server.silent, server.silent_for = frozenset({"USPS"}), 1
    server.messages = [{"carrier": "USPS", "type": "rate_error", "message": "Too Many Requests"}]
    table = plan_of(2, address_line1="1 Main St")

    async def prices(one: EasyPost) -> list[Any]:
        return [await one.quote_table(table, SHOP) for _ in range(3)]

    first, second, third = asked(easypost(), prices)
    assert "USPS: Too Many Requests" in first.column("problem")[1].as_py()
    assert second.column("cost_cents").to_pylist() == [625, 625]
    assert third.column("cost_cents").to_pylist() == [625, 625]
    assert server.calls["create"] == 2


def test_a_label_size_that_a_carrier_does_not_print_holds_the_row(server, easypost, shipment):
    large = LabelSpec(format="pdf", size="4x8")
    with pytest.raises(CarrierRejected, match="USPS has no labels of 4x8 inches") as caught:
        asked(easypost(), lambda one: one.prepare(shipment, SHOP, "R1", large))
    assert caught.value.details["field"] == "label_size"
    assert server.calls["create"] == 0
