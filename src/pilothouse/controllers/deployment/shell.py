"""The shell of the Deployment controller: looks, lets `decide` decide, writes."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pilothouse.api.errors import StatusError
from pilothouse.api.selectors import LabelSelector, SelectorError, of_object
from pilothouse.api.types.apps.v1 import Deployment, ReplicaSet
from pilothouse.api.types.core.v1 import Pod
from pilothouse.controllers import pod_control
from pilothouse.controllers.deployment import progress, revisions
from pilothouse.controllers.deployment.decide import Plan, decide
from pilothouse.controllers.environment import Environment
from pilothouse.machinery import claims
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller, Key, own_key
from pilothouse.machinery.events import NORMAL, WARNING
from pilothouse.semantics.ownership import controller_of, is_controlled_by

IDENTITY = "deployment-controller"
GONE = 404
replace = msgspec.structs.replace


class _Shell:
    """The controller's caches and writes."""

    def __init__(self, env: Environment) -> None:
        self.env = env
        self.recorder = env.recorder(IDENTITY, IDENTITY)
        self.controller: Controller[Key] = env.controller(IDENTITY, IDENTITY, self.reconcile)
        self.deployments = self.controller.on(Deployment, own_key)
        self.sets = self.controller.needs(ReplicaSet)
        self.sets.add_index(claims.INDEX, claims.index)
        self.pods = self.controller.needs(Pod)
        pod_control.pods_by_controller(self.pods)
        self.controller.on(ReplicaSet, pod_control.keys_of_owner("Deployment", "apps", self._wanting))
        self.controller.on(Pod, self._pod_changed)

    def _wanting(self, rs: ReplicaSet) -> Iterable[Key]:
        for deployment in self.deployments.list(rs.metadata.namespace):
            try:
                if of_object(deployment.spec.selector).matches(rs.metadata.labels):
                    yield deployment.metadata.namespace, deployment.metadata.name
            except SelectorError:
                continue

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> Iterable[Key]:
        """Recreate waits for the last old pod to go."""
        if new is not None or old is None or (reference := controller_of(old.metadata)) is None:
            return
        rs = self.sets.get(reference.name, old.metadata.namespace) if reference.kind == "ReplicaSet" else None
        owner = controller_of(rs.metadata) if rs is not None else None
        if owner is None or owner.kind != "Deployment":
            return
        held = self.deployments.get(owner.name, old.metadata.namespace)
        if held is not None and held.spec.strategy.type == "Recreate":
            yield old.metadata.namespace, owner.name

    async def reconcile(self, key: Key, client: Client) -> None:
        deployment = self.deployments.get(key[1], key[0])
        if deployment is None:
            return
        try:
            selector = of_object(deployment.spec.selector)
        except SelectorError:
            return
        if selector.empty:
            await self._refuse_everything(deployment, client)
            return
        sets = await claims.claim(client, deployment, selector, self.sets)
        pods = {rs.metadata.uid: self.pods.by_index(claims.INDEX, rs.metadata.uid) for rs in sets}
        plan = decide(deployment, sets, pods, self.env.clock.now())
        await self._carry_out(deployment, selector, plan, client)
        if plan.again_in is not None:
            self.controller.queue.add_after(key, plan.again_in)

    async def _refuse_everything(self, deployment: Deployment, client: Client) -> None:
        text = "This deployment is selecting all pods. A non-empty selector is required."
        self.recorder.event(deployment, WARNING, "SelectingAll", text)
        if deployment.status.observed_generation < deployment.metadata.generation:
            status = replace(deployment.status, observed_generation=deployment.metadata.generation)
            await client.update(replace(deployment, status=status), subresource="status")

    async def _carry_out(self, deployment: Deployment, selector: LabelSelector, plan: Plan, client: Client) -> None:
        if plan.create is not None and not await self._create(deployment, plan.create, client):
            return
        for rs in plan.update:
            await client.update(rs)
        for reason, message in plan.events:
            self.recorder.event(deployment, NORMAL, reason, message)
        for rs in plan.delete:
            try:
                await client.delete(ReplicaSet, rs.metadata.name, rs.metadata.namespace, uid=rs.metadata.uid)
            except StatusError as error:
                if error.code != GONE:
                    raise
        before = deployment
        if plan.annotations is not None:
            deployment = pod_control.with_meta(deployment, annotations=plan.annotations)
        if plan.status is not None:
            deployment = replace(deployment, status=plan.status)
        if deployment != before:
            # Written through the status, the annotations are no new generation of what is wanted.
            await client.update(deployment, subresource="status")

    async def _create(self, deployment: Deployment, made: ReplicaSet, client: Client) -> bool:
        """Create the current ReplicaSet; False if another step must come first."""
        try:
            await client.create(made)
        except StatusError as error:
            if error.reason == "AlreadyExists":
                return await self._collided(deployment, made, client)
            if not pod_control.namespace_ends(error):
                await self._tell_failure(deployment, made, error, client)
            raise
        return True

    async def _collided(self, deployment: Deployment, made: ReplicaSet, client: Client) -> bool:
        held = await client.get(ReplicaSet, made.metadata.name, made.metadata.namespace)
        if is_controlled_by(held.metadata, deployment) and revisions.same_template(
            held.spec.template, deployment.spec.template
        ):
            return True
        count = (deployment.status.collision_count or 0) + 1
        status = replace(deployment.status, collision_count=count)
        await client.update(replace(deployment, status=status), subresource="status")
        return False

    async def _tell_failure(self, deployment: Deployment, made: ReplicaSet, error: StatusError, client: Client) -> None:
        message = f'Failed to create new replica set "{made.metadata.name}": {error}'
        self.recorder.event(deployment, WARNING, "ReplicaSetCreateError", message)
        if not progress.has_deadline(deployment):
            return
        note = progress.Note("False", "ReplicaSetCreateError", message)
        held = progress.put(deployment.status.conditions, progress.PROGRESSING, note, self.env.clock.now())
        if held != deployment.status.conditions:
            status = replace(deployment.status, conditions=held)
            await client.update(replace(deployment, status=status), subresource="status")


def build(env: Environment) -> Controller[Key]:
    """Keys are Deployments."""
    return _Shell(env).controller
