"""Groups of the Kubernetes community need an approval of their API, named by an annotation of the definition. Pure."""

from __future__ import annotations

import urllib.parse
from typing import NamedTuple

from pilothouse.api import go_text
from pilothouse.api.types.apiextensions.v1 import CustomResourceDefinition

ANNOTATION = "api-approved.kubernetes.io"
_SEE = "see https://github.com/kubernetes/enhancements/pull/1111"
_NEEDED = f'protected groups must have approval annotation "{ANNOTATION}"'


class Approval(NamedTuple):
    """`reason` is that of the condition, `refused` whether such a definition is not taken at all."""

    reason: str
    message: str
    refused: bool = False


def approval(crd: CustomResourceDefinition) -> Approval | None:
    """None for a group that needs no approval."""
    if not f".{crd.spec.group}".endswith((".k8s.io", ".kubernetes.io")):
        return None
    said = crd.metadata.annotations.get(ANNOTATION, "")
    if not said:
        return Approval("MissingAnnotation", f"{_NEEDED}, {_SEE}", True)
    if said.startswith("unapproved"):
        return Approval("UnapprovedAnnotation", f"not approved: {go_text.quote(said)}")
    url = urllib.parse.urlsplit(said)
    if url.scheme and url.netloc:
        return Approval("ApprovedAnnotation", f"approved in {said}")
    more = 'with either a URL or a reason starting with "unapproved"'
    return Approval("InvalidAnnotation", f"{_NEEDED} {more}, {_SEE}", True)
