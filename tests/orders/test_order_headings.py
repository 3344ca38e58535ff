"""The number of an order is recognised by its heading, in many spellings and languages."""

from __future__ import annotations

import pytest

from shipkit.orders.fields import recognise


@pytest.mark.parametrize(
    "heading",
    [
        *("SalesOrderNo", "SO #", "Order_Nbr", "orderGUID", "Ord. No.", "Order Reference ID"),
        *("Bestell-Nr.", "Auftragsnummer", "Kundenauftragsnummer", "Bestelnummer", "Ordrenummer"),
        *("N° de commande", "Número de pedido", "Nº do pedido", "Numero d'ordine", "# de venta"),
        *(
            "Numer zamówienia",
            "Číslo objednávky",
            "Rendelésszám",
            "Sipariş Numarası",
            "Tilausnumero",
        ),
        *("Номер заказа", "№ замовлення", "Αριθμός παραγγελίας", "Mã đơn hàng", "หมายเลขคำสั่งซื้อ"),
        *(
            "رقم الطلب",
            "注文番号",
            "受注No",
            "订单编号",
            "訂單號",
            "주문 번호",
            "Auftrag",
            "Commande",
        ),
        *("Web Order ID", "Channel Order Number", "Marketplace order"),
    ],
)
def test_it_is_the_order_number(heading):
    assert recognise([heading]).roles["order_id"].name == heading


@pytest.mark.parametrize(
    "heading",
    [
        *(
            "Order Item ID",
            "Order Status",
            "Order Quantity",
            "Sort Order",
            "Order Source",
            "Order By",
        ),
        *(
            "Customer Orders",
            "Bestelldatum",
            "Estado del pedido",
            "Somali",
            "PO Number",
            "Invoice No",
        ),
        *("Reference", "Transaction ID", "Order Line", "Orders Count", "注文日"),
    ],
)
def test_it_is_something_else_or_not_certain(heading):
    assert "order_id" not in recognise([heading]).roles


def test_the_shops_own_number_goes_before_those_of_others():
    found = recognise(["Marketplace Order ID", "Auftrag", "Bestellnummer", "Sales Record Number"])
    assert found.roles["order_id"].name == "Bestellnummer"
