"""The API server, as `assembly.assemble` puts it together.

server = assemble(parts)
await server.start()
... HTTP server with server.handle ...
await server.close()
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from pilothouse.api.types.apiextensions.v1 import CustomResourceDefinition
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.apiserver import health_checks
from pilothouse.apiserver.aggregation.availability import Availability
from pilothouse.apiserver.allocation import repair
from pilothouse.apiserver.authn.build import Authn
from pilothouse.apiserver.authz.bootstrap_policy import objects as role_objects
from pilothouse.apiserver.authz.build import Authz
from pilothouse.apiserver.bootstrap import objects as bootstrap
from pilothouse.apiserver.bootstrap import roles
from pilothouse.apiserver.bootstrap.authentication_trust import AuthenticationTrust
from pilothouse.apiserver.bootstrap.kubernetes_service import KubernetesService, split_address
from pilothouse.apiserver.bootstrap.room import make_room
from pilothouse.apiserver.cacher.caches import Caches
from pilothouse.apiserver.customresources.lifecycle import Lifecycle
from pilothouse.apiserver.customresources.registry import CustomResourceRegistries
from pilothouse.apiserver.endpoints.documents import Documents
from pilothouse.apiserver.endpoints.served import Served
from pilothouse.apiserver.filters.audit.log import Audit
from pilothouse.apiserver.filters.flowcontrol.config_consumer import ConfigConsumer
from pilothouse.apiserver.gatekeeper import Gatekeeper
from pilothouse.apiserver.generic.expiry import Expiry
from pilothouse.apiserver.local import LocalClient
from pilothouse.apiserver.parts import MASTER, Parts
from pilothouse.apiserver.pipeline import Pipeline
from pilothouse.apiserver.reader import Reader
from pilothouse.apiserver.request.call import Call
from pilothouse.kinds.flowcontrol import bootstrap as flows
from pilothouse.kit import guard, memory
from pilothouse.kit.http.messages import Answer, Request
from pilothouse.kit.tasks import TaskScope
from pilothouse.machinery.client import Client

# The revision of a store that was never written to, in etcd and here.
_UNWRITTEN = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiServer:
    """Answers requests of the Kubernetes API: over HTTP by `handle`, in the process by what `client` makes."""

    parts: Parts
    reader: Reader
    authn: Authn
    authz: Authz
    served: Served
    documents: Documents
    gatekeeper: Gatekeeper
    pipeline: Pipeline
    customs: CustomResourceRegistries
    caches: Caches
    expiries: Sequence[Expiry]
    start_hooks: health_checks.StartHooks
    log_watch: health_checks.LogWatch
    audit: Audit | None
    scope: TaskScope

    @property
    def handle(self) -> Callable[[Request], Awaitable[Answer]]:
        """The handler for the HTTP server."""
        return self.pipeline.answer

    def client(self, user: UserInfo) -> Client:
        """A client in this process that acts as `user`."""
        return LocalClient(self.served, self.gatekeeper, self.parts.clock, user)

    async def start(self) -> None:
        """Fill the caches and make sure of the objects that every cluster has. Raises StoreUnavailable."""
        async with asyncio.TaskGroup() as group:
            for cache in self.caches:
                group.create_task(cache.start())
        hooks = health_checks
        self.start_hooks.finish(hooks.INFORMERS, hooks.FLOW_CONSUMER, hooks.DEFINITIONS, hooks.DEFINITIONS_SYNCED)
        self.start_hooks.finish(hooks.STORAGE, hooks.AGGREGATOR)
        self._keep("forget", self.caches.forget_for_ever)
        for expiry in self.expiries:
            self._keep("expiry", expiry.run)
        room = make_room(self.parts.store, lambda kind: self.served.endpoints[kind].registry, role_objects.everything())
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
            self.start_hooks.finish(hook)
        if new:
            await self._begin_history()
        lifecycle = Lifecycle(self.customs, self.reader, client, Call(user=MASTER, api_version=""), self.parts.clock)
        self.reader.observe(CustomResourceDefinition, lifecycle.definition_changed)
        self._keep("custom-resources", lifecycle.run)
        self.start_hooks.finish(hooks.DEFINITION_CONTROLLERS)
        self._keep("availability", Availability(self.reader, client, self.parts.clock, self.parts.metrics).run)
        self.start_hooks.finish(hooks.LOCAL_AVAILABILITY, hooks.REMOTE_AVAILABILITY)
        self._keep("log", self.log_watch.run)
        self._keep("memory", lambda: memory.give_back_for_ever(self.parts.clock))
        self._keep("flow-schemas", ConfigConsumer(self.reader, client, self.parts.clock).run)
        self._keep("kubernetes-service", lambda: own.publish_for_ever(host, port, self.parts.clock))
        self._keep("authentication-trust", trust.publish_for_ever)
        self._keep("repair", repair.Repairs(self.reader, client, self.parts.clock).run)

    def _keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Work in the background that goes on after a failure."""
        self.scope.spawn(guard.lasting(name, run, self.parts.clock), name)

    async def _begin_history(self) -> None:
        """Let the history of a new cluster begin here. Nobody saw how its first objects came to be, so the revisions
        before are expired, as they are for a server that finds its objects in the store."""
        revision = await self.parts.store.revision()
        for cache in self.caches:
            cache.forget(revision, expire=True)
        await self.parts.store.compact(revision)

    async def close(self) -> None:
        await self.scope.close()
        for cache in self.caches:
            cache.reflector.close()
        if self.audit is not None:
            self.audit.close()
