"""ResourceQuota: a namespace uses no more than it was given.

Usage is charged here, at the moment of admission, by compare-and-swap on the quota's status; the quota controller sets
it right again for what was charged and then failed, and when objects go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial

from msgspec.structs import replace

from pilothouse.api.errors import StatusError, conflict
from pilothouse.api.quantity import ZERO, Quantity
from pilothouse.api.scheme import BY_RESOURCE
from pilothouse.api.types.core.v1 import Container, Pod, ResourceQuota
from pilothouse.apiserver.admission.context import PluginContext
from pilothouse.apiserver.admission.interface import Attributes, Operation
from pilothouse.apiserver.admission.refusal import refused
from pilothouse.kit.aside import aside
from pilothouse.kit.in_flight import InFlight
from pilothouse.semantics import quota as counting

_ATTEMPTS = 5
_PATIENCE = 10.0
_RECOUNT = ("", "resourcequotas", "status", "UPDATE")
_OURSELVES = "system:apiserver"
_UNCOUNTED = frozenset({"namespaces", "events", "bindings"})
_MAY_GROW = frozenset({("", "services"), ("", "persistentvolumeclaims")})
_DEMANDED = frozenset({"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"})
_NOTHING = Decimal(0)
Delta = Mapping[str, Decimal]


class ResourceQuotaPlugin:
    """Checks creates, and updates of what may grow, against all quotas of the namespace; then charges them."""

    name = "ResourceQuota"

    def __init__(self, context: PluginContext) -> None:
        self._reader = context.reader
        self._client = context.client
        self._clock = context.clock
        # One at a time for each namespace: what is checked together must be charged together.
        self._locks: dict[str, asyncio.Lock] = {}
        self._under_way = InFlight()

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool:
        if resource in _UNCOUNTED or operation not in ("CREATE", "UPDATE"):
            return False
        if (group, resource, subresource, operation) == _RECOUNT:
            return True
        if subresource:
            return (group, resource, subresource, operation) == ("", "pods", "resize", "UPDATE")
        return operation == "CREATE" or (group, resource) in _MAY_GROW

    async def validate(self, attributes: Attributes) -> None:
        """Raises StatusError 403."""
        a = attributes
        if not a.namespace:
            return
        if a.subresource == "status":
            await self._settled(a)
            return
        a.ended = self._under_way.begin(a.namespace)
        if not self._reader.list(ResourceQuota, a.namespace):
            return
        async with self._locks.setdefault(a.namespace, asyncio.Lock()):
            await self._charge(a)

    async def _settled(self, a: Attributes) -> None:
        """Let a status in only when all that was charged to the quota before is in the store, or was refused. So
        whoever writes the status back unchanged, then counts, then writes the sum over that same state, misses
        nothing: what is charged in between changes the state, and the last write meets a conflict."""
        if a.user.username == _OURSELVES:
            return
        try:
            async with self._clock.timeout(_PATIENCE):
                await self._under_way.settled(a.namespace)
        except TimeoutError:
            raise conflict("", "resourcequotas", a.name, "objects are still being created; please try again") from None

    async def _charge(self, a: Attributes) -> None:
        delta = await aside(a.size, partial(self._delta, a))
        for _ in range(_ATTEMPTS):
            there = self._reader.list(ResourceQuota, a.namespace)
            quotas = await aside(a.size, partial(_checked, a, there, delta))
            if a.dry_run or await self._write(quotas, delta):
                return
        raise refused(a, "unable to verify quota: its usage changes too often")

    def _delta(self, a: Attributes) -> Delta:
        resource = BY_RESOURCE.get((a.group, a.version, a.resource))
        if resource is None:  # a custom resource: its objects are counted
            return {f"count/{a.resource}.{a.group}": Decimal(1)} if a.operation == "CREATE" else {}
        now = self._clock.now()
        usage = counting.usage(resource, a.obj, now)
        before = counting.usage(resource, a.old_obj, now) if a.operation == "UPDATE" else {}
        return {name: amount - before.get(name, _NOTHING) for name, amount in usage.items()}

    async def _write(self, quotas: Sequence[ResourceQuota], delta: Delta) -> bool:
        """Charge all quotas; False if one has changed meanwhile, and all must be looked at again."""
        for quota in quotas:
            used = _charged(quota, delta)
            if used == quota.status.used:
                continue
            changed = replace(quota, status=replace(quota.status, used=used))
            try:
                await self._client.update(changed, subresource="status")
            except StatusError as error:
                if error.reason == "NotFound":
                    continue
                if error.reason != "Conflict":
                    raise
                await self._reader.latest(ResourceQuota, quota.metadata.name, quota.metadata.namespace)
                return False
        return True


def _checked(a: Attributes, there: Sequence[ResourceQuota], delta: Delta) -> Sequence[ResourceQuota]:
    """The quotas that are to be charged, by name. Raises StatusError (403) if one of them would be exceeded, or if one
    of those that cover a pod counts what the pod does not state (upstream: CheckRequest asks Constraints of each quota
    first): one that counts cpu or memory alone is not charged for a pod that states neither, and yet refuses it."""
    concerned = sorted((q for q in there if counting.concerns(q, a.obj)), key=lambda q: q.metadata.name)
    if a.operation == "CREATE" and isinstance(a.obj, Pod):
        for quota in concerned:
            if missing := demands(a.obj, quota.spec.hard):
                raise refused(a, f"failed quota: {quota.metadata.name}: must specify {missing}")
    charged = [q for q in concerned if _relevant(delta, q)]
    for quota in charged:
        _check(a, quota, delta)
    return charged


def _relevant(delta: Delta, quota: ResourceQuota) -> list[str]:
    """The resources that both a usage and a quota name."""
    return sorted(set(delta) & set(quota.spec.hard))


def _check(a: Attributes, quota: ResourceQuota, delta: Delta) -> None:
    name, hard, used = quota.metadata.name, quota.status.hard, quota.status.used
    wanted = [n for n in _relevant(delta, quota) if delta[n] > 0]
    unknown = [n for n in wanted if n not in hard or n not in used]
    if unknown:
        raise refused(a, f"status unknown for quota: {name}, resources: {','.join(unknown)}")
    exceeded = [n for n in wanted if used[n].value + delta[n] > hard[n].value]
    if not exceeded:
        return
    requested = counting.masked(delta, exceeded)
    raise refused(
        a,
        f"exceeded quota: {name}, requested: {_told(requested, exceeded)}, "
        f"used: {_told(used, exceeded)}, limited: {_told(hard, exceeded)}",
    )


def _told(amounts: Mapping[str, Quantity], names: Iterable[str]) -> str:
    return ",".join(f"{n}={amounts[n]}" for n in sorted(names))


def _charged(quota: ResourceQuota, delta: Delta) -> dict[str, Quantity]:
    used = dict(quota.status.used)
    changed = {n: max(_NOTHING, used.get(n, ZERO).value + delta[n]) for n in _relevant(delta, quota) if delta[n]}
    used.update(counting.masked(changed, changed))
    return used


def demands(pod: Pod, names: Iterable[str]) -> str:
    """Where a quota counts cpu or memory, every container must state it: what is missing, and where."""
    demanded = _DEMANDED.intersection(names)
    if not demanded or pod.spec.resources is not None:
        return ""
    missing: dict[str, set[str]] = {}
    for container in (*(pod.spec.containers or ()), *pod.spec.init_containers):
        for name in demanded - _stated(container):
            missing.setdefault(name, set()).add(container.name)
    return "; ".join(f"{n} for: {','.join(sorted(missing[n]))}" for n in sorted(missing))


def _stated(container: Container) -> set[str]:
    requests, limits = container.resources.requests, container.resources.limits
    return {*requests, *(f"requests.{n}" for n in requests), *(f"limits.{n}" for n in limits)}
