"""Deletes finished Jobs after their ttlSecondsAfterFinished."""

from __future__ import annotations

from pilothouse.api.errors import StatusError
from pilothouse.api.time import parse_time
from pilothouse.api.types.batch.v1 import Job
from pilothouse.controllers.environment import Environment
from pilothouse.controllers.job.verdict import COMPLETE, FAILED, finished
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller, Key, key_of

IDENTITY = "ttl-after-finished-controller"
NOT_FOUND = 404


def expires_in(job: Job, now: float) -> float | None:
    """Seconds until a finished Job is to go; None if it stays."""
    ttl = job.spec.ttl_seconds_after_finished
    if ttl is None or not finished(job.status) or job.metadata.deletion_timestamp is not None:
        return None
    ends = [
        parse_time(c.last_transition_time)
        for c in job.status.conditions
        if c.type in (COMPLETE, FAILED) and c.status == "True" and c.last_transition_time
    ]
    return max(max(ends, default=now) + ttl - now, 0.0)


def build(env: Environment) -> Controller[Key]:
    """Keys are Jobs."""

    async def reconcile(key: Key, client: Client) -> None:
        job = jobs.get(key[1], key[0])
        wait = expires_in(job, env.clock.now()) if job is not None else None
        if job is None or wait is None:
            return
        if wait > 0:
            controller.queue.add_after(key, wait)
            return
        try:
            await client.delete(
                Job,
                key[1],
                key[0],
                uid=job.metadata.uid,
                resource_version=job.metadata.resource_version,
                propagation_policy="Foreground",
            )
        except StatusError as error:
            if error.code != NOT_FOUND:
                raise

    def changed(old: Job | None, new: Job | None) -> tuple[Key, ...]:
        return (key_of(new),) if new is not None and expires_in(new, 0.0) is not None else ()

    controller = env.controller(IDENTITY, IDENTITY, reconcile)
    jobs = controller.on(Job, changed)
    return controller
