"""The public API as typed usage: mypy --strict reads this file, nothing runs it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pandas as pd

import shipkit as sk


def notebook(orders: pd.DataFrame) -> str:
    shop = sk.Address(
        name="Dana Ortiz",
        address_line1="300 Alamo Plaza",
        city="San Antonio",
        state="TX",
        postal_code="78205",
    )
    limits = sk.SpendLimits(
        total="500", per_shipment=Decimal(40), max_shipments=100, price_drift=0.05
    )
    with sk.BatchSession(
        orders,
        shipper=shop,
        mode="confirm",
        limits=limits,
        name="monday",
        on_duplicate="hold",
        label_format="pdf",
    ) as session:
        session.load("orders.csv", types={"sku": "VARCHAR"}).where(
            "state = $state", state="CA"
        ).map(
            Path("ups.json.j2"),
            columns={"postal_code": "Ship Zip"},
            defaults={"weight_lb": 2},
            references={"po": "PO"},
            ship_date=dt.date(2026, 11, 23),
        )
        frame: pd.DataFrame = session.preview(include=["sku"])
        total: sk.Money | None = session.summary.total
        session.skip("cost_cents > 5000", reason="too dear")
        session.edit("order_id = '17'", postal_code="02134")
        session.approve(by="Dana")
        result: sk.BatchResult = session.execute(on_error="continue", progress=False)
        session.labels.save("labels.pdf", order_by="order_id")
        shipped: pd.DataFrame = session.results("shipped")
        charged: sk.Money = result.raise_for_failures().total_charged
        session.set_mode(sk.ExecutionMode.AUTO)
    jobs: pd.DataFrame = sk.jobs()
    reopened = sk.BatchSession.open(result.job_id)
    reopened.resume()
    return f"{len(frame)} {total} {len(shipped)} {charged} {len(jobs)}"


def one_job(job_id: str, home: Path) -> str:
    with sk.Job.open(job_id, home=home, concurrency=4, rate_limit=2.5) as job:
        rows: pd.DataFrame = job.results("shipped")
        waiting: pd.DataFrame = job.review()
        if job.live and not rows.empty:
            job.void("order_id = '17'")
        job.decide("state = 'review'", "skip")
        result: sk.BatchResult = job.resume(confirm_total="12.50", progress=False)
        job.labels.save("labels.pdf")
        job.write_back("orders_shipped.csv", columns={"tracking_number": "Tracking"})
        text: str = f"{job.identity} {job.status} {job.path} {job.mode} {job.name}"
    session: sk.BatchSession = sk.BatchSession.of(job)
    own: sk.Job | None = session.job
    return f"{text} {len(waiting)} {result.status} {own}"


def what_if(orders: pd.DataFrame, contract: sk.RateCard) -> sk.Money | None:
    rated: pd.DataFrame = sk.rate(orders, contract, service="ground")
    change = sk.compare(sk.RateCard.synthetic(), contract, orders)
    by_state: pd.DataFrame = change.by("state")
    database = sk.Database("postgresql://shop@127.0.0.1/shop", table="orders")
    return sk.Money.from_cents(len(rated) + len(by_state) + len(str(database)))


async def agent(session: sk.BatchSession) -> int:
    await session.apreview()
    result = await session.aexecute()
    return result.shipped
