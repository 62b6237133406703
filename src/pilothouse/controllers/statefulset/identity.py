"""The identities of a StatefulSet's pods: ordinals, names, claims, labels. Pure."""

from __future__ import annotations

import re

import msgspec

from pilothouse.api.types.apps.v1 import StatefulSet
from pilothouse.api.types.core.v1 import (
    PersistentVolumeClaim,
    PersistentVolumeClaimVolumeSource,
    Pod,
    PodTemplateSpec,
    Volume,
)
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.controllers.pod_control import pod_of

REVISION_LABEL = "controller-revision-hash"
NAME_LABEL = "statefulset.kubernetes.io/pod-name"
INDEX_LABEL = "apps.kubernetes.io/pod-index"
_NAME = re.compile(r"(.*)-([0-9]+)\Z", re.DOTALL)
replace = msgspec.structs.replace


def ordinal_of(owner: StatefulSet, pod: Pod) -> int:
    """The pod's ordinal; -1 if its name is not one of the set's."""
    match = _NAME.match(pod.metadata.name)
    if match is None or match.group(1) != owner.metadata.name:
        return -1
    return int(match.group(2))


def start_of(owner: StatefulSet) -> int:
    return owner.spec.ordinals.start if owner.spec.ordinals is not None else 0


def replicas_of(owner: StatefulSet) -> int:
    return 1 if owner.spec.replicas is None else owner.spec.replicas


def ordinals(owner: StatefulSet) -> range:
    """The ordinals that should have a pod."""
    return range(start_of(owner), start_of(owner) + replicas_of(owner))


def name_of(owner: StatefulSet, ordinal: int) -> str:
    return f"{owner.metadata.name}-{ordinal}"


def claim_name(owner: StatefulSet, template: PersistentVolumeClaim, ordinal: int) -> str:
    return f"{template.metadata.name}-{owner.metadata.name}-{ordinal}"


def claims_of(owner: StatefulSet, ordinal: int) -> list[PersistentVolumeClaim]:
    """The claims that the pod of an ordinal uses."""
    labels = owner.spec.selector.match_labels if owner.spec.selector is not None else {}
    return [
        PersistentVolumeClaim(
            metadata=ObjectMeta(
                name=claim_name(owner, template, ordinal),
                namespace=owner.metadata.namespace,
                labels={**template.metadata.labels, **labels},
                annotations=template.metadata.annotations,
            ),
            spec=template.spec,
        )
        for template in owner.spec.volume_claim_templates
    ]


def volumes_of(owner: StatefulSet, ordinal: int, held: tuple[Volume, ...]) -> tuple[Volume, ...]:
    """The pod's volumes: its claims in the place of template volumes of their names."""
    claimed = {
        template.metadata.name: Volume(
            name=template.metadata.name,
            persistent_volume_claim=PersistentVolumeClaimVolumeSource(claim_name=claim_name(owner, template, ordinal)),
        )
        for template in owner.spec.volume_claim_templates
    }
    return (*claimed.values(), *(v for v in held if v.name not in claimed))


def pod_for(owner: StatefulSet, ordinal: int, template: PodTemplateSpec, revision: str) -> Pod:
    """The pod of an ordinal by a template, labelled with its revision's name."""
    name = name_of(owner, ordinal)
    pod = pod_of(template, owner, name=name)
    labels = {**pod.metadata.labels, NAME_LABEL: name, INDEX_LABEL: str(ordinal), REVISION_LABEL: revision}
    spec = replace(
        pod.spec,
        hostname=name,
        subdomain=owner.spec.service_name,
        volumes=volumes_of(owner, ordinal, pod.spec.volumes),
    )
    return replace(pod, metadata=replace(pod.metadata, labels=labels), spec=spec)


def repaired(owner: StatefulSet, pod: Pod) -> Pod | None:
    """The pod with the labels of its identity; None if it has them."""
    wanted = {NAME_LABEL: pod.metadata.name, INDEX_LABEL: str(ordinal_of(owner, pod))}
    if wanted.items() <= pod.metadata.labels.items():
        return None
    return replace(pod, metadata=replace(pod.metadata, labels={**pod.metadata.labels, **wanted}))


def revision_of(pod: Pod) -> str:
    return pod.metadata.labels.get(REVISION_LABEL, "")
