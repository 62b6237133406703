"""What a request does is what was authorized: every registered route, by every method, form of path and transport."""

from __future__ import annotations

import contextlib
import functools
import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, NamedTuple, cast

import pytest

from pilothouse.api.codec import json as codec
from pilothouse.api.types.apiextensions.v1 import CustomResourceDefinition
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.core.v1 import Namespace
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.api.types.rbac.v1 import (
    ClusterRole,
    ClusterRoleBinding,
    PolicyRule,
    Role,
    RoleBinding,
    RoleRef,
    Subject,
)
from pilothouse.apiserver.authn.interface import Authentication
from pilothouse.apiserver.authz.interface import Decision, Verdict
from pilothouse.apiserver.endpoints.action import ActionEndpoint
from pilothouse.apiserver.endpoints.component_status import ComponentStatuses
from pilothouse.apiserver.endpoints.resource import ResourceEndpoint
from pilothouse.apiserver.endpoints.router import Route
from pilothouse.apiserver.endpoints.scale import ScaleEndpoint
from pilothouse.apiserver.pipeline import Pipeline
from pilothouse.apiserver.request.access import Access
from pilothouse.apiserver.request.context import Context, Handler
from pilothouse.apiserver.request.request_info import read
from pilothouse.apiserver.server import ApiServer
from pilothouse.apiserver.streaming.pods import PodStreams
from pilothouse.apiserver.streaming.proxying import Proxy
from pilothouse.kit.http.messages import Answer, Header, Response
from pilothouse.machinery.client import Client
from tests.apiserver.authz.requests import METHODS, SPDY, VERBS, WEBSOCKET, Asked, FakeRequest, Form, asked_of, forms
from tests.apiserver.customresources.test_registry import until
from tests.apiserver.servers import running

TOKEN = ((b"authorization", b"Bearer T"),)
ANY_SCHEMA = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
SUBRESOURCES = {
    "status": {},
    "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
}


def definition(plural: str, scope: str) -> CustomResourceDefinition:
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": ANY_SCHEMA},
        "subresources": SUBRESOURCES,
    }
    names = {"plural": plural, "kind": plural.capitalize()}
    spec = {"group": "example.com", "scope": scope, "names": names, "versions": [version]}
    return codec.from_builtins({"metadata": {"name": f"{plural}.example.com"}, "spec": spec}, CustomResourceDefinition)


@contextlib.asynccontextmanager
async def with_customs() -> AsyncIterator[tuple[ApiServer, Client]]:
    """A server with custom resources; one is called like what it is not."""
    async with running() as (server, client):
        for plural, scope in (("widgets", "Namespaced"), ("planets", "Cluster"), ("namespaces", "Namespaced")):
            await client.create(definition(plural, scope))
            resource = ("example.com", "v1", plural)
            await until(lambda resource=resource: resource in server.served.by_resource)
        yield server, client


class Done(NamedTuple):
    """What a handler does: an operation on a resource, and the verbs that it takes."""

    verbs: tuple[str, ...]
    subresource: str


def done_by(handler: Handler, method: str) -> Done:
    """What a handler does, told by the function it is."""
    subresource, function = "", cast(Any, handler)
    if isinstance(function, functools.partial):
        subresource, function = function.keywords["subresource"], function.func
    owner, name = function.__self__, function.__name__
    if isinstance(owner, ResourceEndpoint | ComponentStatuses):
        return Done((name,), subresource)
    if isinstance(owner, ScaleEndpoint):
        return Done((name,), "scale")
    if isinstance(owner, ActionEndpoint):
        return Done(("create",), owner.action.subresource)
    if isinstance(owner, Proxy):
        return Done((VERBS.get(method, ""),), "proxy")
    assert isinstance(owner, PodStreams)
    if name == "log":
        return Done(("get",), "log")
    return Done(("create",), {"exec": "exec", "attach": "attach", "port_forward": "portforward"}[name])


