"""Carrying a resize out: in which order, and what is not done."""

from __future__ import annotations

import pytest

from pilothouse.api.types.core.v1 import Pod, ResourceRequirements
from pilothouse.kubelet.podworker import resizes
from pilothouse.kubelet.resources import within
from pilothouse.kubelet.simulated import NoPlace
from pilothouse.kubelet.sync.place import HoldFailed
from pilothouse.kubelet.sync.resizing import Resized, ResizeFailed, Resizer
from pilothouse.seams.runtime import Resources
from tests.kubelet.pods import container, pod
from tests.kubelet.test_configs import NODE

MiB = 1 << 20


def limited(*limits: tuple[str, str], whole: tuple[str, str] | None = None) -> Pod:
    """A container for each pair of cpu and memory; of the pod as a whole if there is one for it."""

    def named(pair: tuple[str, str]) -> dict[str, object]:
        return {"limits": {name: amount for name, amount in zip(("cpu", "memory"), pair, strict=True) if amount}}

    containers = [container(f"c{i}", resources=named(pair)) for i, pair in enumerate(limits)]
    return pod(*containers, **({"resources": named(whole)} if whole else {}))


class Machine(NoPlace):
    """Notes what is written, in order; `used` is memory in use by container, by the pod under ""."""

    def __init__(self, used: dict[str, int], refuses: str = "") -> None:
        self.used = used
        self.refuses = refuses
        self.written: list[str] = []

    async def hold(self, pod: Pod, resource: str) -> None:
        if resource == self.refuses:
            raise HoldFailed("device or resource busy")
        self.written.append(f"pod {resource}")

    async def memory_used(self, pod: Pod, container_id: str = "") -> int | None:
        return self.used.get(container_id)

    async def update_resources(self, container_id: str, resources: Resources) -> None:
        self.written.append(f"{container_id} {resources.cpu_quota} {resources.memory_limit // MiB}")


async def carried_out(
    before: Pod, after: Pod, used: dict[str, int] | None = None, refuses: str = ""
) -> tuple[list[str], str, dict[str, ResourceRequirements]]:
    """What was written, why it failed, and what containers are held to in the end."""
    machine = Machine(used or {}, refuses)
    held = {c.name: within(c.resources, before.spec.resources) for c in before.spec.containers or ()}
    resizer = Resizer(after, resizes.resources(before.spec), machine, machine, NODE)  # type: ignore[arg-type]
    changed = [
        Resized(c.name, held[c.name], c)
        for c in after.spec.containers or ()
        if resizes.changes(held[c.name], resizes.granted_to(after.spec, c))
    ]
    try:
        await resizer.run(changed, held.__setitem__)
    except ResizeFailed as failure:
        return machine.written, str(failure), held
    return machine.written, "", held


@pytest.mark.parametrize(
    ("before", "after", "written"),
    [
        ([("1", "64Mi")], [("2", "128Mi")], ["pod memory", "c0 100000 128", "pod cpu", "c0 200000 128"]),
        ([("2", "128Mi")], [("1", "64Mi")], ["c0 200000 64", "pod memory", "c0 100000 64", "pod cpu"]),
        ([("1", "128Mi")], [("2", "64Mi")], ["c0 100000 64", "pod memory", "pod cpu", "c0 200000 64"]),
        ([("1", "64Mi"), ("2", "")], [("2", "64Mi"), ("1", "")], ["c0 200000 64", "c1 100000 0"]),
    ],
)
async def test_what_grows_does_so_from_the_pod_inwards_and_what_shrinks_outwards(
    before: list[tuple[str, str]], after: list[tuple[str, str]], written: list[str]
) -> None:
    assert (await carried_out(limited(*before), limited(*after)))[:2] == (written, "")


async def test_limits_of_the_pod_are_passed_on_to_containers_without_any() -> None:
    before = limited(("", ""), ("1", "16Mi"), whole=("1", "64Mi"))
    after = limited(("", ""), ("1", "16Mi"), whole=("2", "64Mi"))
    assert (await carried_out(before, after))[:2] == (["pod cpu", "c0 200000 64"], "")


@pytest.mark.parametrize(
    ("used", "says"),
    [
        ({"": 50 * MiB, "c0": 31 * MiB}, ""),
        (
            {"": 50 * MiB, "c0": 32 * MiB},
            'attempting to set container "c0" memory limit (33554432) below current usage (33554432)',
        ),
        (
            {"": 97 * MiB, "c0": 40 * MiB},
            "[attempting to set pod memory limit (100663296) below current usage (101711872), attempting to set "
            'container "c0" memory limit (33554432) below current usage (41943040)]',
        ),
    ],
)
async def test_no_limit_becomes_less_than_what_is_in_use(used: dict[str, int], says: str) -> None:
    written, why, held = await carried_out(
        limited(("1", "64Mi"), ("1", "64Mi")), limited(("2", "32Mi"), ("1", "64Mi")), used
    )
    assert why == (f"cannot decrease memory limits: {says}" if says else "")
    assert bool(written) == (not says)
    assert str(held["c0"].limits["memory"]) == ("64Mi" if says else "32Mi")


async def test_what_was_done_before_a_failure_is_told() -> None:
    written, why, held = await carried_out(limited(("1", "64Mi")), limited(("2", "128Mi")), refuses="cpu")
    assert (written, why) == (["pod memory", "c0 100000 128"], "device or resource busy")
    assert {name: str(amount) for name, amount in held["c0"].limits.items()} == {"cpu": "1", "memory": "128Mi"}
