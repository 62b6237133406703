"""The audit log: one line of JSON for each stage of a request, as far as the policy wants it told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from pilothouse.api.time import format_micro_time
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.apiserver.filters.request_info import RequestInfo
from pilothouse.kit.clock import Clock
from pilothouse.kit.http.messages import Request
from pilothouse.kit.random import Chance

Level = Literal["None", "Metadata", "Request", "RequestResponse"]
Stage = Literal["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"]
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class GroupResources:
    group: str = ""
    resources: tuple[str, ...] = ()
    """`pods`, `pods/log`, `pods/*`, `*/status`, `*`; empty: all of the group."""
    resource_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """Applies where everything that it names fits; what it does not name fits always."""

    level: Level
    users: tuple[str, ...] = ()
    user_groups: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    resources: tuple[GroupResources, ...] = ()
    namespaces: tuple[str, ...] = ()
    non_resource_urls: tuple[str, ...] = ()
    omit_stages: tuple[Stage, ...] = ()

    def fits(self, user: UserInfo, info: RequestInfo) -> bool:
        if self.users and user.username not in self.users:
            return False
        if self.user_groups and not set(self.user_groups) & set(user.groups):
            return False
        if self.verbs and info.verb not in self.verbs:
            return False
        if not (self.resources or self.namespaces or self.non_resource_urls):
            return True
        return self._fits_resource(info) if info.is_resource else self._fits_path(info.path)

    def _fits_path(self, path: str) -> bool:
        return any(url == path or (url.endswith("*") and path.startswith(url[:-1])) for url in self.non_resource_urls)

    def _fits_resource(self, info: RequestInfo) -> bool:
        if self.namespaces and info.namespace not in self.namespaces:
            return False
        if not self.resources:
            return bool(self.namespaces)
        combined = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
        return any(_covers(wanted, info, combined) for wanted in self.resources)


def _covers(wanted: GroupResources, info: RequestInfo, combined: str) -> bool:
    if wanted.group != info.group or (wanted.resource_names and info.name not in wanted.resource_names):
        return False
    names = ("*", combined, f"{info.resource}/*", f"*/{info.subresource}") if info.subresource else ("*", combined)
    return not wanted.resources or any(name in wanted.resources for name in names)


@dataclass(frozen=True, slots=True)
class Policy:
    """The first rule that fits decides; a request that none fits is not told of."""

    rules: Sequence[Rule]
    omit_stages: tuple[Stage, ...] = ()

    def rule_for(self, user: UserInfo, info: RequestInfo) -> Rule | None:
        return next((rule for rule in self.rules if rule.fits(user, info)), None)


class Audit:
    """Writes events to `write`, which takes a line of JSON."""

    def __init__(self, policy: Policy, write: Callable[[bytes], None], clock: Clock, chance: Chance) -> None:
        self._policy = policy
        self._write = write
        self._clock = clock
        self._chance = chance

    def begun(self, request: Request, user: UserInfo, info: RequestInfo) -> dict[str, Any] | None:
        """The event of a request that is told of; its first stage is written."""
        rule = self._policy.rule_for(user, info)
        if rule is None or rule.level == "None":
            return None
        event = self._event(request, user, info, rule.level)
        omitted = (*rule.omit_stages, *self._policy.omit_stages)
        event["_omitted"] = omitted
        self._tell(event, "RequestReceived")
        return event

    def ended(self, event: dict[str, Any], code: int, request_object: Any = None, response_object: Any = None) -> None:
        if event["level"] in ("Request", "RequestResponse") and request_object is not None:
            event["requestObject"] = request_object
        if event["level"] == "RequestResponse" and response_object is not None:
            event["responseObject"] = response_object
        event["responseStatus"] = {"metadata": {}, "code": code}
        self._tell(event, "ResponseComplete")

    def _event(self, request: Request, user: UserInfo, info: RequestInfo, level: Level) -> dict[str, Any]:
        event: dict[str, Any] = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": level,
            "auditID": self._chance.uid(),
            "stage": "",
            "requestURI": request.target.decode("latin-1"),
            "verb": info.verb,
            "user": {"username": user.username, "groups": list(user.groups)},
            "sourceIPs": [request.remote[0]],
            "userAgent": (request.header(b"user-agent") or b"").decode("latin-1"),
            "requestReceivedTimestamp": format_micro_time(self._clock.now()),
        }
        if info.is_resource:
            reference = {
                "resource": info.resource,
                "namespace": info.namespace,
                "name": info.name,
                "apiGroup": info.group,
                "apiVersion": info.version,
                "subresource": info.subresource,
            }
            event["objectRef"] = {k: v for k, v in reference.items() if v}
        return event

    def _tell(self, event: dict[str, Any], stage: Stage) -> None:
        if stage in event["_omitted"]:
            return
        shown = {key: value for key, value in event.items() if key != "_omitted"}
        shown["stage"] = stage
        shown["stageTimestamp"] = format_micro_time(self._clock.now())
        self._write(_encode(shown) + b"\n")
