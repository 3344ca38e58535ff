"""Who may buy what: approvals of exactly one preview, limits on its prices, prices that grew."""

from __future__ import annotations

import dataclasses
import datetime as dt
import getpass
import stat
from decimal import Decimal

import pyarrow as pa
import pytest
from corekit import SANDBOX, SHOP, plan_of, quotes_of
from pydantic import ValidationError

from shipkit.carriers.protocol import CarrierIdentity, JointIdentity
from shipkit.errors import (
    ApprovalRequired,
    InputError,
    LimitsRequired,
    PlanChanged,
    PreviewExpired,
    PreviewNotFound,
    SpendLimitExceeded,
)
from shipkit.models import Money
from shipkit.plan.plan import Plan
from shipkit.plan.preview import Preview
from shipkit.plan.preview_store import keep, recall
from shipkit.purchasing.approval import (
    Approval,
    ExecutionMode,
    SpendLimits,
    approve,
    authorize,
    check_accounts,
    check_limits,
    require_limits,
    stored_approval,
)
from shipkit.purchasing.requote import Rest, renew
from shipkit.schema import problems_table

NOW = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)
LIVE = CarrierIdentity("books", "live", "ACCT0042")
CONFIRM, AUTO = ExecutionMode.CONFIRM, ExecutionMode.AUTO


def preview_of(*, cents=850, rows=3, identity=SANDBOX) -> Preview:
    plan = Plan(plan_of(rows), problems_table(), SHOP, identity)
    return Preview(plan, quotes_of(rows, cents), NOW, NOW + dt.timedelta(hours=1))


def allowed(home, preview, mode=CONFIRM, now=NOW, **limits):
    return authorize(preview, keep(home, preview), mode, SpendLimits(**limits), now=now)


@pytest.mark.parametrize("amount", [True, False])
def test_yes_and_no_are_no_amounts(amount):
    with pytest.raises(ValidationError):
        SpendLimits(total=amount)


BOTH = JointIdentity.of({"east": SANDBOX, "west": SANDBOX})


@pytest.mark.parametrize("mode", [CONFIRM, AUTO])
def test_a_limit_for_an_account_that_the_batch_does_not_have_is_refused(home, mode):
    plan = dataclasses.replace(
        preview_of(identity=BOTH).plan, sellers=pa.array(["east", "west", "east"], pa.string())
    )
    preview = dataclasses.replace(preview_of(identity=BOTH), plan=plan)
    with pytest.raises(InputError, match="'north', and this batch has east, west"):
        allowed(home, preview, mode, per_account={"east": "500", "north": "500"})


def test_limits_for_the_accounts_of_the_batch_are_right(home):
    check_accounts(SpendLimits(per_account={"east": "500", "west": "500"}), ["east", "west"])
    check_accounts(SpendLimits(), ["east", "west"])


# -- approvals -------------------------------------------------------------------------------------


def test_an_approval_says_what_was_approved_by_whom_and_when(home):
    preview = preview_of(identity=LIVE)
    record = keep(home, preview)
    approval = approve(home, record.preview_id, now=NOW, by="dana", via="panel")
    assert approval == Approval(
        preview_id=record.preview_id,
        fingerprint=preview.plan.fingerprint,
        price_digest=preview.price_digest,
        shipments=3,
        totals={"USD": "25.50"},
        carrier="books LIVE ...0042",
        live=True,
        by="dana",
        via="panel",
        at=NOW,
    )
    assert stored_approval(record) == approval
    assert stat.S_IMODE((record.path / "approval.json").stat().st_mode) == 0o600


def test_an_approval_is_by_the_user_of_the_process_when_no_one_else_is_named(home, monkeypatch):
    record = keep(home, preview_of())
    assert approve(home, record.preview_id, now=NOW).by == getpass.getuser()
    assert approve(home, record.preview_id, now=NOW).via == "session"

    def no_user():
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", no_user)
    assert approve(home, record.preview_id, now=NOW).by == "unknown"


def test_an_approved_preview_may_be_bought_and_no_other(home):
    preview = preview_of()
    with pytest.raises(ApprovalRequired, match=r"3 shipments for \$25\.50 on books SANDBOX") as no:
        allowed(home, preview)
    assert preview.preview_id in no.value.fix
    assert no.value.details["preview_id"] == preview.preview_id
    approval = approve(home, preview.preview_id, now=NOW)
    assert allowed(home, preview) == approval
    with pytest.raises(ApprovalRequired):
        allowed(home, preview_of(rows=2))
    with pytest.raises(ApprovalRequired):
        allowed(home, preview_of(cents=851))


