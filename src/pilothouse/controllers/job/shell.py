"""The shell of the Job controller."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import msgspec

from pilothouse.api.errors import StatusError
from pilothouse.api.selectors import LabelSelector, SelectorError, of_object
from pilothouse.api.types.batch.v1 import Job
from pilothouse.api.types.core.v1 import Pod
from pilothouse.controllers import pod_control
from pilothouse.controllers.environment import Environment
from pilothouse.controllers.job import verdict
from pilothouse.controllers.job.backoff import Failures
from pilothouse.controllers.job.decide import decide
from pilothouse.controllers.job.figures import Figures, Sync, reason_to_create
from pilothouse.controllers.job.tally import FINALIZER, tracked
from pilothouse.machinery import claims
from pilothouse.machinery.client import Client, JSONPatch
from pilothouse.machinery.controller import Controller, Key, key_of, own_key

IDENTITY = "job-controller"
NOT_FOUND, INVALID = 404, 422
replace = msgspec.structs.replace


async def free(client: Client, pods: Sequence[Pod], *, unchanged: bool = False) -> None:
    """Take the tracking finalizer from these pods; `unchanged`: only if they are still as they are here, else raises
    StatusError."""
    results = await asyncio.gather(*(_free_one(client, pod, unchanged) for pod in pods), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def _free_one(client: Client, pod: Pod, unchanged: bool) -> None:
    meta = pod.metadata
    at = meta.finalizers.index(FINALIZER)
    operations = [
        {"op": "test", "path": "/metadata/uid", "value": meta.uid},
        {"op": "test", "path": f"/metadata/finalizers/{at}", "value": FINALIZER},
        {"op": "remove", "path": f"/metadata/finalizers/{at}"},
    ]
    if unchanged:
        operations.insert(0, {"op": "test", "path": "/metadata/resourceVersion", "value": meta.resource_version})
    try:
        await client.patch(Pod, meta.name, meta.namespace, JSONPatch(operations))
    except StatusError as error:
        if error.code != NOT_FOUND:
            raise


def build(env: Environment) -> Controller[Key]:
    """Keys are Jobs."""
    recorder = env.recorder(IDENTITY, IDENTITY)
    figures = Figures(env.metrics, env.clock)
    remembered: dict[Key, tuple[str, Failures]] = {}
    """By Job, its uid and the failures that hold back its next pod."""

    async def reconcile(key: Key, client: Client) -> None:
        job = jobs.get(key[1], key[0])
        if job is None or verdict.finished(job.status):
            remembered.pop(key, None)
            return
        if verdict.managed_elsewhere(job):
            return
        try:
            selector = of_object(job.spec.selector)
        except SelectorError:
            return
        with figures.sync(job) as sync:
            await work(key, job, selector, client, sync)

    async def work(key: Key, job: Job, selector: LabelSelector, client: Client, sync: Sync) -> None:
        owned = await claims.claim(client, job, selector, pods, adopt_finalizers=(FINALIZER,))
        now = env.clock.now()
        uid, failures = remembered.get(key, ("", Failures()))
        plan = decide(job, owned, failures if uid == job.metadata.uid else Failures(), now)
        sync.action = plan.action
        error: BaseException | None = None
        status = plan.status
        if plan.delete:
            if plan.uncounted:
                await free(client, [p for p in plan.delete if tracked(p)])
            error = await pod_control.delete_pods(client, job, plan.delete, recorder)
        elif plan.create:
            made, refused = await pod_control.create_pods(client, job, plan.create, recorder)
            refused = [one for one in refused if not pod_control.namespace_ends(one)]
            error = next(iter(refused), None)
            figures.created(job, reason_to_create(job, plan.failed, status.terminating or 0), made, len(refused))
            status = replace(status, active=status.active + made)
        if status != job.status:
            await client.update(replace(job, status=status), subresource="status")
            figures.counted(job, status)
        figures.judged(plan.judged)
        remembered[key] = job.metadata.uid, plan.failures
        for kind, reason, message in plan.events:
            recorder.event(job, kind, reason, message)
        await free(client, [p for p in plan.free if tracked(p)])
        if error is not None:
            raise error
        if plan.again_in is not None:
            controller.queue.add_after(key, plan.again_in)

    def wanting(pod: Pod) -> Iterable[Key]:
        for job in jobs.list(pod.metadata.namespace):
            try:
                if of_object(job.spec.selector).matches(pod.metadata.labels):
                    yield key_of(job)
            except SelectorError:
                continue

    owners = pod_control.keys_of_owner("Job", "batch", wanting)

    def job_changed(old: Job | None, new: Job | None) -> Iterable[Key]:
        figures.job_seen(old, new)
        return own_key(old, new)

    def pod_changed(old: Pod | None, new: Pod | None) -> Iterable[Key]:
        figures.pod_seen(old, new)
        return owners(old, new)

    controller = env.controller(IDENTITY, IDENTITY, reconcile)
    jobs = controller.on(Job, job_changed)
    pods = controller.needs(Pod)
    pod_control.pods_by_controller(pods)
    controller.on(Pod, pod_changed)
    return controller
