"""The 403 that a denied request gets, in the words of the API server."""

from __future__ import annotations

from pilothouse.api.errors import StatusError, make, qualified
from pilothouse.api.go_text import quote
from pilothouse.api.types.meta.v1 import StatusDetails
from pilothouse.apiserver.request.access import Access


def forbidden(access: Access, reason: str = "") -> StatusError:
    """The refusal of `access`; `reason` (the authorizer's) follows the text."""
    message = describe(access)
    if reason:
        message = f"{message}: {reason}"
    if not access.is_resource:
        return make(403, "Forbidden", f"forbidden: {message}", StatusDetails())
    return forbidden_besides(access, message)


def forbidden_besides(access: Access, reason: str) -> StatusError:
    """The refusal of a right that a request needs besides its own: in the words of the authorizer alone, if any."""
    details = StatusDetails(name=access.name, group=access.group, kind=access.resource)
    subject = qualified(access.group, access.resource)
    if access.name:
        subject = f'{subject} "{access.name}"'
    return make(403, "Forbidden", f"{subject} is forbidden: {reason}", details)


def describe(access: Access) -> str:
    """What the user cannot do, as one sentence without its end."""
    user = quote(access.user.username)
    if not access.is_resource:
        return f"User {user} cannot {access.verb} path {quote(access.path)}"
    resource = access.resource
    if access.subresource:
        resource = f"{resource}/{access.subresource}"
    where = f" in the namespace {quote(access.namespace)}" if access.namespace else " at the cluster scope"
    return f"User {user} cannot {access.verb} resource {quote(resource)} in API group {quote(access.group)}{where}"
