"""The audit policy (`audit.k8s.io/v1` Policy): how much is written about which requests. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pilothouse.apiserver.request.access import Access


class PolicyError(ValueError):
    """A policy that cannot be understood."""


class Level(enum.IntEnum):
    NONE = 0
    METADATA = 1
    REQUEST = 2
    REQUEST_RESPONSE = 3


_LEVELS = {
    "None": Level.NONE,
    "Metadata": Level.METADATA,
    "Request": Level.REQUEST,
    "RequestResponse": Level.REQUEST_RESPONSE,
}
LEVEL_NAMES = {level: name for name, level in _LEVELS.items()}
RECEIVED, STARTED, COMPLETE = "RequestReceived", "ResponseStarted", "ResponseComplete"
STAGES = frozenset({RECEIVED, STARTED, COMPLETE, "Panic"})


class _Resources(msgspec.Struct, frozen=True, rename="camel"):
    group: str = ""
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()


class _Rule(msgspec.Struct, frozen=True, rename="camel"):
    level: str = ""
    users: tuple[str, ...] = ()
    user_groups: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    resources: tuple[_Resources, ...] = ()
    namespaces: tuple[str, ...] = ()
    non_resource_urls: tuple[str, ...] = msgspec.field(default=(), name="nonResourceURLs")
    omit_stages: tuple[str, ...] = ()
    omit_managed_fields: bool | None = None


class _Document(msgspec.Struct, frozen=True, rename="camel"):
    api_version: str = ""
    kind: str = ""
    metadata: Mapping[str, Any] = msgspec.field(default_factory=dict)
    rules: tuple[_Rule, ...] = ()
    omit_stages: tuple[str, ...] = ()
    omit_managed_fields: bool = False


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is written about a request: how much, at which stages not, and without managedFields."""

    level: Level
    omitted_stages: frozenset[str] = frozenset()
    omit_managed_fields: bool = False


NOTHING = Coverage(Level.NONE)


class Policy:
    """The first rule that matches decides; without one nothing is written."""

    def __init__(self, document: _Document) -> None:
        self._document = document

    def coverage(self, access: Access) -> Coverage:
        """What to write about `access` (by the user who sent it, not by whom they act as)."""
        document = self._document
        for rule in document.rules:
            if _matches(rule, access):
                omit = rule.omit_managed_fields
                omit = document.omit_managed_fields if omit is None else omit
                return Coverage(_LEVELS[rule.level], frozenset(document.omit_stages + rule.omit_stages), omit)
        return NOTHING


def read(tree: object) -> Policy:
    """A policy from the tree of its YAML or JSON. Raises PolicyError that says what and where."""
    try:
        document = msgspec.convert(tree, _Document)
    except msgspec.ValidationError as error:
        raise PolicyError(f"audit policy: {error}") from error
    if (document.api_version, document.kind) != ("audit.k8s.io/v1", "Policy"):
        raise PolicyError("audit policy: apiVersion must be audit.k8s.io/v1 and kind Policy")
    if not document.rules:
        raise PolicyError("audit policy: loaded illegal policy with 0 rules")
    for index, rule in enumerate(document.rules):
        _check(rule, f"rules[{index}]")
    _check_stages(document.omit_stages, "omitStages")
    return Policy(document)


def _check(rule: _Rule, path: str) -> None:
    if rule.level not in _LEVELS:
        raise PolicyError(f"audit policy: {path}.level: must be one of {', '.join(_LEVELS)}")
    if rule.non_resource_urls and (rule.resources or rule.namespaces):
        raise PolicyError(f"audit policy: {path}.nonResourceURLs: rules cannot have both resources and paths")
    for url in rule.non_resource_urls:
        if url != "*" and (not url.startswith("/") or "*" in url[:-1]):
            raise PolicyError(f"audit policy: {path}.nonResourceURLs: {url!r} must start with / and end with * only")
    _check_stages(rule.omit_stages, f"{path}.omitStages")


def _check_stages(stages: Sequence[str], path: str) -> None:
    for stage in stages:
        if stage not in STAGES:
            raise PolicyError(f"audit policy: {path}: there is no stage {stage!r}")


def _matches(rule: _Rule, access: Access) -> bool:
    user = access.user
    if rule.users and user.username not in rule.users:
        return False
    if rule.user_groups and not any(g in rule.user_groups for g in user.groups):
        return False
    if rule.verbs and access.verb not in rule.verbs and "*" not in rule.verbs:
        return False
    if access.resource:
        if rule.non_resource_urls:
            return False
        if rule.namespaces and access.namespace not in rule.namespaces:
            return False
        return not rule.resources or any(_matches_resource(r, access) for r in rule.resources)
    if rule.resources or rule.namespaces:
        return False
    return not rule.non_resource_urls or any(_matches_path(u, access.path) for u in rule.non_resource_urls)


def _matches_resource(wanted: _Resources, access: Access) -> bool:
    if wanted.group != access.group:
        return False
    if not wanted.resources:
        return True
    if wanted.resource_names and access.name not in wanted.resource_names:
        return False
    full = f"{access.resource}/{access.subresource}" if access.subresource else access.resource
    return any(
        r in ("*", full)
        or (r.startswith("*/") and access.subresource == r[2:])
        or (r.endswith("/*") and access.resource == r[:-2])
        for r in wanted.resources
    )


def _matches_path(url: str, path: str) -> bool:
    return url in ("*", path) or (url.endswith("*") and path.startswith(url[:-1]))
