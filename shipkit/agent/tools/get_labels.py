"""``get_labels``: links to the labels and results of a job."""

from __future__ import annotations

from shipkit.agent.answers import Answer
from shipkit.agent.job_answers import JobFacts, links_of
from shipkit.agent.job_waiting import job_status
from shipkit.agent.tool import Tool, ToolRun
from shipkit.agent.tool_arguments import WaitArguments

__all__ = ["TOOL"]


class GetLabelsArguments(WaitArguments):
    """Which job."""


async def get_labels(run: ToolRun[WaitArguments]) -> Answer:
    """Return links to labels and results."""
    facts = (await job_status(run)).facts
    assert isinstance(facts, JobFacts)  # noqa: S101 - what job_status returns
    if not facts.shipped:
        return Answer(facts, f"{facts.job_id} has no labels ({facts.status.replace('_', ' ')}).")
    save = run.terminal_command(f"labels {facts.job_id} -o labels.pdf")
    return Answer(
        facts,
        f"Labels of {facts.shipped:,} shipments of {facts.job_id}: read the links, or in a "
        f"terminal: {save}",
        links=links_of(facts),
        offers_links=True,
    )


TOOL = Tool(
    "get_labels",
    "Get labels",
    "Links to the labels and tracking numbers of a job.",
    GetLabelsArguments,
    JobFacts,
    run=get_labels,
    read_only=True,
)
