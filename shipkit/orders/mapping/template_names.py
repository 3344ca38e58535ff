"""Short names of fields in templates: ``"saturday": true`` is ``"saturday_delivery": true``."""

from __future__ import annotations

import re
from typing import Final

from shipkit.schema import NUMBER_OF_PARCELS, SHORT_NAMES

__all__ = ["with_field_names"]

_NAMES: Final = {
    short: name for short, name in SHORT_NAMES.items() if name != NUMBER_OF_PARCELS.name
}
"""Without ``parcels``, which is the list of parcels in a template."""
_TAG: Final = re.compile(r"(\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\})", re.DOTALL)
_MEMBER: Final = re.compile(rf'"({"|".join(_NAMES)})"(?=\s*:)')


def with_field_names(template: str) -> str:
    """Return a template whose members have the names of fields; what is in tags of Jinja2 stays.

    Examples
    --------
    >>> with_field_names('{"saturday": {{ {"saturday": true}[row.day] }}}')
    '{"saturday_delivery": {{ {"saturday": true}[row.day] }}}'
    """
    parts = _TAG.split(template)  # texts and tags by turns
    parts[::2] = [_MEMBER.sub(lambda found: f'"{_NAMES[found[1]]}"', text) for text in parts[::2]]
    return "".join(parts)
