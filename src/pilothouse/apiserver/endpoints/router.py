"""From an authorized request to what it does: one look-up, under the verb that was authorized.

A route keeps its handlers by the API's verbs, not by HTTP methods. Who looks for a handler names the verb, group,
version, resource and subresource that authorization was asked about (`request/request_info.py`), so no form of request
can reach a handler that another verb would have had to authorize. The method can only refuse: it must be the one
that the verb is asked with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pilothouse.api import errors
from pilothouse.api.errors import StatusError
from pilothouse.api.facts import Resource
from pilothouse.api.scheme import BY_RESOURCE
from pilothouse.api.types.meta.v1 import StatusDetails
from pilothouse.apiserver.request.access import Access
from pilothouse.apiserver.request.context import Handler
from pilothouse.apiserver.request.request_info import VERBS, RequestInfo

ByVerb = Mapping[str, Handler]

METHODS = {
    "list": "GET",
    "watch": "GET",
    "get": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETE",
}
"""The HTTP method that asks for a verb."""


class Operation(NamedTuple):
    """What answers a request. `verb` is what must have been authorized; `also` makes of that what must be allowed
    besides. `warning` is sent with the answer."""

    verb: str
    handler: Handler
    warning: str
    also: Callable[[Access], Access] | None = None


class Connection(NamedTuple):
    """A subresource whose requests are carried on to another server, with any of `methods`; each is authorized as the
    verb of its method. `verb`: must be allowed besides, whatever the method ("" if none must). `below`: takes any path
    behind its name."""

    handler: Handler
    methods: frozenset[str]
    verb: str = ""
    below: bool = False


@dataclass(slots=True)
class Route:
    """What answers for one served resource: handlers by verb, of the collection (list, watch, create,
    deletecollection), of one object (get, update, patch, delete), and of each subresource."""

    resource: Resource
    collection: dict[str, Handler] = field(default_factory=dict)
    item: dict[str, Handler] = field(default_factory=dict)
    subresources: dict[str, dict[str, Handler]] = field(default_factory=dict)
    connections: dict[str, Connection] = field(default_factory=dict)
    warning: str = ""
    """Sent with every answer about the resource, refusals too."""

    def has(self, subresource: str) -> bool:
        return subresource in self.subresources or subresource in self.connections


def missing() -> StatusError:
    """404 for a path that names nothing."""
    told = "the server could not find the requested resource"
    return errors.make(404, "NotFound", told, StatusDetails())


def not_allowed() -> StatusError:
    told = "the server does not allow this method on the requested resource"
    return errors.make(405, "MethodNotAllowed", told, StatusDetails())


def unsupported(resource: Resource, verb: str) -> StatusError:
    """405 for a verb that a kind does not have."""
    r = resource
    told = f'{verb} is not supported on resources of kind "{errors.qualified(r.group, r.resource)}"'
    return errors.make(405, "MethodNotAllowed", told, StatusDetails(group=r.group, kind=r.resource))


_BUILTIN = frozenset(group for group, _, _ in BY_RESOURCE)
_ACROSS = frozenset(("list", "watch"))


def _on_custom(route: Route, info: RequestInfo) -> Operation | None:
    """Who answers for a custom resource. Paths are read as upstream reads them: a POST may have a name, and what
    follows a subresource is nothing to it. None for a path that it does not have. Raises StatusError (404, 405)."""
    r = route.resource
    if r.namespaced != bool(info.namespace) and not (r.namespaced and info.verb in _ACROSS):
        return None
    verbs: ByVerb
    if info.subresource:
        if info.subresource not in route.subresources:
            raise errors.not_found(r.group, r.resource, info.name)
        verbs = route.subresources[info.subresource]
    else:
        verbs = route.collection if info.verb in route.collection else route.item
    handler = verbs.get(info.verb)
    if handler is None:
        raise unsupported(r, info.verb)
    return Operation(info.verb, handler, route.warning)


def _ordinary(method: str, route: Route, info: RequestInfo) -> Operation | None:
    """The operation of nearly every request, at less cost than by all the rules: on a collection or an object where
    the kind has them, by a method that means the verb. None says nothing."""
    parts = len(info.parts)
    if parts > 2 or info.prefixed or info.nested is not route.resource.namespaced or not info.well_formed:
        return None
    verb = info.verb
    handler = (route.item if parts == 2 else route.collection).get(verb)
    return Operation(verb, handler, route.warning) if handler is not None and method == METHODS[verb] else None


class Router:
    """The routes there are; may change while the server runs (custom resources)."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str], dict[str, Route]] = {}
        self.groups: dict[str, set[str]] = {}

    def add(self, route: Route) -> None:
        r = route.resource
        self._routes.setdefault((r.group, r.version), {})[r.resource] = route
        self.groups.setdefault(r.group, set()).add(r.version)

    def remove(self, resource: Resource) -> None:
        """Forget a route, and its version and group with the last one. Unknown ones are no error."""
        key = (resource.group, resource.version)
        held = self._routes.get(key, {})
        held.pop(resource.resource, None)
        if not held and self._routes.pop(key, None) is not None:
            self.groups[resource.group].discard(resource.version)
            if not self.groups[resource.group]:
                del self.groups[resource.group]

    def route(self, group: str, version: str, resource: str) -> Route | None:
        return self._routes.get((group, version), {}).get(resource)

    def serves(self, info: RequestInfo) -> bool:
        """Whether the resource, and the subresource if the request names one, is routed."""
        route = self.route(info.group, info.version, info.resource)
        return route is not None and (not info.subresource or route.has(info.subresource))

    def resources(self) -> list[Resource]:
        return [route.resource for route in self.routes()]

    def routes(self) -> list[Route]:
        return [route for held in self._routes.values() for route in held.values()]

    def operation(self, method: str, info: RequestInfo) -> Operation | None:
        """What a request does, which must have been authorized as `info` says; None for a path that only a group which
        nobody serves could have. Raises StatusError (404, 405)."""
        held = self._routes.get((info.group, info.version))
        route = held.get(info.resource) if held is not None else None
        if route is not None and (ordinary := _ordinary(method, route, info)) is not None:
            return ordinary
        if info.group not in _BUILTIN:
            return _on_custom(route, info) if route is not None and info.well_formed else None
        if held is None and info.group not in self.groups:
            return None
        if route is None or (info.nested and not route.resource.namespaced) or not info.well_formed:
            raise missing()
        return self._on_builtin(method, route, info)

    def _on_builtin(self, method: str, route: Route, info: RequestInfo) -> Operation:
        count, verb = len(info.parts), info.verb
        across = route.resource.namespaced and not info.nested
        if (count > 1 and across) or (count > 2 and info.prefixed):
            raise missing()
        if count > 2 and (connection := route.connections.get(info.subresource)) is not None:
            return self._connect(method, connection, info, route.warning)
        verbs = self._verbs(route, info)
        if across:
            verbs = {name: handler for name, handler in verbs.items() if name in _ACROSS}
        handler = verbs.get(verb)
        if handler is not None and method == METHODS[verb]:
            return Operation(verb, handler, route.warning)
        if verb == "watch" and method == "GET" and "list" in verbs and not info.prefixed:
            raise unsupported(route.resource, verb)
        # a path that answers nothing is none
        raise not_allowed() if verbs else missing()

    @staticmethod
    def _verbs(route: Route, info: RequestInfo) -> ByVerb:
        """The handlers of a path. Raises StatusError (404)."""
        if info.prefixed:
            return {verb: handler for verb, handler in route.collection.items() if verb == info.verb == "watch"}
        if len(info.parts) == 1:
            return route.collection
        if len(info.parts) == 2:
            return route.item
        if len(info.parts) > 3 or info.subresource not in route.subresources:
            raise missing()
        return route.subresources[info.subresource]

    @staticmethod
    def _connect(method: str, connection: Connection, info: RequestInfo, warning: str) -> Operation:
        if len(info.parts) > 3 and not connection.below:
            raise missing()
        if method not in connection.methods or info.verb != VERBS.get(method, ""):
            raise not_allowed()
        required = connection.verb
        if not required or required == info.verb:
            return Operation(info.verb, connection.handler, warning)
        return Operation(info.verb, connection.handler, warning, lambda access: access._replace(verb=required))
