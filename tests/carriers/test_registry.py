"""Carriers by name: the package's own, those of other packages, broken ones, wrong objects."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import shipkit as sk
from shipkit.carriers import registry
from shipkit.carriers.protocol import OPTIONAL, REQUIRED, Capabilities, Carrier, CarrierIdentity
from shipkit.errors import InputError, SettingsError
from shipkit.models import LabelFormat, LabelSpec
from shipkit.settings import Settings

OWN = ["sandbox", "ups", "easypost", "usps", "sandbox_economy", "sandbox_express"]


def test_the_required_members_are_those_of_the_protocol():
    assert set(REQUIRED) == {
        *Carrier.__annotations__,
        *(name for name, value in vars(Carrier).items() if callable(value) and name[0] != "_"),
    }
    assert set(OPTIONAL) <= set(Capabilities.__dataclass_fields__)


@pytest.mark.parametrize("name", OWN)
def test_a_plug_in_says_of_its_carrier_what_the_carrier_says(name: str, tmp_path: Path):
    env = {
        "SHIPKIT_HOME": str(tmp_path),
        "SHIPKIT_UPS_CLIENT_ID": "client",
        "SHIPKIT_UPS_CLIENT_SECRET": "secret",
        "SHIPKIT_UPS_ACCOUNT": "A1B2C3",
        "SHIPKIT_EASYPOST_API_KEY": "EZTKtest",
        "SHIPKIT_USPS_CLIENT_ID": "client",
        "SHIPKIT_USPS_CLIENT_SECRET": "secret",
        "SHIPKIT_USPS_ACCOUNT": "1000012345",
        "SHIPKIT_USPS_CRID": "12345678",
        "SHIPKIT_USPS_MID": "901234567",
    }
    plugin, carrier = registry.plugin(name), registry.create(name, environ=env)
    assert isinstance(carrier, Carrier)
    assert carrier.identity.name == plugin.name == name
    assert carrier.capabilities == plugin.capabilities
    assert carrier.services is plugin.services
    assert (Path(__file__).parents[2] / plugin.guide).exists()


def test_finding_names_imports_no_carrier():
    code = (
        "import sys; from shipkit.carriers import registry; print(registry.names()); "
        "print([m for m in sys.modules if m.startswith(('shipkit.carriers.ups', 'httpx'))])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines() == [str(OWN), "[]"]


def test_importing_the_plug_in_of_ups_imports_no_http():
    code = "import sys, shipkit.carriers.ups; print('httpx' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_an_unknown_name_lists_the_known():
    with pytest.raises(
        SettingsError, match=rf"There is no carrier 'dhl'\. Known: {', '.join(OWN)}\."
    ):
        registry.resolve("dhl", Settings())


def test_none_is_the_carrier_of_the_settings_and_an_object_is_itself(tmp_path: Path):
    assert registry.resolve(None, Settings(home=tmp_path)).identity.name == "sandbox"
    assert registry.resolve(" SANDBOX ", Settings(home=tmp_path)).identity.name == "sandbox"
    carrier = sk.SandboxCarrier(home=tmp_path)
    assert registry.resolve(carrier, Settings()) is carrier
    assert registry.services_of(carrier, Settings()) is carrier.services
    assert registry.services_of("ups", Settings()).carrier == "ups"  # without credentials


def test_what_ups_lacks_is_named_with_the_page_that_helps():
    with pytest.raises(SettingsError, match=r"SHIPKIT_UPS_CLIENT_ID, .*see docs/how-to/ups\.md"):
        registry.create("ups", environ={})


# -- objects ---------------------------------------------------------------------------------------


class Half:
    """Quotes and nothing else."""

    identity = CarrierIdentity("half", "test")

    async def quote(self, shipment, shipper):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (42, r"carrier=<int object> is not a carrier: it has no identity, services,"),
        ({"name": "ups"}, r"<dict object> is not a carrier"),
        (Half(), r"it has no services, capabilities, pace, .* quote_table, shop, ship, find, void"),
        (sk.SandboxCarrier, r"carrier=SandboxCarrier is a class, not a carrier"),
    ],
)
def test_a_wrong_object_is_refused_with_what_it_lacks(given: object, said: str):
    with pytest.raises(InputError, match=said) as caught:
        registry.check(given)
    assert "sandbox, ups, easypost, usps" in caught.value.fix


def test_members_of_the_wrong_kind_are_named(tmp_path: Path):
    carrier = sk.SandboxCarrier(home=tmp_path)
    carrier.identity, carrier.pace = "sandbox", 20
    with pytest.raises(InputError, match="identity is not a CarrierIdentity; pace is not a Pace"):
        registry.check(carrier)


def test_a_capability_without_its_method_is_refused(tmp_path: Path):
    carrier = sk.SandboxCarrier(home=tmp_path)
    carrier.capabilities = replace(carrier.capabilities, track=True)
    with pytest.raises(InputError, match="declares track and has no method of that name"):
        registry.check(carrier)


def test_a_carrier_whose_lost_answers_cannot_be_settled_is_refused(tmp_path: Path):
    carrier = sk.SandboxCarrier(home=tmp_path)
    carrier.capabilities = replace(carrier.capabilities, recovery="hope")
    with pytest.raises(InputError, match="settles lost answers by 'hope'"):
        registry.check(carrier)


@pytest.mark.parametrize("recovery", ["two_step", "idempotency_key"])
def test_a_carrier_with_a_step_before_the_purchase_has_it(tmp_path: Path, recovery: str):
    carrier = sk.SandboxCarrier(home=tmp_path)
    carrier.capabilities = replace(carrier.capabilities, recovery=recovery)
    with pytest.raises(InputError, match="declares prepare and has no method of that name"):
        registry.check(carrier)
    carrier.prepare = None
    registry.check(carrier)


def test_a_label_format_that_is_not_delivered_is_refused(tmp_path: Path):
    carrier = sk.SandboxCarrier(home=tmp_path)
    registry.demand_label_format(carrier, LabelSpec(format="zpl"))
    carrier.capabilities = replace(
        carrier.capabilities, label_formats=frozenset({LabelFormat.PDF, LabelFormat.PNG})
    )
    with pytest.raises(InputError, match=r"ZPL labels\. Use label_format='pdf' or 'png'\."):
        registry.demand_label_format(carrier, LabelSpec(format="zpl"))


def test_what_a_carrier_cannot_do_names_those_that_can():
    assert registry.able("track") == ["ups", "easypost", "usps"]
    sandboxes = {"sandbox", "sandbox_economy", "sandbox_express"}
    assert set(registry.able("shop_table")) == {*sandboxes, "ups", "usps", "easypost"}
    assert set(registry.able("manifest")) == {*sandboxes, "usps", "easypost"}


# -- carriers of other packages --------------------------------------------------------------------


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Return a function that puts a package with one entry point on the path."""
    made: list[str] = []

    def install(package: str, point: str, code: str) -> None:
        module = package.replace("-", "_")
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\n{point}\n")
        (tmp_path / f"{module}.py").write_text(code)
        made.append(module)

    monkeypatch.syspath_prepend(str(tmp_path))
    registry._installed.cache_clear()
    yield install
    registry._installed.cache_clear()
    for module in made:
        sys.modules.pop(module, None)


