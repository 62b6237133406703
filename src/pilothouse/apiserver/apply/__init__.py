"""Server-side apply and the tracking of field managers for every write. Pure: trees and entries in, the same out.

A FieldManager serves one endpoint of one kind. Trees are JSON trees (lists, not tuples) in the version of the request,
after defaulting, before admission; `managedFields` in them are not looked at, entries come beside them.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec

from pilothouse.api import errors
from pilothouse.api.types.meta.v1 import ManagedFieldsEntry, StatusCause, StatusDetails
from pilothouse.apiserver.apply import managers, updater
from pilothouse.apiserver.apply.bodies import check_kind, check_type, configuration, typed
from pilothouse.apiserver.apply.compare import compare, fields_of
from pilothouse.apiserver.apply.fieldset import SELF, FieldSet, difference, union
from pilothouse.apiserver.apply.managers import APPLY, UPDATE, EntryError, Managed, Manager, Owned, manager_of
from pilothouse.apiserver.apply.updater import ConflictError, Kind, Tree

BEFORE_FIRST_APPLY = "before-first-apply"
KUBECTL = "kubectl"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_CURRENT = Manager("current-operation", UPDATE)
_MOST_LAST_APPLIED = 262_144

__all__ = ["Applied", "Entries", "FieldManager", "Kind", "configuration", "conflict_error", "typed"]

Entries = tuple[ManagedFieldsEntry, ...]


class Applied(NamedTuple):
    """The result of an apply: the new tree, None if nothing changes in it; and the new entries, which may differ
    even then (an entry that changed nothing gets no time)."""

    tree: Tree | None
    entries: Entries


class FieldManager:
    """`empty` is the tree of the kind's zero object: what a created object is compared with."""

    def __init__(self, kind: Kind, api_version: str, name: str, empty: Tree, subresource: str = "") -> None:
        self.kind, self.api_version, self.name = kind, api_version, name
        self.empty, self.subresource = empty, subresource

    def update(
        self,
        live: Tree | None,
        new: Tree,
        held: Sequence[ManagedFieldsEntry],
        sent: Sequence[ManagedFieldsEntry] | None,
        manager: str,
        now: str,
    ) -> Entries:
        """The entries after a create (`live` is None), update or patch. `held` are those of the live object, `sent`
        those of the request, None if it has none. `now` is a Time."""
        managed = self._known(held, sent)
        if not managed and live is not None:
            return ()
        self._update(self.empty if live is None else live, new, managed, manager, now)
        return managers.encode(managed)

    def _known(self, held: Sequence[ManagedFieldsEntry], sent: Sequence[ManagedFieldsEntry] | None) -> Managed:
        """The entries to start from: those sent, if they are good; `[]` and `[{}]` reset them."""
        if sent is not None and not self.subresource:
            if not sent or (len(sent) == 1 and sent[0] == ManagedFieldsEntry()):
                return {}
            if sent is not held:
                try:
                    return managers.decode(sent)
                except EntryError:
                    pass
        return managers.trusted(held)

    def _update(self, live: Tree, new: Tree, managed: Managed, manager: str, now: str) -> None:
        updater.update(self.kind, live, new, self.api_version, managed, _CURRENT)
        managers.strip(managed, _CURRENT)
        taken = managed.pop(_CURRENT, None)
        if taken is not None:
            key = manager_of(manager, UPDATE, self.api_version, self.subresource)
            before = managed.get(key)
            fields = union(taken.fields, before.fields if before is not None else None)
            managed[key] = Owned(fields, self.api_version, now)
        managers.cap_updaters(managed)

    def apply(
        self,
        live: Tree | None,
        config: Tree,
        held: Sequence[ManagedFieldsEntry],
        manager: str,
        now: str,
        force: bool = False,
    ) -> Applied:
        """Apply a configuration; `live` is None if there is no object yet. Raises StatusError."""
        check_kind(config, self.api_version, self.name)
        check_type(self.kind.type_of(self.api_version), config, self.api_version, self.name)
        managed = managers.trusted(held)
        base = self.empty if live is None else live
        if not managed and live is not None:
            self._update(self.empty, live, managed, BEFORE_FIRST_APPLY, now)
        key = manager_of(manager, APPLY, self.api_version, self.subresource)
        try:
            tree = self._applied(base, config, managed, key, force)
        except ConflictError as conflict:
            raise conflict_error(conflict.conflicts) from None
        managers.strip(managed, key)
        if tree is not None and key in managed:
            managed[key] = Owned(managed[key].fields, managed[key].api_version, now)
        if manager == KUBECTL and tree is not None:
            tree = _with_last_applied(tree, config)
        return Applied(tree, managers.encode(managed))

    def members_touched(self, config: Tree, held: Sequence[ManagedFieldsEntry], manager: str) -> Set[str] | None:
        """The members of the object that an apply reads, writes or tells of, beside kind and apiVersion; None if it may
        be any."""
        if not held or manager == KUBECTL or len(self.kind.types) > 1:
            return None  # all that is there gets an owner, or an annotation stands for a whole object, or is converted
        own = managers.trusted(held).get(manager_of(manager, APPLY, self.api_version, self.subresource))
        left = own.fields if own is not None and own.fields is not None else {}
        return {"metadata", *config, *(element[2:] for element in left if element != SELF)} - {"kind", "apiVersion"}

    def _applied(self, live: Tree, config: Tree, managed: Managed, key: Manager, force: bool) -> Tree | None:
        """kubectl may take over what its client-side apply wrote and nobody changed since."""
        before = dict(managed)
        try:
            return updater.apply(self.kind, live, config, self.api_version, managed, key, force)
        except ConflictError as conflict:
            if key.name != KUBECTL:
                raise
            allowed = self._last_applied_fields(live)
            left = {
                other: Owned(rest, owned.api_version)
                for other, owned in conflict.conflicts.items()
                if (rest := difference(owned.fields, allowed)) is not None
            }
            if left:
                raise ConflictError(left) from None
            managed.clear()
            managed.update(before)
            return updater.apply(self.kind, live, config, self.api_version, managed, key, True)

    def _last_applied_fields(self, live: Tree) -> FieldSet:
        """What the last-applied annotation states and the live object still has."""
        text = (_metadata(live).get("annotations") or {}).get(LAST_APPLIED)
        try:
            last = msgspec.json.decode(text or "null")
        except msgspec.DecodeError:
            return None
        if not isinstance(last, dict) or last.get("apiVersion") != self.api_version:
            return None
        node = self.kind.type_of(self.api_version)
        differs = compare(node, last, live)
        return difference(
            difference(difference(fields_of(node, last), differs.modified), differs.added), differs.removed
        )


