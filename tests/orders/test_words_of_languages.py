"""What headings and cells of other languages ask for: states, payers, parcels, amounts."""

from __future__ import annotations

import pytest

import shipkit as sk

SHOP = sk.Address(
    name="Dana Ortiz",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
)
CITIES = [("Austin", "TX", "78701"), ("Boston", "MA", "02134"), ("Miami", "FL", "33101")]


def orders(number: int, *, weight: bool = True) -> list[dict[str, object]]:
    """Return orders to different people, which nothing is wrong with."""
    rows: list[dict[str, object]] = []
    for row in range(number):
        city, state, code = CITIES[row % len(CITIES)]
        rows.append(
            {
                "Order ID": f"A-{row}",
                "Name": f"Ada L{'abcdefghijklmnopqrstuvwxyz'[row % 26]}e",
                "Address": f"{10 + row} Oak Ave",
                "City": city,
                "State": state,
                "Zip": code,
            }
        )
        if weight:
            rows[-1]["Weight (lb)"] = 2
    return rows


def problems(rows: list[dict[str, object]]) -> dict[int, set[tuple[str, str]]]:
    """Return (severity, code) of the problems of each row."""
    session = sk.BatchSession(rows, shipper=SHOP).map(service="ground")
    found: dict[int, set[tuple[str, str]]] = {row: set() for row in range(1, len(rows) + 1)}
    for each in session.problems.itertuples():
        found[each.row_number].add((each.severity, each.code))
    return found


HELD = ("error", "order_state")
WARNED = ("warning", "order_state")


@pytest.mark.parametrize(
    ("heading", "held", "warned", "right"),
    [
        (
            "Estado del pedido",
            ["Anulado", "Retenido", "Pendiente de stock", "En disputa"],
            ["Reembolso parcial", "Fallido"],
            ["Pagado", "En preparación", "Listo para enviar", "Pago aceptado"],
        ),
        (
            "Stato ordine",
            ["Stornato", "Contestato", "Trattenuto"],
            ["Rimborso parziale", "Evaso", "Parzialmente evaso"],
            ["Da evadere", "In elaborazione", "Pagamento accettato"],
        ),
        (
            "Situação do pedido",
            ["Estornado", "Sem estoque", "Pré-venda", "Retirada na loja"],
            ["Reembolso parcial", "Falhou"],
            ["Em separação", "Faturado", "Pagamento aprovado"],
        ),
        ("Ordrestatus", ["Afbestilt", "Udsat", "Spærret"], ["Delvist refunderet"], ["Behandles"]),
        ("Sipariş durumu", ["Ön sipariş", "Askıda"], ["Kısmi iade"], ["Kargoya hazır"]),
        ("注文ステータス", ["予約商品", "店舗受取"], ["一部返金"], ["発送準備中"]),
        ("订单状态", ["预售", "挂起", "拒收"], ["部分退款"], ["待发货", "配货中"]),
        ("주문상태", ["품절", "매장픽업"], ["부분배송"], ["배송준비중"]),
    ],
)
def test_states_in_other_languages(
    heading: str, held: list[str], warned: list[str], right: list[str]
) -> None:
    cells = [*held, *warned, *right]
    rows = [{**row, heading: cell} for row, cell in zip(orders(len(cells)), cells, strict=True)]
    found = [problems for _, problems in sorted(problems(rows).items())]
    assert dict(zip(cells, found, strict=True)) == {
        **{cell: {HELD} for cell in held},
        **{cell: {WARNED} for cell in warned},
        **{cell: set() for cell in right},
    }


@pytest.mark.parametrize(
    ("heading", "unknown"),
    [("Estado del pedido", "Baja"), ("Stato ordine", "Xyz"), ("Situação do pedido", "Xyz")],
)
def test_a_state_that_is_not_known_is_a_warning(heading: str, unknown: str) -> None:
    (found,) = problems([{**orders(1)[0], heading: unknown}]).values()
    assert found == {("warning", "order_state_unknown")}


def test_a_column_of_regions_has_no_unknown_states() -> None:
    rows = [{**row, "Estado": row["State"]} for row in orders(2)]
    for row in rows:
        del row["State"]
    assert problems(rows) == {1: set(), 2: set()}


STATES_AS_HEADINGS = {
    "Vorbestellung": "ja",
    "Nie wysyłać": "tak",
    "Não enviar": "sim",
    "Förbeställning": "ja",
    "Osobní odběr": "ano",
    "Ön sipariş": "evet",
    "Retenido": "2026-11-20",
    "予約商品": "○",
    "暂停发货": "是",
    "출고보류": "예",
    "İptal nedeni": "stok",
    "取消原因": "买家",
    "Annuleringsdatum": "2026-11-20",
}


