"""The page that shows a session at a terminal shows what happens there."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("pexpect", reason="a pseudo-terminal needs pexpect")
_spec = importlib.util.spec_from_file_location(
    "recording", Path(__file__).with_name("recording.py")
)
recording = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(recording)


def test_the_recorded_session_happens_again_line_by_line(tmp_path):
    page = recording.recorded(recording.PAGE.read_text(encoding="utf-8"))
    with recording.workplace(tmp_path) as folder:
        for name, screen in recording.play(folder):
            assert recording.lines_of(screen) == recording.lines_of(page.pop(name)), name
    assert page == {}, "scenes on the page that are not played"


def test_a_recording_names_no_place_on_the_machine_it_was_made_on():
    text = recording.PAGE.read_text(encoding="utf-8")
    assert [word for word in ("/tmp", "/root", "/work", "/usr") if word in text] == []
    assert recording.HOME in text
