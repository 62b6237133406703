"""Field managers of all stored kinds: what the registry calls on every write, and server-side apply. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from pilothouse.api import errors
from pilothouse.api.codec import json as codec
from pilothouse.api.codec import strict
from pilothouse.api.custom import CustomObject
from pilothouse.api.shapes import fields_of_struct, members_of
from pilothouse.api.time import format_time
from pilothouse.api.types.autoscaling.v1 import Scale
from pilothouse.api.types.meta.v1 import ManagedFieldsEntry
from pilothouse.apiserver.apply import FieldManager, Kind, conflict_error, managers, scale, typed
from pilothouse.apiserver.apply.bodies import check_kind, check_type, object_text
from pilothouse.apiserver.apply.differing import differing, differing_custom
from pilothouse.apiserver.apply.fieldset import FieldSet, of_paths
from pilothouse.apiserver.apply.schema import ElementError, node_of
from pilothouse.apiserver.apply.updater import ConflictError, MissingVersionError, Tree
from pilothouse.apiserver.apply.validate import fits
from pilothouse.apiserver.generic.scaling import scale_of
from pilothouse.apiserver.request.call import Call
from pilothouse.kinds.strategy import ServedVersion, Strategy, Tracked
from pilothouse.kit.clock import Clock

_MOST_TEMPLATES, _LARGEST_TEMPLATE = 512, 32 * 1024


class FieldTracker:
    """A `generic.call.Tracker`, and what applies configurations."""

    def __init__(self, strategies: Iterable[Strategy[Any]], clock: Clock) -> None:
        self._clock = clock
        self._kinds: dict[tuple[type[Any], str], FieldManager] = {}
        self._templates: dict[tuple[type[Any], bytes], FieldSet] = {}
        self._strategies: dict[type[Any], Strategy[Any]] = {}
        for strategy in strategies:
            self.add(strategy)

    def add(self, strategy: Strategy[Any]) -> None:
        """Know a kind."""
        for kind in (strategy.type, *(form.type for form in strategy.versions.values())):
            self._strategies[kind] = strategy

    def forget(self, strategy: Strategy[Any]) -> None:
        """Know a kind no more."""
        self._strategies.pop(strategy.type, None)
        self._kinds = {key: found for key, found in self._kinds.items() if key[0] is not strategy.type}
        self._templates.clear()

    def created(self, obj: Any, call: Call) -> Any:
        if call.untracked:
            return _with_entries(obj, ())
        meta = obj.metadata
        endpoint = self._endpoint(type(obj), "")
        try:
            if meta.managed_fields:
                entries = endpoint.update(None, _tree(obj), (), meta.managed_fields, call.manager, self._now())
                return _with_entries(obj, entries)
            fields = self._fields_of_new(endpoint, replace(obj, metadata=replace(meta, name="", namespace="")))
        except ElementError:  # no owner can be told of an item that has no key
            return _with_entries(obj, ())
        if fields is None:
            return obj
        owned = managers.Owned(fields, endpoint.api_version, self._now())
        managed = {managers.manager_of(call.manager, managers.UPDATE, endpoint.api_version): owned}
        return _with_entries(obj, managers.encode(managed))

    def _fields_of_new(self, endpoint: FieldManager, nameless: Any) -> FieldSet:
        """What a new object sets. Objects of one template differ in their names only, and share it."""
        template = codec.encode(nameless)
        key = (type(nameless), template)
        if key in self._templates:
            return self._templates[key]
        entries = endpoint.update(None, codec.decode_any(template), (), None, "", "")
        fields = entries[0].fields_v_1 if entries else None
        if len(template) <= _LARGEST_TEMPLATE:
            if len(self._templates) >= _MOST_TEMPLATES:
                self._templates.clear()
            self._templates[key] = fields
        return fields

    def asked(self, question: Any, call: Call) -> Any:
        """A review or request that is answered but never stored, with its fields owned by the call's manager."""
        kind = type(question)
        endpoint = self._kinds.get((kind, call.subresource))
        if endpoint is None:
            name, version = strict.identity(kind)
            empty: Tree = codec.decode_any(codec.encode(kind()))
            endpoint = FieldManager(Kind({version: node_of(kind)}), version, name, empty, call.subresource)
            self._kinds[(kind, call.subresource)] = endpoint
        held = question.metadata.managed_fields
        entries = endpoint.update(None, _tree(question), (), held or None, call.manager, self._now())
        return _with_entries(question, entries)

    def updated(self, new: Any, old: Any, call: Call) -> Any:
        held = old.metadata.managed_fields
        if call.subresource == "scale":
            return self._scaled(new, old, call)
        sent = () if call.untracked else new.metadata.managed_fields or None
        if sent is None or sent == held:
            sent = None
        endpoint = self._endpoint(type(new), call.subresource)
        if isinstance(new, CustomObject):
            before, after = differing_custom(_with_entries(old, ()), _with_entries(new, ()))
            if not fits(endpoint.kind.type_of(endpoint.api_version), after):
                return _with_entries(new, ())  # no owner can be told of what is not of its type
        elif len(endpoint.kind.types) > 1:
            before, after = _tree(old), _tree(new)
        else:
            before, after = differing(_with_entries(old, ()), _with_entries(new, ()))
        try:
            return _with_entries(new, endpoint.update(before, after, held, sent, call.manager, self._now()))
        except ElementError:
            return _with_entries(new, ())

    def applied(self, live: Any, config: Tree, kind: type[Any], call: Call, force: bool) -> Any:
        """The object after an apply, neither defaulted nor checked; `live` is None if there is none. Raises
        StatusError."""
        try:
            return self._applied(live, config, kind, call, force)
        except ElementError as error:
            told = object_text(config, *strict.identity(kind)[::-1])
            raise errors.make(500, "", f"failed to create typed live object ({told}): {error}") from None

    def _applied(self, live: Any, config: Tree, kind: type[Any], call: Call, force: bool) -> Any:
        endpoint = self._endpoint(kind, call.subresource)
        if live is None:
            found = endpoint.apply(None, config, (), call.manager, self._now(), force)
            return _with_entries(kind() if found.tree is None else typed(found.tree, kind), found.entries)
        if isinstance(live, CustomObject):
            found = endpoint.apply(_tree(live), config, live.metadata.managed_fields, call.manager, self._now(), force)
            return _with_entries(live if found.tree is None else typed(found.tree, kind), found.entries)
        held, members = live.metadata.managed_fields, members_of(kind)
        touched = endpoint.members_touched(config, held, call.manager)
        if touched is None or not touched <= members.keys():
            touched = members.keys()
        attributes = [members[name] for name in touched]
        part = kind(**{attribute: getattr(live, attribute) for attribute in attributes})
        found = endpoint.apply(_tree(part), config, held, call.manager, self._now(), force)
        if found.tree is None:
            return _with_entries(live, found.entries)
        obj = typed(found.tree, kind)
        obj = replace(live, **{attribute: getattr(obj, attribute) for attribute in attributes})
        return _with_entries(obj, found.entries)

    def applied_scale(self, live: Any, config: Tree, call: Call, force: bool) -> Any:
        """`live` with the replicas and the managers of an applied Scale. Raises StatusError."""
        rules = self._strategies[type(live)].scale
        assert rules is not None
        check_kind(config, *reversed(strict.identity(Scale)))
        check_type(node_of(Scale), config, *reversed(strict.identity(Scale)))
        managed = managers.trusted(live.metadata.managed_fields)
        before = scale.tree_of(scale_of(rules, live))
        stated = {key: value for key, value in config.items() if key in ("spec", "status")}
        place = scale.place_of(strict.identity(type(live))[1], rules.path)
        try:
            tree, managed = scale.applied(managed, before, stated, call.manager, place, force)
        except ConflictError as conflict:
            raise conflict_error(conflict.conflicts) from None
        if tree is not None:
            replicas = typed({**tree, "metadata": config.get("metadata")}, Scale).spec.replicas
            live = rules.with_replicas(live, replicas)
        return _with_entries(live, managers.encode(managed))

    def _scaled(self, new: Any, old: Any, call: Call) -> Any:
        rules = self._strategies[type(new)].scale
        assert rules is not None
        before, after = (scale.tree_of(scale_of(rules, obj)) for obj in (old, new))
        place = scale.place_of(strict.identity(type(new))[1], rules.path)
        managed = managers.trusted(old.metadata.managed_fields)
        return _with_entries(new, managers.encode(scale.updated(managed, before, after, call.manager, place)))

    def _now(self) -> str:
        return format_time(self._clock.now())

    def _endpoint(self, kind: type[Any], subresource: str) -> FieldManager:
        found = self._kinds.get((kind, subresource))
        if found is None:
            found = self._kinds[(kind, subresource)] = _endpoint(self._strategies[kind], kind, subresource)
        return found


