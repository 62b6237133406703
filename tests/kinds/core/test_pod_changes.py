"""Ephemeral containers and resizes of pods, with the API's texts."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.quantity import parse
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.core.v1 import EphemeralContainer, Pod, PodSpec, ResourceRequirements
from pilothouse.kinds.core import pod_changes as changes
from pilothouse.kinds.core.pod import decoded
from pilothouse.kinds.strategy import Write

WRITE = Write(UserInfo(), 0.0)
POD = decoded(
    from_builtins(
        {
            "metadata": {"name": "p", "generation": 1},
            "spec": {
                "containers": [
                    {
                        "name": "c",
                        "image": "i:1",
                        "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "200m", "memory": "1Gi"}},
                    }
                ]
            },
        },
        Pod,
    )
)


def with_spec(**parts: object) -> Pod:
    spec: PodSpec = replace(POD.spec, **parts)
    return replace(POD, spec=spec)


def resources(requests: dict[str, str], limits: dict[str, str]) -> Pod:
    (container,) = POD.spec.containers or ()
    wanted = replace(
        container.resources,
        requests={k: parse(v) for k, v in requests.items()},
        limits={k: parse(v) for k, v in limits.items()},
    )
    return with_spec(containers=(replace(container, resources=wanted, image="other"),))


def test_only_ephemeral_containers_are_taken() -> None:
    debug = EphemeralContainer(name="d", image="busybox", image_pull_policy="Always", termination_message_policy="File")
    new = changes.prepare_ephemeral(with_spec(ephemeral_containers=(debug,), hostname="x"), POD, WRITE)
    assert new.spec == replace(POD.spec, ephemeral_containers=(debug,))
    assert new.metadata.generation == 2
    assert changes.validate_ephemeral(new, POD) == []
    (gone,) = changes.validate_ephemeral(POD, new)
    assert gone.detail == 'existing ephemeral containers "d" may not be removed\n'
    other = with_spec(ephemeral_containers=(replace(debug, image="other"),))
    (changed,) = changes.validate_ephemeral(other, new)
    assert changed.detail == (
        'existing ephemeral containers "d" may not be changed\n'
        '@@ -1,6 +1,6 @@\n {\n  "Name": "d",\n- "Image": "busybox",\n'
        '+ "Image": "other",\n  "Command": null,\n  "Args": null,\n  "WorkingDir": "",\n'
    )


def test_only_resources_are_resized() -> None:
    new = changes.prepare_resize(
        resources({"cpu": "150m", "memory": "1Gi"}, {"cpu": "200m", "memory": "2Gi"}), POD, WRITE
    )
    (container,) = new.spec.containers or ()
    assert container.image == "i:1"
    assert container.resources.requests["cpu"].text == "150m"
    assert changes.validate_resize(new, POD) == []


@pytest.mark.parametrize(
    ("requests", "limits", "detail"),
    [
        ({"cpu": "200m", "memory": "1Gi"}, {"cpu": "200m", "memory": "1Gi"},
         "Pod QOS Class may not change as a result of resizing"),
        ({"memory": "1Gi"}, {"cpu": "200m", "memory": "1Gi"}, "resource requests cannot be removed"),
        ({"cpu": "100m", "memory": "1Gi"}, {"memory": "1Gi"}, "resource limits cannot be removed"),
    ],
)  # fmt: skip
def test_resizes_that_are_refused(requests: dict[str, str], limits: dict[str, str], detail: str) -> None:
    new = changes.prepare_resize(resources(requests, limits), POD, WRITE)
    assert detail in [error.detail for error in changes.validate_resize(new, POD)]


def test_other_resources_are_not_resized() -> None:
    wanted = resources({"cpu": "100m", "memory": "1Gi"}, {"cpu": "200m", "memory": "1Gi", "ephemeral-storage": "1Gi"})
    (error,) = changes.validate_resize(changes.prepare_resize(wanted, POD, WRITE), POD)
    assert error.detail.startswith("only cpu and memory resources are mutable\n@@ ")


def whole(**amounts: str) -> ResourceRequirements:
    return ResourceRequirements(requests={name.replace("_", "-"): parse(text) for name, text in amounts.items()})


@pytest.mark.parametrize(
    ("old", "new", "detail"),
    [
        ({"cpu": "1"}, {"cpu": "2"}, ""),
        ({"cpu": "1"}, {"cpu": "2", "memory": "2Gi"}, ""),
        ({"cpu": "1", "memory": "2Gi"}, {"cpu": "1"}, "resource requests cannot be removed"),
        ({"cpu": "1"}, {}, "resource requests cannot be removed"),
        ({"cpu": "1"}, {"cpu": "1", "hugepages_2Mi": "2Mi"}, "only cpu and memory resources are mutable"),
    ],
)
def test_the_pod_as_a_whole_is_resized(old: dict[str, str], new: dict[str, str], detail: str) -> None:
    before = with_spec(resources=whole(**old))
    before = replace(before, status=replace(before.status, qos_class="Burstable"))
    after = changes.prepare_resize(replace(before, spec=replace(before.spec, resources=whole(**new))), before, WRITE)
    found = [error.detail.split("\n")[0] for error in changes.validate_resize(after, before)]
    assert (detail in found) if detail else found == []
