"""Reading a container's log: lines, tails, rotation, following to the end."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.kubelet.server import log_lines
from pilothouse.kubelet.server.log_lines import LogOptions, Printer
from pilothouse.kubelet.server.logs import read_log, tail_start
from pilothouse.testing.clock import VirtualClock


def line(text: str, flag: str = "F", stream: str = "stdout") -> bytes:
    return f"2026-01-01T00:00:00.000000001Z {stream} {flag} {text}\n".encode()


@pytest.mark.parametrize(
    ("time", "fixed", "nanoseconds"),
    [
        (b"2026-01-01T00:00:00Z", b"2026-01-01T00:00:00.000000000Z", 1767225600 * 10**9),
        (b"2026-01-01T00:00:00.5Z", b"2026-01-01T00:00:00.500000000Z", 1767225600 * 10**9 + 5 * 10**8),
        (b"2026-01-01T02:00:00.123456789+02:00", b"2026-01-01T02:00:00.123456789+02:00", 1767225600123456789),
        (b"nonsense", None, None),
    ],
)
def test_times(time: bytes, fixed: bytes | None, nanoseconds: int | None) -> None:
    assert log_lines.nanoseconds(time) == nanoseconds
    if fixed is not None:
        assert log_lines.fixed(time) == fixed


@given(st.lists(st.binary(min_size=1, max_size=40)), st.integers(1, 30))
def test_any_bytes_in_any_pieces(junk: list[bytes], size: int) -> None:
    data = b"".join(junk) + b"\n" + line("good")
    printer = Printer(LogOptions())
    shown = b"".join(printer.feed(data[i : i + size]) for i in range(0, len(data), size))
    assert shown.endswith(b"good\n")


def test_parts_of_a_line_are_joined_and_stamped_once() -> None:
    printer = Printer(LogOptions(timestamps=True))
    shown = printer.feed(line("a", "P") + line("b", "P") + line("c") + line("d"))
    stamp = b"2026-01-01T00:00:00.000000001Z "
    assert shown == stamp + b"abc\n" + stamp + b"d\n"


def test_one_stream_of_two() -> None:
    assert Printer(LogOptions(stream="stderr")).feed(line("a") + line("b", stream="stderr")) == b"b\n"


@given(st.lists(st.integers(0, 50_000), max_size=12), st.integers(0, 14))
def test_the_tail_begins_at_the_right_line(lengths: list[int], wanted: int) -> None:
    lines = [b"x" * length + b"\n" for length in lengths]
    data = b"".join(lines)
    start = tail_start(io.BytesIO(data), wanted)
    assert data[start:] == b"".join(lines[len(lines) - min(wanted, len(lines)) :])


async def test_following_over_a_rotation_to_the_containers_end(tmp_path: Path, clock: VirtualClock) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(line("one"))
    script = iter(
        [
            lambda: path.write_bytes(path.read_bytes() + line("two")),
            lambda: (path.rename(tmp_path / "old"), path.write_bytes(line("three"))),
            lambda: None,
        ]
    )

    async def alive() -> bool:
        step = next(script, None)
        if step is None:
            with path.open("ab") as file:
                file.write(line("last words"))
            return False
        step()
        return True

    got = [piece async for piece in read_log(path, LogOptions(follow=True), alive, clock)]
    assert b"".join(got) == b"one\ntwo\nthree\nlast words\n"


async def test_a_log_that_is_not_there_yet(tmp_path: Path, clock: VirtualClock) -> None:
    async def alive() -> bool:
        return False

    assert [p async for p in read_log(tmp_path / "x", LogOptions(), alive, clock)] == []
