"""What a request is about, read from its method and path alone, as authorization and audit name it. Pure.

The router chooses the handler by what is read here and by nothing else (`endpoints/router.py`), so that a request does
what it was authorized for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from pilothouse.api.selectors import SelectorError, parse_fields
from pilothouse.kit.texts import remembered

VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_OF_COLLECTIONS = {"get": "list", "delete": "deletecollection"}
# The word after a namespace's name that is a subresource of the namespace, not a resource in it.
NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})
SPECIAL_VERBS = frozenset({"watch", "proxy"})
LONGEST_SELECTOR = 4096
"""Characters of a selector that authorization looks into."""
_PREFIXES = frozenset({"api", "apis"})


class RequestInfo(Struct, frozen=True, gc=False):
    """A request as the API names it. For what is no resource only `path` and `verb` (the lower-case method) are set.

    `parts` are the path segments from the resource on: resource, name, subresource and what follows. `nested`: they
    came behind `namespaces/NAME/`. `prefixed`: the verb was a segment of the path (`watch`, `proxy`).
    """

    is_resource: bool
    path: str
    verb: str
    prefix: str = ""
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    parts: tuple[str, ...] = ()
    nested: bool = False
    prefixed: bool = False

    @property
    def scope(self) -> str:
        """The namespace that the object lies in: a Namespace lies in none, though its requests name it."""
        return "" if self.resource == "namespaces" and not self.group else self.namespace

    @property
    def well_formed(self) -> bool:
        """Whether no segment up to the subresource is empty (`//`). What follows is a proxied server's matter."""
        if "//" not in self.path:
            return True
        own = self.path.strip("/").split("/")
        own = own[: len(own) - len(self.parts) + 3]
        return "" not in own and not self.path.startswith("//")


def read(method: str, path: str, query: Mapping[str, Sequence[str]]) -> RequestInfo:
    """`path` is percent-decoded and without the query; `query` its parameters."""
    info = _of_path(path, method) if method in VERBS else _made(path, method)
    if query and info.verb == "list" and info.is_resource:
        verb, name = _collection_verb(query)
        return info if verb == "list" and not name else replace(info, verb=verb, name=name)
    return info


@remembered(2048)
def _of_path(path: str, method: str) -> RequestInfo:
    """Many requests have the path of one before."""
    return _made(path, method)


def _made(path: str, method: str) -> RequestInfo:
    """What a request without parameters is about."""
    segments = path.strip("/").split("/")
    lower = method.lower()
    if len(segments) < 3 or segments[0] not in _PREFIXES:
        return RequestInfo(False, path, lower)
    prefix = segments[0]
    group = ""
    if prefix == "apis":
        if len(segments) < 4:
            return RequestInfo(False, path, lower, prefix)
        group, rest = segments[1], segments[2:]
    else:
        rest = segments[1:]
    version, rest = rest[0], rest[1:]
    verb = VERBS.get(method, "")
    prefixed = rest[0] in SPECIAL_VERBS
    if prefixed:
        if len(rest) < 2:
            return RequestInfo(False, path, lower, prefix, group, version)
        verb, rest = rest[0], rest[1:]
    namespace, nested = "", False
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        nested = len(rest) > 2 and rest[2] not in NAMESPACE_SUBRESOURCES
        if nested:
            rest = rest[2:]
    resource = rest[0]
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 and verb != "proxy" else ""
    if not name:
        verb = _OF_COLLECTIONS.get(verb, verb)
    return RequestInfo(
        True,
        path,
        verb,
        prefix,
        group,
        version,
        namespace,
        resource,
        subresource,
        name,
        tuple(rest),
        nested,
        prefixed,
    )


def _collection_verb(query: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    watch = query.get("watch")
    verb = "watch" if watch and is_true(watch[0]) else "list"
    return verb, _selected_name(query)


def _selected_name(query: Mapping[str, Sequence[str]]) -> str:
    """The name that a field selector pins to one object, which authorization then sees: read by the parser that chooses
    the objects, as a name read otherwise would authorize for one object and show others. Empty without one, for a
    selector or a name that is none, and for a selector that is too long to be read before its sender may do anything:
    then it takes the right to all objects."""
    text = query.get("fieldSelector", ("",))[0]
    if len(text) > LONGEST_SELECTOR or "metadata.name" not in text:
        return ""
    try:
        name = parse_fields(text).exactly("metadata.name") or ""
    except SelectorError:
        return ""
    return name if name not in (".", "..") and "/" not in name and "%" not in name else ""


def is_true(text: str) -> bool:
    """A boolean query parameter: false only for "false" (any case) and "0"."""
    return text.lower() not in ("false", "0")
