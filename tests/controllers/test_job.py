"""Jobs: completions, indexes, failures, suspension, deadlines, time to live."""

from __future__ import annotations

import msgspec
import pytest

from pilothouse.api.types.batch.v1 import (
    Job,
    JobSpec,
    PodFailurePolicy,
    PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyRule,
)
from pilothouse.api.types.core.v1 import (
    Container,
    ContainerState,
    ContainerStateTerminated,
    ContainerStatus,
    Pod,
    PodSpec,
    PodTemplateSpec,
)
from pilothouse.api.types.meta.v1 import LabelSelector, ObjectMeta
from pilothouse.controllers.job import indexes
from pilothouse.controllers.job.tally import FINALIZER
from pilothouse.controllers.pod_control import with_spec
from pilothouse.semantics.conditions import find
from pilothouse.testing.clock import VirtualClock
from tests.controllers.world import World, world

LABELS = {"job": "x"}
NAMES = ("job-controller", "job-orphans-controller", "ttl-after-finished-controller")
replace = msgspec.structs.replace


def job(**spec: object) -> Job:
    template = PodTemplateSpec(
        metadata=ObjectMeta(labels=LABELS),
        spec=PodSpec(containers=(Container(name="c", image="i"),), restart_policy="Never"),
    )
    told = {"completions": 1, "parallelism": 1, "backoff_limit": 2, **spec}
    return Job(
        metadata=ObjectMeta(name="work", namespace="ns"),
        spec=JobSpec(selector=LabelSelector(match_labels=LABELS), template=template, **told),  # type: ignore[arg-type]
    )


async def end(w: World, phase: str, count: int = 1, code: int = 1) -> None:
    """End `count` of the running pods."""
    running = [p for p in await w.all(Pod) if not p.status.phase and not p.metadata.deletion_timestamp]
    for pod in running[:count]:
        ended = ContainerStateTerminated(exit_code=code if phase == "Failed" else 0)
        statuses = (ContainerStatus(name="c", state=ContainerState(terminated=ended)),)
        await w.status(pod, phase=phase, container_statuses=statuses)
    await w.rest()


async def get(w: World) -> Job:
    return await w.client.get(Job, "work", "ns")


def told(found: Job) -> dict[str, str]:
    return {c.type: c.reason for c in found.status.conditions if c.status == "True"}


