"""What the server says of itself: version, health, discovery and the list of its paths; OpenAPI is beside it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pilothouse.api import scheme
from pilothouse.api.types.meta import v1 as meta
from pilothouse.apiserver.discovery import documents as discovery
from pilothouse.apiserver.discovery.documents import GROUP_ORDER
from pilothouse.apiserver.endpoints import answers
from pilothouse.apiserver.endpoints.health import ENDPOINTS, Health
from pilothouse.apiserver.endpoints.openapi import Customs, OpenApi
from pilothouse.apiserver.endpoints.router import Router, missing, not_allowed
from pilothouse.apiserver.request import negotiation
from pilothouse.apiserver.request.context import Context
from pilothouse.apiserver.version import VERSION
from pilothouse.kit.http.messages import Answer, Response
from pilothouse.kit.texts import remembered

_AGGREGATED = "APIGroupDiscoveryList"
_AGGREGATED_TYPE = b"application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def _json(tree: Any, status: int = 200) -> Response:
    return Response(status, json.dumps(tree, separators=(",", ":")).encode())


class Documents:
    """Answers to every path that is no resource. Made anew from the routes when they change (`changed`)."""

    def __init__(self, router: Router, address: Callable[[], str]) -> None:
        self._router = router
        self._address = address
        self._made: dict[str, Any] = {}
        self._openapi = OpenApi(self._builtin, VERSION["gitVersion"])
        self.health = Health()
        self.exact: dict[str, Callable[[Context], Answer | Awaitable[Answer]]] = {
            "/version": self._version,
            "/version/": self._version,
        }

    def publish(self, customs: Callable[[], Customs]) -> None:
        """Let OpenAPI tell of the custom resources that `customs` answers."""
        self._openapi.customs = customs

    def changed(self) -> None:
        """The routes are others than before."""
        self._made.clear()
        self._openapi.changed()

    async def answer(self, context: Context) -> Answer:
        """Raises StatusError (404, 405, 406)."""
        path = context.info.path
        found = self.exact.get(path)
        if found is not None:
            made = found(context)
            return await made if isinstance(made, Awaitable) else made
        if "//" in path:
            return answers.text(404, "404 page not found\n")
        segments = [s for s in path.split("/") if s]
        first = segments[0] if segments else ""
        if first in ENDPOINTS:
            return await self.health.answer(context, first, "/".join(segments[1:]))
        if first in ("api", "apis"):
            return self._discovery(context, segments) or answers.text(404, "404 page not found\n")
        if first == "openapi":
            return await self._openapi.answer(context, segments[1:]) or answers.text(404, "404 page not found\n")
        if not first:
            return _json({"paths": self._paths()})
        return answers.text(404, "404 page not found\n")

    def _version(self, context: Context) -> Answer:
        if context.request.method != "GET":
            raise not_allowed()
        if negotiation.first_of(context.request.header(b"accept"), (negotiation.JSON,)) is None:
            raise negotiation.unavailable((negotiation.JSON,))
        return Response(200, json.dumps(VERSION, indent=2).encode())

    # Discovery.

    def _groups(self) -> dict[str, dict[str, list[Any]]]:
        found: dict[str, dict[str, list[Any]]] = self._once(
            "groups", lambda: discovery.grouped(self._router.resources())
        )
        return found

    def _builtin(self) -> dict[str, dict[str, list[Any]]]:
        """The groups whose kinds have generated types."""
        found: dict[str, dict[str, list[Any]]] = {}
        for group, versions in self._groups().items():
            for version, resources in versions.items():
                known = [r for r in resources if (r.group, r.version, r.resource) in scheme.BY_RESOURCE]
                if known:
                    found.setdefault(group, {})[version] = known
        return found

    def _once(self, key: str, make: Callable[[], Any]) -> Any:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def _discovery(self, context: Context, segments: list[str]) -> Answer | None:
        groups = self._groups()
        method = context.request.method
        if len(segments) == 1:
            if segments[0] == "api" and method != "GET":
                raise not_allowed()
            return self._top(context, segments[0])
        if segments[0] == "api":
            return self._resources(context, groups.get("", {}), "", segments[1]) if len(segments) == 2 else None
        name = segments[1]
        versions = groups.get(name) if name else None
        if versions is None:
            return None
        if len(segments) == 2:
            context.negotiate(shapes=negotiation.NO_SHAPES)
            return answers.document(context, discovery.group_document(name, list(versions)), meta.APIGroup)
        return self._resources(context, versions, name, segments[2]) if len(segments) == 3 else None

    def _resources(self, context: Context, versions: Mapping[str, Any], group: str, version: str) -> Answer | None:
        custom = group not in GROUP_ORDER and bool(group)
        if version not in versions:
            if custom:
                return None
            raise missing()
        if context.request.method != "GET" and not custom:
            raise not_allowed()
        context.negotiate(shapes=negotiation.NO_SHAPES)
        name = f"{group}/{version}" if group else version
        return answers.document(context, discovery.resource_list(name, versions[version]), meta.APIResourceList)

    def _top(self, context: Context, prefix: str) -> Answer:
        """/api and /apis: plain, or aggregated if that is asked for."""
        accept = (context.request.header(b"accept") or b"").decode("latin-1")
        groups = self._groups()
        if _wants_aggregated(accept):
            return self._aggregated(context, prefix)
        context.negotiate(shapes=negotiation.NO_SHAPES)
        if prefix == "api":
            return answers.document(context, discovery.core_versions(self._address()), meta.APIVersions)
        named = {name: list(v) for name, v in groups.items() if name}
        return answers.document(context, discovery.group_list(named), meta.APIGroupList)

    def _aggregated(self, context: Context, prefix: str) -> Response:
        def make() -> tuple[bytes, bytes]:
            wanted = {n: v for n, v in self._groups().items() if bool(n) == (prefix == "apis")}
            body = json.dumps(discovery.aggregated(wanted), separators=(",", ":")).encode()
            return body, discovery.etag(body).encode()

        body, tag = self._once(f"aggregated {prefix}", make)
        headers = ((b"etag", tag), (b"vary", b"Accept"))
        if context.request.header(b"if-none-match") == tag:
            return Response(304, b"", b"", headers)
        return Response(200, body, _AGGREGATED_TYPE, headers)

    def _paths(self) -> list[str]:
        found = ["/.well-known/openid-configuration", "/api", "/apis", "/openapi/v2", "/openapi/v3", "/version"]
        found += ["/metrics", "/metrics/slis", "/openid/v1/jwks", "/openapi/v3/"]
        found += self.health.paths()
        for group, versions in self._groups().items():
            base = f"/apis/{group}" if group else "/api"
            found += [base, *(f"{base}/{version}" for version in versions)]
        return sorted(set(found))


@remembered(256)
def _wants_aggregated(accept: str) -> bool:
    """Whether the aggregated document comes before the plain one in an Accept header."""
    for part in accept.split(","):
        pieces = {p.strip().partition("=")[0]: p.strip().partition("=")[2] for p in part.split(";")}
        if pieces.get("as") == _AGGREGATED:
            return pieces.get("v") == "v2" and pieces.get("g") == "apidiscovery.k8s.io"
        if part.strip().partition(";")[0] in negotiation.TYPES and "as" not in pieces:
            return False
    return False
