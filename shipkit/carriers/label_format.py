"""Labels of a purchase as the carrier sent them: their format, and whether they are whole.

Nothing is converted while labels are bought. A picture of UPS takes 7 ms of CPU to become a PDF,
against 1 ms for everything else that a purchase needs, and a failure to convert must not touch
a label that is paid for. Labels are converted when they are saved (:mod:`shipkit.outputs.labels`).
"""

from __future__ import annotations

from shipkit.models import Label, LabelFormat, LabelSpec, Purchase

__all__ = ["checked", "format_of"]


def checked(purchase: Purchase, label: LabelSpec) -> Purchase:
    """Return `purchase` with a warning for each label that cannot be saved as `label` asks.

    Only the first and last bytes are looked at: a label that is cut short, or is no label at all,
    is noticed while its row is bought, and not weeks later when it is printed.
    """
    warnings = tuple(
        warning
        for each in purchase.labels
        if each.kind == "label" and (warning := _warning(each, label.format))
    )
    if not warnings:
        return purchase
    return purchase.model_copy(update={"warnings": (*purchase.warnings, *warnings)})


def _warning(label: Label, wanted: LabelFormat) -> str | None:
    sent = label.format.value.upper()
    if format_of(label.data) is not label.format:
        return (
            f"the label of {label.tracking_number} is not a whole {sent} file; "
            "ask the carrier to print it again"
        )
    if label.format is LabelFormat.ZPL and wanted is not LabelFormat.ZPL:
        return f"the label of {label.tracking_number} is ZPL, not {wanted.value.upper()}"
    return None


def format_of(data: bytes) -> LabelFormat | None:
    """Return the format of a whole label file, None for one that is cut short or something else."""
    head, tail = data[:16].lstrip(), data[-2048:].rstrip()[-1024:]
    if head.startswith(b"\x89PNG"):
        return LabelFormat.PNG if b"IEND" in tail else None
    if head.startswith(b"%PDF-"):
        return LabelFormat.PDF if b"%%EOF" in tail else None
    if head.startswith((b"GIF87a", b"GIF89a")):
        return LabelFormat.GIF if data[-16:].rstrip(b"\0 \r\n").endswith(b";") else None
    if b"^XA" in data[:4096]:
        return LabelFormat.ZPL if b"^XZ" in tail else None
    return None
