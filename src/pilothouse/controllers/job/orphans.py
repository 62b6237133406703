"""Frees pods of the tracking finalizer when their Job is gone or over: nobody else would, and they could never go."""

from __future__ import annotations

from collections.abc import Iterable

from pilothouse.api.types.batch.v1 import Job
from pilothouse.api.types.core.v1 import Pod
from pilothouse.controllers import pod_control
from pilothouse.controllers.environment import Environment
from pilothouse.controllers.job.shell import IDENTITY, free
from pilothouse.controllers.job.tally import tracked
from pilothouse.controllers.job.verdict import finished, managed_elsewhere
from pilothouse.machinery import claims
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller, Key, key_of
from pilothouse.semantics.ownership import controller_of


def orphaned(pod: Pod, job: Job | None) -> bool:
    """Whether no Job will count this pod; `job` is the one that its controller reference names."""
    if not tracked(pod):
        return False
    reference = controller_of(pod.metadata)
    if reference is None:
        return True
    if (reference.kind, reference.api_version) != ("Job", "batch/v1"):
        return False
    if job is not None and managed_elsewhere(job):
        return False
    return job is None or job.metadata.uid != reference.uid or finished(job.status)


def build(env: Environment) -> Controller[Key]:
    """Keys are pods."""

    def job_of(pod: Pod) -> Job | None:
        reference = controller_of(pod.metadata)
        return jobs.get(reference.name, pod.metadata.namespace) if reference is not None else None

    async def reconcile(key: Key, client: Client) -> None:
        pod = pods.get(key[1], key[0])
        if pod is not None and orphaned(pod, job_of(pod)):
            # A Job may adopt it at this very moment, and then needs the finalizer.
            await free(client, [pod], unchanged=True)

    def pod_changed(old: Pod | None, new: Pod | None) -> Iterable[Key]:
        if new is not None and tracked(new) and orphaned(new, job_of(new)):
            yield key_of(new)

    def job_changed(old: Job | None, new: Job | None) -> Iterable[Key]:
        if old is None or (new is not None and not finished(new.status)):
            return ()
        return [key_of(p) for p in pods.by_index(claims.INDEX, old.metadata.uid) if tracked(p)]

    controller = env.controller("job-orphans-controller", IDENTITY, reconcile)
    jobs = controller.needs(Job)
    pods = controller.needs(Pod)
    pod_control.pods_by_controller(pods)
    controller.on(Job, job_changed)
    controller.on(Pod, pod_changed)
    return controller
