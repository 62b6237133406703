"""What a pod that is to run needs next. Pure: looks at the state, notes what it has asked for, asks for the rest."""

from __future__ import annotations

from pilothouse.api.types.core.v1 import Container as ContainerSpec
from pilothouse.kubelet.podworker import resizes, restart_all
from pilothouse.kubelet.podworker.instructions import (
    Instruction,
    KillContainer,
    MountVolumes,
    Record,
    RemoveContainer,
    ResizePod,
    StartContainer,
    StartSandbox,
    StopSandbox,
)
from pilothouse.kubelet.podworker.restarts import is_sidecar, next_back_off, restart_at, restarts
from pilothouse.kubelet.podworker.state import AnySpec, Kill, PodState, Volumes, Waiting, exited, succeeded
from pilothouse.seams.runtime import Container, ContainerState, SandboxState

FINAL = ("Succeeded", "Failed")
HASH_ANNOTATION = "io.kubernetes.container.hash"


def steps(state: PodState, now: float) -> list[Instruction]:
    """The instructions that bring the pod nearer to what its spec says, given what is known and under way."""
    if not state.rebuilt:
        return []
    if state.volumes is Volumes.NONE:
        if state.volumes_retry > now:
            return []
        state.volumes, state.cgroup = Volumes.MOUNTING, resizes.actuated(state.pod)
        return [MountVolumes()]
    if state.volumes is not Volumes.MOUNTED:
        return []
    state.restarting_all = state.restarting_all or restart_all.triggered(state)
    found = _stop_old_sandboxes(state, now)
    sandbox = state.sandbox()
    if sandbox is None:
        return found + _new_sandbox(state, now)
    if state.restarting_all:
        found += restart_all.steps(state, now)
        if state.restarting_all:
            return found
    found += _resize(state, now)
    if state.resize.acting:
        # What starts now starts with what is being granted, which the pod's cgroup may not have room for yet.
        return found
    return found + _init_containers(state, now) + _regular_containers(state, now) + _ephemeral_containers(state, now)


def finished(state: PodState) -> bool:
    """Whether the pod has nothing more to do: its work is done, or has failed for good."""
    spec = state.spec
    if state.pod.status.phase in FINAL:
        return True
    if state.restarting_all or restart_all.triggered(state):
        return False
    failed_init = [
        run
        for c in spec.init_containers
        if not is_sidecar(c)
        and (run := state.latest(c.name))
        and exited(run)
        and not restarts(spec, c, run.exit_code, init=True)
        and run.exit_code != 0
    ]
    if failed_init and not any(state.latest(c.name) for c in spec.containers or ()):
        return True
    for container in spec.containers or ():
        run = state.latest(container.name)
        if run is None or not exited(run) or container.name in state.starting:
            return False
        if stale(container, run) or restarts(spec, container, run.exit_code, init=False):
            return False
    return True


def stale(spec: AnySpec, run: Container) -> bool:
    """Whether a run was made from an older image than the spec names."""
    return run.annotations.get(HASH_ANNOTATION, spec_hash(spec)) != spec_hash(spec)


def _stop_old_sandboxes(state: PodState, now: float) -> list[Instruction]:
    """Sandboxes that died, or that a newer one has taken over from, are torn down, once what still runs in them has
    been ended like at the end of a pod."""
    current = state.sandbox()
    found: list[Instruction] = []
    for sandbox in state.sandboxes.values():
        if sandbox is current or sandbox.id in state.stopping_sandboxes:
            continue
        alive = [c for c in state.running() if c.sandbox_id == sandbox.id]
        for run in alive:
            if run.id not in state.killing:
                found.append(kill(state, run, now, state.grace(), f"Stopping container {run.name}"))
        if not alive:
            state.stopping_sandboxes.add(sandbox.id)
            found.append(StopSandbox(sandbox.id))
    return found


def _new_sandbox(state: PodState, now: float) -> list[Instruction]:
    if state.sandbox_busy or state.sandbox_retry > now or state.running():
        return []
    latest = max(state.sandboxes.values(), key=lambda s: s.attempt, default=None)
    found: list[Instruction] = []
    if latest is not None:
        found.append(Record("Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created."))
    state.sandbox_busy = True
    return [*found, StartSandbox(latest.attempt + 1 if latest else 0)]


def _init_containers(state: PodState, now: float) -> list[Instruction]:
    """One after the other; a sidecar has done its part once it has started, and is kept running from then on."""
    past = any(state.current(c.name) for c in state.spec.containers or ())
    found: list[Instruction] = []
    for spec in state.spec.init_containers:
        run = state.current(spec.name)
        if is_sidecar(spec):
            found += _keep_running(state, spec, run, now)
            if not past and not (run and state.started(run)):
                break
        elif not past:
            if run and succeeded(run):
                continue
            if run is None or (exited(run) and restarts(state.spec, spec, run.exit_code, init=True)):
                found += _start(state, spec, run, now)
            elif run.state in (ContainerState.CREATED, ContainerState.UNKNOWN):
                found += _discard(state, run)
            break
    return found


def _regular_containers(state: PodState, now: float) -> list[Instruction]:
    if not state.initialized():
        return []
    found: list[Instruction] = []
    for spec in state.spec.containers or ():
        found += _keep_running(state, spec, state.current(spec.name), now)
    return found


