"""Whole files: all or nothing, private where asked, links and devices as a person expects."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading

import pytest

from shipkit.common.files import Disk, make_private, one_file, whole_file, write_file


def names(folder):
    return [path.name for path in folder.iterdir()]


@pytest.fixture
def operations(monkeypatch):
    """The syncs and renames of the test, in order."""
    seen = []
    for name in ("sync", "rename", "sync_folder"):
        done = getattr(Disk, name)

        def noting(self, path, *more, name=name, done=done):
            seen.append((name, *(p.name for p in (path, *more))))
            done(self, path, *more)

        monkeypatch.setattr(Disk, name, noting)
    return seen


@pytest.mark.parametrize(
    "content", ["señor\r\n", "señor\r\n".encode(), lambda to: to.write_bytes("señor\r\n".encode())]
)
def test_text_bytes_and_writers_become_the_whole_file(tmp_path, content):
    write_file(tmp_path / "a.txt", content)
    assert (tmp_path / "a.txt").read_bytes() == "señor\r\n".encode()
    assert names(tmp_path) == ["a.txt"]


def test_the_content_is_synced_before_the_rename_and_the_folder_after_it(tmp_path, operations):
    write_file(tmp_path / "a.txt", "x")
    (_, temporary), *rest = operations
    assert operations[0][0] == "sync"
    assert temporary.endswith(".txt")
    assert rest == [("rename", temporary, "a.txt"), ("sync_folder", tmp_path.name)]


def test_a_whole_file_is_durable_unless_told_otherwise(tmp_path, operations):
    with whole_file(tmp_path / "a.txt") as temporary:
        temporary.write_text("x")
    assert [name for name, *_ in operations] == ["sync", "rename", "sync_folder"]


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot sync a folder")
def test_content_and_folders_are_synced_by_the_system_and_a_patch_is_not(tmp_path, monkeypatch):
    """A sync that does nothing looks the same to every other test: only a power cut tells."""
    synced, fsync = [], os.fsync

    def noting(fd):
        synced.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")
        fsync(fd)

    monkeypatch.setattr(os, "fsync", noting)
    disk, path = Disk(), tmp_path / "a"
    for work, expected in [
        (lambda: disk.write(path, b"12345"), ["file"]),
        (lambda: disk.sync(path), ["file"]),
        (lambda: disk.sync_folder(tmp_path), ["folder"]),
        (lambda: disk.patch(path, 1, b"x"), []),
        (lambda: disk.publish(tmp_path, "b", b"1"), ["file", "folder"]),
    ]:
        synced.clear()
        work()
        assert synced == expected


def test_a_file_that_can_be_written_again_saves_the_sync_of_the_folder_only(tmp_path, operations):
    write_file(tmp_path / "a.txt", "x", durable=False)
    assert [name for name, *_ in operations] == ["sync", "rename"]


def test_a_writer_that_fails_leaves_the_old_file_and_no_temporary_one(tmp_path):
    (tmp_path / "a.txt").write_text("old")

    def fail(to):
        to.write_text("half")
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        write_file(tmp_path / "a.txt", fail)
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with whole_file(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
        assert (tmp_path / "a.txt").read_text() == "old"
    assert (tmp_path / "a.txt").read_text() == "new"


def test_a_private_file_is_its_owners_even_where_the_old_one_was_not(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    (tmp_path / "a.txt").chmod(0o644)
    with whole_file(tmp_path / "a.txt", private=True) as temporary:
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_a_file_that_is_replaced_keeps_its_mode_and_is_never_shown_wider(tmp_path, mode):
    (tmp_path / "a.txt").write_text("old")
    (tmp_path / "a.txt").chmod(mode)
    with whole_file(tmp_path / "a.txt") as temporary:
        assert stat.S_IMODE(temporary.stat().st_mode) & 0o077 & ~mode == 0
        temporary.write_text("new")
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == mode


def test_a_new_file_has_the_usual_mode(tmp_path):
    mask = os.umask(0o027)
    try:
        write_file(tmp_path / "a.txt", "x")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_a_link_stays_a_link_to_the_new_content(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real" / "a.txt")
    write_file(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real" / "a.txt").read_text() == "new"


def test_standard_output_and_pipes_can_be_written_to(tmp_path):
    code = "from shipkit.common.files import *; from pathlib import Path; "
    code += "write_file(Path('/dev/stdout'), 'hello\\n')"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    piped = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, env=environment
    )
    assert piped.stdout == b"hello\n"
    with (tmp_path / "out.txt").open("wb") as out:
        subprocess.run([sys.executable, "-c", code], check=True, stdout=out, env=environment)
    assert (tmp_path / "out.txt").read_bytes() == b"hello\n"
    assert names(tmp_path) == ["out.txt"]


def test_a_pipe_that_no_program_reads_is_refused_at_once(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs named pipes")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="a pipe that no program reads"):
        write_file(tmp_path / "pipe", "text")


def test_a_pipe_that_cannot_be_opened_is_not_written_to(tmp_path, monkeypatch):
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs named pipes")
    os.mkfifo(tmp_path / "pipe")

    def full(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(OSError, match="Too many open files"):
        write_file(tmp_path / "pipe", "text")


def test_names_that_differ_by_case_are_one_file_only_where_none_of_them_exists(tmp_path):
    one, other = tmp_path / "Orders.csv", tmp_path / "orders.csv"
    assert one_file(one, other), "many disks would make one file of them"
    assert not one_file(one, tmp_path / "others.csv")
    one.touch()
    if other.exists():
        pytest.skip("this disk ignores case")
    assert not one_file(one, other)
    assert not one_file(other, one)
    assert one_file(one, tmp_path / "x" / ".." / "Orders.csv")


def test_a_long_name_has_a_temporary_name_that_fits(tmp_path):
    name = "x" * 251 + ".txt"
    write_file(tmp_path / name, "x")
    assert names(tmp_path) == [name]


def test_a_folder_is_not_replaced_by_a_file(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError):
        write_file(tmp_path / "a", "x")
    assert (tmp_path / "a").is_dir()
    assert names(tmp_path) == ["a"]


def test_many_writers_of_one_file_leave_one_of_their_texts(tmp_path):
    texts = [str(n) * 50_000 for n in range(8)]
    threads = [
        threading.Thread(target=write_file, args=(tmp_path / "a.txt", text)) for text in texts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a.txt").read_text() in texts
    assert names(tmp_path) == ["a.txt"]


def test_private_folders_have_private_parents(tmp_path):
    make_private(tmp_path / "a" / "b")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_a_write_that_takes_a_part_goes_on_with_the_rest(tmp_path, monkeypatch):
    whole = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: whole(fd, bytes(data)[:3]))
    Disk().write(tmp_path / "a", b"0123456789")
    Disk().patch(tmp_path / "a", 2, b"abcde")
    assert (tmp_path / "a").read_bytes() == b"01abcde789"
