"""The shell of the StatefulSet controller."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from pilothouse.api.errors import StatusError
from pilothouse.api.selectors import SelectorError, of_object
from pilothouse.api.types.apps.v1 import ControllerRevision, StatefulSet
from pilothouse.api.types.core.v1 import PersistentVolumeClaim, Pod
from pilothouse.api.types.meta.v1 import OwnerReference
from pilothouse.controllers import history, pod_control
from pilothouse.controllers.environment import Environment
from pilothouse.controllers.replicas import next_available
from pilothouse.controllers.statefulset import identity
from pilothouse.controllers.statefulset.decide import Plan, Revisions, decide, decide_status, uses_update
from pilothouse.machinery import claims
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller, Key, key_of, own_key
from pilothouse.machinery.events import NORMAL, WARNING

IDENTITY = "statefulset-controller"
NOT_FOUND = 404
replace = msgspec.structs.replace


class _Shell:
    """The controller's caches and writes."""

    def __init__(self, env: Environment) -> None:
        self.env = env
        self.recorder = env.recorder(IDENTITY, IDENTITY)
        self.controller: Controller[Key] = env.controller(IDENTITY, IDENTITY, self.reconcile)
        self.sets = self.controller.on(StatefulSet, own_key)
        self.pods = self.controller.needs(Pod)
        pod_control.pods_by_controller(self.pods)
        self.revisions = self.controller.needs(ControllerRevision)
        self.revisions.add_index(claims.INDEX, claims.index)
        self.volume_claims = self.controller.needs(PersistentVolumeClaim)
        self.controller.on(Pod, pod_control.keys_of_owner("StatefulSet", "apps", self._wanting))
        self.controller.on(ControllerRevision, pod_control.keys_of_owner("StatefulSet", "apps", lambda _: ()))

    def _wanting(self, pod: Pod) -> Iterable[Key]:
        for owner in self.sets.list(pod.metadata.namespace):
            try:
                if of_object(owner.spec.selector).matches(pod.metadata.labels):
                    yield key_of(owner)
            except SelectorError:
                continue

    async def reconcile(self, key: Key, client: Client) -> None:
        owner = self.sets.get(key[1], key[0])
        if owner is None:
            return
        try:
            selector = of_object(owner.spec.selector)
        except SelectorError:
            return
        mine = owner
        pods = await claims.claim(
            client, owner, selector, self.pods, wanted=lambda p: identity.ordinal_of(mine, p) >= 0
        )
        held = await claims.claim(client, owner, selector, self.revisions)
        update = await history.keep(client, owner, held)
        if update is None:
            return
        by_name = {r.metadata.name: r for r in (*held, update)}
        current = by_name.get(owner.status.current_revision, update)
        revisions = Revisions(current.metadata.name, update.metadata.name)
        now = self.env.clock.now()
        status = decide_status(owner, pods, revisions, now)
        plan = decide(replace(owner, status=status), pods, revisions, now)
        if status != owner.status:
            owner = await client.update(replace(owner, status=status), subresource="status")
        await self._repair(owner, pods, client)
        await self._carry_out(owner, plan, pods, current, update, client)
        live = {revisions.current, revisions.update, *(identity.revision_of(p) for p in pods)}
        await history.truncate(client, held, live, owner.spec.revision_history_limit)
        wait = next_available(pods, owner.spec.min_ready_seconds, now)
        if wait is not None:
            self.controller.queue.add_after(key, wait)

    async def _repair(self, owner: StatefulSet, pods: Sequence[Pod], client: Client) -> None:
        for pod in pods:
            fixed = identity.repaired(owner, pod)
            if fixed is not None and pod.metadata.deletion_timestamp is None:
                await client.update(fixed)
            if pod.metadata.deletion_timestamp is None:
                await self._claim_volumes(owner, identity.ordinal_of(owner, pod), client, pod)

    async def _carry_out(
        self,
        owner: StatefulSet,
        plan: Plan,
        pods: Sequence[Pod],
        current: ControllerRevision,
        update: ControllerRevision,
        client: Client,
    ) -> None:
        revisions = Revisions(current.metadata.name, update.metadata.name)
        for pod in plan.recreate:
            where = f"{owner.metadata.namespace}/{owner.metadata.name}"
            text = f"StatefulSet {where} is recreating failed Pod {pod.metadata.name}"
            self.recorder.event(owner, WARNING, "RecreatingFailedPod", text)
            await self._delete(owner, pod, client)
        for ordinal in plan.create:
            newer = uses_update(owner, ordinal, pods, revisions)
            template = owner.spec.template if newer else history.template_of(current)
            made = identity.pod_for(owner, ordinal, template, revisions.update if newer else revisions.current)
            await self._claim_volumes(owner, ordinal, client)
            await self._create(owner, made, client)
        for pod in plan.delete:
            await self._delete(owner, pod, client)

    async def _create(self, owner: StatefulSet, made: Pod, client: Client) -> None:
        told = f"create Pod {made.metadata.name} in StatefulSet {owner.metadata.name}"
        try:
            await client.create(made)
        except StatusError as error:
            if pod_control.namespace_ends(error):
                return
            self.recorder.event(owner, WARNING, "FailedCreate", f"{told} failed error: {error}")
            raise
        self.recorder.event(owner, NORMAL, "SuccessfulCreate", f"{told} successful")

    async def _delete(self, owner: StatefulSet, pod: Pod, client: Client) -> None:
        told = f"delete Pod {pod.metadata.name} in StatefulSet {owner.metadata.name}"
        try:
            await client.delete(Pod, pod.metadata.name, pod.metadata.namespace, uid=pod.metadata.uid)
        except StatusError as error:
            if error.code == NOT_FOUND:
                return
            self.recorder.event(owner, WARNING, "FailedDelete", f"{told} failed error: {error}")
            raise
        self.recorder.event(owner, NORMAL, "SuccessfulDelete", f"{told} successful")

    async def _claim_volumes(self, owner: StatefulSet, ordinal: int, client: Client, pod: Pod | None = None) -> None:
        """Make the pod's claims that are missing, and let those that are to go with the set or pod be owned by it."""
        for wanted in identity.claims_of(owner, ordinal):
            held = self.volume_claims.get(wanted.metadata.name, wanted.metadata.namespace)
            owners = _claim_owners(owner, pod if ordinal not in identity.ordinals(owner) else None)
            if held is not None:
                others = tuple(r for r in held.metadata.owner_references if r.kind not in ("StatefulSet", "Pod"))
                if owner.spec.persistent_volume_claim_retention_policy is not None and (
                    held.metadata.owner_references != (*others, *owners)
                ):
                    await client.update(pod_control.with_meta(held, owner_references=(*others, *owners)))
                continue
            name = wanted.metadata.name
            told = f"create Claim {name} Pod {identity.name_of(owner, ordinal)} in StatefulSet {owner.metadata.name}"
            try:
                await client.create(pod_control.with_meta(wanted, owner_references=owners))
            except StatusError as error:
                if error.reason == "AlreadyExists":
                    continue
                self.recorder.event(owner, WARNING, "FailedCreate", f"{told} failed error: {error}")
                raise
            self.recorder.event(owner, NORMAL, "SuccessfulCreate", f"{told} success")


def _claim_owners(owner: StatefulSet, condemned: Pod | None) -> tuple[OwnerReference, ...]:
    """Who takes a claim along: the set if claims go when it is deleted, the pod if they go when it is scaled away."""
    policy = owner.spec.persistent_volume_claim_retention_policy
    if policy is None:
        return ()
    found = []
    if policy.when_deleted == "Delete":
        found.append(
            OwnerReference(
                api_version="apps/v1",
                kind="StatefulSet",
                name=owner.metadata.name,
                uid=owner.metadata.uid,
                controller=True,
                block_owner_deletion=True,
            )
        )
    if policy.when_scaled == "Delete" and condemned is not None:
        found.append(
            OwnerReference(api_version="v1", kind="Pod", name=condemned.metadata.name, uid=condemned.metadata.uid)
        )
    return tuple(found)


def build(env: Environment) -> Controller[Key]:
    """Keys are StatefulSets."""
    return _Shell(env).controller
