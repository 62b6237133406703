"""The failures of one completion index, carried from pod to pod as annotations. Pure.

An index is limited by the failures that count; its back-off grows with the ignored ones too. The numbers survive the
failed pods because each replacement is born with those of its predecessor, which stays until then.
"""

from __future__ import annotations

from pilothouse.api.types.batch.v1 import Job
from pilothouse.api.types.core.v1 import Pod
from pilothouse.controllers.job import policy

COUNTED = "batch.kubernetes.io/job-index-failure-count"
IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"
_MOST = 2**31 - 1


def _number(pod: Pod, annotation: str) -> int:
    """The annotated number; 0 if it is absent or no int32 that makes sense."""
    text = pod.metadata.annotations.get(annotation, "")
    if not text.isascii() or not text.removeprefix("+").isdigit():
        return 0
    number = int(text) if len(text) < 20 else _MOST + 1
    return number if number <= _MOST else 0


def counted_failures(pod: Pod) -> int:
    """How many pods of the index failed before this one, ignored ones left out."""
    return _number(pod, COUNTED)


def all_failures(pod: Pod) -> int:
    """How many pods of the index failed before this one."""
    return _number(pod, COUNTED) + _number(pod, IGNORED)


def annotations_after(job: Job, predecessor: Pod | None) -> dict[str, str]:
    """The annotations of the pod that takes the place of `predecessor`, a failed one; None for the first pod."""
    if predecessor is None:
        return {COUNTED: "0"}
    ignored = policy.judge(job, predecessor).action == policy.IGNORE
    counted = _number(predecessor, COUNTED) + (not ignored)
    passed_over = _number(predecessor, IGNORED) + ignored
    return {COUNTED: str(counted), **({IGNORED: str(passed_over)} if passed_over else {})}


def index_has_failed(job: Job, pod: Pod) -> bool:
    """Whether a failed pod fails its index for good."""
    action = policy.judge(job, pod).action
    if action == policy.FAIL_INDEX:
        return True
    return action != policy.IGNORE and counted_failures(pod) >= (job.spec.backoff_limit_per_index or 0)
