"""The failures (5xx) that kube-apiserver v1.36 answers, too, where others would answer 4xx: what they say."""

from __future__ import annotations

import re

# Answers of 500 without a reason, unless told otherwise.
_TEXTS = (
    r"resourceVersion should not be set on objects to be created",
    r"(resourceVersion: Invalid value: \".*\": )?strconv\.ParseU?[Ii]nt: parsing \".*\": (invalid syntax|value out of range)",
    r"failed to create (manager|typed (patch|live)) .*",
    r"failed to convert new object .*",
    r"failed to update managedFields.*",
    r"target\.name: Required value",
    r"The order in patch list:.*doesn't match \$setElementOrder list:.*",
    r"expected a \[\]interface \{\}, but received a .*",
    r"(delete|map: map\[.*|unable to find api field|unrecognized type|unknown patch type|cannot .* merge|expected|invalid) .*",
    r"duplicate nodePort: .*",
    r"failed to allocate (requested HealthCheck )?NodePort.*",
    r"This pod has more than one PodDisruptionBudget, .*",
    r"etcdserver: request is too large",
    r"error dialing backend: .*",
    r"Too large resource version: .*",
    r"no endpoints available for service .*",
    r"error trying to reach service: .*",
    r".*does not contain declared merge key: .*",
    r"the spec replicas field .* does not exist",
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
