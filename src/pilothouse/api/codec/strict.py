"""Decoding what clients send for built-in kinds, exactly as the API server does: the fast way when it proves enough.

The fast way decodes with msgspec. It proves that no member was a duplicate by writing the tree again and counting
colons: a tree that lost a member has fewer of them (no escape can stand for a colon, as bodies with `\\u` go the slow
way). Its Structs refuse unknown members, nulls and wrong types; whatever it refuses is walked exactly (`walk`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Generic, NoReturn, TypeVar

import msgspec

from pilothouse.api import errors, scheme
from pilothouse.api.codec import cuts, go_json, protobuf, walk, yaml
from pilothouse.api.codec import json as trusted
from pilothouse.api.codec.depth import TOLD, too_deep
from pilothouse.api.codec.go_json import JSONSyntaxError
from pilothouse.api.codec.json import decode_hook
from pilothouse.api.codec.parts import LARGEST, SharingStrictDecoder, shared_part
from pilothouse.api.codec.walk import DecodeError

T = TypeVar("T")

JSON, YAML = "application/json", "application/yaml"
_LEGACY_VERSIONS = frozenset(
    f"{group}/{version}"
    for group, versions in {
        "extensions": ("v1beta1",),
        "apps": ("v1beta1", "v1beta2"),
        "policy": ("v1beta1",),
        "batch": ("v1beta1",),
        "autoscaling": ("v2beta1", "v2beta2"),
        "networking.k8s.io": ("v1beta1",),
        "rbac.authorization.k8s.io": ("v1alpha1", "v1beta1"),
        "storage.k8s.io": ("v1alpha1", "v1beta1"),
        "scheduling.k8s.io": ("v1alpha1", "v1beta1"),
        "coordination.k8s.io": ("v1alpha2", "v1beta1"),
        "discovery.k8s.io": ("v1beta1",),
        "events.k8s.io": ("v1beta1",),
        "node.k8s.io": ("v1alpha1", "v1beta1"),
        "certificates.k8s.io": ("v1alpha1", "v1beta1"),
        "admissionregistration.k8s.io": ("v1alpha1", "v1beta1"),
        "apiextensions.k8s.io": ("v1beta1",),
        "apiregistration.k8s.io": ("v1beta1",),
        "flowcontrol.apiserver.k8s.io": ("v1beta1", "v1beta2", "v1beta3"),
        "authentication.k8s.io": ("v1alpha1", "v1beta1"),
        "authorization.k8s.io": ("v1beta1",),
        "resource.k8s.io": ("v1alpha3", "v1beta1", "v1beta2"),
    }.items()
    for version in versions
)
_PROBE = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'


class Decoded(msgspec.Struct, Generic[T], frozen=True, eq=False):
    """A client's object, its JSON tree (not to be changed; without a part that was met before), and what strict
    validation has against it: texts like `unknown field "spec.x"`, in the order of the document. `Warn` sends each as a
    warning."""

    obj: T
    tree: dict[str, Any]
    problems: tuple[str, ...] = ()


class _Float(ValueError):
    pass


def _no_floats(literal: str) -> NoReturn:
    raise _Float(literal)


# A float literal where Go wants an int is an error, but msgspec takes 1.0: floats go the slow way.
_tree_decoder = msgspec.json.Decoder(float_hook=_no_floats)
_literal_decoder = msgspec.json.Decoder(float_hook=go_json.Number)
_tree_encoder = msgspec.json.Encoder(enc_hook=float)


def decode(data: bytes, kind: type[T]) -> Decoded[T]:
    """Decode JSON as `kind`, whatever kind it says it is. Raises JSONSyntaxError or DecodeError, with Go's texts."""
    return _fast(data, kind) or _exact(parsed(data), kind)


def decode_tree(tree: Any, kind: type[T]) -> Decoded[T]:
    """Decode a JSON tree (of a patch, say) as `kind`. Raises DecodeError."""
    if walk.reads_itself(kind):
        return _exact(tree, kind)
    try:
        return Decoded(msgspec.convert(tree, kind, dec_hook=decode_hook), tree)
    except (msgspec.ValidationError, ValueError, TypeError):
        return _exact(tree, kind)


