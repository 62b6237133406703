"""How often the causes of bad metadata come up in an update: once for each check that the real server makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.generic.writing import update_errors
from pilothouse.kinds.apps.deployment import STRATEGY as DEPLOYMENTS
from pilothouse.kinds.certificates.certificatesigningrequest import STRATEGY as REQUESTS
from pilothouse.kinds.core.configmap import STRATEGY as CONFIG_MAPS
from pilothouse.kinds.core.endpoints import STRATEGY as ENDPOINTS
from pilothouse.kinds.core.limitrange import STRATEGY as LIMIT_RANGES
from pilothouse.kinds.core.persistentvolume import STRATEGY as VOLUMES
from pilothouse.kinds.core.service import STRATEGY as SERVICES
from pilothouse.kinds.discovery.endpointslice import STRATEGY as SLICES
from pilothouse.kinds.rbac.rolebinding import STRATEGY as BINDINGS
from pilothouse.kinds.storage.volumeattachment import STRATEGY as ATTACHMENTS
from pilothouse.kinds.strategy import Strategy


@pytest.mark.parametrize(
    ("strategy", "annotations", "prefixes"),
    [
        (DEPLOYMENTS, 3, 0),  # recorded
        (CONFIG_MAPS, 4, 1),  # recorded; the update checks the whole object once more
        (LIMIT_RANGES, 3, 1),  # the update checks the whole object, but not the difference
        (VOLUMES, 4, 2),  # both the strategy and the update check the whole object, neither the difference
        (ATTACHMENTS, 4, 2),
        (ENDPOINTS, 4, 1),
        (SLICES, 3, 1),
        (BINDINGS, 4, 0),  # whose names may be anything
        (REQUESTS, 4, 0),
        (SERVICES, 3, 0),  # the form of a Service's name is looked at when it is created only
    ],
)
def test_causes_in_metadata(strategy: Strategy[Any], annotations: int, prefixes: int) -> None:
    namespace = "d" if strategy.resource.namespaced else ""
    old = ObjectMeta(name="x", namespace=namespace, resource_version="1")
    bad = ObjectMeta(
        name="x",
        namespace=namespace,
        resource_version="1",
        annotations={"Bad Key!": "a"},
        generate_name="Bad Value!",
    )
    found = update_errors(strategy, strategy.type(metadata=bad), strategy.type(metadata=old), None)
    assert [e.path for e in found].count("metadata.annotations") == annotations
    assert [e.path for e in found].count("metadata.generateName") == prefixes
