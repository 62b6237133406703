"""What every `Client` keeps, the fake one and the real ones. Subclass with a fixture `client`; namespace `default`
exists, and nothing else is in the way."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from pilothouse.api.errors import StatusError
from pilothouse.api.types.core.v1 import ConfigMap, Container, Pod, PodSpec
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.machinery.client import Client, JSONPatch, MergePatch, StrategicMergePatch, WatchEvent
from pilothouse.machinery.discovery import by_kind, preferred

NS = "default"
replace = msgspec.structs.replace


def config_map(name: str, *, labels: dict[str, str] | None = None, **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace=NS, labels=labels or {}), data=data)


def with_meta(obj: Any, **changes: Any) -> Any:
    return replace(obj, metadata=replace(obj.metadata, **changes))


def names(items: Any) -> list[str]:
    return [item.metadata.name for item in items]


async def collect(client: Client, kind: type[Any], count: int, **options: Any) -> list[WatchEvent[Any]]:
    """The first `count` changes of a watch, bookmarks left out."""
    found: list[WatchEvent[Any]] = []
    async with asyncio.timeout(30), client.watch(kind, NS, **options) as events:
        async for event in events:
            if event.type != "BOOKMARK":
                found.append(event)
            if len(found) == count:
                break
    return found


class ClientContract:
    """The tests. Names of objects start with `contract-`."""

    @pytest.fixture(autouse=True)
    def _labels(self, request: pytest.FixtureRequest) -> None:
        self.mark = request.node.name.replace("_", "-")[:50].strip("-")

    def labels(self) -> dict[str, str]:
        return {"contract": self.mark}

    async def test_create_fills_in_identity_and_get_finds_it(self, client: Client) -> None:
        made = await client.create(config_map("contract-a", x="1"))
        assert made.metadata.uid
        assert made.metadata.creation_timestamp
        assert int(made.metadata.resource_version) > 0
        assert await client.get(ConfigMap, "contract-a", NS) == made
        await client.delete(ConfigMap, "contract-a", NS)

    async def test_generate_name(self, client: Client) -> None:
        made = await client.create(ConfigMap(metadata=ObjectMeta(generate_name="contract-g-", namespace=NS)))
        assert made.metadata.name.startswith("contract-g-")
        assert len(made.metadata.name) == len("contract-g-") + 5
        await client.delete(ConfigMap, made.metadata.name, NS)

    async def test_errors_have_code_and_reason(self, client: Client) -> None:
        with pytest.raises(StatusError) as missing:
            await client.get(ConfigMap, "contract-none", NS)
        assert (missing.value.code, missing.value.reason) == (404, "NotFound")
        assert str(missing.value) == 'configmaps "contract-none" not found'
        await client.create(config_map("contract-b"))
        with pytest.raises(StatusError) as twice:
            await client.create(config_map("contract-b"))
        assert (twice.value.code, twice.value.reason) == (409, "AlreadyExists")
        await client.delete(ConfigMap, "contract-b", NS)
        with pytest.raises(StatusError) as gone:
            await client.delete(ConfigMap, "contract-b", NS)
        assert gone.value.code == 404

    async def test_dry_run_changes_nothing(self, client: Client) -> None:
        await client.create(config_map("contract-dry"), dry_run=True)
        with pytest.raises(StatusError):
            await client.get(ConfigMap, "contract-dry", NS)

    async def test_update_needs_the_latest_version(self, client: Client) -> None:
        first = await client.create(config_map("contract-c", x="1"))
        second = await client.update(replace(first, data={"x": "2"}))
        assert int(second.metadata.resource_version) > int(first.metadata.resource_version)
        with pytest.raises(StatusError) as stale:
            await client.update(replace(first, data={"x": "3"}))
        assert (stale.value.code, stale.value.reason) == (409, "Conflict")
        same = await client.update(second)
        assert same.metadata.resource_version == second.metadata.resource_version
        await client.delete(ConfigMap, "contract-c", NS)

    async def test_patches(self, client: Client) -> None:
        await client.create(config_map("contract-d", x="1", y="2"))
        merged = await client.patch(ConfigMap, "contract-d", NS, MergePatch({"data": {"x": None, "z": "3"}}))
        assert merged.data == {"y": "2", "z": "3"}
        strategic = StrategicMergePatch({"metadata": {"finalizers": ["contract.test/hold"]}})
        held = await client.patch(ConfigMap, "contract-d", NS, strategic)
        assert held.metadata.finalizers == ("contract.test/hold",)
        operations = [
            {"op": "replace", "path": "/data/y", "value": "9"},
            {"op": "remove", "path": "/metadata/finalizers"},
        ]
        patched = await client.patch(ConfigMap, "contract-d", NS, JSONPatch(operations))
        assert patched.data == {"y": "9", "z": "3"}
        assert patched.metadata.finalizers == ()
        await client.delete(ConfigMap, "contract-d", NS)

    async def test_list_selects_and_pages(self, client: Client) -> None:
        for number in range(5):
            await client.create(config_map(f"contract-l{number}", labels=self.labels()))
        selector = f"contract={self.mark}"
        everything = await client.list(ConfigMap, NS, label_selector=selector)
        assert names(everything.items) == [f"contract-l{n}" for n in range(5)]
        one = await client.list(ConfigMap, NS, field_selector="metadata.name=contract-l3")
        assert names(one.items) == ["contract-l3"]
        page = await client.list(ConfigMap, NS, label_selector=selector, limit=2)
        found = names(page.items)
        while page.continue_token:
            page = await client.list(
                ConfigMap, NS, label_selector=selector, limit=2, continue_token=page.continue_token
            )
            found += names(page.items)
        assert found == [f"contract-l{n}" for n in range(5)]
        await client.delete_collection(ConfigMap, NS, label_selector=selector)
        assert not (await client.list(ConfigMap, NS, label_selector=selector)).items

    async def test_watch_tells_each_change_once_in_order(self, client: Client) -> None:
        start = (await client.list(ConfigMap, NS)).resource_version
        made = await client.create(config_map("contract-w", labels=self.labels()))
        await client.update(replace(made, data={"a": "b"}))
        await client.delete(ConfigMap, "contract-w", NS)
        selector = f"contract={self.mark}"
        events = await collect(client, ConfigMap, 3, resource_version=start, label_selector=selector)
        assert [e.type for e in events] == ["ADDED", "MODIFIED", "DELETED"]
        versions = [int(e.object.metadata.resource_version) for e in events]
        assert versions == sorted(set(versions))
        later = await collect(client, ConfigMap, 2, resource_version=str(versions[0]), label_selector=selector)
        assert [e.type for e in later] == ["MODIFIED", "DELETED"]

    async def test_watch_of_a_selector_sees_objects_come_and_go(self, client: Client) -> None:
        start = (await client.list(ConfigMap, NS)).resource_version
        made = await client.create(config_map("contract-t"))
        marked = await client.update(with_meta(made, labels=self.labels()))
        await client.update(with_meta(marked, labels={}))
        events = await collect(client, ConfigMap, 2, resource_version=start, label_selector=f"contract={self.mark}")
        assert [e.type for e in events] == ["ADDED", "DELETED"]
        assert events[1].object.metadata.labels == self.labels()
        await client.delete(ConfigMap, "contract-t", NS)

    async def test_watch_follows_live(self, client: Client) -> None:
        start = (await client.list(ConfigMap, NS)).resource_version
        watching = asyncio.ensure_future(
            collect(client, ConfigMap, 1, resource_version=start, label_selector=f"contract={self.mark}")
        )
        await asyncio.sleep(0)
        await client.create(config_map("contract-live", labels=self.labels()))
        assert names([e.object for e in await watching]) == ["contract-live"]
        await client.delete(ConfigMap, "contract-live", NS)

    async def test_finalizers_hold_a_deletion(self, client: Client) -> None:
        held = with_meta(config_map("contract-f"), finalizers=("contract.test/hold",))
        await client.create(held)
        await client.delete(ConfigMap, "contract-f", NS)
        going = await client.get(ConfigMap, "contract-f", NS)
        assert going.metadata.deletion_timestamp
        await client.update(with_meta(going, finalizers=()))
        with pytest.raises(StatusError):
            await client.get(ConfigMap, "contract-f", NS)

    async def test_delete_checks_preconditions_and_adds_finalizers(self, client: Client) -> None:
        made = await client.create(config_map("contract-p"))
        with pytest.raises(StatusError) as other:
            await client.delete(ConfigMap, "contract-p", NS, uid="11111111-2222-3333-4444-555555555555")
        assert other.value.reason == "Conflict"
        await client.delete(ConfigMap, "contract-p", NS, uid=made.metadata.uid, propagation_policy="Foreground")
        # A running garbage collector may be quicker than we are; without one, the finalizer waits for it.
        for going in (await client.list(ConfigMap, NS, field_selector="metadata.name=contract-p")).items:
            assert going.metadata.finalizers == ("foregroundDeletion",)
            await client.update(with_meta(going, finalizers=()))

    async def test_status_is_written_apart(self, client: Client) -> None:
        pod = Pod(
            metadata=ObjectMeta(name="contract-pod", namespace=NS),
            spec=PodSpec(containers=(Container(name="c", image="i"),), automount_service_account_token=False),
        )
        made = await client.create(pod)
        told = replace(made, status=replace(made.status, message="told"))
        kept = await client.update(told)
        assert kept.status.message == ""
        told = replace(kept, status=replace(kept.status, message="told"))
        assert (await client.update(told, subresource="status")).status.message == "told"
        await client.delete(Pod, "contract-pod", NS, grace_period_seconds=0)
        with pytest.raises(StatusError):
            await client.get(Pod, "contract-pod", NS)

    async def test_metadata_of_any_resource(self, client: Client) -> None:
        told = await client.metadata.resources()
        resources = preferred(told)
        assert ("autoscaling/v1", "HorizontalPodAutoscaler") in by_kind(told)
        maps = resources["", "configmaps"]
        assert ("apps", "deployments") in resources
        made = await client.create(config_map("contract-m", x="1"))
        found = await client.metadata.get(maps, "contract-m", NS)
        assert found.metadata.uid == made.metadata.uid
        assert "contract-m" in names((await client.metadata.list(maps, NS)).items)
        changed = await client.metadata.patch(maps, "contract-m", NS, MergePatch({"metadata": {"labels": {"a": "b"}}}))
        assert changed.metadata.labels == {"a": "b"}
        async with (
            asyncio.timeout(30),
            client.metadata.watch(maps, NS, resource_version=made.metadata.resource_version) as events,
        ):
            event = await anext(events)
        assert (event.type, event.object.metadata.labels) == ("MODIFIED", {"a": "b"})
        await client.metadata.delete(maps, "contract-m", NS, uid=made.metadata.uid)
