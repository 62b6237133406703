"""What a cluster writes down of what happens: the logs of its processes, and the audit log of its API server."""

from __future__ import annotations

import msgspec
import yaml

from pilothouse.apiserver.filters.audit import policy
from pilothouse.apiserver.filters.audit.policy import Policy
from pilothouse.apiserver.filters.audit.sink import FileSink
from pilothouse.house.given_files import text_of
from pilothouse.house.paths import Paths
from pilothouse.house.spec import ClusterSpec
from pilothouse.seams.house import HouseError, UpRequest

AUDIT = "audit"


def logging_as_asked(spec: ClusterSpec, request: UpRequest) -> ClusterSpec:
    """`spec` with the logs that `request` asks for. Raises HouseError for a policy that is none."""
    text = spec.audit_policy
    if request.audit_policy is not None:
        text = text_of(request.audit_policy, "audit policy")
        _policy(text)
    return msgspec.structs.replace(
        spec,
        audit_policy=text,
        log_level=request.log_level or spec.log_level,
        log_format=request.log_format or spec.log_format,
    )


def same_logging(one: ClusterSpec, other: ClusterSpec) -> bool:
    """Whether what runs for `one` writes down what it would for `other`."""
    return (one.audit_policy, one.log_level, one.log_format) == (other.audit_policy, other.log_level, other.log_format)


def audit_of(paths: Paths, spec: ClusterSpec) -> tuple[Policy, FileSink] | None:
    """The policy and the file of a cluster's audit log, None if it keeps none."""
    return (_policy(spec.audit_policy), FileSink(paths.log(AUDIT))) if spec.audit_policy else None


def _policy(text: str) -> Policy:
    try:
        return policy.read(yaml.safe_load(text))
    except (policy.PolicyError, yaml.YAMLError) as error:
        raise HouseError(f"{error}") from None
