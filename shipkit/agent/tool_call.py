"""One call of one tool, from raw arguments to an answer: check, ask, run, log.

Every host uses it: functions in process, the MCP server, and the adapters.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shipkit.agent.answers import Answer, as_result, failure
from shipkit.agent.audit import redacted
from shipkit.agent.consent import Consent, PermissionRequest
from shipkit.agent.machine_faults import UnexpectedFault, faults_in_words
from shipkit.agent.tool import HOST_ONLY, Report, Tool, ToolRun, no_report
from shipkit.agent.tool_arguments import ToolArguments, parse
from shipkit.agent.tool_table import TOOLS
from shipkit.errors import ApprovalRequired, InputError, ShipkitError

if TYPE_CHECKING:
    from shipkit.agent.batch import Batch
    from shipkit.agent.batches import BatchRegistry

__all__ = ["Approver", "Caller", "ToolCall", "call"]

log = logging.getLogger("shipkit.agent")

Approver = Callable[[str], "Awaitable[bool] | bool"]
"""Asks a person a question and returns whether they agreed."""

_LONGEST_ANSWER_LOGGED = 1_000
_BEAT_S = 1.0
"""How often a call that takes long is reported."""


@dataclass(frozen=True)
class Caller:
    """Who calls, and what their word is worth.

    Parameters
    ----------
    host
        It is the program that runs the agent: its own call of a function is its word.
    trusted
        It is a client over MCP whose ``approved: true`` the operator accepts as a person's
        approval of a purchase, and of nothing else.
    approve
        Asks a person. When it is given, only the answer of the person counts.
    """

    name: str = "host"
    host: bool = False
    trusted: bool = False
    approve: Approver | None = None
    report: Report = no_report

    @property
    def may_approve(self) -> bool:
        """Whether ``approved: true`` from this caller counts."""
        return (self.host or self.trusted) and self.approve is None


async def call(
    registry: BatchRegistry, name: str, args: Mapping[str, Any] | None, caller: Caller
) -> dict[str, Any]:
    """Return the answer of tool `name` in the MCP result shape; an expected error is an answer.

    Something unexpected is an answer for a model, and is raised to a program that calls by itself.
    """
    this = ToolCall(registry, TOOLS[name], args, caller)
    try:
        request = await this.prepare()
        return as_result(await this.run(await this.consent(request)))
    except ShipkitError as error:
        if isinstance(error, UnexpectedFault) and error.__cause__ is not None and caller.host:
            raise error.__cause__ from None
        return failure(error, money=this.money())


def _whole(value: Any) -> Any:
    """Return JSON values without half characters, which no file and no database can hold."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, Mapping):
        return {_whole(name): _whole(item) for name, item in value.items()}
    return value


