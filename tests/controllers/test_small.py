"""The small controllers: aggregated roles, certificates, tokens, volumes, service ranges, node annotations."""

from __future__ import annotations

import msgspec
import pytest

from pilothouse.api.quantity import parse
from pilothouse.api.types.authorization.v1 import SubjectAccessReview
from pilothouse.api.types.certificates.v1 import CertificateSigningRequest, CertificateSigningRequestSpec
from pilothouse.api.types.core.v1 import (
    ConfigMap,
    Container,
    EphemeralVolumeSource,
    HostPathVolumeSource,
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeClaimTemplate,
    PersistentVolumeClaimVolumeSource,
    PersistentVolumeSpec,
    PersistentVolumeStatus,
    Pod,
    PodSpec,
    Secret,
    ServiceAccount,
    Volume,
    VolumeResourceRequirements,
)
from pilothouse.api.types.meta.v1 import LabelSelector, ObjectMeta
from pilothouse.api.types.networking.v1 import IPAddress, IPAddressSpec, ParentReference, ServiceCIDR, ServiceCIDRSpec
from pilothouse.api.types.rbac.v1 import AggregationRule, ClusterRole, PolicyRule
from pilothouse.api.types.storage.v1 import StorageClass, VolumeAttributesClass
from pilothouse.controllers import bootstrap_tokens
from pilothouse.controllers.certificates import control, signers
from pilothouse.controllers.environment import Settings
from pilothouse.controllers.pod_control import with_meta, with_spec
from pilothouse.kit import jwt, tls
from pilothouse.testing.clock import EPOCH, VirtualClock
from tests.controllers.world import world

replace = msgspec.structs.replace
RUNS = (Container(name="c", image="i"),)


async def test_roles_are_aggregated(clock: VirtualClock) -> None:
    async with world(clock, ("clusterrole-aggregation-controller",)) as w:
        rule = AggregationRule(cluster_role_selectors=(LabelSelector(match_labels={"to": "all"}),))
        await w.client.create(ClusterRole(metadata=ObjectMeta(name="all"), aggregation_rule=rule))
        for name in ("b", "a"):
            rules = (
                PolicyRule(verbs=("get",), api_groups=("",), resources=(name,)),
                PolicyRule(verbs=("get",), api_groups=("",), resources=("both",)),
            )
            await w.client.create(ClusterRole(metadata=ObjectMeta(name=name, labels={"to": "all"}), rules=rules))
        await w.rest()
        held = await w.client.get(ClusterRole, "all")
        assert [r.resources for r in held.rules or ()] == [("a",), ("both",), ("b",)]


def request(name: str, organizations: tuple[str, ...], **spec: object) -> CertificateSigningRequest:
    told = {"signer_name": signers.CLIENT, "usages": ("digital signature", "client auth"), **spec}
    body = tls.new_request(tls.new_key(), name, organizations)
    return CertificateSigningRequest(
        metadata=ObjectMeta(name="csr"),
        spec=CertificateSigningRequestSpec(request=body, **told),  # type: ignore[arg-type]
    )


async def test_approved_request_is_signed_and_bad_one_fails(clock: VirtualClock) -> None:
    authority = tls.new_authority("test", now=EPOCH)
    settings = Settings(signing_pair=(authority.pair.certificate, authority.pair.key))
    names = ("certificatesigningrequest-signing-controller", "certificatesigningrequest-cleaner-controller")
    async with world(clock, names, settings) as w:
        await w.client.create(request("jane", ("devs",), expiration_seconds=3600))
        bad = request("jane", ("devs",), signer_name=signers.CLIENT_KUBELET)
        await w.client.create(replace(bad, metadata=ObjectMeta(name="bad")))
        for csr in await w.all(CertificateSigningRequest, ""):
            told = control.condition("Approved", "Test", "", clock.now())
            await w.status(csr, "approval", conditions=(told,))
        await w.rest()
        signed = await w.client.get(CertificateSigningRequest, "csr")
        found = tls.inspect(signed.status.certificate)
        assert (found.common_name, found.organizations) == ("jane", ("devs",))
        assert round(found.not_after - clock.now()) in range(3590, 3601)
        failed = await w.client.get(CertificateSigningRequest, "bad")
        assert [(c.type, c.reason) for c in failed.status.conditions][-1] == ("Failed", "SignerValidationFailure")
        await clock.advance(3700)
        assert not await w.all(CertificateSigningRequest, "")


