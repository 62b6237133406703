"""The rows of Tables: cells that follow from what is odd about an object."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.time import format_time
from pilothouse.kinds.registry import strategies
from pilothouse.kinds.strategy import Strategy

NOW = 1_800_000_000.0
BY_KIND: dict[str, Strategy[Any]] = {strategy.type().kind: strategy for strategy in strategies()}


def ago(seconds: float) -> str:
    return format_time(NOW - seconds)


def cells(kind: str, **body: Any) -> list[Any]:
    strategy = BY_KIND[kind]
    body.setdefault("metadata", {"name": "x"})
    assert strategy.row is not None
    return list(strategy.row(from_builtins(body, strategy.type), NOW))


def pod(statuses: list[dict[str, Any]], **status: Any) -> list[Any]:
    """Ready, status and restarts of a pod with these containers."""
    init = status.pop("init", [])
    metadata = {"name": "p", **status.pop("metadata", {})}
    spec = {
        "containers": [{"name": s["name"]} for s in statuses],
        "initContainers": [{"name": s["name"], **s.pop("spec", {})} for s in init],
    }
    told = {"phase": "Running", "containerStatuses": statuses, "initContainerStatuses": init, **status}
    return cells("Pod", metadata=metadata, spec=spec, status=told)[1:4]


def container(name: str, state: dict[str, Any], ready: bool = False, **more: Any) -> dict[str, Any]:
    return {"name": name, "ready": ready, "image": "", "imageID": "", "restartCount": 0, "state": state, **more}


RUNNING = {"running": {}}
DELETED = {"deletionTimestamp": ago(1)}


def ended(code: int = 0, reason: str = "", **more: Any) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, **more}}


def waiting(reason: str) -> dict[str, Any]:
    return {"waiting": {"reason": reason}}


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (lambda: pod([container("a", RUNNING, True), container("b", RUNNING)]), ["1/2", "Running", "0"]),
        (lambda: pod([container("a", waiting("CrashLoopBackOff"))]), ["0/1", "CrashLoopBackOff", "0"]),
        (lambda: pod([container("a", waiting("A")), container("b", waiting("B"))]), ["0/2", "A", "0"]),
        (lambda: pod([container("a", ended(3))]), ["0/1", "ExitCode:3", "0"]),
        (lambda: pod([container("a", ended(0, signal=9))]), ["0/1", "Signal:9", "0"]),
        (lambda: pod([container("a", ended(0, "Completed"))], phase="Succeeded"), ["0/1", "Completed", "0"]),
        (
            lambda: pod([container("a", ended(0, "Completed")), container("b", RUNNING, True)]),
            ["1/2", "NotReady", "0"],
        ),
        (
            lambda: pod(
                [container("a", ended(0, "Completed")), container("b", RUNNING, True)],
                conditions=[{"type": "Ready", "status": "True"}],
            ),
            ["1/2", "Running", "0"],
        ),
        (lambda: pod([], phase="Failed", reason="Evicted"), ["0/0", "Evicted", "0"]),
        (lambda: pod([container("a", RUNNING, True)], metadata=DELETED), ["1/1", "Terminating", "0"]),
        (lambda: pod([], phase="Failed", metadata=DELETED), ["0/0", "Failed", "0"]),
        (lambda: pod([], reason="NodeLost", metadata=DELETED), ["0/0", "Unknown", "0"]),
        (lambda: pod([], phase="Pending", init=[container("i", RUNNING)]), ["0/0", "Init:0/1", "0"]),
        (lambda: pod([], init=[container("i", ended(2, "Error"))]), ["0/0", "Init:Error", "0"]),
        (lambda: pod([], init=[container("i", ended(2, signal=15))]), ["0/0", "Init:Signal:15", "0"]),
        (lambda: pod([], init=[container("i", ended()), container("j", ended(7))]), ["0/0", "Init:ExitCode:7", "0"]),
        (lambda: pod([], init=[container("i", waiting("PodInitializing"))]), ["0/0", "Init:0/1", "0"]),
        (lambda: pod([], init=[container("i", waiting("ImagePullBackOff"))]), ["0/0", "Init:ImagePullBackOff", "0"]),
        (
            lambda: pod(
                [container("a", RUNNING, True)],
                init=[container("s", RUNNING, True, started=True, spec={"restartPolicy": "Always"})],
            ),
            ["2/2", "Running", "0"],
        ),
        (
            lambda: pod(
                [
                    container("a", RUNNING, True, restartCount=2, lastState=ended(1, "Error", finishedAt=ago(90))),
                    container("b", RUNNING, True, restartCount=1, lastState=ended(1, "Error", finishedAt=ago(600))),
                ],
                init=[container("i", ended(), restartCount=5, lastState=ended(1, finishedAt=ago(3)))],
            ),
            ["2/2", "Running", "3 (90s ago)"],
        ),
        (
            lambda: pod(
                [],
                conditions=[{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}],
                phase="Pending",
            ),
            ["0/0", "SchedulingGated", "0"],
        ),
    ],
)
def test_pods_in_all_their_states(found: Any, wanted: list[Any]) -> None:
    assert found() == wanted


def test_readiness_gates_and_addresses_of_a_pod() -> None:
    spec = {"nodeName": "n", "readinessGates": [{"conditionType": "a"}, {"conditionType": "b"}]}
    status = {"conditions": [{"type": "b", "status": "True"}], "podIPs": [{"ip": "10.0.0.1"}], "nominatedNodeName": "m"}
    assert cells("Pod", spec=spec, status=status)[5:] == ["10.0.0.1", "n", "m", "1/2"]


@pytest.mark.parametrize(
    ("hosts", "wanted"),
    [
        (["a"], "a"),
        ([""], "*"),
        (["a", "b", "c", ""], "a,b,c + 1 more..."),
        (["", "a", "b", "c"], "a,b,c"),
        (["a", "b", "c", "d", "e"], "a,b,c + 2 more..."),
    ],
)
def test_hosts_of_an_ingress(hosts: list[str], wanted: str) -> None:
    assert cells("Ingress", spec={"rules": [{"host": host} if host else {} for host in hosts]})[2] == wanted


def test_addresses_of_an_ingress_are_told_once_in_order() -> None:
    ingress = [{"hostname": "z"}, {"ip": "10.0.0.2"}, {"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}]
    assert cells("Ingress", spec={}, status={"loadBalancer": {"ingress": ingress}})[3] == "10.0.0.1,10.0.0.2,z"


def test_ports_of_an_endpoint_slice() -> None:
    def told(*ports: dict[str, Any]) -> Any:
        return cells("EndpointSlice", addressType="IPv4", endpoints=[], ports=ports)[2]

    assert told({"port": 80}, {"name": "web"}, {}) == "80,web,*"
    assert told() == "<unset>"
    assert told(*({"port": n} for n in range(1, 6))) == "1,2,3 + 2 more..."


@pytest.mark.parametrize(
    ("metadata", "status", "wanted"),
    [
        ({}, {}, "pending"),
        (DELETED, {}, "deleted"),
        ({}, {"allocation": {}}, "allocated"),
        (DELETED, {"allocation": {}, "reservedFor": [{"resource": "pods", "name": "p", "uid": "u"}]},
         "deleted,allocated,reserved"),
    ],
)  # fmt: skip
def test_states_of_a_resource_claim(metadata: Any, status: Any, wanted: str) -> None:
    assert cells("ResourceClaim", metadata={"name": "c", **metadata}, spec={}, status=status)[1] == wanted


@pytest.mark.parametrize(
    ("conditions", "deleted", "wanted"),
    [
        ([], False, "Running"),
        (["Suspended"], False, "Suspended"),
        (["Suspended"], True, "Terminating"),
        (["FailureTarget"], False, "FailureTarget"),
        (["FailureTarget", "Failed"], True, "Failed"),
        (["SuccessCriteriaMet", "Complete"], False, "Complete"),
    ],
)
def test_status_of_a_job(conditions: list[str], deleted: bool, wanted: str) -> None:
    status = {"conditions": [{"type": kind, "status": "True"} for kind in conditions]}
    metadata = {"name": "j", **(DELETED if deleted else {})}
    assert cells("Job", metadata=metadata, spec={"template": {"spec": {"containers": []}}}, status=status)[1] == wanted


def test_how_long_a_job_took_and_how_far_it_is() -> None:
    spec = {"template": {"spec": {"containers": []}}, "parallelism": 3}
    status = {"startTime": ago(100), "completionTime": ago(10), "succeeded": 2}
    assert cells("Job", spec=spec, status=status)[2:4] == ["2/1 of 3", "90s"]
    assert cells("Job", spec={**spec, "completions": 5}, status={"startTime": ago(30)})[2:4] == ["0/5", "30s"]


METRIC = {"name": "m"}
THING = {"kind": "Service", "name": "s"}


@pytest.mark.parametrize(
    ("metric", "current", "wanted"),
    [
        ({"resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}},
         {"resource": {"name": "cpu", "current": {"averageUtilization": 42}}}, "cpu: 42%/60%"),
        ({"resource": {"name": "cpu", "target": {"type": "Utilization"}}}, None, "cpu: <unknown>/<auto>"),
        ({"resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}},
         {"resource": {"name": "memory", "current": {"averageValue": "512Mi"}}}, "memory: 512Mi/1Gi"),
        ({"containerResource": {"name": "cpu", "container": "c",
                                "target": {"type": "Utilization", "averageUtilization": 50}}},
         None, "cpu: <unknown>/50%"),
        ({"pods": {"metric": METRIC, "target": {"type": "AverageValue", "averageValue": "10"}}},
         {"pods": {"metric": METRIC, "current": {"averageValue": "3"}}}, "3/10"),
        ({"object": {"metric": METRIC, "describedObject": THING, "target": {"type": "Value", "value": "100"}}},
         {"object": {"metric": METRIC, "describedObject": THING, "current": {"value": "20"}}}, "20/100"),
        ({"object": {"metric": METRIC, "describedObject": THING, "target": {"type": "AverageValue",
                                                                           "averageValue": "5"}}},
         None, "<unknown>/5 (avg)"),
        ({"external": {"metric": METRIC, "target": {"type": "Value", "value": "7"}}},
         {"external": {"metric": METRIC, "current": {}}}, "<nil>/7"),
        ({"external": {"metric": METRIC, "target": {"type": "AverageValue", "averageValue": "7"}}},
         {"external": {"metric": METRIC, "current": {"averageValue": "1"}}}, "1/7 (avg)"),
    ],
)  # fmt: skip
def test_metrics_of_an_autoscaler(metric: dict[str, Any], current: dict[str, Any] | None, wanted: str) -> None:
    def typed(found: dict[str, Any]) -> dict[str, Any]:
        kind = next(iter(found))
        return {"type": kind[0].upper() + kind[1:], **found}

    spec = {"scaleTargetRef": THING, "maxReplicas": 3, "metrics": [typed(metric)] * 3}
    status = {"currentMetrics": [typed(current)] * 3 if current else [], "desiredReplicas": 0}
    told = cells("HorizontalPodAutoscaler", spec=spec, status=status)
    assert told[2] == f"{wanted}, {wanted} + 1 more..."
    assert told[3] == "<unset>"


def test_services_tell_where_they_are_reached() -> None:
    def told(kind: str, status: dict[str, Any] | None = None, **spec: Any) -> Any:
        return cells("Service", spec={"type": kind, **spec}, status=status or {})[3]

    balanced = {"loadBalancer": {"ingress": [{"ip": "192.0.2.9"}, {"hostname": "a.example.com"}]}}
    assert told("ClusterIP") == "<none>"
    assert told("NodePort", externalIPs=["192.0.2.1", "192.0.2.2"]) == "192.0.2.1,192.0.2.2"
    assert told("LoadBalancer") == "<pending>"
    assert told("LoadBalancer", balanced, externalIPs=["192.0.2.1"]) == "192.0.2.9,a.example.com,192.0.2.1"
    assert told("ExternalName", externalName="e.example.com") == "e.example.com"


@pytest.mark.parametrize(
    ("info", "kernel"),
    [
        ({"kernelVersion": "6.8.0", "architecture": "arm64"}, "6.8.0 (arm64)"),
        ({"kernelVersion": "6.8.0"}, "6.8.0"),
        ({}, "<unknown>"),
    ],
)
def test_the_kernel_of_a_node_with_its_architecture(info: dict[str, str], kernel: str) -> None:
    assert cells("Node", status={"nodeInfo": info})[8] == kernel


def test_nodes() -> None:
    labels = {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "edge", "node-role.kubernetes.io/": ""}
    status = {"conditions": [{"type": "Ready", "status": "Unknown"}], "nodeInfo": {}}
    told = cells("Node", metadata={"name": "n", "labels": labels}, spec={"unschedulable": True}, status=status)
    assert told[1:3] == ["NotReady,SchedulingDisabled", "edge,worker"]
    assert told[5:] == ["<none>", "<none>", "<unknown>", "<unknown>", "<unknown>"]


def test_events_tell_the_times_of_their_series() -> None:
    about = {"kind": "Pod", "name": "p"}
    series = {"count": 4, "lastObservedTime": "2027-01-15T07:59:00.000000Z"}
    told = cells(
        "Event",
        involvedObject=about,
        eventTime="2027-01-15T07:50:00.000000Z",
        series=series,
        reportingComponent="c",
        message=" m ",
    )
    assert (told[0], told[7], told[8], told[3], told[5], told[6]) == ("60s", "10m", 4, "pod/p", "c", "m")
    assert cells("Event", involvedObject={"kind": "Pod"})[0:9:8] == ["<unknown>", 1]


def test_volumes_and_claims() -> None:
    spec = {"accessModes": ["ReadWriteOncePod", "ReadWriteMany", "ReadWriteMany"], "volumeAttributesClassName": ""}
    volume = cells("PersistentVolume", metadata={"name": "v", **DELETED}, spec=spec, status={"phase": "Bound"})
    assert volume[1:8] == ["0", "RWX,RWOP", "", "Terminating", "", "", ""]
    annotated = {"name": "c", "annotations": {"volume.beta.kubernetes.io/storage-class": ""}}
    claim = cells("PersistentVolumeClaim", metadata=annotated, spec={"storageClassName": "s"}, status={})
    assert claim[5] == ""


def test_defaults_are_marked() -> None:
    key = "volumeattributesclass.alpha.kubernetes.io/is-default-class"
    marked = {"name": "v", "annotations": {key: "true"}}
    assert cells("VolumeAttributesClass", metadata=marked, driverName="d")[0] == "v (default)"


def test_parameters_of_a_policy_binding() -> None:
    def told(reference: Any) -> Any:
        return cells("ValidatingAdmissionPolicyBinding", spec={"policyName": "p", "paramRef": reference})[2]

    assert [told(r) for r in (None, {"name": "a"}, {"name": "a", "namespace": "n"}, {})] == [
        "<unset>",
        "*/a",
        "n/a",
        "<unset>",
    ]
    selector = {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "k", "operator": "In", "values": ["x", "y"]}]}
    assert told({"selector": selector}) == (
        "&LabelSelector{MatchLabels:map[string]string{a: b,},MatchExpressions:[]LabelSelectorRequirement{"
        "LabelSelectorRequirement{Key:k,Operator:In,Values:[x y],},},}"
    )


def test_signing_requests_and_priority_levels() -> None:
    status = {"conditions": [{"type": "Approved", "status": "True"}, {"type": "Failed", "status": "True"}]}
    told = cells("CertificateSigningRequest", spec={"request": "", "signerName": "s", "expirationSeconds": 3600},
                 status=status)  # fmt: skip
    assert told[2:] == ["s", "", "60m", "Approved,Failed"]
    exempt = {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 3}}
    assert cells("PriorityLevelConfiguration", spec=exempt)[1:6] == ["Exempt", *["<none>"] * 4]


def test_flow_schemas_are_shown_by_precedence() -> None:
    order = BY_KIND["FlowSchema"].row_order
    assert order is not None
    kind = BY_KIND["FlowSchema"].type
    found = [from_builtins({"metadata": {"name": n}, "spec": {"priorityLevelConfiguration": {"name": ""},
                                                             "matchingPrecedence": p}}, kind)
             for n, p in (("b", 5), ("a", 5), ("c", 1))]  # fmt: skip
    assert [f.metadata.name for f in sorted(found, key=order)] == ["c", "a", "b"]
