"""Simulated containers: how they run, write, are looked into, and end."""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.runtime.simulated import script
from pilothouse.runtime.simulated.runtime import SimulatedRuntime
from pilothouse.runtime.simulated.script import Behaviour
from pilothouse.runtime.simulated.world import KIND_ANNOTATION
from pilothouse.seams.runtime import (
    Container,
    ContainerConfig,
    ContainerState,
    DeadlineExceeded,
    PullFailure,
    SandboxConfig,
)
from pilothouse.seams.streams import Session
from pilothouse.testing.clock import VirtualClock

PREFIX = "pilothouse.io/simulate-"


@dataclass
class Machine:
    """One sandbox, containers by their ids."""

    runtime: SimulatedRuntime
    clock: VirtualClock
    logs: Path
    sandbox: SandboxConfig
    sandbox_id: str = ""
    number: int = field(default=0)

    async def start(
        self, *command: str, stdin: bool = False, init: bool = False, stop_signal: str = "", **annotations: str
    ) -> str:
        """The id of a started container; annotations are those of its pod, by what they simulate."""
        self.number += 1
        said = {PREFIX + name.replace("_", "-"): value for name, value in annotations.items()}
        config = ContainerConfig(
            name="c",
            attempt=0,
            image="x",
            command=command,
            log_path=f"{self.number}.log",
            environment=(("GREETING", "hi"),),
            annotations={KIND_ANNOTATION: "init"} if init else {},
            stdin=stdin,
            stdin_once=stdin,
            stop_signal=stop_signal,
        )
        sandbox = SandboxConfig("web", "default", "u", 0, "web", str(self.logs), annotations=said)
        identity = await self.runtime.create_container(self.sandbox_id, config, sandbox)
        await self.runtime.start_container(identity)
        await self.clock.sleep(0)
        return identity

    async def shown(self, identity: str) -> Container:
        return await self.runtime.container(identity)

    async def end(self, identity: str) -> tuple[int, str]:
        found = await self.shown(identity)
        assert found.state is ContainerState.EXITED
        return found.exit_code, found.reason

    def log(self) -> list[str]:
        """What the last container wrote."""
        return [line.split(" ", 3)[3] for line in (self.logs / f"{self.number}.log").read_text().splitlines()]


@pytest_asyncio.fixture
async def machine(clock: VirtualClock, tmp_path: Path) -> AsyncIterator[Machine]:
    async with TaskScope("machine") as scope:
        runtime = SimulatedRuntime(clock, Chance(1), scope)
        await runtime.set_pod_cidr("10.1.0.0/24")
        sandbox = SandboxConfig("web", "default", "u", 0, "web", str(tmp_path))
        yield Machine(runtime, clock, tmp_path, sandbox, await runtime.run_sandbox(sandbox))


@pytest.mark.parametrize(
    ("command", "seconds", "end"),
    [
        (("sleep", "30"), 30, (0, "Completed")),
        (("false",), 0, (1, "Error")),
        (("sh", "-c", "echo a; sleep 2 && exit 7; echo b"), 2, (7, "Error")),
        (("sh", "-c", "echo a; exec false"), 0, (1, "Error")),
        (("sh",), 0, (0, "Completed")),
        (("cat",), 0, (0, "Completed")),
    ],
)
async def test_a_command_that_ends(
    machine: Machine, command: tuple[str, ...], seconds: float, end: tuple[int, str]
) -> None:
    identity = await machine.start(*command)
    if seconds:
        await machine.clock.sleep(seconds - 0.1)
        assert (await machine.shown(identity)).state is ContainerState.RUNNING
    await machine.clock.sleep(0.2)
    assert await machine.end(identity) == end


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("/app/server", "--port", "80"),
        ("nginx",),
        ("sleep", "infinity"),
        ("tail", "-f", "/dev/null"),
        ("sh", "-c", "while true; do echo as fast as it can; done"),
        ("sh", "-c", "while test ! -e /there; do sleep 1; done"),
        ("sh", "-c", "while true; do /app/server; sleep 1; done"),
        ("sh", "-c", "echo starting; exec /app/server"),
        ("sh", "-c", "sleep 100000 & wait"),
    ],
)
async def test_what_does_not_end_runs_until_it_is_stopped(machine: Machine, command: tuple[str, ...]) -> None:
    identity = await machine.start(*command)
    await machine.clock.sleep(100)
    assert (await machine.shown(identity)).state is ContainerState.RUNNING
    before = machine.clock.monotonic()
    await machine.runtime.stop_container(identity, 30)
    assert (await machine.end(identity), machine.clock.monotonic()) == ((143, "Error"), before)


