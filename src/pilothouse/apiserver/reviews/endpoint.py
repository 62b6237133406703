"""Reviews and token requests as actions of the server."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from pilothouse.api.errors import bad_request
from pilothouse.api.facts import Resource
from pilothouse.api.scheme import type_of
from pilothouse.api.types.resources import SERVED
from pilothouse.apiserver.admission.interface import Admission, Attributes
from pilothouse.apiserver.apply.tracker import FieldTracker
from pilothouse.apiserver.generic.actions import Action
from pilothouse.apiserver.request.call import Call
from pilothouse.apiserver.reviews.interface import Call as ReviewCall
from pilothouse.apiserver.reviews.interface import Review
from pilothouse.kit.aside import aside


def action_of(review: Review, admission: Admission, tracker: FieldTracker) -> Action:
    """The action that asks `review`."""
    group, name, subresource = review.resource
    resource = next(r for r in SERVED if (r.group, r.resource) == (group, name))
    body = _body(resource, subresource)

    async def run(obj: Any, call: Call) -> Struct:
        placed = _placed(obj, resource, call)
        asked = await aside(call.size, lambda: tracker.asked(review.defaults(placed), call))
        attributes = _attributes(resource, body, call, asked)
        await admission.admit(attributes)

        async def admitted(final: Any) -> None:
            attributes.obj = final
            await admission.validate(attributes)

        question = ReviewCall(call.user, call.namespace, call.name, admitted, call.size)
        answer: Struct = await review.create(attributes.obj, question)
        return answer

    return Action(
        group=group,
        version=resource.version,
        resource=name,
        subresource=subresource,
        body=body,
        run=run,
    )


def _placed(obj: Any, resource: Resource, call: Call) -> Any:
    """The object in the namespace that it is posted to. Raises StatusError (400) if it says another."""
    told = obj.metadata.namespace
    if not resource.namespaced or told == call.namespace:
        return obj
    if told:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if call.subresource:
        return obj  # a request for something else: its place is settled by what it is for
    return replace(obj, metadata=replace(obj.metadata, namespace=call.namespace))


def _body(resource: Resource, subresource: str) -> type[Any]:
    if not subresource:
        return type_of(resource.group, resource.version, resource.kind)
    found = next(s for s in resource.subresources if s.name == subresource)
    return type_of(found.group, found.version, found.kind)


def _attributes(resource: Resource, body: type[Any], call: Call, obj: Any) -> Attributes:
    return Attributes(
        operation="CREATE",
        group=resource.group,
        version=resource.version,
        resource=resource.resource,
        kind=body().kind,
        user=call.user,
        subresource=call.subresource,
        namespace=call.namespace,
        name=call.name,
        obj=obj,
        options=call.options,
        dry_run=call.dry_run,
        warnings=call.warnings,
        size=call.size,
    )
