"""Requests in every form, each with what the API says it asks for, worked out from how it was made and not by reading
its path."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pilothouse.apiserver.endpoints.router import Route
from pilothouse.kit.http.messages import Header

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "BREW")
WEBSOCKET: Sequence[Header] = (
    (b"connection", b"Upgrade"),
    (b"upgrade", b"websocket"),
    (b"sec-websocket-version", b"13"),
    (b"sec-websocket-key", b"MDEyMzQ1Njc4OWFiY2RlZg=="),
    (b"sec-websocket-protocol", b"v5.channel.k8s.io"),
)
SPDY: Sequence[Header] = ((b"connection", b"Upgrade"), (b"upgrade", b"SPDY/3.1"))
VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass
class FakeRequest:
    """A `kit.http.messages.Request`."""

    method: str
    target: bytes
    headers: Sequence[Header] = ()
    content: bytes = b""
    remote: tuple[str, int] = ("192.0.2.1", 1)
    peer_certificate: bytes | None = None
    read: bool = field(default=False)
    complete: bool = True

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)

    async def body(self, limit: int) -> bytes:
        self.read = True
        return self.content

    async def stream_body(self) -> AsyncIterator[bytes]:
        yield self.content


class Asked(NamedTuple):
    """What a request asks for, as an authorizer is asked."""

    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str


class Form(NamedTuple):
    """A path, and where it leads: `exists` tells whether the API has such a path at all."""

    path: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    special: str = ""
    exists: bool = True


def forms(route: Route) -> Iterator[Form]:
    """Paths of a resource: of its collection, an object `o` and its subresources, in the namespace `a` and in none,
    right and wrong for it."""
    r = route.resource
    base = f"/apis/{r.group}/{r.version}" if r.group else f"/api/{r.version}"
    # The name of a namespace is the namespace of requests about it.
    about = r.resource == "namespaces"
    below = sorted({*route.subresources, *route.connections, "nothing"})
    for special in ("", "watch", "proxy"):
        start = f"{base}/{special}" if special else base
        yield Form(f"{start}/{r.resource}", special=special)
        yield Form(f"{start}/{r.resource}/o", "o" if about else "", "o", special=special)
        inside = f"{start}/namespaces/a/{r.resource}"
        nested = r.namespaced
        yield Form(inside, "a", special=special, exists=nested)
        yield Form(f"{inside}/o", "a", "o", special=special, exists=nested)
        yield Form(f"{inside}/", "a", special=special, exists=nested)
        for sub in below:
            asked = sub if special != "proxy" else ""
            if not about or sub in ("status", "finalize"):
                yield Form(f"{start}/{r.resource}/o/{sub}", "o" if about else "", "o", asked, special)
            yield Form(f"{inside}/o/{sub}", "a", "o", asked, special, nested)
            yield Form(f"{inside}/o/{sub}/x/y", "a", "o", asked, special, nested)
        yield Form(f"{start}/namespaces/a%2F{r.resource}/o", "a", "o", special=special, exists=nested)
        if not special:
            yield Form(f"{base}//{r.resource}/o", exists=False)
            yield Form(f"{base}/namespaces//{r.resource}", exists=False)
            yield Form(f"{inside}//status", exists=False)
            yield Form(f"/{base}/{r.resource}", exists=False)


def asked_of(method: str, form: Form, route: Route, *, watch: bool = False) -> Asked:
    """What a request of a form asks for; `watch`: with `?watch=1`."""
    r = route.resource
    verb = form.special or VERBS.get(method, "")
    if not form.name and verb == "get":
        verb = "watch" if watch else "list"
    elif not form.name and verb == "delete":
        verb = "deletecollection"
    return Asked(verb, r.group, r.resource, form.subresource, form.namespace, form.name)
