"""From a pod's volumes to their shapes, asking the API for what they hold. One function a kind, one line in `KINDS`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pilothouse.api.quantity import Quantity, QuantityError
from pilothouse.api.quantity import parse as quantity
from pilothouse.api.types.core.v1 import (
    ConfigMap,
    DownwardAPIVolumeFile,
    KeyToPath,
    Pod,
    PodSecurityContext,
    Secret,
    ServiceAccountTokenProjection,
    Volume,
)
from pilothouse.api.types.node.v1 import RuntimeClass
from pilothouse.kubelet import downward
from pilothouse.kubelet.volumes.model import File, Files, Host, Scratch, Shape, VolumeError

DEFAULT_MODE = 0o644
HUGE_MEDIUM, HUGE_RESOURCE = "HugePages", "hugepages-"


class Fetch(Protocol):
    """The API as volumes need it."""

    async def config_map(self, namespace: str, name: str) -> ConfigMap | None: ...

    async def runtime_class(self, name: str) -> RuntimeClass | None: ...

    async def secret(self, namespace: str, name: str) -> Secret | None: ...

    async def token(self, pod: Pod, audience: str, seconds: int) -> str:
        """A token of the pod's service account, bound to the pod; renewed when most of its life is over."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`pod_ips` may still be empty when volumes are first made."""

    fetch: Fetch
    allocatable: Mapping[str, Quantity]
    host_ips: tuple[str, ...]


async def shapes(pod: Pod, around: Surroundings) -> dict[str, Shape]:
    """The shape of each volume by its name. Raises VolumeError, with the event's text."""
    found: dict[str, Shape] = {}
    for volume in pod.spec.volumes:
        try:
            found[volume.name] = await _shape(pod, volume, around)
        except (VolumeError, downward.UnknownField) as error:
            raise VolumeError(f'MountVolume.SetUp failed for volume "{volume.name}" : {error}') from None
    return found


async def _shape(pod: Pod, volume: Volume, around: Surroundings) -> Shape:
    for attribute, make in KINDS.items():
        source = getattr(volume, attribute)
        if source is not None:
            return await make(pod, source, around)
    raise VolumeError("no volume plugin matched")


def keyed(
    values: Mapping[str, bytes], items: tuple[KeyToPath, ...], mode: int, optional: bool | None
) -> dict[str, File]:
    """The files of a ConfigMap or Secret: all keys, or those that `items` name."""
    if not items:
        return {key: File(data, mode) for key, data in values.items()}
    found = {}
    for item in items:
        if item.key not in values:
            if optional:
                continue
            raise VolumeError(f"references non-existent config key: {item.key}")
        found[item.path] = File(values[item.key], mode if item.mode is None else item.mode)
    return found


def config_map_values(found: ConfigMap | None) -> dict[str, bytes]:
    if found is None:
        return {}
    return {**{key: text.encode() for key, text in found.data.items()}, **found.binary_data}


async def _config_map_files(pod: Pod, source: Any, around: Surroundings, mode: int) -> dict[str, File]:
    found = await around.fetch.config_map(pod.metadata.namespace, source.name)
    if found is None and not source.optional:
        raise VolumeError(f'configmap "{source.name}" not found')
    items = source.items if found is not None else ()
    return keyed(config_map_values(found), items, mode, source.optional)


async def _secret_files(pod: Pod, source: Any, name: str, around: Surroundings, mode: int) -> dict[str, File]:
    found = await around.fetch.secret(pod.metadata.namespace, name)
    if found is None and not source.optional:
        raise VolumeError(f'secret "{name}" not found')
    items = source.items if found is not None else ()
    return keyed(found.data if found else {}, items, mode, source.optional)


def downward_files(
    pod: Pod, items: tuple[DownwardAPIVolumeFile, ...], around: Surroundings, mode: int
) -> dict[str, File]:
    found = {}
    ips = tuple(ip.ip for ip in pod.status.pod_ips)
    for item in items:
        text = ""
        if item.field_ref is not None:
            text = downward.field(pod, item.field_ref, ips, around.host_ips)
        elif item.resource_field_ref is not None:
            text = downward.resource(pod, None, item.resource_field_ref, around.allocatable)
        found[item.path] = File(text.encode(), mode if item.mode is None else item.mode)
    return found


def _mode(value: int | None) -> int:
    return DEFAULT_MODE if value is None else value


