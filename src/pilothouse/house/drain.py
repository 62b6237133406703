"""Taking nodes out of a cluster that goes on: first their pods move, then what is left of them is deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

from pilothouse.house.administrator import request
from pilothouse.house.observe import node_readiness
from pilothouse.house.paths import Paths
from pilothouse.house.spec import ClusterSpec
from pilothouse.kit.clock import Clock, pause
from pilothouse.seams.house import HouseError

_POLL_SECONDS = 0.2
_MIRROR = "kubernetes.io/config.mirror"
_GONE = (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)

Pod = dict[str, Any]


def must_move(pod: Pod) -> bool:
    """Whether draining a node waits for this pod: not for one that has ended, that a DaemonSet would make again on the
    same node, or that the node has of itself."""
    metadata = pod["metadata"]
    owners = metadata.get("ownerReferences") or ()
    of_node = any(owner.get("controller") and owner["kind"] == "DaemonSet" for owner in owners)
    mirrored = _MIRROR in (metadata.get("annotations") or {})
    return not (of_node or mirrored or pod.get("status", {}).get("phase") in ("Succeeded", "Failed"))


class Drain:
    """Acts on the nodes `names` through the cluster's API server, as its administrator."""

    def __init__(self, paths: Paths, spec: ClusterSpec, names: Sequence[str], clock: Clock) -> None:
        self._paths = paths
        self._spec = spec
        self._names = names
        self._clock = clock

    def cordon(self, on: bool = True) -> None:
        """No more pods are bound to them; or they are again. Raises HouseError if the API server is away."""
        patch = json.dumps({"spec": {"unschedulable": True if on else None}}).encode()
        for name in self._names:
            self._ask("PATCH", f"/api/v1/nodes/{name}", patch)

    def evict(self, seconds: float) -> None:
        """Evict their pods, as budgets allow, and return when all have gone. Pods of a node that is not ready are not
        waited for: nobody would end them. Raises HouseError naming the pods that stayed for `seconds`."""
        ready = node_readiness(self._paths, self._spec)
        names = [name for name in self._names if ready.get(name)]
        deadline, asked, refused = self._clock.monotonic() + seconds, set[str](), ""
        while left := [pod for pod in self._pods(names) if must_move(pod)]:
            for pod in left:
                uid = pod["metadata"]["uid"]
                if uid not in asked and "deletionTimestamp" not in pod["metadata"]:
                    if refusal := self._evicted(pod):
                        refused = refusal
                    else:
                        asked.add(uid)
            if self._clock.monotonic() > deadline:
                shown = ", ".join(_name(pod) for pod in left[:3]) + (" …" if len(left) > 3 else "")
                why = f": {refused}" if refused else ""
                raise HouseError(
                    f"not all pods of {', '.join(names)} have ended in {seconds:.0f} s ({shown}){why}",
                    "give them more time with --timeout, or end them with: kubectl delete pod",
                )
            pause(_POLL_SECONDS)

    def forget(self) -> None:
        """Delete what is left of them: their pods, whose end nobody can wait for any more, and the Node objects."""
        now = json.dumps({"gracePeriodSeconds": 0}).encode()
        for pod in self._pods(self._names):
            self._ask("DELETE", _path(pod), now)
        for name in self._names:
            self._ask("DELETE", f"/api/v1/nodes/{name}")

    def _pods(self, names: Sequence[str]) -> Iterator[Pod]:
        for name in names:
            status, body = request(
                self._paths, self._spec, "GET", f"/api/v1/pods?fieldSelector=spec.nodeName%3D{name}&resourceVersion=0"
            )
            if status != HTTPStatus.OK:
                raise HouseError(f"the API server answers {status} when asked for the pods of {name}")
            yield from json.loads(body)["items"]

    def _evicted(self, pod: Pod) -> str:
        """Ask for a pod's eviction; why it was refused, empty if it was not."""
        metadata = {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]}
        body = json.dumps({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}).encode()
        status, answer = request(self._paths, self._spec, "POST", f"{_path(pod)}/eviction", body)
        return "" if status in _GONE else _message(answer)

    def _ask(self, method: str, path: str, body: bytes = b"") -> None:
        status, answer = request(self._paths, self._spec, method, path, body)
        if status not in _GONE:
            raise HouseError(f"{method} {path}: {_message(answer)}")


def _path(pod: Pod) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def _name(pod: Pod) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _message(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        return answer.decode(errors="replace")[:200]