def _ephemeral_containers(state: PodState, now: float) -> list[Instruction]:
    """Started once, never again."""
    found: list[Instruction] = []
    for spec in state.spec.ephemeral_containers:
        if state.latest(spec.name) is None:
            found += _start(state, spec, None, now)
    return found


def _keep_running(state: PodState, spec: ContainerSpec, run: Container | None, now: float) -> list[Instruction]:
    if run is None:
        last = state.latest(spec.name)
        if last and exited(last) and not restarts(state.spec, spec, last.exit_code, init=is_sidecar(spec)):
            return []
        return _start(state, spec, None, now)
    if exited(run):
        if stale(spec, run):
            return _start(state, spec, None, now)
        return _start(state, spec, run, now) if restarts(state.spec, spec, run.exit_code, init=False) else []
    if run.state is ContainerState.RUNNING:
        return _replace_if_changed(state, spec, run, now)
    return _discard(state, run)


def _replace_if_changed(state: PodState, spec: ContainerSpec, run: Container, now: float) -> list[Instruction]:
    """A running container whose image the spec has changed is ended; its exit starts the new one."""
    if run.id in state.killing or not stale(spec, run):
        return []
    return [kill(state, run, now, state.grace(), f"Container {spec.name} definition changed, will be restarted")]


def kill(state: PodState, run: Container, now: float, grace: int, message: str) -> KillContainer:
    """End a container of a pod that goes on."""
    state.killing[run.id] = Kill(now + grace)
    return KillContainer(run.id, run.name, grace, message)


def _resize(state: PodState, now: float) -> list[Instruction]:
    """New requests and limits: in place, or by a restart where a container's policy for that resource says so. Those
    are ended first; before they start again, the pod's own cgroup is resized."""
    found: list[Instruction] = []
    resized: list[str] = []
    ending = False
    for spec, run, held in resizes.resizable(state):
        if stale(spec, run):
            continue
        changed = resizes.changes(held, resizes.granted_to(state.spec, spec))
        if run.id in state.killing:
            ending = True
        elif any(p.resource_name in changed and p.restart_policy == "RestartContainer" for p in spec.resize_policy):
            found.append(kill(state, run, now, state.grace(), f"Container {spec.name} resize requires restart"))
            ending = True
        elif changed:
            resized.append(run.id)
    due = bool(resized) or state.cgroup != resizes.resources(state.spec)
    if due and not (ending or state.resize.acting or state.resize.retry_at > now):
        state.resize.acting = True
        found.append(ResizePod(tuple(resized)))
    return found


def _discard(state: PodState, run: Container) -> list[Instruction]:
    """A container that was made and never started (the node's process ended in between)."""
    if run.name in state.starting:
        return []
    state.containers.pop(run.id, None)
    return [RemoveContainer(run.id, run.log_path)]


def _start(state: PodState, spec: AnySpec, run: Container | None, now: float) -> list[Instruction]:
    """Start a container for the first time or again, unless it must wait."""
    sandbox = state.sandbox()
    if sandbox is None or sandbox.state is not SandboxState.READY or spec.name in state.starting:
        return []
    waiting = state.waiting.get(spec.name)
    if waiting and waiting.until > now:
        return []
    latest = state.latest(spec.name)
    if run is not None:
        last = state.back_off.get(spec.name)
        until = restart_at(last, run.finished_at)
        if until > now and last is not None:
            return _wait(state, spec, last.delay, until)
        state.back_off[spec.name] = next_back_off(last, now, run.finished_at)
    state.starting.add(spec.name)
    return [StartContainer(spec.name, latest.attempt + 1 if latest else _forgotten_attempts(state, spec), sandbox.id)]


def _forgotten_attempts(state: PodState, spec: AnySpec) -> int:
    """The attempt to go on with where the runtime has lost all runs: the pod's status still counts them."""
    status = state.pod.status
    for told in (*status.container_statuses, *status.init_container_statuses):
        if told.name == spec.name and told.container_id:
            return max(told.restart_count, state.attempts.get(spec.name, 0)) + 1
    return state.attempts.get(spec.name, -1) + 1


def _wait(state: PodState, spec: AnySpec, delay: float, until: float) -> list[Instruction]:
    meta = state.pod.metadata
    who = f"{spec.name} in pod {meta.name}_{meta.namespace}({meta.uid})"
    told = f"back-off {duration(delay)} restarting failed container={spec.name} " + (
        f"pod={meta.name}_{meta.namespace}({meta.uid})"
    )
    state.waiting[spec.name] = Waiting("CrashLoopBackOff", told, until)
    return [Record("Warning", "BackOff", f"Back-off restarting failed container {who}", spec.name)]


def duration(seconds: float) -> str:
    """10s, 1m20s: as Go prints it."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def spec_hash(spec: AnySpec) -> str:
    """What of a container's spec makes a running one stale: name and image."""
    value = 0xCBF29CE484222325
    for byte in f"{spec.name}\0{spec.image}".encode():
        value = (value ^ byte) * 0x100000001B3 & (1 << 64) - 1
    return f"{value:016x}"
