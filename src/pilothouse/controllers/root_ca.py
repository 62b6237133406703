"""Every active namespace has a ConfigMap `kube-root-ca.crt` with the authority that pods trust."""

from __future__ import annotations

import msgspec

from pilothouse.api.types.core.v1 import ConfigMap, Namespace
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.controllers.environment import Environment
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller

IDENTITY = "root-ca-cert-publisher"
NAME = "kube-root-ca.crt"
DESCRIPTION = {
    "kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using "
    "internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed "
    "across distributions of Kubernetes clusters."
}


def decide(namespace: Namespace | None, held: ConfigMap | None, authority: str) -> ConfigMap | None:
    """The ConfigMap to write, if any: one with a resourceVersion replaces what is there."""
    if namespace is None or namespace.metadata.deletion_timestamp is not None:
        return None
    if namespace.status.phase == "Terminating":
        return None
    data = {"ca.crt": authority}
    if held is None:
        return ConfigMap(
            metadata=ObjectMeta(name=NAME, namespace=namespace.metadata.name, annotations=DESCRIPTION), data=data
        )
    annotations = {**held.metadata.annotations, **DESCRIPTION}
    if held.data == data and annotations == held.metadata.annotations:
        return None
    metadata = msgspec.structs.replace(held.metadata, annotations=annotations)
    return msgspec.structs.replace(held, metadata=metadata, data=data)


def _config_map_changed(old: ConfigMap | None, new: ConfigMap | None) -> tuple[str, ...]:
    found = new if new is not None else old
    return (found.metadata.namespace,) if found is not None and found.metadata.name == NAME else ()


def _namespace_changed(old: Namespace | None, new: Namespace | None) -> tuple[str, ...]:
    return (new.metadata.name,) if new is not None else ()


def build(env: Environment) -> Controller[str]:
    """Keys are names of namespaces."""

    async def reconcile(name: str, client: Client) -> None:
        wanted = decide(namespaces.get(name), maps.get(NAME, name), env.settings.cluster_authority)
        if wanted is None:
            return
        if wanted.metadata.resource_version:
            await client.update(wanted)
        else:
            await client.create(wanted)

    controller = env.controller("root-ca-certificate-publisher-controller", IDENTITY, reconcile)
    if env.settings.cluster_authority:
        namespaces = controller.on(Namespace, _namespace_changed)
        maps = controller.on(ConfigMap, _config_map_changed)
    return controller
