"""ResourceSlice."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api import go_text
from pilothouse.api.field_errors import FieldErrors, invalid, required
from pilothouse.api.time import format_time
from pilothouse.api.types.resource.v1 import Device, DeviceAttribute, ResourceSlice, ResourceSliceSpec
from pilothouse.kinds.cells import age
from pilothouse.kinds.core.disks import driver_name
from pilothouse.kinds.core.podspec.placement import node_selector
from pilothouse.kinds.resource import devices, rules
from pilothouse.kinds.strategy import Cell, Deletion, Strategy, Write
from pilothouse.semantics.validation.meta import IMMUTABLE

_DEVICES, _RICH_DEVICES, _COUNTER_SETS = 128, 64, 8
_ONE = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"


def prepare_create(obj: ResourceSlice, write: Write) -> ResourceSlice:
    """Taints get their time; lists as attributes and mappings of node resources are behind feature gates that are
    off."""
    return _timed(_without_gated(obj, None), write)


def prepare_update(new: ResourceSlice, old: ResourceSlice, write: Write) -> ResourceSlice:
    return _timed(_without_gated(new, old), write)


def _timed(obj: ResourceSlice, write: Write) -> ResourceSlice:
    if all(taint.time_added for device in obj.spec.devices for taint in device.taints):
        return obj
    now = format_time(write.now)
    found = tuple(
        replace(device, taints=tuple(t if t.time_added else replace(t, time_added=now) for t in device.taints))
        for device in obj.spec.devices
    )
    return replace(obj, spec=replace(obj.spec, devices=found))


def _without_gated(obj: ResourceSlice, old: ResourceSlice | None) -> ResourceSlice:
    before = old.spec.devices if old is not None else ()
    mapped = any(device.node_allocatable_resource_mappings for device in before)
    listed = any(_lists(attribute) for device in before for attribute in device.attributes.values())
    kept = tuple(_kept(device, mapped=mapped, listed=listed) for device in obj.spec.devices)
    return obj if kept == obj.spec.devices else replace(obj, spec=replace(obj.spec, devices=kept))


def _lists(attribute: DeviceAttribute) -> bool:
    return bool(attribute.ints or attribute.bools or attribute.strings or attribute.versions)


def _kept(device: Device, *, mapped: bool, listed: bool) -> Device:
    if device.node_allocatable_resource_mappings and not mapped:
        device = replace(device, node_allocatable_resource_mappings={})
    if listed or not any(map(_lists, device.attributes.values())):
        return device
    single = {
        name: replace(attribute, ints=(), bools=(), strings=(), versions=())
        for name, attribute in device.attributes.items()
    }
    return replace(device, attributes=single)


def validate(obj: ResourceSlice) -> FieldErrors:
    return _spec(obj.spec, None)


def validate_update(new: ResourceSlice, old: ResourceSlice) -> FieldErrors:
    return _spec(new.spec, old.spec)


def _spec(spec: ResourceSliceSpec, old: ResourceSliceSpec | None) -> FieldErrors:
    pool = spec.pool
    found = driver_name("spec.driver", spec.driver) + rules.pool_name("spec.pool.name", pool.name)
    if pool.resource_slice_count <= 0:
        found.append(invalid("spec.pool.resourceSliceCount", pool.resource_slice_count, "must be greater than zero"))
    if pool.generation < 0:
        found.append(invalid("spec.pool.generation", pool.generation, "must be greater than or equal to zero"))
    if old is not None:
        for path, value, before in (
            ("spec.pool.name", pool.name, old.pool.name),
            ("spec.driver", spec.driver, old.driver),
            ("spec.nodeName", spec.node_name, old.node_name),
        ):
            if value != before:
                found.append(invalid(path, value, IMMUTABLE))
    found += _places(spec)
    if go_text.given(spec.shared_counters) and go_text.given(spec.devices):
        found.append(invalid("spec", "", "only one of `sharedCounters` or `devices` is allowed"))
    former = {device.name: device for device in old.devices} if old is not None else {}
    own_places = bool(spec.per_device_node_selection)

    def device(at: str, one: Device) -> FieldErrors:
        return devices.validate(at, one, former.get(one.name), own_places=own_places)

    rich = any(d.taints or d.consumes_counters or any(map(_lists, d.attributes.values())) for d in spec.devices)
    limit = _RICH_DEVICES if rich else _DEVICES
    found += rules.each_once(spec.devices, limit, device, "spec.devices", key=lambda one: one.name)
    return found + rules.each_once(
        spec.shared_counters, _COUNTER_SETS, devices.counter_set, "spec.sharedCounters", key=lambda one: one.name
    )


def _places(spec: ResourceSliceSpec) -> FieldErrors:
    """Which nodes reach the devices: said in one way."""
    found: FieldErrors = []
    given: list[str] = []
    if spec.node_name:
        given.append("`nodeName`")
        found += devices.node_name("spec.nodeName", spec.node_name)
    elif spec.node_name is not None:
        detail = "must be either unset or set to a non-empty string"
        found.append(invalid("spec.nodeName", spec.node_name, detail))
    if spec.node_selector is not None:
        given.append("`nodeSelector`")
        found += node_selector("spec.nodeSelector", spec.node_selector)
        terms = spec.node_selector.node_selector_terms
        if len(terms or ()) != 1:
            at = "spec.nodeSelector.nodeSelectorTerms"
            found.append(invalid(at, terms, "must have exactly one node selector term"))
    for name, value in (("allNodes", spec.all_nodes), ("perDeviceNodeSelection", spec.per_device_node_selection)):
        if value:
            given.append(f"`{name}`")
        elif value is not None:
            found.append(invalid(f"spec.{name}", value, "must be either unset or set to true"))
    if not given:
        found.append(required("spec", _ONE))
    elif len(given) > 1:
        found.append(invalid("spec", "{" + ", ".join(given) + "}", f"{_ONE}, but multiple fields are set"))
    return found


def warnings(obj: ResourceSlice) -> Sequence[str]:
    driver = obj.spec.driver
    if driver == driver.lower():
        return ()
    return [f"spec.driver: driver names should be lowercase; {go_text.quote(driver)} contains uppercase characters"]


def row(obj: ResourceSlice, now: float) -> Sequence[Cell]:
    return (
        obj.metadata.name,
        obj.spec.node_name or "",
        obj.spec.driver,
        obj.spec.pool.name,
        age(obj.metadata.creation_timestamp, now),
    )


STRATEGY = Strategy(
    type=ResourceSlice,
    prefix="resourceslices",
    generation=("spec",),
    deletion=Deletion(returns_object=True),
    fields={"spec.nodeName": lambda o: o.spec.node_name or "", "spec.driver": lambda o: o.spec.driver},
    own_field_labels=True,
    unknown_field="field label not supported for resource.k8s.io/v1, Kind=ResourceSlice",
    row=row,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
    tells_empty=True,
)
