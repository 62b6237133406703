"""NodeRestriction: what a kubelet writes is its own node, its own pods, and what belongs to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cryptography import x509
from msgspec.structs import replace

from pilothouse.api import errors
from pilothouse.api.types.authentication.v1 import TokenRequest
from pilothouse.api.types.core.v1 import Node, PersistentVolume, PersistentVolumeClaim, Pod, Volume
from pilothouse.api.types.resource.v1 import ResourceSlice
from pilothouse.api.types.storage.v1 import CSIDriver
from pilothouse.apiserver.admission.context import PluginContext
from pilothouse.apiserver.admission.interface import Attributes, Operation
from pilothouse.apiserver.admission.object_references import UnknownSource, referenced
from pilothouse.apiserver.admission.plugins.service_account import MIRROR
from pilothouse.apiserver.admission.refusal import refused
from pilothouse.apiserver.authz.node import LEASE_NAMESPACE, node_of
from pilothouse.apiserver.request.access import Access
from pilothouse.kit.tls import name_parts

_KUBELET_LABELS = frozenset(
    {
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "node.kubernetes.io/instance-type",
        "beta.kubernetes.io/instance-type",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
    }
)
_KUBELET_SIGNERS = ("kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet")
_GONE = "The object might have been deleted and then recreated"

Check = Callable[[str, Attributes], None]


class NodeRestriction:
    """Looks at the writes of users that are nodes; all others pass."""

    name = "NodeRestriction"

    def __init__(self, context: PluginContext) -> None:
        self._reader = context.reader
        self._authorizer = context.authorizer
        self._checks: dict[tuple[str, str], Check] = {
            ("", "pods"): self._pods,
            ("", "nodes"): self._nodes,
            ("", "persistentvolumeclaims"): self._claims,
            ("", "serviceaccounts"): self._accounts,
            ("coordination.k8s.io", "leases"): self._leases,
            ("storage.k8s.io", "csinodes"): self._csi_nodes,
            ("resource.k8s.io", "resourceslices"): self._slices,
            ("certificates.k8s.io", "certificatesigningrequests"): self._requests,
        }

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool:
        return operation != "CONNECT" and (group, resource) in self._checks

    async def admit(self, attributes: Attributes) -> None:
        """Raises StatusError 403; 404 for a pod or node that is not there."""
        node = node_of(attributes.user)
        if node is None:
            return
        if not node:
            raise refused(attributes, f'could not determine node from user "{attributes.user.username}"')
        self._checks[(attributes.group, attributes.resource)](node, attributes)

    def _pods(self, node: str, a: Attributes) -> None:
        match a.subresource:
            case "":
                self._pod(node, a)
            case "status":
                self._pod_status(node, a)
            case "eviction":
                if self._pod_named(a, a.name or a.obj.metadata.name).spec.node_name != node:
                    raise refused(a, f"node {node} can only evict pods with spec.nodeName set to itself")
            case other:
                raise refused(a, f"unexpected pod subresource \"{other}\", only 'status' and 'eviction' are allowed")

    def _pod_named(self, a: Attributes, name: str) -> Pod:
        pod = self._reader.get(Pod, name, a.namespace)
        if pod is None:
            raise errors.not_found("", "pods", name)
        return pod

    def _pod(self, node: str, a: Attributes) -> None:
        if a.operation == "CREATE":
            self._new_pod(node, a)
        elif a.operation == "DELETE":
            pod = a.old_obj if a.old_obj is not None else self._pod_named(a, a.name)
            if pod.spec.node_name != node:
                raise refused(a, f'node "{node}" can only delete pods with spec.nodeName set to itself')
        else:
            text = f'unexpected operation "{a.operation}", node "{node}" can only create and delete mirror pods'
            raise refused(a, text)

    def _new_pod(self, node: str, a: Attributes) -> None:
        pod: Pod = a.obj
        if MIRROR not in pod.metadata.annotations:
            text = f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods'
            raise refused(a, text)
        if pod.spec.node_name != node:
            raise refused(a, f'node "{node}" can only create pods with spec.nodeName set to itself')
        self._owner(node, a, pod)
        try:
            resource = referenced(pod)
        except UnknownSource as error:
            raise refused(a, str(error)) from None
        if resource:
            raise refused(a, f'node "{node}" can not create pods that reference {resource}')

    def _owner(self, node: str, a: Attributes, pod: Pod) -> None:
        own = f'node "{node}" can only create pods with'
        owners = pod.metadata.owner_references
        if len(owners) > 1:
            raise refused(a, f"{own} a single owner reference set to itself")
        owner = owners[0] if owners else None
        if owner is None or (owner.api_version, owner.kind, owner.name) != ("v1", "Node", node):
            raise refused(a, f"{own} an owner reference set to itself")
        if not owner.controller:
            raise refused(a, f"{own} a controller owner reference set to itself")
        if owner.block_owner_deletion:
            raise refused(a, f'node "{node}" must not set blockOwnerDeletion on an owner reference')
        found = self._reader.get(Node, node)
        if found is None:
            raise errors.not_found("", "node", node)
        if owner.uid != found.metadata.uid:
            raise refused(a, f"node {node} UID mismatch: expected {owner.uid} got {found.metadata.uid}")

    def _pod_status(self, node: str, a: Attributes) -> None:
        if a.operation != "UPDATE":
            raise refused(a, f'unexpected operation "{a.operation}"')
        new: Pod = a.obj
        old: Pod = a.old_obj
        if old.spec.node_name != node:
            raise refused(a, f'node "{node}" can only update pod status for pods with spec.nodeName set to itself')
        if new.metadata.labels != old.metadata.labels:
            raise refused(a, f'node "{node}" cannot update labels through pod status')
        if new.status.resource_claim_statuses != old.status.resource_claim_statuses:
            raise refused(a, f'node "{node}" cannot update resource claim statues')
        if new.status.extended_resource_claim_status != old.status.extended_resource_claim_status:
            raise refused(a, f'node "{node}" cannot update extended resource claim status')

    def _nodes(self, node: str, a: Attributes) -> None:
        name = a.name or (a.obj.metadata.name if a.operation == "CREATE" else "")
        if name != node:
            raise refused(a, f'node "{node}" is not allowed to modify node "{name}"')
        if a.operation == "CREATE":
            _check_new_node(node, a)
        elif a.operation == "UPDATE":
            _check_node(node, a)

    def _claims(self, node: str, a: Attributes) -> None:
        if a.subresource != "status" or a.operation != "UPDATE":
            raise refused(a, "may only update PVC status")
        new: PersistentVolumeClaim = a.obj
        old: PersistentVolumeClaim = a.old_obj
        if _without_sizes(new, old) != old:
            text = f'node "{node}" is not allowed to update fields other than status.quantity and status.conditions'
            raise refused(a, text)

    def _accounts(self, node: str, a: Attributes) -> None:
        if a.operation != "CREATE" or a.subresource != "token":
            return
        request: TokenRequest = a.obj
        reference = request.spec.bound_object_ref
        if reference is None or reference.api_version != "v1" or reference.kind != "Pod" or not reference.name:
            raise refused(a, "node requested token not bound to a pod")
        if not reference.uid:
            raise refused(a, "node requested token with a pod binding without a uid")
        pod = self._pod_named(a, reference.name)
        if reference.uid != pod.metadata.uid:
            text = f"the UID in the bound object reference ({reference.uid}) does not match the UID in record. {_GONE}"
            raise refused(a, text)
        if pod.spec.node_name != node:
            raise refused(a, "node requested token bound to a pod scheduled on a different node")
        self._audience(a, request, pod)

    def _audience(self, a: Attributes, request: TokenRequest, pod: Pod) -> None:
        wanted = request.spec.audiences or ()
        if len(wanted) > 1:
            raise refused(a, "node may only request 0 or 1 audiences")
        audience = wanted[0] if wanted else ""
        if audience in self._audiences(pod):
            return
        access = Access(
            a.user,
            "request-serviceaccounts-token-audience",
            version="v1",
            resource=audience,
            namespace=a.namespace,
            name=a.name,
        )
        if not audience or not self._authorizer.authorize(access).allowed:
            who = f"{a.user.username} is not authorized to request tokens for this audience"
            raise refused(a, f'audience "{audience}" not found in pod spec volume, {who}')

    def _audiences(self, pod: Pod) -> set[str]:
        """What the tokens in a pod's volumes are for: those it projects, and those that CSI drivers ask for."""
        found: set[str] = set()
        for volume in pod.spec.volumes:
            if volume.projected is not None:
                tokens = (s.service_account_token for s in volume.projected.sources or ())
                found |= {token.audience for token in tokens if token is not None}
            elif driver := self._driver_of(volume, pod):
                csi = self._reader.get(CSIDriver, driver)
                found |= {request.audience for request in csi.spec.token_requests or ()} if csi is not None else set()
        return found

    def _driver_of(self, volume: Volume, pod: Pod) -> str:
        """The CSI driver behind a volume: named in the pod, or by what its claim is bound to. Empty without one."""
        if volume.csi is not None:
            return volume.csi.driver
        if volume.persistent_volume_claim is not None:
            name = volume.persistent_volume_claim.claim_name
        elif volume.ephemeral is not None:
            name = f"{pod.metadata.name}-{volume.name}"
        else:
            return ""
        claim = self._reader.get(PersistentVolumeClaim, name, pod.metadata.namespace)
        bound = self._reader.get(PersistentVolume, claim.spec.volume_name) if claim is not None else None
        return bound.spec.csi.driver if bound is not None and bound.spec.csi is not None else ""

    def _leases(self, node: str, a: Attributes) -> None:
        if a.namespace != LEASE_NAMESPACE:
            raise refused(a, f'can only access leases in the "{LEASE_NAMESPACE}" system namespace')
        _same_name(node, a, "can only access node lease with the same name as the requesting node")

    def _csi_nodes(self, node: str, a: Attributes) -> None:
        _same_name(node, a, "can only access CSINode with the same name as the requesting node")

    def _slices(self, node: str, a: Attributes) -> None:
        found: ResourceSlice | None = a.obj if a.operation == "CREATE" else a.old_obj
        if found is not None and found.spec.node_name != node:
            verb = a.operation.lower()
            text = f"can only {verb} ResourceSlice with the same NodeName as the requesting node"
            raise refused(a, text)

    def _requests(self, node: str, a: Attributes) -> None:
        if a.operation != "CREATE" or a.obj.spec.signer_name not in _KUBELET_SIGNERS:
            return
        try:
            request = x509.load_pem_x509_csr(a.obj.spec.request or b"")
        except ValueError:
            raise refused(a, "unable to parse csr: PEM block type must be CERTIFICATE REQUEST") from None
        if name_parts(request.subject)[0] != a.user.username:
            raise refused(a, f"can only create a node CSR with CN={a.user.username}")


