"""The admission plugins that are on, in the order they run: one line each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pilothouse.apiserver.admission.chain import Chain
from pilothouse.apiserver.admission.context import PluginContext
from pilothouse.apiserver.admission.interface import MutatingPlugin, ValidatingPlugin
from pilothouse.apiserver.admission.plugins.certificates import (
    CertificateApproval,
    CertificateSigning,
    CertificateSubjectRestriction,
    ClusterTrustBundleAttest,
)
from pilothouse.apiserver.admission.plugins.claim_resize import PersistentVolumeClaimResize
from pilothouse.apiserver.admission.plugins.claim_status import ResourceClaimStatusAuthorization
from pilothouse.apiserver.admission.plugins.default_ingress_class import DefaultIngressClass
from pilothouse.apiserver.admission.plugins.default_storage_class import DefaultStorageClass
from pilothouse.apiserver.admission.plugins.default_tolerations import DefaultTolerationSeconds
from pilothouse.apiserver.admission.plugins.limit_ranger import LimitRanger
from pilothouse.apiserver.admission.plugins.namespace_lifecycle import NamespaceLifecycle
from pilothouse.apiserver.admission.plugins.node_restriction import NodeRestriction
from pilothouse.apiserver.admission.plugins.object_in_use import StorageObjectInUseProtection
from pilothouse.apiserver.admission.plugins.pod_security import PodSecurity
from pilothouse.apiserver.admission.plugins.pod_topology_labels import PodTopologyLabels
from pilothouse.apiserver.admission.plugins.priority import Priority
from pilothouse.apiserver.admission.plugins.rbac_escalation import EscalationCheck
from pilothouse.apiserver.admission.plugins.resource_quota import ResourceQuotaPlugin
from pilothouse.apiserver.admission.plugins.runtime_class import RuntimeClassPlugin
from pilothouse.apiserver.admission.plugins.service_account import ServiceAccountPlugin
from pilothouse.apiserver.admission.plugins.taint_nodes import TaintNodesByCondition
from pilothouse.apiserver.admission.plugins.unserved_fields import UnservedFields

Factory = Callable[[PluginContext], MutatingPlugin | ValidatingPlugin]

PLUGINS: Sequence[Factory] = (
    NamespaceLifecycle,
    LimitRanger,
    ServiceAccountPlugin,
    NodeRestriction,
    TaintNodesByCondition,
    PodSecurity,
    Priority,
    DefaultTolerationSeconds,
    DefaultStorageClass,
    StorageObjectInUseProtection,
    PersistentVolumeClaimResize,
    RuntimeClassPlugin,
    CertificateApproval,
    CertificateSigning,
    ClusterTrustBundleAttest,
    CertificateSubjectRestriction,
    DefaultIngressClass,
    PodTopologyLabels,
    ResourceClaimStatusAuthorization,
    lambda s: EscalationCheck(s.authorizer, s.rbac),
    ResourceQuotaPlugin,
    UnservedFields,
)


def build(context: PluginContext) -> Chain:
    """The chain of all plugins that are on."""
    return Chain([make(context) for make in PLUGINS])
