"""What a DELETE does to an object: removes it, marks it, or nothing; grace, finalizers and propagation. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from pilothouse.api import errors
from pilothouse.api.errors import StatusError
from pilothouse.api.field_errors import FieldErrors, as_status, invalid, not_supported
from pilothouse.api.time import format_time, parse_time
from pilothouse.api.types.meta.v1 import DeleteOptions, ObjectMeta, Preconditions
from pilothouse.apiserver.generic.writing import with_meta
from pilothouse.kinds.strategy import Strategy, Write

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
_POLICIES = ("Foreground", "Background", "Orphan")


class Step(NamedTuple):
    """`store`: write this state first (None: leave the object as it is); `remove`: then take it out of the store.
    With neither the deletion is already under way."""

    store: Any | None
    remove: bool


def decide(strategy: Strategy[Any], obj: Any, options: DeleteOptions, write: Write) -> Step:
    """The next step of deleting `obj`. Raises StatusError where `options` do not fit the object."""
    check_preconditions(strategy, obj.metadata, options)
    rules = strategy.deletion
    meta: ObjectMeta = obj.metadata
    marked = meta.deletion_timestamp is not None
    graceful: Any | None = None
    if rules.grace is not None:
        seconds = _grace_left(meta, options) if marked else rules.grace(obj, options)
        if seconds is None and meta.deletion_grace_period_seconds:
            return Step(None, remove=False)
        if seconds is not None:
            graceful = _graced(obj, seconds, write.now)
    target = graceful if graceful is not None else obj
    finalizers = garbage_finalizers(strategy, meta, options)
    if finalizers != meta.finalizers:
        target = with_meta(target, finalizers=finalizers)
    if graceful is None and (finalizers or rules.waits(obj)):
        target = _marked(strategy, target, write)
    held = bool(finalizers) or rules.waits(obj)
    store = None if target is obj else target
    if held:
        return Step(store, remove=False)
    if graceful is not None:
        return Step(graceful, remove=not graceful.metadata.deletion_grace_period_seconds)
    return Step(None, remove=True)


def _grace_left(meta: ObjectMeta, options: DeleteOptions) -> int | None:
    """The shorter grace that is asked for; None if it stays as it is."""
    left, asked = meta.deletion_grace_period_seconds, options.grace_period_seconds
    if not left or asked is None:
        return None
    asked = max(asked, 1) if asked < 0 else asked
    return asked if asked < left else None


def _graced(obj: Any, seconds: int, now: float) -> Any:
    """`obj` marked to end in `seconds`; the first mark bumps its generation."""
    meta: ObjectMeta = obj.metadata
    if meta.deletion_timestamp is None:
        generation = meta.generation + 1 if meta.generation > 0 else meta.generation
        ends = format_time(now + seconds)
        return with_meta(obj, deletion_timestamp=ends, deletion_grace_period_seconds=seconds, generation=generation)
    begun = parse_time(meta.deletion_timestamp) - (meta.deletion_grace_period_seconds or 0)
    ends = format_time(begun + seconds)
    return with_meta(obj, deletion_timestamp=ends, deletion_grace_period_seconds=seconds)


def _marked(strategy: Strategy[Any], obj: Any, write: Write) -> Any:
    """`obj` as one that waits for finalizers."""
    meta: ObjectMeta = obj.metadata
    if meta.deletion_timestamp is not None:
        return obj if strategy.deletion.waits(obj) else _ungraced(obj)
    generation = meta.generation + 1 if meta.generation > 0 and strategy.deletion.bumps else meta.generation
    seconds = None if strategy.deletion.waits(obj) else 0
    marked = with_meta(
        obj,
        deletion_timestamp=format_time(write.now),
        deletion_grace_period_seconds=seconds,
        generation=generation,
    )
    return strategy.deletion.mark(marked, write)


def _ungraced(obj: Any) -> Any:
    if obj.metadata.deletion_grace_period_seconds == 0:
        return obj
    return with_meta(obj, deletion_grace_period_seconds=0)


def garbage_finalizers(strategy: Strategy[Any], meta: ObjectMeta, options: DeleteOptions) -> tuple[str, ...]:
    """The object's finalizers with those that make the garbage collector act as asked."""
    if not strategy.deletion.collected:
        return meta.finalizers
    kept = tuple(f for f in meta.finalizers if f not in (ORPHAN, FOREGROUND))
    if _orphans(strategy, meta, options):
        kept = (*kept, ORPHAN)
    if _foreground(meta, options):
        kept = (*kept, FOREGROUND)
    return meta.finalizers if set(kept) == set(meta.finalizers) else kept


