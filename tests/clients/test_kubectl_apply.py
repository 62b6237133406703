"""kubectl applies, compares, replaces, patches, edits and sets."""

from __future__ import annotations

import json

import pytest

from tests.clients.kubectl import Kubectl
from tests.clients.objects import config_map, deployment

pytestmark = pytest.mark.clients


def labelled(name: str, **data: str) -> str:
    body = config_map(name, **data)
    body["metadata"]["labels"] = {"set": "x"}
    return "---\n" + json.dumps(body) + "\n"


def test_applies_compares_and_prunes(kubectl: Kubectl) -> None:
    first, changed = labelled("one", a="1"), labelled("one", a="2")
    assert kubectl("apply -f -", stdin=first + labelled("two")) == "configmap/one created\nconfigmap/two created\n"
    assert kubectl("apply -f -", stdin=first) == "configmap/one unchanged\n"
    assert '+  a: "2"' in kubectl.run("diff -f -", stdin=changed).stdout
    prune = "--prune -l set=x --prune-allowlist=core/v1/ConfigMap"
    assert kubectl(f"apply -f - {prune}", stdin=changed) == "configmap/one configured\nconfigmap/two pruned\n"
    assert kubectl("diff -f -", stdin=changed) == ""
    assert 'a: "2"' in kubectl("apply view-last-applied configmap/one")
    assert kubectl("apply set-last-applied -f -", stdin=first) == "configmap/one configured\n"
    assert kubectl("apply -f - --dry-run=server", stdin=first) == "configmap/one configured (server dry run)\n"
    assert kubectl.get("configmap one")["data"] == {"a": "2"}


def test_applies_in_sets(kubectl: Kubectl) -> None:
    """An ApplySet remembers its members in a parent object."""
    sets, env = f"apply -f - --prune --applyset=all -n {kubectl.namespace}", {"KUBECTL_APPLYSET": "true"}
    kubectl(sets, stdin=labelled("one") + labelled("two"), env=env)
    assert "configmap/two pruned" in kubectl(sets, stdin=labelled("one"), env=env)
    assert kubectl("get configmaps -l set=x -o name") == "configmap/one\n"


def test_applies_on_the_server_with_owners(kubectl: Kubectl) -> None:
    apply = "apply -f - --server-side"
    assert kubectl(apply, stdin=labelled("one", a="1")) == "configmap/one serverside-applied\n"
    refused = kubectl.refused(f"{apply} --field-manager=other", stdin=labelled("one", a="2"))
    assert 'Apply failed with 1 conflict: conflict with "kubectl": .data.a' in refused
    diff = kubectl.run("diff -f - --server-side --force-conflicts", stdin=labelled("one", a="2"))
    assert diff.returncode == 1
    assert '+  a: "2"' in diff.stdout
    kubectl(f"{apply} --field-manager=other --force-conflicts", stdin=labelled("one", a="2"))
    managers = json.loads(kubectl("get configmap one -o json --show-managed-fields"))["metadata"]["managedFields"]
    assert {m["manager"]: "f:data" in m["fieldsV1"] for m in managers} == {"kubectl": False, "other": True}
    # from client-side to server-side: what was applied before is taken over
    kubectl("apply -f -", stdin=labelled("two", a="1", b="1"))
    kubectl(apply, stdin=labelled("two", a="1"))
    assert kubectl.get("configmap two")["data"] == {"a": "1"}


def test_kustomizes(kubectl: Kubectl) -> None:
    (kubectl.folder / "kustomization.yaml").write_text(json.dumps({
        "namePrefix": "k-", "resources": ["web.json"],
        "configMapGenerator": [{"name": "settings", "literals": ["a=1"]}],
    }))  # fmt: skip
    (kubectl.folder / "web.json").write_text(json.dumps(deployment("web", 1)))
    assert "name: k-settings-" in kubectl("kustomize .")
    assert "deployment.apps/k-web created" in kubectl("apply -k .")
    assert kubectl("diff -k .") == ""
    assert "k-web" in kubectl("get -k . -o name")
    kubectl("delete -k .")


def test_replaces(kubectl: Kubectl) -> None:
    kubectl("create -f -", stdin=labelled("one", a="1"))
    uid = kubectl.get("configmap one")["metadata"]["uid"]
    assert kubectl("replace -f -", stdin=labelled("one", b="1")) == "configmap/one replaced\n"
    assert kubectl.get("configmap one")["metadata"]["uid"] == uid
    assert "replaced" in kubectl("replace --force -f -", stdin=labelled("one", b="2"))
    assert kubectl.get("configmap one")["metadata"]["uid"] != uid
    stale = json.dumps(config_map("one") | {"metadata": {"name": "one", "resourceVersion": "1"}})
    assert "the object has been modified" in kubectl.refused("replace -f -", stdin=stale)
    assert 'configmaps "none" not found' in kubectl.refused("replace -f -", stdin=labelled("none"))


