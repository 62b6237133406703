"""Pod: deleted with grace while a node may still run it."""

from __future__ import annotations

from msgspec.structs import replace

from pilothouse.api.time import format_time
from pilothouse.api.types.core.v1 import Pod, PodCondition, PodIP, PodSpec, PodStatus
from pilothouse.api.types.meta.v1 import DeleteOptions
from pilothouse.kinds.core import pod_status
from pilothouse.kinds.core.pod_changes import UPDATES
from pilothouse.kinds.core.pod_row import conditions, row
from pilothouse.kinds.core.podspec import defaults, spec, update, warnings
from pilothouse.kinds.core.podspec.annotated import APPARMOR_PREFIX
from pilothouse.kinds.core.podspec.gated import without_gated
from pilothouse.kinds.core.podspec.placement import merged_label_keys
from pilothouse.kinds.core.podspec.security import with_apparmor_fields
from pilothouse.kinds.strategy import Deletion, MetaUpdate, Status, Strategy, Write, no_update_warnings
from pilothouse.kit.memo import Memo
from pilothouse.semantics.requests import compute_qos

FINISHED = frozenset({"Succeeded", "Failed"})


_qos: Memo[PodSpec, str] = Memo(compute_qos)
_kept: Memo[PodSpec, PodSpec] = Memo(without_gated)
GATED = "Scheduling is blocked due to non-empty scheduling gates"


def _positive_grace(obj: Pod) -> Pod:
    """A negative period of termination means one second."""
    seconds = obj.spec.termination_grace_period_seconds
    if seconds is None or seconds >= 0:
        return obj
    return replace(obj, spec=replace(obj.spec, termination_grace_period_seconds=1))


def prepare_create(obj: Pod, write: Write) -> Pod:
    obj = _positive_grace(obj)
    kept = _kept(obj.spec)
    if kept is not obj.spec:
        obj = replace(obj, spec=kept)
    if obj.spec.affinity is not None or obj.spec.topology_spread_constraints:
        obj = replace(obj, spec=merged_label_keys(obj.spec, obj.metadata.labels))
    status = PodStatus(phase="Pending", qos_class=obj.status.qos_class or _qos(obj.spec))
    if obj.spec.scheduling_gates:
        gated = PodCondition(
            type="PodScheduled",
            status="False",
            reason="SchedulingGated",
            message=GATED,
            last_transition_time=format_time(write.now),
        )
        status = replace(status, conditions=(gated,))
    return replace(obj, status=status)


def canonical(obj: Pod) -> Pod:
    """Made last, so that the warnings have seen what was said by annotation only."""
    return with_apparmor_fields(obj, APPARMOR_PREFIX) if obj.metadata.annotations else obj


def prepare_update(new: Pod, old: Pod, write: Write) -> Pod:
    kept = _kept(new.spec)
    return _positive_grace(new if kept is new.spec else replace(new, spec=kept))


def decoded(obj: Pod) -> Pod:
    """A Pod as it is read: defaults, and addresses that agree in both forms, `podIP` first."""
    obj, status = defaults.pod(obj), obj.status
    if status.pod_ip and (not status.pod_ips or status.pod_ips[0].ip != status.pod_ip):
        return replace(obj, status=replace(status, pod_ips=(PodIP(ip=status.pod_ip),)))
    if status.pod_ips and not status.pod_ip:
        return replace(obj, status=replace(status, pod_ip=status.pod_ips[0].ip))
    return obj


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
    defaults=decoded,
    generation=("spec",),
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=spec.new_pod,
    warnings=warnings.pod,
    # People seldom write to pods, and kubelets often: an update is not looked at again.
    warnings_update=no_update_warnings,
    validate_update=update.validate,
    meta_update=MetaUpdate(whole=1),
    canonicalize=canonical,
    status=Status(keep=("spec", "metadata.owner_references"), prepare=pod_status.prepare, validate=pod_status.validate),
    updates=UPDATES,
    own_field_labels=True,
    fields={
        "spec.nodeName": lambda o: o.spec.node_name,
        "spec.restartPolicy": lambda o: o.spec.restart_policy,
        "spec.schedulerName": lambda o: o.spec.scheduler_name,
        "spec.serviceAccountName": lambda o: o.spec.service_account_name,
        "spec.hostNetwork": lambda o: "true" if o.spec.host_network else "false",
        "status.phase": lambda o: o.status.phase,
        "status.podIP": lambda o: o.status.pod_ip,
        "status.podIPs": lambda o: "",  # upstream takes the label, and no pod has it
        "status.nominatedNodeName": lambda o: o.status.nominated_node_name,
    },
    field_aliases={"spec.host": "spec.nodeName"},
    index=("spec.nodeName",),
    row=row,
    row_conditions=conditions,
    deletion=Deletion(returns_object=True, grace=grace),
)
