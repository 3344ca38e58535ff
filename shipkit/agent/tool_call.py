"""One call of one tool, from raw arguments to an answer: check, ask, act, write it down. Shared by every host."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from shipkit.agent import arguments as given
from shipkit.agent.audit import redacted
from shipkit.agent.catalog import HOST_ONLY, TOOLS, Tool
from shipkit.agent.tool_results import Answer, as_result, failure
from shipkit.errors import ApprovalRequired, InputError, ShipkitError

if TYPE_CHECKING:
    from shipkit.agent.asking import Consent, Question
    from shipkit.agent.batches import Batch, BatchRegistry

__all__ = ["Approver", "Call", "Caller", "Report", "call", "no_report"]

log = logging.getLogger("shipkit.agent")

Approver = Callable[[str], "Awaitable[bool] | bool"]
"""Puts a question to a person and returns their yes or no."""

Report = Callable[[float, float, str], Awaitable[None]]
"""Called with done, total and words."""


async def no_report(done: float, total: float, message: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Caller:
    """Who calls, and what their word is worth.

    Parameters
    ----------
    host
        It is the program that runs the agent: calling a function of its own is its word.
    trusted
        It is a client over MCP whose ``approved: true`` the operator takes for a person's yes to a
        purchase, and to nothing else.
    approve
        Puts questions to a person; where it is given, nobody's word counts but the person's.
    """

    name: str = "host"
    host: bool = False
    trusted: bool = False
    approve: Approver | None = None
    report: Report = no_report

    @property
    def may_approve(self) -> bool:
        """Whether ``approved: true`` from here means anything."""
        return (self.host or self.trusted) and self.approve is None


async def call(
    desk: BatchRegistry, name: str, args: Mapping[str, Any] | None, caller: Caller
) -> dict[str, Any]:
    """Return the answer of tool `name` in the MCP result shape; an anticipated failure is an answer too."""
    this = Call(desk, TOOLS[name], args, caller)
    try:
        asked = await this.prepare()
        return as_result(await this.act(await this.consent(asked)))
    except ShipkitError as error:
        return failure(error, standing=this.standing())


class Call:
    """One call under way. Every way it can end is written to the log."""

    def __init__(
        self, desk: BatchRegistry, tool: Tool, args: Mapping[str, Any] | None, caller: Caller
    ) -> None:
        self.desk, self.tool, self.raw, self.caller = desk, tool, args or {}, caller
        self.args: given.Arguments | None = None
        self.batch: Batch | None = None
        self.asked: Question | None = None

    async def prepare(self) -> Question | None:
        """Check the arguments, find the batch, and return what a person must be asked before :meth:`act`."""
        try:
            self.args = self._understood()
            self.batch = await self._find()
            self.asked = await self._question()
        except ShipkitError as error:
            if self.batch is None:
                self.batch = self.desk.known(self.raw.get("job_id"), self.raw.get("preview_id"))
            self.note(error.code, str(error))
            raise
        return self.asked

    async def consent(self, asked: Question | None) -> Consent | None:
        """Return the yes to `asked`, from the person or by the host's word. Raises ApprovalRequired when there is none."""
        from shipkit.agent.asking import Consent

        caller = self.caller
        if asked is None:
            return None
        if caller.approve is not None:
            verdict = caller.approve(asked.text)
            if (await verdict if inspect.isawaitable(verdict) else verdict) is True:
                return Consent(
                    by=f"person asked by {caller.name}", via="callback", preview_id=asked.preview_id
                )
            raise self.refused(self._declined())
        if (caller.host and asked.host_may_answer) or (
            caller.may_approve and asked.approvable and getattr(self.args, "approved", False)
        ):
            return Consent(
                by=caller.name, via="host" if caller.host else "client", preview_id=asked.preview_id
            )
        raise self.refused(asked.refusal)

    def person(self, *, said_yes: bool) -> Consent:
        """Return the yes of the person who was asked through the client. Raises ApprovalRequired when they said no."""
        from shipkit.agent.asking import Consent

        if not said_yes:
            raise self.refused(self._declined())
        return Consent(
            by=f"person at {self.caller.name}",
            via="elicitation",
            preview_id=self.asked.preview_id if self.asked else "",
        )

    def _declined(self) -> str:
        what = (
            "Preview approval required: the person did not say yes."
            if self.asked and self.asked.approvable
            else f"The person did not say yes to {self.tool.name}; it did nothing."
        )
        return f"{what} Nothing was bought. Do not ask again unless they want it."

    def refused(self, text: str) -> ApprovalRequired:
        """Return the error of a call that nobody said yes to, written down."""
        error = ApprovalRequired(text)
        self.note(error.code, text)
        return error

    async def act(self, consent: Consent | None) -> Answer:
        """Do it."""
        try:
            answer = await self._act(consent)
        except BaseException as error:
            if isinstance(self.args, given.LoadOrders) and self.batch is not None:
                await asyncio.to_thread(self.desk.drop_empty, self.batch)
            self.note(
                getattr(error, "code", type(error).__name__),
                str(error) if isinstance(error, ShipkitError) else "",
                consent,
            )
            raise
        self.note("ok", answer.text, consent, answer.facts.model_dump())
        return answer

    def standing(self) -> str:
        """Return what an error of this call says about money."""
        from shipkit.agent.status import standing

        if self.tool.read_only:
            return ""
        return (
            standing(self.batch)
            if self.batch is not None and self.tool.name in {"batch_execute", "batch_resume"}
            else "Nothing was bought."
        )

    def note(
        self,
        outcome: str,
        answer: str,
        consent: Consent | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Write one line of the log. A log that cannot be written never costs an answer: what was bought stands in the job's books."""
        batch, asked, facts = self.batch, self.asked, facts or {}
        try:
            (batch.audit if batch is not None else self.desk.audit).note(
                self.tool.name,
                job=batch.session.job_id if batch is not None else None,
                client=self.caller.name,
                arguments=redacted(self.raw),
                asked=asked.logged or asked.text if asked else None,
                answered=None if asked is None else "yes" if consent else "no",
                answered_by=consent.by if consent else None,
                via=consent.via if consent else None,
                outcome=outcome,
                answer=answer[:1_000],
                shipped=facts.get("shipped"),
                total_charged=facts.get("total_charged"),
            )
        except OSError as error:
            log.warning("the audit log cannot be written: %s", error)

    def _understood(self) -> given.Arguments:
        """Return the arguments, checked; refused when a model sends what only the host may."""
        tool = self.tool
        said = [
            name
            for name in HOST_ONLY
            if self.raw.get(name) is not None and name in tool.arguments.model_fields
        ]
        if said and not self.caller.may_approve:
            raise InputError(
                f"{tool.name} takes no {said[0]!r} from here: a person's yes cannot be written by "
                "a model. Nothing was bought.",
                fix="Leave it out; the person is asked, or types: shipkit approve PREVIEW_ID.",
            )
        return given.parse(tool.arguments, tool.name, self.raw)

    async def _find(self) -> Batch | None:
        """Return the batch that the call is about; None when it is about none (what was interrupted?)."""
        match self.args:
            case given.LoadOrders(path=path):
                return await asyncio.to_thread(self.desk.new, PurePath(path).stem or "rows")
            case given.Resume(job_id=""):
                return self.desk.at_hand
        return await asyncio.to_thread(
            self.desk.find, getattr(self.args, "job_id", ""), getattr(self.args, "preview_id", "")
        )

    async def _question(self) -> Question | None:
        from shipkit.agent import asking

        assert self.args is not None  # noqa: S101 - checked before
        if self.batch is None:
            return await asyncio.to_thread(asking.question_about_jobs, self.desk, self.args)
        return await self.batch.do(asking.question, self.desk, self.batch, self.args)

    async def _act(self, consent: Consent | None) -> Answer:
        from shipkit.agent import purchases, tools

        desk, batch, args, report = self.desk, self.batch, self.args, self.caller.report
        if isinstance(args, given.Resume):
            return await purchases.resume(desk, batch, args, report)
        assert batch is not None  # noqa: S101 - only resume is about none
        match args:
            case given.LoadOrders():
                return await batch.do(tools.load_orders, desk, batch, args)
            case given.DescribeOrders():
                return await batch.do(tools.describe_orders, batch, args)
            case given.Preview():
                return await batch.do(tools.preview, desk, batch, args)
            case given.Problems():
                return await batch.do(tools.problems, batch, args)
            case given.Execute():
                return await purchases.execute(desk, batch, args, consent, report)
            case given.SetMode():
                return await batch.do(purchases.set_mode, batch, args)
            case given.GetLabels():
                return await purchases.get_labels(desk, batch, args, report)
            case given.JobStatus():
                return await purchases.get_job_status(desk, batch, args, report)
            case given.Void():
                return await batch.do(purchases.void, desk, batch, args, consent)
            case _:
                raise InputError(f"There is no tool for {type(args).__name__}.")