def decode_request(data: bytes, kind: type[T], *, media_type: str = JSON, field_validation: str = "Warn") -> Decoded[T]:
    """Decode the body of a create or update. Raises StatusError 400 as the API server words it; under `Strict` also
    for problems; under `Ignore` they are dropped."""
    name, api_version = identity(kind)
    if media_type == protobuf.CONTENT_TYPE:
        return _of_protobuf(data, kind)
    found = _fast(data, kind) if media_type == JSON else None
    if found is None or found.obj.kind != name or found.obj.api_version != api_version:  # type: ignore[attr-defined]
        found = _recognized(data, kind, media_type, field_validation)
    if not found.problems or field_validation == "Warn":
        return found
    if field_validation == "Ignore":
        return Decoded(found.obj, found.tree)
    raise cannot(name, api_version, name, walk.told(found.problems))


def plain_object(data: bytes) -> dict[str, Any] | None:
    """The JSON object in `data` if it reads the same in YAML: no escapes, no floats, no duplicates."""
    if data[:1] != b"{" or b"\\" in data or too_deep(data):
        return None
    try:
        tree = _tree_decoder.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return tree if _has_all(tree, data) else None


def decode_plain(data: bytes) -> tuple[Any, tuple[str, ...]]:
    """(JSON tree, duplicate members as problems) of a body without a type. Raises JSONSyntaxError."""
    if not (b"\\" in data and b"\\u" in data) and not too_deep(data):
        try:
            tree = cuts.decode(data, msgspec.json.decode)
            if _has_all(tree, data):
                return tree, ()
        except msgspec.DecodeError:
            go_json.check_syntax(data)
        except (ValueError, RecursionError):
            pass
    node = go_json.parse(data)
    return go_json.plain(node), tuple(dict.fromkeys(go_json.duplicates(node)))


def _identity(kind: Any) -> tuple[str, str]:
    """(kind, apiVersion) of a generated type."""
    sample = kind()
    return sample.kind, sample.api_version


identity: Callable[[Any], tuple[str, str]] = functools.cache(_identity)


def _fast(data: bytes, kind: type[T]) -> Decoded[T] | None:
    if too_deep(data) or walk.reads_itself(kind):
        return None
    if b"\\" in data and b"\\u" in data:  # one byte is found ten times as fast as two
        return None
    try:
        if len(data) <= 2 * LARGEST and shared_part(kind):
            return _sharing(data, kind)
        return _whole(data, kind)
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError):
        return None


def _whole(data: bytes, kind: type[T]) -> Decoded[T] | None:
    tree = cuts.decode(data, _tree_decoder.decode)
    if not isinstance(tree, dict) or not _has_all(tree, data):
        return None
    return Decoded(msgspec.convert(tree, kind, dec_hook=decode_hook), tree)


def _sharing(data: bytes, kind: type[T]) -> Decoded[T] | None:
    decoder = _sharing_decoder(kind)
    opened = decoder.open(data)
    if not _has_all(opened, data):
        return None
    obj = decoder.closed(opened)
    if obj is not None:
        return Decoded(obj, {} if opened.metadata is msgspec.UNSET else {"metadata": opened.metadata})
    found = _whole(data, kind)
    if found is not None:
        decoder.learn(opened, found.obj)
    return found


def _has_all(tree: Any, data: bytes) -> bool:
    """Whether no member of the body was lost: it has as many colons as the tree written again."""
    return _tree_encoder.encode(tree).count(b":") == data.count(b":")


def _new_sharing_decoder(kind: Any) -> SharingStrictDecoder:
    return SharingStrictDecoder(kind, decode_hook, _no_floats)


_sharing_decoder: Callable[[Any], SharingStrictDecoder] = functools.cache(_new_sharing_decoder)


def parsed(data: bytes) -> Any:
    """The tree of a body for the exact way: by msgspec where no member was lost, else with duplicates kept. Raises
    JSONSyntaxError."""
    if not (b"\\" in data and b"\\u" in data) and not too_deep(data):
        try:
            tree = cuts.decode(data, _literal_decoder.decode)
            if _has_all(tree, data):
                return tree
        except msgspec.DecodeError:
            go_json.check_syntax(data)
        except (ValueError, RecursionError):
            pass
    return go_json.parse(data)


def _exact(node: Any, kind: type[T]) -> Decoded[T]:
    tree, problems = walk.decode(node, kind)
    return Decoded(msgspec.convert(tree, kind, dec_hook=decode_hook), tree, problems)


