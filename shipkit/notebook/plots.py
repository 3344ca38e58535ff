"""``session.plot``: matplotlib figures of the preview or of the job."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd

from shipkit.common.words import counted
from shipkit.errors import InputError
from shipkit.models import Money
from shipkit.plan.preview import service_title, to_frame
from shipkit.purchasing.result_frames import results_frame
from shipkit.schema import minor_unit_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from shipkit.job import Job
    from shipkit.session import BatchSession

__all__ = ["Plots"]

_BLUE, _ORANGE, _GREY, _INK = "#2f6db3", "#d9772b", "#b8c0cc", "#333a44"
_PARTS = {
    "base_cents": "Base",
    "fuel_cents": "Fuel",
    "residential_cents": "Residential",
    "delivery_area_cents": "Delivery area",
    "other_cents": "Other",
    "tax_cents": "Tax",
}
_SHADES = ("#2f6db3", "#d9772b", "#4a9d7c", "#8a6bb8", "#9aa4b2", "#c2574f")


class Plots:
    """Plots of a session or a job. Each method returns a ``matplotlib.figure.Figure``.

    Plots of costs show the current preview (which is made if there is none) or, for a job that
    was opened, its quotes; `quoted_vs_charged` needs a job. Amounts are in the currency in which
    most rows are priced.

    Parameters
    ----------
    session
        Whose preview and job are shown.
    """

    def __init__(self, session: BatchSession | Job) -> None:
        from shipkit.session import BatchSession

        self._session = session if isinstance(session, BatchSession) else BatchSession.of(session)

    def __repr__(self) -> str:
        return f"<Plots: {', '.join(name for name in dir(type(self)) if not name.startswith('_'))}>"

    # -- what it costs ----------------------------------------------------------------------------

    def cost_by_service(self) -> Figure:
        """Total cost of each service, with the number of labels."""
        return self._bars("service", "Cost by service", titles=service_title)

    def cost_by_zone(self) -> Figure:
        """Average cost per label in each zone, with the number of labels."""
        data, currency = self._priced()
        groups = data.dropna(subset=["zone"]).groupby("zone")["amount"].agg(["mean", "size"])
        groups = groups.loc[sorted(groups.index, key=lambda zone: (len(zone), zone))]
        figure, axes = _figure("Cost per label by zone")
        bars = axes.bar(groups.index, groups["mean"], color=_BLUE, width=0.7)
        axes.bar_label(
            bars,
            [
                f"{_short(mean, currency)}\n{size:,}"
                for mean, size in zip(groups["mean"], groups["size"], strict=True)
            ],
            padding=3,
            color=_INK,
            fontsize=9,
        )
        axes.margins(y=0.18)
        axes.set_xlabel("Zone (average cost; number of labels)")
        _money_axis(axes.yaxis, currency)
        return figure

    def cost_distribution(self) -> Figure:
        """Distribution of the cost per label, with the median and the 95th percentile."""
        data, currency = self._priced()
        amounts = data["amount"]
        figure, axes = _figure("Cost per label")
        axes.hist(
            amounts,
            bins=min(40, max(8, len(amounts) // 4)),
            color=_BLUE,
            edgecolor="white",
            linewidth=0.6,
        )
        axes.set_ylim(top=axes.get_ylim()[1] * 1.22)
        for place, (share, name) in enumerate(
            ((0.5, "half cost less than"), (0.95, "95% cost less than"))
        ):
            value = float(amounts.quantile(share))
            axes.axvline(value, color=_ORANGE, linewidth=1.4, linestyle="-" if place == 0 else "--")
            axes.annotate(
                f" {name} {_short(value, currency)}",
                (value, axes.get_ylim()[1] * (0.97 - 0.09 * place)),
                va="top",
                color=_INK,
                fontsize=9,
            )
        axes.set_xlabel("Cost per label")
        axes.set_ylabel("Labels")
        _money_axis(axes.xaxis, currency)
        return figure

    def cost_parts(self) -> Figure:
        """Parts of the total by service: base, fuel, residential, delivery area and others."""
        data, currency = self._priced()
        scale = minor_unit_scale(currency)
        parts = (data.groupby("service")[list(_PARTS)].sum() / scale).astype(float)
        parts = parts.loc[
            parts.sum(axis=1).sort_values().index,
            [name for name in _PARTS if parts[name].sum() > 0],
        ]
        if parts.empty or not len(parts.columns):
            raise InputError(
                "This carrier does not report the parts of a price.",
                fix="session.plot.cost_by_service() shows the totals.",
            )
        figure, axes = _figure("Parts of the cost", rows=len(parts) + 1)
        left = pd.Series(0.0, index=parts.index)
        for (name, column), colour in zip(parts.items(), _SHADES, strict=False):
            axes.barh(
                [service_title(s) for s in parts.index],
                column,
                left=left,
                color=colour,
                label=f"{_PARTS[str(name)]} {_short(column.sum(), currency)}",
                height=0.62,
            )
            left += column
        axes.set_ylim(-0.75, len(parts) - 0.25)
        figure.legend(loc="outside lower left", ncols=len(parts.columns), frameon=False, fontsize=9)
        _money_axis(axes.xaxis, currency)
        return figure

    def by_state(self, top: int = 15) -> Figure:
        """Total cost by state (or country), the highest first, with the number of labels.

        Parameters
        ----------
        top
            How many bars; all others are one more.
        """
        data, _ = self._priced()
        place = data["state"].where(
            data["country"].eq("US") & data["state"].notna(), data["country"]
        )
        return self._bars(place.rename("place"), "Cost by destination", top=top)

    # -- weight -----------------------------------------------------------------------------------

    def weight_vs_billable(self) -> Figure:
        """Actual against billable weight.

        Points above the line are billed for their size (dimensional weight) or rounded up.
        """
        data, currency = self._priced()
        data = data.dropna(subset=["weight_lb", "billable_weight_lb"])
        figure, axes = _figure("Actual and billable weight, lb")
        # Carriers bill whole pounds: what is billed beyond the weight rounded up is for the size.
        by_size = data["billable_weight_lb"] > data["whole_lb"]
        most = (
            float(max(data["billable_weight_lb"].max(), data["weight_lb"].max(), 1))
            if len(data)
            else 1.0
        )
        axes.plot([0, most], [0, most], color=_GREY, linewidth=1.2, zorder=1)
        for mask, colour, name in (
            (~by_size, _BLUE, "billed by weight"),
            (by_size, _ORANGE, "billed by size"),
        ):
            part = data[mask]
            text = (
                f"{name}: {counted(len(part), 'label')}, {_short(part['amount'].sum(), currency)}"
            )
            spots = part.groupby(["weight_lb", "billable_weight_lb"], as_index=False).size()
            axes.scatter(
                spots["weight_lb"],
                spots["billable_weight_lb"],
                s=14 + 8 * spots["size"] ** 0.5,
                color=colour,
                alpha=0.8,
                linewidths=0,
                zorder=2,
            )
            axes.scatter([], [], s=30, color=colour, linewidths=0, label=text)
        axes.legend(loc="upper left", frameon=False, fontsize=9)
        axes.set_xlabel("Actual weight, lb")
        axes.set_ylabel("Billable weight, lb")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0, top=most * 1.3)
        axes.grid(axis="both", color=_GREY, alpha=0.35, linewidth=0.7)
        return figure

    # -- charges ----------------------------------------------------------------------------------

    def quoted_vs_charged(self) -> Figure:
        """Quote against charge of each label; a point off the line was charged differently.

        Raises JobNotFound if the session has no job yet.
        """
        frame = results_frame(self._session.store)
        frame = frame[frame["charged_cents"].notna() & frame["quoted_cents"].notna()]
        if not len(frame):
            raise InputError("Nothing has been charged yet.", fix="Run session.execute() first.")
        currency = str(frame["currency"].mode().iloc[0])
        frame = frame[frame["currency"] == currency]
        scale = minor_unit_scale(currency)
        quoted, charged = (
            frame["quoted_cents"].astype(float) / scale,
            frame["charged_cents"].astype(float) / scale,
        )
        off = frame["quoted_cents"] != frame["charged_cents"]
        figure, axes = _figure("Quoted and charged")
        most = float(max(quoted.max(), charged.max())) * 1.06
        axes.plot([0, most], [0, most], color=_GREY, linewidth=1.2, zorder=1)
        for mask, colour, name in (
            (~off, _BLUE, "as quoted"),
            (off, _ORANGE, "different from the quote"),
        ):
            axes.scatter(
                quoted[mask],
                charged[mask],
                s=24,
                color=colour,
                alpha=0.75,
                linewidths=0,
                label=f"{name}: {counted(int(mask.sum()), 'label')}",
                zorder=2,
            )
        gap = int((frame["charged_cents"] - frame["quoted_cents"]).sum())
        sign = "more" if gap > 0 else "less"
        text = (
            f"{Money.from_cents(abs(gap), currency)} {sign} than quoted"
            if gap
            else "charged exactly as quoted"
        )
        axes.annotate(
            text, (0.98, 0.04), xycoords="axes fraction", ha="right", color=_INK, fontsize=10
        )
        axes.legend(loc="upper left", frameon=False, fontsize=9)
        axes.set_xlabel("Quoted")
        axes.set_ylabel("Charged")
        axes.set_xlim(left=0, right=most)
        axes.set_ylim(bottom=0, top=most)
        _money_axis(axes.xaxis, currency)
        _money_axis(axes.yaxis, currency)
        return figure

    # -- inside -----------------------------------------------------------------------------------

    def _bars(
        self, by: str | pd.Series, title: str, *, top: int = 12, titles: Callable[[str], str] = str
    ) -> Figure:
        data, currency = self._priced()
        groups = data.groupby(by)["amount"].agg(["sum", "size"]).sort_values("sum", ascending=False)
        first, rest = groups.head(top), groups.iloc[top:]
        names = [titles(str(name)) for name in first.index]
        sums, sizes = (
            [float(value) for value in first["sum"]],
            [int(value) for value in first["size"]],
        )
        if len(rest):
            names, sums, sizes = (
                [*names, f"{len(rest)} others"],
                [*sums, float(rest["sum"].sum())],
                [*sizes, int(rest["size"].sum())],
            )
        figure, axes = _figure(
            f"{title}: {_short(sum(sums), currency)} for {counted(sum(sizes), 'label')}",
            rows=len(names),
        )
        colours = [_BLUE] * len(first) + [_GREY] * bool(len(rest))
        bars = axes.barh(names[::-1], sums[::-1], color=colours[::-1], height=0.66)
        axes.bar_label(
            bars,
            [
                f"{_short(total, currency)}  ({size:,})"
                for total, size in zip(sums[::-1], sizes[::-1], strict=True)
            ],
            padding=5,
            color=_INK,
            fontsize=9,
        )
        axes.margins(x=0.2)
        _money_axis(axes.xaxis, currency)
        return figure

    def _priced(self) -> tuple[pd.DataFrame, str]:
        """Return the rows priced in the main currency, and that currency.

        The column ``amount`` is the cost in units of the currency.
        """
        frame = self._frame()
        frame = frame[frame["cost_cents"].notna()]
        if not len(frame):
            raise InputError(
                "No row has a price, so there is nothing to plot.",
                fix="session.problems has the reasons.",
            )
        currency = str(frame["currency"].mode().iloc[0])
        frame = frame[frame["currency"] == currency].copy()
        frame["amount"] = frame["cost_cents"].astype(float) / minor_unit_scale(currency)
        return frame, currency

    def _frame(self) -> pd.DataFrame:
        session = self._session
        if session.job_id is None or session.preview_id is not None:
            shown = session.previewed
            plan, quotes = shown.plan.table, shown.quotes
        else:
            plan, quotes = session.store.plan, session.store.quotes
        frame = to_frame(quotes)
        earlier = [name for name in _PARTS if name not in frame]  # of a job before they existed
        frame = frame.reindex(columns=[*frame.columns, *earlier])
        for name in ("state", "country"):
            frame[name] = to_frame(plan.select([name]))[name]
        weights = [
            [parcel["weight_lb"] or 0 for parcel in parcels or ()]
            for parcels in plan.column("parcels").to_pylist()
        ]
        frame["weight_lb"] = [sum(each) if each else None for each in weights]
        frame["whole_lb"] = [sum(map(math.ceil, each)) if each else None for each in weights]
        return frame


def _figure(title: str, *, rows: int | None = None) -> tuple[Figure, Axes]:
    """Return a figure that is closed in pyplot.

    A notebook then shows it once, as the value of the cell, and no figure stays open.
    """
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(
        figsize=(7.2, 4.0 if rows is None else max(1.9, 0.9 + 0.36 * rows)),
        dpi=110,
        layout="constrained",
    )
    plt.close(figure)
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=_INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_GREY)
    axes.tick_params(colors=_INK, labelsize=9, length=0)
    axes.xaxis.label.set_color(_INK)
    axes.yaxis.label.set_color(_INK)
    axes.set_axisbelow(True)
    axes.grid(axis="y" if rows is None else "x", color=_GREY, alpha=0.35, linewidth=0.7)
    return figure, axes


def _money_axis(axis: Any, currency: str) -> None:
    axis.set_major_formatter(lambda value, _: _short(value, currency, whole=True))


def _short(value: float, currency: str, *, whole: bool = False) -> str:
    """Return an amount for a label in a picture, without cents from 1,000 up.

    ``$`` is escaped: between two of them matplotlib sets text as a formula.
    """
    scale = minor_unit_scale(currency)
    text = str(Money.from_cents(round(float(value) * scale), currency))
    if (whole and float(value).is_integer()) or abs(value) >= 1000:
        text = text.split(".", maxsplit=1)[0]
    return text.replace("$", r"\$")
