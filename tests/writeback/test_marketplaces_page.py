"""The page of marketplaces and the format files agree; run this file to rewrite the sections."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipkit.outputs.writeback.marketplaces import formats

PAGE = Path(__file__).parent.parent.parent / "docs" / "how-to" / "marketplaces.md"
BEGIN, END = (
    "<!-- formats: written by tests/writeback/test_marketplaces_page.py -->\n",
    "<!-- end of formats -->\n",
)
PER = {
    "item": "One line per item of a shipped order",
    "order": "One line per shipment",
    "parcel": "One line per parcel",
}
FACTS = {
    "order_number": "the order number",
    "tracking_number": "the tracking number",
    "ship_date": "the ship date",
    "carrier": "the carrier",
    "other_carrier": "the name of a carrier that Amazon does not know",
    "service": "the service",
    "order_complete": "whether the whole order was shipped",
    "nth": "1, or 2, 3 for further shipments of the order",
}


def cell(column) -> str:
    parts = [
        *(f"`{heading}` of the orders" for heading in column.source),
        *([FACTS[column.fact]] if column.fact else []),
        *([f"`{column.text}`" if column.text else "empty"] if column.text is not None else []),
    ]
    return ", else ".join(parts) + (" (required)" if column.required else "")


def section(made) -> str:
    lines = [f"### {made.title}", "", f'`layout="{made.name}"`', ""]
    if made.refused:
        return (
            "\n".join(
                [
                    *lines,
                    f"Refused: {made.refused}. {made.instead}",
                    "",
                    f"Evidence: {made.evidence}",
                ]
            )
            + "\n"
        )
    items_needed = any(column.item and column.required for column in made.columns)
    one_per = PER[made.per] + (
        ""
        if made.per != "item" or items_needed
        else "; one per shipment if the orders have no item column"
    )
    lines += [
        f"Upload: {made.upload}",
        "",
        "| column | cell |",
        "| --- | --- |",
        *(f"| `{column.heading}` | {cell(column)} |" for column in made.columns),
        "",
        f"- {one_per}.",
        *([f"- The first line of the file is `{made.first_line}`."] if made.first_line else []),
        *(
            [f"- The file name must contain the word {made.name_contains}."]
            if made.name_contains
            else []
        ),
        *(f"- {remark}" for remark in made.remarks),
        f"- Evidence: {made.evidence}",
        *(f"- Not verified: {doubt}" for doubt in made.unverified),
    ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", sorted(formats()))
def test_the_page_names_the_evidence_for_each_format_and_what_was_never_tried(name):
    assert section(formats()[name]) in PAGE.read_text(encoding="utf-8")


def test_the_page_has_no_section_without_a_format():
    text = PAGE.read_text(encoding="utf-8")
    assert text[text.index(BEGIN) : text.index(END)].count("### ") == len(formats())


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(
        page[: page.index(BEGIN) + len(BEGIN)]
        + "\n"
        + "\n".join(section(made) for made in formats().values())
        + "\n"
        + page[page.index(END) :],
        encoding="utf-8",
    )
