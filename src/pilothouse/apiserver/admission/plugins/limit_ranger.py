"""LimitRanger: containers without resources get a namespace's defaults, and nothing leaves its bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from msgspec.structs import replace

from pilothouse.api.quantity import Quantity
from pilothouse.api.types.core.v1 import Container, LimitRange, LimitRangeItem, PersistentVolumeClaim, Pod
from pilothouse.apiserver.admission.context import PluginContext
from pilothouse.apiserver.admission.interface import Attributes, Operation
from pilothouse.apiserver.admission.refusal import refused_for
from pilothouse.kit.aside import aside
from pilothouse.semantics.requests import as_quantities, pod_limits, spec_requests

ANNOTATION = "kubernetes.io/limit-ranger"
Amounts = Mapping[str, Quantity]


class LimitRanger:
    """Defaults and bounds of pods at their creation and resize, bounds of claims at any write."""

    name = "LimitRanger"

    def __init__(self, context: PluginContext) -> None:
        self._reader = context.reader

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool:
        if group or operation not in ("CREATE", "UPDATE"):
            return False
        if resource == "persistentvolumeclaims":
            return not subresource
        wanted = "" if operation == "CREATE" else "resize"
        return resource == "pods" and subresource == wanted

    async def admit(self, attributes: Attributes) -> None:
        for ranges in self._ranges(attributes):
            if attributes.resource == "pods":
                attributes.obj = await aside(attributes.size, partial(with_defaults, attributes.obj, ranges))

    async def validate(self, attributes: Attributes) -> None:
        """Raises StatusError 403 with all violations of the first LimitRange that has any."""
        for ranges in self._ranges(attributes):
            await aside(attributes.size, partial(_check, attributes, ranges.spec.limits or ()))

    def _ranges(self, attributes: Attributes) -> Sequence[LimitRange]:
        return self._reader.list(LimitRange, attributes.namespace)


def _check(attributes: Attributes, items: Sequence[LimitRangeItem]) -> None:
    found = pod_violations(attributes.obj, items) if attributes.resource == "pods" else ()
    found = list(found or claim_violations(attributes.obj, items))
    if found:
        raise refused_for(attributes, found)


def with_defaults(pod: Pod, ranges: LimitRange) -> Pod:
    """The pod with what its containers lack, and an annotation that says what was added."""
    limits: dict[str, Quantity] = {}
    requests: dict[str, Quantity] = {}
    for item in ranges.spec.limits or ():
        if item.type == "Container":
            limits.update(item.default)
            requests.update(item.default_request)
    if not limits and not requests:
        return pod
    told: list[str] = []
    containers = tuple(_completed(c, "container", requests, limits, told) for c in pod.spec.containers or ())
    init = tuple(_completed(c, "init container", requests, limits, told) for c in pod.spec.init_containers)
    if not told:
        return pod
    annotations = {**pod.metadata.annotations, ANNOTATION: "LimitRanger plugin set: " + "; ".join(told)}
    return replace(
        pod,
        spec=replace(pod.spec, containers=containers, init_containers=init),
        metadata=replace(pod.metadata, annotations=annotations),
    )


def _completed(container: Container, what: str, requests: Amounts, limits: Amounts, told: list[str]) -> Container:
    resources = container.resources
    new_limits = {k: v for k, v in limits.items() if k not in resources.limits}
    new_requests = {k: v for k, v in requests.items() if k not in resources.requests}
    if new_requests:
        told.append(f"{', '.join(sorted(new_requests))} request for {what} {container.name}")
    if new_limits:
        told.append(f"{', '.join(sorted(new_limits))} limit for {what} {container.name}")
    if not new_limits and not new_requests:
        return container
    merged = replace(
        resources, limits={**resources.limits, **new_limits}, requests={**resources.requests, **new_requests}
    )
    return replace(container, resources=merged)


def pod_violations(pod: Pod, items: Sequence[LimitRangeItem]) -> list[str]:
    """Every bound that the pod or one of its containers breaks."""
    found: list[str] = []
    for item in items:
        if item.type == "Container":
            for container in (*(pod.spec.containers or ()), *pod.spec.init_containers):
                found += _violations(item, container.resources.requests, container.resources.limits)
        elif item.type == "Pod":
            requests, limits = as_quantities(spec_requests(pod.spec)), as_quantities(pod_limits(pod.spec))
            found += _violations(item, requests, limits)
    return found


def _violations(item: LimitRangeItem, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, bound in item.min.items():
        yield from _below(item.type, name, bound, requests.get(name), limits.get(name))
    for name, bound in item.max.items():
        yield from _above(item.type, name, bound, requests.get(name), limits.get(name))
    for name, bound in item.max_limit_request_ratio.items():
        yield from _ratio(item.type, name, bound, requests.get(name), limits.get(name))


def _below(kind: str, name: str, bound: Quantity, request: Quantity | None, limit: Quantity | None) -> Iterator[str]:
    head = f"minimum {name} usage per {kind} is {bound}"
    if request is None:
        yield f"{head}.  No request is specified"
    elif request < bound:
        yield f"{head}, but request is {request}"
    elif limit is not None and limit < bound:
        yield f"{head}, but limit is {limit}"


def _above(kind: str, name: str, bound: Quantity, request: Quantity | None, limit: Quantity | None) -> Iterator[str]:
    head = f"maximum {name} usage per {kind} is {bound}"
    if limit is None:
        yield f"{head}.  No limit is specified"
    elif limit > bound:
        yield f"{head}, but limit is {limit}"
    elif request is not None and request > bound:
        yield f"{head}, but request is {request}"


def _ratio(kind: str, name: str, bound: Quantity, request: Quantity | None, limit: Quantity | None) -> Iterator[str]:
    head = f"{name} max limit to request ratio per {kind} is {bound}, but"
    if not request:
        yield f"{head} no request is specified or request is 0"
    elif not limit:
        yield f"{head} no limit is specified or limit is 0"
    elif limit.value / request.value > bound.value:
        yield f"{head} provided ratio is {float(limit.value / request.value):f}"


def claim_violations(obj: object, items: Sequence[LimitRangeItem]) -> Iterator[str]:
    """The bounds on what a claim requests."""
    if not isinstance(obj, PersistentVolumeClaim):
        return
    requests = obj.spec.resources.requests
    for item in items:
        if item.type != "PersistentVolumeClaim":
            continue
        for name, bound in item.min.items():
            yield from _below(item.type, name, bound, requests.get(name), None)
        for name, bound in item.max.items():
            head = f"maximum {name} usage per {item.type} is {bound}"
            asked = requests.get(name)
            if asked is None:
                yield f"{head}.  No request is specified"
            elif asked > bound:
                yield f"{head}, but request is {asked}"
