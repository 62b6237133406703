"""Pod Security: the texts of violations, versions, and what is refused, warned of, or let pass."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.errors import StatusError
from pilothouse.api.types.apps.v1 import Deployment, DeploymentSpec
from pilothouse.api.types.core.v1 import Namespace, Pod, PodTemplateSpec
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.admission.plugins.pod_security import PodSecurity
from pilothouse.apiserver.admission.podsecurity.policy import Standard, violations
from pilothouse.testing.admission import attributes, send, surroundings
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
    no_users = {k: v for k, v in HARDENED.items() if k != "runAsNonRoot"}
    assert told(Standard("restricted"), pod(container(**no_users, runAsUser=0), hostUsers=False)) == ""


def test_older_versions_lack_controls() -> None:
    probe = {**container(), "livenessProbe": {"httpGet": {"port": 80, "host": "a"}}}
    assert told(Standard("baseline", "v1.25"), pod(probe)) == ""
    assert told(Standard("baseline", "v1.99"), pod(probe)).startswith("probe or lifecycle host")
    root = {k: v for k, v in HARDENED.items() if k != "capabilities"}
    assert told(Standard("restricted", "v1.20"), pod(container(**root, runAsUser=0))) == ""


def world(**labels: str) -> tuple[PodSecurity, FakeReader]:
    held = {f"pod-security.kubernetes.io/{k}": v for k, v in labels.items()}
    reader = FakeReader(Namespace(metadata=ObjectMeta(name="ns", labels=held)))
    return PodSecurity(surroundings(reader)), reader


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
