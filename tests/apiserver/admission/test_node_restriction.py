"""NodeRestriction: what a node's own user may write."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.errors import StatusError
from pilothouse.api.types.authentication.v1 import TokenRequest, UserInfo
from pilothouse.api.types.core.v1 import (
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    ServiceAccount,
    Volume,
    VolumeProjection,
)
from pilothouse.api.types.storage.v1 import CSIDriver
from pilothouse.apiserver.admission.interface import Attributes
from pilothouse.apiserver.admission.object_references import (
    FREE_PROJECTIONS,
    FREE_VOLUMES,
    PROJECTIONS,
    VOLUMES,
    UnknownSource,
    referenced,
)
from pilothouse.apiserver.admission.plugins.node_restriction import NodeRestriction
from pilothouse.apiserver.admission.plugins.service_account import ServiceAccountPlugin
from pilothouse.testing.admission import attributes, plugin_context, send
from pilothouse.testing.reader import FakeReader

N1 = UserInfo(username="system:node:n1", groups=("system:nodes",))
NODE: Node = from_builtins({"metadata": {"name": "n1", "uid": "U"}}, Node)
OWNER = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "U", "controller": True}


def mirror(*, volumes: Any = (), container: Any = None, node: str = "n1", **spec: Any) -> Pod:
    metadata = {
        "name": "p",
        "namespace": "ns",
        "annotations": {"kubernetes.io/config.mirror": "x"},
        "ownerReferences": [OWNER],
    }
    one = {"name": "c", "image": "i", **(container or {})}
    found = [{"name": f"v{at}", **volume} for at, volume in enumerate(volumes)]
    tree = {"metadata": metadata, "spec": {"nodeName": node, "containers": [one], "volumes": found, **spec}}
    return from_builtins(tree, Pod)


async def refusal(write: Attributes, *objects: Any) -> str:
    plugin = NodeRestriction(plugin_context(FakeReader(NODE, *objects)))
    try:
        await send(plugin, write)
    except StatusError as error:
        return error.status.message if error.code == 403 else f"{error.code}"
    return ""


def projected(**source: Any) -> dict[str, Any]:
    return {"projected": {"sources": [source]}}


KEY = {"name": "s", "key": "k"}
TEMPLATE: dict[str, Any] = {"volumeClaimTemplate": {"spec": {}}}
SECRET = {"secretRef": {"name": "s"}}
REFERENCES: list[tuple[str, dict[str, Any]]] = [
    ("serviceaccounts", {"serviceAccountName": "x"}),
    ("secrets", {"imagePullSecrets": [{"name": "s"}]}),
    ("secrets", {"container": {"envFrom": [SECRET]}}),
    ("secrets", {"container": {"env": [{"name": "e", "valueFrom": {"secretKeyRef": KEY}}]}}),
    ("configmaps", {"container": {"envFrom": [{"configMapRef": {"name": "s"}}]}}),
    ("configmaps", {"container": {"env": [{"name": "e", "valueFrom": {"configMapKeyRef": KEY}}]}}),
    ("configmaps", {"initContainers": [{"name": "i", "envFrom": [{"configMapRef": {"name": "s"}}]}]}),
    ("resourceclaims", {"resourceClaims": [{"name": "r", "resourceClaimName": "x"}]}),
    ("configmaps", {"volumes": [{"configMap": {"name": "m"}}]}),
    ("configmaps (via configmap volumes)", {"volumes": [{"configMap": {"name": ""}}]}),
    ("secrets", {"volumes": [{"secret": {"secretName": "s"}}]}),
    ("secrets (via secret volumes)", {"volumes": [{"secret": {}}]}),
    ("csidrivers (via CSI volumes)", {"volumes": [{"csi": {"driver": "d"}}]}),
    ("secrets", {"volumes": [{"csi": {"driver": "d", "nodePublishSecretRef": {"name": "s"}}}]}),
    ("endpoints (via glusterFS volumes)", {"volumes": [{"glusterfs": {"endpoints": "e", "path": "p"}}]}),
    ("persistentvolumeclaims", {"volumes": [{"persistentVolumeClaim": {"claimName": "c"}}]}),
    ("persistentvolumeclaims (via ephemeral volumes)", {"volumes": [{"ephemeral": TEMPLATE}]}),
    ("secrets", {"volumes": [{"azureFile": {"secretName": "s", "shareName": "x"}}]}),
    ("secrets (via azureFile volumes)", {"volumes": [{"azureFile": {"secretName": "", "shareName": "x"}}]}),
    ("configmaps", {"volumes": [projected(configMap={"name": "m"})]}),
    ("secrets", {"volumes": [projected(secret={"name": "s"})]}),
    ("serviceaccounts (via projected volumes)", {"volumes": [projected(serviceAccountToken={"path": "t"})]}),
    ("clustertrustbundles", {"volumes": [projected(clusterTrustBundle={"name": "b", "path": "p"})]}),
    ("podcertificates", {"volumes": [projected(podCertificate={"signerName": "a/b", "keyType": "RSA3072"})]}),
    ("secrets", {"volumes": [{"cephfs": {"monitors": ["m"], **SECRET}}]}),
    ("secrets", {"volumes": [{"rbd": {"monitors": ["m"], "image": "i", **SECRET}}]}),
    ("secrets", {"volumes": [{"iscsi": {"targetPortal": "t", "iqn": "q", "lun": 0, **SECRET}}]}),
    ("secrets", {"volumes": [{"flexVolume": {"driver": "d", **SECRET}}]}),
    ("secrets", {"volumes": [{"storageos": SECRET}]}),
    ("secrets", {"volumes": [{"scaleIO": {"gateway": "g", "system": "s", **SECRET}}]}),
    ("secrets", {"volumes": [{"cinder": {"volumeID": "v", **SECRET}}]}),
]  # fmt: skip


@pytest.mark.parametrize(("resource", "spec"), REFERENCES)
async def test_a_mirror_pod_names_no_object(resource: str, spec: dict[str, Any]) -> None:
    message = await refusal(attributes("CREATE", mirror(**spec), user=N1))
    assert message == f'pods "p" is forbidden: node "n1" can not create pods that reference {resource}'


async def test_a_mirror_pod_may_have_what_is_its_nodes_own() -> None:
    volumes = [{"hostPath": {"path": "/"}}, {"emptyDir": {}}, {"image": {"reference": "i"}}, projected(downwardAPI={})]
    assert await refusal(attributes("CREATE", mirror(volumes=volumes), user=N1)) == ""


def test_every_source_of_a_volume_is_known() -> None:
    """One that is new to this server is refused, not let in."""
    assert set(Volume.__struct_fields__) - {"name", "projected"} == {*VOLUMES, *FREE_VOLUMES}
    assert set(VolumeProjection.__struct_fields__) == {*PROJECTIONS, *FREE_PROJECTIONS}
    with pytest.raises(UnknownSource, match='unknown volume type for volume  "v0"'):
        referenced(mirror(volumes=[{}]))
    with pytest.raises(UnknownSource, match='unknown source for projected volume "v0"'):
        referenced(mirror(volumes=[projected()]))


async def test_the_status_of_a_pod_is_its_nodes_to_write() -> None:
    """It is the stored pod that says where it runs, not the one that is sent."""
    elsewhere, here = mirror(node="n2"), mirror()
    write = attributes("UPDATE", here, elsewhere, subresource="status", user=N1)
    assert "can only update pod status for pods with spec.nodeName set to itself" in await refusal(write)
    assert await refusal(attributes("UPDATE", here, here, subresource="status", user=N1)) == ""
    claims = from_builtins({"status": {"extendedResourceClaimStatus": {"resourceClaimName": "c"}}}, Pod).status
    write = attributes("UPDATE", replace(here, status=claims), here, subresource="status", user=N1)
    assert "cannot update extended resource claim status" in await refusal(write)


@pytest.mark.parametrize(
    ("new", "old", "text"),
    [
        ({"metadata": {"name": "n2"}}, None, 'node "n1" is not allowed to modify node "n2"'),
        (
            {"metadata": {"name": "n1"}, "spec": {"configSource": {"configMap": {"name": "c"}}}},
            None,
            "with a non-nil configSource",
        ),
        ({"metadata": {"name": "n1", "labels": {"x.k8s.io/a": "b"}}}, None, "to set the following labels: x.k8s.io/a"),
        ({"metadata": {"name": "n1"}, "spec": {"taints": [{"key": "a", "effect": "NoExecute"}]}}, None, ""),
        (
            {"metadata": {"name": "n1"}, "spec": {"taints": [{"key": "a", "effect": "NoExecute"}]}},
            {"metadata": {"name": "n1"}},
            "is not allowed to modify taints",
        ),
        (
            {"metadata": {"name": "n1"}, "spec": {"configSource": {"configMap": {"name": "c"}}}},
            {"metadata": {"name": "n1"}},
            "is not allowed to update configSource to a new non-nil configSource",
        ),
        (
            {"metadata": {"name": "n1", "labels": {"node-restriction.kubernetes.io/a": "b"}}},
            {"metadata": {"name": "n1"}},
            "is not allowed to modify labels: node-restriction.kubernetes.io/a",
        ),
        (
            {"metadata": {"name": "n1", "ownerReferences": [OWNER]}},
            {"metadata": {"name": "n1"}},
            "is not allowed to modify ownerReferences",
        ),
        ({"metadata": {"name": "n1", "labels": {"kubernetes.io/os": "b", "z": "z"}}}, {"metadata": {"name": "n1"}}, ""),
    ],
)
async def test_a_node_is_its_own(new: dict[str, Any], old: dict[str, Any] | None, text: str) -> None:
    before = from_builtins(old, Node) if old is not None else None
    write = attributes("CREATE" if old is None else "UPDATE", from_builtins(new, Node), before, user=N1)
    message = await refusal(write)
    assert bool(message) == bool(text)
    assert message.endswith(text)


@pytest.mark.parametrize("audience", ["projected", "csi", "claimed", "ephemeral", "other"])
async def test_a_token_is_for_an_audience_that_the_pod_asks_for(audience: str) -> None:
    def driver(name: str) -> CSIDriver:
        return from_builtins({"metadata": {"name": name}, "spec": {"tokenRequests": [{"audience": name}]}}, CSIDriver)

    def claim(name: str, volume: str) -> PersistentVolumeClaim:
        tree = {"metadata": {"name": name, "namespace": "ns"}, "spec": {"volumeName": volume}}
        return from_builtins(tree, PersistentVolumeClaim)

    def volume(name: str) -> PersistentVolume:
        return from_builtins({"metadata": {"name": name}, "spec": {"csi": {"driver": name}}}, PersistentVolume)

    pod = mirror(
        volumes=[
            projected(serviceAccountToken={"path": "t", "audience": "projected"}),
            {"csi": {"driver": "csi"}},
            {"persistentVolumeClaim": {"claimName": "c"}},
            {"ephemeral": {}},
        ]
    )
    request = from_builtins(
        {
            "metadata": {"name": "a", "namespace": "ns"},
            "spec": {
                "audiences": [audience],
                "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "P"},
            },
        },
        TokenRequest,
    )
    write = attributes("CREATE", pod, subresource="token", user=N1)
    write.resource, write.name, write.obj = "serviceaccounts", "a", request
    held = replace(pod, metadata=replace(pod.metadata, uid="P"))
    drivers = (driver("csi"), driver("claimed"), driver("ephemeral"))
    claims = (claim("c", "claimed"), volume("claimed"), claim("p-v3", "ephemeral"), volume("ephemeral"))
    message = await refusal(write, held, *drivers, *claims)
    assert bool(message) == (audience == "other")


async def test_ephemeral_containers_keep_to_the_secrets_of_their_account() -> None:
    tree = {
        "metadata": {
            "name": "a",
            "namespace": "ns",
            "annotations": {"kubernetes.io/enforce-mountable-secrets": "true"},
        },
        "secrets": [{"name": "mine"}],
    }
    plugin = ServiceAccountPlugin(plugin_context(FakeReader(from_builtins(tree, ServiceAccount))))
    for secret, refused in (("mine", False), ("other", True)):
        container = {"name": "d", "envFrom": [{"secretRef": {"name": secret}}]}
        pod = mirror(serviceAccountName="a", ephemeralContainers=[container])
        write = attributes("UPDATE", pod, mirror(serviceAccountName="a"), subresource="ephemeralcontainers")
        if refused:
            told = r'ephemeral container d with envFrom referencing secret\.secretName="other"'
            with pytest.raises(StatusError, match=told):
                await send(plugin, write)
        else:
            await send(plugin, write)
