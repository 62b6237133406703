"""Eviction: deleting a pod as far as the disruption budgets over it allow."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from pilothouse.api import errors
from pilothouse.api.errors import StatusError, bad_request
from pilothouse.api.selectors import of_object
from pilothouse.api.time import format_time
from pilothouse.api.types.core.v1 import Pod, PodCondition
from pilothouse.api.types.meta.v1 import DeleteOptions, Status, StatusCause, StatusDetails
from pilothouse.api.types.policy.v1 import Eviction, PodDisruptionBudget
from pilothouse.apiserver.generic.call import Call
from pilothouse.apiserver.generic.deleting import check_options
from pilothouse.apiserver.generic.desk import Stale
from pilothouse.apiserver.generic.registry import Registry
from pilothouse.apiserver.generic.storage import Stored

_CAUSE = "DisruptionBudget"
_MOST_DISRUPTED = 2000
_RETRY_SECONDS = 10
_MANY = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
_BLOCKED = "Cannot evict pod as it would violate the pod's disruption budget."


def unguarded(pod: Pod) -> bool:
    """Budgets have no say over a pod that does not serve: finished, not begun, or on its way out."""
    return pod.status.phase in ("Succeeded", "Failed", "Pending") or pod.metadata.deletion_timestamp is not None


def guarding(budgets: Sequence[PodDisruptionBudget], pod: Pod) -> list[PodDisruptionBudget]:
    """The budgets that select `pod`."""
    return [
        b for b in budgets if b.spec.selector is not None and of_object(b.spec.selector).matches(pod.metadata.labels)
    ]


def ready(pod: Pod) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions)


def free(budget: PodDisruptionBudget, pod: Pod) -> bool:
    """Whether an unready pod may go without counting: always, or only while the others suffice."""
    if ready(pod):
        return False
    if budget.spec.unhealthy_pod_eviction_policy == "AlwaysAllow":
        return True
    status = budget.status
    return status.current_healthy >= status.desired_healthy > 0


def charged(budget: PodDisruptionBudget, pod_name: str, now: float) -> PodDisruptionBudget:
    """The budget with one disruption less. Raises StatusError (429, 403)."""
    status, name = budget.status, budget.metadata.name
    if status.observed_generation < budget.metadata.generation:
        raise _busy(name)
    if status.disruptions_allowed < 0:
        raise _forbidden(name, "pdb disruptions allowed is negative")
    if len(status.disrupted_pods) > _MOST_DISRUPTED:
        raise _forbidden(name, "DisruptedPods map too big - too many evictions not confirmed by PDB controller")
    if status.disruptions_allowed == 0:
        raise _blocked(budget)
    disrupted = {**status.disrupted_pods, pod_name: format_time(now)}
    return replace(
        budget,
        status=replace(status, disruptions_allowed=status.disruptions_allowed - 1, disrupted_pods=disrupted),
    )


def _blocked(budget: PodDisruptionBudget) -> StatusError:
    status = budget.status
    told = (
        f"The disruption budget {budget.metadata.name} needs {status.desired_healthy} healthy pods and has "
        f"{status.current_healthy} currently"
    )
    return errors.make(
        429, "TooManyRequests", _BLOCKED, StatusDetails(causes=(StatusCause(reason=_CAUSE, message=told),))
    )


def _busy(name: str) -> StatusError:
    told = f"The disruption budget {name} is still being processed by the server."
    details = StatusDetails(causes=(StatusCause(reason=_CAUSE, message=told),), retry_after_seconds=_RETRY_SECONDS)
    return errors.make(429, "TooManyRequests", _BLOCKED, details)


def _forbidden(name: str, why: str) -> StatusError:
    details = StatusDetails(name=name, group="policy", kind="poddisruptionbudgets")
    return errors.make(403, "Forbidden", f'poddisruptionbudgets.policy "{name}" is forbidden: {why}', details)


class Evictor:
    """Evicts pods."""

    def __init__(self, pods: Registry, budgets: Registry) -> None:
        self._pods = pods
        self._budgets = budgets
        self._clock = pods.desk.surroundings.clock

    async def evict(self, eviction: Eviction, call: Call) -> Struct:
        """Raises StatusError."""
        if eviction.metadata.name and eviction.metadata.name != call.name:
            raise bad_request("name in URL does not match name in Eviction object")
        options = eviction.delete_options or DeleteOptions()
        check_options(options)
        call.dry_run = call.dry_run or bool(options.dry_run)
        item = await self._pods.get(call.namespace, call.name)
        await self._admitted(eviction, call)
        pod: Pod = item.obj
        if unguarded(pod):
            await self._delete(options, call)
            return Status(status="Success", code=201)
        budgets = [stored.obj for stored in self._budgets.cache.items(call.namespace)]
        found = guarding(budgets, pod)
        if len(found) > 1:
            raise errors.make(500, "", _MANY)
        if found and not free(found[0], pod):
            await self._charge(found[0].metadata.name, call)
        await self._mark(item, call)
        await self._delete(options, call)
        return Status(status="Success", code=201)

    async def _admitted(self, eviction: Eviction, call: Call) -> None:
        desk = self._pods.desk
        attributes = desk.attributes("CREATE", call, eviction, None)
        attributes.kind, attributes.kind_group, attributes.kind_version = "Eviction", "policy", "v1"
        await desk.surroundings.admission.admit(attributes)
        await desk.surroundings.admission.validate(attributes)

    async def _charge(self, name: str, call: Call) -> None:
        desk = self._budgets.desk
        key = desk.key(call.namespace, name)
        while (item := await desk.cache.get(key)) is not None:
            try:
                await desk.swap(item, charged(item.obj, call.name, self._clock.now()), call)
                return
            except Stale:
                continue

    async def _mark(self, item: Stored | None, call: Call) -> None:
        """Say in the pod why it goes."""
        desk = self._pods.desk
        while item is not None:
            pod: Pod = item.obj
            now = format_time(self._clock.now())
            condition = PodCondition(
                type="DisruptionTarget",
                status="True",
                reason="EvictionByEvictionAPI",
                message="Eviction API: evicting",
                last_transition_time=now,
            )
            others = tuple(c for c in pod.status.conditions if c.type != condition.type)
            marked = replace(pod, status=replace(pod.status, conditions=(*others, condition)))
            try:
                await desk.swap(item, marked, call)
                return
            except Stale:
                item = await desk.cache.get(item.key)

    async def _delete(self, options: DeleteOptions, call: Call) -> None:
        await self._pods.delete(options, deletion_of(call))


def deletion_of(call: Call) -> Call:
    """The deletion that an eviction ends in, as the same user's."""
    return Call(
        user=call.user,
        api_version="v1",
        namespace=call.namespace,
        name=call.name,
        dry_run=call.dry_run,
        manager=call.manager,
        warnings=call.warnings,
    )
