"""What RBAC rules mean: matching, covering, and aggregation. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pilothouse.api.selectors import of_object
from pilothouse.api.types.meta.v1 import LabelSelector
from pilothouse.api.types.rbac.v1 import ClusterRole, PolicyRule

GROUP = "rbac.authorization.k8s.io"
# A rule of a thousand verbs, groups and resources has a thousand million parts.
MOST_COMPARISONS = 200_000
_NAMES_A_COMPARISON = 16
# Rules that name most by `*`, which every other is compared with.
_ALWAYS_COMPARED = 16


def allows_resource(rule: PolicyRule, verb: str, group: str, resource: str, name: str) -> bool:
    """Whether `rule` allows `verb` on `resource` (`pods`, or `pods/log` for a subresource) called `name`."""
    verbs = rule.verbs or ()
    if verb not in verbs and "*" not in verbs:
        return False
    if group not in rule.api_groups and "*" not in rule.api_groups:
        return False
    if not _names_resource(rule.resources, resource):
        return False
    return not rule.resource_names or name in rule.resource_names


def _names_resource(resources: Sequence[str], resource: str) -> bool:
    if resource in resources or "*" in resources:
        return True
    _, slash, subresource = resource.partition("/")
    return bool(slash) and f"*/{subresource}" in resources


def allows_path(rule: PolicyRule, verb: str, path: str) -> bool:
    """Whether `rule` allows `verb` on a path that is no resource."""
    verbs = rule.verbs or ()
    return (verb in verbs or "*" in verbs) and _names_path(rule.non_resource_urls, path)


def _names_path(urls: Sequence[str], path: str) -> bool:
    return any(u == "*" or u == path or (u.endswith("*") and path.startswith(u.rstrip("*"))) for u in urls)


def missing(held: Sequence[PolicyRule], wanted: Iterable[PolicyRule]) -> list[PolicyRule]:
    """The parts of `wanted` that `held` does not cover, each with one verb, group, resource and name. Rules that would
    take more than MOST_COMPARISONS come back as they are, unless one rule of `held` covers all of such a rule; of very
    many rules of `held` those are looked at that have most stars."""
    lacking: list[PolicyRule] = []
    each = weight(held)
    left = left_whole = MOST_COMPARISONS
    widest = [_Names(rule) for rule in sorted(held, key=_stars, reverse=True)]
    for rule in wanted:
        left -= comparisons(each, rule)
        if left >= 0:
            lacking += [part for part in _parts(rule) if not any(_covers(h, part) for h in held)]
            continue
        some = widest if left_whole > 0 else widest[:_ALWAYS_COMPARED]
        left_whole -= len(some) * _heaviness(rule)
        if not any(one.cover(rule) for one in some):
            lacking.append(rule)
    return lacking


def weight(held: Iterable[PolicyRule]) -> int:
    """How many comparisons it takes to find out whether some of the rules covers a part of another."""
    return sum(map(_heaviness, held))


def _heaviness(rule: PolicyRule) -> int:
    lists = rule.verbs or (), rule.api_groups, rule.resources, rule.resource_names, rule.non_resource_urls
    return 1 + sum(map(len, lists)) // _NAMES_A_COMPARISON


def _stars(rule: PolicyRule) -> int:
    return ("*" in (rule.verbs or ())) + ("*" in rule.api_groups) + ("*" in rule.resources)


def comparisons(each: int, rule: PolicyRule) -> int:
    """How many it takes to find what is missing of a rule, when a part takes `each` of them."""
    verbs = len(rule.verbs or ())
    resources = len(rule.api_groups) * len(rule.resources) * (len(rule.resource_names) or 1)
    return verbs * (resources + len(rule.non_resource_urls)) * each


class _Names:
    """All that one rule names."""

    def __init__(self, held: PolicyRule) -> None:
        self._verbs, self._groups = frozenset(held.verbs or ()), frozenset(held.api_groups)
        self._resources, self._urls = frozenset(held.resources), frozenset(held.non_resource_urls)
        self._names = frozenset(held.resource_names)

    def cover(self, rule: PolicyRule) -> bool:
        """Whether everything of a rule is named, or all of it by `*`."""
        return (
            _includes(self._verbs, rule.verbs or ())
            and _includes(self._groups, rule.api_groups)
            and _includes(self._resources, rule.resources)
            and _includes(self._urls, rule.non_resource_urls)
            and (not self._names or (bool(rule.resource_names) and self._names.issuperset(rule.resource_names)))
        )


def _includes(held: frozenset[str], wanted: Sequence[str]) -> bool:
    return not wanted or "*" in held or held.issuperset(wanted)


def _parts(rule: PolicyRule) -> Iterator[PolicyRule]:
    verbs = rule.verbs or ()
    for group in rule.api_groups:
        for resource in rule.resources:
            for verb in verbs:
                if not rule.resource_names:
                    yield PolicyRule(verbs=(verb,), api_groups=(group,), resources=(resource,))
                for name in rule.resource_names:
                    yield PolicyRule(verbs=(verb,), api_groups=(group,), resources=(resource,), resource_names=(name,))
    for url in rule.non_resource_urls:
        for verb in verbs:
            yield PolicyRule(verbs=(verb,), non_resource_urls=(url,))


def _covers(held: PolicyRule, part: PolicyRule) -> bool:
    verb = (part.verbs or ("",))[0]
    if verb not in (held.verbs or ()) and "*" not in (held.verbs or ()):
        return False
    if part.non_resource_urls:
        return _names_path(held.non_resource_urls, part.non_resource_urls[0])
    if part.api_groups[0] not in held.api_groups and "*" not in held.api_groups:
        return False
    if not _names_resource(held.resources, part.resources[0]):
        return False
    if not held.resource_names:
        return True
    return bool(part.resource_names) and part.resource_names[0] in held.resource_names


def compact(rules: Iterable[PolicyRule]) -> list[PolicyRule]:
    """Rules of one group, resource and name made one, with all their verbs; others as they are."""
    simple: dict[tuple[str, str, tuple[str, ...]], dict[str, None]] = {}
    others: list[PolicyRule] = []
    for rule in rules:
        if len(rule.api_groups) != 1 or len(rule.resources) != 1 or len(rule.resource_names) > 1:
            others.append(rule)
            continue
        verbs = simple.setdefault((rule.api_groups[0], rule.resources[0], rule.resource_names), {})
        verbs |= dict.fromkeys(rule.verbs or ())
    merged = [
        PolicyRule(verbs=tuple(verbs), api_groups=(group,), resources=(resource,), resource_names=names)
        for (group, resource, names), verbs in simple.items()
    ]
    return merged + others


def describe(rule: PolicyRule) -> str:
    """A rule on one line, as refusals show it."""
    parts = {
        "APIGroups": rule.api_groups,
        "Resources": rule.resources,
        "ResourceNames": rule.resource_names,
        "NonResourceURLs": rule.non_resource_urls,
        "Verbs": rule.verbs or (),
    }
    shown = [f"{name}:[{' '.join(_quoted(v) for v in values)}]" for name, values in parts.items() if values]
    return "{" + ", ".join(shown) + "}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def aggregate(role: ClusterRole, all_roles: Iterable[ClusterRole]) -> tuple[PolicyRule, ...]:
    """The rules of an aggregated ClusterRole: those of every other role that one of its selectors matches,
    selector by selector, roles by name, each rule once."""
    selectors: Sequence[LabelSelector] = role.aggregation_rule.cluster_role_selectors if role.aggregation_rule else ()
    found: list[PolicyRule] = []
    seen: set[PolicyRule] = set()
    by_name = sorted(all_roles, key=lambda r: r.metadata.name)
    for selector in selectors:
        for other in by_name:
            if other.metadata.name == role.metadata.name or not _selected(selector, other.metadata.labels):
                continue
            found += [rule for rule in other.rules or () if rule not in seen]
            seen.update(other.rules or ())
    return tuple(found)


def _selected(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    return of_object(selector).matches(labels)
