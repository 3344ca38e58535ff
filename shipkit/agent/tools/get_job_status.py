"""``get_job_status``: the status of a job."""

from __future__ import annotations

from shipkit.agent.job_answers import JobFacts
from shipkit.agent.job_waiting import job_status
from shipkit.agent.tool import Tool
from shipkit.agent.tool_arguments import WaitArguments

__all__ = ["TOOL"]


class JobStatusArguments(WaitArguments):
    """Which job."""


TOOL = Tool(
    "get_job_status",
    "Job status",
    "Status of a job; wait_s waits for it to end.",
    JobStatusArguments,
    JobFacts,
    run=job_status,
    read_only=True,
)
