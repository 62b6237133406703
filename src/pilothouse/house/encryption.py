"""Encryption at rest of a cluster: the file that holds its keys, and what of the store they are for.

The file is an EncryptionConfiguration as kube-apiserver reads it. A cluster begins with one that encrypts Secrets with
AES-GCM and a key of its own.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator

import msgspec
import yaml

from pilothouse.api.types.resources import SERVED
from pilothouse.house.paths import Paths
from pilothouse.house.spec import write_atomically
from pilothouse.seams.house import HouseError
from pilothouse.store.encryption.configuration import (
    GROUP,
    KIND,
    Configuration,
    ConfigurationError,
    Key,
    Keys,
    ProviderConfiguration,
    ResourceConfiguration,
    encryptions,
    parse,
)
from pilothouse.store.encryption.encrypted import Rule

_KEY_BYTES = 32


def checked(text: str, where: str) -> Configuration:
    """The configuration in `text`. Raises HouseError, also for a resource that this API server does not have."""
    try:
        found = parse(text)
    except ConfigurationError as error:
        raise HouseError(f"{where} cannot be used: {error}") from None
    served = {(r.group, r.resource) for r in SERVED}
    for name in (name for entry in found.resources for name in entry.resources):
        resource, _, group = name.partition(".")
        if "*" not in name and "." not in group and (group, resource) not in served:
            raise HouseError(f"{where} cannot be used: there is no resource {name}", "kubectl api-resources lists all")
    return found


def begun() -> str:
    """The configuration of a new cluster, with a new key."""
    key = Keys((_new_key("key1"),))
    providers = (ProviderConfiguration(aesgcm=key), ProviderConfiguration(identity={}))
    entry = ResourceConfiguration(("secrets",), providers)
    return _text(Configuration(KIND, f"{GROUP}/v1", (entry,)))


def rotated(text: str, where: str) -> str:
    """`text` with a new key in front of each first provider: it writes from now on, the old ones are for reading.
    Raises HouseError if nothing is encrypted."""
    found = checked(text, where)
    names = {
        key.name
        for entry in found.resources
        for provider in entry.providers
        for keys in (provider.aesgcm, provider.aescbc, provider.secretbox)
        for key in (keys.keys if keys is not None else ())
    }
    name = next(f"key{n}" for n in range(1, len(names) + 2) if f"key{n}" not in names)
    entries = tuple(_with_key(entry, name) for entry in found.resources)
    if entries == found.resources:
        raise HouseError(f"{where} encrypts nothing: there is no key to replace")
    return _text(msgspec.structs.replace(found, resources=entries))


def _with_key(entry: ResourceConfiguration, name: str) -> ResourceConfiguration:
    first, *others = entry.providers
    for provider in ("aesgcm", "aescbc", "secretbox"):
        keys: Keys | None = getattr(first, provider)
        if keys is not None:
            longer = Keys((_new_key(name), *keys.keys))
            first = msgspec.structs.replace(first, **{provider: longer})
    return msgspec.structs.replace(entry, providers=(first, *others))


def _new_key(name: str) -> Key:
    return Key(name, base64.b64encode(os.urandom(_KEY_BYTES)).decode())


def _text(configuration: Configuration) -> str:
    found = msgspec.to_builtins(configuration)
    head = {"apiVersion": found.pop("apiVersion"), "kind": found.pop("kind")}
    text: str = yaml.safe_dump({**head, **found}, sort_keys=False)
    return text


def read(paths: Paths) -> str:
    """The cluster's file. Raises HouseError if it is lost: without it what is encrypted cannot be read."""
    try:
        return paths.encryption.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is damaged"
        raise HouseError(
            f"the encryption keys of cluster {paths.state.name} cannot be read: {paths.encryption}: {why}",
            "put the file back from a backup; without it the cluster's Secrets are lost: "
            f"pilothouse down --name {paths.state.name} takes the cluster away",
        ) from None


def write(paths: Paths, text: str) -> None:
    """Keep `text` as the cluster's file, for its owner alone."""
    write_atomically(paths.encryption, text.encode())


def rules(paths: Paths) -> list[Rule]:
    """What the cluster's file asks of its store. Raises HouseError."""
    found = encryptions(checked(read(paths), str(paths.encryption)))
    return [Rule(prefix, one.providers) for one in found for name in one.resources for prefix in prefixes_of(name)]


def prefixes_of(name: str) -> Iterator[str]:
    """Where in the store the objects of a resource lie; `name` as in a configuration, wildcards included."""
    from pilothouse.kinds.registry import strategies

    resource, _, group = name.partition(".")
    if (resource, group) == ("*", "*"):
        yield "/registry/"
        return
    own = [s for s in strategies() if s.resource.group == group and resource in ("*", s.resource.resource)]
    yield from sorted({f"/registry/{strategy.prefix}/" for strategy in own})
    if group and not own:
        yield f"/registry/{group}/" if resource == "*" else f"/registry/{group}/{resource}/"