@pytest.mark.parametrize("field", ["fingerprint", "price_digest"])
def test_an_approval_of_other_shipments_or_prices_is_refused(home, field):
    """Also when it lies in the preview's own folder."""
    preview = preview_of()
    record = keep(home, preview)
    approval = approve(home, preview.preview_id, now=NOW)
    other = approval.model_copy(update={field: "0" * 64})
    (record.path / "approval.json").write_text(other.model_dump_json())
    with pytest.raises(PlanChanged, match="changed after the approval"):
        allowed(home, preview)


@pytest.mark.parametrize("text", ["", "{", "{}", '"yes"'])
def test_an_approval_that_cannot_be_read_is_none(home, text):
    preview = preview_of()
    record = keep(home, preview)
    (record.path / "approval.json").write_text(text)
    assert stored_approval(record) is None
    with pytest.raises(ApprovalRequired):
        allowed(home, preview)


def test_an_unknown_preview_cannot_be_approved(home):
    with pytest.raises(PreviewNotFound):
        approve(home, "pv_000000000000", now=NOW)


@pytest.mark.parametrize("mode", [CONFIRM, AUTO])
def test_quotes_expire_to_the_second(home, mode):
    preview = preview_of()
    approve(home, keep(home, preview).preview_id, now=NOW)
    almost = preview.expires_at - dt.timedelta(seconds=1)
    allowed(home, preview, mode, now=almost)
    approve(home, preview.preview_id, now=almost)
    with pytest.raises(PreviewExpired, match="expired at 2026-11-02 10:00 UTC"):
        allowed(home, preview, mode, now=preview.expires_at)
    with pytest.raises(PreviewExpired):
        approve(home, preview.preview_id, now=preview.expires_at)


def test_auto_needs_no_approval_in_the_sandbox(home):
    assert allowed(home, preview_of(), AUTO) is None


def test_auto_on_a_live_carrier_needs_a_total_limit_whatever_other_limits_there_are(home):
    for limits in (
        {},
        {"per_shipment": "10"},
        {"max_shipments": 10},
        {"per_shipment": "10", "max_shipments": 10, "price_drift": 0.1},
    ):
        with pytest.raises(LimitsRequired, match="total limit"):
            allowed(home, preview_of(identity=LIVE), AUTO, **limits)
    assert allowed(home, preview_of(identity=LIVE), AUTO, total="100") is None
    assert allowed(home, preview_of(cents=0, identity=LIVE), AUTO, total="0") is None


@pytest.mark.parametrize(("live", "total", "refused"), [(True, None, True), (False, None, False)])
def test_limits_are_required_for_real_money_only(live, total, refused):
    limits = SpendLimits(total=total, per_shipment="5")
    if refused:
        with pytest.raises(LimitsRequired):
            require_limits(limits, live=live)
    else:
        require_limits(limits, live=live)


@pytest.mark.parametrize("mode", [CONFIRM, AUTO])
def test_limits_hold_also_for_what_was_approved(home, mode):
    preview = preview_of()
    approve(home, keep(home, preview).preview_id, now=NOW)
    with pytest.raises(SpendLimitExceeded):
        allowed(home, preview, mode, total="25.49")


# -- limits on a preview ---------------------------------------------------------------------------


def quotes(cents, currencies=None):
    table = quotes_of(len(cents))
    currencies = currencies or ["USD" if c is not None else None for c in cents]
    for name, values in (("cost_cents", cents), ("currency", currencies)):
        at = table.schema.get_field_index(name)
        field = table.schema.field(at)
        table = table.set_column(at, field, pa.array(values, field.type))
    return table


@pytest.mark.parametrize(
    ("limits", "refused"),
    [
        ({"total": "30.00"}, False),
        ({"total": "29.99"}, True),
        ({"per_shipment": "20"}, False),
        ({"per_shipment": "19.99"}, True),
        ({"max_shipments": 2}, False),
        ({"max_shipments": 1}, True),
        ({}, False),
    ],
)
def test_a_preview_may_reach_its_limits_and_not_exceed_them(limits, refused):
    table = quotes([1000, None, 2000])
    if refused:
        with pytest.raises(SpendLimitExceeded, match="Nothing was bought") as error:
            check_limits(SpendLimits(**limits), table)
        assert error.value.fix
    else:
        check_limits(SpendLimits(**limits), table)


