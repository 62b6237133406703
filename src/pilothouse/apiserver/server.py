"""The API server, put together: caches, registries, identity, admission, routes, and one handler for the HTTP server.

server = ApiServer(parts)
await server.start()
... HTTP server with server.handle ...
await server.close()
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pilothouse.api.facts import Resource
from pilothouse.api.types.apiextensions.v1 import CustomResourceDefinition
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.resources import SERVED
from pilothouse.apiserver import features, health_checks
from pilothouse.apiserver.actions.roster import actions
from pilothouse.apiserver.aggregation.availability import Availability
from pilothouse.apiserver.allocation import repair
from pilothouse.apiserver.apply.tracker import FieldTracker
from pilothouse.apiserver.assembly import MASTER, admission_of, hooks_of, reviews_of
from pilothouse.apiserver.authn import build as authn
from pilothouse.apiserver.authz import build as authz
from pilothouse.apiserver.authz.bootstrap import objects as role_objects
from pilothouse.apiserver.authz.bootstrap import reconcile as roles
from pilothouse.apiserver.authz.forbidden import forbidden
from pilothouse.apiserver.authz.interface import Access
from pilothouse.apiserver.bootstrap import objects as bootstrap
from pilothouse.apiserver.bootstrap.authentication_trust import AuthenticationTrust
from pilothouse.apiserver.bootstrap.kubernetes_service import KubernetesService, split_address
from pilothouse.apiserver.bootstrap.room import make_room
from pilothouse.apiserver.cached_reader import CachedReader
from pilothouse.apiserver.cacher.cache import WatchCache
from pilothouse.apiserver.cacher.caches import Caches
from pilothouse.apiserver.cacher.replica import Source
from pilothouse.apiserver.crd.lifecycle import Lifecycle
from pilothouse.apiserver.crd.roster import CustomRoster
from pilothouse.apiserver.endpoints import answers, routes
from pilothouse.apiserver.endpoints.action import ActionEndpoint
from pilothouse.apiserver.endpoints.component_status import WARNING, ComponentStatuses
from pilothouse.apiserver.endpoints.documents import Documents
from pilothouse.apiserver.endpoints.issuer import issuer_documents
from pilothouse.apiserver.endpoints.patcher import ObjectPatcher
from pilothouse.apiserver.endpoints.resource import ResourceEndpoint
from pilothouse.apiserver.endpoints.router import Connection, Route, Router, missing
from pilothouse.apiserver.filters import about
from pilothouse.apiserver.filters.audit.log import Audit, Trail
from pilothouse.apiserver.filters.audit.policy import Policy
from pilothouse.apiserver.filters.audit.sink import Sink
from pilothouse.apiserver.filters.observation import Observation
from pilothouse.apiserver.filters.observation import text as exposition
from pilothouse.apiserver.filters.priority import bootstrap as flows
from pilothouse.apiserver.filters.priority.gate import Gate
from pilothouse.apiserver.filters.priority.upkeep import Upkeep
from pilothouse.apiserver.generic.actions import Action
from pilothouse.apiserver.generic.call import Call
from pilothouse.apiserver.generic.desk import Surroundings
from pilothouse.apiserver.generic.expiry import Expiry
from pilothouse.apiserver.generic.registry import Registry
from pilothouse.apiserver.generic.storage import KindBytes
from pilothouse.apiserver.generic.strategy import Strategy
from pilothouse.apiserver.local import LocalClient
from pilothouse.apiserver.pipeline import Pipeline
from pilothouse.apiserver.questions import action_of
from pilothouse.apiserver.resources.roster import strategies
from pilothouse.apiserver.streaming.mount import mount
from pilothouse.apiserver.streaming.nodes import Kubelets, NoKubelets
from pilothouse.kit import guard, jwt, memory, process, stack
from pilothouse.kit.clock import Clock
from pilothouse.kit.metrics import Registry as Metrics
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.machinery.client import Client
from pilothouse.seams.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the house gives an API server to work with. `signer` signs service account tokens; its public key belongs
    into the keys of `authn`."""

    store: Store
    clock: Clock
    chance: Chance
    authn: authn.Settings
    signer: jwt.Signer
    kubelets: Kubelets = field(default_factory=NoKubelets)
    service_range: str = "10.96.0.0/16"
    metrics: Metrics = field(default_factory=Metrics)
    address: Callable[[], str] = lambda: ""
    """The host and port that clients reach it at."""
    client_authorities: bytes = b""
    """The certificates (PEM) of those who sign clients' certificates, for extension API servers to know."""
    audit: tuple[Policy, Sink] | None = None
    """What the audit log holds, and where it goes; none is kept without."""
    ending: Callable[[], bool] = lambda: False
    """Whether the process is on its way to its end: then the server is not ready any more."""