def _with_entries(obj: Any, entries: tuple[ManagedFieldsEntry, ...]) -> Any:
    if obj.metadata.managed_fields == entries:
        return obj
    return replace(obj, metadata=replace(obj.metadata, managed_fields=entries))


def _tree(obj: Any) -> Tree:
    bare = _with_entries(obj, ())
    tree: Tree = codec.decode_any(codec.encode(bare))
    return tree


def _endpoint(strategy: Strategy[Any], kind: type[Any], subresource: str) -> FieldManager:
    """The field manager of one version of a kind, for the object itself or one of its subresources."""
    name, version = strict.identity(kind)
    if strategy.tracked is not None:
        return FieldManager(_tracked(strategy.tracked, subresource), version, name, _tree(kind()), subresource)
    forms = {strict.identity(form.type)[1]: form for form in strategy.versions.values()}
    group = version.rpartition("/")[0]  # entries of another group's versions are lost, as upstream loses them
    types = {v: t for v, t in _types(strategy).items() if v.rpartition("/")[0] == group}
    ignored = _ignored(strategy, kind, subresource)
    convert = _conversion(strategy, forms)
    described = Kind({v: node_of(t) for v, t in types.items()}, dict.fromkeys(types, ignored), convert)
    return FieldManager(described, version, name, codec.decode_any(codec.encode(kind())), subresource)


