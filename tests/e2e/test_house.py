"""Clusters come and go: nothing is left behind, failures roll back, two live side by side, `up` repairs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable

import pytest
import yaml

from pilothouse.house.clusters import Clusters
from pilothouse.house.steps import Injected
from pilothouse.seams.house import UpRequest
from tests.e2e import web
from tests.e2e.cluster import Cluster, eventually, fetch, load
from tests.e2e.machine import added, snapshot

pytestmark = pytest.mark.e2e


Other = Callable[[str], Cluster]


class Silent:
    """Progress for nobody."""

    def started(self, step: str) -> None: ...
    def finished(self, step: str, seconds: float) -> None: ...
    def failed(self, step: str, message: str) -> None: ...

    def abandoned(self, step: str) -> None: ...
    def note(self, message: str) -> None: ...


def left_of(name: str, before: dict[str, set[str]], home: pathlib.Path) -> dict[str, list[str]]:
    """What the machine has more than before that can be the cluster's: other clusters live meanwhile."""
    marks = (f"-{name}-", f"/{name}", f" {name}", hashlib.sha256(name.encode()).hexdigest()[:6])
    found = added(before, snapshot(home))
    return {sort: kept for sort, items in found.items() if (kept := [i for i in items if any(m in i for m in marks)])}


def test_down_leaves_nothing_behind(home: pathlib.Path, other: Other) -> None:
    one = other("gone")
    config = home / "kubeconfig"
    before, config_before = snapshot(home), config.read_text() if config.exists() else ""
    one.pilothouse("up", "--nodes", "2")
    one.pilothouse("image", "load", str(web.archive(home / "all.tar")))
    one.apply(web.manifest())
    one.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    while_up = left_of("gone", before, home)
    assert set(while_up) == {
        "processes",
        "network namespaces",
        "links",
        "routes",
        "mounts",
        "cgroups",
        "nft rules",
        "files",
    }
    one.pilothouse("down")
    (home / "all.tar").unlink()
    assert left_of("gone", before, home) == {}
    assert (config.read_text() if config.exists() else "") == config_before


STEPS = ("write down", "make certificates", "connect the nodes", "start the control plane", "switch kubectl")


