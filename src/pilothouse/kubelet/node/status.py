"""The Node object: what it is made with, and its status as it stands. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from pilothouse.api.quantity import Quantity
from pilothouse.api.time import format_time
from pilothouse.api.types.core.v1 import (
    ContainerImage,
    DaemonEndpoint,
    Node,
    NodeAddress,
    NodeCondition,
    NodeDaemonEndpoints,
    NodeFeatures,
    NodeRuntimeHandler,
    NodeRuntimeHandlerFeatures,
    NodeSpec,
    NodeStatus,
    NodeSystemInfo,
)
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.kubelet.options import NodeOptions
from pilothouse.seams.runtime import HandlerFeatures, Image, RuntimeCondition, RuntimeFeatures
from pilothouse.semantics.declared_features import RESTART_ALL_CONTAINERS

MOST_IMAGES, MOST_IMAGE_NAMES = 50, 5
# Features that pods may need and not every node has (KEP-5328), of those that this kubelet has.
DECLARED: tuple[str, ...] = (RESTART_ALL_CONTAINERS,)
NO_FEATURES = RuntimeFeatures()
ATTACH_ANNOTATION = "volumes.kubernetes.io/controller-managed-attach-detach"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a node's status is worked out from. `pressures`: condition type to whether it holds."""

    capacity: Mapping[str, Quantity]
    allocatable: Mapping[str, Quantity]
    info: NodeSystemInfo
    runtime: Sequence[RuntimeCondition]
    images: Sequence[Image]
    pressures: Mapping[str, bool]
    problem: str = ""
    features: RuntimeFeatures = NO_FEATURES


_PRESSURES = {
    "MemoryPressure": (
        ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    ),
    "DiskPressure": (
        ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("KubeletHasDiskPressure", "kubelet has disk pressure"),
    ),
    "PIDPressure": (
        ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
    ),
}


def labels(options: NodeOptions, architecture: str) -> dict[str, str]:
    return {
        "beta.kubernetes.io/arch": architecture,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture,
        "kubernetes.io/hostname": options.name,
        "kubernetes.io/os": "linux",
        **options.labels,
    }


def new_node(options: NodeOptions, status: NodeStatus) -> Node:
    """The object a node registers itself with."""
    meta = ObjectMeta(
        name=options.name,
        labels=labels(options, status.node_info.architecture),
        annotations={ATTACH_ANNOTATION: "true"},
    )
    cidrs = (options.pod_cidr,) if options.pod_cidr else ()
    return Node(metadata=meta, spec=NodeSpec(pod_cidr=options.pod_cidr, pod_cidrs=cidrs), status=status)


def node_status(options: NodeOptions, old: NodeStatus, reading: Reading, now: float) -> NodeStatus:
    """The status as it is to be; what others keep in it stays."""
    return msgspec.structs.replace(
        old,
        capacity=reading.capacity,
        allocatable=reading.allocatable,
        conditions=_conditions(old, reading, now),
        addresses=(
            NodeAddress(type="InternalIP", address=options.address),
            NodeAddress(type="Hostname", address=options.name),
        ),
        daemon_endpoints=NodeDaemonEndpoints(kubelet_endpoint=DaemonEndpoint(port=options.kubelet_port)),
        node_info=reading.info,
        images=_images(reading.images),
        runtime_handlers=_handlers(reading.features),
        features=NodeFeatures(supplemental_groups_policy=reading.features.supplemental_groups_policy),
        declared_features=DECLARED,
    )


def _handlers(features: RuntimeFeatures) -> tuple[NodeRuntimeHandler, ...]:
    """User namespaces are made by no handler here."""

    def told(handler: HandlerFeatures) -> NodeRuntimeHandlerFeatures:
        return NodeRuntimeHandlerFeatures(recursive_read_only_mounts=handler.recursive_read_only, user_namespaces=False)

    return tuple(NodeRuntimeHandler(name=name, features=told(one)) for name, one in sorted(features.handlers.items()))


def _images(images: Sequence[Image]) -> tuple[ContainerImage, ...]:
    largest = sorted(images, key=lambda image: -image.size)[:MOST_IMAGES]
    return tuple(
        ContainerImage(names=(*image.digests, *image.tags)[:MOST_IMAGE_NAMES], size_bytes=image.size)
        for image in largest
        if image.digests or image.tags
    )


def problems(reading: Reading) -> list[str]:
    """Why the node cannot run pods; empty if it can."""
    told = [reading.problem] if reading.problem else []
    texts = {"RuntimeReady": "container runtime not ready", "NetworkReady": "container runtime network not ready"}
    for condition in reading.runtime:
        if not condition.status and condition.type in texts:
            told.append(
                f"{texts[condition.type]}: {condition.type}=false reason:{condition.reason} message:{condition.message}"
            )
    return told


def _conditions(old: NodeStatus, reading: Reading, now: float) -> tuple[NodeCondition, ...]:
    wanted = []
    for kind, texts in _PRESSURES.items():
        held = reading.pressures.get(kind, False)
        reason, message = texts[int(held)]
        wanted.append(NodeCondition(type=kind, status=str(held), reason=reason, message=message))
    told = problems(reading)
    if told:
        text = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
        wanted.append(NodeCondition(type="Ready", status="False", reason="KubeletNotReady", message=text))
    else:
        text = "kubelet is posting ready status"
        wanted.append(NodeCondition(type="Ready", status="True", reason="KubeletReady", message=text))
    before = {c.type: c for c in old.conditions}
    stamp = format_time(now)
    dated = []
    for condition in wanted:
        known = before.get(condition.type)
        since = known.last_transition_time if known is not None and known.status == condition.status else stamp
        dated.append(msgspec.structs.replace(condition, last_heartbeat_time=stamp, last_transition_time=since))
    own = {c.type for c in wanted}
    return (*(c for c in old.conditions if c.type not in own), *dated)


def same_but_for_heartbeat(one: NodeStatus, other: NodeStatus) -> bool:
    """Whether two statuses differ in nothing but when they were told."""

    def still(status: NodeStatus) -> NodeStatus:
        calm = tuple(msgspec.structs.replace(c, last_heartbeat_time=None) for c in status.conditions)
        return msgspec.structs.replace(status, conditions=calm)

    return still(one) == still(other)
