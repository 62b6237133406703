"""The kinds that are stored and served: one line each, the module below this folder that declares it."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from pilothouse.kinds.strategy import Strategy

MODULES = (
    "admissionregistration.mutatingadmissionpolicy",
    "admissionregistration.mutatingadmissionpolicybinding",
    "admissionregistration.mutatingwebhookconfiguration",
    "admissionregistration.validatingadmissionpolicy",
    "admissionregistration.validatingadmissionpolicybinding",
    "admissionregistration.validatingwebhookconfiguration",
    "apiextensions.customresourcedefinition",
    "apiregistration.apiservice",
    "apps.controllerrevision",
    "apps.daemonset",
    "apps.deployment",
    "apps.replicaset",
    "apps.statefulset",
    "autoscaling.horizontalpodautoscaler",
    "batch.cronjob",
    "batch.job",
    "certificates.certificatesigningrequest",
    "coordination.lease",
    "core.configmap",
    "core.endpoints",
    "core.event",
    "core.limitrange",
    "core.namespace",
    "core.node",
    "core.persistentvolume",
    "core.persistentvolumeclaim",
    "core.pod",
    "core.podtemplate",
    "core.replicationcontroller",
    "core.resourcequota",
    "core.secret",
    "core.service",
    "core.serviceaccount",
    "discovery.endpointslice",
    "flowcontrol.flowschema",
    "flowcontrol.prioritylevelconfiguration",
    "networking.ingress",
    "networking.ingressclass",
    "networking.ipaddress",
    "networking.networkpolicy",
    "networking.servicecidr",
    "node.runtimeclass",
    "policy.poddisruptionbudget",
    "rbac.clusterrole",
    "rbac.clusterrolebinding",
    "rbac.role",
    "rbac.rolebinding",
    "resource.deviceclass",
    "resource.resourceclaim",
    "resource.resourceclaimtemplate",
    "resource.resourceslice",
    "scheduling.priorityclass",
    "storage.csidriver",
    "storage.csinode",
    "storage.csistoragecapacity",
    "storage.storageclass",
    "storage.volumeattachment",
    "storage.volumeattributesclass",
)


def strategies() -> Sequence[Strategy[Any]]:
    """The strategies of all kinds."""
    return [importlib.import_module(f"pilothouse.kinds.{name}").STRATEGY for name in MODULES]