GOOD = """
from dataclasses import replace
from shipkit.carriers.sandbox import PLUGIN as OTHER
from shipkit.services import ServiceEntry, ServiceList

def create(own, shared):
    made = OTHER.create(own, shared)
    made.identity = replace(made.identity, name="acme")
    return made

PLUGIN = replace(
    OTHER,
    name="acme",
    services=ServiceList("acme", (ServiceEntry("acme", "express", "Express"),)),
    create=create,
)
"""


def test_a_carrier_of_another_package_is_found_by_name(install, tmp_path: Path):
    install("acme-shipkit", "acme = acme_shipkit:PLUGIN", GOOD)
    assert registry.names() == [*OWN, "acme"]
    assert "acme_shipkit" not in sys.modules  # until it is chosen
    assert registry.plugin("acme").services.codes == ("express",)
    assert registry.create("acme", Settings(home=tmp_path)).pace.concurrency == 20


@pytest.mark.parametrize(
    ("point", "code", "said"),
    [
        ("acme = acme_shipkit:PLUGIN", "import no_such_module", "ModuleNotFoundError"),
        ("acme = acme_shipkit:PLUGIN", "1 / 0", "ZeroDivisionError"),
        ("acme = acme_shipkit:NOTHING", GOOD, "AttributeError"),
        ("acme = no_such_module:PLUGIN", GOOD, "ModuleNotFoundError"),
        ("acme = acme_shipkit:PLUGIN", "PLUGIN = 7", "not a CarrierPlugin"),
        ("other = acme_shipkit:PLUGIN", GOOD, "calls itself 'acme'"),
        (
            "acme = acme_shipkit:PLUGIN",
            GOOD + "PLUGIN = replace(PLUGIN, services=OTHER.services)",
            "services are those of 'sandbox'",
        ),
    ],
)
def test_a_broken_package_is_named_and_disturbs_no_other(
    install, tmp_path: Path, point: str, code: str, said: str
):
    install("acme-shipkit", point, code)
    with pytest.raises(SettingsError, match=r"the package 'acme-shipkit'") as caught:
        registry.resolve(point.split(" = ", maxsplit=1)[0], Settings(home=tmp_path))
    assert said in str(caught.value)
    assert registry.resolve("sandbox", Settings(home=tmp_path)).identity.name == "sandbox"
    [broken] = [p for p in registry.plugins() if isinstance(p, registry.BrokenCarrier)]
    assert said in broken.problem
    assert registry.able("track") == ["ups", "easypost", "usps"]


