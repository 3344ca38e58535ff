"""The services of several accounts: what a word means, and when it is a question."""

from __future__ import annotations

import pytest

from shipkit.carriers.joint_services import JointServices
from shipkit.carriers.registry import plugin
from shipkit.orders.filters import filters_for
from shipkit.orders.rules.carrier_rules import carrier_rules
from shipkit.services import Limits, ServiceEntry, ServiceList, UnknownService


def services(name, *codes, **fields):
    return ServiceList(
        name, tuple(ServiceEntry(name, code, code.title()) for code in codes), **fields
    )


POST = services("post", "letter", "parcel", limits=Limits(weight_lb=70), title="The Post")
VAN = services("van", "parcel", "overnight", spoken=("vanco",), limits=Limits(weight_lb=150))
SHOP = services("shop", "post:letter", "bike:city", "van:overnight")
ALL = JointServices.of({"post": POST, "van": VAN, "shop": SHOP})


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("post:letter", "post:letter"),
        ("POST: Letter", "post:letter"),
        ("van:overnight", "van:overnight"),  # the account, although `shop` sells van's too
        ("shop:van:overnight", "shop:van:overnight"),
        ("bike:city", "shop:bike:city"),  # one account sells what bike moves
        ("vanco parcel", "van:parcel"),
        ("post parcel", "post:parcel"),
        ("parcel", None),  # two accounts have one
        ("overnight", None),  # `shop` sells one, too
        ("letter", None),
        ("city", None),  # a carrier's own word for a service is asked about
        ("post:overnight", None),
        ("rocket", None),
        ("rocket:parcel", None),
    ],
)
def test_a_word_means_one_service_of_one_account_or_none(text, code):
    assert ALL.parse(text) == code


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("parcel", '"parcel" may be post:parcel or van:parcel'),
        ("overnight", '"overnight" may be van:overnight or shop:van:overnight'),
        ("city", '"city" may be shop:bike:city'),
        ("post:overnight", '"post:overnight" is not a service of post'),
        ("rocket:parcel", '"rocket:parcel" is a service that none of post, van, shop sells'),
        ("rocket", '"rocket" is not a known service'),
        ("cheapest of rocket", '"rocket" in "cheapest of rocket" is not a known service'),
    ],
)
def test_what_is_no_service_says_why(text, problem):
    with pytest.raises(UnknownService) as raised:
        ALL.read(text)
    assert raised.value.problem == problem


@pytest.mark.parametrize(
    ("rule", "codes"),
    [
        ("cheapest", ()),
        ("cheapest of post", ("post:letter", "post:parcel")),  # the account, not what shop sells
        ("cheapest of shop", ("shop:post:letter", "shop:bike:city", "shop:van:overnight")),
        ("cheapest of shop:van", ("shop:van:overnight",)),
        ("cheapest of bike", ("shop:bike:city",)),
        ("fastest of parcel", ("post:parcel", "van:parcel")),  # a choice needs no one meaning
        (
            "cheapest of post:letter, van within 2 days",
            ("post:letter", "van:parcel", "van:overnight"),
        ),
    ],
)
def test_a_rule_chooses_among_accounts_carriers_and_services(rule, codes):
    found = ALL.rule(rule)
    assert found is not None
    assert found.of == codes
    assert ALL.rule(str(found)) == found
    assert len(str(found)) <= len(rule) + 2, "a rule is stored as short as it was written"


BOOKS = ServiceList(
    "mail",
    (
        ServiceEntry("mail", "parcel", "Parcel"),
        ServiceEntry("mail", "books", "Books", contents="books"),
    ),
)


@pytest.mark.parametrize("offered", [BOOKS, JointServices.of({"mail": BOOKS, "van": VAN})])
@pytest.mark.parametrize(
    ("rule", "chosen"),
    [
        ("cheapest", False),
        ("cheapest of mail", False),
        ("cheapest of mail, mail:books", True),
        ("cheapest of mail:books", True),
    ],
)
def test_a_service_for_some_contents_is_chosen_only_where_a_rule_names_it(offered, rule, chosen):
    code = "books" if offered is BOOKS else "mail:books"
    found = offered.rule(rule)
    assert (code not in found.never and (not found.of or code in found.of)) is chosen
    assert offered.rule(str(found)) == found


def test_two_accounts_of_one_carrier_are_chosen_by_the_carriers_name():
    both = JointServices.of({"east": VAN, "west": VAN})
    rule = both.rule("cheapest of van")
    assert rule is not None
    assert rule.of == ("east:parcel", "east:overnight", "west:parcel", "west:overnight")
    assert both.parse("parcel") is None
    assert both.parse("east:parcel") == "east:parcel"


def test_the_filter_of_templates_reads_the_same_in_python_and_in_sql():
    """Its SQL form looks texts without a colon up in `spellings`; Python parses them."""
    look_up = filters_for(ALL)["lookup_service_code"].python
    for text in ("vanco parcel", "VAN-CO  Parcel", "parcel", "post letter", "03"):
        assert look_up(text) == ALL.spellings.get(ALL.key(text))
    assert look_up("bike:city") == "shop:bike:city"


def test_each_account_keeps_its_own_limits():
    weights = [rule for rule in carrier_rules(ALL) if rule.code == "weight_over_limit"]
    assert len(weights) == 2
    assert "'post:letter'" in weights[0].fails
    assert "70" in weights[0].fails
    assert "'van:parcel'" in weights[1].fails
    assert "150" in weights[1].fails


@pytest.mark.parametrize("country", ["US", "CA", "DE"])
def test_the_own_lists_of_this_package_join_and_every_code_reads_back(country):
    names = ("ups", "easypost", "usps", "sandbox")
    joint = JointServices.of({name: plugin(name).services for name in names}).of_shipper(country)
    assert [joint.parse(code) for code in joint.codes] == list(joint.codes)
    assert joint.parse("ups:worldwide_saver") == "ups:worldwide_saver"
    assert joint.parse("fedex:2_day") == "easypost:fedex:2_day"
    assert joint.parse("ground") is None