def _check_new_node(node: str, a: Attributes) -> None:
    new: Node = a.obj
    if new.spec.config_source is not None:
        raise refused(a, f'node "{node}" is not allowed to create pods with a non-nil configSource')
    if bad := _forbidden_labels(new.metadata.labels, {}):
        raise refused(a, f'node "{node}" is not allowed to set the following labels: {", ".join(bad)}')


def _check_node(node: str, a: Attributes) -> None:
    """What could draw other pods to a node, or show it more, is not its own to change."""
    new: Node = a.obj
    old: Node = a.old_obj
    if new.spec.config_source is not None and new.spec.config_source != old.spec.config_source:
        raise refused(a, f'node "{node}" is not allowed to update configSource to a new non-nil configSource')
    if new.spec.taints != old.spec.taints:
        raise refused(a, f'node "{node}" is not allowed to modify taints')
    if bad := _forbidden_labels(new.metadata.labels, old.metadata.labels):
        raise refused(a, f"is not allowed to modify labels: {', '.join(bad)}")
    if new.metadata.owner_references != old.metadata.owner_references:
        raise refused(a, f'node "{node}" is not allowed to modify ownerReferences')


def _same_name(node: str, a: Attributes, why: str) -> None:
    name = a.obj.metadata.name if a.operation == "CREATE" else a.name
    if name != node:
        raise refused(a, why)


