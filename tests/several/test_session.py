"""A batch with several accounts, from the orders to the labels, as a person uses it."""

from __future__ import annotations

import dataclasses
import json

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import shipkit as sk
from shipkit.carriers.protocol import CarrierIdentity
from shipkit.carriers.tracking import unknown_place
from shipkit.errors import (
    AnswerLost,
    AuthenticationFailed,
    CarrierError,
    CarrierUnreachable,
    InputError,
    JobError,
    PlanChanged,
    SpendLimitExceeded,
)

SHOP = sk.Address(
    name="Dana Ortiz",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    phone="2105550100",
)
CITIES = [
    ("Austin", "TX", "78701"),
    ("Boston", "MA", "02134"),
    ("Seattle", "WA", "98101"),
    ("Denver", "CO", "80202"),
    ("Miami", "FL", "33101"),
    ("Fargo", "ND", "58102"),
]
HEAVY = 30.0


def orders(*services, weights=(2.0, 5.0, HEAVY, 1.0, HEAVY, 3.0)):
    return [
        {
            "order_id": f"SO-{n}",
            "name": "Ada Lee",
            "address1": f"{n} Main St",
            "city": city,
            "state": state,
            "zip": postal,
            "weight_lb": weight,
            "service": services[(n - 1) % len(services)] if services else "cheapest",
        }
        for n, ((city, state, postal), weight) in enumerate(zip(CITIES, weights, strict=True), 1)
    ]


class Light(sk.SandboxCarrier):
    """Cheap, and sells nothing over 20 lb. `silent` is what it says when it gives no price."""

    silent: CarrierError | None = None

    async def quote_table(self, table, shipper, pacer=None):
        if self.silent:
            raise self.silent
        return await super().quote_table(table, shipper, pacer)

    async def shop_table(self, table, shipper, pacer=None):
        if self.silent:
            raise self.silent
        offers = await super().shop_table(table, shipper, pacer)
        heavy = [parcels[0]["weight_lb"] > 20 for parcels in table.column("parcels").to_pylist()]
        keep = [not heavy[row] for row in offers.column("row").to_pylist()]
        refused = pa.Table.from_pylist(
            [
                {"row": row, "problem": "Light takes at most 20 lb.", "fix": "Use another."}
                for row, is_heavy in enumerate(heavy)
                if is_heavy
            ],
            schema=offers.schema,
        )
        return pa.concat_tables([offers.filter(pa.array(keep)), refused])


def down():
    return AnswerLost("The sandbox answered 503.")


def priced_at(share):
    """The sandbox's card at `share` percent of its prices."""
    card = sk.RateCard.synthetic()
    at = card.rates.column_names.index("cents")
    cents = pc.divide(pc.multiply(card.rates["cents"], share), 100)
    return dataclasses.replace(card, rates=card.rates.set_column(at, "cents", cents))


@pytest.fixture(scope="module")
def cards():
    return priced_at(50), priced_at(100)


@pytest.fixture
def make(tmp_path, cards):
    """Return a maker of sessions with a light, cheap account and one that takes everything."""
    made = []

    def build(source=None, *, silent=None, **options):
        light = Light(tmp_path / "light.db", account="LIGHT001", card=cards[0])
        light.silent = silent
        usual = sk.SandboxCarrier(tmp_path / "usual.db", account="USUAL002", card=cards[1])
        options = {"carriers": {"light": light, "usual": usual}, **options}
        session = sk.BatchSession(
            orders() if source is None else source, shipper=SHOP, home=tmp_path / "home", **options
        )
        made.append(session)
        return session

    yield build
    for session in made:
        session.close()


def sold(session):
    """Account -> the services in its books."""
    carriers = session.carriers
    return {
        name: sorted(
            entry.service
            for entry in session._connection.run(carrier.books.entries())
            if entry.voided_at is None
        )
        for name, carrier in carriers.items()
    }


