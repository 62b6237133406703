"""Node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from pilothouse.api.types.core.v1 import Node
from pilothouse.kinds.cells import NONE, UNKNOWN, age, joined
from pilothouse.kinds.core import node_rules
from pilothouse.kinds.strategy import Cell, MetaUpdate, Status, Strategy, Write
from pilothouse.semantics.validation.addresses import cidr_warnings


def defaults(node: Node) -> Node:
    """What is not said to be reserved may be used: allocatable is the capacity. The range of pods is told in both of
    its forms, `podCIDR` first."""
    spec, status = node.spec, node.status
    changes: dict[str, Any] = {}
    if spec.pod_cidr and (not spec.pod_cidrs or spec.pod_cidrs[0] != spec.pod_cidr):
        changes["spec"] = replace(spec, pod_cidrs=(spec.pod_cidr,))
    elif spec.pod_cidrs and not spec.pod_cidr:
        changes["spec"] = replace(spec, pod_cidr=spec.pod_cidrs[0])
    if status.capacity and not status.allocatable:
        changes["status"] = replace(status, allocatable=status.capacity)
    return replace(node, **changes) if changes else node


def prepare_create(node: Node, write: Write) -> Node:
    """Dynamic configuration of kubelets is no more: its fields are dropped where they are not in use."""
    if node.spec.config_source is not None:
        node = replace(node, spec=replace(node.spec, config_source=None))
    return node if node.status.config is None else replace(node, status=replace(node.status, config=None))


def prepare_update(new: Node, old: Node, write: Write) -> Node:
    spec = new.spec
    if spec.config_source is not None and old.spec.config_source is None:
        spec = replace(spec, config_source=None)
    return replace(new, spec=spec, status=old.status)


def prepare_status(new: Node, old: Node, write: Write) -> Node:
    if new.status.config is None or old.status.config is not None:
        return new
    return replace(new, status=replace(new.status, config=None))


def warnings(node: Node) -> Sequence[str]:
    found: list[str] = []
    if node.spec.config_source is not None:
        found.append("spec.configSource: the feature is no longer available")
    if node.spec.external_id:
        found.append("spec.externalID: this field is deprecated, and is unused by Kubernetes")
    for index, text in enumerate(node.spec.pod_cidrs):
        found += cidr_warnings(f"spec.podCIDRs[{index}]", text)
    return found


_ROLE = "node-role.kubernetes.io/"


def _roles(node: Node) -> Iterator[str]:
    for label, value in node.metadata.labels.items():
        if label.startswith(_ROLE) and len(label) > len(_ROLE):
            yield label.removeprefix(_ROLE)
        elif label == "kubernetes.io/role" and value:
            yield value


def row(node: Node, now: float) -> Sequence[Cell]:
    ready = [c.status for c in node.status.conditions if c.type == "Ready"]
    status = "Unknown" if not ready else "Ready" if ready[0] == "True" else "NotReady"
    if node.spec.unschedulable:
        status += ",SchedulingDisabled"
    addresses = {a.type: a.address for a in reversed(node.status.addresses)}
    info = node.status.node_info
    return (
        node.metadata.name,
        status,
        joined(sorted(set(_roles(node)))),
        age(node.metadata.creation_timestamp, now),
        info.kubelet_version,
        addresses.get("InternalIP", NONE),
        addresses.get("ExternalIP", NONE),
        info.os_image or UNKNOWN,
        _kernel(node),
        info.container_runtime_version or UNKNOWN,
    )


def _kernel(node: Node) -> str:
    """The kernel's version, and the architecture where the node tells it."""
    info = node.status.node_info
    version = info.kernel_version or UNKNOWN
    return f"{version} ({info.architecture})" if info.architecture else version


STRATEGY = Strategy(
    type=Node,
    prefix="minions",
    # A node registers itself with its status: nobody need wait for its first report.
    dropped_on_create=(),
    unowned=("status",),
    defaults=defaults,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    meta_update=MetaUpdate(whole=1),
    validate=node_rules.validate,
    validate_update=node_rules.validate_update,
    warnings=warnings,
    status=Status(prepare=prepare_status, validate=node_rules.validate_change),
    row=row,
    own_field_labels=True,
    fields={"spec.unschedulable": lambda o: "true" if o.spec.unschedulable else "false"},
)
