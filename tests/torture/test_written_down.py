"""What a cluster writes down of the requests of a real kubectl: the audit log and the request log."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
from typing import Any

from tests.clients.objects import eventually
from tests.torture.cluster import ControlPlane, control_plane

POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: RequestResponse, resources: [{group: "", resources: [configmaps]}], namespaces: [default]}
- {level: Metadata, verbs: [delete]}
- {level: None}
"""


def kubectl(plane: ControlPlane, *arguments: str) -> int:
    environment = {**os.environ, "KUBECONFIG": str(plane.home / "kubeconfig"), "HOME": str(plane.home)}
    command = ["kubectl", *arguments]
    return subprocess.run(command, check=False, env=environment, capture_output=True, timeout=30).returncode


def test_the_logs_of_a_real_kubectl(tmp_path: pathlib.Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    with control_plane(audit_policy=policy, log_level="debug", log_format="json") as plane:
        assert kubectl(plane, "create", "configmap", "a", "--from-literal=b=c") == 0
        assert kubectl(plane, "create", "secret", "generic", "s") == 0
        assert kubectl(plane, "delete", "secret", "s") == 0
        assert kubectl(plane, "get", "configmap", "none") == 1
        # What was counted is written a moment later.
        log, count = plane.paths.log("audit"), plane.figure("apiserver_audit_event_total")
        eventually(lambda: len(log.read_text().splitlines()) >= count)
        events = [json.loads(line) for line in log.read_text().splitlines()]
        requests = [json.loads(line) for line in plane.log.splitlines() if '"apiserver.requests"' in line]
        assert count == len(events)
    created, deleted, missing = (_only(events, **wanted) for wanted in (
        {"verb": "create"}, {"verb": "delete"}, {"verb": "get"}
    ))  # fmt: skip
    assert created["requestObject"]["data"] == {"b": "c"}
    assert created["responseObject"]["metadata"]["uid"]
    assert created["responseStatus"]["code"] == 201
    assert created["user"]["username"] == "kubernetes-admin"
    assert created["objectRef"] == {"resource": "configmaps", "namespace": "default", "apiVersion": "v1", "name": "a"}
    assert created["annotations"]["authorization.k8s.io/decision"] == "allow"
    assert deleted["level"] == "Metadata"
    assert "requestObject" not in deleted
    assert missing["responseStatus"]["code"] == 404
    assert missing["responseObject"]["reason"] == "NotFound"
    posted = [found for found in requests if found["msg"].startswith("POST /api/v1/namespaces/default/configmaps")]
    assert [(found["verb"], found["code"]) for found in posted] == [("create", 201)]
    assert posted[0]["agent"].startswith("kubectl/")


def _only(events: list[dict[str, Any]], verb: str) -> dict[str, Any]:
    (found,) = [event for event in events if event["verb"] == verb]
    assert found["stage"] == "ResponseComplete"
    return found
