"""Bodies and patches of clients to custom objects, with the errors and warnings of the API server. Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from pilothouse.api import errors
from pilothouse.api.codec import go_json, strict, walk, yaml
from pilothouse.api.codec.go_json import JSONSyntaxError, NumberRangeError
from pilothouse.api.codec.strict import Decoded
from pilothouse.api.codec.walk import DecodeError
from pilothouse.api.custom import CustomObject
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver import patch
from pilothouse.apiserver.customresources.version import Version
from pilothouse.kinds.schema.embedded import MalformedObject
from pilothouse.kinds.schema.numbers import sized
from pilothouse.kinds.schema.pruning import prune

# Where there may be integers that Go does not have as Python has them.
_LARGE = re.compile(rb"\d{19}")
_IDENTITY = ("apiVersion", "kind", "metadata")


class CustomReading:
    """A `generic.reading.Reading` of one version."""

    patches = frozenset(("json", "merge", "apply"))

    def __init__(self, version: Version) -> None:
        self._version = version

    def decode(self, data: bytes, media_type: str, validation: str) -> Decoded[CustomObject]:
        """The object in a body. Raises StatusError (400, 415)."""
        v = self._version
        tree, doubled = self._tree(data, media_type)
        if not tree.get("kind"):
            shown = data.decode(errors="replace")
            raise strict.unrecognized(v.kind, f"Object 'Kind' is missing in '{shown}'", data)
        kind = tree["kind"]
        try:
            found = self._read(tree, data, doubled)
        except (DecodeError, MalformedObject) as error:
            raise strict.cannot(kind, v.api_version, v.kind, str(error)) from None
        if found.problems and validation == "Strict":
            raise strict.cannot(kind, v.api_version, v.kind, walk.told(found.problems))
        if (said := tree.get("apiVersion") or "") != v.api_version:
            raise strict.mismatch(said, v.api_version)
        return found if validation == "Warn" else Decoded(found.obj, found.tree)

    def patched(self, media_type: str, body: bytes, live: bytes, validation: str) -> Decoded[CustomObject]:
        """The object after a JSON or merge patch. Raises StatusError."""
        v = self._version
        tree, problems = patch.patch_tree(media_type, body, msgspec.json.decode(live), validation)
        try:
            if not isinstance(tree, dict):
                raise DecodeError(
                    f"json: cannot unmarshal {go_json.kind_of(tree)} into Go value of type map[string]interface {{}}"
                )
            found = self._read(tree, body, problems)
        except (DecodeError, MalformedObject) as error:
            raise patch.invalid(patch.text(tree), str(error)) from None
        if found.problems and validation == "Strict":
            raise patch.invalid(patch.text(tree), walk.told(found.problems))
        if (said := tree.get("apiVersion") or "") != v.api_version:
            raise strict.mismatch(said, v.api_version)
        return found if validation == "Warn" else Decoded(found.obj, found.tree)

    def _tree(self, data: bytes, media_type: str) -> tuple[dict[str, Any], tuple[str, ...]]:
        """(tree, duplicate members as problems) of a body. Raises StatusError."""
        kind = self._version.kind
        try:
            if media_type == strict.YAML:
                node, doubled = yaml.load(data)
                tree = go_json.plain(node)
            elif media_type == strict.JSON:
                tree, doubled = strict.decode_plain(data)
            else:
                told = "the body of the request was in an unknown format - accepted media types include: "
                raise errors.make(415, "UnsupportedMediaType", f"{told}{strict.JSON}, {strict.YAML}")
            strict.probe(tree)
        except NumberRangeError as error:
            raise strict.cannot(kind, self._version.api_version, kind, str(error)) from None
        except (JSONSyntaxError, DecodeError) as error:
            raise strict.unrecognized(kind, f"couldn't get version/kind; json parse error: {error}", data) from None
        except yaml.YAMLError as error:
            raise strict.unrecognized(kind, str(error), data) from None
        return tree or {}, doubled

    def _read(self, tree: dict[str, Any], data: bytes, doubled: tuple[str, ...]) -> Decoded[CustomObject]:
        """Raises DecodeError, MalformedObject."""
        v = self._version
        if _LARGE.search(data):
            tree = sized(tree)
        metadata, problems = _metadata(tree.get("metadata"))
        unknown: list[str] = []
        nested: list[str] = []
        body = {k: value for k, value in tree.items() if k not in _IDENTITY}
        if tree.get("kind") == v.kind:
            body = prune(v.schema, body, unknown)
            if v.coerce is not None:
                body = v.coerce(body, "", nested)
        obj = v.type(kind=tree.get("kind") or "", metadata=metadata, body=body)
        told = [f'unknown field "{path}"' for path in unknown]
        return Decoded(obj, tree, tuple(dict.fromkeys((*doubled, *problems, *told, *nested))))


def _metadata(node: Any) -> tuple[ObjectMeta, list[str]]:
    """(metadata, its unknown fields as problems). Raises DecodeError."""
    if node is None:
        return ObjectMeta(), []
    try:
        return msgspec.convert(node, ObjectMeta), []
    except (msgspec.ValidationError, ValueError, TypeError):
        tree, problems = walk.decode(node, ObjectMeta)
        told = [problem.replace('field "', 'field "metadata.', 1) for problem in problems]
        return msgspec.convert(tree, ObjectMeta), told
