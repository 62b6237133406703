"""What both HTTPS ends of a client say: paths of resources, bodies of patches, Statuses of answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote

import msgspec

from pilothouse.api import errors
from pilothouse.api.codec import json
from pilothouse.api.errors import StatusError
from pilothouse.api.facts import Resource
from pilothouse.api.types.meta.v1 import DeleteOptions, Preconditions, Status, StatusDetails
from pilothouse.machinery.client.interface import ApplyPatch, JSONPatch, MergePatch, Patch

JSON = "application/json"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Gone",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


def path_of(resource: Resource, namespace: str = "", name: str = "", subresource: str = "") -> str:
    """The URL path of a resource, an object of it, or an object's subresource."""
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    parts = [root]
    if namespace and resource.namespaced:
        parts += ["namespaces", quote(namespace, safe="")]
    parts.append(resource.resource)
    if name:
        parts.append(quote(name, safe=""))
    if subresource:
        parts.append(subresource)
    return "/".join(parts)


def patch_body(patch: Patch) -> tuple[bytes, str, dict[str, str]]:
    """The body, media type and query of a patch."""
    if isinstance(patch, JSONPatch):
        return json.encode(list(patch.operations)), "application/json-patch+json", {}
    if isinstance(patch, ApplyPatch):
        query = {"fieldManager": patch.field_manager}
        if patch.force:
            query["force"] = "true"
        return json.encode(patch.body), "application/apply-patch+yaml", query
    if isinstance(patch, MergePatch):
        return json.encode(patch.body), "application/merge-patch+json", {}
    return json.encode(patch.body), "application/strategic-merge-patch+json", {}


def delete_body(
    grace_period_seconds: int | None, propagation_policy: str | None, uid: str | None, resource_version: str | None
) -> bytes:
    preconditions = None
    if uid is not None or resource_version is not None:
        preconditions = Preconditions(uid=uid, resource_version=resource_version)
    return json.encode(
        DeleteOptions(
            grace_period_seconds=grace_period_seconds,
            propagation_policy=propagation_policy,
            preconditions=preconditions,
        )
    )


def error_of(code: int, body: bytes, headers: Mapping[str, str]) -> StatusError:
    """The StatusError of an answer: the Status it holds, or one made of its code and text."""
    if body.lstrip()[:1] == b"{":
        try:
            status = json.decode(body, Status)
        except (msgspec.ValidationError, msgspec.DecodeError):
            pass
        else:
            if status.kind == "Status":
                return StatusError(msgspec.structs.replace(status, code=status.code or code))
    details = None
    if (after := headers.get("Retry-After", "")).isdigit():
        details = StatusDetails(retry_after_seconds=int(after))
    text = body[:1024].decode("utf-8", "replace").strip() or HTTPStatus(code).phrase
    return errors.make(code, _REASONS.get(code, "Unknown"), text, details)