def _metadata(tree: Tree) -> dict[str, Any]:
    found = tree.get("metadata")
    return found if isinstance(found, dict) else {}


def _with_last_applied(tree: Tree, config: Tree) -> Tree:
    """kubectl's annotation says what was applied, if the object has it at all."""
    metadata = _metadata(tree)
    annotations = metadata.get("annotations") or {}
    if LAST_APPLIED not in annotations:
        return tree
    stated = config
    if (own := _metadata(config).get("annotations")) is not None:
        own = {key: value for key, value in own.items() if key != LAST_APPLIED}
        stated = {**config, "metadata": {**_metadata(config), "annotations": own}}
    text = msgspec.json.encode(stated, order="sorted").decode() + "\n"
    kept = {**annotations, LAST_APPLIED: text if len(text) <= _MOST_LAST_APPLIED else ""}
    return {**tree, "metadata": {**metadata, "annotations": kept}}


def conflict_error(conflicts: Managed) -> errors.StatusError:
    """409 with a cause for each field and manager."""
    found = sorted(
        ((key, updater.conflict_paths(owned)) for key, owned in conflicts.items()),
        key=lambda item: (item[0].name, item[0].operation, item[0].api_version, item[0].subresource),
    )
    causes = tuple(
        StatusCause(reason="FieldManagerConflict", message=f"conflict with {key.told()}", field_=path)
        for key, paths in found
        for path in paths
    )
    if len(causes) == 1:
        told = f"1 conflict: {causes[0].message}: {causes[0].field_}"
    else:
        lines = [
            line for key, paths in found for line in (f"conflicts with {key.told()}:", *(f"- {path}" for path in paths))
        ]
        told = f"{len(causes)} conflicts: " + "\n".join(lines)
    return errors.make(HTTPStatus.CONFLICT, "Conflict", f"Apply failed with {told}", StatusDetails(causes=causes))
