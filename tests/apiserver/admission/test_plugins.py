"""The small admission plugins, one by one."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from pilothouse.api.errors import StatusError
from pilothouse.api.quantity import parse
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.core.v1 import (
    ConfigMap,
    Container,
    LimitRange,
    LimitRangeItem,
    LimitRangeSpec,
    Namespace,
    NamespaceStatus,
    Node,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeClaimStatus,
    Pod,
    PodSpec,
    ResourceRequirements,
    ServiceAccount,
    Toleration,
    VolumeMount,
    VolumeResourceRequirements,
)
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.api.types.networking.v1 import Ingress, IngressClass
from pilothouse.api.types.node.v1 import Overhead, RuntimeClass
from pilothouse.api.types.rbac.v1 import ClusterRole, PolicyRule, Role, RoleBinding, RoleRef
from pilothouse.api.types.scheduling.v1 import PriorityClass
from pilothouse.api.types.storage.v1 import StorageClass
from pilothouse.apiserver.admission.registry import build
from pilothouse.testing.admission import attributes, plugin_context, send
from pilothouse.testing.reader import FakeReader

META = ObjectMeta(name="p", namespace="ns")
POD = Pod(metadata=META, spec=PodSpec(containers=(Container(name="c", image="i"),)))


def pod(**spec: Any) -> Pod:
    return replace(POD, spec=replace(POD.spec, **spec))


def plugin(name: str, *objects: Any) -> Any:
    chain = build(plugin_context(FakeReader(*objects)))
    return next(p for p in chain._plugins if p.name == name)


async def refusal(made: Any, *args: Any, **more: Any) -> tuple[int, str]:
    with pytest.raises(StatusError) as caught:
        await send(made, attributes(*args, **more))
    return caught.value.code, caught.value.status.message


async def test_namespaces_that_are_missing_or_going() -> None:
    made = plugin(
        "NamespaceLifecycle",
        Namespace(metadata=ObjectMeta(name="going"), status=NamespaceStatus(phase="Terminating")),
    )
    there = ConfigMap(metadata=ObjectMeta(name="a", namespace="going"))
    with pytest.raises(StatusError) as caught:
        await send(made, attributes("CREATE", there))
    assert caught.value.status.message == (
        'configmaps "a" is forbidden: unable to create new content in namespace going because it is being terminated'
    )
    details = caught.value.status.details
    assert details is not None
    assert details.causes[0].reason == "NamespaceTerminating"
    await send(made, attributes("UPDATE", there, there))
    missing = ConfigMap(metadata=ObjectMeta(name="a", namespace="none"))
    assert await refusal(made, "CREATE", missing) == (404, 'namespaces "none" not found')
    default = Namespace(metadata=ObjectMeta(name="default"))
    code, message = await refusal(made, "DELETE", None, default)
    assert (code, message) == (403, 'namespaces "default" is forbidden: this namespace may not be deleted')


async def test_pods_get_their_accounts_token() -> None:
    made = plugin("ServiceAccount", ServiceAccount(metadata=ObjectMeta(name="default", namespace="ns")))
    own = Container(name="own", volume_mounts=(VolumeMount(name="v", mount_path=made_path()),))
    found: Pod = await send(made, attributes("CREATE", pod(containers=(Container(name="c"), own))))
    assert found.spec.service_account_name == found.spec.service_account == "default"
    (volume,) = found.spec.volumes
    assert volume.name.startswith("kube-api-access-")
    containers = found.spec.containers or ()
    assert [m.name for m in containers[0].volume_mounts] == [volume.name]
    assert containers[1] == own


def made_path() -> str:
    return "/var/run/secrets/kubernetes.io/serviceaccount"


async def test_accounts_that_are_missing_or_say_no() -> None:
    silent = ServiceAccount(metadata=ObjectMeta(name="s", namespace="ns"), automount_service_account_token=False)
    made = plugin("ServiceAccount", silent)
    code, message = await refusal(made, "CREATE", pod(service_account_name="x"))
    assert (code, message) == (
        403,
        'pods "p" is forbidden: error looking up service account ns/x: serviceaccount "x" not found',
    )
    assert not (await send(made, attributes("CREATE", pod(service_account="s")))).spec.volumes
    assert (
        await send(made, attributes("CREATE", pod(service_account="s", automount_service_account_token=True)))
    ).spec.volumes
    mirror = replace(POD, metadata=replace(META, annotations={"kubernetes.io/config.mirror": "x"}))
    assert await send(made, attributes("CREATE", mirror)) == mirror


async def test_new_nodes_are_tainted_once() -> None:
    made = plugin("TaintNodesByCondition")
    found: Node = await send(made, attributes("CREATE", Node(metadata=ObjectMeta(name="n"))))
    assert [t.key for t in found.spec.taints] == ["node.kubernetes.io/not-ready"]
    assert await send(made, attributes("CREATE", found)) == found


HIGH = PriorityClass(metadata=ObjectMeta(name="high"), value=7, preemption_policy="Never")


async def test_priority_is_the_classs() -> None:
    made = plugin("Priority", HIGH)
    found = (await send(made, attributes("CREATE", pod(priority_class_name="high")))).spec
    assert (found.priority, found.preemption_policy) == (7, "Never")
    plain = (await send(made, attributes("CREATE", POD))).spec
    assert (plain.priority, plain.preemption_policy) == (0, "PreemptLowerPriority")
    _, message = await refusal(made, "CREATE", pod(priority_class_name="none"))
    assert message == 'pods "p" is forbidden: no PriorityClass with name none was found'
    _, message = await refusal(made, "CREATE", pod(priority=3))
    assert "the integer value of priority (3) must not be provided in pod spec" in message


async def test_one_default_priority() -> None:
    made = plugin("Priority", replace(HIGH, global_default=True))
    assert (await send(made, attributes("CREATE", POD))).spec.priority_class_name == "high"
    other = PriorityClass(metadata=ObjectMeta(name="o"), global_default=True)
    _, message = await refusal(made, "CREATE", other)
    assert message.endswith("PriorityClass high is already marked as default. Only one default can exist")
    system = PriorityClass(metadata=ObjectMeta(name="system-node-critical"))
    _, message = await refusal(made, "DELETE", None, system)
    assert message.endswith("this is a system priority class and cannot be deleted")


@pytest.mark.parametrize(
    ("own", "keys"),
    [
        ((), ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]),
        ((Toleration(operator="Exists"),), []),
        ((Toleration(operator="Exists", effect="NoExecute"),), []),
        (
            (Toleration(key="node.kubernetes.io/not-ready", operator="Exists", effect="NoSchedule"),),
            ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"],
        ),
        (
            (Toleration(key="node.kubernetes.io/not-ready", operator="Exists", effect="NoExecute"),),
            ["node.kubernetes.io/unreachable"],
        ),
    ],
)
async def test_default_tolerations(own: tuple[Toleration, ...], keys: list[str]) -> None:
    found = await send(plugin("DefaultTolerationSeconds"), attributes("CREATE", pod(tolerations=own)))
    assert [t.key for t in found.spec.tolerations[len(own) :]] == keys


def storage_class(name: str, created: str, *, grows: bool = False) -> StorageClass:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
    metadata = ObjectMeta(name=name, creation_timestamp=created, annotations=annotations)
    return StorageClass(metadata=metadata, allow_volume_expansion=grows)


def claim(size: str, **spec: Any) -> PersistentVolumeClaim:
    resources = VolumeResourceRequirements(requests={"storage": parse(size)})
    return PersistentVolumeClaim(metadata=META, spec=PersistentVolumeClaimSpec(resources=resources, **spec))


async def test_the_newest_default_class_wins() -> None:
    classes = [storage_class(n, t) for n, t in (("b", "2020-01-01T00:00:00Z"), ("a", "2020-01-01T00:00:00Z"))]
    made = plugin("DefaultStorageClass", *classes, storage_class("old", "2019-01-01T00:00:00Z"))
    assert (await send(made, attributes("CREATE", claim("1Gi")))).spec.storage_class_name == "a"
    assert (await send(made, attributes("CREATE", claim("1Gi", storage_class_name="")))).spec.storage_class_name == ""


async def test_claims_are_protected_and_grow_only_where_allowed() -> None:
    found = await send(plugin("StorageObjectInUseProtection"), attributes("CREATE", claim("1Gi")))
    assert found.metadata.finalizers == ("kubernetes.io/pvc-protection",)
    made = plugin("PersistentVolumeClaimResize", storage_class("yes", "", grows=True), storage_class("no", ""))
    bound = PersistentVolumeClaimStatus(phase="Bound")
    for name, allowed in (("yes", True), ("no", False)):
        old, new = claim("1Gi", storage_class_name=name), claim("2Gi", storage_class_name=name)
        write = attributes("UPDATE", new, replace(old, status=bound))
        if allowed:
            await send(made, write)
        else:
            with pytest.raises(StatusError, match="only dynamically provisioned pvc can be resized"):
                await send(made, write)


async def test_runtime_classes_bring_overhead() -> None:
    overhead = Overhead(pod_fixed={"cpu": parse("100m")})
    made = plugin("RuntimeClass", RuntimeClass(metadata=ObjectMeta(name="r"), overhead=overhead))
    found = await send(made, attributes("CREATE", pod(runtime_class_name="r")))
    assert found.spec.overhead == {"cpu": parse("100m")}
    _, message = await refusal(made, "CREATE", pod(runtime_class_name="x"))
    assert message == 'pods "p" is forbidden: pod rejected: RuntimeClass "x" not found'
    _, message = await refusal(made, "CREATE", pod(overhead={"cpu": parse("1")}))
    assert message.endswith("Pod Overhead set without corresponding RuntimeClass defined Overhead")
    _, message = await refusal(made, "CREATE", pod(runtime_class_name="r", overhead={"cpu": parse("1")}))
    assert message.endswith("Pod's Overhead doesn't match RuntimeClass's defined Overhead")


async def test_the_default_ingress_class() -> None:
    annotations = {"ingressclass.kubernetes.io/is-default-class": "true"}
    made = plugin("DefaultIngressClass", IngressClass(metadata=ObjectMeta(name="i", annotations=annotations)))
    assert (await send(made, attributes("CREATE", Ingress(metadata=META)))).spec.ingress_class_name == "i"


def limits(kind: str, **bounds: dict[str, str]) -> LimitRange:
    parsed = {k: {r: parse(q) for r, q in v.items()} for k, v in bounds.items()}
    item = LimitRangeItem(type=kind, **parsed)
    return LimitRange(metadata=ObjectMeta(name="l", namespace="ns"), spec=LimitRangeSpec(limits=(item,)))


def with_resources(requests: dict[str, str], limit: dict[str, str]) -> Pod:
    resources = ResourceRequirements(
        requests={k: parse(v) for k, v in requests.items()}, limits={k: parse(v) for k, v in limit.items()}
    )
    return pod(containers=(Container(name="c", resources=resources),))


async def test_defaults_of_a_limit_range() -> None:
    made = plugin("LimitRanger", limits("Container", default={"cpu": "1", "memory": "2"}, default_request={"cpu": "1"}))
    found: Pod = await send(made, attributes("CREATE", POD))
    told = "LimitRanger plugin set: cpu request for container c; cpu, memory limit for container c"
    assert found.metadata.annotations == {"kubernetes.io/limit-ranger": told}


@pytest.mark.parametrize(
    ("bounds", "requests", "limit", "text"),
    [
        (
            limits("Container", min={"cpu": "100m"}),
            {"cpu": "50m"},
            {},
            "minimum cpu usage per Container is 100m, but request is 50m",
        ),
        (
            limits("Container", max={"cpu": "1"}),
            {},
            {"cpu": "1.5"},
            "maximum cpu usage per Container is 1, but limit is 1500m",
        ),
        (
            limits("Container", max_limit_request_ratio={"cpu": "4"}),
            {"cpu": "100m"},
            {"cpu": "800m"},
            "cpu max limit to request ratio per Container is 4, but provided ratio is 8.000000",
        ),
        (
            limits("Pod", min={"memory": "10Mi"}, max={"memory": "100Mi"}),
            {},
            {},
            "[minimum memory usage per Pod is 10Mi.  No request is specified, "
            "maximum memory usage per Pod is 100Mi.  No limit is specified]",
        ),
    ],
)
async def test_bounds_of_a_limit_range(
    bounds: LimitRange, requests: dict[str, str], limit: dict[str, str], text: str
) -> None:
    code, message = await refusal(plugin("LimitRanger", bounds), "CREATE", with_resources(requests, limit))
    assert (code, message) == (403, f'pods "p" is forbidden: {text}')


async def test_bounds_of_claims() -> None:
    made = plugin("LimitRanger", limits("PersistentVolumeClaim", max={"storage": "2Gi"}))
    _, message = await refusal(made, "CREATE", claim("3Gi"))
    assert message.endswith("maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi")


ALICE = UserInfo(username="alice", groups=("system:authenticated",))


async def test_nobody_grants_more_than_they_have() -> None:
    made = plugin("RBACEscalation")
    role = Role(metadata=META, rules=(PolicyRule(verbs=("get",), api_groups=("",), resources=("pods",)),))
    code, message = await refusal(made, "CREATE", role, user=ALICE)
    assert code == 403
    assert message == (
        'roles.rbac.authorization.k8s.io "p" is forbidden: user "alice" (groups=["system:authenticated"]) is '
        'attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["get"]}'
    )
    await send(made, attributes("CREATE", role))
    finalized = replace(role, metadata=replace(META, finalizers=("x/y",)))
    await send(made, attributes("UPDATE", finalized, role, user=ALICE))
    binding = RoleBinding(metadata=META, role_ref=RoleRef(kind="Role", name="none"))
    code, message = await refusal(made, "CREATE", binding, user=ALICE)
    assert (code, message) == (404, 'rolebindings.rbac.authorization.k8s.io "none" not found')
    from pilothouse.api.types.rbac.v1 import AggregationRule

    greedy = ClusterRole(metadata=ObjectMeta(name="c"), aggregation_rule=AggregationRule())
    _, message = await refusal(made, "CREATE", greedy, user=ALICE)
    assert message.endswith("must have cluster-admin privileges to use the aggregationRule")