def _without_sizes(new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> PersistentVolumeClaim:
    status = replace(
        new.status,
        capacity=old.status.capacity,
        conditions=old.status.conditions,
        allocated_resources=old.status.allocated_resources,
        allocated_resource_statuses=old.status.allocated_resource_statuses,
    )
    metadata = replace(
        new.metadata,
        managed_fields=old.metadata.managed_fields,
        resource_version=old.metadata.resource_version,
        generation=old.metadata.generation,
    )
    return replace(new, status=status, metadata=metadata)


def _forbidden_labels(new: Mapping[str, str], old: Mapping[str, str]) -> list[str]:
    """Labels that differ and that no kubelet may set: else a node could draw pods to itself."""
    changed = {k for k in {*new, *old} if new.get(k) != old.get(k)}
    return sorted(label for label in changed if _is_forbidden(label))


def _is_forbidden(label: str) -> bool:
    namespace = label.partition("/")[0] if "/" in label else ""
    if _within(namespace, "node-restriction.kubernetes.io"):
        return True
    if not _within(namespace, "kubernetes.io") and not _within(namespace, "k8s.io"):
        return False
    own = _within(namespace, "kubelet.kubernetes.io") or _within(namespace, "node.kubernetes.io")
    return label not in _KUBELET_LABELS and not own


def _within(namespace: str, domain: str) -> bool:
    return namespace == domain or namespace.endswith("." + domain)
