"""The API server, put together: caches, registries, identity, admission, routes, and one handler for the HTTP server.

server = ApiServer(surroundings, settings)
await server.start()
... HTTP server with server.handle ...
await server.close()
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pilothouse.api.errors import StatusError
from pilothouse.api.facts import Resource
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.core.v1 import Service
from pilothouse.api.types.resources import SERVED
from pilothouse.apiserver.actions.roster import actions
from pilothouse.apiserver.admission import registry as admission_plugins
from pilothouse.apiserver.admission.interface import Admission
from pilothouse.apiserver.admission.surroundings import Surroundings as AdmissionSurroundings
from pilothouse.apiserver.allocation import repair
from pilothouse.apiserver.allocation.addresses import AddressBook
from pilothouse.apiserver.allocation.node_ports import PortBook
from pilothouse.apiserver.allocation.pools import ports
from pilothouse.apiserver.allocation.services import ServiceHooks
from pilothouse.apiserver.apply.tracker import FieldTracker
from pilothouse.apiserver.authn import build as authn
from pilothouse.apiserver.authn.impersonation import Impersonation, wanted
from pilothouse.apiserver.authn.serviceaccounts import TokenIssuer
from pilothouse.apiserver.authz import build as authz
from pilothouse.apiserver.authz.access import of_request
from pilothouse.apiserver.authz.bootstrap import reconcile as roles
from pilothouse.apiserver.authz.forbidden import forbidden
from pilothouse.apiserver.authz.interface import Access
from pilothouse.apiserver.bootstrap import objects as bootstrap
from pilothouse.apiserver.bootstrap.kubernetes_service import KubernetesService, split_address
from pilothouse.apiserver.cached_reader import CachedReader
from pilothouse.apiserver.cacher.cache import WatchCache
from pilothouse.apiserver.cacher.caches import Caches
from pilothouse.apiserver.cacher.replica import Source
from pilothouse.apiserver.endpoints import answers, negotiation, query, routes
from pilothouse.apiserver.endpoints.action import ActionEndpoint
from pilothouse.apiserver.endpoints.context import Context, Handler
from pilothouse.apiserver.endpoints.documents import Documents
from pilothouse.apiserver.endpoints.patcher import ObjectPatcher
from pilothouse.apiserver.endpoints.resource import ResourceEndpoint
from pilothouse.apiserver.endpoints.router import Route, Router, missing, not_allowed
from pilothouse.apiserver.filters import request_info
from pilothouse.apiserver.filters.priority import bootstrap as flows
from pilothouse.apiserver.filters.priority.gate import Gate, TooMany
from pilothouse.apiserver.filters.request_info import RequestInfo
from pilothouse.apiserver.generic.actions import Action
from pilothouse.apiserver.generic.desk import Surroundings
from pilothouse.apiserver.generic.registry import Registry
from pilothouse.apiserver.generic.storage import KindBytes
from pilothouse.apiserver.generic.strategy import Hooks, Strategy
from pilothouse.apiserver.local import LocalClient
from pilothouse.apiserver.questions import action_of
from pilothouse.apiserver.resources.roster import strategies
from pilothouse.apiserver.reviews import registry as reviews
from pilothouse.apiserver.reviews.interface import Review
from pilothouse.apiserver.reviews.registry import Answering
from pilothouse.kit import jwt
from pilothouse.kit.clock import Clock
from pilothouse.kit.http.messages import Answer, Request
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.machinery.client import Client
from pilothouse.seams.store import Store

MASTER = UserInfo(username="system:apiserver", groups=("system:masters", "system:authenticated"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the house gives an API server to work with. `signer` signs service account tokens; its public key belongs
    into the keys of `authn`."""

    store: Store
    clock: Clock
    chance: Chance
    authn: authn.Settings
    signer: jwt.Signer
    service_range: str = "10.96.0.0/16"
    address: Callable[[], str] = lambda: ""
    """The host and port that clients reach it at."""


