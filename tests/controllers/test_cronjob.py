"""CronJobs: when, and what of the Jobs before."""

from __future__ import annotations

from datetime import datetime

import pytest

from pilothouse.api.types.batch.v1 import CronJob, CronJobSpec, Job, JobCondition, JobSpec, JobTemplateSpec
from pilothouse.api.types.core.v1 import Container, PodSpec, PodTemplateSpec
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.controllers.cronjob.schedule import ScheduleError, parse
from pilothouse.controllers.pod_control import with_spec
from pilothouse.testing.clock import VirtualClock
from tests.controllers.world import World, world

NAMES = ("cronjob-controller",)


@pytest.mark.parametrize(
    ("line", "zone", "after", "expected"),
    [
        ("*/5 * * * *", None, "2026-01-01T00:03:10Z", "2026-01-01T00:05:00Z"),
        ("0 9 * * mon-fri", None, "2026-01-02T10:00:00Z", "2026-01-05T09:00:00Z"),
        ("30 4 1,15 * *", None, "2026-01-01T05:00:00Z", "2026-01-15T04:30:00Z"),
        ("0 0 13 * 5", None, "2026-01-10T00:00:00Z", "2026-01-13T00:00:00Z"),
        ("@monthly", None, "2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z"),
        ("0 0 29 2 *", None, "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("0 12 * * *", "Europe/Berlin", "2026-07-01T00:00:00Z", "2026-07-01T10:00:00Z"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"),
        ("TZ=Asia/Tokyo 0 0 * * *", None, "2026-01-01T00:00:00Z", "2026-01-01T15:00:00Z"),
        ("@every 1h30m", None, "2026-01-01T00:00:00Z", "2026-01-01T01:30:00Z"),
        ("0 0 31 2 *", None, "2026-01-01T00:00:00Z", None),
    ],
)
def test_next(line: str, zone: str | None, after: str, expected: str | None) -> None:
    found = parse(line, zone).next(datetime.fromisoformat(after).timestamp())
    assert found == (datetime.fromisoformat(expected).timestamp() if expected else None)


@pytest.mark.parametrize("line", ["", "* * * *", "60 * * * *", "a * * * *", "*/0 * * * *", "5-1 * * * *", "@often"])
def test_bad_lines(line: str) -> None:
    with pytest.raises(ScheduleError):
        parse(line)


def cron(policy: str = "Allow", **spec: object) -> CronJob:
    told = {"successful_jobs_history_limit": 1, "failed_jobs_history_limit": 1, **spec}
    pods = PodSpec(containers=(Container(name="c", image="i"),), restart_policy="Never")
    jobs = JobSpec(template=PodTemplateSpec(spec=pods))
    return CronJob(
        metadata=ObjectMeta(name="tick", namespace="ns"),
        spec=CronJobSpec(
            schedule="* * * * *",
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
