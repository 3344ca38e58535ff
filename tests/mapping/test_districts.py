"""Districts are a part of the address, unless the street names them; words for nothing abroad."""

from __future__ import annotations

import pytest

import shipkit as sk

ORDER = {
    "Order": "1",
    "Name": "Li Lei",
    "City": "Shenzhen",
    "Province": "Guangdong",
    "Zip": "518057",
    "Country": "CN",
    "Phone": "+8675512345678",
    "Weight (lb)": 2,
}


def asked(shop, row):
    with sk.BatchSession([row], shipper=shop) as session:
        session.map(service="ground")
        found = session.problems
        return found[found["code"] == "column_not_understood"]["field"].tolist()


@pytest.mark.parametrize(
    ("heading", "district", "street", "held"),
    [
        ("District", "Nanshan", "1 Keji Rd", True),
        ("District", "Nanshan", "1 Keji Rd, Nanshan District", False),
        ("区", "南山区", "广东省深圳市南山区科技园路1号", False),
        ("区", "南山区", "科技园路1号", True),
        ("Mahalle", "Caferağa", "Caferağa Mah. Moda Cad. 12", False),
        ("Bairro", "Consolação", "Rua Augusta 100", True),
        ("Village", "4", "14 Main Street", True),
        ("District", "-", "1 Keji Rd", False),
        ("Village", "Man", "12 Manchester Rd", True),
        ("Village", "Ana", "12 Banana St", True),
        ("Village", "Man", "12 Manchester Rd, Man", False),
        ("Township", "Main", "12 Main St", True),
        ("Township", "Main", "12 Main St, Main Township", False),
        ("Mahalle", "Caferağa Mah.", "Caferağa Mah Moda Cad. 12", False),
        ("Bairro", "Jardim São Paulo", "Rua Augusta 100 - Jardim São Paulo", False),
        ("Bairro", "Sé", "Rua Josélia 100", True),
        ("Dong", "역삼동", "서울특별시 강남구역삼동 테헤란로 123", False),
        ("Sub-district", "ดินแดง", "99ถนนดินแดงกรุงเทพ", False),
    ],
)
def test_a_district_holds_unless_the_street_names_it(shop, heading, district, street, held):
    assert bool(asked(shop, {**ORDER, heading: district, "Address": street})) == held


def test_a_korean_city_is_in_its_column(shop):
    row = {
        "주문번호": "1",
        "수취인": "김철수",
        "우편번호": "06133",
        "시도": "서울특별시",
        "시군구": "강남구",
        "도로명주소": "테헤란로 123",
        "국가": "KR",
        "무게": "2",
    }
    with sk.BatchSession([row], shipper=shop) as session:
        session.map(service="ground")
        preview = session.preview()
    assert (preview["city"][0], preview["state"][0]) == ("강남구", "Seoul")


def test_words_for_nothing_in_a_state_abroad_are_counted(shop):
    rows = [
        {**ORDER, "Address": "1 Keji Rd", "Province": text} for text in ("n/a", "-", "Guangdong")
    ]
    for number, row in enumerate(rows):
        row["Order"] = str(number)
    with sk.BatchSession(rows, shipper=shop) as session:
        session.map(service="ground")
        counted = session.repairs
    assert counted["words such as nan and null for an empty cell left out of addresses"] == 2
