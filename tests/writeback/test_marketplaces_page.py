"""The page of shops and the format files say the same: run this file to write the sections anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipkit.outputs.writeback.confirmations import formats

PAGE = Path(__file__).parent.parent.parent / "docs" / "how-to" / "marketplaces.md"
BEGIN, END = (
    "<!-- formats: written by tests/writeback/test_marketplaces_page.py -->\n",
    "<!-- end of formats -->\n",
)
PER = {
    "item": "Each item of a shipped order is a line",
    "order": "Each shipment is a line",
    "parcel": "Each parcel is a line",
}
FACTS = {
    "order_number": "the order's number",
    "tracking_number": "the tracking number",
    "ship_date": "the day it ships",
    "carrier": "the carrier",
    "other_carrier": "the carrier's name, where Amazon has no word for it",
    "service": "the service",
    "whole": "whether all of the order went",
    "nth": "1, or 2, 3 for further shipments of the order",
}


def cell(column) -> str:
    parts = [
        *(f"`{heading}` of the orders" for heading in column.source),
        *([FACTS[column.fact]] if column.fact else []),
        *([f"`{column.text}`" if column.text else "empty"] if column.text is not None else []),
    ]
    return ", else ".join(parts) + (" (needed)" if column.required else "")


def section(made) -> str:
    lines = [f"### {made.title}", "", f'`layout="{made.name}"`. Behind it: {made.evidence}']
    if made.refused:
        return "\n".join([*lines, "", f"Refused: {made.refused}. {made.instead}"]) + "\n"
    lines += [
        f"Upload: {made.upload}",
        "",
        "| column | cell |",
        "| --- | --- |",
        *(f"| `{column.heading}` | {cell(column)} |" for column in made.columns),
        "",
    ]
    lines += [
        (
            "- "
            f"{PER[made.per]}{'' if made.per != 'item' or any(c.item and c.required for c in made.columns) else '; where the orders have no column for it, each shipment'}."
        ),
        *([f"- The first line of the file is `{made.above}`."] if made.above else []),
        *([f"- The name of the file has the word {made.named}."] if made.named else []),
    ]
    lines += [
        *(f"- {remark}" for remark in made.remarks),
        *(f"- Not verified: {doubt}" for doubt in made.unverified),
    ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", sorted(formats()))
def test_the_page_says_what_stands_behind_each_format_and_what_was_never_tried(name):
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
