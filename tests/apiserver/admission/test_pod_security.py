"""Pod Security: the texts of violations, versions, and what is refused, warned of, or let pass."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.errors import StatusError
from pilothouse.api.types.apps.v1 import Deployment, DeploymentSpec
from pilothouse.api.types.core.v1 import Namespace, Pod, PodTemplateSpec
from pilothouse.api.types.meta.v1 import ObjectMeta, OwnerReference
from pilothouse.apiserver.admission.plugins.pod_security import PodSecurity, existing_violations
from pilothouse.apiserver.admission.podsecurity.policy import Standard, controls, policy_of, violations
from pilothouse.testing.admission import attributes, plugin_context, send
from pilothouse.testing.reader import FakeReader

HARDENED: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
    "capabilities": {"drop": ["ALL"]},
}


def container(name: str = "c", **context: Any) -> dict[str, Any]:
    return {"name": name, "image": "i", "securityContext": context}


def pod(*containers: dict[str, Any], **spec: Any) -> Pod:
    tree = {"metadata": {"name": "p", "namespace": "ns"}, "spec": {"containers": list(containers), **spec}}
    return from_builtins(tree, Pod)


def told(standard: Standard, obj: Pod) -> str:
    found = violations(standard, PodTemplateSpec(metadata=obj.metadata, spec=obj.spec))
    return ", ".join(map(str, found))


@pytest.mark.parametrize(
    ("obj", "text"),
    [
        (
            pod(container(capabilities={"add": ["NET_RAW", "ALL", "CHOWN"]})),
            'non-default capabilities (container "c" must not include "ALL", "NET_RAW" in '
            "securityContext.capabilities.add)",
        ),
        (
            pod(container(), volumes=[{"name": n, "hostPath": {"path": "/"}} for n in "hg"]),
            'hostPath volumes (volumes "h", "g")',
        ),
        (pod(container(), hostPID=True, hostNetwork=True), "host namespaces (hostNetwork=true, hostPID=true)"),
        (
            pod(
                container(seLinuxOptions={"type": "b_t", "role": "x"}),
                securityContext={"seLinuxOptions": {"user": "u", "role": "r", "type": "a_t"}},
            ),
            'seLinuxOptions (pod and container "c" set forbidden securityContext.seLinuxOptions: types "a_t", "b_t"; '
            "user may not be set; role may not be set)",
        ),
        (pod(container(privileged=True)), 'privileged (container "c" must not set securityContext.privileged=true)'),
        (pod(container(procMount="Unmasked"), hostUsers=False), ""),
        (
            pod(
                container(appArmorProfile={"type": "Odd"}), securityContext={"appArmorProfile": {"type": "Unconfined"}}
            ),
            'forbidden AppArmor profiles (pod and container "c" must not set AppArmor profile type to "Odd", '
            '"Unconfined")',
        ),
        (
            pod(container(seccompProfile={"type": "Unconfined"})),
            'seccompProfile (container "c" must not set securityContext.seccompProfile.type to "Unconfined")',
        ),
        (pod(container(**HARDENED)), ""),
    ],
)
def test_baseline(obj: Pod, text: str) -> None:
    assert told(Standard("baseline"), obj) == text


def test_restricted() -> None:
    plain = pod(container())
    assert told(Standard("restricted"), plain) == (
        'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), '
        'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), '
        'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), '
        'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
        '"Localhost")'
    )
    assert told(Standard("restricted"), pod(container(**HARDENED))) == ""
    volumes = [{"name": "h", "hostPath": {"path": "/"}}, {"name": "n", "nfs": {"server": "s", "path": "/"}}]
    assert told(Standard("restricted"), pod(container(**HARDENED), volumes=volumes)) == (
        'restricted volume types (volumes "h", "n" use restricted volume types "hostPath", "nfs")'
    )


def test_older_versions_lack_controls() -> None:
    probe = {**container(), "livenessProbe": {"httpGet": {"port": 80, "host": "a"}}}
    assert told(Standard("baseline", "v1.25"), pod(probe)) == ""
    assert told(Standard("baseline", "v1.99"), pod(probe)).startswith("probe or lifecycle host")
    root = {k: v for k, v in HARDENED.items() if k != "capabilities"}
    assert told(Standard("restricted", "v1.20"), pod(container(**root, runAsUser=0))) == ""


OWN_USERS: dict[str, Any] = {"hostUsers": False}
ROOT = pod(container(**{**HARDENED, "runAsUser": 0}), **OWN_USERS)
MAYBE_ROOT = pod(container(**{**HARDENED, "runAsNonRoot": None}), **OWN_USERS)
ALL_OF_PROC = pod(container(**HARDENED, procMount="Unmasked"), **OWN_USERS)
UNMASKED = 'procMount (container "c" must not set securityContext.procMount to "Unmasked")'
NO_ROOT = 'runAsUser=0 (container "c" must not set runAsUser=0)'
NON_ROOT = 'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)'


@pytest.mark.parametrize(
    ("level", "version", "obj", "text"),
    [
        # Who has users of its own may do more since 1.35, but never see all of /proc where restricted.
        ("restricted", "v1.34", ROOT, NO_ROOT),
        ("restricted", "v1.35", ROOT, ""),
        ("restricted", "latest", ROOT, ""),
        ("restricted", "v1.22", ROOT, ""),
        ("restricted", "v1.34", MAYBE_ROOT, NON_ROOT),
        ("restricted", "v1.35", MAYBE_ROOT, ""),
        ("baseline", "v1.34", ALL_OF_PROC, UNMASKED),
        ("baseline", "v1.35", ALL_OF_PROC, ""),
        ("restricted", "v1.34", ALL_OF_PROC, UNMASKED),
        ("restricted", "v1.35", ALL_OF_PROC, UNMASKED),
        ("restricted", "latest", ALL_OF_PROC, UNMASKED),
    ],
)
def test_versions_relax_what_own_users_may(level: str, version: str, obj: Pod, text: str) -> None:
    assert told(Standard(level, version), obj) == text


# When each control came, or came to allow more: upstream's table of checks and minimum versions.
SINCE = {
    "baseline": {
        "v1.0": {"appArmorProfile", "capabilities_baseline", "hostNamespaces", "hostPathVolumes", "hostPorts",
                 "privileged", "procMount", "seLinuxOptions", "seccompProfile_baseline", "sysctls",
                 "windowsHostProcess"},
        "v1.34": {"hostProbesAndHostLifecycle"},
    },
    "restricted": {
        "v1.0": {"restrictedVolumes", "runAsNonRoot"},
        "v1.8": {"allowPrivilegeEscalation"},
        "v1.19": {"seccompProfile_restricted"},
        "v1.22": {"capabilities_restricted"},
        "v1.23": {"runAsUser"},
        "v1.35": {"procMount_restricted"},
    },
}  # fmt: skip
INSTEAD = {
    "restrictedVolumes": "hostPathVolumes",
    "seccompProfile_restricted": "seccompProfile_baseline",
    "capabilities_restricted": "capabilities_baseline",
    "procMount_restricted": "procMount",
}


@pytest.mark.parametrize("minor", range(40))
def test_the_controls_of_each_version(minor: int) -> None:
    def since(level: str) -> set[str]:
        return {name for v, names in SINCE[level].items() if int(v[3:]) <= minor for name in names}

    assert [c.name for c in controls("baseline", minor)] == sorted(since("baseline"))
    strict = since("restricted")
    kept = since("baseline") - {INSTEAD[name] for name in strict if name in INSTEAD}
    assert [c.name for c in controls("restricted", minor)] == [*sorted(kept), *sorted(strict)]


@pytest.mark.parametrize(
    ("labels", "enforce", "audit", "warn"),
    [
        ({}, "privileged:latest", "privileged:latest", "privileged:latest"),
        ({"enforce": "baseline", "enforce-version": "v1.30"}, "baseline:v1.30", "privileged:latest", "baseline:v1.30"),
        (
            {"enforce": "restricted", "enforce-version": "v1.30", "warn-version": "v1.31"},
            "restricted:v1.30",
            "privileged:latest",
            "restricted:v1.31",
        ),
        ({"enforce": "no", "audit": "no"}, "restricted:latest", "privileged:latest", "privileged:latest"),
        ({"enforce": "baseline", "warn": "no"}, "baseline:latest", "privileged:latest", "privileged:latest"),
        ({"enforce-version": "v1.1"}, "privileged:v1.1", "privileged:latest", "privileged:latest"),
        ({"audit": "baseline", "audit-version": "v01"}, "privileged:latest", "baseline:latest", "privileged:latest"),
        ({"warn-version": "v1." + "9" * 20}, "privileged:latest", "privileged:latest", "privileged:latest"),
    ],
)
def test_what_labels_mean(labels: dict[str, str], enforce: str, audit: str, warn: str) -> None:
    policy = policy_of({f"pod-security.kubernetes.io/{k}": v for k, v in labels.items()})
    assert tuple(map(str, policy)) == (enforce, audit, warn)


def world(**labels: str) -> tuple[PodSecurity, FakeReader]:
    held = {f"pod-security.kubernetes.io/{k}": v for k, v in labels.items()}
    reader = FakeReader(Namespace(metadata=ObjectMeta(name="ns", labels=held)))
    return PodSecurity(plugin_context(reader)), reader


async def test_pods_are_refused_without_warnings_and_templates_warned_of() -> None:
    plugin, _ = world(enforce="baseline", warn="restricted")
    write = attributes("CREATE", pod(container(privileged=True)))
    with pytest.raises(StatusError, match='pods "p" is forbidden: violates PodSecurity "baseline:latest": privileged'):
        await send(plugin, write)
    assert write.warnings == []
    spec = pod(container(privileged=True)).spec
    template = PodTemplateSpec(spec=spec)
    deployment = Deployment(metadata=ObjectMeta(name="d", namespace="ns"), spec=DeploymentSpec(template=template))
    write = attributes("CREATE", deployment)
    await send(plugin, write)
    assert write.warnings[0].startswith('would violate PodSecurity "restricted:latest": privileged')


async def test_updates_that_touch_nothing_of_it_pass() -> None:
    plugin, _ = world(enforce="baseline")
    old = pod(container(privileged=True))
    await send(plugin, attributes("UPDATE", replace(old, metadata=replace(old.metadata, labels={"a": "b"})), old))
    changed = pod({**container(privileged=True), "image": "other"})
    with pytest.raises(StatusError):
        await send(plugin, attributes("UPDATE", changed, old))


async def test_a_stricter_namespace_tells_of_its_pods() -> None:
    plugin, reader = world()
    for name in "ba":
        obj = pod(container(privileged=True))
        reader.put(replace(obj, metadata=replace(obj.metadata, name=name)))
    old = Namespace(metadata=ObjectMeta(name="ns"))
    new = replace(old, metadata=replace(old.metadata, labels={"pod-security.kubernetes.io/enforce": "baseline"}))
    write = attributes("UPDATE", new, old)
    await send(plugin, write)
    assert write.warnings == [
        'existing pods in namespace "ns" violate the new PodSecurity enforce level "baseline:latest"',
        "a (and 1 other pod): privileged",
    ]
    wrong = replace(old, metadata=replace(old.metadata, labels={"pod-security.kubernetes.io/enforce": "x"}))
    with pytest.raises(StatusError, match="must be one of privileged, baseline, restricted"):
        await send(plugin, attributes("UPDATE", wrong, old))
    await send(plugin, attributes("UPDATE", wrong, wrong))  # what was wrong before may stay


def test_of_many_pods_one_of_each_controller_comes_first() -> None:
    def owned(number: int, controller: str) -> Pod:
        obj = pod(container(privileged=controller == "b"))
        owners = (OwnerReference(uid=controller, controller=True),) if controller else ()
        return replace(obj, metadata=replace(obj.metadata, name=f"p{number:04}", owner_references=owners))

    pods = [owned(number, "a") for number in range(3500)] + [owned(9000, "b"), owned(9001, "")]
    assert existing_violations("ns", pods, Standard("baseline")) == [
        "new PodSecurity enforce level only checked against the first 3000 of 3502 existing pods",
        'existing pods in namespace "ns" violate the new PodSecurity enforce level "baseline:latest"',
        "p9000: privileged",
    ]
