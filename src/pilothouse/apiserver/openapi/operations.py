"""Paths and operations of resources, as kube-openapi writes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pilothouse.api.facts import Resource, Subresource

JSON = "application/json"
ANSWERS = (JSON, "application/vnd.kubernetes.protobuf", "application/yaml")
STREAMS = ("application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch")
PATCHES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
_METHODS = {"get": "get", "create": "post", "update": "put", "patch": "patch", "delete": "delete"}
_PROXY = ("delete", "get", "head", "options", "patch", "post", "put")
_ACTIONS = {"get": "get", "post": "post", "put": "put", "patch": "patch", "delete": "delete"}
# Subresources that connect to a running thing: their answers are not objects.
_CONNECTING = {"attach", "exec", "portforward", "proxy"}


def _query(name: str, kind: str = "string") -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": True}}


PRETTY = _query("pretty")
_WRITE = [_query("dryRun"), _query("fieldManager"), _query("fieldValidation")]
_LIST = [
    _query("allowWatchBookmarks", "boolean"),
    _query("continue"),
    _query("fieldSelector"),
    _query("labelSelector"),
    _query("limit", "integer"),
    _query("resourceVersion"),
    _query("resourceVersionMatch"),
    _query("sendInitialEvents", "boolean"),
    _query("timeoutSeconds", "integer"),
    _query("watch", "boolean"),
]
_DELETE = [
    _query("dryRun"),
    _query("gracePeriodSeconds", "integer"),
    _query("ignoreStoreReadErrorWithClusterBreakingPotential", "boolean"),
    _query("orphanDependents", "boolean"),
    _query("propagationPolicy"),
]
_FORCE = _query("force", "boolean")


@dataclass(frozen=True)
class Operation:
    """One method of one path. `body` and `answer` are definition names ("" for none); `kind` is what it is about."""

    method: str
    verb: str
    kind: tuple[str, str, str]
    body: str
    answer: str
    parameters: tuple[dict[str, Any], ...]
    body_types: tuple[str, ...] = ("*/*",)
    answer_types: tuple[str, ...] = ANSWERS


@dataclass(frozen=True)
class Path:
    path: str
    operations: tuple[Operation, ...]
    variables: tuple[str, ...]


def base_of(resource: Resource) -> str:
    return f"/apis/{resource.group}/{resource.version}" if resource.group else "/api/v1"


class PathWriter:
    """Writes the paths of one resource; `define` gives the definition name of a kind."""

    def __init__(self, resource: Resource, define: Any) -> None:
        self._resource = resource
        self._define = define
        self._base = base_of(resource)
        self._gvk = (resource.group, resource.version, resource.kind)

    def _collection(self) -> str:
        scope = "/namespaces/{namespace}" if self._resource.namespaced else ""
        return f"{self._base}{scope}/{self._resource.resource}"

    def _variables(self, path: str) -> tuple[str, ...]:
        return tuple(name for name in ("name", "namespace", "path") if "{" + name + "}" in path)

    def _path(self, path: str, operations: list[Operation]) -> Iterator[Path]:
        if operations:
            yield Path(path, tuple(operations), self._variables(path))

    def paths(self) -> Iterator[Path]:
        """All paths of the resource, its watches and its subresources."""
        yield from self._path(self._collection(), list(self._on_collection()))
        yield from self._path(self._collection() + "/{name}", list(self._on_item()))
        verbs = self._resource.verbs
        if self._resource.namespaced and "list" in verbs:
            yield from self._path(f"{self._base}/{self._resource.resource}", [self._list()])
        if "watch" in verbs:
            yield from self._watches()
        for sub in self._resource.subresources:
            yield from self._subresource(sub)

    def _operation(self, verb: str, body: str, answer: str, parameters: list[dict[str, Any]]) -> Operation:
        types = PATCHES if verb == "patch" else ("*/*",)
        return Operation(_METHODS[verb], verb, self._gvk, body, answer, tuple(parameters), types)

    def _list(self) -> Operation:
        answer = self._define(self._resource.group, self._resource.version, self._resource.kind + "List")
        return Operation("get", "list", self._gvk, "", answer, tuple(_LIST), (), (*ANSWERS, *STREAMS))

    def _on_collection(self) -> Iterator[Operation]:
        kind = self._define(*self._gvk)
        verbs = self._resource.verbs
        if "deletecollection" in verbs:
            parameters = (*_DELETE, *_LIST[1:9])
            yield Operation(
                "delete", "deletecollection", self._gvk, self._meta("DeleteOptions"), self._meta("Status"), parameters
            )
        if "list" in verbs:
            yield self._list()
        if "create" in verbs:
            yield self._operation("create", kind, kind, _WRITE)

    def _on_item(self) -> Iterator[Operation]:
        kind = self._define(*self._gvk)
        for verb in ("delete", "get", "patch", "update"):
            if verb not in self._resource.verbs:
                continue
            if verb == "delete":
                yield self._operation(verb, self._meta("DeleteOptions"), self._meta("Status"), _DELETE)
            elif verb == "get":
                yield self._operation(verb, "", kind, [])
            elif verb == "patch":
                yield self._operation(verb, self._meta("Patch"), kind, [*_WRITE, _FORCE])
            else:
                yield self._operation(verb, kind, kind, _WRITE)

    def _meta(self, name: str) -> str:
        return f"io.k8s.apimachinery.pkg.apis.meta.v1.{name}"

    def _watches(self) -> Iterator[Path]:
        resource = self._resource
        scope = "/namespaces/{namespace}" if resource.namespaced else ""
        event = self._meta("WatchEvent")

        def watch(verb: str) -> list[Operation]:
            return [Operation("get", verb, self._gvk, "", event, (), (), (*ANSWERS, *STREAMS))]

        yield from self._path(f"{self._base}/watch{scope}/{resource.resource}", watch("watchlist"))
        yield from self._path(f"{self._base}/watch{scope}/{resource.resource}/{{name}}", watch("watch"))
        if resource.namespaced:
            yield from self._path(f"{self._base}/watch/{resource.resource}", watch("watchlist"))

    def _subresource(self, sub: Subresource) -> Iterator[Path]:
        path = f"{self._collection()}/{{name}}/{sub.name}"
        kind = (sub.group, sub.version, sub.kind)
        if sub.name in _CONNECTING:
            methods = _PROXY if sub.name == "proxy" else tuple(_METHODS[v] for v in sub.verbs)
            operations = [Operation(m, "connect", kind, "", "", (), (), ("*/*",)) for m in methods]
            yield from self._path(path, operations)
            if sub.name == "proxy":
                yield from self._path(path + "/{path}", operations)
            return
        if sub.name == "log":
            yield from self._path(path, [Operation("get", "get", kind, "", "", (), (), ("text/plain", *ANSWERS))])
            return
        body = self._define(*kind)
        operations = []
        for verb in sub.verbs:
            sent = {"get": "", "patch": self._meta("Patch")}.get(verb, body)
            parameters = [] if verb == "get" else [*_WRITE, _FORCE] if verb == "patch" else _WRITE
            types = PATCHES if verb == "patch" else ("*/*",)
            operations.append(Operation(_METHODS[verb], verb, kind, sent, body, tuple(parameters), types))
        yield from self._path(path, operations)
