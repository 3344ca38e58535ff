"""The widgets that a panel is made of."""

from __future__ import annotations

import base64
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from shipkit.common.html import block, escape
from shipkit.errors import ShipkitError
from shipkit.notebook import panel_html
from shipkit.notebook.style import CSS
from shipkit.outputs.labels import Labels
from shipkit.purchasing.approval import ExecutionMode

__all__ = ["LabelsBox", "OfferControls", "after_each_cell", "button", "html", "style"]

_DOWNLOAD_BYTES = 4_000_000
"""Larger files are saved next to the notebook but not embedded in the page for download."""


def html(value: str = "", *, css: str | None = None) -> Any:
    """Return a widget that shows HTML, with the CSS class `css`."""
    made = widgets.HTML(value)
    if css:
        made.add_class(css)
    return made


def style() -> Any:
    """Return the panel's style sheet as a widget that shows nothing."""
    return html(CSS, css="sk-style")


def button(
    text: str, press: Callable[[Any], None], *, css: str, tip: str, primary: bool = False
) -> Any:
    """Return a button. `tip` is its tooltip, which screen readers read out."""
    made = widgets.Button(description=text, tooltip=tip)
    made.add_class(css)
    if primary:
        made.add_class("sk-primary")
    made.on_click(press)
    return made


def after_each_cell(call: Callable[[], None]) -> None:
    """Call a method after each cell that runs, for as long as its object exists."""
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None:
        return
    kept = weakref.WeakMethod(call)

    def ran(*_: Any) -> None:
        method = kept()
        if method is None:
            shell.events.unregister("post_run_cell", ran)
        else:
            method()

    shell.events.register("post_run_cell", ran)


class OfferControls:
    """The filter and the mode of an offer.

    Parameters
    ----------
    apply
        Called when the filter changed, or its button was pressed.
    choose
        Called with the mode that was chosen.
    """

    def __init__(
        self, *, apply: Callable[[], None], choose: Callable[[ExecutionMode], None]
    ) -> None:
        self.clause = widgets.Text(
            description="Only orders where",
            placeholder="state = 'CA' AND weight_lb < 20",
            continuous_update=False,
            style={"description_width": "initial"},
            tooltip="An SQL condition over the columns of the orders. Empty: all orders.",
        )
        self.clause.add_class("sk-clause")
        self.clause.observe(lambda _: apply(), "value")
        price = button(
            "Filter and price",
            lambda _: apply(),
            css="sk-apply",
            tip="Apply the filter and price the remaining orders. Buys nothing.",
        )
        self.filter_row = widgets.HBox([self.clause, price])
        self.mode = widgets.RadioButtons(
            options=[("CONFIRM", ExecutionMode.CONFIRM), ("AUTO", ExecutionMode.AUTO)],
            description="Mode",
            orientation="horizontal",
            style={"description_width": "initial"},
        )
        self.mode.add_class("sk-mode")
        self.mode.observe(lambda change: choose(change["new"]), "value")
        self.mode_hint = html()
        self.mode_row = widgets.HBox([self.mode, self.mode_hint])


class LabelsBox:
    """The row of the panel in which labels are saved, downloaded and shown."""

    def __init__(self, labels: Callable[[], Labels], *, file: str) -> None:
        self._labels = labels
        self._path = widgets.Text(
            value=file,
            description="Save labels to",
            continuous_update=False,
            tooltip="A .pdf or .zpl file, or a folder",
            style={"description_width": "initial"},
        )
        self._path.add_class("sk-labels-path")
        save = button(
            "Save labels",
            self._save,
            css="sk-save-labels",
            tip="Write all labels of this job to that file",
        )
        look = button(
            "Show the first labels",
            self._show,
            css="sk-show-labels",
            tip="Show pictures of the first three labels",
        )
        self._message, self._shown = html(), html(css="sk-label-pictures")
        self.widget = widgets.VBox(
            [widgets.HBox([self._path, save, look]), self._message, self._shown]
        )
        self.widget.add_class("sk-labels")

    def _save(self, _: Any) -> None:
        try:
            saved = self._labels().save(Path(self._path.value.strip()))
        except ShipkitError as error:
            self._message.value = panel_html.alert(error.message, error.fix)
            return
        self._message.value = block(
            f'<span role="status">{escape(repr(saved))}</span> {_download(saved.paths)}',
            name="sk-saved",
        )

    def _show(self, _: Any) -> None:
        self._shown.value = panel_html.label_pictures(self._labels().pictures())


def _download(paths: tuple[Path, ...]) -> str:
    if len(paths) != 1 or paths[0].stat().st_size > _DOWNLOAD_BYTES:
        return ""
    kind = "application/pdf" if paths[0].suffix == ".pdf" else "application/octet-stream"
    data = base64.b64encode(paths[0].read_bytes()).decode("ascii")
    return (
        f'<a class="sk-download" download="{escape(paths[0].name)}" '
        f'href="data:{kind};base64,{data}">Download {escape(paths[0].name)}</a>'
    )
