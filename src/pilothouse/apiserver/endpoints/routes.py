"""The routes of stored kinds: which verbs, which subresources, and who answers them."""

from __future__ import annotations

import functools

from pilothouse.apiserver.endpoints.resource import ResourceEndpoint
from pilothouse.apiserver.endpoints.router import Route
from pilothouse.apiserver.endpoints.scale import ScaleEndpoint
from pilothouse.apiserver.request.context import Handler

_COLLECTION = frozenset(("list", "watch", "create", "deletecollection"))


def of_endpoint(endpoint: ResourceEndpoint) -> Route:
    """The route of one served version of a kind."""
    resource = endpoint.resource
    route = Route(resource, warning=endpoint.registry.strategy.always_warns)
    for verb in resource.verbs:
        handler: Handler = getattr(endpoint, verb)
        (route.collection if verb in _COLLECTION else route.item)[verb] = handler
    strategy = endpoint.registry.strategy
    announce(route)
    for sub in resource.subresources:
        if sub.name == "scale" and strategy.scale is not None:
            route.subresources["scale"] = ScaleEndpoint(endpoint, strategy.scale).verbs()
        elif (sub.name == "status" and strategy.status is not None) or sub.name in strategy.updates:
            route.subresources[sub.name] = _on_the_object(endpoint, sub.name, sub.verbs)
    return route


def announce(route: Route) -> None:
    """Know the subresources that discovery tells, so that a wrong method on them is a wrong method."""
    for sub in route.resource.subresources:
        route.subresources.setdefault(sub.name, {})


def _on_the_object(endpoint: ResourceEndpoint, name: str, verbs: tuple[str, ...]) -> dict[str, Handler]:
    """A subresource that reads and writes the object itself, with those of `verbs` that are served."""
    handlers: dict[str, Handler] = {
        "get": endpoint.get,
        "update": functools.partial(endpoint.update, subresource=name),
        "patch": functools.partial(endpoint.patch, subresource=name),
    }
    return {verb: handler for verb, handler in handlers.items() if verb in verbs}
