"""MCP resources: previews and results as CSV, labels as one file."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError

from shipkit.agent.batches import BatchRegistry
from shipkit.agent.machine_faults import faults_in_words
from shipkit.common.visible_text import visible
from shipkit.errors import JobNotFound, LabelError, PreviewNotFound, ShipkitError
from shipkit.plan.frames import with_zone

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["add"]

T = TypeVar("T")

MAX_BYTES = 20_000_000
"""Largest resource: it is sent as one message. Larger files are saved with the command line."""

_PREVIEW = (
    "row_number",
    "order_id",
    "recipient",
    "city",
    "state",
    "postal_code",
    "country",
    "service",
    "parcels",
    "billable_weight_lb",
    "zone",
    "cost_cents",
    "currency",
    "transit_days",
    "warnings",
    "problem",
)
_RESULTS = (
    "row_number",
    "order_id",
    "state",
    "tracking_number",
    "service",
    "quoted_cents",
    "charged_cents",
    "currency",
    "charge_basis",
    "billed_weight_lb",
    "shipped_at",
    "voided_at",
    "error_code",
    "error_message",
    "fix",
    "refund",
)


def add(server: MCPServer[Any], registry: BatchRegistry) -> None:
    """Add the resources to `server`."""
    _add_tables(server, registry)
    _add_labels(server, registry)


def _add_tables(server: MCPServer[Any], registry: BatchRegistry) -> None:
    @server.resource("shipkit://jobs.csv", name="jobs", title="Jobs", mime_type="text/csv")
    async def jobs() -> str:
        """Every job of this home, newest first."""
        return await _read(lambda: _jobs(registry))

    @server.resource(
        "shipkit://previews/{preview_id}/preview.csv",
        name="preview",
        title="A preview",
        mime_type="text/csv",
    )
    async def preview(preview_id: str) -> str:
        """Every priced row of a preview that is open on this server."""
        return await _read(lambda: _preview(registry, preview_id))

    @server.resource(
        "shipkit://jobs/{job_id}/results.csv",
        name="results",
        title="Results of a job",
        mime_type="text/csv",
    )
    async def results(job_id: str) -> str:
        """Each shipment of a job: state, tracking number, charge, and what to fix."""
        return await _read(
            lambda: _csv(_session(registry, job_id, "results.csv").results(), _RESULTS)
        )


def _add_labels(server: MCPServer[Any], registry: BatchRegistry) -> None:
    @server.resource(
        "shipkit://jobs/{job_id}/labels.pdf",
        name="labels",
        title="Labels of a job",
        mime_type="application/pdf",
    )
    async def labels(job_id: str) -> bytes:
        """All labels of a job as one PDF."""
        return await _read(lambda: _labels(registry, job_id, "pdf"))

    @server.resource(
        "shipkit://jobs/{job_id}/labels.zpl",
        name="labels-zpl",
        title="Labels of a job for a thermal printer",
        mime_type="text/plain",
    )
    async def thermal(job_id: str) -> str:
        """All labels of a job that were bought as ZPL, as one file."""
        return (await _read(lambda: _labels(registry, job_id, "zpl"))).decode("utf-8", "replace")


async def _read(work: Callable[[], T]) -> T:
    try:
        with faults_in_words("reading a resource"):
            return await asyncio.to_thread(work)
    except (JobNotFound, PreviewNotFound) as error:
        raise ResourceNotFoundError(str(error)) from error
    except ShipkitError as error:
        raise ResourceError(visible(str(error))) from error


def _session(registry: BatchRegistry, job_id: str, what: str) -> Any:
    """Return the session of a job whose `what` is read, and log the access."""
    batch = registry.find(job_id)
    with suppress(OSError):
        batch.audit.note("resources/read", job=batch.session.job_id, arguments=what, outcome="ok")
    return batch.session


def _jobs(registry: BatchRegistry) -> str:
    from shipkit.purchasing import recovery

    frame = recovery.jobs(home=registry.settings.home)
    return _csv(frame, tuple(frame.columns))


def _preview(registry: BatchRegistry, preview_id: str) -> str:
    found = next(
        (
            b
            for b in registry.open_batches()
            if b.session.preview_id == preview_id and b.frame is not None
        ),
        None,
    )
    if found is None:
        raise PreviewNotFound(
            f"The preview {preview_id[:40]!r} is not open on this server.",
            fix="Call batch_preview again.",
        )
    return _csv(found.frame, _PREVIEW)


def _labels(registry: BatchRegistry, job_id: str, kind: str) -> bytes:
    session = _session(registry, job_id, f"labels.{kind}")
    bought_as = session.store.manifest.label.format
    save = registry.rules.terminal_command(f"labels {job_id} -o labels.{kind}")
    if kind == "zpl" and bought_as != "zpl":
        raise LabelError(
            f"The labels of {job_id} were bought as {bought_as}: read labels.pdf, or in a "
            f"terminal: {save}"
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"labels.{kind}"
        session.labels.save(path)
        if path.stat().st_size > MAX_BYTES:
            raise LabelError(
                f"The labels of {job_id} are {path.stat().st_size:,} bytes, too large to send. "
                f"In a terminal: {save}"
            )
        return path.read_bytes()


def _csv(frame: pd.DataFrame, columns: tuple[str, ...]) -> str:
    """Return CSV in which no cell starts a formula or hides characters.

    An order may contain ``=HYPERLINK(...)``.
    """
    some = with_zone(frame[[name for name in columns if name in frame.columns]])
    for name in some.columns:
        if some[name].dtype == object or str(some[name].dtype) in {"str", "string"}:
            some[name] = some[name].map(_inert, na_action="ignore")
    return some.to_csv(index=False)


def _inert(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return f"'{visible(value)}" if value[:1] in {"=", "+", "-", "@", "\t", "\r"} else visible(value)