def test_patches_in_three_ways_and_below(kubectl: Kubectl) -> None:
    kubectl("create deployment web --image=busybox")
    template = {"spec": {"containers": [{"name": "busybox", "env": [{"name": "A", "value": "1"}]}]}}
    kubectl("patch deployment web -p", json.dumps({"spec": {"template": template}}))
    kubectl("patch deployment web --type=merge -p", '{"metadata":{"labels":{"x":"y"}}}')
    kubectl("patch deployment web --type=json -p", '[{"op":"replace","path":"/spec/revisionHistoryLimit","value":2}]')
    assert kubectl("patch deployment web --subresource=scale --type=merge -p", '{"spec":{"replicas":3}}') == (
        "scale.autoscaling/web patched\n"
    )
    kubectl("patch deployment web --subresource=status --type=merge -p", '{"status":{"collisionCount":7}}')
    web = kubectl.get("deployment web")
    assert web["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "A", "value": "1"}]
    assert web["metadata"]["labels"]["x"] == "y"
    assert (web["spec"]["revisionHistoryLimit"], web["spec"]["replicas"]) == (2, 3)
    assert web["status"]["collisionCount"] == 7
    assert "no change" in kubectl("patch deployment web -p", '{"spec":{"replicas":3}}')
    assert "is invalid" in kubectl.refused("patch deployment web -p", '{"spec":{"replicas":-1}}')


def test_edits(kubectl: Kubectl) -> None:
    kubectl("apply -f -", stdin=labelled("one", a="1"))
    assert kubectl.edit("edit configmap one", script="s/a: .*/a: edited/") == "configmap/one edited\n"
    assert kubectl.get("configmap one")["data"] == {"a": "edited"}
    assert '"a": "again"' in kubectl.edit("edit configmap one -o json", script="s/edited/again/")
    assert kubectl.run("edit configmap one", env={"KUBE_EDITOR": "true"}).stderr == (
        "Edit cancelled, no changes made.\n"
    )
    assert "edited" in kubectl.edit("apply edit-last-applied configmap/one", script='s/a: "1"/a: "9"/')
    kubectl("create deployment web --image=busybox")
    script = "s/availableReplicas: .*/availableReplicas: 0/;s/collisionCount: .*//;s/^status:/&\\n  collisionCount: 5/"
    assert "edited" in kubectl.edit("edit deployment web --subresource=status", script=script)
    assert kubectl.get("deployment web")["status"]["collisionCount"] == 5


def test_sets(kubectl: Kubectl) -> None:
    kubectl("create deployment web --image=busybox")
    kubectl("apply -f -", stdin=labelled("one", a="1"))
    for words in (
        "image deployment/web busybox=busybox:2", "env deployment/web FOO=bar", "serviceaccount deployment/web robot",
        "env deployment/web --from=configmap/one --prefix=C_",
        "resources deployment/web --limits=cpu=200m,memory=64Mi --requests=cpu=10m",
    ):  # fmt: skip
        assert "updated" in kubectl(f"set {words}")
    spec = kubectl.get("deployment web")["spec"]["template"]["spec"]
    container = spec["containers"][0]
    assert (container["image"], spec["serviceAccountName"]) == ("busybox:2", "robot")
    assert [e["name"] for e in container["env"]] == ["FOO", "C_A"]
    assert container["resources"] == {"limits": {"cpu": "200m", "memory": "64Mi"}, "requests": {"cpu": "10m"}}
    assert "FOO=bar" in kubectl("set env deployment/web --list")
    kubectl("create service clusterip back --tcp=80")
    kubectl("set selector service back app=web")
    assert kubectl.get("service back")["spec"]["selector"] == {"app": "web"}
    kubectl("create rolebinding reads --clusterrole=view --user=a")
    kubectl("set subject rolebinding reads --user=b --group=c")
    assert [s["name"] for s in kubectl.get("rolebinding reads")["subjects"]] == ["a", "b", "c"]


def test_labels_and_annotates(kubectl: Kubectl) -> None:
    kubectl("apply -f -", stdin=labelled("one"))
    assert kubectl("label configmap one tier=front") == "configmap/one labeled\n"
    assert "already has a value (front)" in kubectl.refused("label configmap one tier=back")
    kubectl("label configmaps --all tier=back --overwrite")
    kubectl("annotate configmap one note=here")
    assert "note=here" in kubectl("annotate configmap one --list").splitlines()
    meta = kubectl.get("configmap one")["metadata"]
    assert meta["labels"] == {"set": "x", "tier": "back"}
    assert kubectl("label configmap one tier-") == "configmap/one unlabeled\n"
    assert kubectl("annotate configmap one note-") == "configmap/one annotated\n"
    assert "name part must consist of" in kubectl.refused("annotate configmap one", "bad key=1")
    stale = kubectl.refused("label configmap one a=b --resource-version=1")
    assert "the object has been modified" in stale
