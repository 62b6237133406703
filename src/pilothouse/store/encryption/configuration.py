"""EncryptionConfiguration (apiserver.config.k8s.io/v1): which resources are encrypted, how, and with which keys.

Read and checked as kube-apiserver does, with its messages. KMS is not offered: it is refused by name.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import yaml

from pilothouse.store.encryption.providers import CBC, GCM, Box, Identity, Provider

GROUP = "apiserver.config.k8s.io"
KIND = "EncryptionConfiguration"
_AES_BYTES = (16, 24, 32)
_MAKERS: dict[str, tuple[Callable[[str, bytes], Provider], tuple[int, ...]]] = {
    "aesgcm": (GCM, _AES_BYTES),
    "aescbc": (CBC, _AES_BYTES),
    "secretbox": (Box, (32,)),
}


class ConfigurationError(ValueError):
    """A configuration that cannot be used; the text says where and why, and never shows a key."""


class Key(msgspec.Struct, forbid_unknown_fields=True):
    name: str = ""
    secret: str = ""


class Keys(msgspec.Struct, forbid_unknown_fields=True):
    keys: tuple[Key, ...] = ()


class ProviderConfiguration(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Exactly one of its fields is set."""

    aesgcm: Keys | None = None
    aescbc: Keys | None = None
    secretbox: Keys | None = None
    identity: dict[str, Any] | None = None
    kms: dict[str, Any] | None = None


class ResourceConfiguration(msgspec.Struct, forbid_unknown_fields=True):
    resources: tuple[str, ...] = ()
    providers: tuple[ProviderConfiguration, ...] = ()


class Configuration(msgspec.Struct, forbid_unknown_fields=True):
    """The document, as it lies in the file."""

    kind: str = ""
    apiVersion: str = ""
    resources: tuple[ResourceConfiguration, ...] = ()


class Encryption(NamedTuple):
    """What is done with the resources that `resources` names (`secrets`, `widgets.example.com`, `*.apps`, `*.*`): they
    are written with the first provider and read with any."""

    resources: tuple[str, ...]
    providers: tuple[Provider, ...]


def parse(text: str) -> Configuration:
    """The document in `text` (YAML), checked. Raises ConfigurationError."""
    try:
        found = msgspec.convert(yaml.safe_load(text), Configuration)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        raise ConfigurationError(f"it is not YAML{f' (line {where.line + 1})' if where else ''}") from None
    except msgspec.ValidationError as error:
        raise ConfigurationError(str(error)) from None
    if (found.apiVersion, found.kind) != (f"{GROUP}/v1", KIND):
        what = f"{found.apiVersion or '?'}, {found.kind or '?'}"
        raise ConfigurationError(f"it is no {KIND} of {GROUP}/v1 (it says {what})")
    if faults := list(_faults(found)):
        raise ConfigurationError("; ".join(faults))
    return found


def encryptions(configuration: Configuration) -> list[Encryption]:
    """What a checked configuration asks for, in its order: of two that name a resource, the first counts."""
    return [Encryption(entry.resources, tuple(_providers(entry))) for entry in configuration.resources]


def _providers(entry: ResourceConfiguration) -> Iterator[Provider]:
    for provider in entry.providers:
        if provider.identity is not None:
            yield Identity()
        for name, (make, _) in _MAKERS.items():
            keys: Keys | None = getattr(provider, name)
            for key in keys.keys if keys is not None else ():
                yield make(key.name, base64.b64decode(key.secret))


def _faults(configuration: Configuration) -> Iterator[str]:
    if not configuration.resources:
        yield "resources: Required value: at least one resources is required"
    for i, entry in enumerate(configuration.resources):
        at = f"resources[{i}]"
        if not entry.resources:
            yield f"{at}.resources: Required value: at least one {at}.resources is required"
        yield from _overlaps(entry.resources, f"{at}.resources")
        for j, name in enumerate(entry.resources):
            if fault := _name_fault(name):
                yield f'{at}.resources[{j}]: Invalid value: "{name}": {fault}'
        if not entry.providers:
            yield f"{at}.providers: Required value: at least one {at}.providers is required"
        for j, provider in enumerate(entry.providers):
            yield from _provider_faults(provider, f"{at}.providers[{j}]")


def _group_resource(name: str) -> tuple[str, str]:
    resource, _, group = name.partition(".")
    return group, resource


def _overlaps(names: Sequence[str], at: str) -> Iterator[str]:
    parsed = [_group_resource(name) for name in names]
    quoted = ",".join(f'"{name}"' for name in names)
    shown = f"{at}: Invalid value: [{quoted}]: "
    if len(set(parsed)) < len(parsed):
        yield shown + "the same resource cannot be specified multiple times"
    distinct = set(parsed)
    groups = [group for group, _ in distinct]
    masked = ("*", "*") in distinct or any(resource == "*" and groups.count(group) > 1 for group, resource in distinct)
    if len(distinct) > 1 and masked:
        yield (
            shown
            + "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as "
            "they will be masked"
        )


def _name_fault(name: str) -> str:
    group, resource = _group_resource(name)
    if name.lower() != name:
        return "resource name should not contain capital letters"
    if name == "*":
        return "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources"
    if name in ("apiserveripinfo", "serviceipallocations", "servicenodeportallocations"):
        return "resources which do not have REST API/s cannot be encrypted"
    if group == "events.k8s.io":
        return (
            "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the "
            "config file"
        )
    if group == "extensions":
        return "'extensions' group has been removed and cannot be used for encryption"
    if group == "*" and resource != "*":
        return "encrypting the same resource across groups is not supported"
    return ""


def _provider_faults(provider: ProviderConfiguration, at: str) -> Iterator[str]:
    named = [field for field in provider.__struct_fields__ if getattr(provider, field) is not None]
    if not named:
        yield f"{at}: Invalid value: provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity"  # noqa: E501
    elif len(named) > 1:
        yield f"{at}: Invalid value: more than one provider specified in a single element, should split into different list elements"  # noqa: E501
    elif named == ["kms"]:
        yield f"{at}.kms: Invalid value: KMS providers are not supported: use aesgcm, aescbc, secretbox or identity"
    elif named[0] in _MAKERS:
        keys: Keys = getattr(provider, named[0])
        at = f"{at}.{named[0]}.keys"
        if not keys.keys:
            yield f"{at}: Required value: at least one keys is required"
        for i, key in enumerate(keys.keys):
            yield from _key_faults(key, f"{at}[{i}]", _MAKERS[named[0]][1])


def _key_faults(key: Key, at: str, sizes: Sequence[int]) -> Iterator[str]:
    if not key.name:
        yield f"{at}.name: Required value: name is a mandatory field for a key"
    if not key.secret:
        yield f"{at}.secret: Required value: secret is a mandatory field for a key"
        return
    try:
        size = len(base64.b64decode(key.secret, validate=True))
    except binascii.Error:
        yield f'{at}.secret: Invalid value: "REDACTED": secrets must be base64 encoded'
        return
    if size not in sizes:
        expected = " ".join(map(str, sizes))
        yield (
            f'{at}.secret: Invalid value: "REDACTED": secret is not of the expected length, got {size}, '
            f"expected one of [{expected}]"
        )