def _tracked(tracked: Tracked, subresource: str) -> Kind:
    """A kind without a generated type. Its versions differ in their names alone, as far as owners go."""
    ignored = of_paths(tracked.ignored.get(subresource, ()))

    def convert(tree: Tree, source: str, target: str) -> Tree:
        if target not in tracked.nodes:
            raise MissingVersionError(target)
        return {**tree, "apiVersion": target}

    return Kind(tracked.nodes, dict.fromkeys(tracked.nodes, ignored), convert)


def _types(strategy: Strategy[Any]) -> dict[str, type[Any]]:
    kinds = (strategy.type, *(form.type for form in strategy.versions.values()))
    return {strict.identity(kind)[1]: kind for kind in kinds}


def _ignored(strategy: Strategy[Any], kind: type[Any], subresource: str) -> FieldSet:
    """What an endpoint does not write, so nobody owns it by writing there."""
    if subresource:
        rules = strategy.status if subresource == "status" else strategy.updates.get(subresource)
        return of_paths(_json_path(kind, path) for path in rules.keep) if rules is not None else None
    if strategy.status is None:
        return None
    names = (*strategy.dropped_on_create, *strategy.unowned)
    return of_paths((name,) for name in names if name in kind.__struct_fields__)


def _json_path(kind: type[Any], path: str) -> tuple[str, ...]:
    """The JSON names of an attribute path."""
    found = []
    for attribute in path.split("."):
        field = next(f for f in fields_of_struct(kind).values() if f.fact.attribute == attribute)
        found.append(field.name)
        if field.shape.struct is not None:
            kind = field.shape.struct
    return tuple(found)


def _conversion(strategy: Strategy[Any], forms: Mapping[str, ServedVersion]) -> Any:
    types = _types(strategy)

    def convert(tree: Tree, source: str, target: str) -> Tree:
        if source == target:
            return tree
        if target not in types or source not in types:
            raise MissingVersionError(target)
        obj = typed(tree, types[source])
        stored = forms[source].to_storage(obj) if source in forms else obj
        return _tree(forms[target].from_storage(stored) if target in forms else stored)

    return convert
