"""Service: addresses and node ports are allocated (`apiserver.allocation`); its type decides what it may have."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.types.core.v1 import Service
from pilothouse.kinds.cells import NONE, age, joined, labels
from pilothouse.kinds.core.services import transitions, validation
from pilothouse.kinds.core.services.defaults import defaults
from pilothouse.kinds.strategy import Cell, Deletion, Status, Strategy, Write
from pilothouse.semantics.validation.names import dns_label


def prepare_create(obj: Service, write: Write) -> Service:
    return transitions.shown(obj)


def prepare_update(new: Service, old: Service, write: Write) -> Service:
    return transitions.shown(transitions.dropped(replace(new, status=old.status), old))


def row(obj: Service, now: float) -> Sequence[Cell]:
    spec = obj.spec
    return (
        obj.metadata.name,
        spec.type,
        spec.cluster_ips[0] if spec.cluster_ips else NONE,
        _external(obj),
        joined(_port(p.port, p.node_port, p.protocol) for p in spec.ports),
        age(obj.metadata.creation_timestamp, now),
        labels(spec.selector),
    )


def _port(port: int, node_port: int, protocol: str) -> str:
    return f"{port}:{node_port}/{protocol}" if node_port else f"{port}/{protocol}"


def _external(obj: Service) -> str:
    spec = obj.spec
    if spec.type == "ExternalName":
        return spec.external_name
    if spec.type != "LoadBalancer":
        return joined(spec.external_ips)
    ingress = sorted({i.ip or i.hostname for i in obj.status.load_balancer.ingress if i.ip or i.hostname})
    given = ",".join(ingress)
    if spec.external_ips:
        return ",".join([*filter(None, [given]), *spec.external_ips])
    return given or "<pending>"


STRATEGY = Strategy(
    type=Service,
    prefix="services/specs",
    name=dns_label,
    allow_create_on_update=True,
    defaults=defaults,
    live=transitions.live,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validation.validate,
    validate_update=validation.validate_update,
    warnings=validation.warnings,
    status=Status(validate=validation.validate_status),
    own_field_labels=True,
    fields={"spec.clusterIP": lambda o: o.spec.cluster_ip, "spec.type": lambda o: o.spec.type},
    row=row,
    deletion=Deletion(returns_object=True),
)
