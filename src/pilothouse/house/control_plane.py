"""The control plane: store, API server, controllers and scheduler in one process and one loop.

On a simulated cluster its nodes live here too.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import ssl
from collections.abc import Sequence
from functools import partial

from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.core.v1 import ServiceAccount
from pilothouse.apiserver.assembly import assemble
from pilothouse.apiserver.authn.build import Settings as AuthnSettings
from pilothouse.apiserver.parts import Parts
from pilothouse.apiserver.streaming.nodes import SecureKubelets
from pilothouse.controllers import account_tokens, registry
from pilothouse.controllers.environment import Environment, Settings
from pilothouse.house import encryption
from pilothouse.house.bootstrap import cluster_objects
from pilothouse.house.context import AUTHENTICATED, CONTROLLER_MANAGER, MASTER, SCHEDULER, ControlPlaneContext
from pilothouse.house.logging import audit_of
from pilothouse.house.paths import Paths
from pilothouse.house.pki import API_SERVER, AUTHORITY, KUBELET_CLIENT, PKI
from pilothouse.house.renewal import Follower, Renewal
from pilothouse.house.spec import ClusterSpec
from pilothouse.house.steps import FREE_SPACE, lacks_space
from pilothouse.kit import aside, guard, jwt, memory, tls
from pilothouse.kit.clock import Clock, SystemClock
from pilothouse.kit.http.server import Server
from pilothouse.kit.lag import LagGuard
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.machinery import metrics as controller_metrics
from pilothouse.machinery.events import Recorder
from pilothouse.machinery.informer import Informers
from pilothouse.scheduler import metrics as scheduler_metrics
from pilothouse.scheduler.runner import Scheduler
from pilothouse.seams.house import HouseError
from pilothouse.seams.store import StoreUnavailable
from pilothouse.store import sqlite_file
from pilothouse.store.compactor import compact_for_ever
from pilothouse.store.encryption import keycheck
from pilothouse.store.encryption.encrypted import EncryptedStore, Rule
from pilothouse.store.sqlite import SQLiteStore

# Seconds that a start waits for the account of namespace `default`, which a damaged namespace never gets.
_ACCOUNT_PATIENCE = 20.0
log = logging.getLogger(__name__)


def controller_identity(name: str) -> UserInfo:
    """A controller acts as a service account of its own, which the bootstrap roles name; the one that makes such
    accounts' tokens, as the controller manager itself."""
    if name == account_tokens.IDENTITY:
        return CONTROLLER_MANAGER
    return UserInfo(
        username=f"system:serviceaccount:kube-system:{name}",
        groups=("system:serviceaccounts", "system:serviceaccounts:kube-system", AUTHENTICATED),
    )


async def start(paths: Paths, spec: ClusterSpec, scope: TaskScope) -> None:
    """Bring everything up in `scope`; returns once requests are answered and the `default` account exists."""
    clock, chance = SystemClock(), Chance()
    pki = PKI(paths.pki)
    renewal = Renewal(paths, clock)
    renewal.try_to()  # before the old ones are read
    engine = await _open(paths)
    scope.at_end(engine.close, "store")
    rules = encryption.rules(paths)
    await _check_keys(paths, engine, rules)
    store = EncryptedStore(engine, rules)
    signer = jwt.Signer(pki.service_account_key)
    kubelets = _kubelets(pki, spec, clock)
    server = assemble(
        Parts(
            store=store,
            clock=clock,
            chance=chance,
            authn=AuthnSettings(keys=(signer.key,)),
            signer=signer,
            kubelets=kubelets,
            address=lambda: f"{spec.advertise_address}:{spec.api_port}",
            client_authorities=pki.pair(AUTHORITY).certificate,
            audit=audit_of(paths, spec),
            ending=lambda: scope.closing,
        )
    )
    scope.at_end(server.close, "apiserver")
    await server.start()
    await _write_anew(paths, engine, store, rules)
    shared = ControlPlaneContext(server, clock, chance, scope)
    context = tls.server_context(pki.pair(API_SERVER), pki.pair(AUTHORITY).certificate)
    await _listen(shared, spec, context)
    scope.spawn(Follower(pki, clock).follow(API_SERVER, partial(tls.replace_pair, context)), "certificate/server")
    scope.spawn(Follower(pki, clock).follow(KUBELET_CLIENT, kubelets.use), "certificate/kubelets")
    scope.spawn(renewal.run(), "renewal")
    scope.spawn(compact_for_ever(store, clock), "compaction")
    scope.spawn(LagGuard(clock, server.parts.metrics).run(), "lag")
    # What an object in the store prevents must not keep the cluster from coming up, by whose API it is mended.
    await guard.result("start", "objects of the cluster", cluster_objects(shared.client(MASTER), spec))
    _run_controllers(shared, pki, spec)
    _run_scheduler(shared)
    if spec.runtime == "simulated":
        from pilothouse.house.simulated_nodes import start_nodes

        await start_nodes(paths, spec, shared)
    try:
        async with clock.timeout(_ACCOUNT_PATIENCE):
            await _default_account(shared)
    except TimeoutError:
        log.warning("namespace default has no account yet: no pod can be made in it; see what the store has of it")
    memory.settle()
    aside.hand_over_quickly()
    log.info("the control plane of %s is ready at %s", spec.name, spec.server)


