"""The pods that a Job makes. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pilothouse.api.types.batch.v1 import Job
from pilothouse.api.types.core.v1 import Container, EnvVar, EnvVarSource, ObjectFieldSelector, Pod, PodTemplateSpec
from pilothouse.controllers.job import failures, indexes
from pilothouse.controllers.job.tally import FINALIZER, limited_per_index
from pilothouse.controllers.pod_control import pod_of

ENVIRONMENT = "JOB_COMPLETION_INDEX"
LONGEST_PREFIX = 58
"""Of a generated name: 63 characters less the random ending."""
replace = msgspec.structs.replace


def plain_pod(job: Job) -> Pod:
    """A pod of a Job without indexes."""
    return _tracked(pod_of(job.spec.template, job))


def index_pod(job: Job, number: int, predecessor: Pod | None) -> Pod:
    """The pod for one index: it knows its number by annotation, label, environment and hostname, and, if failures are
    limited per index, how many there were: `predecessor` is the failed pod whose place it takes."""
    tail = f"-{number}-"
    prefix = job.metadata.name[: LONGEST_PREFIX - len(tail)] + tail
    pod = _tracked(pod_of(_with_index(job.spec.template, job, number), job, prefix=prefix))
    if not limited_per_index(job):
        return pod
    annotations = {**pod.metadata.annotations, **failures.annotations_after(job, predecessor)}
    return replace(pod, metadata=replace(pod.metadata, annotations=annotations))


def _tracked(pod: Pod) -> Pod:
    finalizers = (*pod.metadata.finalizers, FINALIZER)
    return replace(pod, metadata=replace(pod.metadata, finalizers=tuple(dict.fromkeys(finalizers))))


def _with_index(template: PodTemplateSpec, job: Job, number: int) -> PodTemplateSpec:
    meta, spec = template.metadata, template.spec
    mark = {indexes.ANNOTATION: str(number)}
    field = ObjectFieldSelector(field_path=f"metadata.labels['{indexes.ANNOTATION}']")
    variable = EnvVar(name=ENVIRONMENT, value_from=EnvVarSource(field_ref=field))

    def informed(containers: Sequence[Container]) -> tuple[Container, ...]:
        return tuple(
            c if any(e.name == ENVIRONMENT for e in c.env) else replace(c, env=(*c.env, variable)) for c in containers
        )

    return replace(
        template,
        metadata=replace(meta, labels={**meta.labels, **mark}, annotations={**meta.annotations, **mark}),
        spec=replace(
            spec,
            containers=informed(spec.containers or ()),
            init_containers=informed(spec.init_containers),
            hostname=f"{job.metadata.name}-{number}",
        ),
    )
