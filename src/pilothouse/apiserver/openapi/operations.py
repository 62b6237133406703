"""Paths and operations of resources, as kube-openapi writes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from pilothouse.api.facts import Resource, Subresource
from pilothouse.apiserver.openapi import names

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
LIST = (
    _query("allowWatchBookmarks", "boolean"),
    _query("continue"),
    _query("fieldSelector"),
    _query("labelSelector"),
    _query("limit", "integer"),
    _query("resourceVersion"),
    _query("resourceVersionMatch"),
    _query("sendInitialEvents", "boolean"),
    _query("shardSelector"),
    _query("timeoutSeconds", "integer"),
    _query("watch", "boolean"),
)
_DELETE = [
    _query("dryRun"),
    _query("gracePeriodSeconds", "integer"),
    _query("ignoreStoreReadErrorWithClusterBreakingPotential", "boolean"),
    _query("orphanDependents", "boolean"),
    _query("propagationPolicy"),
]
_FORCE = _query("force", "boolean")
VERSION_OF = _query("resourceVersion")


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
    id: str = ""
    description: str = ""

    @property
    def body_needed(self) -> bool:
        return self.verb in ("create", "update", "patch")


@dataclass(frozen=True)
class Path:
    """`kind`: what `{name}` in it is the name of."""

    path: str
    operations: tuple[Operation, ...]
    variables: tuple[str, ...]
    kind: str


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
            yield Path(path, tuple(operations), self._variables(path), self._resource.kind)

    def _said(self, operation: Operation, subresource: str = "", *, connect: str = "", **told: bool) -> Operation:
        """The operation with its name and what it does."""
        r, verb = self._resource, operation.verb
        own = names.operation_id(r, verb, subresource, connect=connect, **told)
        return replace(operation, id=own, description=names.description(r, verb, subresource, connect=connect))

    def paths(self) -> Iterator[Path]:
        """All paths of the resource, its watches and its subresources."""
        yield from self._path(self._collection(), list(self._on_collection()))
        yield from self._path(self._collection() + "/{name}", list(self._on_item()))
        verbs = self._resource.verbs
        if self._resource.namespaced and "list" in verbs:
            yield from self._path(f"{self._base}/{self._resource.resource}", [self._list(everywhere=True)])
        if "watch" in verbs:
            yield from self._watches()
        for sub in self._resource.subresources:
            yield from self._subresource(sub)

    def _operation(self, verb: str, body: str, answer: str, parameters: list[dict[str, Any]]) -> Operation:
        types = PATCHES if verb == "patch" else ("*/*",)
        return self._said(Operation(_METHODS[verb], verb, self._gvk, body, answer, tuple(parameters), types))

    def _list(self, everywhere: bool = False) -> Operation:
        answer = self._define(self._resource.group, self._resource.version, self._resource.kind + "List")
        operation = Operation("get", "list", self._gvk, "", answer, LIST, (), (*ANSWERS, *STREAMS))
        return self._said(operation, everywhere=everywhere)

    def _on_collection(self) -> Iterator[Operation]:
        kind = self._define(*self._gvk)
        verbs = self._resource.verbs
        if "deletecollection" in verbs:
            parameters = (*_DELETE, *LIST[1:-1])
            yield self._said(
                Operation(
                    "delete",
                    "deletecollection",
                    self._gvk,
                    self._meta("DeleteOptions"),
                    self._meta("Status"),
                    parameters,
                )
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

        def watch(verb: str, everywhere: bool = False) -> list[Operation]:
            operation = Operation("get", verb, self._gvk, "", event, (), (), (*ANSWERS, *STREAMS))
            return [self._said(operation, everywhere=everywhere)]

        yield from self._path(f"{self._base}/watch{scope}/{resource.resource}", watch("watchlist"))
        yield from self._path(f"{self._base}/watch{scope}/{resource.resource}/{{name}}", watch("watch"))
        if resource.namespaced:
            yield from self._path(f"{self._base}/watch/{resource.resource}", watch("watchlist", everywhere=True))

    def _subresource(self, sub: Subresource) -> Iterator[Path]:
        path = f"{self._collection()}/{{name}}/{sub.name}"
        kind = (sub.group, sub.version, sub.kind)
        if sub.name in _CONNECTING:
            methods = _PROXY if sub.name == "proxy" else tuple(_METHODS[v] for v in sub.verbs)
            plain = [Operation(m, "connect", kind, "", "", (), (), ("*/*",)) for m in methods]
            yield from self._path(path, [self._said(op, sub.name, connect=op.method) for op in plain])
            if sub.name == "proxy":
                below = [self._said(op, sub.name, connect=op.method, path=True) for op in plain]
                yield from self._path(path + "/{path}", below)
            return
        if sub.name == "log":
            operation = Operation("get", "get", kind, "", "", (), (), ("text/plain", *ANSWERS))
            yield from self._path(path, [self._said(operation, sub.name)])
            return
        body = self._define(*kind)
        operations = []
        for verb in sub.verbs:
            sent = {"get": "", "patch": self._meta("Patch")}.get(verb, body)
            parameters = [] if verb == "get" else [*_WRITE, _FORCE] if verb == "patch" else _WRITE
            types = PATCHES if verb == "patch" else ("*/*",)
            operation = Operation(_METHODS[verb], verb, kind, sent, body, tuple(parameters), types)
            operations.append(self._said(operation, sub.name))
        yield from self._path(path, operations)
