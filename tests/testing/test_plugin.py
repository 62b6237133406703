from __future__ import annotations

import pytest

from pilothouse.api.types.core.v1 import Pod
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.generic.storage import ObjectCodec
from pilothouse.testing.plugin import unversioned


@pytest.mark.parametrize("meta", [ObjectMeta(), ObjectMeta(name="a", labels={"l": "1"})])
def test_the_guard_knows_what_was_stored(meta: ObjectMeta) -> None:
    form = ObjectCodec(Pod)
    value = form.value(Pod(metadata=meta))
    item = form.of_value("/registry/pods/ns/a", value, 7)
    assert unversioned(item) == value
    assert form.value(item.obj) == value


def test_a_change_of_a_shared_map_is_found() -> None:
    form = ObjectCodec(Pod)
    item = form.of_value("/a", form.value(Pod(metadata=ObjectMeta(name="a", labels={"l": "1"}))), 7)
    labels = item.obj.metadata.labels
    labels["l"] = "2"
    assert form.value(item.obj) != unversioned(item)
    labels["l"] = "1"
