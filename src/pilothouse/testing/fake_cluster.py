"""The state behind the fake client: objects with resourceVersions, a history that watches follow, deletion as the API
does it. No defaults, no validation, no admission: those are the API server's, and tests of it use it.

`tests/contracts/client` holds it to the behaviour of the real one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from pilothouse.api import errors, scheme
from pilothouse.api.codec import json
from pilothouse.api.errors import StatusError
from pilothouse.api.facts import Resource
from pilothouse.api.selectors import parse_fields, parse_labels
from pilothouse.api.time import format_time, parse_time
from pilothouse.kit.clock import Clock
from pilothouse.kit.random import Chance

replace = msgspec.structs.replace
Key = tuple[str, str]
Reactor = Callable[[str, Resource, str, str], StatusError | None]
"""Asked before every request (verb, resource, namespace, name); an error it answers is the request's."""
ORPHANED_BY_DEFAULT = {("batch", "jobs"), ("", "replicationcontrollers")}
KUBERNETES = "kubernetes"


class Change(NamedTuple):
    """One entry of the history. `old` is None for a creation; of a deletion `new` is the last state, at `version`."""

    version: int
    resource: Resource
    old: Any
    new: Any
    deleted: bool = False


class FakeCluster:
    """All objects of a cluster that has no components. Resources are told apart by group and name."""

    def __init__(self, clock: Clock, chance: Chance | None = None) -> None:
        self.clock = clock
        self.chance = chance or Chance(0)
        self.version = 1
        self.oldest = 0
        self.history: list[Change] = []
        self.dropped = 0
        self.reactors: list[Reactor] = []
        self.generation_of_watches = 0
        self._objects: dict[tuple[str, str], dict[Key, Any]] = {}
        self._moved = asyncio.Event()

    def held(self, resource: Resource) -> dict[Key, Any]:
        return self._objects.setdefault((resource.group, resource.resource), {})

    def react(self, verb: str, resource: Resource, namespace: str, name: str) -> None:
        for reactor in self.reactors:
            if (error := reactor(verb, resource, namespace, name)) is not None:
                raise error

    def find(self, resource: Resource, namespace: str, name: str) -> Any:
        found = self.held(resource).get((namespace, name))
        if found is None:
            raise errors.not_found(resource.group, resource.resource, name)
        return found

    def select(self, resource: Resource, namespace: str, labels: str, fields: str) -> Iterator[Any]:
        chosen = matcher(labels, fields)
        for key in sorted(self.held(resource)):
            obj = self.held(resource)[key]
            if (not namespace or key[0] == namespace) and chosen(obj):
                yield obj

    def compact(self) -> None:
        """Forget the history: watches from before, and continue tokens, are too old."""
        self.oldest = self.version
        self.dropped += len(self.history)
        self.history.clear()
        self._wake()

    def close_watches(self) -> None:
        """End every watch, as a server does at its timeout."""
        self.generation_of_watches += 1
        self._wake()

    async def moved(self) -> None:
        """Return at the next change."""
        await self._moved.wait()

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    def _record(self, resource: Resource, old: Any, new: Any, *, deleted: bool = False) -> Any:
        self.version += 1
        new = replace(new, metadata=replace(new.metadata, resource_version=str(self.version)))
        key = (new.metadata.namespace, new.metadata.name)
        if deleted:
            del self.held(resource)[key]
        else:
            self.held(resource)[key] = new
        self.history.append(Change(self.version, resource, old, new, deleted))
        self._wake()
        return new

    def create(self, resource: Resource, obj: Any, *, dry_run: bool = False) -> Any:
        meta = obj.metadata
        name = meta.name or (meta.generate_name + self.chance.name_suffix() if meta.generate_name else "")
        self.react("create", resource, meta.namespace, name)
        if not name:
            raise errors.invalid(resource.group, resource.kind, "", ())
        if (meta.namespace, name) in self.held(resource):
            raise errors.already_exists(resource.group, resource.resource, name)
        meta = replace(
            meta,
            name=name,
            uid=self.chance.uid(),
            creation_timestamp=format_time(self.clock.now()),
            generation=1 if hasattr(obj, "spec") else meta.generation,
            deletion_timestamp=None,
            deletion_grace_period_seconds=None,
        )
        obj = replace(obj, metadata=meta)
        if resource.resource == "namespaces":
            finalizers = tuple(dict.fromkeys((*obj.spec.finalizers, KUBERNETES)))
            obj = replace(
                obj, spec=replace(obj.spec, finalizers=finalizers), status=replace(obj.status, phase="Active")
            )
        return obj if dry_run else self._record(resource, None, obj)

    def update(self, resource: Resource, obj: Any, subresource: str = "") -> Any:
        namespace, name = obj.metadata.namespace, obj.metadata.name
        self.react("update", resource, namespace, name)
        old = self.find(resource, namespace, name)
        if obj.metadata.resource_version not in ("", old.metadata.resource_version):
            why = "the object has been modified; please apply your changes to the latest version and try again"
            raise errors.conflict(resource.group, resource.resource, name, why)
        if obj.metadata.uid not in ("", old.metadata.uid):
            why = (
                f"Precondition failed: UID in precondition: {obj.metadata.uid}, UID in object meta: {old.metadata.uid}"
            )
            raise errors.conflict(resource.group, resource.resource, name, why)
        return self._store(resource, old, self._merged(resource, old, obj, subresource))

    def _merged(self, resource: Resource, old: Any, obj: Any, subresource: str) -> Any:
        """What an update through `subresource` really changes."""
        has_status = any(s.name == "status" for s in resource.subresources)
        if subresource in ("status", "approval"):
            obj = replace(old, metadata=obj.metadata, status=obj.status)
        elif subresource == "finalize":
            obj = replace(old, spec=replace(old.spec, finalizers=obj.spec.finalizers))
        elif has_status and hasattr(obj, "status"):
            obj = replace(obj, status=old.status)
        was = old.metadata
        meta = replace(
            obj.metadata,
            uid=was.uid,
            resource_version=was.resource_version,
            creation_timestamp=was.creation_timestamp,
            deletion_timestamp=was.deletion_timestamp,
            deletion_grace_period_seconds=was.deletion_grace_period_seconds,
            generation=was.generation,
        )
        if hasattr(obj, "spec") and obj.spec != old.spec:
            meta = replace(meta, generation=was.generation + 1)
        return replace(obj, metadata=meta)

    def _store(self, resource: Resource, old: Any, new: Any) -> Any:
        if new == old:
            return old
        if self._finished(resource, new):
            return self._record(resource, old, new, deleted=True)
        return self._record(resource, old, new)

    @staticmethod
    def _finished(resource: Resource, obj: Any) -> bool:
        meta = obj.metadata
        if meta.deletion_timestamp is None or meta.finalizers:
            return False
        if resource.resource == "namespaces" and obj.spec.finalizers:
            return False
        return not meta.deletion_grace_period_seconds

    def delete(self, resource: Resource, namespace: str, name: str, options: Any) -> None:
        """`options` is a DeleteOptions."""
        self.react("delete", resource, namespace, name)
        old = self.find(resource, namespace, name)
        self._check(resource, old, options.preconditions)
        meta = old.metadata
        finalizers = self._finalizers(resource, meta.finalizers, options.propagation_policy)
        grace = self._grace(resource, old, options.grace_period_seconds)
        if meta.deletion_timestamp is not None and finalizers == meta.finalizers:
            # A second request may shorten the grace, never lengthen it.
            if grace >= (meta.deletion_grace_period_seconds or 0) and not self._finished(resource, old):
                return
        elif meta.deletion_timestamp is None:
            meta = replace(meta, generation=meta.generation + 1 if meta.generation else 0)
        began = parse_time(meta.deletion_timestamp) if meta.deletion_timestamp else self.clock.now() + grace
        began -= max((meta.deletion_grace_period_seconds or 0) - grace, 0) if meta.deletion_timestamp else 0
        meta = replace(
            meta,
            finalizers=finalizers,
            deletion_timestamp=format_time(began),
            deletion_grace_period_seconds=grace,
        )
        new = replace(old, metadata=meta)
        if resource.resource == "namespaces":
            new = replace(new, status=replace(new.status, phase="Terminating"))
        if self._finished(resource, new):
            self._record(resource, old, old, deleted=True)
        else:
            self._record(resource, old, new)

    @staticmethod
    def _finalizers(resource: Resource, held: tuple[str, ...], policy: str | None) -> tuple[str, ...]:
        if policy is None:
            orphaned = (resource.group, resource.resource) in ORPHANED_BY_DEFAULT
            policy = "Orphan" if orphaned else None
        if policy is None:
            return held
        kept = tuple(f for f in held if f not in ("foregroundDeletion", "orphan"))
        added = {"Foreground": ("foregroundDeletion",), "Orphan": ("orphan",)}.get(policy, ())
        return (*kept, *added)

    @staticmethod
    def _grace(resource: Resource, obj: Any, asked: int | None) -> int:
        if resource.resource != "pods" or resource.group:
            return 0
        if not obj.spec.node_name or obj.status.phase in ("Succeeded", "Failed"):
            return 0
        wanted = asked if asked is not None else obj.spec.termination_grace_period_seconds
        return 30 if wanted is None else max(wanted, 0)

    @staticmethod
    def _check(resource: Resource, old: Any, preconditions: Any) -> None:
        if preconditions is None:
            return
        meta = old.metadata
        for what, wanted, held in (
            ("UID", preconditions.uid, meta.uid),
            ("ResourceVersion", preconditions.resource_version, meta.resource_version),
        ):
            if wanted is not None and wanted != held:
                why = (
                    f"the {what} in the precondition ({wanted}) does not match the {what} in record ({held}). "
                    "The object might have been deleted and then recreated"
                )
                raise errors.conflict(resource.group, resource.resource, meta.name, why)


def matcher(labels: str, fields: str) -> Callable[[Any], bool]:
    """Whether an object is chosen by both selectors."""
    by_label, by_field = parse_labels(labels), parse_fields(fields)

    def matches(obj: Any) -> bool:
        if not by_label.matches(obj.metadata.labels):
            return False
        if by_field.empty:
            return True
        tree = json.to_builtins(obj)
        return by_field.matches({term.field: _at(tree, term.field) for term in by_field.terms})

    return matches


def _at(tree: Any, path: str) -> str:
    for part in path.split("."):
        tree = tree.get(part) if isinstance(tree, dict) else None
    if isinstance(tree, bool):
        return "true" if tree else "false"
    return "" if tree is None else str(tree)


def resource_named(kind: type[Any]) -> Resource:
    return scheme.resource_of(kind)  # type: ignore[arg-type]  # a type is hashable
