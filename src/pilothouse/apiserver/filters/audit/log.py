"""Follows requests and writes their events: one when a request has come, one when its stream opens, one at its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from pilothouse.api import scheme
from pilothouse.api.codec import json as codec
from pilothouse.api.codec import protobuf
from pilothouse.api.errors import StatusError
from pilothouse.api.time import format_micro_time
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.apiserver.filters.audit.policy import (
    COMPLETE,
    LEVEL_NAMES,
    RECEIVED,
    STARTED,
    Coverage,
    Level,
    Policy,
)
from pilothouse.apiserver.filters.audit.sink import Sink
from pilothouse.apiserver.request.access import Access
from pilothouse.kit.clock import Clock
from pilothouse.kit.http.messages import Answer, Header, Request, Response
from pilothouse.kit.metrics import Registry
from pilothouse.kit.random import Chance

log = logging.getLogger(__name__)
_LARGEST_BODY = 1024 * 1024
"""Bodies beyond this are not written: an event is a line that somebody has to parse."""


class AuditedRequest:
    """A request that remembers its body for the log."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.method, self.target, self.headers = request.method, request.target, request.headers
        self.remote, self.peer_certificate = request.remote, request.peer_certificate
        self.seen = b""

    @property
    def complete(self) -> bool:
        return self._request.complete

    def header(self, name: bytes) -> bytes | None:
        return self._request.header(name)

    async def body(self, limit: int) -> bytes:
        self.seen = await self._request.body(limit)
        return self.seen

    def stream_body(self) -> AsyncIterator[bytes]:
        return self._request.stream_body()


class Trail:
    """The events of one request."""

    def __init__(self, audit: Audit, request: Request, access: Access, coverage: Coverage) -> None:
        self._audit, self._coverage = audit, coverage
        # What is created is often named in its body alone.
        remembered = coverage.level >= Level.REQUEST or access.verb == "create"
        self.request: Request = AuditedRequest(request) if remembered else request
        self._event = audit.skeleton(request, access, coverage)
        self._write(RECEIVED, {})

    def acts_as(self, user: UserInfo) -> None:
        """The request is made in another's name."""
        self._event["impersonatedUser"] = _user(user)

    def decided(self, allowed: bool, reason: str) -> None:
        """What authorization said."""
        decision = "allow" if allowed else "forbid"
        self._event["annotations"] = {
            "authorization.k8s.io/decision": decision,
            "authorization.k8s.io/reason": reason,
        }

    def refused(self, error: StatusError) -> None:
        """The request ended in an error."""
        status = msgspec.to_builtins(error.status)
        told = {"responseStatus": _status(status, error.code)}
        if self._coverage.level >= Level.REQUEST_RESPONSE:
            told["responseObject"] = status
        self._write(COMPLETE, told)

    def answered(self, answer: Answer) -> Answer:
        """The answer to send, with the id of its events."""
        header: Header = (b"audit-id", self._event["auditID"].encode())
        if not isinstance(answer, Response):
            self._write(COMPLETE, {"responseStatus": _status({}, answer.status)})
            return answer
        told = {"responseStatus": _status({}, answer.status)}
        sent = answer.sent
        if isinstance(answer.body, bytes | Sequence):
            self._write(COMPLETE, {**told, **self._response(answer.body)})
        else:
            self._write(STARTED, told)
            sent = self._at_end(told, sent)
        headers = (*answer.headers, header)
        return Response(answer.status, answer.body, answer.content_type, headers, answer.close, answer.trailers, sent)

    def _at_end(self, told: dict[str, Any], sent: Any) -> Any:
        def ended() -> None:
            self._write(COMPLETE, told)
            if sent is not None:
                sent()

        return ended

    def _response(self, body: bytes | Sequence[bytes]) -> dict[str, Any]:
        if self._coverage.level < Level.REQUEST_RESPONSE:
            return {}
        whole = body if isinstance(body, bytes) else b"".join(body) if sum(map(len, body)) <= _LARGEST_BODY else b""
        tree = _tree(whole, self._coverage)
        return {} if tree is None else {"responseObject": tree}

    def _write(self, stage: str, more: dict[str, Any]) -> None:
        if stage in self._coverage.omitted_stages:
            return
        event = {**self._event, "stage": stage, **more, "stageTimestamp": self._audit.now()}
        if isinstance(self.request, AuditedRequest) and stage != RECEIVED:
            tree = _tree(self.request.seen, self._coverage)
            if isinstance(tree, dict) and "objectRef" in event:
                event["objectRef"] = _completed(event["objectRef"], tree.get("metadata"))
            if tree is not None and self._coverage.level >= Level.REQUEST:
                event["requestObject"] = tree
        self._audit.write(event)