def _orphans(strategy: Strategy[Any], meta: ObjectMeta, options: DeleteOptions) -> bool:
    if options.orphan_dependents is not None:
        return options.orphan_dependents
    if options.propagation_policy is not None:
        return options.propagation_policy == "Orphan"
    if ORPHAN in meta.finalizers or FOREGROUND in meta.finalizers:
        return ORPHAN in meta.finalizers
    return strategy.deletion.orphans_by_default


def _foreground(meta: ObjectMeta, options: DeleteOptions) -> bool:
    if options.orphan_dependents is not None:
        return False
    if options.propagation_policy is not None:
        return options.propagation_policy == "Foreground"
    return FOREGROUND in meta.finalizers


def removable(strategy: Strategy[Any], new: Any, old: Any) -> bool:
    """Whether an update takes away the last thing that kept a deleted object alive."""
    meta: ObjectMeta = old.metadata
    if new.metadata.finalizers or strategy.deletion.waits(new) or meta.deletion_timestamp is None:
        return False
    return not meta.deletion_grace_period_seconds


def check_options(options: DeleteOptions) -> None:
    """Raises StatusError (422) for options that contradict themselves."""
    found: FieldErrors = []
    if options.propagation_policy is not None and options.orphan_dependents is not None:
        detail = "orphanDependents and deletionPropagation cannot be both set"
        found.append(invalid("propagationPolicy", options.propagation_policy, detail))
    if options.propagation_policy is not None and options.propagation_policy not in _POLICIES:
        found.append(not_supported("propagationPolicy", options.propagation_policy, (*_POLICIES, "nil")))
    for value in options.dry_run:
        if value != "All":
            found.append(not_supported("dryRun", options.dry_run, ("All",)))
            break
    if found:
        raise as_status("meta.k8s.io", "DeleteOptions", "", found)


def check_discard(options: DeleteOptions) -> None:
    """Raises StatusError (422) for options that mean nothing to an object that cannot be read."""
    path = "ignoreStoreReadErrorWithClusterBreakingPotential"
    others = {
        "dryRun": options.dry_run,
        "propagationPolicy": options.propagation_policy,
        "orphanDependents": options.orphan_dependents,
        "gracePeriodSeconds": options.grace_period_seconds,
        "preconditions": options.preconditions,
    }
    found: FieldErrors = [
        invalid(path, True, f"cannot be set together with .{name}")
        for name, value in others.items()
        if value not in (None, ())
    ]
    if found:
        raise as_status("meta.k8s.io", "DeleteOptions", "", found)


def check_preconditions(strategy: Strategy[Any], meta: ObjectMeta, options: DeleteOptions) -> None:
    """Raises StatusError (409) if the object is not the one that is meant."""
    wanted = options.preconditions
    if wanted is None:
        return
    if strategy.deletion.storage_words:
        _check_as_store(strategy, meta, wanted)
    if wanted.uid is not None and wanted.uid != meta.uid:
        told = (
            f"the UID in the precondition ({wanted.uid}) does not match the UID in record ({meta.uid}). "
            "The object might have been deleted and then recreated"
        )
        raise _conflict(strategy, meta.name, told)
    if wanted.resource_version is not None and wanted.resource_version != meta.resource_version:
        told = (
            f"the ResourceVersion in the precondition ({wanted.resource_version}) does not match the ResourceVersion "
            f"in record ({meta.resource_version}). The object might have been modified"
        )
        raise _conflict(strategy, meta.name, told)


def _check_as_store(strategy: Strategy[Any], meta: ObjectMeta, wanted: Preconditions) -> None:
    for what, value, found in (
        ("UID", wanted.uid, meta.uid),
        ("ResourceVersion", wanted.resource_version, meta.resource_version),
    ):
        if value is not None and value != found:
            told = f"Precondition failed: {what} in precondition: {value}, {what} in object meta: {found}"
            resource = strategy.resource
            raise errors.conflict(resource.group, resource.resource, meta.name, told)


def _conflict(strategy: Strategy[Any], name: str, told: str) -> StatusError:
    """The details name the kind where other conflicts name the resource."""
    resource = strategy.resource
    return errors.conflict(resource.group, resource.kind, name, told)
