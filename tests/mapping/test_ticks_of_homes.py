"""What 1 and 0 mean under a heading of homes or businesses: never the other one."""

import pandas as pd
import pytest

import shipkit as sk

COMMERCIAL = (
    "is_commercial",
    "[ship_to_is_commercial]",
    "Ship To Is Commercial",
    "Shipping Is Business",
    "Recipient Commercial",
    "Commercial (Y/N)",
    "Commercial?",
    "Delivery is business address",
)
RESIDENTIAL = ("Residential", "[ship_to_residential]", "Ship To Is Residential", "Residential?")
BOTH = ("Address Type", "Ship To Address Type", "Residential or Commercial", "Address Category")


@pytest.fixture
def homes(shop, tmp_path):
    def look(heading, cells):
        frame = pd.DataFrame(
            {
                "Order": [f"A-{n}" for n in range(len(cells))],
                "Name": "Ada Lee",
                "Address": "1 Main St",
                "City": "Austin",
                "State": "TX",
                "Zip": "78701",
                "Weight (lb)": 1,
                heading: cells,
            }
        )
        with sk.BatchSession(frame, shipper=shop, home=tmp_path) as session:
            session.map(service="ground")
            kinds = [None if pd.isna(each) else bool(each) for each in session.mapped().residential]
            return kinds, set(session.problems["code"])

    return look


@pytest.mark.parametrize("heading", COMMERCIAL)
def test_a_business_is_no_home(homes, heading):
    assert homes(heading, ["1", "0", "yes", "no"]) == ([False, True, False, True], set())


@pytest.mark.parametrize("heading", RESIDENTIAL)
def test_a_home_is_one(homes, heading):
    assert homes(heading, ["1", "0", "yes", "no"]) == ([True, False, True, False], set())


@pytest.mark.parametrize("heading", BOTH)
def test_a_tick_for_one_of_two_is_asked_about(homes, heading):
    kinds, codes = homes(heading, ["1", "0", "Residential", "Business"])
    assert kinds == [None, None, True, False]
    assert codes == {"residential_unknown"}