class Spy:
    """An authorizer who allows all and keeps what it was asked; handlers give way to notes of what they would do."""

    def __init__(self, server: ApiServer) -> None:
        self.accesses: list[Access] = []
        self.ran: list[tuple[Route, Handler, Context]] = []
        setattr(server.authz.authorizer, "authorize", self.authorize)  # noqa: B010
        for route in server.served.router.routes():
            for verbs in (route.collection, route.item, *route.subresources.values()):
                for verb, handler in verbs.items():
                    verbs[verb] = self._noting(route, handler)
            for name, connection in route.connections.items():
                route.connections[name] = connection._replace(handler=self._noting(route, connection.handler))

    def authorize(self, access: Access) -> Verdict:
        self.accesses.append(access)
        return Verdict(Decision.ALLOW)

    def _noting(self, route: Route, handler: Handler) -> Handler:
        def note(context: Context) -> Response:
            self.ran.append((route, handler, context))
            return Response(200)

        return note


def requests() -> Iterator[tuple[str, str, Sequence[Header]]]:
    """Methods with queries and upgrade headers."""
    for method in METHODS:
        yield method, "", ()
        yield method, "", WEBSOCKET
        yield method, "", SPDY
    yield from (("GET", "?watch=1", ()), ("POST", "?watch=1", ()), ("DELETE", "?watch=true&dryRun=All", ()))


async def test_a_handler_runs_for_the_verb_that_was_authorized() -> None:
    async with with_customs() as (server, _):
        spy = Spy(server)
        pipeline = server.pipeline
        cells = served = 0
        for route in server.served.router.routes():
            for form in forms(route):
                for method, query, headers in requests():
                    spy.accesses.clear()
                    spy.ran.clear()
                    request = FakeRequest(method, (form.path + query).encode(), (*TOKEN, *headers))
                    answer = await pipeline.answer(request)
                    cells += 1
                    served += len(spy.ran)
                    _check(spy, route, form, method, bool(query), answer.status)
        assert cells > 80_000
        assert served > 3_000


def _check(spy: Spy, route: Route, form: Form, method: str, watch: bool, status: int) -> None:
    cell = (method, form.path, status)
    asked = asked_of(method, form, route, watch=watch)
    first, *_ = spy.accesses
    if form.exists or spy.ran:
        assert _asked(first) == asked, cell
    if not spy.ran:
        assert status in (404, 405), cell
        return
    assert form.exists, cell
    ((ran_on, handler, context),) = spy.ran
    r = route.resource
    assert (ran_on.resource.group, ran_on.resource.resource) == (r.group, r.resource), cell
    done = done_by(handler, method)
    for verb in done.verbs:
        # What it does, to what it does it, and where, were asked about.
        wanted = asked._replace(verb=verb, subresource=done.subresource or asked.subresource)
        assert wanted in [_asked(access) for access in spy.accesses], (cell, done)
    about_itself = (r.group, r.resource) == ("", "namespaces")
    assert context.info.scope == ("" if about_itself else asked.namespace), cell
    assert context.info.name == asked.name, cell


def _asked(access: Access) -> Asked:
    return Asked(access.verb, access.group, access.resource, access.subresource, access.namespace, access.name)


RBAC = "rbac.authorization.k8s.io"


def rule(verbs: str, resources: str, *names: str, group: str = "*") -> PolicyRule:
    return PolicyRule(
        verbs=tuple(verbs.split()),
        api_groups=(group,),
        resources=tuple(resources.split()),
        resource_names=names,
    )


RULES: dict[str, tuple[str, PolicyRule]] = {
    "reader": ("", rule("get list watch", "*")),
    "getter": ("", rule("get", "*")),
    "lister": ("", rule("list watch", "*")),
    "watcher": ("", rule("watch", "*")),
    "writer": ("", rule("create update patch delete deletecollection", "*")),
    "creator": ("", rule("create", "*")),
    "operator": ("", rule("get update patch", "*/status */scale")),
    "proxying": ("", rule("proxy", "*")),
    "connecting": ("", rule("get create", "pods/exec pods/attach pods/portforward pods/log pods/proxy", group="")),
    "tenant": ("a", rule("*", "*")),
    "of one": ("a", rule("*", "*", "o")),
    "nobody": ("a", rule("nothing", "*")),
}


