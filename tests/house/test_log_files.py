"""Logs as lines: their ends, what is young enough, and what is written while somebody reads."""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Iterator

import pytest

from pilothouse.house import log_files
from pilothouse.house.log_files import lines_of, moment_of
from pilothouse.seams.house import LogRequest
from pilothouse.testing.clock import EPOCH, VirtualClock

OLD, NEW = "2025-12-31T23:00:00.000Z INFO a: old", "2025-12-31T23:59:30.000Z INFO a: new"


def read(files: list[tuple[str, pathlib.Path]], request: LogRequest) -> Iterator[str]:
    return lines_of(files, request, VirtualClock())


@pytest.mark.parametrize(
    ("line", "moment"),
    [
        ("2026-01-01T00:00:00.000Z INFO a: b", EPOCH),
        ("\x1b[33m2026-01-01T00:00:01.500Z WARNING a: b\x1b[0m", EPOCH + 1.5),
        ('{"ts":"2026-01-01T00:00:00.000Z","msg":"b"}', EPOCH),
        ('{"msg":"b"}', None),
        ("{not json", None),
        ("[1]", None),
        ("Traceback (most recent call last):", None),
        ("2026-99-01T00:00:00.000Z INFO a: b", None),
        ("", None),
    ],
)
def test_lines_say_when_they_were_written(line: str, moment: float | None) -> None:
    assert moment_of(line) == moment


def test_the_end_of_each_log_and_what_is_young_enough(tmp_path: pathlib.Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text(f"{OLD}\n    a traceback\n{NEW}\n    its end\n")
    two.write_text(f"{OLD}\n")
    files = [("one: ", one), ("two: ", two), ("three: ", tmp_path / "three")]
    assert list(read(files, LogRequest())) == [
        f"one: {OLD}", "one:     a traceback", f"one: {NEW}", "one:     its end", f"two: {OLD}",
    ]  # fmt: skip
    assert list(read(files, LogRequest(tail=1))) == ["one:     its end", f"two: {OLD}"]
    assert list(read(files, LogRequest(tail=0))) == []
    assert list(read(files, LogRequest(since=60))) == [f"one: {NEW}", "one:     its end"]
    assert list(read(files, LogRequest(since=60, tail=1))) == ["one:     its end"]


def test_following_goes_on_with_whole_lines_and_with_a_new_file(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    log.write_text("first\nsecond\n")
    writes = iter(["thi", "rd\nfourth\n", None, "again\n"])

    def write(seconds: float) -> None:
        text = next(writes)
        if text is None:
            log.write_text("")
        else:
            with open(log, "a") as file:
                file.write(text)

    monkeypatch.setattr(log_files, "pause", write)
    found = read([("", log)], LogRequest(follow=True, tail=1))
    assert list(itertools.islice(found, 4)) == ["second", "third", "fourth", "again"]