class NoSaver(Light):
    """Has a price for Ground Saver, and would not sell it to a row of two pounds."""

    async def shop_table(self, table, shipper, pacer=None):
        offers = await super().shop_table(table, shipper, pacer)
        two = [parcels[0]["weight_lb"] == 2 for parcels in table.column("parcels").to_pylist()]
        why = [{"service": "ground_saver", "why": "Ground Saver is left out: not for two pounds."}]
        said = [why if two[row] else None for row in offers.column("row").to_pylist()]
        at = offers.schema.get_field_index("left_out")
        field = offers.schema.field(at)
        offers = offers.set_column(at, field, pa.array(said, field.type))
        keep = pc.not_equal(offers.column("service"), "ground_saver")
        return offers.filter(pc.or_kleene(keep, pc.is_null(keep)))


@pytest.mark.parametrize("rule", ["cheapest", "cheapest of usual", "cheapest of light, usual"])
def test_a_row_says_which_service_its_rule_could_not_choose(tmp_path, cards, rule):
    light = NoSaver(tmp_path / "light.db", account="LIGHT001", card=cards[1])
    usual = sk.SandboxCarrier(tmp_path / "usual.db", account="USUAL002", card=cards[0])
    home, both = tmp_path / "home", {"light": light, "usual": usual}
    with sk.BatchSession(orders(rule), shipper=SHOP, home=home, carriers=both) as session:
        frame = session.preview()
        assert set(frame["seller"]) == {"usual"}, "the cheaper one"
        problems = session.problems
        said = problems[problems["code"] == "service_left_out"]
        if rule == "cheapest of usual":
            assert not len(said)
        else:
            [text] = said["problem"]
            assert list(said["row_number"]) == [1]
            assert text.endswith("; light: Ground Saver is left out: not for two pounds.")
            assert text.startswith(f"usual:{frame['service'][0]} was chosen; ")
            assert set(said["severity"]) == {"warning"}
        shopped = session.shop()
        named = shopped[shopped["warnings"].fillna("").str.contains("Ground Saver is left out")]
        assert set(named["row_number"]) == {1}


def test_each_row_goes_to_the_cheapest_account_that_takes_it_and_is_approved_once(make):
    session = make()
    frame = session.preview()
    assert frame["seller"].tolist() == ["light", "light", "usual", "light", "usual", "light"]
    assert frame["account"].tolist() == ["T001" if s == "light" else "L002" for s in frame.seller]
    assert set(frame["carrier"]) == {"sandbox"}
    summary = session.summary
    assert {paid.account: paid.shipments for paid in summary.by_account} == {"light": 4, "usual": 2}
    assert sum(paid.total.cents for paid in summary.by_account) == summary.total.cents
    text = str(summary)
    for paid in summary.by_account:
        assert f"{paid.identity}" in text
    approval = session.approve()
    assert sum(float(each["USD"]) for each in approval.accounts.values()) == pytest.approx(
        float(approval.totals["USD"])
    )
    result = session.execute(progress=False)
    assert (result.status, result.shipped) == ("completed", 6)
    assert {name: len(books) for name, books in sold(session).items()} == {"light": 4, "usual": 2}
    assert session.results()["seller"].tolist() == frame["seller"].tolist()
    # The same orders again: the same job, and nothing more is bought.
    assert session.execute(progress=False).shipped == 6
    assert sum(map(len, sold(session).values())) == 6


def test_rules_and_names_choose_across_accounts_in_one_column(make):
    services = (
        "usual:ground",
        "fastest of light",
        "cheapest of usual, light:ground",
        "cheapest within 1 day",
        "ground",
        "rocket",
    )
    frame = make(orders(*services, weights=(2.0,) * 6)).preview()
    assert frame["seller"].tolist()[:4] == ["usual", "light", "light", "light"]
    assert frame["service"].tolist()[0] == "ground"
    assert frame["transit_days"].tolist()[3] == 1
    assert '"ground" may be light:ground or usual:ground' in frame["problem"][4]
    assert '"rocket" is not a known service' in frame["problem"][5]
    assert frame["seller"].isna().tolist() == [False] * 4 + [True] * 2


def test_an_edit_moves_a_row_to_another_account_and_changes_the_plan(make):
    session = make()
    session.preview()
    session.approve()
    session.edit("seller = 'light' AND order_id = 'SO-1'", service="usual:ground")
    with pytest.raises(PlanChanged):
        session.execute(progress=False)
    assert session.preview()["seller"].tolist()[0] == "usual"


