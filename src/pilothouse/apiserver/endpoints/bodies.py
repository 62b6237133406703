"""Request bodies to typed objects."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pilothouse.api import errors, go_text
from pilothouse.api.codec import protobuf, strict, yaml
from pilothouse.api.codec.go_json import JSONSyntaxError
from pilothouse.api.codec.protobuf import ProtobufError
from pilothouse.api.codec.walk import DecodeError
from pilothouse.api.codec.yaml import YAMLError
from pilothouse.api.errors import bad_request
from pilothouse.api.types.meta.v1 import DeleteOptions, StatusDetails
from pilothouse.apiserver.generic.patching import TYPES as PATCH_TYPES
from pilothouse.apiserver.request.context import Context
from pilothouse.apiserver.request.negotiation import PROTOBUF, YAML, body_type
from pilothouse.kinds.body_decoder import BodyDecoder
from pilothouse.kit.aside import LARGE, aside

_YAML_COSTS = 16
"""Times as much as JSON of the same length."""


async def decode(context: Context, data: bytes, media_type: str, kind: type[Any], validation: str) -> Any:
    """The typed object in a body; what strict validation minds becomes warnings. Raises StatusError (400)."""
    validation = validation or "Warn"
    context.size = max(context.size, weight(data, media_type))
    found = await aside(
        context.size,
        lambda: strict.decode_request(data, kind, media_type=media_type, field_validation=validation),
    )
    for problem in found.problems:
        context.warn(problem)
    context.sent = found.tree
    context.untracked = resets_managers(found.tree)
    return found.obj


async def read(context: Context, data: bytes, media_type: str, reading: BodyDecoder, validation: str) -> Any:
    """The object in a body of a kind that reads bodies itself. Raises StatusError (400, 415)."""
    context.size = max(context.size, weight(data, media_type))
    found = await aside(context.size, lambda: reading.decode(data, media_type, validation or "Warn"))
    for problem in found.problems:
        context.warn(problem)
    context.untracked = resets_managers(found.tree)
    return found.obj


def weight(data: bytes, media_type: str) -> int:
    """What it costs to read a body, in bytes of JSON; aliases in YAML may stand for any amount."""
    if media_type != YAML:
        return len(data)
    return LARGE if b"*" in data else _YAML_COSTS * len(data)


def resets_managers(tree: dict[str, Any]) -> bool:
    """Whether a body empties metadata.managedFields; a typed object does not tell that from leaving them out."""
    metadata = tree.get("metadata")
    return isinstance(metadata, dict) and metadata.get("managedFields") == []


async def delete_options(context: Context) -> DeleteOptions | None:
    """The DeleteOptions of a body; None without a body. Raises StatusError (400, 413, 415)."""
    data = await context.body()
    if not data:
        return None
    media_type = body_type(context.request.header(b"content-type"))
    try:
        return await aside(weight(data, media_type), lambda: _options_in(data, media_type))
    except JSONSyntaxError as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from None
    except (DecodeError, ProtobufError, YAMLError) as error:
        raise bad_request(str(error)) from None


def _options_in(data: bytes, media_type: str) -> DeleteOptions:
    """Any version of the options will do. Raises the codecs' errors, StatusError (400)."""
    if media_type == PROTOBUF:
        return protobuf.decode(data, DeleteOptions)
    if media_type == YAML:
        found = strict.decode_tree(yaml.load(data)[0], DeleteOptions).obj
    else:
        found = strict.decode(data, DeleteOptions).obj
    if found.kind != "DeleteOptions":
        scheme = "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27"
        version = go_text.quote(found.api_version)
        told = f'no kind {go_text.quote(found.kind)} is registered for version {version} in scheme "{scheme}"'
        raise bad_request(told)
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
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def unknown_patch(taken: Collection[str]) -> errors.StatusError:
    """415 of a kind that tells which patches it takes."""
    types = [media for media, kind in PATCH_TYPES.items() if kind in taken]
    told = "the body of the request was in an unknown format - accepted media types include: " + ", ".join(types)
    return errors.make(415, "UnsupportedMediaType", told)


def unsupported_patch() -> errors.StatusError:
    return errors.make(415, "UnsupportedMediaType", "415: Unsupported Media Type", StatusDetails())