def _recognized(data: bytes, kind: type[T], media_type: str, field_validation: str) -> Decoded[T]:
    """The slow way, in the order of the API server: syntax, then kind and version, then the object."""
    name, api_version = identity(kind)
    duplicates: tuple[str, ...] = ()
    try:
        if media_type == YAML:
            node, duplicates = yaml.load(data)
        else:
            node = parsed(data)
        said_kind, said_version = probe(node)
    except (JSONSyntaxError, DecodeError) as error:
        raise unrecognized(name, f"couldn't get version/kind; json parse error: {error}", data) from None
    except yaml.YAMLError as error:
        raise unrecognized(name, str(error), data) from None
    if said_version.count("/") > 1:
        raise unrecognized(name, f"unexpected GroupVersion string: {said_version}", data)
    said_kind, said_version = said_kind or name, said_version or api_version
    try:
        if (said_kind, said_version) != (name, api_version):
            _other(node, kind, said_kind, said_version)
        found = _exact(node, kind)
    except DecodeError as error:
        raise cannot(said_kind, said_version, name, str(error)) from None
    problems = (*duplicates, *found.problems)
    if problems and field_validation == "Strict":
        told = walk.told((*yaml.duplicates_told(duplicates), *found.problems))
        raise cannot(said_kind, said_version, name, told)
    if said_version != api_version:
        raise mismatch(said_version, api_version)
    obj = found.obj
    if obj.kind != name or obj.api_version != api_version:  # type: ignore[attr-defined]
        obj = msgspec.structs.replace(obj, kind=name, api_version=api_version)  # type: ignore[type-var]
    return Decoded(obj, found.tree, problems)


def _of_protobuf(data: bytes, kind: type[T]) -> Decoded[T]:
    """A message has no unknown or duplicate members; but its kind may be another."""
    name, api_version = identity(kind)
    try:
        envelope = protobuf.open_envelope(data)
    except protobuf.ProtobufError as error:
        raise unrecognized(name, str(error), data) from None
    said_kind, said_version = envelope.kind or name, envelope.api_version or api_version
    try:
        if (said_kind, said_version) != (name, api_version):
            _other({}, kind, said_kind, said_version)
            raise mismatch(said_version, api_version)
        wire = trusted.encode(protobuf.decode_message(envelope.raw, kind))
        # Read back at once what will be stored: an object that nobody can read again must not get in.
        if too_deep(wire):
            raise protobuf.ProtobufError(TOLD)
        obj = trusted.decode(wire, kind)
    except (protobuf.ProtobufError, DecodeError, msgspec.ValidationError) as error:
        raise cannot(said_kind, said_version, name, str(error)) from None
    return Decoded(obj, trusted.decode_any(wire))


def mismatch(said: str, expected: str) -> errors.StatusError:
    return errors.bad_request(
        f"the API version in the data ({said}) does not match the expected API version ({expected})"
    )


def probe(node: Any) -> tuple[str, str]:
    """(kind, apiVersion) that a body says, "" where it says none. Raises DecodeError if they are no strings."""
    if node is None:
        return "", ""
    if not isinstance(node, go_json.Pairs | dict):
        raise DecodeError(f"json: cannot unmarshal {go_json.kind_of(node)} into Go value of type {_PROBE}")
    found = {"kind": "", "apiVersion": ""}
    for key, value in node if isinstance(node, go_json.Pairs) else node.items():
        if key in found and value is not None:
            if go_json.kind_of(value) != "string":
                raise DecodeError(
                    f"json: cannot unmarshal {go_json.kind_of(value)} into Go struct field .{key} of type string"
                )
            found[key] = value
    return found["kind"], found["apiVersion"]


def _other(node: Any, kind: type[Any], said_kind: str, said_version: str) -> None:
    """A body of another kind or version: what it fails with, if it does so before its version is compared."""
    name = identity(kind)[0]
    group, _, version = said_version.rpartition("/")
    legacy = said_version in _LEGACY_VERSIONS
    try:
        other = scheme.type_of(group, version, said_kind)
    except KeyError:
        try:
            other = scheme.type_of("meta", "v1", said_kind)
        except KeyError:
            if legacy and said_kind == name:
                return
            raise DecodeError(
                f'no kind "{said_kind}" is registered for version "{said_version}" in scheme '
                '"pkg/api/legacyscheme/scheme.go:30"'
            ) from None
    if said_kind == name:
        return
    walk.decode(node, other)
    internal = kind.__module__.split(".")[-2]
    raise DecodeError(
        f"converting ({version}.{said_kind}) to ({internal}.{name}): unknown conversion",
    )


def cannot(said_kind: str, said_version: str, name: str, why: str) -> errors.StatusError:
    version = said_version.rpartition("/")[2]
    return errors.bad_request(f'{said_kind} in version "{version}" cannot be handled as a {name}: {why}')


def unrecognized(name: str, why: str, data: bytes) -> errors.StatusError:
    return errors.bad_request(
        f"the object provided is unrecognized (must be of type {name}): {why} ({go_json.summary(data)})"
    )
