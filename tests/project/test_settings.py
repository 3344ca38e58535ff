"""Environment and config file."""

from __future__ import annotations

import pytest

from shipkit.errors import SettingsError
from shipkit.settings import Settings


def test_the_environment_is_read_when_asked_and_arguments_win(tmp_path):
    env = {"SHIPKIT_HOME": "/a", "SHIPKIT_TIMEOUT_S": "7.5", "SHIPKIT_CARRIER": "ups"}
    settings = Settings.read(env, home=tmp_path)
    assert (settings.home, settings.timeout_s, settings.carrier) == (tmp_path, 7.5, "ups")


@pytest.mark.parametrize(
    ("name", "value"),
    [("SHIPKIT_TIMEOUT_S", "soon"), ("SHIPKIT_TIMEOUT_S", "-1"), ("SHIPKIT_UPS_ENV", "production")],
)
def test_a_bad_value_names_its_variable(name: str, value: str):
    with pytest.raises(SettingsError, match=name):
        Settings.read({name: value})


def test_a_secret_shows_in_no_repr_and_no_error():
    settings = Settings.read({"SHIPKIT_UPS_CLIENT_SECRET": "hunter2"})
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in settings.model_dump_json()
    with pytest.raises(SettingsError) as caught:
        Settings.read({"SHIPKIT_UPS_CLIENT_SECRET": "hunter2", "SHIPKIT_TIMEOUT_S": "x"})
    assert "hunter2" not in str(caught.value)


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