async def _let_in(client: Client) -> None:
    await client.create(Namespace(metadata=ObjectMeta(name="a")))
    for user, (namespace, granted) in RULES.items():
        meta = ObjectMeta(name=user.replace(" ", "-"), namespace=namespace)
        subjects = (Subject(kind="User", name=user, api_group=RBAC),)
        role = RoleRef(kind="Role" if namespace else "ClusterRole", name=meta.name, api_group=RBAC)
        if namespace:
            await client.create(Role(metadata=meta, rules=(granted,)))
            await client.create(RoleBinding(metadata=meta, subjects=subjects, role_ref=role))
        else:
            await client.create(ClusterRole(metadata=meta, rules=(granted,)))
            await client.create(ClusterRoleBinding(metadata=meta, subjects=subjects, role_ref=role))


# fmt: off
SAMPLED = frozenset((
    "pods", "services", "nodes", "namespaces", "secrets", "serviceaccounts", "componentstatuses", "bindings",
    "deployments", "leases", "roles", "subjectaccessreviews", "localsubjectaccessreviews", "widgets", "planets",
))
# fmt: on
STREAMS = re.compile(r"/api/v1/namespaces/a/pods/o/(exec|attach|portforward)")
BODY = (b"content-type", b"application/json")
MERGE = (b"content-type", b"application/merge-patch+json")


def act_as(server: ApiServer, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every request be `user`'s."""
    who = Authentication(UserInfo(username=user))
    monkeypatch.setattr(server.authn.requests, "authenticate", lambda head: who)


@pytest.mark.parametrize("user", RULES)
async def test_a_request_gets_what_its_authorizer_answers(user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with with_customs() as (server, client):
        await _let_in(client)
        server.authn.requests.authenticate = lambda head: Authentication(UserInfo(username=user))  # type: ignore[method-assign]
        pipeline = server.pipeline
        authorizer = server.authz.authorizer
        cells, allowed_at_all = 0, 0
        for route in server.served.router.routes():
            if route.resource.resource not in SAMPLED:
                continue
            for form in filter(lambda form: form.exists, forms(route)):
                for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
                    asked = asked_of(method, form, route)
                    allowed = authorizer.authorize(_access(user, asked, route)).allowed
                    if allowed and method == "GET" and STREAMS.fullmatch(form.path):
                        allowed = authorizer.authorize(_access(user, asked._replace(verb="create"), route)).allowed
                    refused = await _is_refused(pipeline, method, form)
                    assert refused is not allowed, (user, method, form.path)
                    cells += 1
                    allowed_at_all += allowed
        assert cells > 700
        assert allowed_at_all or user == "nobody"


def _access(user: str, asked: Asked, route: Route) -> Access:
    verb, group, resource, subresource, namespace, name = asked
    version = route.resource.version
    return Access(UserInfo(username=user), verb, group, version, resource, subresource, namespace, name)


def _tree(answer: Answer) -> dict[str, Any]:
    assert isinstance(answer, Response)
    body = answer.body
    tree: dict[str, Any] = json.loads(body if isinstance(body, bytes) else b"".join(cast(Sequence[bytes], body)))
    return tree


async def _is_refused(pipeline: Pipeline, method: str, form: Form) -> bool:
    """Whether the authorizer's refusal is the answer."""
    headers = (MERGE,) if method == "PATCH" else (BODY,)
    target = form.path + ("?dryRun=All" if method != "GET" else "")
    answer = await pipeline.answer(FakeRequest(method, target.encode(), headers, b"{}" if method != "DELETE" else b""))
    if answer.status != 403:
        return False
    message: str = _tree(answer)["message"]
    return " cannot " in message or message.endswith("is forbidden: ")


LEASE = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "o", "namespace": "a"}}
WIDGET = {"apiVersion": "example.com/v1", "kind": "Widgets", "metadata": {"name": "o", "namespace": "a"}}
MAPPED = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "o", "namespace": "a"}}
SERVICE = {
    "apiVersion": "v1", "kind": "Service", "metadata": {"name": "o", "namespace": "a"}, "spec": {"ports": [{"port": 1}]}
}  # fmt: skip
APPLY = (b"content-type", b"application/apply-patch+yaml")
IN_A = "namespaces/a"


