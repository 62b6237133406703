"""Restarting a whole pod in place because one of its containers exited as a rule says. Pure. KEP-5532.

All containers but ephemeral ones are ended fast (no preStop hook, no grace) and forgotten, their logs kept; sandbox,
addresses and volumes stay. Then the pod begins anew with its init containers, without back-off. Upstream:
kubecontainer.ShouldAllContainersRestart and the runtime manager's containers to reset.
"""

from __future__ import annotations

from pilothouse.kubelet.podworker.instructions import Instruction, KillContainer, RemoveContainer
from pilothouse.kubelet.podworker.state import Kill, PodState, exited
from pilothouse.seams.runtime import Container
from pilothouse.semantics.container_restarts import RESTART_ALL, matching_rule

CONDITION = "AllContainersRestarting"


def triggered(state: PodState) -> bool:
    """Whether the latest run of some container ended in a way that restarts the pod."""
    for spec in (*state.spec.init_containers, *(state.spec.containers or ())):
        run = state.latest(spec.name)
        if run is not None and exited(run):
            rule = matching_rule(spec, run.exit_code)
            if rule is not None and rule.action == RESTART_ALL:
                return True
    return False


def resume(state: PodState) -> None:
    """When the node's process begins: what an earlier one had begun, the pod's condition tells."""
    state.restarting_all = any(c.type == CONDITION and c.status == "True" for c in state.pod.status.conditions)


def steps(state: PodState, now: float) -> list[Instruction]:
    """End what runs; once nothing does, forget every run, and `state.restarting_all` is off again."""
    runs = _runs(state)
    alive = [run for run in runs if not exited(run)]
    if alive or state.starting:
        return [_kill(state, run, now) for run in alive if run.id not in state.killing]
    for run in runs:
        del state.containers[run.id]
        state.attempts[run.name] = max(run.attempt, state.attempts.get(run.name, 0))
    state.discarded |= {run.id for run in runs}
    state.waiting.clear()
    state.replacing.clear()
    state.restarting_all = False
    return [RemoveContainer(run.id) for run in runs]


def _runs(state: PodState) -> list[Container]:
    ephemeral = {c.name for c in state.spec.ephemeral_containers}
    return [c for c in state.containers.values() if c.name not in ephemeral]


def _kill(state: PodState, run: Container, now: float) -> KillContainer:
    state.killing[run.id] = Kill(now)
    return KillContainer(run.id, run.name, 0, f"Stopping container {run.name}")
