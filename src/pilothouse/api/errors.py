"""The one error that API machinery raises: a Status, as clients get it. The edge translates it to HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from pilothouse.api.types.meta.v1 import Status, StatusCause, StatusDetails


class StatusError(Exception):
    """A refusal with the code, reason, message and details of the real API server."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.message)
        self.status = status

    @property
    def code(self) -> int:
        return self.status.code

    @property
    def reason(self) -> str:
        return self.status.reason


def make(code: int, reason: str, message: str, details: StatusDetails | None = None) -> StatusError:
    return StatusError(Status(status="Failure", code=code, reason=reason, message=message, details=details))


def qualified(group: str, resource: str) -> str:
    """`deployments.apps`, or `pods` for the core group."""
    return f"{resource}.{group}" if group else resource


def not_found(group: str, resource: str, name: str) -> StatusError:
    details = StatusDetails(name=name, group=group, kind=resource)
    return make(HTTPStatus.NOT_FOUND, "NotFound", f'{qualified(group, resource)} "{name}" not found', details)


def already_exists(group: str, resource: str, name: str) -> StatusError:
    details = StatusDetails(name=name, group=group, kind=resource)
    return make(HTTPStatus.CONFLICT, "AlreadyExists", f'{qualified(group, resource)} "{name}" already exists', details)


def conflict(group: str, resource: str, name: str, why: str) -> StatusError:
    details = StatusDetails(name=name, group=group, kind=resource)
    message = f'Operation cannot be fulfilled on {qualified(group, resource)} "{name}": {why}'
    return make(HTTPStatus.CONFLICT, "Conflict", message, details)


def forbidden(group: str, resource: str, name: str, why: str) -> StatusError:
    details = StatusDetails(name=name, group=group, kind=resource)
    subject = (
        f'{qualified(group, resource)} "{name}" is forbidden' if name else f"{qualified(group, resource)} is forbidden"
    )
    return make(HTTPStatus.FORBIDDEN, "Forbidden", f"{subject}: {why}", details)


def unauthorized() -> StatusError:
    return make(HTTPStatus.UNAUTHORIZED, "Unauthorized", "Unauthorized")


def bad_request(message: str) -> StatusError:
    return make(HTTPStatus.BAD_REQUEST, "BadRequest", message)


def expired(message: str) -> StatusError:
    return make(HTTPStatus.GONE, "Expired", message)


def internal(message: str) -> StatusError:
    details = StatusDetails(causes=(StatusCause(message=message),))
    return make(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", f"Internal error occurred: {message}", details)


def too_many_requests(message: str, retry_after_seconds: int) -> StatusError:
    details = StatusDetails(retry_after_seconds=retry_after_seconds)
    return make(HTTPStatus.TOO_MANY_REQUESTS, "TooManyRequests", message, details)


def invalid(group: str, kind: str, name: str, causes: Sequence[StatusCause]) -> StatusError:
    """422 for an object whose fields were refused; `causes` carry reason, field and message of each."""
    texts = list(dict.fromkeys(f"{c.field_}: {c.message}" for c in causes))
    told = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    message = (
        f'{qualified(group, kind)} "{name}" is invalid: {told}'
        if texts
        else f'{qualified(group, kind)} "{name}" is invalid'
    )
    details = StatusDetails(name=name, group=group, kind=kind, causes=tuple(causes))
    return make(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", message, details)
