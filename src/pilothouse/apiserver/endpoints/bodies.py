"""Request bodies to typed objects."""

from __future__ import annotations

from typing import Any

from pilothouse.api import errors
from pilothouse.api.codec import strict
from pilothouse.api.errors import bad_request
from pilothouse.api.types.meta.v1 import DeleteOptions, StatusDetails
from pilothouse.apiserver.endpoints.context import Context
from pilothouse.apiserver.endpoints.negotiation import body_type


def decode(context: Context, data: bytes, media_type: str, kind: type[Any], validation: str) -> Any:
    """The typed object in a body; what strict validation minds becomes warnings. Raises StatusError (400)."""
    found = strict.decode_request(data, kind, media_type=media_type, field_validation=validation or "Warn")
    for problem in found.problems:
        context.warn(problem)
    return found.obj


async def delete_options(context: Context) -> DeleteOptions | None:
    """The DeleteOptions of a body; None without a body. Raises StatusError (400, 413, 415)."""
    data = await context.body()
    if not data:
        return None
    media_type = body_type(context.request.header(b"content-type"))
    found: DeleteOptions = decode(context, data, media_type, DeleteOptions, "Ignore")
    return found


def named(obj: Any, name: str, namespace: str) -> None:
    """Check a body against its URL. Raises StatusError (400)."""
    meta = obj.metadata
    if not meta.name:
        told = f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        raise bad_request(told)
    if meta.name != name:
        raise bad_request(f"the name of the object ({meta.name}) does not match the name on the URL ({name})")
    if namespace and meta.namespace and meta.namespace != namespace:
        told = (
            f"the namespace of the object ({meta.namespace}) does not match the namespace on the request ({namespace})"
        )
        raise bad_request(told)


def unsupported_patch() -> errors.StatusError:
    return errors.make(415, "UnsupportedMediaType", "415: Unsupported Media Type", StatusDetails())
