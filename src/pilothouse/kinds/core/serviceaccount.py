"""ServiceAccount."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.types.core.v1 import ObjectReference, ServiceAccount
from pilothouse.kinds.cells import age
from pilothouse.kinds.strategy import Cell, Deletion, MetaUpdate, Strategy, Write

_ENFORCE = "kubernetes.io/enforce-mountable-secrets"
_DEPRECATED = (
    f"metadata.annotations[{_ENFORCE}]: deprecated in v1.32+; "
    "prefer separate namespaces to isolate access to mounted secrets"
)


def prepare(obj: ServiceAccount, write: Write) -> ServiceAccount:
    """Of its secrets an account keeps the names only."""
    secrets = tuple(ObjectReference(name=s.name) for s in obj.secrets)
    return obj if secrets == obj.secrets else replace(obj, secrets=secrets)


def prepare_update(new: ServiceAccount, old: ServiceAccount, write: Write) -> ServiceAccount:
    return prepare(new, write)


def warnings(obj: ServiceAccount) -> Sequence[str]:
    return (_DEPRECATED,) if _ENFORCE in obj.metadata.annotations else ()


def warnings_update(new: ServiceAccount, old: ServiceAccount) -> Sequence[str]:
    return () if _ENFORCE in old.metadata.annotations else warnings(new)


def row(obj: ServiceAccount, now: float) -> Sequence[Cell]:
    return obj.metadata.name, age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=ServiceAccount,
    prefix="serviceaccounts",
    meta_update=MetaUpdate(whole=1),
    deletion=Deletion(returns_object=True),
    row=row,
    prepare_create=prepare,
    prepare_update=prepare_update,
    warnings=warnings,
    warnings_update=warnings_update,
)
