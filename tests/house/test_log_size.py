"""A log that has grown too large begins anew, and its writer goes on in it."""

from __future__ import annotations

import pathlib
import shutil

import pytest

from pilothouse.house.log_size import bound


def test_a_large_log_begins_anew(tmp_path: pathlib.Path) -> None:
    log = tmp_path / "node-1.log"
    assert not bound(log)
    with open(log, "ab", buffering=0) as writer:
        writer.write(b"old\n" * 30)
        assert not bound(log, 120)
        assert bound(log, 100)
        writer.write(b"new\n")
        assert log.read_bytes() == b"new\n"
        assert (tmp_path / "node-1.log.1").read_bytes() == b"old\n" * 30
        writer.write(b"newer\n" * 30)
        assert bound(log, 100)
    assert log.read_bytes() == b""
    assert (tmp_path / "node-1.log.1").read_bytes() == b"new\n" + b"newer\n" * 30


def test_on_a_full_disk_the_old_log_goes(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: pathlib.Path, target: pathlib.Path) -> None:
        target.write_bytes(b"a part")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    log = tmp_path / "node-1.log"
    log.write_bytes(b"old\n" * 30)
    assert bound(log, 100)
    assert [path.name for path in tmp_path.iterdir()] == ["node-1.log"]
    assert log.read_bytes() == b""