# The revision of a store that was never written to, in etcd and here.
_UNWRITTEN = 1


class ApiServer:
    """Answers requests of the Kubernetes API."""

    def __init__(self, parts: Parts) -> None:
        stack.deepen()
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
        self.gate = Gate(self.reader, parts.clock, metrics=parts.metrics)
        self.audit = Audit(*parts.audit, parts.clock, parts.chance, parts.metrics) if parts.audit is not None else None
        self.observation = Observation(parts.metrics, parts.clock, self.router)
        self.documents.exact.update(issuer_documents(parts.authn.issuer, parts.authn.keys, parts.address))
        for path in self.gate.dumps():
            self.documents.exact[path] = lambda context: answers.text(200, self.gate.dumps()[context.info.path])
        self.documents.exact["/metrics"] = lambda context: exposition(parts.metrics)
        self.documents.exact["/metrics/slis"] = lambda context: exposition(self.documents.health.results.registry)
        self.observation.caches(
            lambda: {
                (s.resource.group, s.resource.resource): (len(cache), cache.watchers) for s, cache in kinds.values()
            }
        )
        parts.metrics.read(
            "apiserver_watch_events_total",
            "Events sent to watches.",
            lambda: {
                (e.resource.group, e.resource.version, e.resource.resource): float(e.watch_events)
                for e in self.endpoints.values()
            },
            ("group", "version", "resource"),
            kind="counter",
        )
        process.expose(parts.metrics)
        about.expose(parts.metrics)
        features.expose(parts.metrics)
        self._expiries = [
            Expiry(cache, strategy.ttl_seconds, parts.clock)
            for strategy, cache in kinds.values()
            if strategy.ttl_seconds is not None
        ]
        self.admission = admission_of(self)
        surroundings = Surroundings(parts.clock, parts.chance, self.admission, tracker)
        hooks = hooks_of(self, self._scope.spawn)
        registries = {
            kind: Registry(strategy, cache, surroundings, hooks.get(kind)) for kind, (strategy, cache) in kinds.items()
        }
        for registry in registries.values():
            self.serve(registry)
        self.customs = CustomRoster(self._caches, surroundings, tracker, self)
        self.documents.publish(self.customs.published)
        self.reader.observe(CustomResourceDefinition, self.customs.definition_changed)
        for resource in SERVED:
            if self.router.route(resource.group, resource.version, resource.resource) is None:
                self.router.add(Route(resource))
        self._serve_component_statuses()
        self._hooks, self._log_watch = health_checks.StartHooks(), health_checks.LogWatch(parts.clock)
        replicas = [cache.replica for _, cache in kinds.values()]
        health_checks.declare(
            self.documents.health, parts.store, parts.clock, replicas, self._log_watch, self._hooks, parts.ending
        )
        reviewed = [action_of(review, self.admission, tracker) for review in reviews_of(self)]
        for action in (*reviewed, *actions(registries)):
            self.add_action(action)
        mount(self.add_connection, self.reader, parts.kubelets, parts.clock, parts.chance)
        self.handle = Pipeline(self).answer
        """The handler for the HTTP server."""

    def _cache(self, strategy: Strategy[Any]) -> WatchCache:
        form = KindBytes(strategy.type, strategy.fields)
        source = Source(form, f"/registry/{strategy.prefix}/", strategy.resource.namespaced, strategy.index)
        return self._caches.of(source)

    def serve(self, registry: Registry) -> None:
        """Mount a registry in each of its versions."""
        for api_version, form in registry.forms.items():
            endpoint = ResourceEndpoint(registry, api_version, self.patcher)
            r = endpoint.resource
            self.endpoints[form.type] = self.by_resource[(r.group, r.version, r.resource)] = endpoint
            self.router.add(routes.of_endpoint(endpoint))
        self.documents.changed()

    def withdraw(self, registry: Registry) -> None:
        """Take back what `serve` mounted."""
        for form in registry.forms.values():
            r = self.endpoints.pop(form.type).resource
            del self.by_resource[(r.group, r.version, r.resource)]
            self.router.remove(r)
        self.documents.changed()

    def _serve_component_statuses(self) -> None:
        # Who runs in this process is well if it answers at all.
        etcd, ping = partial(health_checks.store_answers, self.parts.store, self.parts.clock), health_checks.ping
        statuses = ComponentStatuses({"etcd-0": etcd, "scheduler": ping, "controller-manager": ping})
        route = self.router.route("", "v1", "componentstatuses")
        assert route is not None
        route.collection["list"], route.item["get"], route.warning = statuses.list, statuses.get, WARNING

    def add_action(self, action: Action) -> None:
        """Serve an action, on a resource of its own or as a subresource of one that is served."""
        self.actions[(action.group, action.resource, action.subresource)] = action
        handler = ActionEndpoint(action).create
        route = self.router.route(action.group, action.version, action.resource)
        assert route is not None, f"{action.resource} is not served"
        if action.subresource:
            route.subresources.setdefault(action.subresource, {})["create"] = handler
        else:
            route.collection["create"] = handler
        self.documents.changed()

    def add_connection(self, resource: str, subresource: str, connection: Connection) -> None:
        """Serve a subresource of a core v1 resource by carrying its requests on."""
        route = self.router.route("", "v1", resource)
        assert route is not None, f"{resource} is not served"
        route.connections[subresource] = connection

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
        hooks = health_checks
        self._hooks.finish(hooks.INFORMERS, hooks.FLOW_CONSUMER, hooks.DEFINITIONS, hooks.DEFINITIONS_SYNCED)
        self._hooks.finish(hooks.STORAGE, hooks.AGGREGATOR)
        self._keep("forget", self._caches.forget_for_ever)
        for expiry in self._expiries:
            self._keep("expiry", expiry.run)
        room = make_room(self.parts.store, lambda kind: self.endpoints[kind].registry, role_objects.everything())
        await guard.result("start", "room for roles", room)
        new = await self.parts.store.revision() <= _UNWRITTEN
        client = self.client(MASTER)
        own = KubernetesService(self.reader, client, self.parts.service_range)
        host, port = split_address(self.parts.address())
        trust = AuthenticationTrust(self.reader, client, self.parts.client_authorities, self.parts.clock)
        for name, hook, step in (
            ("namespaces", hooks.NAMESPACES, partial(bootstrap.namespaces, client)),
            ("priority classes", hooks.PRIORITIES, partial(bootstrap.priorities, client)),
            (
                "flow schemas",
                hooks.FLOW_PRODUCER,
                partial(bootstrap.ensure, client, [*flows.priority_levels(), *flows.flow_schemas()]),
            ),
            ("roles", hooks.ROLES, partial(roles.reconcile, client, self.reader)),
            ("service range", hooks.SERVICE_RANGE, partial(bootstrap.service_range, client, self.parts.service_range)),
            (
                "addresses of services",
                hooks.REPAIR,
                partial(repair.repair, self.reader, client, self.parts.clock.now()),
            ),
            ("kubernetes service", hooks.KUBERNETES_SERVICE, partial(own.publish, host, port)),
            ("authentication trust", hooks.TRUST, trust.publish),
        ):
            # What an object in the store prevents must not keep the API server from coming up, by which it is mended.
            failure = await guard.result("start", name, step())
            if new and failure is not None:
                raise failure
            self._hooks.finish(hook)
        if new:
            await self._begin_history()
        lifecycle = Lifecycle(self.customs, self.reader, client, Call(user=MASTER, api_version=""), self.parts.clock)
        self.reader.observe(CustomResourceDefinition, lifecycle.definition_changed)
        self._keep("custom-resources", lifecycle.run)
        self._hooks.finish(hooks.DEFINITION_CONTROLLERS)
        self._keep("availability", Availability(self.reader, client, self.parts.clock, self.parts.metrics).run)
        self._hooks.finish(hooks.LOCAL_AVAILABILITY, hooks.REMOTE_AVAILABILITY)
        self._keep("log", self._log_watch.run)
        self._keep("memory", lambda: memory.give_back_for_ever(self.parts.clock))
        self._keep("flow-schemas", Upkeep(self.reader, client, self.parts.clock).run)
        self._keep("kubernetes-service", lambda: own.publish_for_ever(host, port, self.parts.clock))
        self._keep("authentication-trust", trust.publish_for_ever)
        self._keep("repair", repair.Repairs(self.reader, client, self.parts.clock).run)

    def _keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Work in the background that goes on after a failure."""
        self._scope.spawn(guard.lasting(name, run, self.parts.clock), name)

    async def _begin_history(self) -> None:
        """Let the history of a new cluster begin here. Nobody saw how its first objects came to be, so the revisions
        before are expired, as they are for a server that finds its objects in the store."""
        revision = await self.parts.store.revision()
        for cache in self._caches:
            cache.forget(revision, expire=True)
        await self.parts.store.compact(revision)

    async def close(self) -> None:
        await self._scope.close()
        for cache in self._caches:
            cache.replica.close()
        if self.audit is not None:
            self.audit.close()

    def authorize(self, access: Access, trail: Trail | None = None) -> None:
        """Raises StatusError (403). `trail` is told how it was decided."""
        verdict = self.authz.authorizer.authorize(access)
        if trail is not None:
            trail.decided(verdict.allowed, verdict.reason)
        if not verdict.allowed:
            raise forbidden(access, verdict.reason)


__all__ = ["MASTER", "ApiServer", "Parts"]
