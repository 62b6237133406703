"""From a request to its handler: dictionaries on group, version, resource and subresource."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pilothouse.api import errors
from pilothouse.api.errors import StatusError
from pilothouse.api.facts import Resource
from pilothouse.api.scheme import BY_RESOURCE
from pilothouse.api.types.meta.v1 import StatusDetails
from pilothouse.apiserver.endpoints.context import Handler
from pilothouse.apiserver.filters.request_info import RequestInfo

Methods = Mapping[str, Handler]


@dataclass(slots=True)
class Route:
    """The handlers of one served resource, by HTTP method. `watch` answers a GET that asks for changes.

    A subresource named `x/*` takes any path behind `x/` too."""

    resource: Resource
    collection: dict[str, Handler] = field(default_factory=dict)
    item: dict[str, Handler] = field(default_factory=dict)
    watch: Handler | None = None
    subresources: dict[str, dict[str, Handler]] = field(default_factory=dict)
    warning: str = ""
    """Sent with every answer about the resource, refusals too."""


def missing() -> StatusError:
    """404 for a path that names nothing."""
    told = "the server could not find the requested resource"
    return errors.make(404, "NotFound", told, StatusDetails())


def not_allowed() -> StatusError:
    told = "the server does not allow this method on the requested resource"
    return errors.make(405, "MethodNotAllowed", told, StatusDetails())


_BUILTIN = frozenset(group for group, _, _ in BY_RESOURCE)
_ACROSS = frozenset(("list", "watch"))


def _on_custom(method: str, route: Route, info: RequestInfo) -> Handler | None:
    """Who answers for a custom resource, chosen by the verb: a name behind a POST is nothing to it. None for a path
    that it does not have. Raises StatusError (404, 405)."""
    r = route.resource
    if r.namespaced != bool(info.namespace) and not (r.namespaced and info.verb in _ACROSS):
        return None
    if info.verb == "watch" and not info.subresource:
        return route.watch
    methods: Methods | None
    if info.subresource:
        methods = route.subresources.get(info.subresource)
        if methods is None:
            raise errors.not_found(r.group, r.resource, info.name)
    else:
        methods = route.collection if info.verb in ("list", "create", "deletecollection") else route.item
    found = methods.get(method)
    if found is None:
        told = f'{info.verb} is not supported on resources of kind "{r.resource}.{r.group}"'
        raise errors.make(405, "MethodNotAllowed", told, StatusDetails(group=r.group, kind=r.resource))
    return found


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

    def resources(self) -> list[Resource]:
        return [route.resource for held in self._routes.values() for route in held.values()]

    def warning(self, info: RequestInfo) -> str:
        route = self.route(info.group, info.version, info.resource)
        return route.warning if route is not None else ""

    def handler(self, method: str, info: RequestInfo) -> Handler | None:
        """Who answers; None if the group is unknown. Raises StatusError (404, 405)."""
        held = self._routes.get((info.group, info.version))
        if info.group not in _BUILTIN:
            route = held.get(info.resource) if held is not None else None
            return _on_custom(method, route, info) if route is not None else None
        if held is None:
            if info.group not in self.groups:
                return None
            raise missing()
        route = held.get(info.resource)
        if route is None or (info.namespace and not self._in_namespace(route, info)):
            raise missing()
        if info.verb == "watch" and (len(info.parts) < 2 or "/watch/" in info.path):
            if route.watch is None or method != "GET":
                raise not_allowed()
            return route.watch
        return self._on(method, route, info)

    @staticmethod
    def _in_namespace(route: Route, info: RequestInfo) -> bool:
        return route.resource.namespaced or route.resource.resource == "namespaces"

    def _on(self, method: str, route: Route, info: RequestInfo) -> Handler:
        count = len(info.parts)
        if count == 1:
            methods: Methods = route.collection
            if route.resource.namespaced and not info.namespace:
                methods = {name: handler for name, handler in methods.items() if name == "GET"}
        elif route.resource.namespaced and not info.namespace:
            raise missing()
        elif count == 2:
            methods = route.item
        else:
            methods = self._subresource(route, info.parts[2:])
        found = methods.get(method)
        if found is None:
            # a path that answers nothing is none
            raise not_allowed() if methods else missing()
        return found

    @staticmethod
    def _subresource(route: Route, rest: tuple[str, ...]) -> Methods:
        found = route.subresources.get(rest[0]) if len(rest) == 1 else None
        if found is None:
            found = route.subresources.get(f"{rest[0]}/*")
        if found is None:
            raise missing()
        return found
