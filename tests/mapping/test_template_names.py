"""Short names in templates: fields of the shipment and its parcels, and nothing else."""

from __future__ import annotations

import pytest

from shipkit.orders.mapping import with_field_names

NAMES = {"<s>": "saturday", "<h>": "hold_at", "<i>": "insurance"}
FIELDS = {"<s>": "saturday_delivery", "<h>": "access_point_id", "<i>": "declared_value"}


def written(template: str, names: dict[str, str]) -> str:
    for mark, name in names.items():
        template = template.replace(mark, name)
    return template


@pytest.mark.parametrize(
    "template",
    [
        '{"<s>": true, "<h>" : "U1"}',
        '{"parcels": [{"<i>": 5}, {"weight_lb": 1, "<i>": 6}]}',
        # A field of a parcel is none of the shipment, and the other way round: each is an error.
        '{"insurance": 5, "parcels": [{"saturday": 5}]}',
        '{"customs": {"items": [{"insurance": 1}]}, "ship_to": {"hold_at": "x"}}',
        # References have names of your own.
        '{"references": {"insurance": "P 7", "hold_at": "x"}, "<h>": "U1"}',
        # Values, texts in texts, and tags.
        '{"name": "saturday", "<s>": 1}',
        r'{"name": "a \"saturday\": {", "<s>": 1}',
        '{"name": "{{ row["saturday"] }}:", "<s>": 1}',
        '{"name": {{ "}}" }}, "<s>": {{ {"saturday": 1}[row.x] }}}',
        """{"name": {{ '"' }}, {# it's #} "<s>": 1}""",
        # Of the branches of a template one is written; a loop writes its body again.
        '{% if row.x %}{"<s>": 1}{% elif row.y %}{"<s>": 2}{% else %}{"<s>": 3}{% endif %}',
        '{ {% if row.a %}"references": {"insurance": 1{% else %}"x": { {%- endif -%} }, "<s>": 1}',
        '{"parcels": [{% for l in lines %}{"<i>": {{ l.v }}},{% endfor %}], "<s>": 1}',
        # What is no template at all is left to the template's own errors.
        '{"<s>": 1, "name": "{{ row.x ',
        '}]{"<s>": {{ "a',
    ],
)
def test_members_of_the_shipment_and_its_parcels_are_renamed(template: str) -> None:
    assert with_field_names(written(template, NAMES)) == written(template, FIELDS)
