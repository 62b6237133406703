"""Resource requests and limits of containers and pods. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from pilothouse.api import quantity
from pilothouse.api.field_errors import FieldErrors, duplicate, forbidden, invalid, not_found, not_supported, required
from pilothouse.api.quantity import Quantity
from pilothouse.api.types.core import v1 as core
from pilothouse.kinds.core.podspec import checks
from pilothouse.semantics.requests import as_quantities, spec_requests
from pilothouse.semantics.requests import pod_level as is_pod_level
from pilothouse.semantics.validation.names import dns_label, dns_subdomain, qualified_name

NameCheck = Callable[[str, str], FieldErrors]
COMPUTE = frozenset({"cpu", "memory"})
CONTAINER = frozenset({"cpu", "memory", "ephemeral-storage"})
OBJECTS = frozenset(
    {
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    }
)
STANDARD = CONTAINER | OBJECTS | {
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "storage",
    "requests.storage",
}  # fmt: skip
_POD_LEVEL = ("cpu", "hugepages-", "memory")


def is_huge_page(name: str) -> bool:
    return name.startswith("hugepages-")


def is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    return not is_native(name) and not name.startswith("requests.") and not qualified_name(f"requests.{name}")


def may_overcommit(name: str) -> bool:
    return is_native(name) and not is_huge_page(name)


def resource_name(path: str, name: str) -> FieldErrors:
    """A name of a resource anywhere."""
    found = checks.qualified(path, name)
    if (
        "/" not in name
        and not found
        and name not in STANDARD
        and not name.startswith(("hugepages-", "requests.hugepages-"))
    ):
        found.append(invalid(path, name, "must be a standard resource type or fully qualified"))
    return found


def container_resource_name(path: str, name: str) -> FieldErrors:
    found = resource_name(path, name)
    if "/" not in name:
        if name not in CONTAINER and not is_huge_page(name):
            found.append(invalid(path, name, "must be a standard resource for containers"))
    elif not is_native(name) and not is_extended(name):
        found.append(invalid(path, name, "doesn't follow extended resource name standard"))
    return found


def amount(path: str, name: str, found: Quantity) -> FieldErrors:
    """A resource's value: never negative, and whole where it counts things."""
    errors = [invalid(path, found.text, checks.NON_NEGATIVE)] if found.value < 0 else []
    if (name in OBJECTS or is_extended(name)) and not found.is_multiple():
        errors.append(invalid(path, found.text, "must be an integer"))
    return errors


def _huge_page_amount(path: str, name: str, found: Quantity) -> FieldErrors:
    try:
        page = quantity.parse(name.removeprefix("hugepages-"))
    except quantity.QuantityError:
        page = quantity.ZERO
    if page > quantity.ZERO and page.is_multiple() and found.is_multiple(page.value):
        return []
    return [invalid(path, found.text, f"{found.text} is not positive integer multiple of {name}")]


def _list(path: str, amounts: Mapping[str, Quantity], check: NameCheck) -> FieldErrors:
    found: FieldErrors = []
    for name, value in amounts.items():
        at = f"{path}[{name}]"
        if name not in COMPUTE:
            found += check(at, name)
        if value.value < 0 or name not in CONTAINER:
            found += amount(at, name, value)
        if is_huge_page(name):
            found += _huge_page_amount(at, name, value)
    return found


def requirements(
    path: str, wanted: core.ResourceRequirements, claims: Sequence[str], check: NameCheck = container_resource_name
) -> FieldErrors:
    """Requests and limits of a container; `claims` are the names of the pod's resource claims, `check` says which
    resources there may be."""
    if not wanted.limits and not wanted.requests and not wanted.claims:
        return []
    limits, requests = wanted.limits, wanted.requests
    found = _list(f"{path}.limits", limits, check)
    for name, value in requests.items():
        found += _list(f"{path}.requests", {name: value}, check)
        limit = limits.get(name)
        if limit is None:
            if not may_overcommit(name):
                found.append(required(f"{path}.limits", "Limit must be set for non overcommitable resources"))
        elif value != limit and not may_overcommit(name):
            found.append(invalid(f"{path}.requests", value.text, f"must be equal to {name} limit of {limit}"))
        elif value > limit:
            detail = f"must be less than or equal to {name} limit of {limit}"
            found.append(invalid(f"{path}.requests", value.text, detail))
    names = {*limits, *requests}
    if any(map(is_huge_page, names)) and not names & COMPUTE:
        found.append(forbidden(path, "HugePages require cpu or memory"))
    return found + claim_names(f"{path}.claims", wanted.claims, claims)


