"""lightkube, the small typed client."""

from __future__ import annotations

import pathlib
from contextlib import closing

import pytest
from lightkube import Client, KubeConfig, codecs
from lightkube.core.exceptions import ApiError
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Node
from lightkube.types import PatchType

from tests.clients.objects import deployment

pytestmark = pytest.mark.clients


def test_applies_patches_watches_and_waits(kubeconfig: pathlib.Path, namespace: str) -> None:
    with Client(config=KubeConfig.from_file(kubeconfig).get(), namespace=namespace, field_manager="lightkube") as one:
        one.create(ConfigMap(metadata=ObjectMeta(name="settings"), data={"a": "1"}))
        applied = one.apply(ConfigMap(metadata=ObjectMeta(name="settings"), data={"b": "2"}))
        assert applied.data == {"a": "1", "b": "2"}
        assert one.patch(ConfigMap, "settings", {"data": {"a": None}}, patch_type=PatchType.MERGE).data == {"b": "2"}
        with closing(one.watch(ConfigMap, fields={"metadata.name": "settings"})) as told:
            kind, seen = next(iter(told))
        assert (kind, seen.data) == ("ADDED", {"b": "2"})
        one.create(codecs.from_dict(deployment("web", 2)))
        assert one.wait(Deployment, "web", for_conditions=["Available"]).status.availableReplicas
        one.delete(Deployment, "web")
        assert sorted(node.metadata.name for node in one.list(Node, chunk_size=1)) == ["node-1", "node-2"]
        with pytest.raises(ApiError) as missing:
            one.get(ConfigMap, "nothing")
        assert missing.value.status.reason == "NotFound"
