"""The real kubectl's streams over WebSocket and over SPDY, on a simulated cluster: no root, no containers."""

from __future__ import annotations

import pathlib
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator

import pytest

from tests.e2e.cluster import Cluster, forwarded_port

POD = """
apiVersion: v1
kind: Pod
metadata: {name: a, annotations: {pilothouse.io/simulate-log: "one\\ntwo"}}
spec: {terminationGracePeriodSeconds: 0, containers: [{name: c, image: i}]}
"""

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def simulated() -> Iterator[Cluster]:
    home = pathlib.Path(tempfile.mkdtemp(prefix="phs-", dir="/tmp"))
    one = Cluster("streams", home)
    one.pilothouse("up", "--runtime", "simulated", "--nodes", "1")
    try:
        one.kubectl("apply", "-f", "-", stdin=POD)
        one.kubectl("wait", "--for=condition=Ready", "pod/a", "--timeout=30s")
        yield one
    finally:
        one.pilothouse("down")
        shutil.rmtree(home)


@pytest.fixture(params=["true", "false"], ids=["websocket", "spdy"])
def spoken(simulated: Cluster, request: pytest.FixtureRequest) -> Cluster:
    for name in ("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "KUBECTL_PORT_FORWARD_WEBSOCKETS"):
        simulated.environment[name] = request.param
    return simulated


def test_exec(spoken: Cluster) -> None:
    assert spoken.kubectl("exec", "a", "--", "echo", "hello").stdout == "hello\n"
    assert spoken.kubectl("exec", "a", "--", "sh", "-c", "exit 3", check=False).returncode == 3
    data = "".join(f"line {i}\n" for i in range(20_000))
    assert spoken.kubectl("exec", "-i", "a", "--", "cat", stdin=data).stdout == data


def test_port_forward(spoken: Cluster) -> None:
    command = spoken.command("port-forward", "pod/a", ":80")
    with subprocess.Popen(command, env=spoken.environment, stdout=subprocess.PIPE, text=True) as forwarding:
        try:
            port = forwarded_port(forwarding)
            for _ in range(6):
                assert b"simulated pod a" in answer(port)
        finally:
            forwarding.terminate()


def answer(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 15) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        return connection.makefile("rb").read()


def test_logs_and_refusals(simulated: Cluster) -> None:
    assert simulated.kubectl("logs", "a").stdout == "one\ntwo\n"
    assert simulated.kubectl("logs", "a", "--tail=1").stdout == "two\n"
    told = simulated.kubectl("logs", "a", "--previous", check=False).stderr
    assert told == 'Error from server (BadRequest): previous terminated container "c" in pod "a" not found\n'
    assert simulated.kubectl("get", "--raw", "/api/v1/nodes/node-1/proxy/healthz").stdout == "ok"