def test_two_packages_with_one_name_are_both_named(install):
    install("acme-shipkit", "acme = acme_shipkit:PLUGIN", GOOD)
    install("acme-other", "acme = acme_other:PLUGIN", GOOD)
    with pytest.raises(SettingsError, match="'acme-other'") as caught:
        registry.plugin("acme")
    assert "'acme-shipkit'" in str(caught.value)


def test_no_package_takes_the_place_of_shipkits_own(install):
    install("acme-shipkit", "ups = acme_shipkit:PLUGIN", GOOD)
    assert registry.plugin("ups").services.carrier == "ups"
    assert registry.names() == OWN
    [taken] = [p for p in registry.plugins() if isinstance(p, registry.BrokenCarrier)]
    assert "'acme-shipkit' declares it" in taken.problem


def test_a_carrier_that_cannot_be_made_or_is_none_is_no_traceback(install, tmp_path: Path):
    install(
        "acme-shipkit",
        "acme = acme_shipkit:PLUGIN",
        GOOD + "PLUGIN = replace(PLUGIN, create=lambda own, shared: 1 / 0)",
    )
    install(
        "half-shipkit",
        "half = half_shipkit:PLUGIN",
        GOOD.replace("acme", "half")
        + "PLUGIN = replace(PLUGIN, create=lambda own, shared: object())",
    )
    with pytest.raises(SettingsError, match="The carrier acme cannot be set up: ZeroDivision"):
        registry.create("acme", Settings(home=tmp_path))
    with pytest.raises(SettingsError, match="The carrier half is not a carrier: it has no identi"):
        registry.create("half", Settings(home=tmp_path))


def test_a_carrier_is_called_what_its_jobs_will_call_it(install, tmp_path: Path):
    install(
        "acme-shipkit",
        "acme = acme_shipkit:PLUGIN",
        GOOD + "PLUGIN = replace(PLUGIN, create=OTHER.create)",
    )
    with pytest.raises(SettingsError, match="acme names itself 'sandbox' in its identity"):
        registry.create("acme", Settings(home=tmp_path))
