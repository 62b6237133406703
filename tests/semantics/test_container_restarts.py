"""Which containers run again, and which ends the API server takes back."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.types.core.v1 import Container, PodSpec
from pilothouse.semantics.container_restarts import could_restart_all, should_restart


def rule(action: str, operator: str, *codes: int) -> dict[str, Any]:
    return {"action": action, "exitCodes": {"operator": operator, "values": list(codes)}}


@pytest.mark.parametrize(
    ("pod", "own", "rules", "code", "expected"),
    [
        ("Always", None, [], 0, True),
        ("OnFailure", None, [], 0, False),
        ("OnFailure", None, [], 1, True),
        ("Never", None, [], 1, False),
        ("Never", "Always", [], 0, True),
        ("Always", "Never", [], 1, False),
        ("Always", "OnFailure", [], 0, False),
        ("Never", "Never", [rule("Restart", "In", 42)], 42, True),
        ("Never", "Never", [rule("Restart", "In", 42)], 43, False),
        ("Never", "Never", [rule("Restart", "NotIn", 42)], 43, True),
        ("Never", "Never", [rule("RestartAllContainers", "In", 42)], 42, True),
    ],
)
def test_rules_go_before_the_own_policy_and_that_before_the_pods(
    pod: str, own: str | None, rules: list[dict[str, Any]], code: int, expected: bool
) -> None:
    container = from_builtins({"name": "c", "restartPolicy": own, "restartPolicyRules": rules}, Container)
    spec = PodSpec(restart_policy=pod, containers=(container,))
    assert should_restart(container, spec, code) is expected
    assert could_restart_all(spec) is any(r["action"] == "RestartAllContainers" for r in rules)
