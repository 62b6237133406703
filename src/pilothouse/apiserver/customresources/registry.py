"""The custom resources that are served now: follows the definitions, and mounts and unmounts their versions."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, Protocol

from pilothouse.api.codec.json import longer_than
from pilothouse.api.custom import CustomObject
from pilothouse.api.types.apiextensions.v1 import CustomResourceDefinition
from pilothouse.apiserver.cacher.cache import WatchCache
from pilothouse.apiserver.cacher.caches import Caches
from pilothouse.apiserver.cacher.reflector import Source
from pilothouse.apiserver.customresources.conversion import converter
from pilothouse.apiserver.customresources.creates import CountedCreates
from pilothouse.apiserver.customresources.forms import CustomBytes
from pilothouse.apiserver.customresources.strategy import prefix_of, selectable, strategy_of
from pilothouse.apiserver.customresources.version import Version
from pilothouse.apiserver.customresources.view import VersionView
from pilothouse.apiserver.generic.kind_store import RegistryContext
from pilothouse.apiserver.generic.registry import Registry
from pilothouse.apiserver.generic.storage import Cache
from pilothouse.apiserver.openapi.custom import Custom
from pilothouse.kinds.apiextensions.validation import validate
from pilothouse.kinds.strategy import Strategy
from pilothouse.kit import guard
from pilothouse.kit.aside import LARGE, aside
from pilothouse.kit.in_flight import InFlight
from pilothouse.semantics import conditions

log = logging.getLogger(__name__)
_PLACE = "custom resource"
# To compile a schema takes so many times as long as to read it: that must not keep large requests waiting.
_COST = 16


class Mount(Protocol):
    """Where registries are served: the server's routes."""

    def serve(self, registry: Registry) -> None: ...

    def withdraw(self, registry: Registry) -> None: ...


class Trackers(Protocol):
    """Who has to know strategies (the field tracker)."""

    def add(self, strategy: Strategy[Any]) -> None: ...

    def forget(self, strategy: Strategy[Any]) -> None: ...


@dataclass(slots=True)
class ServedDefinition:
    """One definition as it is served. `registries` are by version; not all of them need be mounted."""

    crd: CustomResourceDefinition
    cache: WatchCache
    registries: dict[str, Registry]
    storage: str
    told: dict[str, Custom] = field(default_factory=dict)
    """What OpenAPI tells of the served versions, by version."""

    @property
    def stored(self) -> Registry:
        """The registry of the storage version."""
        return self.registries[self.storage]


class Judged(NamedTuple):
    """A definition as it was compiled: its versions by API version, or why it cannot be served."""

    crd: CustomResourceDefinition
    problem: str
    versions: dict[str, Version]


