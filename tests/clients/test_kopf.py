"""kopf: an operator in a process of its own hears of changes, writes back, and holds a deletion up until it is done."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from tests.clients.objects import config_map, eventually, pod

pytestmark = pytest.mark.clients
OPERATOR = pathlib.Path(__file__).with_name("operator_of_config_maps.py")


@pytest.fixture
def output(kubeconfig: pathlib.Path, namespace: str, tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """What the running operator prints."""
    log = tmp_path / "log"
    command = [sys.executable, "-m", "kopf", "run", "--standalone", "--namespace", namespace, str(OPERATOR)]
    environment = os.environ | {"KUBECONFIG": str(kubeconfig)}
    with (
        log.open("w") as file,
        subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT) as running,
    ):
        yield log
        running.send_signal(signal.SIGINT)
        assert running.wait(10) == 0, log.read_text()


def test_an_operator_runs(kubeconfig: pathlib.Path, namespace: str, output: pathlib.Path) -> None:
    with config.new_client_from_config(str(kubeconfig)) as connection:
        core = client.CoreV1Api(connection)

        def seen(what: str) -> bool:
            return core.read_namespaced_config_map("mine", namespace).data.get("seen") == what

        def missing() -> bool:
            try:
                core.read_namespaced_config_map("mine", namespace)
            except ApiException as error:
                return bool(error.status == 404)
            return False

        labels = {"metadata": {"name": "mine", "labels": {"operated": "yes"}}}
        core.create_namespaced_config_map(namespace, config_map("mine", colour="blue") | labels)
        eventually(lambda: seen("created"))
        core.patch_namespaced_config_map("mine", namespace, {"data": {"colour": "red"}})
        eventually(lambda: seen("changed to red"))
        core.delete_namespaced_config_map("mine", namespace)
        eventually(missing)
        assert "gone: mine" in output.read_text()
        connection.rest_client.pool_manager.clear()


def test_timers_daemons_retries_and_children(core: client.CoreV1Api, namespace: str, output: pathlib.Path) -> None:
    def make(name: str) -> None:
        metadata = {"name": name, "labels": {name: "yes"}}
        core.create_namespaced_config_map(namespace, config_map(name, a="1") | {"metadata": metadata})

    def data(name: str) -> dict[str, str]:
        return dict(core.read_namespaced_config_map(name, namespace).data)

    for name in ("ticked", "watched", "retried", "parent"):
        make(name)
    core.create_namespaced_pod(namespace, pod("seen"))
    eventually(lambda: data("retried").get("tries") == "2")
    eventually(lambda: int(data("ticked").get("ticks", "0")) >= 3)
    eventually(lambda: "watching: watched" in output.read_text())
    assert core.read_namespaced_config_map("watched", namespace).metadata.finalizers
    core.delete_namespaced_config_map("watched", namespace)
    eventually(lambda: "no longer watching: watched" in output.read_text())
    eventually(lambda: "pod seen: " in output.read_text())
    eventually(lambda: "child" in {one.metadata.name for one in core.list_namespaced_config_map(namespace).items})
    core.delete_namespaced_config_map("parent", namespace)
    eventually(lambda: "child" not in {one.metadata.name for one in core.list_namespaced_config_map(namespace).items})
    # kopf sends events in the background, and again when it did not hear that one had arrived.
    eventually(lambda: {one.message for one in adopted(core, namespace)} == {"the child is here"})


def adopted(core: client.CoreV1Api, namespace: str) -> list[client.CoreV1Event]:
    return list(core.list_namespaced_event(namespace, field_selector="reason=Adopted").items)
