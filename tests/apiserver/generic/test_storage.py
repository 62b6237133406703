"""Objects as bytes: the resourceVersion within them, and none where nothing is stored."""

from __future__ import annotations

from pilothouse.api.types.core.v1 import ConfigMap
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.generic.storage import ObjectCodec

FORM = ObjectCodec(ConfigMap)
OBJ = ConfigMap(metadata=ObjectMeta(name="c"), data={"a": "b"})


def test_a_stored_object_has_its_revision() -> None:
    item = FORM.of_value("/c", FORM.value(OBJ), 7, OBJ)
    assert item.tail == b'"metadata":{"resourceVersion":"7","name":"c"},"data":{"a":"b"}}'
    assert item.obj.metadata.resource_version == "7"


def test_what_is_not_stored_has_none() -> None:
    item = FORM.of_value("/c", FORM.value(OBJ), 0, OBJ)
    assert item.tail == b'"metadata":{"name":"c"},"data":{"a":"b"}}'
    assert item.obj.metadata.resource_version == ""
