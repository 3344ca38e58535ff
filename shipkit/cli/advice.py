"""Commands to type next, and advice that was written for Python in the words of the command line.

An advised command must work: it is chosen from the state of the job, and a test runs what is
advised after every command in every state.
"""

from __future__ import annotations

import re
from argparse import Namespace
from typing import TYPE_CHECKING

from shipkit.cli.commands import quoted
from shipkit.cli.exit_codes import Exit
from shipkit.cli.python_words import calls_as_options

if TYPE_CHECKING:
    from shipkit.purchasing.result import BatchResult

__all__ = ["after_job", "command", "for_command_line"]


def after_job(result: BatchResult, code: Exit, args: Namespace) -> str | None:
    """Return the command to type next for a job in the state of `result`, or None.

    Parameters
    ----------
    code
        The exit code that `result` leads to.
    args
        The options of the command that just ended: what it has already saved is not advised.
    """
    from shipkit.purchasing.result import next_words

    saved = [
        option
        for option in ("results", "failed", "labels", "write_back")
        if getattr(args, option, None) is not None
    ]
    words = next_words(result, to_correct=_has_rows_to_correct(result, code), saved=saved)
    return None if words is None else command(*words, args=args)


def command(*words: str, args: Namespace) -> str:
    """Return a command to type, for the same home as the one that ran."""
    home = ["--home", args.home] if getattr(args, "home", None) else []
    return quoted(["shipkit", *words, *home])


def _has_rows_to_correct(result: BatchResult, code: Exit) -> bool:
    """Whether a person can correct rows and run them again; duplicates and cancelled rows are not.

    `code` tells problem rows from rows that were left out on purpose: both are skipped.
    """
    return bool(result.failed or (result.skipped and code is Exit.SOME_FAILED))


_COMMAND_LINE_WORDS = (
    (
        re.compile(r"Pass shipper=sk\.Address\(\.\.\.\), a dict of its fields, or the name of one"),
        "Pass --shipper with a JSON or TOML file of its fields, or with the name of one",
    ),
    (re.compile(r"or pass an sk\.Address"), "or pass a file of its fields: --shipper FILE"),
    (re.compile(r"session\.describe\(\)|session\.columns"), "shipkit check FILE"),
    (re.compile(r"session\.skip\(clause\)"), "--skip SQL"),
    (re.compile(r"(session\.(?:shop|validate_addresses)\(\))"), r"in Python, \1"),
    (re.compile(r"(?:session\.)?(void_surplus|unskip)\(\)"), r"in Python, \1()"),
    (
        re.compile(r'session\.resume\(confirm_total="([^"]*)"\)'),
        r"shipkit resume JOB, which asks at a terminal for \1",
    ),
    (re.compile(r"\bpass state='CA'"), "pass --param state=CA"),
    (re.compile(r'\bcarriers=\["(\w+)", "(\w+)"\]'), r"--carrier \1 --carrier \2"),
    (re.compile(r"\bleave it out of carriers=(?=[. ]|$)"), "leave out its --carrier"),
    (re.compile(r'\bready="([^"]*)", close="([^"]*)"'), r"--ready \1 --close \2"),
    (re.compile(r"\bready= before close="), "--ready before --close"),
    (re.compile(r'\bbill_to="(\w+)"'), r"--default bill_to=\1"),
    (re.compile(r"\bor raise per_account\b"), "or raise --max-account"),
    (re.compile(r"\bor raise per_shipment\b"), "or raise --max-each"),
    (re.compile(r"map\(warehouses=\{.*?\}\),? (?:or )?a section"), "a section"),
    (
        re.compile(r'BatchSession\(\.\.\., limits=sk\.SpendLimits\(total="([^"]*)"\)\)'),
        r"--max-total \1",
    ),
    (re.compile(r"\bsheet=\[(.*?)\]"), r"--sheet once for each (\1)"),
    (re.compile(r'BatchSession\(\.\.\., on_duplicate="ship"\)'), "--on-duplicate ship"),
    (re.compile(r"session\.preview\(\)"), "shipkit preview"),
    (re.compile(r"session\.approve\(\), or run: "), ""),
    (re.compile(r"session\.approve\(\)"), "shipkit approve PREVIEW"),
    (re.compile(r"session\.problems"), "shipkit check FILE"),
    (re.compile(r"session\.template shows"), "shipkit template FILE shows"),
    (re.compile(r"session\.execute\(\)"), "shipkit run FILE"),
    (re.compile(r"session\.resume\(\)"), "shipkit resume JOB"),
    (re.compile(r"session\.results\(\)"), "shipkit show JOB --results FILE"),
    (re.compile(r"(?:session|job)\.failed_rows\(\)"), "shipkit show JOB --failed FILE"),
    (re.compile(r'\bon_duplicate="ship"'), "--on-duplicate ship"),
    (re.compile(r'\blabel_format="([^"]*)"'), r"--label-format \1"),
    (re.compile(r'\b(per|format)="([^"]*)"'), r"--\1 \2"),
    (re.compile(r'\bencoding="([^"]*)"'), r"--encoding \1"),
    (re.compile(r'\bsheet="([^"]*)"'), r'--sheet "\1"'),
    (re.compile(r"\bin_place=True"), "--in-place"),
    (
        re.compile(r"\ballow_test_numbers=True( \(in a terminal --allow-test-numbers\))?"),
        "--allow-test-numbers",
    ),
    (re.compile(r'\bweights="([^"]*)"'), r"--weights \1"),
    (re.compile(r'\bparcels="([^"]*)"'), r"--parcels \1"),
    (
        re.compile(r'\bdefaults=\{["\']([^"\']*)["\']: "?([^"},]*)"?(?:, \.\.\.)?\}'),
        r"--default \1=\2",
    ),
    (re.compile(r'\bcolumns=\{"([^"]*)": "([^"]*)"\}'), r'--column \1="\2"'),
    (re.compile(r"sk\.jobs\(\)"), "shipkit jobs"),
    (re.compile(r"job\.pickups has it"), "shipkit pickup JOB --list shows it"),
    (re.compile(r"job\.pickup\(\.\.\.\)"), "shipkit pickup JOB"),
    (re.compile(r'\bbook\(confirm_total="([^"]*)"\)'), r"--book --max-total \1"),
    (re.compile(r"\bbook\(\)"), "--look-up"),
    (re.compile(r"job\.forget_manifest\(\)"), "shipkit manifest JOB --forget"),
    (re.compile(r"(?:pickup\.)?\bforget\(\)"), "shipkit pickup JOB --forget"),
    (re.compile(r"(?:pickup\.)?\bcancel\(\)"), "shipkit pickup JOB --cancel NUMBER"),
)


def for_command_line(fix: str) -> str:
    """Return advice that was written for Python in the words of the command line.

    Examples
    --------
    >>> for_command_line('Fill in the cell, or set a default: map(defaults={"weight_lb": 2}).')
    'Fill in the cell, or set a default: --default weight_lb=2.'
    """
    fix = calls_as_options(fix)
    for python, words in _COMMAND_LINE_WORDS:
        fix = python.sub(words, fix)
    return fix
