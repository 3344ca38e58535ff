"""Problems of a plan: one trouble is one problem."""

from __future__ import annotations

from shipkit.plan.resolve import one_trouble
from shipkit.schema import problems_table


def test_a_row_without_an_address_or_a_weight_has_no_second_problem_for_its_service():
    def problem(row, code, field):
        return {"row_number": row, "code": code, "field": field, "severity": "error"}

    found = problems_table(
        [
            problem(1, "no_service_fits", "service"),
            problem(1, "missing", "ship_to.postal_code"),
            problem(2, "no_service_fits", "service"),
            problem(2, "missing", "bill_account"),
            problem(3, "no_service_fits", "service"),
            problem(3, "column_missing", "parcels[0].weight_lb"),
        ]
    )
    left = [(p["row_number"], p["code"]) for p in one_trouble(found).to_pylist()]
    assert left == [(1, "missing"), (2, "no_service_fits"), (2, "missing"), (3, "column_missing")]
    assert one_trouble(problems_table()).num_rows == 0
