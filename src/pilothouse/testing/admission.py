"""Admission for tests: what plugins need, and a way to send an object through one of them."""

from __future__ import annotations

from typing import Any, cast

from pilothouse.api.scheme import resource_of
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.apiserver.admission.context import PluginContext
from pilothouse.apiserver.admission.interface import Attributes, Operation
from pilothouse.apiserver.authz import build as authz
from pilothouse.kit.random import Chance
from pilothouse.machinery.client import Client
from pilothouse.testing.clock import VirtualClock
from pilothouse.testing.reader import FakeReader

MASTER = UserInfo(username="admin", groups=("system:masters", "system:authenticated"))


def plugin_context(reader: FakeReader, client: Client | None = None) -> PluginContext:
    """What plugins are given, over the objects of `reader`."""
    made = authz.build(reader)
    return PluginContext(
        reader=reader,
        client=cast(Client, client),
        authorizer=made.authorizer,
        rbac=made.rbac,
        clock=VirtualClock(),
        chance=Chance(1),
    )


def attributes(
    operation: Operation, obj: Any, old_obj: Any = None, *, subresource: str = "", user: UserInfo = MASTER
) -> Attributes:
    """One write of `obj` (or of what `old_obj` is, for a deletion)."""
    sample = obj if obj is not None else old_obj
    resource = resource_of(cast(Any, type(sample)))
    return Attributes(
        operation=operation,
        group=resource.group,
        version=resource.version,
        resource=resource.resource,
        kind=resource.kind,
        user=user,
        subresource=subresource,
        namespace=sample.metadata.namespace,
        name=sample.metadata.name,
        obj=obj,
        old_obj=old_obj,
    )


async def send(plugin: Any, write: Attributes) -> Any:
    """The object after `plugin` has admitted and validated it. Raises StatusError."""
    if not plugin.handles(write.operation, write.group, write.resource, write.subresource):
        return write.obj
    for step in ("admit", "validate"):
        if hasattr(plugin, step):
            await getattr(plugin, step)(write)
    return write.obj