@pytest.mark.parametrize(
    ("name", "user", "expected"),
    [
        ("system:node:a", "system:node:a", ["selfnodeclient", "nodeclient"]),
        ("system:node:a", "system:bootstrap:x", ["nodeclient"]),
        ("jane", "jane", []),
    ],
)
def test_kubelets_are_recognized(name: str, user: str, expected: list[str]) -> None:
    csr = request(name, ("system:nodes",), signer_name=signers.CLIENT_KUBELET, username=user)
    assert [subresource for subresource, _ in control.recognized(csr)] == expected


async def test_kubelet_is_approved_after_a_review(clock: VirtualClock) -> None:
    async with world(clock, ("certificatesigningrequest-approving-controller",)) as w:
        usual = w.client.create

        async def create(obj: object, *, dry_run: bool = False) -> object:
            if isinstance(obj, SubjectAccessReview):
                return replace(obj, status=replace(obj.status, allowed=True))
            return await usual(obj, dry_run=dry_run)  # type: ignore[type-var]

        w.client.create = create  # type: ignore[assignment, method-assign]
        name = "system:node:a"
        await w.client.create(request(name, ("system:nodes",), signer_name=signers.CLIENT_KUBELET, username=name))
        await w.rest()
        (held,) = await w.all(CertificateSigningRequest, "")
        assert [(c.type, c.reason) for c in held.status.conditions] == [("Approved", "AutoApproved")]


def volume(name: str, size: str, **spec: object) -> PersistentVolume:
    return PersistentVolume(
        metadata=ObjectMeta(name=name, uid=name),
        spec=PersistentVolumeSpec(
            capacity={"storage": parse(size)},
            access_modes=("ReadWriteOnce",),
            persistent_volume_reclaim_policy="Retain",
            host_path=HostPathVolumeSource(path="/tmp/v"),
            **spec,  # type: ignore[arg-type]
        ),
        status=PersistentVolumeStatus(phase="Available"),
    )


def claim(size: str) -> PersistentVolumeClaim:
    requests = VolumeResourceRequirements(requests={"storage": parse(size)})
    return PersistentVolumeClaim(
        metadata=ObjectMeta(name="data", namespace="ns"),
        spec=PersistentVolumeClaimSpec(access_modes=("ReadWriteOnce",), resources=requests),
    )


async def test_claim_is_bound_protected_and_released(clock: VirtualClock) -> None:
    names = (
        "persistentvolume-binder-controller",
        "persistentvolumeclaim-protection-controller",
        "persistentvolume-protection-controller",
    )
    async with world(clock, names) as w:
        await w.client.create(claim("1Gi"))
        await w.rest()
        assert (await w.all(PersistentVolumeClaim))[0].status.phase == "Pending"
        assert any(reason == "FailedBinding" for reason, _ in await w.events())
        await w.client.create(replace(volume("v", "2Gi"), status=PersistentVolumeStatus()))
        await w.rest()
        (held,) = await w.all(PersistentVolumeClaim)
        (bound,) = await w.all(PersistentVolume, "")
        assert (held.status.phase, held.spec.volume_name, str(held.status.capacity["storage"])) == ("Bound", "v", "2Gi")
        assert bound.status.phase == "Bound"
        assert bound.spec.claim_ref is not None
        assert bound.spec.claim_ref.uid == held.metadata.uid
        source = PersistentVolumeClaimVolumeSource(claim_name="data")
        spec = PodSpec(containers=RUNS, node_name="n", volumes=(Volume(name="d", persistent_volume_claim=source),))
        await w.client.create(Pod(metadata=ObjectMeta(name="user", namespace="ns"), spec=spec))
        await w.rest()
        await w.client.delete(PersistentVolumeClaim, "data", "ns")
        await w.rest()
        assert await w.all(PersistentVolumeClaim)
        await w.client.delete(Pod, "user", "ns", grace_period_seconds=0)
        await w.rest()
        assert not await w.all(PersistentVolumeClaim)
        assert (await w.all(PersistentVolume, ""))[0].status.phase == "Released"
        await w.client.delete(PersistentVolume, "v")
        await w.rest()
        assert not await w.all(PersistentVolume, "")


