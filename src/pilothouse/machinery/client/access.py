"""How to reach an API server and who one is there: from a kubeconfig, from files in a pod, or given directly.

Files may be replaced while the client runs (certificates rotate, tokens expire): they are looked at again whenever
their modification time changes.
"""

from __future__ import annotations

import base64
import binascii
import os
import pathlib
import ssl
from dataclasses import dataclass, field
from typing import Any

import yaml

from pilothouse.kit import tls


class AccessError(ValueError):
    """A kubeconfig or credential that cannot be used; says which and why."""


@dataclass(frozen=True, slots=True)
class Access:
    """`server` is a URL without a path at its end. Of certificate and token, data win over files. `authority` (PEM)
    is whom to trust; None trusts nobody unless `insecure`."""

    server: str
    authority: bytes | None = None
    insecure: bool = False
    server_name: str = ""
    certificate: bytes = b""
    key: bytes = b""
    certificate_file: str = ""
    key_file: str = ""
    token: str = field(default="", repr=False)
    token_file: str = ""
    namespace: str = ""

    @property
    def base(self) -> str:
        return self.server.rstrip("/")


class Credentials:
    """The current TLS context and bearer token of an `Access`, re-read when their files change."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._context: ssl.SSLContext | None = None
        self._context_stamp: tuple[float, ...] = ()
        self._token = access.token
        self._token_stamp: tuple[float, ...] = ()

    def context(self) -> ssl.SSLContext | None:
        """None for a plain http server."""
        access = self._access
        if not access.server.startswith("https://"):
            return None
        stamp = _stamps(access.certificate_file, access.key_file)
        if self._context is None or stamp != self._context_stamp:
            try:
                self._context = self._new_context()
            except AccessError:
                # Between the writing of one file and the other the pair is none: the one before still serves.
                if self._context is None:
                    raise
            else:
                self._context_stamp = stamp
        return self._context

    def _new_context(self) -> ssl.SSLContext:
        access = self._access
        pair = None
        if access.certificate:
            pair = tls.KeyPair(access.certificate, access.key)
        elif access.certificate_file:
            pair = tls.KeyPair(_read(access.certificate_file), _read(access.key_file or access.certificate_file))
        authority = None if access.insecure else access.authority
        if authority is None and not access.insecure:
            raise AccessError(f"no certificate authority given for {access.server}")
        try:
            return tls.client_context(authority, pair)
        except ssl.SSLError as error:
            raise AccessError(f"the client certificate for {access.server} cannot be used: {error}") from error

    def token(self) -> str:
        """The bearer token; empty if there is none."""
        access = self._access
        if access.token or not access.token_file:
            return access.token
        stamp = _stamps(access.token_file)
        if stamp != self._token_stamp:
            self._token = _read(access.token_file).decode("utf-8", "replace").strip()
            self._token_stamp = stamp
        return self._token


def _stamps(*files: str) -> tuple[float, ...]:
    found = []
    for file in files:
        try:
            found.append(os.stat(file).st_mtime_ns if file else 0)
        except OSError:
            found.append(-1)
    return tuple(map(float, found))


def _read(file: str) -> bytes:
    try:
        return pathlib.Path(file).read_bytes()
    except OSError as error:
        raise AccessError(f"cannot read {file}: {error.strerror}") from error


def from_kubeconfig(file: str | os.PathLike[str], context: str = "") -> Access:
    """The access that a context of a kubeconfig gives; the current one unless told. Raises AccessError."""
    path = pathlib.Path(file)
    try:
        config = yaml.safe_load(_read(str(path)))
    except yaml.YAMLError as error:
        raise AccessError(f"{path} is not YAML: {error}") from error
    if not isinstance(config, dict):
        raise AccessError(f"{path} holds no configuration")
    name = context or config.get("current-context") or ""
    chosen = _named(config, "contexts", "context", name, path)
    cluster = _named(config, "clusters", "cluster", chosen.get("cluster", ""), path)
    user = _named(config, "users", "user", chosen["user"], path) if chosen.get("user") else {}
    if "server" not in cluster:
        raise AccessError(f"{path}: cluster of context {name!r} has no server")
    folder = path.parent
    return Access(
        server=cluster["server"],
        authority=_data(cluster, "certificate-authority", folder),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        server_name=cluster.get("tls-server-name", ""),
        certificate=_inline(user, "client-certificate-data"),
        key=_inline(user, "client-key-data"),
        certificate_file=_beside(folder, user.get("client-certificate", "")),
        key_file=_beside(folder, user.get("client-key", "")),
        token=user.get("token", ""),
        token_file=_beside(folder, user.get("tokenFile", "")),
        namespace=chosen.get("namespace", ""),
    )


def _named(config: dict[str, Any], section: str, item: str, name: str, path: pathlib.Path) -> dict[str, Any]:
    for entry in config.get(section) or ():
        if isinstance(entry, dict) and entry.get("name") == name and isinstance(entry.get(item), dict):
            found: dict[str, Any] = entry[item]
            return found
    raise AccessError(f"{path} has no {item} {name!r}")


def _data(entry: dict[str, Any], name: str, folder: pathlib.Path) -> bytes | None:
    if entry.get(f"{name}-data"):
        return _inline(entry, f"{name}-data")
    return _read(_beside(folder, entry[name])) if entry.get(name) else None


def _inline(entry: dict[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(entry.get(name) or "", validate=True)
    except binascii.Error as error:
        raise AccessError(f"{name} is not base64: {error}") from error


def _beside(folder: pathlib.Path, file: str) -> str:
    return str(folder / file) if file else ""
