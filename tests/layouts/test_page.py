"""The page of layouts agrees with the layout files: run this file to write its sections again."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipkit.orders.layouts import known_layouts

PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "layouts.md"
REFUSED, REFUSED_END = (
    "<!-- refused: written by tests/layouts/test_page.py -->\n",
    "<!-- end of refused -->\n",
)
BEGIN, END = (
    "<!-- sections: written by tests/layouts/test_page.py -->\n",
    "<!-- end of sections -->\n",
)
PER = {
    "unit": "of one unit, times the quantity",
    "line": "of the line",
    "order": "of the whole order",
}
WHEN = {"filled": "is not empty", "nonzero": "is not 0"}
JOINED = {"weight", "item_weight"}


def condition(when) -> str:
    """When a notice applies, in words."""
    return WHEN[when] if isinstance(when, str) else "is " + " or ".join(f"`{x}`" for x in when)


def supported():
    return {name: layout for name, layout in known_layouts().items() if layout.unsupported is None}


def refused() -> str:
    lines = [
        f"| {layout.title} | {layout.unsupported} | {layout.instead} |\n"
        for _, layout in sorted(known_layouts().items())
        if layout.unsupported is not None
    ]
    return "| export | why | instead |\n| --- | --- | --- |\n" + "".join(lines)


def section(layout) -> str:
    lines = [
        f"### {layout.title}",
        "",
        f"`{layout.name}`. Based on: {layout.evidence}",
        f"Recognised by: {', '.join(f'`{h}`' for h in layout.recognised_by)}."
        if layout.recognised_by
        else f'Loaded by name: `layout="{layout.name}"`.',
    ]
    lines += (
        [f"Unless the file has: {', '.join(f'`{h}`' for h in layout.without)}."]
        if layout.without
        else []
    )
    lines += ["", "| field | taken from |", "| --- | --- |"]
    for role, options in layout.fields.items():
        units = {
            option: f" ({layout.units[option]})" for option in options if option in layout.units
        }
        word = " + " if role in JOINED and len(options) > 1 else ", else "
        lines.append(
            f"| {role} | "
            f"{word.join(f'`{option}`{units.get(option, str())}' for option in options)} |"
        )
    lines.append("")
    lines += ["- Each line is a shipment, even if order numbers repeat."] if layout.each_row else []
    lines += [f"- The weight is {PER[layout.weight_of]}."] if layout.weight_of else []
    lines += (
        [
            (
                f"- The price is {PER[layout.price_of].replace(', times the quantity', '')}: "
                "customs items are made from the lines."
            )
        ]
        if layout.price_of
        else []
    )
    lines += (
        [
            (
                "- Dates as "
                f"{', '.join(f'`{form}`' for form in dict.fromkeys(layout.dates.values()))}, "
                "if every value of the column fits."
            )
        ]
        if layout.dates
        else []
    )
    lines += [
        f"- Left out: lines whose `{heading}` is {' or '.join(f'`{text}`' for text in texts)}."
        for heading, texts in layout.not_shipped.items()
    ]
    lines += (
        [f"- Lines without {' or '.join(f'`{h}`' for h in layout.required)} are footers or totals."]
        if layout.required
        else []
    )
    lines += (
        [
            (
                "- Delivery speeds, not services: "
                f"{', '.join(f'`{text}`' for text in layout.services)}. Map them: "
                f'`map(services={{"{next(iter(layout.services))}": "ground"}})`.'
            )
        ]
        if layout.services
        else []
    )
    lines += (
        [
            (
                "- Lines with the same order number are one order only if "
                f"{', '.join(f'`{h}`' for h in layout.order_key)} agree too; a number that "
                "several orders share is an error `order_number_not_unique`."
            )
        ]
        if layout.order_key
        else []
    )
    lines += [f"- {remark}" for remark in layout.remarks]
    lines += [
        (f"- `{n.heading}` {condition(n.when)}: {n.severity} `{n.code}`, {n.problem}.")
        for n in layout.notices
    ]
    return "\n".join(lines).rstrip() + "\n"


@pytest.mark.parametrize("name", sorted(supported()))
def test_the_page_says_what_the_layout_takes_from_where(name):
    assert section(known_layouts()[name]) in PAGE.read_text(encoding="utf-8"), (
        "python tests/layouts/test_page.py writes the sections again"
    )


def test_the_page_has_no_section_without_a_layout_and_lists_what_is_refused():
    text = PAGE.read_text(encoding="utf-8")
    listed = text[text.index(BEGIN) : text.index(END)]
    assert listed.count("### ") == len(supported())
    assert text[text.index(REFUSED) + len(REFUSED) : text.index(REFUSED_END)] == refused()


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    made = "\n".join(section(layout) for _, layout in sorted(supported().items()))
    page = page[: page.index(BEGIN) + len(BEGIN)] + "\n" + made + "\n" + page[page.index(END) :]
    PAGE.write_text(
        page[: page.index(REFUSED) + len(REFUSED)] + refused() + page[page.index(REFUSED_END) :],
        encoding="utf-8",
    )