class ApiServer:
    """Answers requests of the Kubernetes API."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.router = Router()
        self.endpoints: dict[type[Any], ResourceEndpoint] = {}
        self.by_resource: dict[tuple[str, str, str], ResourceEndpoint] = {}
        self.actions: dict[tuple[str, str, str], Action] = {}
        """By group, resource and subresource."""
        self.documents = Documents(self.router, parts.address)
        declared = strategies()
        tracker = FieldTracker(declared, parts.clock)
        self.patcher = ObjectPatcher(tracker)
        self._scope = TaskScope("apiserver")
        self._caches = Caches(parts.store, parts.clock, self._scope)
        kinds = {strategy.type: (strategy, self._cache(strategy)) for strategy in declared}
        self.reader = CachedReader(kinds)
        self.authz = authz.build(self.reader)
        self.authn = authn.build(parts.authn, self.reader, parts.clock)
        self.gate = Gate(self.reader, parts.clock)
        self._impersonation = Impersonation(self.authz.authorizer)
        self.admission = self._admission()
        surroundings = Surroundings(parts.clock, parts.chance, self.admission, tracker)
        hooks = self._hooks()
        registries = {
            kind: Registry(strategy, cache, surroundings, hooks.get(kind)) for kind, (strategy, cache) in kinds.items()
        }
        for registry in registries.values():
            self._serve(registry)
        for resource in SERVED:
            if self.router.route(resource.group, resource.version, resource.resource) is None:
                self.router.add(Route(resource))
        reviewed = [action_of(review, self.admission) for review in self._reviews()]
        for action in (*reviewed, *actions(registries)):
            self.add_action(action)

    def _cache(self, strategy: Strategy[Any]) -> WatchCache:
        form = KindBytes(strategy.type, strategy.fields)
        source = Source(form, f"/registry/{strategy.prefix}/", strategy.resource.namespaced, strategy.index)
        return self._caches.of(source)

    def _admission(self) -> Admission:
        p = self.parts
        client = self.client(MASTER)
        return admission_plugins.build(
            AdmissionSurroundings(self.reader, client, self.authz.authorizer, self.authz.rbac, p.clock, p.chance)
        )

    def _hooks(self) -> dict[type[Any], Hooks]:
        """The kinds whose writes have side effects."""
        p = self.parts
        network = ipaddress.ip_network(p.service_range)
        book = AddressBook(network, self.reader, lambda: self.client(MASTER), p.chance)
        return {Service: ServiceHooks(book, PortBook(ports(), self.reader, p.chance), self._scope.spawn)}

    def _reviews(self) -> Iterable[Review]:
        p = self.parts
        issuer = TokenIssuer(p.signer, p.clock, p.chance, p.authn.issuer)
        answering = Answering(
            authorizer=self.authz.authorizer,
            rules=self.authz.rules,
            tokens=self.authn.tokens,
            issuer=issuer,
            reader=self.reader,
            clock=p.clock,
            audiences=p.authn.audiences,
        )
        return reviews.build(answering).values()

    def _serve(self, registry: Registry) -> None:
        for api_version, form in registry.forms.items():
            endpoint = ResourceEndpoint(registry, api_version, self.patcher)
            r = endpoint.resource
            self.endpoints[form.type] = self.by_resource[(r.group, r.version, r.resource)] = endpoint
            self.router.add(routes.of_endpoint(endpoint))

    def add_action(self, action: Action) -> None:
        """Serve an action, on a resource of its own or as a subresource of one that is served."""
        self.actions[(action.group, action.resource, action.subresource)] = action
        handler = ActionEndpoint(action).create
        route = self.router.route(action.group, action.version, action.resource)
        assert route is not None, f"{action.resource} is not served"
        if action.subresource:
            route.subresources.setdefault(action.subresource, {})["POST"] = handler
        else:
            route.collection["POST"] = handler
        self.documents.changed()

    def action(self, resource: Resource, subresource: str) -> Action:
        """Raises StatusError (404)."""
        found = self.actions.get((resource.group, resource.resource, subresource))
        if found is None:
            raise missing()
        return found

    def client(self, user: UserInfo) -> Client:
        """A client in this process that acts as `user`."""
        return LocalClient(self, user)

    async def start(self) -> None:
        """Fill the caches and make sure of the objects that every cluster has. Raises StoreUnavailable."""
        async with asyncio.TaskGroup() as group:
            for cache in self._caches:
                group.create_task(cache.start())
        self._scope.spawn(self._caches.forget_for_ever(), "forget")
        client = self.client(MASTER)
        await bootstrap.namespaces(client)
        await bootstrap.priorities(client)
        await bootstrap.ensure(client, [*flows.priority_levels(), *flows.flow_schemas()])
        await roles.reconcile(client, self.reader)
        await bootstrap.service_range(client, self.parts.service_range)
        await repair.repair(self.reader, client, self.parts.clock.now())
        own = KubernetesService(self.reader, client, self.parts.service_range)
        host, port = split_address(self.parts.address())
        await own.publish(host, port)
        self._scope.spawn(own.publish_for_ever(host, port, self.parts.clock), "kubernetes-service")
        self._scope.spawn(repair.repair_for_ever(self.reader, client, self.parts.clock), "repair")

    async def close(self) -> None:
        await self._scope.close()

    # Requests.

    def handle(self, request: Request) -> Answer | Awaitable[Answer]:
        """The handler for the HTTP server."""
        return self._answer(request)

    async def _answer(self, request: Request) -> Answer:
        warnings: list[str] = []
        media = negotiation.JSON
        context: Context | None = None
        try:
            found = self.authn.requests.authenticate(request)
            warnings += found.warnings
            path, parameters = query.split(request.target)
            info = request_info.read(request.method, path, parameters)
            access = self._acting(request, of_request(found.user, info, parameters))
            context = Context(request, info, access.user, parameters, self.parts.clock, warnings=warnings)
            if info.is_resource and (warning := self.router.warning(info)):
                warnings.append(warning)
            ticket = await self.gate.enter(access, self._expected(info, parameters))
            answer: Answer | None = None
            try:
                self.authorize(access)
                answer = await self._handled(context)
                return ticket.done_with(answer)
            finally:
                if answer is None:
                    ticket.done()
        except TooMany as refusal:
            return refusal.answer()
        except StatusError as error:
            if context is not None:
                media = context.media.type
            return answers.failure(error, media, warnings)

    def _handler(self, method: str, info: RequestInfo) -> Handler | None:
        """None for what is no resource. Raises StatusError (404, 405)."""
        if not info.is_resource:
            return None
        if method in ("HEAD", "OPTIONS", "CONNECT", "TRACE"):
            raise not_allowed()
        found = self.router.handler(method, info)
        return found if found is not None else self._unknown_group

    async def _unknown_group(self, context: Context) -> Answer:
        return answers.text(404, "404 page not found\n")

    async def _handled(self, context: Context) -> Answer:
        handler = self._handler(context.request.method, context.info)
        if handler is None:
            return await self.documents.answer(context)
        made = handler(context)
        return await made if isinstance(made, Awaitable) else made

    def _expected(self, info: RequestInfo, parameters: query.Query) -> int:
        """How many objects the request will answer, roughly."""
        if info.verb != "list":
            return 0
        endpoint = self.by_resource.get((info.group, info.version, info.resource))
        known = len(endpoint.registry.cache) if endpoint is not None else 0
        limit = parameters.get("limit", ("",))[0]
        return min(known, int(limit)) if limit.isdecimal() and limit != "0" else known

    def _acting(self, request: Request, access: Access) -> Access:
        """The access as the user whom the request acts as. Raises StatusError (400, 403)."""
        asked = wanted(request)
        return access if asked is None else access._replace(user=self._impersonation.impersonate(asked, access))

    def authorize(self, access: Access) -> None:
        """Raises StatusError (403)."""
        verdict = self.authz.authorizer.authorize(access)
        if not verdict.allowed:
            raise forbidden(access, verdict.reason)
