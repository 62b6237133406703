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
from pilothouse.api.types.meta.v1 import Condition, DeleteOptions, Preconditions, Status, StatusCause, StatusDetails
from pilothouse.api.types.policy.v1 import Eviction, PodDisruptionBudget
from pilothouse.apiserver.generic.deleting import check_options, check_preconditions
from pilothouse.apiserver.generic.kind_store import Stale
from pilothouse.apiserver.generic.registry import Registry
from pilothouse.apiserver.generic.storage import CachedObject
from pilothouse.apiserver.request.call import Call
from pilothouse.kit.aside import aside
from pilothouse.semantics import conditions

_CAUSE = "DisruptionBudget"
_MOST_DISRUPTED = 2000
_RETRY_SECONDS = 10
_ATTEMPTS = 20
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
    left = status.disruptions_allowed - 1
    told = status.conditions if left else conditions.put(status.conditions, _insufficient(budget, now))
    return replace(budget, status=replace(status, disruptions_allowed=left, disrupted_pods=disrupted, conditions=told))


def _insufficient(budget: PodDisruptionBudget, now: float) -> Condition:
    """The last permit is given away; the controller says so too, a moment later."""
    return Condition(
        type="DisruptionAllowed",
        status="False",
        reason="InsufficientPods",
        observed_generation=budget.status.observed_generation,
        last_transition_time=format_time(now),
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
        self._clock = pods.kind_store.context.clock

    async def evict(self, eviction: Eviction, call: Call) -> Struct:
        """Raises StatusError."""
        if eviction.metadata.name and eviction.metadata.name != call.name:
            raise bad_request("name in URL does not match name in Eviction object")
        options = eviction.delete_options or DeleteOptions()
        await aside(call.size, lambda: check_options(options))
        call.dry_run = call.dry_run or bool(options.dry_run)
        item = await self._pods.get(call.namespace, call.name)
        await self._admitted(eviction, call)
        for _ in range(_ATTEMPTS):
            if not unguarded(item.obj):
                await self._guarded(item, options, call)
                break
            if await self._unguarded(item, options, call):
                break
            item = await self._pods.get(call.namespace, call.name)
        return Status(status="Success", code=201)

    async def _unguarded(self, item: CachedObject, options: DeleteOptions, call: Call) -> bool:
        """Delete a pod over which no budget has a say; False if it has begun meanwhile, so that one may have."""
        begins = item.obj.status.phase == "Pending" and item.obj.metadata.deletion_timestamp is None
        ours = begins and not _names_version(options)
        try:
            await self._delete(_at(options, item) if ours else options, call)
        except StatusError as error:
            if error.code != 409 or not ours:
                raise
            return False
        return True

    async def _guarded(self, item: CachedObject, options: DeleteOptions, call: Call) -> None:
        named = _names_version(options)
        if named:
            check_preconditions(self._pods.strategy, item.obj.metadata, options)
        budgets = [stored.obj for stored in self._budgets.cache.items(call.namespace)]
        found = guarding(budgets, item.obj)
        if len(found) > 1:
            raise errors.make(500, "", _MANY)
        # One that is not ready may go without counting, as long as that holds until it goes.
        uncounted = bool(found) and free(found[0], item.obj)
        if found and not uncounted:
            await self._charge(found[0].metadata.name, call)
        exact = named or uncounted
        marked = await self._mark(item, call, only_as_it_is=exact)
        if marked is None and uncounted:
            raise _busy(found[0].metadata.name)
        try:
            await self._delete(_at(options, marked) if exact and marked is not None else options, call)
        except StatusError as error:
            if error.code != 409 or named or not uncounted:
                raise
            raise _busy(found[0].metadata.name) from None

    async def _admitted(self, eviction: Eviction, call: Call) -> None:
        kind_store = self._pods.kind_store
        attributes = kind_store.attributes("CREATE", call, eviction, None)
        attributes.kind, attributes.kind_group, attributes.kind_version = "Eviction", "policy", "v1"
        await kind_store.context.admission.admit(attributes)
        await kind_store.context.admission.validate(attributes)

    async def _charge(self, name: str, call: Call) -> None:
        kind_store = self._budgets.kind_store
        key = kind_store.key(call.namespace, name)
        while (item := await kind_store.cache.get(key)) is not None:
            try:
                await kind_store.swap(item, charged(item.obj, call.name, self._clock.now()), call)
                return
            except Stale:
                continue

    async def _mark(self, item: CachedObject | None, call: Call, *, only_as_it_is: bool = False) -> CachedObject | None:
        """Say in the pod why it goes: the pod as it is then; None if it is gone, or with `only_as_it_is` changed."""
        kind_store = self._pods.kind_store
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
                return await kind_store.swap(item, marked, call)
            except Stale:
                item = None if only_as_it_is else await kind_store.cache.get(item.key)
        return None

    async def _delete(self, options: DeleteOptions, call: Call) -> None:
        await self._pods.delete(options, deletion_of(call))


def _names_version(options: DeleteOptions) -> bool:
    return options.preconditions is not None and bool(options.preconditions.resource_version)


def _at(options: DeleteOptions, item: CachedObject) -> DeleteOptions:
    """The options, for this very state of a pod."""
    version = str(item.revision)
    conditions = options.preconditions or Preconditions()
    return replace(options, preconditions=replace(conditions, resource_version=version))


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