class CustomResourceRegistries:
    """By name of the definition; `definition_changed` is told of every change of one, and `problem` is to be
    asked after each."""

    def __init__(self, caches: Caches, context: RegistryContext, tracker: Trackers, mount: Mount) -> None:
        self._caches = caches
        self._context = context
        self._tracker = tracker
        self._mount = mount
        self.served: dict[str, ServedDefinition] = {}
        self.creates = InFlight()
        """Creates under way, by the name of their definition."""
        self._judged: dict[str, Judged] = {}
        """What came of compiling definitions, by name."""
        self._latest: dict[str, CustomResourceDefinition] = {}
        """The definitions as they are now, by name; what is served may be a spec behind."""

    def definition_changed(self, old: CustomResourceDefinition | None, new: CustomResourceDefinition | None) -> None:
        """An observer of the definitions. A changed spec that is large is not compiled here, on the loop: until
        `problem` has done it, requests are served by the spec before. What is there at the start is, as nothing would
        serve it until then."""
        crd = new if new is not None else old
        assert crd is not None
        name = crd.metadata.name
        if new is None:
            self._judged.pop(name, None)
            self._latest.pop(name, None)
            if name in self.served:
                self._drop(self.served[name])
            return
        self._latest[name] = new
        self._follow(new, wait=old is not None)

    def _follow(self, crd: CustomResourceDefinition, wait: bool) -> None:
        """Serve a definition as it is now; with `wait`, not before a large spec was compiled elsewhere."""
        name = crd.metadata.name
        before = self.served.get(name)
        if before is not None and before.crd.metadata.uid != crd.metadata.uid:
            self._drop(before)
            before = None
        if not conditions.is_true(crd.status.conditions or (), "Established"):
            if before is not None:
                self._drop(before)
            return
        if before is not None and _alike(before.crd, crd):
            return
        judged = self._known(crd)
        if judged is None:
            if wait and longer_than(crd.spec, LARGE):
                return
            judged = self._keep(crd, guard.answer(_PLACE, name, _compiled, crd))
        if before is not None:
            self._drop(before)
        if not judged.problem:
            self._serve(crd, judged.versions)

    async def problem(self, crd: CustomResourceDefinition) -> str:
        """Why a definition cannot be served, whatever its names are; empty if it can, or if it is another by now. What
        is stored may have been written by a server that knew other rules. A large definition takes seconds to compile:
        that is done beside the loop, and once; if it is established, it is served so from then on."""
        if (known := self._known(crd)) is not None:
            return known.problem
        size = _COST * LARGE if longer_than(crd.spec, LARGE) else 0
        outcome = await guard.result(_PLACE, crd.metadata.name, aside(size, partial(_compiled, crd)))
        latest = self._latest.get(crd.metadata.name)
        if latest is None or latest.metadata.uid != crd.metadata.uid or latest.spec != crd.spec:
            return ""
        problem = (self._known(crd) or self._keep(crd, outcome)).problem
        self._follow(latest, wait=True)
        return problem

    def _known(self, crd: CustomResourceDefinition) -> Judged | None:
        known = self._judged.get(crd.metadata.name)
        same = known is not None and known.crd.metadata.uid == crd.metadata.uid and known.crd.spec == crd.spec
        return known if same else None

    def _keep(self, crd: CustomResourceDefinition, outcome: str | dict[str, Version] | Exception) -> Judged:
        why = f"{type(outcome).__name__}: {outcome}" if isinstance(outcome, Exception) else ""
        why = outcome if isinstance(outcome, str) else why
        if why:
            log.warning("%s is not served: %s", crd.metadata.name, why[:500])
        judged = Judged(crd, why[:500], outcome if isinstance(outcome, dict) else {})
        self._judged[crd.metadata.name] = judged
        return judged

    def published(self) -> dict[tuple[str, str], list[Custom]]:
        """What OpenAPI tells of: the served versions by group and version."""
        found: dict[tuple[str, str], list[Custom]] = {}
        for served in self.served.values():
            for version, told in served.told.items():
                found.setdefault((told.resource.group, version), []).append(told)
        return found

    def _drop(self, held: ServedDefinition) -> None:
        del self.served[held.crd.metadata.name]
        for version, registry in held.registries.items():
            if _is_served(held.crd, version):
                self._mount.withdraw(registry)
            self._tracker.forget(registry.strategy)
        self._caches.retire(held.cache)

    def _serve(self, crd: CustomResourceDefinition, versions: dict[str, Version]) -> None:
        stored = next(v for v in versions.values() if v.declared.storage)
        fields: dict[str, Callable[[CustomObject], str]] = {}
        for version in versions.values():
            fields |= selectable(version)
        form = CustomBytes(stored, versions, fields)
        source = Source(form, f"/registry/{prefix_of(crd)}/", crd.spec.scope == "Namespaced")
        cache = self._caches.of(source)
        served = ServedDefinition(crd, cache, {}, stored.declared.name)
        for version in versions.values():
            seen, own = self._seen(crd, version, stored, cache, form, versions)
            strategy = strategy_of(crd, version, versions)
            self._tracker.add(strategy)
            registry = Registry(strategy, seen, self._context, CountedCreates(self.creates, crd.metadata.name), own)
            served.registries[version.declared.name] = registry
            if version.declared.served:
                served.told[version.declared.name] = Custom(
                    registry.resource, strategy.list_kind, version.schema.raw, version.digest
                )
                self._mount.serve(registry)
        self.served[crd.metadata.name] = served

    @staticmethod
    def _seen(
        crd: CustomResourceDefinition,
        version: Version,
        stored: Version,
        cache: WatchCache,
        form: CustomBytes,
        versions: dict[str, Version],
    ) -> tuple[Cache, CustomBytes]:
        """The cache as a version sees it, and how its objects are written."""
        if version is stored:
            return cache, form
        own = CustomBytes(version, versions, selectable(version))
        show, store = converter(crd, stored, version), converter(crd, version, stored)
        return VersionView(cache, own, form, show, store), own


def _compiled(crd: CustomResourceDefinition) -> str | dict[str, Version]:
    """The versions of a definition, by API version, or what is wrong with it, found by doing all that serving it does.
    Raises anything."""
    if wrong := validate(crd):
        return f"{wrong[0].path}: {wrong[0].message}"
    versions = {v.api_version: v for v in (Version(crd, declared) for declared in crd.spec.versions or ())}
    for version in versions.values():
        strategy_of(crd, version, versions)
    return versions


def _is_served(crd: CustomResourceDefinition, name: str) -> bool:
    return any(v.served for v in crd.spec.versions or () if v.name == name)


def _alike(a: CustomResourceDefinition, b: CustomResourceDefinition) -> bool:
    """Whether two states of a definition are served in the same way."""
    return (
        a.metadata.uid == b.metadata.uid
        and a.spec == b.spec
        and a.status.accepted_names == b.status.accepted_names
        and (a.metadata.deletion_timestamp is None) == (b.metadata.deletion_timestamp is None)
    )
