"""CronJobs: when, and what of the Jobs before."""

from __future__ import annotations

import pytest

from pilothouse.api.types.batch.v1 import CronJob, CronJobSpec, Job, JobCondition, JobSpec, JobTemplateSpec
from pilothouse.api.types.core.v1 import Container, PodSpec, PodTemplateSpec
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.controllers.pod_control import with_spec
from pilothouse.semantics.ownership import controller_reference
from pilothouse.testing.clock import VirtualClock
from tests.controllers.world import World, world

NAMES = ("cronjob-controller",)


def cron(policy: str = "Allow", **spec: object) -> CronJob:
    told = {"successful_jobs_history_limit": 1, "failed_jobs_history_limit": 1, **spec}
    pods = PodSpec(containers=(Container(name="c", image="i"),), restart_policy="Never")
    jobs = JobSpec(template=PodTemplateSpec(spec=pods))
    return CronJob(
        metadata=ObjectMeta(name="tick", namespace="ns"),
        spec=CronJobSpec(
            schedule=str(told.pop("schedule", "* * * * *")),
            concurrency_policy=policy,
            job_template=JobTemplateSpec(metadata=ObjectMeta(labels={"a": "b"}), spec=jobs),
            **told,  # type: ignore[arg-type]
        ),
    )


async def finish(w: World, name: str) -> None:
    job = await w.client.get(Job, name, "ns")
    done = tuple(JobCondition(type=kind, status="True") for kind in ("SuccessCriteriaMet", "Complete"))
    began, ended = "2026-01-01T00:01:10Z", "2026-01-01T00:01:30Z"
    await w.status(job, conditions=done, start_time=began, completion_time=ended)
    await w.rest()


async def names(w: World) -> list[str]:
    return [j.metadata.name for j in await w.all(Job)]


async def test_starts_each_minute_and_keeps_history(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(cron())
        await w.rest()
        assert await names(w) == []
        await clock.advance(60)
        (first,) = await w.all(Job)
        assert first.metadata.name == f"tick-{int(clock.now()) // 60}"
        assert first.metadata.labels == {"a": "b"}
        assert first.metadata.annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"] == "2026-01-01T00:01:00Z"
        held = await w.client.get(CronJob, "tick", "ns")
        assert [r.name for r in held.status.active] == [first.metadata.name]
        assert held.status.last_schedule_time == "2026-01-01T00:01:00Z"
        await finish(w, first.metadata.name)
        held = await w.client.get(CronJob, "tick", "ns")
        assert (held.status.active, held.status.last_successful_time) == ((), "2026-01-01T00:01:30Z")
        await clock.advance(60)
        await finish(w, (await names(w))[1])
        assert len(await names(w)) == 1
        await w.client.update(with_spec(await w.client.get(CronJob, "tick", "ns"), suspend=True))
        await clock.advance(300)
        assert len(await names(w)) == 1


@pytest.mark.parametrize(("policy", "expected"), [("Allow", 3), ("Forbid", 1), ("Replace", 1)])
async def test_concurrency(clock: VirtualClock, policy: str, expected: int) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(cron(policy))
        await clock.advance(185)
        found = await names(w)
        assert len(found) == expected
        if policy == "Forbid":
            assert any(reason == "JobAlreadyActive" for reason, _ in await w.events())
        if policy == "Replace":
            assert found == [f"tick-{int(clock.now()) // 60}"]


async def test_only_the_latest_missed_moment_is_made_up_for(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(cron(suspend=True))
        await clock.advance(3600 * 5)
        await w.client.update(with_spec(await w.client.get(CronJob, "tick", "ns"), suspend=False))
        await w.rest()
        assert len(await names(w)) == 1
        assert any(reason == "TooManyMissedTimes" for reason, _ in await w.events())


def running_job(name: str, owner: CronJob | None) -> Job:
    pods = PodSpec(containers=(Container(name="c", image="i"),), restart_policy="Never")
    references = (controller_reference(owner),) if owner is not None else ()
    meta = ObjectMeta(name=name, namespace="ns", owner_references=references)
    return Job(metadata=meta, spec=JobSpec(template=PodTemplateSpec(spec=pods)))


async def test_a_job_that_it_did_not_make_is_told_of_and_left_alone(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        held = await w.client.create(cron("Forbid"))
        await w.client.create(running_job("mine", held))
        await w.rest()
        text = "Saw a job that the controller did not create or forgot: mine"
        assert ("UnexpectedJob", text) in await w.events()
        assert (await w.client.get(CronJob, "tick", "ns")).status.active == ()
        await clock.advance(60)
        assert len(await names(w)) == 2, "it does not count against Forbid"


@pytest.mark.parametrize("ours", [True, False])
async def test_a_job_of_the_moment_that_is_there_already(clock: VirtualClock, ours: bool) -> None:
    """It was made before a crash, or somebody else took its name."""
    async with world(clock, NAMES) as w:
        held = await w.client.create(cron())
        name = f"tick-{int(clock.now()) // 60 + 1}"
        await w.client.create(running_job(name, held if ours else None))
        await clock.advance(61)
        status = (await w.client.get(CronJob, "tick", "ns")).status
        assert [r.name for r in status.active] == ([name] if ours else [])
        assert (status.last_schedule_time is not None) == ours
        await clock.advance(60)
        assert len(await names(w)) == 2


@pytest.mark.api("fake")  # the API refuses such a schedule when it is made
async def test_a_zone_within_the_schedule(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(cron(schedule="TZ=Asia/Tokyo 1 9 * * *", time_zone="Europe/Berlin"))
        await clock.advance(61)
        assert len(await names(w)) == 1
        assert any(reason == "UnsupportedSchedule" for reason, _ in await w.events())
