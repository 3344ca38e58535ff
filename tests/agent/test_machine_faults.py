"""Faults of the machine, and what a tool may not leave behind in a host's log."""

from __future__ import annotations

import json
import warnings

import pytest
from agentkit import connected, orders

from shipkit.agent.batches import BatchRegistry


@pytest.mark.anyio
async def test_a_home_that_cannot_be_written_is_told_with_its_reason(serve, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "home/previews")

    async with connected(serve()) as c:
        batch = await c.ok("load_orders", rows=orders(2))
        monkeypatch.setattr(BatchRegistry, "find", full)
        said = await c.no("describe_orders", job_id=batch["job_id"])
    assert "This machine reports: No space left on device (home/previews)." in said
    assert "A person must look at it" in said


@pytest.mark.anyio
async def test_a_filter_that_keeps_nothing_does_not_warn_in_the_hosts_log(serve):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with connected(serve()) as c:
            batch = await c.ok("load_orders", rows=orders(2))
            shown = await c(
                "batch_preview", job_id=batch["job_id"], filter_clause="name = 'no one'"
            )
    assert "Ada Lee" in json.dumps(shown.model_dump(mode="json"))


@pytest.mark.anyio
@pytest.mark.parametrize("job_id", ["\x00", "x" * 119, "a\nb"])
async def test_a_job_id_that_no_folder_can_have_is_no_job(serve, job_id):
    async with connected(serve()) as c:
        said = await c.no("get_job_status", job_id=job_id)
    assert "job" in said
    assert "Error executing" not in said
