"""The routes of stored kinds: which verbs, which subresources, and who answers them."""

from __future__ import annotations

import functools

from pilothouse.apiserver.endpoints.context import Handler
from pilothouse.apiserver.endpoints.resource import ResourceEndpoint
from pilothouse.apiserver.endpoints.router import Route
from pilothouse.apiserver.endpoints.scale import ScaleEndpoint

_COLLECTION = {"list": "GET", "create": "POST", "deletecollection": "DELETE"}
_ITEM = {"get": "GET", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}


def of_endpoint(endpoint: ResourceEndpoint) -> Route:
    """The route of one served version of a kind."""
    resource = endpoint.resource
    route = Route(resource, warning=endpoint.registry.strategy.always_warns)
    for verb in resource.verbs:
        handler: Handler = getattr(endpoint, verb)
        if verb in _COLLECTION:
            route.collection[_COLLECTION[verb]] = handler
        elif verb in _ITEM:
            route.item[_ITEM[verb]] = handler
        else:
            route.watch = handler
    strategy = endpoint.registry.strategy
    announce(route)
    for sub in resource.subresources:
        if sub.name == "scale" and strategy.scale is not None:
            route.subresources["scale"] = ScaleEndpoint(endpoint, strategy.scale).methods()
        elif (sub.name == "status" and strategy.status is not None) or sub.name in strategy.updates:
            route.subresources[sub.name] = _on_the_object(endpoint, sub.name, sub.verbs)
    return route


def announce(route: Route) -> None:
    """Know the subresources that discovery tells, so that a wrong method on them is a wrong method."""
    for sub in route.resource.subresources:
        route.subresources.setdefault(sub.name, {})


def _on_the_object(endpoint: ResourceEndpoint, name: str, verbs: tuple[str, ...]) -> dict[str, Handler]:
    """A subresource that reads and writes the object itself."""
    handlers: dict[str, Handler] = {
        "GET": endpoint.get,
        "PUT": functools.partial(endpoint.update, subresource=name),
        "PATCH": functools.partial(endpoint.patch, subresource=name),
    }
    wanted = {_ITEM[verb] for verb in verbs}
    return {method: handler for method, handler in handlers.items() if method in wanted}
