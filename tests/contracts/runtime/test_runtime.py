"""What every runtime promises (`seams.runtime`): the simulated one in the unit suite, containerd with root."""

from __future__ import annotations

import asyncio
import ipaddress
import pathlib
from collections.abc import Callable

import pytest

from pilothouse.kit.clock import SystemClock
from pilothouse.seams.runtime import ContainerState, EventType, NotFound, RuntimeEvent, RuntimeFailure, SandboxState
from tests.contracts.runtime.conftest import IMAGE, POD_CIDR, Subject


def running(found: object) -> bool:
    return getattr(found, "state", None) is ContainerState.RUNNING


def ended(found: object) -> bool:
    return getattr(found, "state", None) is ContainerState.EXITED


async def test_it_is_ready_and_says_what_it_is(subject: Subject) -> None:
    assert {c.type: c.status for c in await subject.runtime.status()} == {"RuntimeReady": True, "NetworkReady": True}
    version = await subject.runtime.version()
    assert version.name
    assert version.version


async def test_a_sandbox_from_start_to_end(subject: Subject) -> None:
    runtime, config = subject.runtime, subject.sandbox_config()
    identity = await runtime.run_sandbox(config)
    found = await runtime.sandbox(identity)
    assert (found.name, found.namespace, found.uid, found.attempt) == ("pod", "default", config.uid, 0)
    assert found.state is SandboxState.READY
    assert (found.labels, found.annotations) == (config.labels, config.annotations)
    assert ipaddress.ip_address(found.ips[0]) in ipaddress.ip_network(POD_CIDR)
    assert [s.id for s in await runtime.sandboxes()] == [identity]
    await runtime.stop_sandbox(identity)
    await runtime.stop_sandbox(identity)
    assert (await runtime.sandbox(identity)).state is SandboxState.NOT_READY
    await runtime.remove_sandbox(identity)
    await runtime.remove_sandbox(identity)
    assert await runtime.sandboxes() == []
    with pytest.raises(NotFound):
        await runtime.sandbox(identity)


async def test_sandboxes_have_addresses_of_their_own(subject: Subject) -> None:
    runtime = subject.runtime
    found = [await runtime.sandbox(await runtime.run_sandbox(subject.sandbox_config())) for _ in range(3)]
    assert len({s.ips[0] for s in found}) == 3


@pytest.mark.parametrize(("command", "code", "reason"), [("true", 0, "Completed"), ("false", 1, "Error")])
async def test_how_a_container_ended_is_remembered(subject: Subject, command: str, code: int, reason: str) -> None:
    config = subject.sandbox_config()
    identity = await subject.container(await subject.runtime.run_sandbox(config), config, command)
    found = await subject.until(identity, ended)
    assert (found.exit_code, found.reason) == (code, reason)
    assert found.name == "c"
    assert found.labels["c"] == "label"
    assert found.annotations["c"] == "note"
    assert min(found.started_at, found.finished_at) > 0
    assert found.log_path == str(pathlib.Path(config.log_directory) / "c/0.log")
    listed = await subject.runtime.containers()
    assert [(c.id, c.state) for c in listed] == [(identity, ContainerState.EXITED)]
    await subject.runtime.remove_container(identity)
    await subject.runtime.remove_container(identity)
    with pytest.raises(NotFound):
        await subject.runtime.container(identity)


async def test_stopping_a_container(subject: Subject) -> None:
    config = subject.sandbox_config()
    identity = await subject.container(await subject.runtime.run_sandbox(config), config, "sleep", "1000")
    assert running(await subject.runtime.container(identity))
    await subject.runtime.stop_container(identity, 1)
    assert ended(await subject.runtime.container(identity))
    await subject.runtime.stop_container(identity, 0)
    await subject.runtime.stop_container("absent", 0)


async def test_a_sandbox_takes_its_containers_along(subject: Subject) -> None:
    config = subject.sandbox_config()
    sandbox = await subject.runtime.run_sandbox(config)
    identity = await subject.container(sandbox, config, "sleep", "1000")
    await subject.runtime.stop_sandbox(sandbox)
    assert ended(await subject.runtime.container(identity))
    await subject.runtime.remove_sandbox(sandbox)
    assert await subject.runtime.containers() == []


async def test_what_is_not_there_is_not_found(subject: Subject) -> None:
    for action in (subject.runtime.container("absent"), subject.runtime.start_container("absent")):
        with pytest.raises(NotFound):
            await action
    with pytest.raises(RuntimeFailure):
        await subject.runtime.exec_sync("absent", ["true"], 1.0)


async def eventually(good: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not good():
            await SystemClock().sleep(0.002)


async def test_events_begin_with_a_relist_and_tell_each_end_once(subject: Subject) -> None:
    seen: list[RuntimeEvent] = []

    async def listen() -> None:
        async for event in subject.runtime.events():
            seen.append(event)

    task = asyncio.create_task(listen())
    await eventually(lambda: bool(seen))
    assert [e.type for e in seen] == [EventType.RELIST]
    config = subject.sandbox_config()
    sandbox = await subject.runtime.run_sandbox(config)
    identity = await subject.container(sandbox, config, "sleep", "1000")
    await subject.runtime.exec_sync(identity, ["true"], 5.0)
    await subject.runtime.stop_container(identity, 0)
    await subject.runtime.stop_sandbox(sandbox)

    def stopped() -> list[str]:
        return [e.id for e in seen if e.type is EventType.STOPPED]

    await eventually(lambda: sandbox in stopped())
    assert sorted(stopped()) == sorted([identity, sandbox]), "and not of the command that was run inside"
    task.cancel()


async def test_commands_in_a_container(subject: Subject) -> None:
    config = subject.sandbox_config()
    identity = await subject.container(await subject.runtime.run_sandbox(config), config, "sleep", "1000")
    script = ["sh", "-c", "echo $X; hostname; exit 3"]
    result = await subject.runtime.exec_sync(identity, script, 5.0)
    assert (result.stdout, result.exit_code) == (b"value\npod\n", 3)
    session = await subject.runtime.exec(identity, ["cat"], stdin=True, tty=False)
    assert session.stdin is not None
    assert session.stderr is not None
    await session.stdin.write(b"hello")
    await session.stdin.close()
    assert (await session.wait()).code == 0
    assert await session.stdout.read() == b"hello"
    assert await session.stdout.read() == b""
    await session.close()
    await session.close()
    session = await subject.runtime.exec(identity, ["false"], stdin=False, tty=True)
    assert session.stderr is None
    assert (await session.wait()).code == 1
    await session.close()


async def test_an_attachment_ends_with_its_container(subject: Subject) -> None:
    config = subject.sandbox_config()
    identity = await subject.container(await subject.runtime.run_sandbox(config), config, "sleep", "1000")
    session = await subject.runtime.attach(identity, stdin=False, tty=False)
    await subject.runtime.stop_container(identity, 0)
    async with asyncio.timeout(30):
        await session.wait()
        assert await session.stdout.read() == b""
    await session.close()


async def test_images_by_any_of_their_names(subject: Subject) -> None:
    found = await subject.runtime.image(IMAGE)
    assert found is not None
    assert IMAGE in found.tags
    assert found.size > 0
    by_id = await subject.runtime.image(found.id)
    assert by_id is not None
    assert by_id.id == found.id
    assert found.id in [image.id for image in await subject.runtime.images()]
    assert await subject.runtime.image("nowhere.invalid/app:1") is None
    with pytest.raises(RuntimeFailure):
        await subject.runtime.pull("nowhere.invalid/app:1")
