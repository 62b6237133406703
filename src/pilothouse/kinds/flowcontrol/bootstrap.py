"""The flow schemas and priority levels that every cluster starts with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pilothouse.api.types.flowcontrol.v1 import (
    ExemptPriorityLevelConfiguration,
    FlowDistinguisherMethod,
    FlowSchema,
    FlowSchemaSpec,
    GroupSubject,
    LimitedPriorityLevelConfiguration,
    LimitResponse,
    NonResourcePolicyRule,
    PolicyRulesWithSubjects,
    PriorityLevelConfiguration,
    PriorityLevelConfigurationReference,
    PriorityLevelConfigurationSpec,
    QueuingConfiguration,
    ResourcePolicyRule,
    ServiceAccountSubject,
    Subject,
    UserSubject,
)
from pilothouse.api.types.meta.v1 import ObjectMeta

_ANNOTATIONS = {"apf.kubernetes.io/autoupdate-spec": "true"}
_ALL = ("*",)
_BY_USER, _BY_NAMESPACE = "ByUser", "ByNamespace"

# Name, shares, lendable percent, and queues with their hand size (0: requests are refused instead of queued).
_LEVELS = (
    ("catch-all", 5, 0, 0, 0),
    ("system", 30, 33, 64, 6),
    ("node-high", 40, 25, 64, 6),
    ("leader-election", 10, 0, 16, 4),
    ("workload-high", 40, 50, 128, 6),
    ("workload-low", 100, 90, 128, 6),
    ("global-default", 20, 50, 128, 6),
)


def _level(name: str, shares: int, lendable: int, queues: int, hand: int) -> PriorityLevelConfiguration:
    response = LimitResponse(type="Reject")
    if queues:
        queuing = QueuingConfiguration(queues=queues, hand_size=hand, queue_length_limit=50)
        response = LimitResponse(type="Queue", queuing=queuing)
    limited = LimitedPriorityLevelConfiguration(
        nominal_concurrency_shares=shares, limit_response=response, lendable_percent=lendable
    )
    spec = PriorityLevelConfigurationSpec(type="Limited", limited=limited)
    return PriorityLevelConfiguration(metadata=ObjectMeta(name=name, annotations=_ANNOTATIONS), spec=spec)


def priority_levels() -> list[PriorityLevelConfiguration]:
    """All priority levels."""
    nothing = ExemptPriorityLevelConfiguration(nominal_concurrency_shares=0, lendable_percent=0)
    spec = PriorityLevelConfigurationSpec(type="Exempt", exempt=nothing)
    exempt = PriorityLevelConfiguration(metadata=ObjectMeta(name="exempt", annotations=_ANNOTATIONS), spec=spec)
    return [exempt, *(_level(*row) for row in _LEVELS)]


class _Row(NamedTuple):
    name: str
    level: str
    precedence: int
    distinguisher: str
    subjects: tuple[Subject, ...]
    resources: tuple[ResourcePolicyRule, ...]
    paths: tuple[str, ...] = ()
    path_verbs: tuple[str, ...] = _ALL


def _group(*names: str) -> tuple[Subject, ...]:
    return tuple(Subject(kind="Group", group=GroupSubject(name=n)) for n in names)


def _user(*names: str) -> tuple[Subject, ...]:
    return tuple(Subject(kind="User", user=UserSubject(name=n)) for n in names)


def _account(*names: str) -> tuple[Subject, ...]:
    found = (ServiceAccountSubject(namespace="kube-system", name=n) for n in names)
    return tuple(Subject(kind="ServiceAccount", service_account=s) for s in found)


def _rule(
    verbs: Iterable[str], group: str, *resources: str, cluster: bool = False, namespaces: tuple[str, ...] = _ALL
) -> ResourcePolicyRule:
    return ResourcePolicyRule(
        verbs=tuple(verbs), api_groups=(group,), resources=resources, cluster_scope=cluster, namespaces=namespaces
    )


_EVERYTHING = (_rule(_ALL, "*", "*", cluster=True),)
_EVERYONE = _group("system:unauthenticated", "system:authenticated")
_LEASES = (_rule(("get", "create", "update"), "coordination.k8s.io", "leases"),)
_CONTROLLERS, _SCHEDULER = "system:kube-controller-manager", "system:kube-scheduler"

_SCHEMAS = (
    _Row("exempt", "exempt", 1, "", _group("system:masters"), _EVERYTHING, _ALL),
    _Row("probes", "exempt", 2, "", _EVERYONE, (), ("/healthz", "/readyz", "/livez"), ("get",)),
    _Row(
        "system-leader-election",
        "leader-election",
        100,
        _BY_USER,
        _user(_CONTROLLERS, _SCHEDULER),
        _LEASES,
    ),
    _Row(
        "endpoint-controller",
        "workload-high",
        150,
        _BY_USER,
        _user(_CONTROLLERS) + _account("endpoint-controller", "endpointslicemirroring-controller"),
        (_rule(("get", "create", "update"), "", "endpoints"),),
    ),
    _Row("workload-leader-election", "leader-election", 200, _BY_USER, _account("*"), _LEASES),
    _Row(
        "system-node-high",
        "node-high",
        400,
        _BY_USER,
        _group("system:nodes"),
        (
            _rule(_ALL, "", "nodes", "nodes/status", cluster=True),
            _rule(_ALL, "coordination.k8s.io", "leases"),
        ),
    ),
    _Row("system-nodes", "system", 500, _BY_USER, _group("system:nodes"), _EVERYTHING, _ALL),
    _Row("kube-controller-manager", "workload-high", 800, _BY_NAMESPACE, _user(_CONTROLLERS), _EVERYTHING, _ALL),
    _Row("kube-scheduler", "workload-high", 800, _BY_NAMESPACE, _user(_SCHEDULER), _EVERYTHING, _ALL),
    _Row("kube-system-service-accounts", "workload-high", 900, _BY_NAMESPACE, _account("*"), _EVERYTHING, _ALL),
    _Row("service-accounts", "workload-low", 9000, _BY_USER, _group("system:serviceaccounts"), _EVERYTHING, _ALL),
    _Row("global-default", "global-default", 9900, _BY_USER, _EVERYONE, _EVERYTHING, _ALL),
    _Row("catch-all", "catch-all", 10000, _BY_USER, _EVERYONE, _EVERYTHING, _ALL),
)


def flow_schemas() -> Sequence[FlowSchema]:
    """All flow schemas, most important first."""
    return [_schema(row) for row in _SCHEMAS]


def _schema(row: _Row) -> FlowSchema:
    paths = (NonResourcePolicyRule(verbs=row.path_verbs, non_resource_urls=row.paths),) if row.paths else ()
    rules = PolicyRulesWithSubjects(subjects=row.subjects, resource_rules=row.resources, non_resource_rules=paths)
    method = FlowDistinguisherMethod(type=row.distinguisher) if row.distinguisher else None
    spec = FlowSchemaSpec(
        priority_level_configuration=PriorityLevelConfigurationReference(name=row.level),
        matching_precedence=row.precedence,
        distinguisher_method=method,
        rules=(rules,),
    )
    return FlowSchema(metadata=ObjectMeta(name=row.name, annotations=_ANNOTATIONS), spec=spec)
