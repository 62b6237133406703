"""DefaultPreemption: a pod that fits nowhere may send less important ones away."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from pilothouse.api.errors import StatusError
from pilothouse.api.time import format_time
from pilothouse.api.types.core.v1 import Pod
from pilothouse.api.types.policy.v1 import PodDisruptionBudget
from pilothouse.kit.clock import Clock
from pilothouse.kit.random import Chance
from pilothouse.machinery.client import Client, StrategicMergePatch
from pilothouse.machinery.client.interface import CLIENT_ERRORS
from pilothouse.machinery.events import NORMAL, Recorder
from pilothouse.scheduler.framework import Change, Cycle, Diagnosis, Framework, Hint
from pilothouse.scheduler.framework.outcome import NOT_HELPFUL
from pilothouse.scheduler.nominations import Nominations
from pilothouse.scheduler.preemption import NO_VICTIMS, Candidate, best, try_node, wanted_candidates
from pilothouse.scheduler.snapshot import PodInfo

log = logging.getLogger(__name__)
GONE = (404, 409)
# Others get the loop after so many seconds of trying.
TURN_SECONDS = 0.004


class DefaultPreemption:
    """`budgets` lists the disruption budgets there are. `framework` is set once all plugins are there."""

    name = "DefaultPreemption"
    events: Mapping[Change, Hint | None] = {}
    framework: Framework

    def __init__(
        self,
        client: Client,
        clock: Clock,
        chance: Chance,
        recorder: Recorder,
        nominations: Nominations,
        budgets: Callable[[], Sequence[PodDisruptionBudget]] = lambda: (),
    ) -> None:
        self._client = client
        self._clock = clock
        self._chance = chance
        self._recorder = recorder
        self._nominations = nominations
        self._budgets = budgets

    async def post_filter(self, cycle: Cycle, diagnosis: Diagnosis) -> tuple[str | None, str]:
        reason = self._not_eligible(cycle)
        if reason:
            return None, f"preemption: {reason}"
        candidates, counts = await self._candidates(cycle, diagnosis)
        if not candidates:
            told = Diagnosis(diagnosis.nodes, counts)
            return "", f"preemption: {told.message()}"
        chosen = best(candidates)
        try:
            for victim in chosen.victims:
                await self._evict(victim, cycle.pod, chosen.node)
            await self._release(cycle.pod, chosen.node)
        except CLIENT_ERRORS as error:
            log.warning("preemption for %s/%s: %s", cycle.pod.namespace, cycle.pod.name, error)
            return None, f"preemption: {error}"
        return chosen.node, ""

    def _not_eligible(self, cycle: Cycle) -> str:
        pod = cycle.pod
        if pod.pod.spec.preemption_policy == "Never":
            return "not eligible due to preemptionPolicy=Never."
        promised = self._nominations.node_of(pod.uid) or pod.pod.status.nominated_node_name
        record = cycle.snapshot.node(promised) if promised else None
        if record is not None and any(p.terminating and p.priority < pod.priority for p in record.pods.values()):
            return "not eligible due to a terminating pod on the nominated node."
        return ""

    async def _candidates(self, cycle: Cycle, diagnosis: Diagnosis) -> tuple[list[Candidate], Counter[str]]:
        snapshot = cycle.snapshot
        names = [snapshot.records[row].name for row in diagnosis.resolvable if row < len(snapshot)]
        counts: Counter[str] = Counter()
        if diagnosis.nodes > len(names):
            counts[NOT_HELPFUL] = diagnosis.nodes - len(names)
        if names and not any(priority < cycle.pod.priority for priority in snapshot.priorities):
            counts[NO_VICTIMS] = len(names)
            return [], counts
        start = self._chance.below(len(names)) if names else 0
        found: list[Candidate] = []
        wanted, budgets = wanted_candidates(len(names)), self._budgets()
        begun = self._clock.monotonic()
        for name in (*names[start:], *names[:start]):
            if self._clock.monotonic() - begun > TURN_SECONDS:
                await self._clock.sleep(0)
                begun = self._clock.monotonic()
            record = snapshot.node(name)
            if record is None:
                continue
            answer = try_node(self.framework, cycle, record, self._nominations, budgets)
            if isinstance(answer, Candidate):
                found.append(answer)
                if len(found) >= wanted and any(not c.violations for c in found):
                    break
            else:
                counts += answer
        return found, counts

    async def _evict(self, victim: PodInfo, pod: PodInfo, node: str) -> None:
        if victim.terminating:
            return
        try:
            await self._client.patch(
                Pod, victim.name, victim.namespace, StrategicMergePatch(self._condition()), subresource="status"
            )
            await self._client.delete(Pod, victim.name, victim.namespace, uid=victim.pod.metadata.uid or None)
        except StatusError as error:
            if error.code not in GONE:
                raise
            return
        self._recorder.event(victim.pod, NORMAL, "Preempted", f"Preempted by pod {pod.uid} on node {node}")

    def _condition(self) -> dict[str, object]:
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": "default-scheduler: preempting to accommodate a higher priority pod",
            "lastTransitionTime": format_time(self._clock.now()),
        }
        return {"status": {"conditions": [condition]}}

    async def _release(self, pod: PodInfo, node: str) -> None:
        """Less important pods that were promised this node look for another."""
        for other in self._nominations.on(node):
            if other.priority >= pod.priority or other.uid == pod.uid:
                continue
            self._nominations.drop(other.uid)
            try:
                body = {"status": {"nominatedNodeName": None}}
                await self._client.patch(
                    Pod, other.name, other.namespace, StrategicMergePatch(body), subresource="status"
                )
            except StatusError as error:
                if error.code not in GONE:
                    raise
