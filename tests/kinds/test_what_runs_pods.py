"""Sets, jobs and cron jobs: what is refused and in which order, in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.apps.v1 import (
    RollingUpdateStatefulSetStrategy,
    StatefulSet,
    StatefulSetSpec,
    StatefulSetUpdateStrategy,
)
from pilothouse.api.types.core.v1 import PersistentVolumeClaim
from pilothouse.kinds.apps import daemonset, deployment, replicaset, statefulset
from pilothouse.kinds.batch import cronjob, job
from tests.kinds.asking import Body, merged, refused, refused_change

LABELS = {"a": "b"}
TEMPLATE: Body = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
SET: Body = {"metadata": {"name": "s"}, "spec": {"selector": {"matchLabels": LABELS}, "template": TEMPLATE}}
ODD = {"matchExpressions": [{"key": "a", "operator": "Odd"}]}
NOT_ONE = 'spec.selector.matchExpressions[0].operator: Invalid value: "Odd": not a valid selector operator'
SHOWN = 'spec.selector: Invalid value: {"matchExpressions":[{"key":"a","operator":"Odd"}]}'
RESTART = 'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (deployment.STRATEGY, [NOT_ONE, f"{SHOWN}: invalid label selector"]),
        (replicaset.STRATEGY, [NOT_ONE, f"{SHOWN}: invalid label selector"]),
        (statefulset.STRATEGY, [NOT_ONE, SHOWN, RESTART]),
        (daemonset.STRATEGY, [NOT_ONE, RESTART]),
    ],
)
def test_what_is_told_beside_a_selector_that_is_none(strategy: Any, expected: list[str]) -> None:
    template = merged(TEMPLATE, {"spec": {"restartPolicy": "Never"}})
    body = {"metadata": {"name": "s"}, "spec": {"selector": ODD, "template": template}}
    assert refused(strategy, body) == expected


@pytest.mark.parametrize(
    ("strategy", "update", "expected"),
    [
        (
            daemonset.STRATEGY,
            {"type": "Odd"},
            [
                'spec.updateStrategy: Unsupported value: {"Type":"Odd","RollingUpdate":null}: '
                'supported values: "RollingUpdate", "OnDelete"'
            ],
        ),
        (
            daemonset.STRATEGY,
            {"rollingUpdate": {"maxUnavailable": "101%", "maxSurge": -1}},
            [
                "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: -1: must be greater than or equal to 0",
                'spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "101%": '
                "must not be greater than 100%",
                "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: -1: "
                "may not be set when maxUnavailable is non-zero",
            ],
        ),
        (
            statefulset.STRATEGY,
            {"rollingUpdate": {"partition": -1, "maxUnavailable": 0}},
            [
                "spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or equal to 0",
                "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0",
            ],
        ),
    ],
)
def test_strategies_of_updates(strategy: Any, update: Body, expected: list[str]) -> None:
    assert refused(strategy, merged(SET, {"spec": {"updateStrategy": update}})) == expected


JOB: Body = {
    "metadata": {"name": "j"},
    "spec": {**SET["spec"], "manualSelector": True, "template": merged(TEMPLATE, {"spec": {"restartPolicy": "Never"}})},
}


def a_job(**spec: Any) -> Body:
    return merged(JOB, {"spec": spec})


INDEXED = {"completionMode": "Indexed", "completions": 5}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            a_job(**INDEXED, maxFailedIndexes=6),
            [
                "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified",
                "spec.maxFailedIndexes: Invalid value: 6: must be less than or equal to completions",
            ],
        ),
        (
            a_job(completionMode="Odd", backoffLimitPerIndex=1),
            ['spec.completionMode: Unsupported value: "Odd": supported values: "NonIndexed", "Indexed"'],
        ),
        (a_job(managedBy="a.b/c d"), ['spec.managedBy: Invalid value: "c d": Invalid path (regex used for validation '
                                      "is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')"]),
        (
            a_job(**INDEXED, successPolicy={"rules": [{"succeededIndexes": "3-2", "succeededCount": 1}]}),
            [
                'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "3-2": '
                "error parsing succeededIndexes: non-increasing order, previous: 3, current: 2",
                "spec.successPolicy.rules[0].succeededCount: Invalid value: 1: must be less than or equal to 0 "
                "(the number of indexes in the specified succeededIndexes field)",
            ],
        ),
        (
            a_job(**INDEXED, successPolicy={"rules": [{"succeededIndexes": "0,1-2-3"}]}),
            [
                'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "0,1-2-3": '
                'error parsing succeededIndexes: the fragment "1-2-3" violates the requirement that an index interval '
                "can have at most two parts separated by '-'"
            ],
        ),
    ],
)  # fmt: skip
def test_jobs(body: Body, expected: list[str]) -> None:
    assert refused(job.STRATEGY, body) == expected


TIME, LATER = "2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z"


def true(*kinds: str) -> list[Body]:
    return [{"type": kind, "status": "True"} for kind in kinds]


@pytest.mark.parametrize(
    ("spec", "old", "new", "expected"),
    [
        (
            {},
            {},
            {"uncountedTerminatedPods": {"succeeded": ["a", "a"], "failed": ["", "a"]}},
            [
                'status.uncountedTerminatedPods.succeeded[1]: Duplicate value: "a"',
                'status.uncountedTerminatedPods.failed[0]: Invalid value: "": must not be empty',
                'status.uncountedTerminatedPods.failed[1]: Duplicate value: "a"',
            ],
        ),
        (
            {},
            {"startTime": LATER},
            {
                "startTime": LATER,
                "completionTime": TIME,
                "terminating": 1,
                "conditions": true("Complete", "SuccessCriteriaMet", "FailureTarget"),
                "uncountedTerminatedPods": {"failed": ["a"]},
            },
            [
                "status.conditions: Invalid value: cannot set Complete=True and FailureTarget=true conditions",
                f'status.completionTime: Invalid value: "{TIME}": completionTime cannot be set before startTime',
                'status.uncountedTerminatedPods: Invalid value: {"Succeeded":null,"Failed":["a"]}: '
                "uncountedTerminatedPods needs to be empty for finished job",
                "status.terminating: Invalid value: 1: terminating>0 is invalid for finished job",
                "status.conditions: Invalid value: cannot set SuccessCriteriaMet=True and FailureTarget=true "
                "conditions",
            ],
        ),
        (
            INDEXED,
            {},
            {"completedIndexes": "0-9", "failedIndexes": "3"},
            [
                'status.completedIndexes: Invalid value: "0-9": error parsing completedIndexes: too large index: "9"',
                'status.failedIndexes: Invalid value: "3": cannot set non-null failedIndexes when '
                "backoffLimitPerIndex is null",
            ],
        ),
        (
            {**INDEXED, "backoffLimitPerIndex": 1},
            {},
            {"completedIndexes": "0-2", "failedIndexes": "1,4"},
            ['status.failedIndexes: Invalid value: "1,4": failedIndexes and completedIndexes overlap at index: 1'],
        ),
        (
            {},
            {},
            {"completedIndexes": "0"},
            [
                'status.completedIndexes: Invalid value: "0": cannot set non-empty completedIndexes when non-indexed '
                "completion mode"
            ],
        ),
        ({}, {"active": 0, "ready": 3}, {"active": 0, "ready": 3, "failed": 1}, []),
        ({**INDEXED, "parallelism": 5}, {"succeeded": 4}, {"succeeded": 3}, []),
        (
            {},
            {"startTime": TIME, "completionTime": LATER, "conditions": true("Complete", "SuccessCriteriaMet")},
            {"startTime": LATER, "completionTime": LATER, "conditions": true("Complete")},
            [
                "status.conditions: Invalid value: cannot set Complete=True condition without the "
                "SuccessCriteriaMet=true condition",
                f'status.startTime: Invalid value: "{LATER}": field is immutable for unsuspended job once set',
                "status.conditions: Invalid value: cannot disable the SuccessCriteriaMet=True condition",
            ],
        ),
    ],
)
def test_statuses_of_jobs(spec: Body, old: Body, new: Body, expected: list[str]) -> None:
    body = merged({**a_job(), "spec": {**JOB["spec"], "completions": 1, "parallelism": 1}}, {"spec": spec})
    found = refused_change(job.STRATEGY, {**body, "status": new}, {**body, "status": old}, job.STRATEGY.status)
    assert found == expected


def test_where_a_suspended_job_runs_may_change() -> None:
    old = a_job(suspend=True)
    spec = {
        "nodeSelector": {"a": "b"},
        "affinity": {"nodeAffinity": {}},
        "containers": [{"name": "c", "image": "i", "resources": {"limits": {"cpu": "1"}}}],
    }
    assert refused_change(job.STRATEGY, merged(old, {"spec": {"template": {"spec": spec}}}), old) == []
    for other in ({"affinity": {"podAffinity": {}}}, {"containers": [{"name": "c", "image": "other"}]}):
        found = refused_change(job.STRATEGY, merged(old, {"spec": {"template": {"spec": other}}}), old)
        assert [error.partition(":")[0] for error in found] == ["spec.template.spec"]
    started = {**old, "status": {"startTime": TIME, "active": 1}}
    found = refused_change(job.STRATEGY, merged(started, {"spec": {"template": {"spec": spec}}}), started)
    assert [error.partition(":")[0] for error in found] == ["spec.template"]


def a_cron_job(**spec: Any) -> Body:
    template = {"spec": {"template": JOB["spec"]["template"]}}
    return {"metadata": {"name": "c"}, "spec": {"schedule": "* * * * *", "jobTemplate": template, **spec}}


OWN_ZONE = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"schedule": "TZ=UTC * * * * *"}, [f'spec.schedule: Invalid value: "TZ=UTC * * * * *": {OWN_ZONE}']),
        (
            {"schedule": "CRON_TZ=UTC * *"},
            [
                'spec.schedule: Invalid value: "CRON_TZ=UTC * *": expected exactly 5 fields, found 2: [* *]',
                f'spec.schedule: Invalid value: "CRON_TZ=UTC * *": {OWN_ZONE}',
            ],
        ),
        ({"timeZone": "../UTC"}, ['spec.timeZone: Invalid value: "../UTC": unknown time zone ../UTC']),
        (
            {"timeZone": "Local"},
            [
                'spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as defined in '
                "https://www.iana.org/time-zones"
            ],
        ),
    ],
)
def test_cron_jobs(spec: Body, expected: list[str]) -> None:
    assert refused(cronjob.STRATEGY, a_cron_job(**spec)) == expected


def test_what_a_cron_job_had_may_stay() -> None:
    old = a_cron_job(schedule="TZ=UTC * * * * *", timeZone="Gone/Zone")
    assert refused_change(cronjob.STRATEGY, a_cron_job(schedule="TZ=UTC 1 * * * *"), old) == []
    assert refused_change(cronjob.STRATEGY, old, old) == [
        'spec.schedule: Invalid value: "TZ=UTC * * * * *": cannot use both timeZone field and TZ or CRON_TZ in schedule'
    ]


def test_the_name_of_a_cron_job_is_told_last() -> None:
    name = "c" * 53
    found = refused(cronjob.STRATEGY, {**a_cron_job(startingDeadlineSeconds=-1), "metadata": {"name": name}})
    assert found == [
        "spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0",
        f'metadata.name: Invalid value: "{name}": must be no more than 52 characters',
    ]


def test_max_unavailable_of_a_stateful_set_is_dropped_while_its_gate_is_off() -> None:
    def rolling(limit: int | None) -> StatefulSet:
        strategy = StatefulSetUpdateStrategy(
            type="RollingUpdate", rolling_update=RollingUpdateStatefulSetStrategy(partition=1, max_unavailable=limit)
        )
        return StatefulSet(spec=StatefulSetSpec(update_strategy=strategy))

    assert statefulset.without_gated(rolling(2), None) == rolling(None)
    assert statefulset.without_gated(rolling(2), rolling(None)) == rolling(None)
    assert statefulset.without_gated(rolling(2), rolling(3)) == rolling(2)


def test_a_set_names_the_kind_of_its_claims_itself() -> None:
    odd = PersistentVolumeClaim(api_version="a/b", kind="")
    shown = statefulset.defaults(StatefulSet(spec=StatefulSetSpec(volume_claim_templates=(odd,))))
    (claim,) = shown.spec.volume_claim_templates
    assert (claim.api_version, claim.kind) == ("v1", "PersistentVolumeClaim")
