"""Validation of Services, endpoints, Ingresses, policies and networks, in upstream's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.field_errors import FieldError
from pilothouse.api.types.core.v1 import Service
from pilothouse.api.types.discovery.v1 import EndpointSlice
from pilothouse.api.types.networking.v1 import Ingress, IngressClass, NetworkPolicy, ServiceCIDR
from pilothouse.kinds.core.services import defaults as service_defaults
from pilothouse.kinds.core.services import transitions
from pilothouse.kinds.core.services import validation as services
from pilothouse.kinds.discovery import endpointslice
from pilothouse.kinds.networking import ingress, ingressclass, networkpolicy, servicecidr


def told(errors: Sequence[FieldError]) -> list[str]:
    return [f"{e.path}: {e.message}" for e in errors]


def paths(errors: Sequence[FieldError]) -> list[str]:
    return [e.path for e in errors]


def policy(**rule: Any) -> NetworkPolicy:
    return networkpolicy.defaults(from_builtins({"spec": {"ingress": [rule]}}, NetworkPolicy))


@pytest.mark.parametrize(
    ("rule", "texts"),
    [
        ({"ports": [{"port": 80, "endPort": 90}, {"port": "http"}, {}]}, []),
        ({"ports": [{"port": 0}]}, ["ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"]),
        (
            {"ports": [{"port": 80, "endPort": 79}]},
            ["ports[0].endPort: Invalid value: 80: must be greater than or equal to `port`"],
        ),
        (
            {"ports": [{"port": "http", "endPort": 9}, {"endPort": 9}]},
            [
                "ports[0].endPort: Invalid value: 9: may not be specified when `port` is non-numeric",
                "ports[1].endPort: Invalid value: 9: may not be specified when `port` is not specified",
            ],
        ),
        (
            {"ports": [{"protocol": "ICMP"}]},
            ['ports[0].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"'],
        ),
        ({"from": [{}]}, ["from[0]: Required value: must specify a peer"]),
        (
            {"from": [{"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}]},
            ["from[0]: Forbidden: may not specify both ipBlock and another peer"],
        ),
        ({"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}, []),
        (
            {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8", "192.168.0.0/16", "x"]}}]},
            [
                'from[0].ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`',
                'from[0].ipBlock.except[1]: Invalid value: "192.168.0.0/16": must be a strict subset of `cidr`',
                'from[0].ipBlock.except[2]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or '
                "2001:db8::/64)",
            ],
        ),
        ({"from": [{"ipBlock": {}}]}, ["from[0].ipBlock.cidr: Required value"]),
    ],
)
def test_rules_of_network_policies(rule: dict[str, Any], texts: list[str]) -> None:
    assert told(networkpolicy.validate(policy(**rule))) == [f"spec.ingress[0].{text}" for text in texts]


def test_a_policy_keeps_the_bad_networks_that_it_has() -> None:
    old = policy(**{"from": [{"ipBlock": {"cidr": "10.0.0.1/8"}}]})
    assert paths(networkpolicy.validate(old)) == ["spec.ingress[0].from[0].ipBlock.cidr"]
    assert networkpolicy.validate_update(old, old) == []
    many = replace(old, spec=replace(old.spec, policy_types=("Ingress", "Egress", "Ingress")))
    assert told(networkpolicy.validate_update(many, old)) == [
        'spec.policyTypes: Invalid value: ["Ingress","Egress","Ingress"]: may not specify more than two policyTypes'
    ]


SERVICE = {"service": {"name": "s", "port": {"number": 80}}}


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({"defaultBackend": SERVICE}, []),
        ({"defaultBackend": {}}, ["spec.defaultBackend"]),
        (
            {"defaultBackend": {"resource": {"kind": "", "name": "a/b"}}},
            ["spec.defaultBackend.resource.kind"] * 1 + ["spec.defaultBackend.resource.name"],
        ),
        ({"defaultBackend": SERVICE, "rules": [{"host": "10.0.0.1"}]}, ["spec.rules[0].host"]),
        ({"defaultBackend": SERVICE, "rules": [{"host": "a.*.b"}]}, ["spec.rules[0].host"]),
        (
            {"defaultBackend": SERVICE, "tls": [{"hosts": ["*"], "secretName": "A"}]},
            ["spec.tls[0].hosts[0]", "spec.tls[0].secretName"],
        ),
        ({"defaultBackend": {"service": {"name": "1-digit", "port": {"name": "http"}}}}, []),
    ],
)
def test_ingresses(spec: dict[str, Any], found: list[str]) -> None:
    assert paths(ingress.validate(from_builtins({"spec": spec}, Ingress))) == found


def test_the_class_of_an_ingress_is_said_once_when_it_is_made() -> None:
    meta = {"annotations": {"kubernetes.io/ingress.class": "a"}}
    obj = from_builtins({"metadata": meta, "spec": {"ingressClassName": "b", "defaultBackend": SERVICE}}, Ingress)
    assert paths(ingress.validate(obj)) == ["annotations.kubernetes.io/ingress.class"]
    assert ingress.validate_update(obj, obj) == []


@pytest.mark.parametrize(
    ("controller", "texts"),
    [
        ("a.example.com/x", []),
        ("a.example.com", ['Invalid value: "a.example.com": must be a domain-prefixed path (such as "acme.io/foo")']),
        (
            "a.example.com/x y",
            ["Invalid value: \"x y\": Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')"],
        ),
    ],
)
def test_controllers_of_ingress_classes(controller: str, texts: list[str]) -> None:
    obj = from_builtins({"spec": {"controller": controller}}, IngressClass)
    assert [e.message for e in ingressclass.validate(obj)] == texts


def service(annotations: dict[str, str] | None = None, **spec: Any) -> Service:
    tree = {"ports": [{"port": 80}], "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], **spec}
    obj = from_builtins({"metadata": {"name": "s", "annotations": annotations or {}}, "spec": tree}, Service)
    return service_defaults.defaults(obj)


RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"


@pytest.mark.parametrize(
    ("obj", "texts"),
    [
        (service(), []),
        (service(type="LoadBalancer", ports=[{"port": 10250}]), []),
        (
            service(ports=[{"name": "a", "port": 80, "nodePort": 30000}]),
            ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
        ),
        (
            service(
                type="NodePort",
                ports=[
                    {"name": "a", "port": 80, "nodePort": 30000},
                    {"name": "b", "port": 81, "nodePort": 30000},
                    {"name": "c", "port": 81},
                ],
            ),
            [
                "spec.ports[1].nodePort: Duplicate value: 30000",
                'spec.ports[2]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":81,'
                '"TargetPort":0,"NodePort":0}',
            ],
        ),
        (
            service(clusterIPs=["10.0.0.1", "10.0.0.2"]),
            [
                'spec.clusterIPs: Invalid value: ["10.0.0.1","10.0.0.2"]: may specify no more than one IP for each IP '
                "family"
            ],
        ),
        (
            service(clusterIP="010.0.0.1", clusterIPs=["010.0.0.1", "x"]),
            [
                'spec.clusterIPs[0]: Invalid value: "010.0.0.1": must not have leading 0s',
                'spec.clusterIPs[1]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
            ],
        ),
        (
            service(clusterIP="None", clusterIPs=["None", "10.0.0.1"]),
            ['spec.clusterIPs: Invalid value: ["None","10.0.0.1"]: \'None\' must be the first and only value'],
        ),
        (
            service({RANGES: "10.0.0.0/8, x"}, type="LoadBalancer"),
            [
                f'metadata.annotations[{RANGES}]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or '
                "2001:db8::/64)"
            ],
        ),
        (
            service({RANGES: ""}),
            [f"metadata.annotations[{RANGES}]: Forbidden: may only be used when `type` is 'LoadBalancer'"],
        ),
        (
            service({"service.kubernetes.io/topology-aware-hints": "a", "service.kubernetes.io/topology-mode": "b"}),
            [
                'metadata.annotations[service.kubernetes.io/topology-mode]: Invalid value: "b": must match '
                "annotations[service.kubernetes.io/topology-aware-hints] when both are specified"
            ],
        ),
        (
            service(type="LoadBalancer", externalTrafficPolicy="Local"),
            ["spec.healthCheckNodePort: Required value"],
        ),
    ],
)
def test_services(obj: Service, texts: list[str]) -> None:
    assert told(services.validate(obj)) == texts


@pytest.mark.parametrize(
    ("new", "old", "texts"),
    [
        (
            service(clusterIP="10.0.0.2", clusterIPs=["10.0.0.2"]),
            service(),
            ['spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set'],
        ),
        (
            service(clusterIP="", clusterIPs=[]),
            service(),
            ["spec.clusterIPs[0]: Invalid value: null: primary clusterIP can not be unset"],
        ),
        (
            service(ipFamilies=["IPv6"], clusterIP="", clusterIPs=[]),
            service(ipFamilies=["IPv4"], clusterIP="", clusterIPs=[]),
            ['spec.ipFamilies[0]: Invalid value: ["IPv6"]: may not change once set'],
        ),
        (
            service(ipFamilyPolicy="PreferDualStack"),
            service(clusterIPs=["10.0.0.1", "2001:db8::1"]),
            [
                "spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be set to 'SingleStack' when releasing "
                "the secondary clusterIP"
            ],
        ),
        (
            service(type="LoadBalancer", loadBalancerClass="a b"),
            service(type="LoadBalancer", loadBalancerClass="c"),
            ['spec.loadBalancerClass: Invalid value: "a b": may not change once set'] + ["qualified"] * 2,
        ),
    ],
)
def test_changes_of_services(new: Service, old: Service, texts: list[str]) -> None:
    found = ["qualified" if "name part" in text else text for text in told(services.validate_update(new, old))]
    assert found == texts


def test_headless_services_ignore_much() -> None:
    obj = service(clusterIP="None", clusterIPs=["None"], externalIPs=["1.2.3.4"], sessionAffinity="ClientIP")
    assert services.warnings(obj) == [
        "spec.externalIPs is ignored for headless services",
        "spec.SessionAffinity is ignored for headless services",
    ]


def test_an_external_name_hides_its_internal_policy_from_reads_only() -> None:
    entry = {"manager": "m", "operation": "Update", "fieldsV1": {"f:spec": {"f:internalTrafficPolicy": {}}}}
    tree = {"metadata": {"managedFields": [entry]}, "spec": {"type": "ExternalName", "externalName": "a"}}
    obj = from_builtins(tree, Service)
    live = transitions.live(obj)
    assert live.spec.internal_traffic_policy == "Cluster"
    assert transitions.shown(live) == obj


def test_hints_of_endpoints() -> None:
    hints = {"forZones": [{"name": "z"}, {"name": "z"}], "forNodes": [{"name": "N"}] * 9}
    tree = {"addressType": "IPv4", "endpoints": [{"addresses": ["010.0.0.1"], "hints": hints}]}
    assert paths(endpointslice.validate(from_builtins(tree, EndpointSlice))) == [
        "endpoints[0].addresses[0]",
        "endpoints[0].hints.forZones[1].name",
        "endpoints[0].hints.forNodes",
    ]


def test_the_family_of_a_slice_stays_and_its_addresses_are_not_looked_at_again() -> None:
    old = from_builtins({"addressType": "IPv4", "endpoints": [{"addresses": ["10.1.1.1"]}]}, EndpointSlice)
    ports = ({"name": "a", "protocol": "TCP"},) * 2
    new = from_builtins(
        {"addressType": "IPv6", "endpoints": [{"addresses": ["10.1.1.1"]}], "ports": ports}, EndpointSlice
    )
    assert told(endpointslice.validate_update(new, old)) == [
        'ports[1].name: Duplicate value: "a"',
        'addressType: Invalid value: "IPv6": field is immutable',
    ]


@pytest.mark.parametrize(
    ("address", "texts"),
    [
        ("a.example.com.", []),
        ("", ["Required value"]),
        ("local", ['Invalid value: "local": should be a domain with at least two segments separated by dots']),
    ],
)
def test_endpoints_by_name(address: str, texts: list[str]) -> None:
    tree = {"addressType": "FQDN", "endpoints": [{"addresses": [address]}]}
    assert [e.message for e in endpointslice.validate(from_builtins(tree, EndpointSlice))] == texts


def cidrs(*found: str) -> ServiceCIDR:
    return from_builtins({"spec": {"cidrs": list(found)}}, ServiceCIDR)


@pytest.mark.parametrize(
    ("new", "old", "found"),
    [
        (cidrs("10.0.0.0/8", "2001:db8::/64"), cidrs("10.0.0.0/8"), []),
        (cidrs("10.0.0.0/8", "2001:DB8::/64"), cidrs("10.0.0.0/8"), ["spec.cidrs[1]"]),
        (cidrs("10.0.0.0/8"), cidrs("10.0.0.0/8", "2001:db8::/64"), ["spec.cidrs"]),
        (cidrs("11.0.0.0/8"), cidrs("10.0.0.0/8"), ["spec.cidrs[0]"]),
    ],
)
def test_a_service_network_may_get_a_second_family(new: ServiceCIDR, old: ServiceCIDR, found: list[str]) -> None:
    assert paths(servicecidr.validate_update(new, old)) == found
