"""What the kubelet tells of itself: /configz, /statusz, /flagz and health. Pure.

/statusz and /flagz follow upstream's z-pages in plain text (component-base/zpages), which are for people; /configz has
the settings under the names of KubeletConfiguration (kubelet.config.k8s.io/v1beta1).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from pilothouse import KUBERNETES_VERSION
from pilothouse.kubelet.eviction import DISK_CEILING, INODE_SHARE, MEMORY_FLOOR
from pilothouse.kubelet.options import NodeOptions
from pilothouse.kubelet.server import auth

CHECKS = ("ping", "log", "syncloop")
PATHS = (
    "/configz", "/flagz", "/healthz", "/logs", "/metrics", "/metrics/cadvisor", "/metrics/probes", "/metrics/resource",
    "/metrics/slis", "/pods", "/stats", "/statusz",
)  # fmt: skip
_WARNING = (
    "Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for"
    " debugging purposes only."
)


def configuration(options: NodeOptions) -> dict[str, Any]:
    """The settings that are in force."""
    return {
        "address": options.address,
        "port": options.kubelet_port,
        "readOnlyPort": 0,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True, "cacheTTL": _duration(auth.TOKEN_SECONDS)},
        },
        "authorization": {
            "mode": "Webhook",
            "webhook": {
                "cacheAuthorizedTTL": _duration(auth.ALLOWED_SECONDS),
                "cacheUnauthorizedTTL": _duration(auth.DENIED_SECONDS),
            },
        },
        "clusterDomain": options.cluster_domain,
        "clusterDNS": [options.cluster_dns],
        "nodeStatusUpdateFrequency": _duration(options.lease_period),
        "nodeStatusReportFrequency": _duration(options.status_period),
        "nodeLeaseDurationSeconds": options.lease_seconds,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": options.cgroup_parent,
        "maxPods": options.max_pods,
        "podCIDR": options.pod_cidr,
        "resolvConf": str(options.resolv_conf),
        "allowedUnsafeSysctls": list(options.allowed_sysctls),
        "seccompDefault": options.seccomp_default,
        "evictionHard": {
            "memory.available": f"{MEMORY_FLOOR >> 20}Mi",
            "nodefs.available": f"{DISK_CEILING >> 30}Gi",
            "nodefs.inodesFree": f"{INODE_SHARE:.0%}",
        },
        "enableDebuggingHandlers": True,
        "failSwapOn": False,
    }


def _duration(seconds: float) -> str:
    """As Go writes a duration of whole seconds: 5m0s."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def configz(options: NodeOptions) -> str:
    return json.dumps({"kubeletconfig": configuration(options)})


def statusz(started_at: float, now: float) -> str:
    up = int(max(now - started_at, 0))
    started = datetime.fromtimestamp(started_at, UTC).strftime("%a %b %e %H:%M:%S UTC %Y")
    minor = ".".join(KUBERNETES_VERSION.lstrip("v").split(".")[:2])
    lines = (
        f"Started: {started}",
        f"Up: {up // 3600} hr {up // 60 % 60:02} min {up % 60:02} sec",
        f"Binary version: {KUBERNETES_VERSION.lstrip('v')}",
        f"Emulation version: {minor}",
        f"Paths: {' '.join(PATHS)}",
    )
    return "\n".join(["", "kubelet statusz", _WARNING, "", *lines, ""])


def flagz(options: NodeOptions) -> str:
    """The settings as flags, sorted."""
    flat = sorted(_flat("", configuration(options)))
    return "\n".join(["", "kubelet flagz", _WARNING, "", *(f"{name}={value}" for name, value in flat), ""])


def _flat(prefix: str, settings: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", json.dumps(value).strip('"')


def health(check: str, *, verbose: bool) -> str | None:
    """The answer of a passed health check; None if there is no such check. All of them pass while this is answered:
    the loop that answers is the loop that syncs pods."""
    if check:
        return "ok" if check in CHECKS else None
    return "".join(f"[+]{name} ok\n" for name in CHECKS) + "healthz check passed\n" if verbose else "ok"


def slis(checks: Mapping[str, float]) -> str:
    """/metrics/slis: how often each health check was made and passed."""
    states = [f'kubernetes_healthcheck{{name="{name}",type="healthz"}} 1' for name in CHECKS]
    counts = [
        f'kubernetes_healthchecks_total{{name="{name}",status="success",type="healthz"}} {int(checks.get(name, 0))}'
        for name in CHECKS
    ]
    return "\n".join(
        (
            "# HELP kubernetes_healthcheck [STABLE] This metric records the result of a single healthcheck.",
            "# TYPE kubernetes_healthcheck gauge",
            *states,
            "# HELP kubernetes_healthchecks_total [STABLE] This metric records the results of all healthcheck.",
            "# TYPE kubernetes_healthchecks_total counter",
            *counts,
            "",
        )
    )
