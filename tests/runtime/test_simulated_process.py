"""Which simulated commands take input, and what they write to it."""

from __future__ import annotations

import pytest

from pilothouse.runtime.simulated.commands import Inside
from pilothouse.runtime.simulated.process import Output, start
from pilothouse.runtime.simulated.streams import SimulatedSession

INSIDE = Inside("web-0", {}, lambda: 0.0)


@pytest.mark.parametrize(
    ("command", "given", "written"),
    [
        (["cat"], [b"a", b"b"], [b"a", b"b", b""]),
        (["sh"], [b"echo o", b"ne\necho two\n", b"hostname"], [b"", b"one\ntwo\n", b"", b"web-0\n"]),
        (["/bin/sh", "-c", "cat; echo end"], [b"a", b"b"], [b"", b"", b"abend\n"]),
    ],
)
def test_input_is_answered_as_it_comes(command: list[str], given: list[bytes], written: list[bytes]) -> None:
    process = start(command, INSIDE)
    assert not isinstance(process, Output)
    assert [*(process.take(data).stdout for data in given), process.end().stdout] == written


def test_a_shell_ends_with_its_last_commands_code() -> None:
    shell = start(["sh"], INSIDE)
    assert not isinstance(shell, Output)
    assert shell.take(b"false\n").exit_code is None
    assert shell.end().exit_code == 1
    again = start(["sh"], INSIDE)
    assert not isinstance(again, Output)
    assert again.take(b"echo a; exit\nexit 4\necho b\n") == Output(b"a\n", b"", 4)


@pytest.mark.parametrize("command", [["echo", "hi"], ["sh", "-c", "echo hi"], []])
def test_who_reads_nothing_waits_for_nothing(command: list[str]) -> None:
    ended = start(command, INSIDE)
    assert isinstance(ended, Output)
    assert ended.exit_code == 0


async def test_a_terminal_shows_what_is_typed_and_ends_at_control_d() -> None:
    session = SimulatedSession(["sh"], INSIDE, stdin=True, tty=True)
    assert session.stdin
    await session.stdin.write(b"echo a\r")
    assert await session.stdout.read() == b"echo a\r\n"
    assert await session.stdout.read() == b"a\r\n"
    await session.stdin.write(b"\x04")
    assert (await session.wait()).code == 0
