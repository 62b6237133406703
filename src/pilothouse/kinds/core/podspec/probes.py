"""Probes and lifecycle hooks. Pure."""

from __future__ import annotations

from collections.abc import Callable

from pilothouse.api.field_errors import FieldErrors, forbidden, invalid, not_supported, required
from pilothouse.api.types.core import v1 as core
from pilothouse.kinds.core.podspec import checks

SCHEMES = ("HTTP", "HTTPS")
Check = Callable[[str], FieldErrors]


def _exec(action: core.ExecAction) -> Check:
    return lambda path: [] if action.command else [required(f"{path}.command")]


def _http(action: core.HTTPGetAction) -> Check:
    def check(path: str) -> FieldErrors:
        found = [] if action.path else [required(f"{path}.path")]
        found += checks.port_or_name(f"{path}.port", action.port)
        if action.scheme not in SCHEMES:
            found.append(not_supported(f"{path}.scheme", action.scheme, SCHEMES))
        for header in action.http_headers:
            found += [invalid(f"{path}.httpHeaders", header.name, fault) for fault in checks.http_header(header.name)]
        return found

    return check


def _sleep(action: core.SleepAction, grace: int | None) -> Check:
    limit = 30 if grace is None else grace

    def check(path: str) -> FieldErrors:
        seconds = action.seconds
        if 0 <= seconds <= limit:
            return []
        detail = f"must be non-negative and less than terminationGracePeriodSeconds ({limit})"
        return [invalid(path, seconds, detail)]

    return check


def _one(path: str, given: list[tuple[str, Check]]) -> FieldErrors:
    """Exactly one of several handlers: the first is checked, others are refused."""
    if not given:
        return [required(path, "must specify a handler type")]
    name, check = given[0]
    more = [forbidden(f"{path}.{other}", "may not specify more than 1 handler type") for other, _ in given[1:]]
    return check(f"{path}.{name}") + more


def _handlers(handler: core.ProbeHandler | core.LifecycleHandler) -> list[tuple[str, Check]]:
    found: list[tuple[str, Check]] = []
    if handler.exec is not None:
        found.append(("exec", _exec(handler.exec)))
    if handler.http_get is not None:
        found.append(("httpGet", _http(handler.http_get)))
    if (tcp := handler.tcp_socket) is not None:
        found.append(("tcpSocket", lambda path: checks.port_or_name(f"{path}.port", tcp.port)))
    return found


def _probe(path: str, probe: core.Probe) -> FieldErrors:
    given = _handlers(probe)
    if (grpc := probe.grpc) is not None:
        given.append(("grpc", lambda at: checks.port_number(f"{at}.port", grpc.port)))
    found = _one(path, given)
    for name, value in (
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ):
        if value < 0:
            found += checks.non_negative(f"{path}.{name}", value)
    grace = probe.termination_grace_period_seconds
    if grace is not None and grace <= 0:
        found.append(invalid(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0"))
    return found


def probes(path: str, container: core.Container) -> FieldErrors:
    """The probes of a container, in the order that the API reports them."""
    found: FieldErrors = []
    if (probe := container.liveness_probe) is not None:
        found += _probe(f"{path}.livenessProbe", probe)
        if probe.success_threshold != 1:
            found.append(invalid(f"{path}.livenessProbe.successThreshold", probe.success_threshold, "must be 1"))
    if (probe := container.readiness_probe) is not None:
        found += _probe(f"{path}.readinessProbe", probe)
        if (grace := probe.termination_grace_period_seconds) is not None:
            where = f"{path}.readinessProbe.terminationGracePeriodSeconds"
            found.append(invalid(where, grace, "must not be set for readinessProbes"))
    if (probe := container.startup_probe) is not None:
        found += _probe(f"{path}.startupProbe", probe)
        if probe.success_threshold != 1:
            found.append(invalid(f"{path}.startupProbe.successThreshold", probe.success_threshold, "must be 1"))
    return found


def lifecycle(path: str, container: core.Container, grace: int | None) -> FieldErrors:
    """The hooks of a container; `grace` is the pod's period of termination."""
    hooks = container.lifecycle
    if hooks is None:
        return []
    found: FieldErrors = []
    for name, hook in (("postStart", hooks.post_start), ("preStop", hooks.pre_stop)):
        if hook is None:
            continue
        given = _handlers(hook)
        if hook.sleep is not None:
            given.append(("sleep", _sleep(hook.sleep, grace)))
        found += _one(f"{path}.{name}", given)
    return found