def test_the_message_has_the_amounts_that_matter():
    with pytest.raises(SpendLimitExceeded, match=r"costs \$30\.00; the limit is \$29\.00"):
        check_limits(SpendLimits(total="29"), quotes([1000, 2000]))
    with pytest.raises(SpendLimitExceeded) as error:
        check_limits(SpendLimits(per_shipment="5"), quotes([1000, 500, 2000]))
    assert error.value.message == (
        "2 shipments cost more than the limit of $5.00 per shipment; the most expensive costs "
        "$20.00. Nothing was bought."
    )
    assert 'session.skip("cost_cents > 500")' in error.value.fix
    with pytest.raises(SpendLimitExceeded, match="1 shipment costs more"):
        check_limits(SpendLimits(per_shipment="15"), quotes([1000, 500, 2000]))
    with pytest.raises(SpendLimitExceeded, match="2 shipments exceed the limit of 1"):
        check_limits(SpendLimits(max_shipments=1), quotes([1000, None, 2000]))


def test_nothing_priced_exceeds_no_limit():
    check_limits(SpendLimits(total="0", per_shipment="0", max_shipments=0), quotes([None, None]))


@pytest.mark.parametrize("limit", [{"total": "100"}, {"per_shipment": "100"}])
def test_amounts_in_another_currency_cannot_be_compared_and_are_refused(limit):
    mixed = quotes([1000, 1000, None], ["USD", "CAD", "EUR"])
    with pytest.raises(SpendLimitExceeded, match="limits are in USD and some prices in CAD"):
        check_limits(SpendLimits(**limit), quotes([1000, 1000], ["USD", "CAD"]))
    with pytest.raises(SpendLimitExceeded, match="currency='USD'"):
        check_limits(SpendLimits(**limit, currency="CAD"), quotes([1000], ["USD"]))
    check_limits(SpendLimits(max_shipments=2), mixed)
    check_limits(SpendLimits(**limit, currency="CAD"), quotes([1000], ["CAD"]))


# -- limits as they are written --------------------------------------------------------------------


def test_amounts_are_exact():
    limits = SpendLimits(total="500", per_shipment=40, price_drift=0.05)
    assert limits.total == Decimal("500.00")
    assert limits.in_cents() == {
        "total_cents": 50_000,
        "per_shipment_cents": 4_000,
        "max_shipments": None,
        "price_drift": 0.05,
        "currency": "USD",
    }
    assert SpendLimits(total=Money.of("12.34")).total_cents == 1234
    assert SpendLimits(total=Decimal("12.34")).total_cents == 1234
    assert SpendLimits(total="1200", currency="JPY").total_cents == 1200
    assert SpendLimits().total_cents is SpendLimits().per_shipment_cents is None


@pytest.mark.parametrize(
    "fields",
    [
        {"total": 5.5},
        {"total": True},
        {"total": "-1"},
        {"per_shipment": -1},
        {"max_shipments": -1},
        {"price_drift": -0.1},
        {"totl": "5"},
    ],
)
def test_limits_that_make_no_sense_are_refused_with_the_field(fields):
    with pytest.raises(InputError, match=next(iter(fields))):
        SpendLimits.of(fields)


def test_limits_are_read_from_what_a_caller_has():
    limits = SpendLimits(total="5")
    assert SpendLimits.of(limits) is limits
    assert SpendLimits.of({"total": "5"}) == limits
    assert SpendLimits.of(None) == SpendLimits()
    assert SpendLimits(max_shipments=0, price_drift=0).price_drift == 0


def test_modes_are_read_in_any_case():
    assert ExecutionMode.of("AUTO") is ExecutionMode.of(AUTO) is AUTO
    assert ExecutionMode.of("Confirm") is CONFIRM
    with pytest.raises(InputError, match="Unknown mode 'yes'"):
        ExecutionMode.of("yes")


# -- prices that grew while a job was interrupted --------------------------------------------------


def grown(
    was, now, *, mode=CONFIRM, limits=None, charged=None, confirmed=None, currency="USD"
) -> None:
    renew(
        {currency: was},
        {currency: now},
        mode=mode,
        limits=limits or {},
        charged=charged or {},
        confirmed=confirmed,
    )


@pytest.mark.parametrize(
    ("now", "drift", "asks"),
    [
        (1000, None, False),
        (900, None, False),
        (1001, None, True),
        (1100, 0.1, False),
        (1101, 0.1, True),
    ],
)
def test_a_rest_that_costs_more_than_the_drift_must_be_confirmed(now, drift, asks):
    if asks:
        with pytest.raises(ApprovalRequired, match=r"now costs \$.*; \$10\.00 was approved") as no:
            grown(1000, now, limits={"price_drift": drift})
        assert no.value.details["total"] == {"USD": f"{now / 100:.2f}"}
        assert f'confirm_total="{now / 100:.2f}"' in no.value.fix
    else:
        grown(1000, now, limits={"price_drift": drift})


