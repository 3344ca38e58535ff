"""What carriers' values show of themselves: no secret, no address, no label."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pickle
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

import shipkit.carriers
from shipkit.carriers.http_senders import Sending
from shipkit.carriers.send_gate import Passage

PRIVATE = re.compile(r"\b(bytes|Any|Shipment|Address|Customs)\b")
"""Types of fields that may hold a request, an address or a label. A SecretStr hides itself."""
NAMED = {"headers", "params", "content", "body", "crid", "mid"}
PLAIN = {"CarrierPlugin.create", "_Entry.values"}
"""Fields with such a type that hold none: a function, and a rule of a rate card."""


def dataclasses_of_carriers() -> Iterator[type[Any]]:
    for module in pkgutil.walk_packages(shipkit.carriers.__path__, "shipkit.carriers."):
        if module.name.endswith("__main__"):
            continue
        found = importlib.import_module(module.name)
        for kind in vars(found).values():
            own = inspect.isclass(kind) and kind.__module__ == module.name
            if own and dataclasses.is_dataclass(kind):
                yield kind


def test_no_dataclass_shows_a_field_that_may_be_private():
    kinds = list(dataclasses_of_carriers())
    assert len(kinds) > 40
    shown = {
        f"{kind.__name__}.{field.name}"
        for kind in kinds
        if "def __repr__" not in inspect.getsource(kind)
        for field in dataclasses.fields(kind)
        if field.repr and (field.name in NAMED or PRIVATE.search(str(field.type)))
    }
    assert sorted(shown - PLAIN) == []


def test_a_request_shows_neither_its_headers_nor_its_body():
    sending = Sending(
        "POST",
        "https://api.example.com/labels",
        {"x-payment-authorization-token": SecretStr("PAY-TOKEN"), "accept": "json"},
        SecretStr("Bearer ACCESS-TOKEN"),
        b"1 Secret Lane",
        {"street": "1 Secret Lane"},
        1.0,
        1.0,
        SecretStr("http://user:password@proxy"),
        Passage(),
    )
    shown = f"{sending!r} {vars(sending)!r}".replace("b'1 Secret Lane'", "")
    for secret in ("PAY-TOKEN", "ACCESS-TOKEN", "password"):
        assert secret not in shown
    assert "Secret Lane" not in repr(sending)
    assert sending.revealed() == {
        "x-payment-authorization-token": "PAY-TOKEN",
        "accept": "json",
        "authorization": "Bearer ACCESS-TOKEN",
    }


@pytest.mark.parametrize("name", ["ups", "usps", "easypost"])
def test_clients_cannot_be_pickled(name: str):
    module = importlib.import_module(f"shipkit.carriers.{name}")
    client = {
        "ups": "client.UpsClient",
        "usps": "usps_client.UspsClient",
        "easypost": "easypost_client.EasyPostClient",
    }[name]
    path, kind = client.split(".")
    made = getattr(importlib.import_module(f"{module.__name__}.{path}"), kind)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(made.__new__(made))
