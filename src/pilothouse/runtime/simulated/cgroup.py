"""What the processes of a simulated container may use, in the terms of a cgroup. They share one thread and one heap
with the whole control plane, and anybody who may create a pod writes their scripts: so one rule holds for all they do.

- Every primitive says what it is about to cost, in microseconds of work, before it is done (`work`, `pace`). A process
  works for a SLICE at a stretch; then it waits REST times as long, and with it all others that are throttled on this
  host, one container after the other (cpu.max). A single step that would take more than LONGEST_STEP is refused.
- What lasts is charged by its size (`charge`, `holding`) until it is released. A container that holds more than
  memory.max ends as OOMKilled; so does the largest one when all of a host hold too much together.
- There are at most PIDS_MAX processes; then nothing can fork.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager

from pilothouse.kit.clock import Clock
from pilothouse.runtime.simulated.effects import Effect, Sink, Throttle

SLICE, LONGEST_STEP = 2_000, 10_000
REST = 9.0
MEMORY_MAX = 24 << 20
# Of each container's memory, this much does not count on its host: what an idle shell has.
MEMORY_LOW = 96 << 10
HOST_MEMORY = 48 << 20
PIDS_MAX = 64
# What it takes to decode a byte, and to copy one.
DECODED, COPIED = 0.025, 0.0005
# What a process, and each level of nesting of its commands, costs beside its data.
PROCESS, FRAME = 24 << 10, 6 << 10
# What a text, or another small object, costs beside its characters.
OBJECT = 96


class OutOfMemory(Exception):
    """The container is being killed; nothing of it goes on."""


class TooMuch(Exception):
    """One step asks for more than a process may take at once. The text is what a program says of it."""


class NoProcess(TooMuch):
    """No more processes."""


class Host:
    """What all containers of this process share, on however many simulated nodes."""

    def __init__(self, clock: Clock, memory: int = HOST_MEMORY) -> None:
        self._clock = clock
        self._most = memory
        self.current = 0
        self._large: set[Cgroup] = set()
        self._turn = asyncio.Lock()

    async def rest(self, units: float) -> None:
        """Return when it is somebody's turn who has worked so much."""
        async with self._turn:
            await self._clock.sleep(units * REST / 1e6)

    def changed(self, group: Cgroup, before: int, after: int) -> None:
        """A container's memory has changed. Kills the largest if it is too much in all."""
        excess = max(after - MEMORY_LOW, 0)
        self.current += excess - max(before - MEMORY_LOW, 0)
        if excess:
            self._large.add(group)
        else:
            self._large.discard(group)
        if self.current > self._most and after > before:
            max(self._large, key=lambda one: one.memory).kill()


def size_of(texts: Collection[str]) -> int:
    """What some texts take."""
    return sum(map(len, texts)) + OBJECT * len(texts)


class Cgroup:
    """The use of one container. `on_oom` ends it."""

    def __init__(self, host: Host, memory_max: int = MEMORY_MAX) -> None:
        self._host = host
        self._most = memory_max
        self._waiting = asyncio.Lock()
        self._used = 0.0
        self._dead = False
        self.memory = 0
        self.processes = 0
        self.on_oom: Callable[[], None] = lambda: None

    # Work

    def work(self, units: float, complaint: str = "Argument list too long") -> None:
        """Account for what is about to be done at once. Raises TooMuch if that may not be."""
        if units > LONGEST_STEP:
            raise TooMuch(complaint)
        self._used += units

    def pace(self, units: float) -> Generator[Effect, None, None]:
        """Wait for a turn if the slice is used up, counting what comes next."""
        self.work(units)
        if self._used > SLICE:
            yield Throttle()

    async def throttle(self) -> None:
        """Return when the container's processes may go on. What they owe is owed still if this is cancelled."""
        async with self._waiting:
            used = self._used
            if used > SLICE:
                await self._host.rest(used)
                self._used -= used

    # Memory

    def charge(self, size: int) -> None:
        """Raises OutOfMemory, which ends the container."""
        if self._dead:
            raise OutOfMemory
        self.memory += size
        self._host.changed(self, self.memory - size, self.memory)
        if self.memory > self._most:
            self.kill()
        if self._dead:
            raise OutOfMemory

    def release(self, size: int) -> None:
        self.memory -= size
        if not self._dead:
            self._host.changed(self, self.memory + size, self.memory)

    @contextmanager
    def holding(self, size: int = 0) -> Iterator[Account]:
        """Charge for something that is there as long as the block, to which more may be added."""
        account = Account(self)
        account.add(size)
        try:
            yield account
        finally:
            account.close()

    @contextmanager
    def collecting(self, most: int) -> Iterator[tuple[bytearray, Sink]]:
        """A buffer, and what writes into it; what exceeds `most` bytes is lost."""
        output = bytearray()
        with self.holding() as account:

            def write(data: bytes) -> None:
                taken = data[: max(most - account.size, 0)]
                account.add(len(taken))
                output.extend(taken)

            yield output, write

    @contextmanager
    def process(self, data: int) -> Iterator[Account]:
        """One process more, with so much data of its own. Raises NoProcess."""
        if self.processes >= PIDS_MAX:
            raise NoProcess("can't fork: Resource temporarily unavailable")
        self.processes += 1
        try:
            with self.holding(PROCESS + data) as account:
                yield account
        finally:
            self.processes -= 1

    def kill(self) -> None:
        """End the container for want of memory."""
        if not self._dead:
            self.close()
            self.on_oom()

    def close(self) -> None:
        """The container is over: what it still has is about to go, and counts no more."""
        if not self._dead:
            self._dead = True
            self._host.changed(self, self.memory, 0)


class Account:
    """What one part of a container has been charged for."""

    def __init__(self, group: Cgroup) -> None:
        self._group = group
        self.size = 0

    def add(self, size: int) -> None:
        """Charge for more, or release where `size` is negative. Raises OutOfMemory."""
        if size > 0:
            self._group.charge(size)
        elif size < 0:
            self._group.release(-size)
        self.size += size

    def close(self) -> None:
        self.add(-self.size)
