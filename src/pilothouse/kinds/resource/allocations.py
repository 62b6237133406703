"""What a claim was given: its status, as scheduler and drivers write it. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from pilothouse.api import go_text
from pilothouse.api.field_errors import (
    FieldErrors,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
)
from pilothouse.api.types.resource.v1 import (
    AllocatedDeviceStatus,
    AllocationResult,
    DeviceAllocationConfiguration,
    DeviceRequestAllocationResult,
    NetworkDeviceData,
    ResourceClaim,
    ResourceClaimConsumerReference,
    ResourceClaimStatus,
)
from pilothouse.kinds.core.disks import driver_name
from pilothouse.kinds.core.podspec.placement import node_selector
from pilothouse.kinds.resource import requests, rules
from pilothouse.semantics.validation import addresses, conditions
from pilothouse.semantics.validation.meta import IMMUTABLE

_CONSUMERS, _RESULTS, _CONDITIONS, _DATA = 256, 32, 8, 10 * 1024
_INTERFACE, _HARDWARE, _IPS = 256, 128, 16
Device = tuple[str, str, str]


def _device(of: DeviceRequestAllocationResult | AllocatedDeviceStatus) -> Device:
    return of.driver, of.pool, of.device


def _shared(of: DeviceRequestAllocationResult | AllocatedDeviceStatus) -> tuple[str, ...]:
    return (*_device(of), of.share_id or "")


def _shown(of: AllocatedDeviceStatus) -> go_text.Fields:
    return go_text.Fields(zip(("Driver", "Pool", "Device", "ShareID"), _shared(of), strict=True))


def _results(status: ResourceClaimStatus) -> tuple[DeviceRequestAllocationResult, ...]:
    return status.allocation.devices.results if status.allocation is not None else ()


def defaults(status: ResourceClaimStatus) -> ResourceClaimStatus:
    allocation = status.allocation
    if allocation is None or not any(result.tolerations for result in allocation.devices.results):
        return status
    results = tuple(
        replace(result, tolerations=requests.toleration_defaults(result.tolerations))
        for result in allocation.devices.results
    )
    devices = replace(allocation.devices, results=results)
    return replace(status, allocation=replace(allocation, devices=devices))


def without_deallocated(new: ResourceClaim, old: ResourceClaim) -> ResourceClaim:
    """`new` without the device statuses of devices that it no longer has."""
    gone = set(map(_device, _results(old.status))) - set(map(_device, _results(new.status)))
    kept = tuple(device for device in new.status.devices if _device(device) not in gone)
    return new if len(kept) == len(new.status.devices) else replace(new, status=replace(new.status, devices=kept))


def validate(new: ResourceClaim, old: ResourceClaim) -> FieldErrors:
    """An update of the status."""
    status, names = new.status, requests.names_of(new.spec.devices)
    found = rules.each_once(
        status.reserved_for, _CONSUMERS, _consumer, "status.reservedFor", key=lambda consumer: consumer.uid
    )
    allocated = set(map(_shared, _results(status)))

    def device(at: str, one: AllocatedDeviceStatus) -> FieldErrors:
        return _device_status(at, one, _shared(one) in allocated)

    found += rules.each_once(status.devices, -1, device, "status.devices", key=_shared, shown=_shown)
    found += _reservations(new, old)
    if status.allocation is None:
        return found
    if old.status.allocation is None:
        return found + _allocation("status.allocation", status.allocation, names)
    if status.allocation != old.status.allocation:
        found.append(invalid("status.allocation", status.allocation, IMMUTABLE))
    return found


def _reservations(new: ResourceClaim, old: ResourceClaim) -> FieldErrors:
    path = "status.reservedFor"
    if not new.status.reserved_for:
        return []
    if new.status.allocation is None:
        return [forbidden(path, "may not be specified when `allocated` is not set")]
    added = set(new.status.reserved_for) - set(old.status.reserved_for)
    if new.metadata.deletion_timestamp is not None and added:
        detail = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"
        return [forbidden(path, detail)]
    return []


def _consumer(path: str, consumer: ResourceClaimConsumerReference) -> FieldErrors:
    return [required(f"{path}.{name}") for name in ("resource", "name", "uid") if not getattr(consumer, name)]


def _allocation(path: str, allocation: AllocationResult, names: requests.Names) -> FieldErrors:
    def result(at: str, one: DeviceRequestAllocationResult) -> FieldErrors:
        found = requests.reference(f"{at}.request", one.request, names)
        found += driver_name(f"{at}.driver", one.driver) + rules.pool_name(f"{at}.pool", one.pool)
        found += rules.short_name(f"{at}.device", one.device)
        found += rules.binding_conditions(at, one.binding_conditions, one.binding_failure_conditions)
        found += rules.tolerations(f"{at}.tolerations", one.tolerations)
        return found + (rules.uid(f"{at}.shareID", one.share_id) if one.share_id is not None else [])

    def config(at: str, one: DeviceAllocationConfiguration) -> FieldErrors:
        found: FieldErrors = []
        if not one.source:
            found.append(required(f"{at}.source"))
        elif one.source not in ("FromClaim", "FromClass"):
            found.append(not_supported(f"{at}.source", one.source, ("FromClaim", "FromClass")))
        return found + requests.references(f"{at}.requests", one.requests, names) + rules.configuration(at, one)

    devices = allocation.devices
    found = rules.each(devices.results, _RESULTS, result, f"{path}.devices.results")
    found += rules.each(devices.config, 2 * rules.CONFIGS, config, f"{path}.devices.config")
    if allocation.node_selector is not None:
        found += node_selector(f"{path}.nodeSelector", allocation.node_selector)
    return found


def _device_status(path: str, device: AllocatedDeviceStatus, allocated: bool) -> FieldErrors:
    found = driver_name(f"{path}.driver", device.driver) + rules.pool_name(f"{path}.pool", device.pool)
    found += rules.short_name(f"{path}.device", device.device)
    if device.share_id is not None:
        found += rules.uid(f"{path}.shareID", device.share_id)
    if not allocated:
        found.append(invalid(path, _shown(device), "must be an allocated device in the claim"))
    told = device.conditions or ()
    if len(told) > _CONDITIONS:
        found.append(too_many(f"{path}.conditions", len(told), _CONDITIONS))
    found += conditions.validate(f"{path}.conditions", told)
    if device.data is not None:
        found += rules.json_object(f"{path}.data", device.data, _DATA)
    return found + (_network(f"{path}.networkData", device.network_data) if device.network_data is not None else [])


def _network(path: str, data: NetworkDeviceData) -> FieldErrors:
    found: FieldErrors = []
    if len(data.interface_name.encode()) > _INTERFACE:
        found.append(too_long(f"{path}.interfaceName", _INTERFACE))
    if len(data.hardware_address.encode()) > _HARDWARE:
        found.append(too_long(f"{path}.hardwareAddress", _HARDWARE))
    return found + rules.each_once(data.ips, _IPS, addresses.interface, f"{path}.ips", key=rules.itself)
