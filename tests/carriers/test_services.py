"""Service lists, spellings, and the one grammar of rules."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pyarrow as pa
import pytest

import shipkit as sk
from shipkit.carriers import registry
from shipkit.carriers.quoting import SHOPPED
from shipkit.carriers.sandbox.backend import SERVICES as SANDBOX
from shipkit.carriers.ups.service_level import SERVICES as UPS
from shipkit.errors import CarrierRejected
from shipkit.models import Address, Parcel, Shipment
from shipkit.plan.offers import best_offers
from shipkit.services import ServiceList, UnknownService, contents_by_name


@pytest.mark.parametrize(
    ("text", "service"),
    [
        ("ground", "ground"),
        ("UPS Ground", "ground"),
        ("ups:ground", "ground"),
        ("UPS: Ground", "ground"),
        ("03", "ground"),
        ("3", "ground"),
        ("UPS 2nd Day Air®", "2nd_day_air"),
        ("ups:2nd Day Air", "2nd_day_air"),
        ("Next Day Air", "next_day_air"),
        ("NEXT-DAY AIR SAVER", "next_day_air_saver"),
        ("2 Day", "2nd_day_air"),
        ("overnight", "next_day_air"),
    ],
)
@pytest.mark.parametrize("services", [UPS, SANDBOX], ids=["ups", "sandbox"])
def test_a_service_is_known_by_its_usual_names(text: str, service: str, services: ServiceList):
    assert services.parse(text) == service
    assert services.read(text) == service
    assert sk.ServiceLevel.parse(text) == service


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Second Class",
        "Standard Class",
        "USPS Ground Advantage",
        "free shipping",
        "grounded",
        "Economy",
        "99",
        "usps:ground",
        "ups:",
        ":ground",
        "cheap",
        "cheapest within three days",
        "cheapest 3 days",
    ],
)
def test_an_unknown_service_is_never_guessed(text: str):
    assert UPS.parse(text) is None
    assert sk.ServiceLevel.parse(text) is None
    with pytest.raises(UnknownService, match=r"not a known service|is a service of usps") as caught:
        UPS.read(text)
    assert caught.value.fix.startswith("Known: ground, ")


def test_a_service_of_another_carrier_says_whose_it_is():
    with pytest.raises(UnknownService) as caught:
        UPS.read("usps:ground_advantage")
    assert caught.value.problem == (
        '"usps:ground_advantage" is a service of usps, and this batch ships with ups'
    )


@pytest.mark.parametrize(
    ("text", "usual"),
    [
        ("cheapest", "cheapest"),
        ("Fastest", "fastest"),
        ("cheapest  within 3 days", "cheapest within 3 days"),
        ("cheapest within 1 day", "cheapest within 1 day"),
        ("cheapest of ground, 2nd_day_air", "cheapest of ground, 2nd_day_air"),
        ("CHEAPEST OF UPS Ground,2 Day", "cheapest of ground, 2nd_day_air"),
        ("fastest of ups:ground, ground", "fastest of ground"),
        ("cheapest of ground, 2da within 3 days", "cheapest of ground, 2nd_day_air within 3 days"),
        ("cheapest within 3 days of ground", "cheapest of ground within 3 days"),
        ("cheapest of ups", "cheapest"),
        ("cheapest of ups, ups:ground", "cheapest"),
    ],
)
def test_every_form_of_a_rule_has_one_usual_form(text: str, usual: str):
    assert UPS.read(text) == usual
    assert UPS.read(usual) == usual
    assert UPS.rule(text) is not None


def test_a_rule_with_an_unknown_word_names_the_word_and_the_rule():
    with pytest.raises(UnknownService) as caught:
        UPS.read("cheapest of ground, drone")
    assert caught.value.problem == '"drone" in "cheapest of ground, drone" is not a known service'
    with pytest.raises(UnknownService, match=r'"usps:priority" in .* is a service of usps'):
        UPS.read("cheapest of ground, usps:priority")


def test_the_old_names_are_the_services_of_ups():
    assert tuple(sk.ServiceLevel) == UPS.codes
    assert sk.ServiceLevel.GROUND == "ground"
    assert [level.title for level in sk.ServiceLevel] == [UPS.title_of(code) for code in UPS.codes]
    shipment = Shipment(
        ship_to=Address(), service=sk.ServiceLevel.GROUND, parcels=(Parcel(weight_lb=1),)
    )
    assert UPS.settled(shipment).service == "ground"


def test_the_sandbox_offers_what_ups_offers():
    assert SANDBOX.codes == UPS.codes
    assert SANDBOX.spellings == UPS.spellings
    assert SANDBOX.limits == UPS.limits
    assert SANDBOX.wire("ground") == UPS.wire("ground") == "03"
    assert SANDBOX.parse("sandbox:ground") == "ground"


def test_a_shipment_is_settled_on_the_bare_code_or_refused():
    shipment = Shipment(ship_to=Address(), service="UPS Ground", parcels=(Parcel(weight_lb=1),))
    assert UPS.settled(shipment).service == "ground"
    with pytest.raises(CarrierRejected, match=r'service: "teleport" is not a known service\.'):
        UPS.settled(shipment.model_copy(update={"service": "teleport"}))


def test_titles_are_those_of_the_carrier_and_an_unlisted_code_is_its_own():
    assert registry.service_title("2nd_day_air", "ups") == "2nd Day Air"
    assert registry.service_title("2nd_day_air") == "2nd Day Air"
    assert registry.service_title("2nd_day_air", "no_longer_installed") == "2nd Day Air"
    assert registry.service_title("parcel_select", "no_longer_installed") == "parcel_select"
    assert registry.service_title("cheapest within 3 days", "ups") == "cheapest within 3 days"


# -- the file --------------------------------------------------------------------------------------


def written(folder: Path, text: str) -> Path:
    path = folder / "services.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("carrier = ", "cannot be read"),
        ("[[service]]\ncode = 'a'", "carrier must be"),
        ("carrier = 'Acme'\n[[service]]\ncode = 'a'", "carrier must be"),
        ("carrier = 'acme'\n[[service]]\ntitle = 'A'", "code is missing"),
        ("carrier = 'acme'\n[[service]]\ncode = 'Next Day'", "a code has lower case"),
        ("carrier = 'acme'\n[[service]]\ncode = 'a'\n[[service]]\ncode = 'a'", "same code"),
        (
            (
                "carrier = 'acme'\n[[service]]\ncode = 'a'\naliases = ['X']\n"
                "[[service]]\ncode = 'b'\naliases = ['x']"
            ),
            "'x' names both a and b",
        ),
        ("carrier = 'acme'\n[[service]]\ncode = 'a'\nreach = 'moon'", "reach must be"),
        ("carrier = 'acme'\n[limits]\nweight = 1\n[[service]]\ncode = 'a'", "unknown limit"),
        ("carrier = 'acme'\n[limits]\nweight_lb = 0\n[[service]]\ncode = 'a'", "greater than 0"),
        ("carrier = 'acme'\nlike = 'nowhere.toml'", "nowhere.toml cannot be read"),
    ],
)
def test_a_file_that_is_not_a_list_says_what_is_wrong(tmp_path: Path, text: str, problem: str):
    with pytest.raises(ValueError, match=problem):
        ServiceList.from_toml(written(tmp_path, text))


def test_what_a_list_does_not_know_is_kept_for_the_carriers_own_code(tmp_path: Path):
    services = ServiceList.from_toml(
        written(
            tmp_path,
            "carrier = 'acme'\n[[service]]\ncode = 'letter'\n"
            "wire = {acme = 'L1', reseller = 'ltr'}\n"
            "stamps = 2\n[service.limits]\nweight_lb = 1\n",
        )
    )
    letter = services.entry("letter")
    assert (letter.title, letter.facts, letter.limits.weight_lb) == ("Letter", {"stamps": 2}, 1)
    assert (services.wire("letter"), services.wire("letter", "reseller")) == ("L1", "ltr")
    assert (services.from_wire("ltr", "reseller"), services.from_wire("ltr")) == ("letter", None)
    assert letter.qualified == "acme:letter"


@pytest.mark.parametrize("name", ["ups", "sandbox"])
def test_a_list_stands_in_its_carriers_folder_under_its_name(name: str):
    folder = Path(registry.__file__).parent / name
    assert tomllib.loads((folder / "services.toml").read_text("utf-8"))["carrier"] == name
    assert registry.plugin(name).services.carrier == name


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ground", '"ground" may be ups:ground or fedex:ground'),
        ("Priority", '"Priority" may be usps:priority or canadapost:priority'),
        ("Standard", '"Standard" may be ups:standard'),
    ],
)
def test_a_bare_name_of_an_account_with_several_carriers_is_a_question(text: str, problem: str):
    services = registry.plugin("easypost").services
    assert services.parse(text) is None
    assert services.unknown(text).problem == problem


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("usps:ground_advantage", "usps:ground_advantage"),
        ("USPS Ground Advantage", "usps:ground_advantage"),
        ("usps: Ground-Advantage", "usps:ground_advantage"),
        ("easypost:ups:ground", "ups:ground"),
        ("FEDEX/FEDEX_2_DAY", "fedex:2_day"),
        ("2nd day air", "ups:2nd_day_air"),
        ("Home Delivery", "fedex:home_delivery"),
    ],
)
def test_a_service_has_the_carrier_that_moves_the_parcel_in_front(text: str, code: str):
    assert registry.plugin("easypost").services.parse(text) == code


def test_a_carrier_stands_for_its_services_in_a_rule():
    services = registry.plugin("easypost").services
    assert services.rule("cheapest of dhlexpress, ups:ground within 3 days").of == (
        "dhlexpress:express_worldwide",
        "dhlexpress:express_1200",
        "dhlexpress:express_1030",
        "dhlexpress:express_900",
        "dhlexpress:economy_select",
        "ups:ground",
    )


@pytest.mark.parametrize(
    ("code", "contents"),
    [
        # Of the service levels that EasyPost's metadata names, as `code_of` writes them.
        ("usps:bound_printed_matter", "printed matter"),
        ("osmworldwide:bpm", "printed matter"),
        ("dhlecommercesolutions:dhlbpmexpedited", "printed matter"),
        ("asendiausa:asendia_domestic_bound_printer_matter_ground", "printed matter"),
        ("royalmail:printedpaper", "printed matter"),
        ("easypost:dhlglobalmail:media_mail", "books and other media"),
        ("upsmailinnovations:upssure_post_media", "books and other media"),
        ("usps:library_mail_presort", "books and other media"),
        ("apc:parcel_connect_book_service", "books and other media"),
        ("asendiausa:publications_economy", "printed matter, promotional mail and samples"),
        ("osmworldwide:marketing_parcel", "printed matter, promotional mail and samples"),
        ("any:express_document", "documents"),
        ("any:international_economy_express_doc", "documents"),
        ("osmworldwide:uspsground_advantage_hazmat", "hazardous materials"),
        ("dhlexpress:euro_pack_non_doc", ""),
        ("dhlexpress:europack_non_doc", ""),
        ("any:intermediate", ""),
        ("any:immediate", ""),
        ("any:same_day_documentation", "documents"),
        ("dpd:dpdexpress", ""),
        ("media:express", ""),
        ("ups:ground", ""),
    ],
)
def test_the_name_of_an_unlisted_service_says_what_it_takes(code: str, contents: str):
    assert contents_by_name(code) == contents


def test_names_that_say_contents_are_listed_with_their_contents():
    for name in registry.names():
        for entry in registry.plugin(name).services:
            assert not contents_by_name(entry.code) or entry.contents, entry.qualified


def test_a_rule_chooses_no_unlisted_service_for_some_contents():
    easypost = registry.plugin("easypost").services
    codes = ["usps:bound_printed_matter", "osm:media_mail", "sendle:saver", "usps:media_mail"]
    lines = [
        {"row": 0, "service": code, "cost_cents": 100 + cents, "currency": "USD"}
        for cents, code in enumerate([*codes, "usps:priority"])
    ]
    offers = pa.Table.from_pylist(lines, schema=SHOPPED)

    def chosen(text: str) -> list[str]:
        return best_offers(offers, easypost.rule(text)).column("service").to_pylist()

    assert chosen("cheapest") == ["sendle:saver"]
    assert chosen("fastest") == ["sendle:saver"]
    assert chosen("cheapest of usps") == ["usps:priority"]
    assert chosen("cheapest of easypost, usps:media_mail") == ["usps:media_mail"]
    assert [easypost.contents_of(code) for code in codes] == [
        "printed matter",
        "books and other media",
        "",
        "books, film, recordings, printed music and test materials",
    ]
