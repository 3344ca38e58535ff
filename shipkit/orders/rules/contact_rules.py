"""Rules of e-mail addresses and phones."""

from __future__ import annotations

from typing import Final

from shipkit.orders.rules.rule import Rule

__all__ = ["CONTACT_RULES", "bad_email"]

_EMAIL: Final = (
    r"""[^\s@,;:<>()\[\]".\\][^\s@,;:<>()\[\]"\\]*@"""
    r"(?:[\p{L}\p{N}](?:[\p{L}\p{N}_-]*[\p{L}\p{N}])?[.])+\p{L}[\p{L}\p{N}-]*[\p{L}\p{N}]"
)
"""One e-mail address on the internet, without quotes: of a name and a domain with a letter."""
_USUAL_EMAIL: Final = r"[a-z0-9_+-]+(?:[.][a-z0-9_+-]+)*@(?:[a-z0-9]+[.-])*[a-z0-9]+[.][a-z]{2,9}"
"""What nearly all are: the pattern is short, and faster."""


def bad_email(x: str) -> str:
    """Return SQL of whether a text is no e-mail address; false of none."""
    wrong = f"contains({x}, '..') OR NOT regexp_full_match({x}, '{_EMAIL}')"
    return (
        f"CASE WHEN {x} IS NULL OR regexp_full_match({x}, '{_USUAL_EMAIL}') THEN false "
        f"ELSE {wrong} END"
    )


CONTACT_RULES: Final = (
    *(
        Rule(
            code="email_format",
            field="ship_to.email",
            fails=f"bad_email AND coalesce(notify, 'none') {sent} 'none'",
            value="email",
            problem="CASE WHEN length(email) - length(replace(email, '@', '')) > 1 "
            f"""THEN '"' || email || '" is not one e-mail address{and_so}' """
            f"""ELSE '"' || email || '" is not an e-mail address{and_so}' END""",
            fix="Write one address, such as ada@example.com, or leave the cell empty.",
            severity=severity,
        )
        for sent, severity, and_so in (
            ("<>", "error", ", and a notice is asked for"),
            ("=", "warning", "; carriers leave it out or refuse it"),
        )
    ),
    Rule(
        code="phone_format",
        field="ship_to.phone",
        fails="""(american OR country = 'CA')
            AND NOT regexp_full_match(phone, '[0-9]{10}(?:x[0-9]{1,6})?')""",
        value="phone",
        problem="""'a US or Canadian phone number has ten digits, not "' || phone || '"'""",
        fix="Write ten digits, or leave the cell empty.",
    ),
    Rule(
        code="phone_missing",
        field="ship_to.phone",
        fails="abroad AND phone IS NULL",
        value="NULL",
        problem="'phone number is missing; carriers require one for shipments abroad'",
        fix="Fill in the cell, or map the phone.",
        severity="warning",
    ),
)
