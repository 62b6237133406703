"""Making and deleting pods for a controller: templates become pods, in batches that start small, with events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from pilothouse.api.codec import json
from pilothouse.api.errors import StatusError
from pilothouse.api.object import Object
from pilothouse.api.types.core.v1 import Pod, PodCondition, PodTemplateSpec
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.machinery import claims
from pilothouse.machinery.client import CLIENT_ERRORS, Client, StrategicMergePatch
from pilothouse.machinery.controller import Key
from pilothouse.machinery.events import NORMAL, WARNING, Recorder
from pilothouse.machinery.informer import Informer
from pilothouse.semantics import conditions
from pilothouse.semantics.ownership import controller_of, controller_reference

FIRST_BATCH = 1
NOT_FOUND = 404


def pod_of(template: PodTemplateSpec, owner: Object, *, name: str = "", prefix: str = "") -> Pod:
    """The pod that a template makes for its controller."""
    held = template.metadata
    return Pod(
        metadata=ObjectMeta(
            name=name,
            generate_name="" if name else prefix or f"{owner.metadata.name}-",
            namespace=owner.metadata.namespace,
            labels=held.labels,
            annotations=held.annotations,
            finalizers=held.finalizers,
            owner_references=(controller_reference(owner),),
        ),
        spec=template.spec,
    )


def namespace_ends(error: BaseException) -> bool:
    """Whether a create was refused because its namespace is being deleted: nothing to tell anybody."""
    if not isinstance(error, StatusError) or error.status.details is None:
        return False
    return any(cause.reason == "NamespaceTerminating" for cause in error.status.details.causes)


async def create_pods(
    client: Client, owner: Object, pods: Sequence[Pod], recorder: Recorder
) -> tuple[int, Sequence[BaseException]]:
    """Create all, in batches of 1, 2, 4 ... so that a refusal for all is found out cheaply. How many were made, and the
    failures, after which no further batch was begun."""
    made, size = 0, FIRST_BATCH
    while made < len(pods):
        batch = pods[made : made + size]
        results = await asyncio.gather(*(client.create(pod) for pod in batch), return_exceptions=True)
        failures = [r for r in results if isinstance(r, BaseException)]
        for result in results:
            if isinstance(result, Pod):
                recorder.event(owner, NORMAL, "SuccessfulCreate", f"Created pod: {result.metadata.name}")
            elif isinstance(result, CLIENT_ERRORS) and not namespace_ends(result):
                recorder.event(owner, WARNING, "FailedCreate", f"Error creating: {result}")
            elif not isinstance(result, CLIENT_ERRORS):
                raise result
        made += len(batch) - len(failures)
        if failures:
            return made, failures
        size *= 2
    return made, ()


async def delete_pods(client: Client, owner: Object, pods: Iterable[Pod], recorder: Recorder) -> BaseException | None:
    """Delete all; the first failure. One that is gone already is no failure."""
    chosen = list(pods)
    results = await asyncio.gather(
        *(client.delete(Pod, p.metadata.name, p.metadata.namespace, uid=p.metadata.uid) for p in chosen),
        return_exceptions=True,
    )
    first: BaseException | None = None
    for pod, result in zip(chosen, results, strict=True):
        if result is None:
            recorder.event(owner, NORMAL, "SuccessfulDelete", f"Deleted pod: {pod.metadata.name}")
        elif isinstance(result, StatusError) and result.code == NOT_FOUND:
            continue
        elif isinstance(result, CLIENT_ERRORS):
            recorder.event(owner, WARNING, "FailedDelete", f"Error deleting: {result}")
            first = first or result
        else:
            raise result
    return first


async def patch_status(
    client: Client, pod: Pod, *, phase: str | None = None, condition: PodCondition | None = None
) -> Pod:
    """Tell of a pod's end, as components do that are not its kubelet: a patch of its status that carries the uid, so
    that it neither meets a namesake nor undoes what the kubelet tells meanwhile (upstream's `PatchPodStatus`)."""
    status: dict[str, Any] = {}
    if phase is not None:
        status["phase"] = phase
    if condition is not None:
        (put,) = (c for c in conditions.put(pod.status.conditions, condition) if c.type == condition.type)
        status["conditions"] = [json.to_builtins(put)]
    patch = StrategicMergePatch({"metadata": {"uid": pod.metadata.uid}, "status": status})
    return await client.patch(Pod, pod.metadata.name, pod.metadata.namespace, patch, subresource="status")


def pods_by_controller(pods: Informer[Pod]) -> None:
    """Keep pods findable by their controller's uid."""
    pods.add_index(claims.INDEX, claims.index)


def keys_of_owner(
    kind: str, group: str, matching: Callable[[Any], Iterable[Key]]
) -> Callable[[Any, Any], Iterable[Key]]:
    """The keys that a change of an owned object touches: its controllers of `kind`, old and new, or, if it has none,
    those that `matching` says might want it."""

    def keys(old: Any, new: Any) -> Iterable[Key]:
        before = controller_of(old.metadata) if old is not None else None
        now = controller_of(new.metadata) if new is not None else None
        found: list[Key] = []
        for obj, reference in ((old, before), (new, now)):
            if reference is not None and reference.kind == kind and _group(reference.api_version) == group:
                key = (obj.metadata.namespace, reference.name)
                if key not in found:
                    found.append(key)
        if new is not None and now is None:
            changed = old is None or before is not None or old.metadata.labels != new.metadata.labels
            if changed:
                found += matching(new)
        return found

    return keys


def _group(api_version: str) -> str:
    return api_version.rpartition("/")[0]


def with_spec(obj: Any, **changes: Any) -> Any:
    """A copy of `obj` with changed fields in its spec."""
    return msgspec.structs.replace(obj, spec=msgspec.structs.replace(obj.spec, **changes))


def with_meta(obj: Any, **changes: Any) -> Any:
    """A copy of `obj` with changed metadata."""
    return msgspec.structs.replace(obj, metadata=msgspec.structs.replace(obj.metadata, **changes))