def claim_names(path: str, used: Sequence[core.ResourceClaim], known: Sequence[str]) -> FieldErrors:
    """Claims of a container: all requests of a claim at once, or some of them, each once."""
    found: FieldErrors = []
    seen: set[str] = set()
    requests: Counter[str] = Counter()
    detail = "must be one of the names in pod.spec.resourceClaims"
    detail += f": {', '.join(sorted(set(known)))}" if known else " which is empty"
    known_names = frozenset(known)
    for index, claim in enumerate(used):
        at, name = f"{path}[{index}]", claim.name
        if not name:
            found.append(required(at))
            continue
        key = f"{name}/{claim.request}" if claim.request else name
        if name in seen:
            found.append(duplicate(at, name))
        else:
            found += (
                [invalid(f"{at}.request", claim.request, f) for f in dns_label(claim.request)] if claim.request else []
            )
            if key in seen:
                found.append(duplicate(at, key))
            elif not claim.request:
                found += [duplicate(at, name)] * requests[name]
            requests[name] += bool(claim.request) and key not in seen
            seen.add(key)
        if name not in known_names:
            found.append(not_found(at, name)._replace(detail=detail))
    return found


def pod_claims(path: str, claims: Sequence[core.PodResourceClaim]) -> FieldErrors:
    """spec.resourceClaims: each from an object or from a template."""
    found: FieldErrors = []
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        at = f"{path}[{index}]"
        if not claim.name:
            found.append(required(f"{at}.name"))
        elif claim.name in seen:
            found.append(duplicate(f"{at}.name", claim.name))
        else:
            found += [invalid(f"{at}.name", claim.name, fault) for fault in dns_label(claim.name, False)]
            seen.add(claim.name)
        direct, template = claim.resource_claim_name, claim.resource_claim_template_name
        if direct is not None and template is not None:
            detail = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            found.append(invalid(at, claim, detail))
        if direct is None and template is None:
            detail = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            found.append(invalid(at, claim, detail))
        for name, value in (("resourceClaimName", direct), ("resourceClaimTemplateName", template)):
            if value is not None:
                found += [invalid(f"{at}.{name}", value, fault) for fault in dns_subdomain(value, False)]
    return found


def pod_level(path: str, spec: core.PodSpec, claims: Sequence[str]) -> FieldErrors:
    """Requests and limits of the pod as a whole, against those of its containers."""
    wanted = spec.resources
    if wanted is None:
        return []
    if spec.os is not None and spec.os.name == "windows":
        return [forbidden(path, "may not be set for a windows pod")]
    found: FieldErrors = []
    if wanted.claims:
        found.append(forbidden(f"{path}.claims", "claims may not be set for Resources at pod-level"))
    found += requirements(path, wanted, claims, _pod_resource_name)
    for name, total in aggregated(spec).items():
        asked = wanted.requests.get(name)
        if asked is not None and asked < total:
            detail = f"must be greater than or equal to aggregate container requests of {total}"
            found.append(invalid(f"{path}.requests[{name}]", asked.text, detail))
    for index, container in enumerate(spec.containers or ()):
        for name, limit in container.resources.limits.items():
            whole = wanted.limits.get(name)
            if whole is not None and limit > whole:
                at = f"{path}.containers[{index}][{name}].limits"
                found.append(invalid(at, limit.text, f"must be less than or equal to pod limits of {whole}"))
    return found


def aggregated(spec: core.PodSpec) -> Mapping[str, Quantity]:
    """What the containers of a pod ask for together."""
    return as_quantities(spec_requests(replace(spec, resources=None, overhead={})))


def _pod_resource_name(path: str, name: str) -> FieldErrors:
    found = resource_name(path, name)
    return found if found or is_pod_level(name) else [not_supported(path, name, _POD_LEVEL)]
