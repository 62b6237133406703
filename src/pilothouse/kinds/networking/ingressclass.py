"""IngressClass."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.field_errors import (
    FieldErrors,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
)
from pilothouse.api.types.networking.v1 import IngressClass
from pilothouse.kinds.cells import NONE, age
from pilothouse.kinds.core.podspec import checks
from pilothouse.kinds.networking.references import local_reference
from pilothouse.kinds.strategy import Cell, MetaUpdate, Strategy
from pilothouse.semantics.validation import names
from pilothouse.semantics.validation.meta import IMMUTABLE

_MOST = 250


def defaults(obj: IngressClass) -> IngressClass:
    parameters = obj.spec.parameters
    if parameters is None or parameters.scope is not None:
        return obj
    return replace(obj, spec=replace(obj.spec, parameters=replace(parameters, scope="Cluster")))


def row(obj: IngressClass, now: float) -> Sequence[Cell]:
    parameters = obj.spec.parameters
    told = NONE
    if parameters is not None:
        kind = f"{parameters.kind}.{parameters.api_group}" if parameters.api_group is not None else parameters.kind
        told = f"{kind}/{parameters.name}"
    return obj.metadata.name, obj.spec.controller, told, age(obj.metadata.creation_timestamp, now)


def validate(obj: IngressClass) -> FieldErrors:
    found: FieldErrors = []
    controller = obj.spec.controller
    if not controller:
        found.append(required("spec.controller"))
    else:
        found += [too_long("spec.controller", _MOST)] if names.longer(controller, _MOST) else []
        found += checks.domain_prefixed("spec.controller", controller)
    return found + _parameters(obj)


def _parameters(obj: IngressClass) -> FieldErrors:
    found: FieldErrors = []
    parameters = obj.spec.parameters
    if parameters is None:
        return found
    path = "spec.parameters"
    found += local_reference(parameters, path)
    if parameters.scope is None:
        return [*found, required(f"{path}.scope")]
    if parameters.scope not in ("Cluster", "Namespace"):
        return [*found, not_supported(f"{path}.scope", parameters.scope, ("Cluster", "Namespace"))]
    if parameters.scope == "Cluster" and parameters.namespace is not None:
        found.append(forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'"))
    if parameters.scope == "Namespace":
        if parameters.namespace is None:
            found.append(required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'"))
        else:
            found += [
                invalid(f"{path}.namespace", parameters.namespace, f) for f in names.dns_label(parameters.namespace)
            ]
    return found


def validate_update(new: IngressClass, old: IngressClass) -> FieldErrors:
    found: FieldErrors = []
    if new.spec.controller != old.spec.controller:
        found.append(invalid("spec.controller", new.spec.controller, IMMUTABLE))
    return [*found, *validate(new)]


STRATEGY = Strategy(
    type=IngressClass,
    prefix="ingressclasses",
    meta_update=MetaUpdate(whole=1),
    generation=("spec",),
    row=row,
    defaults=defaults,
    validate=validate,
    validate_update=validate_update,
)
