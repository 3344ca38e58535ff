"""The day sheet of a job: what was bought, at what price, and what is left to do."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shipkit.carriers.registry import service_title
from shipkit.common import html
from shipkit.common.files import write_file
from shipkit.common.words import aligned, counted, total_text
from shipkit.errors import InputError
from shipkit.models import Money
from shipkit.purchasing.result import BatchResult, next_words
from shipkit.purchasing.store import JobStore

if TYPE_CHECKING:
    import pandas as pd

    from shipkit.purchasing.store.manifest import Manifest

__all__ = ["Report"]

_NOTEBOOK_ROWS = 50
"""Most rows of a table in a notebook cell; the saved page has all of them."""

_TEXT_ROWS = 20
"""Most rows of a table in a terminal."""


@dataclass(frozen=True, eq=False)
class Report(html.Shown):
    """The day sheet of one job, as text, as a notebook table, or as a page to print."""

    result: BatchResult
    """Status, counts and totals."""
    by_service: pd.DataFrame
    """One row per account, service and currency: ``seller``, ``carrier``, ``service``,
    ``currency``, ``shipments``, ``charged_cents`` (minor units). Without voided rows."""
    open_rows: pd.DataFrame
    """Rows that were neither shipped nor voided: ``row_number``, ``order_id``, ``state``,
    ``error_code``, ``error_message``, ``fix``."""
    next: str | None
    """The command to type next, None if nothing is left to do."""

    @classmethod
    def of(cls, store: JobStore) -> Report:
        """Return the day sheet of a job as it is on disk now."""
        result = BatchResult.of(store)
        frame = result.frame
        bought = frame[frame["state"] == "shipped"]
        keys = ["seller", "carrier", "service", "currency"]
        by_service = bought.groupby(keys, as_index=False).agg(
            shipments=("row_number", "size"), charged_cents=("charged_cents", "sum")
        )
        columns = ["row_number", "order_id", "state", "error_code", "error_message", "fix"]
        words = next_words(result)
        return cls(
            result=result,
            by_service=by_service,
            open_rows=frame.loc[~frame["state"].isin(["shipped", "voided"]), columns],
            next=None if words is None else " ".join(["shipkit", *words]),
        )

    def lines(self) -> list[tuple[str, str]]:
        """Return the facts that a person reads first, as pairs of name and text."""
        return [*self.result.lines(), *([("Next", self.next)] if self.next else [])]

    def __repr__(self) -> str:
        tables = [
            frame.head(_TEXT_ROWS).to_string(index=False)
            for frame in (self.by_service, self.open_rows)
            if len(frame)
        ]
        return "\n\n".join([aligned(self.lines()), *tables])

    def _repr_html_(self) -> str:
        return html.block(
            html.facts(self.lines()),
            self._services("By service"),
            self._not_shipped(_NOTEBOOK_ROWS, "Not shipped"),
            name="shipkit-report",
        )

    def save(self, path: str | Path) -> Path:
        """Write the day sheet as one HTML page, and return its path.

        The page needs no network, and is laid out for a screen and for paper. Raises InputError for
        a name that does not end in .html or .htm.
        """
        page = Path(path)
        if page.suffix.lower() not in {".html", ".htm"}:
            raise InputError(
                f"{page} is no name of a web page, which a day sheet is.",
                fix=f"Name it {page.with_suffix('.html').name}.",
            )
        title = f"Day sheet {self.result.job_id}"
        write_file(page, html.page(title, self._sheet()), durable=False)
        return page

    # -- the page --------------------------------------------------------------------------------

    def _sheet(self) -> str:
        parts = [
            self._heading(),
            f"<p><b>{html.escape(self.result.status_text.capitalize())}</b></p>",
            self._tiles(),
            f"<p class='soft'>{html.escape(_approved(self.result.store.manifest))}</p>",
        ]
        if self.next:
            parts.append(f"<h2>Next</h2><p><code>{html.escape(self.next)}</code></p>")
        if len(self.by_service):
            parts.append(f"<h2>By service</h2>{self._services(None)}")
        if len(self.open_rows):
            table = self._not_shipped(None, None)
            parts.append(f'<h2>Not shipped</h2><div class="scroll">{table}</div>')
        return "".join(parts)

    def _heading(self) -> str:
        result, manifest = self.result, self.result.store.manifest
        now = dt.datetime.now(dt.UTC)
        times = f"created {manifest.created_at:%Y-%m-%d %H:%M} UTC, read {now:%Y-%m-%d %H:%M} UTC"
        badge = f'<span class="badge{" live" if result.live else ""}">{html.escape(result.carrier)}'
        return (
            f"<h1>{html.escape(manifest.name or 'Day sheet')}</h1>"
            f"<p class='soft'>{html.escape(result.job_id)}, {times}</p>"
            f"<p>{badge}</span>{'' if result.live else ' no money is spent'}</p>"
        )

    def _tiles(self) -> str:
        result = self.result
        tiles = [
            ("Spent", total_text(result.totals), False),
            *([("Billed to others", str(result.others), False)] if result.others else []),
            *((name.capitalize(), text, False) for name, text in result.refunds.lines()),
            ("Shipped", f"{result.shipped:,}", False),
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
        boxes = (
            f'<div class="tile{" bad" if bad else ""}">{name}<b>{html.escape(value)}</b></div>'
            for name, value, bad in tiles
        )
        return f'<div class="tiles">{"".join(boxes)}</div>'

    # -- tables ----------------------------------------------------------------------------------

    def _services(self, caption: str | None) -> str:
        if not len(self.by_service):
            return ""
        manifest = self.result.store.manifest
        carriers = {each.name: each.carrier for each in manifest.accounts}
        rows = [
            [
                *([line["seller"]] if carriers else []),
                service_title(line["service"], carriers.get(line["seller"], manifest.carrier)),
                f"{line['shipments']:,}",
                Money.from_cents(int(line["charged_cents"]), line["currency"]),
            ]
            for line in self.by_service.to_dict("records")
        ]
        numbers = ("Shipments", "Charged")
        words = ["Account", "Service"] if carriers else ["Service"]
        return html.grid([*words, *numbers], rows, right=numbers, caption=caption)

    def _not_shipped(self, count: int | None, caption: str | None) -> str:
        shown = self.open_rows if count is None else self.open_rows.head(count)
        if not len(shown):
            return ""
        rows = [
            [
                line["row_number"],
                line["order_id"],
                str(line["state"]).replace("_", " "),
                line["error_message"],
                line["fix"],
            ]
            for line in shown.to_dict("records")
        ]
        table = html.grid(
            ["Row", "Order", "State", "What happened", "What to do"],
            rows,
            right=("Row",),
            caption=caption,
        )
        more = len(self.open_rows) - len(shown)
        return table + (f"<p>and {more:,} more: session.results()</p>" if more else "")


def _approved(manifest: Manifest) -> str:
    given = manifest.approval
    if not given:
        return f"Mode {manifest.mode.upper()}: bought without asking, within the limits."
    total = total_text(Money.of(amount, currency) for currency, amount in given["totals"].items())
    return (
        f"Approved by {given['by']} at {given['at'][:16].replace('T', ' ')} UTC: "
        f"{counted(given['shipments'], 'shipment')} for {total}."
    )
