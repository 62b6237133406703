"""What the server serves: the routes of registries, actions and connections, found by type and by resource.

It follows upstream's installer of API groups; unlike there, what is served may change while the server runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pilothouse.api.facts import Resource
from pilothouse.apiserver.endpoints import routes
from pilothouse.apiserver.endpoints.action import ActionEndpoint
from pilothouse.apiserver.endpoints.patcher import ObjectPatcher
from pilothouse.apiserver.endpoints.resource import ResourceEndpoint
from pilothouse.apiserver.endpoints.router import Connection, Route, Router, missing
from pilothouse.apiserver.generic.actions import Action
from pilothouse.apiserver.generic.registry import Registry


class Served:
    """`changed` is called after each change of what is served."""

    def __init__(self, router: Router, patcher: ObjectPatcher, changed: Callable[[], None]) -> None:
        self.router = router
        self.endpoints: dict[type[Any], ResourceEndpoint] = {}
        """By the type of the version."""
        self.by_resource: dict[tuple[str, str, str], ResourceEndpoint] = {}
        """By group, version and resource."""
        self._actions: dict[tuple[str, str, str], Action] = {}
        """By group, resource and subresource."""
        self._patcher = patcher
        self._changed = changed

    def serve(self, registry: Registry) -> None:
        """Serve a registry in each of its versions."""
        for api_version, form in registry.forms.items():
            endpoint = ResourceEndpoint(registry, api_version, self._patcher)
            r = endpoint.resource
            self.endpoints[form.type] = self.by_resource[(r.group, r.version, r.resource)] = endpoint
            self.router.add(routes.of_endpoint(endpoint))
        self._changed()

    def withdraw(self, registry: Registry) -> None:
        """Take back what `serve` began."""
        for form in registry.forms.values():
            r = self.endpoints.pop(form.type).resource
            del self.by_resource[(r.group, r.version, r.resource)]
            self.router.remove(r)
        self._changed()

    def add_action(self, action: Action) -> None:
        """Serve an action, on a resource of its own or as a subresource of one that is served."""
        self._actions[(action.group, action.resource, action.subresource)] = action
        handler = ActionEndpoint(action).create
        route = self._route(action.group, action.version, action.resource)
        if action.subresource:
            route.subresources.setdefault(action.subresource, {})["create"] = handler
        else:
            route.collection["create"] = handler
        self._changed()

    def add_connection(self, resource: str, subresource: str, connection: Connection) -> None:
        """Serve a subresource of a core v1 resource by carrying its requests on."""
        self._route("", "v1", resource).connections[subresource] = connection

    def _route(self, group: str, version: str, resource: str) -> Route:
        route = self.router.route(group, version, resource)
        assert route is not None, f"{resource} is not served"
        return route

    def action(self, resource: Resource, subresource: str) -> Action:
        """Raises StatusError (404)."""
        found = self._actions.get((resource.group, resource.resource, subresource))
        if found is None:
            raise missing()
        return found
