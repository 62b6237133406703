"""Which volume a claim gets."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pilothouse.api.quantity import parse
from pilothouse.api.types.core.v1 import (
    Node,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    ObjectReference,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeSpec,
    PersistentVolumeStatus,
    VolumeNodeAffinity,
    VolumeResourceRequirements,
)
from pilothouse.api.types.meta.v1 import LabelSelector, ObjectMeta
from pilothouse.api.types.storage.v1 import StorageClass
from pilothouse.semantics import volumes

replace = msgspec.structs.replace
RWO, RWX = ("ReadWriteOnce",), ("ReadWriteOnce", "ReadWriteMany")
MINE = ObjectReference(namespace="ns", name="data", uid="u")
MEANT = ObjectReference(namespace="ns", name="data")
OTHER = ObjectReference(namespace="ns", name="other")
HERE = Node(metadata=ObjectMeta(name="here", labels={"zone": "a"}))


def zoned(zone: str) -> VolumeNodeAffinity:
    term = NodeSelectorTerm(match_expressions=(NodeSelectorRequirement(key="zone", operator="In", values=(zone,)),))
    return VolumeNodeAffinity(required=NodeSelector(node_selector_terms=(term,)))


def volume(name: str, size: str = "5Gi", phase: str = "Available", **spec: Any) -> PersistentVolume:
    meta = ObjectMeta(name=name, labels=spec.pop("labels", {}), annotations=spec.pop("annotations", {}),
                      deletion_timestamp=spec.pop("gone", None))  # fmt: skip
    modes = spec.pop("modes", RWO)
    return PersistentVolume(
        metadata=meta,
        spec=PersistentVolumeSpec(capacity={"storage": parse(size)}, access_modes=modes, **spec),
        status=PersistentVolumeStatus(phase=phase),
    )


def claim(size: str = "2Gi", **spec: Any) -> PersistentVolumeClaim:
    meta = ObjectMeta(name="data", namespace="ns", uid="u", annotations=spec.pop("annotations", {}))
    wants = VolumeResourceRequirements(requests={"storage": parse(size)})
    return PersistentVolumeClaim(
        metadata=meta, spec=PersistentVolumeClaimSpec(access_modes=RWO, resources=wants, **spec)
    )


ROWS = [
    (claim(), [volume("big", "10Gi"), volume("small", "1Gi"), volume("mid", "5Gi")], "mid", "mid"),
    (claim("50Gi"), [volume("big", "10Gi")], None, None),
    (claim(), [volume("free"), volume("mine", "20Gi", claim_ref=MEANT)], "mine", "mine"),
    (claim(), [volume("free"), volume("mine", "20Gi", claim_ref=MINE)], "mine", "mine"),
    (claim(), [volume("theirs", claim_ref=OTHER)], None, None),
    (claim(), [volume("mine", "1Gi", claim_ref=MEANT)], None, None),
    (claim(), [volume("a", phase="Released"), volume("b", phase="Pending"), volume("c", phase="")], None, None),
    (claim(), [volume("a", volume_mode="Block")], None, None),
    (claim(), [volume("a", gone="2026-01-01T00:00:00Z")], None, None),
    (claim(), [volume("a", volume_attributes_class_name="gold")], None, None),
    (claim(volume_attributes_class_name="gold"), [volume("a", volume_attributes_class_name="gold")], "a", "a"),
    (claim(storage_class_name="x"), [volume("a"), volume("b", storage_class_name="x")], "b", "b"),
    (claim(annotations={volumes.CLASS_ANNOTATION: "x"}), [volume("b", storage_class_name="x")], "b", "b"),
    (claim(), [volume("b", annotations={volumes.CLASS_ANNOTATION: "x"})], None, None),
    (claim(selector=LabelSelector(match_labels={"a": "b"})), [volume("a"), volume("b", labels={"a": "b"})], "b", "b"),
    (claim(), [volume("a", modes=("ReadOnlyMany",))], None, None),
    # Wherever it is used: few access modes before a small size. For a node: the size alone.
    (claim(), [volume("a", "3Gi", modes=RWX), volume("b", "9Gi")], "b", "a"),
    # Only what can be reached from the node; one that is meant for the claim elsewhere rules out the node.
    (claim(), [volume("a", "3Gi", node_affinity=zoned("b")), volume("b", "9Gi")], "a", "b"),
    (claim(), [volume("mine", node_affinity=zoned("b"), claim_ref=MEANT), volume("free")], "mine", None),
]


@pytest.mark.parametrize(("wanting", "there", "anywhere", "here"), ROWS)
def test_the_volume_of_a_claim(
    wanting: PersistentVolumeClaim, there: list[PersistentVolume], anywhere: str | None, here: str | None
) -> None:
    found = volumes.find(wanting, there)
    assert (found.metadata.name if found else None) == anywhere
    placed = volumes.find_for_node(wanting, there, HERE)
    assert (placed.metadata.name if placed else None) == here


def test_what_is_promised_or_waits_for_a_node_is_not_taken() -> None:
    there = [volume("a", "3Gi"), volume("b")]
    found = volumes.find_for_node(claim(), there, HERE, {"a"})
    assert found is not None
    assert found.metadata.name == "b"
    assert volumes.find(claim(), there, only_meant=True) is None
    meant = volumes.find(claim(), [*there, volume("mine", claim_ref=MEANT)], only_meant=True)
    assert meant is not None
    assert meant.metadata.name == "mine"


@pytest.mark.parametrize(
    ("there", "why"),
    [
        (volume("a"), ""),
        (volume("a", "1Gi"), "requested PV is too small"),
        (volume("a", storage_class_name="x"), "storageClassName does not match"),
        (volume("a", volume_attributes_class_name="x"), "VolumeAttributesClassName does not match"),
        (volume("a", volume_mode="Block"), "incompatible volumeMode"),
        (volume("a", modes=("ReadOnlyMany",)), "incompatible accessMode"),
        (volume("a", gone="2026-01-01T00:00:00Z"), 'the volume is marked for deletion "a"'),
        (volume("a", "1Gi", claim_ref=MINE), ""),
        (volume("a", claim_ref=OTHER), "bound to a different claim"),
    ],
)
def test_a_volume_that_the_claim_names(there: PersistentVolume, why: str) -> None:
    assert volumes.mismatch(there, claim()) == why


def storage_class(name: str, made: str, **annotations: str) -> StorageClass:
    meta = ObjectMeta(name=name, creation_timestamp=made, annotations=annotations)
    return StorageClass(metadata=meta, provisioner="p")


def test_the_newest_default_class() -> None:
    default = dict.fromkeys(volumes.DEFAULT_ANNOTATIONS[:1], "true")
    early, late = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    classes = [storage_class("plain", late), storage_class("old", early, **default)]
    found = volumes.default_class(classes)
    assert found is not None
    assert found.metadata.name == "old"
    found = volumes.default_class([*classes, storage_class("b", late, **default), storage_class("a", late, **default)])
    assert found is not None
    assert found.metadata.name == "a"
    assert volumes.default_class(classes[:1]) is None
