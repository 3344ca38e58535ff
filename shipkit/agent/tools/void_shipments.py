"""``void_shipments``: void bought labels at the carrier."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from shipkit.agent.answers import NOTICE, Answer, Facts, json_rows
from shipkit.agent.consent import PermissionRequest
from shipkit.agent.tool import Tool, ToolRun
from shipkit.agent.tool_arguments import LONGEST_CLAUSE, LONGEST_ID, ToolArguments
from shipkit.common.words import counted
from shipkit.errors import ApprovalRequired

__all__ = ["TOOL"]

_REFUSAL = ("row_number", "order_id", "error_code", "error_message", "fix")
_SHOWN = 20
"""Refused rows in an answer; a carrier mostly refuses all for one reason."""


class VoidArguments(ToolArguments):
    """Which shipments to void."""

    job_id: str = Field(max_length=LONGEST_ID)
    where: str = Field(
        min_length=1,
        max_length=LONGEST_CLAUSE,
        description="SQL over result columns, e.g. order_id = '17'",
    )


class VoidFacts(Facts):
    """What was voided."""

    job_id: str
    matched: int
    voided: int
    not_voided: int
    refused: list[dict[str, Any]]
    """The first rows that the carrier would not void, with its answer."""
    refunds: dict[str, int]
    """Voided rows by the state of their refund, where the carrier decides later."""
    notice: str = NOTICE


def void_shipments(run: ToolRun[VoidArguments]) -> Answer:
    """Void the shipments that match."""
    from shipkit.purchasing.result import Refunds

    if run.consent is None and ask_to_void(run) is not None:
        # When the person was to be asked, nothing matched; something was bought in the meantime.
        raise ApprovalRequired(
            "Voiding needs a person's approval. Nothing was voided, nothing was bought."
        )
    frame = run.session.void(run.args.where)
    voided = int((frame["state"] == "voided").sum()) if len(frame) else 0
    kept = frame[frame["state"] == "shipped"]
    refused = json_rows(kept[list(_REFUSAL)].head(_SHOWN).to_dict("records"))
    facts = VoidFacts(
        job_id=run.session.job_id or "",
        matched=len(frame),
        voided=voided,
        not_voided=len(frame) - voided,
        refused=refused,
        refunds=Refunds.of_frame(frame) if len(frame) else {},
    )
    text = (
        f"{voided:,} of {counted(len(frame), 'matching shipment')} of {facts.job_id} voided."
        if len(frame)
        else f"No shipment of {facts.job_id} matches. Nothing was voided."
    )
    if facts.refunds.get("submitted"):
        text += (
            f" The refund of {facts.refunds['submitted']:,} is asked for: the carrier decides "
            "later, and tracking the job asks what became of it."
        )
    if facts.refunds.get("rejected"):
        text += f" The carrier rejected the refund of {facts.refunds['rejected']:,}."
    paid = int((frame["error_code"] == "return_label_paid").sum()) if len(frame) else 0
    if paid:
        text += (
            f" {counted(paid, 'return label')} of voided parcels not voided, and still paid for: "
            "in the results, return_of is the row of the parcel."
        )
    return Answer(facts, text, data={"not voided": refused} if refused else {})


def ask_to_void(run: ToolRun[VoidArguments]) -> PermissionRequest | None:
    """Ask a person before labels become invalid: they may already be on parcels."""
    from shipkit.orders import where
    from shipkit.purchasing.void_notes import void_notes

    session = run.session
    table = session.store.results()
    states = table.column("state").to_pylist()
    said: list[str] = []
    found = where.matching(table, run.args.where, notes_to=said)
    count = sum(states[row] == "shipped" for row in found)
    if not count:
        return None
    said += void_notes(session.store, list(found))
    void = run.terminal_command(f"void {session.job_id}")
    return PermissionRequest(
        f"Void {counted(count, 'bought label')} of {session.job_id} on "
        f"{session.store.manifest.identity}? They can no longer be used afterwards."
        + "".join(f" {note}" for note in said),
        f"Voiding {counted(count, 'label')} needs a person's approval, here or in a terminal: "
        f'{void} --where "...". Nothing was voided, nothing was bought.',
    )


TOOL = Tool(
    "void_shipments",
    "Void shipments",
    "Void bought labels at the carrier. Needs a person.",
    VoidArguments,
    VoidFacts,
    run=void_shipments,
    ask=ask_to_void,
    destructive=True,
    idempotent=True,
    open_world=True,
    scope="propose",
)
