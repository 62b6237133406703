"""A container's environment: Services, envFrom, env, in that order, later ones winning. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.api.quantity import Quantity
from pilothouse.api.types.core.v1 import (
    ConfigMap,
    Container,
    EnvVar,
    EnvVarSource,
    EphemeralContainer,
    FileKeySelector,
    Pod,
    Secret,
    Service,
)
from pilothouse.kubelet import downward
from pilothouse.kubelet.env_files import EnvFileError, lookup
from pilothouse.kubelet.expansion import expand
from pilothouse.kubelet.service_environment import variables, visible

AnyContainer = Container | EphemeralContainer


class ConfigError(ValueError):
    """What the container refers to is not there: it waits as CreateContainerConfigError with this text."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an environment is made of, beside the pod. `config_maps` and `secrets` by name, None if absent."""

    pod_ips: tuple[str, ...] = ()
    host_ips: tuple[str, ...] = ()
    services: Sequence[Service] = ()
    config_maps: Mapping[str, ConfigMap | None] = field(default_factory=dict)
    secrets: Mapping[str, Secret | None] = field(default_factory=dict)
    allocatable: Mapping[str, Quantity] = field(default_factory=dict)
    env_files: Mapping[tuple[str, str], bytes | None] = field(default_factory=dict)
    """By volume and path; None if absent."""


def references(container: AnyContainer) -> Iterator[tuple[str, str]]:
    """("ConfigMap" | "Secret", name) of all that the environment takes values from."""
    for source in container.env_from:
        if source.config_map_ref is not None:
            yield "ConfigMap", source.config_map_ref.name
        if source.secret_ref is not None:
            yield "Secret", source.secret_ref.name
    for variable in container.env:
        origin = variable.value_from
        if origin is not None and origin.config_map_key_ref is not None:
            yield "ConfigMap", origin.config_map_key_ref.name
        if origin is not None and origin.secret_key_ref is not None:
            yield "Secret", origin.secret_key_ref.name


def env_files(container: AnyContainer) -> Iterator[tuple[str, str]]:
    """(volume, path) of the files that variables are taken from."""
    for variable in container.env:
        origin = variable.value_from
        if origin is not None and origin.file_key_ref is not None:
            yield origin.file_key_ref.volume_name, origin.file_key_ref.path


def environment(pod: Pod, container: AnyContainer, around: Surroundings) -> dict[str, str]:
    """Names to values. Raises ConfigError."""
    links = pod.spec.enable_service_links is not False
    services = variables(visible(around.services, pod.metadata.namespace, links=links))
    found: dict[str, str] = {}
    for source in container.env_from:
        found.update(_all_of(source.prefix, _env_from(pod, container, around, source)))
    for variable in container.env:
        value = _value(pod, container, variable, around, {**services, **found})
        if value is not None:
            found[variable.name] = value
    return {**services, **found}


def _all_of(prefix: str, values: Mapping[str, str]) -> dict[str, str]:
    return {prefix + key: value for key, value in values.items()}


def _env_from(pod: Pod, container: AnyContainer, around: Surroundings, source: object) -> Mapping[str, str]:
    config, secret = getattr(source, "config_map_ref", None), getattr(source, "secret_ref", None)
    if config is not None:
        found = around.config_maps.get(config.name)
        if found is None and not config.optional:
            raise ConfigError(f'configmap "{config.name}" not found')
        return found.data if found else {}
    if secret is not None:
        held = around.secrets.get(secret.name)
        if held is None and not secret.optional:
            raise ConfigError(f'secret "{secret.name}" not found')
        return {key: as_text(value) for key, value in (held.data if held else {}).items()}
    return {}


def as_text(value: bytes) -> str:
    """A Secret's value as a variable: bytes that are no UTF-8 pass through unharmed."""
    return value.decode("utf-8", "surrogateescape")


def _value(
    pod: Pod, container: AnyContainer, variable: EnvVar, around: Surroundings, known: Mapping[str, str]
) -> str | None:
    """None: an optional source that is absent leaves the variable out."""
    origin = variable.value_from
    if origin is None:
        return expand(variable.value, known)
    if origin.field_ref is not None:
        return downward.field(pod, origin.field_ref, around.pod_ips, around.host_ips)
    if origin.resource_field_ref is not None:
        return downward.resource(pod, container, origin.resource_field_ref, around.allocatable)
    return _key(pod, origin, around)


def _key(pod: Pod, origin: EnvVarSource, around: Surroundings) -> str | None:
    space = pod.metadata.namespace
    if (key := origin.config_map_key_ref) is not None:
        found = around.config_maps.get(key.name)
        if found is None:
            return _require(key.optional, f'configmap "{key.name}" not found')
        if key.key in found.data:
            return found.data[key.key]
        return _require(key.optional, f"couldn't find key {key.key} in ConfigMap {space}/{key.name}")
    if (secret_key := origin.secret_key_ref) is not None:
        held = around.secrets.get(secret_key.name)
        if held is None:
            return _require(secret_key.optional, f'secret "{secret_key.name}" not found')
        if secret_key.key in held.data:
            return as_text(held.data[secret_key.key])
        text = f"couldn't find key {secret_key.key} in Secret {space}/{secret_key.name}"
        return _require(secret_key.optional, text)
    if (file_key := origin.file_key_ref) is not None:
        return _from_file(file_key, around.env_files.get((file_key.volume_name, file_key.path)))
    return ""


def _from_file(key: FileKeySelector, content: bytes | None) -> str | None:
    missing = f'environment variable key "{key.key}" not found in file "{key.path}"'
    try:
        value = None if content is None else lookup(content.decode("utf-8", "surrogateescape"), key.key)
    except EnvFileError as error:
        raise ConfigError(f"couldn't parse env file: {error}") from None
    return value or _require(key.optional, missing)


def _require(optional: bool | None, text: str) -> str | None:
    """None if the source may be absent. Raises ConfigError."""
    if optional:
        return None
    raise ConfigError(text)


def commands(texts: Iterable[str], values: Mapping[str, str]) -> list[str]:
    """Command or arguments with their `$(NAME)`s filled in."""
    return [expand(text, values) for text in texts]
