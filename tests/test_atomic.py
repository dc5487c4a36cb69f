"""Atomic file writes."""

import contextlib
import errno
import json
import os
import time

import pytest
import torch
from safetensors.torch import load_file, save_file

from dlpipe.atomic import DAY, atomic_write, check_space, create_exclusive, link_or_copy, remove_leftovers
from dlpipe.runs.directory import write_json


def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with contextlib.suppress(RuntimeError), atomic_write(path) as temporary_path:
        temporary_path.write_text("half of the n")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_replaces_the_old_one_in_one_step(tmp_path):
    path = tmp_path / "folder" / "file"
    with atomic_write(path) as temporary_path:
        temporary_path.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_files_get_the_permissions_that_the_umask_leaves(tmp_path):
    old = os.umask(0o022)
    try:
        write_json(tmp_path / "a.json", {})
    finally:
        os.umask(old)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o077], ids=oct)
def test_a_file_that_its_writer_closes_to_others_gets_them_too(tmp_path, mask):
    old = os.umask(mask)
    try:
        (tmp_path / "plain").touch()
        with atomic_write(tmp_path / "a.safetensors") as temporary_path:
            save_file({"a": torch.zeros(1)}, temporary_path)
    finally:
        os.umask(old)
    assert (tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_is_written_where_its_mode_cannot_be_changed(tmp_path, monkeypatch):
    def chmod(*arguments, **options):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", chmod)
    with atomic_write(tmp_path / "a.safetensors") as temporary_path:
        save_file({"a": torch.ones(1)}, temporary_path)
    assert load_file(tmp_path / "a.safetensors")["a"] == 1


def test_space_is_checked_without_leaving_anything(tmp_path):
    check_space(tmp_path, 1000)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        check_space(tmp_path / "missing", 1)


def test_nan_and_infinity_are_written_as_null(tmp_path):
    write_json(tmp_path / "a.json", {"a": float("nan"), "b": [float("inf"), 1.5]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": None, "b": [None, 1.5]}


def test_a_hard_link_keeps_the_old_content(tmp_path):
    path, other = tmp_path / "last", tmp_path / "previous"
    for content in ("1", "2", "3"):
        if path.exists():
            link_or_copy(path, other)
        with atomic_write(path) as temporary_path:
            temporary_path.write_text(content)
    assert (path.read_text(), other.read_text()) == ("3", "2")
    link_or_copy(path, other)
    link_or_copy(path, other)  # as after a kill before the first was replaced
    with atomic_write(path) as temporary_path:
        temporary_path.write_text("4")
    assert (path.read_text(), other.read_text()) == ("4", "3")
    assert sorted(tmp_path.iterdir()) == [path, other]


def test_a_copy_is_made_if_the_file_system_has_no_hard_links(tmp_path, monkeypatch):
    def refused(*paths):
        raise OSError

    monkeypatch.setattr(os, "link", refused)
    path, other = tmp_path / "last", tmp_path / "previous"
    path.write_text("1")
    link_or_copy(path, other)
    path.write_text("2")
    assert other.read_text() == "1"
    create_exclusive(tmp_path / "new", "text")
    assert (tmp_path / "new").read_text() == "text"


@pytest.mark.parametrize("last_to_end", ["first", "second"])
def test_two_writers_with_the_same_process_id_both_succeed(tmp_path, monkeypatch, last_to_end):
    monkeypatch.setattr(os, "getpid", lambda: 1)  # as in two containers
    path, contents = tmp_path / "file", {"first": "1" * 9, "second": "2" * 7}
    with contextlib.ExitStack() as outer, contextlib.ExitStack() as inner:
        for name, content in contents.items():
            temporary_path = (outer if name == last_to_end else inner).enter_context(atomic_write(path))
            temporary_path.write_text(content)
        inner.close()
        assert path.read_text() == next(content for name, content in contents.items() if name != last_to_end)
    assert path.read_text() == contents[last_to_end]
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_writes_nothing_fails_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), atomic_write(path):
        pass
    assert path.read_text() == "old"


@pytest.fixture
def synced(monkeypatch):
    """The paths that were flushed to disk, in order."""
    paths, real = [], os.fsync

    def fsync(descriptor):
        paths.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return paths


def test_the_content_is_flushed_before_the_rename_and_the_folder_before_the_return(tmp_path, synced):
    with atomic_write(tmp_path / "file") as temporary_path:
        temporary_path.write_text("new")
    assert synced == [str(temporary_path), str(tmp_path)]
    synced.clear()
    create_exclusive(tmp_path / "other", "text")
    content, folder = synced
    assert content.startswith(f"{tmp_path}/.other.")
    assert folder == str(tmp_path)


def test_temporary_files_are_deleted_at_any_depth_and_nothing_else(tmp_path):
    (tmp_path / "checkpoints" / "pretrain" / "0").mkdir(parents=True)
    left = [tmp_path / ".a.json.12.tmp", tmp_path / "checkpoints" / "pretrain" / "0" / ".last.ckpt.7.tmp"]
    others = [tmp_path / "a.tmp", tmp_path / ".own.tmp", tmp_path / ".a.x.tmp"]
    for path in left + others:
        path.write_text("")
    remove_leftovers(tmp_path.rglob("*"))
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in others)


def test_a_temporary_file_is_deleted_only_a_day_after_the_last_write(tmp_path):
    with atomic_write(tmp_path / "file") as temporary_path:
        temporary_path.write_text("half")
        remove_leftovers(tmp_path.iterdir(), older_than=DAY)
        assert temporary_path.exists()  # it is being written
        os.utime(temporary_path, (time.time() - DAY - 60,) * 2)
        remove_leftovers(tmp_path.iterdir(), older_than=DAY)
        assert not temporary_path.exists()
        temporary_path.write_text("whole")
    assert (tmp_path / "file").read_text() == "whole"
