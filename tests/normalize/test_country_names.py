"""Names of countries as shops, lists and their own people write them."""

from __future__ import annotations

import pytest

from shipkit.common.places import country_code


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("United States (US)", "US"),
        ("United Kingdom (UK)", "GB"),
        ("Virgin Islands (US)", "VI"),
        ("Virgin Islands, British", "VG"),
        ("Trinidad & Tobago", "TT"),
        ("Trinidad &amp; Tobago", "TT"),
        ("Cura&ccedil;ao", "CW"),
        ("Côte d\u2019Ivoire", "CI"),
        ("Hong Kong SAR China", "HK"),
        ("Hong-Kong", "HK"),
        ("Korea, Republic of", "KR"),
        ("Korea, Democratic People's Republic of", "KP"),
        ("Congo (Kinshasa)", "CD"),
        ("Congo (Brazzaville)", "CG"),
        ("Saint Martin (French part)", "MF"),
        ("ST. VINCENT AND THE GRENADINES", "VC"),
        ("Osterreich", "AT"),
        ("Großbritannien", "GB"),
        ("TURKIYE", "TR"),
        ("日本", "JP"),
        ("XK", "XK"),
        ("Deutschland (DE)", "DE"),
        ("DE - Germany", "DE"),
        ("United States of America (USA)", "US"),
        ("Bolivia (Plurinational State of)", "BO"),
        ("Netherlands (Kingdom of the)", "NL"),
        ("アメリカ", "US"),
        ("Georgia (US)", "Georgia (US)"),  # the state, or the country?
        ("CA - California", "CA - California"),
        ("Atlantis (State of)", "Atlantis (State of)"),
        ("kosovo", "XK"),
    ],
)
def test_a_country_is_recognised_however_it_is_written(name, code):
    assert country_code(name) == code


@pytest.mark.parametrize("name", ["Atlantis", "Congo Town", "of", "()", "Saint"])
def test_a_name_of_no_single_country_stays_as_it_is(name):
    assert country_code(name) == name