async def test_a_claim_without_a_class_gets_the_default_when_there_is_one(clock: VirtualClock) -> None:
    async with world(clock, ("persistentvolume-binder-controller",)) as w:
        waiting = claim("1Gi")
        named = with_meta(with_spec(claim("1Gi"), storage_class_name=""), name="none")
        await w.client.create(waiting)
        await w.client.create(named)
        await w.rest()
        default = {"storageclass.kubernetes.io/is-default-class": "true"}
        await w.client.create(
            StorageClass(
                metadata=ObjectMeta(name="fast", annotations=default),
                provisioner="example.com/p",
                volume_binding_mode="WaitForFirstConsumer",
                reclaim_policy="Delete",
            )
        )
        await w.rest()
        found = {c.metadata.name: c.spec.storage_class_name for c in await w.all(PersistentVolumeClaim)}
        assert found == {"data": "fast", "none": ""}
        text = "waiting for first consumer to be created before binding"
        assert ("WaitForFirstConsumer", text) in await w.events()


async def test_a_claim_that_names_a_volume_which_does_not_suit_it(clock: VirtualClock) -> None:
    async with world(clock, ("persistentvolume-binder-controller",)) as w:
        await w.client.create(replace(volume("v", "1Gi"), status=PersistentVolumeStatus()))
        await w.client.create(with_spec(claim("2Gi"), volume_name="v"))
        await w.rest()
        text = 'Cannot bind to requested volume "v": requested PV is too small'
        assert ("VolumeMismatch", text) in await w.events()
        assert (await w.all(PersistentVolumeClaim))[0].status.phase == "Pending"


async def test_service_range_stays_while_its_addresses_are_used(clock: VirtualClock) -> None:
    async with world(clock, ("service-cidr-controller",)) as w:
        await w.client.create(ServiceCIDR(metadata=ObjectMeta(name="r"), spec=ServiceCIDRSpec(cidrs=("10.1.0.0/24",))))
        user = IPAddressSpec(parent_ref=ParentReference(resource="services", namespace="ns", name="s"))
        await w.client.create(IPAddress(metadata=ObjectMeta(name="10.1.0.7"), spec=user))
        await w.rest()
        held = await w.client.get(ServiceCIDR, "r")
        assert held.status.conditions[0].message == "Kubernetes Service CIDR is ready"
        await w.client.delete(ServiceCIDR, "r")
        await w.rest()
        held = await w.client.get(ServiceCIDR, "r")
        assert (held.status.conditions[0].status, held.status.conditions[0].reason) == ("False", "Terminating")
        await w.client.delete(IPAddress, "10.1.0.7")
        await w.rest()
        assert "r" not in [r.metadata.name for r in await w.all(ServiceCIDR, "")]


