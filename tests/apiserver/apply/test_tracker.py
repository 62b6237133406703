"""The tracker of the registry: typed objects in and out, scale and apply with it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from pilothouse.api.errors import StatusError
from pilothouse.api.types.apps.v1 import Deployment, DeploymentSpec
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.autoscaling.v1 import HorizontalPodAutoscaler as V1
from pilothouse.api.types.autoscaling.v2 import HorizontalPodAutoscaler as V2
from pilothouse.api.types.autoscaling.v2 import HorizontalPodAutoscalerSpec
from pilothouse.api.types.core.v1 import ConfigMap, ObjectReference, ServiceAccount
from pilothouse.api.types.core.v1 import Event as CoreEvent
from pilothouse.api.types.events.v1 import Event
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.apply.tracker import FieldTracker
from pilothouse.apiserver.request.call import Call
from pilothouse.kinds.registry import strategies
from pilothouse.testing.clock import VirtualClock


@pytest.fixture(scope="module")
def tracker() -> FieldTracker:
    return FieldTracker(strategies(), VirtualClock())


def call(manager: str, subresource: str = "", **more: Any) -> Call:
    return Call(user=UserInfo(), api_version="v1", manager=manager, subresource=subresource, **more)


def owners(obj: Any) -> dict[tuple[str, str, str], Any]:
    return {(e.manager, e.operation, e.subresource): e.fields_v_1 for e in obj.metadata.managed_fields}


def test_create_update_and_reset(tracker: FieldTracker) -> None:
    obj = tracker.created(ConfigMap(metadata=ObjectMeta(name="a"), data={"k": "1"}), call("one"))
    assert owners(obj) == {("one", "Update", ""): {"f:data": {".": {}, "f:k": {}}}}
    new = tracker.updated(replace(obj, data={"k": "2", "l": "1"}), obj, call("two"))
    assert owners(new) == {
        ("one", "Update", ""): {"f:data": {}},
        ("two", "Update", ""): {"f:data": {"f:k": {}, "f:l": {}}},
    }
    same = tracker.updated(new, new, call("three"))
    assert same is new
    reset = tracker.updated(replace(new, data={"k": "3"}), new, call("two", untracked=True))
    assert owners(reset) == {}
    assert owners(tracker.updated(replace(reset, data={}), reset, call("two"))) == {}


def test_status_is_owned_through_its_subresource_only(tracker: FieldTracker) -> None:
    deployment = Deployment(metadata=ObjectMeta(name="d"))
    status = replace(deployment.status, replicas=2)
    held = tracker.created(replace(deployment, status=status, spec=replace(deployment.spec, replicas=2)), call("one"))
    assert owners(held) == {("one", "Update", ""): {"f:spec": {"f:replicas": {}}}}
    changed = replace(held, status=replace(status, replicas=3), spec=replace(held.spec, paused=True))
    through = tracker.updated(changed, held, call("two", "status"))
    assert owners(through)["two", "Update", "status"] == {"f:status": {"f:replicas": {}}}


def test_scale_takes_the_replicas(tracker: FieldTracker) -> None:
    obj = Deployment(metadata=ObjectMeta(name="d"), spec=DeploymentSpec(replicas=1))
    old = tracker.created(obj, call("one"))
    new = tracker.updated(replace(old, spec=DeploymentSpec(replicas=3)), old, call("two", "scale"))
    assert owners(new) == {("two", "Update", "scale"): {"f:spec": {"f:replicas": {}}}}
    assert [e.time for e in new.metadata.managed_fields] == [None]
    config = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "d"}, "spec": {"replicas": 5}}
    with pytest.raises(StatusError) as raised:
        tracker.applied_scale(new, config, call("three"), False)
    assert raised.value.status.message == (
        'Apply failed with 1 conflict: conflict with "two" with subresource "scale" using autoscaling/v1: '
        ".spec.replicas"
    )
    # Who wrote the object itself keeps the rest, and has an entry more for replicas that nobody else took.
    spec = DeploymentSpec(replicas=1, paused=True)
    held = tracker.created(Deployment(metadata=ObjectMeta(name="d"), spec=spec), call("one"))
    kept = tracker.updated(held, held, call("two", "scale")).metadata.managed_fields
    assert [(e.manager, e.api_version, e.fields_v_1, e.time is None) for e in kept] == [
        ("one", "apps/v1", {"f:spec": {"f:replicas": {}}}, True),
        ("one", "apps/v1", {"f:spec": {"f:paused": {}}}, False),
    ]
    forced = tracker.applied_scale(new, config, call("three"), True)
    assert forced.spec.replicas == 5
    assert owners(forced) == {("three", "Apply", "scale"): {"f:spec": {"f:replicas": {}}}}


def test_entries_of_another_version_are_compared_in_it(tracker: FieldTracker) -> None:
    old = tracker.created(
        V2(metadata=ObjectMeta(name="h"), spec=HorizontalPodAutoscalerSpec(max_replicas=3)), call("a")
    )
    config = {
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h"},
        "spec": {"maxReplicas": 4},
    }
    live = V1(metadata=old.metadata, spec=replace(V1().spec, max_replicas=3))
    with pytest.raises(StatusError) as raised:
        tracker.applied(live, config, V1, call("b"), False)
    assert raised.value.status.message == (
        'Apply failed with 1 conflict: conflict with "a" using autoscaling/v2: .spec.maxReplicas'
    )


def test_entries_of_another_group_are_lost(tracker: FieldTracker) -> None:
    theirs = {"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"}, "note": "x"}
    first = tracker.applied(None, theirs, Event, call("one"), False)
    live = CoreEvent(metadata=first.metadata, message="x")
    ours = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "message": "y"}
    assert owners(tracker.applied(live, ours, CoreEvent, call("two"), False)) == {
        ("two", "Apply", ""): {"f:message": {}}
    }


def test_owned_fields_are_told_in_upstreams_order(tracker: FieldTracker) -> None:
    obj = ConfigMap(metadata=ObjectMeta(name="a", labels={"z": "1", "b": "2"}), data={"y": "1", "k": "1"})
    held = tracker.created(obj, call("one"))
    held = tracker.updated(replace(held, data={"y": "1", "k": "1", "m": "1"}), held, call("one"))
    fields = held.metadata.managed_fields[0].fields_v_1
    assert list(fields) == ["f:data", "f:metadata"]
    assert list(fields["f:data"]) == [".", "f:k", "f:m", "f:y"]
    assert list(fields["f:metadata"]["f:labels"]) == [".", "f:b", "f:z"]


def test_an_item_without_its_key_ends_the_tracking_of_an_object(tracker: FieldTracker) -> None:
    account = ServiceAccount(metadata=ObjectMeta(name="a"), secrets=(ObjectReference(uid="u"),))
    assert owners(tracker.created(account, call("one"))) == {}
    held = tracker.created(replace(account, secrets=(ObjectReference(name="s"),)), call("one"))
    assert owners(held) != {}
    assert owners(tracker.updated(replace(held, secrets=account.secrets), held, call("one"))) == {}
    config = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}, "secrets": [{"name": "s"}]}
    with pytest.raises(StatusError) as raised:
        tracker.applied(account, config, ServiceAccount, call("two"), False)
    assert raised.value.status.message.startswith("failed to create typed live object (/a; /v1, Kind=ServiceAccount): ")
