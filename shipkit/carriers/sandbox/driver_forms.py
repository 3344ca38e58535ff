"""Manifests of the sandbox: labels put on one form, in its books and on paper.

It refuses what carriers refuse: labels that it did not sell to the account, that are voided, or
that are on another form.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Mapping, Sequence

from shipkit.carriers.after_purchase import BoughtLabels, MadeManifest
from shipkit.carriers.sandbox.books import Books
from shipkit.errors import CarrierRejected, LabelsRefused
from shipkit.models import Address

__all__ = ["labels_refused", "made_form", "refuse_on_form"]

_ASK = """
SELECT labels.tracking_number, purchases.voided_at, form_labels.number
FROM labels JOIN purchases USING (shipment_id) LEFT JOIN form_labels USING (tracking_number)
WHERE labels.tracking_number = ? AND purchases.account = ?
"""


async def made_form(
    books: Books,
    account: str,
    shipments: Sequence[BoughtLabels],
    origin: Address,
    day: dt.date,
    *,
    asked_before: bool,
) -> MadeManifest:
    """Put labels on one form, or return the form that was asked for before.

    Raises
    ------
    LabelsRefused
        Some cannot be on a form. Nothing was made.
    """
    numbers = [number for each in shipments for number in each.tracking_numbers]
    [fresh] = await books.numbers(1)

    def op(con: sqlite3.Connection) -> tuple[str, dict[str, str]]:
        found = [_found(con, number, account) for number in numbers]
        forms = {form for _, form in found}
        if asked_before and len(forms) == 1 and (form := forms.pop()) is not None:
            return form, {}
        refused = {
            number: why if form is None else f"It is on the form {form} already."
            for number, (why, form) in zip(numbers, found, strict=True)
            if why or form
        }
        if not refused:
            rows = [(number, fresh, account, day.isoformat()) for number in numbers]
            con.executemany("INSERT INTO form_labels VALUES (?, ?, ?, ?)", rows)
        return fresh, refused

    number, refused = await books.run(op)
    if refused:
        raise labels_refused(refused)
    return MadeManifest(number, tuple(numbers), _paper(number, len(numbers), origin, day))


def labels_refused(labels: Mapping[str, str]) -> LabelsRefused:
    """Return the refusal of a form because of some labels."""
    return LabelsRefused(
        "The sandbox makes no form with these labels.",
        fix="Leave them out.",
        labels=labels,
        carrier_code="labels_refused",
    )


def refuse_on_form(con: sqlite3.Connection, shipment_id: str) -> CarrierRejected | None:
    """Return why a shipment cannot be voided: it is on a form. USPS refuses the same (160174)."""
    found = con.execute(
        "SELECT form_labels.number FROM labels JOIN form_labels USING (tracking_number) "
        "WHERE labels.shipment_id = ?",
        (shipment_id,),
    ).fetchone()
    if found is None:
        return None
    return CarrierRejected(
        f"{shipment_id} is on the manifest {found[0]}, and cannot be voided.",
        fix="Void labels before their manifest is made.",
        carrier_code="on_manifest",
    )


def _found(con: sqlite3.Connection, number: str, account: str) -> tuple[str, str | None]:
    """Return why a label cannot be on a form (empty: it can), and the form that it is on."""
    row = con.execute(_ASK, (number, account)).fetchone()
    if row is None:
        return "The sandbox has not sold it to this account.", None
    _, voided, form = row
    return "It is voided." if voided is not None else "", form


def _paper(number: str, labels: int, origin: Address, day: dt.date) -> bytes:
    from shipkit.render import LabelContent, pdf

    driver = Address(company="To the driver", address_line1=f"{labels:,} on this form: scan once")
    content = LabelContent(
        ship_from=origin,
        ship_to=driver,
        service="Manifest",
        tracking_number=number,
        date=day,
    )
    return pdf(content)
