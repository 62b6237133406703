"""APIService."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api import go_text
from pilothouse.api.field_errors import FieldErrors, invalid, required
from pilothouse.api.time import format_time
from pilothouse.api.types.apiregistration.v1 import APIService, APIServiceCondition, APIServiceSpec, ServiceReference
from pilothouse.kinds.cells import age
from pilothouse.kinds.declare import with_kept_meta
from pilothouse.kinds.strategy import Cell, MetaUpdate, Status, Strategy, Write
from pilothouse.semantics.validation import names

AVAILABLE = "Available"
LOCAL = ("True", "Local", "Local APIServices are always available")
"""Status, reason and message of the condition of what this server serves itself."""


def prepare_create(obj: APIService, write: Write) -> APIService:
    if obj.spec.service is not None:
        return obj
    now = format_time(write.now)
    status, reason, message = LOCAL
    local = APIServiceCondition(type=AVAILABLE, status=status, reason=reason, message=message, last_transition_time=now)
    return replace(obj, status=replace(obj.status, conditions=(local,)))


def validate(obj: APIService) -> FieldErrors:
    spec, name = obj.spec, obj.metadata.name
    wanted = f"{spec.version}.{spec.group}"
    found: FieldErrors = []
    if name and name != wanted and not names.path_segment(name):
        found.append(invalid("metadata.name", name, f'must be `spec.version+"."+spec.group`: {go_text.quote(wanted)}'))
    if not spec.group and spec.version != "v1":
        found.append(required("spec.group", "only v1 may have an empty group and it better be legacy kube"))
    if spec.group:
        found += [invalid("spec.group", spec.group, fault) for fault in names.dns_subdomain(spec.group)]
    found += [invalid("spec.version", spec.version, fault) for fault in names.dns1035_label(spec.version)]
    for path, number, limit in (
        ("groupPriorityMinimum", spec.group_priority_minimum, 20000),
        ("versionPriority", spec.version_priority, 1000),
    ):
        if not 0 < number <= limit:
            found.append(invalid(f"spec.{path}", number, f"must be positive and less than {limit}"))
    return found + (_local(spec) if spec.service is None else _remote(spec, spec.service))


def _local(spec: APIServiceSpec) -> FieldErrors:
    found: FieldErrors = []
    if spec.ca_bundle:
        told = "local APIServices may not have a caBundle"
        found.append(invalid("spec.caBundle", f"{len(spec.ca_bundle)} bytes", told))
    if spec.insecure_skip_tls_verify:
        told = "local APIServices may not have insecureSkipTLSVerify"
        found.append(invalid("spec.insecureSkipTLSVerify", True, told))
    return found


def _remote(spec: APIServiceSpec, service: ServiceReference) -> FieldErrors:
    path = "spec.service"
    found = [required(f"{path}.{name}") for name in ("namespace", "name") if not getattr(service, name)]
    port = service.port
    if port is not None and not 0 < port < 65536:
        found.append(invalid(f"{path}.port", port, "port is not valid: must be between 1 and 65535, inclusive"))
    if spec.insecure_skip_tls_verify and spec.ca_bundle:
        found.append(invalid("spec.insecureSkipTLSVerify", True, "may not be true if caBundle is present"))
    return found


def defaults(obj: APIService) -> APIService:
    service = obj.spec.service
    if service is None or service.port is not None:
        return obj
    return replace(obj, spec=replace(obj.spec, service=replace(service, port=443)))


def prepare_status(new: APIService, old: APIService, write: Write) -> APIService:
    return with_kept_meta(new, old)


def row(obj: APIService, now: float) -> Sequence[Cell]:
    service = obj.spec.service
    told = f"{service.namespace}/{service.name}" if service is not None else "Local"
    condition = next((c for c in obj.status.conditions if c.type == AVAILABLE), None)
    available = "Unknown"
    if condition is not None:
        plain = condition.status == "True" or not condition.reason
        available = condition.status if plain else f"{condition.status} ({condition.reason})"
    return obj.metadata.name, told, available, age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=APIService,
    prefix="apiregistration.k8s.io/apiservices",
    allow_unconditional_update=False,
    name=names.path_segment,
    meta_update=MetaUpdate(whole=1),
    status=Status(prepare=prepare_status),
    validate=validate,
    row=row,
    defaults=defaults,
    prepare_create=prepare_create,
)
