"""``batch_problems``: orders that cannot ship, were rejected, or have warnings."""

from __future__ import annotations

from typing import Any

from shipkit.agent.answers import NOTICE, Answer, Facts, json_rows
from shipkit.agent.batch import Batch
from shipkit.agent.tool import Tool, ToolRun
from shipkit.agent.tool_arguments import PageArguments
from shipkit.common.words import counted

__all__ = ["TOOL"]


class ProblemsArguments(PageArguments):
    """Which problems to list."""


class ProblemFacts(Facts):
    """A page of problems."""

    job_id: str
    total: int
    problems: list[dict[str, Any]]
    notice: str = NOTICE


def batch_problems(run: ToolRun[ProblemsArguments]) -> Answer:
    """Return a page of problems, those of the carrier first."""
    batch, args = run.batch, run.args
    found = _problems(batch)
    page = json_rows(found[args.offset : args.offset + args.limit])
    end = args.offset + len(page)
    more = "" if end >= len(found) else f" More: offset={end}."
    text = (
        f"{counted(len(found), 'problem')} in {batch.name}; showing {len(page)} from "
        f"{args.offset}.{more}"
        if found
        else f"No problems in {batch.name}."
    )
    return Answer(
        ProblemFacts(job_id=batch.name, total=len(found), problems=page),
        text,
        data={"problems": page},
    )


def _problems(batch: Batch) -> list[dict[Any, Any]]:
    from shipkit.plan.preview import to_frame

    session = batch.session
    rejected: list[dict[Any, Any]] = []
    if session.job_id is not None:
        frame = session.results()
        frame = frame[frame["state"].isin(["failed", "in_doubt", "review"])]
        rejected = [
            {
                "row_number": row["row_number"],
                "field": row["state"],
                "value": row["order_id"],
                "problem": row["error_message"],
                "fix": row["fix"],
                "severity": "error",
                "code": row["error_code"],
            }
            for row in frame.to_dict("records")
        ]
    earlier = to_frame(session.store.problems) if batch.reopened else session.problems
    return rejected + earlier.to_dict("records")


TOOL = Tool(
    "batch_problems",
    "List problems",
    "List orders that cannot ship or have warnings, with the fix for each.",
    ProblemsArguments,
    ProblemFacts,
    run=batch_problems,
    read_only=True,
)
