"""Who manages what: managedFields entries to sets by manager and back. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from msgspec import Struct

from pilothouse.api.types.meta.v1 import ManagedFieldsEntry
from pilothouse.apiserver.apply.fieldset import FieldSet, FieldSetError, checked, difference, of_paths, union

APPLY, UPDATE = "Apply", "Update"
MOST_UPDATERS = 10
ANCIENT = "ancient-changes"
NEVER_OWNED = of_paths(
    [
        ("apiVersion",),
        ("kind",),
        ("metadata",),
        *(
            ("metadata", name)
            for name in (
                "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation",
                "managedFields", "resourceVersion",
            )
        ),
    ]
)  # fmt: skip


class Manager(NamedTuple):
    """What tells entries apart. An applier is the same in all versions: its `api_version` here is empty."""

    name: str
    operation: str
    api_version: str = ""
    subresource: str = ""
    beside: bool = False
    """A second entry of a manager, as a write of the Scale makes it; who reads the entries knows only the last one."""

    def told(self) -> str:
        """The manager as conflicts name it."""
        text = _go_quoted(self.name)
        if self.subresource:
            text += f" with subresource {_go_quoted(self.subresource)}"
        return f"{text} using {self.api_version}" if self.operation == UPDATE else text


def _go_quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


class Owned(Struct, frozen=True, eq=False):
    """The fields of one manager, in the names of one version."""

    fields: FieldSet
    api_version: str
    time: str | None = None


Managed = dict[Manager, Owned]


class EntryError(ValueError):
    """An entry that cannot be understood."""


def manager_of(name: str, operation: str, api_version: str, subresource: str = "") -> Manager:
    return Manager(name or "unknown", operation, "" if operation == APPLY else api_version, subresource)


def decode(entries: Iterable[ManagedFieldsEntry]) -> Managed:
    """Sets by manager. Raises EntryError if one entry is malformed."""
    found: Managed = {}
    for at, entry in enumerate(entries):
        if entry.operation not in (APPLY, UPDATE):
            raise EntryError("operation must be `Apply` or `Update`")
        if not entry.api_version:
            raise EntryError("apiVersion must not be empty")
        if entry.fields_type != "FieldsV1":
            wrong = f'invalid fieldsType "{entry.fields_type}"' if entry.fields_type else "missing fieldsType"
            raise EntryError(f"{wrong} in managed fields entry {at}")
        key = Manager(
            entry.manager, entry.operation, "" if entry.operation == APPLY else entry.api_version, entry.subresource
        )
        try:
            found[key] = Owned(checked(entry.fields_v_1), entry.api_version, entry.time)
        except FieldSetError as error:
            raise EntryError(str(error)) from None
    return found


def trusted(entries: Iterable[ManagedFieldsEntry]) -> Managed:
    """Sets by manager of entries that this code wrote."""
    return {
        Manager(e.manager, e.operation, "" if e.operation == APPLY else e.api_version, e.subresource): Owned(
            e.fields_v_1 or None, e.api_version, e.time
        )
        for e in entries
    }


def encode(managed: Managed) -> tuple[ManagedFieldsEntry, ...]:
    """Entries in upstream's order: appliers first, then by time and name."""
    entries = [
        ManagedFieldsEntry(
            manager=key.name,
            operation=key.operation,
            api_version=owned.api_version,
            time=owned.time,
            fields_type="FieldsV1",
            fields_v_1=owned.fields if owned.fields is not None else {},
            subresource=key.subresource,
        )
        for key, owned in managed.items()
    ]
    entries.sort(key=lambda e: (e.operation, e.time or "", e.manager, e.api_version, e.subresource))
    return tuple(entries)


def strip(managed: Managed, manager: Manager) -> None:
    """Take what nobody owns (identity, versions) from a manager's set."""
    owned = managed.get(manager)
    if owned is None:
        return
    kept = difference(owned.fields, NEVER_OWNED)
    if kept is None:
        del managed[manager]
    elif kept is not owned.fields:
        managed[manager] = Owned(kept, owned.api_version, owned.time)


def cap_updaters(managed: Managed) -> None:
    """At most ten managers by update: the oldest of each version are thrown together."""
    updaters = [key for key in managed if key.operation == UPDATE]
    count = len(updaters)
    if count <= MOST_UPDATERS:
        return
    updaters.sort(key=lambda key: (managed[key].time or "", key))
    first: dict[str, Manager] = {}
    for key in updaters:
        if count <= MOST_UPDATERS:
            return
        owned = managed[key]
        if owned.api_version not in first:
            first[owned.api_version] = key
            continue
        bucket = Manager(ANCIENT, UPDATE, owned.api_version)
        held = managed[bucket] if bucket in managed else managed.pop(first[owned.api_version])
        managed[bucket] = Owned(union(owned.fields, held.fields), owned.api_version, owned.time)
        if key != bucket:
            del managed[key]
        count -= 1
