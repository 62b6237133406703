"""Ingress."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.field_errors import (
    FieldErrors,
    invalid,
    not_supported,
    required,
)
from pilothouse.api.types.networking.v1 import HTTPIngressPath, Ingress, IngressBackend, IngressRule
from pilothouse.kinds.cells import NONE, age
from pilothouse.kinds.core.services.validation import port_name
from pilothouse.kinds.networking.references import local_reference
from pilothouse.kinds.strategy import Cell, MetaUpdate, Status, Strategy, no_update_warnings
from pilothouse.semantics.validation import addresses, names

_SHOWN_HOSTS = 3


def _hosts(hosts: Sequence[str]) -> str:
    """The first hosts. What comes after them counts even if it has no host."""
    shown: list[str] = []
    more = False
    for host in hosts:
        more = more or len(shown) == _SHOWN_HOSTS
        if host and not more:
            shown.append(host)
    told = ",".join(shown) or "*"
    return f"{told} + {len(hosts) - _SHOWN_HOSTS} more..." if more else told


def row(obj: Ingress, now: float) -> Sequence[Cell]:
    spec = obj.spec
    addresses = {i.ip or i.hostname for i in obj.status.load_balancer.ingress if i.ip or i.hostname}
    return (
        obj.metadata.name,
        NONE if spec.ingress_class_name is None else spec.ingress_class_name,
        _hosts([rule.host for rule in spec.rules]),
        ",".join(sorted(addresses)),
        "80, 443" if spec.tls else "80",
        age(obj.metadata.creation_timestamp, now),
    )


_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_CLASS = "kubernetes.io/ingress.class"
_NO_ADDRESS = "must be a DNS name, not an IP address"


def validate(obj: Ingress) -> FieldErrors:
    found = _validate(obj)
    annotation, name = obj.metadata.annotations.get(_CLASS), obj.spec.ingress_class_name
    if annotation is not None and name is not None and annotation != name:
        told = "must match `ingressClassName` when both are specified"
        found.append(invalid(f"annotations.{_CLASS}", annotation, told))
    return found


def validate_update(new: Ingress, old: Ingress) -> FieldErrors:
    return _validate(new)


def _validate(obj: Ingress) -> FieldErrors:
    spec = obj.spec
    found: FieldErrors = []
    if not spec.rules and spec.default_backend is None:
        found.append(invalid("spec", spec.rules, "either `defaultBackend` or `rules` must be specified"))
    if spec.default_backend is not None:
        found += _backend(spec.default_backend, "spec.defaultBackend")
    for index, rule in enumerate(spec.rules):
        found += _rule(rule, f"spec.rules[{index}]")
    for index, tls in enumerate(spec.tls):
        at = f"spec.tls[{index}]"
        for number, host in enumerate(tls.hosts):
            found += _host(host, f"{at}.hosts[{number}]")
        if tls.secret_name:
            found += [invalid(f"{at}.secretName", tls.secret_name, f) for f in names.dns_subdomain(tls.secret_name)]
    if spec.ingress_class_name is not None:
        name = spec.ingress_class_name
        found += [invalid("spec.ingressClassName", name, fault) for fault in names.dns_subdomain(name)]
    return found


def _host(host: str, path: str) -> FieldErrors:
    if "*" in host:
        good = host.startswith("*.") and not names.dns_subdomain(host[2:])
        return [] if good else [invalid(path, host, _WILDCARD)]
    return [invalid(path, host, fault) for fault in names.dns_subdomain(host)]


_WILDCARD = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', "
    r"regex used for validation is '\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def _rule(rule: IngressRule, path: str) -> FieldErrors:
    found: FieldErrors = []
    if rule.host:
        if addresses.parse(rule.host) is not None:
            found.append(invalid(f"{path}.host", rule.host, _NO_ADDRESS))
        found += _host(rule.host, f"{path}.host")
    if rule.http is None:
        return found
    if not rule.http.paths:
        return [*found, required(f"{path}.http.paths")]
    for index, item in enumerate(rule.http.paths):
        found += _path(item, f"{path}.http.paths[{index}]")
    return found


def _path(item: HTTPIngressPath, path: str) -> FieldErrors:
    found: FieldErrors = []
    if item.path_type is None:
        return [required(f"{path}.pathType", "pathType must be specified")]
    if item.path_type in ("Exact", "Prefix"):
        if not item.path.startswith("/"):
            found.append(invalid(f"{path}.path", item.path, "must be an absolute path"))
        found += [
            invalid(f"{path}.path", item.path, f"must not contain '{part}'")
            for part in ("//", "/./", "/../", "%2f", "%2F")
            if part in item.path
        ]
        for end in ("/..", "/."):
            if item.path.endswith(end):
                found.append(invalid(f"{path}.path", item.path, f"cannot end with '{end}'"))
    elif item.path_type == "ImplementationSpecific":
        if item.path and not item.path.startswith("/"):
            found.append(invalid(f"{path}.path", item.path, "must be an absolute path"))
    else:
        found.append(not_supported(f"{path}.pathType", item.path_type, _PATH_TYPES))
    return found + _backend(item.backend, f"{path}.backend")


def _backend(backend: IngressBackend, path: str) -> FieldErrors:
    service, resource = backend.service, backend.resource
    if service is not None and resource is not None:
        return [invalid(path, "", "cannot set both resource and service backends")]
    if resource is not None:
        return local_reference(resource, f"{path}.resource")
    if service is None:
        return [invalid(path, "", "resource or service backend is required")]
    found: FieldErrors = []
    if not service.name:
        found.append(required(f"{path}.service.name"))
    else:
        found += [invalid(f"{path}.service.name", service.name, fault) for fault in names.dns_label(service.name)]
    port = service.port
    at = f"{path}.service.port"
    if port.name and port.number:
        found.append(invalid(path, "", "cannot set both port name & port number"))
    elif port.name:
        found += [invalid(f"{at}.name", port.name, fault) for fault in port_name(port.name)]
    elif port.number:
        if not 0 < port.number < 65536:
            found.append(invalid(f"{at}.number", port.number, "must be between 1 and 65535, inclusive"))
    else:
        found.append(required(path, "port name or number is required"))
    return found


def validate_status(new: Ingress, old: Ingress) -> FieldErrors:
    found: FieldErrors = []
    held = {before.ip for before in old.status.load_balancer.ingress}
    for index, entry in enumerate(new.status.load_balancer.ingress):
        path = f"status.loadBalancer.ingress[{index}]"
        if entry.ip:
            found += addresses.ip(f"{path}.ip", entry.ip, held)
        if entry.hostname:
            found += [
                invalid(f"{path}.hostname", entry.hostname, fault) for fault in names.dns_subdomain(entry.hostname)
            ]
            if addresses.parse(entry.hostname) is not None:
                found.append(invalid(f"{path}.hostname", entry.hostname, _NO_ADDRESS))
    return found


def warnings(obj: Ingress) -> Sequence[str]:
    if _CLASS not in obj.metadata.annotations or obj.spec.ingress_class_name is not None:
        return ()
    return (f"annotation \"{_CLASS}\" is deprecated, please use 'spec.ingressClassName' instead",)


STRATEGY = Strategy(
    type=Ingress,
    prefix="ingress",
    meta_update=MetaUpdate(whole=1),
    generation=("spec",),
    status=Status(validate=validate_status),
    row=row,
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
    warnings_update=no_update_warnings,
    tells_empty=True,
)