@pytest.mark.parametrize(
    ("method", "path", "body", "rights"),
    [
        ("PUT", f"/apis/coordination.k8s.io/v1/{IN_A}/leases/o", LEASE, ("update", "create", "leases")),
        ("PATCH", f"/apis/coordination.k8s.io/v1/{IN_A}/leases/o", LEASE, ("patch", "create", "leases")),
        ("PATCH", f"/api/v1/{IN_A}/configmaps/o", MAPPED, ("patch", "create", "configmaps")),
        ("PATCH", f"/apis/example.com/v1/{IN_A}/widgets/o", WIDGET, ("patch", "create", "widgets")),
        ("PATCH", f"/api/v1/{IN_A}/services/o/status", SERVICE, ("patch", "create", "services/status")),
    ],
)
async def test_what_creates_an_absent_object_takes_the_right_to_create(
    method: str, path: str, body: Any, rights: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, create, resource = rights
    async with with_customs() as (server, client):
        await client.create(Namespace(metadata=ObjectMeta(name="a")))
        pipeline = server.pipeline
        for user, verbs in (("half", own), ("whole", f"{own} {create}")):
            meta = ObjectMeta(name=user, namespace="a")
            subjects = (Subject(kind="User", name=user, api_group=RBAC),)
            await client.create(Role(metadata=meta, rules=(rule(verbs, resource),)))
            role = RoleRef(kind="Role", name=user, api_group=RBAC)
            await client.create(RoleBinding(metadata=meta, subjects=subjects, role_ref=role))

        async def answer(user: str) -> tuple[int, str]:
            act_as(server, user, monkeypatch)
            headers = (APPLY,) if method == "PATCH" else (BODY,)
            target = f"{path}?fieldManager=m".encode()
            found = await pipeline.answer(FakeRequest(method, target, headers, json.dumps(body).encode()))
            return found.status, _tree(found).get("message", "")

        status, message = await answer("half")
        assert status == 403
        assert f'"o" is forbidden: User "half" cannot create resource "{resource}"' in message
        assert (await answer("whole"))[0] == 201
        assert (await answer("half"))[0] in (200, 422)  # a Lease is updated with its resourceVersion only


async def test_a_name_on_the_path_of_a_creation_is_the_one_that_was_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"/apis/example.com/v1/{IN_A}/widgets/o".encode()
    async with with_customs() as (server, client):
        await _let_in(client)
        pipeline = server.pipeline
        act_as(server, "of one", monkeypatch)
        other = {**WIDGET, "metadata": {"name": "other"}}
        for body, status in ((other, 403), (WIDGET, 201)):
            answer = await pipeline.answer(FakeRequest("POST", path, (BODY,), json.dumps(body).encode()))
            assert answer.status == status


@pytest.mark.parametrize(
    ("selector", "name"),
    [
        ("metadata.name=o", "o"),
        ("metadata.name==o,status.phase=Running", "o"),
        ("metadata.name!=o", ""),
        (r"status.podIP!=x\,metadata.name=o", ""),
        ("metadata.name=..", ""),
        ("metadata.name=o,", "o"),
        ("metadata.name=o,nonsense", ""),
    ],
)
def test_a_selector_names_the_object_that_it_selects(selector: str, name: str) -> None:
    assert read("GET", "/api/v1/namespaces/a/pods", {"fieldSelector": [selector]}).name == name