async def test_tokens_sign_and_expire(clock: VirtualClock) -> None:
    async with world(clock, ("token-cleaner-controller", "bootstrap-signer-controller")) as w:
        info = ConfigMap(metadata=ObjectMeta(name="cluster-info", namespace="kube-public"), data={"kubeconfig": "x"})
        await w.client.create(info)
        data = {
            "token-id": b"abcdef",
            "token-secret": b"0123456789abcdef",
            "usage-bootstrap-signing": b"true",
            "expiration": b"2026-01-01T00:01:00Z",
        }
        meta = ObjectMeta(name="bootstrap-token-abcdef", namespace="kube-system")
        await w.client.create(Secret(metadata=meta, type=bootstrap_tokens.TYPE, data=data))
        await w.rest()
        (held,) = await w.all(ConfigMap, "kube-public")
        assert held.data["jws-kubeconfig-abcdef"].count(".") == 2
        await clock.advance(61)
        assert not await w.all(Secret, "kube-system")
        assert set((await w.all(ConfigMap, "kube-public"))[0].data) == {"kubeconfig"}


async def test_nodes_learn_their_time_to_live(clock: VirtualClock) -> None:
    async with world(clock, ("ttl-controller",)) as w:
        await w.client.create(Node(metadata=ObjectMeta(name="a")))
        await w.rest()
        (node,) = await w.all(Node, "")
        assert node.metadata.annotations == {"node.alpha.kubernetes.io/ttl": "0"}


async def test_token_secrets_are_filled_and_go_with_their_account(clock: VirtualClock) -> None:
    signer = jwt.Signer(tls.new_key())
    settings = Settings(token_signer=signer, cluster_authority="PEM")
    async with world(clock, ("serviceaccount-token-controller",), settings) as w:
        await w.client.create(ServiceAccount(metadata=ObjectMeta(name="robot", namespace="ns")))
        notes = {"kubernetes.io/service-account.name": "robot"}
        kind = "kubernetes.io/service-account-token"
        await w.client.create(Secret(metadata=ObjectMeta(name="t", namespace="ns", annotations=notes), type=kind))
        await w.rest()
        (held,) = await w.all(Secret)
        assert (held.data["namespace"], held.data["ca.crt"]) == (b"ns", b"PEM")
        _, claims = jwt.read_unverified(held.data["token"].decode())
        assert claims["sub"] == "system:serviceaccount:ns:robot"
        await w.client.delete(ServiceAccount, "robot", "ns")
        await w.rest()
        assert not await w.all(Secret)


async def test_ephemeral_volumes_get_their_claims(clock: VirtualClock) -> None:
    async with world(clock, ("ephemeral-volume-controller",)) as w:
        source = EphemeralVolumeSource(volume_claim_template=PersistentVolumeClaimTemplate(spec=claim("1Gi").spec))
        spec = PodSpec(containers=RUNS, volumes=(Volume(name="v", ephemeral=source),))
        pod = await w.client.create(Pod(metadata=ObjectMeta(name="p", namespace="ns"), spec=spec))
        await w.rest()
        (held,) = await w.all(PersistentVolumeClaim)
        assert held.metadata.name == "p-v"
        assert held.metadata.owner_references[0].uid == pod.metadata.uid


async def test_attribute_classes_stay_while_named(clock: VirtualClock) -> None:
    names = ("volumeattributesclass-protection-controller", "persistentvolumeclaim-protection-controller")
    async with world(clock, names) as w:
        for name in ("free", "named"):
            await w.client.create(
                VolumeAttributesClass(metadata=ObjectMeta(name=name), driver_name="d", parameters={"a": "b"})
            )
        user = claim("1Gi")
        await w.client.create(replace(user, spec=replace(user.spec, volume_attributes_class_name="named")))
        await w.rest()
        for held in await w.all(VolumeAttributesClass, ""):
            assert held.metadata.finalizers == ("kubernetes.io/vac-protection",)
        for name in ("free", "named"):
            await w.client.delete(VolumeAttributesClass, name)
        await w.rest()
        assert [c.metadata.name for c in await w.all(VolumeAttributesClass, "")] == ["named"]
        await w.client.delete(PersistentVolumeClaim, user.metadata.name, "ns")
        await w.rest()
        assert not await w.all(VolumeAttributesClass, "")
