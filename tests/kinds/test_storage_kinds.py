"""Validation, warnings and immutable parts of persistent volumes and claims, in upstream's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from pilothouse.api.codec.json import from_builtins, to_builtins
from pilothouse.api.field_errors import FieldError
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.core.v1 import PersistentVolume, PersistentVolumeClaim
from pilothouse.api.types.storage.v1 import StorageClass, VolumeAttachment
from pilothouse.kinds.core import persistentvolume as volumes
from pilothouse.kinds.core import persistentvolumeclaim as claims
from pilothouse.kinds.storage import storageclass
from pilothouse.kinds.storage import volumeattachment as attachments
from pilothouse.kinds.strategy import Write

NOW = Write(user=UserInfo(), now=0.0)
TERMS = [{"matchExpressions": [{"key": "beta.kubernetes.io/os", "operator": "In", "values": ["linux"]}]}]


def told(errors: Sequence[FieldError]) -> list[str]:
    return [f"{e.path}: {e.message}" for e in errors]


def volume(annotations: dict[str, str] | None = None, **spec: Any) -> PersistentVolume:
    tree = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], **spec}
    meta = {"name": "v", "annotations": annotations or {}}
    return volumes.defaults(from_builtins({"metadata": meta, "spec": tree}, PersistentVolume))


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ({"hostPath": {"path": "/a"}}, []),
        ({"hostPath": {"path": "/a", "type": "Folder"}}, ["hostPath.type"]),
        ({"gcePersistentDisk": {"partition": 256}}, ["persistentDisk.pdName", "persistentDisk.partition"]),
        ({"iscsi": {"targetPortal": "p", "iqn": "iqn.2001-04.com.example:disk"}}, []),
        ({"iscsi": {"targetPortal": "p", "iqn": "iqn.x", "lun": 256}}, ["iscsi.iqn", "iscsi.lun"]),
        ({"iscsi": {"targetPortal": "p", "iqn": "naa." + "0" * 32, "chapAuthSession": True}}, ["iscsi.secretRef"]),
        ({"fc": {}}, ["fc.targetWWNs"]),
        ({"fc": {"targetWWNs": ["a"]}}, ["fc.lun"]),
        ({"flocker": {}}, ["flocker"]),
        ({"quobyte": {"registry": "a", "volume": "v"}}, ["quobyte.registry"]),
        ({"quobyte": {"registry": "a:1,[::1]:2", "volume": "v"}}, []),
        ({"flexVolume": {"driver": "d", "options": {"x.k8s.io/a": "b"}}}, ["flexVolume.options[x.k8s.io/a]"]),
        ({"azureDisk": {"diskName": "d", "diskURI": "x"}}, ["azureDisk.diskURI"]),
        ({"azureFile": {"secretName": "s", "shareName": "s", "secretNamespace": ""}}, ["azureFile.secretNamespace"]),
        ({"glusterfs": {"endpoints": "e", "path": "p", "endpointsNamespace": ""}}, ["glusterfs.endpointsNamespace"]),
        ({"cinder": {"volumeID": "v", "secretRef": {"name": "n"}}}, ["cinder.secretRef.namespace"]),
        ({"storageos": {"volumeName": "A"}}, ["storageos.volumeName"]),
        ({"rbd": {"image": "i"}}, ["rbd.monitors"]),
        ({"csi": {}}, ["csi.driver", "csi.volumeHandle"]),
        ({"local": {"path": "/a/.."}}, ["local.path", "nodeAffinity"]),
        ({"nfs": {"server": "s", "path": "/"}, "hostPath": {"path": "/"}}, ["nfs"]),
        (
            {"hostPath": {"path": "//"}, "persistentVolumeReclaimPolicy": "Recycle"},
            ["persistentVolumeReclaimPolicy"],
        ),
        ({"nfs": {"server": "s", "path": "/"}, "volumeAttributesClassName": ""}, ["volumeAttributesClassName", "csi"]),
    ],
)
def test_sources_of_volumes(source: dict[str, Any], texts: list[str]) -> None:
    assert [e.path for e in volumes.validate(volume(**source))] == [f"spec.{text}" for text in texts]


def test_plugins_have_their_defaults() -> None:
    found = to_builtins(volume(rbd={"monitors": ["m"], "image": "i"}).spec)
    assert found["rbd"] == {
        "monitors": ("m",),
        "image": "i",
        "pool": "rbd",
        "user": "admin",
        "keyring": "/etc/ceph/keyring",
    }


def test_the_source_of_a_volume_stays() -> None:
    old = volume(hostPath={"path": "/a"}, nodeAffinity={"required": {"nodeSelectorTerms": TERMS}})
    stable = [{"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]}]
    upgraded = volume(hostPath={"path": "/a"}, nodeAffinity={"required": {"nodeSelectorTerms": stable}})
    assert volumes.validate_update(upgraded, old) == []
    found = told(volumes.validate_update(volume(hostPath={"path": "/b"}, volumeMode="Block"), old))
    assert found[0] == (
        "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n"
        '@@ -2,7 +2,7 @@\n  "GCEPersistentDisk": null,\n  "AWSElasticBlockStore": null,\n  "HostPath": {\n'
        '-  "Path": "/a",\n+  "Path": "/b",\n   "Type": ""\n  },\n  "Glusterfs": null,\n'
    )
    assert found[1:] == [
        'volumeMode: Invalid value: "Block": field is immutable',
        "nodeAffinity: Invalid value: null: field is immutable, except for updating from beta label to GA",
    ]


def test_a_volume_may_be_given_a_secret_to_expand_with() -> None:
    csi = {"driver": "d", "volumeHandle": "h"}
    secret = {"controllerExpandSecretRef": {"name": "s", "namespace": "n"}}
    assert volumes.validate_update(volume(csi={**csi, **secret}), volume(csi=csi)) == []
    assert volumes.validate_update(volume(csi=csi), volume(csi={**csi, **secret}))


def test_a_new_phase_gets_its_time() -> None:
    old = volumes.prepare_create(volume(hostPath={"path": "/a"}), NOW)
    later = Write(user=UserInfo(), now=60.0)
    bound = replace(old, status=replace(old.status, phase="Bound"))
    assert volumes.prepare_status(bound, old, later).status.last_phase_transition_time == "1970-01-01T00:01:00Z"
    assert volumes.prepare_status(old, old, later) is old


def test_volumes_warn_and_refuse_mount_options() -> None:
    options = {volumes.MOUNT_OPTIONS: "ro"}
    found = volume(options, glusterfs={"endpoints": "e", "path": "p"}, persistentVolumeReclaimPolicy="Recycle")
    assert [text.partition(":")[0] for text in volumes.warnings(found)] == [
        "metadata.annotations[volume.beta.kubernetes.io/mount-options]",
        "spec.persistentVolumeReclaimPolicy",
        "spec.glusterfs",
    ]
    assert not volumes.validate(found)
    assert told(volumes.validate(volume(options, hostPath={"path": "/a"}))) == [
        "metadata.annotations.volume.beta.kubernetes.io/mount-options: Forbidden: may not specify mount options for "
        "this volume type"
    ]


def claim(phase: str = "Pending", capacity: str = "", **spec: Any) -> PersistentVolumeClaim:
    tree = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}, **spec}
    status = {"phase": phase, "capacity": {"storage": capacity} if capacity else {}}
    return claims.defaults(
        from_builtins({"metadata": {"name": "c"}, "spec": tree, "status": status}, PersistentVolumeClaim)
    )


def applied(found: PersistentVolumeClaim) -> PersistentVolumeClaim:
    """A claim whose volume has its class of attributes."""
    name = found.spec.volume_attributes_class_name
    return replace(found, status=replace(found.status, current_volume_attributes_class_name=name))


def sized(amount: str) -> dict[str, Any]:
    return {"resources": {"requests": {"storage": amount}}}


@pytest.mark.parametrize(
    ("spec", "paths"),
    [
        ({}, []),
        ({"accessModes": []}, ["spec.accessModes"]),
        ({"accessModes": ["ReadWriteOncePod", "X"]}, ["spec.accessModes"]),
        (sized("0"), ["spec.resources[storage]"]),
        ({"resources": {}}, ["spec.resources[storage]"]),
        ({"selector": {"matchLabels": {"a b": "c"}}}, ["spec.selector.matchLabels"]),
        (
            {"dataSource": {"kind": "X", "name": "", "apiGroup": "Bad Group"}},
            ["spec.dataSource.name", "spec.dataSource.apiGroup"],
        ),
        ({"volumeAttributesClassName": "A"}, ["spec.volumeAttributesClassName"]),
        ({"volumeMode": "Raw"}, ["spec.volumeMode"]),
    ],
)
def test_claims(spec: dict[str, Any], paths: list[str]) -> None:
    assert [e.path for e in claims.validate(claim(**spec))] == paths


@pytest.mark.parametrize(
    ("spec", "source", "reference"),
    [
        ({"dataSource": {"kind": "PersistentVolumeClaim", "name": "x"}}, "x", "x"),
        ({"dataSource": {"kind": "ConfigMap", "name": "x"}}, None, None),
        ({"dataSourceRef": {"apiGroup": "a.b", "kind": "ConfigMap", "name": "x"}}, "x", "x"),
        ({"dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "x", "namespace": "n"}}, None, None),
    ],
)
def test_sources_of_data_mirror_each_other(spec: dict[str, Any], source: str | None, reference: str | None) -> None:
    found = claims.prepare_create(claim(**spec), NOW).spec
    names = tuple(s.name if s is not None else None for s in (found.data_source, found.data_source_ref))
    assert names == (source, reference)


@pytest.mark.parametrize(
    ("new", "old", "paths"),
    [
        (claim("Bound", "2Gi", **sized("3Gi")), claim("Bound", "2Gi"), []),
        (claim("Bound", "1Gi", **sized("1500Mi")), claim("Bound", "1Gi"), []),
        (claim("Bound", "2Gi", **sized("1Gi")), claim("Bound", "2Gi"), ["spec.resources.requests.storage"]),
        (claim(**sized("3Gi")), claim(), ["spec"]),
        (claim(volumeName="v"), claim(), []),
        (claim(volumeName="w"), claim(volumeName="v"), ["spec"]),
        (claim(storageClassName="s"), claim(), []),
        (claim(storageClassName="s"), claim(storageClassName="t"), ["spec"]),
        (claim("Bound", volumeAttributesClassName=""), claim("Bound", volumeAttributesClassName="a"), []),
        (
            claim("Bound", volumeAttributesClassName=""),
            applied(claim("Bound", volumeAttributesClassName="a")),
            ["spec.volumeAttributesClassName"],
        ),
        (claim(volumeMode="Block"), claim(), ["spec", "volumeMode"]),
    ],
)
def test_what_of_a_claim_may_change(new: PersistentVolumeClaim, old: PersistentVolumeClaim, paths: list[str]) -> None:
    assert [e.path for e in claims.validate_update(new, old)] == paths


def test_the_storage_class_of_an_annotation_may_move_to_its_field() -> None:
    annotated = claim()
    annotated = replace(annotated, metadata=replace(annotated.metadata, annotations={volumes.CLASS: "s"}))
    assert claims.validate_update(claim(storageClassName="s"), annotated) == []
    assert told(claims.validate_update(claim(), annotated)) == [
        'metadata.annotations.volume.beta.kubernetes.io/storage-class: Invalid value: "": field is immutable'
    ]


def test_sizes_that_are_no_bytes_are_warned_of() -> None:
    assert claims.warnings(claim(**sized("1500m"))) == [
        'spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer'
    ]


def attachment(status: dict[str, Any] | None = None, **spec: Any) -> VolumeAttachment:
    tree = {"attacher": "a.example.com", "nodeName": "n", "source": {"persistentVolumeName": "p"}, **spec}
    return from_builtins({"metadata": {"name": "a"}, "spec": tree, "status": status or {}}, VolumeAttachment)


@pytest.mark.parametrize(
    ("obj", "paths"),
    [
        (attachment(), []),
        (attachment(source={}), ["spec.source"]),
        (attachment(source={"persistentVolumeName": "P"}), ["spec.source.persistentVolumeName"]),
        (attachment(nodeName="N"), ["spec.nodeName"]),
        (attachment(attacher="a_b"), ["spec.attacher"]),
        (
            attachment(source={"inlineVolumeSpec": {"capacity": {"storage": 1}, "storageClassName": "s"}}),
            [
                "spec.source.inlineVolumeSpec.capacity",
                "spec.source.inlineVolumeSpec.csi",
                "spec.source.inlineVolumeSpec.accessModes",
                "spec.source.inlineVolumeSpec",
                "spec.source.inlineVolumeSpec.storageClassName",
            ],
        ),
        (
            attachment({"attachError": {"message": "x" * 1025, "errorCode": -1}}),
            ["status.attachError.message", "status.attachError.errorCode"],
        ),
    ],
)
def test_attachments(obj: VolumeAttachment, paths: list[str]) -> None:
    assert [e.path for e in attachments.validate(obj)] == paths


def test_the_spec_of_an_attachment_stays() -> None:
    assert told(attachments.validate_update(attachment(nodeName="m"), attachment())) == [
        'spec: Invalid value: {"Attacher":"a.example.com","Source":{"PersistentVolumeName":"p",'
        '"InlineVolumeSpec":null},"NodeName":"m"}: field is immutable'
    ]


def test_topologies_of_a_storage_class_differ() -> None:
    term = {"matchLabelExpressions": [{"key": "a", "values": ["b"]}]}
    tree = {"provisioner": "p", "volumeBindingMode": "Immediate", "allowedTopologies": [term, term]}
    found = from_builtins(tree, StorageClass)
    assert told(storageclass.validate(found)) == ['allowedTopologies[1].matchLabelExpressions: Duplicate value: ""']
