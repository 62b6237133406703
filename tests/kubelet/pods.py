"""Pods and runtime facts for the kubelet's tests."""

from __future__ import annotations

from typing import Any

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.types.core.v1 import Pod
from pilothouse.seams.runtime import Container, ContainerState, Sandbox, SandboxState

UID = "5f6f7a32-6e5c-4c58-9d8a-0c1d2e3f4a5b"


def container(name: str = "c", **more: Any) -> dict[str, Any]:
    return {"name": name, "image": f"{name}:1", "imagePullPolicy": "IfNotPresent", **more}


def pod(*containers: dict[str, Any], name: str = "web", meta: dict[str, Any] | None = None, **spec: Any) -> Pod:
    """A pod on node n1; `spec` in the API's names."""
    tree = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": UID, "generation": 1, **(meta or {})},
        "spec": {
            "nodeName": "n1",
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "containers": list(containers) or [container()],
            **spec,
        },
    }
    return from_builtins(tree, Pod)


def sandbox(identity: str = "s0", attempt: int = 0, *, ready: bool = True) -> Sandbox:
    state = SandboxState.READY if ready else SandboxState.NOT_READY
    return Sandbox(identity, "web", "default", UID, attempt, state, 0.0, {}, {}, ("10.0.0.2",) if ready else ())


def run(
    name: str = "c",
    state: ContainerState = ContainerState.RUNNING,
    *,
    code: int = 0,
    attempt: int = 0,
    in_sandbox: str = "s0",
    finished: float = 0.0,
) -> Container:
    """A run of a container; its id tells name and attempt."""
    return Container(
        id=f"{name}-{attempt}",
        sandbox_id=in_sandbox,
        name=name,
        attempt=attempt,
        image=f"docker.io/library/{name}:1",
        image_ref="sha256:1",
        state=state,
        created_at=float(attempt),
        labels={},
        annotations={},
        started_at=1.0,
        finished_at=finished,
        exit_code=code,
    )


def ended(name: str = "c", code: int = 0, *, attempt: int = 0, finished: float = 0.0) -> Container:
    return run(name, ContainerState.EXITED, code=code, attempt=attempt, finished=finished)
