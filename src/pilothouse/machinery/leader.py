"""Leader election by a Lease: of many processes that could do a job, one does it.

A holder renews its Lease; the others take it once they have seen it unchanged for its whole duration, by their own
clocks (clocks of machines differ, so the times written in the Lease are for people only). A holder that could not
renew for `renew_deadline` stops before anybody can take over.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from pilothouse.api.errors import StatusError
from pilothouse.api.time import format_micro_time
from pilothouse.api.types.coordination.v1 import Lease, LeaseSpec
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.kit.clock import Clock
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.machinery.client.interface import CLIENT_ERRORS, Client

log = logging.getLogger(__name__)
NOT_FOUND = 404
replace = msgspec.structs.replace


@dataclass(frozen=True, slots=True)
class Terms:
    """Seconds: how long a Lease holds, by when the holder must have renewed it, how often it tries."""

    duration: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0
    jitter: float = 1.2


def taken(lease: Lease | None, name: str, namespace: str, identity: str, now: float, terms: Terms) -> Lease:
    """The Lease as `identity` writes it: renewed if it holds it already, else with one more transition."""
    stamp = format_micro_time(now)
    if lease is None:
        spec = LeaseSpec(
            holder_identity=identity,
            lease_duration_seconds=int(terms.duration),
            acquire_time=stamp,
            renew_time=stamp,
            lease_transitions=0,
        )
        return Lease(metadata=ObjectMeta(name=name, namespace=namespace), spec=spec)
    spec = replace(lease.spec, holder_identity=identity, lease_duration_seconds=int(terms.duration), renew_time=stamp)
    if lease.spec.holder_identity != identity:
        spec = replace(spec, acquire_time=stamp, lease_transitions=(lease.spec.lease_transitions or 0) + 1)
    return replace(lease, spec=spec)


class Elector:
    """Runs `lead` while `identity` holds the Lease `namespace/name`, and ends it when the Lease is lost."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        chance: Chance,
        *,
        name: str,
        identity: str,
        namespace: str = "kube-system",
        terms: Terms | None = None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._chance = chance
        self._name = name
        self._namespace = namespace
        self._identity = identity
        self._terms = terms or Terms()
        self._seen: tuple[str, float] = ("", clock.monotonic())
        self.leading = False

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Wait for the Lease, lead until it is lost, and again; until cancelled or `lead` returns or raises."""
        while True:
            while not await self._try():
                await self._clock.sleep(self._chance.jitter(self._terms.retry_period, self._terms.jitter))
            log.info("%s leads %s", self._identity, self._name)
            self.leading = True
            try:
                if await self._lead(lead):
                    return
            finally:
                self.leading = False
            log.warning("%s lost the lead of %s", self._identity, self._name)

    async def _lead(self, lead: Callable[[], Awaitable[None]]) -> bool:
        """Lead while renewing; whether the work came to its end."""
        async with TaskScope(f"leader/{self._name}") as scope:
            work = scope.spawn(_run(lead), "lead")
            last = self._clock.monotonic()
            while not work.done():
                await self._clock.sleep(self._terms.retry_period)
                if await self._try():
                    last = self._clock.monotonic()
                elif self._clock.monotonic() - last >= self._terms.renew_deadline:
                    return False
        return True

    async def _try(self) -> bool:
        """Take or renew the Lease; whether it is ours now."""
        try:
            async with self._clock.timeout(self._terms.renew_deadline):
                return await self._take()
        except (*CLIENT_ERRORS, TimeoutError) as error:
            log.info("lease %s: %s", self._name, error)
            return False

    async def _take(self) -> bool:
        now, wall = self._clock.monotonic(), self._clock.now()
        try:
            held = await self._client.get(Lease, self._name, self._namespace)
        except StatusError as error:
            if error.code != NOT_FOUND:
                raise
            await self._client.create(taken(None, self._name, self._namespace, self._identity, wall, self._terms))
            return True
        if held.metadata.resource_version != self._seen[0]:
            self._seen = (held.metadata.resource_version, now)
        mine = held.spec.holder_identity == self._identity
        duration = float(held.spec.lease_duration_seconds or self._terms.duration)
        if held.spec.holder_identity and not mine and self._seen[1] + duration > now:
            return False
        made = await self._client.update(taken(held, self._name, self._namespace, self._identity, wall, self._terms))
        self._seen = (made.metadata.resource_version, now)
        return True

    async def release(self) -> None:
        """Give the Lease up, so that another need not wait for its end."""
        held = await self._client.get(Lease, self._name, self._namespace)
        if held.spec.holder_identity == self._identity:
            spec = replace(held.spec, holder_identity="", lease_duration_seconds=1)
            await self._client.update(replace(held, spec=spec))


async def _run(lead: Callable[[], Awaitable[None]]) -> None:
    await lead()