def test_exactly_the_new_total_confirms_it():
    grown(1000, 1500, confirmed=Money.of("15.00"))
    for other in ("15.01", "14.99", "10.00"):
        with pytest.raises(ApprovalRequired):
            grown(1000, 1500, confirmed=Money.of(other))
    with pytest.raises(ApprovalRequired):
        grown(1000, 1500, confirmed=Money.of("15.00", "CAD"))


def test_auto_goes_on_within_its_limit_without_asking():
    grown(1000, 1500, mode=AUTO)
    grown(1000, 1500, mode=AUTO, limits={"total_cents": 1500})
    with pytest.raises(SpendLimitExceeded):
        grown(1000, 1501, mode=AUTO, limits={"total_cents": 1500})


def test_what_was_charged_counts_towards_the_limit_in_its_own_currency():
    limits = {"total_cents": 2000, "currency": "USD"}
    grown(1000, 1000, limits=limits, charged={"USD": 1000, "CAD": 9000})
    with pytest.raises(SpendLimitExceeded, match=r"costs \$10\.00, which exceeds .* \$20\.00"):
        grown(1000, 1000, limits=limits, charged={"USD": 1001})
    grown(5000, 5000, limits=limits, currency="CAD")


def test_each_account_keeps_its_limit_and_what_was_approved_for_it():
    """The whole may cost the same while one account takes more than it was given."""
    parts = {
        "ups": Rest({"USD": 500}, {"USD": 800}, {"USD": 100}),
        "usps": Rest({"USD": 500}, {"USD": 200}, {}),
    }
    rest = {"charged": {}, "confirmed": None, "accounts": parts}
    with pytest.raises(SpendLimitExceeded, match=r"the rest at ups costs \$8\.00"):
        renew(
            {"USD": 1000},
            {"USD": 1000},
            mode=AUTO,
            limits={"per_account_cents": {"ups": 899}},
            **rest,
        )
    limits = {"per_account_cents": {"ups": 900}}
    renew({"USD": 1000}, {"USD": 1000}, mode=AUTO, limits=limits, **rest)
    with pytest.raises(ApprovalRequired):
        renew({"USD": 1000}, {"USD": 1000}, mode=CONFIRM, limits=limits, **rest)


def test_one_account_alone_and_one_shipment_keep_their_limits():
    with pytest.raises(SpendLimitExceeded, match="the rest at ups"):
        grown(900, 1170, mode=AUTO, limits={"per_account_cents": {"ups": 1000}})
    with pytest.raises(SpendLimitExceeded, match="per shipment"):
        renew(
            {"USD": 900},
            {"USD": 900},
            mode=AUTO,
            limits={"per_shipment_cents": 500},
            charged={},
            confirmed=None,
            most=501,
        )


def test_no_confirmation_lifts_the_limit():
    with pytest.raises(SpendLimitExceeded):
        grown(1000, 3000, limits={"total_cents": 2000}, confirmed=Money.of("30.00"))


def test_a_currency_that_was_not_approved_must_be_confirmed():
    with pytest.raises(ApprovalRequired):
        renew({"USD": 10}, {"CAD": 1}, mode=CONFIRM, limits={}, charged={}, confirmed=None)


def test_one_currency_that_grew_among_several_must_be_confirmed():
    was, now = {"USD": 1000, "CAD": 1000}, {"USD": 1000, "CAD": 1001}
    with pytest.raises(ApprovalRequired, match=r"\$10\.00 \+ 10\.01 CAD"):
        renew(was, now, mode=CONFIRM, limits={}, charged={}, confirmed=None)


def test_a_preview_for_live_money_has_another_fingerprint_than_one_for_the_sandbox():
    """An approval given in the sandbox is none for real money."""
    preview = preview_of()
    live = dataclasses.replace(preview, plan=dataclasses.replace(preview.plan, identity=LIVE))
    assert live.plan.fingerprint != preview.plan.fingerprint


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"{}", b"\xff\xfe\x00", b'{"preview_id": 1}', b'"text"'],
)
def test_a_damaged_preview_is_our_error(tmp_path, content):
    record = keep(tmp_path, preview_of())
    (record.path / "preview.json").write_bytes(content)
    with pytest.raises(
        PreviewNotFound, match=r"is damaged: preview\.json cannot be read"
    ) as caught:
        recall(tmp_path, record.preview_id)
    assert str(record.path) in caught.value.fix


def test_a_damaged_table_of_a_preview_is_our_error(tmp_path):
    record = keep(tmp_path, preview_of())
    for name, read in (("plan.parquet", "table"), ("quotes.parquet", "quotes")):
        (record.path / name).write_bytes(b"PAR1 cut")
        with pytest.raises(PreviewNotFound, match=f"is damaged: {name} cannot be read"):
            getattr(recall(tmp_path, record.preview_id), read)
