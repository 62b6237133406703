"""What becomes of an object on its way to the store: system metadata, generation, the rules of its kind. Pure."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from pilothouse.api import field_errors
from pilothouse.api.errors import bad_request
from pilothouse.api.time import format_time
from pilothouse.api.types.meta.v1 import ObjectMeta, OwnerReference
from pilothouse.apiserver.generic.emptiness import with_empty
from pilothouse.kinds.strategy import Status, Strategy, Write
from pilothouse.kit.random import Chance
from pilothouse.semantics.validation import meta as meta_rules
from pilothouse.semantics.validation.names import path_segment

GENERATED_SUFFIX = 5
GENERATED_PREFIX_LIMIT = 63 - GENERATED_SUFFIX
_DUPLICATE_OWNERS = (
    ".metadata.ownerReferences contains duplicate entries{}; API server dedups owner references in 1.20+, and may "
    "reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}"
)


def place(obj: Any, namespace: str) -> Any:
    """`obj` in the namespace of its request ("" for cluster scope). Raises StatusError if it names another one."""
    own = obj.metadata.namespace
    if own == namespace:
        return obj
    if own and namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    return with_meta(obj, namespace=namespace)


def with_meta(obj: Any, **changes: Any) -> Any:
    return replace(obj, metadata=replace(obj.metadata, **changes))


def wiped(obj: Any) -> Any:
    """What a client sends to be created, without what only the system says of it: nobody owns that."""
    meta: ObjectMeta = obj.metadata
    if meta.deletion_timestamp is None and meta.deletion_grace_period_seconds is None and not meta.self_link:
        return obj
    return with_meta(obj, deletion_timestamp=None, deletion_grace_period_seconds=None, self_link="")


def system_metadata(obj: Any, now: float, chance: Chance) -> Any:
    """A new object's uid, time and generated name; what only the system sets is taken away."""
    obj = wiped(obj)
    meta: ObjectMeta = obj.metadata
    changes: dict[str, Any] = {"uid": chance.uid(), "creation_timestamp": format_time(now)}
    if meta.generate_name and not meta.name:
        changes["name"] = generated_name(meta.generate_name, chance)
    return with_meta(obj, **changes)


def generated_name(prefix: str, chance: Chance) -> str:
    return prefix[:GENERATED_PREFIX_LIMIT] + chance.name_suffix(GENERATED_SUFFIX)


def before_create(strategy: Strategy[Any], obj: Any, write: Write, sent: Any = None) -> tuple[Any, Sequence[str]]:
    """The object as it will be stored, and warnings. `sent`: the JSON tree it was decoded from, where there is one.
    Raises StatusError (422)."""
    obj = _emptied(strategy, obj)
    if strategy.generation:
        obj = with_meta(obj, generation=strategy.first_generation)
    obj = strategy.prepare_create(obj, write)
    resource = strategy.resource

    def check() -> field_errors.FieldErrors:
        found = meta_rules.validate(obj.metadata, resource.namespaced, strategy.name, core=strategy.core_finalizers)
        found += _refusals(strategy, strategy.validate, obj, sent)
        return found

    found = field_errors.bounded(check)
    if not found:
        name = obj.metadata.name
        found = [field_errors.invalid("metadata.name", name, fault) for fault in path_segment(name)]
    if found:
        raise field_errors.as_status(resource.group, resource.kind, obj.metadata.name, found)
    return strategy.canonicalize(obj), strategy.warnings(obj)


def _refusals(
    strategy: Strategy[Any], check: Callable[[Any], Sequence[field_errors.FieldError]], obj: Any, sent: Any
) -> Sequence[field_errors.FieldError]:
    """What `check` has against `obj`. It sees what was sent empty as such: at once where the kind judges that, else
    once more when it has refused something, as it may show it."""
    if strategy.tells_empty:
        return check(with_empty(obj, sent))
    found = check(obj)
    return check(with_empty(obj, sent)) if found and sent is not None else found


def before_update(
    strategy: Strategy[Any], new: Any, old: Any, write: Write, rules: Status[Any] | None, sent: Any = None
) -> tuple[Any, Sequence[str]]:
    """The object as it will be stored in place of `old`, and warnings. `rules`: those of a subresource, None for the
    object itself. `sent`: the JSON tree it was decoded from, where there is one. Raises StatusError (422)."""
    new = _kept_metadata(new, old)
    if rules is None:
        new = strategy.prepare_update(_status_kept(strategy, new, old), old, write)
        new = bumped(strategy, new, old)
    else:
        new = rules.prepare(keep_parts(new, old, rules.keep), old, write)
    new = _system_kept(new, old, write.dry_run)
    check = partial(_refusals, strategy, lambda obj: update_errors(strategy, obj, old, rules), new, sent)
    found = field_errors.bounded(check)
    if found:
        resource = strategy.resource
        raise field_errors.as_status(resource.group, resource.kind, old.metadata.name, found)
    if rules is not None:
        warnings = rules.warnings(new, old)
    elif strategy.warnings_update is not None:
        warnings = strategy.warnings_update(new, old)
    else:
        warnings = strategy.warnings(new)
    if rules is not None:
        new = strategy.defaults(new)  # what is stored is read with its defaults, those of the parts that were kept too
    return strategy.canonicalize(new), warnings


