"""What scripts of strangers may take of the thread and the memory that they share with the control plane."""

from __future__ import annotations

import asyncio

import pytest

from pilothouse.kit.tasks import TaskScope
from pilothouse.runtime.simulated import cgroup as limits
from pilothouse.runtime.simulated.cgroup import Cgroup, Host, OutOfMemory, TooMuch
from pilothouse.runtime.simulated.effects import Input, Streams
from pilothouse.runtime.simulated.execution import Execution
from pilothouse.runtime.simulated.files import Files
from pilothouse.runtime.simulated.programs.call import Call, Inside, Unknown
from pilothouse.runtime.simulated.shell.interpreter import start_program
from pilothouse.seams.runtime import ContainerState, RuntimeFailure
from pilothouse.testing.clock import VirtualClock
from tests.runtime.test_simulated import Machine, machine

__all__ = ["machine"]

LARGE = "x=0123456789abcdef; for i in 1 2 3 4 5; do x=$x$x$x$x; done; "
FILE = LARGE + "for i in $(seq 1 64); do echo $x; done > /f; "
# Each grows without end, in its own way.
GREEDY = [
    LARGE + "i=0; while :; do i=$((i+1)); eval v$i=$x; done",
    LARGE + "i=0; while :; do i=$((i+1)); export w$i=$x; done",
    LARGE + 'n=0; while :; do n=$((n+1)); eval "f$n() { echo $x; }"; done',
    FILE + "while :; do cat /f /f /f /f | cat | cat | cat | cat | cat | cat | cat; done",
    FILE + "for i in 1 2 3 4 5; do cat /f > /f$i; done; for i in $(seq 1 60); do cat /f? | sort | tail -f & done; wait",
]
# Each would hold the thread in one step, or fork, or nest, without end.
TIRELESS = [
    LARGE + 'f() { y=$x; f $x & sleep 9; }; while :; do for i in $x $x $x; do set -- "$@" $x$i; done; done',
    LARGE + 'i=0; while :; do i=$((i+1)); (trap "$x" HUP INT QUIT USR1 USR2 PIPE ALRM; sleep 1000) & done',
    "while :; do :; done",
    "x='" + "a;" * 3000 + '\'; while :; do eval "$x"; done',
    "x='" + " \\\n" * 9000 + '\'; while :; do eval "$x"; done',
    'set -- a b c d; while :; do set -- "$@" "$@"; done',
    "x=" + "a" * 16000 + "; y='" + "*a" * 3000 + "b'; while :; do z=${x%%$y}; case $x in *a*a*a*a*b) ;; esac; done",
    "x='" + "1+" * 9000 + "1'; while :; do : $(($x)); done",
    FILE + "while :; do grep -c '(0|1)*a(0|1|2){200}$' /f; sort /f; wc /f; base64 /f | base64 -d; tr a b < /f; done",
    "while :; do grep '" + "\\pL" * 3000 + "' /etc/passwd; done",
    "while :; do seq 1 999999999 > /dev/null; done",
    "while :; do printf '" + "%999.999f" * 3000 + "' 1e308 1e308; done",
    "x=0x" + "f" * 9000 + "; while :; do printf '%d %f' $x $x; echo ${" + "9" * 5000 + "}; date +%99999999d; done",
    "f() { f & f & }; f; while :; do (f); done",
    "f() { f; f; }; while :; do f; done",
    "trap 'kill -USR1 1; sleep 0' USR1; kill -USR1 1; while :; do sleep 0; done",
    "x=" + "a/" * 9000 + "; while :; do mkdir -p /$x; rm -r /a; cd /$x; done",
    "for i in $(seq 1 1900); do : > /tmp/$i; done; while :; do ls -l /tmp; cp -r /tmp /var/t; rm -r /var/t; done",
    "i=0; while [ $i -lt 900 ]; do i=$((i+1)); : > /tmp/$i; done; while :; do tar cf /a /tmp; tar xf /a -C /var; done",
]


def process(clock: VirtualClock, script: str, host: Host) -> tuple[Execution, Cgroup]:
    cgroup = Cgroup(host)
    inside = Inside("web-0", {"HOME": "/root"}, lambda: 0.0, Files(cgroup), cgroup, Unknown.BY_PATH)
    streams = Streams(Input.of(b""), lambda data: None, lambda data: None)
    call = Call("sh", ("-c", script), streams, {"HOME": "/root"}, "/", inside)
    return Execution(start_program(call), clock, cgroup), cgroup


@pytest.mark.parametrize("script", GREEDY)
async def test_a_container_that_takes_too_much_memory_is_killed(machine: Machine, script: str) -> None:
    identity = await machine.start("sh", "-c", script)
    for _ in range(600):
        if (await machine.shown(identity)).state is ContainerState.EXITED:
            break
        await machine.clock.sleep(1)
    assert await machine.end(identity) == (137, "OOMKilled")
    await machine.clock.sleep(0)
    assert machine.runtime.scope._tasks == set()


