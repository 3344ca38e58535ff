"""What is told of texts that a label in Latin letters may not print."""

from __future__ import annotations

from typing import Any

import pytest

from shipkit.carriers.label_letters import letter_notes
from shipkit.models import Address, Parcel, Shipment


def notes(**fields: Any) -> tuple[str, ...]:
    given = {"name": "Jo Ng", "address_line1": "1 Oak St", "city": "Austin", **fields}
    to = Address(state="TX", postal_code="73301", **given)
    return letter_notes(Shipment(ship_to=to, service="priority", parcels=(Parcel(weight_lb=1),)))


@pytest.mark.parametrize(
    "name",
    [
        *("Zoë Müller-Łukasz", "Nguyễn Văn Ơn", "O’Brien & Söhne – GmbH", "Jo™", "№ 5, 3½"),
        *("Ａｎａ", "Mª José", "Cafe\u0301", "İnci Şahin", "Þór Ðorđević", "ﬁne"),
    ],
)
def test_latin_letters_in_any_form_are_printed(name: str) -> None:
    assert notes(name=name) == ()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"name": "张伟"},
            "of the recipient's name may not be printed: write them in Latin letters",
        ),
        ({"name": "José 😀"}, "recipient's name may not"),
        ({"company": "Товары"}, "recipient's company may not"),
        ({"address_line2": "Οδός 5"}, "recipient's street may not"),
        ({"city": "תל אביב", "name": "ユキ"}, "recipient's name, city may not"),
    ],
)
def test_other_letters_and_pictures_are_told_by_field(fields: dict[str, str], said: str) -> None:
    [note] = notes(**fields)
    assert said in note
    assert not any(text in note for text in fields.values()), "a masked preview shows it"
