"""Pods and their templates: what is refused and what is warned of, in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.kinds.apps import deployment, statefulset
from pilothouse.kinds.batch import cronjob, job
from pilothouse.kinds.core import pod
from pilothouse.kinds.core.podspec.gated import without_gated
from tests.kinds.asking import Body, made, merged, refused, refused_change

APPARMOR = "container.apparmor.security.beta.kubernetes.io/c"
SECCOMP = "container.seccomp.security.alpha.kubernetes.io/c"
COST = "controller.kubernetes.io/pod-deletion-cost"
BASE: Body = {"metadata": {"name": "p", "namespace": "ns"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}


def with_spec(**parts: Any) -> Body:
    return merged(BASE, {"spec": parts})


def container(**parts: Any) -> Body:
    return with_spec(containers=[{"name": "c", "image": "i", **parts}])


def annotated(**found: str) -> Body:
    return merged(BASE, {"metadata": {"annotations": found}})


def spread(*found: Body) -> Body:
    base = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    return with_spec(topologySpreadConstraints=[merged(base, one) for one in found])


def preferred(value: str) -> Body:
    term = {"matchExpressions": [{"key": "a", "operator": "In", "values": [value]}]}
    terms = [{"weight": 1, "preference": term}]
    return with_spec(affinity={"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": terms}})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (BASE, []),
        (annotated(**{COST: "-7"}), []),
        (
            annotated(**{COST: "+7"}),
            [f'metadata.annotations[{COST}]: Invalid value: "+7": must be a 32bit integer'],
        ),
        (
            annotated(**{SECCOMP: "odd"}),
            [f'metadata.annotations.{SECCOMP}: Invalid value: "odd": must be a valid seccomp profile'],
        ),
        (
            annotated(**{APPARMOR[:-1] + "x": "odd"}),
            [
                f'metadata.annotations[{APPARMOR[:-1]}x]: Invalid value: "x": container not found',
                f'metadata.annotations[{APPARMOR[:-1]}x]: Invalid value: "odd": invalid AppArmor profile name: "odd"',
            ],
        ),
        (
            merged(
                container(securityContext={"seccompProfile": {"type": "Unconfined"}}),
                {"metadata": {"annotations": {SECCOMP: "runtime/default"}}},
            ),
            [
                "spec.containers[0].securityContext.seccompProfile.type: Forbidden: "
                "seccomp type in annotation and field must match"
            ],
        ),
        (
            spread({}, {}),
            [
                "spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: "
                'Duplicate value: "{zone, DoNotSchedule}"'
            ],
        ),
        (
            with_spec(hostNetwork=True, containers=[{"name": "c", "image": "i", "ports": [{"containerPort": 80}]}]),
            [],
        ),
        (
            with_spec(
                hostNetwork=True,
                containers=[{"name": "c", "image": "i", "ports": [{"containerPort": 80, "hostPort": 81}]}],
            ),
            [
                "spec.containers[0].ports[0].hostPort: Invalid value: 81: "
                "must match `containerPort` when `hostNetwork` is true"
            ],
        ),
        (
            container(resources={"limits": {"hugepages-2Mi": "3Mi", "cpu": "1"}}),
            [
                f'spec.containers[0].resources.{kind}[hugepages-2Mi]: Invalid value: "3Mi": '
                "3Mi is not positive integer multiple of hugepages-2Mi"
                for kind in ("limits", "requests")
            ],
        ),
        (
            with_spec(
                restartPolicy="Never",
                containers=[
                    {
                        "name": "c",
                        "image": "i",
                        "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}],
                    }
                ],
            ),
            [
                'spec.containers[0].resizePolicy: Invalid value: "RestartContainer": '
                "must be 'NotRequired' when pod `restartPolicy` is 'Never'"
            ],
        ),
        (
            merged(
                container(volumeMounts=[{"name": "v", "mountPath": "/v"}]),
                {"spec": {"volumes": [{"name": "v", "nfs": {}}]}},
            ),
            [
                "spec.volumes[0].nfs.server: Required value",
                "spec.volumes[0].nfs.path: Required value",
                'spec.volumes[0].nfs.path: Invalid value: "": must be an absolute path',
                'spec.containers[0].volumeMounts[0].name: Not found: "v"',
            ],
        ),
        (
            with_spec(
                volumes=[
                    {"name": "v", "projected": {"sources": [{"secret": {"name": "a"}, "configMap": {"name": "b"}}]}}
                ]
            ),
            ["spec.volumes[0].projected.sources[0]: Forbidden: may not specify more than 1 volume type per source"],
        ),
        (
            with_spec(securityContext={"windowsOptions": {"hostProcess": True, "runAsUserName": "a\\b\\c"}}),
            [
                'spec.securityContext.windowsOptions.runAsUserName: Invalid value: "a\\\\b\\\\c": '
                "runAsUserName cannot contain more than one backslash",
                "spec.hostNetwork: Invalid value: false: "
                "hostNetwork must be true if pod contains any hostProcess containers",
            ],
        ),
        (
            with_spec(tolerations=[{"key": "a", "operator": "Exists", "value": "b"}]),
            ["spec.tolerations[0].operator: Invalid value: \"b\": value must be empty when `operator` is 'Exists'"],
        ),
        (preferred("no label"), []),
    ],
)
def test_new_pods(body: Body, expected: list[str]) -> None:
    assert refused(pod.STRATEGY, body) == expected


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({"metadata": {"annotations": {APPARMOR: "unconfined"}}}, ["may not add AppArmor annotations"]),
        (
            {"metadata": {"annotations": {"kubernetes.io/config.mirror": None}}},
            ["may not remove or update mirror pod annotation"],
        ),
        ({"spec": {"activeDeadlineSeconds": 100, "hostname": "h"}}, ["must be less than or equal to previous value"]),
        (
            {"spec": {"containers": [{"name": "c", "image": " i", "imagePullPolicy": "Always"}]}},
            ["must not have leading or trailing whitespace"] * 2,
        ),
        ({"spec": {"tolerations": [{"key": "a", "operator": "Odd"}]}}, ['supported values: "Equal", "Exists"'] * 2),
    ],
)
def test_changed_pods(patch: Body, expected: list[str]) -> None:
    old = merged(
        BASE,
        {
            "metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}},
            "spec": {"activeDeadlineSeconds": 50, "nodeName": "n"},
        },
    )
    found = refused_change(pod.STRATEGY, merged(old, patch), old)
    assert [text for text in found if not text.endswith(tuple(expected))] == []
    assert len(found) == len(expected)


def warned(body: Body) -> list[str]:
    return list(pod.STRATEGY.warnings(made(pod.STRATEGY, body)))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (BASE, []),
        (preferred("no label"), True),
        (container(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "$(A)2"}]), []),
        (
            container(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "$(A)"}]),
            ['spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply'],
        ),
        (
            container(ports=[{"containerPort": 80}, {"containerPort": 80, "hostPort": 8080}]),
            ["spec.containers[0].ports[1]: overlapping port definition with spec.containers[0].ports[0]"],
        ),
        (
            container(ports=[{"containerPort": 80, "hostIP": "10.0.0.1"}]),
            [
                "spec.containers[0].ports[0]: hostIP set without hostPort: "
                "{Name: HostPort:0 ContainerPort:80 Protocol:TCP HostIP:10.0.0.1}"
            ],
        ),
        (
            annotated(**{APPARMOR: "unconfined"}),
            [f'metadata.annotations[{APPARMOR}]: deprecated since v1.30; use the "appArmorProfile" field instead'],
        ),
    ],
)
def test_warnings(body: Body, expected: list[str] | bool) -> None:
    found = warned(body)
    assert bool(found) is expected if isinstance(expected, bool) else found == expected


def test_a_profile_that_is_annotated_only_becomes_a_field() -> None:
    held = pod.STRATEGY.canonicalize(made(pod.STRATEGY, annotated(**{APPARMOR: "unconfined"})))
    assert held.spec.containers[0].security_context.app_armor_profile.type == "Unconfined"


TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": BASE["spec"]}
WORKLOAD: Body = {
    "metadata": {"name": "dotted.name"},
    "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE},
}


@pytest.mark.parametrize("module", [deployment, job, cronjob])
def test_names_that_pods_get(module: Any) -> None:
    body = WORKLOAD if module is not cronjob else {"metadata": {"name": "dotted.name"}}
    (found,) = module.STRATEGY.warnings(made(module.STRATEGY, body))
    assert found.startswith("metadata.name: this is used in Pod names and hostnames")


def test_updates_warn_only_of_a_new_generation() -> None:
    old = made(statefulset.STRATEGY, WORKLOAD)
    new = made(statefulset.STRATEGY, merged(WORKLOAD, {"spec": {"revisionHistoryLimit": -1}}))
    assert len(statefulset.STRATEGY.warnings_update(new, old)) == 1
    assert statefulset.STRATEGY.warnings_update(new, new) == []


NOT_EPHEMERAL = "Forbidden: cannot be set for an Ephemeral Container"


def test_what_an_ephemeral_container_cannot_have() -> None:
    probe = {"exec": {"command": ["a"]}}
    wrong = {"ports": [{"containerPort": 1}], "lifecycle": {"preStop": probe}, "livenessProbe": probe}
    limited = {"resources": {"limits": {"cpu": "1"}}, **wrong}
    assert refused(pod.STRATEGY, with_spec(ephemeralContainers=[{"name": "e", "image": "i", **limited}])) == [
        f"spec.ephemeralContainers[0].{name}: {NOT_EPHEMERAL}"
        for name in ("ports", "resources", "livenessProbe", "lifecycle")
    ] + ["spec.ephemeralContainers: Forbidden: cannot be set on create"]


@pytest.mark.parametrize(
    ("shared", "name", "fine"),
    [
        ("hostNetwork", "net.ipv4.a", False),
        ("hostNetwork", "net/ipv4/a", False),
        ("hostNetwork", "kernel.sem", True),
        ("hostIPC", "kernel.shm_rmid_forced", False),
        ("hostIPC", "kernel.msgmax", False),
        ("hostIPC", "fs.mqueue.msg_max", False),
        ("hostIPC", "kernel.sem", False),
        ("hostIPC", "kernel.semaphores", True),
        ("hostIPC", "net.ipv4.a", True),
    ],
)
def test_sysctls_of_namespaces_that_are_the_nodes(shared: str, name: str, fine: bool) -> None:
    body = with_spec(**{shared: True}, securityContext={"sysctls": [{"name": name, "value": "1"}]})
    wanted = f"may not be specified when '{shared}' is true"
    found = [error for error in refused(pod.STRATEGY, body) if "sysctls" in error]
    at = "spec.securityContext.sysctls[0].name"
    assert found == ([] if fine else [f'{at}: Invalid value: "{name}": {wanted}'])


def test_what_a_gated_pod_gives_up_is_told_as_null() -> None:
    terms = [{"matchExpressions": [{"key": "k", "operator": "In", "values": ["v"]}]}]
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    old = with_spec(schedulingGates=[{"name": "a"}], nodeSelector={"a": "b"}, affinity=affinity)
    new = merged(old, {"spec": {"nodeSelector": None, "affinity": None}})
    assert [error.partition(": only")[0].partition(": no ")[0] for error in refused_change(pod.STRATEGY, new, old)] == [
        "spec.nodeSelector: Invalid value: null",
        "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: "
        "Invalid value: null",
    ]


def test_addresses_in_another_form_than_tools_agree_on() -> None:
    body = with_spec(
        dnsConfig={"nameservers": ["1.1.1.1", "2001:DB8::1"]}, hostAliases=[{"ip": "2001:db8::01", "hostnames": ["a"]}]
    )
    assert list(pod.STRATEGY.warnings(made(pod.STRATEGY, body))) == [
        'spec.dnsConfig.nameservers[1]: IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format '
        '("2001:db8::1")',
        'spec.hostAliases[0].ip: IPv6 address "2001:db8::01" should be in RFC 5952 canonical format ("2001:db8::1")',
    ]


def test_fields_of_features_that_are_off() -> None:
    sources = [{"clusterTrustBundle": {"name": "a", "path": "x"}}, {"configMap": {"name": "c"}}]
    body = with_spec(schedulingGroup={"podGroupName": "g"}, volumes=[{"name": "v", "projected": {"sources": sources}}])
    spec = made(pod.STRATEGY, body).spec
    kept = without_gated(spec)
    assert kept.scheduling_group is None
    assert [one.config_map is not None for one in kept.volumes[0].projected.sources] == [False, True]
    assert kept.volumes[0].projected.sources[0].cluster_trust_bundle is None
    assert without_gated(kept) is kept


def test_rules_of_restarts_need_a_policy() -> None:
    one = {"name": "r", "image": "i", "restartPolicyRules": [{"action": "Restart"}]}
    needed = "restartPolicy: Required value: must specify restartPolicy when restart rules are used"
    assert refused(pod.STRATEGY, with_spec(initContainers=[one])) == [f"spec.initContainers[0].{needed}"]
    codes = "spec.containers[0].restartPolicyRules[0].exitCodes: Required value: must be specified"
    assert refused(pod.STRATEGY, with_spec(containers=[one])) == [f"spec.containers[0].{needed}", codes]
