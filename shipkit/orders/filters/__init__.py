"""The filters of shipment templates, each declared once with its Python form and its SQL form.

A template that is rendered row by row calls the Python forms, which are plain functions of a cell.
A template that is compiled (:mod:`shipkit.orders.mapping.compiler`) uses the SQL forms, which
compute the same for a whole column. To add a filter, write both forms next to each other in one of
the files here, declare them at its end, and add the filter to the cases of
``tests/mapping/test_compiler.py``, which compare the two letter for letter.

A text that a filter cannot read comes back as it is: the stage after mapping then reports the row
and the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shipkit.orders.filters.carrier_filters import CARRIER_FILTERS
from shipkit.orders.filters.code_filters import CODE_FILTERS, service_filter
from shipkit.orders.filters.declaration import LONGEST_CELL, Filter, FilterCall
from shipkit.orders.filters.house_numbers import HOUSE_NUMBER_FILTERS
from shipkit.orders.filters.measure_filters import MEASURE_FILTERS
from shipkit.orders.filters.name_filters import NAME_FILTERS
from shipkit.orders.filters.place_filters import PLACE_FILTERS
from shipkit.orders.filters.text_filters import TEXT_FILTERS, JsonText
from shipkit.services import ServiceList

__all__ = ["LONGEST_CELL", "Filter", "FilterCall", "JsonText", "filters_for"]

_FILTERS: Final[Mapping[str, Filter]] = {
    name: declared
    for declared in (
        *TEXT_FILTERS,
        *CODE_FILTERS,
        *CARRIER_FILTERS,
        *MEASURE_FILTERS,
        *HOUSE_NUMBER_FILTERS,
        *NAME_FILTERS,
        *PLACE_FILTERS,
    )
    for name in (declared.name, *declared.aliases)
}


def filters_for(offered: ServiceList) -> Mapping[str, Filter]:
    """Return name in a template, aliases included -> filter.

    Parameters
    ----------
    offered
        The services of the carrier: ``lookup_service_code`` gives their codes.
    """
    services = service_filter(offered)
    return {**_FILTERS, services.name: services}
