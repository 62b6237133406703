"""What the runtime is asked to make: sandbox and container configurations of a pod. Pure.

Labels and annotations carry all that the node needs to know its containers again after a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pilothouse.api.quantity import Quantity
from pilothouse.api.types.core.v1 import EphemeralContainer, Pod, PodSecurityContext
from pilothouse.kubelet import environment as env
from pilothouse.kubelet.names import dns_config, hostname
from pilothouse.kubelet.options import NodeOptions
from pilothouse.kubelet.podworker.syncing import HASH_ANNOTATION, spec_hash
from pilothouse.kubelet.resources import cgroup_of, container_resources, pod_resources
from pilothouse.kubelet.security import container_security, sandbox_security
from pilothouse.kubelet.sysctls import normal_name
from pilothouse.seams.runtime import (
    ContainerConfig,
    DNSConfig,
    Image,
    Mount,
    PortMapping,
    RuntimeFeatures,
    SandboxConfig,
)

POD_NAME, POD_NAMESPACE, POD_UID = "io.kubernetes.pod.name", "io.kubernetes.pod.namespace", "io.kubernetes.pod.uid"
CONTAINER_NAME = "io.kubernetes.container.name"
CONFIG_SOURCE, CONFIG_SEEN = "kubernetes.io/config.source", "kubernetes.io/config.seen"
GRACE_ANNOTATION = "io.kubernetes.pod.terminationGracePeriod"
RESTARTS_ANNOTATION = "io.kubernetes.container.restartCount"
MESSAGE_PATH_ANNOTATION = "io.kubernetes.container.terminationMessagePath"
MESSAGE_POLICY_ANNOTATION = "io.kubernetes.container.terminationMessagePolicy"
KIND_ANNOTATION = "pilothouse.io/container-kind"
MESSAGE_FILE_ANNOTATION = "pilothouse.io/termination-message-file"


@dataclass(frozen=True, slots=True)
class NodeView:
    """What of the node goes into configurations."""

    options: NodeOptions
    host_dns: DNSConfig
    capacity: Mapping[str, Quantity]
    unified_cgroups: bool
    apparmor: bool = False
    features: Callable[[], RuntimeFeatures] = RuntimeFeatures
    """What the runtime can do, as it last said."""


def identity(pod: Pod) -> dict[str, str]:
    meta = pod.metadata
    return {POD_NAME: meta.name, POD_NAMESPACE: meta.namespace, POD_UID: meta.uid}


def log_folder(pod: Pod) -> str:
    meta = pod.metadata
    return f"{meta.namespace}_{meta.name}_{meta.uid}"


def sandbox_config(pod: Pod, node: NodeView, attempt: int, handler: str = "") -> SandboxConfig:
    """`handler` is what the pod's RuntimeClass names; only the making of a sandbox needs it."""
    spec, options = pod.spec, node.options
    context = spec.security_context or PodSecurityContext()
    name, _ = hostname(pod, options.cluster_domain)
    ports = [
        PortMapping(p.protocol or "TCP", p.container_port, p.host_port, p.host_ip)
        for c in (*(spec.containers or ()), *spec.init_containers)
        for p in c.ports
        if p.host_port and not spec.host_network
    ]
    return SandboxConfig(
        name=pod.metadata.name,
        namespace=pod.metadata.namespace,
        uid=pod.metadata.uid,
        attempt=attempt,
        hostname="" if spec.host_network else name,
        log_directory=str(options.logs / log_folder(pod)),
        cgroup_parent=cgroup_of(options.cgroup_parent, pod),
        dns=dns_config(pod, node.host_dns, [options.cluster_dns], options.cluster_domain),
        port_mappings=ports,
        labels={**pod.metadata.labels, **identity(pod)},
        annotations={**pod.metadata.annotations, CONFIG_SOURCE: "api"},
        sysctls={normal_name(s.name): s.value for s in context.sysctls},
        security=sandbox_security(pod),
        resources=pod_resources(pod),
        runtime_handler=handler,
    )


def kind_of(pod: Pod, container: env.AnyContainer) -> str:
    """`init`, `sidecar`, `ephemeral` or `regular`."""
    if any(c is container or c.name == container.name for c in pod.spec.init_containers):
        return "sidecar" if container.restart_policy == "Always" else "init"
    return "ephemeral" if isinstance(container, EphemeralContainer) else "regular"


@dataclass(frozen=True, slots=True)
class ContainerInputs:
    """What a container is made of, gathered beforehand."""

    image: Image
    environment: Mapping[str, str]
    mounts: Sequence[Mount]
    attempt: int
    message_file: str
    target_id: str = ""


def container_config(pod: Pod, container: env.AnyContainer, node: NodeView, inputs: ContainerInputs) -> ContainerConfig:
    """Raises ConfigError."""
    grace = pod.spec.termination_grace_period_seconds
    return ContainerConfig(
        name=container.name,
        attempt=inputs.attempt,
        image=inputs.image.id,
        user_image=container.image,
        command=env.commands(container.command, inputs.environment),
        args=env.commands(container.args, inputs.environment),
        working_dir=container.working_dir,
        environment=tuple(inputs.environment.items()),
        mounts=inputs.mounts,
        labels={**identity(pod), CONTAINER_NAME: container.name},
        annotations={
            HASH_ANNOTATION: spec_hash(container),
            RESTARTS_ANNOTATION: str(inputs.attempt),
            MESSAGE_PATH_ANNOTATION: container.termination_message_path,
            MESSAGE_POLICY_ANNOTATION: container.termination_message_policy or "File",
            MESSAGE_FILE_ANNOTATION: inputs.message_file,
            KIND_ANNOTATION: kind_of(pod, container),
            GRACE_ANNOTATION: str(30 if grace is None else grace),
        },
        log_path=f"{container.name}/{inputs.attempt}.log",
        stdin=container.stdin,
        stdin_once=container.stdin_once,
        tty=container.tty,
        resources=container_resources(pod, container, node.capacity, unified=node.unified_cgroups),
        security=container_security(
            pod, container, inputs.image, inputs.target_id, seccomp_default=node.options.seccomp_default
        ),
    )