class ToolCall:
    """One call in progress. Every way in which it can end is written to the log."""

    def __init__(
        self, registry: BatchRegistry, tool: Tool, args: Mapping[str, Any] | None, caller: Caller
    ) -> None:
        self.registry, self.tool, self.caller = registry, tool, caller
        self.raw: Mapping[str, Any] = _whole(args or {})
        self.args: ToolArguments | None = None
        self.batch: Batch | None = None
        self.request: PermissionRequest | None = None

    # -- before the run ---------------------------------------------------------------------------

    async def prepare(self) -> PermissionRequest | None:
        """Check the arguments, find the batch, and return what a person must be asked, or None."""
        try:
            self.args = self._checked()
            with faults_in_words(self.tool.name):
                self.batch = await asyncio.to_thread(self.tool.find, self.registry, self.args)
                self.request = await self._permission_request()
        except ShipkitError as error:
            if self.batch is None:
                self.batch = self.registry.open_batch(
                    self.raw.get("job_id"), self.raw.get("preview_id")
                )
            self.note(error.code, str(error))
            raise
        return self.request

    async def consent(self, request: PermissionRequest | None) -> Consent | None:
        """Return the consent to `request`: of the person, or the word of the host.

        Raises
        ------
        ApprovalRequired
            There is none.
        """
        if request is None:
            return None
        caller = self.caller
        if caller.approve is not None:
            answer = caller.approve(request.text)
            # Exactly True: a model or a form may return "yes", "no" or an empty object.
            if (await answer if inspect.isawaitable(answer) else answer) is True:
                return Consent(f"person asked by {caller.name}", "callback", request.preview_id)
            raise self.refused(self._declined())
        approved = request.approvable and getattr(self.args, "approved", False)
        if (caller.host and request.host_may_answer) or (caller.may_approve and approved):
            return Consent(caller.name, "host" if caller.host else "client", request.preview_id)
        raise self.refused(request.refusal)

    def answered_by_person(self, *, agreed: bool) -> Consent:
        """Return the consent of the person who was asked through the client.

        Raises
        ------
        ApprovalRequired
            The person did not agree.
        """
        if not agreed:
            raise self.refused(self._declined())
        preview_id = self.request.preview_id if self.request else ""
        return Consent(f"person at {self.caller.name}", "elicitation", preview_id)

    def refused(self, text: str) -> ApprovalRequired:
        """Return the error of a call without consent, after logging it."""
        error = ApprovalRequired(text)
        self.note(error.code, text)
        return error

    # -- the run ----------------------------------------------------------------------------------

    async def run(self, consent: Consent | None) -> Answer:
        """Run the tool and return its answer."""
        try:
            with faults_in_words(self.tool.name):
                answer = await self._run(consent)
        except BaseException as error:
            if self.batch is not None and self.tool.opens_batch:
                await asyncio.to_thread(self.registry.drop_empty, self.batch)
            text = str(error) if isinstance(error, ShipkitError) else ""
            self.note(getattr(error, "code", type(error).__name__), text, consent)
            raise
        self.note("ok", answer.text, consent, answer.facts.model_dump())
        return answer

    def money(self) -> str:
        """Return what an error of this call says about money."""
        from shipkit.agent.job_answers import what_was_bought

        if self.tool.read_only:
            return ""
        if self.batch is not None and self.tool.name in {"batch_execute", "batch_resume"}:
            try:
                return what_was_bought(self.batch)
            except Exception:  # noqa: BLE001 - the words for a fault must not fail on it
                return (
                    "What was bought cannot be read now. Nothing is bought twice: batch_resume "
                    "finds the job once the machine is well."
                )
        return "Nothing was bought."

    def note(
        self,
        outcome: str,
        answer: str,
        consent: Consent | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Write one line of the log.

        A log that cannot be written never withholds an answer: what was bought is in the job.
        (Before a purchase begins, ``batch_execute`` insists on a line; see there.)
        """
        batch, request, facts = self.batch, self.request, facts or {}
        try:
            (batch.audit if batch is not None else self.registry.audit).note(
                self.tool.name,
                job=batch.session.job_id if batch is not None else None,
                client=self.caller.name,
                arguments=redacted(self.raw),
                asked=request.logged or request.text if request else None,
                answered=None if request is None else "yes" if consent else "no",
                answered_by=consent.by if consent else None,
                via=consent.via if consent else None,
                outcome=outcome,
                answer=answer[:_LONGEST_ANSWER_LOGGED],
                shipped=facts.get("shipped"),
                total_charged=facts.get("total_charged"),
            )
        except OSError as error:
            log.warning("the audit log cannot be written: %s", error)
        except Exception as error:  # noqa: BLE001 - a damaged log is no reason either
            log.warning("the audit log cannot be written: %s", type(error).__name__)

    # -- inside -----------------------------------------------------------------------------------

    def _checked(self) -> ToolArguments:
        """Return the checked arguments; refuse those that only a host may send."""
        tool = self.tool
        sent = [
            name
            for name in HOST_ONLY
            if self.raw.get(name) is not None and name in tool.arguments.model_fields
        ]
        if sent and not self.caller.may_approve:
            raise InputError(
                f"{tool.name} does not accept {sent[0]!r} from a model: only a person can approve. "
                "Nothing was bought.",
                fix="Omit it; the person is asked, or types: shipkit approve PREVIEW_ID.",
            )
        return parse(tool.arguments, tool.name, self.raw)

    async def _permission_request(self) -> PermissionRequest | None:
        ask = self.tool.ask
        if ask is None:
            return None
        run = self._tool_run(None)
        if self.batch is None:
            return await asyncio.to_thread(ask, run)
        return await self.batch.do(ask, run)

    async def _run(self, consent: Consent | None) -> Answer:
        run = self._tool_run(consent)
        if inspect.iscoroutinefunction(self.tool.run):
            answer: Answer = await self.tool.run(run)
            return answer
        work: Callable[..., Any] = self.tool.run
        done: Answer = await self._reporting(run.batch.do(work, run))
        return done

    async def _reporting(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Return the result of `work`, and report that it goes on: clients give up on silence."""
        task = asyncio.create_task(work)
        began = time.monotonic()
        try:
            while not (await asyncio.wait({task}, timeout=_BEAT_S))[0]:
                seconds = time.monotonic() - began
                await self.caller.report(seconds, None, f"{self.tool.name}: {seconds:,.0f} s")
            return await task
        finally:
            task.cancel()  # the caller gave up, or is gone

    def _tool_run(self, consent: Consent | None) -> ToolRun[Any]:
        assert self.args is not None  # noqa: S101 - `prepare` set them or raised
        return ToolRun(self.registry, self.args, self.batch, consent, self.caller.report)

    def _declined(self) -> str:
        what = (
            "Preview approval required: the person did not approve it."
            if self.request and self.request.approvable
            else f"The person did not approve {self.tool.name}; nothing was done."
        )
        return f"{what} Nothing was bought. Do not ask again unless they want you to."
