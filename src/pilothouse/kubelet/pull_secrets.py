"""Credentials for registries, from the Secrets that a pod names. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from typing import Any

from pilothouse.api.types.core.v1 import Secret
from pilothouse.seams.runtime import RegistryAuth

CONFIG_JSON, CONFIG = ".dockerconfigjson", ".dockercfg"
DOCKER_HUB = "docker.io"
_HUB_NAMES = ("docker.io", "index.docker.io", "registry-1.docker.io")


def registry_of(image: str) -> str:
    """The host an image comes from."""
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return first
    return DOCKER_HUB


def credentials(image: str, secrets: Iterable[Secret]) -> list[RegistryAuth]:
    """What may open the registry of `image`: the entries whose server (and path, if any) it starts with, the longest
    first. Secrets that cannot be read are passed over."""
    name = image if registry_of(image) != DOCKER_HUB else f"{DOCKER_HUB}/{image.removeprefix(DOCKER_HUB + '/')}"
    found: list[tuple[int, RegistryAuth]] = []
    for secret in secrets:
        for server, entry in _entries(secret).items():
            place = server.removeprefix("https://").removeprefix("http://").rstrip("/")
            host, _, path = place.partition("/")
            if host in _HUB_NAMES:
                host, path = DOCKER_HUB, "" if path in ("v1", "v2") else path
            prefix = f"{host}/{path}".rstrip("/")
            if name == prefix or name.startswith(prefix + "/"):
                found.append((len(prefix), _auth(entry)))
    return [auth for _, auth in sorted(found, key=lambda pair: -pair[0])]


def _entries(secret: Secret) -> Mapping[str, Mapping[str, Any]]:
    try:
        if CONFIG_JSON in secret.data:
            entries = json.loads(secret.data[CONFIG_JSON]).get("auths", {})
        else:
            entries = json.loads(secret.data.get(CONFIG, b"{}"))
    except (ValueError, AttributeError):
        return {}
    return {k: v for k, v in entries.items() if isinstance(v, dict)} if isinstance(entries, dict) else {}


def _auth(entry: Mapping[str, Any]) -> RegistryAuth:
    user, password = str(entry.get("username", "")), str(entry.get("password", ""))
    if entry.get("auth") and not user:
        try:
            user, _, password = base64.b64decode(str(entry["auth"])).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return RegistryAuth(auth=str(entry["auth"]))
    return RegistryAuth(username=user, password=password, identity_token=str(entry.get("identitytoken", "")))
