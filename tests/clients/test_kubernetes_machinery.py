"""The official Python client's machinery: every list call, informers, election, streams."""

from __future__ import annotations

import inspect
import os
import pathlib
import re
import subprocess
import sys

import pytest
from kubernetes import client, utils, watch
from kubernetes.informer import ADDED, DELETED, MODIFIED, SharedInformer
from kubernetes.stream import portforward, stream

from tests.clients.objects import config_map, deployment, eventually, pod

pytestmark = pytest.mark.clients
SINCE_1_37 = ("cluster_trust_bundle", "pod_certificate_request", "device_taint_rule")
CANDIDATE = pathlib.Path(__file__).with_name("candidate.py")


def running_pod(core: client.CoreV1Api, namespace: str, name: str) -> None:
    core.create_namespaced_pod(namespace, pod(name))
    eventually(lambda: core.read_namespaced_pod(name, namespace).status.phase == "Running")


def test_every_list_call_of_every_group(connection: client.ApiClient) -> None:
    served = {v.group_version for g in client.ApisApi(connection).get_api_versions().groups for v in g.versions}
    called = set()
    for name, kind in inspect.getmembers(client, inspect.isclass):
        calls = [call for call in vars(kind) if re.fullmatch(r"list_\w+(?<!_with_http_info)", call)]
        if not re.fullmatch(r"\w+V\d\w*Api", name) or not calls:
            continue
        where = re.search(r"/apis/([\w.]+/\w+)/", pathlib.Path(inspect.getfile(kind)).read_text())
        if where is None or where[1] in served:  # the core group is always there
            for call in calls:
                if any(newer in call for newer in SINCE_1_37):
                    continue
                method = getattr(kind(connection), call)
                # it refuses events without eventTime, which all servers have: those stay undecoded
                options = {"_preload_content": name != "EventsV1Api"}
                assert method("default", **options) if "_namespaced_" in call else method(**options)
                called.add((name, call))
    assert len(called) >= 88, called


def test_an_informer_hears_of_every_change(core: client.CoreV1Api, namespace: str) -> None:
    told: list[tuple[str, str]] = []
    informer = SharedInformer(core.list_namespaced_config_map, namespace=namespace, label_selector="seen")
    for kind in (ADDED, MODIFIED, DELETED):
        informer.add_event_handler(kind, lambda obj, kind=kind: told.append((kind, obj.metadata.name)))
    body = config_map("seen") | {"metadata": {"name": "seen", "labels": {"seen": "yes"}}}
    core.create_namespaced_config_map(namespace, body)
    informer.start()
    eventually(lambda: told == [(ADDED, "seen")])
    core.patch_namespaced_config_map("seen", namespace, {"data": {"a": "b"}})
    eventually(lambda: (MODIFIED, "seen") in told)
    core.delete_namespaced_config_map("seen", namespace)
    eventually(lambda: told == [(ADDED, "seen"), (MODIFIED, "seen"), (DELETED, "seen")])
    assert informer.cache.list() == []
    core.create_namespaced_config_map(namespace, body)  # the watch wakes up, and sees that it shall end
    informer.stop()


def test_a_leader_is_followed(kubeconfig: pathlib.Path, namespace: str) -> None:
    environment = os.environ | {"KUBECONFIG": str(kubeconfig)}

    def candidate(name: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(CANDIDATE), name, namespace]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    with candidate("first") as first:
        assert first.stdout
        assert first.stdout.readline() == "first leads\n"
        with candidate("second") as second:
            first.kill()
            assert second.stdout
            assert second.stdout.readline() == "second leads\n"
            second.kill()


def test_exec_takes_input_and_tells_the_code(core: client.CoreV1Api, namespace: str) -> None:
    running_pod(core, namespace, "shell")

    def run(*command: str, stdin: bool = False) -> object:
        return stream(
            core.connect_get_namespaced_pod_exec, "shell", namespace, command=list(command),
            stdin=stdin, stdout=True, stderr=True, tty=False, _preload_content=False,
        )  # fmt: skip

    session = run("cat", stdin=True)
    session.write_stdin("in and out\n")
    assert session.readline_stdout(timeout=10) == "in and out"
    session.close()
    failed = run("sh", "-c", "exit 3")
    failed.run_forever(timeout=10)
    assert failed.returncode == 3
    for one in (session, failed):
        one.sock.shutdown()  # the client itself leaves its socket to the garbage collector


def test_forwards_a_port(core: client.CoreV1Api, namespace: str) -> None:
    running_pod(core, namespace, "web")
    forward = portforward(core.connect_get_namespaced_pod_portforward, "web", namespace, ports="80")
    socket = forward.socket(80)
    socket.sendall(b"GET / HTTP/1.0\r\n\r\n")
    assert b"simulated pod web" in socket.recv(65536)
    assert forward.error(80) is None
    forward.close()
    eventually(lambda: not forward.websocket.connected)
    forward.websocket.shutdown()  # as above


def test_follows_a_log(core: client.CoreV1Api, namespace: str) -> None:
    body = pod("teller")
    body["metadata"]["annotations"] = {"pilothouse.io/simulate-log": "one\ntwo"}
    core.create_namespaced_pod(namespace, body)
    eventually(lambda: core.read_namespaced_pod("teller", namespace).status.phase == "Running")
    lines, watching = [], watch.Watch()
    for line in watching.stream(core.read_namespaced_pod_log, "teller", namespace):
        lines.append(line)
        if len(lines) == 2:
            watching.stop()
            core.delete_namespaced_pod("teller", namespace, grace_period_seconds=0)
    assert lines == ["one", "two"]


def test_creates_from_a_file(connection: client.ApiClient, core: client.CoreV1Api, namespace: str) -> None:
    utils.create_from_dict(
        connection, {"kind": "List", "apiVersion": "v1", "items": [config_map("a"), deployment("web", 0)]},
        namespace=namespace,
    )  # fmt: skip
    assert core.read_namespaced_config_map("a", namespace)
    with pytest.raises(utils.FailToCreateError, match="AlreadyExists"):
        utils.create_from_dict(connection, config_map("a"), namespace=namespace)
