"""Admin access to devices: only namespaces that an administrator has labelled may ask for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pilothouse.api.field_errors import FieldErrors, as_status, forbidden
from pilothouse.api.types.core.v1 import Namespace
from pilothouse.api.types.resource.v1 import DeviceRequest, ResourceClaim, ResourceClaimStatus, ResourceClaimTemplate
from pilothouse.kinds.resource import resourceclaim, resourceclaimtemplate
from pilothouse.kinds.strategy import NOTHING, Write, WriteHook

LABEL = "resource.kubernetes.io/admin-access"
_NEEDED = f"admin access to devices requires the `{LABEL}: true` label on the containing namespace"


def asked(requests: Sequence[DeviceRequest]) -> str:
    """The path of the first request for admin access; "" if there is none."""
    for index, request in enumerate(requests):
        if request.exactly is not None and request.exactly.admin_access:
            return f"spec.devices.requests[{index}].adminAccess"
    return ""


def granted(status: ResourceClaimStatus) -> str:
    """The path of the first allocation with admin access; "" if there is none."""
    for index, result in enumerate(status.allocation.devices.results if status.allocation is not None else ()):
        if result.admin_access:
            return f"status.allocation.devices.results[{index}].adminAccess"
    return ""


class AdminAccess:
    """The `kinds.strategy.Hooks` of claims and their templates; it refuses, and has no side effects."""

    def __init__(self, namespace_of: Callable[[str], Namespace | None]) -> None:
        """`namespace_of` finds the stored namespace of a name; None if there is none."""
        self._namespace_of = namespace_of

    async def begin_create(self, obj: Any, write: Write) -> tuple[Any, WriteHook]:
        if isinstance(obj, ResourceClaimTemplate):
            self._check(obj, asked(obj.spec.spec.devices.requests or ()), resourceclaimtemplate.validate)
        elif isinstance(obj, ResourceClaim):
            self._check(obj, asked(obj.spec.devices.requests or ()), resourceclaim.validate)
        return obj, NOTHING

    async def begin_update(self, new: Any, old: Any, write: Write) -> tuple[Any, WriteHook]:
        if write.subresource == "status" and isinstance(new, ResourceClaim) and not granted(old.status):
            self._check(new, granted(new.status), lambda obj: resourceclaim.validate_status(obj, old))
        return new, NOTHING

    async def after_delete(self, obj: Any, write: Write) -> None:
        """Nothing was taken."""

    def _check(self, obj: Any, path: str, others: Callable[[Any], FieldErrors]) -> None:
        """Raises StatusError (422) with the `others` of the object, as validation does not run any more."""
        if not path:
            return
        namespace = self._namespace_of(obj.metadata.namespace)
        if namespace is None or namespace.metadata.labels.get(LABEL) != "true":
            name, group = obj.metadata.name, "resource.k8s.io"
            raise as_status(group, type(obj).__name__, name, [forbidden(path, _NEEDED), *others(obj)])