def test_which_account_is_part_of_the_fingerprint_although_nothing_else_differs(make):
    """Two accounts at one price: buying from the other one was not approved."""
    plans = []
    for service in ("light:ground", "usual:ground"):
        session = make(orders(service, weights=(2.0,) * 6))
        session.preview()
        plans.append(session.previewed.plan)
    assert plans[0].table.equals(plans[1].table)
    assert plans[0].fingerprint != plans[1].fingerprint


def test_a_row_that_one_account_does_not_answer_for_is_priced_by_the_others_and_says_so(make):
    session = make(silent=down())
    frame = session.preview()
    assert set(frame["seller"]) == {"usual"}
    assert frame["problem"].isna().all()
    assert all(
        text.startswith("service: light did not answer, so usual:") for text in frame.warnings
    )
    assert session.summary.not_compared == {"light": 6}
    assert "light did not answer for 6 rows: chosen without it" in str(session.summary)


@pytest.mark.parametrize("rule", ["cheapest", "cheapest of usual"])
def test_a_row_that_one_account_cannot_sell_says_why(make, rule):
    """Sizes that one carrier needs and the file does not have would choose another, silently."""
    session = make(orders(rule))
    frame = session.preview()
    assert frame["seller"].tolist()[2] == frame["seller"].tolist()[4] == "usual"
    said = session.problems.query("code == 'account_left_out'")
    if rule == "cheapest of usual":
        assert not len(said)
        return
    assert list(said["row_number"]) == [3, 5]
    assert set(said["severity"]) == {"warning"}
    assert set(said["fix"]) == {"Use another."}
    assert said["problem"].iloc[0] == (
        f"usual:{frame['service'][2]} was chosen without light, which cannot sell this row: "
        "Light takes at most 20 lb."
    )
    shopped = session.shop()
    named = shopped[shopped["warnings"].fillna("").str.contains("light cannot sell it: Light")]
    assert set(named["row_number"]) == {3, 5}
    assert frame["problem"].isna().all(), "they are bought"


def test_an_option_that_one_account_does_not_offer_is_named(tmp_path, cards):
    plain = sk.SandboxCarrier(tmp_path / "plain.db", account="PLAIN001", card=cards[0])
    able = plain.capabilities
    plain.capabilities = dataclasses.replace(able, options=able.options - {"signature"})
    usual = sk.SandboxCarrier(tmp_path / "usual.db", account="USUAL002", card=cards[1])
    rows = [{**row, "signature": "adult" if n == 0 else None} for n, row in enumerate(orders())]
    home, both = tmp_path / "home", {"plain": plain, "usual": usual}
    with sk.BatchSession(rows, shipper=SHOP, home=home, carriers=both) as session:
        frame = session.preview()
        assert frame["seller"].tolist() == ["usual", *["plain"] * 5]
        [said] = session.problems.query("code == 'account_left_out'")["problem"]
        shopped = session.shop()
        own = shopped[shopped["row_number"] == 1]
        assert set(own["seller"]) == {"usual"}
        assert set(own["warnings"]) == {"plain cannot sell it: it does not offer signature"}
        assert shopped[shopped["row_number"] > 1]["warnings"].isna().all()
    assert said.endswith("which cannot sell this row: it does not offer signature")


def test_auto_buys_nothing_that_was_chosen_without_an_account(make):
    session = make(silent=down(), limits={"total": "500"})
    session.set_mode("auto")
    session.preview()
    with pytest.raises(CarrierUnreachable, match="6 rows could not be compared"):
        session.execute(progress=False)
    assert sold(session) == {"light": [], "usual": []}


def test_rows_of_an_account_that_does_not_answer_wait_and_the_others_are_priced(make):
    services = ("light:ground", "usual:ground")
    session = make(orders(*services, weights=(2.0,) * 6), silent=down())
    frame = session.preview()
    assert frame["cost_cents"].isna().tolist() == [True, False] * 3
    assert frame["problem"][0].startswith("no price: light: The sandbox answered 503")
    session.approve()
    with pytest.raises(CarrierUnreachable, match="3 rows of 6 got no price"):
        session.execute(progress=False)


