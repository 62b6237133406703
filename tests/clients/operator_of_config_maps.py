"""An operator on ConfigMaps, which test_kopf runs as `kopf run` does for its users."""

from __future__ import annotations

from typing import Any

import kopf
from kubernetes import client, config

CHOSEN = {"operated": "yes"}


@kopf.on.create("", "v1", "configmaps", labels=CHOSEN)
def made(patch: kopf.Patch, **_: Any) -> None:
    patch.setdefault("data", {})["seen"] = "created"


@kopf.on.update("", "v1", "configmaps", labels=CHOSEN, field="data.colour")
def changed(patch: kopf.Patch, new: str, **_: Any) -> None:
    patch.setdefault("data", {})["seen"] = f"changed to {new}"


@kopf.on.delete("", "v1", "configmaps", labels=CHOSEN)
def gone(name: str, **_: Any) -> None:
    print(f"gone: {name}", flush=True)


@kopf.timer("", "v1", "configmaps", labels={"ticked": "yes"}, interval=0.2)
def ticked(patch: kopf.Patch, body: kopf.Body, **_: Any) -> None:
    patch.setdefault("data", {})["ticks"] = str(int(body["data"].get("ticks", "0")) + 1)


@kopf.daemon("", "v1", "configmaps", labels={"watched": "yes"}, cancellation_timeout=5)
async def watched(stopped: kopf.DaemonStopped, name: str, **_: Any) -> None:
    print(f"watching: {name}", flush=True)
    await stopped.wait()
    print(f"no longer watching: {name}", flush=True)


@kopf.on.create("", "v1", "configmaps", labels={"retried": "yes"}, backoff=0.1)
def retried(retry: int, patch: kopf.Patch, **_: Any) -> None:
    if retry < 2:
        raise kopf.TemporaryError("not yet", delay=0.1)
    patch.setdefault("data", {})["tries"] = str(retry)


@kopf.on.event("", "v1", "pods")
def pod_seen(type: str | None, name: str, **_: Any) -> None:
    print(f"pod {name}: {type}", flush=True)


@kopf.index("", "v1", "configmaps")
def by_colour(name: str, body: kopf.Body, **_: Any) -> dict[str, str]:
    return {body.get("data", {}).get("colour", ""): name}


@kopf.on.create("", "v1", "configmaps", labels={"parent": "yes"})
def adopted(body: kopf.Body, namespace: str, **_: Any) -> None:
    child: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "child"}}
    kopf.adopt(child, owner=body)
    with client.ApiClient(config.load_kube_config()) as connection:
        client.CoreV1Api(connection).create_namespaced_config_map(namespace, child)
    kopf.info(body, reason="Adopted", message="the child is here")
