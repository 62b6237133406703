"""What commands do in a simulated container, and how long it runs by them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.runtime.simulated import commands, script
from pilothouse.runtime.simulated.commands import Course
from pilothouse.runtime.simulated.runtime import SimulatedRuntime
from pilothouse.seams.runtime import ContainerConfig, ContainerState, SandboxConfig
from pilothouse.testing.clock import VirtualClock

INSIDE = commands.Inside("web-0", {"GREETING": "hi", "NAME": "there"}, lambda: 86400.0 * 365)


@pytest.mark.parametrize(
    ("text", "out", "code"),
    [
        ("echo one; echo two", "one\ntwo\n", 0),
        ("echo $GREETING ${NAME}; hostname", "hi there\nweb-0\n", 0),
        ("echo '${GREETING}, you'", "hi, you\n", 0),
        ("true && echo yes || echo no", "yes\n", 0),
        ("false && echo yes || echo no", "no\n", 0),
        ("echo a; exit 3; echo b", "a\n", 3),
        ("false; exit", "", 1),
        ("echo kept; echo lost > /tmp/file; echo lost too 2>&1 >>/tmp/file", "kept\n", 0),
        ("echo -n a; echo -e 'b\\tc'", "ab\tc\n", 0),
        ("date", "Fri Jan  1 00:00:00 UTC 1971\n", 0),
        ("nothing-of-the-kind", "", 127),
        ("echo 'no end", "", 2),
    ],
)
def test_scripts(text: str, out: str, code: int) -> None:
    found = commands.run(["sh", "-c", text], INSIDE)
    assert (found.stdout.decode(), found.exit_code) == (out, code)


@pytest.mark.parametrize(
    ("command", "course"),
    [
        (["sleep", "30"], Course(30.0, "", 0)),
        (["/bin/sleep", "1m", "0.5"], Course(60.5, "", 0)),
        (["false"], Course(0.0, "", 1)),
        (["/bin/echo", "hi"], Course(0.0, "hi\n", 0)),
        (["sh", "-c", "date; echo Hello"], Course(0.0, "Fri Jan  1 00:00:00 UTC 1971\nHello\n", 0)),
        (["/bin/sh", "-c", "echo a; sleep 2 && exit 7; echo b"], Course(2.0, "a\n", 7)),
        (["sh", "-c", "false || sleep 1"], Course(1.0, "", 0)),
        (["sh", "-c", "exit 257"], Course(0.0, "", 1)),
    ],
)
def test_a_command_that_ends_is_foreseen(command: list[str], course: Course) -> None:
    assert commands.foresee(command, INSIDE) == course


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["/app/server", "--port", "80"],
        ["nginx"],
        ["sh"],
        ["cat"],
        ["sleep", "infinity"],
        ["sh", "-c", "while true; do echo as fast as it can; done"],
        ["sh", "-c", "while test -e /there; do sleep 1; done"],
        ["sh", "-c", "while true; do /app/server; sleep 1; done"],
        ["sh", "-c", "while true; do sleep 1; exit 1; done"],
        ["sh", "-c", "while true; do sleep 1; done; echo and more"],
        ["sh", "-c", "echo starting; exec /app/server"],
        ["sh", "-c", "echo a | grep b"],
        ["sh", "-c", "sleep 1 & wait"],
        ["sh", "-c", "echo 'no end"],
    ],
)
def test_what_is_not_known_to_end_goes_on(command: list[str]) -> None:
    assert commands.foresee(command, INSIDE) is None
    assert script.behaviour("c", command, {}, INSIDE, short=False).exit_after is None


def test_annotations_win_over_the_command() -> None:
    told = {"pilothouse.io/simulate-exit-after": "5", "pilothouse.io/simulate-exit-code.c": "4"}
    found = script.behaviour("c", ["sh", "-c", "echo hi; exit 1"], told, INSIDE, short=False)
    assert (found.exit_after, found.exit_code, found.reason, found.log) == (5.0, 4, "Error", "hi\n")


@pytest.mark.parametrize(
    ("command", "after", "code"), [(["/app/migrate"], 0.0, 0), (["sh", "-c", "sleep 3; exit 2"], 3.0, 2)]
)
def test_init_containers_end_by_themselves(command: list[str], after: float, code: int) -> None:
    found = script.behaviour("c", command, {}, INSIDE, short=True)
    assert (found.exit_after, found.exit_code) == (after, code)


async def test_a_loop_writes_into_its_log_lap_by_lap(clock: VirtualClock, tmp_path: Path) -> None:
    text = "echo begin; sleep 1; while true; do date; echo polo; sleep 2; done"
    async with TaskScope("machine") as scope:
        runtime = SimulatedRuntime(clock, Chance(1), scope)
        await runtime.set_pod_cidr("10.1.0.0/24")
        sandbox = SandboxConfig("web", "default", "u", 0, "web", str(tmp_path))
        config = ContainerConfig(name="c", attempt=0, image="x", command=("sh", "-c", text), log_path="c.log")
        identity = await runtime.create_container(await runtime.run_sandbox(sandbox), config, sandbox)
        await runtime.start_container(identity)
        await clock.sleep(5.5)
        assert (await runtime.container(identity)).state is ContainerState.RUNNING
        await runtime.stop_container(identity, 1)
        await clock.sleep(10)
    words = [line.split(" ", 3)[3] for line in (tmp_path / "c.log").read_text().splitlines()]
    assert words[0] == "begin"
    assert words[2::2] == ["polo"] * 3
    assert len(set(words[1::2])) == 3, "every lap has its own date"
