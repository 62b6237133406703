"""NamespaceLifecycle: nothing is created in a namespace that is missing or going away, and three stay forever."""

from __future__ import annotations

from msgspec.structs import replace

from pilothouse.api import errors
from pilothouse.api.types.core.v1 import Namespace
from pilothouse.api.types.meta.v1 import StatusCause, StatusDetails
from pilothouse.apiserver.admission.context import PluginContext
from pilothouse.apiserver.admission.interface import Attributes, Operation
from pilothouse.apiserver.admission.refusal import refused

IMMORTAL = frozenset({"default", "kube-system", "kube-public"})


class NamespaceLifecycle:
    """Looks the namespace up before every create and update in it."""

    name = "NamespaceLifecycle"

    def __init__(self, context: PluginContext) -> None:
        self._reader = context.reader

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool:
        if operation == "DELETE":
            return (group, resource, subresource) == ("", "namespaces", "")
        return operation in ("CREATE", "UPDATE") and resource != "localsubjectaccessreviews"

    async def admit(self, attributes: Attributes) -> None:
        """Raises StatusError 404 for a missing namespace, 403 for one that terminates."""
        a = attributes
        if a.operation == "DELETE":
            if a.name in IMMORTAL:
                raise errors.forbidden("", "namespaces", a.name, "this namespace may not be deleted")
            return
        if not a.namespace or (a.resource == "namespaces" and not a.group):
            return
        namespace = self._reader.get(Namespace, a.namespace)
        if namespace is None:
            namespace = await self._reader.latest(Namespace, a.namespace)
        if namespace is None:
            raise errors.not_found("", "namespaces", a.namespace)
        if a.operation == "CREATE" and namespace.status.phase == "Terminating":
            raise _terminating(a)


def _terminating(a: Attributes) -> errors.StatusError:
    error = refused(a, f"unable to create new content in namespace {a.namespace} because it is being terminated")
    cause = StatusCause(
        reason="NamespaceTerminating",
        message=f"namespace {a.namespace} is being terminated",
        field_="metadata.namespace",
    )
    details = replace(error.status.details or StatusDetails(), causes=(cause,))
    return errors.StatusError(replace(error.status, details=details))