def test_an_account_that_refuses_to_track_costs_the_others_no_answer(make):
    session = make()
    session.preview()
    session.approve()
    session.execute(progress=False)

    async def refused(*_):
        raise AuthenticationFailed("Light knows no such key.")

    async def delivered(numbers, _):
        return [{**unknown_place(number, None), "status": "delivered"} for number in numbers]

    for name, answer in (("light", refused), ("usual", delivered)):
        carrier = session.carriers[name]
        carrier.capabilities = dataclasses.replace(carrier.capabilities, track=True)
        carrier.track = answer
    found = session.job.track()
    lost = found["problem"].notna()
    assert found["problem"][lost].str.contains("light: Light knows no such key").all()
    assert 0 < lost.sum() < len(found)
    assert (found["status"][~lost] == "delivered").all()


def test_no_account_answers_for_anything(make, tmp_path, cards):
    carriers = {
        name: Light(tmp_path / f"{name}.db", account=name, card=cards[0]) for name in ("one", "two")
    }
    for carrier in carriers.values():
        carrier.silent = down()
    with pytest.raises(CarrierUnreachable, match=r"one did not answer: .*; two did not answer: "):
        make(carriers=carriers).preview()


def test_wrong_credentials_of_one_account_do_not_choose_the_carrier(make):
    with pytest.raises(AuthenticationFailed, match="light: The key expired"):
        make(silent=AuthenticationFailed("The key expired.")).preview()


def test_shop_shows_every_service_of_every_account_side_by_side(make):
    table = make().shop()
    first = table[table["order_id"] == "SO-1"]
    assert set(first["seller"]) == {"light", "usual"}
    assert first["cost_cents"].is_monotonic_increasing
    assert first[first["cheapest"]]["seller"].tolist() == ["light"]
    heavy = table[table["order_id"] == "SO-3"]
    assert set(heavy["seller"]) == {"usual"}
    assert "problem" in table.columns
    assert table["problem"].isna().all()


def test_limits_by_account_are_checked_on_the_preview(make):
    session = make(limits=sk.SpendLimits(total="500", per_account={"usual": "5"}))
    session.preview()
    session.approve()
    with pytest.raises(SpendLimitExceeded, match="shipments of usual cost"):
        session.execute(progress=False)
    assert sold(session) == {"light": [], "usual": []}


def test_a_limit_that_is_set_later_for_an_account_that_is_not_there_is_refused(make):
    session = make()
    session.limits = sk.SpendLimits(per_account={"usualy": "1"})
    session.preview()
    session.approve()
    with pytest.raises(InputError, match="a limit for 'usualy'"):
        session.execute(progress=False)


def test_one_account_under_two_names_is_refused(make, tmp_path):
    twice = [sk.SandboxCarrier(tmp_path / f"{n}.db", account="SAME0001") for n in "ab"]
    with pytest.raises(InputError, match="east and west are the same account"):
        make(carriers=dict(zip(("east", "west"), twice, strict=True))).preview()


def test_the_order_of_the_accounts_is_no_part_of_the_plan(make, tmp_path, cards):
    one, other = (
        sk.SandboxCarrier(tmp_path / f"{n}.db", account=f"ACCT{n}", card=card)
        for n, card in enumerate(cards)
    )
    first, second = (
        make(carriers=named) for named in ({"a": one, "b": other}, {"b": other, "a": one})
    )
    for session in (first, second):
        session.preview()
    assert first.previewed.plan.fingerprint == second.previewed.plan.fingerprint


def test_a_limit_for_an_account_that_is_not_there_is_refused(make):
    with pytest.raises(InputError, match="a limit for 'usps', and this batch has light, usual"):
        make(limits={"per_account": {"usps": "5"}})


