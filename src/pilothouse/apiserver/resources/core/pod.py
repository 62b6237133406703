"""Pod: deleted with grace while a node may still run it."""

from __future__ import annotations

from msgspec.structs import replace

from pilothouse.api.types.core.v1 import Pod, PodStatus
from pilothouse.api.types.meta.v1 import DeleteOptions
from pilothouse.apiserver.generic.strategy import Deletion, Status, Strategy, Write
from pilothouse.apiserver.resources.core.podspec import defaults

FINISHED = frozenset({"Succeeded", "Failed"})


def prepare_create(obj: Pod, write: Write) -> Pod:
    return replace(obj, status=PodStatus(phase="Pending"))


def grace(obj: Pod, options: DeleteOptions) -> int:
    """At once where no node has it, or nothing runs any more; else what is asked for, or the pod's own period."""
    if not obj.spec.node_name or obj.status.phase in FINISHED:
        return 0
    seconds = options.grace_period_seconds
    if seconds is None:
        own = obj.spec.termination_grace_period_seconds
        seconds = 30 if own is None else own
    return 1 if seconds < 0 else seconds


STRATEGY = Strategy(
    type=Pod,
    prefix="pods",
    defaults=defaults.pod,
    generation=("spec",),
    prepare_create=prepare_create,
    status=Status(),
    own_field_labels=True,
    fields={
        "spec.nodeName": lambda o: o.spec.node_name,
        "spec.restartPolicy": lambda o: o.spec.restart_policy,
        "spec.schedulerName": lambda o: o.spec.scheduler_name,
        "spec.serviceAccountName": lambda o: o.spec.service_account_name,
        "spec.hostNetwork": lambda o: "true" if o.spec.host_network else "false",
        "status.phase": lambda o: o.status.phase,
        "status.podIP": lambda o: o.status.pod_ip,
        "status.nominatedNodeName": lambda o: o.status.nominated_node_name,
    },
    index=("spec.nodeName",),
    deletion=Deletion(returns_object=True, grace=grace),
)