class Audit:
    """The log of one server: a policy, a sink, and what is waiting to be written at the end of this turn."""

    def __init__(
        self, policy: Policy, sink: Sink, clock: Clock, chance: Chance, metrics: Registry | None = None
    ) -> None:
        self._policy, self._sink, self._clock, self._chance = policy, sink, clock, chance
        self._waiting: list[bytes] = []
        metrics = metrics or Registry()
        told = "Events that went to the audit log."
        self._events = metrics.counter("apiserver_audit_event_total", told).labels()
        told = "Requests, by the level that the audit policy gives them."
        levels = metrics.counter("apiserver_audit_level_total", told, ("level",))
        self._levels = {level: levels.labels(name) for level, name in LEVEL_NAMES.items()}
        told = "Events that the audit log could not take."
        self._errors = metrics.counter("apiserver_audit_error_total", told, ("plugin",)).labels("log")

    def begin(self, request: Request, access: Access) -> Trail | None:
        """Follow a request; None if the policy asks for nothing."""
        coverage = self._policy.coverage(access)
        self._levels[coverage.level].inc()
        return None if coverage.level is Level.NONE else Trail(self, request, access, coverage)

    def now(self) -> str:
        return format_micro_time(self._clock.now())

    def skeleton(self, request: Request, access: Access, coverage: Coverage) -> dict[str, Any]:
        """What all events of a request have."""
        forwarded = request.header(b"x-forwarded-for") or b""
        sources = [s.strip() for s in forwarded.decode("latin-1").split(",") if s.strip()]
        given = (request.header(b"audit-id") or b"").decode("latin-1")
        event: dict[str, Any] = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": LEVEL_NAMES[coverage.level],
            "auditID": given[:64] or self._chance.uid(),
            "stage": "",
            "requestURI": request.target.decode("latin-1"),
            "verb": access.verb,
            "user": _user(access.user),
            "sourceIPs": [*sources, request.remote[0]],
            "userAgent": (request.header(b"user-agent") or b"").decode("latin-1"),
        }
        if access.resource:
            event["objectRef"] = _reference(access)
        event["requestReceivedTimestamp"] = self.now()
        return event

    def write(self, event: dict[str, Any]) -> None:
        """Write before the loop's next turn, together with what else happens in this one."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        self._events.inc()
        self._waiting.append(msgspec.json.encode(event))

    def flush(self) -> None:
        lines, self._waiting = self._waiting, []
        if not lines:
            return
        try:
            self._sink.write(lines)
        except OSError as error:
            self._errors.inc(len(lines))
            log.error("%d audit events were lost: %s", len(lines), error)

    def close(self) -> None:
        self.flush()
        self._sink.close()


def _user(user: UserInfo) -> dict[str, Any]:
    tree: dict[str, Any] = msgspec.to_builtins(user)
    return tree


def _reference(access: Access) -> dict[str, str]:
    told = {
        "resource": access.resource,
        "namespace": access.namespace,
        "name": access.name,
        "apiGroup": access.group,
        "apiVersion": access.version,
        "subresource": access.subresource,
    }
    return {key: value for key, value in told.items() if value}


def _of_protobuf(body: bytes) -> Any:
    """The JSON tree of what most clients send. Raises ProtobufError, KeyError."""
    envelope = protobuf.open_envelope(body)
    group, _, version = envelope.api_version.rpartition("/")
    obj = protobuf.decode_message(envelope.raw, scheme.type_of(group, version, envelope.kind))
    return codec.to_builtins(obj)


def _completed(reference: dict[str, str], metadata: Any) -> dict[str, str]:
    """The reference with what the object in the body says of itself and the URL does not."""
    if not isinstance(metadata, dict):
        return reference
    own = {key: metadata.get(key) for key in ("namespace", "name", "uid", "resourceVersion")}
    return {**{key: value for key, value in own.items() if value and isinstance(value, str)}, **reference}


def _status(status: dict[str, Any], code: int) -> dict[str, Any]:
    kept = {key: status[key] for key in ("status", "message", "reason", "details") if status.get(key)}
    return {"metadata": {}, **kept, "code": code}


def _tree(body: bytes, coverage: Coverage) -> Any:
    if not body or len(body) > _LARGEST_BODY:
        return None
    try:
        tree = _of_protobuf(body) if body.startswith(protobuf.MAGIC) else msgspec.json.decode(body)
    except (msgspec.DecodeError, protobuf.ProtobufError, KeyError, RecursionError):
        return None
    if coverage.omit_managed_fields and isinstance(tree, dict):
        for obj in (tree, *(tree.get("items") or ())):
            if isinstance(obj, dict) and isinstance(obj.get("metadata"), dict):
                obj["metadata"].pop("managedFields", None)
    return tree
