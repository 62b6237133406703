"""The shell of the CronJob controller."""

from __future__ import annotations

import msgspec

from pilothouse.api.errors import StatusError
from pilothouse.api.go_text import quote
from pilothouse.api.types.batch.v1 import CronJob, Job
from pilothouse.controllers import pod_control
from pilothouse.controllers.cronjob.decide import Plan, decide, reference_to
from pilothouse.controllers.environment import Environment
from pilothouse.machinery import claims
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller, Key, own_key
from pilothouse.machinery.events import NORMAL, WARNING
from pilothouse.semantics.cron import CronError
from pilothouse.semantics.ownership import controller_of

IDENTITY = "cronjob-controller"
NOT_FOUND = 404
replace = msgspec.structs.replace


def build(env: Environment) -> Controller[Key]:
    """Keys are CronJobs."""
    recorder = env.recorder(IDENTITY, IDENTITY)

    async def reconcile(key: Key, client: Client) -> None:
        cron = crons.get(key[1], key[0])
        if cron is None:
            return
        try:
            plan = decide(cron, jobs.by_index(claims.INDEX, cron.metadata.uid), env.clock.now())
        except CronError as error:
            text = f"unparseable schedule: {quote(cron.spec.schedule)} : {error}"
            recorder.event(cron, WARNING, "UnparseableSchedule", text)
            return
        for kind, reason, message in plan.events:
            recorder.event(cron, kind, reason, message)
        await _carry_out(cron, plan, client)
        if plan.status != cron.status:
            await client.update(replace(cron, status=plan.status), subresource="status")
        if plan.again_in is not None:
            controller.queue.add_after(key, plan.again_in)

    async def _carry_out(cron: CronJob, plan: Plan, client: Client) -> None:
        for job in (*plan.replace, *plan.forget):
            await _delete(cron, job, client)
        if plan.start is None:
            return
        try:
            made = await client.create(plan.start)
        except StatusError as error:
            if error.reason != "AlreadyExists":
                if not pod_control.namespace_ends(error):
                    recorder.event(cron, WARNING, "FailedCreate", f"Error creating job: {error}")
                raise
            made = await client.get(Job, plan.start.metadata.name, plan.start.metadata.namespace)
            owner = controller_of(made.metadata)
            if owner is None or owner.uid != cron.metadata.uid:
                # Somebody else's, who tells of it; the next moment makes another name.
                return
        else:
            recorder.event(cron, NORMAL, "SuccessfulCreate", f"Created job {made.metadata.name}")
        plan.status = replace(
            plan.status, active=(*plan.status.active, reference_to(made)), last_schedule_time=plan.scheduled
        )

    async def _delete(cron: CronJob, job: Job, client: Client) -> None:
        name = job.metadata.name
        try:
            await client.delete(
                Job, name, job.metadata.namespace, uid=job.metadata.uid, propagation_policy="Background"
            )
        except StatusError as error:
            if error.code == NOT_FOUND:
                return
            recorder.event(cron, WARNING, "FailedDelete", f"Deleted job: {error}")
            raise
        recorder.event(cron, NORMAL, "SuccessfulDelete", f"Deleted job {name}")

    controller = env.controller(IDENTITY, IDENTITY, reconcile)
    crons = controller.on(CronJob, own_key)
    jobs = controller.needs(Job)
    jobs.add_index(claims.INDEX, claims.index)
    controller.on(Job, pod_control.keys_of_owner("CronJob", "batch", lambda _: ()))
    return controller
