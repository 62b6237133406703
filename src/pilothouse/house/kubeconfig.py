"""The user's kubeconfig: a cluster's entries go in, and out again, and everything else stays as it was.

What was there before stands in an extension of the cluster's context. So it is in the file that it speaks of, and a
cluster that goes hands it on to the one that came after it: in whichever order they go, the last one restores it.
"""

from __future__ import annotations

import base64
import contextlib
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import yaml

from pilothouse.house.spec import ClusterSpec, KubeconfigMark, write_atomically
from pilothouse.kit import filelock
from pilothouse.kit.tls import KeyPair
from pilothouse.seams.house import HouseError

_SECTIONS = ("clusters", "users", "contexts")
_EXTENSION = "pilothouse"


def context_name(cluster: str) -> str:
    return f"pilothouse-{cluster}"


def path() -> pathlib.Path:
    """The file that kubectl would write to: the first existing of $KUBECONFIG, else its last, else ~/.kube/config."""
    listed = [pathlib.Path(p) for p in os.environ.get("KUBECONFIG", "").split(os.pathsep) if p]
    existing = [p for p in listed if p.exists()]
    return (existing or listed[-1:] or [pathlib.Path.home() / ".kube/config"])[0].absolute()


def current(file: pathlib.Path) -> str:
    """The context that is chosen in a file; empty for none, and for a file that cannot be read."""
    try:
        return str(_read(file).get("current-context") or "")
    except (HouseError, OSError, UnicodeDecodeError):
        return ""


def render(spec: ClusterSpec, ca: bytes, certificate: bytes, key: bytes) -> dict[str, Any]:
    """The kubeconfig of one cluster alone, with its data inline. Arguments are PEM."""
    name = context_name(spec.name)
    cluster = {"server": spec.server, "certificate-authority-data": _inline(ca)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "preferences": {},
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": _credentials(certificate, key)}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }


def _inline(pem: bytes) -> str:
    return base64.b64encode(pem).decode()


def _credentials(certificate: bytes, key: bytes) -> dict[str, str]:
    return {"client-certificate-data": _inline(certificate), "client-key-data": _inline(key)}


@contextlib.contextmanager
def _locked(file: pathlib.Path) -> Iterator[None]:
    """Nobody else of us changes the file meanwhile (kubectl's own lock is a file of this name that must not exist)."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = file.with_name(file.name + ".pilothouse-lock")
    with open(lock, "w") as held:
        filelock.take(held, wait=True)
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _read(file: pathlib.Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(file.read_text()) or {}
    except FileNotFoundError:
        return {}
    except yaml.YAMLError as error:
        raise HouseError(f"{file} is not YAML: {error}", "mend or move that file, then run the command again") from None
    if not isinstance(found, dict):
        raise HouseError(f"{file} is no kubeconfig", "mend or move that file, then run the command again")
    return found


def _without(config: dict[str, Any], name: str) -> dict[str, Any]:
    kept = {section: [e for e in config.get(section) or [] if e.get("name") != name] for section in _SECTIONS}
    return {**config, **kept}


def _write(file: pathlib.Path, config: dict[str, Any]) -> None:
    target = file.resolve()  # a symbolic link stays one
    write_atomically(target, yaml.safe_dump(config, sort_keys=False).encode())


def _before(context: dict[str, Any]) -> dict[str, Any] | None:
    """What the file was before this context of ours came into it: {created, previous}; None for others' contexts."""
    for extension in context["context"].get("extensions") or []:
        if extension.get("name") == _EXTENSION:
            found: dict[str, Any] = extension["extension"]
            return found
    return None


def merge(own: dict[str, Any], file: pathlib.Path, *, switch: bool = True) -> KubeconfigMark:
    """Add the cluster's entries (replacing older ones of the same name, whose namespace stays) and, if asked to, switch
    to its context."""
    name = own["current-context"]
    with _locked(file):
        before: dict[str, Any] = {"created": not file.exists()}
        config = _read(file)
        before["previous"] = str(config.get("current-context") or "")
        kept = {}
        for context in config.get("contexts") or []:
            if context.get("name") == name:
                before = _before(context) or before
                kept = {"namespace": context["context"]["namespace"]} if context["context"].get("namespace") else {}
        merged = _without({"apiVersion": "v1", "kind": "Config", **config}, name)
        for section in _SECTIONS:
            merged[section] = [*merged[section], *own[section]]
        marked = {**own["contexts"][0]["context"], **kept, "extensions": [{"name": _EXTENSION, "extension": before}]}
        merged["contexts"][-1] = {"name": name, "context": marked}
        merged["current-context"] = name if switch else config.get("current-context") or ""
        _write(file, merged)
    return KubeconfigMark(str(file))


def renew(name: str, mark: KubeconfigMark, pair: KeyPair) -> None:
    """Put a new client certificate into the entry of cluster `name`, if the file still has one; nothing else changes.
    Raises HouseError for a file that cannot be read."""
    file, own = pathlib.Path(mark.path), context_name(name)
    if not file.exists():
        return
    with _locked(file):
        config = _read(file)
        mine = [user for user in config.get("users") or [] if user.get("name") == own]
        for user in mine:
            user["user"] = {**(user.get("user") or {}), **_credentials(pair.certificate, pair.key)}
        if mine:
            _write(file, config)


def remove(name: str, mark: KubeconfigMark) -> None:
    """Take the entries of cluster `name` out again; go back to the context of before if ours is still current."""
    file, own = pathlib.Path(mark.path), context_name(name)
    if not file.exists():
        return
    with _locked(file):
        config = _read(file)
        before = next((_before(c) for c in config.get("contexts") or [] if c.get("name") == own), None) or {}
        config = _without(config, own)
        if config.get("current-context") == own:
            known = {entry.get("name") for entry in config["contexts"]}
            config["current-context"] = before.get("previous") if before.get("previous") in known else ""
        _hand_on(before, own, config)
        if before.get("created") and not any(config[section] for section in _SECTIONS):
            file.unlink()
        else:
            _write(file, config)


def _hand_on(before: dict[str, Any], own: str, config: dict[str, Any]) -> None:
    """Let the clusters that stay know what was before `own`, which goes."""
    for heir in filter(None, map(_before, config["contexts"])):
        heir["created"] = heir["created"] or before.get("created", False)
        if heir["previous"] == own:
            heir["previous"] = before.get("previous", "")
