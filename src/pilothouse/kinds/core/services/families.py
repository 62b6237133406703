"""IP families and their policy, on a cluster with IPv4 Services only. Pure."""

from __future__ import annotations

import ipaddress

from msgspec.structs import replace

from pilothouse.api.errors import StatusError
from pilothouse.api.field_errors import FieldErrors, as_status, invalid
from pilothouse.api.types.core.v1 import Service
from pilothouse.kinds.core.services import needs
from pilothouse.kinds.core.services.validation import address_errors

DEFAULT_FAMILY = "IPv4"


def with_families(obj: Service, old: Service | None) -> Service:
    """`obj` with families and policy filled in. Raises StatusError (422)."""
    if needs.external_name(obj):
        return obj
    found = address_errors(obj)
    if found:
        raise _refused(obj, found)
    spec = obj.spec
    families = spec.ip_families
    for index, ip in enumerate(spec.cluster_ips):
        if ip != needs.HEADLESS and index >= len(families):
            families = (*families, "IPv6" if ":" in ip else "IPv4")
    policy = spec.ip_family_policy
    unselected = needs.headless(obj) and not spec.selector
    if policy is None:
        if len(families) == 2 or len(spec.cluster_ips) == 2:
            told = "must be RequireDualStack or PreferDualStack when multiple IP families are specified"
            raise _refused(obj, [invalid("spec.ipFamilyPolicy", None, told)])
        policy = "RequireDualStack" if unselected and not families else "SingleStack"
    if not families:
        families = (DEFAULT_FAMILY,)
    if unselected:
        if policy != "SingleStack" and len(families) == 1:
            families = (*families, "IPv6" if families[0] == "IPv4" else "IPv4")
    else:
        found = _unsupported(families, policy)
        if found:
            raise _refused(obj, found)
    return replace(obj, spec=replace(spec, ip_families=families, ip_family_policy=policy))


def _unsupported(families: tuple[str, ...], policy: str) -> FieldErrors:
    found: FieldErrors = []
    if policy == "RequireDualStack":
        found.append(invalid("spec.ipFamilyPolicy", policy, "this cluster is not configured for dual-stack services"))
    for index, family in enumerate(families):
        if family != DEFAULT_FAMILY:
            found.append(invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster"))
    return found


def _refused(obj: Service, found: FieldErrors) -> StatusError:
    return as_status("", "Service", obj.metadata.name, found)


def family_of(ip: str) -> str:
    return "IPv6" if ipaddress.ip_address(ip).version == 6 else "IPv4"
