"""The 403 that a denied request gets, in the words of the API server."""

from __future__ import annotations

from pilothouse.api.errors import StatusError, make, qualified
from pilothouse.api.types.meta.v1 import StatusDetails
from pilothouse.apiserver.authz.interface import Access


def forbidden(access: Access, reason: str = "") -> StatusError:
    """The refusal of `access`; `reason` (the authorizer's) follows the text."""
    message = describe(access)
    if reason:
        message = f"{message}: {reason}"
    if not access.is_resource:
        return make(403, "Forbidden", f"forbidden: {message}", StatusDetails())
    details = StatusDetails(name=access.name, group=access.group, kind=access.resource)
    subject = qualified(access.group, access.resource)
    if access.name:
        subject = f'{subject} "{access.name}"'
    return make(403, "Forbidden", f"{subject} is forbidden: {message}", details)


def describe(access: Access) -> str:
    """What the user cannot do, as one sentence without its end."""
    user = quoted(access.user.username)
    if not access.is_resource:
        return f"User {user} cannot {access.verb} path {quoted(access.path)}"
    resource = access.resource
    if access.subresource:
        resource = f"{resource}/{access.subresource}"
    where = f" in the namespace {quoted(access.namespace)}" if access.namespace else " at the cluster scope"
    return f"User {user} cannot {access.verb} resource {quoted(resource)} in API group {quoted(access.group)}{where}"


def quoted(text: str) -> str:
    """Text in double quotes with Go's escapes for what is not printable."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_escaped(c) for c in text) + '"'


_ESCAPES = {
    '"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
}  # fmt: skip


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
