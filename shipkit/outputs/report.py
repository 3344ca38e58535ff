"""The day sheet of a job: what was bought, at what price, and what is left to do."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shipkit.common import html
from shipkit.common.words import aligned, counted, total_text
from shipkit.models import Money
from shipkit.plan.preview import service_title
from shipkit.purchasing.result import BatchResult, next_step
from shipkit.purchasing.store import JobStore

if TYPE_CHECKING:
    import pandas as pd

    from shipkit.purchasing.store.manifest import Manifest

__all__ = ["Report"]


@dataclass(frozen=True, eq=False)
class Report(html.Shown):
    """The day sheet of one job: what was spent, what failed, what is in doubt, and the next command."""

    result: BatchResult
    by_service: pd.DataFrame
    open_rows: pd.DataFrame
    next: str

    @classmethod
    def of(cls, store: JobStore) -> Report:
        """Return the day sheet of a job."""
        result = BatchResult.of(store)
        frame = result.frame
        bought = frame[frame["state"] == "shipped"]
        by_service = bought.groupby(["service", "currency"], as_index=False).agg(
            shipments=("row_number", "size"), charged_cents=("charged_cents", "sum")
        )
        columns = ["row_number", "order_id", "state", "error_code", "error_message", "fix"]
        return cls(
            result=result,
            by_service=by_service,
            open_rows=frame.loc[~frame["state"].isin(["shipped", "voided"]), columns],
            next=next_step(result),
        )

    def __repr__(self) -> str:
        parts = [aligned([*self.result.lines(), ("Next", self.next)])]
        parts += [
            frame.head(20).to_string(index=False)
            for frame in (self.by_service, self.open_rows)
            if len(frame)
        ]
        return "\n\n".join(parts)

    def _repr_html_(self) -> str:
        return html.block(
            html.facts([*self.result.lines(), ("Next", self.next)]),
            self._services(),
            self._not_shipped(_SHOWN),
            name="shipkit-report",
        )

    def save(self, path: str | Path) -> Path:
        """Write the day sheet as one HTML page, readable on a screen and on paper without network, and return its path."""
        page = Path(path)
        page.write_text(
            html.page(f"Day sheet {self.result.job_id}", self._sheet()), encoding="utf-8"
        )
        return page

    def _sheet(self) -> str:
        result, escape = self.result, html.escape
        manifest = result.store.manifest
        badge = (
            "<span "
            f'class="badge{" live" if result.live else ""}">{escape(result.carrier)}</span>{"" if result.live else " no money is spent"}'
        )
        said = result.standing
        head = (
            f"<h1>{escape(manifest.name or 'Day sheet')}</h1><p "
            f"class='soft'>{escape(result.job_id)}, made {manifest.created_at:%Y-%m-%d %H:%M} "
            "UTC, "
            f"read {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC</p><p>{badge}</p>"
        )
        next_line = f"<h2>Next</h2><p><code>{escape(self.next)}</code></p>"
        approved = f"<p class='soft'>{escape(_approved(manifest))}</p>"
        titled = (
            ("By service", self._services(None)),
            (
                "Not shipped",
                f'<div class="scroll">{self._not_shipped(None, None)}</div>'
                if len(self.open_rows)
                else "",
            ),
        )
        tables = "".join(f"<h2>{title}</h2>{table}" for title, table in titled if table)
        return f"{head}<p><b>{escape(said.capitalize())}</b></p>{self._tiles()}{approved}{next_line}{tables}"

    def _tiles(self) -> str:
        result = self.result
        spent = total_text(result.totals)
        tiles = [("Spent", spent, False), ("Shipped", f"{result.shipped:,}", False)]
        tiles += [
            ("Failed", f"{result.failed:,}", result.failed > 0),
            ("In doubt", f"{result.in_doubt:,}", result.in_doubt > 0),
        ]
        tiles += [
            (name, f"{count:,}", False)
            for name, count in (
                ("Skipped", result.skipped),
                ("Voided", result.voided),
                ("Not sent yet", result.remaining),
            )
            if count
        ]
        return (
            '<div class="tiles">'
            + "".join(
                f'<div class="tile{" bad" if bad else ""}">{name}<b>{html.escape(value)}</b></div>'
                for name, value, bad in tiles
            )
            + "</div>"
        )

    def _services(self, caption: str | None = "By service") -> str:
        rows = [
            [
                service_title(line["service"]),
                f"{line['shipments']:,}",
                Money.from_cents(int(line["charged_cents"]), line["currency"]),
            ]
            for line in self.by_service.to_dict("records")
        ]
        return (
            html.grid(
                ["Service", "Shipments", "Charged"],
                rows,
                right=("Shipments", "Charged"),
                caption=caption,
            )
            if rows
            else ""
        )

    def _not_shipped(self, count: int | None, caption: str | None = "Not shipped") -> str:
        shown = self.open_rows if count is None else self.open_rows.head(count)
        if not len(shown):
            return ""
        rows = [
            [
                r["row_number"],
                r["order_id"],
                str(r["state"]).replace("_", " "),
                r["error_message"],
                r["fix"],
            ]
            for r in shown.to_dict("records")
        ]
        more = len(self.open_rows) - len(shown)
        table = html.grid(
            ["Row", "Order", "State", "What happened", "What to do"],
            rows,
            right=("Row",),
            caption=caption,
        )
        return table + (f"<p>and {more:,} more: session.results()</p>" if more else "")


_SHOWN = 50
"""Rows of a table in a notebook; the page has them all."""


def _approved(manifest: Manifest) -> str:
    given = manifest.approval
    if not given:
        return f"Mode {manifest.mode.upper()}: bought without asking, within the limits."
    total = total_text(Money.of(amount, currency) for currency, amount in given["totals"].items())
    return (
        f"Approved by {given['by']} at {given['at'][:16].replace('T', ' ')} UTC: "
        f"{counted(given['shipments'], 'shipment')} for {total}."
    )
