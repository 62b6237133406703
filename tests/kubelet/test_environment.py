"""A container's environment."""

from __future__ import annotations

import pytest

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.quantity import parse
from pilothouse.api.types.core.v1 import ConfigMap, Pod, Secret, Service
from pilothouse.kubelet.environment import ConfigError, Surroundings, environment, references
from tests.kubelet.pods import container, pod


def service(name: str, namespace: str, ip: str, *ports: tuple[str, int]) -> Service:
    tree = {
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"clusterIP": ip, "ports": [{"name": n, "port": p, "protocol": "TCP"} for n, p in ports]},
    }
    return from_builtins({"kind": "Service", "apiVersion": "v1", **tree}, Service)


SERVICES = (
    service("kubernetes", "default", "10.96.0.1", ("https", 443)),
    service("my-db", "default", "10.96.0.7", ("sql", 5432), ("", 81)),
    service("elsewhere", "other", "10.96.0.8", ("a", 1)),
    service("headless", "default", "None", ("a", 1)),
)
CONFIG = ConfigMap(data={"key": "value", "other": "2"})
SECRET = Secret(data={"password": b"hunter2"})
AROUND = Surroundings(
    pod_ips=("10.1.1.2",),
    host_ips=("192.0.2.1",),
    services=SERVICES,
    config_maps={"conf": CONFIG, "gone": None},
    secrets={"sec": SECRET, "gone": None},
    allocatable={"cpu": parse("2"), "memory": parse("8Gi")},
)


def made(subject: Pod) -> dict[str, str]:
    return environment(subject, (subject.spec.containers or ())[0], AROUND)


def value(**source: object) -> str:
    return made(pod(container(env=[{"name": "X", "valueFrom": source}])))["X"]


def test_services_of_the_namespace_and_the_api_server() -> None:
    found = made(pod())
    assert found["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"
    assert found["MY_DB_SERVICE_PORT"] == "5432"
    assert found["MY_DB_SERVICE_PORT_SQL"] == "5432"
    assert found["MY_DB_PORT"] == "tcp://10.96.0.7:5432"
    assert found["MY_DB_PORT_81_TCP_ADDR"] == "10.96.0.7"
    assert not any(name.startswith(("ELSEWHERE", "HEADLESS")) for name in found)


def test_without_service_links_only_the_api_server_is_left() -> None:
    found = made(pod(enableServiceLinks=False))
    assert "KUBERNETES_SERVICE_HOST" in found
    assert "MY_DB_SERVICE_HOST" not in found


def test_later_sources_win_and_values_see_earlier_ones() -> None:
    subject = pod(
        container(
            envFrom=[{"configMapRef": {"name": "conf"}}, {"prefix": "S_", "secretRef": {"name": "sec"}}],
            env=[
                {"name": "other", "value": "3"},
                {"name": "URL", "value": "$(KUBERNETES_SERVICE_HOST)/$(key)/$(other)/$(later)"},
                {"name": "later", "value": "x"},
            ],
        )
    )
    found = made(subject)
    assert (found["key"], found["other"], found["S_password"]) == ("value", "3", "hunter2")
    assert found["URL"] == "10.96.0.1/value/3/$(later)"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"fieldRef": {"fieldPath": "metadata.name"}}, "web"),
        ({"fieldRef": {"fieldPath": "metadata.labels['a/b']"}}, "label"),
        ({"fieldRef": {"fieldPath": "metadata.labels['none']"}}, ""),
        ({"fieldRef": {"fieldPath": "status.podIP"}}, "10.1.1.2"),
        ({"fieldRef": {"fieldPath": "status.hostIP"}}, "192.0.2.1"),
        ({"fieldRef": {"fieldPath": "spec.nodeName"}}, "n1"),
        ({"resourceFieldRef": {"resource": "limits.cpu"}}, "2"),
        ({"resourceFieldRef": {"resource": "requests.memory", "divisor": "1Mi"}}, "100"),
        ({"resourceFieldRef": {"resource": "requests.cpu", "divisor": "1m"}}, "250"),
        ({"resourceFieldRef": {"resource": "requests.cpu"}}, "1"),
        ({"configMapKeyRef": {"name": "conf", "key": "key"}}, "value"),
        ({"secretKeyRef": {"name": "sec", "key": "password"}}, "hunter2"),
    ],
)
def test_values_from(source: dict[str, object], expected: str) -> None:
    one = container(
        env=[{"name": "X", "valueFrom": source}], resources={"requests": {"cpu": "250m", "memory": "100Mi"}}
    )
    assert made(pod(one, meta={"labels": {"a/b": "label"}}))["X"] == expected


def test_a_limit_that_only_the_pod_has_is_its_containers() -> None:
    one = container(env=[{"name": "X", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}}])
    assert made(pod(one, resources={"limits": {"cpu": "300m"}}))["X"] == "300"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ({"configMapKeyRef": {"name": "gone", "key": "k"}}, 'configmap "gone" not found'),
        ({"configMapKeyRef": {"name": "conf", "key": "k"}}, "couldn't find key k in ConfigMap default/conf"),
        ({"secretKeyRef": {"name": "gone", "key": "k"}}, 'secret "gone" not found'),
        ({"secretKeyRef": {"name": "sec", "key": "k"}}, "couldn't find key k in Secret default/sec"),
    ],
)
def test_what_is_missing_is_named(source: dict[str, dict[str, object]], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        value(**source)
    assert str(caught.value) == text
    optional = {kind: {**ref, "optional": True} for kind, ref in source.items()}
    assert "X" not in made(pod(container(env=[{"name": "X", "valueFrom": optional}])))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ({"configMapRef": {"name": "gone"}}, 'configmap "gone" not found'),
        ({"secretRef": {"name": "gone"}}, 'secret "gone" not found'),
    ],
)
def test_missing_env_from(source: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        made(pod(container(envFrom=[source])))
    assert str(caught.value) == text


def test_references_tell_what_has_to_be_fetched() -> None:
    one = container(
        envFrom=[{"configMapRef": {"name": "a"}}],
        env=[{"name": "X", "valueFrom": {"secretKeyRef": {"name": "b", "key": "k"}}}],
    )
    assert list(references((pod(one).spec.containers or ())[0])) == [("ConfigMap", "a"), ("Secret", "b")]