@pytest.mark.parametrize("step", STEPS)
def test_a_failure_after_any_step_leaves_the_machine_as_it_was(
    home: pathlib.Path, other: Other, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = other("broken")
    for name in ("PILOTHOUSE_HOME", "KUBECONFIG"):
        monkeypatch.setenv(name, one.environment[name])
    config = home / "kubeconfig"
    before, config_before = snapshot(home), config.read_text() if config.exists() else ""
    with pytest.raises(Injected):
        Clusters(fail_after=step).up(UpRequest("broken", 1, "containerd"), Silent())
    assert left_of("broken", before, home) == {}
    assert (config.read_text() if config.exists() else "") == config_before


def test_a_second_cluster_comes_and_goes_without_a_dropped_request(
    home: pathlib.Path, other: Other, cluster: Cluster
) -> None:
    cluster.apply(web.manifest())
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    port = int(cluster.get("service", "web")["spec"]["ports"][0]["nodePort"])
    second = other("second")
    with load([(address, port) for address in cluster.node_addresses()]) as (answers, failures):
        second.pilothouse("up", "--nodes", "1")
        second.pilothouse("image", "load", str(home / "web.tar"))
        second.apply(web.manifest(replicas=1, version="other"))
        second.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
        second_port = int(second.get("service", "web")["spec"]["ports"][0]["nodePort"])
        assert fetch(second.node_addresses()[0], second_port).startswith("other ")
        assert yaml.safe_load((home / "kubeconfig").read_text())["current-context"] == "pilothouse-second"
        second.pilothouse("down")
        assert yaml.safe_load((home / "kubeconfig").read_text())["current-context"] == "pilothouse-e2e"
    assert failures == []
    assert sum(answers.values()) > 50


def test_a_simulated_cluster_needs_no_root_and_changes_its_size(home: pathlib.Path, other: Other) -> None:
    one = other("sim")
    one.pilothouse("up", "--runtime", "simulated", "--nodes", "0")
    assert one.get("nodes")["items"] == []
    settings = home / "kubelet.yaml"
    settings.write_text("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nmaxPods: 50\n")
    one.pilothouse("up", "--nodes", "3", "--kubelet-config", str(settings))
    eventually(lambda: len(one.get("nodes")["items"]) == 3, 10, "three nodes")
    assert {node["status"]["capacity"]["pods"] for node in one.get("nodes")["items"]} == {"50"}
    one.kubectl("wait", "nodes", "--all", "--for=condition=Ready", "--timeout=20s")
    one.kubectl("create", "deployment", "web", "--image=example.com/web:1", "--replicas=5")
    one.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    status = json.loads(one.pilothouse("status", "-o", "json").stdout)
    assert status["ready"]
    assert [n["ready"] for n in status["nodes"]] == [True] * 3
    os.kill(one.process("control-plane"), signal.SIGKILL)
    one.pilothouse("up")
    eventually(lambda: one.get("deployment", "web")["status"].get("readyReplicas") == 5, 20, "five replicas again")
    one.pilothouse("up", "--nodes", "1")
    assert [node["metadata"]["name"] for node in one.get("nodes")["items"]] == ["node-1"]
    pods = eventually(lambda: len(found := one.pods("app=web")) == 5 and found, 20, "five pods")
    assert {pod["spec"].get("nodeName") for pod in pods} == {"node-1"}
    one.pilothouse("down")


@pytest.mark.parametrize("runtime", ["simulated", "containerd"])
def test_what_dies_is_started_again_and_told(home: pathlib.Path, other: Other, runtime: str) -> None:
    one = other("dies")
    one.pilothouse("up", "--runtime", runtime, "--nodes", "1")
    for component in ("control-plane", *(["node-1"] if runtime == "containerd" else [])):
        first = one.process(component)
        os.kill(first, signal.SIGKILL)
        eventually(lambda c=component, f=first: restarted(one, c) and one.process(c) != f, 30, f"{component} again")
        eventually(lambda: one.pilothouse("status", check=False).returncode == 0, 60, "all is ready again")
    os.kill(one.process("supervisor"), signal.SIGKILL)
    stopped = one.pilothouse("status", check=False)
    assert (stopped.returncode, "the supervisor is stopped" in stopped.stdout) == (1, True)
    one.pilothouse("up")
    assert one.pilothouse("status").returncode == 0
    one.pilothouse("down")
    assert not (home / "state/dies").exists()


def restarted(one: Cluster, component: str) -> bool:
    status = json.loads(one.pilothouse("status", "-o", "json", check=False).stdout)
    return any(process["name"] == component and process["restarts"] for process in status["processes"])


def test_a_real_node_is_drained_and_leaves_nothing(home: pathlib.Path, other: Other) -> None:
    one = other("shrinks")
    one.pilothouse("up", "--nodes", "1")
    one.pilothouse("image", "load", str(web.archive(home / "shrinks.tar")))
    (home / "shrinks.tar").unlink()
    grown = one.pilothouse("up", "--nodes", "2")
    assert "import loaded images on 1 node" in grown.stderr
    one.apply(web.manifest())
    one.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    on_both = {pod["spec"]["nodeName"] for pod in one.pods("app=web")}
    assert on_both == {"node-1", "node-2"}, "a node that came after `image load` has its images too"
    one.pilothouse("up", "--nodes", "1")
    assert [node["metadata"]["name"] for node in one.get("nodes")["items"]] == ["node-1"]
    one.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    pods = one.pods("app=web")
    assert {pod["spec"].get("nodeName") for pod in pods} == {"node-1"}
    ready = {pod["status"]["podIP"] for pod in pods}
    eventually(lambda: one.endpoints("web") == ready, 20, "endpoints on node-1 alone")
    assert not (home / "state/shrinks/nodes/node-2").exists()
    one.pilothouse("down")


def test_a_node_that_cannot_be_read_is_mended_by_the_api(home: pathlib.Path, other: Other) -> None:
    """What the store has of a node keeps it from being ready; the API that could delete it must stay."""
    one = other("poisoned")
    one.pilothouse("up", "--runtime", "simulated", "--nodes", "1")
    os.kill(one.process("supervisor"), signal.SIGKILL)
    os.kill(one.process("control-plane"), signal.SIGKILL)
    store = home / "state/poisoned/store.db"
    with contextlib.closing(sqlite3.connect(store)) as database, database:
        database.execute("update log set value = x'7b7d' where key like '%minions/node-1'")
    failed = one.pilothouse("up", "--timeout", "15", check=False)
    assert failed.returncode == 1
    assert "node-1 is not ready" in failed.stderr
    assert "its API is served" in failed.stderr
    option = "ignoreStoreReadErrorWithClusterBreakingPotential=true"
    one.kubectl("delete", "--raw", f"/api/v1/nodes/node-1?{option}")
    one.pilothouse("up")  # waits for the node, which makes its object anew
    one.pilothouse("down")


def test_a_port_that_another_took_meanwhile(home: pathlib.Path, other: Other) -> None:
    """A new cluster takes another port; one that exists cannot, and says who to look for."""
    one = other("robbed")
    one.pilothouse("up", "--runtime", "simulated", "--nodes", "0")
    port = json.loads((home / "state/robbed/cluster.json").read_text())["api_port"]
    for component in ("supervisor", "control-plane"):
        os.kill(one.process(component), signal.SIGKILL)
    eventually(lambda: one.pilothouse("status", check=False).returncode == 1, 10, "the control plane is gone")
    with socket.create_server(("127.0.0.1", port)):
        refused = one.pilothouse("up", check=False)
    assert refused.returncode == 1
    assert f"pilothouse: another program has port {port}" in refused.stderr
    assert f"ss -ltnp 'sport = :{port}'" in refused.stderr
    one.pilothouse("up")
    one.pilothouse("down")


def test_words_for_what_cannot_be_done(other: Other) -> None:
    nobody = other("nobody")
    for arguments, words in (
        (["status"], "there is no cluster nobody"),
        (["kubeconfig"], "pilothouse up --name nobody"),
        (["image", "load", "/nonexistent.tar"], "there is no cluster nobody"),
        (["up", "--nodes", "many"], "is no number of nodes"),
    ):
        done = nobody.pilothouse(*arguments, check=False)
        assert done.returncode in (1, 2)
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    assert nobody.pilothouse("down").returncode == 0


def test_without_root_real_nodes_are_refused_in_words(home: pathlib.Path, other: Other) -> None:
    # The user is changed after the imports: nobody may read root's Python.
    script = "import os, sys\nfrom pilothouse.cli.commands import run\nfrom pilothouse.house import clusters, doctor\n"
    script += "os.setuid(65534)\nsys.exit(run(clusters.Clusters(), sys.argv[1:]))"
    one = other("plain")
    environment = {**one.environment, "PILOTHOUSE_HOME": f"{home}/nobody"}
    (home / "nobody").mkdir(mode=0o777)
    os.chown(home / "nobody", 65534, 65534)
    home.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", script, "up", "--name", "plain"],
        env=environment, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == 1, done
    assert "root: no" in done.stderr
    assert "Traceback" not in done.stderr