@pytest.mark.parametrize("heading", STATES_AS_HEADINGS)
def test_a_heading_that_is_a_state_holds_the_rows_that_are_in_it(heading: str) -> None:
    cells = [STATES_AS_HEADINGS[heading], "", "0"]
    rows = [{**row, heading: cell} for row, cell in zip(orders(3), cells, strict=True)]
    assert problems(rows) == {1: {HELD}, 2: set(), 3: set()}


def test_a_heading_that_is_a_state_and_another_thing_asks_for_nothing() -> None:
    extra = {"Spor": "Golf", "Cambio": "1", "Gutschein": "SAVE10", "Gift Card": "5.00"}
    assert problems([{**orders(1)[0], **extra}]) == {1: set()}


@pytest.mark.parametrize("heading", ["Cancelled", "Storniert", "Do not ship", "Skip", "On hold"])
def test_signs_are_a_yes_or_a_no(heading: str) -> None:
    signs = {"✓": True, "✅": True, "○": True, "✗": False, "×": False, "-": False, "☐": False}
    rows = [{**row, heading: sign} for row, sign in zip(orders(len(signs)), signs, strict=True)]
    found = problems(rows)
    assert [HELD in found[row] for row in found] == list(signs.values())
    assert [bool(found[row]) for row in found] == list(signs.values())


@pytest.mark.parametrize(
    "heading", ["Montant remboursé", "Importe reembolsado", "Valor reembolsado", "退款金额"]
)
def test_money_that_was_refunded_is_not_collected_on_delivery(heading: str) -> None:
    session = sk.BatchSession(
        [{**orders(1)[0], heading: "10.00"}, {**orders(2)[1], heading: "0.00"}], shipper=SHOP
    ).map(service="ground")
    assert not any(collected(session))
    assert session.problems[["row_number", "severity", "code"]].to_numpy().tolist() == [
        [1, "warning", "order_state"]
    ]


def collected(session: sk.BatchSession) -> list[object]:
    """Return the amounts to collect on delivery, in cents."""
    table = session._portal.run(session._plan()).table
    return table.column("cod_amount_cents").to_pylist()


def test_collection_on_delivery_is_still_read() -> None:
    session = sk.BatchSession([{**orders(1)[0], "Contre-remboursement": "10.00"}], shipper=SHOP)
    assert collected(session.map(service="ground")) == [1000]


@pytest.mark.parametrize(
    ("heading", "held", "right"),
    [
        ("운임구분", ["착불"], ["선불", "신용", ""]),
        ("运费付款方式", ["到付"], ["寄付", "寄付月结"]),
        ("Kargo Ödeme", ["Alıcı"], ["Gönderici"]),
        ("Fraktbetaler", ["Mottaker"], ["Avsender", "Avsändare"]),
        ("Plátce", ["příjemce"], ["odesílatel"]),
        ("Tipo de frete", ["FOB"], ["CIF"]),
        ("運賃", ["着払い"], ["元払い"]),
        ("Trasporto", ["porto assegnato"], ["porto franco"]),
        ("元払い", ["×"], ["○", ""]),
        ("送料区分", ["代引", "着払い"], ["元払い"]),
        ("Anzahl Pakete", ["3"], ["1"]),
        ("Paket adedi", ["3"], ["1"]),
        ("상자수", ["3"], ["1"]),
        ("Laatikot", ["3"], ["1"]),
        ("Uppgång", ["B"], [""]),
        ("Část obce", ["Smíchov"], [""]),
    ],
)
def test_only_rows_that_ask_for_something_are_held(
    heading: str, held: list[str], right: list[str]
) -> None:
    cells = [*held, *right]
    rows = [{**row, heading: cell} for row, cell in zip(orders(len(cells)), cells, strict=True)]
    session = sk.BatchSession(rows, shipper=SHOP).map(service="ground")
    parcels = session._portal.run(session._plan()).table.column("parcels").to_pylist()
    errors = {*session.problems.query("severity == 'error'")["row_number"]}
    asks = [row + 1 in errors or len(parcels[row]) > 1 for row in range(len(rows))]
    assert dict(zip(cells, asks, strict=True)) == {
        **dict.fromkeys(held, True),
        **dict.fromkeys(right, False),
    }


@pytest.mark.parametrize(
    "heading",
    [
        "重量(克)",
        "重量（克）",
        "重量(グラム)",
        "중량(그램)",
        "Вес (гр)",
        "Peso (gramas)",
        "Peso in grammi",
    ],
)
def test_units_in_other_scripts_are_read(heading: str) -> None:
    session = sk.BatchSession([{**orders(1, weight=False)[0], heading: "2500"}], shipper=SHOP)
    table = session.map(service="ground")._portal.run(session._plan()).table
    ((parcel,),) = table.column("parcels").to_pylist()
    assert parcel["weight_lb"] == pytest.approx(5.5116, abs=0.001)
