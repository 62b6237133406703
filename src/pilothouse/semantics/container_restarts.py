"""Whether a container that has ended is to run again, by its own rules and policy and its pod's. Pure.

KEP-5307, KEP-5532. Upstream: pkg/api/v1/pod, ContainerShouldRestart and AllContainersCouldRestart.
"""

from __future__ import annotations

from pilothouse.api.types.core.v1 import Container, ContainerRestartRule, PodSpec

RESTART, RESTART_ALL = "Restart", "RestartAllContainers"


def rule_matches(rule: ContainerRestartRule, exit_code: int) -> bool:
    codes = rule.exit_codes
    if codes is None:
        return False
    return (exit_code in (codes.values or ())) == (codes.operator == "In")


def matching_rule(container: Container, exit_code: int) -> ContainerRestartRule | None:
    """The first of the container's rules that is for this exit code."""
    return next((rule for rule in container.restart_policy_rules if rule_matches(rule, exit_code)), None)


def should_restart(container: Container, spec: PodSpec, exit_code: int) -> bool:
    """Whether a container of the pod that ended so is to run again."""
    rule = matching_rule(container, exit_code)
    if rule is not None and rule.action in (RESTART, RESTART_ALL):
        return True
    policy = container.restart_policy or spec.restart_policy or "Always"
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def could_restart_all(spec: PodSpec) -> bool:
    """Whether some exit of some container restarts the whole pod."""
    containers = (*spec.init_containers, *(spec.containers or ()))
    return any(rule.action == RESTART_ALL for c in containers for rule in c.restart_policy_rules)
