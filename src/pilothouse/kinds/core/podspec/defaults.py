"""The defaults of a PodSpec: what is complete is given back as it is. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from pilothouse.api.codec.json import longer_than
from pilothouse.api.codec.parts import LARGEST
from pilothouse.api.quantity import Quantity
from pilothouse.api.types.core import v1 as core
from pilothouse.kinds.core.podspec.images import default_pull_policy
from pilothouse.kinds.core.podspec.resources import aggregated
from pilothouse.kinds.core.podspec.volumes import volume_defaults
from pilothouse.kit.memo import Memo
from pilothouse.semantics.requests import pod_level

S = TypeVar("S", bound=Struct)
C = TypeVar("C", core.Container, core.EphemeralContainer)
MILLI = Decimal("0.001")


def mapped(items: tuple[S, ...] | None, fill: Callable[[S], S]) -> tuple[S, ...] | None:
    """`items` with `fill` on each; the same tuple if nothing changed."""
    if not items:
        return items
    filled = tuple(map(fill, items))
    return items if all(a is b for a, b in zip(filled, items, strict=True)) else filled


def changed(struct: S, **parts: Any) -> S:
    """`struct` with those `parts` that are not what it has; itself if there are none."""
    new = {name: value for name, value in parts.items() if getattr(struct, name) is not value}
    return replace(struct, **new) if new else struct


def rounded(resources: Mapping[str, Quantity]) -> Mapping[str, Quantity]:
    """Quantities rounded up to thousandths, as a ResourceList is stored."""
    fine = {name: q for name, q in resources.items() if not q.is_multiple(MILLI)}
    if not fine:
        return resources
    up = {name: found.rounded_up(MILLI) for name, found in fine.items()}
    return {**resources, **up}


def requirements(found: core.ResourceRequirements) -> core.ResourceRequirements:
    if not found.limits and not found.requests:
        return found
    return changed(found, limits=rounded(found.limits), requests=rounded(found.requests))


def _http_get(action: core.HTTPGetAction | None) -> core.HTTPGetAction | None:
    if action is None or (action.path and action.scheme):
        return action
    return replace(action, path=action.path or "/", scheme=action.scheme or "HTTP")


def _probe(probe: core.Probe | None) -> core.Probe | None:
    if probe is None:
        return None
    grpc = probe.grpc
    if grpc is not None and grpc.service is None:
        grpc = replace(grpc, service="")
    return changed(
        probe,
        timeout_seconds=probe.timeout_seconds or 1,
        period_seconds=probe.period_seconds or 10,
        success_threshold=probe.success_threshold or 1,
        failure_threshold=probe.failure_threshold or 3,
        http_get=_http_get(probe.http_get),
        grpc=grpc,
    )


def _handler(handler: core.LifecycleHandler | None) -> core.LifecycleHandler | None:
    return None if handler is None else changed(handler, http_get=_http_get(handler.http_get))


def _lifecycle(lifecycle: core.Lifecycle | None) -> core.Lifecycle | None:
    if lifecycle is None:
        return None
    return changed(lifecycle, post_start=_handler(lifecycle.post_start), pre_stop=_handler(lifecycle.pre_stop))


def _port(port: core.ContainerPort) -> core.ContainerPort:
    return port if port.protocol else replace(port, protocol="TCP")


def _env(env: core.EnvVar) -> core.EnvVar:
    source = env.value_from
    if source is None:
        return env
    field, file = source.field_ref, source.file_key_ref
    if field is not None and not field.api_version:
        field = replace(field, api_version="v1")
    if file is not None and file.optional is None:
        file = replace(file, optional=False)
    return changed(env, value_from=changed(source, field_ref=field, file_key_ref=file))


def container(found: C) -> C:
    """A container of any kind with its defaults."""
    return changed(
        found,
        image_pull_policy=found.image_pull_policy or default_pull_policy(found.image),
        termination_message_path=found.termination_message_path or "/dev/termination-log",
        termination_message_policy=found.termination_message_policy or "File",
        ports=mapped(found.ports, _port),
        env=mapped(found.env, _env),
        resources=requirements(found.resources),
        liveness_probe=_probe(found.liveness_probe),
        readiness_probe=_probe(found.readiness_probe),
        startup_probe=_probe(found.startup_probe),
        lifecycle=_lifecycle(found.lifecycle),
    )


def pod_spec(spec: core.PodSpec) -> core.PodSpec:
    """What every PodSpec gets, in a Pod or in a template."""
    context = core.PodSecurityContext() if spec.security_context is None else spec.security_context
    grace = 30 if spec.termination_grace_period_seconds is None else spec.termination_grace_period_seconds
    resources = spec.resources
    return changed(
        spec,
        dns_policy=spec.dns_policy or "ClusterFirst",
        restart_policy=spec.restart_policy or "Always",
        scheduler_name=spec.scheduler_name or "default-scheduler",
        security_context=context,
        termination_grace_period_seconds=grace,
        containers=mapped(spec.containers, container),
        init_containers=mapped(spec.init_containers, container),
        ephemeral_containers=mapped(spec.ephemeral_containers, container),
        volumes=mapped(spec.volumes, volume_defaults),
        overhead=rounded(spec.overhead) if spec.overhead else spec.overhead,
        resources=None if resources is None else requirements(resources),
        # the old name of the account's field is an alias that both ways agree
        service_account_name=spec.service_account_name or spec.service_account,
        service_account=spec.service_account_name or spec.service_account,
    )


def template(found: core.PodTemplateSpec) -> core.PodTemplateSpec:
    """A pod template with its defaults."""
    return changed(found, spec=pod_spec(found.spec))


def _requests_from_limits(found: C) -> C:
    missing = {n: q for n, q in found.resources.limits.items() if n not in found.resources.requests}
    if not missing:
        return found
    requests = {**found.resources.requests, **missing}
    return replace(found, resources=replace(found.resources, requests=requests))


def _host_port(port: core.ContainerPort) -> core.ContainerPort:
    return port if port.host_port else replace(port, host_port=port.container_port)


def _host_ports(found: core.Container) -> core.Container:
    return changed(found, ports=mapped(found.ports, _host_port))


def pod(found: core.Pod) -> core.Pod:
    """What a Pod itself gets beside: limits stand for missing requests, and the host's network takes the ports."""
    return changed(found, spec=_of_pod(found.spec))


def _spec_of_pod(spec: core.PodSpec) -> core.PodSpec:
    spec = pod_spec(spec)
    containers = mapped(spec.containers, _requests_from_limits)
    init_containers = mapped(spec.init_containers, _requests_from_limits)
    if spec.host_network:
        containers = mapped(containers, _host_ports)
        init_containers = mapped(init_containers, _host_ports)
    links = True if spec.enable_service_links is None else spec.enable_service_links
    return changed(
        spec,
        enable_service_links=links,
        containers=containers,
        init_containers=init_containers,
        resources=_pod_level(spec),
    )


_of_pod: Memo[core.PodSpec, core.PodSpec] = Memo(_spec_of_pod, lambda spec: not longer_than(spec, LARGEST))


def _pod_level(spec: core.PodSpec) -> core.ResourceRequirements | None:
    """Requests of the pod as a whole, where it has limits: those that it does not say are those of its containers, or
    else its limits."""
    resources = spec.resources
    if resources is None or not resources.limits:
        return resources
    given = {**resources.limits, **aggregated(spec), **resources.requests}
    requests = {name: amount for name, amount in given.items() if pod_level(name) or name in resources.requests}
    return resources if len(requests) == len(resources.requests) else replace(resources, requests=requests)
