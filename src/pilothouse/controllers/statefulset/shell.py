"""The shell of the StatefulSet controller."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from pilothouse.api.errors import StatusError
from pilothouse.api.selectors import SelectorError, of_object
from pilothouse.api.types.apps.v1 import ControllerRevision, StatefulSet
from pilothouse.api.types.core.v1 import PersistentVolumeClaim, Pod
from pilothouse.controllers import history, pod_control
from pilothouse.controllers.environment import Environment
from pilothouse.controllers.replicas import next_available
from pilothouse.controllers.statefulset import identity
from pilothouse.controllers.statefulset.claims import ClaimError, ClaimKeeper
from pilothouse.controllers.statefulset.decide import (
    MAX_UNAVAILABLE,
    Plan,
    Revisions,
    decide,
    decide_status,
    uses_update,
)
from pilothouse.machinery import claims
from pilothouse.machinery.client import CLIENT_ERRORS, Client
from pilothouse.machinery.controller import Controller, Key, key_of, own_key
from pilothouse.machinery.events import NORMAL, WARNING
from pilothouse.semantics.pods import is_terminal, is_terminating

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
        self.claims = ClaimKeeper(self.controller.needs(PersistentVolumeClaim), self.recorder)
        self.controller.on(PersistentVolumeClaim, self._claim_gone)
        self.controller.on(Pod, pod_control.keys_of_owner("StatefulSet", "apps", self._wanting))
        self.controller.on(ControllerRevision, pod_control.keys_of_owner("StatefulSet", "apps", lambda _: ()))

    def _wanting(self, pod: Pod) -> Iterable[Key]:
        for owner in self.sets.list(pod.metadata.namespace):
            try:
                if of_object(owner.spec.selector).matches(pod.metadata.labels):
                    yield key_of(owner)
            except SelectorError:
                continue

    def _claim_gone(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> Iterable[Key]:
        """The sets that may have waited for a claim to go."""
        if old is None or new is not None:
            return
        for owner in self.sets.list(old.metadata.namespace):
            names = (f"{t.metadata.name}-{owner.metadata.name}-" for t in owner.spec.volume_claim_templates)
            if any(old.metadata.name.startswith(name) for name in names):
                yield key_of(owner)

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
        gate = self.env.settings.features.get(MAX_UNAVAILABLE, False)
        plan = decide(replace(owner, status=status), pods, revisions, now, max_unavailable=gate)
        if status != owner.status:
            owner = await client.update(replace(owner, status=status), subresource="status")
        if owner.metadata.deletion_timestamp is None:
            await self._repair(owner, pods, client)
            await self._carry_out(owner, plan, current, update, client)
        live = {revisions.current, revisions.update, *(identity.revision_of(p) for p in pods)}
        await history.truncate(client, held, live, owner.spec.revision_history_limit)
        wait = next_available(pods, owner.spec.min_ready_seconds, now)
        if wait is not None:
            self.controller.queue.add_after(key, wait)

    async def _repair(self, owner: StatefulSet, pods: Sequence[Pod], client: Client) -> None:
        """Give pods the labels of their identity, and their claims those who will take them along."""
        for pod in pods:
            if is_terminating(pod):
                continue
            fixed = identity.repaired(owner, pod)
            if fixed is not None:
                await self._update(owner, fixed, client)
            if pod.status.phase in ("", "Pending"):
                await self.claims.create(owner, pod, client)
            if not is_terminal(pod):
                await self.claims.keep_owners(owner, pod, client)

    async def _carry_out(
        self, owner: StatefulSet, plan: Plan, current: ControllerRevision, update: ControllerRevision, client: Client
    ) -> None:
        revisions = Revisions(current.metadata.name, update.metadata.name)
        for ordinal in plan.create:
            newer = uses_update(owner, ordinal, revisions)
            template = owner.spec.template if newer else history.template_of(current)
            pod = identity.pod_for(owner, ordinal, template, revisions.update if newer else revisions.current)
            if not self.claims.block(owner, pod):
                await self._create(owner, pod, client)
        for pod in plan.delete:
            await self._delete(owner, pod, client)

    async def _create(self, owner: StatefulSet, pod: Pod, client: Client) -> None:
        try:
            await self.claims.create(owner, pod, client)
            await client.create(pod)
            await self.claims.keep_owners(owner, pod, client)
        except (ClaimError, *CLIENT_ERRORS) as error:
            exists = isinstance(error, StatusError) and error.reason == "AlreadyExists"
            if pod_control.namespace_ends(error):
                return
            if not exists:
                self._record("create", owner, pod, error)
            raise
        self._record("create", owner, pod)

    async def _update(self, owner: StatefulSet, pod: Pod, client: Client) -> None:
        try:
            await client.update(pod)
        except CLIENT_ERRORS as error:
            self._record("update", owner, pod, error)
            raise
        self._record("update", owner, pod)

    async def _delete(self, owner: StatefulSet, pod: Pod, client: Client) -> None:
        try:
            await client.delete(Pod, pod.metadata.name, pod.metadata.namespace, uid=pod.metadata.uid)
        except CLIENT_ERRORS as error:
            if isinstance(error, StatusError) and error.code == NOT_FOUND:
                return
            self._record("delete", owner, pod, error)
            raise
        self._record("delete", owner, pod)

    def _record(self, verb: str, owner: StatefulSet, pod: Pod, error: BaseException | None = None) -> None:
        where = f"{verb} Pod {pod.metadata.name} in StatefulSet {owner.metadata.name}"
        if error is None:
            self.recorder.event(owner, NORMAL, f"Successful{verb.capitalize()}", f"{where} successful")
        else:
            self.recorder.event(owner, WARNING, f"Failed{verb.capitalize()}", f"{where} failed error: {error}")


def build(env: Environment) -> Controller[Key]:
    """Keys are StatefulSets."""
    return _Shell(env).controller
