"""The documents of discovery, as JSON trees. Resources come in; nothing is cached here."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pilothouse.api.facts import Resource, Subresource

# The order in which the API server's groups answer: what clients prefer when two groups have a resource.
GROUP_ORDER = (
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "resource.k8s.io",
    "flowcontrol.apiserver.k8s.io",
)
VERSION_ORDER = {"autoscaling": ("v2", "v1")}
# Where a kind is stored if that is not where it is served: (group, resource) to group and version. The storage version
# hash of the real server tells it, and clients that migrate storage compare it.
STORED_IN = {
    ("autoscaling", "horizontalpodautoscalers"): ("autoscaling", "v2"),
    ("events.k8s.io", "events"): ("", "v1"),
    ("admissionregistration.k8s.io", "mutatingadmissionpolicies"): ("admissionregistration.k8s.io", "v1beta1"),
    ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"): ("admissionregistration.k8s.io", "v1beta1"),
    ("apiextensions.k8s.io", "customresourcedefinitions"): ("apiextensions.k8s.io", "v1beta1"),
}
_VERSION = re.compile(r"v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?")
# Kinds that are never stored have no storage version.
_STORING = {"create", "list", "watch"}


def storage_version_hash(resource: Resource) -> str:
    """Base64 of the first eight bytes of SHA-256 of group/version/kind as stored."""
    group, version = STORED_IN.get((resource.group, resource.resource), (resource.group, resource.version))
    name = f"{group}/{version}/{resource.kind}"
    return base64.b64encode(hashlib.sha256(name.encode()).digest()[:8]).decode()


def is_stored(resource: Resource) -> bool:
    return set(resource.verbs) >= _STORING


def api_resource(resource: Resource) -> dict[str, Any]:
    """One line of a plain APIResourceList."""
    line: dict[str, Any] = {
        "name": resource.resource,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        line["shortNames"] = list(resource.short_names)
    if resource.categories:
        line["categories"] = list(resource.categories)
    if is_stored(resource):
        line["storageVersionHash"] = storage_version_hash(resource)
    return line


def api_subresource(resource: Resource, sub: Subresource) -> dict[str, Any]:
    line: dict[str, Any] = {
        "name": f"{resource.resource}/{sub.name}",
        "singularName": "",
        "namespaced": resource.namespaced,
    }
    if (sub.group, sub.version) != (resource.group, resource.version):
        line |= {"group": sub.group, "version": sub.version}
    return line | {"kind": sub.kind, "verbs": list(sub.verbs)}


def _in_order(resource: Resource) -> Sequence[Subresource]:
    """Subresources by name; custom resources tell the status first."""
    if resource.group in GROUP_ORDER or not resource.group:
        return sorted(resource.subresources, key=lambda s: s.name)
    return resource.subresources


def resource_list(group_version: str, resources: Iterable[Resource]) -> dict[str, Any]:
    """APIResourceList: /api/v1, /apis/GROUP/VERSION."""
    lines = []
    for resource in sorted(resources, key=lambda r: r.resource):
        lines.append(api_resource(resource))
        lines += [api_subresource(resource, sub) for sub in _in_order(resource)]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": lines}


def group(name: str, versions: Sequence[str]) -> dict[str, Any]:
    """APIGroup, its first version preferred."""
    told = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": told, "preferredVersion": told[0]}


def group_document(name: str, versions: Sequence[str]) -> dict[str, Any]:
    return {"kind": "APIGroup", "apiVersion": "v1", **group(name, versions)}


def group_list(groups: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """APIGroupList: /apis. `groups` in order, name to versions."""
    told = [group(name, versions) for name, versions in groups.items()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": told}


def core_versions(address: str) -> dict[str, Any]:
    """APIVersions: /api. `address` is the server's own, host and port."""
    by_client = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": by_client}


def _discovered(resource: Resource) -> dict[str, Any]:
    kind = {"group": "", "version": "", "kind": resource.kind}
    line: dict[str, Any] = {
        "resource": resource.resource,
        "responseKind": kind,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        line["shortNames"] = list(resource.short_names)
    if resource.categories:
        line["categories"] = list(resource.categories)
    if resource.subresources:
        line["subresources"] = [_discovered_subresource(resource, sub) for sub in _in_order(resource)]
    return line


def _discovered_subresource(resource: Resource, sub: Subresource) -> dict[str, Any]:
    foreign = (sub.group, sub.version) != (resource.group, resource.version)
    kind = {"group": sub.group if foreign else "", "version": sub.version if foreign else "", "kind": sub.kind}
    return {"subresource": sub.name, "responseKind": kind, "verbs": list(sub.verbs)}


def aggregated(groups: Mapping[str, Mapping[str, Iterable[Resource]]]) -> dict[str, Any]:
    """APIGroupDiscoveryList (apidiscovery.k8s.io/v2): group to version to resources, in order."""
    items = []
    for name, versions in groups.items():
        told = [
            {
                "version": version,
                "resources": [_discovered(r) for r in sorted(resources, key=lambda r: r.resource)],
                "freshness": "Current",
            }
            for version, resources in versions.items()
        ]
        items.append({"metadata": {"name": name} if name else {}, "versions": told})
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def grouped(resources: Iterable[Resource]) -> dict[str, dict[str, list[Resource]]]:
    """Group to version to resources: built-in groups in their order, others after them by name."""
    found: dict[str, dict[str, list[Resource]]] = {}
    for resource in resources:
        found.setdefault(resource.group, {}).setdefault(resource.version, []).append(resource)
    place = {name: index for index, name in enumerate(GROUP_ORDER)}
    ordered = sorted(found, key=lambda name: (place.get(name, len(place)), name))

    def versions(name: str) -> dict[str, list[Resource]]:
        told = found[name] if name in place else sorted(found[name], key=priority)
        wanted = VERSION_ORDER.get(name, tuple(told))
        return {version: found[name][version] for version in wanted}

    return {name: versions(name) for name in ordered}


def priority(version: str) -> tuple[Any, ...]:
    """The key that sorts versions: GA before beta before alpha, newer first, then all others by name."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return (1, version)
    major, stage, minor = match.groups()
    return (0, ("", "beta", "alpha").index(stage or ""), -int(major), -int(minor or 0))


def etag(document: bytes) -> str:
    """The ETag of an aggregated document: SHA-512 of it in hex, in capitals as Go prints it."""
    return f'"{hashlib.sha512(document).hexdigest().upper()}"'
