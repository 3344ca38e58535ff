"""Label files: fetched as soon as a label is bought, and asked for again when late or broken.

The files are on another host, which is never sent the key. A file that does not come is no reason
to doubt the purchase: the label is paid for, and its row says what is missing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from shipkit.carriers.easypost.easypost_client import is_local
from shipkit.carriers.http import HttpTransport
from shipkit.carriers.label_format import format_of
from shipkit.errors import CarrierError
from shipkit.models import Label, LabelFormat, Purchase

if TYPE_CHECKING:
    import httpx
    from pydantic import SecretStr

__all__ = ["LabelFiles"]

_PAUSES_S: Final = (0.1, 0.3, 0.6, 1.0, 2.0, 4.0)
"""Between the tries for one file. Whether a file can be late is not documented."""
_FIELDS: Final = {
    LabelFormat.ZPL: ("label_zpl_url", "label_url", "label_pdf_url"),
    LabelFormat.PDF: ("label_pdf_url", "label_url", "label_zpl_url"),
    LabelFormat.PNG: ("label_url", "label_pdf_url", "label_zpl_url"),
}
"""Where a label of each format may be, best first: which field a label made as PDF or ZPL fills is
not documented, and the file itself says what it is."""


class LabelFiles:
    """Fetches the label files of bought shipments.

    Parameters
    ----------
    local
        Whether files on this machine may be fetched without TLS: only when the API is there too.
    seconds
        The longest that one purchase waits for its files.
    """

    def __init__(
        self,
        *,
        local: bool,
        seconds: float,
        transport: httpx.AsyncBaseTransport | None = None,
        proxy: SecretStr | None = None,
    ) -> None:
        self._local, self._seconds = local, seconds
        self._transport, self._proxy = transport, proxy
        self._hosts: dict[str, HttpTransport] = {}

    async def added(
        self,
        purchase: Purchase,
        parts: list[dict[str, Any]],
        wanted: LabelFormat,
        again: Callable[[str], Awaitable[Mapping[str, Any]]],
    ) -> Purchase:
        """Return `purchase` with the files of its labels and its customs papers.

        Parameters
        ----------
        parts
            The bought shipments, in the order of the parcels.
        again
            Reads a shipment by its id, for an address that is not there yet.
        """
        until = time.monotonic() + self._seconds
        if len(parts) == 1:  # no task of its own
            found = [await self._of_part(parts[0], wanted, again, until)]
        else:
            found = await asyncio.gather(*(self._of_part(p, wanted, again, until) for p in parts))
        labels = [label for some, _ in found for label in some]
        missing = [number for _, number in found if number]
        papers = [paper for some in found for paper in some[0] if paper.kind == "document"]
        labels = [label for label in labels if label.kind == "label"] + papers
        warnings = [
            f"the label file of {number} did not come; resume asks for it again"
            for number in missing
        ]
        return purchase.model_copy(
            update={"labels": tuple(labels), "warnings": (*purchase.warnings, *warnings)}
        )

    async def paper(self, url: str) -> bytes | None:
        """Return a whole PDF, asked for again while it does not come; None when it never does."""
        until = time.monotonic() + self._seconds
        for pause in (*_PAUSES_S, None):
            data = await self._file(url, until)
            if data is not None and format_of(data) is LabelFormat.PDF:
                return data
            if pause is None or time.monotonic() + pause > until:
                break
            await asyncio.sleep(pause)
        return None

    async def aclose(self) -> None:
        """Close connections."""
        hosts, self._hosts = self._hosts, {}
        for host in hosts.values():
            await host.aclose()

    async def _of_part(
        self,
        part: Mapping[str, Any],
        wanted: LabelFormat,
        again: Callable[[str], Awaitable[Mapping[str, Any]]],
        until: float,
    ) -> tuple[list[Label], str | None]:
        """Return the label and papers of one parcel, and its number when the label is missing."""
        number = str(part.get("tracking_code") or "")
        label = await self._label(part, number, wanted, again, until)
        papers = [
            Label(tracking_number=number, format=LabelFormat.PDF, data=data, kind="document")
            for url in _papers(part)
            if (data := await self._file(url, until)) and format_of(data) is LabelFormat.PDF
        ]
        return ([label, *papers], None) if label else (papers, number)

    async def _label(
        self,
        part: Mapping[str, Any],
        number: str,
        wanted: LabelFormat,
        again: Callable[[str], Awaitable[Mapping[str, Any]]],
        until: float,
    ) -> Label | None:
        current = part
        for pause in (*_PAUSES_S, None):
            url = _url_of(current, wanted)
            data = await self._file(url, until) if url else None
            kind = format_of(data) if data else None
            if data is not None and kind is not None:
                return Label(tracking_number=number, format=kind, data=data)
            if pause is None or time.monotonic() + pause > until:
                break
            await asyncio.sleep(pause)
            try:
                current = await again(str(part.get("id")))
            except CarrierError:  # the next try uses the address that is known
                continue
        return None

    async def _file(self, url: str, until: float) -> bytes | None:
        """Return the bytes at `url`, None when they do not come whole."""
        parts = urlsplit(url)
        if parts.scheme != "https" and not (self._local and is_local(url)):
            return None
        host = f"{parts.scheme}://{parts.netloc}"
        if host not in self._hosts:
            self._hosts[host] = HttpTransport(
                host,
                name="the host of the labels",
                timeout_s=30.0,
                transport=self._transport,
                proxy=self._proxy,
            )
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        seconds = max(until - time.monotonic(), 0.05)
        try:
            answer = await self._hosts[host].request("GET", path, timeout_s=min(seconds, 30.0))
        except CarrierError:
            return None
        return answer.content if answer.status == 200 and answer.content else None


def _url_of(part: Mapping[str, Any], wanted: LabelFormat) -> str | None:
    label = part.get("postage_label")
    if not isinstance(label, dict):
        return None
    fields = _FIELDS.get(wanted, _FIELDS[LabelFormat.PNG])
    return next((str(label[name]) for name in fields if label.get(name)), None)


def _papers(part: Mapping[str, Any]) -> list[str]:
    """Return where the customs papers of a shipment are, except those sent electronically."""
    return [
        str(form["form_url"])
        for form in part.get("forms") or ()
        if isinstance(form, dict)
        and form.get("form_type") == "commercial_invoice"
        and form.get("form_url")
        and not form.get("submitted_electronically")
    ]