def test_live_and_test_accounts_are_not_mixed(make, tmp_path):
    live = sk.SandboxCarrier(tmp_path / "live.db")
    live.identity = CarrierIdentity("sandbox", "live", "REAL0001")
    session = make(carriers={"real": live, "trial": sk.SandboxCarrier(tmp_path / "trial.db")})
    with pytest.raises(
        InputError, match="money is spent on labels of real, and none on those of trial"
    ):
        session.preview()


@pytest.mark.parametrize(
    ("carriers", "message"),
    [
        ([], "carriers is empty"),
        (["sandbox", "sandbox"], "Two accounts are called 'sandbox'"),
        (["rocket"], "There is no carrier 'rocket'"),
        ({"A b": "sandbox"}, "An account cannot be named 'A b'"),
        ([42], "is not a carrier"),
    ],
)
def test_what_is_no_list_of_accounts_is_refused_in_words(carriers, message):
    with pytest.raises(InputError, match=message):
        sk.BatchSession(shipper=SHOP, carriers=carriers)


def test_carrier_and_carriers_together_are_refused():
    with pytest.raises(InputError, match="carrier= and carriers= were both given"):
        sk.BatchSession(shipper=SHOP, carrier="sandbox", carriers=["ups"])


def test_one_account_in_a_list_is_the_same_as_one_carrier(tmp_path):
    ids = []
    for options in ({"carrier": "sandbox"}, {"carriers": ["sandbox"]}):
        with sk.BatchSession(
            orders("ground"), shipper=SHOP, home=tmp_path / "home", **options
        ) as session:
            session.preview()
            ids.append(session.previewed.plan.fingerprint)
    assert ids[0] == ids[1]


def test_the_single_carrier_is_asked_for_by_name_where_there_are_several(make):
    session = make()
    assert list(session.carriers) == ["light", "usual"]
    with pytest.raises(InputError, match="There are several carriers here: light, usual"):
        session.carrier  # noqa: B018 - the property raises


def test_a_job_is_reopened_with_its_own_accounts_or_refused(make, tmp_path):
    session = make()
    session.preview()
    session.approve()
    session.execute(progress=False)
    job_id, carriers = session.job_id, session.carriers
    session.close()
    home = tmp_path / "home"
    assert sk.Job.open(job_id, home=home).results()["state"].eq("shipped").all()
    with pytest.raises(JobError, match="Nothing was sent"):
        sk.Job.open(job_id, home=home).void(all=True)
    swapped = {"light": carriers["usual"], "usual": carriers["light"]}
    with sk.Job.open(job_id, home=home, carriers=swapped) as job:
        with pytest.raises(JobError, match="as its account 'light'"):
            job.void(all=True)
        with pytest.raises(JobError, match="as its account 'light'"):
            job.resume(progress=False)
    with sk.Job.open(job_id, home=home, carriers=carriers) as job:
        assert job.void("order_id = 'SO-3'")["state"].tolist() == ["voided"]
        assert sk.jobs(home=home)["carrier"].tolist() == ["light, usual"]
        assert "light (sandbox SANDBOX ...T001) + usual" in repr(job)


def test_a_stored_preview_knows_what_each_account_is_paid(make, tmp_path):
    from shipkit.plan.preview_store import recall

    session = make()
    session.preview()
    record = recall(tmp_path / "home", session.preview_id)
    assert record.by_account == session.summary.by_account
    assert record.sellers.to_pylist() == session.preview()["seller"].tolist()
    facts = json.loads((record.path / "preview.json").read_text())
    assert list(facts["identity"]["accounts"]) == ["light", "usual"]


def test_options_that_only_one_account_offers_decide_where_a_row_goes(make, tmp_path, cards):
    plain = sk.SandboxCarrier(tmp_path / "plain.db", account="PLAIN003", card=cards[0])
    plain.capabilities = dataclasses.replace(plain.capabilities, options=frozenset())
    usual = sk.SandboxCarrier(tmp_path / "usual.db", account="USUAL002", card=cards[1])
    rows = orders(weights=(2.0,) * 6)
    rows[0]["direct_delivery_only"] = "yes"
    session = make(rows, carriers={"plain": plain, "usual": usual})
    assert session.preview()["seller"].tolist() == ["usual"] + ["plain"] * 5
