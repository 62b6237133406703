"""The options of requests, read from parameters (or a DELETE body) and checked. Pure."""

from __future__ import annotations

import re
from typing import TypeVar

from pilothouse.api import errors, integers
from pilothouse.api.errors import bad_request
from pilothouse.api.field_errors import FieldErrors, as_status, forbidden, invalid, not_supported, required, too_long
from pilothouse.api.types.meta.v1 import (
    CreateOptions,
    DeleteOptions,
    ListOptions,
    PatchOptions,
    Preconditions,
    UpdateOptions,
)
from pilothouse.apiserver.request import query as q
from pilothouse.apiserver.request.query import Query

W = TypeVar("W", CreateOptions, UpdateOptions, PatchOptions)
GROUP = "meta.k8s.io"
_VALIDATIONS = ("", "Ignore", "Strict", "Warn")
_DURATION = re.compile(r"([+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+\Z|[+-]?0\Z")
MANAGER_LIMIT = 128


def patch_options(query: Query, applies: bool) -> tuple[PatchOptions, bool | None]:
    """(the options of a patch, its `force`), which only an apply may have; an apply needs a manager. Raises
    StatusError (400, 422)."""
    force = q.boolean(query, "force")
    faults: FieldErrors = []
    if applies and not q.text(query, "fieldManager"):
        faults.append(required("fieldManager", "is required for apply patch"))
    if force is not None and not applies:
        faults.append(forbidden("force", "may not be specified for non-apply patch"))
    return write_options(query, PatchOptions, faults), force


def write_options(query: Query, kind: type[W], found_faults: FieldErrors | None = None) -> W:
    """The options of a create, update or patch. Raises StatusError (400, 422)."""
    if not query and not found_faults:
        return kind()
    check_timeout(query)
    found = kind(
        dry_run=tuple(query.get("dryRun", ())),
        field_manager=q.text(query, "fieldManager"),
        field_validation=q.text(query, "fieldValidation"),
    )
    faults: FieldErrors = found_faults or []
    if found.dry_run and any(value != "All" for value in found.dry_run):
        faults.append(not_supported("dryRun", found.dry_run, ("All",)))
    if found.field_validation not in _VALIDATIONS:
        faults.append(not_supported("fieldValidation", found.field_validation, _VALIDATIONS))
    faults += _manager_faults(found.field_manager)
    if faults:
        raise as_status(GROUP, found.kind, "", faults)
    return found


def _manager_faults(manager: str) -> FieldErrors:
    faults: FieldErrors = []
    if len(manager.encode()) > MANAGER_LIMIT:
        faults.append(too_long("fieldManager", MANAGER_LIMIT))
    for index, char in enumerate(manager):
        if not char.isprintable():
            faults.append(
                invalid("fieldManager", manager, f"invalid character U+{ord(char):04X} (at position {index})")
            )
    return faults


def check_timeout(query: Query) -> None:
    """Raises StatusError (400) for a `timeout` that is no duration."""
    values = query.get("timeout")
    if values and values[0] and not _DURATION.match(values[0]):
        told = f'time: invalid duration "{values[0]}"'
        raise bad_request(f"invalid timeout specified in the request URL - {told}")


def list_options(query: Query) -> ListOptions:
    """The options of a list or watch. Raises StatusError (400, 422)."""
    if not query:
        return ListOptions()
    check_timeout(query)
    return ListOptions(
        label_selector=q.text(query, "labelSelector"),
        field_selector=q.text(query, "fieldSelector"),
        watch=q.boolean(query, "watch") or False,
        allow_watch_bookmarks=q.boolean(query, "allowWatchBookmarks") or False,
        resource_version=q.text(query, "resourceVersion"),
        resource_version_match=q.text(query, "resourceVersionMatch"),
        timeout_seconds=q.integer(query, "timeoutSeconds"),
        limit=q.integer(query, "limit") or 0,
        continue_=q.text(query, "continue"),
        send_initial_events=q.boolean(query, "sendInitialEvents"),
    )


def check_list(options: ListOptions) -> None:
    """Raises StatusError (422) for options that contradict each other."""
    faults = _watch_faults(options) if options.watch else []
    match = options.resource_version_match
    if match and not options.watch:
        if not options.resource_version:
            faults.append(
                forbidden(
                    "resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided"
                )
            )
        if options.continue_:
            faults.append(
                forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided")
            )
        if match not in ("Exact", "NotOlderThan"):
            faults.append(not_supported("resourceVersionMatch", match, ("Exact", "NotOlderThan", "")))
        if match == "Exact" and options.resource_version == "0":
            told = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
            faults.append(forbidden("resourceVersionMatch", told))
    if options.send_initial_events is not None and not options.watch:
        faults.append(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    if faults:
        raise as_status(GROUP, "ListOptions", "", faults)


def _watch_faults(options: ListOptions) -> FieldErrors:
    faults: FieldErrors = []
    match = options.resource_version_match
    if options.send_initial_events is not None and match != "NotOlderThan":
        told = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        faults.append(forbidden("resourceVersionMatch", told))
    if match:
        if options.send_initial_events is None:
            told = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            faults.append(forbidden("resourceVersionMatch", told))
        if match != "NotOlderThan":
            faults.append(not_supported("resourceVersionMatch", match, ("NotOlderThan",)))
        if options.continue_:
            told = "resourceVersionMatch is forbidden when continue is provided"
            faults.append(forbidden("resourceVersionMatch", told))
    return faults


def list_revision(text: str) -> int:
    """-1: the most recent; 0: any; else at least that one. Raises StatusError (400)."""
    if not text:
        return -1
    found = _uint64(text)
    if isinstance(found, str):
        raise bad_request(f"invalid resource version: {found}")
    return found


def exact_revision(text: str) -> int:
    """The same of a GET or watch, where an unreadable version is a 500."""
    found = _uint64(text) if text else -1
    if isinstance(found, str):
        raise errors.make(500, "", found)
    return found


def _uint64(text: str) -> int | str:
    """The resourceVersion, or what is wrong with it."""
    number = integers.integer(text) if text.isdigit() else None
    if number is not None and number < 2**64:
        return number
    why = "invalid syntax" if number is None else "value out of range"
    return f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": {why}'


def delete_options(query: Query) -> DeleteOptions:
    """The options of a DELETE without a body. Raises StatusError (400)."""
    if not query:
        return DeleteOptions()
    check_timeout(query)
    uid, version = query.get("preconditions.uid"), query.get("preconditions.resourceVersion")
    return DeleteOptions(
        grace_period_seconds=q.integer(query, "gracePeriodSeconds"),
        preconditions=Preconditions(uid=uid[0] if uid else None, resource_version=version[0] if version else None)
        if uid or version
        else None,
        orphan_dependents=q.boolean(query, "orphanDependents"),
        propagation_policy=query["propagationPolicy"][0] if "propagationPolicy" in query else None,
        dry_run=tuple(query.get("dryRun", ())),
        ignore_store_read_error_with_cluster_breaking_potential=q.boolean(
            query, "ignoreStoreReadErrorWithClusterBreakingPotential"
        ),
    )
