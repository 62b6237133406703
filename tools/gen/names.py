"""How names of the API become names in Python."""

from __future__ import annotations

import keyword
import re

_WORD = re.compile(r"[A-Z]+s(?![a-z])|[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")

# Names that the annotations of a class body need for themselves.
_SHADOWING = frozenset({"bool", "bytes", "field", "float", "int", "str", "tuple"})


def attribute(json_name: str) -> str:
    """`clusterIPs` to `cluster_ips`, `x-kubernetes-int-or-string` to `x_kubernetes_int_or_string`, `from` to `from_`."""
    words = [word.lower() for part in re.split(r"[^A-Za-z0-9]+", json_name) for word in _WORD.findall(part)]
    name = "_".join(words)
    return name + "_" if keyword.iskeyword(name) or name in _SHADOWING else name
