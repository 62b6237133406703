"""Service."""

from __future__ import annotations

from pilothouse.api.types.core.v1 import Service
from pilothouse.apiserver.generic.strategy import Deletion, Status, Strategy
from pilothouse.semantics.validation.names import dns_label

STRATEGY = Strategy(
    type=Service,
    prefix="services/specs",
    name=dns_label,
    allow_create_on_update=True,
    status=Status(),
    own_field_labels=True,
    fields={"spec.clusterIP": lambda o: o.spec.cluster_ip, "spec.type": lambda o: o.spec.type},
    deletion=Deletion(returns_object=True),
)
