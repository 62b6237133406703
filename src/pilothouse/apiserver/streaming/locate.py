"""Which container and which kubelet path a request for a pod's subresource means. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, urlencode

from pilothouse.api import field_errors
from pilothouse.api.errors import bad_request
from pilothouse.api.time import canonical_time
from pilothouse.api.types.core.v1 import Pod
from pilothouse.apiserver.request import query as q
from pilothouse.apiserver.request.query import Query

_FLAGS = (("stdin", "input"), ("stdout", "output"), ("stderr", "error"), ("tty", "tty"))
_STREAMS = ("All", "Stdout", "Stderr")


def container_names(pod: Pod) -> list[str]:
    """Every container's name, init containers first."""
    spec = pod.spec
    own = [container.name for container in (*(spec.init_containers or ()), *(spec.containers or ()))]
    return own + [container.name for container in spec.ephemeral_containers or ()]


def container_of(pod: Pod, asked: str) -> str:
    """The container that is meant. Raises StatusError (400)."""
    name, containers = pod.metadata.name, pod.spec.containers or ()
    if asked:
        if asked not in container_names(pod):
            raise bad_request(f"container {asked} is not valid for pod {name}")
        return asked
    if len(containers) == 1:
        return containers[0].name
    told = f"a container name must be specified for pod {name}"
    if containers:
        told += f", choose one of: [{' '.join(container_names(pod))}]"
    raise bad_request(told)


def command_target(verb: str, pod: Pod, query: Query) -> bytes:
    """The kubelet's path for exec or attach. Raises StatusError (400)."""
    container = container_of(pod, q.text(query, "container"))
    _scheduled(pod)
    parameters = [(theirs, "1") for ours, theirs in _FLAGS if q.boolean(query, ours)]
    if verb == "exec":
        parameters += [("command", word) for word in query.get("command", ())]
    return _target((verb, pod.metadata.namespace, pod.metadata.name, container), parameters)


def port_forward_target(pod: Pod, query: Query) -> bytes:
    """The kubelet's path for a port-forward. Raises StatusError (400)."""
    _scheduled(pod)
    ports = [str(q.parse_int(port)) for port in query.get("ports", ())]
    parameters = [("port", ",".join(ports))] if ports else []
    return _target(("portForward", pod.metadata.namespace, pod.metadata.name), parameters)


def log_target(pod: Pod, query: Query) -> bytes:
    """The kubelet's path for a container's log; b"" for a pod that has no node yet. Raises StatusError (400, 422)."""
    options = _log_parameters(pod.metadata.name, query)
    container = container_of(pod, q.text(query, "container"))
    if not pod.spec.node_name:
        return b""
    return _target(("containerLogs", pod.metadata.namespace, pod.metadata.name, container), options)


def _scheduled(pod: Pod) -> None:
    if not pod.spec.node_name:
        raise bad_request(f"pod {pod.metadata.name} does not have a host assigned")


def _target(parts: Sequence[str], parameters: Sequence[tuple[str, str]]) -> bytes:
    path = "/" + "/".join(quote(part, safe="") for part in parts)
    return (f"{path}?{urlencode(parameters)}" if parameters else path).encode("ascii")


def _log_parameters(name: str, query: Query) -> list[tuple[str, str]]:
    seconds, time = q.integer(query, "sinceSeconds"), q.text(query, "sinceTime")
    tail, limit = q.integer(query, "tailLines"), q.integer(query, "limitBytes")
    stream = q.text(query, "stream")
    found: list[field_errors.FieldError] = []
    if tail is not None and tail < 0:
        found.append(field_errors.invalid("tailLines", tail, "must be greater than or equal to 0"))
    if limit is not None and limit < 1:
        found.append(field_errors.invalid("limitBytes", limit, "must be greater than 0"))
    if seconds is not None and time:
        found.append(field_errors.forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    elif seconds is not None and seconds < 1:
        found.append(field_errors.invalid("sinceSeconds", seconds, "must be greater than 0"))
    if stream and stream not in _STREAMS:
        found.append(field_errors.not_supported("stream", stream, _STREAMS))
    elif stream not in ("", "All") and tail is not None:
        found.append(field_errors.forbidden("", '`tailLines` may only be specified when `stream` is not "All"'))
    if found:
        raise field_errors.as_status("", "PodLogOptions", name, found)
    parameters = [(flag, "true") for flag in ("follow", "previous", "timestamps") if q.boolean(query, flag)]
    if time:
        parameters.append(("sinceTime", _time(time)))
    numbers = (("sinceSeconds", seconds), ("tailLines", tail), ("limitBytes", limit))
    parameters += [(key, str(number)) for key, number in numbers if number is not None]
    if stream:
        parameters.append(("stream", stream))
    return parameters


def _time(text: str) -> str:
    try:
        return canonical_time(text)
    except ValueError:
        raise bad_request(f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse') from None