def update_errors(
    strategy: Strategy[Any], new: Any, old: Any, rules: Status[Any] | None
) -> list[field_errors.FieldError]:
    """All errors of an update; those of metadata come up once for the generic check, then again for the kind's."""
    namespaced = strategy.resource.namespaced
    found: list[field_errors.FieldError] = []
    if new.metadata != old.metadata:
        repeats = strategy.meta_update if rules is None else rules.meta_update
        found += meta_rules.validate(new.metadata, namespaced, path_segment, core=strategy.core_finalizers)
        found += meta_rules.validate_update(new.metadata, old.metadata) * (1 + repeats.change)
        if repeats.whole:
            whole = meta_rules.validate(new.metadata, namespaced, strategy.name, core=strategy.core_finalizers)
            found += whole * repeats.whole
    if rules is not None:
        return [*found, *rules.validate(new, old)]
    if strategy.validate_update is not None:
        return [*found, *strategy.validate_update(new, old)]
    return [*found, *strategy.validate(new)]


def bumped(strategy: Strategy[Any], new: Any, old: Any) -> Any:
    """`new` with the generation it has after this update: the old one, or one more if what counts has changed."""
    if not strategy.generation:
        return new
    changed = any(_reader(path)(new) != _reader(path)(old) for path in strategy.generation)
    generation = old.metadata.generation + changed
    return new if new.metadata.generation == generation else with_meta(new, generation=generation)


@functools.cache
def _reader(path: str) -> Callable[[Any], Any]:
    return operator.attrgetter(path)


def keep_parts(new: Any, old: Any, parts: Sequence[str]) -> Any:
    """`new` with attributes of `old`; `metadata.labels` names a part of the metadata."""
    changes: dict[str, Any] = {}
    for part in parts:
        if part.startswith("metadata."):
            attribute = part.removeprefix("metadata.")
            new = with_meta(new, **{attribute: getattr(old.metadata, attribute)})
        else:
            changes[part] = getattr(old, part)
    return replace(new, **changes) if changes else new


def _status_kept(strategy: Strategy[Any], new: Any, old: Any) -> Any:
    if strategy.status is None:
        return new
    changes = {a: getattr(old, a) for a in strategy.dropped_on_create if hasattr(old, a)}
    return replace(new, **changes) if changes else new


def _emptied(strategy: Strategy[Any], obj: Any) -> Any:
    """What only the status subresource may set is dropped from a new object."""
    if strategy.status is None:
        return obj
    empty = _empty(strategy.type)
    changes = {a: getattr(empty, a) for a in strategy.dropped_on_create if hasattr(empty, a)}
    return replace(obj, **changes) if changes else obj


_EMPTY: dict[type[Any], Any] = {}


def _empty(kind: type[Any]) -> Any:
    found = _EMPTY.get(kind)
    if found is None:
        found = _EMPTY[kind] = kind()
    return found


def _kept_metadata(new: Any, old: Any) -> Any:
    """Generation is never the client's to set."""
    if new.metadata.generation == old.metadata.generation:
        return new
    return with_meta(new, generation=old.metadata.generation)


def _system_kept(new: Any, old: Any, dry_run: bool) -> Any:
    """What a client may leave out, or cannot change without saying so. A selfLink goes when it is stored: a dry run
    shows it."""
    meta, before = new.metadata, old.metadata
    changes: dict[str, Any] = {}
    if not meta.uid:
        changes["uid"] = before.uid
    if meta.creation_timestamp != before.creation_timestamp:
        changes["creation_timestamp"] = before.creation_timestamp
    if before.deletion_timestamp is not None and meta.deletion_timestamp != before.deletion_timestamp:
        changes["deletion_timestamp"] = before.deletion_timestamp
    if before.deletion_grace_period_seconds is not None and meta.deletion_grace_period_seconds is None:
        changes["deletion_grace_period_seconds"] = before.deletion_grace_period_seconds
    if meta.self_link and not dry_run:
        changes["self_link"] = ""
    return with_meta(new, **changes) if changes else new


def distinct_owners(obj: Any, after_admission: bool = False) -> tuple[Any, str]:
    """`obj` without repeated owner references, and the warning to give if there were any."""
    owners: Sequence[OwnerReference] = obj.metadata.owner_references
    if len(owners) < 2:
        return obj, ""
    distinct: dict[OwnerReference, None] = {}
    doubled: dict[str, None] = {}
    for owner in owners:
        if owner in distinct:
            doubled[owner.uid] = None
        distinct[owner] = None
    if not doubled:
        return obj, ""
    when = " after mutating admission happens" if after_admission else ""
    return with_meta(obj, owner_references=tuple(distinct)), _DUPLICATE_OWNERS.format(when, ", ".join(doubled))
