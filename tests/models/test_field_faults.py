"""Fields that a model refuses are named in plain words, without values or the words of pydantic."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from shipkit.errors import InputError, SettingsError
from shipkit.field_faults import faults_of
from shipkit.models import Address
from shipkit.purchasing.approval import SpendLimits
from shipkit.session.order_members import shipper_from
from shipkit.settings import Settings

FOREIGN = (
    "pydantic",
    "type=",
    "Extra inputs",
    "validation error",
    "Input should",
    "Field required",
)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ("address1", "address_line1"),
        ("street", "address_line1"),
        ("Address Line 2", "address_line2"),
        ("zip", "postal_code"),
        ("ZIP_Code", "postal_code"),
        ("postcode", "postal_code"),
        ("nome", "name"),
        ("phone_number", "phone"),
        ("adress_line1", "address_line1"),
    ],
)
def test_a_wrong_field_of_an_address_is_answered_with_the_right_one(given: str, field: str):
    said = f"no field {given!r}: did you mean {field}?"
    with pytest.raises(InputError) as direct:
        Address(**{given: "1 Secret Lane"})  # type: ignore[arg-type]
    with pytest.raises(InputError) as session:
        shipper_from({given: "1 Secret Lane"}, Settings.read({}))
    for raised in (direct, session):
        assert said in str(raised.value)
        assert raised.value.fix
        assert not any(word in str(raised.value) for word in (*FOREIGN, "Secret"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"postal_code": 2134}, "postal_code must be text, in quotes"),
        ({"country": "usa"}, "country must be two capital letters, such as US"),
        ({"residential": "perhaps"}, "residential must be a boolean"),
        ([1], "it is not a table of fields"),
        ({"planet": "Mars"}, "no field 'planet': its fields are name, company"),
    ],
)
def test_a_shipper_that_is_no_address_is_refused_in_plain_words(given: object, said: str):
    with pytest.raises(InputError) as raised:
        shipper_from(given, Settings.read({}))  # type: ignore[arg-type]
    assert said in str(raised.value)
    assert not any(word in str(raised.value) for word in FOREIGN)


def test_a_shipper_of_the_config_file_too(tmp_path: Path):
    config = tmp_path / "config.toml"
    config.write_text('[shippers.dock]\nzip = "78205"\n[shippers.none]\ncity = 4\n')
    settings = Settings.read({"SHIPKIT_CONFIG": str(config)})
    with pytest.raises(SettingsError, match=r"no field 'zip': did you mean postal_code\?"):
        settings.shipper("dock")
    with pytest.raises(SettingsError, match=r"cannot be used: city must be text, in quotes\."):
        settings.shipper("none")


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"totl": "5"}, "there is no field 'totl': did you mean total?"),
        ({"max_shipments": "many"}, "max_shipments must be an integer"),
        ({"max_shipments": -1}, "max_shipments must be greater than or equal to 0"),
    ],
)
def test_limits_are_refused_in_plain_words(limits: dict[str, object], said: str):
    with pytest.raises(InputError, match="Invalid spend limits") as raised:
        SpendLimits.of(limits)
    assert said in str(raised.value)
    assert not any(word in str(raised.value) for word in FOREIGN)


def test_a_value_of_an_address_is_in_no_error():
    with pytest.raises(ValidationError) as raised:
        Address(address_line1="1 Secret Lane", postal_code=2134)  # type: ignore[arg-type]
    assert "Secret" not in str(raised.value)
    assert "2134" not in str(raised.value)
    assert faults_of(raised.value) == "postal_code must be text, in quotes"
