"""Who may write which part of a ResourceClaim's status (upstream's DRAResourceClaimGranularStatusAuthorization).

To write `resourceclaims/status` is not enough: allocation and reservations take a right on `resourceclaims/binding`,
the status of a driver's devices one on `resourceclaims/driver` under the driver's name, for any node or, for a service
account on the very node that the claim is allocated to, for its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from pilothouse.api.field_errors import FieldErrors, as_status, forbidden
from pilothouse.api.types.meta.v1 import PatchOptions
from pilothouse.api.types.resource.v1 import AllocatedDeviceStatus, AllocationResult, ResourceClaim, ResourceClaimStatus
from pilothouse.apiserver.admission.context import PluginContext
from pilothouse.apiserver.admission.interface import Attributes, Operation
from pilothouse.apiserver.request.access import Access
from pilothouse.semantics import serviceaccounts as accounts

_BINDING = "changing status.allocation or status.reservedFor requires extra permission"
_DEVICES = "changing status.devices requires extra permission"


def node_of(allocation: AllocationResult | None) -> str:
    """The one node that a claim is allocated to; empty if there may be others. Pure."""
    selector = allocation.node_selector if allocation is not None else None
    terms = selector.node_selector_terms if selector is not None else ()
    if len(terms or ()) != 1:
        return ""
    (term,) = terms or ()
    fields = term.match_fields or ()
    if term.match_expressions or len(fields) != 1:
        return ""
    (field,) = fields
    alone = field.key == "metadata.name" and field.operator == "In" and len(field.values or ()) == 1
    return (field.values or ("",))[0] if alone else ""


def changed_drivers(new: ResourceClaimStatus, old: ResourceClaimStatus) -> list[str]:
    """The drivers whose devices' status differs. Pure."""
    after, before = _by_driver(new.devices or ()), _by_driver(old.devices or ())
    return sorted(driver for driver in {*after, *before} if after.get(driver) != before.get(driver))


def _by_driver(devices: Iterable[AllocatedDeviceStatus]) -> dict[str, list[AllocatedDeviceStatus]]:
    found: dict[str, list[AllocatedDeviceStatus]] = {}
    for device in devices:
        found.setdefault(device.driver, []).append(device)
    return found


class ResourceClaimStatusAuthorization:
    """Refuses, as validation would, the parts of a status that its writer has no right to."""

    name = "ResourceClaimStatusAuthorization"

    def __init__(self, context: PluginContext) -> None:
        self._authorizer = context.authorizer

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool:
        return (operation, group, resource, subresource) == ("UPDATE", "resource.k8s.io", "resourceclaims", "status")

    async def validate(self, attributes: Attributes) -> None:
        """Raises StatusError 422."""
        claim: ResourceClaim = attributes.obj
        new, old = claim.status, attributes.old_obj.status
        verb = "patch" if isinstance(attributes.options, PatchOptions) else "update"
        found: FieldErrors = []
        if (new.allocation, new.reserved_for) != (old.allocation, old.reserved_for):
            access = self._access(attributes, verb, "binding")
            found += [] if self._authorizer.authorize(access).allowed else [forbidden("status", _BINDING)]
        for driver in changed_drivers(new, old):
            if not self._may_report(attributes, verb, driver, node_of(new.allocation)):
                found.append(forbidden("status.devices", _DEVICES))
        if found:
            raise as_status("resource.k8s.io", "ResourceClaim", claim.metadata.name, found)

    def _may_report(self, attributes: Attributes, verb: str, driver: str, node: str) -> bool:
        user = attributes.user
        own = accounts.split(user.username) is not None and user.extra.get(accounts.NODE_NAME) == (node,)
        modes = ("associated-node", "arbitrary-node") if node and own else ("arbitrary-node",)
        return any(
            self._authorizer.authorize(
                self._access(attributes, f"{mode}:{verb}", "driver", attributes.namespace, driver)
            ).allowed
            for mode in modes
        )

    @staticmethod
    def _access(attributes: Attributes, verb: str, subresource: str, namespace: str = "", name: str = "") -> Access:
        return Access(
            attributes.user,
            verb,
            group="resource.k8s.io",
            version=attributes.version,
            resource="resourceclaims",
            subresource=subresource,
            namespace=namespace,
            name=name,
        )