async def _open(paths: Paths) -> SQLiteStore:
    try:
        return await SQLiteStore.open(paths.store)
    except StoreUnavailable as error:
        advice = f"put it back from a backup, or take the cluster away: pilothouse down --name {paths.state.name}"
        if lacks_space(paths.state):
            advice = FREE_SPACE
        raise HouseError(str(error), "" if "in use" in str(error) else advice) from None


async def _check_keys(paths: Paths, engine: SQLiteStore, rules: Sequence[Rule]) -> None:
    """Raises HouseError if the store was written with other keys than the cluster's file has."""
    try:
        await keycheck.check(engine, rules)
    except keycheck.WrongKey as error:
        advice = f"put the key into {paths.encryption}, from a backup, then run pilothouse up --name {paths.state.name}"
        raise HouseError(str(error), advice) from None


async def _write_anew(paths: Paths, engine: SQLiteStore, store: EncryptedStore, rules: Sequence[Rule]) -> None:
    """Encrypt with the newest key what is not, and leave nothing of what was there before on the disk."""
    await keycheck.keep_record(engine, rules)
    if count := await store.rewrite():
        log.info("objects were encrypted anew", extra={"count": count})
        await engine.compact(await engine.revision())
        await asyncio.to_thread(sqlite_file.purge, paths.store)


def _kubelets(pki: PKI, spec: ClusterSpec, clock: Clock) -> SecureKubelets:
    authority, pair = pki.pair(AUTHORITY).certificate, pki.pair(KUBELET_CLIENT)
    if spec.runtime == "simulated":  # without networks, all kubelets are on the loopback
        return SecureKubelets(authority, pair, clock, host="127.0.0.1")
    return SecureKubelets(authority, pair, clock)


async def _listen(shared: ControlPlaneContext, spec: ClusterSpec, context: ssl.SSLContext) -> None:
    http = Server(shared.server.handle, shared.clock, name="https")
    shared.scope.at_end(http.close, "https")
    for address in listening_addresses(spec):
        await http.listen(address, spec.api_port, context)


def listening_addresses(spec: ClusterSpec) -> list[str]:
    """Where the API server listens: on the loopback, for its nodes, and where the user wants it."""
    own = ["127.0.0.1"] if spec.runtime == "simulated" else ["127.0.0.1", spec.gateway]
    if not spec.listen:
        return own
    # One that stands for all of its family takes the place of the others.
    if ipaddress.ip_address(spec.listen).is_unspecified:
        return [spec.listen]
    return list(dict.fromkeys([*own, spec.listen]))


def _run_controllers(shared: ControlPlaneContext, pki: PKI, spec: ClusterSpec) -> None:
    authority = pki.pair(AUTHORITY)
    informers = Informers(shared.client(CONTROLLER_MANAGER), shared.clock, shared.chance, shared.scope)
    environment = Environment(
        client_for=lambda name: shared.client(controller_identity(name)),
        informers=informers,
        clock=shared.clock,
        chance=shared.chance,
        scope=shared.scope,
        settings=Settings(
            cluster_authority=authority.certificate.decode(),
            service_range=spec.service_cidr,
            cluster_network=spec.pod_cidr if spec.has_pod_network else "",
            signing_pair=(authority.certificate, authority.key),
            token_signer=shared.server.parts.signer,
        ),
        metrics=shared.server.parts.metrics,
    )
    controller_metrics.expose(shared.server.parts.metrics, registry.start(environment))


def _run_scheduler(shared: ControlPlaneContext) -> None:
    client = shared.client(SCHEDULER)
    informers = Informers(client, shared.clock, shared.chance, shared.scope)
    recorder = Recorder("default-scheduler", client, shared.clock, shared.scope)
    scheduler = Scheduler(client, informers, shared.clock, shared.chance, recorder)
    scheduler_metrics.expose(shared.server.parts.metrics, scheduler)
    shared.scope.spawn(scheduler.run(), "scheduler")


async def _default_account(shared: ControlPlaneContext) -> None:
    """Wait until namespace `default` has its account: then pods can be made."""
    client = shared.client(MASTER)
    selector = "metadata.name=default"
    page = await client.list(ServiceAccount, "default", field_selector=selector)
    if page.items:
        return
    async with client.watch(
        ServiceAccount, "default", resource_version=page.resource_version, field_selector=selector
    ) as events:
        async for event in events:
            if event.type == "ADDED":
                return
