"""kubectl of two ages does against a real cluster what its users do every day."""

from __future__ import annotations

import json
import pathlib
import shlex
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e import web
from tests.e2e.cluster import Cluster, eventually, fetch, forwarded_port
from tests.programs import kubectl_name, kubectls

pytestmark = pytest.mark.e2e
PROGRAMS = [program for program in kubectls() if kubectl_name(program) != "1.37.1"]


@pytest.fixture(scope="module", params=PROGRAMS, ids=kubectl_name)
def shop(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The cluster through one kubectl, in a namespace of its own, with the web application."""
    one = Cluster(cluster.name, cluster.home, request.param)
    namespace = f"shop-{PROGRAMS.index(request.param)}"
    one.kubectl("create", "namespace", namespace)
    one.kubectl("config", "set-context", f"pilothouse-{one.name}", f"--namespace={namespace}")
    one.apply(web.manifest(replicas=2))
    one.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    yield one
    one.kubectl("config", "set-context", f"pilothouse-{one.name}", "--namespace=default")
    one.kubectl("delete", "namespace", namespace, "--timeout=60s")


def pod(shop: Cluster) -> str:
    return str(shop.pods("app=web")[0]["metadata"]["name"])


FORMS = ("wide", "yaml", "json", "name", "jsonpath={.items[*].metadata.name}", "custom-columns=N:.metadata.name")


@pytest.mark.parametrize("form", FORMS)
def test_get_in_every_form(shop: Cluster, form: str) -> None:
    assert "web-" in shop.kubectl("get", "pods", "-o", form).stdout


def test_get_sorts_selects_and_shows_labels(shop: Cluster) -> None:
    out = shop.kubectl("get", "pods", "-l", "app=web", "--show-labels", "--sort-by=.metadata.name").stdout
    assert out.count("app=web") == 2
    assert "No resources" in shop.kubectl("get", "pods", "--field-selector", "status.phase=Failed").stderr


def test_describe_knows_the_pods_story(shop: Cluster) -> None:
    out = shop.kubectl("describe", "pod", pod(shop)).stdout
    for reason in ("Scheduled", "Pulled", "Created", "Started"):
        assert reason in out
    assert "RollingUpdateStrategy" in shop.kubectl("describe", "deployment", "web").stdout
    assert "Ready" in shop.kubectl("describe", "node", "node-1").stdout


def test_logs_follow_tail_and_previous(shop: Cluster) -> None:
    assert "serving" in shop.kubectl("logs", pod(shop)).stdout
    assert shop.kubectl("logs", "deploy/web", "--tail=1").stdout == "serving\n"
    assert shop.kubectl("logs", pod(shop), "--previous", check=False).returncode == 1
    follow = shop.command("logs", "-f", pod(shop))
    with subprocess.Popen(follow, env=shop.environment, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "serving\n"
        running.terminate()


def test_exec_carries_streams_and_exit_codes(shop: Cluster) -> None:
    name = pod(shop)
    assert shop.kubectl("exec", name, "--", "echo", "a", "b").stdout == "a b\n"
    assert shop.kubectl("exec", "-i", name, "--", "cat", stdin="through and back\n").stdout == "through and back\n"
    failed = shop.kubectl("exec", name, "--", "sh", "-c", "echo oops >&2; exit 7", check=False)
    assert failed.returncode == 7
    assert "oops" in failed.stderr
    asked = shlex.join(shop.command("exec", "-it", name, "--", "sh", "-c", "tty; stty size"))
    tty = subprocess.run(
        ["script", "-qec", asked, "/dev/null"],
        env=shop.environment, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert "/dev/pts/" in tty.stdout, tty


def test_cp_to_and_fro(shop: Cluster, tmp_path: pathlib.Path) -> None:
    (tmp_path / "there").write_text("cargo " * 10000)
    shop.kubectl("cp", str(tmp_path / "there"), f"{pod(shop)}:/tmp/cargo")
    shop.kubectl("cp", f"{pod(shop)}:/tmp/cargo", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "cargo " * 10000


def test_attach_and_run(shop: Cluster) -> None:
    out = shop.kubectl(
        "run", "once", "-i", "--rm", "--restart=Never", "--quiet", f"--image={web.IMAGES[0]}", "--command", "--",
        "sh", "-c", "read line; echo got $line", stdin="a word\n",
    )  # fmt: skip
    assert "got a word" in out.stdout


def test_port_forward(shop: Cluster) -> None:
    command = shop.command("port-forward", "service/web", ":80")
    with subprocess.Popen(command, env=shop.environment, stdout=subprocess.PIPE, text=True) as running:
        try:
            port = forwarded_port(running)
            for _ in range(3):
                assert fetch("127.0.0.1", port).startswith("v1 web-")
        finally:
            running.terminate()


def test_edit_label_annotate_and_patch(shop: Cluster, tmp_path: pathlib.Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/revisionHistoryLimit:.*/revisionHistoryLimit: 4/' \"$1\"\n")
    editor.chmod(0o755)
    editing = {**shop.environment, "KUBE_EDITOR": str(editor)}
    command = shop.command("edit", "deployment/web")
    done = subprocess.run(command, env=editing, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert shop.get("deployment", "web")["spec"]["revisionHistoryLimit"] == 4
    shop.kubectl("label", "deployment/web", "tier=front")
    shop.kubectl("annotate", "deployment/web", "note=here")
    shop.kubectl("patch", "deployment", "web", "--type=json", "-p", '[{"op":"remove","path":"/metadata/labels/tier"}]')
    meta = shop.get("deployment", "web")["metadata"]
    assert meta["annotations"]["note"] == "here"
    assert "tier" not in meta["labels"]


def test_rollouts(shop: Cluster) -> None:
    shop.kubectl("rollout", "pause", "deployment/web")
    shop.kubectl("set", "image", "deployment/web", f"web={web.IMAGES[1]}")
    shop.kubectl("rollout", "resume", "deployment/web")
    shop.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert len(shop.kubectl("rollout", "history", "deployment/web").stdout.strip().splitlines()) >= 4
    shop.kubectl("rollout", "undo", "deployment/web")
    shop.kubectl("rollout", "restart", "deployment/web")
    shop.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert shop.get("deployment", "web")["spec"]["template"]["spec"]["containers"][0]["image"] == web.IMAGES[0]


def test_expose_and_scale(shop: Cluster) -> None:
    shop.kubectl("expose", "deployment", "web", "--name=again", "--port=8081", "--target-port=http")
    eventually(lambda: len(shop.endpoints("again")) == 2, 15, "two endpoints")
    shop.kubectl("delete", "service", "again")
    shop.kubectl("scale", "deployment/web", "--replicas=3", "--current-replicas=2")
    shop.kubectl("wait", "deployment/web", "--for=jsonpath={.status.readyReplicas}=3", "--timeout=30s")
    shop.kubectl("scale", "deployment/web", "--replicas=2")


def nodes_of(shop: Cluster) -> set[str | None]:
    """Where the replicas are; None stands for those that are not scheduled yet."""
    return {pod["spec"].get("nodeName") for pod in shop.pods("app=web")}


def test_cordon_drain_uncordon(shop: Cluster) -> None:
    shop.kubectl("cordon", "node-2")
    assert "SchedulingDisabled" in shop.kubectl("get", "node", "node-2").stdout
    try:
        shop.kubectl("drain", "node-2", "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=50s")
        eventually(lambda: nodes_of(shop) == {"node-1"}, 30, "all replicas on the other node")
    finally:
        shop.kubectl("uncordon", "node-2")
    shop.kubectl("rollout", "status", "deployment/web", "--timeout=60s")


def test_explain_resources_events_and_rights(shop: Cluster) -> None:
    assert "FIELDS" in shop.kubectl("explain", "deployment.spec").stdout.upper()
    assert "deployments" in shop.kubectl("api-resources", "--api-group=apps").stdout
    assert "apps/v1" in shop.kubectl("api-versions").stdout
    assert "Scheduled" in shop.kubectl("events").stdout
    assert shop.kubectl("auth", "can-i", "create", "pods").stdout == "yes\n"
    assert shop.kubectl("auth", "can-i", "create", "pods", "--as=nobody", check=False).stdout == "no\n"
    assert "Server Version: v1.36" in shop.kubectl("version").stdout


def test_diff_replace_and_server_side_apply(shop: Cluster) -> None:
    manifest = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"a": "1"}})
    shop.kubectl("apply", "--server-side", "-f", "-", stdin=manifest)
    changed = manifest.replace('"1"', '"2"')
    assert '+  a: "2"' in shop.kubectl("diff", "-f", "-", stdin=changed, check=False).stdout
    shop.kubectl("replace", "-f", "-", stdin=changed)
    assert shop.get("configmap", "m")["data"] == {"a": "2"}
    shop.kubectl("delete", "configmap", "m")
