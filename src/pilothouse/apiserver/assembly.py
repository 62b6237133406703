"""Parts of a server that are built once and from much: admission, side effects of kinds, reviews."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.core.v1 import Service
from pilothouse.api.types.resource.v1 import ResourceClaim, ResourceClaimTemplate
from pilothouse.apiserver.admission import registry as plugins
from pilothouse.apiserver.admission.interface import Admission
from pilothouse.apiserver.admission.surroundings import Surroundings
from pilothouse.apiserver.allocation.addresses import AddressBook
from pilothouse.apiserver.allocation.node_ports import PortBook
from pilothouse.apiserver.allocation.pools import ports
from pilothouse.apiserver.allocation.services import ServiceHooks, Spawn
from pilothouse.apiserver.authn.serviceaccounts import TokenIssuer
from pilothouse.apiserver.generic.strategy import Hooks
from pilothouse.apiserver.resources.resource.admin_access import AdminAccess
from pilothouse.apiserver.reviews import registry as reviews
from pilothouse.apiserver.reviews.interface import Review
from pilothouse.apiserver.reviews.registry import Answering

if TYPE_CHECKING:
    from pilothouse.apiserver.server import ApiServer

MASTER = UserInfo(username="system:apiserver", groups=("system:masters", "system:authenticated"))


def admission_of(server: ApiServer) -> Admission:
    """The chain of admission plugins."""
    p, authz = server.parts, server.authz
    client = server.client(MASTER)
    return plugins.build(Surroundings(server.reader, client, authz.authorizer, authz.rbac, p.clock, p.chance))


def hooks_of(server: ApiServer, spawn: Spawn) -> dict[type[Any], Hooks]:
    """The kinds whose writes have side effects, or depend on other objects."""
    p = server.parts
    network = ipaddress.ip_network(p.service_range)
    book = AddressBook(network, server.reader, lambda: server.client(MASTER), p.chance)
    admins = AdminAccess(server.reader)
    return {
        Service: ServiceHooks(book, PortBook(ports(), server.reader, p.chance), spawn),
        ResourceClaim: admins,
        ResourceClaimTemplate: admins,
    }


def reviews_of(server: ApiServer) -> Iterable[Review]:
    p = server.parts
    answering = Answering(
        authorizer=server.authz.authorizer,
        rules=server.authz.rules,
        tokens=server.authn.tokens,
        issuer=TokenIssuer(p.signer, p.clock, p.chance, p.authn.issuer),
        reader=server.reader,
        clock=p.clock,
        audiences=p.authn.audiences,
    )
    return reviews.build(answering).values()
