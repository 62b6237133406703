"""What a failed pod means for its Job, by the pod failure policy. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pilothouse.api.types.batch.v1 import Job, PodFailurePolicyOnExitCodesRequirement
from pilothouse.api.types.core.v1 import Pod

COUNT, IGNORE, FAIL_JOB, FAIL_INDEX = "Count", "Ignore", "FailJob", "FailIndex"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do about a failed pod; `message` says why, and is empty if no rule matches."""

    action: str = COUNT
    message: str = ""


def judge(job: Job, pod: Pod) -> Verdict:
    """The action of the first rule that matches."""
    told = job.spec.pod_failure_policy
    if told is None:
        return Verdict()
    where = f"{pod.metadata.namespace}/{pod.metadata.name}"
    for number, rule in enumerate(told.rules or ()):
        if rule.on_exit_codes is not None:
            found = _matching_exit(pod, rule.on_exit_codes)
            if found is not None:
                name, code = found
                return Verdict(
                    rule.action,
                    f"Container {name} for pod {where} failed with exit code {code} matching {rule.action} rule at "
                    f"index {number}",
                )
        for pattern in rule.on_pod_conditions:
            if any(c.type == pattern.type and c.status == pattern.status for c in pod.status.conditions):
                return Verdict(
                    rule.action,
                    f"Pod {where} has condition {pattern.type} matching {rule.action} rule at index {number}",
                )
    return Verdict()


def _matching_exit(pod: Pod, wanted: PodFailurePolicyOnExitCodesRequirement) -> tuple[str, int] | None:
    for status in (*pod.status.container_statuses, *pod.status.init_container_statuses):
        if wanted.container_name not in (None, status.name):
            continue
        ended = status.state.terminated
        if ended is None or ended.exit_code == 0:
            continue
        among = ended.exit_code in (wanted.values or ())
        if among == (wanted.operator == "In"):
            return status.name, ended.exit_code
    return None
