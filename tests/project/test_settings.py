"""Environment and config file."""

from __future__ import annotations

import json
import pickle
import traceback

import pytest

import shipkit as sk
from shipkit.carriers.ups.ups_settings import UpsSettings
from shipkit.carriers.usps.usps_settings import UspsSettings
from shipkit.cli import main
from shipkit.errors import SettingsError
from shipkit.settings import Machine, Settings


def test_the_environment_is_read_when_asked_and_arguments_win(tmp_path):
    env = {"SHIPKIT_HOME": "/a", "SHIPKIT_TIMEOUT_S": "7.5", "SHIPKIT_CARRIER": "ups"}
    settings = Settings.read(env, home=tmp_path)
    assert (settings.home, settings.timeout_s, settings.carrier) == (tmp_path, 7.5, "ups")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHIPKIT_TIMEOUT_S", "soon"),
        ("SHIPKIT_TIMEOUT_S", "-1"),
        ("SHIPKIT_QUOTE_CACHE_S", "-1"),
    ],
)
def test_a_bad_value_names_its_variable(name: str, value: str):
    with pytest.raises(SettingsError, match=name):
        Settings.read({name: value})


@pytest.mark.parametrize("home", ["taken", "taken/home"])
def test_a_home_that_cannot_be_a_folder_is_refused_and_is_no_empty_list_of_jobs(tmp_path, home):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(SettingsError, match=r"SHIPKIT_HOME: .*taken is a file or a device"):
        Settings.read({"SHIPKIT_HOME": str(tmp_path / home)})
    assert Settings.read({"SHIPKIT_HOME": str(tmp_path / "new" / "home")})


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without HOME and without an entry in the list of users, as in many containers."""
    pwd = pytest.importorskip("pwd", reason="Windows has no such list")

    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "SHIPKIT_HOME", "SHIPKIT_CONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("nobody")
def test_without_a_user_s_folder_the_home_is_enough(tmp_path):
    settings = Settings.read({"SHIPKIT_HOME": str(tmp_path)})
    assert settings.home == tmp_path
    assert settings.file == {}, "a config file that is not there is an empty one"
    with sk.BatchSession(home=tmp_path):
        pass


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("home", [None, "", "relative"])
def test_without_any_folder_the_error_names_the_setting(monkeypatch, home):
    if home is not None:
        monkeypatch.setenv("HOME", home)
    with pytest.raises(SettingsError, match="Set SHIPKIT_HOME"):
        Settings.read({})


@pytest.mark.usefixtures("nobody")
def test_the_command_line_says_it_as_an_error_and_as_json(capsys):
    for words in (["jobs"], ["check", "orders.csv"], ["carriers"]):
        assert main([*words, "--json"]) == 1
        said = capsys.readouterr()
        assert json.loads(said.out.splitlines()[-1])["code"] == "settings_invalid"
        assert "Set SHIPKIT_HOME" in said.err
        assert "Traceback" not in said.err


def test_a_tilde_is_the_user_s_own_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    env = {"SHIPKIT_HOME": "~/jobs", "SHIPKIT_CONFIG": "~/own.toml"}
    assert Settings.read(env).home == tmp_path / "jobs"
    assert Settings.read(env).config == tmp_path / "own.toml"
    assert Settings.read({}, home="~/other").home == tmp_path / "other"


def test_a_relative_home_stays_where_it_was_when_the_process_moves(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings = Settings.read({"SHIPKIT_HOME": "jobs"})
    monkeypatch.chdir("/")
    assert settings.home == tmp_path / "jobs"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("$HOME/jobs", "a variable that was not replaced"),
        ("%USERPROFILE%/jobs", "a variable that was not replaced"),
        ("~no-such-user-here/jobs", "no folder of that user"),
        ("/srv/Gr\udcf6\udcdfe", "not UTF-8"),
    ],
)
def test_a_home_that_cannot_be_meant_is_refused(value: str, reason: str):
    with pytest.raises(SettingsError, match=f"SHIPKIT_HOME: .*{reason}") as caught:
        Settings.read({"SHIPKIT_HOME": value})
    assert "SHIPKIT_CONFIG" not in str(caught.value)


UPS = {
    "SHIPKIT_UPS_CLIENT_ID": "client",
    "SHIPKIT_UPS_CLIENT_SECRET": "hunter2",
    "SHIPKIT_UPS_ACCOUNT": "A1B2C3",
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHIPKIT_UPS_ENV", "production"),
        ("SHIPKIT_UPS_ABSENCE_PROOF_S", "-7.25"),
        ("SHIPKIT_UPS_ABSENCE_PROOF_S", "hunter2"),
    ],
)
def test_a_bad_value_of_a_carrier_names_its_variable_and_shows_no_value(name: str, value: str):
    with pytest.raises(SettingsError, match=name) as caught:
        UpsSettings.read("ups", {**UPS, name: value})
    assert value not in str(caught.value)


def test_the_variables_of_ups():
    assert set(UpsSettings.variables("ups").values()) == {
        *UPS,
        "SHIPKIT_UPS_ENV",
        "SHIPKIT_UPS_BASE_URL",
        "SHIPKIT_UPS_ABSENCE_PROOF_S",
        "SHIPKIT_UPS_PICKUP_TYPE",
        "SHIPKIT_UPS_CUSTOMER_CLASSIFICATION",
    }
    settings = UpsSettings.read("ups", {**UPS, "SHIPKIT_UPS_ENV": "live"})
    assert (settings.client_id, settings.account, settings.env) == ("client", "A1B2C3", "live")
    assert settings.client_secret.get_secret_value() == "hunter2"


def test_the_account_of_usps_has_a_second_name():
    given = {
        "SHIPKIT_USPS_CLIENT_ID": "client",
        "SHIPKIT_USPS_CLIENT_SECRET": "secret",
        "SHIPKIT_USPS_EPS_ACCOUNT": "1000012345",
        "SHIPKIT_USPS_CRID": "12345678",
        "SHIPKIT_USPS_MID": "901234567",
    }
    assert UspsSettings.missing("usps", given) == []
    assert UspsSettings.read("usps", given).account == "1000012345"
    assert UspsSettings.shown("usps", given)["account"] == "...2345"
    assert sk.USPS.from_env(given).identity.account_tail == "2345"
    both = {**given, "SHIPKIT_USPS_ACCOUNT": "1000012345"}
    assert UspsSettings.read("usps", both).account == "1000012345"
    with pytest.raises(SettingsError, match="are one setting and have different values"):
        UspsSettings.read("usps", {**given, "SHIPKIT_USPS_ACCOUNT": "1000099999"})
    del given["SHIPKIT_USPS_EPS_ACCOUNT"]
    with pytest.raises(SettingsError, match="usps needs SHIPKIT_USPS_ACCOUNT"):
        UspsSettings.read("usps", given)


def test_an_empty_variable_counts_as_not_set():
    assert UpsSettings.read("ups", {**UPS, "SHIPKIT_UPS_ENV": ""}).env == "test"
    assert UpsSettings.missing("ups", {**UPS, "SHIPKIT_UPS_ACCOUNT": ""}) == ["SHIPKIT_UPS_ACCOUNT"]


def test_a_secret_shows_in_no_repr_no_error_no_traceback_and_no_pickle():
    settings = UpsSettings.read("ups", UPS)
    assert "hunter2" not in repr(settings) + str(settings) + settings.model_dump_json()
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(settings)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(sk.UPS.from_env(UPS))
    with pytest.raises(SettingsError) as caught:
        UpsSettings.read("ups", {**UPS, "SHIPKIT_UPS_ENV": "x"})
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [frame for frame in shown.stack if "shipkit/settings.py" in frame.filename]
    assert ours
    locals_shown = "".join(
        text
        for frame in ours
        for name, text in (frame.locals or {}).items()
        if name != "environ"  # the caller's own mapping
    )
    assert "hunter2" not in locals_shown + str(caught.value)


def test_a_shipper_is_found_by_name_and_a_missing_one_lists_the_known(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text('[shippers.harbor]\nname = "Dana"\npostal_code = "02134"\n', encoding="utf-8")
    settings = Settings.read({"SHIPKIT_CONFIG": str(config)})
    assert settings.shipper("harbor").postal_code == "02134"
    with pytest.raises(SettingsError, match="It has: harbor"):
        settings.shipper("harbour")


@pytest.mark.parametrize("text", ["[shippers", '[shippers.a]\ncolour = "red"\n'])
def test_a_broken_config_file_says_where(tmp_path, text: str):
    config = tmp_path / "config.toml"
    config.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"config\.toml"):
        Settings.read({"SHIPKIT_CONFIG": str(config)}).shipper("a")


def test_settings_with_the_login_of_a_proxy_are_not_pickled(tmp_path):
    plain = Settings.read({"SHIPKIT_HOME": str(tmp_path)})
    assert pickle.loads(pickle.dumps(plain)) == plain
    secret = Settings.read({"SHIPKIT_PROXY": "http://ann:hunter2@proxy:8080"}, home=tmp_path)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(secret)


@pytest.mark.parametrize("value", ["plenty", "0GB", "101%", "-1GB", "4"])
def test_a_memory_limit_that_is_none_names_its_variable(value):
    with pytest.raises(SettingsError, match="SHIPKIT_MEMORY: write it as 4GB"):
        Machine.read({"SHIPKIT_MEMORY": value})
    with pytest.raises(SettingsError, match="SHIPKIT_THREADS"):
        Machine.read({"SHIPKIT_THREADS": "0"})


def test_a_value_of_the_caller_is_not_blamed_on_the_environment():
    with pytest.raises(SettingsError, match=r"^A setting cannot be used\. home: '' is not") as no:
        Settings.read({}, home="s3://")
    assert no.value.fix == "Correct or leave it out."
    with pytest.raises(SettingsError, match=r"SHIPKIT_HOME: '' is not the name of a bucket"):
        Settings.read({"SHIPKIT_HOME": "s3://"})
    with pytest.raises(SettingsError, match=r"SHIPKIT_GRACE_S: .*; home: '' is not"):
        Settings.read({"SHIPKIT_GRACE_S": "many"}, home="s3://")
