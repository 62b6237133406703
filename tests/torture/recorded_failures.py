"""The failures (5xx) that kube-apiserver v1.36 answers, too, where others would answer 4xx: what they say."""

from __future__ import annotations

import re

# Answers of 500 without a reason, and one of 504.
_TEXTS = (
    r"resourceVersion should not be set on objects to be created",
    r"(resourceVersion: Invalid value: \".*\": )?"
    r"strconv\.ParseU?[Ii]nt: parsing \".*\": (invalid syntax|value out of range)",
    r"(Timeout: )?Too large resource version: .*",
    r"etcdserver: request is too large",
    # server-side apply
    r"failed to create (manager|typed (patch|live)) .*",
    r"failed to convert new object .*",
    # strategic merge patches
    r"The order in patch list:.*doesn't match \$setElementOrder list:.*",
    r"expected a (\[\]|map\[string\])interface \{\}, but received a .*",
    r"unknown patch type: .* in map: map\[.*",
    r"map: map\[.* does not contain declared merge key: .*",
    r"cannot merge lists without merge key for .*",
    r"lists of lists are not supported",
    r"unable to find api field in struct .*",
    r"merging lists cannot yet be specified in the patch",
    r"no elements in any of the given slices",
    r"list element types are not identical: .*",
    # what these kinds say
    r"target\.(name: Required value|kind: Unsupported value: .*)",
    r"duplicate nodePort: .*",
    r"Internal error occurred: failed to allocate requested HealthCheck NodePort .*",
    r"This pod has more than one PodDisruptionBudget, .*",
    r"the spec replicas field .* does not exist",
    # nobody answers behind a proxy
    r"no preferred addresses found; known addresses: .*",
    r"no endpoints available for service .*",
    r"error (trying to reach service|dialing backend): .*",
)
_MESSAGE = re.compile("|".join(f"(?:{text})" for text in _TEXTS), re.DOTALL)
_STATUS = re.compile(rb'"message":"((?:[^"\\]|\\.)*)"')
# What Go's HTTP server says of requests that it does not read.
_PLAIN = {501: b"501 Not Implemented", 505: b"505 HTTP Version Not Supported"}


def is_recorded(status: int, body: bytes) -> bool:
    """Whether the real server is known to fail like this."""
    if status in _PLAIN:
        return body.startswith(_PLAIN[status])
    found = _STATUS.search(body)
    if found is None:
        text = body.decode(errors="replace")
        return any(re.search(one, text, re.DOTALL) for one in _TEXTS)
    return _MESSAGE.fullmatch(found[1].decode(errors="replace").replace('\\"', '"')) is not None
