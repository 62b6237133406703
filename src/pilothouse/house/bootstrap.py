"""Objects that a cluster of ours has beside those of every API server: the DNS Service and the nodes' identities."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from pilothouse.api.errors import StatusError
from pilothouse.api.object import Object
from pilothouse.api.types.core.v1 import Service, ServicePort, ServiceSpec
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.api.types.rbac.v1 import ClusterRole, ClusterRoleBinding, PolicyRule, RoleRef, Subject
from pilothouse.house.pki import KUBELET_CLIENT
from pilothouse.house.spec import ClusterSpec
from pilothouse.machinery.client import Client

DNS_USER = "pilothouse:cluster-dns"
PROXY_USER = "system:kube-proxy"


def dns_service(spec: ClusterSpec) -> Service:
    """kube-dns: every node answers for its address itself, so it needs no pods and no endpoints."""
    return Service(
        metadata=ObjectMeta(
            name="kube-dns",
            namespace="kube-system",
            labels={"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"},
        ),
        spec=ServiceSpec(
            cluster_ip=spec.dns_address,
            cluster_ips=(spec.dns_address,),
            ports=(
                ServicePort(name="dns", protocol="UDP", port=53, target_port=53),
                ServicePort(name="dns-tcp", protocol="TCP", port=53, target_port=53),
            ),
        ),
    )


def kubelet_client_binding() -> ClusterRoleBinding:
    """The API server may ask kubelets for everything; upstream leaves this binding to whoever installs."""
    subject = Subject(kind="User", api_group="rbac.authorization.k8s.io", name=KUBELET_CLIENT)
    role = RoleRef(api_group="rbac.authorization.k8s.io", kind="ClusterRole", name="system:kubelet-api-admin")
    name = f"pilothouse:{KUBELET_CLIENT}"
    return ClusterRoleBinding(metadata=ObjectMeta(name=name), role_ref=role, subjects=(subject,))


def _roles() -> Sequence[Any]:
    """What cluster DNS may read."""
    read = ("get", "list", "watch")
    rules = (
        PolicyRule(api_groups=("",), resources=("namespaces", "services"), verbs=read),
        PolicyRule(api_groups=("discovery.k8s.io",), resources=("endpointslices",), verbs=read),
    )
    name = ObjectMeta(name=DNS_USER)
    subject = Subject(kind="User", api_group="rbac.authorization.k8s.io", name=DNS_USER)
    reference = RoleRef(api_group="rbac.authorization.k8s.io", kind="ClusterRole", name=DNS_USER)
    return (
        ClusterRole(metadata=name, rules=rules),
        ClusterRoleBinding(metadata=name, role_ref=reference, subjects=(subject,)),
    )


async def cluster_objects(client: Client, spec: ClusterSpec) -> None:
    """Make what is missing. A simulated cluster has no node that answers for names."""
    await _ensure(client, kubelet_client_binding())
    if spec.runtime == "simulated":
        return
    for obj in (*_roles(), dns_service(spec)):
        await _ensure(client, obj)


async def _ensure(client: Client, obj: Object) -> None:
    try:
        await client.create(obj)
    except StatusError as error:
        taken = error.code == HTTPStatus.UNPROCESSABLE_ENTITY and "already allocated" in str(error)
        if error.reason != "AlreadyExists" and not taken:
            raise
