"""One step of a Deployment: from what is there to what to write. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from pilothouse.api.types.apps.v1 import Deployment, DeploymentStatus, ReplicaSet
from pilothouse.api.types.core.v1 import Pod
from pilothouse.controllers.deployment import progress, revisions, sizes
from pilothouse.controllers.deployment.progress import Note
from pilothouse.controllers.deployment.revisions import wanted
from pilothouse.controllers.pod_control import with_meta
from pilothouse.semantics import conditions

SCALED = "ScalingReplicaSet"
replace = msgspec.structs.replace


@dataclass(slots=True)
class Plan:
    """What to write, in this order: create, update, delete, the Deployment's annotations, its status."""

    create: ReplicaSet | None = None
    update: list[ReplicaSet] = field(default_factory=list)
    delete: list[ReplicaSet] = field(default_factory=list)
    annotations: Mapping[str, str] | None = None
    status: DeploymentStatus | None = None
    events: list[tuple[str, str]] = field(default_factory=list)
    again_in: float | None = None


class _Step:
    """The working memory of one decision."""

    def __init__(
        self, deployment: Deployment, sets: Sequence[ReplicaSet], pods: Mapping[str, Sequence[Pod]], now: float
    ) -> None:
        self.deployment = deployment
        self.pods = pods
        self.now = now
        self.plan = Plan()
        self.sets = {rs.metadata.name: rs for rs in sets}
        self.new = revisions.find_new(deployment, sets)
        self.old = revisions.find_old(self.new, sets)
        self.note: Note | None = None

    def run(self) -> Plan:
        deployment = self.deployment
        pause = progress.paused_note(deployment)
        if pause is not None:
            held = progress.put(deployment.status.conditions, progress.PROGRESSING, pause, self.now)
            self.deployment = replace(deployment, status=replace(deployment.status, conditions=held))
        if deployment.metadata.deletion_timestamp is not None:
            self._tell(counted=True)
        elif deployment.spec.paused or sizes.is_scaling(deployment, self.sets.values()):
            self._renew(create=False)
            self._resize(sizes.scale(deployment, self.new, self.old))
            if deployment.spec.paused:
                self._clean()
            self._tell(counted=True)
        elif deployment.spec.strategy.type == "Recreate":
            self._recreate()
        else:
            self._roll()
        return self.plan

    def _roll(self) -> None:
        self._renew(create=True)
        assert self.new is not None
        step = sizes.roll_new(self.deployment, self.new, self.old)
        if not step:
            step = sizes.roll_old(self.deployment, self.new, self.old)
        self._resize(step)
        if not step and progress.complete(self.deployment, self.deployment.status):
            self._clean()
        self._tell()

    def _recreate(self) -> None:
        self._renew(create=False)
        ending = sizes.active(self.old)
        if ending:
            self._resize({rs.metadata.name: 0 for rs in ending})
        elif not self._old_pods_run():
            self._renew(create=True)
            assert self.new is not None
            desired = sizes.replicas_of(self.deployment)
            if wanted(self.new) != desired:
                self._resize({self.new.metadata.name: desired})
            elif progress.complete(self.deployment, self.deployment.status):
                self._clean()
        self._tell()

    def _old_pods_run(self) -> bool:
        current = self.new.metadata.uid if self.new is not None else ""
        return any(
            pod.status.phase not in ("Failed", "Succeeded")
            for uid, pods in self.pods.items()
            if uid != current
            for pod in pods
        )

    def _renew(self, *, create: bool) -> None:
        """Bring the current ReplicaSet's annotations up to date, or make it."""
        deployment = self.deployment
        revision = revisions.next_number(self.old)
        if self.new is not None:
            annotations = revisions.annotations_for(deployment, self.new, revision)
            renewed = with_meta(self.new, annotations=annotations)
            renewed = replace(renewed, spec=replace(renewed.spec, min_ready_seconds=deployment.spec.min_ready_seconds))
            self._change(renewed)
            current = conditions.find(deployment.status.conditions, progress.PROGRESSING)
            if current is None and progress.has_deadline(deployment):
                self.note = Note("True", "FoundNewReplicaSet", f'Found new replica set "{self.new.metadata.name}"')
            self._number(revisions.number(renewed))
        elif create:
            made = revisions.make_new(deployment, revision)
            size = sizes.new_size(deployment, 0, sizes.total(self.old))
            made = revisions.sized(made, size, sizes.replicas_of(deployment), sizes.bounds(deployment)[0])
            self.new = self.plan.create = made
            if size > 0:
                self.plan.events.append((SCALED, f"Scaled up replica set {made.metadata.name} from 0 to {size}"))
            self.note = Note("True", "NewReplicaSetCreated", f'Created new replica set "{made.metadata.name}"')
            self._number(revision)

    def _number(self, revision: int) -> None:
        held = self.deployment.metadata.annotations
        if held.get(revisions.REVISION) != str(revision):
            self.plan.annotations = {**held, revisions.REVISION: str(revision)}

    def _resize(self, wished: Mapping[str, int]) -> None:
        desired, surge = sizes.replicas_of(self.deployment), sizes.bounds(self.deployment)[0]
        for name, size in wished.items():
            rs = self.plan.create if self.new is not None and name == self.new.metadata.name else None
            if rs is not None:
                continue
            rs = self.sets[name]
            before = wanted(rs)
            self._change(revisions.sized(rs, size, desired, surge))
            if size != before:
                way = "up" if size > before else "down"
                self.plan.events.append((SCALED, f"Scaled {way} replica set {name} from {before} to {size}"))
        # A set that keeps its size still learns of a new desired number, or scaling would never be over.
        for rs in list(self.sets.values()):
            known = revisions.annotation_number(rs, revisions.DESIRED)
            if wanted(rs) > 0 and known != desired:
                self._change(revisions.sized(rs, wanted(rs), desired, surge))

    def _change(self, rs: ReplicaSet) -> None:
        name = rs.metadata.name
        if self.sets.get(name) == rs:
            return
        self.sets[name] = rs
        if self.new is not None and self.new.metadata.name == name:
            self.new = rs
        self.old = [rs if o.metadata.name == name else o for o in self.old]
        self.plan.update = [*(u for u in self.plan.update if u.metadata.name != name), rs]

    def _clean(self) -> None:
        self.plan.delete = revisions.surplus(self.deployment, self.old)

    def _tell(self, *, counted: bool = False) -> None:
        deployment = self.deployment
        if self.note is not None and progress.has_deadline(deployment):
            held = progress.put(deployment.status.conditions, progress.PROGRESSING, self.note, self.now)
            deployment = replace(deployment, status=replace(deployment.status, conditions=held))
        sets = [*self.old, *([self.new] if self.new is not None else [])]
        tell = progress.counts if counted else progress.rollout
        self.plan.status = tell(deployment, self.new, sets, self.now)
        if not counted:
            self.plan.again_in = progress.check_again(deployment, self.plan.status, self.now)


def decide(deployment: Deployment, sets: Sequence[ReplicaSet], pods: Mapping[str, Sequence[Pod]], now: float) -> Plan:
    """The next step for a Deployment with these ReplicaSets; `pods` are theirs, by the ReplicaSet's uid."""
    return _Step(deployment, sets, pods, now).run()
