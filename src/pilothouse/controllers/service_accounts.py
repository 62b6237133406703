"""Every active namespace has a ServiceAccount `default`."""

from __future__ import annotations

from collections.abc import Iterable

from pilothouse.api.types.core.v1 import Namespace, ServiceAccount
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.controllers.environment import Environment
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller

IDENTITY = "service-account-controller"
NAMES = ("default",)


def decide(namespace: Namespace | None, held: Iterable[str]) -> tuple[str, ...]:
    """The accounts to make in a namespace that has those of `held`."""
    if namespace is None or namespace.metadata.deletion_timestamp is not None:
        return ()
    if namespace.status.phase == "Terminating":
        return ()
    there = set(held)
    return tuple(name for name in NAMES if name not in there)


def _account_lost(old: ServiceAccount | None, new: ServiceAccount | None) -> tuple[str, ...]:
    if new is None and old is not None and old.metadata.name in NAMES:
        return (old.metadata.namespace,)
    return ()


def _namespace_changed(old: Namespace | None, new: Namespace | None) -> tuple[str, ...]:
    return (new.metadata.name,) if new is not None else ()


def build(env: Environment) -> Controller[str]:
    """Keys are names of namespaces."""

    async def reconcile(name: str, client: Client) -> None:
        found = [account for account in NAMES if accounts.get(account, name) is not None]
        for missing in decide(namespaces.get(name), found):
            await client.create(ServiceAccount(metadata=ObjectMeta(name=missing, namespace=name)))

    controller = env.controller("serviceaccount-controller", IDENTITY, reconcile)
    namespaces = controller.on(Namespace, _namespace_changed)
    accounts = controller.on(ServiceAccount, _account_lost)
    return controller