async def test_completes_and_counts_each_pod_once(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(job(completions=3, parallelism=2))
        await w.rest()
        pods = await w.all(Pod)
        assert len(pods) == 2
        assert all(p.metadata.finalizers == (FINALIZER,) for p in pods)
        assert (await get(w)).status.active == 2
        for _ in range(3):
            await end(w, "Succeeded")
        done = await get(w)
        assert (done.status.succeeded, done.status.failed, done.status.active) == (3, 0, 0)
        assert told(done) == {"SuccessCriteriaMet": "CompletionsReached", "Complete": "CompletionsReached"}
        assert done.status.completion_time
        assert all(p.metadata.finalizers == () for p in await w.all(Pod))
        assert ("Completed", "Job completed") in await w.events()


async def test_backs_off_and_gives_up(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(job())
        await w.rest()
        await end(w, "Failed")
        assert len(await w.all(Pod)) == 1
        await clock.advance(10)
        assert len(await w.all(Pod)) == 2
        await end(w, "Failed")
        await clock.advance(10)
        assert len(await w.all(Pod)) == 2
        await clock.advance(11)
        await end(w, "Failed")
        await w.rest()
        found = await get(w)
        assert told(found) == {"FailureTarget": "BackoffLimitExceeded", "Failed": "BackoffLimitExceeded"}
        assert found.status.failed == 3
        assert ("BackoffLimitExceeded", "Job has reached the specified backoff limit") in await w.events()


async def test_indexed(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(job(completions=3, parallelism=3, completion_mode="Indexed"))
        await w.rest()
        pods = sorted(await w.all(Pod), key=indexes.index_of)
        assert [indexes.index_of(p) for p in pods] == [0, 1, 2]
        assert [p.spec.hostname for p in pods] == ["work-0", "work-1", "work-2"]
        assert (pods[0].spec.containers or ())[0].env[0].name == "JOB_COMPLETION_INDEX"
        await w.status(pods[0], phase="Succeeded")
        await w.status(pods[2], phase="Succeeded")
        await w.rest()
        assert (await get(w)).status.completed_indexes == "0,2"
        await w.status(pods[1], phase="Failed")
        await clock.advance(11)
        again = [p for p in await w.all(Pod) if not p.status.phase]
        assert [indexes.index_of(p) for p in again] == [1]
        await end(w, "Succeeded")
        found = await get(w)
        assert (found.status.completed_indexes, found.status.succeeded) == ("0-2", 3)
        assert "Complete" in told(found)


async def test_failure_limit_per_index(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        spec = {"completions": 2, "parallelism": 2, "completion_mode": "Indexed", "backoff_limit": 2**31 - 1}
        await w.client.create(job(**spec, backoff_limit_per_index=1))
        await w.rest()
        for _ in range(2):
            running = [p for p in await w.all(Pod) if not p.status.phase and indexes.index_of(p) == 0]
            await w.status(running[0], phase="Failed")
            await w.rest()
        await end(w, "Succeeded")
        await w.rest()
        found = await get(w)
        assert (found.status.failed_indexes, found.status.completed_indexes) == ("0", "1")
        assert told(found)["Failed"] == "FailedIndexes"


async def test_suspend_and_resume(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(job())
        await w.rest()
        await w.client.update(with_spec(await get(w), suspend=True))
        await w.rest()
        found = await get(w)
        assert told(found) == {"Suspended": "JobSuspended"}
        assert (found.status.active, found.status.start_time) == (0, None)
        assert not await w.all(Pod)
        await w.client.update(with_spec(found, suspend=False))
        await w.rest()
        found = await get(w)
        assert found.status.start_time
        assert found.status.active == 1
        resumed = find(found.status.conditions, "Suspended")
        assert resumed is not None
        assert (resumed.status, resumed.reason) == ("False", "JobResumed")


async def test_deadline_and_time_to_live(clock: VirtualClock) -> None:
    async with world(clock, (*NAMES, "garbage-collector-controller")) as w:
        await w.client.create(job(active_deadline_seconds=30, ttl_seconds_after_finished=60))
        await clock.advance(29)
        assert told(await get(w)) == {}
        await clock.advance(5)
        assert told(await get(w))["Failed"] == "DeadlineExceeded"
        assert (await get(w)).status.active == 0
        await clock.advance(70)
        assert not await w.all(Job)
        assert not await w.all(Pod)


async def test_failure_policy(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        rules = (
            PodFailurePolicyRule(
                action="Ignore", on_exit_codes=PodFailurePolicyOnExitCodesRequirement(operator="In", values=(7,))
            ),
            PodFailurePolicyRule(
                action="FailJob", on_exit_codes=PodFailurePolicyOnExitCodesRequirement(operator="In", values=(42,))
            ),
        )
        await w.client.create(job(pod_failure_policy=PodFailurePolicy(rules=rules)))
        await w.rest()
        await end(w, "Failed", code=7)
        await clock.advance(15)
        assert (await get(w)).status.failed == 0
        await end(w, "Failed", code=42)
        await w.rest()
        failed = find((await get(w)).status.conditions, "Failed")
        assert failed is not None
        assert failed.reason == "PodFailurePolicy"
        assert "failed with exit code 42 matching FailJob rule at index 1" in failed.message


async def test_pods_of_a_deleted_job_are_freed(clock: VirtualClock) -> None:
    async with world(clock, (*NAMES, "garbage-collector-controller")) as w:
        await w.client.create(job())
        await w.rest()
        await w.client.delete(Job, "work", "ns", propagation_policy="Background")
        await w.rest()
        assert not await w.all(Pod)


@pytest.mark.parametrize("text", ["", "0", "0,1", "0-2", "1,3-5,7,8", "0-9"])
def test_indexes(text: str) -> None:
    assert indexes.render(indexes.parse(text, 10)) == text