@pytest.mark.parametrize(
    ("text", "seconds", "code"),
    [
        ("trap 'exit 0' TERM; while true; do sleep 1; done", 0.5, 0),
        ("trap 'echo bye; sleep 3; exit 5' TERM; while true; do sleep 1; done", 3.5, 5),
        ("trap 'exit 3' TERM; sleep 1000 & wait", 0.0, 3),
        ("trap 'exit 3' 15; sleep 1000 & wait $!", 0.0, 3),
        ("trap 'kill $P; exit 4' TERM; sleep 1000 & P=$!; wait $P", 0.0, 4),
        ("trap '' TERM; sleep 1000", 10.0, 137),
        ("trap 'exit 0' TERM; sleep 1000", 10.0, 137),
        ("trap 'exit 0' TERM; /app/server", 10.0, 137),
        ("trap 'exit 0' TERM; exec /app/server", 0.0, 143),
        ("trap 'exit 0' INT; sleep 1000", 0.0, 143),
    ],
)
async def test_traps_decide_how_a_stop_goes(machine: Machine, text: str, seconds: float, code: int) -> None:
    identity = await machine.start("sh", "-c", text)
    await machine.clock.sleep(20.5)
    before = machine.clock.monotonic()
    await machine.runtime.stop_container(identity, 10)
    assert machine.clock.monotonic() - before == pytest.approx(seconds)
    assert (await machine.end(identity))[0] == code


async def test_the_stop_signal_is_the_containers(machine: Machine) -> None:
    identity = await machine.start("sh", "-c", "trap 'exit 9' USR1; sleep 999 & wait", stop_signal="SIGUSR1")
    await machine.runtime.stop_container(identity, 10)
    assert await machine.end(identity) == (9, "Error")


async def test_a_stop_without_grace_kills(machine: Machine) -> None:
    identity = await machine.start("sh", "-c", "trap 'sleep 1; exit 0' TERM; while true; do sleep 1; done")
    await machine.runtime.stop_container(identity, 0)
    assert await machine.end(identity) == (137, "Error")


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, Behaviour()),
        ({"exit-after": "5", "exit-code.c": "4", "exit-code.d": "9"}, Behaviour(5.0, 4)),
        ({"oom": "true"}, Behaviour(0.0, 137, oom=True)),
        ({"exit-after": "soon", "exit-code": "nan"}, Behaviour()),
        ({"exit-after.c": "inf", "log": "text"}, Behaviour(log="text")),
    ],
)
def test_annotations(annotations: dict[str, str], expected: Behaviour) -> None:
    assert script.behaviour("c", {PREFIX + name: value for name, value in annotations.items()}) == expected


async def test_annotations_win_over_the_command(machine: Machine) -> None:
    identity = await machine.start("sh", "-c", "echo hi; exit 1", exit_after="5", exit_code="4")
    await machine.clock.sleep(4.9)
    assert (await machine.shown(identity)).state is ContainerState.RUNNING
    await machine.clock.sleep(0.2)
    assert (await machine.end(identity), machine.log()) == ((4, "Error"), ["hi"])
    cut_short = await machine.start("sleep", "100", exit_after="5", log="one\ntwo")
    await machine.clock.sleep(5.1)
    assert (await machine.end(cut_short), machine.log()) == ((0, "Completed"), ["one", "two"])
    graceful = await machine.start("/app/server", exit_code="0")
    await machine.runtime.stop_container(graceful, 5)
    assert await machine.end(graceful) == (0, "Completed")


@pytest.mark.parametrize(
    ("command", "seconds", "code"),
    [
        (("/app/migrate",), 0, 0),
        (("sh", "-c", "sleep 3; exit 2"), 3, 2),
        (("sh", "-c", "until nslookup db; do sleep 2; done"), 0, 0),
    ],
)
async def test_init_containers_end_by_themselves(
    machine: Machine, command: tuple[str, ...], seconds: float, code: int
) -> None:
    identity = await machine.start(*command, init=True)
    await machine.clock.sleep(seconds + 0.1)
    assert (await machine.end(identity))[0] == code


async def test_a_loop_writes_into_its_log_lap_by_lap(machine: Machine) -> None:
    identity = await machine.start("sh", "-c", "echo begin; sleep 1; while true; do date; echo polo >&2; sleep 2; done")
    await machine.clock.sleep(5.5)
    await machine.runtime.stop_container(identity, 1)
    await machine.clock.sleep(10)
    words = machine.log()
    assert words[0] == "begin"
    assert words[2::2] == ["polo"] * 3
    assert len(set(words[1::2])) == 3, "every lap has its own date"


async def test_commands_see_what_the_container_did(machine: Machine) -> None:
    """The liveness probe of every tutorial."""
    identity = await machine.start("sh", "-c", "touch /tmp/healthy; sleep 30; rm -f /tmp/healthy; sleep 600")
    probe = ["cat", "/tmp/healthy"]
    assert (await machine.runtime.exec_sync(identity, probe, 1)).exit_code == 0
    await machine.clock.sleep(31)
    result = await machine.runtime.exec_sync(identity, probe, 1)
    assert (result.exit_code, result.stderr) == (1, b"cat: can't open '/tmp/healthy': No such file or directory\n")


