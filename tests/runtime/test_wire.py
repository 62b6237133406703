"""CRI messages on the wire, and what events and configurations come to."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.kit.protowire import decode, encode
from pilothouse.runtime.containerd import events, translate
from pilothouse.runtime.containerd.channel import camel
from pilothouse.runtime.containerd.config import ContainerdPaths, render
from pilothouse.runtime.containerd.session import exit_status
from pilothouse.runtime.generated import cri
from pilothouse.seams import runtime as seam
from pilothouse.seams.streams import ExitStatus


def test_a_sandbox_config_comes_back_as_it_went() -> None:
    config = seam.SandboxConfig(
        name="p",
        namespace="n",
        uid="u",
        attempt=3,
        hostname="h",
        log_directory="/l",
        dns=seam.DNSConfig(("1.1.1.1",), ("a", "b"), ("ndots:5",)),
        port_mappings=(seam.PortMapping("UDP", 53, 5353),),
        labels={"a": "b", "": ""},
        security=seam.SandboxSecurity(run_as_user=0, supplemental_groups=(1, 2**40)),
    )
    message = translate.sandbox_config(config)
    assert decode(encode(message, cri.FIELDS), cri.PodSandboxConfig, cri.FIELDS) == message


def test_numbers_below_nought_and_unset_messages() -> None:
    message = cri.LinuxContainerResources(oom_score_adj=-997, cpu_quota=-1)
    assert decode(encode(message, cri.FIELDS), cri.LinuxContainerResources, cri.FIELDS) == message
    assert encode(cri.ContainerStatusResponse(), cri.FIELDS) == b""


def _block(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2, len(data)]) + data


@pytest.mark.parametrize(
    ("topic", "body", "expected"),
    [
        ("/tasks/start", _block(1, b"id"), seam.RuntimeEvent(seam.EventType.STARTED, "id")),
        ("/tasks/delete", _block(1, b"id"), seam.RuntimeEvent(seam.EventType.STOPPED, "id")),
        ("/tasks/delete", _block(1, b"id") + _block(5, b"an exec"), None),
        ("/tasks/oom", _block(1, b"id"), seam.RuntimeEvent(seam.EventType.OOM, "id")),
        ("/images/create", _block(1, b"x"), None),
    ],
)
def test_events(topic: str, body: bytes, expected: seam.RuntimeEvent | None) -> None:
    envelope = _block(2, b"k8s.io") + _block(3, topic.encode()) + _block(4, _block(1, b"type") + _block(2, body))
    assert events.event_of(envelope) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"status":"Success"}', ExitStatus(0)),
        (
            b'{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}',
            ExitStatus(7),
        ),
        (b'{"status":"Failure","message":"no such container"}', ExitStatus(-1, "no such container")),
        (b"", ExitStatus(-1, "the stream ended without a status")),
        (b"junk", ExitStatus(-1, "junk")),
    ],
)
def test_exit_status(data: bytes, expected: ExitStatus) -> None:
    assert exit_status(data) == expected


def test_status_codes_are_written_as_go_writes_them() -> None:
    assert camel("FAILED_PRECONDITION") == "FailedPrecondition"


@pytest.mark.parametrize("restrict", [True, False])
def test_everything_of_a_node_lies_below_its_folders(restrict: bool) -> None:
    import tomllib

    paths = ContainerdPaths(Path("/lib/n"), Path("/run/n"))
    found = tomllib.loads(render(paths, restrict_oom_score=restrict))
    runtime = found["plugins"]["io.containerd.grpc.v1.cri"]
    assert runtime["restrict_oom_score_adj"] is restrict
    options = runtime["containerd"]["runtimes"]["runc"]["options"]
    places = (found["root"], found["state"], found["grpc"]["address"], runtime["cni"]["conf_dir"], options["Root"])
    assert all(place.startswith(("/lib/n/", "/run/n/")) for place in places)
