"""The OpenAPI documents: made in a thread when first asked for, and kept as the compressed bytes that are sent."""

from __future__ import annotations

import asyncio
import functools
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from pilothouse.api.facts import Resource
from pilothouse.apiserver.filters.compression import accepts
from pilothouse.apiserver.openapi import custom, descriptions, plain, state
from pilothouse.apiserver.openapi import documents as openapi
from pilothouse.apiserver.openapi.custom import Custom
from pilothouse.apiserver.request import negotiation, query
from pilothouse.apiserver.request.context import Context
from pilothouse.kit.http.messages import Answer, Header, Response

JSON = "application/json"
_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
V2, V2_PROTOBUF = "v2", "v2 protobuf"
_V2 = (JSON, _PROTOBUF, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
Groups = Mapping[str, Mapping[str, list[Resource]]]
Customs = Mapping[tuple[str, str], Sequence[Custom]]
"""Custom resources by group and version."""


class Document(NamedTuple):
    """A document as it is sent."""

    packed: bytes
    """gzip of its bytes."""
    type: bytes


class OpenApi:
    """Answers below /openapi; `groups` tells what is served of the API's own kinds, group to version to resources."""

    def __init__(self, groups: Callable[[], Groups], server_version: str) -> None:
        self._groups = groups
        self.customs: Callable[[], Customs] = dict
        """The custom resources that are served."""
        self._server_version = server_version
        self._made: dict[str, Document] = {}
        self._tags: dict[str, str] = {}
        self._spoken: dict[str, list[Any]] | None = None
        self._making = asyncio.Lock()

    def changed(self) -> None:
        """What is served is not what it was. A document that is being made now goes to those who wait for it alone."""
        self._spoken = None
        own = self._own()
        self._made = {name: made for name, made in self._made.items() if name in own}
        self._tags = {name: tag for name, tag in self._tags.items() if name in own}

    async def answer(self, context: Context, rest: list[str]) -> Answer | None:
        """None for a document that does not exist."""
        if rest == ["v3"]:
            return Response(200, msgspec.json.encode(openapi.v3_index({name: self._tag(name) for name in self._v3s()})))
        name = "/".join(rest[1:]) if rest[:1] == ["v3"] else V2 if rest == ["v2"] else ""
        make = self._v3s().get(name)
        if make is None and name != V2:
            return None
        wanted = negotiation.first_of(context.request.header(b"accept"), _V2 if make is None else (JSON,))
        if wanted is None:
            return Response(406, b"", b"")
        if make is not None:
            return self._elsewhere(context, name) or await self._answer(context, name, make)
        if wanted == JSON:
            return await self._answer(context, name, self._v2)
        return await self._answer(context, V2_PROTOBUF, self._v2_protobuf)

    # What there is, and the tags that tell one state of it from another without making any document.

    def _v3s(self) -> dict[str, Callable[[], Document]]:
        """Names of the documents of v3 to what makes them."""
        groups = self._groups()
        found: dict[str, Callable[[], Document]] = {}
        customs = self.customs()
        for name, kind in plain.answers([*groups, *dict.fromkeys(group for group, _ in customs)]).items():
            found[name] = functools.partial(self._plain, name, kind)
        for group, versions in groups.items():
            for version in versions:
                found[_name(group, version)] = functools.partial(self._v3, group, version)
        for (group, version), resources in customs.items():
            found[_name(group, version)] = functools.partial(self._custom, resources)
        return found

    def _own(self) -> dict[str, Any]:
        """What is spoken in each group version of the API's own kinds, by the name of its document."""
        return {_name(g, v): resources for g, versions in self._groups().items() for v, resources in versions.items()}

    def _all(self) -> dict[str, list[Any]]:
        """What is spoken in each group version, by the name of its document; schemas stand as their digests. Gathered
        once for each state, and without a walk through any schema, as clients make the loop wait for it."""
        if self._spoken is None:
            self._spoken = self._own() | {
                _name(*place): [custom._replace(schema=None) for custom in customs]
                for place, customs in self.customs().items()
            }
        return self._spoken

    def _tag(self, name: str) -> str:
        if name not in self._tags:
            spoken = self._all()
            # v2 tells of everything; what is neither v2 nor of a group version, of its own path alone.
            told = sorted(spoken.items()) if name in (V2, V2_PROTOBUF) else spoken.get(name)
            made_from = (name, self._server_version, state.stamp(), told)
            self._tags[name] = openapi.document_hash(repr(made_from).encode())
        return self._tags[name]

    def _elsewhere(self, context: Context, name: str) -> Response | None:
        """To the document as it is now, where a client asks for another state of it."""
        asked = query.text(context.query, "hash")
        if asked in ("", self._tag(name)):
            return None
        url = openapi.relative_url(name, self._tag(name))
        body = f'<a href="{url}">Moved Permanently</a>.\n\n'.encode()
        return Response(301, body, b"text/html; charset=utf-8", [(b"location", url.encode())])

    # Making and sending.

    async def _answer(self, context: Context, name: str, make: Callable[[], Document]) -> Answer:
        tag = b'"%b"' % self._tag(name).encode()
        headers = [(b"etag", tag), (b"vary", b"Accept"), *self._keeping(context)]
        if context.request.header(b"if-none-match") == tag:
            return Response(304, b"", b"", headers)
        document = await self._document(name, make)
        if accepts(context.request.header(b"accept-encoding")):
            return Response(200, document.packed, document.type, (*headers, (b"content-encoding", b"gzip")))
        loop = asyncio.get_running_loop()
        return Response(200, await loop.run_in_executor(None, _unpacked, document.packed), document.type, headers)

    def _keeping(self, context: Context) -> list[Header]:
        """For how long a client may keep what it got: under its hash, a document never changes."""
        if not query.text(context.query, "hash"):
            return [(b"cache-control", b"no-cache, private")]
        end = datetime.fromtimestamp(context.clock.now(), UTC) + timedelta(days=365)
        return [(b"cache-control", b"public, immutable"), (b"expires", f"{end:%a, %d %b %Y %H:%M:%S} UTC".encode())]

    async def _document(self, name: str, make: Callable[[], Document]) -> Document:
        made = self._made
        async with self._making:
            if name not in made:
                made[name] = await asyncio.get_running_loop().run_in_executor(None, make)
        return made[name]

    def _v3(self, group: str, version: str) -> Document:
        tree = openapi.v3(self._groups()[group][version], self._server_version, descriptions.read())
        return Document(_packed(msgspec.json.encode(tree)), JSON.encode())

    def _custom(self, resources: Sequence[Custom]) -> Document:
        return Document(_packed(msgspec.json.encode(custom.document(resources, descriptions.read()))), JSON.encode())

    def _plain(self, name: str, kind: str) -> Document:
        tree = plain.v3(name, kind, self._server_version, descriptions.read())
        return Document(_packed(msgspec.json.encode(tree)), JSON.encode())

    def _v2(self) -> Document:
        return Document(_packed(msgspec.json.encode(self._v2_tree())), JSON.encode())

    def _v2_protobuf(self) -> Document:
        from pilothouse.apiserver.openapi import gnostic

        return Document(_packed(gnostic.encode(self._v2_tree())), _PROTOBUF.encode())

    def _v2_tree(self) -> dict[str, Any]:
        from pilothouse.apiserver.openapi import v2

        return v2.document(self._groups(), self._server_version, descriptions.read(), self.customs())


def _name(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _packed(document: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return packer.compress(document) + packer.flush()


def _unpacked(packed: bytes) -> bytes:
    return zlib.decompress(packed, 31)
