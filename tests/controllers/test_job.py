"""Jobs: completions, indexes, failures, suspension, deadlines, time to live."""

from __future__ import annotations

import msgspec
import pytest

from pilothouse.api.time import format_time, parse_time
from pilothouse.api.types.batch.v1 import (
    Job,
    JobSpec,
    PodFailurePolicy,
    PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule,
    SuccessPolicy,
    SuccessPolicyRule,
)
from pilothouse.api.types.core.v1 import (
    Container,
    ContainerState,
    ContainerStateTerminated,
    ContainerStatus,
    Pod,
    PodCondition,
    PodSpec,
    PodTemplateSpec,
)
from pilothouse.api.types.meta.v1 import LabelSelector, ObjectMeta, OwnerReference
from pilothouse.controllers.job import indexes
from pilothouse.controllers.job.backoff import Failures, finished_at
from pilothouse.controllers.job.failures import COUNTED, IGNORED, counted_failures
from pilothouse.controllers.job.tally import FINALIZER
from pilothouse.controllers.pod_control import with_meta, with_spec
from pilothouse.semantics.conditions import find
from pilothouse.testing.clock import VirtualClock
from tests.controllers.world import World, untouched, world

LABELS = {"job": "x"}
NAMES = ("job-controller", "job-orphans-controller", "ttl-after-finished-controller")
replace = msgspec.structs.replace


def job(**spec: object) -> Job:
    template = PodTemplateSpec(
        metadata=ObjectMeta(labels=LABELS),
        spec=PodSpec(containers=(Container(name="c", image="i"),), restart_policy="Never"),
    )
    selector = LabelSelector(match_labels=LABELS)
    told = {"completions": 1, "parallelism": 1, "backoff_limit": 2, **spec}
    return Job(
        metadata=ObjectMeta(name="work", namespace="ns"),
        spec=JobSpec(selector=selector, manual_selector=True, template=template, **told),  # type: ignore[arg-type]
    )


async def end(w: World, phase: str, count: int = 1, code: int = 1) -> None:
    """End `count` of the running pods."""
    running = [p for p in await w.all(Pod) if untouched(p) and not p.metadata.deletion_timestamp]
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
        again = [p for p in await w.all(Pod) if untouched(p)]
        assert [indexes.index_of(p) for p in again] == [1]
        await end(w, "Succeeded")
        found = await get(w)
        assert (found.status.completed_indexes, found.status.succeeded) == ("0-2", 3)
        assert "Complete" in told(found)


INDEXED = {"completions": 2, "parallelism": 2, "completion_mode": "Indexed", "backoff_limit": 2**31 - 1}
IGNORE_SEVEN = PodFailurePolicy(
    rules=(
        PodFailurePolicyRule(
            action="Ignore", on_exit_codes=PodFailurePolicyOnExitCodesRequirement(operator="In", values=(7,))
        ),
    )
)


async def running(w: World, number: int) -> list[Pod]:
    """The pods of an index that have not ended."""
    return [p for p in await w.all(Pod) if p.status.phase != "Failed" and indexes.index_of(p) == number]


async def fail(w: World, pod: Pod, code: int = 1) -> None:
    ended = ContainerStateTerminated(exit_code=code, finished_at=format_time(w.clock.now()))
    statuses = (ContainerStatus(name="c", state=ContainerState(terminated=ended)),)
    await w.status(pod, phase="Failed", container_statuses=statuses)
    await w.rest()