async def test_a_command_that_takes_too_long(machine: Machine) -> None:
    identity = await machine.start("/app/server")
    before = machine.clock.monotonic()
    with pytest.raises(DeadlineExceeded):
        await machine.runtime.exec_sync(identity, ["sleep", "10"], 2)
    assert machine.clock.monotonic() - before == pytest.approx(2)


async def test_a_command_ends_with_its_container(machine: Machine) -> None:
    identity = await machine.start("/app/server")
    session = await machine.runtime.exec(identity, ["sleep", "100"], stdin=False, tty=False)
    await machine.runtime.stop_container(identity, 1)
    assert (await session.wait()).code == 137
    again = await machine.start("/app/server")
    assert (await machine.runtime.exec_sync(again, ["sh", "-c", "kill 1; sleep 1"], 5)).exit_code == 137
    assert await machine.end(again) == (143, "Error")


async def read_until(session: Session, end: bytes) -> bytes:
    data = b""
    async with asyncio.timeout(5):
        while not data.endswith(end):
            data += await session.stdout.read()
    return data


async def test_a_shell_answers_line_by_line(machine: Machine) -> None:
    session = await machine.runtime.exec(await machine.start("/app/server"), ["sh"], stdin=True, tty=False)
    assert session.stdin is not None
    await session.stdin.write(b"echo o")
    await session.stdin.write(b"ne\nif true\nthen echo two; fi\n")
    assert await read_until(session, b"two\n") == b"one\ntwo\n"
    await session.stdin.write(b"false\nexit")
    await session.stdin.close()
    assert (await session.wait()).code == 1


async def test_a_terminal_shows_what_is_typed_and_ends_at_control_d(machine: Machine) -> None:
    identity = await machine.start("/app/server")
    session = await machine.runtime.exec(identity, ["sh"], stdin=True, tty=True)
    assert session.stdin is not None
    await session.stdin.write(b"echo a\r")
    assert await read_until(session, b"\r\na\r\n") == b"echo a\r\na\r\n"
    await session.stdin.write(b"\x04")
    assert (await session.wait()).code == 0
    interrupted = await machine.runtime.exec(identity, ["sleep", "100"], stdin=True, tty=True)
    assert interrupted.stdin is not None
    await interrupted.stdin.write(b"\x03")
    assert (await interrupted.wait()).code == 130


async def test_who_attaches_talks_to_the_main_process(machine: Machine) -> None:
    identity = await machine.start("sh", stdin=True)
    session = await machine.runtime.attach(identity, stdin=True, tty=False)
    assert session.stdin is not None
    await session.stdin.write(b"echo $GREETING; exit 3\n")
    assert (await session.wait()).code == 3
    assert await read_until(session, b"hi\n") == b"hi\n"
    assert (await machine.end(identity), machine.log()) == ((3, "Error"), ["hi"])


async def test_files_are_copied_in_and_out_with_tar(machine: Machine) -> None:
    """What `kubectl cp` does."""
    identity = await machine.start("/app/server")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        info = tarfile.TarInfo("folder/file")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"hello"))
    session = await machine.runtime.exec(identity, ["tar", "-xmf", "-", "-C", "/tmp"], stdin=True, tty=False)
    assert session.stdin is not None
    await session.stdin.write(packed.getvalue())
    await session.stdin.close()
    assert (await session.wait()).code == 0
    result = await machine.runtime.exec_sync(identity, ["tar", "cf", "-", "/tmp/folder"], 5)
    with tarfile.open(fileobj=io.BytesIO(result.stdout)) as archive:
        assert archive.getnames() == ["tmp/folder", "tmp/folder/file"]


async def test_a_log_that_grows_large_is_put_aside(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.runtime.simulated.logs.LARGEST_FILE", 2000)
    await machine.start("sh", "-c", "i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo line $i; done; printf end")
    await machine.clock.sleep(1)
    assert machine.log()[-1] == "end"
    assert {path.name for path in machine.logs.iterdir()} == {"1.log", "1.log.1"}
    assert max(path.stat().st_size for path in machine.logs.iterdir()) <= 2000


@pytest.mark.parametrize("name", ["nowhere.invalid/app:1", "app:missing", "registry.example/missing/app@sha256:00"])
async def test_images_that_nobody_has(machine: Machine, name: str) -> None:
    assert await machine.runtime.image(name) is None
    with pytest.raises(PullFailure):
        await machine.runtime.pull(name)
    assert await machine.runtime.pull("missing-not.example/app:1")
