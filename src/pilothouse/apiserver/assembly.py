"""Puts an API server together: the one place that knows how its parts are wired."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from pilothouse.api.types.apiextensions.v1 import CustomResourceDefinition
from pilothouse.api.types.core.v1 import Namespace, Service
from pilothouse.api.types.resource.v1 import ResourceClaim, ResourceClaimTemplate
from pilothouse.api.types.resources import SERVED
from pilothouse.apiserver import features, health_checks
from pilothouse.apiserver.admission import registry as admission_plugins
from pilothouse.apiserver.admission.context import PluginContext
from pilothouse.apiserver.allocation.addresses import ServiceIPAllocator
from pilothouse.apiserver.allocation.node_ports import NodePortAllocator
from pilothouse.apiserver.allocation.pools import ports
from pilothouse.apiserver.allocation.services import ServiceHooks, Spawn
from pilothouse.apiserver.apply.tracker import FieldTracker
from pilothouse.apiserver.authn import build as authentication
from pilothouse.apiserver.authn.build import Authn
from pilothouse.apiserver.authn.impersonation import Impersonation
from pilothouse.apiserver.authn.serviceaccounts import TokenIssuer
from pilothouse.apiserver.authz import build as authorization
from pilothouse.apiserver.authz.build import Authz
from pilothouse.apiserver.cacher.cache import WatchCache
from pilothouse.apiserver.cacher.caches import Caches
from pilothouse.apiserver.cacher.reader import CachedReader
from pilothouse.apiserver.cacher.reflector import Source
from pilothouse.apiserver.customresources.registry import CustomResourceRegistries
from pilothouse.apiserver.endpoints import answers
from pilothouse.apiserver.endpoints.component_status import WARNING, ComponentStatuses
from pilothouse.apiserver.endpoints.documents import Documents
from pilothouse.apiserver.endpoints.issuer import issuer_documents
from pilothouse.apiserver.endpoints.patcher import ObjectPatcher
from pilothouse.apiserver.endpoints.router import Route, Router
from pilothouse.apiserver.endpoints.served import Served
from pilothouse.apiserver.filters import about
from pilothouse.apiserver.filters.audit.log import Audit
from pilothouse.apiserver.filters.flowcontrol.controller import FlowController
from pilothouse.apiserver.filters.request_metrics import RequestMetrics
from pilothouse.apiserver.filters.request_metrics import text as exposition
from pilothouse.apiserver.gatekeeper import Gatekeeper
from pilothouse.apiserver.generic.actions import Action
from pilothouse.apiserver.generic.expiry import Expiry
from pilothouse.apiserver.generic.kind_store import RegistryContext
from pilothouse.apiserver.generic.registry import Registry
from pilothouse.apiserver.generic.storage import ObjectCodec
from pilothouse.apiserver.local import LocalClient
from pilothouse.apiserver.parts import MASTER, Parts
from pilothouse.apiserver.pipeline import Pipeline
from pilothouse.apiserver.reader import Reader
from pilothouse.apiserver.request.request_info import RequestInfo
from pilothouse.apiserver.reviews import registry as reviews
from pilothouse.apiserver.reviews.endpoint import action_of
from pilothouse.apiserver.reviews.interface import Review
from pilothouse.apiserver.reviews.registry import Answering
from pilothouse.apiserver.server import ApiServer
from pilothouse.apiserver.streaming.mount import mount
from pilothouse.apiserver.subresources.registry import actions
from pilothouse.kinds.registry import strategies
from pilothouse.kinds.resource.admin_access import AdminAccess
from pilothouse.kinds.strategy import Hooks, Strategy
from pilothouse.kit import process, stack
from pilothouse.kit.metrics import Registry as Metrics
from pilothouse.kit.tasks import TaskScope
from pilothouse.machinery.client import Client

Kinds = Mapping[type[Any], tuple[Strategy[Any], WatchCache]]
"""The built-in kinds by the type they are stored as."""


def assemble(parts: Parts) -> ApiServer:
    """An API server over `parts`, not started yet."""
    stack.deepen()
    p = parts
    declared = strategies()
    scope = TaskScope("apiserver")
    caches = Caches(p.store, p.clock, scope)
    kinds = {strategy.type: (strategy, _cache(caches, strategy)) for strategy in declared}
    reader = CachedReader(kinds)

    router = Router()
    documents = Documents(router, p.address)
    tracker = FieldTracker(declared, p.clock)
    served = Served(router, ObjectPatcher(tracker), documents.changed)
    authn, authz = authentication.build(p.authn, reader, p.clock), authorization.build(reader)
    flow_controller = FlowController(reader, p.clock, metrics=p.metrics)
    audit = Audit(*p.audit, p.clock, p.chance, p.metrics) if p.audit is not None else None
    gatekeeper = Gatekeeper(authz.authorizer, flow_controller, audit)
    client = LocalClient(served, gatekeeper, p.clock, MASTER)

    admission = admission_plugins.build(PluginContext(reader, client, authz.authorizer, authz.rbac, p.clock, p.chance))
    context = RegistryContext(p.clock, p.chance, admission, tracker)
    hooks = _hooks(p, reader, client, scope.spawn)
    registries = {
        kind: Registry(strategy, cache, context, hooks.get(kind)) for kind, (strategy, cache) in kinds.items()
    }
    reviewed = [action_of(review, admission, tracker) for review in _reviews(p, reader, authn, authz)]
    _serve_builtin(served, p, registries, reviewed)
    mount(served.add_connection, reader, p.kubelets, p.clock, p.chance)
    customs = CustomResourceRegistries(caches, context, tracker, served)
    documents.publish(customs.published)
    reader.observe(CustomResourceDefinition, customs.definition_changed)

    request_metrics = RequestMetrics(p.metrics, p.clock, router.serves)
    _publish(documents, p, flow_controller)
    _expose(p.metrics, request_metrics, kinds, served)
    start_hooks, log_watch = health_checks.StartHooks(), health_checks.LogWatch(p.clock)
    reflectors = [cache.reflector for _, cache in kinds.values()]
    health_checks.declare(documents.health, p.store, p.clock, reflectors, log_watch, start_hooks, p.ending)

    def known(info: RequestInfo) -> int:
        endpoint = served.by_resource.get((info.group, info.version, info.resource))
        return len(endpoint.registry.cache) if endpoint is not None else 0

    return ApiServer(
        parts=p,
        reader=reader,
        authn=authn,
        authz=authz,
        served=served,
        documents=documents,
        gatekeeper=gatekeeper,
        pipeline=Pipeline(
            authentication=authn.requests,
            impersonation=Impersonation(authz.authorizer),
            gatekeeper=gatekeeper,
            request_metrics=request_metrics,
            router=router,
            documents=documents,
            known=known,
            clock=p.clock,
        ),
        customs=customs,
        caches=caches,
        expiries=[
            Expiry(cache, strategy.ttl_seconds, p.clock)
            for strategy, cache in kinds.values()
            if strategy.ttl_seconds is not None
        ],
        start_hooks=start_hooks,
        log_watch=log_watch,
        audit=audit,
        scope=scope,
    )


def _cache(caches: Caches, strategy: Strategy[Any]) -> WatchCache:
    form = ObjectCodec(strategy.type, strategy.fields)
    return caches.of(Source(form, f"/registry/{strategy.prefix}/", strategy.resource.namespaced, strategy.index))


def _hooks(parts: Parts, reader: Reader, client: Client, spawn: Spawn) -> dict[type[Any], Hooks]:
    """The kinds whose writes have side effects, or depend on other objects."""
    network = ipaddress.ip_network(parts.service_range)
    addresses = ServiceIPAllocator(network, reader, lambda: client, parts.chance)
    admins = AdminAccess(partial(reader.get, Namespace))
    return {
        Service: ServiceHooks(addresses, NodePortAllocator(ports(), reader, parts.chance), spawn),
        ResourceClaim: admins,
        ResourceClaimTemplate: admins,
    }


def _reviews(parts: Parts, reader: Reader, authn: Authn, authz: Authz) -> Iterable[Review]:
    """The questions that can be asked: of tokens, of oneself, and of what somebody may do."""
    answering = Answering(
        authorizer=authz.authorizer,
        rules=authz.rules,
        tokens=authn.tokens,
        issuer=TokenIssuer(parts.signer, parts.clock, parts.chance, parts.authn.issuer),
        reader=reader,
        clock=parts.clock,
        audiences=parts.authn.audiences,
    )
    return reviews.build(answering).values()


def _serve_builtin(
    served: Served, parts: Parts, registries: Mapping[type[Any], Registry], reviewed: Iterable[Action]
) -> None:
    """Serve the built-in kinds, and what the facts list besides: reviews, bindings, evictions, component statuses."""
    for registry in registries.values():
        served.serve(registry)
    for resource in SERVED:
        if served.router.route(resource.group, resource.version, resource.resource) is None:
            served.router.add(Route(resource))
    _serve_component_statuses(served.router, parts)
    for action in (*reviewed, *actions(registries)):
        served.add_action(action)


def _serve_component_statuses(router: Router, parts: Parts) -> None:
    # Who runs in this process is well if it answers at all.
    etcd, ping = partial(health_checks.store_answers, parts.store, parts.clock), health_checks.ping
    statuses = ComponentStatuses({"etcd-0": etcd, "scheduler": ping, "controller-manager": ping})
    route = router.route("", "v1", "componentstatuses")
    assert route is not None
    route.collection["list"], route.item["get"], route.warning = statuses.list, statuses.get, WARNING


def _publish(documents: Documents, parts: Parts, flow_controller: FlowController) -> None:
    """Paths that are no resources: of the issuer of tokens, flow control, metrics."""
    documents.exact.update(issuer_documents(parts.authn.issuer, parts.authn.keys, parts.address))
    for path in flow_controller.dumps():
        documents.exact[path] = lambda context: answers.text(200, flow_controller.dumps()[context.info.path])
    documents.exact["/metrics"] = lambda context: exposition(parts.metrics)
    documents.exact["/metrics/slis"] = lambda context: exposition(documents.health.results.registry)


def _expose(metrics: Metrics, request_metrics: RequestMetrics, kinds: Kinds, served: Served) -> None:
    """What is measured of the server as a whole."""
    request_metrics.caches(
        lambda: {(s.resource.group, s.resource.resource): (len(cache), cache.watchers) for s, cache in kinds.values()}
    )
    metrics.read(
        "apiserver_watch_events_total",
        "Events sent to watches.",
        lambda: {
            (e.resource.group, e.resource.version, e.resource.resource): float(e.watch_events)
            for e in served.endpoints.values()
        },
        ("group", "version", "resource"),
        kind="counter",
    )
    process.expose(metrics)
    about.expose(metrics)
    features.expose(metrics)
