"""Reads the tables of roles: a role's name at the margin, its rules below, indented.

A rule is `VERBS GROUPS RESOURCES [NAMES]`, or `VERBS PATHS` where the paths start with a slash (or are a lone `*`).
Each is a list with commas; `core` is the group without a name, `EVENTS` stands for the rule most of them have.
"""

from __future__ import annotations

from pilothouse.api.types.rbac.v1 import PolicyRule

_EVENTS = "create,patch,update core,events.k8s.io events"


def read(text: str) -> dict[str, tuple[PolicyRule, ...]]:
    """Name to rules, in the order of the table."""
    found: dict[str, list[PolicyRule]] = {}
    rules: list[PolicyRule] = []
    for line in text.splitlines():
        if not line.strip():
            continue
        if line[0] == " ":
            rules.append(_rule(line.strip()))
        else:
            rules = found[line.strip()] = []
    return {name: tuple(listed) for name, listed in found.items()}


def _rule(line: str) -> PolicyRule:
    words = (_EVENTS if line == "EVENTS" else line).split()
    verbs, *rest = (tuple(w.split(",")) for w in words)
    if len(rest) == 1:
        return PolicyRule(verbs=verbs, non_resource_urls=rest[0])
    groups = tuple("" if g == "core" else g for g in rest[0])
    names = rest[2] if len(rest) == 3 else ()
    return PolicyRule(verbs=verbs, api_groups=groups, resources=rest[1], resource_names=names)