async def test_failure_limit_per_index(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(job(**INDEXED, backoff_limit_per_index=1))
        await w.rest()
        await fail(w, (await running(w, 0))[0])
        assert not await running(w, 0), "an index backs off"
        await clock.advance(10)
        await fail(w, (await running(w, 0))[0])
        await end(w, "Succeeded")
        await w.rest()
        found = await get(w)
        assert (found.status.failed_indexes, found.status.completed_indexes) == ("0", "1")
        assert told(found)["Failed"] == "FailedIndexes"
        assert found.status.failed == 2


async def test_each_index_backs_off_for_itself_and_twice_as_long_each_time(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(job(**INDEXED, backoff_limit_per_index=5))
        await w.rest()
        other = (await running(w, 1))[0].metadata.uid
        for failures, delay in enumerate((10, 20, 40)):
            (pod,) = await running(w, 0)
            assert pod.metadata.annotations[COUNTED] == str(failures)
            await fail(w, pod)
            await clock.advance(delay - 3)
            assert not await running(w, 0)
            await clock.advance(3)
            assert len(await running(w, 0)) == 1
        assert [p.metadata.uid for p in await running(w, 1)] == [other]


async def test_a_failed_pod_stays_until_its_replacement_has_its_counts(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(job(**INDEXED, backoff_limit_per_index=5))
        await w.rest()
        (pod,) = await running(w, 0)
        await fail(w, pod)
        await w.client.delete(Pod, pod.metadata.name, "ns")
        await w.rest()
        kept = await w.client.get(Pod, pod.metadata.name, "ns")
        assert kept.metadata.finalizers == (FINALIZER,)
        await clock.advance(12)
        (again,) = await running(w, 0)
        assert again.metadata.annotations[COUNTED] == "1"
        assert pod.metadata.name not in [p.metadata.name for p in await w.all(Pod)]
        assert (await get(w)).status.failed == 1


async def test_ignored_failures_of_an_index_do_not_count_but_back_off(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(job(**INDEXED, backoff_limit_per_index=0, pod_failure_policy=IGNORE_SEVEN))
        await w.rest()
        await fail(w, (await running(w, 0))[0], code=7)
        await clock.advance(10)
        (pod,) = await running(w, 0)
        assert (pod.metadata.annotations[COUNTED], pod.metadata.annotations[IGNORED]) == ("0", "1")
        await fail(w, pod, code=7)
        await clock.advance(12)
        assert not await running(w, 0)
        await clock.advance(8)
        (pod,) = await running(w, 0)
        assert (pod.metadata.annotations[COUNTED], pod.metadata.annotations[IGNORED]) == ("0", "2")
        assert ((await get(w)).status.failed, (await get(w)).status.failed_indexes) == (0, "")
        await fail(w, pod, code=1)
        assert (await get(w)).status.failed_indexes == "0"


async def test_ignored_failures_hold_back_the_next_pod_of_any_job(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(job(pod_failure_policy=IGNORE_SEVEN))
        await w.rest()
        await end(w, "Failed", code=7)
        assert len(await w.all(Pod)) == 1
        await clock.advance(10)
        assert len(await w.all(Pod)) == 2


async def test_a_success_forgets_earlier_failures(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(job(completions=3, parallelism=1, backoff_limit=6))
        await w.rest()
        for delay in (10, 20):
            await end(w, "Failed")
            await clock.advance(delay)
        await end(w, "Succeeded")
        await w.rest()
        await end(w, "Failed")
        await clock.advance(10)
        assert len([p for p in await w.all(Pod) if untouched(p)]) == 1


async def test_pods_still_running_count_as_failed_when_the_job_fails(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(job(completions=4, parallelism=4, backoff_limit=0))
        await w.rest()
        await end(w, "Failed")
        await w.rest()
        found = await get(w)
        assert told(found)["Failed"] == "BackoffLimitExceeded"
        assert (found.status.failed, found.status.active, found.status.terminating) == (4, 0, 0)


async def test_pods_still_running_count_for_nothing_when_the_success_policy_is_met(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        policy = SuccessPolicy(rules=(SuccessPolicyRule(succeeded_indexes="0"),))
        await w.client.create(job(**{**INDEXED, "completions": 3, "parallelism": 3}, success_policy=policy))
        await w.rest()
        await w.status((await running(w, 0))[0], phase="Succeeded")
        await w.rest()
        found = await get(w)
        assert told(found) == {"SuccessCriteriaMet": "SuccessPolicy", "Complete": "SuccessPolicy"}
        assert (found.status.succeeded, found.status.failed, found.status.active) == (1, 0, 0)


async def test_pods_of_another_controller_keep_the_finalizer(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        owner = OwnerReference(api_version="batch.example.com/v1", kind="Job", name="x", uid="u", controller=True)
        meta = ObjectMeta(name="foreign", namespace="ns", finalizers=(FINALIZER,), owner_references=(owner,))
        await w.client.create(Pod(metadata=meta, spec=PodSpec(containers=(Container(name="c", image="i"),))))
        await w.rest()
        assert (await w.client.get(Pod, "foreign", "ns")).metadata.finalizers == (FINALIZER,)


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


async def test_only_failed_pods_are_replaced_if_the_policy_says_so(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(job(backoff_limit=6, pod_replacement_policy="Failed"))
        await w.rest()
        (first,) = await w.all(Pod)
        await w.bind(first, "n")
        await w.status(first, phase="Running")
        await w.client.delete(Pod, first.metadata.name, "ns")
        await clock.advance(30)
        assert [p.metadata.name for p in await w.all(Pod)] == [first.metadata.name]
        status = (await get(w)).status
        assert (status.active, status.terminating, status.failed) == (0, 1, 0)
        await w.status(first, phase="Failed")
        await clock.advance(12)
        assert (await get(w)).status.failed == 1
        assert len([p for p in await w.all(Pod) if untouched(p)]) == 1


async def test_a_pod_that_is_deleted_counts_as_failed_at_once_otherwise(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(job(backoff_limit=6))
        await w.rest()
        (first,) = await w.all(Pod)
        await w.bind(first, "n")
        await w.status(first, phase="Running")
        await w.client.delete(Pod, first.metadata.name, "ns")
        await clock.advance(45)
        assert (await get(w)).status.failed == 1
        assert len([p for p in await w.all(Pod) if untouched(p)]) == 1


async def test_failures_by_disruption_can_be_ignored(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        pattern = PodFailurePolicyOnPodConditionsPattern(type="DisruptionTarget", status="True")
        rules = (PodFailurePolicyRule(action="Ignore", on_pod_conditions=(pattern,)),)
        await w.client.create(job(backoff_limit=0, pod_failure_policy=PodFailurePolicy(rules=rules)))
        await w.rest()
        (first,) = await w.all(Pod)
        await w.status(first, phase="Failed", conditions=(PodCondition(type="DisruptionTarget", status="True"),))
        await clock.advance(12)
        await end(w, "Succeeded")
        await w.rest()
        found = await get(w)
        assert "Complete" in told(found)
        assert (found.status.failed, found.status.succeeded) == (0, 1)


async def test_too_many_failed_indexes_end_the_job(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        spec = {**INDEXED, "completions": 4, "parallelism": 4}
        await w.client.create(job(**spec, backoff_limit_per_index=0, max_failed_indexes=1))
        await w.rest()
        await fail(w, (await running(w, 0))[0])
        assert told(await get(w)) == {}
        await fail(w, (await running(w, 1))[0])
        found = await get(w)
        assert told(found) == {"FailureTarget": "MaxFailedIndexesExceeded", "Failed": "MaxFailedIndexesExceeded"}
        assert (found.status.failed_indexes, found.status.failed, found.status.active) == ("0,1", 4, 0)


async def test_an_action_fails_its_index_at_once(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        codes = PodFailurePolicyOnExitCodesRequirement(operator="In", values=(3,))
        policy = PodFailurePolicy(rules=(PodFailurePolicyRule(action="FailIndex", on_exit_codes=codes),))
        await w.client.create(job(**INDEXED, backoff_limit_per_index=5, pod_failure_policy=policy))
        await w.rest()
        await fail(w, (await running(w, 0))[0], code=3)
        await w.status((await running(w, 1))[0], phase="Succeeded")
        await w.rest()
        found = await get(w)
        assert (found.status.failed_indexes, found.status.completed_indexes) == ("0", "1")
        assert told(found)["Failed"] == "FailedIndexes"


async def test_an_indexed_job_grows_and_shrinks(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(job(**{**INDEXED, "completions": 3, "parallelism": 3}))
        await w.rest()
        await w.status((await running(w, 2))[0], phase="Succeeded")
        await w.rest()
        assert (await get(w)).status.completed_indexes == "2"
        await w.client.update(with_spec(await get(w), completions=2, parallelism=2))
        await w.rest()
        status = (await get(w)).status
        assert (status.completed_indexes, status.succeeded, status.active) == ("", 0, 2)
        await w.client.update(with_spec(await get(w), completions=4, parallelism=4))
        await w.rest()
        active = sorted(indexes.index_of(p) for p in await w.all(Pod) if untouched(p))
        assert active == [0, 1, 2, 3]


async def test_pods_with_an_index_nobody_wants_go(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(job(**{**INDEXED, "completions": 3, "parallelism": 3}))
        await w.rest()
        await w.client.update(with_spec(await get(w), completions=1, parallelism=1))
        await w.rest()
        assert [indexes.index_of(p) for p in await w.all(Pod)] == [0]


def figures(w: World, name: str) -> dict[str, float]:
    """The samples of one of the controller's metrics, by their labels."""
    found = {}
    for line in w.metrics.text().splitlines():
        if line.startswith(f"job_controller_{name}{{"):
            labels, _, value = line.partition("{")[2].rpartition("} ")
            found[labels] = float(value)
    return found


async def test_metrics_tell_of_rounds_jobs_and_pods(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        rules = (PodFailurePolicyRule(action="Ignore", on_exit_codes=PodFailurePolicyOnExitCodesRequirement(
            operator="In", values=(42,))),)  # fmt: skip
        policies = {"pod_failure_policy": PodFailurePolicy(rules=rules), "pod_replacement_policy": "Failed"}
        await w.client.create(job(completions=2, parallelism=2, **policies))
        await w.rest()
        assert figures(w, "job_pods_creation_total") == {'reason="new",status="succeeded"': 2}
        await end(w, "Failed", code=42)
        await clock.advance(20)
        await end(w, "Failed", code=1)
        await clock.advance(30)
        await end(w, "Succeeded", 2)
        assert figures(w, "jobs_finished_total") == {
            'completion_mode="NonIndexed",result="succeeded",reason="CompletionsReached"': 1
        }
        assert figures(w, "job_pods_finished_total") == {
            'completion_mode="NonIndexed",result="succeeded"': 2,
            'completion_mode="NonIndexed",result="failed"': 1,
        }
        assert figures(w, "pod_failures_handled_by_failure_policy_total") == {'action="Ignore"': 1}
        assert figures(w, "terminated_pods_tracking_finalizer_total") == {'event="add"': 4, 'event="delete"': 4}
        assert figures(w, "job_pods_creation_total") == {
            'reason="new",status="succeeded"': 3,  # what is ignored did not fail
            'reason="recreate_failed",status="succeeded"': 1,
        }
        rounds = figures(w, "job_syncs_total")
        assert rounds['completion_mode="NonIndexed",result="success",action="pods_created"'] >= 3
        assert rounds['completion_mode="NonIndexed",result="success",action="tracking"'] >= 1
        assert rounds == figures(w, "job_sync_duration_seconds_count")
        assert 'le="0.004"' in next(iter(figures(w, "job_sync_duration_seconds_bucket")))


async def test_metrics_tell_of_indexes_and_of_what_others_manage(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        other = job(managed_by="example.com/other")
        await w.client.create(replace(other, metadata=replace(other.metadata, name="theirs")))
        told = {"completions": 3, "parallelism": 3, "completion_mode": "Indexed", "backoff_limit_per_index": 0}
        await w.client.create(job(**told))
        await w.rest()
        await end(w, "Failed")
        await end(w, "Succeeded", 2)
        await clock.advance(5)
        assert figures(w, "jobs_by_external_controller_total") == {'controller_name="example.com/other"': 1}
        assert figures(w, "job_finished_indexes_total") == {
            'status="failed",backoffLimit="perIndex"': 1,
            'status="succeeded",backoffLimit="perIndex"': 2,
        }
        assert figures(w, "jobs_finished_total") == {
            'completion_mode="Indexed",result="failed",reason="FailedIndexes"': 1
        }


async def test_metrics_tell_of_what_a_suspended_job_gives_up(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(job())
        await w.rest()
        await w.client.update(with_spec(await get(w), suspend=True))
        await w.rest()
        assert figures(w, "job_syncs_total")['completion_mode="NonIndexed",result="success",action="pods_deleted"'] >= 1
        assert not figures(w, "jobs_finished_total")


async def test_adopts_orphans_and_tracks_them(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        made = await w.client.create(job())
        await w.rest()
        (mine,) = await w.all(Pod)
        await w.client.update(with_meta(mine, owner_references=()))
        await w.rest()
        (again,) = await w.all(Pod)
        assert [r.uid for r in again.metadata.owner_references] == [made.metadata.uid]
        assert FINALIZER in again.metadata.finalizers


def pod(number: int = 0, **meta: object) -> Pod:
    annotations = {indexes.ANNOTATION: str(number), **meta.pop("annotations", {})}  # type: ignore[dict-item]
    base = {"name": f"p{number}", "namespace": "ns", "creation_timestamp": "2026-01-01T00:00:00Z"}
    return Pod(metadata=ObjectMeta(**base, annotations=annotations, **meta))  # type: ignore[arg-type]


READY_FALSE = PodCondition(type="Ready", status="False", last_transition_time="2026-01-01T00:00:30Z")


def ended(*stamps: str | None) -> tuple[ContainerStatus, ...]:
    states = [ContainerStateTerminated(exit_code=1, finished_at=s) if s else None for s in stamps]
    return tuple(ContainerStatus(name=f"c{n}", state=ContainerState(terminated=s)) for n, s in enumerate(states))


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({"container_statuses": ended("2026-01-01T00:00:05Z", "2026-01-01T00:00:09Z")}, 9),
        ({"container_statuses": ended("2026-01-01T00:00:05Z", None), "conditions": (READY_FALSE,)}, 30),
        ({"conditions": (READY_FALSE,)}, 30),
        ({}, 0),
    ],
)
def test_when_a_pod_ended(changes: dict[str, object], seconds: int) -> None:
    start = parse_time("2026-01-01T00:00:00Z")
    base = pod()
    assert finished_at(replace(base, status=replace(base.status, **changes))) == start + seconds


def test_a_pod_that_is_being_deleted_ended_its_grace_before_that() -> None:
    leaving = pod(deletion_timestamp="2026-01-01T00:01:00Z", deletion_grace_period_seconds=20)
    assert finished_at(leaving) == parse_time("2026-01-01T00:00:40Z")


@pytest.mark.parametrize(
    ("failures", "elapsed", "left"),
    [(0, 0, 0), (1, 0, 10), (1, 4, 6), (1, 11, 0), (2, 0, 20), (6, 0, 320), (7, 0, 600), (500, 0, 600)],
)
def test_backoff(failures: int, elapsed: float, left: float) -> None:
    assert Failures(failures, 100.0).delay_left(100.0 + elapsed) == left


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3", 3),
        ("", 0),
        ("-1", 0),
        ("x", 0),
        ("2147483647", 2147483647),
        ("2147483648", 0),
        ("\u00b2", 0),
        ("9" * 5000, 0),
    ],
)
def test_counts_in_annotations_that_make_no_sense_are_none(text: str, number: int) -> None:
    assert counted_failures(pod(annotations={COUNTED: text})) == number


@pytest.mark.parametrize("text", ["\u00b2", "-1", "", "x", "9" * 5000])
def test_indexes_that_make_no_sense(text: str) -> None:
    assert indexes.index_of(pod(annotations={indexes.ANNOTATION: text})) == -1
    assert indexes.parse(text, 10) == set()


@pytest.mark.parametrize("text", ["", "0", "0,1", "0-2", "1,3-5,7,8", "0-9"])
def test_indexes(text: str) -> None:
    assert indexes.render(indexes.parse(text, 10)) == text
