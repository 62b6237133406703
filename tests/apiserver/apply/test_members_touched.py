"""Which part of an object an apply has to look at."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.core.v1 import Pod
from pilothouse.api.types.meta.v1 import ManagedFieldsEntry
from pilothouse.apiserver.apply import FieldManager, Kind
from pilothouse.apiserver.apply.schema import node_of

POD = FieldManager(Kind({"v1": node_of(Pod)}), "v1", "Pod", {})
CONFIG: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"x": "y"}}}


def entry(manager: str, fields: dict[str, Any], operation: str = "Apply") -> ManagedFieldsEntry:
    return ManagedFieldsEntry(
        manager=manager, operation=operation, api_version="v1", fields_type="FieldsV1", fields_v_1=fields
    )


@pytest.mark.parametrize(
    ("config", "held", "manager", "touched"),
    [
        (CONFIG, [entry("other", {"f:spec": {"f:nodeName": {}}})], "me", {"metadata"}),
        (CONFIG, [entry("me", {"f:spec": {"f:nodeName": {}}})], "me", {"metadata", "spec"}),
        (CONFIG, [entry("me", {"f:spec": {"f:nodeName": {}}}, "Update")], "me", {"metadata"}),
        ({**CONFIG, "status": {}}, [entry("other", {})], "me", {"metadata", "status"}),
        (CONFIG, [], "me", None),
        (CONFIG, [entry("other", {})], "kubectl", None),
    ],
)
def test_members_touched(
    config: dict[str, Any], held: list[ManagedFieldsEntry], manager: str, touched: set[str] | None
) -> None:
    assert POD.members_touched(config, held, manager) == touched