@pytest.mark.parametrize("script", TIRELESS)
async def test_no_script_has_the_thread_for_long(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    """Between two pauses nothing asks for more than a slice and one long step; and nothing breaks of it."""
    worked: list[float] = [0.0]
    work, throttle = Cgroup.work, Cgroup.throttle

    def counted(self: Cgroup, units: float, complaint: str = "") -> None:
        work(self, units, complaint)
        worked[-1] += units

    async def rested(self: Cgroup) -> None:
        worked.append(0.0)
        await throttle(self)

    monkeypatch.setattr(Cgroup, "work", counted)
    monkeypatch.setattr(Cgroup, "throttle", rested)
    execution, cgroup = process(clock, script, Host(clock))
    before = clock.monotonic()
    async with TaskScope("script") as scope:
        running = scope.spawn(execution.run(), "script")
        while not running.done() and len(worked) < 60:
            await clock.sleep(0.05)
        assert not running.done() or running.exception() is None
        running.cancel()
    assert max(worked) <= limits.SLICE + 2 * limits.LONGEST_STEP
    assert sum(worked[:-1]) / 1e6 * limits.REST <= clock.monotonic() - before + 1
    assert cgroup.memory <= limits.MEMORY_MAX


async def test_containers_rest_in_turn(clock: VirtualClock) -> None:
    """Twenty that never wait take no more than one of them would; who works little hardly waits for them."""
    host = Host(clock)
    async with TaskScope("scripts") as scope:
        for _ in range(20):
            scope.spawn(process(clock, "while :; do :; done", host)[0].run(), "tireless")
        await clock.sleep(5)
        before = clock.monotonic()
        light = [scope.spawn(process(clock, "echo a; echo b", host)[0].run(), "light") for _ in range(5)]
        await asyncio.wait(light)
        assert clock.monotonic() - before < 0.5
        for task in list(scope._tasks):
            task.cancel()


async def test_what_is_owed_is_owed_after_a_cancelled_wait(clock: VirtualClock) -> None:
    cgroup = Cgroup(Host(clock))
    cgroup.work(limits.LONGEST_STEP)
    async with TaskScope("wait") as scope:
        task = scope.spawn(cgroup.throttle(), "wait")
        await clock.sleep(0)
        task.cancel()
    before = clock.monotonic()
    await cgroup.throttle()
    assert clock.monotonic() - before == pytest.approx(limits.LONGEST_STEP * limits.REST / 1e6)


def test_a_step_that_is_too_long_is_refused(clock: VirtualClock) -> None:
    with pytest.raises(TooMuch, match="Argument list too long"):
        Cgroup(Host(clock)).work(limits.LONGEST_STEP + 1)


def test_the_largest_is_killed_when_all_together_take_too_much(clock: VirtualClock) -> None:
    host = Host(clock, 10 << 20)
    groups = [Cgroup(host) for _ in range(4)]
    killed: list[int] = []
    for number, group in enumerate(groups):
        group.on_oom = lambda number=number: killed.append(number)  # type: ignore[misc]
    for group, size in zip(groups, (1, 5, 3, 1), strict=True):
        group.charge(size << 20)
    groups[0].charge(1 << 20)
    assert killed == [1]
    groups[2].charge(4 << 20)
    with pytest.raises(OutOfMemory):
        groups[2].charge(2 << 20)
    assert killed == [1, 2]
    groups[2].release(9 << 20)
    groups[3].charge(7 << 20)
    assert killed == [1, 2], "what ended counts no more"


async def test_there_are_only_so_many_processes(machine: Machine) -> None:
    identity = await machine.start("/app/server")
    sessions = [
        await machine.runtime.exec(identity, ["sleep", "1000"], stdin=False, tty=False) for _ in range(limits.PIDS_MAX)
    ]
    await machine.clock.sleep(0)
    with pytest.raises(RuntimeFailure, match="can't fork"):
        await machine.runtime.exec(identity, ["true"], stdin=False, tty=False)
    await sessions[0].close()
    await machine.clock.sleep(0)
    assert (await machine.runtime.exec_sync(identity, ["true"], 1)).exit_code == 0


async def test_output_that_nobody_reads_makes_its_process_wait(machine: Machine) -> None:
    identity = await machine.start("/app/server")
    loop = ["sh", "-c", LARGE + "while :; do echo $x; done"]
    session = await machine.runtime.exec(identity, loop, stdin=False, tty=False)
    await machine.clock.sleep(60)
    held = machine.runtime.processes[identity].inside.cgroup.memory
    assert held < 4 << 20
    for _ in range(100):
        assert await session.stdout.read()
    await session.close()


async def test_input_that_nobody_reads_makes_its_writer_wait(machine: Machine) -> None:
    identity = await machine.start("/app/server")
    session = await machine.runtime.exec(identity, ["sh", "-c", "sleep 10; wc -c"], stdin=True, tty=False)
    assert session.stdin is not None
    before = machine.clock.monotonic()
    for _ in range(100):
        await session.stdin.write(bytes(10_000))
    await session.stdin.close()
    assert machine.clock.monotonic() - before == pytest.approx(10, abs=0.5)
    assert (await session.wait()).code == 0
    assert await session.stdout.read() == b"1000000\n"


async def test_nothing_is_left_of_a_container(machine: Machine) -> None:
    script = FILE + "f() { cat /f; }; trap 'echo x' TERM; (while :; do f; done) & while :; do sleep 1 & wait $!; done"
    identity = await machine.start("sh", "-c", script)
    await machine.runtime.exec(identity, ["sh", "-c", "while :; do :; done"], stdin=True, tty=True)
    await machine.clock.sleep(5)
    process = machine.runtime.processes[identity]
    assert process.inside.cgroup.memory > 1 << 20
    await machine.runtime.stop_container(identity, 1)
    await machine.clock.sleep(1)
    assert machine.runtime.scope._tasks == set()
    assert list(process.inside.files.below("/")) == []
    assert machine.runtime.host.current == 0
