"""Numbers that clients write as text: of any length and script, at every place that reads one."""

from __future__ import annotations

import pytest

from pilothouse.api import integers, quantity, selectors
from pilothouse.api.errors import StatusError
from pilothouse.api.types.apps.v1 import DaemonSet, ReplicaSet
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.core.v1 import Container, ContainerPort, Pod, PodSpec, PodStatus, ResourceRequirements
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.request import options, query
from pilothouse.apiserver.streaming.targets import pod_place
from pilothouse.controllers.deployment import revisions
from pilothouse.kinds.apps import daemonset, workload
from pilothouse.kinds.core.podspec import annotated, defaults, resources
from pilothouse.kinds.strategy import Write
from pilothouse.kubelet.handlers import BadPort, port_number
from pilothouse.kubelet.server.host import Refused
from pilothouse.kubelet.server.port_forward import ports_of
from pilothouse.semantics.amounts import scaled

LONG = "9" * 5000
ODD = ("²", "٣", "๓", "1_0", "", "+", "-", "--1", " 1", "1 ", "0x1", LONG, f"-{LONG}", f"1{LONG}")
QUANTITIES = (LONG, "1" + "0" * 400, f"0.{LONG}", "1e30", "100000000000E", f"{'9' * 40}.0001", f"-{LONG}", f"{LONG}Ki")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("007", 7),
        ("-12", -12),
        ("+3", 3),
        ("0" * 5000 + "8", 8),
        (LONG, integers.BEYOND),
        (f"-{LONG}", -integers.BEYOND),
        (str(2**64 - 1), 2**64 - 1),
        ("²", None),
        ("٣", None),
        ("1_0", None),
        ("", None),
        ("-", None),
        ("1\n", None),
    ],
)
def test_an_integer_is_what_strconv_reads(text: str, number: int | None) -> None:
    assert integers.integer(text) == number


@pytest.mark.parametrize("text", ODD)
def test_a_number_of_a_request_is_refused_and_never_fails(text: str) -> None:
    with pytest.raises(StatusError) as limit:
        query.parse_int(text)
    assert limit.value.status.code == 400
    if text:
        with pytest.raises(StatusError) as revision:
            options.list_revision(text)
        assert revision.value.status.code == 400
        with pytest.raises(StatusError):
            options.exact_revision(text)


@pytest.mark.parametrize("text", ODD)
def test_a_port_is_refused_and_never_fails(text: str) -> None:
    pod = Pod(metadata=ObjectMeta(name="p"), spec=PodSpec(), status=PodStatus(pod_ip="10.0.0.1"))
    if text:
        with pytest.raises(StatusError):
            pod_place(pod, "", text)
    with pytest.raises(Refused):
        ports_of([text])
    with pytest.raises(BadPort):
        port_number(Container(ports=(ContainerPort(name="web", container_port=1),)), text)


@pytest.mark.parametrize("text", ODD)
def test_a_number_in_an_object_never_fails(text: str) -> None:
    cost = {annotated.DELETION_COST: text}
    assert annotated.validate("metadata.annotations", cost, PodSpec())
    generation = DaemonSet(metadata=ObjectMeta(annotations={daemonset.TEMPLATE_GENERATION: text}))
    made = daemonset.prepare_create(generation, Write(user=UserInfo(), now=0.0))
    assert made.metadata.annotations[daemonset.TEMPLATE_GENERATION] == "1"
    workload.at_most_whole("maxSurge", f"{text}%")
    workload.amount(f"{text}%")
    rs = ReplicaSet(metadata=ObjectMeta(annotations={revisions.REVISION: text, revisions.DESIRED: text}))
    revisions.number(rs)
    revisions.annotation_number(rs, revisions.DESIRED)
    if text == text.strip():
        with pytest.raises(selectors.SelectorError):
            selectors.parse_labels(f"a>{text}")


def test_a_percentage_of_any_length_is_a_share() -> None:
    assert scaled(f"{LONG}%", 3, round_up=True) > 0


@pytest.mark.parametrize("text", QUANTITIES)
def test_a_quantity_of_any_size_is_an_amount_of_a_resource(text: str) -> None:
    found = quantity.parse(text)
    asked = dict.fromkeys(("cpu", "memory", "example.com/device", "hugepages-2Mi", f"hugepages-{'9' * 50}"), found)
    filled = defaults.requirements(ResourceRequirements(limits=asked)).limits
    for name in filled:
        assert filled[name].is_multiple(defaults.MILLI)
        assert filled[name] >= found
        resources.amount("limits", name, filled[name])
    assert defaults.rounded({"cpu": quantity.parse("0.0001")})["cpu"].text == "1m"


def test_digits_beyond_the_limit_do_not_make_a_quantity_small() -> None:
    assert quantity.parse("1" + "0" * 400) == quantity.parse("9" * 60)
    assert quantity.parse("1" + "0" * 400 + "Ki").integer() == 2**63 - 1
    assert quantity.parse("0" * 400 + "7").integer() == 7