async def _config_map(pod: Pod, source: Any, around: Surroundings) -> Shape:
    return Files(await _config_map_files(pod, source, around, _mode(source.default_mode)))


async def _secret(pod: Pod, source: Any, around: Surroundings) -> Shape:
    found = await _secret_files(pod, source, source.secret_name, around, _mode(source.default_mode))
    return Files(found, memory=True, plugin="secret")


async def _downward(pod: Pod, source: Any, around: Surroundings) -> Shape:
    found = downward_files(pod, source.items, around, _mode(source.default_mode))
    return Files(found, memory=True, plugin="downward-api")


def token_owner(pod: Pod, mode: int) -> tuple[int, int | None]:
    """(mode, owner) of a token's file: only the one user of all containers may read it, if there is one."""
    context = pod.spec.security_context or PodSecurityContext()
    users = set()
    for container in (*(pod.spec.containers or ()), *pod.spec.init_containers):
        own = container.security_context
        users.add(own.run_as_user if own is not None and own.run_as_user is not None else context.run_as_user)
    if len(users) == 1 and (user := users.pop()) is not None:
        return 0o600, user
    return (0o600 if context.fs_group is not None else mode), None


async def _token(pod: Pod, source: ServiceAccountTokenProjection, around: Surroundings, mode: int) -> dict[str, File]:
    seconds = 3600 if source.expiration_seconds is None else source.expiration_seconds
    token = await around.fetch.token(pod, source.audience, seconds)
    mode, owner = token_owner(pod, mode)
    return {source.path: File(token.encode(), mode, owner)}


async def _projected(pod: Pod, source: Any, around: Surroundings) -> Shape:
    mode = _mode(source.default_mode)
    found: dict[str, File] = {}
    for part in source.sources or ():
        if part.config_map is not None:
            found.update(await _config_map_files(pod, part.config_map, around, mode))
        elif part.secret is not None:
            found.update(await _secret_files(pod, part.secret, part.secret.name, around, mode))
        elif part.downward_api is not None:
            found.update(downward_files(pod, part.downward_api.items, around, mode))
        elif part.service_account_token is not None:
            found.update(await _token(pod, part.service_account_token, around, mode))
        else:
            raise VolumeError("this kind of projection is not supported")
    return Files(found, memory=True, plugin="projected")


async def _empty_dir(pod: Pod, source: Any, around: Surroundings) -> Shape:
    limit = source.size_limit.integer() if source.size_limit is not None else 0
    medium = source.medium or ""
    if medium == HUGE_MEDIUM or medium.startswith(f"{HUGE_MEDIUM}-"):
        return Scratch(memory=False, size=limit, page=huge_page(pod, medium))
    if medium not in ("", "Memory"):
        raise VolumeError(f'unknown storage medium "{medium}"')
    return Scratch(medium == "Memory", limit)


def huge_page(pod: Pod, medium: str) -> int:
    """The size in bytes of the pages that a medium (HugePages, HugePages-2Mi) stands for in the pod. Raises VolumeError
    if no container asks for such pages, or the medium does not say which of several.
    Upstream: getPageSizeMountOption."""
    resources = [pod.spec.resources] if pod.spec.resources is not None else []
    resources += [c.resources for c in (*(pod.spec.containers or ()), *pod.spec.init_containers)]
    names = {name for one in resources for name in one.requests if name.startswith(HUGE_RESOURCE)}
    try:
        sizes = {quantity(name.removeprefix(HUGE_RESOURCE)).integer() for name in names}
        if medium != HUGE_MEDIUM:
            sizes &= {quantity(medium.removeprefix(f"{HUGE_MEDIUM}-")).integer()}
    except QuantityError as error:
        raise VolumeError(str(error)) from None
    if len(sizes) > 1:
        raise VolumeError(f"medium: {medium} can't be used if container requests multiple huge page sizes")
    if not sizes:
        text = "hugePages storage requested, but there is no resource request for huge pages"
        raise VolumeError(f"medium {medium}: {text}")
    return sizes.pop()


async def _host_path(pod: Pod, source: Any, around: Surroundings) -> Shape:
    return Host(source.path, source.type or "")


KINDS: dict[str, Callable[[Pod, Any, Surroundings], Awaitable[Shape]]] = {
    "config_map": _config_map,
    "secret": _secret,
    "projected": _projected,
    "empty_dir": _empty_dir,
    "host_path": _host_path,
    "downward_api": _downward,
}
